"""BERT by hand: the whole model and its pretraining loss, forward and backward, in nothing but NumPy.

Its parameters are one dictionary with the names of `minibert.model.bert.BertForPretraining`. The words'
output has no matrix of its own: it is the embedding of the tokens once more, "bert.embedding.tokens.weight".
"""

from typing import Any, NamedTuple

import numpy as np

from minibert.byhand.activation import ACTIVATIONS
from minibert.byhand.attention import padding_mask
from minibert.byhand.block import block_backward, block_forward
from minibert.byhand.embedding import embedding_backward, embedding_forward, lookup_backward, lookup_forward
from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.loss import cross_entropy_backward, cross_entropy_forward
from minibert.byhand.parameters import Array, Ints, Mask, Parameters, join, part

TOKENS = "bert.embedding.tokens.weight"
"""The one matrix that is used twice."""


class Settings(NamedTuple):
    """What the shapes of the parameters do not tell."""

    heads: int
    """H, attention heads."""
    activation: str = "gelu"
    """What stands between the two feed-forward layers, and in the head for words."""
    eps: float = 1e-12
    """What is added to the variance under the root of the norms."""
    pad_id: int = 0
    """Token id of padding, whose row learns nothing from being looked up."""
    dropout: float = 0.0
    """Share of hidden units left out, in training."""
    attention_dropout: float = 0.0
    """Share of attention weights left out, in training."""


class Examples(NamedTuple):
    """A batch of pretraining examples."""

    ids: Ints
    """(B, T), token ids with the masks in place."""
    segments: Ints | None
    """(B, T), the sentence of each token; None puts all into the first."""
    attend: Mask | None
    """(B, T), True at the tokens that may be looked at; None where all may."""
    slots: Ints
    """(N,), the predicted positions, counted through the flattened B * T."""
    targets: Ints
    """(N,), the true tokens; IGNORE where a slot is empty."""
    follows: Ints | None
    """(B,), 0 where the second segment follows the first, 1 where it does not; None without pairs."""


