"""`minibert pretrain`, `fill` and `report`: what they take, hand to the recipes, and print."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_folders import whole_run

from minibert.cli.command_line import main, parse
from minibert.cli.runs import Fill, Pretrain
from minibert.config import PretrainConfig


def pretrain_command(*words: str) -> Pretrain:
    command = parse(["pretrain", *words])
    assert isinstance(command, Pretrain)
    return command


def test_pretrain_with_nothing_is_bert_tiny_on_sotu() -> None:
    command = pretrain_command()
    assert command.preset == "bert-tiny"
    assert command.corpus == ("sotu",)
    assert {name: getattr(command, name) for name in vars(PretrainConfig())} == vars(PretrainConfig())


def test_every_flag_of_the_issue_reaches_its_setting() -> None:
    line = (
        "bert-mini --corpus a.txt b.txt --out there --steps 7 --max-minutes 1.5 --batch-size 4 --seq-len 32 "
        "--lr 3e-4 --seed 5 --device cpu --checkpoint-every 2 --resume auto --layers 3 --width 64 --heads 4 "
        "--vocab-size 100 --from weights --objective mlm --whole-words"
    )
    command = pretrain_command(*line.split())
    assert command.preset == "bert-mini"
    assert command.corpus == ("a.txt", "b.txt")
    assert (command.out, command.from_folder) == (Path("there"), Path("weights"))
    assert (command.steps, command.max_minutes, command.batch_size, command.seq_len) == (7, 1.5, 4, 32)
    assert (command.lr, command.seed, command.device) == (3e-4, 5, "cpu")
    assert (command.checkpoint_every, command.resume) == (2, "auto")
    assert (command.layers, command.width, command.heads, command.vocab_size) == (3, 64, 4, 100)
    assert (command.objective, command.whole_words) == ("mlm", True)


@pytest.mark.parametrize(
    "line",
    [
        "bert-mini --corpus sotu a.txt --steps 3",
        "--corpus sotu a.txt bert-mini --steps 3",
        "--steps 3 --corpus sotu a.txt bert-mini",
        "--corpus bert-mini sotu a.txt --steps 3",
        "--steps 3 bert-mini --corpus sotu a.txt",
    ],
)
def test_the_preset_may_stand_anywhere(line: str) -> None:
    command = pretrain_command(*line.split())
    assert (command.preset, command.corpus, command.steps) == ("bert-mini", ("sotu", "a.txt"), 3)


def test_a_preset_after_a_switch_is_the_preset_and_after_a_flag_with_a_value_is_the_value() -> None:
    assert pretrain_command("--whole-words", "bert-mini").preset == "bert-mini"
    command = pretrain_command("--out", "bert-mini", "--from", "bert-base")
    assert command.preset == "bert-tiny"
    assert (command.out, command.from_folder) == (Path("bert-mini"), Path("bert-base"))


def test_a_corpus_file_with_the_name_of_a_preset_stays_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bert-mini").write_text("A text.")
    command = pretrain_command("--corpus", "sotu", "bert-mini")
    assert (command.preset, command.corpus) == ("bert-tiny", ("sotu", "bert-mini"))


def test_the_recipe_gets_the_preset_the_settings_and_the_command_line(
    recipe: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    got: list[Any] = []
    run = whole_run(tmp_path / "run")

    def pretrain(preset: str, config: PretrainConfig, command: str = "") -> Path:
        got.extend([preset, config, command])
        return run

    recipe("minibert.recipes.pretrain", "pretrain", pretrain)
    assert main(["pretrain", "--corpus", "my file.txt", "bert-mini", "--steps", "3"]) == 0
    assert got[0] == "bert-mini"
    assert got[1] == PretrainConfig(corpus=("my file.txt",), steps=3)
    assert type(got[1]) is PretrainConfig
    assert got[2] == "minibert pretrain --corpus 'my file.txt' bert-mini --steps 3"
    out = capsys.readouterr().out
    assert f"The run is in {run}. Next:\n" in out
    assert f"  minibert fill {run} 'that we may [MASK] the public debt" in out


def test_fill_prints_a_table_of_pieces_and_bars_for_each_mask(
    recipe: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    asked: list[Any] = []

    def fill(run: Path, text: str, top: int) -> list[list[tuple[str, float]]]:
        asked.extend([run, text, top])
        return [[("state", 0.5), ("##s", 0.25)], [("nation", 1.0), ("é", 0.0)]]

    recipe("minibert.recipes.fill", "fill", fill)
    assert main(["fill", "runs/x", "The [MASK] of the [MASK]", "--top", "2"]) == 0
    assert asked == [Path("runs/x"), "The [MASK] of the [MASK]", 2]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "The [MASK] of the [MASK]"
    assert [line.split()[:2] for line in lines if "%" in line] == [
        ["state", "50.0%"],
        ["##s", "25.0%"],
        ["nation", "100.0%"],
        ["é", "0.0%"],
    ]
    assert "[MASK] 2" in lines
    long, short = (line.count("#") for line in lines if "50.0%" in line or "25.0%" in line)
    assert long == pytest.approx(2 * (short - 2), abs=1)
    assert max(len(line) for line in lines) <= 80


def test_fill_shows_five_guesses_unless_told_otherwise() -> None:
    command = parse(["fill", "runs/x", "[MASK]"])
    assert isinstance(command, Fill)
    assert command.top == 5


def test_report_says_where_the_report_and_the_card_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in: Any = types.ModuleType("minibert.report")
    asked: list[Any] = []
    stand_in.write_report = lambda run, beside: asked.append((run, beside)) or run / "report.md"
    stand_in.write_model_card = lambda run: run / "README.md"
    stand_in.holds_several = lambda run: run.name == "several"
    monkeypatch.setitem(sys.modules, "minibert.report", stand_in)
    assert main(["report", "runs/x"]) == 0
    assert capsys.readouterr().out == "report: runs/x/report.md\nmodel card: runs/x/README.md\n"
    assert main(["report", "several"]) == 0
    assert capsys.readouterr().out == "report: several/report.md\n"
    asked.pop()
    assert main(["report", "runs/x", "runs/y", "runs/z"]) == 0
    assert asked == [(Path("runs/x"), ()), (Path("runs/x"), (Path("runs/y"), Path("runs/z")))]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, PretrainConfig]]:
    """What is tried, in place of trying it: the name of the recipe, the preset, the settings.

    Trying to overfit succeeds, and no learning rate is found.
    """
    asked: list[tuple[str, str, PretrainConfig]] = []

    def put(module: str, outcome: Any, **others: Any) -> None:
        stand_in: Any = types.ModuleType(f"minibert.recipes.{module}")

        def record(preset: str, config: PretrainConfig, command: str = "") -> Any:
            asked.append((module, preset, config))
            return outcome

        setattr(stand_in, {"overfit": "overfit_one_batch"}.get(module, module), record)
        vars(stand_in).update(others)
        monkeypatch.setitem(sys.modules, f"minibert.recipes.{module}", stand_in)

    put("dry_run", None, table=lambda outcome: [("model", "one"), ("whole run", "7 steps")])
    put("overfit", types.SimpleNamespace(works=True), verdict=lambda outcome: "all works")
    put("find_lr", types.SimpleNamespace(learned=False), table=lambda outcome: ["a table", "no rate"])
    return asked


@pytest.mark.parametrize(
    ("flag", "module", "code", "told"),
    [
        ("--dry-run", "dry_run", 0, "model         one\nwhole run     7 steps\n"),
        ("--overfit-one-batch", "overfit", 0, "all works\n"),
        ("--find-lr", "find_lr", 1, "a table\nno rate\n"),
    ],
)
def test_a_run_can_be_tried_in_place_of_being_begun(tried, capsys, flag, module, code, told) -> None:
    assert main(["pretrain", flag, "bert-mini", "--steps", "7"]) == code
    assert tried == [(module, "bert-mini", PretrainConfig(steps=7))]
    assert capsys.readouterr().out == told


def test_a_batch_that_is_not_learned_ends_with_1(tried, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = types.SimpleNamespace(works=False)
    stand_in = sys.modules["minibert.recipes.overfit"]
    monkeypatch.setattr(stand_in, "overfit_one_batch", lambda *arguments: failed)
    assert main(["pretrain", "--overfit-one-batch"]) == 1


def test_one_thing_is_tried_at_a_time(tried, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrain", "--find-lr", "--dry-run"]) == 2
    assert "--dry-run and --find-lr are different things to try: one at a time" in capsys.readouterr().err
    assert tried == []


@pytest.mark.parametrize("flag", ["--find-lr", "--overfit-one-batch"])
def test_only_a_dry_run_goes_on_from_a_run(tried, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main(["pretrain", flag, "--resume", "auto"]) == 2
    assert f"{flag} goes on from no run, and leaves none: leave out --resume" in capsys.readouterr().err
    assert main(["pretrain", "--dry-run", "--resume", "auto"]) == 0
    assert tried == [("dry_run", "bert-tiny", PretrainConfig(resume="auto"))]


def test_trials_are_no_settings_of_a_run() -> None:
    command = pretrain_command("--find-lr")
    assert command.trials == ["find_lr"]
    assert not {"dry_run", "overfit_one_batch", "find_lr"} & set(vars(PretrainConfig()))
