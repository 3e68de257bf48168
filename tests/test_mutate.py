"""Mistakes made on purpose: each is seen by the checks of its stem, and gone afterwards.

Those of exercises are held to more by test_audit.py: they must be told by name, too.
"""

import importlib

import pytest

from minibert.learn.exercises import exercises
from minibert.learn.mutate import Mutant, define, find_function, mutants, source_of
from minibert.learn.proof import checks_of
from minibert.learn.sizes import Sizes

AUDITED = {exercise.function for exercise in exercises()}


def run_checks(mutant: Mutant) -> None:
    """Run the stem's checks; PyTorch's own numbers only where the mistake is in a PyTorch function."""
    checks = importlib.import_module(f"minibert.learn.checks.{mutant.stem}")
    for seed in (0, 1):
        for check in checks_of(checks):
            if not check.needs_torch or ".byhand." not in mutant.function:
                check.run(Sizes(), seed)


@pytest.mark.parametrize(
    "mutant",
    [mutant for mutant in mutants() if mutant.function not in AUDITED],
    ids=lambda mutant: f"{mutant.stem}: {mutant.name}",
)
def test_the_checks_catch_the_mistake_and_pass_without_it(mutant: Mutant) -> None:
    with mutant.made(), pytest.raises((AssertionError, RuntimeWarning, ValueError)):
        run_checks(mutant)


def test_a_mistake_reaches_who_imported_the_function_and_goes_away() -> None:
    from minibert.byhand.parameters import part

    wrong = Mutant("minibert.byhand.parameters:part", "the dot stays", "len(name) + 1", "len(name)")
    with wrong.made():
        assert part({"a.b": 1}, "a") == {".b": 1}  # pyright: ignore[reportArgumentType]
    assert part({"a.b": 1}, "a") == {"b": 1}  # pyright: ignore[reportArgumentType]


def test_a_mutant_that_does_not_fit_its_function_is_told() -> None:
    wrong = Mutant("minibert.byhand.parameters:part", "no such line", "nowhere", "")
    with pytest.raises(ValueError, match="must stand in it exactly once, stands 0 times"), wrong.made():
        pass


def test_a_method_is_found_and_can_be_written_otherwise() -> None:
    name = "minibert.model.multihead:MultiHeadAttention.__init__"
    mistake = Mutant(name, "never more than one head", "self.heads = heads", "self.heads = 1")
    with mistake.made():
        from minibert.model.multihead import MultiHeadAttention

        assert MultiHeadAttention(8, 2).heads == 1
    assert MultiHeadAttention(8, 2).heads == 2
    assert mistake.stem == "model_multihead"
    assert define(source_of(find_function(name)), name, {}).__qualname__ == "MultiHeadAttention.__init__"


def test_no_mistake_has_two_entries() -> None:
    found = [(mutant.function, mutant.old, mutant.new) for mutant in mutants()]
    assert len(found) == len(set(found))
