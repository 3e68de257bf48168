"""The house: who may import whom, where the tests of a file are, and which chapter tells of it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from headers import HEADERS, Header

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "minibert"
FILES = sorted(PACKAGE.rglob("*.py"))

# A part is a folder or a file right inside minibert/; each may import itself and these. The table is that
# of the design, and six more: whoever writes, or tells a size, may import files; the loop and the command
# line know what a signal means; recipes may import report, for a run ends with its report; hub may import
# sources, for a data card can name a model; prove shows what learn checks; the command line has the course,
# which itself knows no recipe and no command.
MAY_IMPORT = {
    "__init__": {"hub"},
    "__main__": {"cli"},
    "config": set(),
    "files": set(),
    "signals": set(),
    "sources": {"config", "files"},
    "text": {"config", "files"},
    "batches": {"text", "config"},
    "model": {"config"},
    "train": {"batches", "config", "files", "signals"},
    "hub": {"model", "text", "sources", "config", "files"},
    "recipes": {
        "__init__",
        "config",
        "files",
        "signals",
        "sources",
        "text",
        "batches",
        "model",
        "train",
        "hub",
        "report",
        "plots",
    },
    "report": {"plots", "config", "files"},
    "plots": {"config"},
    "byhand": set(),
    "learn": {"__init__", "byhand", "model", "train", "text", "batches", "hub", "config", "files"},
    "prove": {"learn", "byhand"},
    "cli": {"__init__", "config", "files", "signals", "recipes", "report", "sources", "prove", "learn"},
}

BLOCKS = sorted(path for part in ("byhand", "model") for path in (PACKAGE / part).glob("[!_]*.py"))

BY_HAND = "minibert.recipes.byhand"
"""The one recipe that may import byhand."""


def part(module: str) -> str:
    """Return the part that a module of ours belongs to: minibert.text.store -> text."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def imports(tree: ast.AST) -> set[str]:
    """Return the modules of ours that a syntax tree imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full: from minibert.x import y"
            # `from minibert import x` imports the module x where there is one, a name of __init__ otherwise.
            whole = node.module == "minibert"
            found |= {
                f"minibert.{alias.name}" if whole and is_part(alias.name) else str(node.module)
                for alias in node.names
            }
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and is_module(node.value):
            found.add(node.value)  # a lazy import by name: import_module("minibert.hub")
    return {name for name in found if name.split(".")[0] == "minibert"}


def is_part(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def is_module(name: str) -> bool:
    return name.startswith("minibert.") and is_part(name.split(".")[1]) and " " not in name


def forbidden(module: str, tree: ast.AST) -> set[str]:
    """Return the parts that a module imports and may not."""
    own = part(module)
    allowed = MAY_IMPORT[own] | ({"byhand"} if module == BY_HAND else set())
    return {part(name) for name in imports(tree)} - allowed - {own}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_imports_only_what_the_design_lets_it(path: Path) -> None:
    assert forbidden(module_name(path), ast.parse(path.read_text(encoding="utf-8"))) == set()


@pytest.mark.parametrize(
    "code",
    [
        "import minibert.text",
        "from minibert import hub",
        "from minibert.recipes.fill import fill",
        "def later():\n    from minibert.text.store import Store",
        "def later():\n    import_module('minibert.report')",
    ],
)
def test_a_forbidden_import_is_found_wherever_it_hides(code: str) -> None:
    assert forbidden("minibert.model.bert", ast.parse(code))
    assert not forbidden("minibert.model.bert", ast.parse("from minibert.config import BertConfig"))


def test_by_hand_there_is_numpy_and_nothing_else() -> None:
    code = (
        "import importlib, pkgutil, sys, minibert.byhand, minibert.learn.checks\n"
        "for package in (minibert.byhand, minibert.learn.checks):\n"
        "    for module in pkgutil.iter_modules(package.__path__):\n"
        "        if not module.name.startswith(('model_', 'train_', 'hub_')):\n"
        "            importlib.import_module(f'{package.__name__}.{module.name}')\n"
        "assert not {'torch', 'transformers', 'scipy'} & set(sys.modules), 'a check loads more than NumPy'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_file_loads_a_test_library_or_transformers() -> None:
    """But for the checks, which have functions that hold ours against those of transformers."""
    for path in FILES:
        if path.parent.name == "checks":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        names |= {
            str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        }
        assert not names & {"transformers", "pytest", "hypothesis"}, path


TESTED = [path for path in FILES if not path.stem.startswith("__")]

CHECKS = [path for path in TESTED if path.parent.name == "checks"]
"""What they promise of a file is run by the tests of that file: checks/model_block.py by test_block.py."""


@pytest.mark.parametrize("path", sorted(set(TESTED) - set(CHECKS)), ids=module_name)
def test_every_file_has_its_tests_under_its_own_stem(path: Path) -> None:
    assert (ROOT / "tests" / f"test_{path.stem}.py").is_file()


@pytest.mark.parametrize("path", CHECKS, ids=module_name)
def test_every_file_of_checks_is_run_by_a_test(path: Path) -> None:
    texts = [test.read_text(encoding="utf-8") for test in (ROOT / "tests").glob("test_*.py")]
    used = re.compile(rf"from minibert\.learn\.checks(\.{path.stem} import | import {path.stem}\b)")
    assert any(used.search(text) for text in texts)


def test_no_two_files_share_a_stem_but_twins_and_their_checks() -> None:
    twins = {"byhand", "checks"}
    stems = [path.stem for path in FILES if path.stem != "__init__" and path.parent.name not in twins]
    assert sorted(stems) == sorted(set(stems))


def test_every_folder_of_code_is_a_package() -> None:
    assert all((path.parent / "__init__.py").is_file() for path in FILES)
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.path.stem)
def test_a_chapter_s_header_is_true(header: Header) -> None:
    number, _ = header.path.stem.split("_")
    assert header.title.startswith(f"{number} · ")
    assert header.files and [name for name in header.files if not (ROOT / name).is_file()] == []
    assert all((header.path.parent / needed).is_file() for needed in header.needs)
    assert all(needed < header.path.name for needed in header.needs)


@pytest.mark.parametrize("path", BLOCKS, ids=module_name)
def test_every_block_belongs_to_one_chapter(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    owners = [header.path.stem for header in HEADERS if name in header.files]
    assert len(owners) == 1, owners


def test_every_chapter_has_its_notebook_and_every_notebook_its_chapter() -> None:
    sources = [header.path.stem for header in HEADERS]
    assert sources == sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
