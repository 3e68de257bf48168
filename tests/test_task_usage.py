"""What the report of a fine-tuning tells to type works, for every task."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import torch
from tuned_runs import HEADS, class_run, task_record, write_task

from minibert.config import BertConfig, HeadConfig
from minibert.hub import new_model, save_pretrained, with_head
from minibert.report.finetuned.task_files import read_task
from minibert.report.finetuned.task_usage import CONTEXT, QUESTION, example, how_to_go_on, predict, task_usage
from minibert.text.tokenizer import Tokenizer

WORDS = ["Ada Lovelace lived in London. Who lived in London?"] * 5


def test_a_classifier_is_asked_about_a_test_text(tmp_path: Path) -> None:
    run = class_run(tmp_path / "a run")
    said = "\n".join(how_to_go_on(read_task(run)))
    assert f"    minibert predict '{run}' 'Text number 0.'" in said
    assert 'ask = pipeline("text-classification"' in said and 'print(ask("Text number 0."))' in said


def test_the_example_is_a_short_text_on_one_line(tmp_path: Path) -> None:
    lines = [{"text": "x" * 500}, {"text": 'it\'s\n "short" `text` $5'}, {"text": " "}, {}]
    files = read_task(write_task(tmp_path / "run", task_record(), None, None, lines))
    assert example(files) == 'it\'s "short" `text` $5'
    assert shlex.split(predict("run", files)) == ["minibert", "predict", "run", 'it\'s "short" `text` $5']
    files.predictions.append({"text": "a longer text that needs no quotes around its words in a shell"})
    assert example(files) == "a longer text that needs no quotes around its words in a shell"
    none = read_task(write_task(tmp_path / "none", task_record()))
    assert example(none) == CONTEXT


def test_of_pairs_both_texts_are_asked_about(tmp_path: Path) -> None:
    lines = [{"text": "A longer first.", "pair": "A second."}, {"text": "One.", "pair": 'The "other".'}]
    files = read_task(write_task(tmp_path / "run", task_record(), None, None, lines))
    assert 'print(ask({"text": "One.", "text_pair": "The \\"other\\"."}))' in task_usage("run", files)
    assert predict("run", files) == "minibert predict run --file pairs.csv --text FIRST --text-pair SECOND"


def test_an_answerer_is_asked_a_question_on_a_context(tmp_path: Path) -> None:
    files = read_task(write_task(tmp_path / "run", task_record("spans")))
    assert shlex.split(predict("run", files)) == [
        "minibert",
        "predict",
        "run",
        QUESTION,
        "--context",
        CONTEXT,
    ]
    assert "pipeline" not in task_usage(".", files)  # transformers 5 has none for answers


def test_without_a_model_or_an_end_that_is_said(tmp_path: Path) -> None:
    run = write_task(tmp_path / "run", task_record(finished=None))
    said = "\n".join(how_to_go_on(read_task(run)))
    assert "`--resume auto`" in said and "there is no `model.safetensors`" in said and "predict" not in said


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_the_program_runs_and_prints_what_the_model_says(tmp_path: Path, head: str) -> None:
    tokenizer = Tokenizer.train(WORDS, 100)
    shape = BertConfig(
        vocab_size=len(tokenizer), layers=1, width=16, heads=2, feedforward=32, max_positions=64
    )
    generator = torch.Generator().manual_seed(0)
    save_pretrained(new_model(shape, generator), tokenizer, tmp_path / "body")
    model, _ = with_head(tmp_path / "body", HeadConfig(**HEADS[head]), generator)
    run = write_task(tmp_path / "run", task_record(head))
    save_pretrained(model, tokenizer, run)

    program = re.fullmatch(r"```python\n(.*)```", task_usage(str(run), read_task(run)), re.DOTALL)
    assert program is not None
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(program[1], names)
    said = printed.getvalue()
    if head == "spans":
        assert said.strip() and said.strip() in "ada lovelace lived in london."
        assert names["start"] <= names["end"]
    else:
        assert "score" in said
    assert sum(weights.numel() for weights in names["model"].parameters()) > 1000
