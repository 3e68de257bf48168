"""A small course for tests: four exercises in two chapters, and verdicts without a check."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minibert.learn import exercises as course
from minibert.learn.exercises import Exercise
from minibert.learn.trial import Verdict

ATTENTION = """
chapter = "04_attention"

[[exercise]]
id = "soft_forward"
function = "minibert.byhand.attention:softmax_forward"
title = "A softmax"
minutes = 10
difficulty = 2
section = "Masks"
task = "Write the softmax."
hints = ["Think of exp.", "exp(x) / sum exp(x)", "Take off the largest first."]

[[exercise]]
id = "soft_backward"
function = "minibert.byhand.attention:softmax_backward"
title = "The gradient of a softmax"
minutes = 15
difficulty = 3
section = "Back"
needs = ["soft_forward"]
task = "Write the gradient."
hints = ["a", "b", "c"]
"""

LOSS = """
chapter = "08_loss"

[[exercise]]
id = "mean_square"
function = "minibert.byhand.loss:mean_squared_error_forward"
title = "The mean square"
minutes = 5
difficulty = 1
section = ""
task = "Write the loss."
hints = ["a", "b", "c"]

[[exercise]]
id = "judge_square"
function = "minibert.byhand.loss:mean_squared_error_backward"
of = "minibert.byhand.loss:mean_squared_error_forward"
title = "Test a mean square"
minutes = 20
difficulty = 4
section = "Tests"
task = "Write the test."
hints = ["a", "b", "c"]
"""

RIGHT = Verdict("passed", passed_checks=9, total_checks=9, seconds=0.25)

WRONG = Verdict(
    "wrong", check="a case by hand", message="out: expected 1, got 2", passed_checks=4, total_checks=9
)


@contextmanager
def small_course(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Exercise, ...]]:
    """Let the course be these exercises, for this process, and any check end as the learner's file says.

    A file with "right" in it passes; one with "slow" is too slow; a stub is unwritten; any other is wrong.
    """
    folder.mkdir(exist_ok=True)
    (folder / "04_attention.toml").write_text(ATTENTION)
    (folder / "08_loss.toml").write_text(LOSS)
    monkeypatch.setattr(course, "FOLDER", folder)
    monkeypatch.setattr("minibert.learn.folder.examine", verdict_of)
    course.exercises.cache_clear()
    try:
        yield course.exercises()
    finally:
        course.exercises.cache_clear()


def verdict_of(exercise: Exercise, path: Path, twin: bool = False) -> Verdict:
    """Stand in for `examine`."""
    text = path.read_text()
    if "slow" in text:
        return Verdict("slow", message="it had not finished after 10 seconds")
    if "raise NotImplementedError" in text:
        return Verdict("unwritten", place=f"{path.name}:30", line="raise NotImplementedError")
    return RIGHT if "right" in text else WRONG
