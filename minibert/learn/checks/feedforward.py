"""What the feed-forward block must fulfil."""

import numpy as np

from minibert.byhand.feedforward import feedforward_backward, feedforward_forward
from minibert.learn.compare import CheckError, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw_with(activation: str):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple:
        """Return x (B, T, D), the parameters, and the activation."""
        params = {
            "expand.weight": 0.5 * rng.normal(size=(size.F, size.D)),
            "expand.bias": rng.normal(size=size.F),
            "contract.weight": rng.normal(size=(size.D, size.F)),
            "contract.bias": rng.normal(size=size.D),
        }
        return rng.normal(size=(size.B, size.T, size.D)), params, activation

    return draw


def torch_twin(x, params, activation):
    import torch

    from minibert.model.feedforward import FeedForward

    F, D = params["expand.weight"].shape
    return torch.func.functional_call(FeedForward(D, F, activation), params, (x,))


HUGGING_FACE = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}
"""Our names of the activations -> theirs."""


def transformers_twin(x, params, activation):
    """Their block is cut in two, and the second half also adds and normalises: here without that."""
    import torch
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertIntermediate, BertOutput

    F, D = params["expand.weight"].shape
    act = HUGGING_FACE[activation]
    config = BertConfig(hidden_size=D, intermediate_size=F, num_attention_heads=1, hidden_act=act)
    first = {"dense.weight": params["expand.weight"], "dense.bias": params["expand.bias"]}
    last = {"weight": params["contract.weight"], "bias": params["contract.bias"]}
    bent = torch.func.functional_call(BertIntermediate(config), first, (x,))
    return torch.func.functional_call(BertOutput(config).dense, last, (bent,))


CASES = [
    Case(name, feedforward_forward, feedforward_backward, draw_with(name), torch_twin, transformers_twin)
    for name in HUGGING_FACE
]


def check_a_case_by_hand() -> None:
    """One token of two numbers, three inside, relu.

    x = (3, 4): wide (3, 5, -3), bent (3, 5, 0), y (3 + 10 + 0.5, -5). With dy = (1, 10): dbent = (1, 2 - 10,
    1100); nothing passes where relu cut off, so dwide = (1, -8, 0) and dx = (1, -8).
    """
    params = {
        "expand.weight": np.array([[1.0, 0], [0, 1], [1, 1]]),
        "expand.bias": np.array([0.0, 1, -10]),
        "contract.weight": np.array([[1.0, 2, 100], [0, -1, 100]]),
        "contract.bias": np.array([0.5, 0]),
    }
    y, cache = feedforward_forward(np.array([[3.0, 4.0]]), params, "relu")
    expect_close(y, np.array([[13.5, -5.0]]), "y of x = (3, 4)")

    dx, dparams = feedforward_backward(np.array([[1.0, 10.0]]), cache)
    expect_close(dx, np.array([[1.0, -8.0]]), "dx under dy = (1, 10)")
    expected = {
        "expand.weight": [[3.0, 4], [-24, -32], [0, 0]],
        "expand.bias": [1.0, -8, 0],
        "contract.weight": [[3.0, 5, 0], [30, 50, 0]],
        "contract.bias": [1.0, 10],
    }
    for name, gradient in expected.items():
        expect_close(dparams[name], np.array(gradient), f"the gradient of {name} under dy = (1, 10)")


def check_each_token_is_worked_out_by_itself(size: Sizes, seed: int) -> None:
    """Reorder the tokens, and the outputs are the same, reordered."""
    rng = np.random.default_rng(seed)
    x, params, activation = draw_with("gelu")(size, rng)
    order = rng.permutation(size.T)
    y, _ = feedforward_forward(x, params, activation)
    expect_close(
        feedforward_forward(x[:, order], params, activation)[0], y[:, order], "y of reordered tokens"
    )
    expect_close(feedforward_forward(x[0, 0], params, activation)[0], y[0, 0], "y of the first token alone")


def check_gelu_is_what_bert_has(size: Sizes, seed: int) -> None:
    """Without a name it is the exact gelu."""
    x, params, _ = draw_with("gelu")(size, np.random.default_rng(seed))
    y, _ = feedforward_forward(x, params)
    expect_close(y, feedforward_forward(x, params, "gelu")[0], "y without naming the activation")


def check_an_unknown_activation_is_refused(size: Sizes, seed: int) -> None:
    x, params, _ = draw_with("gelu")(size, np.random.default_rng(seed))
    try:
        feedforward_forward(x, params, "swish")
    except ValueError:
        return
    raise CheckError("the activation 'swish': expected a ValueError, got none")
