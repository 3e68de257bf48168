"""How many floating-point operations a training step takes, to compare with what a device can do."""

from minibert.config import (
    BertConfig,
    GptConfig,
    LlamaConfig,
    LstmConfig,
    ModernBertConfig,
    RnnConfig,
    Shape,
)


def flops_per_token(shape: Shape, T: int, slots: int, pairs: bool) -> float:
    """Return the operations of a forward and a backward pass, for each of the T tokens of a sequence.

    A product of (m, k) and (k, n) matrices takes 2 m k n. The backward pass takes two products for each of
    the forward pass; all that is no product is left out, as in the model FLOPs of Chowdhery et al. 2022,
    appendix B. What is counted is what this library works out: behind its attention, the last block of an
    encoder goes on only where something is predicted, and at the first token where pairs are. A causal
    attention counts as if it saw everything, as is usual.

    Args:
        shape: of the model.
        T: tokens in a sequence.
        slots: tokens predicted in a sequence.
        pairs: whether next sentences are predicted too.
    """
    D, V = shape.width, shape.vocab_size
    if isinstance(shape, RnnConfig):
        gates = 4 if isinstance(shape, LstmConfig) else 1
        return 3 * (shape.layers * gates * 2 * 2 * D * D + 2 * D * V)

    match shape:
        case BertConfig():
            looked_at = slots + 1
            head = slots * 2 * D * D + pairs * (2 * D * D + 2 * 2 * D)
        case ModernBertConfig():
            looked_at, head = slots, slots * 2 * D * D
        case GptConfig() | LlamaConfig():
            looked_at, head = T, 0
    attention = (
        2 * T * projections(shape) * D + 2 * 2 * T * T * D
    )  # query, key, value; scores, weighted values
    behind = 2 * D * D + 2 * feedforward_matrices(shape) * D * shape.feedforward  # output, feed-forward
    blocks = shape.layers * attention + ((shape.layers - 1) * T + looked_at) * behind
    return 3 * (blocks + head + slots * 2 * D * V) / T


def projections(shape: Shape) -> int:
    """Return how wide query, key and value are together."""
    D = shape.width
    if isinstance(shape, LlamaConfig):
        return D + 2 * D * shape.key_heads // shape.heads
    return 3 * D


def feedforward_matrices(shape: Shape) -> int:
    """Return how many matrices of D x F the feed-forward block has: three with a gate."""
    return 3 if isinstance(shape, LlamaConfig | ModernBertConfig) else 2
