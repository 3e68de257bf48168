"""What is wrong with a function: by its answers or, where it draws random numbers, by the checks it fails."""

import pytest

from minibert.learn.audit import with_mistake
from minibert.learn.examine import Request, examine_many
from minibert.learn.exercises import Exercise, exercises, find_exercise

RANDOM = [exercise for exercise in exercises() if exercise.random]


@pytest.mark.parametrize("exercise", RANDOM, ids=lambda exercise: exercise.id)
def test_where_numbers_are_random_no_call_is_shown_and_the_name_comes_from_the_properties(
    exercise: Exercise,
) -> None:
    mistakes = exercise.mistakes()
    asked = [Request(exercise.id, with_mistake(exercise, mistake), "x.py") for mistake in mistakes]
    for mistake, verdict in zip(mistakes, examine_many(asked), strict=True):
        assert (verdict.mistake, verdict.call) == (mistake.name, "")


def test_the_call_is_one_of_the_check_that_failed_and_checks_of_other_functions_do_not_count() -> None:
    text = "def softmax_backward(dweights, cache):\n    return 2 * dweights\n"
    exercise = find_exercise("softmax_backward")
    (verdict,) = examine_many([Request(exercise.id, text, "x.py")])
    assert verdict.call.startswith("softmax_backward(")
    (whole,) = examine_many([Request(exercise.id, with_mistake(exercise, exercise.mistakes()[0]), "x.py")])
    assert verdict.total_checks == whole.total_checks and verdict.passed_checks < verdict.total_checks
