"""All of a learner's functions at once: checked together, and BERT pretrained on them."""

import subprocess
import sys
from pathlib import Path

import pytest

from minibert.learn.examine import environment
from minibert.learn.exercises import exercises, find_exercise
from minibert.learn.mine_all import docstrings, new_runs, tell_calls
from minibert.learn.stubs import solution


def run(folder: Path, ids: list[str]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-m", "minibert.learn.mine_all", str(folder), *ids]
    return subprocess.run(words, capture_output=True, text=True, env=environment())


def write(folder: Path, id: str, change: tuple[str, str] = ("", "")) -> None:
    exercise = find_exercise(id)
    path = folder / exercise.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        solution(exercise).replace(*change) if change[0] else solution(exercise), encoding="utf-8"
    )


@pytest.mark.slow
def test_every_function_of_the_course_at_once_trains_a_bert(tmp_path: Path) -> None:
    ids = [exercise.id for exercise in exercises()]
    for id in ids:
        write(tmp_path, id)
    done = run(tmp_path, ids)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Together, too, they pass all their checks." in done.stdout
    by_hand, in_torch = done.stdout.split("BERT is pretrained")[1:]
    assert "softmax_backward" in by_hand and "Your own code was called" in by_hand
    assert "forward" in in_torch and "Your own code was called" in in_torch
    for backend in ("numpy", "torch"):
        assert (tmp_path / "runs-1" / backend / "model.safetensors").is_file()


def test_functions_that_do_not_hold_together_are_named_and_nothing_is_trained(tmp_path: Path) -> None:
    write(tmp_path, "softmax_backward", ("dweights - mean", "dweights + mean"))
    done = run(tmp_path, ["softmax_backward"])
    assert done.returncode == 1
    assert "Together they do not hold: look at softmax_backward." in done.stdout
    assert not (tmp_path / "runs-1").exists()


def test_the_runs_of_another_time_stay(tmp_path: Path) -> None:
    assert [new_runs(tmp_path).name for _ in range(3)] == ["runs-1", "runs-2", "runs-3"]


def test_the_docstrings_are_text_enough() -> None:
    documents = list(docstrings())
    assert len(documents) > 50 and sum(map(len, documents)) > 100_000
    assert any("softmax" in document for document in documents)


def test_calls_are_told_with_the_most_called_first(capsys: pytest.CaptureFixture[str]) -> None:
    tell_calls({"a:rare": 2, "b:Thing.often": 3000, "c:never": 0})
    assert capsys.readouterr().out == (
        "\nYour own code was called 3,002 times in it:\n      3,000  Thing.often\n          2  rare\n"
    )
    tell_calls({"c:never": 0})
    assert capsys.readouterr().out == "\nNone of your functions was called in it.\n"
