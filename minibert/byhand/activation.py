"""The curves between the two layers of the feed-forward block, and their slopes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minibert.byhand.parameters import Array

STEPS = 256
"""Grid points per unit, at which erf is known exactly."""

END = 6
"""From here on erf is 1 in float64."""

TERMS = 6
"""Terms of erf's series at a grid point: the seventh is below 1e-18."""


def erf_series() -> Array:
    """Return the coefficients of erf's Taylor series at each grid point, (TERMS, END STEPS + 1).

    erf(c + d) = a_0 + a_1 d + a_2 d^2 + ..., where a_0 = erf(c) and a_1 = 2 / sqrt(pi) e^(-c^2). The others
    follow because erf'' (x) = -2 x erf' (x): (n + 1) n a_(n+1) = -2 (c n a_n + (n - 1) a_(n-1)).
    """
    c = np.arange(END * STEPS + 1) / STEPS
    a = [np.array([math.erf(point) for point in c]), 2 / math.sqrt(math.pi) * np.exp(-c * c)]
    for n in range(1, TERMS - 1):
        a.append(-2 * (c * n * a[n] + (n - 1) * a[n - 1]) / (n * (n + 1)))
    return np.array(a)


SERIES = erf_series()


def erf(x: Array) -> Array:
    """Return the error function, which NumPy lacks, to 2e-16.

    erf(x) = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x; odd, so that |x| is enough.
    Any shape; the same shape and type come back.
    """
    size = np.minimum(np.abs(x), END)
    nearest = np.rint(np.fmin(size, END) * STEPS).astype(np.intp)  # fmin: NaN has to point somewhere
    d = size - nearest.astype(x.dtype) / STEPS  # at most half a step, and NaN where x is

    series = SERIES.astype(x.dtype)
    y = series[-1].take(nearest)
    for a in series[-2::-1]:  # ((a_5 d + a_4) d + a_3) d + ...
        y = y * d + a.take(nearest)
    return np.copysign(y, x)


def relu_forward(x: Array) -> tuple[Array, Any]:
    """Cut off what is below zero.

    relu(x) = max(x, 0). Any shape; the same shape comes back, and what `relu_backward` needs.
    """
    return np.maximum(x, 0), x


def relu_backward(dy: Array, cache: Any) -> Array:
    """Return dx from dy, both of the shape of x. At 0, where there are two slopes, 0, as in PyTorch."""
    x = cache
    return dy * (x > 0)  # 6.1: the slope is 1 above zero and 0 below


def gelu_forward(x: Array) -> tuple[Array, Any]:
    """Weigh x by the chance that a standard normal number lies below it.

    gelu(x) = x Phi(x), with Phi(x) = (1 + erf(x / sqrt 2)) / 2. Hendrycks and Gimpel 2016, section 2.
    Any shape; the same shape comes back, and what `gelu_backward` needs.
    """
    chance = (1 + erf(x / math.sqrt(2))) / 2
    return x * chance, (x, chance)


def gelu_backward(dy: Array, cache: Any) -> Array:
    """Return dx from dy, both of the shape of x."""
    x, chance = cache
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # 6.2: the slope of the chance is the bell curve
    return dy * (chance + x * density)  # 6.2: x moves and the chance stays; x stays and the chance moves


def gelu_tanh_forward(x: Array) -> tuple[Array, Any]:
    """Approximate gelu with a tanh, as the code of GPT does, and that of BERT after its first versions.

    x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Hendrycks and Gimpel 2016, section 2.
    Any shape; the same shape comes back, and what `gelu_tanh_backward` needs.
    """
    curve = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
    return x / 2 * (1 + curve), (x, curve)


def gelu_tanh_backward(dy: Array, cache: Any) -> Array:
    """Return dx from dy, both of the shape of x."""
    x, curve = cache
    inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)  # 6.3: how fast the argument of tanh grows
    return dy * ((1 + curve) / 2 + x / 2 * (1 - curve * curve) * inner)  # 6.4: tanh' = 1 - tanh^2


ACTIVATIONS: dict[str, tuple[Callable[[Array], tuple[Array, Any]], Callable[[Array, Any], Array]]] = {
    "gelu": (gelu_forward, gelu_backward),
    "gelu_tanh": (gelu_tanh_forward, gelu_tanh_backward),
    "relu": (relu_forward, relu_backward),
}
"""Forward and backward by the names of `BertConfig.activation`."""
