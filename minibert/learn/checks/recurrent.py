"""What the recurrent network and the LSTM by hand must fulfil."""

import math

import numpy as np

from minibert.byhand.parameters import Array
from minibert.byhand.recurrent import (
    lstm_backward,
    lstm_forward,
    lstm_model_backward,
    lstm_model_forward,
    lstm_step_backward,
    lstm_step_forward,
    rnn_backward,
    rnn_forward,
    sigmoid,
)
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

Arrays = tuple[Array, ...]


def draw_weights(I: int, D: int, gates: int, rng: np.random.Generator) -> Arrays:  # noqa: E741
    """Return input_weight (gates D, I), hidden_weight (gates D, D) and bias (gates D,)."""
    shapes = (gates * D, I), (gates * D, D), (gates * D,)
    return tuple(0.5 * rng.normal(size=shape) for shape in shapes)


def draw_rnn(size: Sizes, rng: np.random.Generator) -> Arrays:
    """Return x (B, T, F), a hidden state before it (B, D), and the weights."""
    x, hidden = rng.normal(size=(size.B, size.T, size.F)), rng.normal(size=(size.B, size.D))
    return x, hidden, *draw_weights(size.F, size.D, 1, rng)


def draw_lstm(size: Sizes, rng: np.random.Generator) -> Arrays:
    """Return x (B, T, F), a hidden state and a cell before it (2, B, D), and the weights."""
    x, state = rng.normal(size=(size.B, size.T, size.F)), rng.normal(size=(2, size.B, size.D))
    return x, state, *draw_weights(size.F, size.D, 4, rng)


def draw_word(size: Sizes, rng: np.random.Generator) -> Arrays:
    """Return the same with a single word x (B, F)."""
    x, *rest = draw_lstm(size, rng)
    return x[:, 0], *rest


