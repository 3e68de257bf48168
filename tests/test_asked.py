"""What is asked of a text is known for every head, and every score has its name."""

from typing import get_args

import pytest

from minibert.config import Task
from minibert.report.finetuned.asked import ASKED, decimals, head_of, points


def test_every_task_of_a_head_is_known() -> None:
    assert set(ASKED) == set(get_args(Task))


@pytest.mark.parametrize("head", ASKED)
def test_a_head_that_is_recorded_is_believed(head: str) -> None:
    assert head_of(head, "classify") == head
    asked = ASKED[head]
    assert len({score.title for score in asked.scores.values()} - {"micro F1", "F1"}) >= len(asked.scores) - 2


def test_without_a_head_the_command_tells() -> None:
    assert [head_of(None, name) for name in ("classify", "tag", "answer", None, "else")] == [
        "classes",
        "tags",
        "spans",
        "classes",
        "classes",
    ]


def test_a_score_that_nobody_knows_is_a_number_with_its_own_name() -> None:
    score = ASKED["spans"].score("half_right")
    assert (score.title, score.form(0.12345), score.means) == ("half right", "0.123", "")
    assert ASKED["spans"].score("exact").form(0.5) == "50.0 %"


def test_points_have_no_sign() -> None:
    assert points(-0.0123) == "1.2 percentage points" == points(0.0123)


def test_no_number_is_minus_zero() -> None:
    assert [decimals(value) for value in (-0.0004, -0.0006, None)] == ["0.000", "-0.001", "—"]
