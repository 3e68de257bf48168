"""BERT by hand: loss and every gradient those of torch and transformers, and so for ten steps of training."""

from collections.abc import Mapping
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import transformers
from by_hand import by_hand
from hypothesis import given, settings
from oracles import randomise
from small_runs import small_store, small_tokenizer
from strategies import configs, seeds

from minibert.batches.batch import Batch, PretrainingBatches
from minibert.byhand.bert import TOKENS, Settings, pretraining_backward, pretraining_forward
from minibert.byhand.gradcheck import relative_errors
from minibert.byhand.loss import IGNORE
from minibert.byhand.optimizer import adamw, clip, decay_of, schedule
from minibert.byhand.parameters import Parameters
from minibert.config import BertConfig
from minibert.hub.bert_folder import from_hugging_face, to_hugging_face, write_config
from minibert.learn.checks import bert as checks
from minibert.model.bert import BertForPretraining
from minibert.recipes.byhand import examples_of
from minibert.recipes.learning import pretraining_loss
from minibert.train.optimizer import AdamW, clip_gradients, decay_groups
from minibert.train.schedule import factor

test_by_hand = by_hand(checks, examples=2)


def settings_of(config: BertConfig) -> Settings:
    return Settings(config.heads, config.activation, config.norm_eps, config.pad_id)


def arrays(model: torch.nn.Module) -> Parameters:
    """Return a copy of the weights of one of our models by name, the tied one once."""
    return {name: weight.detach().numpy().copy() for name, weight in model.named_parameters()}


def gradients(model: torch.nn.Module) -> Parameters:
    return {name: w.grad.numpy().copy() for name, w in model.named_parameters() if w.grad is not None}


def their_twin(model: BertForPretraining) -> transformers.BertForPreTraining:
    """Return the BERT of transformers with the weights of ours."""
    values = {key: value for key, value in write_config(model.config).items() if key != "minibert"}
    theirs = transformers.BertForPreTraining(transformers.BertConfig(**values)).double()
    missing, unexpected = theirs.load_state_dict(to_hugging_face(model.state_dict()), strict=False)
    assert not unexpected and all(name.startswith("cls.predictions.decoder.") for name in missing)
    return theirs


def their_loss(theirs: transformers.BertForPreTraining, batch: Batch) -> torch.Tensor:
    """Return the loss of transformers, which takes the targets as one row for each row of ids."""
    labels = torch.full((batch.ids.numel(),), IGNORE)
    counts = batch.targets != IGNORE
    labels[batch.slots[counts]] = batch.targets[counts]
    output = theirs(
        input_ids=batch.ids,
        token_type_ids=batch.segments,
        attention_mask=None if batch.attend is None else batch.attend.long(),
        labels=labels.view_as(batch.ids),
        next_sentence_label=batch.pair_labels,
    )
    return output.loss


def random_batch(config: BertConfig, seed: int) -> Batch:
    """Return a batch with padding in it, empty slots, and one word to guess in the first place."""
    rng = np.random.default_rng(seed)
    B, T = int(rng.integers(1, 4)), int(rng.integers(2, config.max_positions))
    attend = rng.random((B, T)) > 0.3
    attend[:, 0] = True
    slots = np.append(0, 1 + rng.permutation(B * T - 1)[:4])
    targets = rng.integers(config.vocab_size, size=slots.shape)
    targets[2:3] = IGNORE
    tensors = (
        rng.integers(config.vocab_size, size=(B, T)),
        rng.integers(config.segments, size=(B, T)),
        attend,
        slots,
        targets,
        rng.integers(2, size=B),
    )
    return Batch(*map(torch.from_numpy, tensors))


