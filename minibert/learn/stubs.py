"""Write learners' files: the stub of an exercise, its solution, and any other version of its function."""

import ast
import importlib.machinery
import sys
import textwrap
from pathlib import Path

from minibert.learn.exercises import Exercise
from minibert.learn.splice import find_definition


def stub(exercise: Exercise) -> str:
    """Return the file that the learner gets: what to write, the imports, the signature, the docstring."""
    return compose(exercise, body_of(exercise, keep=False), with_head=True)


def solution(exercise: Exercise) -> str:
    """Return the same file with the library's own version."""
    return compose(exercise, body_of(exercise, keep=True), with_head=True)


def source_of_module(exercise: Exercise) -> str:
    """Return the source of the function's module, which is not imported."""
    spec = importlib.machinery.PathFinder.find_spec(
        exercise.module, [str(Path(__file__).parent.parent.joinpath(*exercise.module.split(".")[1:-1]))]
    )
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def body_of(exercise: Exercise, keep: bool) -> str:
    """Return the source of the function, indented as it stands, with its body or with a line that raises."""
    source = source_of_module(exercise)
    _, node = find_definition(ast.parse(source), exercise.name)
    lines = source.splitlines()
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    assert node.end_lineno is not None
    if keep:
        return "\n".join(lines[first : node.end_lineno])
    top = node.body[0]
    documented = isinstance(top, ast.Expr) and isinstance(top.value, ast.Constant)
    last = top.end_lineno if documented else top.lineno - 1
    return "\n".join([*lines[first:last], " " * top.col_offset + "raise NotImplementedError"])


def compose(exercise: Exercise, body: str, with_head: bool = False) -> str:
    """Return a whole file for a version of the function: the imports that it uses, its class, itself.

    Args:
        body: the version's source, indented as it stands in the library.
        with_head: begin with what is to be done, as comments.
    """
    tree = ast.parse(source_of_module(exercise))
    *classes, _ = exercise.name.split(".")
    skeleton = []
    around = tree.body
    for depth, name in enumerate(classes):
        node = next(item for item in around if isinstance(item, ast.ClassDef) and item.name == name)
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        skeleton.append("    " * depth + f"class {name}{bases}:")
        around = node.body
    definition = "\n".join([*skeleton, body])
    used = names_in(definition) | names_in(textwrap.dedent(body_of(exercise, keep=True)))
    imports = imports_of(tree, used - {exercise.name, *classes}, exercise.module)
    top = [head(exercise)] if with_head else []
    top += [imports] if imports else []
    return "\n\n\n".join(["\n\n".join(top), definition] if top else [definition]) + "\n"


def names_in(source: str) -> set[str]:
    """Return all names that a piece of source uses."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def imports_of(tree: ast.Module, used: set[str], module: str) -> str:
    """Return import lines for the libraries of a module, and for those of the names that it knows."""
    lines, own = [], []
    for node in tree.body:
        if isinstance(node, ast.Import):
            lines.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            names = [alias for alias in node.names if (alias.asname or alias.name) in used]
            if names:
                lines.append(ast.unparse(ast.ImportFrom(node.module, names, node.level)))
        else:
            own += [name for name in defined_by(node) if name in used]
    groups = [
        [line for line in lines if not is_third_party(line) and "minibert" not in line],
        [line for line in lines if is_third_party(line)],
        [line for line in lines if "minibert" in line] + ([import_line(module, own)] if own else []),
    ]
    return "\n\n".join("\n".join(group) for group in groups if group)


def import_line(module: str, names: list[str]) -> str:
    """Return a line that imports names, wrapped where it is long."""
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) <= 80:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in sorted(names)) + ")"


def is_third_party(line: str) -> bool:
    """Return whether a line imports something that is neither ours nor of Python itself."""
    name = line.split()[1].partition(".")[0]
    return name != "minibert" and name not in sys.stdlib_module_names


def defined_by(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module defines."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else []
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return []


def head(exercise: Exercise) -> str:
    """Return what is to be done, as comments."""
    stars = "●" * exercise.difficulty + "○" * (5 - exercise.difficulty)
    where = f' · read "{exercise.section}" in chapter {exercise.chapter}' if exercise.section else ""
    paragraphs = [
        exercise.title,
        f"{stars} · about {exercise.minutes} minutes{where}",
        *exercise.task.strip().split("\n\n"),
    ]
    lines = []
    for text in paragraphs:
        lines += [*textwrap.wrap(text, 77, break_long_words=False, break_on_hyphens=False), ""]
    lines += [
        f"Check it:  minibert learn check {exercise.id}",
        f"A hint:    minibert learn hint {exercise.id}",
    ]
    return "\n".join(f"# {line}".rstrip() for line in lines)
