"""GPT-2: what its memory must not change, what it may not see, how its weights start."""

import math
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
import torch
from by_hand import by_hand
from hypothesis import given
from oracles import check_gradients, distance, randomise
from strategies import seeds
from torch import Generator, Tensor

from minibert.config import PRESETS, GptConfig, from_dict
from minibert.learn.checks import model_gpt as model_checks
from minibert.model.gpt import Gpt
from minibert.model.position import sinusoids

test_in_torch = by_hand(model_checks, examples=3)

SMALL = GptConfig(
    vocab_size=11,
    layers=2,
    width=8,
    heads=2,
    feedforward=12,
    max_positions=9,
    dropout=0.0,
    attention_dropout=0.0,
)


def small(seed: int = 0, config: GptConfig = SMALL) -> Gpt:
    return randomise(Gpt(config), seed)


def random_ids(seed: int, *shape: int) -> Tensor:
    return torch.randint(SMALL.vocab_size, shape, generator=Generator().manual_seed(seed))


# ------------------------------------------------------------ the memory


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(seed=seeds, cuts=st.sets(st.integers(1, 7)))
def test_cached_logits_are_those_of_the_whole_text(dtype, tolerance, seed: int, cuts: set[int]) -> None:
    """However the text is cut into pieces: the prompt, then several tokens at once, or one by one."""
    model, ids = small(seed).to(dtype), random_ids(seed, 3, 8)
    state, ends = model.new_state(3, 8), [0, *sorted(cuts), 8]
    pieces = [model(ids[:, first:last], state) for first, last in zip(ends, ends[1:], strict=False)]
    assert distance(torch.cat(pieces, 1), model(ids)) < tolerance
    assert state.filled == state.length == 8


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(seed=seeds, starts=st.lists(st.integers(0, 4), min_size=1, max_size=4), prompt=st.integers(1, 7))
def test_each_row_of_a_padded_batch_is_that_of_its_text_alone(
    dtype, tolerance, seed: int, starts: list[int], prompt: int
) -> None:
    model, ids = small(seed).to(dtype), random_ids(seed, len(starts), 8)
    state = model.new_state(len(starts), 8, torch.tensor(starts))
    pieces = [model(ids[:, :prompt], state), *(model(ids[:, t : t + 1], state) for t in range(prompt, 8))]
    together = torch.cat(pieces, 1)
    assert bool(together.isfinite().all())
    for row, start in enumerate(starts):
        alone = model(ids[row : row + 1, start:])
        assert distance(together[row : row + 1, start:], alone) < tolerance


