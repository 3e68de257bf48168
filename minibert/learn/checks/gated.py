"""What the gated feed-forward block, and the curve of its gate, must fulfil."""

import math

import numpy as np

from minibert.byhand.gated import GATES, gated_backward, gated_forward, silu_backward, silu_forward
from minibert.learn.compare import CheckError, expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes


def draw_with(bend: str):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple:
        """Return x (B, T, D), the parameters, and the curve of the gate."""
        params = {
            "gate.weight": 0.5 * rng.normal(size=(size.F, size.D)),
            "expand.weight": rng.normal(size=(size.F, size.D)),
            "contract.weight": rng.normal(size=(size.D, size.F)),
        }
        return rng.normal(size=(size.B, size.T, size.D)), params, bend

    return draw


def torch_twin(x, params, bend):
    import torch

    from minibert.model.gated import GatedFeedForward

    F, D = params["gate.weight"].shape
    return torch.func.functional_call(GatedFeedForward(D, F, bend), params, (x,))


def transformers_llama(x, params, bend):
    """Llama's block has any of the curves."""
    import torch
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    F, D = params["gate.weight"].shape
    config = LlamaConfig(hidden_size=D, intermediate_size=F, num_attention_heads=1, hidden_act=bend)
    theirs = {"gate": "gate_proj", "expand": "up_proj", "contract": "down_proj"}
    weights = {f"{theirs[name.partition('.')[0]]}.weight": weight for name, weight in params.items()}
    return torch.func.functional_call(LlamaMLP(config), weights, (x,))


def transformers_modernbert(x, params, bend):
    """ModernBERT's has gate and expansion in one matrix."""
    import torch
    from transformers import ModernBertConfig
    from transformers.models.modernbert.modeling_modernbert import ModernBertMLP

    F, D = params["gate.weight"].shape
    config = ModernBertConfig(
        hidden_size=D, intermediate_size=F, num_attention_heads=1, hidden_activation=bend
    )
    weights = {
        "Wi.weight": torch.cat([params["gate.weight"], params["expand.weight"]]),
        "Wo.weight": params["contract.weight"],
    }
    return torch.func.functional_call(ModernBertMLP(config), weights, (x,))


def draw_numbers(size: Sizes, rng: np.random.Generator) -> tuple:
    """Return x (B, T, F), around zero."""
    return (3 * rng.normal(size=(size.B, size.T, size.F)),)


def torch_silu(x):
    import torch

    return torch.nn.functional.silu(x)


def transformers_silu(x):
    from transformers.activations import ACT2FN

    return ACT2FN["silu"](x)


CASES = [
    Case("silu", silu_forward, silu_backward, draw_numbers, torch_silu, transformers_silu),
    Case("swiglu", gated_forward, gated_backward, draw_with("silu"), torch_twin, transformers_llama),
    Case("geglu", gated_forward, gated_backward, draw_with("gelu"), torch_twin, transformers_modernbert),
]


def check_silu_by_hand() -> None:
    """At ln 3 the sigmoid is 3/4 and its slope 3/16; at 0 they are 1/2 and 1/4."""
    x = np.array([0.0, math.log(3), -math.log(3)])
    y, cache = silu_forward(x)
    expect_close(y, x * np.array([0.5, 0.75, 0.25]), "silu of 0, ln 3 and -ln 3")
    slopes = np.array([0.5, 0.75, 0.25]) + x * 3 / 16
    expect_close(silu_backward(np.ones(3), cache), slopes, "the slope of silu at 0, ln 3 and -ln 3")


def check_silu_of_huge_numbers_does_not_overflow() -> None:
    """Far to the right it is x, far to the left 0, and so are its slopes 1 and 0."""
    with np.errstate(all="raise"):
        y, cache = silu_forward(np.array([1000.0, -1000.0]))
        slopes = silu_backward(np.ones(2), cache)
    expect_close(y, np.array([1000.0, 0.0]), "silu of 1000 and -1000")
    expect_close(slopes, np.array([1.0, 0.0]), "its slope there")


def pencil_case() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return x = (ln 3, 2) and weights, so that the gate is (ln 3, 0) and the other half (5, 7)."""
    params = {
        "gate.weight": np.array([[1.0, 0.0], [0.0, 0.0]]),
        "expand.weight": np.array([[0.0, 2.5], [0.0, 3.5]]),
        "contract.weight": np.array([[4.0, 1.0], [0.0, 2.0]]),
    }
    return np.array([[math.log(3), 2.0]]), params


def check_a_case_by_hand() -> None:
    """x = (ln 3, 2): gate (ln 3, 0), bent (3/4 ln 3, 0), wide (5, 7), gated (15/4 ln 3, 0), y (15 ln 3, 0).

    With dy = (1, 0): dgated = (4, 1), so the gate gets (20, 7) before the curve, whose slopes are
    3/4 + 3/16 ln 3 and 1/2; and the other half gets (3 ln 3, 0). So dx = (20 slope, 7.5 ln 3).
    """
    x, params = pencil_case()
    ln3 = math.log(3)
    y, cache = gated_forward(x, params, "silu")
    expect_close(y, np.array([[15 * ln3, 0.0]]), "y of x = (ln 3, 2)")

    dx, dparams = gated_backward(np.array([[1.0, 0.0]]), cache)
    slope = 3 / 4 + 3 / 16 * ln3
    expect_close(dx, np.array([[20 * slope, 7.5 * ln3]]), "dx under dy = (1, 0)")
    expected = {
        "gate.weight": [[20 * slope * ln3, 40 * slope], [3.5 * ln3, 7.0]],
        "expand.weight": [[3 * ln3 * ln3, 6 * ln3], [0.0, 0.0]],
        "contract.weight": [[15 / 4 * ln3, 0.0], [0.0, 0.0]],
    }
    for name, gradient in expected.items():
        expect_close(dparams[name], np.array(gradient), f"the gradient of {name} under dy = (1, 0)")


def check_a_gate_of_zero_lets_nothing_through(size: Sizes, seed: int) -> None:
    """Whatever stands behind it; and whatever the gate says, nothing comes of nothing."""
    for bend in GATES:
        x, params, _ = draw_with(bend)(size, np.random.default_rng(seed))
        for name in ("gate.weight", "expand.weight"):
            y, _ = gated_forward(x, params | {name: np.zeros((size.F, size.D))}, bend)
            expect(not y.any(), f"y with {name} all zero: expected 0, got {np.abs(y).max():.3g}")


def check_each_token_is_worked_out_by_itself(size: Sizes, seed: int) -> None:
    """Alone, in its sequence, or in its batch."""
    x, params, bend = draw_with("silu")(size, np.random.default_rng(seed))
    y, _ = gated_forward(x, params, bend)
    expect_close(gated_forward(x[0, 0], params, bend)[0], y[0, 0], "y of the first token alone")


def check_silu_is_what_there_is_without_a_name(size: Sizes, seed: int) -> None:
    """As in Llama."""
    x, params, _ = draw_with("silu")(size, np.random.default_rng(seed))
    expect_close(
        gated_forward(x, params)[0], gated_forward(x, params, "silu")[0], "y without naming the curve"
    )


def check_an_unknown_curve_is_refused(size: Sizes, seed: int) -> None:
    x, params, _ = draw_with("silu")(size, np.random.default_rng(seed))
    try:
        gated_forward(x, params, "relu")
    except ValueError:
        return
    raise CheckError("the curve 'relu': expected a ValueError, got none")
