"""BERT: number for number that of transformers, and what must not change its numbers."""

from collections.abc import Callable

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
import transformers
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import batches, configs, seeds
from torch import Generator, Tensor

from minibert.config import PRESETS, BertConfig, from_dict
from minibert.hub.bert_folder import from_hugging_face, to_hugging_face, write_config
from minibert.learn.checks import model_bert as model_checks
from minibert.model.bert import BertForPretraining
from minibert.model.position import sinusoids

test_in_torch = by_hand(model_checks, examples=5)

SMALL = BertConfig(
    vocab_size=11,
    layers=2,
    width=8,
    heads=2,
    feedforward=12,
    max_positions=9,
    dropout=0.0,
    attention_dropout=0.0,
)


def small(seed: int = 0, config: BertConfig = SMALL) -> BertForPretraining:
    return randomise(BertForPretraining(config), seed)


def twins(
    config: BertConfig, seed: int, kernel: str
) -> tuple[BertForPretraining, transformers.BertForPreTraining]:
    """Return a random BERT of transformers and ours with its weights, float64."""
    settings = {key: value for key, value in write_config(config).items() if key != "minibert"}
    settings["attn_implementation"] = kernel
    theirs = transformers.BertForPreTraining(transformers.BertConfig(**settings))
    randomise(theirs, seed, scale=0.3)
    ours = BertForPretraining(config).double()
    weights = from_hugging_face(theirs.state_dict())
    with torch.no_grad():
        for name, weight in ours.named_parameters():
            weight.copy_(weights[name])
    return ours, theirs


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@given(config=configs(), seed=seeds, data=st.data())
def test_hidden_states_logits_loss_and_every_gradient_are_those_of_transformers(
    dtype, tolerance, kernel, config, seed, data
) -> None:
    """Differences are shares of a tensor's largest number; in gradients, of at least a tenth of the largest.

    (Some gradients are zero on paper, as that of a key's bias: what is left of them is rounding.)
    """
    ours, theirs = twins(config, seed, kernel)
    ours.to(dtype).train()
    theirs.to(dtype).train()
    batch = data.draw(batches(config))
    B, T = batch.ids.shape
    generator = Generator().manual_seed(seed)
    labels = torch.randint(config.vocab_size, (B, T), generator=generator)
    labels[torch.rand(B, T, generator=generator) > 0.4] = -100
    labels[0, 0] = 1
    follows = torch.randint(2, (B,), generator=generator)
    slots = (labels.flatten() != -100).nonzero()[:, 0]

    expected = theirs(
        input_ids=batch.ids,
        token_type_ids=batch.segments,
        attention_mask=None if batch.attend is None else batch.attend.long(),
        labels=labels,
        next_sentence_label=follows,
        output_hidden_states=True,
    )
    got = ours(*batch)
    assert distance(got.hidden, expected.hidden_states[-1]) < tolerance
    assert distance(got.words, expected.prediction_logits) < tolerance
    assert distance(got.pairs, expected.seq_relationship_logits) < tolerance

    features, pairs = ours.features(*batch, slots=slots)
    words = F.linear(features, ours.words.weight, ours.words.bias)
    loss = F.cross_entropy(words, labels.flatten()[slots]) + F.cross_entropy(pairs, follows)
    assert distance(loss, expected.loss) < tolerance

    loss.backward()
    expected.loss.backward()
    gradients = {name: weight.grad for name, weight in theirs.named_parameters() if weight.grad is not None}
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    ours_by_name = to_hugging_face(
        {name: weight.grad for name, weight in ours.named_parameters() if weight.grad is not None}
    )
    assert set(ours_by_name) == set(gradients) == {name for name, _ in theirs.named_parameters()}
    for name, gradient in ours_by_name.items():
        assert distance(gradient, gradients[name], least=0.1 * largest) < tolerance, name


@given(seed=seeds)
def test_a_sequence_does_not_know_its_batch(seed: int) -> None:
    model = small(seed)
    ids = torch.randint(SMALL.vocab_size, (3, 6), generator=Generator().manual_seed(seed))
    attend = torch.arange(6) < torch.tensor([[6], [3], [4]])
    together = model(ids, None, attend)
    for b in range(3):
        alone = model(ids[b : b + 1], None, attend[b : b + 1])
        assert distance(alone.hidden[0], together.hidden[b]) < 1e-12
        assert distance(alone.pairs[0], together.pairs[b]) < 1e-12


