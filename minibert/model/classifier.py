"""Classifiers: BERT, ModernBERT and GPT-2 with a head that tells of a whole text what it is."""

import torch
from torch import Generator, Tensor

from minibert.config import GptConfig, HeadConfig
from minibert.model.task_model import BertTask, GptTask, ModernBertTask, check_padding


def first_rows(ids: Tensor) -> Tensor:
    """Return the flat positions b T of the first tokens of ids (B, T): (B,)."""
    B, T = ids.shape
    return torch.arange(0, B * T, T, device=ids.device)


class BertClassifier(BertTask):
    """BERT that tells what a text, or a pair of texts, is.

    logits = W dropout(tanh(P h + p)) + b, where h (D,) is the last hidden state of the first token, [CLS].
    Devlin et al. 2019, section 4.1; the pooler, P and p, is in their published code.
    """

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of each first token, before the pooler: (B, D).

        Arguments as of `Bert`. The last block is worked out there alone.
        """
        return self.bert(ids, segments, attend, first_rows(ids))

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of the labels: features (B, D) to (B, C)."""
        pooled = self.bert.pool(features[:, None])  # (B, D)
        return self.output(self.dropout(pooled))


class ModernBertClassifier(ModernBertTask):
    """ModernBERT that tells what a text is.

    logits = W dropout(norm(gelu(P h))) + b, where h (D,) is the last hidden state of the first token.
    Warner et al. 2024, section 3.1; the head is in their published code.
    """

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of each first token: (B, D).

        Arguments as of `ModernBert`; segments are not looked at. The last block is worked out there alone.
        """
        return self.bert(ids, attend, first_rows(ids))


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


def last_rows(ids: Tensor, attend: Tensor | None) -> Tensor:
    """Return the flat positions b T + t of the last tokens that are not padding, of ids (B, T): (B,).

    The first token stands for a text that is nothing but padding.
    """
    B, T = ids.shape
    places = torch.arange(T, device=ids.device)
    last = places[-1] if attend is None else (places * attend).argmax(1)  # (B,)
    return first_rows(ids) + last


class GptClassifier(GptTask):
    """GPT-2 that tells what a text is from its last token, the only one that has seen all of it.

    logits = W dropout(h), where h (D,) is what the next token would be guessed from, behind the last norm.
    Radford et al. 2018, section 3.2, where a token of its own ends the text.

    Differs from `transformers`: that has no dropout here.
    """

    def __init__(
        self, config: GptConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config, generator)
        self.output.register_parameter("bias", None)  # the folders of `transformers` have none

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of each last token that is not padding: (B, D).

        ids as of `Gpt`; segments are not looked at. What follows the attention of the last block is worked
        out there alone. Raises ValueError for padding that is not on the right.
        """
        check_padding(ids, attend)
        return self.gpt.features(ids, rows=last_rows(ids, attend))
