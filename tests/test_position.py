"""Sinusoids: the paper's formula at single entries, and what makes them good positions."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from minibert.model.position import sinusoids


@pytest.mark.parametrize(
    ("p", "i", "D"), [(0, 0, 4), (1, 0, 4), (3, 1, 4), (50, 2, 6), (511, 63, 128), (7, 1, 3)]
)
def test_sine_and_cosine_take_turns_as_in_the_paper(p: int, i: int, D: int) -> None:
    row = sinusoids(torch.tensor([p]), D)[0]
    angle = p / 10000 ** (2 * i / D)
    assert row[2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
    if 2 * i + 1 < D:
        assert row[2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_a_case_worked_by_hand() -> None:
    table = sinusoids(torch.arange(2), 4)
    expected = [[0, 1, 0, 1], [0.8414710, 0.5403023, 0.0099998, 0.9999500]]
    assert torch.allclose(table, torch.tensor(expected), atol=1e-7)


@given(D=st.integers(1, 12), start=st.integers(0, 1000), T=st.integers(1, 6))
def test_a_row_depends_on_its_position_alone(D: int, start: int, T: int) -> None:
    rows = sinusoids(torch.arange(start, start + T), D)
    assert rows.shape == (T, D) and rows.dtype == torch.float32
    assert torch.equal(rows, sinusoids(torch.arange(start + T), D)[start:])


@given(p=st.integers(0, 400), distance=st.integers(0, 100), half=st.integers(1, 16))
def test_the_product_of_two_positions_depends_on_their_distance_alone(
    p: int, distance: int, half: int
) -> None:
    a, b = sinusoids(torch.tensor([p, p + distance]), 2 * half).double()
    zero, c = sinusoids(torch.tensor([0, distance]), 2 * half).double()
    assert torch.dot(a, b).item() == pytest.approx(torch.dot(zero, c).item(), abs=1e-5)