def draw_model(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return ids and targets (B, T), and the parameters of a language model of width K."""
    ids, targets = rng.integers(0, size.V, (2, size.B, size.T))
    D, params = size.K, {"tokens.weight": rng.normal(size=(size.V, size.K))}
    for layer in range(size.L):
        input_weight, hidden_weight, bias = draw_weights(D, D, 4, rng)
        params |= {
            f"kernel.weight_ih_l{layer}": input_weight,
            f"kernel.weight_hh_l{layer}": hidden_weight,
            f"kernel.bias_ih_l{layer}": bias,
            f"kernel.bias_hh_l{layer}": 0.5 * rng.normal(size=4 * D),
        }
    return ids, targets, params


def call_kernel(kind, x, start, input_weight, hidden_weight, bias):
    """Return what torch.nn.RNN or LSTM gives for x (B, T, I), from a start with the axis of its one layer."""
    import torch

    layer = kind(x.shape[-1], hidden_weight.shape[-1], batch_first=True)
    params = {"weight_ih_l0": input_weight, "weight_hh_l0": hidden_weight, "bias_ih_l0": bias}
    params["bias_hh_l0"] = torch.zeros_like(bias)
    return torch.func.functional_call(layer, params, (x, start))


def rnn_twin(x, hidden, *weights):
    import torch

    return call_kernel(torch.nn.RNN, x, hidden[None], *weights)[0]


def lstm_twin(x, state, *weights):
    import torch

    return call_kernel(torch.nn.LSTM, x, tuple(state[:, None]), *weights)[0]


def lstm_step_twin(x, state, *weights):
    import torch

    _, (hidden, cell) = call_kernel(torch.nn.LSTM, x[:, None], tuple(state[:, None]), *weights)
    return torch.cat([hidden, cell])


def model_twin(ids, targets, params):
    import torch

    from minibert.config import LstmConfig
    from minibert.model.recurrent import Lstm

    V, D = params["tokens.weight"].shape
    model = Lstm(LstmConfig(vocab_size=V, layers=(len(params) - 1) // 4, width=D))
    logits = torch.func.functional_call(model.double(), params, (ids,))
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


CASES = [
    Case("rnn", rnn_forward, rnn_backward, draw_rnn, rnn_twin),
    Case("lstm, one word", lstm_step_forward, lstm_step_backward, draw_word, lstm_step_twin),
    Case("lstm", lstm_forward, lstm_backward, draw_lstm, lstm_twin),
    Case("lstm language model", lstm_model_forward, lstm_model_backward, draw_model, model_twin),
]

LN3 = math.log(3)
"""tanh of its half is 1/2, and sigmoid of it is 3/4."""


def check_a_recurrent_network_by_hand() -> None:
    """One number wide, U = 1, W = 2: x = (ln 3 / 2 - 2, ln 3 / 2 - 1) after h = 1 gives 1/2 twice.

    With dout = (2, 4), from the right: dsum_2 = 4 * 3/4 = 3; back to word 1 comes 3 * 2 = 6, and 2 from
    above: dsum_1 = 8 * 3/4 = 6, and 12 comes back to the start. Both words use W: dW = 3 * 1/2 + 6 * 1 = 7.5.
    """
    x, one = np.array([[[LN3 / 2 - 2], [LN3 / 2 - 1]]]), np.ones((1, 1))
    out, cache = rnn_forward(x, one, one, 2 * one, np.zeros(1))
    expect_close(out, np.array([[[0.5], [0.5]]]), "the hidden states after two words")

    dx, dhidden, dinput, dweight, dbias = rnn_backward(np.array([[[2.0], [4.0]]]), cache)
    under = "under dout = (2, 4)"
    expect_close(dx, np.array([[[6.0], [3.0]]]), f"dx {under}")
    expect_close(dhidden, np.array([[12.0]]), f"the gradient of the memory before the first word {under}")
    expect_close(dweight, np.array([[7.5]]), f"the gradient of hidden_weight {under}")
    expect_close(dinput, 6 * x[:, 0] + 3 * x[:, 1], f"the gradient of input_weight {under}")
    expect_close(dbias, np.array([9.0]), f"the gradient of the bias {under}")


def check_sigmoid_is_a_half_at_zero_and_never_overflows() -> None:
    """sigmoid(ln 3) = 3/4; at -1000, e^1000 must not be worked out."""
    with np.errstate(over="raise"):
        got = sigmoid(np.array([-1000.0, -LN3, 0, LN3, 1000]))
    expect_close(got, np.array([0, 0.25, 0.5, 0.75, 1]), "sigmoid of -1000, -ln 3, 0, ln 3, 1000")


def draw_word_by_hand() -> tuple[Array, Arrays]:
    """Return a cell c' before a word, and a word for which i, f, g, o are 3/4, 1/2, 1/2, 1/4."""
    before = np.array([[LN3 - 0.75]])
    sums, hidden_weight = np.array([[LN3], [0], [LN3 / 2], [-LN3]]), np.array([[1.0], [2], [3], [4]])
    one = np.ones((1, 1))
    return before, (one, np.stack([one, before]), sums - hidden_weight, hidden_weight, np.zeros(4))


def check_a_word_of_an_lstm_by_hand() -> None:
    """i = 3/4, f = 1/2, g = 1/2, o = 1/4 and c' = ln 3 - 3/4: so c = ln 3 / 2 and h = 1/4 * 1/2."""
    _, arguments = draw_word_by_hand()
    state, _ = lstm_step_forward(*arguments)
    expect_close(state, np.array([[[1 / 8]], [[LN3 / 2]]]), "the hidden state 1/8 and the cell ln 3 / 2")


def check_back_through_a_word_of_an_lstm_by_hand() -> None:
    """With dh = 16 and dc = 1: do = 8 and dc = 1 + 16 * 1/4 * 3/4 = 4; df = 4 c', di = 2, dg = 3.

    Through the curves: 2 * 3/16, 4 c' / 4, 3 * 3/4, 8 * 3/16. To the cell before goes 4 f = 2.
    """
    before, arguments = draw_word_by_hand()
    _, state, input_weight, hidden_weight, _ = arguments
    _, cache = lstm_step_forward(*arguments)
    dx, dstate, dinput, dweight, dbias = lstm_step_backward(np.array([[[16.0]], [[1.0]]]), cache)

    dsums = np.array([3 / 8, before.item(), 9 / 4, 3 / 2])
    under = "under dh = 16, dc = 1"
    expect_close(dbias, dsums, f"the gradient of the bias, of i, f, g and o, {under}")
    expect_close(dstate[1], np.array([[2.0]]), f"the gradient of the cell before {under}")
    expect_close(dstate[0], dsums[None] @ hidden_weight, f"the gradient of the hidden state before {under}")
    expect_close(dx, dsums[None] @ input_weight, f"dx {under}")
    expect_close(dinput, dsums[:, None], f"the gradient of input_weight {under}, x being 1")
    expect_close(dweight, dsums[:, None], f"the gradient of hidden_weight {under}, h before being 1")


def check_a_cell_that_forgets_nothing_keeps_what_it_has(size: Sizes, seed: int) -> None:
    """With f = 1 and i = 0 the cell stays as it is, word after word, and so does its gradient."""
    x, state, *weights = draw_lstm(size, np.random.default_rng(seed))
    weights = [0 * weight for weight in weights]
    weights[2][: size.D], weights[2][size.D : 2 * size.D] = -1000, 1000
    out, cache = lstm_forward(x, state, *weights)
    for t in range(size.T):
        expect_close(out[:, t], np.tanh(state[1]) / 2, f"the hidden state after word {t}: half of tanh(c)")

    dout = np.zeros_like(out)
    dout[:, -1] = 2  # o is 1/2, and what is shown is tanh(c)
    dstate = lstm_backward(dout, cache)[1]
    expect_close(dstate[1], 1 - np.tanh(state[1]) ** 2, "the gradient of the cell at the start", 1e-9)
    expect_close(dstate[0], np.zeros_like(state[0]), "the gradient of the hidden state at the start")


def check_a_text_read_in_two_parts_is_the_same(size: Sizes, seed: int) -> None:
    """Where the second part goes on from what the first one remembered."""
    x, hidden, *weights = draw_rnn(size, np.random.default_rng(seed))
    x = np.concatenate([x, x[:, :1]], axis=1)
    out, _ = rnn_forward(x, hidden, *weights)
    first, _ = rnn_forward(x[:, :1], hidden, *weights)
    second, _ = rnn_forward(x[:, 1:], first[:, -1], *weights)
    expect_close(np.concatenate([first, second], axis=1), out, "the states of an RNN that reads in two parts")

    x, state, *weights = draw_lstm(size, np.random.default_rng(seed))
    out, _ = lstm_forward(x, state, *weights)
    for t in range(size.T):
        state, _ = lstm_step_forward(x[:, t], state, *weights)
        expect_close(state[0], out[:, t], f"the state of an LSTM that reads word by word, at word {t}")


def check_no_state_knows_a_later_word(size: Sizes, seed: int) -> None:
    """Nor does a gradient come back to a word from the states before it."""
    for case in (CASES[0], CASES[2]):
        x, state, *weights = case.arguments(size, seed)
        other = x.copy()
        other[:, -1] += 1
        out, cache = case.forward(x, state, *weights)
        changed, _ = case.forward(other, state, *weights)
        expect_close(changed[:, :-1], out[:, :-1], f"{case.name}: the states before a word that is changed")
        expect((changed[:, -1] != out[:, -1]).any(), f"{case.name}: the last state does not see its word")

        dout = np.ones_like(out)
        dout[:, -1] = 0
        assert case.backward is not None
        dx = case.backward(dout, cache)[0]
        expect(
            not dx[:, -1].any(), f"{case.name}: dx of the last word, whose state has no gradient, is not 0"
        )


def check_the_memory_s_gradient_is_a_product_over_the_words(size: Sizes, seed: int) -> None:
    """dh_T / dh_0 of a network one number wide: the product of W (1 - h_t^2)."""
    rng = np.random.default_rng(seed)
    x, one, weight = rng.normal(size=(1, 10, 1)), np.ones((1, 1)), rng.normal(size=(1, 1))
    out, cache = rnn_forward(x, one, one, weight, np.zeros(1))
    dout = np.zeros_like(out)
    dout[0, -1] = 1
    expected = np.prod(weight * (1 - out[0] ** 2))
    expect_close(
        rnn_backward(dout, cache)[1], [[expected]], "the gradient of the memory after 10 words", 1e-9
    )


def check_a_new_model_guesses_evenly(size: Sizes, seed: int) -> None:
    """With word vectors of zeros every word is as likely as any other: the loss is ln V."""
    ids, targets, params = draw_model(size, np.random.default_rng(seed))
    params["tokens.weight"] = np.zeros_like(params["tokens.weight"])
    loss, _ = lstm_model_forward(ids, targets, params)
    expect_close(loss, math.log(size.V), "the loss of a model that knows nothing")


def check_weights_that_do_not_fit_are_refused(size: Sizes, seed: int) -> None:
    """NumPy itself would stretch a bias of one number, or a state of one row, over all."""
    for case in CASES[:2]:
        arguments = case.arguments(size, seed)
        for number, axis in ((1, -1), (2, 0), (3, 0), (4, 0)):
            wrong = list(arguments)
            wrong[number] = np.repeat(arguments[number], 2, axis)
            try:
                case.forward(*wrong)
            except ValueError:
                continue
            raise CheckError(f"{case.name}: argument {number} of twice the width: expected a ValueError")
