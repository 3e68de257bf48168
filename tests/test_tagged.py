"""Sentences of words with tags, and what is refused."""

import json
from pathlib import Path

import pytest

from minibert.text.tagged import (
    Sentence,
    characters,
    join,
    read_sentences,
    read_texts,
    sentence_of,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "small.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_tag_stands_behind_the_last_slash(tmp_path: Path) -> None:
    path = write(tmp_path, "and/or/CC  1/2/CD //SYM\n")
    assert list(read_sentences(path, "tagged")) == [
        Sentence(("and/or", "1/2", "/"), ("CC", "CD", "SYM"), begins=True)
    ]


def test_a_headline_begins_a_document_of_a_newspaper(tmp_path: Path) -> None:
    lines = [
        "本报/r 讯/n",  # the first line
        "今天/t 下雨/v 。/w",
        "（/w 记者/n 李/nr ）/w",
        "明天/t 晴/a",  # a headline
        "天气/n 预报/vn",  # the second line of it
        "很/d 好/a 。/w",
        "",
        "没有/v 标题/n 。/w",  # after a blank line
        "完/v 。/w",
    ]
    path = write(tmp_path, "\n".join(lines))
    assert list(read_texts(path, "tagged")) == [
        ("small.txt:1", "本报讯\n\n今天下雨。\n\n（记者李）"),
        ("small.txt:2", "明天晴\n\n天气预报\n\n很好。"),
        ("small.txt:3", "没有标题。\n\n完。"),
    ]


@pytest.mark.parametrize("item", ["word", "word/", "/tag", "/"])
def test_a_word_without_a_tag_is_placed(tmp_path: Path, item: str) -> None:
    with pytest.raises(ValueError, match=rf"small\.txt, line 2: expected WORD/TAG, got '{item}'"):
        list(read_sentences(write(tmp_path, f"a/x\nb/y {item}\n"), "tagged"))


def test_docstart_divides_the_documents_of_conll(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\n\n"
        "-DOCSTART- -X- -X- O\n\n\nBRUSSELS NNP B-NP B-LOC",
    )
    assert list(read_sentences(path, "conll")) == [
        Sentence(("EU", "rejects"), ("B-ORG", "O"), begins=True),
        Sentence(("Peter",), ("B-PER",), begins=False),
        Sentence(("BRUSSELS",), ("B-LOC",), begins=True),
    ]
    assert list(read_texts(path, "conll")) == [
        ("small.txt:1", "EU rejects\n\nPeter"),
        ("small.txt:2", "BRUSSELS"),
    ]


def test_without_docstart_every_sentence_of_conll_is_a_document(tmp_path: Path) -> None:
    path = write(tmp_path, "New York\tB-LOC\nis\tO\n\t\nBig\tO\n")  # tabs: a word may hold a space
    assert list(read_sentences(path, "conll")) == [
        Sentence(("New York", "is"), ("B-LOC", "O"), begins=True),
        Sentence(("Big",), ("O",), begins=True),
    ]
    assert list(read_texts(path, "conll")) == [("small.txt:1", "New York is"), ("small.txt:2", "Big")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a O\nb\n", r"line 2: expected a word and 1 more columns as in the first row, got 'b'"),
        ("a O\n\nb X O\n", r"line 3: .* got 'b X O'"),
        ("a\tO\n\tO\n", r"line 2: .* got '\\tO'"),
    ],
)
def test_a_ragged_row_of_conll_is_placed(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ValueError, match=rf"small\.txt, {found}"):
        list(read_sentences(write(tmp_path, text), "conll"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("It", "rains", "."), "It rains ."),
        (("他", "用", "Windows", "95", "写", "。"), "他用Windows 95写。"),
        (("“", "好", "”", "——", "他", "说"), "“好”——他说"),
        (("東京", "タワー", "、"), "東京タワー、"),
        (("é", "à"), "é à"),
    ],
)
def test_words_are_joined_as_they_are_written(words: tuple[str, ...], line: str) -> None:
    assert join(words) == line


def test_each_sentence_knows_where_it_begins(tmp_path: Path) -> None:
    path = write(tmp_path, "-DOCSTART- O\n\na O\nb O\n\n\nc O\n")
    assert [each.where for each in read_sentences(path, "conll")] == [
        "small.txt, line 3",
        "small.txt, line 7",
    ]
    path = write(tmp_path, "a/x\n\nb/y\n")
    assert [each.where for each in read_sentences(path, "tagged")] == [
        "small.txt, line 1",
        "small.txt, line 3",
    ]


