"""The checks of `minibert.learn` as tests: `test_by_hand = by_hand(checks)` in each test_STEM.py."""

from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given, settings
from strategies import check_sizes, seeds

from minibert.learn.proof import Check, checks_of
from minibert.learn.sizes import Sizes


def by_hand(module: ModuleType, examples: int = 20) -> Callable[..., None]:
    """Return a test that runs every check of a stem, on sizes and seeds that hypothesis draws."""

    @pytest.mark.parametrize("check", checks_of(module), ids=lambda check: check.name)
    @settings(max_examples=examples)
    @given(size=check_sizes, seed=seeds)
    def test(check: Check, size: Sizes, seed: int) -> None:
        check.run(size, seed)

    return test
