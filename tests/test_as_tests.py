"""With --pytest the checks of an exercise are tests like any other."""

import subprocess
import sys
from pathlib import Path

from minibert.learn.examine import environment
from minibert.learn.exercises import find_exercise
from minibert.learn.stubs import solution


def run(id: str, path: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-m", "minibert.learn.as_tests", id, str(path)]
    return subprocess.run(words, capture_output=True, text=True, env=environment())


def write(folder: Path, id: str, old: str = "", new: str = "") -> Path:
    """Write the solution of an exercise, something in it changed."""
    text = solution(find_exercise(id))
    assert old in text
    path = folder / f"{id}.py"
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return path


def test_a_right_function_passes_all_tests_and_pytest_leaves_nothing_behind(tmp_path: Path) -> None:
    done = run("softmax_backward", write(tmp_path, "softmax_backward"))
    assert done.returncode == 0 and " passed in " in done.stdout, done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["softmax_backward.py"]


def test_a_wrong_one_fails_some_with_pytest_s_own_traceback(tmp_path: Path) -> None:
    path = write(tmp_path, "softmax_backward", "(dweights - mean)", "(dweights + mean)")
    done = run("softmax_backward", path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert " failed, " in done.stdout and "def test_exercise" in done.stdout


def test_a_learner_s_test_has_a_test_for_each_mistake(tmp_path: Path) -> None:
    text = "def judge_softmax(softmax_forward):\n    pass\n"
    path = tmp_path / "judge_softmax.py"
    path.write_text(text, encoding="utf-8")
    done = run("judge_softmax", path)
    kills = len(find_exercise("judge_softmax").kills)
    assert f"{kills} failed, 1 passed" in done.stdout, done.stdout
    assert "it lets this pass" in done.stdout
