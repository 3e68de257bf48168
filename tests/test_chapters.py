"""The chapters run and their notebooks are up to date, and the tool that says so finds what is not."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from headers import HEADERS, ROOT

PAGE = (ROOT / "chapters" / "README.md").read_text(encoding="utf-8")
MAP = (ROOT / "chapters" / "map.svg").read_text(encoding="utf-8")

GOOD = """\
# %% [markdown]
# # 50 · Good

# %%
from minibert.byhand.linear import linear_forward
from minibert.learn.notebook import show

# %%
print("one and one is", 1 + 1)

# %%
show(linear_forward)
"""


def tool(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the tool as a reader would."""
    where = [f"--folder={folder}"] if folder else []
    command = [sys.executable, str(ROOT / "tools" / "chapters.py"), *where, *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def chapter(folder: Path, source: str = GOOD) -> Path:
    path = folder / "50_good.py"
    path.write_text(source, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", [header.path.stem for header in HEADERS])
def test_the_chapter_runs_and_its_notebook_is_up_to_date(name: str) -> None:
    done = tool("check", name)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_a_chapter_is_built_to_the_same_bytes_again_and_checks(tmp_path: Path) -> None:
    notebook = chapter(tmp_path).with_suffix(".ipynb")
    assert tool("build", folder=tmp_path).returncode == 0
    first = notebook.read_bytes()
    assert b"one and one is 2" in first and b"def linear_forward(" in first

    assert tool("build", "50", folder=tmp_path).returncode == 0
    assert notebook.read_bytes() == first
    done = tool("check", "50_good", folder=tmp_path)
    assert done.returncode == 0 and "right" in done.stdout and "together" in done.stdout


@pytest.mark.slow
def test_a_bad_cell_is_not_built_and_its_line_is_named(tmp_path: Path) -> None:
    bad = {
        "assert 1 + 1 == 3": "raises AssertionError",
        "import warnings; warnings.warn('mind the gap')": "warns",
        "print('/home/somebody/minibert')": "prints a path of this machine: /home/somebody/minibert",
        "object()": "prints an address in memory",
        "import os; os._exit(1)": "kills the kernel",
    }
    for number, cell in enumerate(bad, 60):
        (tmp_path / f"{number}_bad.py").write_text(f"# %%\nprint(1)\n\n# %%\n{cell}\n", encoding="utf-8")

    done = tool("build", folder=tmp_path)
    assert done.returncode == 1 and done.stdout.count("not built") == len(bad)
    for number, told in enumerate(bad.values(), 60):
        assert f"{number}_bad.py:5: the cell {told}" in done.stdout
    assert not list(tmp_path.glob("*.ipynb"))


@pytest.mark.slow
def test_a_notebook_that_is_not_what_its_source_makes_is_found(tmp_path: Path) -> None:
    path = chapter(tmp_path)
    notebook = path.with_suffix(".ipynb")

    def complaint() -> str:
        done = tool("check", folder=tmp_path)
        assert done.returncode == 1, done.stdout
        return done.stdout

    assert "there is no 50_good.ipynb" in complaint()

    assert tool("build", folder=tmp_path).returncode == 0
    built = notebook.read_text(encoding="utf-8")
    path.write_text(GOOD.replace("1 + 1", "2"), encoding="utf-8")
    told = complaint()
    assert "50_good.ipynb differs from its source" in told and '-print("one and one is", 1 + 1)' in told
    path.write_text(GOOD, encoding="utf-8")

    notebook.write_text(built.replace("def linear_forward(", "def linear_front("), encoding="utf-8")
    assert "shows code of the library that has changed" in complaint()

    cells = json.loads(built)
    for cell in cells["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    notebook.write_text(json.dumps(cells), encoding="utf-8")
    assert "50_good.ipynb has no outputs" in complaint()

    notebook.write_text("<<<<<<< HEAD", encoding="utf-8")
    assert "50_good.ipynb is no notebook" in complaint()


@pytest.mark.slow
def test_a_chapter_is_slow_by_what_it_uses_of_the_processors_and_not_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    chapters = importlib.import_module("chapters")
    monkeypatch.setattr(chapters, "SECONDS", 3)
    begin = "import time\nbegin = time.process_time()\n"
    cells = {60: "time.sleep(7)", 61: "while time.process_time() - begin < 7: pass"}
    for number, cell in cells.items():
        (tmp_path / f"{number}_slow.py").write_text(f"# %%\n{begin}{cell}\nprint(1)\n", encoding="utf-8")
    assert chapters.main(["--folder", str(tmp_path), "check"]) == 1
    asleep, _, busy = capsys.readouterr().out.partition("61_slow  ")
    assert "keeps 2 cores busy for" in busy and "busy" not in asleep


@pytest.mark.slow
def test_a_new_chapter_builds_and_is_never_written_over(tmp_path: Path) -> None:
    assert tool("new", "51_thing", folder=tmp_path).returncode == 0
    text = (tmp_path / "51_thing.py").read_text(encoding="utf-8")
    assert "# # 51 · Thing" in text and "minibert/byhand/thing.py" in text

    done = tool("build", "51", folder=tmp_path)
    assert done.returncode == 0, done.stdout

    for name in ("51_thing", "51_other", "51"):
        again = tool("new", name, folder=tmp_path)
        assert again.returncode == 2 and len(again.stderr.splitlines()) == 1
    assert (tmp_path / "51_thing.py").read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_wrong_usage_is_told_apart_from_a_wrong_chapter(tmp_path: Path) -> None:
    chapter(tmp_path)
    for arguments in (["check", "99"], []):
        done = tool(*arguments, folder=tmp_path)
        assert done.returncode == 2 and done.stderr and "Traceback" not in done.stderr


def test_the_front_page_lists_the_chapters_as_their_headers_do() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d\d \|", line)]
    assert rows == [header.row for header in HEADERS]


def test_the_map_has_an_arrow_for_every_need_and_no_other() -> None:
    needs = {f"need-{needed[:2]}-{header.path.stem[:2]}" for header in HEADERS for needed in header.needs}
    assert set(re.findall(r'id="(need-[^"]+)"', MAP)) == needs
    assert all(f">{header.path.stem[:2]}</text>" in MAP for header in HEADERS)
