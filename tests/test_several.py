"""Several fine-tunings by one command: which runs there are, what they say together, and going on."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_tasks import bert_folder, small_finetuning, to_classify
from tuned_runs import class_run, task_record

from minibert.config import FinetuneConfig, SeveralConfig
from minibert.recipes import several as recipe
from minibert.recipes.several import finetune_several, planned, summary_of
from minibert.signals import Stopped

Finetune = Callable[..., Path]


def summary(out: Path) -> dict[str, Any]:
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def row(strategy: str, seed: int, accuracy: float, **more: Any) -> dict[str, Any]:
    scores = {"accuracy": accuracy, "loss": 1 - accuracy}
    told = {"strategy": strategy, "seed": seed, "head": "classes", "goal": "accuracy"}
    costs = {"seconds": 10.0 + seed, "learning_parameters": 100, "forgotten": None}
    baselines = {"most frequent class": {"accuracy": 0.5 + 0.1 * seed}}
    return {**told, "validation": scores, "test": scores, "baselines": baselines, **costs, **more}


# ---------------------------------------------------------------- which runs there are


def test_of_every_seed_there_is_a_run_of_each_strategy() -> None:
    runs = planned(FinetuneConfig(seed=7), SeveralConfig(compare="whole,lora", seeds=2), Path("out"))
    assert [run.folder.name for run in runs] == [
        "whole-seed-7",
        "lora-seed-7",
        "whole-seed-8",
        "lora-seed-8",
    ]
    assert [(run.config.strategy, run.config.seed) for run in runs] == [
        ("whole", 7),
        ("lora", 7),
        ("whole", 8),
        ("lora", 8),
    ]


def test_folds_count_from_one_and_keep_the_seed() -> None:
    runs = planned(FinetuneConfig(seed=7, strategy="last"), SeveralConfig(folds=3), Path("out"))
    assert [(run.folder.name, run.config.seed) for run in runs] == [
        ("last-fold-1", 7),
        ("last-fold-2", 7),
        ("last-fold-3", 7),
    ]


def test_strategies_alone_are_compared_with_one_seed() -> None:
    runs = planned(FinetuneConfig(), SeveralConfig(compare="frozen,whole"), Path("out"))
    assert [run.folder.name for run in runs] == ["frozen-seed-0", "whole-seed-0"]


# ---------------------------------------------------------------- rows -> summary


def test_mean_and_spread_of_the_seeds_by_hand() -> None:
    found = summary_of([row("whole", 0, 0.80), row("whole", 1, 0.82), row("whole", 2, 0.87)])
    test = found["strategies"]["whole"]["test"]["accuracy"]
    assert test["values"] == (0.80, 0.82, 0.87)
    assert test["mean"] == pytest.approx(0.83)
    assert test["deviation"] == pytest.approx(math.sqrt(0.0013))
    assert test["error"] == pytest.approx(math.sqrt(0.0013 / 3))
    assert found["strategies"]["whole"]["costs"]["seconds"]["mean"] == pytest.approx(11)
    assert "forgotten" not in found["strategies"]["whole"]["costs"]
    assert found["baselines"]["most frequent class"]["accuracy"]["values"] == (0.5, 0.6, 0.7)
    assert found["differences"] == {}


def test_strategies_are_compared_seed_by_seed() -> None:
    # the seeds differ by 0.1, the strategies by 0.01, 0.02 and 0.03: paired, this is seen
    rows = [row("whole", seed, 0.6 + 0.1 * seed) for seed in range(3)]
    rows += [row("lora", seed, 0.6 + 0.1 * seed + 0.01 * (seed + 1)) for seed in range(3)]
    found = summary_of(rows)["differences"]["lora"]
    assert found["mean"] == pytest.approx(0.02)
    assert found["error"] == pytest.approx(0.01 / math.sqrt(3))


def test_a_seed_that_only_one_strategy_has_is_not_compared() -> None:
    rows = [row("whole", 0, 0.8), row("lora", 0, 0.7), row("whole", 1, 0.1)]
    found = summary_of(rows)
    assert found["differences"]["lora"]["values"] == (pytest.approx(-0.1),)
    assert found["differences"]["lora"]["error"] is None
    assert len(found["strategies"]["whole"]["test"]["accuracy"]["values"]) == 2


def test_what_not_all_runs_have_is_left_out() -> None:
    more = row("whole", 1, 0.8)
    more["test"] = {**more["test"], "extra": 1.0}
    found = summary_of([more, row("whole", 2, 0.7)])
    assert set(found["strategies"]["whole"]["test"]) == {"accuracy", "loss"}


def test_what_is_forgotten_is_a_mean_over_the_runs() -> None:
    rows = [row("whole", 0, 0.8, forgotten=1.0), row("whole", 1, 0.8, forgotten=1.5)]
    assert summary_of(rows)["strategies"]["whole"]["costs"]["forgotten"]["mean"] == 1.25


# ---------------------------------------------------------------- folders, without training


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that take no time; the folders that were made are listed."""
    made: list[str] = []

    def finetune(kind: str, body: str, config: FinetuneConfig, *more: Any) -> Path:
        assert config.out is not None
        made.append(config.out.name)
        record = task_record(body=body, finished="2026-01-01")
        record["config"] |= {"strategy": config.strategy, "seed": config.seed}
        accuracy = 0.8 + 0.01 * config.seed - 0.1 * (config.strategy == "frozen")
        (config.out / "checkpoints").mkdir(parents=True)
        return class_run(config.out, record, test={"accuracy": accuracy}, validation={"accuracy": accuracy})

    monkeypatch.setattr(recipe, "finetune", finetune)
    return made


