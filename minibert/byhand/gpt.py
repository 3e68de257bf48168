"""GPT-2 by hand: the whole model and the loss of guessing each next word, forward and backward, in NumPy.

Its parameters are one dictionary with the names of `minibert.model.gpt.Gpt`, but for query, key and value,
which that has in one matrix. The output has no matrix of its own: it is the embedding of the tokens once
more, "tokens.weight".
"""

from typing import Any, NamedTuple

import numpy as np

from minibert.byhand.attention import causal_mask
from minibert.byhand.block import prenorm_block_backward, prenorm_block_forward
from minibert.byhand.dropout import dropout_backward, dropout_forward
from minibert.byhand.embedding import lookup_backward, lookup_forward
from minibert.byhand.layernorm import layernorm_backward, layernorm_forward
from minibert.byhand.loss import cross_entropy_backward, cross_entropy_forward
from minibert.byhand.parameters import Array, Ints, Parameters, join, part

TOKENS = "tokens.weight"
"""The one matrix that is used twice."""


class Settings(NamedTuple):
    """What the shapes of the parameters do not tell."""

    heads: int
    """H, attention heads."""
    activation: str = "gelu_tanh"
    """What stands between the two feed-forward layers."""
    eps: float = 1e-5
    """What is added to the variance under the root of the norms."""
    dropout: float = 0.0
    """Share of hidden units left out, in training."""
    attention_dropout: float = 0.0
    """Share of attention weights left out, in training."""


def gpt_forward(
    ids: Ints,
    params: Parameters,
    settings: Settings,
    generator: np.random.Generator | None = None,
) -> tuple[Array, Any]:
    """Return what each next token is guessed from: the embedding, L pre-norm blocks, and one last norm.

    x = dropout(tokens[id] + positions[t]); x = block(x), L times, with the causal mask; features = norm(x).
    Radford et al. 2019, section 2.3.

    Args:
        ids: (B, T), integers.
        params: "tokens.weight" (V, D), "positions.weight" (longest T, D); of block l,
            "blocks.l.attention.query.weight" and so on; "norm.weight" (D,) and "norm.bias" (D,).
        settings: heads, activation, and how much is left out.
        generator: draws what is left out; may be missing when nothing is.

    Returns:
        features (B, T, D), and what `gpt_backward` needs.

    Raises:
        ValueError: more tokens than positions, or an id outside the vocabulary.
    """
    heads, activation, eps, dropout, attention_dropout = settings
    layers = sum(name.startswith("blocks.") and name.endswith(".attention.query.bias") for name in params)
    T, longest = ids.shape[1], len(params["positions.weight"])
    if longest < T:
        raise ValueError(f"there are {longest} positions, got a sequence of {T} tokens")

    words, word = lookup_forward(params[TOKENS], ids)  # (B, T, D)
    places, place = lookup_forward(params["positions.weight"], np.arange(T))  # (T, D)
    x, left = dropout_forward(words + places, dropout, generator)  # (B, T, D)
    caches = []
    for layer in range(layers):
        own = part(params, f"blocks.{layer}")
        x, cache = prenorm_block_forward(
            x, own, heads, causal_mask(T), activation, eps, dropout, attention_dropout, generator
        )  # (B, T, D)
        caches.append(cache)
    features, norm = layernorm_forward(x, params["norm.weight"], params["norm.bias"], eps)  # (B, T, D)
    return features, (word, place, left, caches, norm)


def gpt_backward(dfeatures: Array, cache: Any) -> Parameters:
    """Return the gradients of the parameters by name from dfeatures (B, T, D). Ids have none."""
    word, place, left, caches, norm = cache

    dx, dscale, dshift = layernorm_backward(dfeatures, norm)  # 11.8, (B, T, D)
    gradients: Parameters = {"norm.weight": dscale, "norm.bias": dshift}
    for layer in reversed(range(len(caches))):  # the last block comes first
        dx, own = prenorm_block_backward(dx, caches[layer])  # 11.8, (B, T, D)
        gradients |= join(**{f"blocks.{layer}": own})
    dx = dropout_backward(dx, left)
    gradients[TOKENS] = lookup_backward(dx, word)  # 11.9: the first of the table's two
    gradients["positions.weight"] = lookup_backward(dx.sum(axis=0), place)  # 11.9: added in every sequence
    return gradients


def words_forward(features: Array, tokens: Array) -> tuple[Array, Any]:
    """Return how well each word of the vocabulary fits as the next: logits = features E^T.

    features (N, D); tokens E (V, D), the embedding. Returns (N, V), and what `words_backward` needs.
    Press and Wolf 2017, section 3: the output's matrix is that of the input.
    """
    return features @ tokens.T, (features, tokens)  # (N, V)


def words_backward(dlogits: Array, cache: Any) -> tuple[Array, Array]:
    """Return dfeatures (N, D) and dtokens (V, D) from dlogits (N, V)."""
    features, tokens = cache
    return dlogits @ tokens, dlogits.T @ features  # 11.7


def next_word_forward(
    ids: Ints,
    targets: Ints,
    params: Parameters,
    settings: Settings,
    generator: np.random.Generator | None = None,
) -> tuple[Any, Any]:
    """Return the mean of -log p(next word) over all positions, in nats: what a language model makes small.

    Args:
        ids: (B, T), integers.
        targets: (B, T), the token that follows each, so ids shifted by one; IGNORE where none is asked for.
        params: every parameter of the model, as named there.
        settings: heads, activation, and how much is left out.
        generator: draws what is left out; may be missing when nothing is.

    Returns:
        A number, and what `next_word_backward` needs.

    Raises:
        ValueError: targets of another shape than ids; what `gpt_forward` raises.
    """
    if targets.shape != ids.shape:
        raise ValueError(f"targets must have the shape of ids, {ids.shape}, got {targets.shape}")
    features, gpt = gpt_forward(ids, params, settings, generator)  # (B, T, D)
    logits, words = words_forward(features.reshape(-1, features.shape[-1]), params[TOKENS])  # (B T, V)
    loss, losses = cross_entropy_forward(logits, targets.reshape(-1))
    return loss, (features.shape, gpt, words, losses)


def next_word_backward(dloss: Any, cache: Any) -> Parameters:
    """Return the gradients of the parameters by name from dloss, a number; 1.0 where it is made small."""
    shape, gpt, words, losses = cache

    dlogits = cross_entropy_backward(dloss, losses)  # (B T, V)
    dfeatures, dtokens = words_backward(dlogits, words)  # (B T, D)
    gradients = gpt_backward(dfeatures.reshape(shape), gpt)
    gradients[TOKENS] += dtokens  # 11.10: used twice, so its two gradients add up
    return gradients
