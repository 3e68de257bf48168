"""What is common to all tasks."""

from dataclasses import FrozenInstanceError

import pytest

from minibert.recipes.task import Splits


def test_texts_that_are_divided_stay_so():
    splits = Splits(["a"], ["b"], ["c"])
    assert (splits.train, splits.validation, splits.test, splits.notes) == (["a"], ["b"], ["c"], ())
    with pytest.raises(FrozenInstanceError):
        splits.train = ["b"]  # pyright: ignore[reportAttributeAccessIssue]
