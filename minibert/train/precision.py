"""The numbers that training computes in: float32, TF32, bfloat16, or float16 with a scaled loss.

Weights, gradients of weights and the optimisers' state are float32 in all of them; only the large products of
the forward and the backward pass are made in the smaller type (Micikevicius et al. 2018).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The types of two bytes, by the names of `TrainConfig.precision`."""

GROWTH_INTERVAL = 2000
"""After so many good steps in a row the loss scale is doubled."""

SMALLEST_SCALE = 1.0
"""A loss scale below this is no remedy: the gradients themselves are not finite."""


def computing(precision: str, device: torch.device) -> AbstractContextManager:
    """Return a context for a forward pass whose large products are in `precision`."""
    half = HALVES.get(precision)
    return nullcontext() if half is None else torch.autocast(device.type, half)


@contextmanager
def matrix_products(precision: str) -> Iterator[None]:
    """Let CUDA multiply float32 matrices in TF32 where `precision` is "tf32", and else in float32 itself.

    TF32 has the range of float32 with 10 bits of fraction in place of 23.
    """
    # Torch has a newer setting, too, but where only that is set, torch.compile may fail to read it.
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass
class LossScaler:
    """Keeps float16 gradients from becoming zero: the loss is multiplied by `scale`, and so are they.

    The scale is as large as it can be without overflow, found by trying: halved after a step whose gradient
    is not finite, doubled after GROWTH_INTERVAL good ones. Micikevicius et al. 2018, section 3.2.

    The fields are all that it remembers, so a checkpoint keeps `vars(scaler)`.
    """

    scale: float = 2.0**16
    good_steps: int = 0
    """Since the last change of the scale."""

    def unscale(self, gradients: Sequence[Tensor]) -> None:
        """Divide the gradients by the scale, in place."""
        for gradient in gradients:
            gradient.div_(self.scale)

    def update(self, finite: bool) -> None:
        """Change the scale after a step.

        Args:
            finite: whether the gradient of the step was finite; if not, the step is to be left out.

        Raises:
            FloatingPointError: the scale has become so small that it cannot be the reason.
        """
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.scale /= 2
        elif self.good_steps == GROWTH_INTERVAL:
            self.scale, self.good_steps = 2 * self.scale, 0
        if self.scale < SMALLEST_SCALE:
            raise FloatingPointError(
                f"the gradient is not finite in fp16 even with a loss scale of {2 * self.scale:g}: it is no "
                "longer a matter of scale. Try --precision bf16, or a lower --lr"
            )
