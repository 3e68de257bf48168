"""Every kind of model goes the whole way: from text to a run folder, and on from there."""

import dataclasses
import json
import logging
import math

import pytest
import torch
import transformers
from small_runs import documents, small_config

from minibert.config import KINDS, PRESETS, PretrainConfig
from minibert.hub import from_pretrained
from minibert.recipes import pretrain as module
from minibert.recipes.dry_run import dry_run
from minibert.recipes.evaluate import evaluate, held_out_batches
from minibert.recipes.learning import TORCH
from minibert.recipes.overfit import overfit_one_batch
from minibert.recipes.pretrain import pretrain
from minibert.recipes.ready import BACKENDS, made_ready
from minibert.train.distributed import ALONE

TINY = [preset for preset in PRESETS if preset.endswith("-tiny")]
CAUSAL = ["gpt-tiny", "llama-tiny", "qwen-tiny", "rnn-tiny", "lstm-tiny"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setattr(module, "write_report", lambda run: (run / "report.md").touch())


def config_of(preset: str, folder, **changes) -> PretrainConfig:
    """Return the settings of a small run, with the sizes that this kind of model has."""
    sizes = {"width": 16, "vocab_size": 300, "dropout": 0.0}
    if "heads" not in PRESETS[preset]:
        sizes["heads"] = None
    return small_config(folder, **(sizes | changes))


def test_the_small_presets_are_of_every_kind():
    assert {KINDS[preset] for preset in TINY} == set(KINDS.values())


@pytest.mark.parametrize("preset", TINY)
def test_a_run_learns_and_its_folder_opens_with_what_it_was_evaluated_with(tmp_path, preset):
    run = pretrain(preset, config_of(preset, tmp_path, steps=30, lr=0.01))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [line["word_loss"] for line in lines if line["kind"] == "held_out"]
    # A model of masked words begins at what the frequencies of words reach, and goes on from there slowly.
    assert losses[-1] < losses[0] - (0.3 if preset in CAUSAL else 0.01)
    model, tokenizer = from_pretrained(run)
    assert type(model.config) is KINDS[preset] and tokenizer is not None
    assert model.config.vocab_size == len(tokenizer)

    found = json.loads((run / "evaluation.json").read_text())
    objective = json.loads((run / "run.json").read_text())["config"]["objective"]
    assert objective == ("clm" if preset in CAUSAL else "mlm" if preset == "modernbert-tiny" else "mlm+nsp")
    assert ("samples" in found, "blanks" in found) == (preset in CAUSAL, preset not in CAUSAL)
    assert ("bits_per_byte" in found, "mask_rate" in found) == (preset in CAUSAL, preset not in CAUSAL)
    with made_ready(preset, config_of(preset, tmp_path, out=tmp_path / "other"), "", ALONE) as ready:
        store = ready.text.held_out
    assert store is not None
    again = evaluate(model, held_out_batches(store, tokenizer, 32, objective))
    assert again == pytest.approx({name: found[name] for name in again}, rel=1e-5)


@pytest.mark.parametrize("preset", CAUSAL)
def test_a_causal_run_that_was_stopped_equals_one_that_never_was(tmp_path, monkeypatch, preset):
    whole = pretrain(preset, config_of(preset, tmp_path, dropout=0.1, layers=2, out=tmp_path / "whole"))
    calls = iter(range(100))

    class Cut(Exception):
        pass

    def stopping(model, batch):
        if next(calls) == 3:
            raise Cut
        return TORCH.loss(model, batch)

    config = config_of(preset, tmp_path, dropout=0.1, layers=2, resume="auto")
    with monkeypatch.context() as patch:
        patch.setitem(BACKENDS, "torch", dataclasses.replace(TORCH, loss=stopping))
        with pytest.raises(Cut):
            pretrain(preset, config)
    resumed = pretrain(preset, config)
    one, two = (dict(from_pretrained(run)[0].named_parameters()) for run in (whole, resumed))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("preset", [*CAUSAL, "modernbert-tiny"])
def test_a_batch_is_learned_by_heart_by_all_of_the_model(tmp_path, preset):
    config = config_of(preset, tmp_path, width=32, steps=150, lr=0.02, matrix_lr=0.05, seq_len=16)
    result = overfit_one_batch(preset, config)
    assert (result.unreached, result.unmoved) == ([], []) and result.works


@pytest.mark.parametrize("preset", ["gpt-tiny", "modernbert-tiny", "lstm-tiny"])
def test_a_dry_run_tells_what_it_would_cost(tmp_path, preset):
    found = dry_run(preset, config_of(preset, tmp_path))
    assert found and not (tmp_path / "run").exists()


def test_a_character_model_learns_a_file_to_the_character(tmp_path):
    path = tmp_path / "play.txt"
    text = "\n\n".join(f"  {d.text}\t~" for d in documents())
    path.write_text(text, encoding="utf-8")
    config = config_of("gpt-tiny", tmp_path, corpus=(str(path),), tokenizer="char", seq_len=16)
    with made_ready("gpt-tiny", config, "", ALONE) as ready:
        tokenizer, train, held_out = ready.text.tokenizer, ready.text.train, ready.text.held_out
    assert held_out is not None
    parts = [tokenizer.decode(store.ids[:-1].tolist()) for store in (train, held_out)]
    assert "".join(parts) == text and len(parts[0]) == math.floor(0.9 * len(text))


@pytest.mark.parametrize(
    ("preset", "theirs"),
    [
        ("gpt-tiny", transformers.GPT2LMHeadModel),
        ("llama-tiny", transformers.LlamaForCausalLM),
        ("qwen-tiny", transformers.Qwen3ForCausalLM),
        ("modernbert-tiny", transformers.ModernBertForMaskedLM),
    ],
)
def test_transformers_opens_a_run_with_the_same_numbers(tmp_path, preset, theirs, caplog):
    caplog.set_level(logging.ERROR)
    run = pretrain(preset, config_of(preset, tmp_path))
    ours, tokenizer = from_pretrained(run)
    other, info = theirs.from_pretrained(run, output_loading_info=True)
    assert not any(info.values()), info
    assert tokenizer is not None
    sentence = documents(1)[0].text.splitlines()[0]
    ids = transformers.AutoTokenizer.from_pretrained(run)(sentence, add_special_tokens=False)["input_ids"]
    assert ids == tokenizer.encode(sentence)
    with torch.no_grad():
        logits = ours(torch.tensor([ids]))
        expected = other(torch.tensor([ids])).logits
    got = logits.words if preset == "modernbert-tiny" else logits
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_going_on_from_a_run_needs_a_preset_of_its_kind(tmp_path):
    run = pretrain("gpt-tiny", config_of("gpt-tiny", tmp_path, steps=1))
    fresh = {"layers": None, "width": None, "heads": None}
    config = config_of("llama-tiny", tmp_path, from_folder=run, out=tmp_path / "next", **fresh)
    with pytest.raises(ValueError, match="holds a Gpt; name a preset of its kind"):
        pretrain("llama-tiny", config)
    assert (pretrain("gpt2", dataclasses.replace(config, steps=1)) / "model.safetensors").exists()


def test_in_numpy_only_bert_is_trained(tmp_path):
    with pytest.raises(ValueError, match="in NumPy only BERT is trained; leave out --backend numpy"):
        pretrain("gpt-tiny", config_of("gpt-tiny", tmp_path, backend="numpy"))


def test_a_text_that_is_shorter_than_a_block_is_refused_before_the_run(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("too short")
    config = config_of("gpt-tiny", tmp_path, corpus=(str(path),), tokenizer="char")
    with pytest.raises(ValueError, match="give a longer text, or a smaller --seq-len"):
        pretrain("gpt-tiny", config)
