"""What looking up and the whole embedding must fulfil."""

import numpy as np

from minibert.byhand.embedding import (
    embedding_backward,
    embedding_forward,
    lookup_backward,
    lookup_forward,
)
from minibert.byhand.parameters import Array, Ints, Parameters
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

PAD = 1
"""Not 0, so that a row that is always 0 is noticed."""


def draw_table(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints]:
    """Return a table (V, D) and ids (B, T), of which the first and the last are the same."""
    ids = rng.integers(size.V, size=(size.B, size.T))
    ids[-1, -1] = ids[0, 0]
    return rng.normal(size=(size.V, size.D)), ids


def torch_lookup(table, ids):
    import torch.nn.functional as F

    return F.embedding(ids, table)


def look_both_ways(table: Array, ids: Ints, dout: Array) -> tuple[Array, Array]:
    """Return the rows and the table's gradient under dout, with padding: which finite differences deny."""
    out, cache = lookup_forward(table, ids, PAD)
    return out, lookup_backward(dout, cache)


def draw_padding(size: Sizes, rng: np.random.Generator) -> tuple[Array, Ints, Array]:
    """Return a table (V, D), ids (B, T) that end with padding, and dout (B, T, D)."""
    table, ids = draw_table(size, rng)
    ids[:, -1] = PAD
    return table, ids, rng.normal(size=(*ids.shape, size.D))


def torch_both_ways(table, ids, dout):
    import torch
    import torch.nn.functional as F

    out = F.embedding(ids, table, padding_idx=PAD)
    return out, *torch.autograd.grad(out, table, dout)


def draw_with(segments: bool):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple[Ints, Ints | None, Parameters, int]:
        """Return ids (B, T) without padding, segments, the parameters, and the padding's id."""
        ids = rng.integers(size.V - 1, size=(size.B, size.T))
        ids[-1, -1] = ids[0, 0]
        params: Parameters = {
            "tokens.weight": rng.normal(size=(size.V, size.D)),
            "positions.weight": rng.normal(size=(size.T + 2, size.D)),
            "segments.weight": rng.normal(size=(2, size.D)),
            "norm.weight": rng.normal(size=size.D),
            "norm.bias": rng.normal(size=size.D),
        }
        return ids, rng.integers(2, size=ids.shape) if segments else None, params, size.V - 1

    return draw


def torch_embedding(ids, segments, params, pad_id):
    import torch

    from minibert.config import BertConfig
    from minibert.model.embedding import BertEmbedding

    V, D = params["tokens.weight"].shape
    longest = len(params["positions.weight"])
    config = BertConfig(V, width=D, heads=1, max_positions=longest, dropout=0.0, pad_id=pad_id)
    return torch.func.functional_call(BertEmbedding(config), params, (ids, segments))


HUGGING_FACE = {
    "tokens.weight": "word_embeddings.weight",
    "positions.weight": "position_embeddings.weight",
    "segments.weight": "token_type_embeddings.weight",
    "norm.weight": "LayerNorm.weight",
    "norm.bias": "LayerNorm.bias",
}
"""Our names -> theirs."""


def transformers_embedding(ids, segments, params, pad_id):
    import torch
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertEmbeddings

    V, D = params["tokens.weight"].shape
    config = BertConfig(
        vocab_size=V,
        hidden_size=D,
        num_attention_heads=1,
        max_position_embeddings=len(params["positions.weight"]),
        hidden_dropout_prob=0.0,
        layer_norm_eps=1e-12,
        pad_token_id=pad_id,
    )
    theirs = {HUGGING_FACE[name]: value for name, value in params.items()}
    return torch.func.functional_call(BertEmbeddings(config), theirs, (ids, segments))


CASES = [
    Case("lookup", lookup_forward, lookup_backward, draw_table, torch_lookup),
    Case("lookup of padding", look_both_ways, None, draw_padding, torch_both_ways),
    *(
        Case(
            name,
            embedding_forward,
            embedding_backward,
            draw_with(segments),
            torch_embedding,
            transformers_embedding,
        )
        for name, segments in (("embedding", True), ("without segments", False))
    ),
]


def check_a_case_by_hand() -> None:
    """Three words of two numbers; the text is the words 2, 0, 2.

    Word 2 stands at the first and the last place and gets (1, 0) + (100, 1) = (101, 1); word 1 is not there.
    """
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    out, cache = lookup_forward(table, np.array([2, 0, 2]))
    expect_close(out, np.array([[5.0, 6.0], [1.0, 2.0], [5.0, 6.0]]), "the rows 2, 0, 2")

    dtable = lookup_backward(np.array([[1.0, 0.0], [10.0, 0.0], [100.0, 1.0]]), cache)
    expect_close(
        dtable, np.array([[10.0, 0.0], [0.0, 0.0], [101.0, 1.0]]), "dtable of a text with word 2 twice"
    )


def check_the_row_of_the_padding_is_taken_but_learns_nothing() -> None:
    """Row 1 is the padding: it comes out as it stands in the table, and its gradient is 0."""
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    out, cache = lookup_forward(table, np.array([2, 1, 0, 1]), 1)
    expect_close(out, table[[2, 1, 0, 1]], "the rows 2, 1, 0, 1, with row 1 as the padding")
    expect_close(
        lookup_backward(np.ones((4, 2)), cache),
        np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]),
        "dtable under dout = 1, with row 1 as the padding",
    )


def check_a_lookup_is_a_product_with_one_hot_rows(size: Sizes, seed: int) -> None:
    """Out = O table and dtable = O^T dout, with a 1 in each row of O, at the id."""
    rng = np.random.default_rng(seed)
    table, ids = draw_table(size, rng)
    dout = rng.normal(size=(*ids.shape, size.D))
    out, cache = lookup_forward(table, ids)
    one_hot = np.eye(size.V)[ids.ravel()]
    expect_close(out.reshape(-1, size.D), one_hot @ table, "the rows")
    expect_close(lookup_backward(dout, cache), one_hot.T @ dout.reshape(-1, size.D), "dtable")


