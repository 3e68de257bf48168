"""Networks that read word by word and remember: the recurrent network, the LSTM, and a language model."""

import math
from typing import Any

import numpy as np

from minibert.byhand.embedding import lookup_backward, lookup_forward
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.byhand.loss import cross_entropy_backward, cross_entropy_forward
from minibert.byhand.parameters import Array, Ints, Parameters


def rnn_forward(
    x: Array, hidden: Array, input_weight: Array, hidden_weight: Array, bias: Array
) -> tuple[Array, Any]:
    """Read word by word: each hidden state comes from the word and from the hidden state before it.

    h_t = tanh(U x_t + W h_{t-1} + b). Elman 1990, figure 2; Mikolov et al. 2010, eq. 1-2.

    Args:
        x: (B, T, I), of any width I.
        hidden: (B, D), what is remembered before the first word; usually zeros.
        input_weight: U (D, I).
        hidden_weight: W (D, D), the same at every word.
        bias: (D,).

    Returns:
        The hidden states after each word, (B, T, D), and what `rnn_backward` needs.

    Raises:
        ValueError: the shapes do not fit.

    Differs from the papers: tanh in place of the logistic function.
    """
    check_shapes(x[:, 0], hidden, input_weight, hidden_weight, bias, gates=1)
    start, out = hidden, []
    for t in range(x.shape[1]):
        hidden = np.tanh(x[:, t] @ input_weight.T + hidden @ hidden_weight.T + bias)  # (B, D)
        out.append(hidden)
    states = np.stack(out, axis=1)  # (B, T, D)
    return states, (x, start, states, input_weight, hidden_weight)


