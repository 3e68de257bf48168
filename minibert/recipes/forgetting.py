"""What a model forgets while it is fine-tuned: how well its body still guesses the words of its first texts.

The body is put back under the head with which it learned to guess words, which has not changed: neither its
layers nor its output, which is the token embedding as it was. The loss is that of the evaluation of
pretraining (see `minibert.recipes.evaluate`) on documents that were held out of it: of masked words, or of
the next token for GPT-2.
"""

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minibert.config import require
from minibert.model.gpt import Gpt
from minibert.recipes.data import prepare
from minibert.recipes.evaluate import EXAMPLES, evaluate, held_out_batches
from minibert.recipes.strategies import merged
from minibert.recipes.word_heads import open_word_model
from minibert.text.store import Store


class NextWords(nn.Module):
    """A GPT-2 whose output projection is not its own token embedding, but that of another."""

    def __init__(self, gpt: Gpt, output: Tensor) -> None:
        super().__init__()
        self.gpt, self.output = gpt, output

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits of every token's successor: (B, T) to (B, T, V)."""
        return F.linear(self.gpt.features(ids), self.output)


@torch.no_grad()
def under_its_head(pretrained: Any, body: nn.Module) -> nn.Module:
    """Return a model with the weights of a fine-tuned body, under the head that it was pretrained with.

    Args:
        pretrained: the model whose body it was; it gets the body's weights.
        body: has weights of the same names, but may lack a pooler.
    """
    causal = isinstance(pretrained, Gpt)
    own = pretrained if causal else pretrained.bert
    output = (pretrained.tokens if causal else pretrained.words).weight.detach().clone()
    for name, weight in body.named_parameters():
        own.get_parameter(name).copy_(weight)
    if causal:
        return NextWords(pretrained, output)
    pretrained.words.weight = nn.Parameter(output)
    return pretrained


def forgetting(
    pretrained: str | Path, model: Any, store: Store, seq_len: int, examples: int = EXAMPLES
) -> dict[str, float]:
    """Return the loss of guessing words before and after fine-tuning (nats per predicted token).

    Args:
        pretrained: the folder that the body came from.
        model: the task model; it stays as it is.
        store: held-out text of the pretraining, of running text for GPT-2: see `held_out_text`.
        seq_len: tokens in a row.
        examples: rows to look at, at most.

    Returns:
        `before` and `after`.

    Raises:
        ValueError: `pretrained` has no head for words, so what is forgotten cannot be measured.
    """
    own, tokenizer = open_word_model(pretrained)
    own.to(next(model.parameters()).device)
    objective = "clm" if isinstance(own, Gpt) else "mlm"
    batches = held_out_batches(store, tokenizer, seq_len, objective)
    before = evaluate(own, batches, examples)["word_loss"]
    after = evaluate(under_its_head(own, merged(model).body), batches, examples)["word_loss"]
    return {"before": before, "after": after}


def held_out_text(run: Path) -> tuple[Store, int]:
    """Return what a pretraining run held out of its corpus, and how many tokens its rows had.

    Raises ValueError where the folder is no run of ours, or its corpus is gone or holds nothing out.
    """
    file = run / "run.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))["config"]
        corpus, seq_len = config["corpus"], config["seq_len"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{file} does not say what text the model was pretrained on") from None
    _, tokenizer = open_word_model(run)
    running = config["objective"] == "clm"
    text = prepare(corpus, len(tokenizer), tokenizer, running=running)
    require(text.held_out is not None, f"nothing was held out of {', '.join(corpus)}")
    assert text.held_out is not None
    return text.held_out, seq_len