def check_an_id_outside_the_table_is_refused() -> None:
    """NumPy itself would take -1 for the last row."""
    for wrong in (-1, 3):
        try:
            lookup_forward(np.ones((3, 2)), np.array([[0, wrong]]))
        except ValueError:
            continue
        raise CheckError(f"a table of 3 rows has no row {wrong}: expected a ValueError, got none")


def check_token_position_and_segment_are_added_and_normalised() -> None:
    """The words 2 and 1, the second in sentence 1; were a term missing, a sign would change.

    (3, 0) + (2, 0) + (0, 4) = (5, 4): mean 4.5, deviation 0.5, so (1, -1), scaled, shifted (1, -2) + (0, 10).
    (0, 3) + (0, 2) + (4, 0) = (4, 5): (-1, 1), scaled, shifted (-1, 2) + (0, 10).
    """
    params = {
        "tokens.weight": np.array([[9.0, 9.0], [0.0, 3.0], [3.0, 0.0]]),
        "positions.weight": np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]]),
        "segments.weight": np.array([[0.0, 4.0], [4.0, 0.0]]),
        "norm.weight": np.array([1.0, 2.0]),
        "norm.bias": np.array([0.0, 10.0]),
    }
    out, _ = embedding_forward(np.array([[2, 1]]), np.array([[0, 1]]), params)
    expect_close(out, np.array([[[1.0, 8.0], [-1.0, 12.0]]]), "two words")


def check_a_sequence_may_be_as_long_as_the_table_and_no_longer(size: Sizes, seed: int) -> None:
    ids, _, params, pad_id = draw_with(False)(size, np.random.default_rng(seed))
    longest = len(params["positions.weight"])
    for length in (longest, longest + 1):
        try:
            embedding_forward(np.zeros((1, length), dtype=ids.dtype), None, params, pad_id)
            refused = False
        except ValueError:
            refused = True
        wanted = "a ValueError" if length > longest else "no error"
        expect(refused == (length > longest), f"{length} tokens, {longest} positions: expected {wanted}")


def check_without_segments_all_tokens_are_in_the_first(size: Sizes, seed: int) -> None:
    ids, _, params, pad_id = draw_with(False)(size, np.random.default_rng(seed))
    out, _ = embedding_forward(ids, None, params, pad_id)
    zeros, _ = embedding_forward(ids, np.zeros_like(ids), params, pad_id)
    expect_close(out, zeros, "segments None beside segments 0")


def check_each_sequence_counts_its_positions_from_zero(size: Sizes, seed: int) -> None:
    ids, segments, params, pad_id = draw_with(True)(size, np.random.default_rng(seed))
    assert segments is not None
    out, _ = embedding_forward(ids, segments, params, pad_id)
    alone, _ = embedding_forward(ids[-1:], segments[-1:], params, pad_id)
    expect_close(out[-1:], alone, "the last sequence, in its batch and alone")


def check_all_three_tables_learn_the_same_in_total(size: Sizes, seed: int) -> None:
    """Each place of the text adds one and the same vector to one row of each table."""
    rng = np.random.default_rng(seed)
    out, cache = embedding_forward(*draw_with(True)(size, rng))
    gradients = embedding_backward(rng.normal(size=out.shape), cache)
    words = gradients["tokens.weight"].sum(axis=0)
    for name in ("positions.weight", "segments.weight"):
        expect_close(gradients[name].sum(axis=0), words, f"the sum of the rows of d{name}", 1e-10)


def check_padding_learns_nothing_but_its_positions_do(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids, segments, params, _ = draw_with(True)(size, rng)
    ids[:, -1] = PAD
    out, cache = embedding_forward(ids, segments, params, PAD)
    gradients = embedding_backward(rng.normal(size=out.shape), cache)
    expect_close(gradients["tokens.weight"][PAD], np.zeros(size.D), "the gradient of the padding's row")
    ids[:, -1] = 0
    out, cache = embedding_forward(ids, segments, params)
    row = embedding_backward(rng.normal(size=out.shape), cache)["tokens.weight"][0]
    expect_close(row, np.zeros(size.D), "the gradient of row 0, the padding where no other is named")
    place = gradients["positions.weight"][size.T - 1]
    expect(np.any(place != 0), "the last position learns nothing: only the word of padding must not")


def check_epsilon_and_dropout_are_those_asked_for(size: Sizes, seed: int) -> None:
    """A huge epsilon leaves only the shift; at rate 1/2 each number is doubled or left out."""
    rng = np.random.default_rng(seed)
    ids, segments, params, pad_id = draw_with(True)(size, rng)
    out, _ = embedding_forward(ids, segments, params, pad_id, eps=1e30)
    expect_close(out, np.broadcast_to(params["norm.bias"], out.shape), "with an epsilon of 1e30")

    whole, _ = embedding_forward(ids, segments, params, pad_id)
    left = [embedding_forward(ids, segments, params, pad_id, 1e-12, 0.5, rng) for _ in range(8)]
    zeros = np.array([out == 0 for out, _ in left])
    expect(zeros.any() and not zeros.all(), "at rate 1/2, of eight draws: all of it is left out, or nothing")
    for out, cache in left:
        expect_close(out[out != 0], 2 * whole[out != 0], "what stays at rate 1/2")
        dshift = embedding_backward(np.ones_like(out), cache)["norm.bias"]
        expect_close(dshift, 2.0 * (out != 0).sum(axis=(0, 1)), "dshift at rate 1/2, under dout = 1")
