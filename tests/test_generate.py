"""Generation: every adjustment and the loop, held against `transformers`, on every kind of causal model."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st
from oracles import distance
from small_causal import EACH, MODELS, V, twin
from strategies import check_sizes, normal, seeds
from torch import Generator, nn
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from minibert.config.decoding import GREEDY, DecodingConfig
from minibert.learn.checks import model_generate as checks
from minibert.learn.sizes import Sizes
from minibert.model.generate import CausalModel, adjust, generate, stream

test_in_torch = by_hand(checks, examples=5)

# ------------------------------------------------------------ what the model says, adjusted


settings = st.builds(
    DecodingConfig,
    repetition_penalty=st.floats(0.7, 2),
    temperature=st.floats(0.3, 2),
    top_k=st.none() | st.integers(1, 40),
    top_p=st.floats(0.1, 1),
    min_p=st.floats(0, 0.9),
)


@given(decoding=settings, size=check_sizes, seed=seeds)
def test_the_adjustments_are_those_of_transformers_in_its_order(
    decoding: DecodingConfig, size: Sizes, seed: int
):
    logits = 3 * normal(seed, size.B, V)
    ids = torch.randint(V, (size.B, size.T + 1), generator=torch.Generator().manual_seed(seed))
    seen = torch.zeros(size.B, V, dtype=torch.bool).scatter(1, ids, True)
    processors: Any = [
        RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty),
        TemperatureLogitsWarper(decoding.temperature),
    ]
    if decoding.top_k is not None:
        processors.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        processors.append(TopPLogitsWarper(decoding.top_p))
    processors.append(MinPLogitsWarper(decoding.min_p))

    together: Any = LogitsProcessorList(processors)
    got, expected = adjust(logits, decoding, seen), together(ids, logits)
    assert torch.equal(got.isfinite(), expected.isfinite())
    assert distance(got.nan_to_num(neginf=0), expected.nan_to_num(neginf=0)) < 1e-12


def test_that_is_the_order_in_which_transformers_generates():
    model = twin(MODELS["gpt"]())
    settings = model.generation_config
    settings.update(do_sample=True, repetition_penalty=1.2, temperature=0.5, top_k=5, top_p=0.5, min_p=0.1)
    processors = model._get_logits_processor(settings, input_ids_seq_length=3)
    assert [type(processor).__name__ for processor in processors] == [
        "RepetitionPenaltyLogitsProcessor",
        "TemperatureLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
        "MinPLogitsWarper",
    ]


# ------------------------------------------------------------ every kind of model


VARIED = DecodingConfig(temperature=0.0, repetition_penalty=4.0)
"""The likeliest token, but for a penalty so large that no model goes in circles."""


def without_memory(model: nn.Module, prompt: list[int], length: int) -> list[int]:
    """Return what VARIED says, the whole text read anew for each token."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(length):
            seen = torch.zeros(1, V, dtype=torch.bool)
            seen[0, ids] = True
            ids.append(int(adjust(model(torch.tensor([ids]))[:, -1], VARIED, seen).argmax()))
    return ids[len(prompt) :]


PROMPTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5]]


@EACH
def test_a_model_is_one_that_can_generate(make: Callable[[], Any]):
    assert isinstance(make(), CausalModel)
    assert not isinstance(nn.Linear(2, 2), CausalModel)


@EACH
def test_the_memory_and_the_padding_change_no_token(make: Callable[[], Any]):
    model = make()
    texts = generate(model, PROMPTS, 12, VARIED)
    assert texts == [without_memory(model, prompt, 12) for prompt in PROMPTS]
    assert len({tuple(text) for text in texts}) == 3
    assert len(set(texts[0])) > 8


