"""How many floating-point operations a training step of BERT takes, to compare with what a device can do."""

from minibert.config import BertConfig


def flops_per_token(shape: BertConfig, T: int, slots: int, pairs: bool) -> float:
    """Return the operations of a forward and a backward pass, for each of the T tokens of a sequence.

    A product of (m, k) and (k, n) matrices takes 2 m k n. The backward pass takes two products for each of
    the forward pass; all that is no product is left out, as in the model FLOPs of Chowdhery et al. 2022,
    appendix B. What is counted is what this library works out: behind its attention, the last block goes on
    only with the predicted tokens and the first one.

    Args:
        shape: of the model.
        T: tokens in a sequence.
        slots: tokens predicted in a sequence.
        pairs: whether next sentences are predicted too.
    """
    D, F, V = shape.width, shape.feedforward, shape.vocab_size
    looked_at = slots + 1
    attention = 2 * T * 3 * D * D + 2 * 2 * T * T * D  # query, key and value; scores and weighted values
    behind = 2 * D * D + 2 * 2 * D * F  # for each token: output projection, feed-forward
    blocks = shape.layers * attention + ((shape.layers - 1) * T + looked_at) * behind
    heads = slots * (2 * D * D + 2 * D * V) + pairs * (2 * D * D + 2 * 2 * D)
    return 3 * (blocks + heads) / T
