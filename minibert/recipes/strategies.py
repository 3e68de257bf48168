"""The strategies of fine-tuning: which weights of a task model learn, from when on, and how fast."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Generator
from torch.optim import Optimizer

from minibert.config import FinetuneConfig, Strategy, require
from minibert.hub import new_model
from minibert.model.freezing import layer_rates, let_learn, level_of, levels, unfrozen
from minibert.model.lora import add_lora, merge_lora
from minibert.train.optimizer import decay_groups

BETAS = (0.9, 0.999)
"""Of AdamW, as BERT was fine-tuned with it (Devlin et al. 2019, appendix A.3)."""


class Rates(NamedTuple):
    """How fast a strategy learns, where the user does not say."""

    lr: float
    """Peak learning rate of the body's top block."""
    head: float
    """How many times faster the new head learns."""


RATES: dict[Strategy, Rates] = {
    "whole": Rates(5e-5, 10),
    "last": Rates(5e-5, 10),
    "gradual": Rates(5e-5, 10),
    "frozen": Rates(1e-3, 1),
    "lora": Rates(1e-3, 1),
}


def prepare(model: Any, config: FinetuneConfig, generator: Generator) -> None:
    """Make a task model ready to learn by `config.strategy`, in place: start afresh, freeze, add matrices.

    Args:
        model: a task model with the body's pretrained weights.
        config: the strategy, and its `last_layers`, `lora_rank`, `fresh_layers`.
        generator: draws what starts afresh.

    Raises:
        ValueError: more blocks are asked for than the body has; blocks start afresh that would never learn.
    """
    L = len(model.body.blocks)
    k = {"whole": L, "gradual": L, "last": config.last_layers}.get(config.strategy, 0)
    require(k <= L, f"--last-layers must be at most {L}, the blocks of the model, got {k}")
    require(
        config.fresh_layers <= k,
        f"--fresh-layers must be at most {k}, the blocks that learn with --strategy {config.strategy}, got "
        f"{config.fresh_layers}",
    )
    if config.fresh_layers:
        start_afresh(model, config.fresh_layers, generator)
    let_learn(levels(model), levels_at_start(config, L))
    if config.strategy == "lora":
        add_lora(model.body.blocks, config.lora_rank, generator)


def levels_at_start(config: FinetuneConfig, layers: int) -> int:
    """Return how many of the L + 2 levels, counted from the head down, learn in the first step."""
    return {"whole": layers + 2, "last": 1 + config.last_layers}.get(config.strategy, 1)


@torch.no_grad()
def start_afresh(model: Any, blocks: int, generator: Generator) -> None:
    """Give the top blocks, and the pooler where there is one, the weights they would have in a new model.

    Source: Zhang et al. 2021, "Revisiting few-sample BERT fine-tuning", section 5.
    """
    new = new_model(model.config, generator)
    new_body = getattr(new, "bert", new)
    own, L = dict(model.body.named_parameters()), len(model.body.blocks)
    for name, fresh in new_body.named_parameters():
        if level_of(name, L) > L - blocks and name in own:
            own[name].copy_(fresh)


def peak_rates(config: FinetuneConfig, layers: int) -> list[float]:
    """Return the peak learning rates of all L + 2 levels, from the embeddings up to the head."""
    own = RATES[config.strategy]
    lr = config.lr or own.lr
    return [*layer_rates(lr, config.layer_decay, layers), config.head_lr or own.head * lr]


def optimizers(model: Any, config: FinetuneConfig) -> list[Optimizer]:
    """Return AdamW for all that learns, or will: each level in groups of its own, with its peak rate.

    The top block's groups come first, so that the rate which is logged is that of `--lr`; the head's come
    last. Biases and norms do not decay.
    """
    stack = levels(model)
    rates = peak_rates(config, len(stack) - 2)
    later = config.strategy == "gradual"
    groups = []
    for i in [*range(len(stack) - 2, -1, -1), -1]:
        learning = [parameter for parameter in stack[i] if later or parameter.requires_grad]
        halves = decay_groups(learning, config.weight_decay)
        groups += [{**half, "lr": rates[i]} for half in halves if half["params"]]
    return [torch.optim.AdamW(groups, betas=BETAS, fused=True)]


def at_step(model: Any, config: FinetuneConfig, steps_per_epoch: float) -> Callable[[int], None]:
    """Return what is to be called before each step, with its number, counted from 0.

    It thaws, with gradual unfreezing, and does nothing with other strategies. What learns is a pure function
    of the step, so a resumed run goes on with the same levels.

    Args:
        model: made ready by `prepare`.
        config: the strategy.
        steps_per_epoch: need not be whole.
    """
    if config.strategy != "gradual":
        return lambda step: None
    return lambda step: let_learn(levels(model), unfrozen(int(step / steps_per_epoch)))


def merged(model: Any) -> Any:
    """Return a task model as it is saved: a copy without LoRA's matrices, which does the same."""
    plain = copy.deepcopy(model)
    merge_lora(plain)
    return plain
