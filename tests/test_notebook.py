"""What chapters show of the library."""

from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.compare import CheckError
from minibert.learn.notebook import show, source_of


def test_the_source_is_shown_as_it_is_with_its_place() -> None:
    text = source_of(linear_forward)
    assert text.startswith("`minibert/byhand/linear.py`, line ")
    assert "```python\ndef linear_forward(" in text and text.endswith("\n```")
    assert "class CheckError(" in source_of(CheckError)


def test_a_notebook_gets_markdown_of_all_that_is_asked_for_and_a_terminal_the_same_text() -> None:
    shown = show(linear_forward, linear_backward)
    text = shown._repr_markdown_()
    assert text.index("def linear_forward") < text.index("def linear_backward")
    assert repr(shown) == text
