"""Sizes: different for every letter, so that swapped axes show."""

from minibert.learn.sizes import Sizes


def test_the_sizes_of_letters_that_meet_differ() -> None:
    n = Sizes()
    assert len({n.T, n.S, n.K, n.F, n.V, n.N, n.D}) == 7
    assert len({n.B, n.T, n.D, n.V}) == 4
    assert n.D == n.H * n.K
    assert n.query == (n.B, n.H, n.T, n.K) and n.key == (n.B, n.H, n.S, n.K)
