"""RMS normalisation: each token's features brought to a mean square of 1, then scaled."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def rmsnorm_plain(x: Tensor, scale: Tensor, eps: float = 1e-6) -> Tensor:
    """Normalise over the last axis, written out.

    y = x / sqrt(mean(x^2) + eps) * scale. Zhang and Sennrich 2019, eq. 4. x (..., D); scale (D,); y has x's
    shape.

    Differs from the paper: there is no eps in it.
    """
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps) * scale


def rmsnorm(x: Tensor, scale: Tensor, eps: float = 1e-6) -> Tensor:
    """Normalise over the last axis: the same numbers as `rmsnorm_plain`, sooner.

    By torch's kernel, but not when a CPU trains: torch has none for it, and what it puts together takes two
    to three times as long as `RmsNormByHand`. x (..., D); scale (D,). Zhang and Sennrich 2019, eq. 4.
    """
    exact = x.dtype == scale.dtype and x.dtype in (torch.float32, torch.float64)
    trains = torch.is_grad_enabled() and not torch.compiler.is_compiling()
    if exact and trains and x.device.type == "cpu":
        return RmsNormByHand.apply(x, scale, eps)  # pyright: ignore[reportReturnType]
    return F.rms_norm(x, scale.shape, scale.to(x.dtype), eps)


class RmsNormByHand(torch.autograd.Function):
    """The two passes of `rmsnorm`, each with little new memory: that is what costs on a CPU."""

    @staticmethod
    def forward(ctx, x: Tensor, scale: Tensor, eps: float) -> Tensor:
        """Return y; leave x, 1 / size and scale for the backward pass."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = (length.square() / x.shape[-1] + eps).rsqrt()  # (..., 1)
        ctx.save_for_backward(x, inverse, scale)
        return (x * inverse).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the gradients of x and scale, as in `minibert.byhand.rmsnorm`; eps has none.

        dx = (dnormal - normal mean(dnormal normal)) / size, with dnormal = dy scale.
        """
        x, inverse, scale = ctx.saved_tensors
        D = x.shape[-1]
        normal = x * inverse  # (..., D)
        product = dy * normal  # (..., D)
        rows = product.reshape(-1, D)
        dscale = rows.sum(0)  # (D,)
        through_size = (rows @ scale).view(inverse.shape) / D  # (..., 1)

        dx = torch.mul(dy, scale, out=product)  # where the product stood, which is not needed any more
        return dx.addcmul_(normal, through_size, value=-1).mul_(inverse), dscale, None


class RmsNorm(nn.Module):
    """`rmsnorm` with a learned scale (`weight`, starts at 1)."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        """Make the scale, one number for each of `width` features; eps stands under the root."""
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., D) over its last axis."""
        return rmsnorm(x, self.weight, self.eps)
