"""Names in pictures: which fonts have their letters, and what stands there when none has."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text

LAST_RESORT = "Last Resort"
"""The name of a font that draws every letter, as a box."""


def families(names: Iterable[str]) -> list[str] | None:
    """Return the font families to write the names with, the usual one first; None where no font has them."""
    usual = FontProperties()
    letters = frozenset(ord(letter) for name in names for letter in _line(name))
    missing = letters - _letters_of(fontManager.findfont(usual))
    other = _family_with(missing) if missing else None
    if missing and not other:
        return None
    return [usual.get_name(), *([other] if other else [])]


def written(names: Sequence[str], longest: int) -> list[str]:
    """Return what a picture writes for names: the two ends of a long one; numbers where no font has them.

    Args:
        names: any words, also of several lines.
        longest: characters that there is room for.
    """
    if families(names) is None:
        return [str(number) for number in range(1, len(names) + 1)]
    return [short(_line(name), longest) for name in names]


def short(name: str, longest: int) -> str:
    """Return a name that a picture has room for: of a long one its beginning and its end."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[: half - 1]}…{name[-half:]}"


def write_as_it_is(texts: Sequence[Text]) -> None:
    """Give the texts of a picture a font that has their letters; a dollar sign in them begins no formula."""
    chosen = families(text.get_text() for text in texts)
    for text in texts:
        text.set_parse_math(False)
        if chosen:
            text.set_fontfamily(chosen)


def _line(name: str) -> str:
    """Return a name on one line."""
    return " ".join(name.split())


@cache
def _letters_of(path: str) -> frozenset[int]:
    """Return the code points that a font file has a glyph for."""
    return frozenset(get_font(path).get_charmap())


@cache
def _family_with(letters: frozenset[int]) -> str | None:
    """Return the first family, by its name, that has all the letters."""
    paths = {entry.name: entry.fname for entry in fontManager.ttflist if LAST_RESORT not in entry.name}
    there = (name for name in sorted(paths) if Path(paths[name]).is_file())
    return next((name for name in there if letters <= _letters_of(paths[name])), None)
