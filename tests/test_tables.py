"""Tables -> rows, and what is refused."""

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.text.tables import numbered_rows, read_rows, read_texts


def write(folder: Path, text: str, name: str = "small.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_rows_are_read_by_column(tmp_path: Path) -> None:
    path = write(tmp_path, 'label,text\r\n1,"one, ""two""\nand three"\r\n\r\n0,\r\n')
    assert list(read_rows(path)) == [
        {"label": "1", "text": 'one, "two"\nand three'},
        {"label": "0", "text": ""},
    ]


def test_tsv_knows_no_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, 'text\tlabel\nthe "one\t1\n\ntwo"\t0\n', "small.tsv")
    assert list(read_rows(path)) == [{"text": 'the "one', "label": "1"}, {"text": 'two"', "label": "0"}]


def test_json_lines_keep_their_values(tmp_path: Path) -> None:
    rows = [{"text": "é\u2028x", "label": 1}, {"tokens": ["a", "b"]}]
    path = write(tmp_path, "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "small.jsonl")
    assert list(read_rows(path)) == rows


@given(st.lists(st.tuples(*[st.text(st.sampled_from("ab é漢,\"'\n\t"), max_size=8)] * 2), max_size=6))
def test_what_pythons_writer_wrote_is_read_back(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("one", "two"), *rows])
        assert [tuple(row.values()) for row in read_rows(path)] == rows


def test_texts_are_named_by_file_and_row(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\nGood.<br /><BR>Very good.,1\n,0\nBad.,0\n")
    assert list(read_texts(path, "text")) == [
        ("small.csv:1", "Good.\n\nVery good."),
        ("small.csv:2", ""),
        ("small.csv:3", "Bad."),
    ]


def test_rows_can_be_chosen_by_a_cell_and_keep_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "text,source\none,a\ntwo,b\nthree,a\n")
    assert list(read_texts(path, "text", only=("source", "a"))) == [
        ("small.csv:1", "one"),
        ("small.csv:3", "three"),
    ]
    assert [number for number, _ in numbered_rows(path, only=("source", "b"))] == [2]
    assert [number for number, _ in numbered_rows(path)] == [1, 2, 3]
    assert list(numbered_rows(path, only=("from", "a"))) == []


def test_a_list_of_words_is_joined_and_nothing_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path, '{"t": ["It", "rains", "."]}\n{"t": null}\n{"t": []}\n', "small.jsonl")
    assert [text for _, text in read_texts(path, "t")] == ["It rains .", "", ""]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "text,label\none,1\n\ntwo\n",
            r"row 2 \(line 4\), has 1 cells where the header has 2 columns: 'text', 'label'. Its .* 'two'",
        ),
        ("text,label\none,1,2\n", r"row 1 \(line 2\), has 3 cells"),
        ("text,label\none,1\n,\n,,\n", r"row 3 \(line 4\), has 3 cells"),
        ("text,label,text\none,1,2\n", "has two columns named 'text'. Its columns: 'text', 'label', 'text'"),
        ("review,label\none,1\n", "no column 'text'. Its columns: 'review', 'label'. Name the one"),
        ('text,label\n"one"two,1\n', r"line 2: ',' expected after '\"'"),
        ('text,label\none,1\n"two,2\n', "unexpected end of data"),
    ],
)
def test_a_fault_of_csv_is_placed(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ValueError, match=rf"small\.csv.*{found}"):
        list(read_texts(write(tmp_path, text), "text"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"text": "one"}\n\n{"text": two}\n', "line 3, is not JSON: Expecting value"),
        ('["one"]\n', "line 1: expected an object like .*, got '\\[\"one\"\\]'"),
        ('{"text": "one"}\n{"label": 2}\n', "row 2, has no column 'text'. Its columns: 'label'"),
        ('{"text": 3}\n', "row 1, column 'text': expected text, or a list of words, got '3'"),
        ('{"text": ["a", 3]}\n', "row 1, column 'text': expected text, or a list of words"),
        (
            '{"text": "one \\ud83d"}\n',
            r"row 1, column 'text': character 5 is half of a surrogate pair, .ud83d",
        ),
    ],
)
def test_a_fault_of_json_lines_is_placed(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ValueError, match=rf"small\.jsonl, {found}"):
        list(read_texts(write(tmp_path, text, "small.jsonl"), "text"))


def test_a_ragged_row_of_tsv_is_placed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"small\.tsv, row 1 \(line 3\), has 1 cells"):
        list(read_texts(write(tmp_path, "text\tlabel\n\none\n", "small.tsv"), "text"))


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    for name in ("small.csv", "small.tsv", "small.jsonl"):
        assert list(read_texts(write(tmp_path, "", name), "text")) == []


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"small\.xls is no table: .*\.csv, \.tsv or \.jsonl, got '\.xls'"):
        read_rows(write(tmp_path, "", "small.xls"))


def test_a_cell_may_be_longer_than_pythons_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "text\n" + "x" * 1_000_000 + "\n")
    assert [len(text) for _, text in read_texts(path, "text")] == [1_000_000]
