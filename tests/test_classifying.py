"""Classification at work: texts become rows, rows are learned from, and what is said of them is measured."""

import json
import logging
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from minibert.batches.labels import LabelledBatches, batch_of
from minibert.config import BertConfig, FinetuneConfig, GptConfig, HeadConfig, ModernBertConfig
from minibert.model.classifier import BertClassifier, GptClassifier, ModernBertClassifier
from minibert.recipes.classifying import Classifying, head_for, task_for
from minibert.recipes.predicting import logits_of
from minibert.recipes.task import Splits
from minibert.text.base_tokenizer import END
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.labelled import Label, LabelledText
from minibert.text.tokenizer import Tokenizer

WORDS = "rain sun wind snow fog cloud frost"
LONG = f"{WORDS} rain"
BERT = Tokenizer.train([WORDS], 80)
CAUSAL = ByteTokenizer.train([WORDS] * 3, 300, (END,))
CLASSES = HeadConfig("classes", ("bad", "good"))


def texts(*pairs: tuple[str, Label]) -> list[LabelledText]:
    return [LabelledText(text, None, label, f"t.csv, row {n}") for n, (text, label) in enumerate(pairs, 1)]


def splits(train: list[LabelledText]) -> Splits[LabelledText]:
    return Splits(train, train[:1], train[:1])


def test_texts_become_rows_with_the_targets_of_their_labels() -> None:
    task = Classifying(CLASSES, BERT, 20)
    encoded = task.encode(texts(("sun", "good"), ("rain wind", "bad"), ("fog", None)))
    sun, rain, wind = BERT.encode("sun rain wind")
    starts = encoded.ids.starts
    assert encoded.ids.values[: starts[2]].tolist() == [
        *(BERT.cls_id, sun, BERT.sep_id),
        *(BERT.cls_id, rain, wind, BERT.sep_id),
    ]
    assert encoded.seconds.tolist() == [3, 4, 3]
    assert encoded.targets.tolist() == [1, 0, -100]  # pyright: ignore[reportAttributeAccessIssue]
    assert encoded.texts.tolist() == [0, 1, 2]


def test_pairs_and_single_texts_may_come_together() -> None:
    task = Classifying(CLASSES, BERT, 20)
    pair = LabelledText("sun", "wind rain", "good")
    encoded = task.encode([*texts(("fog", "bad")), pair, *texts(("snow", "bad"))])
    batch = batch_of(encoded, np.arange(3), BERT.pad_id)
    assert batch.segments.tolist() == [[0] * 6, [0, 0, 0, 1, 1, 1], [0] * 6]
    assert BERT.decode(batch.ids[2].tolist()[1:2]) == "snow"


def test_a_label_outside_the_head_is_refused_with_the_row_and_the_labels_there_are() -> None:
    with pytest.raises(ValueError) as error:
        Classifying(CLASSES, BERT, 20).encode(texts(("sun", "good"), ("rain", "ugly")))
    assert str(error.value) == "t.csv, row 2: the label 'ugly' is none of those learned from: 'bad', 'good'"


