"""Data cards: what minibert knows about each data set."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from minibert.config import FORMATS, from_dict, require, suggest


@dataclass(frozen=True)
class CardPart:
    """Files of a data set that are read the same way."""

    files: tuple[str, ...]
    """Their paths, `*` standing for any name: in the archive without its top folder, which is also where an
    installed package has them; for a set from Hugging Face SPLIT.jsonl."""
    format: str
    """How documents lie in the files: one of FORMATS."""
    column: str = "text"
    """In a table: the column that holds the text."""
    label: str = ""
    """In a table: the column that holds the label; elsewhere: the label of every document."""
    label_names: tuple[tuple[str, str], ...] = ()
    """In a table: what to call a label, for each that the table writes in another way."""
    held_out: bool = False
    """Whether all of it is held out."""
    name: str = ""
    """What to write behind the card's name, and a colon, to have this part alone; parts may share a name."""
    only: tuple[str, ...] = ()
    """In a table: a column and its cell, of the rows that are this part; all rows if not given."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(self.files))
        object.__setattr__(self, "only", tuple(self.only))
        object.__setattr__(self, "label_names", tuple(dict(self.label_names).items()))
        require(len(self.only) in (0, 2), f"only must be a column and a cell, got {self.only}")
        require(self.format in FORMATS, f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        outside = [pattern for pattern in self.files if not is_inside(pattern)]
        require(not outside, f"files must be relative paths without `..`, got {', '.join(outside)}")

    def has(self, name: str) -> bool:
        """Whether the file `name` (a path with `/`) is one of this part."""
        path = PurePosixPath(name)
        patterns = [PurePosixPath(pattern) for pattern in self.files]
        return any(len(path.parts) == len(p.parts) and path.match(str(p)) for p in patterns)


@dataclass(frozen=True)
class Card:
    """What a data set is, where it comes from, and how to know that it is the same."""

    name: str
    """The word to give to `--corpus`."""
    title: str
    """What the texts are."""
    language: str
    """ISO 639-1 code."""
    size: str
    """How large it is, in words for people."""
    license: str
    """Who may do what with it."""
    citation: str
    """Whom to cite."""
    url: str
    """Where the texts come from."""
    parts: tuple[CardPart, ...]
    """Its files."""
    source: str = ""
    """The Python package that carries the files, as NAME==VERSION."""
    archive: str = ""
    """The name of that package's archive on a package index."""
    archive_sha256: str = ""
    """Of the archive."""
    bytes: int = 0
    """Size of the files together."""
    sha256: str = ""
    """Over the lines "PATH SHA256\\n" of the files, sorted by path; see `digest`."""
    repository: str = ""
    """For a set from Hugging Face: OWNER/NAME."""
    subset: str = ""
    """Which configuration of the repository."""
    revision: str = ""
    """Which branch, tag or commit of the repository; the newest when empty."""
    held_out: tuple[str, ...] = ()
    """Names of the documents that are never trained on."""
    held_out_share: float = 0.0
    """Share of the documents that is never trained on, chosen by the hash of their names; of those with
    labels only where there is no `split`."""
    split: str = ""
    """The file beside the card that tells which of the texts with labels are for validation and test."""

    def __post_init__(self) -> None:
        parts = [from_dict(CardPart, part) if isinstance(part, dict) else part for part in self.parts]
        object.__setattr__(self, "parts", tuple(parts))
        object.__setattr__(self, "held_out", tuple(self.held_out))
        simple = re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name)
        require(bool(simple), f"name must be of a-z, 0-9, `_` and `-`, got {self.name!r}")
        require(bool(self.parts), "parts must not be empty")
        package = (self.source, self.archive, self.archive_sha256, self.sha256)
        require(
            not any(package) if self.repository else all(package) and self.bytes > 0,
            "a card has either source, archive, archive_sha256, bytes and sha256, or repository",
        )
        require(not self.source or "==" in self.source, f"source must be NAME==VERSION, got {self.source!r}")
        for field in ("archive", "split"):
            value = getattr(self, field)
            require("/" not in value, f"{field} must be the name of a file, got {value!r}")

    def has(self, name: str) -> bool:
        """Whether the file `name` (a path with `/`) is one of the data set."""
        return any(part.has(name) for part in self.parts)

    def named(self, name: str) -> tuple[CardPart, ...]:
        """Return the parts of a name; all of them for "".

        Raises ValueError, with the nearest name and all of them, where there is none.
        """
        names = list(dict.fromkeys(part.name for part in self.parts if part.name))
        if name and name not in names:
            raise ValueError(
                f"the data card {self.name!r} has no part {name!r}.{suggest(name, names)} "
                f"Its parts: {', '.join(f'{self.name}:{each}' for each in names) or 'they have no names'}"
            )
        return tuple(part for part in self.parts if not name or part.name == name)

    @property
    def is_model(self) -> bool:
        """Whether this is a model and not text."""
        return any(part.format == "weights" for part in self.parts)


def is_inside(name: str) -> bool:
    """Whether a path with `/` stays inside the folder that it starts from."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def card_folder() -> Path:
    """Return where the cards lie: minibert/data in the wheel, data/ in a checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "data"
    return shipped if shipped.is_dir() else package.parent / "data"


def split_file(card: Card) -> Path:
    """Return where the split of a card lies, which has one."""
    return card_folder() / card.split


def cards() -> dict[str, Card]:
    """Return every card by its name.

    Raises ValueError, naming the file, for a card that is not TOML or has an unknown field.
    """
    found = {}
    for path in sorted(card_folder().glob("*.toml")):
        try:
            found[path.stem] = from_dict(Card, tomllib.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is not a data card: {error}") from error
    return found


def card(name: str) -> Card:
    """Return the card called `name`; raises ValueError with the nearest name and all of them."""
    known = cards()
    if name not in known:
        raise ValueError(f"no data card {name!r}.{suggest(name, list(known))} Cards: {', '.join(known)}")
    return known[name]
