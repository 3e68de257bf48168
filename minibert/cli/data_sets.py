"""`minibert data …`: the data sets."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from minibert.cli.terminal import entry
from minibert.sources import card, cards, get


@dataclass(frozen=True)
class DataList:
    """List the data sets that minibert knows."""

    def __call__(self) -> None:
        for each in cards().values():
            print(entry(each.name, f"{each.title} ({each.language}); {each.size}; licence: {each.license}"))


@dataclass(frozen=True)
class DataShow:
    """Tell what a data set is, where it comes from, and under which licence.

    example:
      minibert data show sotu
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help="A name from `minibert data list`.")]

    def __call__(self) -> None:
        shown = card(self.name)
        for field in fields(shown):
            value = getattr(shown, field.name)
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
            print(entry(field.name.replace("_", " "), text))


@dataclass(frozen=True)
class DataGet:
    """Find a data set's files on this machine, verify them, and tell where they lie.

    example:
      minibert data get sotu
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help="A name from `minibert data list`.")]

    def __call__(self) -> None:
        files = get(self.name).files
        folder = Path(os.path.commonpath([file.parent for file in files]))
        print(f"{self.name}: {len(files)} files in {folder}, sha256 verified")
