"""What pretraining makes small, and what moves the weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.batches.batch import Batch
from minibert.batches.causal import CausalBatch
from minibert.config import PretrainConfig
from minibert.model.multihead import CausalAttention
from minibert.train.loss import IGNORE, at_least_float32, cross_entropy, linear_cross_entropy
from minibert.train.optimizer import Muon, decay_groups

FEW = 1 << 18
"""Logits that are made at once: 1 MB in float32."""


@dataclass(frozen=True)
class Learning:
    """A way to learn, for the loop."""

    loss: Callable[[nn.Module, Any], Mapping[str, Tensor]]
    """Model and batch -> the means of the losses by name; their sum is minimised."""
    optimizers: Callable[[nn.Module, PretrainConfig], Sequence[Optimizer]]
    """Makes the optimisers of a model."""


def pretraining_loss(model: Any, batch: Batch | CausalBatch) -> Mapping[str, Tensor]:
    """Return the parts of the loss by name: those of masked words, or that of the next token."""
    return next_token_loss(model, batch) if isinstance(batch, CausalBatch) else masked_loss(model, batch)


def words_loss(features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Return the mean of -log p(target), a scalar, where the logits are features weight^T + bias.

    Projection and loss are joined where the logits are many: that saves their memory, and is faster. For few,
    as of characters, torch's kernel is, with the numbers of `cross_entropy`. Arguments as of
    `linear_cross_entropy`.
    """
    if are_many(features, weight):
        return linear_cross_entropy(features, weight, bias, targets)
    logits = few_logits(features, weight, bias)
    total = F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum")
    return total / (targets != IGNORE).sum().clamp(min=1)  # torch's mean of nothing is not a number


def are_many(features: Tensor, weight: Tensor) -> bool:
    """Return whether the logits features weight^T are too many to be made at once."""
    return len(features) * len(weight) > FEW


def few_logits(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return features weight^T + bias, at least in float32, also where autocast made them in half of it."""
    logits = F.linear(features, weight, bias)
    return logits.to(at_least_float32(logits.dtype))


def masked_loss(model: Any, batch: Batch) -> Mapping[str, Tensor]:
    """Return the two parts of the loss of Devlin et al. 2019, section 3.1; one where there are no pairs.

    word_loss = mean over predicted words of -log p(word)
    pair_loss = mean over pairs of -log p(true next or random)
    """
    features, pairs = model.features(batch.ids, batch.segments, batch.attend, batch.slots)
    words = words_loss(features, model.words.weight, model.words.bias, batch.targets)
    if batch.pair_labels is None:
        return {"word_loss": words}
    return {"word_loss": words, "pair_loss": cross_entropy(pairs, batch.pair_labels)}


def next_token_loss(model: Any, batch: CausalBatch) -> Mapping[str, Tensor]:
    """Return word_loss = mean over all tokens of -log p(token, given those before it).

    Bengio et al. 2003, section 2; Radford et al. 2018, eq. 1.
    """
    features = model.features(batch.ids).flatten(0, 1)  # (B T, D)
    weight, targets = model.tokens.weight, batch.targets.flatten()
    if are_many(features, weight):
        return {"word_loss": linear_cross_entropy(features, weight, None, targets)}
    return {"word_loss": F.cross_entropy(few_logits(features, weight, None), targets)}  # all of them count


def divide(model: nn.Module, config: PretrainConfig) -> tuple[list[nn.Parameter], list[nn.Parameter], float]:
    """Return the parameters of Muon, those of AdamW, and AdamW's peak learning rate.

    Muon has the matrices between hidden states, if it is asked for; AdamW the rest: embeddings, which are
    output projections too, the pairs' two outputs, biases and norms.
    """
    embeddings = [m.weight for m in model.modules() if isinstance(m, nn.Embedding)]
    pairs = getattr(model, "pairs", None)
    apart = {id(p) for p in [*embeddings, *(pairs.parameters() if pairs else ())]}
    between = [p for p in model.parameters() if p.ndim == 2 and id(p) not in apart]
    matrices = between if config.optimizer == "muon" else []
    theirs = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in theirs]
    return matrices, rest, config.lr or (4e-3 if matrices else 1e-3)


def muon_groups(model: nn.Module, matrices: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    """Return matrices of a model as `Muon` takes them: queries, keys and values that are one are three."""
    three = {id(m.project.weight) for m in model.modules() if isinstance(m, CausalAttention)}
    groups = [
        {"params": [p for p in matrices if id(p) not in three]},
        {"params": [p for p in matrices if id(p) in three], "parts": 3},
    ]
    return [group for group in groups if group["params"]]


def optimizers(model: nn.Module, config: PretrainConfig) -> Sequence[Optimizer]:
    """Return the optimisers that `divide` tells of.

    AdamW is torch's fused one, which the tests hold equal to ours step by step.
    """
    matrices, rest, lr = divide(model, config)
    adamw = torch.optim.AdamW(decay_groups(rest, config.weight_decay), lr=lr, betas=(0.9, 0.98), fused=True)
    return [adamw, Muon(muon_groups(model, matrices), config.matrix_lr)] if matrices else [adamw]


TORCH = Learning(pretraining_loss, optimizers)
"""The gradients are autograd's."""
