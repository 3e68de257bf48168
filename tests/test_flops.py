"""The operations of a training step: counted by formula, and by torch itself."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from minibert.config import BertConfig
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
