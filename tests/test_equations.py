"""Equations: what a comment names is derived in a chapter, and every line of a backward pass names something.

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
from headers import HEADERS

ROOT = Path(__file__).parent.parent
CODE = sorted((ROOT / "minibert/byhand").glob("[!_]*.py"))
SHOWN = {ROOT / file for header in HEADERS for file in header.files}
CHAPTERS = {int(header.path.name[:2]): header.path for header in HEADERS}

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


def backward_passes() -> list[tuple[Path, ast.FunctionDef]]:
    """Return the backward passes of the files that chapters are about."""
    return [
        (path, node)
        for path in CODE
        if path in SHOWN
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.endswith("_backward")
    ]


BACKWARD = backward_passes()


def lines(node: ast.stmt) -> set[int]:
    """Return the numbers of the lines that a statement stands on."""
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def computes(node: ast.AST) -> bool:
    """Return whether a part of a statement is an operator, a sum or a mean."""
    return isinstance(node, ast.BinOp | ast.AugAssign) or (
        isinstance(node, ast.Attribute) and node.attr in ("sum", "mean", "einsum")
    )


def worked_out(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements that work out a d…, or the result, with an operator or a sum of their own."""
    found: list[ast.stmt] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return):
            names = [node.target] if isinstance(node, ast.AugAssign) else getattr(node, "targets", [])
            gradient = isinstance(node, ast.Return) or any(re.match("d[a-z]", ast.unparse(n)) for n in names)
            found += [node] if gradient and any(map(computes, ast.walk(node))) else []
    return found


def unknown(numbers: list[str]) -> list[str]:
    """Return the numbers that no chapter has, among those whose chapter is written."""
    return [n for n in numbers if int(n.split(".")[0]) in CHAPTERS and n not in tags(int(n.split(".")[0]))]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_every_equation_that_a_comment_names_is_in_its_chapter(path: Path) -> None:
    wrong = {line: unknown(numbers) for line, numbers in named_by_code(path).items()}
    assert {line: numbers for line, numbers in wrong.items() if numbers} == {}


@pytest.mark.parametrize(("path", "function"), BACKWARD, ids=[function.name for _, function in BACKWARD])
def test_every_backward_pass_names_what_it_was_derived_from(path: Path, function: ast.FunctionDef) -> None:
    assert lines(function) & set(named_by_code(path))


@pytest.mark.parametrize(("path", "function"), BACKWARD, ids=[function.name for _, function in BACKWARD])
def test_every_line_that_works_out_a_gradient_names_its_equation(
    path: Path, function: ast.FunctionDef
) -> None:
    assert [line for line in map(lines, worked_out(function)) if not line & set(named_by_code(path))] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_equations_are_numbered_as_they_come(chapter: int) -> None:
    assert tags(chapter) == [f"{chapter}.{i}" for i in range(1, len(tags(chapter)) + 1)]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_equation_that_the_text_refers_to_is_there(chapter: int) -> None:
    assert unknown(IN_THE_TEXT.findall(text_of(chapter))) == []
