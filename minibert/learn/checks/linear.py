"""What the linear layer must fulfil."""

import numpy as np

from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.compare import CheckError, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return x (B, T, D), weight (F, D) and bias (F,)."""
    return (
        rng.normal(size=(size.B, size.T, size.D)),
        rng.normal(size=(size.F, size.D)),
        rng.normal(size=size.F),
    )


def torch_linear(x, weight, bias):
    import torch.nn.functional as F

    return F.linear(x, weight, bias)


def transformers_linear(x, weight, bias):
    """GPT-2's linear layer, which keeps its weights transposed."""
    import torch
    from transformers.pytorch_utils import Conv1D

    layer = Conv1D(*weight.shape)
    return torch.func.functional_call(layer, {"weight": weight.T, "bias": bias}, (x,))


CASES = [Case("linear", linear_forward, linear_backward, draw, torch_linear, transformers_linear)]


def check_a_case_by_hand() -> None:
    """One token of two features into three outputs."""
    x = np.array([[1.0, 2.0]])
    weight = np.array([[3.0, 4.0], [5.0, 6.0], [0.0, -1.0]])
    y, cache = linear_forward(x, weight, np.array([0.0, 1.0, 2.0]))
    expect_close(y, np.array([[11.0, 18.0, 0.0]]), "y of x = (1, 2)")

    dx, dweight, dbias = linear_backward(np.array([[1.0, 0.0, 2.0]]), cache)
    expect_close(dx, np.array([[3.0, 2.0]]), "dx under dy = (1, 0, 2)")
    expect_close(dweight, np.array([[1.0, 2.0], [0.0, 0.0], [2.0, 4.0]]), "dweight under dy = (1, 0, 2)")
    expect_close(dbias, np.array([1.0, 0.0, 2.0]), "dbias under dy = (1, 0, 2)")


def check_each_position_is_worked_out_by_itself(size: Sizes, seed: int) -> None:
    """All positions at once give what one gives alone."""
    x, weight, bias = draw(size, np.random.default_rng(seed))
    together, _ = linear_forward(x, weight, bias)
    alone, _ = linear_forward(x[0, 0], weight, bias)
    expect_close(together[0, 0], alone, "y at the first position")


def check_shapes_that_do_not_fit_are_refused() -> None:
    """NumPy itself would add a bias of one number to every output."""
    try:
        linear_forward(np.ones((2, 4)), np.ones((5, 4)), np.ones(1))
    except ValueError:
        return
    raise CheckError("a weight of 5 rows and a bias of 1 number: expected a ValueError, got none")
