"""`minibert finetune` and `minibert predict` on the command line."""

import json
from typing import Any

import pytest
from small_tasks import bert_folder, small_finetuning

from minibert.cli.command_line import main, parse
from minibert.cli.tasks import Answer, Classify, Tag


@pytest.mark.parametrize("word, kind", [("classify", Classify), ("tag", Tag), ("answer", Answer)])
def test_each_task_has_its_command(word, kind):
    command: Any = parse(["finetune", word, "minilm", "--data", "a.csv", "b.csv", "--lr", "1e-4"])
    assert isinstance(command, kind) and command.kind == word
    assert (command.model, command.data, command.lr) == ("minilm", ("a.csv", "b.csv"), 1e-4)
    assert command.line == f"minibert finetune {word} minilm --data a.csv b.csv --lr 1e-4"


def test_a_run_from_the_command_line(tmp_path, capsys):
    config = small_finetuning("classify", tmp_path)
    words = ["finetune", "classify", str(bert_folder(tmp_path)), "--data", *config.data, "--steps", "2"]
    out = str(tmp_path / "here")
    assert main([*words, "--out", out, "--shares", "0.2", "0.2"]) == 0
    assert f"minibert report {out}" in capsys.readouterr().out
    record = json.loads((tmp_path / "here" / "run.json").read_text())
    assert record["command"].startswith("minibert finetune classify ")
    assert main(["report", out]) == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["finetune", "clasify"], "has no 'clasify'. Did you mean 'classify'?"),
        (["finetune", "classify", "minilm"], "--data needs a data card"),
    ],
)
def test_wrong_usage_is_told_with_what_is_right(words, message, capsys):
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_without_a_task_the_tasks_are_told(capsys):
    with pytest.raises(SystemExit) as end:
        main(["finetune"])
    assert end.value.code == 0
    assert "answer MODEL" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["run"], ["run", "A text.", "--file", "f.txt"]])
def test_texts_come_from_the_command_line_or_from_a_file(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(["predict", *words])
    assert end.value.code == 2
    assert "give texts, or a file of them with --file" in capsys.readouterr().err
