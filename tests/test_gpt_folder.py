"""Folders of GPT-2: both ways, number for number with transformers, and what ours cannot be."""

import json
from pathlib import Path
from typing import Any, cast

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
import transformers
from by_hand import by_hand
from hypothesis import given
from model_folders import edit_json, edit_weights, refusal
from oracles import distance, randomise
from samples import DOCUMENTS
from strategies import seeds
from torch import Generator, Tensor

from minibert.config import GptConfig
from minibert.hub import from_pretrained, save_pretrained
from minibert.hub.folder_kind import join, split
from minibert.hub.gpt_folder import BY_HAND, from_hugging_face, read_config, to_hugging_face, write_config
from minibert.learn.checks import hub_gpt_folder as checks
from minibert.model.gpt import Gpt
from minibert.text.byte_tokenizer import ByteTokenizer

test_by_hand = by_hand(checks, examples=1)

transformers.utils.logging.disable_progress_bar()

SMALL = GptConfig(
    vocab_size=60,
    layers=2,
    width=8,
    heads=2,
    feedforward=12,
    max_positions=16,
    dropout=0.0,
    attention_dropout=0.2,
    norm_eps=1e-4,
    position_init="sinusoidal",
)
IDS = torch.tensor([[2, 11, 30, 3], [2, 59, 12, 13]])


@st.composite
def configs(draw: st.DrawFn) -> GptConfig:
    """Draw the shape of a small GPT without dropout."""
    heads = draw(st.integers(1, 4))
    activation = draw(st.sampled_from(["gelu", "gelu_tanh", "relu"]))
    return GptConfig(
        vocab_size=draw(st.integers(5, 60)),
        layers=draw(st.integers(1, 3)),
        width=heads * draw(st.integers(4, 10)),
        heads=heads,
        feedforward=draw(st.integers(3, 40)),
        max_positions=draw(st.integers(9, 20)),
        activation=cast("Any", activation),
        dropout=0.0,
        attention_dropout=0.0,
        norm_eps=draw(st.sampled_from([1e-12, 1e-5])),
    )


