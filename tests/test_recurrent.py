"""Recurrent networks: by hand, steps written out, torch's kernels, memory, and padding on the left."""

import math

import pytest
import torch
from by_hand import by_hand
from oracles import distance, randomise
from torch import Tensor

from minibert.config import LstmConfig
from minibert.learn.checks import model_recurrent as model_checks
from minibert.learn.checks import recurrent as checks
from minibert.model.recurrent import Lstm, RecurrentModel, Rnn, lstm_step, rnn_step

test_by_hand = by_hand(checks, examples=5)
test_in_torch = by_hand(model_checks, examples=3)

V, D, L = 11, 6, 2


def config_of(layers: int = L, dropout: float = 0.0) -> LstmConfig:
    """Return the shape of a small model. (An LstmConfig is an RnnConfig.)"""
    return LstmConfig(vocab_size=V, layers=layers, width=D, dropout=dropout)


def small(model: type[RecurrentModel], dropout: float = 0.0) -> RecurrentModel:
    """Return a model of float64 with random weights everywhere."""
    return randomise(model(config_of(dropout=dropout)), seed=3)  # pyright: ignore[reportCallIssue]


def some_ids(B: int, T: int) -> Tensor:
    return torch.randint(V, (B, T), generator=torch.Generator().manual_seed(5))


