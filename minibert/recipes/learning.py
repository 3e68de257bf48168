"""What pretraining makes small, and what moves the weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.batches.batch import Batch
from minibert.config import PretrainConfig
from minibert.model.bert import BertForPretraining
from minibert.train.loss import cross_entropy, linear_cross_entropy
from minibert.train.optimizer import Muon, decay_groups


@dataclass(frozen=True)
class Learning:
    """A way to learn, for the loop."""

    loss: Callable[[nn.Module, Batch], Mapping[str, Tensor]]
    """Model and batch -> the means of the losses by name; their sum is minimised."""
    optimizers: Callable[[BertForPretraining, PretrainConfig], Sequence[Optimizer]]
    """Makes the optimisers of a model."""


def pretraining_loss(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
    """Return the two parts of the loss of Devlin et al. 2019, section 3.1; one where there are no pairs.

    word_loss = mean over predicted words of -log p(word)
    pair_loss = mean over pairs of -log p(true next or random)
    """
    assert isinstance(model, BertForPretraining)
    features, pairs = model.features(batch.ids, batch.segments, batch.attend, batch.slots)
    words = linear_cross_entropy(features, model.words.weight, model.words.bias, batch.targets)
    if batch.pair_labels is None:
        return {"word_loss": words}
    return {"word_loss": words, "pair_loss": cross_entropy(pairs, batch.pair_labels)}


def divide(
    model: BertForPretraining, config: PretrainConfig
) -> tuple[list[Tensor], list[nn.Parameter], float]:
    """Return the parameters of Muon, those of AdamW, and AdamW's peak learning rate.

    Muon has the matrices between hidden states, if it is asked for; AdamW the rest: embeddings, the pairs'
    two outputs, biases and norms.
    """
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and m is not model.pairs]
    matrices = [m.weight for m in linear] if config.optimizer == "muon" else []
    theirs = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in theirs]
    return matrices, rest, config.lr or (4e-3 if matrices else 1e-3)


def optimizers(model: BertForPretraining, config: PretrainConfig) -> Sequence[Optimizer]:
    """Return the optimisers that `divide` tells of.

    AdamW is torch's fused one, which the tests hold equal to ours step by step.
    """
    matrices, rest, lr = divide(model, config)
    adamw = torch.optim.AdamW(decay_groups(rest, config.weight_decay), lr=lr, betas=(0.9, 0.98), fused=True)
    return [adamw, Muon(matrices, config.matrix_lr)] if matrices else [adamw]


TORCH = Learning(pretraining_loss, optimizers)
"""The gradients are autograd's."""
