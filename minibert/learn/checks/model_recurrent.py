"""What recurrent networks in PyTorch must fulfil: the steps, the memory, and the language models of them."""

import math
from typing import Any

import torch
from torch import Tensor

from minibert.byhand.recurrent import lstm_model_backward, lstm_model_forward
from minibert.config import LstmConfig
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    exact,
    expect_refused,
    expect_same,
    expect_same_slopes,
    expect_untouched,
    filled,
    leaf,
    normal,
)
from minibert.model.recurrent import Lstm, RecurrentState, Rnn, lstm_step, rnn_step

LN3 = math.log(3)
"""tanh of its half is 1/2, and sigmoid of it is 3/4."""


def draw_step(gates: int, size: Sizes, seed: int) -> dict[str, Tensor]:
    """Return by name a word (B, D), the state before it, and the weights of so many gates."""
    B, D = size.B, size.D
    shapes = {"x": (B, D), "hidden": (B, D), "cell": (B, D)}
    shapes |= {"input_weight": (gates * D, D), "hidden_weight": (gates * D, D), "bias": (gates * D,)}
    return {name: leaf(seed + number, *shape) for number, (name, shape) in enumerate(shapes.items())}


def cell_of_torch(kind: type[Any], drawn: dict[str, Tensor], start: Any) -> Any:
    """Return what torch's RNNCell or LSTMCell makes of a word."""
    D = drawn["x"].shape[-1]
    names = {"weight_ih": "input_weight", "weight_hh": "hidden_weight", "bias_ih": "bias"}
    params = {name: drawn[ours] for name, ours in names.items()}
    params["bias_hh"] = torch.zeros_like(drawn["bias"])
    return torch.func.functional_call(kind(D, D), params, (drawn["x"], start))


def check_a_recurrent_step_by_hand() -> None:
    """U = 1, W = 2, b = -1, h = 1/2, x = ln 3 / 2: the sum is ln 3 / 2, and its tanh 1/2."""
    got = rnn_step(exact([[LN3 / 2]]), exact([[0.5]]), exact([[1.0]]), exact([[2.0]]), exact([-1.0]))
    expect_same(got, exact([[0.5]]), "the hidden state 1/2")


def check_a_recurrent_step_is_torch_s(size: Sizes, seed: int) -> None:
    """In value and in all gradients; no argument is changed."""
    drawn = draw_step(1, size, seed)
    expected = cell_of_torch(torch.nn.RNNCell, drawn, drawn["hidden"])
    leaves = {name: tensor for name, tensor in drawn.items() if name != "cell"}
    expect_same_slopes(rnn_step(**leaves), expected, leaves, seed, "torch's RNNCell")
    expect_untouched(rnn_step, *(tensor.detach() for tensor in leaves.values()))


def check_a_step_of_an_lstm_by_hand() -> None:
    """i = 3/4, f = 1/2, g = 1/2, o = 1/4 and c' = ln 3 - 3/4: so c = ln 3 / 2 and h = 1/4 * 1/2."""
    sums, weight = exact([[LN3], [0.0], [LN3 / 2], [-LN3]]), exact([[1.0], [2.0], [3.0], [4.0]])
    one, cell = exact([[1.0]]), exact([[LN3 - 0.75]])
    got = lstm_step(one, one, cell, sums - weight - 1, weight, exact([1.0, 1, 1, 1]))
    expect(isinstance(got, tuple) and len(got) == 2, "expected the hidden state and the cell, a tuple of two")
    expect_same(got[0], exact([[1 / 8]]), "the hidden state 1/8")
    expect_same(got[1], exact([[LN3 / 2]]), "the cell ln 3 / 2")


def check_a_step_of_an_lstm_is_torch_s(size: Sizes, seed: int) -> None:
    """In value and in all gradients, of the hidden state and of the cell; no argument is changed."""
    drawn = draw_step(4, size, seed)
    theirs = cell_of_torch(torch.nn.LSTMCell, drawn, (drawn["hidden"], drawn["cell"]))
    for name, ours, expected in zip(("hidden state", "cell"), lstm_step(**drawn), theirs, strict=True):
        expect_same_slopes(ours, expected, drawn, seed, f"the {name} of torch's LSTMCell")
    expect_untouched(lstm_step, *(tensor.detach() for tensor in drawn.values()))


def model(kind: type[Any], size: Sizes, seed: int, dropout: float = 0.0) -> Any:
    """Return a small model in float64 whose parameters are all drawn. (An LstmConfig is an RnnConfig.)"""
    shape = LstmConfig(vocab_size=size.V, layers=size.L, width=size.D, dropout=dropout)
    return filled(kind(shape), seed)


