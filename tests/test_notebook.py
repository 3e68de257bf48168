"""What chapters show of the library."""

import numpy as np
import pytest

from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.compare import CheckError
from minibert.learn.mutate import Mutant
from minibert.learn.notebook import break_on_purpose, first_objection, show, source_of


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


def test_of_each_mistake_the_first_check_that_sees_it_speaks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    break_on_purpose("linear", "the bias is not added", "left out of dx")
    first, second, rest = capsys.readouterr().out.split("\n\n")
    assert first.startswith("linear_forward: the bias is not added\n    y of ") and not rest
    assert second.startswith("linear_backward: the upstream gradient is left out of dx\n    ")
    y, _ = linear_forward(*map(np.array, ([[1.0]], [[2.0]], [3.0])))
    assert y.tolist() == [[5.0]], "the mistakes are gone"


def test_a_name_that_no_mistake_has_is_refused_and_a_mistake_that_nobody_sees_is_told() -> None:
    with pytest.raises(ValueError, match="no mistake of linear is called 'the bias is too'"):
        break_on_purpose("linear", "the bias is not added", "the bias is too")
    none = Mutant("minibert.byhand.linear:linear_forward", "no mistake", "x @ weight.T", "x @ (weight.T)")
    with pytest.raises(AssertionError, match="no check sees it: no mistake"):
        first_objection(none)