def config(folder: Path, **changes: Any) -> FinetuneConfig:
    data = (str(to_classify(folder)),)
    return FinetuneConfig(**{"data": data, "shares": (0.2, 0.2), "out": folder / "out"} | changes)


def test_a_run_that_is_done_is_not_done_again_and_more_may_be_asked_for(
    tmp_path: Path, made_up: list[str]
) -> None:
    told = config(tmp_path)
    out = finetune_several("classify", "minilm", told, SeveralConfig(compare="whole,frozen"), "first")
    assert made_up == ["whole-seed-0", "frozen-seed-0"]
    again = replace(told, resume="auto")
    finetune_several("classify", "minilm", again, SeveralConfig(compare="whole,frozen", seeds=2), "then")
    assert made_up == ["whole-seed-0", "frozen-seed-0", "whole-seed-1", "frozen-seed-1"]
    found = summary(out)
    assert found["finished"] and found["planned"] == len(found["rows"]) == 4
    assert found["strategies"]["whole"]["test"]["accuracy"]["mean"] == pytest.approx(0.805)
    assert found["differences"]["frozen"]["mean"] == pytest.approx(-0.1)
    assert not list(out.glob("*/checkpoints"))
    assert (out / "tradeoff.png").is_file() and (out / "spread.png").is_file()


def test_a_signal_leaves_what_is_done_and_says_how_far_it_came(
    tmp_path: Path, made_up: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = recipe.finetune

    def stopped(kind: str, body: str, config: FinetuneConfig, *more: Any) -> Path:
        if config.seed == 2:
            raise Stopped(2)
        return whole(kind, body, config, *more)

    monkeypatch.setattr(recipe, "finetune", stopped)
    told = config(tmp_path)
    with caplog.at_level("INFO"), pytest.raises(Stopped):
        finetune_several("classify", "minilm", told, SeveralConfig(seeds=4))
    assert "2 of 4 runs are done" in caplog.text and "run 3 of 4, whole, seed 2" in caplog.text
    found = summary(tmp_path / "out")
    assert (len(found["rows"]), found["planned"], found["finished"]) == (2, 4, None)
    assert "**2 of 4 runs are done.**" in (tmp_path / "out" / "report.md").read_text()

    monkeypatch.setattr(recipe, "finetune", whole)
    finetune_several("classify", "minilm", replace(told, resume="auto"), SeveralConfig(seeds=4))
    assert made_up == [f"whole-seed-{seed}" for seed in range(4)]
    assert len(summary(tmp_path / "out")["rows"]) == 4


@pytest.mark.parametrize(
    "changes, several, message",
    [
        ({}, {"seeds": 2}, "holds runs already. Go on with them: --resume auto"),
        ({"resume": "auto", "epochs": 9}, {"seeds": 2}, "other settings: epochs 3.0, now 9.*by: first"),
        ({"resume": "auto", "seed": 1}, {"seeds": 2}, "other settings: seed 0, now 1"),
        ({"resume": "auto"}, {"search": 2}, "other settings: no search"),
    ],
)
def test_runs_go_on_only_as_they_began(
    changes: dict[str, Any], several: dict[str, Any], message: str, tmp_path: Path, made_up: list[str]
) -> None:
    told = config(tmp_path)
    finetune_several("classify", "minilm", told, SeveralConfig(seeds=2), "first")
    with pytest.raises(ValueError, match=message):
        finetune_several("classify", "minilm", replace(told, **changes), SeveralConfig(**several), "then")
    assert len(made_up) == 2


def test_another_number_of_folds_is_another_division(tmp_path: Path, made_up: list[str]) -> None:
    told = config(tmp_path)
    finetune_several("classify", "minilm", told, SeveralConfig(folds=2))
    with pytest.raises(ValueError, match="other settings: folds 2, now 3"):
        finetune_several("classify", "minilm", replace(told, resume="auto"), SeveralConfig(folds=3))


def test_changed_texts_are_not_mixed_with_the_old_ones(tmp_path: Path, made_up: list[str]) -> None:
    told = config(tmp_path)
    finetune_several("classify", "minilm", told, SeveralConfig(seeds=2))
    with Path(told.data[0]).open("a") as file:
        file.write('{"text": "One more.", "label": "no"}\n')
    with pytest.raises(ValueError, match="the texts are not those that the runs in .* began with"):
        finetune_several("classify", "minilm", replace(told, resume="auto"), SeveralConfig(seeds=3))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, made_up: list[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").touch()
    with pytest.raises(ValueError, match="is not empty and holds no runs of such a command"):
        finetune_several("classify", "minilm", config(tmp_path), SeveralConfig(seeds=2))
    assert not made_up and [path.name for path in (tmp_path / "out").iterdir()] == ["letter.txt"]


def test_each_run_of_a_fold_is_measured_on_that_fold(
    tmp_path: Path, made_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, set[str]]] = []
    whole = recipe.finetune

    def finetune(kind: str, body: str, config: FinetuneConfig, command: str, splits: Any, *more: Any) -> Path:
        seen.append((Path(config.out or "").name, {text.text for text in splits.test}))
        return whole(kind, body, config, command, splits, *more)

    monkeypatch.setattr(recipe, "finetune", finetune)
    several = SeveralConfig(folds=3, compare="whole,frozen")
    finetune_several("classify", "minilm", config(tmp_path), several)
    assert [name for name, _ in seen[:2]] == ["whole-fold-1", "frozen-fold-1"]
    assert seen[0][1] == seen[1][1] and seen[2][1] == seen[3][1] and not seen[0][1] & seen[2][1]
    assert len(seen[0][1] | seen[2][1] | seen[4][1]) == 27


# ---------------------------------------------------------------- with training


def test_a_run_among_several_equals_that_run_alone(tmp_path: Path) -> None:
    body, told = str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path, out=tmp_path / "out")
    out = finetune_several("classify", body, told, SeveralConfig(compare="whole,frozen"))
    alone = recipe.finetune(
        "classify", body, replace(told, strategy="frozen", lr=told.lr, out=tmp_path / "alone")
    )
    one, other = (
        json.loads((folder / "evaluation.json").read_text()) for folder in (out / "frozen-seed-0", alone)
    )
    assert one == other
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "| frozen | 1 |" in report and (out / "whole-seed-0" / "report.md").is_file()


