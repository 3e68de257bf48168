"""The list of exercises is whole, and an exercise is found by what people type."""

import re
from pathlib import Path

import pytest

from minibert.learn.exercises import Exercise, exercises, find_exercise, read_entry
from minibert.learn.mutate import find_function, mutants

CHAPTERS = Path(__file__).parent.parent / "chapters"

ALL = pytest.mark.parametrize("exercise", exercises(), ids=lambda exercise: exercise.id)


def headings(chapter: str) -> set[str]:
    """Return the headings of a chapter, without their marks."""
    text = (CHAPTERS / f"{chapter}.py").read_text(encoding="utf-8")
    return {match.strip() for match in re.findall(r"^# #+ (.*)$", text, flags=re.MULTILINE)}


def test_there_are_exercises_of_every_kind_and_enough_of_them() -> None:
    assert len(exercises()) >= 35
    kinds = {exercise.module.split(".")[1] for exercise in exercises()}
    assert kinds == {"byhand", "text", "batches", "model", "train", "hub", "files", "learn"}
    assert any(exercise.judge for exercise in exercises())
    assert any(exercise.random for exercise in exercises())
    functions = [exercise.function for exercise in exercises()]
    assert len(set(functions)) == len(functions), "two exercises blank the same function"


def test_there_are_three_mistakes_for_each_exercise_and_more_on_average() -> None:
    counts = [len(exercise.mistakes()) for exercise in exercises()]
    assert min(counts) >= 3 and sum(counts) / len(counts) >= 4


@ALL
def test_an_entry_is_true(exercise: Exercise) -> None:
    assert callable(find_function(exercise.function))
    assert re.fullmatch(r"[a-z][a-z0-9_]*", exercise.id)
    assert exercise.id.startswith("torch_") or exercise.judge or not exercise.needs_torch
    assert 1 <= exercise.difficulty <= 5 and 3 <= exercise.minutes <= 120
    assert exercise.task.strip() and all(hint.strip() for hint in exercise.hints)
    known = {other.id for other in exercises()}
    assert set(exercise.needs) <= known - {exercise.id}
    assert len(exercise.to_kill()) == len(exercise.kills)
    assert bool(exercise.kills) == exercise.judge
    if exercise.section:
        assert exercise.section in headings(exercise.chapter)
    else:
        assert not (CHAPTERS / f"{exercise.chapter}.py").exists() or exercise.judge


@ALL
def test_its_function_says_what_it_does(exercise: Exercise) -> None:
    assert find_function(exercise.function).__doc__


def test_every_mistake_is_of_a_function_that_is_there() -> None:
    for name in {mutant.function for mutant in mutants()}:
        assert find_function(name)


def test_an_exercise_is_found_by_id_beginning_or_file() -> None:
    some = exercises()[0]
    assert find_exercise(some.id) is some
    assert find_exercise(f"exercises/{some.path}") is some
    assert find_exercise("softmax_b").id == "softmax_backward"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("softmax_backwards", "there is no exercise 'softmax_backwards'; did you mean softmax_backward?"),
        ("zzz", "there is no exercise 'zzz'$"),
        ("", "there is no exercise ''$"),
        ("torch_", "'torch_' begins several exercises: torch_"),
    ],
)
def test_a_word_that_names_none_gets_what_is_nearest(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_exercise(word)


ENTRY: dict[str, object] = {
    "id": "x",
    "function": "minibert.byhand.linear:linear_forward",
    "title": "X",
    "chapter": "02_gradients",
    "section": "",
    "minutes": 5,
    "difficulty": 1,
    "task": "Write it.",
    "hints": ["a", "b", "c"],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "a.toml: x has colour, which no exercise has"),
        ({"hints": ["a"]}, "a.toml: x has 1 hints, expected 3"),
    ],
)
def test_an_entry_that_is_odd_is_told(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_entry(ENTRY | change, "a.toml")


def test_an_entry_that_lacks_something_is_told() -> None:
    with pytest.raises(ValueError, match="a.toml: x .*missing 1 required .* 'title'"):
        read_entry({name: value for name, value in ENTRY.items() if name != "title"}, "a.toml")
