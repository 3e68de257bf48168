"""Llama and Qwen: number for number those of transformers, and what must not change their numbers."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
import transformers
from by_hand import by_hand
from exact_transformers import exact_transformers
from hypothesis import HealthCheck, given, settings
from oracles import check_gradients, distance, randomise
from strategies import seeds
from torch import Generator, Tensor

from minibert.config import PRESETS, LlamaConfig, QwenConfig, from_dict
from minibert.hub.llama_folder import LLAMA, QWEN, from_hugging_face, to_hugging_face
from minibert.learn.checks import model_llama as model_checks
from minibert.model.llama import Llama, LlamaAttention, Qwen

__all__ = ["exact_transformers"]

test_in_torch = by_hand(model_checks, examples=3)

SIZES: dict[str, Any] = {
    "vocab_size": 11,
    "layers": 2,
    "width": 8,
    "heads": 2,
    "key_heads": 1,
    "feedforward": 5,
    "max_positions": 9,
}
SMALL = {Llama: LlamaConfig(**SIZES), Qwen: QwenConfig(**SIZES)}
BOTH = pytest.mark.parametrize("kind", [Llama, Qwen])


def small(kind: type[Llama] = Llama, seed: int = 0) -> Llama:
    return randomise(kind(SMALL[kind]), seed)


@st.composite
def shapes(draw: st.DrawFn, kind: type[LlamaConfig]) -> LlamaConfig:
    """Draw the shape of a small Llama or Qwen."""
    key_heads, shared, half = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    return kind(
        vocab_size=draw(st.integers(2, 40)),
        layers=draw(st.integers(1, 3)),
        width=key_heads * shared * 2 * half,
        heads=key_heads * shared,
        key_heads=key_heads,
        feedforward=draw(st.integers(1, 12)),
        max_positions=20,
        rotary_base=draw(st.sampled_from([100.0, 10_000.0, 1e6])),
        norm_eps=draw(st.sampled_from([1e-6, 1e-2])),
    )


def twins(config: LlamaConfig, seed: int, kernel: str) -> tuple[Llama, Any]:
    """Return a random model of transformers and ours with its weights, float64."""
    folder = QWEN if isinstance(config, QwenConfig) else LLAMA
    their_config, their_model = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    }[folder.model_type]
    settings = folder.write_config(config) | {"attn_implementation": kernel}
    theirs = randomise(their_model(their_config(**settings)), seed)
    ours = (Qwen if folder is QWEN else Llama)(config).double()
    ours.load_state_dict(from_hugging_face(theirs.state_dict()))
    return ours, theirs


@pytest.mark.usefixtures("exact_transformers")
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", [LlamaConfig, QwenConfig])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seed=seeds)
def test_logits_loss_and_every_gradient_are_those_of_transformers(kind, kernel, data, seed) -> None:
    """Differences are shares of a tensor's largest number; in gradients, of at least a tenth of the largest.

    Their own loss rounds the logits to float32; gradients are those of the loss of their logits as they are.
    """
    config = data.draw(shapes(kind))
    ours, theirs = twins(config, seed, kernel)
    B, T = data.draw(st.integers(1, 3)), data.draw(st.integers(2, 12))
    ids = torch.randint(config.vocab_size, (B, T), generator=Generator().manual_seed(seed))

    got, expected = ours(ids), theirs(ids, labels=ids)
    assert distance(got, expected.logits) < 1e-12
    losses = [
        F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        for logits in (got, expected.logits)
    ]
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


@BOTH
def test_in_float32_transformers_as_they_are_agree_too(kind) -> None:
    ours, theirs = twins(SMALL[kind], 0, "sdpa")
    ids = torch.randint(11, (2, 9), generator=Generator().manual_seed(0))
    assert distance(ours.float()(ids), theirs.float()(ids).logits) < 1e-5


@BOTH
def test_no_token_looks_ahead_and_all_look_back(kind) -> None:
    model, ids = small(kind), torch.tensor([[1, 2, 3, 4, 5]])
    logits = model(ids)
    for t in range(5):
        changed = ids.clone()
        changed[0, t] = 9
        moved = (model(changed) - logits).abs().amax(-1)[0]
        assert not moved[:t].any() and moved[t:].min() > 1e-9


@BOTH
@given(seed=seeds)
def test_a_sequence_does_not_know_its_batch(kind, seed: int) -> None:
    model = small(kind, seed)
    ids = torch.randint(11, (3, 6), generator=Generator().manual_seed(seed))
    assert distance(model(ids[1:2]), model(ids)[1:2]) < 1e-12


@BOTH
def test_in_bfloat16_by_autocast_the_numbers_are_nearly_the_same(kind) -> None:
    model, ids = small(kind).float(), torch.tensor([[1, 2, 3, 4, 5]])
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.5)
    expected = model.features(ids)
    with torch.autocast("cpu", torch.bfloat16):
        got = model.features(ids)
    assert distance(got.float(), expected) < 0.1
    got.float().square().mean().backward()
    assert all(
        weight.grad is not None and bool(weight.grad.isfinite().all()) for weight in model.parameters()
    )


# ------------------------------------------------------------ the memory


def random_ids(seed: int, *shape: int) -> Tensor:
    return torch.randint(11, shape, generator=Generator().manual_seed(seed))


@BOTH
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@given(seed=seeds, cuts=st.sets(st.integers(1, 7)))
def test_cached_logits_are_those_of_the_whole_text(kind, dtype, tolerance, seed, cuts: set[int]) -> None:
    """However the text is cut into pieces: the prompt, then several tokens at once, or one by one."""
    model, ids = small(kind, seed).to(dtype), random_ids(seed, 3, 8)
    state, ends = model.new_state(3, 8), [0, *sorted(cuts), 8]
    pieces = [model(ids[:, first:last], state) for first, last in zip(ends, ends[1:], strict=False)]
    assert distance(torch.cat(pieces, 1), model(ids)) < tolerance
    assert state.filled == state.length == 8


@BOTH
@given(seed=seeds, starts=st.lists(st.integers(0, 4), min_size=1, max_size=4), prompt=st.integers(1, 7))
def test_each_row_of_a_padded_batch_is_that_of_its_text_alone(kind, seed, starts, prompt) -> None:
    model, ids = small(kind, seed), random_ids(seed, len(starts), 8)
    state = model.new_state(len(starts), 8, torch.tensor(starts))
    pieces = [model(ids[:, :prompt], state), *(model(ids[:, t : t + 1], state) for t in range(prompt, 8))]
    together = torch.cat(pieces, 1)
    assert bool(together.isfinite().all())
    for row, start in enumerate(starts):
        alone = model(ids[row : row + 1, start:])
        assert distance(together[row : row + 1, start:], alone) < 1e-12


@BOTH
def test_reordered_rows_go_on_from_what_was_picked(kind) -> None:
    model, ids, starts = small(kind), random_ids(0, 3, 5), torch.tensor([0, 2, 1])
    last, state, rows = random_ids(1, 2, 2), model.new_state(3, 7, starts), [2, 0]
    model(ids, state)
    state.reorder(torch.tensor(rows))
    got = model(last, state)
    for row, picked in enumerate(rows):
        whole = torch.cat([ids[picked, starts[picked] :], last[row]])[None]
        assert distance(got[row : row + 1], model(whole)[:, -2:]) < 1e-12


def test_the_memory_holds_one_key_for_all_heads_that_share_it() -> None:
    state = small().new_state(3, 7)
    assert state.layers[0].keys.shape == (3, 1, 7, 4)


def test_more_tokens_than_positions_are_refused() -> None:
    model = small()
    for run in (lambda: model(random_ids(0, 2, 10)), lambda: model.new_state(2, 10)):
        with pytest.raises(ValueError, match="the model has 9 positions, got a sequence of 10 tokens"):
            run()


@torch.no_grad()
def test_a_step_with_a_memory_compiles_into_one_graph() -> None:
    model, ids = small(Qwen), random_ids(0, 2, 6)
    compiled: Callable[..., Tensor] = torch.compile(model.features, fullgraph=True, backend="eager")
    state = model.new_state(2, 6)
    pieces = [compiled(ids[:, :2], state), *(compiled(ids[:, t : t + 1], state) for t in range(2, 6))]
    assert distance(torch.cat(pieces, 1), model.features(ids)) < 1e-12


# ------------------------------------------------------------ the first weights, and the last product


@BOTH
def test_features_times_the_token_embedding_are_the_logits(kind) -> None:
    model, ids = small(kind), torch.tensor([[1, 2, 3]])
    assert torch.equal(model.features(ids) @ model.tokens.weight.T, model(ids))


def test_gradients_agree_with_finite_differences() -> None:
    config = QwenConfig(vocab_size=5, layers=1, width=4, heads=2, key_heads=1, feedforward=3)
    model, ids = randomise(Qwen(config)), torch.tensor([[1, 4, 1], [2, 3, 0]])
    check_gradients(model, lambda: model(ids))


def test_large_queries_and_keys_do_not_sharpen_the_attention_of_qwen() -> None:
    """What the norm is for: scores depend on directions alone."""
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    moved = {}
    for kind in (Llama, Qwen):
        model = small(kind)
        logits = model(ids)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, LlamaAttention):
                    module.query.weight.mul_(1000)
                    module.key.weight.mul_(1000)
        moved[kind] = distance(model(ids), logits)
    assert moved[Qwen] < 1e-3 < 0.1 < moved[Llama]


@BOTH
def test_the_same_generator_gives_the_same_model(kind) -> None:
    one, same, other = (kind(SMALL[kind], Generator().manual_seed(seed)) for seed in (0, 0, 1))
    named = zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True)
    for (name, a), b, c in named:
        assert torch.equal(a, b)
        drawn = a.ndim == 2 and not name.endswith(("output.weight", "contract.weight"))
        assert torch.equal(a, c) != drawn, name


@BOTH
def test_a_new_stack_does_nothing_yet_but_norm(kind) -> None:
    model = kind(SMALL[kind], Generator().manual_seed(0))
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(model.features(ids), model.norm(model.tokens(ids)))
    assert abs(model.tokens.weight.std().item() / 0.02 - 1) < 0.2


@pytest.mark.parametrize(
    ("kind", "config", "preset", "count"),
    [
        # V D + L (4 D^2 + 3 D F + 2 D) + D, and for Qwen 2 K more in each block.
        (Llama, LlamaConfig, "llama-base", 32000 * 768 + 12 * (4 * 768**2 + 3 * 768 * 2048 + 1536) + 768),
        (Qwen, QwenConfig, "qwen-base", 32000 * 768 + 12 * (4 * 768**2 + 3 * 768 * 2048 + 1664) + 768),
    ],
)
def test_a_preset_has_as_many_parameters_as_the_formula_says(kind, config, preset, count) -> None:
    with torch.device("meta"):
        model = kind(from_dict(config, PRESETS[preset] | {"vocab_size": 32000}))
    assert sum(weight.numel() for weight in model.parameters()) == count


# ------------------------------------------------------------ compiling, refusing


@BOTH
def test_training_compiles_into_one_graph(kind) -> None:
    model, ids = small(kind), torch.tensor([[1, 2, 3], [4, 0, 0]])
    compiled = torch.compile(model.features, fullgraph=True, backend="eager")
    assert distance(compiled(ids), model.features(ids)) < 1e-12


@pytest.mark.parametrize("wrong", [-1, 11])
def test_an_id_outside_the_vocabulary_is_named(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"from 0 to 10, got {wrong} in sequence 1 at position 1"):
        small()(torch.tensor([[1, 2], [3, wrong]]))
