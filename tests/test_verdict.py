"""The report says whether a model beats its baselines, and when it does not."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuned_runs import class_evaluation, tag_evaluation, task_record, task_rows, write_task

from minibert.report.finetuned.task_files import TaskFiles, read_task
from minibert.report.finetuned.verdict import difference, trials, verdict

TFIDF = "TF-IDF with logistic regression"


def files(folder: Path, evaluation: dict[str, Any] | None, head: str = "classes", **run: Any) -> TaskFiles:
    return read_task(write_task(folder / "run", task_record(head, **run), task_rows(), evaluation))


def told(folder: Path, reached: float, **found: Any) -> str:
    evaluation = class_evaluation(test={"accuracy": reached}, **found)
    (said,) = verdict(files(folder, evaluation))
    return said


def test_a_model_that_is_far_above_beats_its_baselines(tmp_path: Path) -> None:
    assert told(tmp_path, 0.841) == (
        "**The model beats both baselines.** On 1,000 test texts that it had not seen, its accuracy is "
        "84.1 %; that of the best baseline, TF-IDF with logistic regression, is 76.5 % (most frequent class "
        "50.0 %). The difference is 7.6 percentage points, with a standard error of 1.8 on so many texts."
    )


def test_a_model_that_is_a_little_above_is_not_shown_to_beat_them(tmp_path: Path) -> None:
    said = told(tmp_path, 0.79)
    assert said.startswith(f"**The model is not shown to beat its baseline: {TFIDF}.**")
    assert said.endswith(
        "The difference is 2.5 percentage points, with a standard error of 1.9 on so many texts: less than 2 "
        "standard errors, so it may be chance."
    )


@pytest.mark.parametrize("reached", [0.765, 0.7])
def test_a_model_that_is_not_above_does_not_beat_them(tmp_path: Path, reached: float) -> None:
    said = told(tmp_path, reached)
    assert said.startswith(f"**The model does not beat its baseline: {TFIDF}.**") and "chance" not in said


def test_it_is_the_best_baseline_that_counts(tmp_path: Path) -> None:
    both = {"weak_one": {"accuracy": 0.2}, "strong": {"accuracy": 0.9}, "broken": {"accuracy": None}}
    said = told(tmp_path, 0.8, baselines=both)
    assert (
        said.startswith("**The model does not beat its baseline: strong.**") and r"(weak\_one 20.0 %)" in said
    )
    assert "**The model beats all baselines.**" in told(
        tmp_path, 0.8, baselines={name: {"accuracy": 0.1} for name in "abc"}
    )
    assert "**The model beats its baseline.**" in told(tmp_path, 0.8, baselines={"a": {"accuracy": 0.1}})


def test_without_baselines_or_scores_that_is_said(tmp_path: Path) -> None:
    assert told(tmp_path, 0.8, baselines={}) == (
        "**There is no baseline to compare it with.** On 1,000 test texts that it had not seen, its accuracy "
        "is 80.0 %."
    )
    (tmp_path / "run" / "evaluation.json").unlink()
    for evaluation in (None, {"goal": "accuracy"}, class_evaluation(test={"accuracy": math.nan})):
        (said,) = verdict(files(tmp_path, evaluation))
        assert said.startswith("**There is no result yet**")


def test_the_standard_error_is_that_of_the_difference_of_two_shares(tmp_path: Path) -> None:
    gap, error = difference(files(tmp_path, class_evaluation()), TFIDF)
    assert gap == pytest.approx(0.076)
    assert error == pytest.approx(math.sqrt(0.841 * 0.159 / 1000 + 0.765 * 0.235 / 1000))
    # and so far do two measurements on texts of their own really differ
    draw = np.random.default_rng(0)
    gaps = (draw.binomial(1000, 0.841, 4000) - draw.binomial(1000, 0.765, 4000)) / 1000
    assert error == pytest.approx(gaps.std(), rel=0.05)


def test_the_f1_of_entities_is_a_share_of_entities(tmp_path: Path) -> None:
    run = files(tmp_path, tag_evaluation(), "tags")
    # 500 true; 0.52 of them right, which are 0.565 of those predicted: 460
    assert trials(run, run.part("test")) == pytest.approx((500 + 0.52 * 500 / 0.565) / 2)
    assert trials(run, run.baselines["gazetteer"]) == pytest.approx((500 + 100) / 2)
    _, error = difference(run, "gazetteer")
    shares = [(0.5416, (500 + 0.52 * 500 / 0.565) / 2), (1 / 6, 300)]
    assert error == pytest.approx(math.sqrt(sum(p * (1 - p) / m for p, m in shares)))
    assert trials(run, {"precision": 0.0, "recall": 0.0}) == 250


@pytest.mark.parametrize("head", ["classes", "labels", "tags"])
def test_a_mean_over_classes_is_no_share_of_anything(tmp_path: Path, head: str) -> None:
    run = files(tmp_path, class_evaluation(goal="macro_f1"), head)
    assert trials(run, run.part("test")) is None
    assert verdict(run)[0].endswith("how much of that is chance is not known.")


def test_the_accuracy_of_tags_is_a_share_of_words(tmp_path: Path) -> None:
    tags = {"NN": {"true": 700, "f1": 0.9}, "VB": {"true": 300, "f1": 0.8}}
    evaluation = tag_evaluation(goal="accuracy", details={"types": tags})
    run = files(tmp_path, evaluation, "tags")
    assert trials(run, run.part("test")) == 1000
    evaluation["details"] = {}
    assert trials(files(tmp_path, evaluation, "tags"), {"accuracy": 0.9}) is None


def test_of_several_labels_the_f1_is_a_share_of_labels_and_the_accuracy_of_texts(tmp_path: Path) -> None:
    scores = {"micro_f1": 0.8, "accuracy": 0.6, "precision": 0.8, "recall": 0.8}
    details = {"classes": {"art": {"count": 400}, "law": {"count": 200}}}
    evaluation = class_evaluation(goal="micro_f1", test=scores, details=details)
    assert trials(files(tmp_path, evaluation, "labels"), scores) == 600
    evaluation["goal"] = "accuracy"
    assert trials(files(tmp_path, evaluation, "labels"), scores) == 1000


def test_a_goal_that_is_no_share_has_no_standard_error(tmp_path: Path) -> None:
    evaluation = class_evaluation(
        goal="pearson", test={"pearson": 0.81}, baselines={"mean": {"pearson": 0.25}}
    )
    (said,) = verdict(files(tmp_path, evaluation, "number"))
    assert "**The model beats its baseline.**" in said and "correlation (Pearson) is 0.810" in said
    assert said.endswith("The difference is 0.560; how much of that is chance is not known.")
