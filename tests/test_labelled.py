"""Texts with labels: how they are read, what the labels are, and what is refused."""

import json
from pathlib import Path

import pytest

from minibert.config import Part
from minibert.text.columns import Columns
from minibert.text.labelled import (
    LabelledText,
    as_kind,
    columns_of,
    kind_of,
    label_names,
    read_documents_of,
    read_table,
    require_known,
)


def write(folder: Path, text: str, name: str = "reviews.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, **told: str) -> list[LabelledText]:
    columns = columns_of(path, Columns(**told))
    assert columns is not None
    return list(read_table(path, columns))


def labelled(*labels: object) -> list[LabelledText]:
    return [LabelledText("x", None, label, f"t.csv, row {n}") for n, label in enumerate(labels, 1)]  # pyright: ignore[reportArgumentType]


def test_a_table_becomes_texts_with_labels_and_places(tmp_path: Path) -> None:
    path = write(tmp_path, "label,review\n good ,Fine.<br/>Really.\n,Hm.\nbad,\n")
    assert read(path) == [
        LabelledText("Fine.\nReally.", None, "good", "reviews.csv, row 1"),
        LabelledText("Hm.", None, None, "reviews.csv, row 2"),
        LabelledText("", None, "bad", "reviews.csv, row 3"),
    ]
    assert [text.is_blank for text in read(path)] == [False, False, True]


def test_shuffled_columns_give_the_same_texts(tmp_path: Path) -> None:
    one = write(tmp_path, "id,text,label\n7,Good,1\n8,Bad,0\n")
    other = write(tmp_path / "..", "label,id,text\n1,7,Good\n0,8,Bad\n", f"{tmp_path.name}/reviews.csv")
    first = list(read(one))
    assert [(text.text, text.label) for text in first] == [("Good", "1"), ("Bad", "0")]
    assert read(other) == first


def test_pairs_are_read_from_two_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path, "premise\thypothesis\tlabel\nIt rains.\tIt is wet.\tyes\nIt rains.\t\tno\n", "a.tsv"
    )
    wet, blank = read(path)
    assert (wet.text, wet.pair, wet.label) == ("It rains.", "It is wet.", "yes")
    assert wet.whole == "It rains.\nIt is wet."
    assert blank.is_blank


def test_values_of_json_are_labels_as_json_writes_them_and_lists_are_several(tmp_path: Path) -> None:
    values = [3, True, 0.5, "good", None, ["b", "a", "b"], [], [1, 2]]
    path = write(tmp_path, "\n".join(json.dumps({"text": "x", "label": v}) for v in values), "a.jsonl")
    expected = ["3", "true", "0.5", "good", None, ("a", "b"), (), ("1", "2")]
    assert [text.label for text in read(path)] == expected


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ('{"text": "x"}', r"row 2, has no column 'label'. Its columns: 'text'"),
        ('{"text": 3, "label": 1}', "row 2, column 'text': expected text, or a list of words, got '3'"),
        ('{"text": "x", "label": {"a": 1}}', "row 2, column 'label': expected a label, got {\"a\": 1}"),
        ('{"text": "x", "label": [["a"]]}', r"row 2, column 'label': expected a list of labels"),
        ('{"text": ["It", "rains"], "label": ["O", "O"]}', "row 2: 2 words with 2 labels are tags. .* tag"),
    ],
)
def test_a_row_that_is_no_labelled_text_is_placed(tmp_path: Path, row: str, found: str) -> None:
    path = write(tmp_path, '{"text": "x", "label": 1}\n' + row + "\n", "a.jsonl")
    with pytest.raises(ValueError, match=rf"a\.jsonl, {found}"):
        read(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("text,label\none,1\ntwo\n", r"row 2 \(line 3\), has 1 cells where .* 2 columns: 'text', 'label'"),
        ("text,stars,text\none,1,2\n", "two columns named 'text'. Its columns: 'text', 'stars', 'text'"),
        ("text,stars\none,1\n", "has no column 'label' for --label. Its columns: 'text', 'stars'"),
    ],
)
def test_ragged_rows_missing_columns_and_columns_named_alike_are_placed(
    tmp_path: Path, text: str, found: str
) -> None:
    with pytest.raises(ValueError, match=rf"reviews\.csv.*{found}"):
        read(write(tmp_path, text), label="label")