@EACH
def test_a_drawn_text_depends_on_its_prompt_and_its_numbers_alone(make: Callable[[], Any]):
    model, decoding = make(), DecodingConfig(repetition_penalty=1.1, temperature=0.9, top_k=20, top_p=0.95)
    uniforms = torch.rand(3, 12, dtype=torch.float64, generator=Generator().manual_seed(1))
    together = generate(model, PROMPTS, 12, decoding, uniforms)
    for prompt, numbers, text in zip(PROMPTS, uniforms, together, strict=True):
        assert generate(model, [prompt], 12, decoding, numbers[None]) == [text]
        assert generate(model, [prompt], 5, decoding, numbers[None, :5]) == [text[:5]]
    assert together != generate(model, PROMPTS, 12, decoding, uniforms.flip(1))


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_the_likeliest_tokens_are_those_of_transformers(penalty: float):
    """Of each prompt alone: padded, theirs counts the padding among the tokens seen."""
    model = MODELS["gpt"]()
    theirs, decoding = twin(model), DecodingConfig(temperature=0, repetition_penalty=penalty)
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        expected = theirs.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=15,
            do_sample=False,
            repetition_penalty=penalty,
        )
        assert generate(model, [prompt], 15, decoding) == [expected[0, len(prompt) :].tolist()]


@EACH
def test_an_end_token_ends_each_text_by_itself(make: Callable[[], Any]):
    model = make()
    endless = generate(model, PROMPTS, 12, VARIED)
    end = endless[0][4]
    cut = [text[: text.index(end)] if end in text else text for text in endless]
    assert generate(model, PROMPTS, 12, VARIED, end_id=end) == cut
    assert len(cut[0]) <= 4


# ------------------------------------------------------------ the stream


def test_a_token_is_there_before_the_next_is_worked_out():
    model = MODELS["gpt"]()
    read = []
    model.norm.register_forward_hook(lambda *_: read.append(1))
    tokens = stream(model, [[1, 2]], 20)
    next(tokens)
    assert len(read) == 1
    next(tokens)
    assert len(read) == 2


def test_generating_keeps_no_graph_and_leaves_gradients_on():
    model = MODELS["gpt"]()
    tokens = stream(model, [[1, 2]], 20)
    assert next(tokens).is_inference()
    assert model(torch.tensor([[1, 2]])).requires_grad


def test_a_sequence_longer_than_the_positions_is_refused_before_the_first_token():
    model = MODELS["gpt"]()
    with pytest.raises(ValueError, match="24 positions: after a prompt of 5 tokens the largest length is 20"):
        generate(model, PROMPTS, 21)
    assert len(generate(model, PROMPTS, 20)[0]) == 20
    with pytest.raises(ValueError, match="the largest length is 0, got 1"):
        generate(model, [[1] * 30], 1)
    assert len(generate(MODELS["lstm"](), PROMPTS, 100)[0]) == 100


@pytest.mark.parametrize("make", [MODELS["gpt"], MODELS["qwen"], MODELS["lstm"]])
def test_with_a_context_a_text_may_be_as_long_as_one_likes(make: Callable[[], Any]):
    """Each token is that of a text which begins where the memory begins: with the last half."""
    model, texts = make(), [list(prompt) for prompt in PROMPTS]
    got, context, first = generate(model, PROMPTS, 40, context=10), 10, 0
    for step in range(40):
        if step + 5 - first > context:  # the longest prompt has 5 tokens
            first = step + 5 - context // 2
        for prompt, text in zip(PROMPTS, texts, strict=True):
            padding = 5 - len(prompt)
            with torch.no_grad():
                logits = model(torch.tensor([text[max(first - padding, 0) :]]))[0, -1]
            text.append(int(logits.argmax()))
    assert got == [text[-40:] for text in texts]


def test_a_context_is_no_larger_than_the_positions():
    with pytest.raises(ValueError, match="at least 1 token and at most 24, got 25"):
        generate(MODELS["gpt"](), PROMPTS, 3, context=25)
    with pytest.raises(ValueError, match="at least 1 token, got 0"):
        generate(MODELS["rnn"](), PROMPTS, 3, context=0)
    assert len(generate(MODELS["gpt"](), [[1] * 100], 3, context=24)[0]) == 3


def test_what_is_missing_is_said():
    model = MODELS["rnn"]()
    with pytest.raises(ValueError, match="a new text begins with the end token"):
        generate(model, [], 3)
    for id in (-1, V):
        with pytest.raises(ValueError, match="token ids outside the vocabulary of 31"):
            generate(model, [[1, id]], 3)
    with pytest.raises(ValueError, match=r"of shape \(B, length\) = \(1, 3\), got \(1, 2\)"):
        generate(model, [[1]], 3, DecodingConfig(), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="call model.eval"):
        generate(model.train(), [[1]], 3, GREEDY)
