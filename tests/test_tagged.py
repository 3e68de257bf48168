"""Sentences of words with tags, and what is refused."""

from pathlib import Path

import pytest

from minibert.text.tagged import Sentence, join, read_sentences, read_texts


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
