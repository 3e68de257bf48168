"""Augmentation, made ready: for each word, others that the model itself would put there before it learns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from tqdm import tqdm

from minibert.batches.augmenting import Augmentation, require_fitting
from minibert.batches.labels import Encoded, Ints, LabelledBatch, LabelledBatches, Ragged
from minibert.config import FinetuneConfig, Task
from minibert.recipes.predicting import TOKENS
from minibert.recipes.word_heads import open_word_model
from minibert.text.base_tokenizer import BaseTokenizer

CHOICES = 8
"""C, words to choose from for each word."""

APART = 7
"""Of so many neighbouring tokens one is masked at a time: about the share that pretraining masks."""

NONE = -1
"""Stands where a token has no substitutes."""

Bools = NDArray[np.bool_]


def augmentation_for(
    config: FinetuneConfig,
    task: Task,
    body: str | Path,
    encoded: Encoded,
    tokenizer: BaseTokenizer,
    device: torch.device,
) -> Augmentation | None:
    """Return how a fine-tuning changes its training texts; None where it does not.

    Args:
        config: the rates, and the seed.
        task: what the texts are learned for.
        body: the folder or the card of the pretrained model, which is asked for other words.
        encoded: the training texts.
        tokenizer: that they were encoded with.
        device: where the model is asked.

    Raises:
        ValueError: words would be moved in texts whose labels say where words stand; words are to be
            replaced, and the model has no head that guesses masked words.
    """
    require_fitting(config, task)
    if not (config.delete or config.swap or config.replace):
        return None
    others = None
    if config.replace:
        model, _ = open_word_model(body, causal=False)
        others = substitutes(model.to(device), tokenizer, encoded, Generator().manual_seed(config.seed))
    specials = np.array(tokenizer.special_ids)
    return Augmentation(encoded, specials, config.delete, config.swap, config.replace, others)


@torch.inference_mode()
def substitutes(model: Any, tokenizer: BaseTokenizer, encoded: Encoded, generator: Generator) -> Ints:
    """Return C other words for each word of some texts, drawn as likely as the model thinks them there.

    Words are tokens with a letter or a digit that are a whole word, and so are those in their place, which
    are never the word itself. A word of several pieces has no substitutes.

    Source: Kobayashi 2018 ("Contextual augmentation"), without its look at the label.

    Args:
        model: of masked words, in evaluation mode.
        tokenizer: the model's.
        encoded: the texts.
        generator: on the CPU; draws.

    Returns:
        (tokens, C) int64; NONE where a token has none.
    """
    found = np.full((len(encoded.ids.values), CHOICES), NONE)
    places = Ragged(np.arange(len(found)), encoded.ids.starts)
    batches, fit = LabelledBatches(encoded, tokenizer.pad_id, batch_size=1), word_pieces(tokenizer)
    device = next(model.parameters()).device
    with tqdm(total=len(encoded), desc="other words", unit="row", leave=False, disable=None) as bar:
        for batch in batches.in_order(TOKENS.get(device.type, TOKENS["cpu"])):
            ids, own = batch.ids.numpy(), places.padded(batch.rows.numpy(), NONE)  # (B, T)
            words, column = whole_words(ids, fit, tokenizer.continuation), np.arange(ids.shape[1])
            for turn in range(APART):
                masked = words & (column % APART == turn)
                if masked.any():
                    blanks = torch.from_numpy(masked)
                    found[own[masked]] = other_words(model, batch, blanks, tokenizer.mask_id, fit, generator)
            bar.update(len(ids))
    return found


def other_words(
    model: Any, batch: LabelledBatch, masked: Tensor, mask_id: int, fit: Bools, generator: Generator
) -> Ints:
    """Return C words for each of the N tokens of a batch that are masked, True in (B, T): (N, C).

    They are drawn from the pieces that `fit`, (V,), but the one that stands there.
    """
    device, ids = next(model.parameters()).device, batch.ids
    slots = masked.flatten().nonzero()[:, 0]  # (N,)
    shown = replace(batch, ids=ids.masked_fill(masked, mask_id)).to(device)
    logits = model(shown.ids, shown.segments, shown.attend, slots.to(device)).words.float().cpu()  # (N, V)
    logits[:, ~torch.from_numpy(fit)] = -torch.inf
    logits.scatter_(1, ids[masked][:, None], -torch.inf)
    return torch.multinomial(logits.softmax(1), CHOICES, replacement=True, generator=generator).numpy()


def word_pieces(tokenizer: BaseTokenizer) -> Bools:
    """Return which pieces can be a word: they begin one and have a letter or a digit. (V,)"""
    written = [any(char.isalnum() for char in tokenizer.piece(id)) for id in range(len(tokenizer))]
    fit = np.array(written) & ~tokenizer.continuation
    fit[list(tokenizer.special_ids)] = False
    return fit


def whole_words(ids: Ints, fit: Bools, continuation: Bools) -> Bools:
    """Return which tokens of rows (B, T) are whole words: pieces that `fit`, with which no other goes on."""
    ends = np.ones(ids.shape, bool)
    ends[:, :-1] = ~continuation[ids[:, 1:]]
    return fit[ids] & ends
