"""`--search`: chosen by the validation texts, measured once, and gone on with where it was killed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_tasks import bert_folder, small_finetuning

from minibert.config import FinetuneConfig, SeveralConfig
from minibert.recipes import searching
from minibert.recipes.searching import best_of, first_rate, next_trial, require_optuna, search
from minibert.signals import Stopped


def summary(out: Path) -> dict[str, Any]:
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def scored(config: FinetuneConfig, count: int) -> list[dict[str, Any]]:
    """Trials whose score is the higher the nearer the rate is to 2e-4."""
    trials: list[dict[str, Any]] = []
    for _ in range(count):
        trial = next_trial(config, trials)
        trials.append({**trial, "score": 1 - abs(trial["lr"] - 2e-4)})
    return trials


def test_the_first_trial_has_the_settings_as_they_are() -> None:
    assert next_trial(FinetuneConfig(batch_size=4), []) == {
        "number": 1,
        "run": "trial-1",
        "lr": 5e-5,
        "batch_size": 4,
    }
    assert first_rate(FinetuneConfig(strategy="lora")) == 1e-3
    assert first_rate(FinetuneConfig(strategy="lora", lr=0.2)) == 0.2


def test_rates_lie_around_the_first_and_batches_are_half_the_same_or_double() -> None:
    trials = scored(FinetuneConfig(), 20)
    assert all(5e-6 <= trial["lr"] <= 5e-4 for trial in trials)
    assert {trial["batch_size"] for trial in trials} == {8, 16, 32}
    assert {trial["lr"] < 2e-5 for trial in trials[:8]} == {True, False}  # on a logarithmic scale


def test_the_next_trial_is_a_pure_function_of_those_before_it_and_none_comes_twice() -> None:
    trials = scored(FinetuneConfig(), 12)
    for count in (1, 4, 5, 11):
        again = next_trial(FinetuneConfig(), trials[:count])
        assert again == {name: trials[count][name] for name in again}
    assert len({trial["lr"] for trial in trials}) == 12
    assert scored(FinetuneConfig(seed=1), 3)[1]["lr"] != trials[1]["lr"]


def test_after_some_trials_the_search_stays_near_the_best() -> None:
    trials = scored(FinetuneConfig(), 24)
    first, last = ([abs(trial["lr"] - 2e-4) for trial in part] for part in (trials[:6], trials[-6:]))
    assert sum(last) < sum(first) / 2


def test_a_failed_trial_counts_for_nothing_but_its_number() -> None:
    trials = [*scored(FinetuneConfig(), 3), {"number": 4, "lr": 1e-4, "batch_size": 16, "score": None}]
    assert next_trial(FinetuneConfig(), trials)["number"] == 5
    assert best_of(trials)["score"] is not None
    with pytest.raises(ValueError, match="no trial has a score"):
        best_of(trials[3:])


def test_without_optuna_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_optuna()
    monkeypatch.setattr(searching, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package optuna: pip install 'minibert\[search\]'"):
        require_optuna()


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_and_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    body, told = str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path, out=tmp_path / "out")
    out = search("classify", body, told, SeveralConfig(search=3), "minibert finetune …")
    whole = summary(out)
    scores = [trial["score"] for trial in whole["trials"]]
    assert whole["best"] == 1 + scores.index(max(scores)) and len(scores) == 3
    measured = [path.parent.name for path in out.glob("*/evaluation.json")]
    assert measured == [f"trial-{whole['best']}"] == [whole["result"]["run"]]
    evaluation = json.loads((out / measured[0] / "evaluation.json").read_text())
    assert evaluation["validation"]["accuracy"] == pytest.approx(max(scores))
    assert evaluation["test"]["accuracy"] == whole["result"]["test"]["accuracy"]
    assert not list(out.glob("*/checkpoints")) and (out / "trials.png").is_file()
    assert f"**Trial {whole['best']} is the best" in (out / "report.md").read_text(encoding="utf-8")

    learn, calls = searching.learn, []

    def broken(run: Any) -> Any:
        calls.append(run.out.name)
        at = learn(run)
        if len(calls) == 2:
            raise Stopped(15)  # has learned, and is not written down yet
        return at

    monkeypatch.setattr(searching, "learn", broken)
    other = replace(told, out=tmp_path / "other")
    with caplog.at_level("INFO"), pytest.raises(Stopped):
        search("classify", body, other, SeveralConfig(search=3))
    assert "1 of 3 trials are done" in caplog.text
    assert len(summary(tmp_path / "other")["trials"]) == 1
    search("classify", body, replace(other, resume="auto"), SeveralConfig(search=3))
    assert calls == ["trial-1", "trial-2", "trial-2", "trial-3"]
    found = summary(tmp_path / "other")
    chosen = ("lr", "batch_size", "score")
    assert [[trial[name] for name in chosen] for trial in found["trials"]] == [
        [trial[name] for name in chosen] for trial in whole["trials"]
    ]
    assert found["result"]["test"] == whole["result"]["test"]

    search("classify", body, replace(other, resume="auto"), SeveralConfig(search=4))
    assert calls[4:] == ["trial-4"]


@pytest.mark.slow
def test_a_trial_that_fails_is_told_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    body, told = str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path, out=tmp_path / "out")
    learn = searching.learn

    def failing(run: Any) -> Any:
        if run.out.name == "trial-2":
            raise ValueError("out of memory")
        return learn(run)

    monkeypatch.setattr(searching, "learn", failing)
    out = search("classify", body, told, SeveralConfig(search=3))
    assert "trial 2 failed: out of memory" in caplog.text
    found = summary(out)
    assert found["trials"][1]["failed"] == "out of memory" and found["trials"][2]["score"] is not None
    assert "| failed |" in (out / "report.md").read_text(encoding="utf-8")

    monkeypatch.setattr(searching, "learn", lambda run: failing(replace(run, out=tmp_path / "trial-2")))
    with pytest.raises(ValueError, match="out of memory"):  # the settings as they are must work
        search("classify", body, replace(told, out=tmp_path / "never"), SeveralConfig(search=2))