def twins(config: GptConfig, seed: int, kernel: str) -> tuple[Gpt, transformers.GPT2LMHeadModel]:
    """Return a random GPT-2 of transformers and ours with its weights, float64."""
    settings = {key: value for key, value in write_config(config).items() if key != "minibert"}
    settings["attn_implementation"] = kernel
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**settings))
    randomise(theirs, seed, scale=0.3)
    ours = Gpt(config).double()
    ours.load_state_dict(from_hugging_face(theirs.state_dict()))
    return ours, theirs


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@given(config=configs(), seed=seeds)
def test_logits_loss_and_every_gradient_are_those_of_transformers(
    dtype, tolerance, kernel, config, seed
) -> None:
    """Differences are shares of a tensor's largest number; in gradients, of at least a tenth of any's.

    (Theirs work out the loss in float32, so its gradients are taken through a loss of their logits.)
    """
    ours, theirs = twins(config, seed, kernel)
    ours.to(dtype).train()
    theirs.to(dtype).train()
    ids = torch.randint(config.vocab_size, (3, 8), generator=Generator().manual_seed(seed))

    expected = theirs(input_ids=ids, labels=ids)
    logits = ours(ids)
    assert distance(logits, expected.logits) < tolerance
    loss, their_loss = (
        F.cross_entropy(some[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        for some in (logits, expected.logits)
    )
    assert distance(loss, their_loss) < tolerance
    assert distance(loss.float(), expected.loss) < 1e-5

    loss.backward()
    their_loss.backward()
    found = {name: w.grad for name, w in theirs.named_parameters() if w.grad is not None}
    gradients = to_hugging_face({name: w.grad for name, w in ours.named_parameters() if w.grad is not None})
    assert set(gradients) == set(found) == {name for name, _ in theirs.named_parameters()}
    largest = max(float(gradient.abs().max()) for gradient in found.values())
    for name, gradient in gradients.items():
        assert distance(gradient, found[name], least=0.1 * largest) < tolerance, name


@given(seed=seeds)
def test_padding_on_the_left_gives_the_numbers_of_transformers(seed: int) -> None:
    ours, theirs = twins(SMALL, seed, "eager")
    ours.eval()
    theirs.eval()
    ids, starts = torch.randint(60, (2, 5), generator=Generator().manual_seed(seed)), torch.tensor([0, 2])
    attend = torch.arange(5) >= starts[:, None]
    places = (torch.arange(5) - starts[:, None]).clamp(min=0)
    expected = theirs(input_ids=ids, attention_mask=attend.long(), position_ids=places).logits
    got = ours(ids, ours.new_state(2, 5, starts))
    assert distance(got[attend], expected[attend]) < 1e-10


@given(config=configs(), seed=seeds)
def test_names_there_and_back_give_the_same_weights(config: GptConfig, seed: int) -> None:
    state = randomise(Gpt(config), seed).state_dict()
    back = from_hugging_face(to_hugging_face(state))
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_the_three_products_by_hand_are_joined_in_their_order_whatever_the_order_of_the_names() -> None:
    state = randomise(Gpt(SMALL)).state_dict()
    apart = split(state, BY_HAND)
    again = join(dict(reversed(apart.items())), BY_HAND)
    assert again.keys() == state.keys() and all(torch.equal(again[name], state[name]) for name in state)
    joined = to_hugging_face(state)["transformer.h.1.attn.c_attn.weight"]
    assert torch.equal(joined[:, 8:16], apart["blocks.1.attention.key.weight"].T)


# ------------------------------------------------------------ folders


@pytest.fixture
def folder(tmp_path) -> Path:
    save_pretrained(randomise(Gpt(SMALL)).float(), None, tmp_path)
    return tmp_path


def test_transformers_opens_what_we_save_and_gets_the_same_numbers(tmp_path) -> None:
    ours = randomise(Gpt(SMALL)).float().eval()
    save_pretrained(ours, None, tmp_path)
    theirs, info = transformers.GPT2LMHeadModel.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
        tmp_path, output_loading_info=True
    )
    assert not any(info.values()), info
    assert distance(ours(IDS), theirs(IDS).logits) < 1e-5
    assert theirs.config.attn_pdrop == 0.2 and theirs.config.embd_pdrop == 0.0
    again, tokenizer = from_pretrained(tmp_path)
    assert type(again) is Gpt and again.config == SMALL and tokenizer is None
    assert torch.equal(again(IDS), ours(IDS))


def test_transformers_opens_our_tokenizer_beside_the_model(tmp_path) -> None:
    texts = [document.text for document in DOCUMENTS]
    tokenizer = ByteTokenizer.train(texts, vocab_size=300)
    save_pretrained(Gpt(GptConfig(vocab_size=len(tokenizer), layers=1)), tokenizer, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in texts:
        assert theirs(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text)
    _, again = from_pretrained(tmp_path)
    assert again is not None and again.fingerprint == tokenizer.fingerprint


@pytest.fixture
def theirs(tmp_path) -> transformers.GPT2LMHeadModel:
    """A GPT-2 that transformers has saved: its n_inner is null, which means 4 D."""
    config = transformers.GPT2Config(
        vocab_size=60, n_embd=8, n_layer=2, n_head=2, n_positions=16, bos_token_id=1, eos_token_id=1
    )
    saved = randomise(transformers.GPT2LMHeadModel(config)).float().eval()
    saved.save_pretrained(tmp_path)
    return saved


def test_we_open_what_transformers_saves_and_get_the_same_numbers(theirs, tmp_path) -> None:
    assert json.loads((tmp_path / "config.json").read_text())["n_inner"] is None
    ours, _ = from_pretrained(tmp_path)
    assert ours.config.feedforward == 32 and ours.config.activation == "gelu_tanh"
    assert distance(ours(IDS), theirs(IDS).logits) < 1e-5


def bare(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("transformer."): tensor for name, tensor in state.items()}


def with_buffers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    causal = torch.ones(1, 1, 16, 16, dtype=torch.uint8).tril()
    masked = {f"transformer.h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in range(2)}
    return state | masked | {f"transformer.h.{layer}.attn.bias": causal for layer in range(2)}


def with_output(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return state | {"lm_head.weight": state["transformer.wte.weight"]}


@pytest.mark.parametrize(
    "change", [bare, with_buffers, with_output, lambda state: bare(with_buffers(with_output(state)))]
)
def test_older_files_with_other_names_buffers_and_copies_are_read(theirs, tmp_path, change) -> None:
    edit_weights(tmp_path, change)
    ours, _ = from_pretrained(tmp_path)
    assert distance(ours(IDS), theirs(IDS).logits) < 1e-5


def test_an_output_projection_of_its_own_is_refused(folder) -> None:
    edit_weights(folder, lambda state: state | {"lm_head.weight": 2 * state["transformer.wte.weight"]})
    assert "lm_head.weight is not transformer.wte.weight" in refusal(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"tie_word_embeddings": False},
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False},
        {"add_cross_attention": True},
        {"activation_function": "silu"},
        {"embd_pdrop": 0.3},
        {"n_embd": "8"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_ours_cannot_be_is_refused_by_name(folder, change) -> None:
    edit_json(folder / "config.json", **change)
    message = refusal(folder)
    assert "config.json" in message and next(iter(change)) in message


def test_heads_that_do_not_divide_the_width_are_refused(folder) -> None:
    edit_json(folder / "config.json", n_head=3)
    assert "width must be a multiple of heads" in refusal(folder)


def test_weights_of_other_sizes_than_config_json_says_are_told(folder) -> None:
    edit_json(folder / "config.json", n_inner=13, n_layer=3, n_positions=20)
    message = refusal(folder)
    assert "n_inner is 13 in config.json and 12 in the weights" in message
    assert "n_layer is 3 in config.json and 2 in the weights" in message
    assert "n_positions is 20 in config.json and 16 in the weights" in message


def test_weights_that_are_missing_or_too_many_are_named_as_transformers_names_them(folder) -> None:
    lacking = ("transformer.h.1.attn.c_attn.bias", "transformer.h.0.mlp.c_fc.bias")
    edit_weights(
        folder,
        lambda state: (
            {name: tensor for name, tensor in state.items() if name not in lacking}
            | {"extra.weight": torch.zeros(2)}
        ),
    )
    message = refusal(folder)
    assert all(name in message for name in (*lacking, "extra.weight"))


def test_what_is_left_unsaid_means_what_it_means_to_transformers() -> None:
    theirs = transformers.GPT2Config()
    assert read_config({}, Path("config.json")) == GptConfig(
        vocab_size=theirs.vocab_size,
        layers=theirs.n_layer,
        width=theirs.n_embd,
        heads=theirs.n_head,
        feedforward=4 * theirs.n_embd,
        max_positions=theirs.n_positions,
        dropout=theirs.resid_pdrop,
        attention_dropout=theirs.attn_pdrop,
        norm_eps=theirs.layer_norm_epsilon,
        init_std=theirs.initializer_range,
    )
