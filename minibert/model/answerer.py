"""Answerers: BERT, ModernBERT and GPT-2 with a head that tells where in a text an answer begins and ends."""

from torch import Generator, Tensor

from minibert.config import BertConfig, GptConfig, HeadConfig, ModernBertConfig
from minibert.model.bert import Bert, BertForPretraining
from minibert.model.classifier import ModernHead, TaskModel, check_padding, fresh_linear
from minibert.model.gpt import Gpt
from minibert.model.modernbert import ModernBert, ModernBertForPretraining


class BertAnswerer(TaskModel):
    """BERT that tells where the answer to a question stands.

    logits[t] = (S dropout(h_t) + s, E dropout(h_t) + e), where h_t (D,) is the hidden state of token t: how
    much speaks for an answer that begins there, and for one that ends there. The softmax of each runs over
    the tokens of the text. Devlin et al. 2019, section 4.2. Nothing reads the pooler, so there is none.

    Differs from `transformers`: that has no dropout here.
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
        """Return the logits of start and end at every token: features (B, T, D) to (B, T, 2)."""
        return self.output(self.dropout(features))


class ModernBertAnswerer(TaskModel):
    """ModernBERT that tells where the answer to a question stands: see `BertAnswerer`.

    Between h_t and the two products stands norm(gelu(P h_t)), as in all heads of ModernBERT.
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
        """Return the logits of start and end at every token: features (B, T, D) to (B, T, 2)."""
        return self.output(self.dropout(self.head(features)))


class GptAnswerer(TaskModel):
    """GPT-2 that tells where the answer to a question stands: see `BertAnswerer`.

    The question must come before the text: what comes later, no token has seen.

    Differs from `transformers`: that has no dropout here.
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
        """Return the logits of start and end at every token: features (B, T, D) to (B, T, 2)."""
        return self.output(self.dropout(features))
