"""Taggers: BERT, ModernBERT and GPT-2 with a head that tells of every token what it is."""

from torch import Generator, Tensor

from minibert.config import BertConfig, GptConfig, HeadConfig, ModernBertConfig
from minibert.model.bert import Bert, BertForPretraining
from minibert.model.classifier import ModernHead, TaskModel, check_padding, fresh_linear
from minibert.model.gpt import Gpt
from minibert.model.modernbert import ModernBert, ModernBertForPretraining


class BertTagger(TaskModel):
    """BERT that tells the tag of every token: logits = W dropout(h) + b, where h (D,) is its hidden state.

    Devlin et al. 2019, section 5.3. Nothing reads the pooler, so there is none.
    """

    def __init__(
        self, config: BertConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config)
        self.bert = BertForPretraining(config, generator).bert
        del self.bert.pooler
        self.output = fresh_linear(config.width, head_config.outputs, config.init_std, generator)

    @property
    def body(self) -> Bert:
        """The encoder."""
        return self.bert

    def features(self, ids: Tensor, segments: Tensor | None = None, attend: Tensor | None = None) -> Tensor:
        """Return the hidden state of every token: (B, T, D); arguments as of `Bert`."""
        return self.bert(ids, segments, attend)

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of every token's tags: features (B, T, D) to (B, T, C)."""
        return self.output(self.dropout(features))


class ModernBertTagger(TaskModel):
    """ModernBERT that tells the tag of every token.

    logits = W dropout(norm(gelu(P h))) + b, where h (D,) is its hidden state. Warner et al. 2024; the head is
    in their published code.
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
        """Return the hidden state of every token: (B, T, D).

        Arguments as of `ModernBert`; segments are not looked at.
        """
        return self.bert(ids, attend)

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of every token's tags: features (B, T, D) to (B, T, C)."""
        return self.output(self.dropout(self.head(features)))


class GptTagger(TaskModel):
    """GPT-2 that tells the tag of every token: logits = W dropout(h) + b, where h (D,) is its hidden state.

    A token's tag is told from what stands before it alone, for that is all that the token has seen.
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
        """Return the logits of every token's tags: features (B, T, D) to (B, T, C)."""
        return self.output(self.dropout(features))
