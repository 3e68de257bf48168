"""`minibert embed` and `minibert similar`: texts as vectors, and the lines of a file that mean the same."""

import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from minibert.cli.terminal import columns
from minibert.config import require

if TYPE_CHECKING:
    from minibert.recipes.embed import Line, Vectors

BAR_DELAY = 1
"""Seconds before a bar appears."""

Model = Annotated[
    Positional[str],
    arg(metavar="MODEL", help="The folder of a model, or a data card with weights, like minilm."),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    arg(help="Where to run; `auto` takes cuda, then mps, then the CPU."),
]


@dataclass(frozen=True)
class Embed:
    """Turn texts into vectors, one for each: near each other when they mean the same.

    Prints {"text": ..., "vector": [...]} for each text, or writes one array.

    The model's folder says how to pool and cut; if not: the mean, of length 1.

    examples:
      minibert embed minilm "The state of the union" "How the country is doing"
      minibert embed minilm --file titles.txt --out titles.npy
    """

    model: Model
    texts: Annotated[
        Positional[tuple[str, ...]], arg(metavar="[TEXT ...]", help="Texts, each in quotes.")
    ] = ()
    file: Path | None = None
    """A file with a text on each line, in place of TEXT; blank lines are left out."""
    out: Path | None = None
    """Write an array (texts, width) of float32 into this .npy file, in place of JSON."""
    device: Device = "auto"

    def __post_init__(self) -> None:
        require(bool(self.texts) != (self.file is not None), "give texts, or a file of them with --file")
        require(all(text.strip() for text in self.texts), "a text is empty: give words in quotes")
        require(self.out is None or self.out.suffix == ".npy", f"--out must end in .npy, got {self.out}")

    def __call__(self) -> None:
        from minibert.recipes.embed import Line, SentenceEncoder, encode_lines, lines_with_text, save_vectors

        require(
            self.out is None or self.out.parent.is_dir(), f"no folder {self.out and self.out.parent}: make it"
        )
        encoder = SentenceEncoder.open(self.model, self.device)
        numbered = (Line(number, text) for number, text in enumerate(self.texts, start=1))
        lines = lines_with_text(self.file) if self.file else numbered
        with progress_bar(self.file) as progress:
            parts = encode_lines(encoder, lines, progress)
            if self.out is None:
                for chunk, vectors in parts:
                    print_json(chunk, vectors)
            else:
                count = save_vectors(self.out, encoder.width, (vectors for _, vectors in parts))
                print(f"{self.out}: {count} vectors of {encoder.width} numbers")


@dataclass(frozen=True)
class Similar:
    """Find the lines of a file that mean nearly the same as a text.

    Prints the nearest lines: cosine (1 = the same), number of the line, text.

    examples:
      minibert similar minilm --query "taxes on imports" speeches.txt
      minibert similar minilm --query army --query peace speeches.txt --top 3
    """

    model: Model
    file: Annotated[Positional[Path], arg(metavar="FILE", help="A file with a text on each line.")]
    query: Annotated[
        UseAppendAction[tuple[str, ...]], arg(metavar="TEXT", help="What to look for, in quotes.")
    ]
    top: int = 10
    """Lines to show for each query."""
    device: Device = "auto"

    def __post_init__(self) -> None:
        require(bool(self.query), "give what to look for: --query TEXT")
        require(all(text.strip() for text in self.query), "a query is empty: give words in quotes")
        require(self.top >= 1, f"--top must be at least 1, got {self.top}")

    def __call__(self) -> None:
        from minibert.recipes.embed import SentenceEncoder, lines_with_text, rank

        encoder = SentenceEncoder.open(self.model, self.device)
        with progress_bar(self.file) as progress:
            ranked = rank(encoder, self.query, lines_with_text(self.file), self.top, progress)
        for query, matches in zip(self.query, ranked, strict=True):
            if len(self.query) > 1:
                print(f"\n{query}")
            widest = max(len(str(match.line.number)) for match in matches)
            for match in matches:
                print(beside(f"{match.score:6.3f}  {match.line.number:>{widest}}  ", match.line.text))


@contextmanager
def progress_bar(file: Path | None) -> Iterator[Callable[[int], object]]:
    """Show how much of a file is done, if that takes a while and somebody is looking."""
    from tqdm import tqdm

    total = file.stat().st_size if file and file.is_file() and file.suffix != ".gz" else None
    with tqdm(total=total, unit="B", unit_scale=True, delay=BAR_DELAY, disable=None, leave=False) as bar:
        yield bar.update


def print_json(lines: "list[Line]", vectors: "Vectors") -> None:
    """Print a line of JSON for each vector, with no more digits than float32 has."""
    for line, vector in zip(lines, vectors, strict=True):
        print(json.dumps({"text": line.text, "vector": [float(str(x)) for x in vector]}))


def beside(start: str, text: str) -> str:
    """Return a text wrapped beside `start`, in at most three lines."""
    return textwrap.fill(
        text[:1000],
        columns(),
        initial_indent=start,
        subsequent_indent=" " * len(start),
        max_lines=3,
        placeholder=" …",
        break_on_hyphens=False,
    )
