"""What a learner gets: a whole file that gives nothing away; and the same file solved."""

import pytest

from minibert.learn.exercises import Exercise, exercises
from minibert.learn.stubs import solution, stub


@pytest.mark.parametrize("exercise", exercises(), ids=lambda exercise: exercise.id)
def test_a_stub_is_a_whole_file_that_gives_nothing_away(exercise: Exercise) -> None:
    text, whole = stub(exercise), solution(exercise)
    compile(text, exercise.id, "exec")
    assert text.count("raise NotImplementedError") == 1
    assert max(map(len, text.splitlines())) <= 110
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert max(map(len, comments)) <= 80 and exercise.title in comments[0]
    assert f"minibert learn check {exercise.id}" in text
    same = [a == b for a, b in zip(text.splitlines(), whole.splitlines(), strict=False)]
    head = same.index(False)
    assert text.splitlines()[head].strip() == "raise NotImplementedError"
    assert len(text.splitlines()) == head + 1, "the body is all that the solution has more"
