"""A small made-up corpus, its store, and the settings of runs that take a second."""

import random
from pathlib import Path

from minibert.config import PretrainConfig
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.corpus import Document
from minibert.text.running import RunningBuilder
from minibert.text.store import Store, build, open_store
from minibert.text.tokenizer import Tokenizer

SUBJECTS = "the baker|a fisher|our teacher|the old miller|my sister|the captain|a young painter|the queen"
VERBS = "sells|forgets|carries|paints|remembers|hides|repairs|borrows"
OBJECTS = "bread|two boats|a red lantern|the broken wheel|seven stones|an empty basket|her letters|the map"


def document(number: int, sentences: int) -> Document:
    """Return a document of short sentences that keeps to a few words of its own."""
    draw = random.Random(number)
    subjects, verbs, objects = (draw.sample(words.split("|"), 4) for words in (SUBJECTS, VERBS, OBJECTS))
    lines = (
        f"{draw.choice(subjects)} {draw.choice(verbs)} {draw.choice(objects)}." for _ in range(sentences)
    )
    return Document(f"story {number}", "\n".join(line.capitalize() for line in lines))


def documents(count: int = 12, sentences: int = 20) -> list[Document]:
    return [document(number, sentences) for number in range(count)]


def small_tokenizer() -> Tokenizer:
    return Tokenizer.train([d.text for d in documents()], vocab_size=120)


def small_store(folder: Path, tokenizer: Tokenizer, count: int = 12, sentences: int = 20) -> Store:
    return build(documents(count, sentences), tokenizer, folder / f"store-{count}-{sentences}", "key")


def running_store(folder: Path, tokenizer: BaseTokenizer, count: int = 12, sentences: int = 20) -> Store:
    """Return a store of running text, as causal models learn it."""
    with RunningBuilder(folder, tokenizer, "key") as builder:
        for each in documents(count, sentences):
            builder.add(each)
    return open_store(folder)


def corpus_file(folder: Path, count: int = 12) -> Path:
    path = folder / "stories.txt"
    path.write_text("\n\n".join(d.text for d in documents(count)), encoding="utf-8")
    return path


def small_config(folder: Path, **changes) -> PretrainConfig:
    """Return the settings of a run of six steps on the made-up corpus."""
    settings = {
        "corpus": (str(corpus_file(folder)),),
        "out": folder / "run",
        "steps": 6,
        "batch_size": 4,
        "seq_len": 32,
        "layers": 1,
        "width": 16,
        "heads": 2,
        "vocab_size": 120,
        "dropout": 0.1,
        "checkpoint_every": 2,
        "log_every": 2,
        "evaluate_every": 3,
        "device": "cpu",
    }
    return PretrainConfig(**(settings | changes))
