"""Files -> documents -> sentences, and what is refused."""

import logging
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibert.config import Part
from minibert.text.corpus import Document, read_documents, split_held_out, split_sentences


def write(folder: Path, data: bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read(format: str, files: list[Path]) -> list[Document]:
    return list(read_documents(Part(tuple(files), format)))


# ---------------------------------------------------------------- reading


def test_blank_lines_divide_documents(tmp_path: Path) -> None:
    path = write(tmp_path, b"\n\none\nstill one\n \t\ntwo\n\n\n")
    expected = [Document("text.txt:1", "one\nstill one"), Document("text.txt:2", "two")]
    assert read("paragraphs", [path]) == expected


def test_one_document_per_file_keeps_its_paragraphs(tmp_path: Path) -> None:
    path = write(tmp_path, b"one\n\ntwo\n", "1790-Washington-1.txt")
    assert read("file", [path]) == [Document("1790-Washington-1", "one\n\ntwo")]


def test_one_empty_file_among_others_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = [write(tmp_path, b"", "empty.txt"), write(tmp_path, b"words", "full.txt")]
    with caplog.at_level(logging.WARNING, "minibert"):
        assert read("file", files) == [Document("full", "words")]
    assert "empty.txt holds no text" in caplog.text


def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path) -> None:
    path = write(tmp_path, "first\nsecond é ".encode() + b"caf\xe9 au lait")
    with pytest.raises(ValueError, match=r"text\.txt is not UTF-8 text: line 2, byte 14 is 0xe9.*iconv"):
        read("file", [path])


def test_a_place_in_the_first_line_is_counted_from_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1, byte 1 is 0x80"):
        read("file", [write(tmp_path, b"\x80")])


def test_surrogates_written_as_utf8_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1, byte 3 is 0xed"):
        read("file", [write(tmp_path, b"ab\xed\xa0\x80")])


def test_byte_order_mark_and_windows_line_ends_are_taken_out_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\rfour")
    with caplog.at_level(logging.WARNING, "minibert"):
        documents = read("paragraphs", [path])
    assert [document.text for document in documents] == ["one\ntwo", "three\nfour"]
    assert "byte-order mark" in caplog.text
    assert "line ends of another system" in caplog.text


def test_plain_text_is_read_without_a_report(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "minibert"):
        read("file", [write(tmp_path, "naïve\ntext".encode())])
    assert not caplog.text


@pytest.mark.parametrize(
    ("codec", "likely"),
    [("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")],
)
def test_other_unicode_encodings_are_recognised(tmp_path: Path, codec: str, likely: str) -> None:
    path = write(tmp_path, "Some plain words,\nand more.".encode(codec))
    with pytest.raises(ValueError, match=rf"text\.txt .* looks like {likely}:.*iconv -f {likely} -t UTF-8"):
        read("file", [path])


def test_marked_utf16_without_a_nul_byte_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="looks like UTF-16: it starts with the mark"):
        read("file", [write(tmp_path, "漢字".encode("utf-16"))])


def test_a_binary_file_is_refused_by_its_first_nul(tmp_path: Path) -> None:
    path = write(tmp_path, b"GIF89a\n" + b"abcdefgh" * 40 + b"\0xyz")
    with pytest.raises(ValueError, match="is not a text file: line 2, byte 321 is NUL"):
        read("file", [path])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*absent\.txt: No such file"):
        read("file", [tmp_path / "absent.txt"])


# ---------------------------------------------------------------- holding out

DOCUMENTS = [Document(f"text-{number}", f"Text {number}.") for number in range(100)]


def test_the_named_documents_are_held_out_whole() -> None:
    train, held_out = split_held_out(DOCUMENTS, {"text-7", "text-3"})
    assert held_out == [DOCUMENTS[3], DOCUMENTS[7]]
    assert train == [document for document in DOCUMENTS if document not in held_out]


def test_a_held_out_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the corpus: text-x"):
        split_held_out(DOCUMENTS, ["text-3", "text-x"])