def written_out(model: RecurrentModel, ids: Tensor) -> Tensor:
    """Return the features of ids (B, T), one word and one layer at a time, by the plain steps."""
    x = D**0.5 * model.tokens(ids)
    for layer in range(L):
        from_below, from_before, one, other = (
            model.kernel.get_parameter(f"{name}_l{layer}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        weights = from_below, from_before, one + other
        hidden = cell = torch.zeros(len(ids), D, dtype=torch.float64)
        out = []
        for t in range(ids.shape[1]):
            if isinstance(model, Lstm):
                hidden, cell = lstm_step(x[:, t], hidden, cell, *weights)
            else:
                hidden = rnn_step(x[:, t], hidden, *weights)
            out.append(hidden)
        x = torch.stack(out, dim=1)
    return x


BOTH = pytest.mark.parametrize("kind", [Rnn, Lstm])


@BOTH
def test_the_kernel_takes_the_steps_that_are_written_out(kind) -> None:
    model, ids = small(kind), some_ids(3, 7)
    ours, theirs = model.features(ids), written_out(model, ids)
    assert distance(ours, theirs) < 1e-12

    dout = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad((ours * dout).sum(), list(model.parameters())),
        torch.autograd.grad((theirs * dout).sum(), list(model.parameters())),
        strict=True,
    ):
        assert distance(one, other) < 1e-12


@BOTH
def test_the_output_projection_is_the_embedding_once_more(kind) -> None:
    model, ids = small(kind), some_ids(2, 4)
    assert distance(model(ids), model.features(ids) @ model.tokens.weight.T) < 1e-12
    assert [name for name, p in model.named_parameters() if len(p) == V] == ["tokens.weight"]


@BOTH
@pytest.mark.parametrize("cuts", [[4, 5], [1, 2, 3, 4, 5, 6, 7, 8]])
def test_a_text_read_in_parts_gives_the_same_logits(kind, cuts: list[int]) -> None:
    model, ids = small(kind), some_ids(3, 9)
    state = model.new_state(3, 9)
    parts = [model(part, state) for part in torch.tensor_split(ids, cuts, dim=1)]
    assert distance(torch.cat(parts, dim=1), model(ids)) < 1e-12
    assert state.filled == state.length == 9
    assert [tuple(part.shape) for part in state.memory] == [(L, 3, D)] * (2 if kind is Lstm else 1)


@BOTH
@pytest.mark.parametrize("cuts", [[], [1], [2, 4], [3, 6], list(range(1, 9))])
def test_padding_on_the_left_does_not_move_the_memory(kind, cuts: list[int]) -> None:
    model, ids, starts = small(kind), some_ids(4, 9), torch.tensor([0, 2, 5, 2])
    state = model.new_state(4, 9, starts)
    together = torch.cat([model(part, state) for part in torch.tensor_split(ids, cuts, dim=1)], dim=1)
    for row, start in enumerate(starts.tolist()):
        own = model.new_state(1, 9 - start)
        alone = model(ids[row : row + 1, start:], own)
        assert distance(together[row : row + 1, start:], alone) < 1e-12
        for ours, theirs in zip(state.memory, own.memory, strict=True):
            assert distance(ours[:, row], theirs[:, 0]) < 1e-12


@BOTH
def test_what_stands_at_padding_changes_nothing(kind) -> None:
    model, ids, starts = small(kind), some_ids(2, 6), torch.tensor([4, 0])
    other = ids.clone()
    other[0, :4] = (ids[0, :4] + 1) % V
    one, two = (model(each, model.new_state(2, 6, starts)) for each in (ids, other))
    assert torch.equal(one[0, 4:], two[0, 4:]) and torch.equal(one[1], two[1])


@BOTH
def test_a_row_that_has_only_padding_so_far_remembers_nothing(kind) -> None:
    model, state = small(kind), small(kind).new_state(2, 6, torch.tensor([3, 0]))
    model(some_ids(2, 3), state)
    assert all(part[:, 0].abs().max() == 0 < part[:, 1].abs().min() for part in state.memory)


@BOTH
def test_reordered_rows_go_on_from_what_the_picked_row_has_seen(kind) -> None:
    model, ids, starts = small(kind), some_ids(3, 8), torch.tensor([0, 1, 3])
    state = model.new_state(3, 8, starts)
    model(ids[:, :4], state)
    rows = torch.tensor([2, 0, 0])
    state.reorder(rows)
    assert state.starts is not None and state.starts.tolist() == [3, 0, 0]
    expected = model(ids[rows], model.new_state(3, 8, starts[rows]))[:, 4:]
    assert distance(model(ids[rows, 4:], state), expected) < 1e-12


@BOTH
def test_no_word_sees_a_later_one(kind) -> None:
    model, ids = small(kind), some_ids(2, 8)
    other = ids.clone()
    other[:, 5:] = (ids[:, 5:] + 1) % V
    one, two = model(ids), model(other)
    assert torch.equal(one[:, :5], two[:, :5])
    assert (one[:, 5:] - two[:, 5:]).abs().amax(dim=-1).min() > 0


@BOTH
def test_ids_outside_the_vocabulary_are_refused(kind) -> None:
    with pytest.raises(ValueError, match="token ids must be from 0 to 10, got 11"):
        small(kind)(torch.tensor([[1, 11]]))


@BOTH
def test_dropout_is_drawn_in_training_and_never_in_evaluation(kind) -> None:
    model, ids = small(kind, dropout=0.5), some_ids(2, 5)
    assert not torch.equal(model(ids), model(ids))
    assert (model.features(ids) == 0).double().mean() > 0.3
    model.eval()
    assert torch.equal(model(ids), model(ids)) and (model.features(ids) != 0).all()
    assert distance(model.features(ids), written_out(model, ids)) < 1e-12


@BOTH
def test_a_single_layer_has_its_dropout_too(kind) -> None:
    model = kind(config_of(layers=1, dropout=0.5))
    assert (model.features(some_ids(2, 5)) == 0).double().mean() > 0.3


@BOTH
def test_the_generator_makes_the_first_weights(kind) -> None:
    one, same, other = (kind(config_of(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, same.state_dict()[name]), name
        assert weight.ndim == 1 or not torch.equal(weight, other.state_dict()[name]), name


@BOTH
def test_what_comes_from_the_word_before_keeps_its_length_at_the_start(kind) -> None:
    model = kind(config_of())
    for layer in range(L):
        for gate in model.kernel.get_parameter(f"weight_hh_l{layer}").split(D):
            assert distance(gate @ gate.T, torch.eye(D)) < 1e-5


def test_the_forget_gate_alone_starts_open() -> None:
    model = Lstm(config_of())
    for layer in range(L):
        one, other = (model.kernel.get_parameter(f"bias_{kind}_l{layer}") for kind in ("ih", "hh"))
        assert (one + other).tolist() == [0] * D + [1] * D + [0] * 2 * D


@BOTH
def test_a_new_model_reads_numbers_of_about_one_and_guesses_evenly(kind) -> None:
    words, width = 400, 64
    model = kind(LstmConfig(vocab_size=words, layers=2, width=width), torch.Generator().manual_seed(0))
    assert 0.95 < width**0.5 * model.tokens.weight.std().item() < 1.05
    logits = model(torch.randint(words, (4, 16), generator=torch.Generator().manual_seed(1)))
    targets = torch.randint(words, (64,), generator=torch.Generator().manual_seed(2))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)
    assert abs(loss.item() - math.log(words)) < 0.3


@BOTH
def test_it_runs_in_half_precision_and_its_memory_goes_on(kind) -> None:
    model, ids = kind(config_of()), some_ids(2, 6)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        state = model.new_state(2, 6, torch.tensor([0, 2]))
        parts = [model(part, state) for part in torch.tensor_split(ids, [3], dim=1)]
    expected = model(ids, model.new_state(2, 6, torch.tensor([0, 2])))
    assert distance(torch.cat(parts, dim=1).float(), expected) < 0.05
