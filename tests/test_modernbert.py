"""ModernBERT: number for number that of transformers, and what must not change its numbers."""

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
import transformers
from by_hand import by_hand
from exact_transformers import exact_transformers
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import seeds
from torch import Generator, Tensor

from minibert.config import PRESETS, ModernBertConfig, from_dict
from minibert.hub.modernbert_folder import from_hugging_face, to_hugging_face, write_config
from minibert.learn.checks import model_modernbert as model_checks
from minibert.model.modernbert import ModernBertForPretraining, within

__all__ = ["exact_transformers"]

test_in_torch = by_hand(model_checks, examples=3)

SIZES: dict[str, Any] = {
    "vocab_size": 11,
    "layers": 4,
    "width": 8,
    "heads": 2,
    "feedforward": 5,
    "max_positions": 12,
    "local_window": 4,
}
SMALL = ModernBertConfig(**SIZES)


def small(seed: int = 0, config: ModernBertConfig = SMALL) -> ModernBertForPretraining:
    return randomise(ModernBertForPretraining(config), seed)


def random_ids(seed: int, *shape: int) -> Tensor:
    return torch.randint(SMALL.vocab_size, shape, generator=Generator().manual_seed(seed))


@st.composite
def shapes(draw: st.DrawFn) -> ModernBertConfig:
    """Draw the shape of a small ModernBERT without dropout; sequences of 12 tokens are often longer than its
    window."""
    heads = draw(st.integers(1, 3))
    return ModernBertConfig(
        vocab_size=draw(st.integers(5, 40)),
        layers=draw(st.integers(1, 5)),
        width=heads * 2 * draw(st.integers(1, 4)),
        heads=heads,
        feedforward=draw(st.integers(1, 12)),
        max_positions=12,
        global_every=draw(st.integers(1, 3)),
        local_window=draw(st.sampled_from([2, 4, 8, 22, 128])),
        rotary_base=draw(st.sampled_from([1000.0, 160_000.0])),
        local_rotary_base=draw(st.sampled_from([100.0, 10_000.0])),
        norm_eps=draw(st.sampled_from([1e-5, 1e-2])),
        pad_id=draw(st.integers(0, 4)),
    )


def twins(config: ModernBertConfig, seed: int, kernel: str) -> tuple[ModernBertForPretraining, Any]:
    """Return a random model of transformers and ours with its weights, float64."""
    settings: dict[str, Any] = write_config(config) | {"attn_implementation": kernel}
    theirs = transformers.ModernBertForMaskedLM(transformers.ModernBertConfig(**settings))
    randomise(theirs, seed)
    ours = ModernBertForPretraining(config).double()
    weights = from_hugging_face(theirs.state_dict())
    with torch.no_grad():
        for name, weight in ours.named_parameters():
            weight.copy_(weights[name])
    return ours, theirs


@pytest.mark.usefixtures("exact_transformers")
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@given(config=shapes(), seed=seeds, padded=st.booleans(), data=st.data())
def test_hidden_states_logits_loss_and_every_gradient_are_those_of_transformers(
    kernel, config, seed, padded, data
) -> None:
    """Differences are shares of a tensor's largest number; in gradients, of at least a tenth of the largest.

    Compared where there is no padding: what padding sees is of no use to anyone. Their own loss rounds the
    logits to float32; gradients are those of the loss of their logits as they are.
    """
    ours, theirs = twins(config, seed, kernel)
    B, T = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 12))
    generator = Generator().manual_seed(seed)
    ids = torch.randint(config.vocab_size, (B, T), generator=generator)
    lengths = torch.randint(1, T + 1, (B, 1), generator=generator)
    text = torch.arange(T) < (lengths if padded else T)  # (B, T) or (T,)
    text = text.expand(B, T)
    attend = text if padded else None
    labels = torch.randint(config.vocab_size, (B, T), generator=generator)
    labels[~text | (torch.rand(B, T, generator=generator) > 0.5)] = -100
    labels[0, 0] = 1
    slots = (labels.flatten() != -100).nonzero()[:, 0]

    mask = None if attend is None else attend.long()
    expected = theirs(ids, attention_mask=mask, labels=labels, output_hidden_states=True)
    got = ours(ids, None, attend)
    assert got.pairs is None
    assert distance(got.hidden[text], theirs.model(ids, attention_mask=mask)[0][text]) < 1e-12
    assert distance(got.words[text], expected.logits[text]) < 1e-12

    features, pairs = ours.features(ids, None, attend, slots)
    assert pairs is None
    words = F.linear(features, ours.words.weight, ours.words.bias)
    targets = labels.flatten()[slots]
    losses = F.cross_entropy(words, targets), F.cross_entropy(expected.logits.flatten(0, 1)[slots], targets)
    assert losses[0].item() == pytest.approx(expected.loss.item(), rel=1e-5)
    for loss in losses:
        loss.backward()
    gradients = {name: weight.grad for name, weight in theirs.named_parameters()}
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    ours_by_name = to_hugging_face(
        {name: weight.grad for name, weight in ours.named_parameters() if weight.grad is not None}
    )
    assert set(ours_by_name) == set(gradients)
    for name, gradient in ours_by_name.items():
        assert distance(gradient, gradients[name], least=0.1 * largest) < 1e-11, name


