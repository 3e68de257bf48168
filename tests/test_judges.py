"""Judges: each lets pass all that is right and sees all that is wrong, and a worse judge sees less."""

import re

import pytest

from minibert.learn.examine import examine
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.grade import Graded
from minibert.learn.mutate import Mutant, define, find_function, source_of

JUDGES = [exercise for exercise in exercises() if exercise.judge]

EACH = pytest.mark.parametrize("exercise", JUDGES, ids=lambda exercise: exercise.id)


def worse(mutant: Mutant):
    """Return a judge with a weakness."""
    judge = mutant.find()
    return define(mutant.written(source_of(judge)), mutant.function, judge.__globals__)


@EACH
def test_a_judge_lets_pass_what_is_right_however_it_is_written(exercise: Exercise) -> None:
    assert len(exercise.right) >= 2
    Graded(exercise).let_pass(find_function(exercise.function))


@EACH
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_judge_sees_all_that_is_wrong(exercise: Exercise) -> None:
    tried = Graded(exercise)
    assert 4 <= len(tried.wrong) <= 8
    for name, function in tried.wrong.items():
        with pytest.raises(AssertionError):
            find_function(exercise.function)(function)
            pytest.fail(f"not seen: {name}", pytrace=False)


@EACH
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_each_weakness_lets_other_mistakes_slip(exercise: Exercise) -> None:
    tried = Graded(exercise)
    known: dict[tuple[str, ...], str] = {}
    for mutant in exercise.mistakes():
        lets_pass, seen = tried.pattern(worse(mutant))
        assert lets_pass, f"{mutant.name}: objects to what is right"
        assert len(seen) < len(tried.wrong), f"{mutant.name}: sees everything"
        assert seen not in known, f"{mutant.name}: sees what is seen with {known.get(seen)}"
        known[seen] = mutant.name
    assert len(known) >= 3


SUMS = """
import numpy as np


def judge_softmax(softmax_forward):
    weights, _ = softmax_forward(np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 2.0]]))
    assert np.allclose(weights.sum(axis=1), 1, rtol=0, atol=1e-12)
"""


def test_a_learner_is_told_how_many_mistakes_are_seen_and_one_that_is_not(tmp_path) -> None:
    path = tmp_path / "judge_softmax.py"
    path.write_text(SUMS)
    verdict = examine(find_exercise("judge_softmax"), path)
    assert verdict.status == "wrong"
    assert (verdict.killed, verdict.total_mutants) == (2, 8)
    assert verdict.message.startswith("it lets this pass: a hidden key gets the score 0 before the softmax")
    assert verdict.mistake == "only the sum of each row is looked at, and that without a mask"
    assert verdict.printed == ""


def test_warnings_are_no_answer(tmp_path) -> None:
    """Neither the learner's own, of the logarithm of zero, nor that of a function that overflows."""
    path = tmp_path / "judge_softmax.py"
    path.write_text(
        "import numpy as np\n\n\n"
        "def judge_softmax(softmax_forward):\n"
        "    softmax_forward(np.log([[0.0, 1e300], [1.0, 1.0]]) * [[1], [1000]])\n"
    )
    verdict = examine(find_exercise("judge_softmax"), path)
    assert (verdict.status, verdict.killed, verdict.printed) == ("wrong", 0, "")


@pytest.mark.parametrize(
    ("id", "strict"),
    [
        # It compares bit for bit with one way of writing it.
        (
            "judge_softmax",
            """
            def judge_softmax(softmax_forward):
                scores = np.random.default_rng(0).normal(size=(3, 7))
                powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
                expected = powers / powers.sum(axis=-1, keepdims=True)
                assert np.array_equal(softmax_forward(scores)[0], expected)
            """,
        ),
        # It looks into the cache.
        (
            "judge_cross_entropy",
            """
            def judge_cross_entropy(cross_entropy_forward):
                logits = np.zeros((1, 3))
                loss, cache = cross_entropy_forward(logits, np.array([0]))
                assert np.allclose(np.exp(cache[0]), 1 / 3)
            """,
        ),
        (
            "judge_adamw",
            """
            def judge_adamw(adamw):
                rng = np.random.default_rng(0)
                w, g, m, v = rng.random((4, 9))
                expected = 0.9 * v + (1 - 0.9) * g * g
                assert np.array_equal(adamw(w, g, m, v, 3, 0.1, (0.8, 0.9))[2], expected)
            """,
        ),
    ],
)
def test_a_judge_that_is_too_strict_objects_to_a_right_version(id: str, strict: str) -> None:
    exercise = find_exercise(id)
    source = re.sub("^ {12}", "", strict, flags=re.MULTILINE)
    judge = define(source, exercise.function, find_function(exercise.function).__globals__)
    tried = Graded(exercise)
    judge(tried.function)
    with pytest.raises((AssertionError, KeyError, TypeError)):
        tried.let_pass(judge)
    assert tried.at == "a right version that is written differently"
