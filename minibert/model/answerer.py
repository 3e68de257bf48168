"""Answerers: BERT, ModernBERT and GPT-2 with a head that tells where in a text an answer begins and ends."""

from torch import Generator, Tensor

from minibert.config import BertConfig, HeadConfig
from minibert.model.task_model import BertTask, GptTask, ModernBertTask


class BertAnswerer(BertTask):
    """BERT that tells where the answer to a question stands.

    logits[t] = (S dropout(h_t) + s, E dropout(h_t) + e), where h_t (D,) is the hidden state of token t: how
    much speaks for an answer that begins there, and for one that ends there. The softmax of each runs over
    the tokens of the text. Devlin et al. 2019, section 4.2. Nothing reads the pooler, so there is none.

    Differs from `transformers`: that has no dropout here.
    """

    def __init__(
        self, config: BertConfig, head_config: HeadConfig, generator: Generator | None = None
    ) -> None:
        super().__init__(config, head_config, generator)
        del self.bert.pooler

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits of start and end at every token: features (B, T, D) to (B, T, 2)."""
        return self.output(self.dropout(features))


class ModernBertAnswerer(ModernBertTask):
    """ModernBERT that tells where the answer to a question stands: see `BertAnswerer`.

    Between h_t and the two products stands norm(gelu(P h_t)), as in all heads of ModernBERT.
    """


class GptAnswerer(GptTask):
    """GPT-2 that tells where the answer to a question stands: see `BertAnswerer`.

    The question must come before the text: what comes later, no token has seen.

    Differs from `transformers`: that has no dropout here.
    """
