"""What the two small matrices beside a frozen layer must fulfil."""

import numpy as np

from minibert.byhand.lora import lora_backward, lora_forward, merge
from minibert.learn.compare import expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

ALPHA = 5.0


def draw(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return x (B, T, D), down (H, D), up (F, H) and alpha: the rank is H."""
    return (
        rng.normal(size=(size.B, size.T, size.D)),
        rng.normal(size=(size.H, size.D)),
        rng.normal(size=(size.F, size.H)),
        ALPHA,
    )


def torch_lora(x, down, up, alpha):
    from minibert.model.lora import lora

    return lora(x, down, up, alpha)


CASES = [Case("lora", lora_forward, lora_backward, draw, torch_lora)]


def check_a_case_by_hand() -> None:
    """x = (1, 2), A = (3, 1), B = (1, 0, -2)^T: 5 in between; with alpha 4 and rank 1 it counts 4 times."""
    x, down, up = np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]]), np.array([[1.0], [0.0], [-2.0]])
    y, cache = lora_forward(x, down, up, 4.0)
    expect_close(y, np.array([[20.0, 0.0, -40.0]]), "y of x = (1, 2) with alpha 4")

    dx, ddown, dup = lora_backward(np.array([[1.0, 5.0, 1.0]]), cache)
    expect_close(dx, np.array([[-12.0, -4.0]]), "dx under dy = (1, 5, 1)")
    expect_close(ddown, np.array([[-4.0, -8.0]]), "ddown under dy = (1, 5, 1)")
    expect_close(dup, np.array([[20.0], [100.0], [20.0]]), "dup under dy = (1, 5, 1)")


def check_of_a_higher_rank_each_feature_counts_less(size: Sizes, seed: int) -> None:
    """The same features twice, at twice the rank, add the same: alpha is divided by the rank."""
    x, down, up, alpha = draw(size, np.random.default_rng(seed))
    once, _ = lora_forward(x, down, up, alpha)
    twice, _ = lora_forward(x, np.concatenate([down, down]), np.concatenate([up, up], axis=1), alpha)
    expect_close(twice, once, "y with each of the features in between twice, beside y with each once")


def check_where_b_is_zero_nothing_is_added_and_yet_b_learns(size: Sizes, seed: int) -> None:
    """So it is in the first step: B has a gradient, A and x have none."""
    x, down, up, alpha = draw(size, np.random.default_rng(seed))
    y, cache = lora_forward(x, down, 0 * up, alpha)
    expect_close(y, np.zeros((size.B, size.T, size.F)), "y where B is zero")
    dx, ddown, dup = lora_backward(np.ones_like(y), cache)
    expect_close(dx, 0 * x, "dx where B is zero")
    expect_close(ddown, 0 * down, "ddown where B is zero")
    expect(np.abs(dup).min() > 0, "dup where B is zero has zeros: neither matrix will learn")


# ---------------------------------------------------------------- merged


def check_merged_weights_by_hand() -> None:
    """W + 4 B A, with A = (3, 1) and B = (1, 0, -2)^T."""
    weight = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    full = merge(weight, np.array([[3.0, 1.0]]), np.array([[1.0], [0.0], [-2.0]]), 4.0)
    expect_close(full, np.array([[13.0, 5.0], [2.0, 2.0], [-21.0, -5.0]]), "the merged weights")


def check_one_layer_does_what_two_did(size: Sizes, seed: int) -> None:
    """x W'^T is x W^T and what is added to it."""
    rng = np.random.default_rng(seed)
    x, down, up, alpha = draw(size, rng)
    weight = rng.normal(size=(size.F, size.D))
    expected = x @ weight.T + lora_forward(x, down, up, alpha)[0]
    expect_close(x @ merge(weight, down, up, alpha).T, expected, "the output of the merged layer", 1e-11)


def check_what_is_merged_stays_as_it_is(size: Sizes, seed: int) -> None:
    """The frozen weights above all: they would be merged twice the next time."""
    rng = np.random.default_rng(seed)
    _, down, up, alpha = draw(size, rng)
    arrays = {"weight": rng.normal(size=(size.F, size.D)), "down": down, "up": up}
    before = {name: array.copy() for name, array in arrays.items()}
    merge(arrays["weight"], down, up, alpha)
    for name, array in arrays.items():
        expect(np.array_equal(array, before[name]), f"merge has changed {name}; make a new array")
