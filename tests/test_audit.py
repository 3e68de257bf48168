"""Every stub fails, every solution passes, every mistake is caught and named, however it is written."""

from functools import cache

import pytest
from other_words import ODD, OTHER_WORDS, RIGHT, UNKNOWN

from minibert.learn.audit import Version, audit, main, versions, with_mistake
from minibert.learn.examine import Request, examine_many
from minibert.learn.exercises import exercises, find_exercise
from minibert.learn.mutate import Mutant
from minibert.learn.trial import Verdict


@pytest.mark.slow
def test_every_stub_fails_every_solution_passes_and_every_mistake_is_named() -> None:
    complaints = [
        f"{finding.exercise.id}: {complaint}"
        for finding in audit(exercises())
        for complaint in finding.complaints
    ]
    assert complaints == []


@cache
def verdicts() -> dict[tuple[str, str], Verdict]:
    """Return the verdicts on all files of `other_words`, those for one exercise tried together."""
    files = [(id, text) for id, _, text in OTHER_WORDS] + [*UNKNOWN, *RIGHT, *ODD]
    files.sort(key=lambda file: file[0])
    asked = [Request(id, text, f"{id}.py") for id, text in files]
    return dict(zip(files, examine_many(asked), strict=True))


@pytest.mark.slow
def test_a_known_mistake_is_named_however_it_is_written() -> None:
    got = [(id, verdicts()[id, text].mistake) for id, _, text in OTHER_WORDS]
    assert got == [(id, name) for id, name, _ in OTHER_WORDS]


@pytest.mark.slow
@pytest.mark.parametrize("file", UNKNOWN, ids=lambda file: file[0])
def test_a_mistake_on_no_list_is_caught_and_has_no_name(file: tuple[str, str]) -> None:
    verdict = verdicts()[file]
    assert verdict.status not in ("passed", "unwritten") and verdict.mistake == "", verdict


@pytest.mark.slow
@pytest.mark.parametrize("file", [*RIGHT, *ODD], ids=lambda file: file[0])
def test_what_is_right_passes_however_it_is_written(file: tuple[str, str]) -> None:
    assert verdicts()[file].status == "passed", verdicts()[file]


def test_the_lists_are_long_enough() -> None:
    assert len(OTHER_WORDS) >= 10 and len(UNKNOWN) >= 10 and len(RIGHT) >= 6


def test_a_version_that_does_not_do_what_it_must_is_told() -> None:
    exercise = find_exercise("softmax_backward")
    stub, solution, mistake, *_ = versions(exercise)
    passed = Verdict("passed")
    wrong = Verdict("wrong", message="off by 2", place="x.py:3", line="return 2")
    assert stub.complaint(passed) == "the stub: expected to be unwritten, was passed "
    assert (
        solution.complaint(wrong) == "the solution: expected to be passed, was wrong off by 2 x.py:3 return 2"
    )
    assert mistake.complaint(passed) == f"{mistake.mistake}: expected to be caught, was passed "
    assert mistake.complaint(wrong) == f"{mistake.mistake}: caught, but named nothing"
    assert mistake.complaint(Verdict("wrong", mistake="x")) == f"{mistake.mistake}: caught, but named x"
    assert Version(exercise, "", "", "x").complaint(Verdict("slow", mistake="x")) == ""


def test_a_mistake_that_does_not_fit_its_function_is_told() -> None:
    wrong = Mutant("minibert.byhand.attention:softmax_backward", "no such line", "nowhere", "")
    with pytest.raises(ValueError, match="must stand in it exactly once"):
        with_mistake(find_exercise("softmax_backward"), wrong)


def test_the_command_tells_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    main(["softmax_backward"])
    out = capsys.readouterr().out
    assert out.startswith("✓ softmax_backward ") and "1 exercises with" in out
    assert "every mistake is caught and named" in out
