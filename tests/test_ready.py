"""What a run begins with: a folder, weights, a tokenizer, batches."""

import pytest
import torch
from small_runs import small_config

from minibert.config import HeadConfig
from minibert.hub import from_pretrained, save_pretrained, with_head
from minibert.recipes import pretrain as module
from minibert.recipes.pretrain import pretrain
from minibert.recipes.ready import made_ready
from minibert.train.distributed import ALONE


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leave out the pictures."""
    monkeypatch.setattr(module, "write_report", lambda run: (run / "report.md").touch())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIBERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setattr(module, "write_report", lambda run: (run / "report.md").touch())
        return pretrain("bert-tiny", small_config(folder), "minibert pretrain --steps 6")


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


def test_a_model_for_a_task_is_no_start_for_pretraining(run, tmp_path):
    classifier, tokenizer = with_head(run, HeadConfig("classes", ("a", "b")), torch.Generator())
    save_pretrained(classifier, tokenizer, tmp_path)
    config = small_config(tmp_path, from_folder=tmp_path, layers=None, width=None, heads=None)
    with pytest.raises(ValueError, match="holds a BertClassifier; take the pretrained model"):
        pretrain("bert-tiny", config)


def test_what_is_made_ready_fits_together(tmp_path):
    config = small_config(tmp_path, steps=None, batch_size=6)
    with made_ready("bert-tiny", config, "typed", ALONE) as ready:
        assert ready.config.max_minutes is not None  # a run without an end gets one
        assert ready.record["command"] == "typed" and ready.record["processes"] == 1
        assert ready.batches(0).ids.shape == (6, 32) and ready.batches(2, 1, 3).ids.shape == (3, 32)
        assert torch.equal(ready.batches(2).ids[1:4], ready.batches(2, 1, 3).ids)
        assert ready.model.config.vocab_size == len(ready.text.tokenizer)


def test_the_peak_is_measured_or_named(tmp_path):
    with made_ready("bert-tiny", small_config(tmp_path), "", ALONE) as ready:
        assert ready.record["peak_from"] == "measured" and ready.record["peak_flops"] > 1e8
    with made_ready("bert-tiny", small_config(tmp_path, peak_tflops=2.0), "", ALONE) as ready:
        assert (ready.record["peak_from"], ready.record["peak_flops"]) == ("named", 2e12)
        speed = ready.arguments()["peak_speed"]
        assert speed == pytest.approx(2e12 / ready.record["flops_per_token"])
