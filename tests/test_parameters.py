"""Parameters by name: taken apart and put together."""

import numpy as np

from minibert.byhand.parameters import join, part

ONE, TWO, THREE = (np.full(2, float(n)) for n in (1, 2, 3))


def test_a_part_has_its_own_names_and_not_those_of_a_part_with_a_longer_name() -> None:
    parameters = {"norm.weight": ONE, "norm_two.weight": TWO, "bias": THREE}
    assert part(parameters, "norm") == {"weight": ONE}
    assert part(parameters, "nor") == {}


def test_join_is_the_inverse_of_part() -> None:
    parameters = {"a.weight": ONE, "a.b.bias": TWO, "c.weight": THREE}
    assert join(a=part(parameters, "a"), c=part(parameters, "c")) == parameters
