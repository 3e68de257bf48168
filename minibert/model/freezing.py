"""Which weights learn, and how fast: a model in levels, from the embeddings up to the head."""

from collections.abc import Sequence
from typing import Any

from torch.nn import Parameter


def level_of(name: str, layers: int) -> int:
    """Return the level of a body's parameter: 0 for embeddings, i for block i (counted from 1).

    The norm after the last block is of its level, L. A pooler is of that above, the head's: what is learned
    from a text's first token is read through it, and it is new to the task as the head is.

    Args:
        name: of the parameter, as `body.named_parameters()` has it.
        layers: L, the body's blocks.
    """
    part, *rest = name.split(".")
    if part == "blocks":
        return int(rest[0]) + 1
    return {"norm": layers, "pooler": layers + 1}.get(part, 0)


def levels(model: Any) -> list[list[Parameter]]:
    """Return a task model's parameters in L + 2 levels, from the bottom up: embeddings, L blocks, head.

    model: has a `body` with `blocks`. Every parameter is of one level; what is not the body's is the head's.
    """
    L = len(model.body.blocks)
    stack: list[list[Parameter]] = [[] for _ in range(L + 2)]
    for name, parameter in model.body.named_parameters():
        stack[level_of(name, L)].append(parameter)
    known = {id(parameter) for level in stack for parameter in level}
    stack[-1] += [parameter for parameter in model.parameters() if id(parameter) not in known]
    return stack


def let_learn(stack: Sequence[Sequence[Parameter]], count: int) -> None:
    """Let the `count` levels at the top learn, and freeze those below.

    The backward pass ends at the lowest level that learns: frozen ones below it cost none. All learn where
    the count is larger than the stack.
    """
    first = len(stack) - count
    for i, level in enumerate(stack):
        for parameter in level:
            parameter.requires_grad_(i >= first)


def unfrozen(epoch: int) -> int:
    """Return how many levels, counted from the top, learn in an epoch of gradual unfreezing.

    The head alone in epoch 0, and in each later one a level more. Howard and Ruder 2018, section 3.3.
    """
    return 1 + epoch


def layer_rates(lr: float, decay: float, layers: int) -> list[float]:
    """Return the peak learning rates of the body's L + 1 levels, from the embeddings up.

    rate_L = lr; rate_i = decay * rate_(i + 1)

    Source: Howard and Ruder 2018, section 3.2, whose decay is 1 / 2.6.

    Args:
        lr: of the top block.
        decay: share of the rate that goes on to the level below; 1: all learn alike.
        layers: L.
    """
    return [lr * decay ** (layers - i) for i in range(layers + 1)]