@settings(max_examples=40)
@given(config=configs(), seed=seeds, scale=st.sampled_from([0.1, 0.5]))
def test_the_loss_and_every_gradient_are_those_of_torch_and_of_transformers(
    config: BertConfig, seed: int, scale: float
) -> None:
    model = randomise(BertForPretraining(config), seed, scale)
    theirs, batch = their_twin(model), random_batch(config, seed)
    losses, cache = pretraining_forward(examples_of(batch), arrays(model), settings_of(config))
    by_hand = pretraining_backward(np.ones(2), cache)

    loss = total(pretraining_loss(model, batch))
    loss.backward()
    expected = their_loss(theirs, batch)
    expected.backward()
    assert losses.sum() == pytest.approx(loss.item(), rel=1e-9)
    assert losses.sum() == pytest.approx(expected.item(), rel=1e-9)
    theirs_by_our_names = from_hugging_face(dict(theirs_gradients(theirs)))
    assert set(by_hand) == set(gradients(model)) == set(theirs_by_our_names)
    for twin in (gradients(model), {name: slope.numpy() for name, slope in theirs_by_our_names.items()}):
        errors = relative_errors(by_hand, twin)
        worst = max(errors, key=errors.__getitem__)
        assert errors[worst] < 1e-9, worst


def theirs_gradients(theirs: transformers.BertForPreTraining):
    """Yield the names of transformers and the gradients, the tied weight's once."""
    for name, weight in theirs.named_parameters():
        assert weight.grad is not None, name
        yield name, weight.grad


def total(losses: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The sum of the parts, which is minimised."""
    return torch.stack(list(losses.values())).sum()


def step_by_hand(
    params: Parameters, memory: dict[str, tuple], batch: Batch, config: BertConfig, step: int, rate: float
) -> tuple[Parameters, float]:
    """Return the weights after one AdamW step, and the loss before it: nothing but NumPy."""
    losses, cache = pretraining_forward(examples_of(batch), params, settings_of(config))
    slopes, _ = clip(pretraining_backward(np.ones(2), cache), 1.0)
    after: Parameters = {}
    for name, w in params.items():
        m, v = memory.get(name, (np.zeros_like(w), np.zeros_like(w)))
        after[name], *memory[name] = adamw(  # pyright: ignore[reportArgumentType]
            w, slopes[name], m, v, step, rate, decay=decay_of(w, 0.01)
        )
    return after, float(losses.sum())


def test_ten_adamw_steps_stay_together(tmp_path: Path) -> None:
    """By hand, in torch and in transformers: the same batches, clipping and schedule; losses and weights."""
    tokenizer = small_tokenizer()
    batches = PretrainingBatches(small_store(tmp_path, tokenizer), tokenizer, 4, 24)
    config = BertConfig(
        len(tokenizer), 2, 16, 4, 32, 32, dropout=0.0, attention_dropout=0.0, pad_id=tokenizer.pad_id
    )
    model = BertForPretraining(config, torch.Generator().manual_seed(0)).double()
    theirs, params, memory = their_twin(model), arrays(model), {}
    first = params[TOKENS]
    adamws = (
        AdamW(decay_groups(model.parameters(), 0.01), lr=1e-2),
        torch.optim.AdamW(decay_groups(theirs.parameters(), 0.01), lr=1e-2, betas=(0.9, 0.98)),
    )
    for step in range(10):
        batch = batches(step)
        assert batch.pair_labels is not None and not (batch.targets == IGNORE).all()
        rate = 1e-2 * schedule(step / 10, (step + 1) / 10, 0.3)
        assert rate == 1e-2 * factor(step / 10, (step + 1) / 10, 0.3, "linear")
        params, loss = step_by_hand(params, memory, batch, config, step + 1, rate)
        for twin, twin_loss, optimizer in (
            (model, total(pretraining_loss(model, batch)), adamws[0]),
            (theirs, their_loss(theirs, batch), adamws[1]),
        ):
            assert loss == pytest.approx(twin_loss.item(), rel=1e-9), step
            twin_loss.backward()
            clip_gradients(twin.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()

    assert np.abs(params[TOKENS] - first).max() > 0.02
    renamed = from_hugging_face(dict(theirs.named_parameters()))
    for name, weight in params.items():
        np.testing.assert_allclose(weight, arrays(model)[name], rtol=0, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(weight, renamed[name].detach().numpy(), rtol=0, atol=1e-9, err_msg=name)
