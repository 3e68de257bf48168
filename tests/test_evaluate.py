"""Evaluation: the same numbers twice, whatever the batch size, on the same tokens as the baselines."""

import dataclasses
import math

import pytest
import torch
from small_runs import running_store, small_store, small_tokenizer

from minibert.batches.batch import IGNORE, Batch
from minibert.config import BertConfig, GptConfig, Objective
from minibert.model.bert import BertForPretraining
from minibert.model.gpt import Gpt
from minibert.recipes.baselines import Bigram
from minibert.recipes.evaluate import (
    bytes_per_token,
    evaluate,
    full_evaluation,
    held_out_batches,
    in_parts,
    questions,
)
from minibert.text.byte_tokenizer import ByteTokenizer


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    tokenizer = small_tokenizer()
    folder = tmp_path_factory.mktemp("evaluate")
    config = BertConfig(len(tokenizer), layers=1, width=16, heads=2, feedforward=32, dropout=0.2)
    model = BertForPretraining(config, torch.Generator().manual_seed(0)).eval()
    return model, small_store(folder, tokenizer, 12), small_store(folder, tokenizer, 3), tokenizer


def batches(parts, objective: Objective = "mlm+nsp"):
    return held_out_batches(parts[2], parts[3], 32, objective)


def test_numbers_do_not_depend_on_the_batch_size(parts):
    small = dataclasses.replace(batches(parts), batch_size=7)
    assert evaluate(parts[0], batches(parts), 40) == pytest.approx(evaluate(parts[0], small, 40), rel=1e-5)


def test_two_evaluations_are_equal(parts):
    assert evaluate(parts[0], batches(parts)) == evaluate(parts[0], batches(parts))


def test_numbers_are_those_of_a_count_by_hand(parts):
    model, data = parts[0], batches(parts)
    numbers = evaluate(model, data, 50)
    log_p, hits, pair_log_p, pair_hits = [], [], [], []
    for i in range(50):
        batch = data.examples(i, 1)
        assert isinstance(batch, Batch)
        output = model(batch.ids, batch.segments, batch.attend)  # logits at every position
        words, pairs = output.words.log_softmax(-1).flatten(0, 1), output.pairs.log_softmax(-1)
        for slot, target in zip(batch.slots.tolist(), batch.targets.tolist(), strict=True):
            if target != IGNORE:
                log_p.append(words[slot, target].item())
                hits.append(words[slot].argmax().item() == target)
        assert batch.pair_labels is not None
        label = int(batch.pair_labels[0])
        pair_log_p.append(pairs[0, label].item())
        pair_hits.append(pairs[0].argmax().item() == label)
    assert numbers["word_predictions"] == len(log_p) and numbers["pairs"] == 50
    assert numbers["word_loss"] == pytest.approx(-sum(log_p) / len(log_p), rel=1e-5)
    assert numbers["word_accuracy"] == pytest.approx(sum(hits) / len(hits))
    assert numbers["pair_loss"] == pytest.approx(-sum(pair_log_p) / 50, rel=1e-5)
    assert numbers["pair_accuracy"] == pytest.approx(sum(pair_hits) / 50)


def test_no_more_than_an_epoch_is_used(parts):
    data = batches(parts)
    assert evaluate(parts[0], data, 10**6)["pairs"] == len(data)
    assert sum(len(batch.ids) for batch in in_parts(data, 10**6)) == len(data)


def test_without_pairs_there_are_no_pair_numbers(parts):
    numbers = evaluate(parts[0], batches(parts, "mlm"))
    assert set(numbers) == {"word_loss", "word_accuracy", "word_predictions"}


def test_questions_are_the_true_tokens_and_their_true_left_neighbours(parts):
    tokenizer = parts[3]
    before, true = questions(batches(parts).examples(0, 60))
    text = parts[2].ids.tolist()
    together = set(zip(text[:-1], text[1:], strict=True)) | {(tokenizer.cls_id, t) for t in text}
    together |= {(tokenizer.sep_id, t) for t in text}
    assert set(zip(before.tolist(), true.tolist(), strict=True)) <= together
    assert not set(before.tolist()) & {tokenizer.mask_id, tokenizer.pad_id}


