"""Equations: what a comment names is derived in a chapter, and what a chapter derives is named somewhere.

A chapter numbers its equations with \\tag{4.1}, in order; its text refers to them as (4.1). The code by hand
names them in comments: `dW = dy.T @ x  # 2.5: …`.
"""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = sorted((ROOT / "minibert/byhand").glob("[!_]*.py"))
CHAPTERS = {int(path.name[:2]): path for path in sorted((ROOT / "chapters").glob("[0-9][0-9]_*.py"))}

TAG = re.compile(r"\\tag\{(\d+\.\d+)\}")
IN_A_COMMENT = re.compile(r"(?<![\d.])([1-9]\d?\.\d{1,2})(?![\d.])")
IN_THE_TEXT = re.compile(r"\(([1-9]\d?\.\d{1,2})\)")


@cache
def tags(chapter: int) -> list[str]:
    """Return the numbers of a chapter's equations, in their order."""
    return TAG.findall(CHAPTERS[chapter].read_text(encoding="utf-8"))


def comments(source: str) -> dict[int, str]:
    """Return the comments of Python code by their lines."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


@cache
def named_by_code(path: Path) -> dict[int, list[str]]:
    """Return the equations that the comments of a file name, by their lines."""
    found = comments(path.read_text(encoding="utf-8"))
    return {line: IN_A_COMMENT.findall(text) for line, text in found.items() if IN_A_COMMENT.search(text)}


def text_of(chapter: int) -> str:
    """Return the Markdown of a chapter."""
    cells = re.split(r"^# %%", CHAPTERS[chapter].read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "\n".join(cell for cell in cells if cell.startswith(" [markdown]"))


def header(chapter: int) -> str:
    """Return the beginning of a chapter, which lists the files that it is about."""
    return CHAPTERS[chapter].read_text(encoding="utf-8").partition("**Needs:**")[0]


def backward_passes() -> list[tuple[Path, ast.FunctionDef]]:
    """Return the backward passes of the files that chapters are about."""
    return [
        (path, node)
        for path in CODE
        if any(f"`minibert/byhand/{path.name}`" in header(chapter) for chapter in CHAPTERS)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.endswith("_backward")
    ]


def unknown(numbers: list[str]) -> list[str]:
    """Return the numbers that no chapter has, among those whose chapter is written."""
    return [n for n in numbers if int(n.split(".")[0]) in CHAPTERS and n not in tags(int(n.split(".")[0]))]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_every_equation_that_a_comment_names_is_in_its_chapter(path: Path) -> None:
    wrong = {line: unknown(numbers) for line, numbers in named_by_code(path).items()}
    assert {line: numbers for line, numbers in wrong.items() if numbers} == {}


@pytest.mark.parametrize(("path", "function"), backward_passes(), ids=lambda part: getattr(part, "name", ""))
def test_every_backward_pass_names_what_it_was_derived_from(path: Path, function: ast.FunctionDef) -> None:
    assert function.end_lineno is not None
    assert set(named_by_code(path)) & set(range(function.lineno, function.end_lineno + 1))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_equations_are_numbered_as_they_come(chapter: int) -> None:
    assert tags(chapter) == [f"{chapter}.{i}" for i in range(1, len(tags(chapter)) + 1)]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_equation_that_the_text_refers_to_is_there(chapter: int) -> None:
    assert unknown(IN_THE_TEXT.findall(text_of(chapter))) == []


@pytest.mark.parametrize(
    "chapter", [chapter for chapter in CHAPTERS if "`minibert/byhand/" in header(chapter)]
)
def test_no_equation_has_a_number_for_nothing(chapter: int) -> None:
    named = {number for path in CODE for numbers in named_by_code(path).values() for number in numbers}
    named |= {number for one in CHAPTERS for number in IN_THE_TEXT.findall(text_of(one))}
    assert set(tags(chapter)) - named == set()
