"""What chapters show of the library."""

import pytest

from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.notebook import show, source_of


def test_the_source_is_shown_as_it_is_with_its_place() -> None:
    text = source_of(linear_forward)
    assert text.startswith("`minibert/byhand/linear.py`, line ")
    assert "```python\ndef linear_forward(" in text and text.endswith("\n```")


def test_a_notebook_gets_markdown_of_all_that_is_asked_for() -> None:
    pytest.importorskip("IPython", reason="IPython comes with the extra chapters")
    text = show(linear_forward, linear_backward).data
    assert text.index("def linear_forward") < text.index("def linear_backward")
