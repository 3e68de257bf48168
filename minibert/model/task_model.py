"""Models for a task: BERT, ModernBERT or GPT-2, and a head that reads what it makes of each token."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from minibert.config import BertConfig, GptConfig, HeadConfig, ModernBertConfig
from minibert.model.bert import Bert, BertForPretraining, padding_mask
from minibert.model.gpt import Gpt
from minibert.model.layernorm import BiasFreeLayerNorm
from minibert.model.modernbert import ModernBert, ModernBertForPretraining


def fresh_linear(
    inputs: int, outputs: int, std: float, generator: Generator | None, bias: bool = True
) -> nn.Linear:
    """Return a linear layer that has learned nothing: normal noise of standard deviation `std`, bias 0."""
    layer = nn.Linear(inputs, outputs, bias)
    with torch.no_grad():
        layer.weight.normal_(0, std, generator=generator)
        if bias:
            layer.bias.zero_()
    return layer


class TaskModel(nn.Module):
    """A body and a head for a task: forward = logits(features(…)).

    The two halves are apart for the sake of a body that does not learn: its features need to be worked out
    only once.

    Every kind of task model is made of

        config: the shape of its body.
        head_config: the task, the names of the outputs, and the dropout in front of the head.
        generator: draws the first weights, of the body too; torch's own if not given.
    """

    def __init__(self, config: BertConfig | ModernBertConfig | GptConfig, head_config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self.head_config = head_config
        self.dropout = nn.Dropout(head_config.dropout)

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return what the head reads: (B, D) of a text, or (B, T, D) of its tokens.

        ids (B, T) int64; segments (B, T) int64, all 0 if not given, read by BERT alone; attend (B, T) bool,
        False on padding, all True if not given. ValueError as of the body.
        """
        raise NotImplementedError

    def logits(self, features: Tensor) -> Tensor:
        """Return the C outputs of the head for its features: (B, C), or (B, T, C)."""
        raise NotImplementedError

    def forward(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the logits of texts; arguments as of `features`."""
        return self.logits(self.features(ids, segments, attend))


class BertTask(TaskModel):
    """BERT and a head for a task, which reads every token. What it makes of them each kind tells itself."""

    def __init__(
        self, config: BertConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config)
        self.bert = BertForPretraining(config, generator).bert
        self.output = fresh_linear(config.width, head_config.outputs, config.init_std, generator)

    @property
    def body(self) -> Bert:
        """The encoder."""
        return self.bert

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of every token: (B, T, D); arguments as of `Bert`."""
        return self.bert(ids, segments, attend)


class ModernHead(nn.Module):
    """What stands between ModernBERT and the last layer of any head: norm(gelu(W h)), (..., D) to (..., D).

    Warner et al. 2024 take it over from the head for masked words, whose weights it can begin with.
    """

    def __init__(self, config: ModernBertConfig, generator: Generator | None = None) -> None:
        super().__init__()
        self.dense = fresh_linear(config.width, config.width, config.init_std, generator, bias=False)
        self.norm = BiasFreeLayerNorm(config.width, config.norm_eps)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map hidden (..., D) to (..., D)."""
        return self.norm(F.gelu(self.dense(hidden)))


class ModernBertTask(TaskModel):
    """ModernBERT and a head for a task, which reads every token: logits = W dropout(norm(gelu(P h))) + b."""

    def __init__(
        self, config: ModernBertConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config)
        self.bert = ModernBertForPretraining(config, generator).bert
        self.head = ModernHead(config, generator)
        self.output = fresh_linear(config.width, head_config.outputs, config.init_std, generator)

    @property
    def body(self) -> ModernBert:
        """The encoder."""
        return self.bert

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of every token: (B, T, D).

        Arguments as of `ModernBert`; segments are not looked at.
        """
        return self.bert(ids, attend)

    def logits(self, features: Tensor) -> Tensor:
        """Return the C outputs of the head for its features: (B, C), or (B, T, C)."""
        return self.output(self.dropout(self.head(features)))


def check_padding(ids: Tensor, attend: Tensor | None) -> None:
    """Raise ValueError when attend does not fit ids (B, T), or, on the CPU, has a token behind padding.

    A causal model needs no mask for padding on the right: no token looks there.
    """
    if attend is None:
        return
    padding_mask(ids, attend)  # raises
    if attend.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if bool((attend[:, 1:] & ~attend[:, :-1]).any()):
        raise ValueError("the padding of a causal model must stand on the right, behind all tokens")


class GptTask(TaskModel):
    """GPT-2 and a head for a task, which reads every token: logits = W dropout(h) + b.

    A token has seen what stands before it, and nothing else.
    """

    def __init__(
        self, config: GptConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config)
        self.gpt = Gpt(config, generator)
        self.output = fresh_linear(config.width, head_config.outputs, config.init_std, generator)

    @property
    def body(self) -> Gpt:
        """The stack."""
        return self.gpt

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of every token, behind the last norm: (B, T, D).

        ids as of `Gpt`; segments are not looked at. Raises ValueError for padding that is not on the right.
        """
        check_padding(ids, attend)
        return self.gpt.features(ids)

    def logits(self, features: Tensor) -> Tensor:
        """Return the C outputs of the head for its features: (B, C), or (B, T, C)."""
        return self.output(self.dropout(features))
