"""The operations of a training step: counted by formula, and by torch itself."""

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from minibert.config import BertConfig, GptConfig, LlamaConfig, LstmConfig, ModernBertConfig, RnnConfig
from minibert.hub import new_model
from minibert.model.bert import BertForPretraining
from minibert.recipes.flops import flops_per_token


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_formula_counts_what_torch_counts(layers, pairs):
    B, T, slots = 4, 32, 9
    shape = BertConfig(vocab_size=1000, layers=layers, width=64, heads=4, feedforward=192)
    model = BertForPretraining(shape)
    chosen = (torch.arange(1, slots + 1) + T * torch.arange(B)[:, None]).flatten()
    ids = torch.randint(5, 1000, (B, T), generator=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        features, pair_logits = model.features(ids, None, None, chosen)
        words = F.linear(features, model.words.weight, model.words.bias).logsumexp(1).sum()
        (words + pair_logits.sum()).backward()
    pooled = 3 * (2 * 64 * 64 + 2 * 2 * 64) / T  # worked out also where nobody asks for pairs
    expected = counter.get_total_flops() / (B * T) - (0 if pairs else pooled)
    assert flops_per_token(shape, T, slots, pairs) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "shape",
    [
        GptConfig(1000, layers=2, width=64, heads=4, feedforward=192),
        LlamaConfig(1000, layers=3, width=64, heads=4, key_heads=4, feedforward=96),
        ModernBertConfig(1000, layers=3, width=64, heads=4, feedforward=96),
    ],
    ids=["gpt", "llama", "modernbert"],
)
def test_the_formula_counts_what_torch_counts_in_other_stacks(shape):
    B, T, slots = 4, 32, 9
    model = new_model(shape)
    ids = torch.randint(5, 1000, (B, T), generator=torch.Generator().manual_seed(0))
    encoder = isinstance(shape, ModernBertConfig)
    # The counter knows the products of plain attention; it does not know the CPU's kernel.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        if encoder:
            chosen = (torch.arange(1, slots + 1) + T * torch.arange(B)[:, None]).flatten()
            features, _ = model.features(ids, None, None, chosen)
            logits = F.linear(features, model.words.weight, model.words.bias)
        else:
            logits = model(ids)
        logits.logsumexp(-1).sum().backward()
    expected = counter.get_total_flops() / (B * T)
    assert flops_per_token(shape, T, slots if encoder else T, False) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("kind", "gates"), [(RnnConfig, 1), (LstmConfig, 4)])
def test_a_recurrent_layer_multiplies_two_matrices_a_gate(kind, gates):
    shape = kind(1000, layers=3, width=64)
    products = sum(
        p.numel() for name, p in new_model(shape).named_parameters() if name.startswith("kernel.w")
    )
    assert products == 3 * gates * 2 * 64 * 64
    assert flops_per_token(shape, T=17, slots=17, pairs=False) == 3 * 2 * (products + 64 * 1000)


def test_fewer_key_heads_save_the_columns_of_their_projections():
    full, shared = (
        flops_per_token(LlamaConfig(1000, layers=3, width=64, heads=4, key_heads=n), 32, 32, False)
        for n in (4, 1)
    )
    assert full - shared == 3 * 3 * 2 * 64 * (2 * 48)
