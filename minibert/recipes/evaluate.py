"""How good a pretrained model is on held-out text. Every figure that we state comes out of this file.

What the metrics are, for a model of masked words:

- Examples: `EXAMPLES` segment pairs (or all there are) from documents held out whole, drawn with seed
  `SEED`, at the length trained with. Half the pairs are true nexts; the random ones come from another
  held-out document.
- Masks: 15 % of the tokens of each example, drawn with the same seed; of these 80 % show [MASK], 10 % a
  random token, 10 % the true one. Specials and padding are never predicted.
- Word loss: mean of -log p(true token) over the predicted tokens, in nats. Word accuracy: share of them
  whose likeliest token is the true one.
- Pair loss and pair accuracy: the same over the pairs, two classes; guessing gives 0.5.

For a causal model:

- Examples: `EXAMPLES` blocks (or all there are) of held-out text, at the length trained with, where `SEED`
  puts them. Each token of a block is predicted from those before it in the block, and the one behind the
  block too; ends of documents count as tokens.
- Word loss and word accuracy: as above, over all tokens. Bits per byte: the same loss in bits, over the bytes
  of the text (UTF-8), so that tokenizers compare: loss / ln 2 * tokens / bytes.

For both: baselines, fitted on the text trained on and asked for the same tokens, see
`minibert.recipes.baselines`.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from minibert.batches.batch import IGNORE, Batch, PretrainingBatches
from minibert.batches.causal import CausalBatch, CausalBatches
from minibert.config import Objective
from minibert.recipes.baselines import Bigram
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.store import Store
from minibert.train.loss import cross_entropy

SEED = 0
MASK_RATE = 0.15
EXAMPLES = 2048
TOKENS = 64 * 80
"""Tokens that go through the model together; the numbers do not depend on it."""

Batches = PretrainingBatches | CausalBatches


def held_out_batches(store: Store, tokenizer: BaseTokenizer, seq_len: int, objective: Objective) -> Batches:
    """Return the batches that evaluation uses."""
    rows = max(1, TOKENS // seq_len)
    if objective == "clm":
        return CausalBatches(store, rows, seq_len, seed=SEED)
    pairs = objective == "mlm+nsp"
    return PretrainingBatches(store, tokenizer, rows, seq_len, MASK_RATE, pairs=pairs, seed=SEED)


def answers(model: Any, batch: Batch | CausalBatch) -> dict[str, tuple[Tensor, Tensor]]:
    """Return for each kind of question the logits (N, classes) and the true classes (N,), or IGNORE."""
    if isinstance(batch, CausalBatch):
        return {"word": (model(batch.ids).flatten(0, 1), batch.targets.flatten())}
    output = model(batch.ids, batch.segments, batch.attend, batch.slots)
    found = {"word": (output.words, batch.targets)}
    return found if batch.pair_labels is None else {**found, "pair": (output.pairs, batch.pair_labels)}


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches, examples: int = EXAMPLES) -> dict[str, float]:
    """Return losses, accuracies and counts on the first `examples` examples of `batches`.

    Args:
        model: in eval mode.
        batches: from `held_out_batches`.
        examples: how many to use; no more than an epoch holds.
    """
    device = next(model.parameters()).device
    losses, hits, counts = (defaultdict(float) for _ in range(3))
    for batch in in_parts(batches, examples):
        for name, (logits, true) in answers(model, batch.to(device)).items():
            asked = true != IGNORE
            count = int(asked.sum())
            counts[name] += count
            losses[name] += count * float(cross_entropy(logits, true))
            hits[name] += float((logits.argmax(1) == true)[asked].sum())
    result: dict[str, float] = {}
    for name, count in counts.items():
        result |= {
            f"{name}_loss": losses[name] / max(count, 1),
            f"{name}_accuracy": hits[name] / max(count, 1),
        }
    if "pair" in counts:
        result["pairs"] = int(counts["pair"])
    return result | {"word_predictions": int(counts["word"])}


def in_parts(batches: Batches, examples: int) -> Sequence[Batch | CausalBatch]:
    """Return the first `examples` examples, or one epoch if that is less, in batches."""
    examples = min(examples, len(batches))
    firsts = range(0, examples, batches.batch_size)
    return [batches.examples(first, min(batches.batch_size, examples - first)) for first in firsts]


def baselines(
    train: Store, batches: Batches, vocab_size: int, examples: int = EXAMPLES
) -> dict[str, dict[str, float]]:
    """Return loss and accuracy of the unigram and the bigram model, asked for the same tokens."""
    bigram = Bigram.fit(train.ids, train.sentences[train.documents], vocab_size)
    asked = [questions(batch) for batch in in_parts(batches, examples)]
    before, true = (np.concatenate(part) for part in zip(*asked, strict=True))
    return {"unigram": bigram.unigram_score(true), "bigram": bigram.score(before, true)}


def questions(batch: Batch | CausalBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return for each predicted token the true token before it, and itself: two arrays (N,)."""
    if isinstance(batch, CausalBatch):
        return batch.ids.flatten().numpy(), batch.targets.flatten().numpy()
    asked = batch.targets != IGNORE
    slots, true = batch.slots[asked], batch.targets[asked]
    row = batch.ids.flatten().scatter(0, slots, true)  # the text as it was
    return row[slots - 1].numpy(), true.numpy()


def bytes_per_token(store: Store, tokenizer: BaseTokenizer) -> float:
    """Return how many bytes of text (UTF-8) a token stands for, on the average; an end is a token too."""
    ids = np.asarray(store.ids)
    written = tokenizer.decode(ids[~np.isin(ids, tokenizer.special_ids)].tolist())
    return len(written.encode()) / len(ids)


def full_evaluation(
    model: nn.Module, train: Store, batches: Batches, tokenizer: BaseTokenizer, step: int
) -> dict[str, Any]:
    """Return what evaluation.json holds, but for the samples."""
    result: dict[str, Any] = {
        "step": step,
        **evaluate(model, batches),
        "seq_len": batches.seq_len,
        "seed": SEED,
        "baselines": baselines(train, batches, len(tokenizer)),
    }
    if isinstance(batches, PretrainingBatches):
        return {**result, "mask_rate": MASK_RATE}
    bits = result["word_loss"] / math.log(2)
    return {**result, "bits_per_byte": bits / bytes_per_token(batches.store, tokenizer)}
