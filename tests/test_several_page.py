"""The report on several runs: mean, spread, differences, costs; and no more certainty than there is."""

import math
from pathlib import Path

import pytest
from run_folders import cells
from several_summaries import several_summary

from minibert import plots
from minibert.report.finetuned.several_page import in_short, in_words, several_page


def page(tmp_path: Path, *arguments: object, **more: object) -> str:
    return "\n\n".join(several_page(several_summary(*arguments, **more), tmp_path))  # pyright: ignore


def test_strategies_with_seeds_have_a_row_with_mean_spread_and_cost(tmp_path: Path) -> None:
    said = page(tmp_path)
    assert said.startswith("# bert-tiny on reviews.csv: whole, frozen; 3 seeds")
    table = said.partition("## Mean and spread")[2].partition("## Beside")[0]
    error = f"{100 * 0.02 / math.sqrt(3):.1f} %"
    whole = cells(table, "whole")
    assert whole[1:4] == ["3", "82.0 % ± 2.0 %", error]
    assert whole[-3:] == ["83.0 % ± 2.0 %", "10 min 0 s", "22,000,000"]
    assert cells(table, "frozen")[-2:] == ["9.0 s", "770"]
    assert cells(table, "TF-IDF with logistic regression")[1:3] == ["—", "77.0 % ± 1.0 %"]
    assert "forgotten" not in said and "their mean" not in said


def test_the_first_paragraph_says_what_is_best_and_whether_it_beats_the_best_baseline(tmp_path: Path) -> None:
    said = page(tmp_path)
    assert "**The highest accuracy, of whole, is 82.0 % ± 2.0 %.** That is above the best baseline" in said
    frozen = page(tmp_path, ("frozen",))
    assert "**The accuracy is 76.0 % ± 1.7 %.** That is not above the best baseline, TF-IDF" in frozen


def test_differences_are_those_of_the_same_seed(tmp_path: Path) -> None:
    row = cells(page(tmp_path).partition("## Beside whole")[2].partition("## Each run")[0], "frozen")
    # -0.06, -0.05 and -0.07
    error = f"{100 * 0.01 / math.sqrt(3):.1f} percentage points"
    assert row[1:] == ["3", "−6.0 percentage points", error, "lower, as far as 3 pairs can tell"]


@pytest.mark.parametrize(
    "mean, error, pairs, said",
    [
        (0.02, 0.005, 5, "higher"),
        (-0.02, 0.005, 5, "lower"),
        (0.02, 0.02, 5, "may be chance"),
        (0.02, 0.005, 2, "higher, as far as 2 pairs can tell"),
        (0.0, 0.0, 5, "may be chance"),
        (0.5, None, 1, "one pair: chance is not known"),
    ],
)
def test_no_more_is_said_than_is_known(mean: float, error: float | None, pairs: int, said: str) -> None:
    assert in_words({"mean": mean, "error": error, "values": [0.0] * pairs}) == said


def test_what_is_forgotten_stands_in_the_table(tmp_path: Path) -> None:
    said = page(tmp_path, forgotten=1.25)
    assert cells(said.partition("## Mean")[2].partition("## Beside")[0], "whole")[-1] == "1.250"
    assert "Forgotten: by how much the loss" in said


def test_folds_are_told_as_folds_with_what_their_error_leaves_out(tmp_path: Path) -> None:
    said = page(tmp_path, ("whole",), drawn="fold")
    assert said.startswith("# bert-tiny on reviews.csv: 3 folds") and "Bengio and Grandvalet" in said
    assert cells(said, "whole-fold-3")[2:] == ["3", "85.0 %", "84.0 %", "10 min 0 s"]
    assert "## Beside" not in said and not (tmp_path / "tradeoff.png").exists()
    assert (tmp_path / "spread.png").is_file()


def test_strategies_alone_have_no_spread(tmp_path: Path) -> None:
    said = page(tmp_path, count=1)
    table = said.partition("## Mean and spread")[2].partition("## Beside")[0]
    assert cells(table, "whole")[1:3] == ["1", "80.0 %"] and "standard error" not in table
    assert "one pair: chance is not known" in said
    assert not (tmp_path / "spread.png").exists() and (tmp_path / "tradeoff.png").is_file()


def test_the_pictures_show_what_the_tables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, tuple] = {}
    for name in ("tradeoff_figure", "strip_figure"):
        figure = getattr(plots, name)
        monkeypatch.setattr(
            plots, name, lambda *given, name=name, figure=figure: seen.update({name: given}) or figure(*given)
        )
    page(tmp_path)
    costs, title = seen["tradeoff_figure"]
    assert [(cost.name, cost.seconds, cost.parameters) for cost in costs] == [
        ("whole", 600.0, 22e6),
        ("frozen", 9.0, 770),
    ]
    assert costs[1].scores == (0.74, 0.77, 0.77) and title == "accuracy"
    columns, _, levels = seen["strip_figure"]
    assert columns == {"whole": {0: 0.80, 1: 0.82, 2: 0.84}, "frozen": {0: 0.74, 1: 0.77, 2: 0.77}}
    assert levels == {"TF-IDF with logistic regression": pytest.approx(0.77)}


def test_runs_still_to_come_are_counted(tmp_path: Path) -> None:
    summary = several_summary() | {"planned": 10}
    assert "**6 of 10 runs are done.**" in "\n".join(several_page(summary, tmp_path))
    assert "runs are done" not in page(tmp_path)


def test_the_table_for_the_terminal_has_the_goal_the_costs_and_the_best_baseline() -> None:
    error = f"{100 * 0.02 / math.sqrt(3):.1f} %"
    lines = in_short(several_summary())
    assert lines[0] == ["", "accuracy", "standard error", "time", "parameters"]
    assert lines[1] == ["whole", "82.0 % ± 2.0 %", error, "10 min 0 s", "22,000,000"]
    assert [line[0] for line in lines[2:]] == ["frozen", "TF-IDF with logistic regression"]
    assert lines[3][1:] == ["77.0 %", "—", "—", "—"]
    assert in_short(several_summary(forgotten=0.5))[1][-1] == "0.500"
