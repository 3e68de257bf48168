"""Values -> Markdown: numbers with their units, escaped text, tables."""

import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

NONE = "—"
"""Stands where there is no value."""


def escape(text: object) -> str:
    """Return the text on one line, with a backslash before what Markdown would read as markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", " ".join(str(text).split()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fenced(text: str) -> str:
    """Return the text as it is, its lines and its signs, in a fence that is longer than any in the text."""
    fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", text))])
    return f"{fence}text\n{text}\n{fence}"


def indented(text: str) -> str:
    """Return the text as it is, line by line, as code."""
    return textwrap.indent(text, "    ", lambda line: True)


def nats(value: Any) -> str:
    """Return a loss with three decimals."""
    return number(value, "{:.3f}")


def percent(share: Any) -> str:
    """Return a share between 0 and 1 in per cent, with one decimal."""
    return number(share * 100 if is_number(share) else None, "{:.1f} %")


def count(value: Any) -> str:
    """Return a whole number with commas between the thousands."""
    return number(value, "{:,.0f}")


def amount(value: Any, unit: str) -> str:
    """Return a whole number with its unit, which comes in the plural: "1 document", "2,345 documents"."""
    return f"{count(value)} {unit.removesuffix('s') if value == 1 else unit}"


def duration(seconds: Any) -> str:
    """Return a time in seconds as "4 min 30 s"."""
    if not math.isfinite(as_float(seconds)):
        return "an unrecorded time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def number(value: Any, form: str) -> str:
    """Return the number in the form given; words where it is missing or not finite."""
    if not is_number(value):
        return NONE
    if math.isnan(value):
        return "not a number"
    return form.format(value) if math.isfinite(value) else "infinite"


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_float(value: Any) -> float:
    """Return a JSON value as a float; NaN where it is no number."""
    return float(value) if is_number(value) else math.nan