def test_in_float32_transformers_as_they_are_agree_too() -> None:
    ours, theirs = twins(SMALL, 0, "sdpa")
    ids = random_ids(0, 2, 12)
    assert distance(ours.float()(ids).words, theirs.float()(ids).logits) < 1e-5


# ------------------------------------------------------------ who sees whom


def test_a_window_reaches_half_its_width_to_each_side() -> None:
    """One block with a window of 4 behind a global one that says nothing: two tokens to each side count."""
    config = replace(SMALL, layers=2, global_every=2)
    model, ids = small(config=config), random_ids(0, 1, 12)
    with torch.no_grad():
        first, _ = model.bert.blocks
        assert isinstance(first, torch.nn.Module)
        first.get_submodule("attention.output").get_parameter("weight").zero_()
    hidden = model(ids).hidden
    for t in range(12):
        changed = ids.clone()
        changed[0, t] = (ids[0, t] + 1) % 11
        moved = (model(changed).hidden - hidden).abs().amax(-1)[0] > 1e-9
        assert moved.tolist() == [abs(i - t) <= 2 for i in range(12)]


def test_a_block_without_a_window_sees_the_whole_sequence_in_both_directions() -> None:
    model, ids = small(config=replace(SMALL, layers=1)), random_ids(0, 1, 12)
    hidden = model(ids).hidden
    for t in range(12):
        changed = ids.clone()
        changed[0, t] = (ids[0, t] + 1) % 11
        assert (model(changed).hidden - hidden).abs().amax(-1).min() > 1e-9


@given(length=st.integers(1, 9), reach=st.integers(1, 9), seed=seeds)
def test_a_window_is_left_out_only_where_it_would_hide_nothing(length: int, reach: int, seed: int) -> None:
    attend = torch.rand(2, length, generator=Generator().manual_seed(seed)) > 0.3
    for mask in (None, attend[:, None, None]):
        got = within(mask, length, reach, torch.device("cpu"))
        expected = torch.tensor([[abs(i - j) <= reach for j in range(length)] for i in range(length)])
        expected = expected if mask is None else expected & mask
        whole = torch.ones(1, dtype=torch.bool) if got is None else got
        assert torch.equal(whole.expand(expected.shape), expected)
        assert (got is mask) == (length <= reach + 1)


@given(seed=seeds)
def test_a_sequence_does_not_know_its_batch_nor_its_padding(seed: int) -> None:
    model, ids = small(seed), random_ids(seed, 3, 9)
    lengths = [9, 4, 7]
    attend = torch.arange(9) < torch.tensor(lengths)[:, None]
    together = model(ids, None, attend).hidden
    for b, length in enumerate(lengths):
        assert distance(model(ids[b : b + 1, :length]).hidden[0], together[b, :length]) < 1e-12


def test_a_sequence_that_may_see_nothing_is_finite_and_so_is_its_gradient() -> None:
    model = small()
    attend = torch.arange(9) < torch.tensor([[9], [0]])
    output = model(random_ids(0, 2, 9), None, attend)
    output.words.square().mean().backward()
    assert bool(output.words.isfinite().all())
    assert all(bool(weight.grad.isfinite().all()) for weight in model.parameters() if weight.grad is not None)


def test_words_may_be_asked_for_at_some_places_alone() -> None:
    model, ids, slots = small(), random_ids(0, 2, 9), torch.tensor([17, 3, 3])
    whole = model(ids)
    some = model(ids, slots=slots)
    assert torch.equal(some.hidden, whole.hidden)
    assert distance(some.words, whole.words.flatten(0, 1)[slots]) < 1e-12
    features, _ = model.features(ids, None, None, slots)
    assert distance(F.linear(features, model.words.weight, model.words.bias), some.words) < 1e-12


