"""Which folders a run may begin or go on in, and what it must have in common with what lies there."""

import dataclasses
import os

import pytest
from small_runs import corpus_file, small_config

from minibert.config import PretrainConfig
from minibert.recipes import pretrain as module
from minibert.recipes.pretrain import pretrain
from minibert.recipes.record import MAY_CHANGE, check_folder
from minibert.text.tokenizer import Tokenizer


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


@pytest.mark.parametrize("partial", ["tokenizer.json", "run.json"])
def test_a_run_that_was_killed_before_its_first_record_starts_anew(tmp_path, partial):
    (tmp_path / "run").mkdir()
    Tokenizer.train(["other words"], vocab_size=60).save(tmp_path / "run")
    (tmp_path / "run" / f".{partial}.partial").write_text("{")
    assert (pretrain("bert-tiny", small_config(tmp_path, steps=1)) / "report.md").exists()


@pytest.mark.parametrize("out", ["run", "run/further/down"])
def test_a_file_in_the_place_of_the_folder_or_of_one_above_is_refused(tmp_path, out):
    (tmp_path / "run").write_text("")
    with pytest.raises(ValueError, match=r"/run is a file; choose another folder with --out"):
        pretrain("bert-tiny", small_config(tmp_path, out=tmp_path / out))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match=r"cannot write in .*; choose another folder with --out"):
        check_folder(tmp_path / "run", resume=False)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"preset": "bert-ti', "is not the record of a run .Unterminated string"),
        ("", "is not the record of a run .Expecting value"),
        ("3", "is not the record of a run"),
        ('{"preset": "bert-tiny", "command": "", "config": {}, "model": {}}', "does not say data, started"),
    ],
)
def test_a_record_that_cannot_be_used_is_named(tmp_path, content, found):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=rf"run\.json {found}.*--out FOLDER"):
        check_folder(tmp_path, resume=True)


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


def test_what_decides_the_result_may_not_change_and_how_it_comes_about_may():
    names = {field.name for field in dataclasses.fields(PretrainConfig)}
    assert names >= MAY_CHANGE
    assert {"micro_batch", "precision", "device", "shard", "compile", "steps", "keep", "out"} <= MAY_CHANGE
    assert not MAY_CHANGE & {"seed", "batch_size", "corpus", "lr", "mask_rate", "schedule", "clip", "width"}
