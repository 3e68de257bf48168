"""From the words behind --data to three sets of labelled texts that have nothing in common."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from labelled_files import card_of_two_parts, read_files, rows_of, split_it, table, texts

from minibert import sources
from minibert.config import FinetuneConfig, HeadConfig, Part
from minibert.recipes.labelled_data import find, read, read_to_measure, some
from minibert.text.columns import Columns

# ---------------------------------------------------------------- files


def test_a_file_is_divided_by_shares_and_of_each_label_its_share(tmp_path: Path) -> None:
    splits = read_files(table(tmp_path / "a.csv", rows_of(200)), shares=(0.1, 0.2))
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [140, 20, 40]
    assert [Counter(text.label for text in part)["bad"] for part in parts] == [35, 5, 10]
    assert set().union(*map(texts, parts)) == {text for text, _ in rows_of(200)}
    assert not texts(splits.train) & texts(splits.test) and not texts(splits.train) & texts(splits.validation)


def test_shuffled_rows_and_columns_give_the_same_sets_and_another_seed_others(tmp_path: Path) -> None:
    rows = rows_of(100)
    first = read_files(table(tmp_path / "a.csv", rows))
    other = random.Random(0).sample(rows, 100)
    again = read_files(table(tmp_path / "b.csv", [(label, text) for text, label in other], "label,text"))
    for side in ("train", "validation", "test"):
        labels = [{text.text: text.label for text in getattr(splits, side)} for splits in (first, again)]
        assert labels[0] == labels[1]
    assert texts(read_files(str(tmp_path / "a.csv"), seed=1).test) != texts(first.test)


def test_files_for_validation_and_test_are_taken_as_they_are(tmp_path: Path) -> None:
    train, valid, test = (
        table(tmp_path / f"{name}.csv", rows_of(20, first))
        for name, first in (("a", 0), ("b", 20), ("c", 40))
    )
    splits = read_files(train, validation=(valid,), test=(test,))
    parts = (splits.train, splits.validation, splits.test)
    assert [texts(part) for part in parts] == [{t for t, _ in rows_of(20, n)} for n in (0, 20, 40)]
    splits = read_files(train, test=(test,))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [18, 2, 20]


def test_what_is_alike_lies_on_one_side_and_is_counted(tmp_path: Path) -> None:
    rows = rows_of(60)
    repeats = [(text.upper(), label) for text, label in rows[:20]]
    near = [(" ".join([*text.split()[:7], "other"]), label) for text, label in rows[20:40]]  # J = 3 / 5
    splits = read_files(table(tmp_path / "a.csv", rows + repeats + near), shares=(0.3, 0.3))
    parts = [splits.train, splits.validation, splits.test]
    assert sum(map(len, parts)) == 100
    first = [{" ".join(text.text.lower().split()[:7]) for text in part} for part in parts]
    assert not first[0] & first[1] and not first[0] & first[2] and not first[1] & first[2]
    (said,) = [note for note in splits.notes if note.startswith("alike: ")]
    assert said.startswith(
        "alike: 20 texts repeat another one but for white space and case, 20 more share half"
    )
    assert "left out" not in said and "labels differ" not in said


def test_what_stands_in_two_files_is_left_out_of_the_earlier_set(tmp_path: Path) -> None:
    rows = rows_of(30)
    train = table(tmp_path / "a.csv", rows[:20])
    valid = table(tmp_path / "b.csv", [*rows[18:25], (f" {rows[0][0].title()}", "good")])
    test = table(tmp_path / "c.csv", rows[24:])
    splits = read_files(train, validation=(valid,), test=(test,))
    assert texts(splits.train) == {text for text, _ in rows[1:18]}
    assert len(splits.validation) == 7 and rows[24][0] not in texts(splits.validation)
    assert texts(splits.test) == {text for text, _ in rows[24:]}
    (said,) = [note for note in splits.notes if note.startswith("alike: ")]
    assert "alike: 4 texts repeat" in said
    assert said.endswith("1 times the labels differ; 4 texts that came again on a later side are left out")


def test_what_is_guessed_is_said_and_what_is_empty_is_counted_and_left_out(tmp_path: Path) -> None:
    rows = [*rows_of(40), (" ", "good"), ("no label here", ""), ("", "")]
    splits = read_files(table(tmp_path / "a.csv", rows, "review,stars"))
    assert splits.notes[0] == "a.csv: text from 'review', label from 'stars'"
    assert splits.notes[1] == "left out: 2 texts without a word, 1 text without a label"
    assert splits.notes[2:] == (
        "labels: 2 classes: bad (10), good (30)",
        "32 texts to learn from, 4 texts to choose by, 4 texts to measure on, drawn with seed 0",
    )
    told = read_files(str(tmp_path / "a.csv"), text="review", label="stars")
    assert not any("from 'review'" in note for note in told.notes)


def test_pairs_several_labels_and_numbers_are_read_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"premise": text, "hypothesis": f"h {n}", "label": [["a"], ["a", "b"], []][n % 3]}
        for n, (text, _) in enumerate(rows_of(60))
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    splits = read_files(str(path))
    assert {text.label for text in splits.test} == {("a",), ("a", "b"), ()}
    assert all(text.pair and text.pair.startswith("h ") for text in splits.train)
    assert "labels: 2 of which a text has any number: a (40), b (20)" in splits.notes

    numbers = [(text, str(n / 4)) for n, (text, _) in enumerate(rows_of(60))]
    splits = read_files(table(tmp_path / "b.csv", numbers))
    assert all(isinstance(text.label, float) for text in splits.train)
    tenths = [int(text.label * 4) // 6 for text in splits.test if isinstance(text.label, float)]
    assert len(tenths) == len(set(tenths)) == 6
    assert "labels: numbers from 0 to 14.75, mean 7.38, standard deviation 4.33" in splits.notes


def test_numbers_far_from_1_are_said_to_be_learned_badly(tmp_path: Path) -> None:
    rows = [(text, str(n * 10 + 0.5)) for n, (text, _) in enumerate(rows_of(40))]
    assert any(
        "near 1 are learned best: divide them" in note
        for note in read_files(table(tmp_path / "a.csv", rows)).notes
    )
    rows = [(text, str(n / 10)) for n, (text, _) in enumerate(rows_of(40))]
    assert not any("divide them" in note for note in read_files(table(tmp_path / "b.csv", rows)).notes)


def test_whole_numbers_are_classes_unless_told_otherwise(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [(text, str(n % 5)) for n, (text, _) in enumerate(rows_of(60))])
    assert {text.label for text in read_files(path).train} == set("01234")
    assert {text.label for text in read_files(path, labels_are="number").train} == {0.0, 1.0, 2.0, 3.0, 4.0}
    bad = table(tmp_path / "b.csv", rows_of(40))
    with pytest.raises(ValueError, match=r"b\.csv, row 1: expected a number, got 'bad'"):
        read_files(bad, labels_are="number")


def test_a_label_to_measure_on_that_is_not_learned_is_refused_with_its_row(tmp_path: Path) -> None:
    train = table(tmp_path / "a.csv", rows_of(40))
    test = table(tmp_path / "c.csv", [*rows_of(3, 60), ("something new here", "ugly")])
    with pytest.raises(ValueError) as error:
        read_files(train, test=(test,))
    assert str(error.value) == "c.csv, row 4: the label 'ugly' is none of those learned from: 'bad', 'good'"


def test_so_many_examples_are_learned_from_and_the_other_sets_stay(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", rows_of(200))
    whole, few = read_files(path), read_files(path, examples=16)
    assert Counter(text.label for text in few.train) == {"bad": 4, "good": 12}
    assert texts(few.train) < texts(whole.train)
    assert (few.validation, few.test) == (whole.validation, whole.test)
    assert few.notes[-1] == "learned from: 16 of them, of each label its share"
    assert list(few.train) == some(whole.train, 16, seed=0)
    with pytest.raises(ValueError, match="there are 160 texts to learn from, got --examples 161"):
        read_files(path, examples=161)


def test_what_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give --data CARD or --data FILE"):
        read(FinetuneConfig())
    with pytest.raises(
        ValueError, match="of 3 texts none is left to choose by: give more, or other --shares"
    ):
        read_files(table(tmp_path / "a.csv", rows_of(3)))
    same = [(f"The queen reads a letter by the sea at noon on day {day}", "ab"[day % 2]) for day in range(40)]
    with pytest.raises(
        ValueError, match=r"of 40 texts none is left .*; alike: .* more share half of their runs"
    ):
        read_files(table(tmp_path / "same.csv", same))
    (tmp_path / "a.txt").write_text("Good.\nBad.\n")
    with pytest.raises(
        ValueError, match=r"a\.txt has no labelled texts: give CSV, TSV or JSON lines with a col"
    ):
        read_files(str(tmp_path / "a.txt"))
    (tmp_path / "a.conll").write_text("It O\n")
    with pytest.raises(ValueError, match="no labelled texts. To learn its tags: minibert finetune tag"):
        read_files(str(tmp_path / "a.conll"))
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ValueError, match="To learn its answers: minibert finetune answer"):
        read_files(str(tmp_path / "a.json"))
    with pytest.raises(ValueError, match="all texts to learn from have the same label"):
        read_files(table(tmp_path / "g.csv", [(text, "good") for text, _ in rows_of(40)]))
    with pytest.raises(ValueError, match=r"e\.csv has no labelled texts"):
        read_files(table(tmp_path / "e.csv", []))


def test_texts_to_predict_are_read_without_labels(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [("one", "x"), ("two", "")], "text,what")
    found = find([path], Columns("text"), labelled=False)
    assert [(text.text, text.label) for text in found.texts] == [("one", None), ("two", None)]
    (tmp_path / "a.txt").write_text("One.\n\nTwo.\n")
    assert [text.text for text in find([str(tmp_path / "a.txt")], Columns(), labelled=False).texts] == [
        "One.",
        "Two.",
    ]


# ---------------------------------------------------------------- cards


def test_a_model_that_has_learned_is_measured_on_the_test_texts_of_a_card_and_on_all_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split_it(card_of_two_parts(tmp_path, monkeypatch))
    head = HeadConfig("classes", ("dull", "good"))
    found, notes = read_to_measure(FinetuneConfig(data=("stories",)), head)
    assert set(found) == set(read_files("stories").test)
    assert notes[-1] == "measured on 15 texts"
    path = table(tmp_path / "a.csv", [("one", "good"), ("two", "dull"), (" ", "good")])
    found, notes = read_to_measure(FinetuneConfig(data=(path,)), head)
    assert [text.label for text in found] == ["good", "dull"]
    with pytest.raises(
        ValueError, match=r"a\.csv, row 2: the label 'dull' is none of those .*: 'bad', 'good'"
    ):
        read_to_measure(FinetuneConfig(data=(path,)), HeadConfig("classes", ("bad", "good")))
    with pytest.raises(ValueError, match=r"a\.csv, row 1: expected a number, got 'good'"):
        read_to_measure(FinetuneConfig(data=(path,)), HeadConfig("number"))
    with pytest.raises(ValueError, match="a head for tags tells nothing of whole texts"):
        read_to_measure(FinetuneConfig(data=(path,)), HeadConfig("tags", ("O",)))


@pytest.mark.parametrize(
    ("held_out", "counts"),
    [
        (["validation.jsonl", "test.jsonl"], [20, 10, 5]),
        (["validation.jsonl"], [18, 2, 10]),  # sst2, whose test has no labels
        (["test.jsonl"], [18, 2, 5]),
    ],
)
def test_the_held_out_parts_of_a_card_are_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_out: list[str], counts: list[int]
) -> None:
    parts = []
    for first, count, name in ((0, 20, "train.jsonl"), (20, 10, "validation.jsonl"), (40, 5, "test.jsonl")):
        rows = [{"sentence": text, "label": label} for text, label in rows_of(count, first)]
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
        if name == "train.jsonl" or name in held_out:
            parts.append(Part((tmp_path / name,), "table", "sentence", name in held_out, label="label"))
    corpus = sources.Corpus("small", tuple(parts), "f")
    monkeypatch.setattr(sources, "resolve", lambda words, plain: (corpus,))
    splits = read_files("small")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == counts
