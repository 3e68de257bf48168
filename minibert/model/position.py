"""Where a token stands: sinusoids, from which learned positions may start, and turns of queries and keys."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def check_length(length: int, longest: int) -> None:
    """Raise ValueError for a sequence of more tokens than the model has positions."""
    if length > longest:
        raise ValueError(
            f"the model has {longest} positions, got a sequence of {length} tokens; cut it to {longest}, or "
            f"make the model with max_positions of at least {length}"
        )


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Return waves of falling frequency at the given positions.

    out[p, 2i] = sin(p / 10000^(2i / D)),  out[p, 2i + 1] = cos(p / 10000^(2i / D)).
    Vaswani et al. 2017, section 3.5. positions (T,) integers; returns (T, D) float32.
    """
    even = torch.arange(0, width, 2, dtype=torch.float64)
    angles = positions.double()[:, None] / 10000 ** (even / width)  # (T, ceil(D / 2))

    out = torch.empty(len(positions), width, dtype=torch.float64)  # (T, D)
    out[:, 0::2] = torch.sin(angles)
    out[:, 1::2] = torch.cos(angles[:, : width // 2])
    return out.float()


def turns(
    positions: Tensor, width: int, base: float = 10000.0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Return the cosine and the sine of the angle by which each pair of features is turned.

    angle[p, i] = p / base^(2i / K). Su et al. 2021, section 3.2.2. positions (T,), or (B, T) where the
    sequences count differently; width K of a head, even. Both results (1, T, K / 2) or (B, 1, T, K / 2), of
    the type dtype; the angles themselves have at least 32 bits: 16 cannot tell position 2048 from 2049.
    Raises ValueError when K is odd.
    """
    if width % 2:
        raise ValueError(f"features are turned in pairs: the width of a head must be even, got {width}")
    exact = torch.promote_types(dtype, torch.float32)
    periods = base ** (torch.arange(0, width, 2, device=positions.device, dtype=exact) / width)
    angles = positions[..., None, :, None].to(exact) / periods  # (1, T, K / 2) or (B, 1, T, K / 2)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate_plain(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair (a, b) = (x[i], x[i + K / 2]) to (a cos - b sin, a sin + b cos).

    x (B, H, T, K), K even; cosine and sine broadcastable to (B, H, T, K / 2). Returns (B, H, T, K).
    """
    a, b = x.chunk(2, dim=-1)  # (B, H, T, K / 2)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair: the same numbers as `rotate_plain`, when a CPU trains with less new memory.

    x (B, H, T, K), K even; cosine and sine broadcastable to (B, H, T, K / 2). Returns (B, H, T, K), of the
    type of x.
    """
    if torch.is_grad_enabled() and x.device.type == "cpu" and not torch.compiler.is_compiling():
        return Rotate.apply(x, cosine, sine)  # pyright: ignore[reportReturnType]
    return rotate_plain(x, cosine.to(x.dtype), sine.to(x.dtype))


class Rotate(torch.autograd.Function):
    """The two passes of `rotate`: the way back turns back."""

    @staticmethod
    def forward(ctx, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Return x, turned; leave the angles for the backward pass."""
        ctx.save_for_backward(cosine, sine)
        return turned(x, cosine, sine)

    @staticmethod
    @once_differentiable
    def backward(ctx, dout: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the gradient of x; the angles have none."""
        cosine, sine = ctx.saved_tensors
        return turned(dout, cosine, -sine), None, None


def turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair into the halves of one new tensor, as `rotate_plain` says; autograd cannot follow."""
    out = torch.empty_like(x)
    (a, b), (first, second) = x.chunk(2, dim=-1), out.chunk(2, dim=-1)  # (B, H, T, K / 2)
    torch.mul(a, cosine, out=first).addcmul_(b, sine, value=-1)
    torch.mul(b, cosine, out=second).addcmul_(a, sine)
    return out


def rotary(x: Tensor, positions: Tensor, base: float = 10000.0) -> Tensor:
    """Turn each pair of features by an angle that grows with the position.

    (a, b) at position p becomes (a cos - b sin, a sin + b cos) of the angle p / base^(2i / K), for pair i.
    Su et al. 2021, eq. 15. x (B, H, T, K), queries or keys, K even; positions (T,), or (B, T) where the
    sequences count differently. Returns (B, H, T, K). Raises ValueError when K is odd.

    Differs from the paper: feature i is paired with i + K / 2, as in Llama, GPT-NeoX and ModernBERT; the
    paper pairs 2i with 2i + 1. Only the order of the features differs, which the weights before them learn.
    """
    return rotate(x, *turns(positions, x.shape[-1], base, x.dtype))
