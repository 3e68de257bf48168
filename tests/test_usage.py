"""What a report tells to type works, for every kind of model."""

import contextlib
import dataclasses
import io
import re
from pathlib import Path

import pytest
import torch
from run_folders import causal_record, causal_run, evaluation_record, recurrent_record, run_record, write_run

from minibert.config import PretrainConfig, model_config
from minibert.hub import new_model, save_pretrained
from minibert.report.run_files import RunFiles, read_run
from minibert.report.usage import how_to_go_on, usage
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.tokenizer import Tokenizer

SHORT = [{"prompt": "The people", "text": ""}]
TEXTS = ["The union of the people, by the people.\nIt is what we may write.", "We [MASK] the people"]


def masked(folder: Path) -> Path:
    return write_run(folder, run_record(), None, evaluation_record(blanks=[]))


def modern(folder: Path) -> Path:
    record = run_record(preset="modernbert-tiny")
    record["config"] |= {"objective": "mlm"}
    return write_run(folder, record, None, evaluation_record())


def test_each_kind_is_used_by_its_command(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    said = "\n".join(how_to_go_on(read_run(causal_run(folder))))
    assert f"Let it write:\n    minibert generate '{folder}' --prompt 'We the people'\n" in said
    folder = masked(tmp_path / "masked")
    (folder / "model.safetensors").touch()
    said = "\n".join(how_to_go_on(read_run(folder)))
    assert f"Fill a blank:\n    minibert fill {folder} 'The [MASK] of the union'\n" in said


def test_a_prompt_of_several_lines_is_one_line_and_one_word_of_the_command_and_of_the_program(
    tmp_path: Path,
) -> None:
    prompt = 'He said:\n\n"It\'s `now`"'
    run = read_run(causal_run(tmp_path / "run", samples=[{"prompt": prompt, "text": ""}]))
    command = how_to_go_on(run)[1]
    assert command.startswith("    minibert generate ") and "\n" not in command
    assert command.endswith("""--prompt 'He said: "It'"'"'s `now`"'""")
    assert r'print(write("He said: \"It' + "'s `now`" in usage(".", run)


def test_each_kind_is_opened_by_its_class(tmp_path: Path) -> None:
    gpt, bert = read_run(causal_run(tmp_path / "gpt")), read_run(write_run(tmp_path / "bert", run_record()))
    assert "AutoModelForCausalLM.from_pretrained" in usage(".", gpt)
    assert 'pipeline("text-generation", model=".")' in usage(".", gpt)
    assert "import AutoTokenizer, BertForPreTraining, pipeline" in usage(".", bert)
    assert 'fill = pipeline("fill-mask", model=".")\nprint(fill("The [MASK] of the union"))' in usage(
        ".", bert
    )
    assert "ModernBertForMaskedLM.from_pretrained" in usage(".", read_run(modern(tmp_path / "modern")))
    lstm = usage(".", read_run(causal_run(tmp_path / "lstm", recurrent_record())))
    assert "transformers" not in lstm and "from minibert import from_pretrained" in lstm


RUNS = {
    "bert-tiny": (masked, Tokenizer),
    "modernbert-tiny": (modern, Tokenizer),
    "gpt-tiny": (causal_run, ByteTokenizer),
    "llama-tiny": (lambda folder: causal_run(folder, causal_record("llama-tiny")), ByteTokenizer),
    "qwen-tiny": (lambda folder: causal_run(folder, causal_record("qwen-tiny")), ByteTokenizer),
    "lstm-tiny": (lambda folder: causal_run(folder, recurrent_record(), samples=SHORT), CharTokenizer),
}
"""A run of each kind, and the tokenizer that it has here."""


def saved(folder: Path, preset: str) -> RunFiles:
    """A run folder with fresh weights and a small vocabulary."""
    run, tokenizer = RUNS[preset]
    size = () if tokenizer is CharTokenizer else (300,)
    learned = tokenizer.train(TEXTS, *size)
    shape = dataclasses.replace(model_config(preset, PretrainConfig()), vocab_size=len(learned))
    save_pretrained(new_model(shape, torch.Generator().manual_seed(0)), learned, run(folder))
    return read_run(folder)


@pytest.mark.slow
@pytest.mark.parametrize("preset", RUNS)
def test_the_program_runs_and_prints_what_the_model_makes_of_the_text(tmp_path: Path, preset: str) -> None:
    files = saved(tmp_path / "run", preset)
    program = re.fullmatch(r"```python\n(.*)```", usage(str(files.folder), files), re.DOTALL)
    assert program is not None
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(program[1], names)
    assert len(printed.getvalue()) > 20
    assert sum(weights.numel() for weights in names["model"].parameters()) > 100_000
