"""One class, several labels, a number: targets, losses and scores, by hand and as scikit-learn has them."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minibert.config import HeadConfig
from minibert.recipes.label_kinds import Number, OneClass, SeveralLabels, kind_for
from minibert.text.labelled import Label, LabelledText

CLASS, LABELS, NUMBER = OneClass(("a", "b", "c")), SeveralLabels(("a", "b", "c")), Number()


def texts(*labels: Label) -> list[LabelledText]:
    return [LabelledText("x", None, label, f"t.csv, row {n}") for n, label in enumerate(labels, 1)]


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape) * 2


def test_the_head_tells_what_is_asked() -> None:
    assert kind_for(HeadConfig("classes", ("b", "a"))) == OneClass(("b", "a"))
    assert kind_for(HeadConfig("labels", ("b", "a"))) == SeveralLabels(("b", "a"))
    assert kind_for(HeadConfig("number")) == Number()


def test_the_targets_are_the_places_of_the_names_and_unknown_ones_do_not_count() -> None:
    assert CLASS.targets(texts("c", "a", None)).tolist() == [2, 0, -100]
    table = LABELS.targets(texts(("a", "c"), (), None))
    assert table[:2].tolist() == [[1, 0, 1], [0, 0, 0]] and np.isnan(table[2]).all()
    assert NUMBER.targets(texts(1.5, None)).tolist() == pytest.approx([1.5, math.nan], nan_ok=True)


@pytest.mark.parametrize(("kind", "label"), [(CLASS, "d"), (LABELS, ("a", "d"))])
def test_a_label_that_the_head_does_not_have_is_refused_with_its_row(kind, label: Label) -> None:
    known = "a" if isinstance(label, str) else ("a",)
    with pytest.raises(ValueError, match="t.csv, row 2: the label 'd' is none of those .*: 'a', 'b', 'c'"):
        kind.targets(texts(known, label))


def test_the_loss_of_classes_is_the_cross_entropy_weighted_or_not() -> None:
    logits, targets = torch.from_numpy(drawn(0, 5, 3)), torch.tensor([0, 2, 1, 1, 0])
    assert torch.allclose(
        CLASS.loss(logits, targets, None, 0.1), F.cross_entropy(logits, targets, label_smoothing=0.1)
    )
    weights = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    expected = F.cross_entropy(logits, targets, weights, reduction="sum") / 5
    assert torch.allclose(CLASS.loss(logits, targets, weights, 0.0), expected)


def test_the_loss_of_labels_is_that_of_as_many_questions_and_of_numbers_the_squared_error() -> None:
    logits, targets = (
        torch.from_numpy(drawn(1, 4, 3)),
        torch.from_numpy((drawn(2, 4, 3) > 0).astype(np.float32)),
    )
    expected = F.binary_cross_entropy_with_logits(logits, targets.double())
    assert torch.allclose(LABELS.loss(logits, targets, None, 0.0), expected)
    numbers = NUMBER.loss(torch.tensor([[1.0], [4.0]]), torch.tensor([2.0, 2.0]), None, 0.0)
    assert numbers.item() == (1 + 4) / 2


def test_outputs_are_probabilities_that_no_large_logit_breaks() -> None:
    p = CLASS.outputs(np.array([[0.0, math.log(3), 0.0], [1000.0, -1000.0, 0.0]]))
    assert p == pytest.approx(np.array([[0.2, 0.6, 0.2], [1.0, 0.0, 0.0]]))
    assert LABELS.outputs(np.array([[math.log(3), -1000.0, 1000.0]])) == pytest.approx(
        np.array([[0.75, 0, 1]])
    )
    assert NUMBER.outputs(np.array([[2.5]])).tolist() == [[2.5]]


@pytest.mark.parametrize(
    ("kind", "labels"),
    [(CLASS, ("a", "c", "b")), (LABELS, (("a", "b"), (), ("c",))), (NUMBER, (1.0, 2.0, 6.0))],
)
def test_perfect_outputs_have_perfect_scores(kind, labels: tuple[Label, ...]) -> None:
    targets = kind.targets(texts(*labels))
    scores = kind.measure(targets, kind.perfect(targets))
    assert scores[kind.goal(False)] == 1 and scores["loss"] == 0
    assert kind.goal(True) in scores


def test_the_scores_of_classes_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    targets, p = np.random.default_rng(3).integers(3, size=50), CLASS.outputs(drawn(4, 50, 3))
    scores = CLASS.measure(targets, p)
    assert scores["loss"] == pytest.approx(metrics.log_loss(targets, p))
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(targets, p.argmax(1)))
    assert scores["macro_f1"] == pytest.approx(metrics.f1_score(targets, p.argmax(1), average="macro"))
    assert 0 < scores["calibration_error"] < 1


def test_a_class_that_does_not_occur_is_not_in_the_macro_f1_and_one_that_is_only_guessed_is() -> None:
    def f1(guessed: list[int]) -> float:
        return CLASS.measure(np.array([0, 0, 1, 1]), np.eye(3)[guessed])["macro_f1"]

    assert f1([0, 0, 1, 1]) == 1
    assert f1([0, 2, 1, 1]) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_the_scores_of_labels_are_those_of_scikit_learn() -> None:
    from sklearn import metrics

    true, p = (drawn(5, 60, 3) > 0.5).astype(np.float32), LABELS.outputs(drawn(6, 60, 3))
    scores = LABELS.measure(true, p)
    for name in ("micro", "macro"):
        assert scores[f"{name}_f1"] == pytest.approx(metrics.f1_score(true, p > 0.5, average=name))
    assert scores["precision"] == pytest.approx(metrics.precision_score(true, p > 0.5, average="micro"))
    assert scores["recall"] == pytest.approx(metrics.recall_score(true, p > 0.5, average="micro"))
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(true, p > 0.5))
    expected = np.mean([metrics.log_loss(true[:, c], p[:, c]) for c in range(3)])
    assert scores["loss"] == pytest.approx(expected)


def test_the_weights_balance_the_training_texts() -> None:
    assert CLASS.weights(np.array([0, 0, 0, 1])).tolist() == [4 / 6, 2, 0]
    table = LABELS.weights(np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]], np.float32))
    assert table.shape == (2, 3)
    assert table[:, 0].tolist() == [4 / 6, 2] and table[:, 1].tolist() == [2, 4 / 6]
    assert table[:, 2].tolist() == [1, 0]
    with pytest.raises(ValueError, match="--class-weights are for classes, not for numbers"):
        NUMBER.weights(np.zeros(3))


def test_the_details_of_classes_are_plain_values_by_name() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]])
    told = CLASS.details(np.array([0, 1, 1]), p)
    assert told["classes"]["a"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "count": 1}
    assert told["confusion"] == {"labels": ["a", "b", "c"], "counts": [[1, 0, 0], [1, 1, 0], [0, 0, 0]]}
    assert [each["count"] for each in told["calibration"]["bins"]] == [1, 1, 1]
    assert told["calibration"]["error"] == pytest.approx((0.6 + 0.2 + 0.1) / 3)
    assert LABELS.details(np.array([[1, 0, 0]]), p[:1])["classes"]["a"]["count"] == 1
    assert NUMBER.details(np.zeros(1), np.zeros((1, 1))) == {}


def test_what_is_said_of_a_text_is_named() -> None:
    assert CLASS.said([0.1, 0.7, 0.2]) == {"label": "b", "probabilities": {"a": 0.1, "b": 0.7, "c": 0.2}}
    assert LABELS.said([0.6, 0.5, 0.9])["labels"] == ["a", "c"]
    assert NUMBER.said([2.5]) == {"number": 2.5}
