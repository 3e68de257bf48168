"""The pictures of a fine-tuning show what its files hold, each with its words, and none without numbers."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from tuned_runs import class_evaluation, class_run, task_record, task_rows, write_task

from minibert import plots
from minibert.report.finetuned import task_pictures as module
from minibert.report.finetuned.task_files import TaskFiles, read_task


def files(folder: Path, head: str = "classes", lines: list | None = None, **found: object) -> TaskFiles:
    run = write_task(folder / "run", task_record(head), task_rows(), class_evaluation(**found), lines)
    return read_task(run)


def assert_picture(path: Path) -> None:
    pixels = matplotlib.image.imread(path)[..., :3]
    assert min(pixels.shape[:2]) > 200 and (pixels.min(axis=-1) < 0.5).mean() > 0.005


def test_the_confusion_is_drawn_and_the_commonest_mistakes_told(tmp_path: Path) -> None:
    said = module.confusion(files(tmp_path))
    assert said[0] == "## Confusion" and "](confusion.png)" in said[1]
    assert said[-1] == "Most often mistaken: neg for pos (80 of 500), pos for neg (79 of 500)."
    assert_picture(tmp_path / "run" / "confusion.png")


def test_labels_that_no_font_has_are_numbered_with_a_legend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "families", lambda names: None)
    labels = ["好评", "差|评"]
    said = module.confusion(
        files(tmp_path, details={"confusion": {"labels": labels, "counts": [[1, 2], [0, 4]]}})
    )
    assert said[3] == (
        r"No font of this machine has all letters of the classes; they are numbered: 1: 好评, 2: 差\|评."
    )
    assert said[-1] == r"Most often mistaken: 好评 for 差\|评 (2 of 3)."


def test_of_very_many_classes_the_most_frequent_ones_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple] = []
    figure = plots.confusion_figure
    monkeypatch.setattr(plots, "confusion_figure", lambda *given: drawn.append(given) or figure(*given))
    counts = np.diag(np.arange(1, 41))
    counts[39, 0] = 7
    told = {"labels": [f"c{i}" for i in range(40)], "counts": counts.tolist()}
    said = module.confusion(files(tmp_path, details={"confusion": told}))
    assert "The picture has the 30 most frequent of 40 classes." in said
    ((names, shown),) = drawn
    assert names == [f"c{i}" for i in range(10, 40)]
    np.testing.assert_array_equal(shown, counts[10:, 10:])
    assert said[-1] == "Most often mistaken: c39 for c0 (7 of 47)."


def test_without_a_mistake_that_is_said(tmp_path: Path) -> None:
    told = {"labels": ["a", "b"], "counts": [[3, 0], [0, 4]]}
    assert module.confusion(files(tmp_path, details={"confusion": told}))[-1] == (
        "No test text was taken for another class."
    )


@pytest.mark.parametrize(
    "told",
    [None, {}, {"labels": ["a"]}, {"labels": ["a"], "counts": [[1, 2]]}, {"labels": ["a"], "counts": "x"}]
    + [{"labels": ["a", "b"], "counts": [[1, 2], [3]]}, {"labels": ["a"], "counts": [[0]]}],
)
def test_a_confusion_of_another_form_is_left_out(tmp_path: Path, told: object) -> None:
    assert module.confusion(files(tmp_path, details={"confusion": told})) == []
    assert not (tmp_path / "run" / "confusion.png").exists()


def test_the_calibration_is_drawn_with_its_expected_error(tmp_path: Path) -> None:
    said = module.calibration(files(tmp_path))
    assert "gives 88.0 % to what it predicts, and 84.1 % of that is right." in said[2]
    assert "The expected calibration error is 3.9 %" in said[2]  # 0.2 · 0.1 + 0.8 · 0.024
    assert_picture(tmp_path / "run" / "calibration.png")


@pytest.mark.parametrize(
    "told", [None, {}, {"bins": [{}]}, {"bins": [{"confidence": 1, "accuracy": 1, "count": 0}]}]
)
def test_without_bins_there_is_no_calibration(tmp_path: Path, told: object) -> None:
    assert module.calibration(files(tmp_path, details={"calibration": told})) == []


def test_numbers_are_drawn_over_the_true_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple] = []
    figure = plots.numbers_figure
    monkeypatch.setattr(plots, "numbers_figure", lambda *given: drawn.append(given) or figure(*given))
    lines = [{"true": 1.0, "number": 1.5}, {"true": 2.0, "number": 2.5}, {"true": 3.0}, {"number": 9.0}]
    said = module.numbers(files(tmp_path, "number", lines))
    assert "Each of the 2 test texts" in said[-1]
    np.testing.assert_array_equal(drawn[0], [[1, 2], [1.5, 2.5]])
    assert_picture(tmp_path / "run" / "numbers.png")
    assert module.numbers(files(tmp_path, "classes", [{"true": "pos", "label": "neg"}])) == []


def test_learning_curves_have_epochs_and_the_checkpoint_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple] = []
    figure = plots.learning_figure
    monkeypatch.setattr(plots, "learning_figure", lambda *given: drawn.append(given) or figure(*given))
    said = module.learning(read_task(class_run(tmp_path / "run")))
    curves, goal, loss, epoch, best = drawn[0]
    assert (goal, loss, epoch, best) == ("accuracy", "loss (nats)", 500, 1000)
    np.testing.assert_array_equal(curves.looks, [500, 1000, 1500])
    np.testing.assert_array_equal(curves.scores, [0.82, 0.84, 0.82])
    assert said[-1].endswith("of step 1,000: 84.0 %; at the end it was 82.0 %.")
    assert_picture(tmp_path / "run" / "learning.png")


def test_a_run_that_goes_on_has_curves_without_a_star(tmp_path: Path) -> None:
    run = write_task(tmp_path / "run", task_record(finished=None), task_rows(600))
    said = module.learning(read_task(run))
    assert said[-1].endswith("Vertical lines are the ends of epochs.")
    nothing = write_task(tmp_path / "nothing", task_record())
    assert module.learning(read_task(nothing))[-1].startswith("No picture of the loss")
