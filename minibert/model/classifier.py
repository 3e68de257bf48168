"""Classifiers: BERT, ModernBERT and GPT-2 with a head that tells of a whole text what it is."""

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


def first_rows(ids: Tensor) -> Tensor:
    """Return the flat positions b T of the first tokens of ids (B, T): (B,)."""
    B, T = ids.shape
    return torch.arange(0, B * T, T, device=ids.device)


class BertClassifier(TaskModel):
    """BERT that tells what a text, or a pair of texts, is.

    logits = W dropout(tanh(P h + p)) + b, where h (D,) is the last hidden state of the first token, [CLS].
    Devlin et al. 2019, section 4.1; the pooler, P and p, is in their published code.
    """

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
        """Return the hidden state of each first token, before the pooler: (B, D).

        Arguments as of `Bert`. The last block is worked out there alone.
        """
        return self.bert(ids, segments, attend, first_rows(ids))

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of the labels: features (B, D) to (B, C)."""
        pooled = self.bert.pool(features[:, None])  # (B, D)
        return self.output(self.dropout(pooled))


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


class ModernBertClassifier(TaskModel):
    """ModernBERT that tells what a text is.

    logits = W dropout(norm(gelu(P h))) + b, where h (D,) is the last hidden state of the first token.
    Warner et al. 2024, section 3.1; the head is in their published code.
    """

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
        """Return the hidden state of each first token: (B, D).

        Arguments as of `ModernBert`; segments are not looked at. The last block is worked out there alone.
        """
        return self.bert(ids, attend, first_rows(ids))

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of the labels: features (B, D) to (B, C)."""
        return self.output(self.dropout(self.head(features)))


class ModernBertMeanClassifier(ModernBertClassifier):
    """`ModernBertClassifier` whose h is the mean of the last hidden states of all tokens but padding."""

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the mean hidden state of each text: (B, D); arguments as of `ModernBert`.

        Zeros for a text that is nothing but padding.
        """
        hidden = self.bert(ids, attend)  # (B, T, D)
        if attend is None:
            return hidden.mean(1)
        counted = attend[:, :, None].to(hidden.dtype)  # (B, T, 1)
        return (hidden * counted).sum(1) / counted.sum(1).clamp(min=1)


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


def last_rows(ids: Tensor, attend: Tensor | None) -> Tensor:
    """Return the flat positions b T + t of the last tokens that are not padding, of ids (B, T): (B,).

    The first token stands for a text that is nothing but padding.
    """
    B, T = ids.shape
    places = torch.arange(T, device=ids.device)
    last = places[-1] if attend is None else (places * attend).argmax(1)  # (B,)
    return first_rows(ids) + last


class GptClassifier(TaskModel):
    """GPT-2 that tells what a text is from its last token, the only one that has seen all of it.

    logits = W dropout(h), where h (D,) is what the next token would be guessed from, behind the last norm.
    Radford et al. 2018, section 3.2, where a token of its own ends the text.

    Differs from `transformers`: that has no dropout here.
    """

    def __init__(
        self, config: GptConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config)
        self.gpt = Gpt(config, generator)
        self.output = fresh_linear(config.width, head_config.outputs, config.init_std, generator, bias=False)

    @property
    def body(self) -> Gpt:
        """The stack."""
        return self.gpt

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of each last token that is not padding: (B, D).

        ids as of `Gpt`; segments are not looked at. What follows the attention of the last block is worked
        out there alone. Raises ValueError for padding that is not on the right.
        """
        check_padding(ids, attend)
        return self.gpt.features(ids, rows=last_rows(ids, attend))

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of the labels: features (B, D) to (B, C)."""
        return self.output(self.dropout(features))
