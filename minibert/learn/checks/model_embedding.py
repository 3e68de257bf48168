"""What the embedding in PyTorch must fulfil."""

import torch
from torch import Tensor

from minibert.config import BertConfig
from minibert.learn.checks import embedding as by_hand
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    config,
    exact,
    expect_by_hand,
    expect_refused,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    filled,
    loaded,
    slopes,
)
from minibert.model.embedding import BertEmbedding


def draw(size: Sizes, seed: int, dropout: float = 0.0) -> tuple[BertEmbedding, Tensor, Tensor]:
    """Return an embedding with T + 2 positions, ids (B, T) without padding, whose id is 0, and segments."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, size.V, (size.B, size.T), generator=generator)
    segments = torch.randint(2, (size.B, size.T), generator=generator)
    segments[-1, -1] = 1
    return filled(BertEmbedding(config(size, dropout=dropout)), seed), ids, segments


def check_two_words_by_hand() -> None:
    """The words 2 and 1, the second in sentence 1; were a term missing, a sign would change.

    (3, 0) + (2, 0) + (0, 4) = (5, 4): mean 4.5, deviation 0.5, so (1, -1), scaled, shifted (1, -2) + (0, 10).
    (0, 3) + (0, 2) + (4, 0) = (4, 5): (-1, 1), scaled, shifted (-1, 2) + (0, 10).
    """
    settings = BertConfig(vocab_size=3, width=2, heads=1, max_positions=3, segments=2, dropout=0.0)
    tables = {
        "tokens.weight": [[9.0, 9.0], [0.0, 3.0], [3.0, 0.0]],
        "positions.weight": [[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]],
        "segments.weight": [[0.0, 4.0], [4.0, 0.0]],
        "norm.weight": [1.0, 2.0],
        "norm.bias": [0.0, 10.0],
    }
    layer = loaded(BertEmbedding(settings), {name: exact(value).numpy() for name, value in tables.items()})
    out = layer(torch.tensor([[2, 1]]), torch.tensor([[0, 1]]))
    expect_same(out, exact([[[1.0, 8.0], [-1.0, 12.0]]]), "two words")


def check_the_sum_of_three_rows_is_normalised(size: Sizes, seed: int) -> None:
    """Each token by itself: its word, its place, its sentence; and all three tables learn."""
    layer, ids, segments = draw(size, seed)
    expected = torch.stack(
        [
            torch.stack(
                [
                    layer.tokens.weight[ids[b, t]]
                    + layer.positions.weight[t]
                    + layer.segments.weight[segments[b, t]]
                    for t in range(size.T)
                ]
            )
            for b in range(size.B)
        ]
    )
    leaves = dict(layer.named_parameters())
    expect_same_slopes(layer(ids, segments), layer.norm(expected), leaves, seed, "row by row")


def check_by_hand_the_embedding_is_the_same(size: Sizes, seed: int) -> None:
    """In value and in the gradients of all tables, with and without segments."""
    for case in by_hand.CASES:
        if case.torch is by_hand.torch_embedding:
            expect_by_hand(case, size, seed)


def check_without_segments_all_tokens_are_in_the_first(size: Sizes, seed: int) -> None:
    """So the row of the first sentence is added, not nothing."""
    layer, ids, _ = draw(size, seed)
    leaves = dict(layer.named_parameters())
    expected = layer(ids, torch.zeros_like(ids))
    expect_same_slopes(layer(ids), expected, leaves, seed, "out with segments 0")


def check_each_sequence_counts_its_positions_from_zero(size: Sizes, seed: int) -> None:
    """Whatever stands before it in the batch."""
    layer, ids, segments = draw(size, seed)
    alone = layer(ids[-1:], segments[-1:])
    expect_same(layer(ids, segments)[-1:], alone, "the last sequence, in its batch and alone")


def check_padding_learns_nothing_but_its_position_does(size: Sizes, seed: int) -> None:
    """Its own word is 0, so it is the row 0 of the table that must stay."""
    layer, ids, segments = draw(size, seed)
    ids[:, -1] = 0
    found = slopes(layer(ids, segments), dict(layer.named_parameters()), seed)
    expect(not found["tokens.weight"][0].any(), "the word of padding has a gradient")
    expect(found["positions.weight"][size.T - 1].any(), "the position of padding has no gradient")


def check_dropout_comes_last_and_in_training_alone(size: Sizes, seed: int) -> None:
    """At rate 1 nothing is left in training; in evaluation it is as if the rate were 0."""
    layer, ids, segments = draw(size, seed)
    expected = layer(ids, segments).detach()
    layer.dropout.p = 1.0
    expect_same(layer(ids, segments), torch.zeros_like(expected), "out in training, at rate 1")
    expect_same(layer.eval()(ids, segments), expected, "out in evaluation")


def check_no_argument_is_changed_and_the_type_is_that_of_the_tables(size: Sizes, seed: int) -> None:
    """Ids are whole numbers; what comes out is as exact as the tables are."""
    layer, ids, segments = draw(size, seed)
    expect_untouched(layer, ids, segments)
    tables = {name: table.detach().clone() for name, table in layer.named_parameters()}
    layer(ids, segments)
    for name, table in layer.named_parameters():
        expect(torch.equal(table, tables[name]), f"{name} was changed")
    for dtype in (torch.float32, torch.bfloat16):
        out = layer.to(dtype)(ids, segments)
        expect(out.dtype == dtype, f"with tables in {dtype}, out is in {out.dtype}")


def check_a_sequence_may_be_as_long_as_the_positions_and_no_longer(size: Sizes, seed: int) -> None:
    """There are T + 2 positions here."""
    layer, _, _ = draw(size, seed)
    longest = torch.ones(1, size.T + 2, dtype=torch.int64)
    expect(layer(longest).shape == (1, size.T + 2, size.D), "a sequence as long as the positions")
    for count in (3, 40):
        ids = torch.ones(1, size.T + count, dtype=torch.int64)
        expect_refused(lambda ids=ids: layer(ids), f"{size.T + count} tokens, {size.T + 2} positions")


def check_ids_outside_the_tables_are_refused(size: Sizes, seed: int) -> None:
    """With a ValueError that names the place; torch alone would raise an IndexError without it."""
    layer, ids, segments = draw(size, seed)
    for wrong in (-1, size.V):
        other = ids.clone()
        other[-1, -1] = wrong
        expect_refused(lambda ids=other: layer(ids, segments), f"the id {wrong} of {size.V} words")
    for wrong in (-1, 2):
        other = segments.clone()
        other[0, 0] = wrong
        expect_refused(lambda some=other: layer(ids, some), f"the segment {wrong} of 2")


def check_segments_of_another_shape_are_refused(size: Sizes, seed: int) -> None:
    """Torch would stretch one row of segments over all sequences, or one number over all tokens."""
    layer, ids, segments = draw(size, seed)
    ids, segments = ids.repeat(2, 1), segments.repeat(2, 1)
    for wrong in (segments[:1], segments[:, :1].repeat(1, size.T + 1), segments[0]):
        expect_refused(lambda some=wrong: layer(ids, some), f"segments of the shape {tuple(wrong.shape)}")