@pytest.mark.parametrize(
    ("long_texts", "rows", "said"),
    [("cut", 2, "the rest is cut off"), ("windows", 4, "with the others they make 4 rows")],
)
def test_long_texts_are_cut_or_read_in_windows_and_counted(
    long_texts: Any, rows: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    task = Classifying(CLASSES, BERT, 6, long_texts)
    with caplog.at_level(logging.INFO, "minibert"):
        encoded = task.encode(texts(("sun", "good"), (LONG, "bad")))
    assert len(encoded) == rows and encoded.ids.lengths.max() == 6
    assert encoded.texts.tolist() == [0] + [1] * (rows - 1)
    assert encoded.targets.tolist() == [1] + [0] * (rows - 1)  # pyright: ignore[reportAttributeAccessIssue]
    assert f"1 of 2 texts have more than 6 tokens: {said}" in caplog.text


def test_what_is_said_of_the_windows_of_a_text_is_averaged_by_hand() -> None:
    task = Classifying(CLASSES, BERT, 6, "windows")
    found = texts(("sun", "good"), (LONG, "bad"))
    encoded = task.encode(found)
    assert encoded.texts.tolist() == [0, 1, 1, 1]
    log3 = np.log(3)
    logits = [np.array(z) for z in ([0.0, log3], [0.0, 0.0], [0.0, 0.0], [log3, 0.0])]
    p = task.outputs(encoded, logits)
    assert p == pytest.approx(np.array([[0.25, 0.75], [(0.5 + 0.5 + 0.75) / 3, (0.5 + 0.5 + 0.25) / 3]]))
    scores = task.scores(found, encoded, logits)
    assert scores["accuracy"] == 1
    assert scores["loss"] == pytest.approx(-(np.log(0.75) + np.log(1.75 / 3)) / 2)


def test_the_loss_is_that_of_the_model_s_logits_with_weights_and_smoothing() -> None:
    batch = batch_of(
        Classifying(CLASSES, BERT, 20).encode(texts(("sun", "good"), ("rain", "bad"))), np.arange(2), 0
    )
    logits = torch.tensor([[0.0, 2.0], [1.0, 1.0]])

    def model(ids: Any, segments: Any, attend: Any) -> torch.Tensor:
        return logits

    def loss(**settings: Any) -> float:
        return Classifying(CLASSES, BERT, 20, **settings).loss(model, batch)["loss"].item()

    good, bad = np.log(1 + np.exp(-2)), np.log(2)
    assert loss() == pytest.approx((good + bad) / 2)
    assert loss(class_weights=np.array([3.0, 0.5])) == pytest.approx((0.5 * good + 3 * bad) / 2)
    assert loss(smoothing=0.5) == pytest.approx(((good + 0.25 * 2) + bad) / 2)


def test_predictions_are_lines_of_json_with_what_is_true_where_it_is_known() -> None:
    task = Classifying(CLASSES, BERT, 20)
    found = [LabelledText("sun", "rain", "bad"), LabelledText("fog")]
    lines = task.predictions(found, task.encode(found), [np.array([0.0, np.log(3)]), np.array([0.0, 0.0])])
    assert lines[0] == {
        "text": "sun",
        "pair": "rain",
        "label": "good",
        "probabilities": {"bad": pytest.approx(0.25), "good": pytest.approx(0.75)},
        "true": "bad",
    }
    assert lines[1] == {"text": "fog", "label": "bad", "probabilities": {"bad": 0.5, "good": 0.5}}
    several = Classifying(HeadConfig("labels", ("x", "y")), BERT, 20)
    two = texts(("sun", ("y",)), ("rain", None))
    (line, _) = several.predictions(two, several.encode(two), [np.array([1.0, 1.0])] * 2)
    assert (line["labels"], line["true"]) == (["x", "y"], ["y"])
    number = Classifying(HeadConfig("number"), BERT, 20)
    one = texts(("sun", 2.0))
    assert number.predictions(one, number.encode(one), [np.array([1.5])]) == [
        {"text": "sun", "number": 1.5, "true": 2.0}
    ]
    assert json.loads(json.dumps(lines)) == lines


def test_a_text_without_a_label_cannot_be_measured_on() -> None:
    task = Classifying(CLASSES, BERT, 20)
    two = texts(("sun", "good"), ("rain", None))
    with pytest.raises(ValueError, match="t.csv, row 2 has no label to measure by"):
        task.scores(two, task.encode(two), [np.zeros(2)] * 2)


def test_the_head_is_that_of_the_training_labels_in_their_order() -> None:
    config = FinetuneConfig(dropout=0.3)
    train = texts(("sun", "good"), ("rain", "bad"), ("fog", "fair"))
    assert head_for(splits(train), config) == HeadConfig("classes", ("bad", "fair", "good"), 0.3)
    train = texts(("sun", ("b", "a")), ("rain", ()), ("fog", ("c",)))
    assert head_for(splits(train), config) == HeadConfig("labels", ("a", "b", "c"), 0.3)
    assert head_for(splits(texts(("sun", 1.5), ("rain", 2.0))), config) == HeadConfig("number", (), 0.3)


def test_the_task_has_the_settings_and_the_weights_that_balance_the_training_texts() -> None:
    train = texts(*[("sun", "good")] * 3, ("rain", "bad"))
    config = FinetuneConfig(long_texts="windows", smoothing=0.1)
    task = task_for(CLASSES, BERT, 30, config, splits(train))
    assert (task.max_tokens, task.long_texts, task.smoothing, task.class_weights) == (
        30,
        "windows",
        0.1,
        None,
    )
    assert task.goal == "accuracy"
    balanced = task_for(CLASSES, BERT, 30, FinetuneConfig(class_weights="balanced"), splits(train))
    assert balanced.class_weights is not None and balanced.class_weights.tolist() == [2, 4 / 6]
    assert balanced.goal == "macro_f1"


@pytest.mark.parametrize(
    ("config", "flag"),
    [
        (FinetuneConfig(class_weights="balanced"), "--class-weights"),
        (FinetuneConfig(smoothing=0.1), "--smoothing"),
    ],
)
def test_what_numbers_have_no_use_for_is_refused(config: FinetuneConfig, flag: str) -> None:
    with pytest.raises(ValueError, match=f"{flag} .* for classes, not for numbers"):
        task_for(HeadConfig("number"), BERT, 20, config, splits(texts(("sun", 1.5))))


# ---------------------------------------------------------------- a model learns

SIZES: dict[str, Any] = dict(
    layers=1, width=32, heads=2, feedforward=32, max_positions=16, dropout=0.0, init_std=0.1
)
BODIES: dict[str, Any] = {
    "bert": (BertClassifier, BertConfig(len(BERT), **SIZES, attention_dropout=0.0, pad_id=BERT.pad_id), BERT),
    "modernbert": (ModernBertClassifier, ModernBertConfig(len(BERT), **SIZES, pad_id=BERT.pad_id), BERT),
    "gpt": (
        GptClassifier,
        GptConfig(len(CAUSAL), **SIZES, attention_dropout=0.0, pad_id=CAUSAL.end_id),
        CAUSAL,
    ),
}


def learned(kind: str, head: HeadConfig, train: list[LabelledText]) -> dict[str, float]:
    """The scores on its own texts of a model that has seen them for a while."""
    model_class, config, tokenizer = BODIES[kind]
    task = Classifying(head, tokenizer, 16)
    model = model_class(config, head, Generator().manual_seed(0)).eval()
    pad = config.pad_id
    batches = LabelledBatches(task.encode(train), pad, 8)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for step in range(100):
        task.loss(model, batches(step))["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    return dict(task.scores(train, batches.encoded, logits_of(model, batches)))


WEATHER = [
    f"{a} {b} {c}" for a in ("sun", "rain") for b in ("wind", "snow", "fog") for c in ("frost", "cloud")
]


@pytest.mark.parametrize("kind", list(BODIES))
def test_every_kind_of_body_learns_classes(kind: str) -> None:
    train = texts(*((text, "good" if "sun" in text else "bad") for text in WEATHER))
    scores = learned(kind, CLASSES, train)
    assert scores["accuracy"] == 1 and scores["loss"] < 0.1


def test_several_labels_and_numbers_are_learned_too() -> None:
    both = texts(*((text, tuple(w for w in ("frost", "sun") if w in text)) for text in WEATHER))
    assert learned("bert", HeadConfig("labels", ("frost", "sun")), both)["accuracy"] == 1
    sums = texts(*((text, 1.5 * ("sun" in text) - ("frost" in text)) for text in WEATHER))
    scores = learned("bert", HeadConfig("number"), sums)
    assert scores["r2"] > 0.95 and scores["spearman"] > 0.9
