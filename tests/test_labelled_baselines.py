"""Yardsticks: the most frequent class, the words of a text, and an encoder as it is."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator

from minibert.batches.labels import Encoded
from minibert.config import BertConfig, GptConfig, HeadConfig, ModernBertConfig
from minibert.model.tagger import BertTagger, GptTagger, ModernBertTagger
from minibert.recipes import labelled_baselines
from minibert.recipes.classifying import Classifying
from minibert.recipes.labelled_baselines import baselines, first_rows, frozen_features, mean_features
from minibert.recipes.task import Splits
from minibert.text.labelled import Label, LabelledText
from minibert.text.tokenizer import Tokenizer

NOISE = [f"word{n}" for n in range(30)]
TOKENIZER = Tokenizer.train([" ".join([*NOISE, "fine dull long short"])] * 2, 120)
CLASSES = HeadConfig("classes", ("bad", "good"))


def made(
    head: HeadConfig, label: Any, sizes: tuple[int, int, int] = (80, 40, 40)
) -> tuple[Classifying, Splits]:
    """A task and texts: noise, and of "fine", "dull", "long" and "short" some, which decide the label."""
    draw = random.Random(0)

    def text() -> LabelledText:
        chosen = [draw.choice(("fine", "dull")), draw.choice(("long", "short"))]
        words = [*draw.choices(NOISE, k=6), *chosen]
        draw.shuffle(words)
        return LabelledText(" ".join(words), None, label(chosen))

    train, validation, test = ([text() for _ in range(size)] for size in sizes)
    return Classifying(head, TOKENIZER, 20), Splits(train, validation, test)


def good(chosen: list[str]) -> Label:
    return "good" if "fine" in chosen else "bad"


def test_the_most_frequent_class_says_the_shares_of_the_training_texts_by_hand() -> None:
    train = [
        LabelledText(text, None, label) for text, label in (("a b", "bad"), ("b c", "bad"), ("c", "good"))
    ]
    test = [LabelledText("b", None, label) for label in ("bad", "good")]
    found = baselines(Classifying(CLASSES, TOKENIZER, 20), Splits(train, test, test))
    scores = found["most frequent class"]
    assert scores["accuracy"] == 0.5
    assert scores["loss"] == pytest.approx(-(np.log(2 / 3) + np.log(1 / 3)) / 2)
    assert list(found) == ["most frequent class", "TF-IDF with logistic regression"]


def test_words_that_decide_are_found_by_tf_idf_and_not_by_the_most_frequent_class() -> None:
    task, splits = made(CLASSES, good)
    found = baselines(task, splits)
    assert found["TF-IDF with logistic regression"]["accuracy"] > 0.9
    assert found["most frequent class"]["accuracy"] < 0.7


def test_the_same_for_several_labels_one_of_which_all_texts_have() -> None:
    head = HeadConfig("labels", ("all", "fine", "long"))
    task, splits = made(head, lambda chosen: ("all", *(w for w in ("fine", "long") if w in chosen)))
    found = baselines(task, splits)
    assert found["TF-IDF with logistic regression"]["micro_f1"] > 0.9
    assert found["most frequent labels"]["micro_f1"] < 0.9


def test_the_same_for_numbers() -> None:
    task, splits = made(HeadConfig("number"), lambda chosen: 2.5 * ("fine" in chosen) - ("long" in chosen))
    found = baselines(task, splits)
    assert list(found) == ["mean", "TF-IDF with ridge regression"]
    assert found["TF-IDF with ridge regression"]["r2"] > 0.8
    assert abs(found["mean"]["r2"]) < 0.1 and found["mean"]["pearson"] == 0


def test_weights_make_the_words_of_a_rare_class_heard() -> None:
    head = HeadConfig("classes", ("no", "yes"))
    task, splits = made(head, lambda chosen: "yes" if chosen == ["fine", "long"] else "no", (40, 40, 200))
    weighted = Classifying(head, TOKENIZER, 20, class_weights=np.array([0.7, 2.0]))
    name = "TF-IDF with logistic regression"
    assert baselines(weighted, splits)[name]["macro_f1"] > baselines(task, splits)[name]["macro_f1"]


def model() -> BertTagger:
    config = BertConfig(
        len(TOKENIZER), layers=1, width=32, heads=2, feedforward=32, max_positions=24, pad_id=TOKENIZER.pad_id
    )
    return BertTagger(config, HeadConfig("tags", ("any",)), Generator().manual_seed(0)).eval()


def rows(task: Classifying, splits: Splits) -> dict[str, Encoded]:
    return {side: task.encode(getattr(splits, side)) for side in ("train", "validation", "test")}


def test_the_features_of_a_text_are_the_mean_over_the_tokens_of_its_first_row() -> None:
    bert = model()
    task = Classifying(CLASSES, TOKENIZER, 8, "windows")
    found = [LabelledText(text) for text in ("fine", " ".join(NOISE[:9]), "dull word3 long", "short")]
    encoded = task.encode(found)
    assert len(encoded) > 4
    vectors = mean_features(bert, first_rows(encoded, [3, 1, 0]), TOKENIZER.pad_id)
    assert vectors.shape == (3, 32)
    for vector, row in zip(vectors, (len(encoded) - 1, 1, 0), strict=True):
        ids = torch.from_numpy(encoded.ids.padded(np.array([row]), 0))
        assert vector == pytest.approx(bert.body(ids)[0].mean(0).detach().numpy(), abs=1e-5)


def test_an_encoder_as_it_is_knows_which_words_a_text_has() -> None:
    task, splits = made(CLASSES, good, (200, 40, 100))
    found = frozen_features(task, splits, rows(task, splits), model(), TOKENIZER.pad_id)
    assert list(found) == ["frozen features with logistic regression"]
    assert found["frozen features with logistic regression"]["accuracy"] > 0.75


def test_frozen_features_learn_from_as_many_texts_as_they_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    task, splits = made(CLASSES, good, (80, 20, 30))
    learned = []
    monkeypatch.setattr(
        labelled_baselines,
        "linear_scores",
        lambda task, splits, *features: learned.append((splits, [len(part) for part in features])) or {},
    )
    caplog.set_level("INFO", "minibert")
    for most in (10, None):
        frozen_features(task, splits, rows(task, splits), model(), TOKENIZER.pad_id, most)
    (few, sizes), (_, all_sizes) = learned
    assert sizes == [10, 20, 30] and all_sizes == [80, 20, 30]
    labels = [text.label for text in few.train]
    share = np.mean([text.label == "good" for text in splits.train])
    assert abs(labels.count("good") - 10 * share) < 1 and set(few.train) <= set(splits.train)
    assert "the body reads 60 texts as it is, for a baseline" in caplog.text


def test_frozen_features_of_numbers_go_through_ridge_regression() -> None:
    task, splits = made(HeadConfig("number"), lambda chosen: 2.5 * ("fine" in chosen), (200, 40, 100))
    found = frozen_features(task, splits, rows(task, splits), model(), TOKENIZER.pad_id)
    assert found["frozen features with ridge regression"]["r2"] > 0.2


def test_the_body_of_a_gpt_and_of_a_modernbert_are_read_too() -> None:
    task, splits = made(CLASSES, good, (60, 20, 20))
    shape: dict[str, Any] = {"layers": 1, "width": 32, "heads": 2, "feedforward": 32, "max_positions": 24}
    kinds: list[tuple[Any, Any]] = [(GptTagger, GptConfig), (ModernBertTagger, ModernBertConfig)]
    for kind, config in kinds:
        own = config(len(TOKENIZER), pad_id=TOKENIZER.pad_id, **shape)
        reader = kind(own, HeadConfig("tags", ("any",)), Generator().manual_seed(0))
        found = frozen_features(task, splits, rows(task, splits), reader, TOKENIZER.pad_id)
        assert found["frozen features with logistic regression"]["accuracy"] > 0.5
        assert reader.training
