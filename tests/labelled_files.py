"""Files of labelled texts, and a data card with two parts, for tests."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import card_of, sdist, write_card

from minibert import sources
from minibert.config import FinetuneConfig
from minibert.recipes.card_split import card_split
from minibert.recipes.labelled_data import read
from minibert.recipes.task import Splits
from minibert.sources import cache, catalogue
from minibert.sources.catalogue import CardPart
from minibert.text.labelled import LabelledText


def rows_of(count: int, first: int = 0) -> list[tuple[str, str]]:
    """Texts of eight words of their own, one in four of them bad."""
    return [
        (" ".join(f"word{8 * n + k}" for k in range(8)), "bad" if n % 4 == 0 else "good")
        for n in range(first, first + count)
    ]


def table(path: Path, rows: Sequence[tuple[str, str]], header: str = "text,label") -> str:
    path.write_text(
        "\n".join([header, *(f"{text},{label}" for text, label in rows)]) + "\n", encoding="utf-8"
    )
    return str(path)


def read_files(data: str, **settings: object) -> Splits[LabelledText]:
    return read(FinetuneConfig(data=(data,), **settings))  # pyright: ignore[reportArgumentType]


def texts(part: Sequence[LabelledText]) -> set[str]:
    return {text.text for text in part}


ROWS = (
    [("lake " + text, label) for text, label in rows_of(100)],
    [("road " + text, label) for text, label in rows_of(50, 200)],
)


def card_of_two_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sources.Card:
    """The card `stories` of a table with two parts, lakes and roads, in an archive that is here."""
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    lines = ["kind,text,label"]
    lines += [f"{kind},{text},{label}" for kind, part in zip("ab", ROWS, strict=True) for text, label in part]
    files = {"storybook/all.csv": ("\n".join(lines) + "\n").encode()}
    folder = tmp_path / "cards"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "card_folder", lambda: folder)
    parts = tuple(
        CardPart(
            ("storybook/all.csv",),
            "table",
            label="label",
            label_names=(("bad", "dull"),),
            name=name,
            only=("kind", kind),
        )
        for name, kind in (("lakes", "a"), ("roads", "b"))
    )
    made = replace(card_of(sdist(tmp_path, files), files), parts=parts, held_out=())
    write_card(folder, made)
    place = cache.data_folder("stories")
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True)
        (place / name).write_bytes(data)
    return made


def split_it(card: sources.Card) -> str:
    text = card_split("stories")
    (catalogue.card_folder() / "stories.split.txt").write_text(text)
    write_card(catalogue.card_folder(), replace(card, split="stories.split.txt"))
    return text
