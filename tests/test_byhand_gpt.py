"""GPT-2 by hand: the checks of the exercises, and ten steps of training beside torch."""

import numpy as np
import pytest
import torch
from by_hand import by_hand
from oracles import randomise

from minibert.byhand.gpt import Settings, next_word_backward, next_word_forward
from minibert.byhand.optimizer import adamw, clip, decay_of
from minibert.byhand.parameters import Parameters
from minibert.config import GptConfig
from minibert.hub.folder_kind import split
from minibert.hub.gpt_folder import BY_HAND
from minibert.learn.checks import gpt as checks
from minibert.model.gpt import Gpt
from minibert.train.loss import cross_entropy
from minibert.train.optimizer import AdamW, clip_gradients, decay_groups

test_by_hand = by_hand(checks, examples=2)

SMALL = GptConfig(
    vocab_size=13, layers=2, width=8, heads=2, feedforward=12, max_positions=6, dropout=0, attention_dropout=0
)


def arrays(model: Gpt) -> Parameters:
    """Return a copy of the weights by the names that they have by hand."""
    weights = split(dict(model.named_parameters()), BY_HAND)
    return {name: weight.detach().numpy().copy() for name, weight in weights.items()}


def test_ten_adamw_steps_stay_together() -> None:
    """By hand and in torch: the same batches and clipping; losses and weights."""
    model = randomise(Gpt(SMALL), scale=0.2)
    params, memory, settings = arrays(model), {}, Settings(SMALL.heads, SMALL.activation, SMALL.norm_eps)
    optimizer, rng = AdamW(decay_groups(model.parameters(), 0.01), lr=1e-2), np.random.default_rng(0)
    for step in range(10):
        text = rng.integers(SMALL.vocab_size, size=(3, SMALL.max_positions + 1))
        ids, targets = text[:, :-1], text[:, 1:]
        loss, cache = next_word_forward(ids, targets, params, settings)
        slopes, _ = clip(next_word_backward(1.0, cache), 1.0)
        for name, w in params.items():
            m, v = memory.get(name, (np.zeros_like(w), np.zeros_like(w)))
            params[name], *memory[name] = adamw(
                w, slopes[name], m, v, step + 1, 1e-2, decay=decay_of(w, 0.01)
            )

        logits = model(torch.from_numpy(ids)).flatten(0, 1)
        twin_loss = cross_entropy(logits, torch.from_numpy(targets).flatten())
        assert loss == pytest.approx(twin_loss.item(), rel=1e-9), step
        twin_loss.backward()
        clip_gradients(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    for name, weight in arrays(model).items():
        np.testing.assert_allclose(params[name], weight, rtol=0, atol=1e-9, err_msg=name)
