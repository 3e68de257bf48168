"""The recipe from text to run folder: what it leaves, what it refuses, and resuming."""

import dataclasses
import json
import logging
from typing import Any

import pytest
import torch
from small_runs import corpus_file, documents, small_config
from transformers import AutoTokenizer, BertForPreTraining

from minibert.config import PRESETS, PretrainConfig, model_config
from minibert.hub import from_pretrained
from minibert.recipes import pretrain as module
from minibert.recipes.fill import fill
from minibert.recipes.learning import TORCH
from minibert.recipes.pretrain import pretrain
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
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-00000004", "step-00000006"]


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
    monkeypatch.setitem(module.BACKENDS, "torch", dataclasses.replace(TORCH, loss=stopping))
    with pytest.raises(Stopped):
        pretrain("bert-tiny", config)
    monkeypatch.setitem(module.BACKENDS, "torch", TORCH)
    resumed = pretrain("bert-tiny", dataclasses.replace(config, resume="auto"))
    assert weights(resumed) == weights(run)
    assert json.loads((resumed / "evaluation.json").read_text()) == json.loads(
        (run / "evaluation.json").read_text()
    )


def test_an_existing_run_is_refused_naming_both_ways_on(run):
    with pytest.raises(ValueError, match=r"holds a run already.*--resume auto.*--out"):
        pretrain("bert-tiny", small_config(run.parent))


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("dear")
    for resume in (None, "auto"):
        with pytest.raises(ValueError, match="is not empty and holds no run; choose another"):
            pretrain("bert-tiny", small_config(tmp_path, resume=resume))
    assert (tmp_path / "run" / "thesis.tex").read_text() == "dear"


def test_a_run_that_was_killed_before_its_first_record_starts_anew(tmp_path):
    (tmp_path / "run").mkdir()
    Tokenizer.train(["other words"], vocab_size=60).save(tmp_path / "run")
    assert (pretrain("bert-tiny", small_config(tmp_path, steps=1)) / "report.md").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        pretrain("bert-tiny", small_config(tmp_path))


def finished(folder):
    return pretrain("bert-tiny", small_config(folder, steps=2))


def test_a_corpus_that_changed_since_is_refused(tmp_path):
    finished(tmp_path)
    config = small_config(tmp_path, steps=4, resume="auto")
    with open(corpus_file(tmp_path), "a") as file:
        file.write("\nOne more line.")
    with pytest.raises(ValueError, match=r"the text of .* is not the one the run began with .*restore it"):
        pretrain("bert-tiny", config)


def test_a_swapped_tokenizer_is_refused_before_the_first_step(tmp_path):
    out = finished(tmp_path)
    Tokenizer.train(["entirely other words"], vocab_size=60).save(out)
    with pytest.raises(ValueError, match=r"the tokenizer in .* is not the one the run began with"):
        pretrain("bert-tiny", small_config(tmp_path, steps=4, resume="auto"))


def test_other_settings_on_resume_are_listed(tmp_path):
    finished(tmp_path)
    config = small_config(tmp_path, steps=4, resume="auto", batch_size=5, width=32)
    with pytest.raises(ValueError, match=r"other settings: .*batch_size 4, now 5.*width 16, now 32"):
        pretrain("bert-tiny", config)


def test_resuming_a_run_that_never_began_begins_it(tmp_path):
    assert (pretrain("bert-tiny", small_config(tmp_path, steps=1, resume="auto")) / "report.md").exists()


def test_going_on_from_a_folder_takes_its_weights_tokenizer_and_sizes(run, tmp_path):
    config = small_config(
        tmp_path, from_folder=run, layers=None, width=None, heads=None, lr=1e-9, matrix_lr=1e-9
    )
    again = pretrain("bert-base", config)
    old, new = from_pretrained(run), from_pretrained(again)
    assert old[1] is not None and new[1] is not None and old[1].fingerprint == new[1].fingerprint
    for (name, before), (_, after) in zip(old[0].named_parameters(), new[0].named_parameters(), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=1e-6, msg=name)


def test_sizes_beside_from_are_refused(run, tmp_path):
    with pytest.raises(ValueError, match="leave out: layers, width, heads"):
        pretrain("bert-tiny", small_config(tmp_path, from_folder=run))


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


@pytest.mark.parametrize(
    ("preset", "layers", "width", "millions"),
    [
        ("bert-tiny", 2, 128, 4.4),
        ("bert-mini", 4, 256, 11.3),
        ("bert-small", 4, 512, 29.1),
        ("bert-medium", 8, 512, 41.7),
        ("bert-base", 12, 768, 110.1),
        ("bert-large", 24, 1024, 336.2),
    ],
)
def test_presets_have_the_published_sizes(preset, layers, width, millions):
    # Turc et al. 2019 and the google-research/bert README: V = 30522, with the pooler, without the heads.
    shape = model_config(preset, PretrainConfig(vocab_size=30522))
    assert (shape.layers, shape.width, shape.feedforward) == (layers, width, 4 * width)
    assert shape.heads == (4 if preset == "bert-tiny" else width // 64)
    D, F = shape.width, shape.feedforward
    block = 4 * (D * D + D) + 2 * D * F + F + D + 4 * D
    embeddings = (30522 + 512 + 2) * D + 2 * D
    assert (embeddings + shape.layers * block + D * D + D) / 1e6 == pytest.approx(millions, rel=0.02)
    assert len(PRESETS) == 6


def test_an_unknown_preset_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"no preset 'bert-tinny'\. Did you mean 'bert-tiny'\?"):
        pretrain("bert-tinny", PretrainConfig())
