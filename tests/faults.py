"""faults.toml as a table to read: `python tests/faults.py` writes FAULTS.md."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE / "FAULTS.md"

HEAD = """\
# Faults: what a run survives and what it refuses

Written by `python tests/faults.py` from faults.toml. A fault ends in a run that goes on as if nothing had
been, or in an exit code that is not 0 and one message with the file, the cause and what to type next.
"""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and the tests that make it go wrong."""

    number: int
    what: str
    expected: str
    tests: list[str]
    """FILE::FUNCTION; the files are in tests/, or in minibert/learn where they begin with checks/."""


def read_faults() -> list[Fault]:
    """Return the faults of faults.toml."""
    with open(HERE / "faults.toml", "rb") as file:
        return [Fault(**fault) for fault in tomllib.load(file)["fault"]]


def path_of(file: str) -> Path:
    """Return where a file of the table lies."""
    return (HERE.parent / "minibert" / "learn" if file.startswith("checks/") else HERE) / file


def name_in_words(test: str) -> str:
    """Return a link to a test, whose name is a sentence."""
    file, function = test.split("::")
    words = function.removeprefix("test_").removeprefix("check_").replace("_", " ")
    return f"[{words}]({file if path_of(file).parent == HERE else f'../minibert/learn/{file}'})"


def table() -> str:
    """Return the faults in Markdown."""
    rows = [("#", "fault", "what is expected", "tests"), ("---",) * 4]
    for fault in read_faults():
        tests = "<br>".join(map(name_in_words, fault.tests))
        rows.append((str(fault.number), fault.what, fault.expected, tests))
    return "\n".join([HEAD, *(f"| {' | '.join(row)} |" for row in rows), ""])


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
