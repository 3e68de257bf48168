"""GELU and its relatives: by hand, against torch, and against finite differences."""

import math
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from strategies import check_sizes, normal, seeds

from minibert.byhand.activation import ACTIVATIONS as BY_HAND
from minibert.byhand.activation import erf
from minibert.config import BertConfig
from minibert.learn.checks import activation as checks
from minibert.learn.checks import model_activation as model_checks
from minibert.learn.sizes import Sizes
from minibert.model.activation import ACTIVATIONS, gelu_plain, gelu_tanh_plain

test_by_hand = by_hand(checks)
test_in_torch = by_hand(model_checks, examples=5)

PLAIN = {"gelu": gelu_plain, "gelu_tanh": gelu_tanh_plain, "relu": lambda x: (x + x.abs()) / 2}


def test_there_is_an_activation_for_every_name_in_the_configuration() -> None:
    names = set(get_args(get_type_hints(BertConfig)["activation"]))
    assert set(ACTIVATIONS) == set(BY_HAND) == names


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@given(size=check_sizes, seed=seeds)
def test_gradients_agree_with_finite_differences(name: str, size: Sizes, seed: int) -> None:
    x = normal(seed, size.B, size.T, size.F)
    x = (x + torch.copysign(torch.tensor(0.01), x)).requires_grad_()  # off the corner of relu
    for function in (ACTIVATIONS[name], PLAIN[name]):
        assert torch.autograd.gradcheck(function, (x,))


def test_erf_is_exact_to_the_last_digit_everywhere() -> None:
    x = np.concatenate([np.linspace(-7, 7, 100_003), 10.0 ** np.linspace(-300, 1, 1000)])
    exact = np.array([math.erf(number) for number in x])
    assert np.abs(erf(x) - exact).max() < 2.3e-16
    assert np.abs(erf(x) / np.where(x == 0, 1, exact) - (x != 0)).max() < 5e-16
    assert np.abs(erf(x.astype(np.float32)) - exact).max() < 1e-6


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_infinity_stays_and_what_is_not_a_number_too(name: str) -> None:
    ours, _ = BY_HAND[name][0](np.array([math.inf, math.nan]))
    assert ours[0] == math.inf and math.isnan(ours[1])
