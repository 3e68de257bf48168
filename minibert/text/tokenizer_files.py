"""Reading and writing the files of a tokenizer, and what to say of files that cannot be used."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from minibert.files import replace_file

Made = TypeVar("Made")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds. Raises ValueError when it is cut short or not UTF-8 text."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}: {error.msg}"
        raise ValueError(f"{path.name} is not whole JSON ({place}), perhaps cut short") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text (byte {error.start})") from error


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file; only "\\n" divides them. Raises ValueError when it is not UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text (byte {error.start})") from error


def load_first(
    make: Callable[..., Made], folder: str | Path, readers: Mapping[str, Callable[[Path], tuple[Any, ...]]]
) -> Made:
    """Return `make(*reader(file))` for the first of several files of a folder that is there.

    Raises ValueError, naming the file, when there is none or it cannot be used.
    """
    files = [Path(folder) / name for name in readers]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ValueError(f"no tokenizer in {folder}: expected {' or '.join(readers)} there")
    try:
        return make(*readers[file.name](file))
    except ValueError as error:
        raise ValueError(f"{file} cannot be used: {error}. Copy it again from its source") from error


def expect(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise ValueError for the first setting that is not as expected: it would give other ids than ours."""
    for name, value in expected.items():
        if found[name] != value:
            raise ValueError(f"{name}: expected {value!r}, got {found[name]!r}")


def write_files(folder: str | Path, texts: Mapping[str, str]) -> None:
    """Write files of UTF-8 text, each whole or not at all, into a folder, which is made if need be."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        replace_file(folder / name, text)