def test_the_full_evaluation_holds_model_and_baselines_on_the_same_tokens(parts):
    model, train, _, tokenizer = parts
    data = batches(parts)
    result = full_evaluation(model, train, data, tokenizer, step=9)
    assert result["step"] == 9 and result["seed"] == 0 and result["mask_rate"] == 0.15
    assert result["seq_len"] == 32
    asked = [questions(batch)[1] for batch in in_parts(data, 2048)]
    assert sum(map(len, asked)) == result["word_predictions"]
    bigram = Bigram.fit(train.ids, train.sentences[train.documents], len(parts[3]))
    n = sum(map(len, asked))
    expected = -sum(math.log(bigram.unigram[token]) for part in asked for token in part) / n
    assert result["baselines"]["unigram"]["loss"] == pytest.approx(expected)
    assert result["baselines"]["bigram"]["loss"] < result["baselines"]["unigram"]["loss"]


# ------------------------------------------------------------ causal models


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A GPT, its tokenizer, and running text to train on and held out."""
    tokenizer = ByteTokenizer.train(["the state of the union is strong. " * 3], 280)
    folder = tmp_path_factory.mktemp("running")
    stores = [running_store(folder / str(n), tokenizer, n) for n in (12, 3)]
    shape = GptConfig(len(tokenizer), layers=1, width=16, heads=2, feedforward=32, dropout=0.2)
    return Gpt(shape, torch.Generator().manual_seed(0)).eval(), *stores, tokenizer


def test_the_loss_of_a_causal_model_is_that_of_each_token_by_itself(running):
    model, _, store, tokenizer = running
    data = held_out_batches(store, tokenizer, 16, "clm")
    numbers = evaluate(model, data, 20)
    losses, hits = [], []
    for i in range(20):
        batch = data.examples(i, 1)
        for t in range(16):  # the model sees no more than what stands before
            logits = model(batch.ids[:, : t + 1])[0, -1].log_softmax(-1)
            losses.append(-logits[batch.targets[0, t]].item())
            hits.append(bool(logits.argmax() == batch.targets[0, t]))
    assert numbers["word_predictions"] == 320
    assert numbers["word_loss"] == pytest.approx(sum(losses) / 320, rel=1e-5)
    assert numbers["word_accuracy"] == pytest.approx(sum(hits) / 320)
    other = dataclasses.replace(data, batch_size=7)
    assert evaluate(model, other, 20) == pytest.approx(numbers, rel=1e-5)


def test_the_baselines_of_a_causal_model_are_asked_for_every_token_after_the_one_before(running):
    model, train, store, tokenizer = running
    data = held_out_batches(store, tokenizer, 16, "clm")
    result = full_evaluation(model, train, data, tokenizer, step=3)
    assert "mask_rate" not in result and result["step"] == 3
    asked = [questions(batch) for batch in in_parts(data, 2048)]
    text = [*store.ids.tolist(), int(store.ids[0])]
    neighbours = set(zip(text[:-1], text[1:], strict=True))
    for before, true in asked:
        assert set(zip(before.tolist(), true.tolist(), strict=True)) <= neighbours
    bigram = Bigram.fit(train.ids, train.sentences[train.documents], len(tokenizer))
    true = [token for _, part in asked for token in part]
    expected = -sum(math.log(bigram.unigram[token]) for token in true) / len(true)
    assert result["baselines"]["unigram"]["loss"] == pytest.approx(expected)
    assert result["baselines"]["bigram"]["loss"] < result["baselines"]["unigram"]["loss"]


def test_bits_per_byte_share_the_loss_out_over_the_bytes_of_the_text(running):
    _, train, store, tokenizer = running
    written = tokenizer.decode([int(i) for i in store.ids if i != tokenizer.end_id])
    per_token = bytes_per_token(store, tokenizer)
    assert per_token == pytest.approx(len(written.encode()) / len(store.ids))
    result = full_evaluation(
        running[0], train, held_out_batches(store, tokenizer, 16, "clm"), tokenizer, step=0
    )
    assert result["bits_per_byte"] == pytest.approx(result["word_loss"] / math.log(2) / per_token)
