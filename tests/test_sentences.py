"""Text -> sentences, in English, Chinese and mixed text."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibert.text.sentences import split_sentences


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


@pytest.mark.parametrize(
    "text",
    [
        "天黑了。|我们回家。",
        "真的吗？！|当然！|好。",
        "他说：“你来了。|我很高兴。”|她笑了。",
        "“快走！”|他喊道。",
        "“快走！”，他喊道。|没有人听见。",
        "我读过《你好！》这本书。|很好看。",
        "雨还在下……|船没有回来。",
        "他等着……，一直等到天亮。",
        "「行かないで。」|彼女は言った。",
        "（他走了。）|没有人知道。",
        "增长了３．５％，共计１２．７亿元。|这是好事。",
        "增长了3.5%。|共计12.7亿元。",
        "书不错.|值得买!|你呢?|好",
        "他在用Windows 3.1系统。|Then he left. |So did we.",
        "他说OK。|Fine. |我们走吧。",
        "等等…|再等等",
        "慢……",
        "。。。|好",
    ],
)
def test_chinese_sentences_need_no_white_space_between_them(text: str) -> None:
    sentences = text.split("|")
    assert split_sentences("".join(sentences)) == [sentence.strip() for sentence in sentences]


def test_an_english_ellipsis_character_ends_nothing() -> None:
    assert split_sentences("Wait… and see… Then go.") == ["Wait… and see… Then go."]


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
@given(st.text(alphabet="aBI .!?\"')([—-\n19U.…。！”，中３", max_size=60))
def test_no_character_is_lost_and_no_sentence_is_blank(text: str) -> None:
    sentences = split_sentences(text)
    assert re.sub(r"\s", "", "".join(sentences)) == re.sub(r"\s", "", text)
    assert all(sentence.strip() == sentence != "" for sentence in sentences)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("So it is. " * 100_000, 100_000),
        ("Mr. " * 100_000, 1),
        ("! " * 100_000, 2500),
        ("." * 100_000 + "x", 1),
        ("." + ")" * 100_000 + "x", 1),
        ("a." * 100_000 + " The", 2),
        ("好。" * 100_000, 100_000),
        ("好" * 100_000, 1),
        ("\n- a" * 100_000, 100_000),
        ("\n" * 100_000 + "a", 1),
    ],
)
def test_a_long_line_is_split_in_linear_time(line: str, expected: int) -> None:
    start = time.process_time()
    assert len(split_sentences(line)) == expected
    assert time.process_time() - start < 2
