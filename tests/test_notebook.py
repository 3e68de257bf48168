"""What chapters show of the library."""

import re
from typing import Any

import numpy as np
import pytest

import minibert.learn
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.compare import CheckError
from minibert.learn.mutate import Mutant
from minibert.learn.notebook import (
    break_on_purpose,
    check,
    exercise,
    exercise_of,
    first_objection,
    show,
    source_of,
)
from minibert.model.lora import LoraLinear


def test_the_source_is_shown_as_it_is_with_its_place() -> None:
    text = source_of(linear_forward)
    assert text.startswith("`minibert/byhand/linear.py`, line ")
    assert "```python\ndef linear_forward(" in text and text.endswith("\n```")
    assert "class CheckError(" in source_of(CheckError)


def test_a_function_under_a_decorator_is_shown_where_it_stands() -> None:
    text = source_of(LoraLinear.merged)
    assert text.startswith("`minibert/model/lora.py`, line ") and "@torch.no_grad()\n    def merged(" in text


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


def test_a_chapter_shows_what_to_write_the_command_and_hints_that_unfold() -> None:
    text = exercise("softmax_backward")._repr_markdown_()
    assert "```\nminibert learn check softmax_backward\n```" in text
    assert len(re.findall("<details><summary>Hint . of 3</summary>", text)) == 3
    assert "04_attention/softmax_backward.py" in text


FACTOR = 1.0


def mean_of(weights: Any, dweights: Any) -> Any:
    return FACTOR * (weights * dweights).sum(axis=-1, keepdims=True)


def softmax_backward(dweights: Any, cache: Any) -> Any:
    return cache * (dweights - mean_of(cache, dweights))


def split_heads(x: Any, heads: int) -> Any:
    return x


def test_a_function_of_a_notebook_is_checked_with_its_helpers_and_constants(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert minibert.learn.check is check and minibert.learn.__all__ == ["check"]
    check(softmax_backward)
    assert "softmax_backward" in capsys.readouterr().out.splitlines()[0]
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    check(softmax_backward)
    out = capsys.readouterr().out
    assert "expected" in out and "got" in out and max(map(len, out.splitlines())) <= 80


def test_a_name_that_several_exercises_have_or_none_is_told() -> None:
    with pytest.raises(ValueError, match=r"write check\(split_heads, '.*'\) or check\(split_heads, '.*'\)"):
        exercise_of(split_heads)
    with pytest.raises(ValueError, match="no exercise has a function mean_of"):
        check(mean_of)
    with pytest.raises(AttributeError, match="minibert.learn' has no attribute 'chek'"):
        minibert.learn.chek  # noqa: B018
