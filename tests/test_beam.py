"""Beam search: the best of all texts when no beam is lost, and otherwise what `transformers` finds."""

import itertools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from by_hand import by_hand
from hypothesis import given, settings
from small_causal import EACH, MODELS, V, twin
from strategies import seeds
from torch import Generator

from minibert.config import GptConfig
from minibert.learn.checks import model_beam as checks
from minibert.model.beam import Finished, beam_search
from minibert.model.generate import generate
from minibert.model.gpt import Gpt

test_in_torch = by_hand(checks, examples=5)


@EACH
def test_one_beam_is_greedy(make: Callable[[], Any]):
    model = make()
    [found] = beam_search(model, [3, 1, 4], 9, beams=1)
    assert [found.tokens] == generate(model, [[3, 1, 4]], 9)


def log_probability(model: Any, prompt: list[int], text: list[int]) -> float:
    """Return log p(text | prompt), the whole read at once (nats)."""
    with torch.no_grad():
        logs = model(torch.tensor([prompt + text]))[0].log_softmax(1)
    return sum(float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate(text))


def every_text(model: Any, prompt: list[int], length: int, end: int | None, alpha: float) -> list[Finished]:
    """Return all texts of `length` tokens, or less and the end token, the best first."""
    size = model.config.vocab_size
    found = []
    for short in range(1, length + 1):
        for text in itertools.product(range(size), repeat=short):
            whole = short == length or text[-1] == end
            if whole and end not in text[:-1]:
                score = log_probability(model, prompt, list(text)) / short**alpha
                found.append(Finished(score, list(text[:-1] if text[-1] == end else text)))
    return sorted(found, key=lambda text: -text.score)


@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.7, 2.0])
@settings(max_examples=5)
@given(seed=st.integers(0, 20))
def test_with_beams_enough_it_finds_the_best_of_all_texts(end: int | None, alpha: float, seed: int):
    """Three tokens: of texts of 4 tokens, 27 beginnings of 3 lose nothing."""
    shape = GptConfig(vocab_size=3, layers=1, width=8, heads=2, feedforward=8, max_positions=8, init_std=1.0)
    model = Gpt(shape, Generator().manual_seed(seed)).eval()
    found = beam_search(model, [1, 0], 4, beams=27, end_id=end, alpha=alpha)
    best = every_text(model, [1, 0], 4, end, alpha)[: len(found)]
    assert len(found) == 27
    for mine, true in zip(found, best, strict=True):
        assert mine.score == pytest.approx(true.score, rel=1e-4, abs=1e-5)
    assert found[0].tokens == best[0].tokens or best[0].score == pytest.approx(best[1].score, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("beams", [2, 5])
def test_the_texts_and_their_scores_are_those_of_transformers(beams: int, alpha: float):
    """For several end tokens: that of some ends a text at once, that of others hardly ever."""
    model = MODELS["gpt"]()
    theirs, prompt, ends = twin(model), [5, 3], set()
    ids = torch.tensor([prompt])
    for end in range(0, V, 4):
        found = beam_search(model, prompt, 10, beams, end_id=end, alpha=alpha)
        best = theirs.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=10,
            num_beams=beams,
            num_return_sequences=beams,
            do_sample=False,
            eos_token_id=end,
            length_penalty=alpha,
            early_stopping="never",
            return_dict_in_generate=True,
            output_scores=True,
        )
        for mine, text, score in zip(found, best.sequences, best.sequences_scores, strict=True):
            text = text[len(prompt) :].tolist()
            text = text[: text.index(end)] if end in text else text
            assert mine.tokens == text
            assert mine.score == pytest.approx(float(score), rel=1e-4)
            ends.add(len(text))
    assert min(ends) < 5 and max(ends) == 10


@EACH
def test_the_memory_follows_the_texts(make: Callable[[], Any]):
    """A score is that of its text, read at once; were a text to go on from another's memory, it would not."""
    model = make()
    found = beam_search(model, [3, 1, 4], 6, beams=4, alpha=0.0)
    assert len({tuple(text.tokens) for text in found}) == 4
    for text in found:
        assert text.score == pytest.approx(log_probability(model, [3, 1, 4], text.tokens), rel=1e-4)


@given(seed=seeds)
def test_the_best_comes_first(seed: int):
    shape = GptConfig(vocab_size=7, layers=1, width=8, heads=2, feedforward=8, max_positions=12, init_std=0.7)
    model = Gpt(shape, Generator().manual_seed(seed)).eval()
    scores = [text.score for text in beam_search(model, [1], 8, beams=3, end_id=0)]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3


def test_what_cannot_be_done_is_refused():
    model = MODELS["gpt"]()
    with pytest.raises(ValueError, match="at least 1 beam, got 0"):
        beam_search(model, [1], 3, beams=0)
    with pytest.raises(ValueError, match="the largest length is 23, got 24"):
        beam_search(model, [1, 2], 24, beams=2)
    with pytest.raises(ValueError, match="at least one token"):
        beam_search(model, [], 3, beams=2)