def rnn_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array, Array, Array]:
    """Return dx, dhidden, dinput_weight, dhidden_weight and dbias from dout (B, T, D).

    Backpropagation through time: the last word comes first. Each gradient has the shape of its argument;
    dhidden is that of the memory before the first word.
    """
    x, start, states, input_weight, hidden_weight = cache
    before = np.concatenate([start[:, None], states[:, :-1]], axis=1)  # (B, T, D), h_{t-1} at each word

    dsums = np.empty_like(states)  # (B, T, D), of what stands inside the tanh
    dhidden = np.zeros_like(start)  # (B, D), from the words to the right: none behind the last
    for t in reversed(range(x.shape[1])):
        dstate = dout[:, t] + dhidden  # 10.4: a hidden state goes up, and on to the next word
        dsums[:, t] = dstate * (1 - states[:, t] ** 2)  # 10.5: through the tanh
        dhidden = dsums[:, t] @ hidden_weight  # 10.6: and back to the word before

    dx, dinput_weight, dbias = linear_backward(dsums, (x, input_weight))  # 10.7: one set of weights for
    _, dhidden_weight, _ = linear_backward(dsums, (before, hidden_weight))  # all words: gradients add up
    return dx, dhidden, dinput_weight, dhidden_weight, dbias


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x), between 0 and 1; as a tanh, which no x overflows."""
    return (1 + np.tanh(x / 2)) / 2


def lstm_step_forward(
    x: Array, state: Array, input_weight: Array, hidden_weight: Array, bias: Array
) -> tuple[Array, Any]:
    """Take in one word: forget some of the cell, write something into it, show some of it.

    i, f, o = sigmoid(...), g = tanh(...) of U x_t + W h_{t-1} + b, a quarter each, in the order i, f, g, o;
    c_t = f c_{t-1} + i g; h_t = o tanh(c_t). Hochreiter and Schmidhuber 1997, section 4; the forget gate f is
    that of Gers et al. 2000.

    Args:
        x: (B, I), of any width I.
        state: (2, B, D), the hidden state h_{t-1} and the cell c_{t-1}.
        input_weight: U (4 D, I).
        hidden_weight: W (4 D, D).
        bias: (4 D,).

    Returns:
        The new hidden state and the new cell, (2, B, D), and what `lstm_step_backward` needs.

    Raises:
        ValueError: the shapes do not fit.
    """
    hidden, cell = state  # (B, D) each
    check_shapes(x, hidden, input_weight, hidden_weight, bias, gates=4)
    sums = x @ input_weight.T + hidden @ hidden_weight.T + bias  # (B, 4 D)
    write, forget, content, show = np.split(sums, 4, axis=-1)  # (B, D) each
    write, forget, content, show = sigmoid(write), sigmoid(forget), np.tanh(content), sigmoid(show)

    kept = forget * cell + write * content  # (B, D)
    seen = np.tanh(kept)  # (B, D)
    cache = (x, hidden, cell, write, forget, content, show, seen, input_weight, hidden_weight)
    return np.stack([show * seen, kept]), cache  # (2, B, D)


def lstm_step_backward(dstate: Array, cache: Any) -> tuple[Array, Array, Array, Array, Array]:
    """Return dx, dstate before the word, dinput_weight, dhidden_weight and dbias from dstate (2, B, D).

    Each has the shape of its argument.
    """
    x, hidden, cell, write, forget, content, show, seen, input_weight, hidden_weight = cache
    dhidden, dkept = dstate  # (B, D) each

    dshow = dhidden * seen  # 10.14: h = o tanh(c) is a product
    dkept = dkept + dhidden * show * (1 - seen**2)  # 10.15: the cell goes on, and is shown
    dforget, dcell = dkept * cell, dkept * forget  # 10.16: in f c' each factor gets the other,
    dwrite, dcontent = dkept * content, dkept * write  # 10.17: and so in i g

    dsums = np.concatenate(
        [
            dwrite * write * (1 - write),  # 10.18: sigmoid' = sigmoid (1 - sigmoid)
            dforget * forget * (1 - forget),
            dcontent * (1 - content**2),
            dshow * show * (1 - show),
        ],
        axis=-1,
    )  # (B, 4 D)
    dx, dinput_weight, dbias = linear_backward(dsums, (x, input_weight))  # 10.19: back to the word,
    dbefore, dhidden_weight, _ = linear_backward(dsums, (hidden, hidden_weight))  # and to the state before
    return dx, np.stack([dbefore, dcell]), dinput_weight, dhidden_weight, dbias


def lstm_forward(
    x: Array, state: Array, input_weight: Array, hidden_weight: Array, bias: Array
) -> tuple[Array, Any]:
    """Read word by word, with `lstm_step_forward`.

    Args:
        x: (B, T, I).
        state: (2, B, D), the hidden state and the cell before the first word; usually zeros.
        input_weight, hidden_weight, bias: as for one word, the same at every word.

    Returns:
        The hidden states after each word, (B, T, D), and what `lstm_backward` needs.
    """
    out, caches = [], []
    for t in range(x.shape[1]):
        state, cache = lstm_step_forward(x[:, t], state, input_weight, hidden_weight, bias)
        out.append(state[0])
        caches.append(cache)
    return np.stack(out, axis=1), caches  # (B, T, D)


def lstm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array, Array, Array]:
    """Return dx, dstate, dinput_weight, dhidden_weight and dbias from dout (B, T, D).

    Backpropagation through time. Each has the shape of its argument; dstate is that of the memory before the
    first word.
    """
    dstate = np.zeros((2, *dout[:, 0].shape), dout.dtype)  # (2, B, D), from the right: none behind the last
    dx, dweights = [], []
    for t in reversed(range(dout.shape[1])):
        dstate[0] += dout[:, t]  # 10.20: what is shown goes up as well; the cell stays inside
        dword, dstate, *dweight = lstm_step_backward(dstate, cache[t])
        dx.append(dword)
        dweights.append(dweight)
    # 10.21: the same weights at every word, so their gradients add up
    dinput_weight, dhidden_weight, dbias = (np.sum(each, axis=0) for each in zip(*dweights, strict=True))
    return np.stack(dx[::-1], axis=1), dstate, dinput_weight, dhidden_weight, dbias


def lstm_model_forward(ids: Ints, targets: Ints, params: Parameters) -> tuple[Array, Any]:
    """Return the loss of a language model: word vectors, L layers of LSTM, and the word vectors once more.

    loss = mean of -log softmax(h E^T)[next word], where h is the top layer's hidden state and E the table of
    the word vectors (Press and Wolf 2017), and the lowest layer reads sqrt(D) E[id] (Vaswani et al. 2017,
    section 3.4).

    Args:
        ids: (B, T), the words.
        targets: (B, T), for each the word that comes next.
        params: with the names of `minibert.model.recurrent.Lstm`: "tokens.weight" E (V, D) and, of layer l,
            "kernel.weight_ih_l0" and "kernel.weight_hh_l0" (4 D, D), "kernel.bias_ih_l0" and
            "kernel.bias_hh_l0" (4 D,), of which the sum is added.

    Returns:
        The loss in nats, and what `lstm_model_backward` needs.
    """
    tokens = params["tokens.weight"]
    (V, D), B = tokens.shape, len(ids)
    layers = sum(name.startswith("kernel.weight_ih_l") for name in params)

    vectors, lookup = lookup_forward(tokens, ids)  # (B, T, D)
    x, caches = math.sqrt(D) * vectors, []
    for layer in range(layers):
        names = (f"kernel.{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        input_weight, hidden_weight, bias, second_bias = (params[name] for name in names)
        state = np.zeros((2, B, D), x.dtype)
        x, cache = lstm_forward(x, state, input_weight, hidden_weight, bias + second_bias)  # (B, T, D)
        caches.append(cache)
    logits, output = linear_forward(x.reshape(-1, D), tokens, np.zeros(V, x.dtype))  # (B T, V)
    loss, losses = cross_entropy_forward(logits, targets.reshape(-1))
    return loss, (lookup, caches, x.shape, output, losses)


def lstm_model_backward(dloss: Any, cache: Any) -> Parameters:
    """Return the gradients of the parameters by name from dloss, a number. Ids and targets have none."""
    lookup, caches, shape, output, losses = cache

    dx, dtokens, _ = linear_backward(cross_entropy_backward(dloss, losses), output)
    dx = dx.reshape(shape)  # (B, T, D)
    gradients: Parameters = {}
    for layer in reversed(range(len(caches))):
        dx, _, dinput_weight, dhidden_weight, dbias = lstm_backward(dx, caches[layer])
        gradients |= {
            f"kernel.weight_ih_l{layer}": dinput_weight,
            f"kernel.weight_hh_l{layer}": dhidden_weight,
            f"kernel.bias_ih_l{layer}": dbias,
            f"kernel.bias_hh_l{layer}": dbias,
        }
    dvectors = math.sqrt(shape[-1]) * dx  # 2.4: what went in was multiplied by a number; (B, T, D)
    return gradients | {"tokens.weight": dtokens + lookup_backward(dvectors, lookup)}  # used twice: 2.2


def check_shapes(
    x: Array, hidden: Array, input_weight: Array, hidden_weight: Array, bias: Array, gates: int
) -> None:
    """Raise ValueError unless one word (B, I), the state (B, D) and the weights of so many gates fit."""
    (B, I), D = x.shape, hidden.shape[-1]  # noqa: E741
    expected = (B, D), (gates * D, I), (gates * D, D), (gates * D,)
    got = hidden.shape, input_weight.shape, hidden_weight.shape, bias.shape
    if got != expected:
        raise ValueError(
            f"hidden (B, D), input_weight ({gates} D, I), hidden_weight ({gates} D, D) and bias ({gates} D,) "
            f"must be {expected} for a word x (B, I) = {x.shape}, got {got}"
        )
