"""What the losses must fulfil."""

import math

import numpy as np

from minibert.byhand.loss import (
    IGNORE,
    cross_entropy_backward,
    cross_entropy_forward,
    log_softmax,
    mean_squared_error_backward,
    mean_squared_error_forward,
)
from minibert.byhand.parameters import Array, Ints
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints]:
    """Return logits (N, V) and targets (N,) that all count."""
    return 2 * rng.normal(size=(size.N, size.V)), rng.integers(size.V, size=size.N)


def draw_some(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints]:
    """Return logits and targets of which about half count, and one surely does not."""
    logits, targets = draw(size._replace(N=size.N + 1), rng)
    targets[rng.random(size.N + 1) < 0.5] = IGNORE
    targets[-1] = IGNORE
    return logits, targets


def draw_none(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints]:
    """Return logits and targets that do not count."""
    return draw(size, rng)[0], np.full(size.N, IGNORE)


def draw_smoothed(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints, float]:
    """Return logits, targets that count and one that does not, and a smoothing."""
    logits, targets = draw(size._replace(N=size.N + 1), rng)
    targets[0] = IGNORE
    return logits, targets, 0.3


def draw_pair(size: Sizes, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return a prediction and a target, both (B, T, D)."""
    return rng.normal(size=(size.B, size.T, size.D)), rng.normal(size=(size.B, size.T, size.D))


def torch_cross_entropy(logits, targets, smoothing=0.0):
    from minibert.train.loss import cross_entropy

    return cross_entropy(logits, targets, smoothing)


def torch_log_softmax(logits, targets):
    return logits.log_softmax(-1)


def torch_squares(prediction, target):
    from minibert.train.loss import mean_squared_error

    return mean_squared_error(prediction, target)


def transformers_cross_entropy(logits, targets):
    from transformers.loss.loss_utils import fixed_cross_entropy

    return fixed_cross_entropy(logits, targets)


def transformers_squares(prediction, target):
    """Their loss of a regression."""
    from transformers import BertConfig
    from transformers.loss.loss_utils import ForSequenceClassificationLoss

    config = BertConfig(problem_type="regression")  # of two numbers, as theirs is by default
    return ForSequenceClassificationLoss(target, prediction, config)


CASES = [
    Case("log softmax", lambda logits, targets: log_softmax(logits), None, draw, torch_log_softmax),
    *(
        Case(
            name,
            cross_entropy_forward,
            cross_entropy_backward,
            drawn,
            torch_cross_entropy,
            transformers_cross_entropy,
        )
        for name, drawn in (("cross-entropy", draw), ("some ignored", draw_some))
    ),
    # Theirs is 0 / 0 where nothing counts. Their LabelSmoother sums in float32: see tests/test_loss.py.
    Case("all ignored", cross_entropy_forward, cross_entropy_backward, draw_none, torch_cross_entropy),
    Case("smoothed", cross_entropy_forward, cross_entropy_backward, draw_smoothed, torch_cross_entropy),
    Case(
        "squared error",
        mean_squared_error_forward,
        mean_squared_error_backward,
        draw_pair,
        torch_squares,
        transformers_squares,
    ),
]


def check_a_case_by_hand() -> None:
    """Logits log 1, log 2, log 5: the softmax is 1/8, 2/8, 5/8.

    Target 2 costs log(8/5), and p - y = (1/8, 2/8, -3/8). Beside it, logits 0, 0, 0: target 0 costs log 3,
    and p - y = (-2/3, 1/3, 1/3). The mean of the two halves both gradients; a third row does not count.
    """
    logits = np.array([[0.0, math.log(2), math.log(5)], [0.0, 0.0, 0.0], [7.0, 8.0, 9.0]])
    loss, cache = cross_entropy_forward(logits, np.array([2, 0, IGNORE]))
    expect_close(loss, (math.log(8 / 5) + math.log(3)) / 2, "the loss, (log 8/5 + log 3) / 2")

    expected = [[1 / 16, 2 / 16, -3 / 16], [-1 / 3, 1 / 6, 1 / 6], [0, 0, 0]]
    dlogits = cross_entropy_backward(1.0, cache)
    expect_close(dlogits, np.array(expected), "dlogits")
    expect_close(cross_entropy_backward(10.0, cache), 10 * dlogits, "dlogits under dloss = 10")


def check_smoothing_by_hand() -> None:
    """Softmax 1/8, 2/8, 5/8 as above, target 2, smoothing 0.3: y = (0.1, 0.1, 0.8)."""
    logits = np.array([[0.0, math.log(2), math.log(5)]])
    loss, cache = cross_entropy_forward(logits, np.array([2]), 0.3)
    expected = -(0.1 * math.log(1 / 8) + 0.1 * math.log(2 / 8) + 0.8 * math.log(5 / 8))
    expect_close(loss, expected, "the loss with smoothing 0.3")
    expect_close(cross_entropy_backward(1.0, cache), np.array([[0.025, 0.15, -0.175]]), "p - y")


def check_log_softmax_takes_the_last_axis_whatever_the_shape(size: Sizes, seed: int) -> None:
    """One row alone, many rows, and many tables of rows give the same."""
    logits = np.random.default_rng(seed).normal(size=(size.B, size.T, size.V))
    logs = log_softmax(logits)
    expect_close(np.exp(logs).sum(axis=-1), np.ones((size.B, size.T)), "the sums of exp(log softmax), (B, T)")
    expect_close(log_softmax(logits[-1, -1]), logs[-1, -1], "log softmax of the last row alone")


def check_two_equal_logits_cost_the_logarithm_of_two() -> None:
    for target in (0, 1):
        loss, _ = cross_entropy_forward(np.zeros((1, 2)), np.array([target]))
        expect_close(loss, math.log(2), f"the loss of logits (0, 0), target {target}")


def check_a_perfect_prediction_costs_nothing(size: Sizes) -> None:
    """Which it does not where the softmax is taken twice: probabilities are never far apart."""
    loss, _ = cross_entropy_forward(50 * np.eye(size.V), np.arange(size.V))
    expect(
        abs(loss) < 1e-15, f"the loss of logits 50 at the targets, 0 elsewhere: expected 0, got {loss:.3g}"
    )


def check_knowing_nothing_costs_the_logarithm_of_the_classes(size: Sizes) -> None:
    loss, _ = cross_entropy_forward(np.full((size.N, size.V), 3.0), np.zeros(size.N, dtype=int))
    expect_close(loss, math.log(size.V), "the loss of equal logits")


def check_a_shift_changes_nothing_and_huge_logits_do_not_overflow(size: Sizes, seed: int) -> None:
    """One row is moved by 1000, one by -1000, and the rest stay."""
    logits, targets = draw(size._replace(N=size.N + 2), np.random.default_rng(seed))
    moved = logits.copy()
    moved[0] += 1000
    moved[1] -= 1000
    expect_close(log_softmax(moved), log_softmax(logits), "log softmax of rows moved by 1000 and -1000", 1e-9)
    expect_close(
        cross_entropy_forward(moved, targets)[0], cross_entropy_forward(logits, targets)[0], "the loss", 1e-9
    )
    far, cache = cross_entropy_forward(np.array([[1e4, -1e4]]), np.array([1]))
    expect_close(far, 2e4, "the loss of logits 10000 and -10000, target 1")
    expect_close(cross_entropy_backward(1.0, cache), np.array([[1.0, -1.0]]), "dlogits there")


def check_the_gradients_of_a_position_sum_to_zero(size: Sizes, seed: int) -> None:
    """Because a shift changes nothing."""
    for smoothing in (0.0, 0.3):
        _, cache = cross_entropy_forward(*draw(size, np.random.default_rng(seed)), smoothing)
        dlogits = cross_entropy_backward(1.0, cache)
        expect(
            np.abs(dlogits.sum(axis=1)).max() < 1e-12, "dlogits must sum to 0 over the classes, row by row"
        )


def check_ignored_positions_change_nothing(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, targets = draw(size, rng)
    loss, cache = cross_entropy_forward(logits, targets)
    more = np.concatenate([logits, rng.normal(size=(5, size.V))])
    padded, padded_cache = cross_entropy_forward(more, np.concatenate([targets, np.full(5, IGNORE)]))
    expect_close(padded, loss, "the loss with five positions that do not count")
    dlogits = cross_entropy_backward(1.0, padded_cache)
    expect_close(dlogits[: size.N], cross_entropy_backward(1.0, cache), "dlogits where targets count")
    expect_close(dlogits[size.N :], np.zeros((5, size.V)), "dlogits where they do not")


def check_parts_weighed_by_their_counts_equal_the_whole(size: Sizes, seed: int) -> None:
    """As under accumulation: each part's mean, weighed by its share of the targets that count."""
    logits, targets = draw_some(size._replace(N=4 * size.N), np.random.default_rng(seed))
    whole, cache = cross_entropy_forward(logits, targets)
    parts = [slice(0, size.N), slice(size.N, None)]
    shares = [(targets[part] != IGNORE).sum() / max((targets != IGNORE).sum(), 1) for part in parts]
    losses, gradients = [], []
    for part, share in zip(parts, shares, strict=True):
        loss, part_cache = cross_entropy_forward(logits[part], targets[part])
        losses.append(share * loss)
        gradients.append(cross_entropy_backward(share, part_cache))
    expect_close(sum(losses), whole, "the sum of two parts, weighed by how many targets they count")
    expect_close(np.concatenate(gradients), cross_entropy_backward(1.0, cache), "its gradient")


def check_smoothing_is_least_at_the_smoothed_target(size: Sizes) -> None:
    """There softmax = y, so that the gradient is zero: 0.3 / V at each class, and 0.7 more at the target."""
    y = np.full((1, size.V), 0.3 / size.V)
    y[0, 0] += 0.7
    _, cache = cross_entropy_forward(np.log(y), np.array([0]), 0.3)
    largest = np.abs(cross_entropy_backward(1.0, cache)).max()
    expect(largest < 1e-12, f"dlogits at the optimum of smoothing 0.3: expected 0, got {largest:.3g}")


def check_a_target_that_is_no_class_is_refused(size: Sizes) -> None:
    """NumPy itself would take -1 for the last class."""
    for wrong in (-1, size.V):
        try:
            cross_entropy_forward(np.zeros((1, size.V)), np.array([wrong]))
        except ValueError:
            continue
        raise CheckError(f"target {wrong} of {size.V} classes: expected a ValueError, got none")


def check_squares_by_hand() -> None:
    """Predicted 1, 2, 3, 4 where 1, 0, 3, 5 was right: (0 + 4 + 0 + 1) / 4."""
    prediction, target = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 5.0]])
    loss, cache = mean_squared_error_forward(prediction, target)
    expect_close(loss, 1.25, "the squared error")
    dprediction, dtarget = mean_squared_error_backward(2.0, cache)
    expect_close(dprediction, np.array([[0.0, 2.0], [0.0, -1.0]]), "dprediction under dloss = 2")
    expect_close(dtarget, -dprediction, "dtarget")


def check_two_shapes_are_not_broadcast() -> None:
    """(3,) against (3, 1) would be nine differences."""
    try:
        mean_squared_error_forward(np.ones(3), np.ones((3, 1)))
    except ValueError:
        return
    raise CheckError("a prediction (3,) and a target (3, 1): expected a ValueError, got none")
