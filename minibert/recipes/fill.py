"""Fill in the blanks: what a masked-word model puts where [MASK] stands."""

from pathlib import Path

import numpy as np
import torch

from minibert.batches.sampling import permutation
from minibert.config import require
from minibert.hub import from_pretrained
from minibert.model.bert import BertForPretraining
from minibert.model.task_model import TaskModel
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.store import Store
from minibert.text.wordpiece import is_chinese

Guesses = list[tuple[str, float]]
"""Pieces with their probabilities, the likeliest first."""


@torch.no_grad()
def guess(model: BertForPretraining, tokenizer: BaseTokenizer, ids: list[int], top: int) -> list[Guesses]:
    """Return the `top` likeliest pieces for each [MASK] in `ids`, a text without [CLS] and [SEP].

    Raises ValueError when there is no [MASK], or the text is longer than the model.
    """
    require(tokenizer.mask_id in ids, "the text has no [MASK]; write one where a word is to be filled in")
    longest = model.config.max_positions - 2
    require(
        len(ids) <= longest, f"the text has {len(ids)} tokens, the model reads at most {longest}; shorten it"
    )
    row = torch.tensor([[tokenizer.cls_id, *ids, tokenizer.sep_id]])  # (1, T)
    slots = (row[0] == tokenizer.mask_id).nonzero()[:, 0]
    device = next(model.parameters()).device
    logits = model(row.to(device), slots=slots.to(device)).words  # (N, V)
    best = logits.softmax(1).topk(min(top, logits.shape[1]))
    return [
        [(tokenizer.piece(i), p) for i, p in zip(pieces, shares, strict=True)]
        for pieces, shares in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def fill(run: Path, text: str, top: int = 5) -> list[Guesses]:
    """Return for each [MASK] in `text` the `top` likeliest pieces, by the model in the folder `run`."""
    model, tokenizer = from_pretrained(run)
    if tokenizer is None:
        raise ValueError(f"{run} holds no tokenizer (tokenizer.json or vocab.txt), so text cannot be read")
    require(
        not isinstance(model, TaskModel),
        f"{run} holds a {type(model).__name__}, which guesses no words; take the folder it was made from",
    )
    return guess(model, tokenizer, tokenizer.encode_blanks(text), top)


def sample_blanks(
    model: BertForPretraining, tokenizer: BaseTokenizer, store: Store, count: int = 10, seed: int = 0
) -> list[dict]:
    """Blank one word in each of `count` sentences of `store` and let the model fill it.

    Sentences have 10 to 30 tokens. The word is one whole piece of at least four letters, or a Chinese
    character, and not the last.

    Returns:
        Dictionaries with `text` (with [MASK]), `answer` and `guesses`; fewer when the store has fewer such
        sentences.
    """
    lengths = np.diff(store.sentences)
    fitting = np.flatnonzero((lengths >= 10) & (lengths <= 30))
    blanks = []
    for sentence in fitting[permutation(len(fitting), seed, 0)]:
        ids = [int(i) for i in store.ids[store.sentences[sentence] : store.sentences[sentence + 1]]]
        words = [place for place in range(len(ids) - 1) if _is_telling(tokenizer, ids, place)]
        if not words:
            continue
        place = words[int(sentence) % len(words)]
        answer, ids[place] = tokenizer.piece(ids[place]), tokenizer.mask_id
        [guesses] = guess(model, tokenizer, ids, top=5)
        blanks.append({"text": tokenizer.decode(ids), "answer": answer, "guesses": guesses})
        if len(blanks) == count:
            break
    return blanks


def _is_telling(tokenizer: BaseTokenizer, ids: list[int], place: int) -> bool:
    """Whether a reader can judge a guess at this piece: it is a whole word, and not a little one."""
    piece = tokenizer.piece(ids[place])
    whole = piece.isalpha() and not tokenizer.continuation[ids[place + 1]]
    return whole and (len(piece) >= 4 or is_chinese(piece[0]))