def test_an_empty_table_has_no_columns(tmp_path: Path) -> None:
    assert columns_of(write(tmp_path, ""), Columns()) is None
    assert columns_of(write(tmp_path, "text,label\n"), Columns()) is None


def test_plain_text_has_the_label_of_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "One.\n\nTwo.\nThree is long. Three goes on.", "good.txt")
    monkeypatch.setattr("minibert.text.corpus.LONGEST", 20)
    texts = list(read_documents_of(Part((path,), "lines", label="good")))
    assert texts == [
        LabelledText("One.", None, "good", "good.txt:1"),
        LabelledText("Two.", None, "good", "good.txt:3"),
        LabelledText("Three is long. Three goes on.", None, "good", "good.txt:4"),
    ]


def test_the_kind_is_told_by_the_labels() -> None:
    assert kind_of(labelled("1", "2", None, "5")) == "classes"
    assert kind_of(labelled("1", "2.0")) == "classes"
    assert kind_of(labelled("1", "2.5", None, "-3e1")) == "number"
    assert kind_of(labelled("1", "2.5", "nan")) == "classes"
    assert kind_of(labelled("1.5", "none")) == "classes"
    assert kind_of(labelled(("a",), (), None)) == "labels"


def test_labels_of_two_kinds_are_refused_with_the_row() -> None:
    with pytest.raises(ValueError, match="t.csv, row 2: the label 'b' is no list, as others are"):
        kind_of(labelled(("a",), "b"))


def test_a_label_for_each_text_is_refused() -> None:
    assert kind_of(labelled(*map(str, range(50)))) == "classes"
    with pytest.raises(
        ValueError, match="51 texts have 51 different labels, as '0' in t.csv, row 1: .*--labels-are number"
    ):
        kind_of(labelled(*map(str, range(51))))
    assert kind_of(labelled(*map(str, range(51)), *map(str, range(51)))) == "classes"


def test_labels_become_those_of_a_kind_or_are_refused_with_the_row() -> None:
    assert [text.label for text in as_kind(labelled("1", None, "-2.5"), "number")] == [1.0, None, -2.5]
    assert [text.label for text in as_kind(labelled("1", None), "classes")] == ["1", None]
    with pytest.raises(ValueError, match="t.csv, row 2: expected a number, got 'inf'"):
        as_kind(labelled("1", "inf"), "number")
    with pytest.raises(ValueError, match=r"t.csv, row 1: expected one label, got \('a',\)"):
        as_kind(labelled(("a",)), "classes")
    with pytest.raises(ValueError, match="t.csv, row 1: expected a list of labels, got 'a'"):
        as_kind(labelled("a"), "labels")


def test_the_order_of_the_labels_is_that_of_their_names() -> None:
    assert label_names(labelled("pos", "neg", None, "pos")) == ("neg", "pos")
    assert label_names(labelled("10", "9", "-1")) == ("-1", "9", "10")
    assert label_names(labelled(("b", "a"), ("c",), ())) == ("a", "b", "c")
    assert label_names(labelled(1.5, None)) == ()


def test_a_label_outside_the_set_is_refused_with_its_row_and_the_set() -> None:
    require_known(labelled("1", "2", None), ["1", "2"])
    with pytest.raises(ValueError) as error:
        require_known(labelled("0", "7"), ["0", "1", "2", "3"])
    assert str(error.value) == (
        "t.csv, row 2: the label '7' is none of those learned from: '0', '1', '2', '3'"
    )
    with pytest.raises(ValueError, match="row 1: the label 'c' is none of"):
        require_known(labelled(("a", "c")), ["a", "b"])