def test_nothing_left_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is left to train on"):
        split_held_out(DOCUMENTS[:2], ["text-0", "text-1"])


@given(st.sets(st.integers(0, 999), min_size=2, max_size=60))
def test_without_a_list_some_are_held_out_never_all_and_whatever_the_order(numbers: set[int]) -> None:
    documents = [Document(f"text-{number}", "text") for number in numbers]
    train, held_out = split_held_out(documents, ())
    assert len(held_out) == min(max(2, round(0.05 * len(numbers))), len(numbers) // 2)
    assert train
    assert sorted(train + held_out, key=lambda d: d.name) == sorted(documents, key=lambda d: d.name)
    assert {d.name for d in split_held_out(documents[::-1], ())[1]} == {d.name for d in held_out}


def test_a_single_document_is_for_training() -> None:
    assert split_held_out(DOCUMENTS[:1], ()) == (DOCUMENTS[:1], [])


def test_documents_of_one_name_stay_together() -> None:
    twins = [Document("same", "one"), Document("same", "two"), Document("other", "three")]
    train, held_out = split_held_out(twins, ())
    assert {d.name for d in train} & {d.name for d in held_out} == set()
    assert train and held_out


# ---------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    "text",
    [
        "It rains. | We stay.",
        "Why? | Because! | Good.",
        "Mr. Speaker, I thank you. | Dr. King spoke.",
        "It is in No. 4 of the list. | No. | They came.",
        "The U.S. Treasury of the U.S. | The rest, and U.S. ships.",
        "He lives in Washington, D.C. | It is far.",
        "Harry S. Truman met J. P. Morgan. | They spoke.",
        "We won World War I. | Then we slept.",
        "It cost $1.5 billion. | That is 3.7 percent.",
        '"Stop!" he cried. | "Why?" she asked.',
        'He said, "We can." | And we did.',
        "(It was late.) | Nobody came [or so he says]. | Well.",
        "He called it “a start.” | It was more.",
        "We waited—Mr. Reed too—for days. | None came.",
        "Let us begin. | —And let us end.",
        "At 5 p.m. we left. | At 6 p.m. | The rain began.",
        "Miller & Co. of Leeds closed. | Brown Bros. sold it.",
        "Wait ... and see. | Then ... | The end.",
        "Seats ...... 16 ...... 20 ...... | Sum.",
        "He paused. . . . | Then he spoke.",
        "Is it so? asked the child. | It is.",
        "Nobody stayed. | 40 others followed.",
        "Receipts $3. 9 and $12. 4 in all.",
        "1. The first. | 2. The second.",
        "IV. The navy grows. | V. The army too.",
        "See Art. 5 and Sec. 12. | They say it.",
        "Made in Oct. 1920 in Phila. by hand.",
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str) -> None:
    sentences = text.split(" | ")
    assert split_sentences(" ".join(sentences)) == sentences


def test_paragraphs_and_list_items_end_sentences_and_other_line_ends_do_not() -> None:
    text = "A TITLE\n\nThis line is\nwrapped. We need:\n—bread;\n--salt; and\n(3) time\n\n \n\nThe end"
    expected = [
        "A TITLE",
        "This line is wrapped.",
        "We need:",
        "—bread;",
        "--salt; and",
        "(3) time",
        "The end",
    ]
    assert split_sentences(text) == expected


def test_a_text_without_words_has_no_sentence() -> None:
    assert split_sentences("") == split_sentences(" \n\n\t\n") == []


@settings(max_examples=200)
@given(st.text(alphabet="aBI .!?\"')([—-\n19U.", max_size=60))
def test_no_character_is_lost_and_no_sentence_is_blank(text: str) -> None:
    sentences = split_sentences(text)
    assert re.sub(r"\s", "", "".join(sentences)) == re.sub(r"\s", "", text)
    assert all(sentence.strip() == sentence != "" for sentence in sentences)


def test_a_long_line_is_split_in_linear_time() -> None:
    assert len(split_sentences("So it is. " * 100_000)) == 100_000
