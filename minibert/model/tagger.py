"""Taggers: BERT, ModernBERT and GPT-2 with a head that tells of every token what it is."""

from torch import Generator, Tensor

from minibert.config import BertConfig, HeadConfig
from minibert.model.task_model import BertTask, GptTask, ModernBertTask


class BertTagger(BertTask):
    """BERT that tells the tag of every token: logits = W dropout(h) + b, where h (D,) is its hidden state.

    Devlin et al. 2019, section 5.3. Nothing reads the pooler, so there is none.
    """

    def __init__(
        self, config: BertConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config, generator)
        del self.bert.pooler

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of every token's tags: features (B, T, D) to (B, T, C)."""
        return self.output(self.dropout(features))


class ModernBertTagger(ModernBertTask):
    """ModernBERT that tells the tag of every token.

    logits = W dropout(norm(gelu(P h))) + b, where h (D,) is its hidden state. Warner et al. 2024; the head is
    in their published code.
    """


class GptTagger(GptTask):
    """GPT-2 that tells the tag of every token: logits = W dropout(h) + b, where h (D,) is its hidden state.

    A token's tag is told from what stands before it alone, for that is all that the token has seen.
    """
