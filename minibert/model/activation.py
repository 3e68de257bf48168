"""The curves between the two layers of the feed-forward block."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor


def gelu_plain(x: Tensor) -> Tensor:
    """Weigh x by the chance that a standard normal number lies below it.

    gelu(x) = x Phi(x) = x / 2 (1 + erf(x / sqrt 2)). Hendrycks and Gimpel 2016, section 2.
    Any shape, floating point; the same shape comes back.
    """
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh_plain(x: Tensor) -> Tensor:
    """Approximate gelu with a tanh, as the code of GPT does, and that of BERT after its first versions.

    x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Hendrycks and Gimpel 2016, section 2.
    Any shape, floating point; the same shape comes back.
    """
    return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
}
"""The activations by the names of `BertConfig.activation`; torch's kernels, equal to the plain ones above."""
