"""Other words for those of a text: drawn by the model, for whole words alone, and never the word itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import small_tokenizer
from torch import Generator, Tensor, nn
from word_models import saved, sentences

from minibert.config import FinetuneConfig
from minibert.model.bert import PretrainingOutput
from minibert.recipes.substitutes import APART, NONE, augmentation_for, substitutes, whole_words, word_pieces
from minibert.recipes.word_heads import open_word_model
from minibert.text.base_tokenizer import BaseTokenizer

CPU = torch.device("cpu")


class Sure(nn.Module):
    """Guesses for every slot the piece before the masked one, and a little its own number of masks."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.size = size
        self.seen: list[Tensor] = []

    def forward(self, ids: Tensor, segments: Tensor, attend: Any, slots: Tensor) -> PretrainingOutput:
        self.seen.append(ids.flatten()[slots])
        before = ids.flatten()[slots - 1]
        words = 50 * nn.functional.one_hot(before, self.size).float()
        return PretrainingOutput(ids, words, ids)


def words_of(row: np.ndarray, tokenizer: BaseTokenizer) -> np.ndarray:
    """(T,), True for the whole words of a row (T,)."""
    return whole_words(row[None], word_pieces(tokenizer), tokenizer.continuation)[0]


def test_a_word_is_a_token_with_a_letter_that_no_other_goes_on_with() -> None:
    tokenizer = small_tokenizer()
    fit = word_pieces(tokenizer)
    assert not fit[list(tokenizer.special_ids)].any()
    assert fit[tokenizer.vocab["the"]] and not fit[tokenizer.vocab["."]]
    pieces = [piece for piece, good in zip(tokenizer.vocab, fit, strict=True) if good]
    assert not any(piece.startswith("##") for piece in pieces)

    goes_on = next(id for piece, id in tokenizer.vocab.items() if piece.startswith("##"))
    the, dot = tokenizer.vocab["the"], tokenizer.vocab["."]
    row = np.array([tokenizer.cls_id, the, the, goes_on, dot, the])
    assert np.flatnonzero(words_of(row, tokenizer)).tolist() == [1, 5]


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_only_words_have_substitutes_and_these_are_other_words(kind: str, tmp_path: Path) -> None:
    model, tokenizer = open_word_model(saved(kind, tmp_path))
    encoded = sentences()
    found = substitutes(model, tokenizer, encoded, Generator().manual_seed(0))
    fit, ids = word_pieces(tokenizer), encoded.ids.values
    rows = np.split(ids, encoded.ids.starts[1:-1])
    words = np.concatenate([words_of(row, tokenizer) for row in rows])
    assert 50 < words.sum() < len(words)
    assert (found[~words] == NONE).all()
    assert fit[found[words]].all()
    assert (found[words] != ids[words][:, None]).all()


def test_they_are_drawn_as_likely_as_the_model_thinks_them(tmp_path: Path) -> None:
    model, tokenizer = open_word_model(saved("bert", tmp_path))
    encoded = sentences(1)
    words = words_of(encoded.ids.values, tokenizer)
    the = int(np.flatnonzero(words)[0])
    drawn = np.concatenate(
        [substitutes(model, tokenizer, encoded, Generator().manual_seed(seed))[the] for seed in range(250)]
    )
    ids = torch.from_numpy(encoded.ids.values)[None]
    masked = torch.from_numpy(words & (np.arange(len(words)) % APART == the % APART))
    with torch.no_grad():
        logits = model(ids.masked_fill(masked, tokenizer.mask_id)).words[0, the]
    logits[~torch.from_numpy(word_pieces(tokenizer))] = -torch.inf
    logits[ids[0, the]] = -torch.inf
    expected = logits.softmax(0).numpy()
    shares = np.bincount(drawn, minlength=len(tokenizer)) / len(drawn)
    likely = expected > 0.02
    assert likely.sum() >= 3
    np.testing.assert_allclose(shares[likely], expected[likely], atol=4 * np.sqrt(0.25 / len(drawn)))


def test_the_model_sees_a_mask_in_the_word_s_place_and_the_words_beside_it() -> None:
    tokenizer = small_tokenizer()
    model, encoded = Sure(len(tokenizer)), sentences(6)
    found = substitutes(model, tokenizer, encoded, Generator().manual_seed(0))
    assert all((seen == tokenizer.mask_id).all() for seen in model.seen)
    ids, fit = encoded.ids.values, word_pieces(tokenizer)
    asked = np.flatnonzero(found[:, 0] != NONE)
    sure = [place for place in asked if fit[ids[place - 1]] and ids[place - 1] != ids[place]]
    assert len(sure) > 5
    assert all((found[place] == ids[place - 1]).all() for place in sure)


def test_the_same_seed_draws_the_same_words(tmp_path: Path) -> None:
    model, tokenizer = open_word_model(saved("bert", tmp_path))
    first, again, other = (
        substitutes(model, tokenizer, sentences(), Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert (first == again).all() and not (first == other).all()


def test_a_fine_tuning_gets_the_changes_it_asks_for(tmp_path: Path) -> None:
    folder, encoded, tokenizer = saved("bert", tmp_path), sentences(), small_tokenizer()
    assert augmentation_for(FinetuneConfig(), "tags", folder, encoded, tokenizer, CPU) is None
    moves = augmentation_for(FinetuneConfig(delete=0.1, swap=0.2), "classes", folder, encoded, tokenizer, CPU)
    assert moves is not None and moves.substitutes is None
    assert (moves.delete, moves.swap, moves.replace) == (0.1, 0.2, 0.0)
    assert set(moves.special_ids.tolist()) == set(tokenizer.special_ids)
    full = augmentation_for(FinetuneConfig(replace=0.3), "tags", folder, encoded, tokenizer, CPU)
    assert full is not None and full.substitutes is not None
    assert full.substitutes.shape == (len(encoded.ids.values), 8)
    with pytest.raises(ValueError, match="--delete and --swap move words"):
        augmentation_for(FinetuneConfig(swap=0.1), "spans", folder, encoded, tokenizer, CPU)


def test_words_are_not_replaced_by_a_model_that_guesses_none(tmp_path: Path) -> None:
    folder = saved("gpt", tmp_path)
    with pytest.raises(ValueError, match="no head that guesses words"):
        augmentation_for(FinetuneConfig(replace=0.3), "classes", folder, sentences(), small_tokenizer(), CPU)
