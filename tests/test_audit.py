"""Every stub fails, every solution passes, every mistake is caught and named, however it is written."""

from collections.abc import Sequence

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


def verdicts(files: Sequence[tuple[str, str]]) -> list[Verdict]:
    """Return the verdicts on learners' files, each an id and a text."""
    return list(examine_many([Request(id, text, f"{id}.py") for id, text in files]))


def test_a_known_mistake_is_named_however_it_is_written() -> None:
    assert len(OTHER_WORDS) >= 10
    found = verdicts([(id, text) for id, _, text in OTHER_WORDS])
    got = [(id, verdict.mistake) for (id, _, _), verdict in zip(OTHER_WORDS, found, strict=True)]
    assert got == [(id, name) for id, name, _ in OTHER_WORDS]


def test_a_mistake_on_no_list_is_caught_and_has_no_name() -> None:
    assert len(UNKNOWN) >= 10
    for (id, _), verdict in zip(UNKNOWN, verdicts(UNKNOWN), strict=True):
        assert verdict.status not in ("passed", "unwritten") and verdict.mistake == "", (id, verdict)


def test_what_is_right_passes_however_it_is_written() -> None:
    files = [*RIGHT, *ODD]
    for (id, text), verdict in zip(files, verdicts(files), strict=True):
        assert verdict.status == "passed", (id, text, verdict)


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
