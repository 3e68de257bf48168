"""The files of a model: damaged ones and hostile ones are refused, and nothing in them is run."""

import pickle
from pathlib import Path

import pytest
import torch
from model_folders import folder, model, refusal, tokenizer

from minibert.hub.bert_folder import to_hugging_face

__all__ = ["folder", "model", "tokenizer"]


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
