"""What all tests share: how many threads, how many examples, and stand-ins for recipes."""

import sys
import types
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import torch

torch.set_num_threads(1)

# The same examples every time: a test that passes here passes everywhere.
hypothesis.settings.register_profile("minibert", derandomize=True, deadline=None, max_examples=20)
hypothesis.settings.load_profile("minibert")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Any], None]:
    """Put a function in the place of a recipe: recipe("minibert.recipes.fill", "fill", function)."""

    def put(module: str, name: str, function: Any) -> None:
        stand_in = types.ModuleType(module)
        setattr(stand_in, name, function)
        monkeypatch.setitem(sys.modules, module, stand_in)

    return put