def draw_ids(size: Sizes, seed: int, T: int) -> Tensor:
    """Return ids (B + 1, T)."""
    return torch.randint(size.V, (size.B + 1, T), generator=torch.Generator().manual_seed(seed))


def word_by_word(some: Any, ids: Tensor) -> Tensor:
    """Return the features of ids, by the steps: every layer reads all words before the next one begins."""
    x = math.sqrt(some.config.width) * some.tokens(ids)  # (B, T, D)
    for layer in range(some.config.layers):
        input_weight, hidden_weight, one, other = (
            some.kernel.get_parameter(f"{name}_l{layer}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        hidden = cell = torch.zeros_like(x[:, 0])
        states = []
        for word in x.unbind(1):
            if isinstance(some, Lstm):
                hidden, cell = lstm_step(word, hidden, cell, input_weight, hidden_weight, one + other)
            else:
                hidden = rnn_step(word, hidden, input_weight, hidden_weight, one + other)
            states.append(hidden)
        x = torch.stack(states, dim=1)
    return x


def check_the_features_are_what_the_steps_give(size: Sizes, seed: int) -> None:
    """Word by word and layer by layer, in value and in all gradients."""
    for kind in (Rnn, Lstm):
        some, ids = model(kind, size, seed), draw_ids(size, seed, size.S)
        leaves = dict(some.named_parameters())
        expect_same_slopes(some.features(ids), word_by_word(some, ids), leaves, seed, "the steps")


def check_by_hand_the_language_model_is_the_same(size: Sizes, seed: int) -> None:
    """The loss of the next word, and the gradients of all parameters, the shared matrix's too."""
    some, ids = model(Lstm, size, seed), draw_ids(size, seed, size.S + 1)
    params = {name: weight.detach().numpy() for name, weight in some.named_parameters()}
    words, targets = ids[:, :-1], ids[:, 1:]
    expected, cache = lstm_model_forward(words.numpy(), targets.numpy(), params)
    loss = torch.nn.functional.cross_entropy(some(words).flatten(0, 1), targets.flatten())
    expect_close(loss.detach().numpy(), expected, "the loss (that by hand is expected)", 1e-9)
    loss.backward()
    for name, slope in lstm_model_backward(1.0, cache).items():
        got = some.get_parameter(name).grad.numpy()
        expect_close(got, slope, f"the gradient of {name} (that by hand is expected)", 1e-9)


def check_columns_are_cut_where_texts_begin() -> None:
    """Texts that begin in columns 5, 0, 2 and 2: nine columns, all at once, and with four of them read."""
    memory = (torch.zeros(1, 4, 1),)
    for starts, filled_before, count, expected in (
        (None, 0, 9, [(0, 9)]),
        ([5, 0, 2, 2], 0, 9, [(0, 2), (2, 5), (5, 9)]),
        ([5, 0, 2, 2], 0, 5, [(0, 2), (2, 5)]),
        ([5, 0, 2, 2], 4, 5, [(0, 1), (1, 5)]),
        ([5, 0, 2, 2], 2, 2, [(0, 2)]),
        ([5, 0, 2, 2], 5, 4, [(0, 4)]),
        ([5, 0, 2, 2], 9, 1, [(0, 1)]),
    ):
        state = RecurrentState(memory, 12, None if starts is None else torch.tensor(starts))
        state.filled = filled_before
        got = [tuple(pair) for pair in state.stretches(count)]
        what = f"the next {count} columns after {filled_before}, texts beginning at {starts}"
        expect(got == expected, f"{what}: expected the stretches {expected}, got {got}")


def check_a_row_that_has_not_begun_remembers_nothing() -> None:
    """Texts begin in columns 0, 2, 3; after 2 columns, in which a third has come, only the first has."""
    parts = (normal(0, 2, 3, 4), normal(1, 2, 3, 4))
    state = RecurrentState((torch.zeros(2, 3, 4).double(),) * 2, 9, torch.tensor([0, 2, 3]))
    for columns, filled_now, begun in ((1, 1, 1), (1, 2, 1), (1, 3, 2), (4, 7, 3)):
        state.keep(parts, columns)
        expect(state.filled == filled_now, f"filled: expected {filled_now} columns, got {state.filled}")
        expect(len(state.memory) == 2, f"expected a memory of two parts, got {len(state.memory)}")
        for got, part in zip(state.memory, parts, strict=True):
            kept = part.clone()
            kept[:, begun:] = 0
            expect_same(got, kept, f"the memory after {filled_now} columns; texts begin in columns 0, 2, 3")


def check_without_padding_all_is_kept() -> None:
    """Where starts is None."""
    parts = (normal(0, 2, 3, 4),)
    state = RecurrentState((torch.zeros(2, 3, 4).double(),), 9)
    state.keep(parts, 5)
    expect(state.filled == 5, f"filled: expected 5 columns, got {state.filled}")
    expect_same(state.memory[0], parts[0], "the memory, where no row is padded")


@torch.no_grad()
def check_a_text_read_in_parts_is_the_same(size: Sizes, seed: int) -> None:
    """The state carries on what was read: whole, in two parts, word by word."""
    for kind in (Rnn, Lstm):
        some, ids = model(kind, size, seed), draw_ids(size, seed, 5)
        whole = some.features(ids)
        for cuts in ([], [2], [1, 2, 3, 4]):
            state = some.new_state(len(ids), 5)
            read = [some.features(part, state) for part in ids.tensor_split(cuts, dim=1)]
            expect_same(torch.cat(read, dim=1), whole, f"the features of a text that is cut at {cuts}")
            expect(state.filled == 5, f"filled: expected 5 columns, got {state.filled}")


@torch.no_grad()
def check_padding_on_the_left_leaves_no_trace(size: Sizes, seed: int) -> None:
    """Every text is read as if it stood alone."""
    for kind in (Rnn, Lstm):
        some, ids = model(kind, size, seed), draw_ids(size, seed, 6)
        starts = torch.arange(len(ids)) + 1
        state = some.new_state(len(ids), 6, starts)
        read = torch.cat([some.features(part, state) for part in ids.tensor_split([4], dim=1)], dim=1)
        for row, start in enumerate(starts.tolist()):
            alone = some.features(ids[row : row + 1, start:])
            expect_same(read[row, start:], alone[0], f"the features of a text behind {start} columns padding")


@torch.no_grad()
def check_dropout_stands_below_and_above_the_layers(size: Sizes, seed: int) -> None:
    """With U = 1 and W = 0 a state is tanh(x); with half left out below and above, 2 tanh(2 x) or 0."""
    some = model(Rnn, size._replace(L=1, K=8), seed, dropout=0.5)
    for name, weight in some.kernel.named_parameters():
        weight.copy_(torch.eye(len(weight)) if name == "weight_ih_l0" else torch.zeros_like(weight))
    ids = draw_ids(size, seed, 64)
    x = math.sqrt(some.config.width) * some.tokens(ids)
    full = 2 * torch.tanh(2 * x)
    for what, state in (("without a state", None), ("with a state", some.new_state(len(ids), 64))):
        torch.manual_seed(seed)
        got = some.features(ids, state)
        expect_same(torch.where(got == 0, full, got), full, f"what is not left out, {what}")
        share = float((got == 0).double().mean())
        expect(0.65 < share < 0.85, f"left out {what}: expected about 3/4 of all numbers, got {share:.2f}")
    expect_same(some.eval().features(ids), torch.tanh(x), "the features in evaluation")


def check_ids_outside_the_vocabulary_are_refused(size: Sizes, seed: int) -> None:
    """Whether there is a state or not."""
    some, ids = model(Rnn, size, seed), draw_ids(size, seed, 3)
    ids[0, 1] = size.V
    expect_refused(lambda: some.features(ids), "an id as large as the vocabulary")
    state = some.new_state(len(ids), 3)
    expect_refused(lambda: some.features(ids, state), "an id as large as the vocabulary, with a state")


@torch.no_grad()
def check_the_forget_gates_start_open(size: Sizes, seed: int) -> None:
    """Their biases add up to 1, and all others to 0; the weights are drawn as for every recurrent model."""
    some, D = model(Lstm, size, seed), size.D
    some.start_weights(torch.Generator().manual_seed(seed))
    expected = torch.zeros(4, D).double()
    expected[1] = 1
    for layer in range(size.L):
        one, other = (some.kernel.get_parameter(f"bias_{name}_l{layer}") for name in ("ih", "hh"))
        expect_same((one + other).view(4, D), expected, f"the biases of i, f, g, o in layer {layer}")
        expect_same(one.view(4, D), 0 * expected, f"the first of the two biases in layer {layer}")
        for gate in some.kernel.get_parameter(f"weight_hh_l{layer}").split(D):
            expect_same(gate @ gate.T, torch.eye(D).double(), f"W W^T of a gate in layer {layer}")