def bert_forward(
    ids: Ints,
    segments: Ints | None,
    attend: Mask | None,
    params: Parameters,
    settings: Settings,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Return every token's hidden state: the embedding, then L blocks. Devlin et al. 2019, section 3.

    Args:
        ids, segments, attend: as in `Examples`.
        params: "embedding.tokens.weight" and so on; of block l, "blocks.l.attention.query.weight" and so on.
        settings: heads, activation, and how much is left out.
        generator: draws what is left out; may be missing when nothing is.

    Returns:
        (B, T, D), and what `bert_backward` needs.
    """
    heads, activation, eps, pad_id, dropout, attention_dropout = settings
    layers = sum(name.startswith("blocks.") and name.endswith(".attention.query.bias") for name in params)
    mask = None if attend is None else padding_mask(attend)  # (B, 1, 1, T)

    x, embedding = embedding_forward(
        ids, segments, part(params, "embedding"), pad_id, eps, dropout, generator
    )  # (B, T, D)
    caches = []
    for layer in range(layers):
        own = part(params, f"blocks.{layer}")
        x, cache = block_forward(
            x, own, heads, mask, activation, eps, dropout, attention_dropout, generator
        )  # (B, T, D)
        caches.append(cache)
    return x, (embedding, caches)


def bert_backward(dhidden: Array, cache: Any) -> Parameters:
    """Return the gradients of the parameters by name from dhidden (B, T, D). Ids have none."""
    embedding, caches = cache

    gradients: Parameters = {}
    dx = dhidden
    for layer in reversed(range(len(caches))):  # the last block comes first
        dx, own = block_backward(dx, caches[layer])  # (B, T, D)  12.10
        gradients |= join(**{f"blocks.{layer}": own})
    return gradients | join(embedding=embedding_backward(dx, embedding))  # 12.11: what is left belongs to it


def words_forward(hidden: Array, tokens: Array, params: Parameters, settings: Settings) -> tuple[Array, Any]:
    """Return the logits of every word at each predicted position.

    logits = norm(activation(hidden W^T + b)) E^T + bias. Devlin et al. 2019, section 3.1.

    Args:
        hidden: (N, D).
        tokens: E (V, D), the embedding of the tokens.
        params: "dense.weight" (D, D), "dense.bias" (D,), "norm.weight" (D,), "norm.bias" (D,), "bias" (V,).
        settings: the activation and the norm's epsilon.

    Returns:
        (N, V), and what `words_backward` needs.
    """
    bend_forward, bend_backward = ACTIVATIONS[settings.activation]

    straight, dense = linear_forward(hidden, params["dense.weight"], params["dense.bias"])  # (N, D)
    bent, bend = bend_forward(straight)
    features, norm = layernorm_forward(bent, params["norm.weight"], params["norm.bias"], settings.eps)
    logits, output = linear_forward(features, tokens, params["bias"])  # (N, V)
    return logits, (dense, bend, bend_backward, norm, output)


def words_backward(dlogits: Array, cache: Any) -> tuple[Array, Array, Parameters]:
    """Return dhidden (N, D), dtokens (V, D) and the gradients of the parameters from dlogits (N, V)."""
    dense, bend, bend_backward, norm, output = cache

    dfeatures, dtokens, dbias = linear_backward(dlogits, output)  # (N, D)  12.6
    dbent, dscale, dshift = layernorm_backward(dfeatures, norm)  # 12.7
    dhidden, dweight, dbias_dense = linear_backward(bend_backward(dbent, bend), dense)  # (N, D)  12.7
    return (
        dhidden,
        dtokens,
        {
            "dense.weight": dweight,
            "dense.bias": dbias_dense,
            "norm.weight": dscale,
            "norm.bias": dshift,
            "bias": dbias,
        },
    )


def pairs_forward(first: Array, params: Parameters) -> tuple[Array, Any]:
    """Return the two logits of each pair of segments from its first token.

    logits = tanh(first P^T + p) Q^T + q. Devlin et al. 2019, section 3.1; the tanh is in their code.

    Args:
        first: (B, D), the hidden state of each [CLS].
        params: "bert.pooler.weight" P (D, D), "bert.pooler.bias" p (D,), "pairs.weight" Q (2, D),
            "pairs.bias" q (2,).

    Returns:
        (B, 2), and what `pairs_backward` needs.
    """
    straight, pooler = linear_forward(first, params["bert.pooler.weight"], params["bert.pooler.bias"])
    pooled = np.tanh(straight)  # (B, D)
    logits, output = linear_forward(pooled, params["pairs.weight"], params["pairs.bias"])  # (B, 2)
    return logits, (pooler, pooled, output)


def pairs_backward(dlogits: Array, cache: Any) -> tuple[Array, Parameters]:
    """Return dfirst (B, D) and the gradients of the parameters by name from dlogits (B, 2)."""
    pooler, pooled, output = cache

    dpooled, dweight, dbias = linear_backward(dlogits, output)  # (B, D)
    dstraight = dpooled * (1 - pooled * pooled)  # 12.8: tanh' = 1 - tanh^2
    dfirst, dpooler_weight, dpooler_bias = linear_backward(dstraight, pooler)  # (B, D)
    return dfirst, {
        "bert.pooler.weight": dpooler_weight,
        "bert.pooler.bias": dpooler_bias,
        "pairs.weight": dweight,
        "pairs.bias": dbias,
    }


def pretraining_forward(
    examples: Examples,
    params: Parameters,
    settings: Settings,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Return the two losses of pretraining, whose sum is made small (Devlin et al. 2019, appendix A.2).

    The mean of -log p(word) over the predicted words, and of -log p(follows or not) over the pairs.

    Args:
        examples: the batch.
        params: every parameter of the model, as named there.
        settings: heads, activation, and how much is left out.
        generator: draws what is left out; may be missing when nothing is.

    Returns:
        (2,) in nats, the words' and the pairs', or (1,) without pairs; and what `pretraining_backward` needs.
    """
    ids, segments, attend, slots, targets, follows = examples

    hidden, bert = bert_forward(ids, segments, attend, part(params, "bert"), settings, generator)  # (B, T, D)
    chosen, choice = lookup_forward(hidden.reshape(-1, hidden.shape[-1]), slots)  # (N, D)
    words, word = words_forward(chosen, params[TOKENS], part(params, "words"), settings)  # (N, V)
    word_loss, word_losses = cross_entropy_forward(words, targets)
    if follows is None:
        return np.array([word_loss]), (hidden.shape, bert, choice, word, word_losses, None)

    pairs, pair = pairs_forward(hidden[:, 0], params)  # (B, 2)
    pair_loss, pair_losses = cross_entropy_forward(pairs, follows)
    losses = np.array([word_loss, pair_loss])  # (2,)
    return losses, (hidden.shape, bert, choice, word, word_losses, (pair, pair_losses))


def pretraining_backward(dlosses: Array, cache: Any) -> Parameters:
    """Return the gradients of the parameters by name from dlosses, (2,) or without pairs (1,).

    Both are 1 where the sum of the losses is made small. Without pairs, what only they use has no gradient.
    """
    shape, bert, choice, word, word_losses, with_pairs = cache

    dwords = cross_entropy_backward(dlosses[0], word_losses)  # (N, V)
    dchosen, dtokens, gradients = words_backward(dwords, word)  # (N, D)
    dhidden = lookup_backward(dchosen, choice).reshape(shape)  # (B, T, D)  12.9
    gradients = join(words=gradients)
    if with_pairs is not None:
        pair, pair_losses = with_pairs
        dfirst, dpairs = pairs_backward(cross_entropy_backward(dlosses[1], pair_losses), pair)  # (B, D)
        dhidden[:, 0] += dfirst  # 12.9: the first token may be looked at by both heads
        gradients |= dpairs
    gradients |= join(bert=bert_backward(dhidden, bert))
    gradients[TOKENS] += dtokens  # 12.12: used twice, so its two gradients add up
    return gradients