@pytest.mark.parametrize(
    ("asked", "fixed", "expected"),
    [
        ({"compare": "whole,frozen"}, False, 1),
        ({"seeds": 2}, True, 1),
        ({"seeds": 2}, False, 2),  # each seed divides the texts in its own way
        ({"folds": 2, "compare": "whole,frozen"}, False, 2),
    ],
)
def test_baselines_are_worked_out_once_for_all_runs_on_the_same_texts(
    asked: dict[str, Any], fixed: bool, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minibert.recipes import finetune as single

    calls, baselines = [], single.baselines

    def counted(run: Any) -> Any:
        calls.append(run.out.name)
        return baselines(run)

    monkeypatch.setattr(single, "baselines", counted)
    told = small_finetuning("classify", tmp_path, out=tmp_path / "out", steps=2)
    if fixed:
        lines = to_classify(tmp_path).read_text().splitlines(keepends=True)
        files = [tmp_path / f"{name}.jsonl" for name in ("train", "validation", "test")]
        for file, part in zip(files, (lines[::2], lines[1::4], lines[3::4]), strict=True):
            file.write_text("".join(part))
        told = replace(told, data=(str(files[0]),), validation=(str(files[1]),), test=(str(files[2]),))
    out = finetune_several("classify", str(bert_folder(tmp_path)), told, SeveralConfig(**asked))
    assert len(calls) == expected
    runs = [json.loads(file.read_text()) for file in out.glob("*/evaluation.json")]
    assert len(runs) == asked.get("seeds", 1) * asked.get("folds", 1) * (2 if "compare" in asked else 1)
    assert all(run["baselines"]["most frequent class"]["accuracy"] > 0 for run in runs)


@pytest.mark.slow
def test_a_run_that_was_killed_on_its_way_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minibert.recipes import finetune as single

    body, told = str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path, out=tmp_path / "out")
    whole = finetune_several("classify", body, told, SeveralConfig(seeds=2))
    train, calls = single.train, []

    def broken(*arguments: Any, **more: Any) -> Any:
        calls.append(more["resume"])

        def stop(step: int) -> None:
            if len(calls) == 2 and step == 4:
                raise Stopped(15)
            more["before_step"](step)

        return train(*arguments, **(more | {"before_step": stop}))

    monkeypatch.setattr(single, "train", broken)
    other = replace(told, out=tmp_path / "other")
    with pytest.raises(Stopped):
        finetune_several("classify", body, other, SeveralConfig(seeds=2))
    finetune_several("classify", body, replace(other, resume="auto"), SeveralConfig(seeds=2))
    assert calls == [False, False, True]
    one, two = summary(whole)["strategies"], summary(tmp_path / "other")["strategies"]
    assert one["whole"]["test"] == two["whole"]["test"]
