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


@pytest.mark.slow
def test_several_runs_from_the_command_line_end_with_a_table_and_the_best_run(tmp_path, capsys):
    config = small_finetuning("classify", tmp_path)
    out = tmp_path / "here"
    words = ["finetune", "classify", str(bert_folder(tmp_path)), "--data", *config.data, "--steps", "2"]
    words += ["--out", str(out), "--shares", "0.2", "0.2", "--compare", "frozen,whole", "--seeds", "2"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[2:4]] == ["frozen", "whole"]
    assert f"The runs are in {out}, and the report is {out}/report.md" in said
    (best,) = [line.split()[2] for line in said.splitlines() if "minibert predict" in line]
    assert (tmp_path / best / "model.safetensors").is_file()
    assert main(words) == 1 and "--resume auto" in capsys.readouterr().err
    assert main(["report", str(out)]) == 0
    assert f"report: {out}/report.md" in capsys.readouterr().out


@pytest.mark.parametrize(
    "more, message",
    [
        (["--compare", "whole,lore"], "Did you mean 'lora'?"),
        (["--folds", "1"], "--folds must be at least 2, got 1"),
        (["--folds", "3", "--test", "b.csv"], "leave out --validation and --test"),
        (["--search", "3", "--seeds", "2"], "leave out --seeds"),
    ],
)
def test_several_runs_that_cannot_be_are_wrong_usage(more, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(["finetune", "classify", "minilm", "--data", "a.csv", *more])
    assert end.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_one_of_several_processes_does_not_start_several_runs(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "0")
    assert main(["finetune", "classify", "minilm", "--data", "a.csv", "--seeds", "2"]) == 1
    assert "--seeds starts one run after another: start it without torchrun" in capsys.readouterr().err


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
