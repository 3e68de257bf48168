"""The recipe from text to run folder: what it leaves, what it refuses, and resuming."""

import dataclasses
import json
import logging
from typing import Any

import pytest
import torch
from small_runs import corpus_file, documents, small_config
from transformers import AutoTokenizer, BertForPreTraining

from minibert.config import PretrainConfig
from minibert.hub import from_pretrained
from minibert.recipes import pretrain as module
from minibert.recipes.fill import fill
from minibert.recipes.learning import TORCH
from minibert.recipes.pretrain import pretrain
from minibert.recipes.ready import BACKENDS
from minibert.text.tokenizer import Tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return pretrain("bert-tiny", small_config(folder), "minibert pretrain --steps 6")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leave out the pictures; the run of the fixture `run` has them."""
    monkeypatch.setattr(module, "write_report", lambda run: (run / "report.md").touch())


def weights(run) -> dict[str, bytes]:
    return {name: p.detach().numpy().tobytes() for name, p in from_pretrained(run)[0].named_parameters()}


def test_a_run_leaves_everything_the_design_names(run):
    names = {path.name for path in run.iterdir()}
    model = {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"}
    record = {"run.json", "metrics.jsonl", "evaluation.json", "checkpoints"}
    assert names >= model | record | {"report.md", "README.md", "loss.png"}
    kept = {path.name for path in (run / "checkpoints").iterdir()}
    assert kept - {"step-00000003"} == {"step-00000004", "step-00000006"}  # 3 may be the best


def test_run_json_says_what_ran(run):
    record = json.loads((run / "run.json").read_text())
    assert record["preset"] == "bert-tiny" and record["command"] == "minibert pretrain --steps 6"
    assert record["config"]["steps"] == 6 and record["model"]["width"] == 16
    assert record["parameters"] == sum(p.numel() for p in from_pretrained(run)[0].parameters())
    assert record["data"]["train"]["documents"] + record["data"]["held_out"]["documents"] == 12
    assert record["finished"] >= record["started"]


def test_metrics_hold_training_and_held_out_lines(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == [2, 4, 6]
    assert [line["step"] for line in lines if line["kind"] == "held_out"] == [3, 6]
    for line in lines:
        if line["kind"] == "train":
            assert line["loss"] == pytest.approx(line["word_loss"] + line["pair_loss"], rel=1e-5)
            assert line["tokens"] == line["step"] * 4 * 32


def test_transformers_opens_the_run_with_the_same_numbers(run):
    loaded: Any = BertForPreTraining.from_pretrained(run, output_loading_info=True)
    theirs, info = loaded
    assert not info["missing_keys"] and not info["unexpected_keys"]
    ours, tokenizer = from_pretrained(run)
    sentence = documents(1)[0].text.splitlines()[0]
    ids = torch.tensor([AutoTokenizer.from_pretrained(run)(sentence)["input_ids"]])
    assert tokenizer is not None
    assert ids[0, 1:-1].tolist() == tokenizer.encode(sentence)
    with torch.no_grad():
        expected, got = theirs(ids), ours(ids)
    torch.testing.assert_close(got.words, expected.prediction_logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got.pairs, expected.seq_relationship_logits, rtol=1e-5, atol=1e-5)


def test_the_model_fills_blanks(run):
    [first, second] = fill(run, "the [MASK] sells [MASK].", top=3)
    assert len(first) == len(second) == 3
    shares = [share for _, share in first]
    assert shares == sorted(shares, reverse=True) and 0 < shares[0] <= 1


def test_the_tokenizer_has_not_seen_held_out_text(tmp_path):
    config = small_config(tmp_path, steps=1)
    names = json.loads((pretrain("bert-tiny", config) / "run.json").read_text())["data"]["held_out"]["names"]
    path = corpus_file(tmp_path)
    texts = path.read_text().split("\n\n")
    place = int(names[0].rsplit(":", 1)[1]) - 1  # documents of a plain file are numbered from 1
    texts[place] += "\nZyxwv zyxwv zyxwv zyxwv zyxwv zyxwv zyxwv."
    path.write_text("\n\n".join(texts))
    config = dataclasses.replace(config, corpus=(str(path),), out=tmp_path / "second")
    tokenizer = Tokenizer.load(pretrain("bert-tiny", config))
    assert tokenizer.unk_id in tokenizer.encode("zyxwv")


class Stopped(Exception):
    pass


@pytest.mark.parametrize("stop_at", [0, 1, 3, 5])
def test_a_stopped_and_resumed_run_equals_one_that_never_stopped(run, tmp_path, monkeypatch, stop_at):
    config = dataclasses.replace(small_config(run.parent), out=tmp_path / "run")

    def stopping(model, batch):
        if calls.pop():
            raise Stopped
        return TORCH.loss(model, batch)

    calls = [True] + [False] * stop_at
    monkeypatch.setitem(BACKENDS, "torch", dataclasses.replace(TORCH, loss=stopping))
    with pytest.raises(Stopped):
        pretrain("bert-tiny", config)
    monkeypatch.setitem(BACKENDS, "torch", TORCH)
    resumed = pretrain("bert-tiny", dataclasses.replace(config, resume="auto"))
    assert weights(resumed) == weights(run)
    assert json.loads((resumed / "evaluation.json").read_text()) == json.loads(
        (run / "evaluation.json").read_text()
    )


def test_masked_words_alone_need_only_one_document(tmp_path, caplog):
    path = tmp_path / "one.txt"
    path.write_text(documents(1)[0].text)
    config = small_config(tmp_path, corpus=(str(path),))
    with pytest.raises(ValueError, match="--objective mlm"):
        pretrain("bert-tiny", config)
    with caplog.at_level(logging.INFO, "minibert"):
        out = pretrain("bert-tiny", dataclasses.replace(config, objective="mlm"))
    assert not (out / "evaluation.json").exists()
    assert (out / "report.md").exists()


def test_adamw_whole_words_and_cosine_also_train(tmp_path):
    config = small_config(tmp_path, optimizer="adamw", whole_words=True, schedule="cosine", word_bias="zero")
    assert json.loads((pretrain("bert-tiny", config) / "evaluation.json").read_text())["step"] == 6


def test_an_unknown_preset_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"no preset 'bert-tinny'\. Did you mean 'bert-tiny'\?"):
        pretrain("bert-tinny", PretrainConfig())
