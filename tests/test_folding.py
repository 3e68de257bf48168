"""Folds: each text is measured on once, and nothing is learned from that is like it."""

import json
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from labelled_files import rows_of, table
from small_tasks import FILES

from minibert.config import FinetuneConfig
from minibert.recipes.folding import read_folds
from minibert.recipes.known_tasks import TASKS
from minibert.recipes.task import Splits
from minibert.text.duplicates import group, key

KINDS = ("classify", "tag", "answer")


def config(kind: str, folder: Path, **changes: Any) -> FinetuneConfig:
    return FinetuneConfig(**{"data": (str(FILES[kind](folder)),), "shares": (0.3, 0.2)} | changes)


def sides(splits: Splits[Any]) -> list[list[str]]:
    return [[text.where for text in side] for side in (splits.train, splits.validation, splits.test)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_test_texts_of_all_folds_are_all_texts_each_once(kind: str, tmp_path: Path) -> None:
    told = config(kind, tmp_path)
    whole = TASKS[kind].read(told)
    texts = Counter(text for side in (whole.train, whole.validation, whole.test) for text in side)
    found = read_folds(kind, told, 3)
    assert len(found) == 3
    assert Counter(text for splits in found for text in splits.test) == texts
    assert [len(splits.test) for splits in found] == [9, 9, 9]


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_fold_the_three_sides_share_no_text_and_hold_all(kind: str, tmp_path: Path) -> None:
    for splits in read_folds(kind, config(kind, tmp_path), 3):
        train, validation, test = ({text for text in side} for side in vars_of(splits))
        assert train and validation and test
        assert not train & validation and not train & test and not validation & test
        assert len(train) + len(validation) + len(test) == 27
        assert f"of 3: {len(train)} to learn from, {len(validation)} to choose by, 9 to m" in splits.notes[-1]


def vars_of(splits: Splits[Any]) -> tuple[Any, Any, Any]:
    return splits.train, splits.validation, splits.test


def test_every_label_has_its_share_of_every_fold(tmp_path: Path) -> None:
    data = table(tmp_path / "a.csv", rows_of(200))  # one in four is bad
    for splits in read_folds("classify", FinetuneConfig(data=(data,)), 5):
        assert Counter(text.label for text in splits.test) == {"good": 30, "bad": 10}
        assert Counter(text.label for text in splits.validation) == {"good": 12, "bad": 4}


def test_texts_that_are_alike_are_in_one_fold(tmp_path: Path) -> None:
    rows = rows_of(40)
    near = [(text + " more", label) for text, label in rows[:20]]
    again = [(text.upper(), label) for text, label in rows[:10]]
    data = table(tmp_path / "a.csv", [*rows, *near, *again])
    found = read_folds("classify", FinetuneConfig(data=(data,)), 4)
    texts = [text for splits in found for text in splits.test]
    assert len(texts) == 70
    fold_of = {text: number for number, splits in enumerate(found) for text in splits.test}
    groups = group([text.whole for text in texts]).numbers.tolist()
    assert len(set(groups)) == 40
    for (one, its), (other, others) in combinations(zip(texts, groups, strict=True), 2):
        assert its != others or fold_of[one] == fold_of[other]
    for splits in found:
        apart = [{groups[texts.index(text)] for text in side} for side in vars_of(splits)]
        assert not any(one & other for one, other in combinations(apart, 2))


def test_an_article_is_in_one_fold_and_a_context_that_comes_again_is_learned_nowhere_else(
    tmp_path: Path,
) -> None:
    told = config("answer", tmp_path)
    file = Path(told.data[0])
    articles = json.loads(file.read_text())
    extra = {"title": "more", "paragraphs": [json.loads(json.dumps(articles["data"][0]["paragraphs"][0]))]}
    extra["paragraphs"][0]["qas"][0]["id"] = "asked again"
    articles["data"].append(extra)
    file.write_text(json.dumps(articles))
    found = read_folds("answer", told, 4)
    assert sum(len(splits.test) for splits in found) >= 27
    for splits in found:
        measured = {text.title for text in splits.test}
        assert len(measured) == 1
        assert not measured & {text.title for text in (*splits.train, *splits.validation)}
        contexts = {key(text.context) for text in splits.test}
        assert not contexts & {key(text.context) for text in (*splits.train, *splits.validation)}


def test_documents_of_sentences_are_in_one_fold(tmp_path: Path) -> None:
    file = tmp_path / "words.conll"
    documents = [
        "-DOCSTART- O\n\n" + "".join(f"word{document}x{n} B-PER\nis O\n\n" for n in range(4))
        for document in range(12)
    ]
    file.write_text("".join(documents))
    found = read_folds("tag", FinetuneConfig(data=(str(file),), shares=(0.2, 0.2)), 3)
    for splits in found:
        names = [{text.words[0].split("x")[0] for text in side} for side in vars_of(splits)]
        assert not any(one & other for one, other in combinations(names, 2))
    assert sum(len(splits.test) for splits in found) == 48


def test_another_seed_makes_other_folds_and_the_same_seed_the_same(tmp_path: Path) -> None:
    told = config("classify", tmp_path)
    first = [sides(splits) for splits in read_folds("classify", told, 3)]
    assert first == [sides(splits) for splits in read_folds("classify", told, 3)]
    assert first != [sides(splits) for splits in read_folds("classify", replace(told, seed=1), 3)]


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_drawn_from_what_is_learned_from_alone(kind: str, tmp_path: Path) -> None:
    told = config(kind, tmp_path, examples=5)
    for splits, whole in zip(
        read_folds(kind, told, 3), read_folds(kind, replace(told, examples=None), 3), strict=True
    ):
        assert len(splits.train) == 5 and set(splits.train) <= set(whole.train)
        assert (splits.validation, splits.test) == (whole.validation, whole.test)


def test_too_few_texts_for_so_many_folds_are_refused(tmp_path: Path) -> None:
    data = table(tmp_path / "a.csv", rows_of(12))
    with pytest.raises(ValueError, match="12 texts, 12 of which are kept apart .* too few for 13 folds"):
        read_folds("classify", FinetuneConfig(data=(data,), shares=(0.2, 0.2)), 13)


def test_a_label_that_one_fold_has_alone_is_told_with_its_place(tmp_path: Path) -> None:
    rows = [*rows_of(40), ("a text of a label that comes once", "odd")]
    data = table(tmp_path / "a.csv", rows)
    with pytest.raises(ValueError, match="row 41: the label 'odd' is none of those learned from"):
        read_folds("classify", FinetuneConfig(data=(data,)), 4)


def test_every_fold_has_one_of_three_numbers_that_follow_each_other(tmp_path: Path) -> None:
    rows = [(text, f"{n + 0.5}") for n, (text, _) in enumerate(rows_of(30))]
    data = table(tmp_path / "a.csv", rows)
    for splits in read_folds("classify", FinetuneConfig(data=(data,)), 3):
        assert sorted(int(text.label) // 3 for text in splits.test) == list(range(10))