@given(seed=seeds, rows=st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_reordered_rows_go_on_from_what_was_picked(seed: int, rows: list[int]) -> None:
    model, ids, starts = small(seed), random_ids(seed, 3, 5), torch.tensor([0, 2, 1])
    last, state = random_ids(seed + 1, len(rows), 2), model.new_state(3, 7, starts)
    model(ids, state)
    state.reorder(torch.tensor(rows))
    got = model(last, state)
    for row, picked in enumerate(rows):
        whole = torch.cat([ids[picked, starts[picked] :], last[row]])[None]
        assert distance(got[row : row + 1], model(whole)[:, -2:]) < 1e-12


def test_more_tokens_than_positions_or_room_are_refused() -> None:
    model, ids = small(), random_ids(0, 2, 10)
    with pytest.raises(ValueError, match="the model has 9 positions, got a sequence of 10 tokens; cut it"):
        model(ids)
    with pytest.raises(ValueError, match="the model has 9 positions, got a sequence of 10 tokens; cut it"):
        model.new_state(2, 10)
    with pytest.raises(ValueError, match="room for 4 tokens, 0 of them taken, and got 5 more"):
        model(ids[:, :5], model.new_state(2, 4))


@pytest.mark.parametrize("wrong", [-1, 11])
def test_ids_outside_the_vocabulary_are_refused_and_not_remembered(wrong: int) -> None:
    model = small()
    state = model.new_state(1, 4)
    with pytest.raises(ValueError, match=f"token ids must be from 0 to 10, got {wrong} in sequence 0 at"):
        model(torch.tensor([[1, wrong]]), state)
    assert state.filled == 0


# ------------------------------------------------------------ what it sees


@given(seed=seeds)
def test_no_token_sees_the_future_and_every_token_sees_its_whole_past(seed: int) -> None:
    model, ids = small(seed), random_ids(seed, 1, 6)
    hidden = model.features(ids)
    for t in range(6):
        changed = ids.clone()
        changed[0, t] = (ids[0, t] + 1) % SMALL.vocab_size
        moved = (model.features(changed) - hidden).abs().amax(-1)[0]
        assert not moved[:t].any() and bool((moved[t:] > 1e-9).all())


@given(seed=seeds)
def test_a_sequence_does_not_know_its_batch(seed: int) -> None:
    model, ids = small(seed), random_ids(seed, 3, 6)
    for row in range(3):
        assert distance(model(ids[row : row + 1])[0], model(ids)[row]) < 1e-12


def test_logits_are_the_features_times_the_token_embedding() -> None:
    model, ids = small(), random_ids(0, 2, 4)
    assert distance(model(ids), model.features(ids) @ model.tokens.weight.T) < 1e-12
    assert "tokens.weight" in dict(model.named_parameters())
    assert sum(weight.shape == (11, 8) for weight in model.parameters()) == 1


def test_gradients_agree_with_finite_differences() -> None:
    config = GptConfig(
        vocab_size=5,
        layers=1,
        width=4,
        heads=2,
        feedforward=3,
        max_positions=3,
        dropout=0,
        attention_dropout=0,
    )
    model, ids = small(config=config), torch.tensor([[1, 4, 1], [2, 3, 0]])
    check_gradients(model, lambda: model(ids))


# ------------------------------------------------------------ the first weights


@torch.no_grad()
def test_weights_start_as_those_of_gpt_2() -> None:
    """Noise of 0.02, but the last matrix of each branch smaller by sqrt(2 L); biases 0, norms 1 and 0."""
    model = Gpt(GptConfig(vocab_size=500, layers=8, width=128), Generator().manual_seed(0))
    for name, weight in model.named_parameters():
        if weight.ndim == 1:
            assert torch.equal(weight, torch.full_like(weight, "norm.weight" in name)), name
        else:
            last = name.endswith(("attention.output.weight", "feedforward.contract.weight"))
            std = 0.02 / math.sqrt(16) if last else 0.02
            assert float(weight.std()) == pytest.approx(std, rel=0.03), name
            assert abs(float(weight.mean())) < 0.02 * std, name


def test_learned_positions_may_start_as_small_sinusoids() -> None:
    model = Gpt(GptConfig(position_init="sinusoidal"))
    assert torch.equal(model.positions.weight, 0.1 * sinusoids(torch.arange(1024), 128))
    assert model.positions.weight.requires_grad


def test_the_same_generator_gives_the_same_model() -> None:
    one, same, other = (Gpt(SMALL, Generator().manual_seed(seed)) for seed in (0, 0, 1))
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert all(not torch.equal(a, c) for a, _, c in pairs if a.ndim == 2)


@pytest.mark.parametrize(
    ("preset", "count"), [("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-xl", 1_557_611_200)]
)
def test_presets_have_as_many_parameters_as_the_published_models(preset: str, count: int) -> None:
    with torch.device("meta"):
        model = Gpt(from_dict(GptConfig, PRESETS[preset] | {"vocab_size": 50257}))
    assert sum(weight.numel() for weight in model.parameters()) == count


# ------------------------------------------------------------ training, compiling


def test_evaluation_is_repeatable_and_training_drops_units() -> None:
    for dropped in ({"dropout": 0.3}, {"attention_dropout": 0.3}):
        model, ids = Gpt(GptConfig(**{**SMALL.__dict__, **dropped})), random_ids(0, 1, 6)
        assert not torch.equal(model.train()(ids), model(ids))
        assert torch.equal(model.eval()(ids), model(ids))


def test_training_compiles_into_one_graph() -> None:
    model, ids = small(), random_ids(0, 2, 4)
    compiled: Callable[..., Tensor] = torch.compile(model.features, fullgraph=True, backend="eager")
    assert distance(compiled(ids), model.features(ids)) < 1e-12


@torch.no_grad()
def test_a_step_with_a_memory_compiles_into_one_graph() -> None:
    model, ids = small(), random_ids(0, 2, 6)
    compiled: Callable[..., Tensor] = torch.compile(model.features, fullgraph=True, backend="eager")
    state = model.new_state(2, 6)
    pieces = [compiled(ids[:, :2], state), *(compiled(ids[:, t : t + 1], state) for t in range(2, 6))]
    assert distance(torch.cat(pieces, 1), model.features(ids)) < 1e-12