def test_segments_change_nothing() -> None:
    model, ids = small(), random_ids(0, 2, 9)
    assert torch.equal(model(ids, torch.ones_like(ids)).words, model(ids).words)


def test_gradients_agree_with_finite_differences() -> None:
    config = ModernBertConfig(vocab_size=5, layers=2, width=4, heads=1, feedforward=3, local_window=2)
    model, ids = small(config=config), torch.tensor([[1, 4, 1], [2, 3, 4]])
    check_gradients(model, lambda: model.features(ids, None, None, torch.tensor([5, 1]))[0])


# ------------------------------------------------------------ the first weights


def test_the_same_generator_gives_the_same_model() -> None:
    one, same, other = (ModernBertForPretraining(SMALL, Generator().manual_seed(seed)) for seed in (0, 0, 1))
    for (name, a), b, c in zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        drawn = a.ndim == 2 and not name.endswith(("output.weight", "contract.weight"))
        assert torch.equal(a, c) != drawn, name


def test_a_new_stack_does_nothing_yet_but_norm() -> None:
    model, ids = ModernBertForPretraining(SMALL), random_ids(0, 2, 9)
    bert = model.bert
    assert torch.equal(bert(ids), bert.norm(bert.embedding.norm(bert.embedding.tokens(ids))))
    assert not model.words.bias.any()
    assert abs(bert.embedding.tokens.weight.std().item() / 0.02 - 1) < 0.2


def test_the_output_weights_are_the_token_embedding() -> None:
    model = small()
    assert model.words.weight is model.bert.embedding.tokens.weight
    names = [name for name, _ in model.named_parameters()]
    assert "bert.embedding.tokens.weight" in names and "words.weight" not in names


@pytest.mark.parametrize("preset", ["modernbert-base", "modernbert-large"])
def test_presets_have_as_many_parameters_as_the_published_models(preset: str) -> None:
    sizes = PRESETS[preset] | {"vocab_size": 50368}
    with torch.device("meta"):
        model = ModernBertForPretraining(from_dict(ModernBertConfig, sizes))
        settings: dict[str, Any] = write_config(model.config)
        theirs = transformers.ModernBertForMaskedLM(transformers.ModernBertConfig(**settings))
    count = sum(weight.numel() for weight in model.parameters())
    assert count == sum(weight.numel() for weight in theirs.parameters())
    # The paper says 149 and 395 million.
    assert count == {"modernbert-base": 149_655_232, "modernbert-large": 395_881_664}[preset]


# ------------------------------------------------------------ training, compiling, refusing


@pytest.mark.parametrize("rate", ["dropout", "attention_dropout"])
def test_evaluation_is_repeatable_and_training_drops_units(rate: str) -> None:
    model, ids = small(config=from_dict(ModernBertConfig, SIZES | {rate: 0.3})), random_ids(0, 1, 9)
    assert not torch.equal(model.train()(ids).hidden, model(ids).hidden)
    assert torch.equal(model.eval()(ids).hidden, model(ids).hidden)


@pytest.mark.parametrize("padded", [False, True])
def test_training_compiles_into_one_graph(padded: bool) -> None:
    model, ids, slots = small(), random_ids(0, 2, 9), torch.tensor([1, 12])
    attend = torch.arange(9) < torch.tensor([[9], [5]]) if padded else None
    compiled = torch.compile(model.features, fullgraph=True, backend="eager")
    assert (
        distance(compiled(ids, None, attend, slots)[0], model.features(ids, None, attend, slots)[0]) < 1e-12
    )


@pytest.mark.parametrize("wrong", [-1, 11])
def test_an_id_outside_the_vocabulary_is_named(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"from 0 to 10, got {wrong} in sequence 1 at position 1"):
        small()(torch.tensor([[1, 2], [3, wrong]]))


def test_a_sequence_longer_than_the_model_is_refused() -> None:
    with pytest.raises(ValueError, match="the model has 12 positions, got a sequence of 13 tokens"):
        small()(random_ids(0, 1, 13))


def test_an_attend_that_is_not_boolean_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attend must be boolean .* \(B, T\) = \(2, 3\), got"):
        small()(random_ids(0, 2, 3), None, torch.ones(2, 3))
