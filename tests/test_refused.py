"""Bad input on the command line: exit code 1, one message with the file and what to do, nothing harmed."""

import dataclasses
import json
import logging
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from command_runs import SETTINGS, command
from safetensors.torch import load_file, save_file
from small_runs import small_store, small_tokenizer

from minibert.batches.batch import PretrainingBatches
from minibert.cli import main
from minibert.hub import from_pretrained
from minibert.recipes import pretrain as recipe
from minibert.recipes.learning import TORCH
from minibert.recipes.ready import BACKENDS
from minibert.text.tokenizer import Tokenizer


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave out the pictures, and keep to a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "write_report", lambda run: (run / "report.md").touch())
        patch.setenv("MINIBERT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and the run on it, six steps long."""
    folder = tmp_path_factory.mktemp("finished")
    assert main(command(str(folder))) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil; the corpus stays where it was."""
    shutil.copytree(finished / "run", tmp_path / "run")
    shutil.copy(finished / "stories.txt", tmp_path)
    return tmp_path


Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """A function that types a command, which must fail, and returns the one message that it ends with."""

    def fail(*words: str) -> str:
        capsys.readouterr()
        assert main(words) == 1
        said = capsys.readouterr().err
        *_, last = said.splitlines()
        assert last.startswith("minibert: ") and said.count("minibert: ") == 1, said
        return last

    return fail


def on(corpus: Path, out: Path, *more: str) -> list[str]:
    """The words that train on a corpus."""
    return ["pretrain", *f"--corpus {corpus} --out {out} {SETTINGS}".split(), *more]


def resume(folder: Path, finished: Path, *more: str) -> list[str]:
    """The words that go on with a copy of the finished run."""
    return on(finished / "stories.txt", folder / "run", "--resume", "auto", *more)


# Where to write.


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_an_output_folder_that_cannot_be_is_said_before_the_text_is_read(tmp_path, refused, caplog, out):
    (tmp_path / "file").write_text("dear")
    said = refused(*on(tmp_path / "absent.txt", tmp_path / out))
    assert f"{tmp_path}/file is a file; choose another folder with --out" in said
    assert (tmp_path / "file").read_text() == "dear"


def test_a_run_that_is_alive_is_not_joined_by_a_second(folder, finished, refused):
    script = "import time; from pathlib import Path; from minibert.files import folder_lock\n"
    script += f"with folder_lock(Path({str(folder / 'run')!r})): print('here', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "here\n"
            said = refused(*resume(folder, finished))
        finally:
            other.kill()
    assert f"{folder}/run/run.lock: process {other.pid} " in said and "--out" in said
    assert main(resume(folder, finished)) == 0


# What a checkpoint or a model folder holds.


def test_a_checkpoint_that_was_damaged_costs_its_steps_and_no_more(folder, finished, caplog):
    newest = max((folder / "run" / "checkpoints").iterdir())
    data = bytearray((newest / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (newest / "model.safetensors").write_bytes(data)
    with caplog.at_level(logging.INFO, "minibert"):
        assert main(resume(folder, finished)) == 0
    assert f"{newest}/model.safetensors was altered: its sha256 differs from the manifest's" in caplog.text
    assert "going on from step 4" in caplog.text
    assert weights(folder / "run") == weights(finished / "run")


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


class Touch:
    """Pickles into a program that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("words", ["fill RUN [MASK]", "pretrain --from RUN --out NEW"])
def test_a_pickle_with_a_program_is_refused_and_not_run(folder, refused, words):
    (folder / "run" / "model.safetensors").unlink()
    (folder / "run" / "pytorch_model.bin").write_bytes(pickle.dumps(Touch(folder / "touched"), protocol=2))
    said = refused(*words.replace("RUN", f"{folder}/run").replace("NEW", f"{folder}/new").split())
    assert f"{folder}/run/pytorch_model.bin" in said and "look for a model.safetensors" in said
    assert not (folder / "touched").exists()


def test_a_configuration_that_is_not_the_weights_is_listed_field_by_field(folder, refused):
    file = folder / "run" / "config.json"
    file.write_text(file.read_text().replace('"hidden_size": 16', '"hidden_size": 32'))
    said = refused("fill", str(folder / "run"), "the [MASK]")
    assert f"{folder}/run/model.safetensors and config.json disagree" in said
    assert "hidden_size is 32 in config.json and 16 in the weights; copy both from one model" in said


def test_weights_under_another_name_are_listed(folder, refused):
    file = folder / "run" / "model.safetensors"
    state = load_file(file)
    state["bert.pooler.dense.wait"] = state.pop("bert.pooler.dense.weight")
    save_file(state, file)
    said = refused("fill", str(folder / "run"), "the [MASK]")
    assert f"{file} does not hold the weights of this BERT" in said and "Copy it and config.json" in said
    assert "missing: bert.pooler.dense.weight" in said and "unexpected: bert.pooler.dense.wait" in said


def test_another_vocabulary_is_refused_before_the_first_step(folder, finished, refused):
    before = sorted((folder / "run" / "checkpoints").iterdir())
    Tokenizer.train(["entirely other words"], vocab_size=60).save(folder / "run")
    said = refused(*resume(folder, finished))
    assert f"the tokenizer in {folder}/run is not the one the run began with (sha256 " in said
    assert "restore it, or start a new run with --out FOLDER" in said
    said = refused("fill", str(folder / "run"), "the [MASK]")
    assert f"the tokenizer in {folder}/run is not the one that the model was trained with" in said
    assert sorted((folder / "run" / "checkpoints").iterdir()) == before


def test_a_tokenizer_cut_short_is_named(folder, finished, refused):
    file = folder / "run" / "tokenizer.json"
    file.write_text(file.read_text()[:500])
    for words in (["fill", str(folder / "run"), "the [MASK]"], resume(folder, finished)):
        said = refused(*words)
        assert f"{file} cannot be used" in said and "perhaps cut short. Copy it again" in said


# Ids and lengths.


@pytest.mark.parametrize("wrong", [-1, 120])
def test_an_id_outside_the_vocabulary_is_said_before_the_batch_is_made(tmp_path, wrong):
    tokenizer = small_tokenizer()
    store = small_store(tmp_path, tokenizer)
    ids = np.array(store.ids, np.int64)
    ids[::7] = wrong
    batches = PretrainingBatches(dataclasses.replace(store, ids=ids), tokenizer, batch_size=4, seq_len=32)
    with pytest.raises(ValueError, match=rf"ids must be from 0 to {len(tokenizer) - 1}, got {wrong}: "):
        batches(0)


@pytest.mark.parametrize("wrong", [-1, 120])
def test_a_model_says_which_id_is_outside_its_vocabulary(finished, wrong):
    model, _ = from_pretrained(finished / "run")
    ids = torch.full((2, 8), 7)
    ids[1, 5] = wrong
    with pytest.raises(ValueError, match=rf"from 0 to 119, got {wrong} in sequence 1 at position 5"):
        model(ids)


def test_a_text_longer_than_the_model_is_an_error(folder, refused):
    longest = folder / "run"
    said = refused("fill", str(longest), "the [MASK] " + "queen " * 509)
    assert "the text has 511 tokens, the model reads at most 510; shorten it" in said
    words = f"pretrain --from {longest} --corpus {folder}/stories.txt --out {folder}/new --seq-len 513"
    said = refused(*words.split(), "--device", "cpu")
    assert "--seq-len 513 is longer than the model's 512 positions" in said
    model, _ = from_pretrained(longest)
    with pytest.raises(ValueError, match="the model has 512 positions, got a sequence of 513 tokens"):
        model(torch.full((1, 513), 7))


# Texts.


@pytest.mark.parametrize(
    ("data", "found", "next"),
    [
        pytest.param(b"", "the corpus is empty: no text in", "Give files with words in them", id="empty"),
        pytest.param(b"\n \n\t\r\n", "the corpus is empty", "Give files with words in them", id="blank"),
        pytest.param(b"one\ntwo \xff\xfe", "is not UTF-8 text: line 2, byte 5 is 0xff", "iconv", id="bytes"),
        pytest.param(b"GIF89a\n" + b"abcdefgh" * 40 + b"\0", "line 2, byte 321 is NUL", "Give", id="binary"),
        pytest.param(
            "Rain falls.\nSun shines.".encode("utf-16-le"),
            "looks like UTF-16LE: line 1, byte 2 is NUL",
            "iconv -f UTF-16LE -t UTF-8",
            id="utf-16",
        ),
    ],
)
def test_a_file_that_is_no_text_is_named_with_the_place_and_the_remedy(tmp_path, refused, data, found, next):
    corpus = tmp_path / "corpus.txt"
    corpus.write_bytes(data)
    said = refused(*on(corpus, tmp_path / "run"))
    assert found in said and next in said and str(corpus) in said
    assert not list((tmp_path / "run").glob("[!.]*.json"))


@pytest.mark.parametrize("text", ["One sentence only.", "One sentence. And another. And a third one."])
def test_too_little_text_for_pairs_is_explained_and_mlm_suggested_and_works(tmp_path, refused, text):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(text)
    said = refused(*on(corpus, tmp_path / "run"))
    assert "next-sentence pairs need at least 2 documents" in said and "--objective mlm" in said
    assert main(on(corpus, tmp_path / "run", "--objective", "mlm", "--steps", "1")) == 0


def test_a_byte_order_mark_and_windows_line_ends_change_no_piece_and_are_reported(tmp_path, finished, caplog):
    corpus = tmp_path / "corpus.txt"
    text = (finished / "stories.txt").read_bytes()
    corpus.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert main(on(corpus, tmp_path / "run", "--steps", "1")) == 0
    assert f"{corpus} starts with a byte-order mark; it is taken out" in caplog.text
    assert f"{corpus} has line ends of another system" in caplog.text
    corpus.write_bytes(text)
    assert main(on(corpus, tmp_path / "other", "--steps", "1")) == 0
    assert (tmp_path / "run" / "vocab.txt").read_text() == (tmp_path / "other" / "vocab.txt").read_text()


def test_a_text_that_changed_since_the_save_is_refused_and_put_back_it_is_taken(folder, refused):
    corpus, words = folder / "stories.txt", command(str(folder), "--resume", "auto")
    out = folder / "run"
    shutil.rmtree(out)
    assert main(words) == 0
    text = corpus.read_text()
    corpus.write_text(text + "\nOne more line.")
    said = refused(*words)
    assert f"the text of {out} is not the one the run began with (sha256 " in said
    assert "restore it, or start a new run with --out FOLDER" in said
    corpus.write_text(text)
    assert main(words) == 0


# What goes wrong on the way.


def spoiled(monkeypatch: pytest.MonkeyPatch, call: int, loss: Callable) -> None:
    """Put another loss in the place of the run's, from one call on."""
    count = iter(range(1, 1000))

    def spoil(model, batch):
        return (loss if next(count) >= call else TORCH.loss)(model, batch)

    monkeypatch.setitem(BACKENDS, "torch", dataclasses.replace(TORCH, loss=spoil))


def test_a_gradient_that_is_not_finite_stops_the_run_with_all_that_is_known(
    tmp_path, finished, refused, monkeypatch
):
    def not_a_number(model, batch):
        return {name: value * float("nan") for name, value in TORCH.loss(model, batch).items()}

    out = tmp_path / "run"
    spoiled(monkeypatch, 9, not_a_number)  # the first part of the fifth step
    said = refused(*on(finished / "stories.txt", out, "--keep", "1"))
    assert "the gradient of step 5 is not finite in" in said and "Try a lower --lr" in said
    assert f"{out}/bad-step-00000005.safetensors" in said
    facts = json.loads((out / "bad-step-00000005.json").read_text())
    assert facts["step"] == 5 and facts["losses"]["loss"] == "nan" and facts["not_finite"]
    assert (out / "checkpoints" / "step-00000004" / "manifest.json").exists()
    monkeypatch.undo()
    assert main(on(finished / "stories.txt", out, "--keep", "1", "--resume", "auto")) == 0
    assert weights(out) == weights(finished / "run")


def test_out_of_memory_is_one_message_with_the_command_that_goes_on(tmp_path, finished, refused, monkeypatch):
    def too_much(model, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    out = tmp_path / "run"
    spoiled(monkeypatch, 6, too_much)  # in the third step
    said = refused(*on(finished / "stories.txt", out))
    assert "no memory for 3 sequences at once" in said
    assert "saved, with less at once: --resume auto --micro-batch 1" in said
    assert (out / "checkpoints" / "step-00000002" / "manifest.json").exists()