def places(path: Path, format: str) -> list[str]:
    return [each.where for each in read_sentences(path, format)]


def test_the_column_of_the_tags_can_be_chosen_in_conll(tmp_path: Path) -> None:
    path = write(tmp_path, "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n")
    assert [each.tags for each in read_sentences(path, "conll", tags="2")] == [("NNP", "VBZ")]
    for wrong in ("1", "5", "0", "ner", "²"):
        with pytest.raises(ValueError, match=f"4 columns .* a number from 2 to 4, got '{wrong}'"):
            list(read_sentences(path, "conll", tags=wrong))
    with pytest.raises(ValueError, match="has no column '2'"):
        read_sentences(path, "tagged", tags="2")


def test_a_column_of_words_alone_has_no_tags(tmp_path: Path) -> None:
    path = write(tmp_path, "New\nYork\n")
    assert list(read_sentences(path, "conll")) == [Sentence(("New", "York"), ())]


def write_rows(folder: Path, *rows: dict) -> Path:
    path = folder / "small.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_words_and_tags_are_lists_in_json_lines(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path,
        {"id": "0", "tokens": ["New York", "is"], "ner_tags": ["B-LOC", "O"]},
        {"id": "1", "tokens": [], "ner_tags": []},
        {"id": "2", "tokens": ["big"], "ner_tags": ["O"]},
    )
    sentences = list(read_sentences(path, "table"))
    assert sentences == [Sentence(("New York", "is"), ("B-LOC", "O")), Sentence(("big",), ("O",))]
    assert [each.where for each in sentences] == ["small.jsonl, row 1", "small.jsonl, row 3"]


def test_columns_of_lists_are_guessed_where_there_is_one_way_alone(tmp_path: Path) -> None:
    several = {"tokens": ["a"], "pos_tags": ["X"], "ner_tags": ["O"]}
    with pytest.raises(ValueError, match="Lists: 'tokens', 'pos_tags', 'ner_tags'. Name the columns"):
        list(read_sentences(write_rows(tmp_path, several), "table"))
    told = read_sentences(write_rows(tmp_path, several), "table", tags="pos_tags")
    assert list(told) == [Sentence(("a",), ("X",))]
    told = read_sentences(write_rows(tmp_path, {"w": ["a"], "t": ["X"]}), "table", words="w")
    assert list(told) == [Sentence(("a",), ("X",))]
    with pytest.raises(ValueError, match="Lists: none"):
        list(read_sentences(write_rows(tmp_path, {"text": "a b"}), "table"))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"tokens": ["a"], "tags": []}, r"row 2: 1 words in 'tokens' but 0 tags in 'tags'"),
        ({"tokens": ["a"], "tags": [3]}, r"row 2, column 'tags': expected a list of texts, got \[3\]"),
        ({"tokens": ["a"]}, r"row 2, column 'tags': expected a list of texts, got null"),
    ],
)
def test_lists_that_do_not_fit_are_placed(tmp_path: Path, row: dict, found: str) -> None:
    path = write_rows(tmp_path, {"tokens": ["a"], "tags": ["X"]}, row)
    with pytest.raises(ValueError, match=rf"small\.jsonl, {found}"):
        list(read_sentences(path, "table"))


def test_words_stand_in_their_text() -> None:
    assert Sentence(("a", "b", "a")).places == [(0, 1), (2, 3), (4, 5)]
    assert Sentence(tuple("他用")).places == [(0, 1), (1, 2)]
    assert Sentence(("New York", "！", "2", "x")).text == "New York！2 x"  # no space of a word is lost
    sentence = sentence_of("It's  in 上海, 3.5km_away!")
    assert sentence.words == ("It", "'", "s", "in", "上海", ",", "3", ".", "5km_away", "!")
    assert sentence.text == "It's  in 上海, 3.5km_away!"
    assert [sentence.text[start:end] for start, end in sentence.places] == list(sentence.words)


def test_words_become_characters_that_tell_where_they_end() -> None:
    sentence = Sentence(("我", "喜欢", "图书馆", "Go"), ("r", "v", "n", "nx"), begins=False, where="here")
    cut = characters(sentence)
    assert cut.words == tuple("我喜欢图书馆Go")
    assert " ".join(cut.tags) == "S B E B I E B E"
    assert (cut.text, cut.begins, cut.where) == ("我喜欢图书馆Go", False, "here")
    assert " ".join(characters(sentence, typed=True).tags) == "S-r B-v E-v B-n I-n E-n B-nx E-nx"
