"""The README tells the truth: its commands parse, its Python runs, its tables are the program's."""

import re
import shlex
from pathlib import Path

import pytest

from minibert.cli.command_line import COMMANDS, main, parse
from minibert.config import PRESETS
from minibert.learn.exercises import exercises
from minibert.sources import cards

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEST_COMMAND = "python -m pytest"


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def command_lines() -> list[str]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("minibert ")]


@pytest.mark.parametrize("line", command_lines())
def test_every_command_of_the_readme_parses(line: str) -> None:
    assert callable(parse(shlex.split(line, comments=True)[1:]))


def test_the_readme_shows_every_command() -> None:
    groups = {name: kind for name, kind in COMMANDS.items() if isinstance(kind, dict)}
    words = [line.split()[1:3] for line in command_lines()]
    shown = {" ".join(some) if some[0] in groups else some[0] for some in words}
    within = {f"{name} {command}" for name, group in groups.items() for command in group}
    assert shown == set(COMMANDS) - set(groups) | within


def test_the_readme_counts_the_exercises_and_their_mistakes() -> None:
    text = " ".join(README.split())
    judges = sum(exercise.judge for exercise in exercises())
    assert f"**write it yourself**: {len(exercises())} exercises" in text
    assert f"a file for each of {len(exercises())} functions" in text and judges == 7
    assert f"{sum(len(exercise.mistakes()) for exercise in exercises())} mistakes with a name" in text


def test_every_flag_in_the_readme_is_a_flag_of_pretrain(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pretrain", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    tables = [line for line in README.splitlines() if line.startswith("| `--")]
    assert tables
    assert set(re.findall(r"--[a-z-]+", "\n".join(tables))) <= known


def test_the_presets_of_the_readme_are_the_program_s() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \| (\d+) \| (\d+|—) \|$", README, flags=re.MULTILINE)
    sizes = {name: [p["layers"], p["width"], p.get("heads", "—")] for name, p in PRESETS.items()}
    assert {name: shown for name, *shown in rows} == {n: [*map(str, some)] for n, some in sizes.items()}


def test_the_readme_names_every_data_set() -> None:
    table = [line.split("|")[1] for line in README.splitlines() if re.match(r"\| `[a-z]", line)]
    assert set(cards()) <= {name for cell in table for name in re.findall(r"`([^`]+)`", cell)}


def test_readme_makefile_and_ci_run_the_same_tests() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test\n" in blocks("bash")
    assert re.search(r"^make test\b", ci, flags=re.MULTILINE)
    recipe = re.search(r"^test:.*\n\t(.*)$", makefile, flags=re.MULTILINE)
    assert recipe is not None
    assert recipe[1].replace("$(PYTHON)", ".venv/bin/python") == f".venv/bin/{TEST_COMMAND}"
    assert any(line == f".venv/bin/{TEST_COMMAND}" for block in blocks("bash") for line in block.splitlines())


def test_what_the_makefile_runs_parses() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = re.findall(r"^\t\$\(PYTHON\) -m minibert (.*)$", makefile, flags=re.MULTILINE)
    assert [shlex.split(line)[0] for line in lines] == [
        *("pretrain", "fill", "fill", "report"),  # make demo
        *("pretrain", "report"),  # make compare
    ]
    assert all(callable(parse(shlex.split(line))) for line in lines)


@pytest.mark.slow
def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its blocks run one after the other in an empty folder that holds only a run called runs/demo."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    Path("tales.txt").write_text(
        "\n\n".join(f"Tale {n}. The king rode out. He came home." for n in range(40))
    )
    line = "pretrain --corpus tales.txt --out runs/demo --steps 2 --vocab-size 60 --layers 1 --device cpu"
    assert main(line.split()) == 0
    capsys.readouterr()
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
