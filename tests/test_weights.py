"""The files of a model: damaged ones and hostile ones are refused, and nothing in them is run."""

import json
import pickle
from pathlib import Path

import pytest
import torch
import transformers
from model_folders import folder, model, refusal, tokenizer
from safetensors.torch import load_file, save_file

from minibert.hub import from_pretrained, save_pretrained
from minibert.hub.bert_folder import to_hugging_face
from minibert.hub.weights import INDEX

__all__ = ["folder", "model", "tokenizer"]

transformers.utils.logging.disable_progress_bar()


def test_a_header_that_claims_more_than_the_file_is_refused(folder) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + content[8:])
    assert f"{folder / 'model.safetensors'} is damaged" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 5, 200, 0.5, 0.99])
def test_weights_cut_short_are_refused(folder, kept) -> None:
    content = (folder / "model.safetensors").read_bytes()
    kept = int(kept * len(content)) if isinstance(kept, float) else kept
    (folder / "model.safetensors").write_bytes(content[:kept])
    assert f"{folder / 'model.safetensors'} is damaged" in refusal(folder)


class Payload:
    """Pickles into a program that makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_program_in_a_pickle_is_refused_and_not_run(folder, model, zipped: bool) -> None:
    (folder / "model.safetensors").unlink()
    made, file = folder / "made", folder / "pytorch_model.bin"
    if zipped:
        torch.save(to_hugging_face(model.state_dict()) | {"payload": Payload(made)}, file)
    else:
        file.write_bytes(pickle.dumps(Payload(made), protocol=2))
    message = refusal(folder)
    assert str(file) in message and "refused and nothing in it was run" in message
    assert not made.exists()


def test_a_pickle_that_is_damaged_or_no_dictionary_of_tensors_is_refused(folder, model) -> None:
    (folder / "model.safetensors").unlink()
    file = folder / "pytorch_model.bin"
    file.write_bytes(b"")
    assert f"{file} is damaged" in refusal(folder)
    torch.save([torch.zeros(3)], file)
    assert "must hold a dictionary of tensors, got list" in refusal(folder)
    torch.save(to_hugging_face(model.state_dict()), file)
    file.write_bytes(file.read_bytes()[:-300])
    assert f"{file} is damaged" in refusal(folder)


# ---------------------------------------------------------------- several files

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def parts(folder) -> Path:
    """A folder whose weights are in two files, as `transformers` cuts them."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(state)
    half = len(names) // 2
    places = {name: FIRST for name in names[:half]} | {name: SECOND for name in names[half:]}
    for file in set(places.values()):
        save_file({name: state[name] for name in names if places[name] == file}, folder / file)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return folder


def test_weights_in_several_files_are_those_of_one(parts, model) -> None:
    loaded, _ = from_pretrained(parts)
    assert len(list(parts.glob("model-*"))) == 2
    for (name, got), expected in zip(loaded.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(got, expected), name


def test_the_parts_that_transformers_writes_are_read(model, tmp_path) -> None:
    save_pretrained(model, None, tmp_path / "one")
    theirs = transformers.BertForPreTraining.from_pretrained(tmp_path / "one")
    theirs.save_pretrained(tmp_path / "some", max_shard_size="4KB")
    assert len(list((tmp_path / "some").glob("model-*"))) > 1
    loaded, _ = from_pretrained(tmp_path / "some")
    assert torch.equal(loaded.pairs.weight, model.pairs.weight)


def test_a_part_that_is_missing_or_damaged_is_named(parts) -> None:
    file = parts / SECOND
    content = file.read_bytes()
    file.write_bytes(content[:-4])
    assert f"{file} is damaged (it was cut short" in refusal(parts)
    file.unlink()
    assert f"{file} is missing" in refusal(parts)


def test_a_part_that_lacks_a_tensor_is_named_with_it(parts) -> None:
    file = parts / FIRST
    state = load_file(file)
    gone = sorted(state)[0]
    save_file({name: tensor for name, tensor in state.items() if name != gone}, file)
    assert f"{file} lacks {gone}" in refusal(parts)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd"])
def test_an_index_that_leads_out_of_its_folder_is_refused(parts, name) -> None:
    (parts / INDEX).write_text(json.dumps({"weight_map": {"w": name}}))
    assert f"{name!r} is no file beside it" in refusal(parts)


def test_an_index_without_a_map_is_refused(parts) -> None:
    (parts / INDEX).write_text("{}")
    assert "must have a weight_map" in refusal(parts)