def test_every_token_looks_in_both_directions_and_at_its_position() -> None:
    model, ids = small(), torch.tensor([[1, 2, 3, 4]])
    hidden = model(ids).hidden
    for t in range(4):
        changed = ids.clone()
        changed[0, t] = 9
        assert (model(changed).hidden - hidden).abs().amax(-1).min() > 1e-6
    assert (model(ids.flip(1)).hidden.flip(1) - hidden).abs().amax(-1).min() > 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sequence_that_may_see_nothing_is_finite_and_so_is_its_gradient(dtype) -> None:
    model = small().to(dtype)
    attend = torch.tensor([[True, True, False], [False, False, False]])
    output = model(torch.tensor([[1, 2, 0], [0, 0, 0]]), None, attend)
    assert all(bool(part.isfinite().all()) for part in output)
    (output.words.square().mean() + output.pairs.square().mean()).backward()
    assert all(bool(weight.grad.isfinite().all()) for weight in model.parameters() if weight.grad is not None)


def test_gradients_agree_with_finite_differences() -> None:
    config = BertConfig(
        vocab_size=5,
        layers=1,
        width=4,
        heads=2,
        feedforward=3,
        max_positions=3,
        dropout=0,
        attention_dropout=0,
    )
    model = small(config=config)
    ids, segments = torch.tensor([[1, 4, 1], [2, 3, 0]]), torch.tensor([[0, 0, 1], [0, 1, 1]])
    attend = torch.tensor([[True, True, True], [True, True, False]])
    # The row of padding is looked up once, and by design learns nothing from that: take it from the batch.
    ids[ids == config.pad_id] = 4
    check_gradients(model, lambda: tuple(model(ids, segments, attend)))
    check_gradients(model, lambda: model.features(ids, segments, attend, torch.tensor([5, 1])))


# ------------------------------------------------------------ the first weights


def test_learned_positions_may_start_as_small_sinusoids() -> None:
    model = BertForPretraining(BertConfig(position_init="sinusoidal"))
    assert torch.equal(model.bert.embedding.positions.weight, 0.1 * sinusoids(torch.arange(512), 128))
    assert model.bert.embedding.positions.weight.requires_grad


def test_the_same_generator_gives_the_same_model() -> None:
    one, same, other = (BertForPretraining(SMALL, Generator().manual_seed(seed)) for seed in (0, 0, 1))
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert all(not torch.equal(a, c) for a, _, c in pairs if a.ndim == 2)


def test_the_output_weights_are_the_token_embedding() -> None:
    model = small()
    assert model.words.weight is model.bert.embedding.tokens.weight
    names = [name for name, _ in model.named_parameters()]
    assert "bert.embedding.tokens.weight" in names and "words.weight" not in names


@pytest.mark.parametrize(
    ("preset", "count"), [("bert-tiny", 4_433_468), ("bert-base", 110_106_428), ("bert-large", 336_226_108)]
)
def test_presets_have_as_many_parameters_as_the_published_models(preset: str, count: int) -> None:
    with torch.device("meta"):
        model = BertForPretraining(from_dict(BertConfig, PRESETS[preset] | {"vocab_size": 30522}))
    assert sum(weight.numel() for weight in model.parameters()) == count


# ------------------------------------------------------------ training, compiling, refusing


def test_evaluation_is_repeatable_and_training_drops_units() -> None:
    model = BertForPretraining(BertConfig(**{**SMALL.__dict__, "dropout": 0.3, "attention_dropout": 0.3}))
    ids = torch.tensor([[1, 2, 3, 4]])
    assert not torch.equal(model.train()(ids).hidden, model(ids).hidden)
    assert torch.equal(model.eval()(ids).hidden, model(ids).hidden)


@pytest.mark.parametrize("attend", [None, torch.tensor([[True, True, True], [True, False, False]])])
def test_training_compiles_into_one_graph(attend) -> None:
    model, ids, slots = small(), torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([1, 3])
    compiled: Callable[..., tuple[Tensor, Tensor]] = torch.compile(
        model.features, fullgraph=True, backend="eager"
    )
    for got, expected in zip(
        compiled(ids, None, attend, slots), model.features(ids, None, attend, slots), strict=True
    ):
        assert distance(got, expected) < 1e-12


@pytest.mark.parametrize("wrong", [-1, 11])
def test_an_id_outside_the_vocabulary_is_named(wrong: int) -> None:
    model, ids = small(), torch.tensor([[1, 2], [3, wrong]])
    for run in (model, lambda ids: model.features(ids, None, None, torch.tensor([0]))):
        with pytest.raises(ValueError, match=f"from 0 to 10, got {wrong} in sequence 1 at position 1"):
            run(ids)


def test_a_sequence_longer_than_the_model_is_refused() -> None:
    with pytest.raises(ValueError, match="the model has 9 positions, got a sequence of 10 tokens"):
        small()(torch.ones(1, 10, dtype=torch.int64))


@pytest.mark.parametrize("attend", [torch.ones(2, 3), torch.ones(2, 1, 3, dtype=torch.bool)])
def test_an_attend_that_is_not_boolean_or_of_another_shape_is_refused(attend: Tensor) -> None:
    with pytest.raises(ValueError, match=r"attend must be boolean .* \(B, T\) = \(2, 3\), got"):
        small()(torch.ones(2, 3, dtype=torch.int64), None, attend)
