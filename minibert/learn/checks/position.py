"""What the three ways to say a position must fulfil."""

import math

import numpy as np

from minibert.byhand.embedding import lookup_backward, lookup_forward
from minibert.byhand.parameters import Array, Ints
from minibert.byhand.position import rotary_backward, rotary_forward, sinusoids, turns
from minibert.learn.compare import expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw_places(size: Sizes, rng: np.random.Generator) -> tuple[Ints, int]:
    """Return T positions that do not begin at 0, and a width."""
    return rng.integers(200) + np.arange(size.T), size.D


def torch_sinusoids(positions, width):
    import torch

    from minibert.model.position import sinusoids

    return sinusoids(torch.as_tensor(positions), width)


def transformers_sinusoids(positions, width):
    """DistilBERT's, which fills a table."""
    import torch
    from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings

    table = torch.empty(int(positions.max()) + 1, width)
    create_sinusoidal_embeddings(len(table), width, table)
    return table[positions]


def draw_learned(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints]:
    """Return a table of T + 2 positions, and the positions of T tokens, the same twice."""
    return rng.normal(size=(size.T + 2, size.D)), np.tile(np.arange(size.T), (2, 1))


def torch_learned(table, positions):
    import torch

    module = torch.nn.Embedding(*table.shape)
    return torch.func.functional_call(module, {"weight": table}, (positions,))


def draw_together(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints]:
    """Return x (B, H, T, K) and positions (T,) for all sequences."""
    return rng.normal(size=size.query), rng.integers(200) + np.arange(size.T)


def draw_apart(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints]:
    """Return x (B, H, T, K) and positions (B, T), each sequence by itself."""
    return rng.normal(size=size.query), rng.integers(200, size=(size.B, size.T))


def torch_rotary(x, positions):
    from minibert.model.position import rotary

    return rotary(x, positions)


def transformers_rotary(x, positions):
    """Llama's turn. Its own angles are float32, so that they are made here as it makes them, in float64."""
    import torch
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    K = x.shape[-1]
    frequencies = 1 / 10000 ** (torch.arange(0, K, 2, dtype=torch.float64) / K)
    angles = positions.expand(len(x), -1)[..., None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)  # (B, T, K)
    return apply_rotary_pos_emb(x, x, angles.cos(), angles.sin())[0]


CASES = [
    Case("sinusoids", sinusoids, None, draw_places, torch_sinusoids, transformers_sinusoids),
    Case("learned", lookup_forward, lookup_backward, draw_learned, torch_learned),
    Case("rotary", rotary_forward, rotary_backward, draw_together, torch_rotary, transformers_rotary),
    Case(
        "rotary, each by itself",
        rotary_forward,
        rotary_backward,
        draw_apart,
        torch_rotary,
        transformers_rotary,
    ),
]


def check_sine_and_cosine_take_turns() -> None:
    """At position 1, width 4, the angles are 1 and 1 / 10000^(2/4) = 1/100; at position 0 both are 0."""
    sine, cosine, slow_sine, slow_cosine = math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)
    expected = np.array([[0.0, 1.0, 0.0, 1.0], [sine, cosine, slow_sine, slow_cosine]])
    expect_close(sinusoids(np.arange(2), 4), expected, "the waves at positions 0 and 1, width 4", 1e-7)


def check_the_papers_formula(size: Sizes, seed: int) -> None:
    """One entry of each kind, straight from the formula; also of an odd width, whose last wave is a sine."""
    rng = np.random.default_rng(seed)
    for D in (size.D, size.D + 1):
        p, i = int(rng.integers(500)), int(rng.integers(size.D // 2))
        angle = p / 10000 ** (2 * i / D)
        row = sinusoids(np.array([p]), D)[0]
        expect_close(row[2 * i], math.sin(angle), f"entry {2 * i} of position {p}, width {D}", 1e-6)
        expect_close(row[2 * i + 1], math.cos(angle), f"entry {2 * i + 1} of position {p}, width {D}", 1e-6)


def check_a_turn_by_hand() -> None:
    """K = 4 pairs feature 0 with 2 and 1 with 3; at position 1 they turn by 1 and by 1/100."""
    x = np.array([[[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]]])
    y, _ = rotary_forward(x, np.array([1, 1]))
    fast = [math.cos(1), 0, math.sin(1), 0]
    slow = [0, math.cos(0.01), 0, math.sin(0.01)]
    expect_close(y, np.array([[[fast, slow]]]), "(1, 0, 0, 0) and (0, 1, 0, 0) at position 1")
    cosine, sine = turns(np.array([0, 1]), 4)
    expect_close(cosine, np.array([[1, 1], [fast[0], slow[1]]]), "the cosines at positions 0 and 1, K = 4")
    expect_close(sine, np.array([[0, 0], [fast[2], slow[3]]]), "the sines at positions 0 and 1, K = 4")
    quarter, _ = rotary_forward(np.array([[[[1.0, 2.0]]]]), np.array([math.pi / 2]))
    expect_close(quarter, np.array([[[[-2.0, 1.0]]]]), "(1, 2) turned by a quarter")


def check_at_position_zero_nothing_turns(size: Sizes, seed: int) -> None:
    x, _ = draw_together(size, np.random.default_rng(seed))
    y, _ = rotary_forward(x, np.zeros(size.T, dtype=int))
    expect_close(y, x, "x at position 0")


def check_a_turn_keeps_the_length(size: Sizes, seed: int) -> None:
    x, positions = draw_apart(size, np.random.default_rng(seed))
    y, _ = rotary_forward(x, positions)
    expect_close(np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1), "the length of each vector")


def check_query_times_key_depends_on_their_distance_alone(size: Sizes, seed: int) -> None:
    """Move queries and keys along together: the products stay."""
    rng = np.random.default_rng(seed)
    (query, at), key = draw_apart(size, rng), rng.normal(size=size.query)

    def scores(shift: int) -> Array:
        turned, _ = rotary_forward(query, at + shift)
        against, _ = rotary_forward(key, at + shift)
        return turned @ against.swapaxes(-2, -1)

    expect_close(scores(37), scores(0), "the products of queries and keys, all moved by 37", 1e-10)


def check_the_base_is_the_one_asked_for() -> None:
    """With base 4 and K = 4 the second pair turns half as fast as the first: 4^(2/4) = 2."""
    y, _ = rotary_forward(np.array([[[[0.0, 1.0, 0.0, 0.0]]]]), np.array([2]), base=4.0)
    expect_close(y, np.array([[[[0, math.cos(1), 0, math.sin(1)]]]]), "(0, 1, 0, 0) at position 2, base 4")


def check_backward_turns_back(size: Sizes, seed: int) -> None:
    x, positions = draw_apart(size, np.random.default_rng(seed))
    y, cache = rotary_forward(x, positions)
    expect_close(rotary_backward(y, cache), x, "x turned, and turned back")
