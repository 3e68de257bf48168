"""The characters on which Python's Unicode tables and those of `tokenizers` differ."""

import unicodedata
from pathlib import Path

LISTED_FOR = "14.0.0"
"""The Unicode version of Python 3.11, for which the list was made."""

LISTED = unicodedata.unidata_version == LISTED_FOR
"""Whether this Python is one that the list is for."""

OTHER_TABLES = f"the list is for Unicode {LISTED_FOR}, this Python has {unicodedata.unidata_version}"
"""Why a test of the list is skipped on another Python."""


def differing(*kinds: str) -> set[str]:
    """Return the characters listed under these kinds."""
    lines = (Path(__file__).with_suffix(".txt")).read_text(encoding="utf-8").splitlines()
    found = set()
    for line in lines:
        if line.startswith("#"):
            continue
        codes, kind, _ = line.split()
        first, last = codes.split("..")
        if kind in kinds:
            found |= {chr(code) for code in range(int(first, 16), int(last, 16) + 1)}
    return found


def agreeing(*kinds: str) -> list[str]:
    """Return all characters, surrogates apart, that are treated alike.

    On a Python with other tables than the list is for: those of the same category since Unicode 3.2, which
    Python carries too.
    """
    listed = differing(*kinds)
    chars = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    return [char for char in chars if char not in listed and (LISTED or _old(char))]


def _old(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind != "Cn" and unicodedata.ucd_3_2_0.category(char) == kind
