"""Questions as rows: what stands where, windows, targets, and what did not fit."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.batches.batch import IGNORE
from minibert.batches.contexts import Span
from minibert.batches.question_rows import EncodedQuestions, encode_questions
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.squad import Answer, Question, shown
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
WORDS = Tokenizer({piece: id for id, piece in enumerate([*SPECIALS, *LETTERS, "?"])})
"""Every letter that stands alone is a token: "a" is 5, "b" is 6, and "?" is 31."""
BYTES = ByteTokenizer.train(["what is it"], 300)

PAD, CLS, SEP = 0, 2, 3


def asked(context: str, *answers: str, question: str = "q ?", known: bool = True) -> Question:
    """Return a question with these answers, each where it first stands."""
    found = tuple(Answer(text, context.index(text)) for text in answers)
    return Question("q1", question, context, found if known else None, "Rain", "rain.json")


def ids(letters: str) -> list[int]:
    """Return the ids of letters, with - for [SEP] and ^ for [CLS]."""
    special = {"^": CLS, "-": SEP, "?": 31}
    return [special.get(letter, ord(letter) - ord("a") + 5) for letter in letters]


def rows_of(encoded: EncodedQuestions) -> list[list[int]]:
    starts = encoded.ids.starts
    return [encoded.ids.values[a:b].tolist() for a, b in zip(starts[:-1], starts[1:], strict=True)]


# ---------------------------------------------------------------- worked cases


def test_a_row_of_bert_by_hand() -> None:
    encoded, notes = encode_questions([asked("a b c d", "b c")], WORDS, 16)
    assert rows_of(encoded) == [ids("^q?-abcd-")]
    assert encoded.seconds.tolist() == [4]
    assert encoded.targets.tolist() == [[5, 6]]
    assert encoded.nones.tolist() == [0]
    assert encoded.within(0) == slice(4, 8)
    assert notes == []


def test_a_row_of_a_causal_model_has_the_question_first_and_no_answer_last() -> None:
    answered, silent = asked("it is here", "is"), asked("it is here")
    encoded, _ = encode_questions([answered, silent], BYTES, 64)
    question, context = BYTES.encode("q ?"), BYTES.encode("it is here")
    row = [*question, BYTES.end_id, *context, BYTES.end_id]
    assert rows_of(encoded) == [row, row]
    start, end = (place - len(question) - 1 for place in encoded.targets[0])
    assert BYTES.decode(context[start : end + 1]) == " is"
    assert encoded.targets[1].tolist() == [len(row) - 1] * 2
    assert encoded.nones.tolist() == [len(row) - 1] * 2


def test_a_long_context_comes_in_windows_and_the_answer_is_in_those_that_hold_it_whole() -> None:
    """16 tokens, 5 of them around the window: 11 of 20 letters at a time, 5 in common at least."""
    encoded, notes = encode_questions([asked(" ".join(LETTERS[:20]), "h i")], WORDS, 16)
    assert rows_of(encoded) == [
        ids("^q?-abcdefghijk-"),
        ids("^q?-efghijklmno-"),
        ids("^q?-jklmnopqrst-"),
    ]
    assert encoded.firsts.tolist() == [0, 4, 9]
    assert encoded.targets.tolist() == [[11, 12], [7, 8], [0, 0]]
    assert encoded.texts.tolist() == [0, 0, 0]
    assert notes == ["1 of 1 questions are longer than 16 tokens with their context and come in windows"]


def test_half_an_answer_is_none() -> None:
    """Of "k l" the first window has the k alone."""
    encoded, _ = encode_questions([asked(" ".join(LETTERS[:20]), "k l")], WORDS, 16)
    assert encoded.targets.tolist() == [[0, 0], [10, 11], [5, 6]]


def test_of_several_answers_the_first_is_learned() -> None:
    encoded, _ = encode_questions([asked("a b c d", "c d", "b")], WORDS, 16)
    assert encoded.targets.tolist() == [[6, 7]]


def test_no_answer_points_to_cls_and_an_unknown_one_does_not_count() -> None:
    texts = [asked("a b c"), asked("a b c", known=False)]
    encoded, notes = encode_questions(texts, WORDS, 16)
    assert encoded.targets.tolist() == [[0, 0], [IGNORE, IGNORE]]
    assert notes == []


def test_questions_on_one_context_share_its_tokens() -> None:
    encoded, _ = encode_questions([asked("a b"), asked("c d"), asked("a b")], WORDS, 16)
    assert encoded.contexts[0] is encoded.contexts[2]
    assert encoded.texts.tolist() == [0, 1, 2]


# ---------------------------------------------------------------- what did not fit


def test_a_question_of_more_than_a_third_of_the_row_is_cut_and_counted() -> None:
    encoded, notes = encode_questions([asked("a b", "b", question="p q r s t u v"), asked("a")], WORDS, 16)
    assert rows_of(encoded)[0] == ids("^pqrst-ab-")
    assert encoded.targets[0].tolist() == [8, 8]
    assert notes == ["1 of 2 questions are longer than 5 tokens and were cut"]


def test_an_answer_that_no_window_holds_is_counted() -> None:
    context = " ".join(LETTERS[:20])
    texts = [asked(context, "b c d e f g h i j k l m n"), asked("a b \u200b", "\u200b"), asked("a", "a")]
    encoded, notes = encode_questions(texts, WORDS, 16)
    assert encoded.targets.tolist() == [[0, 0], [0, 0], [0, 0], [0, 0], [4, 4]]
    assert notes[-1] == "2 of 3 questions have an answer that no window holds whole: nothing is learned of it"


def test_a_context_without_a_token_has_a_row_too() -> None:
    encoded, _ = encode_questions([asked(" \u200b")], WORDS, 16)
    assert rows_of(encoded) == [ids("^q?--")]
    assert encoded.within(0) == slice(4, 4)


def test_no_questions_are_no_rows() -> None:
    encoded, notes = encode_questions([], WORDS, 16)
    assert len(encoded) == 0 and encoded.targets.shape == (0, 2) and notes == []


# ---------------------------------------------------------------- any questions

ANY = st.lists(
    st.sampled_from([*LETTERS, "cafe\u0301", "Étés,", "中文字", "\r\n", "👩\u200d🚀"]),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("tokenizer", [WORDS, BYTES], ids=["words", "bytes"])
@given(words=ANY, data=st.data())
def test_the_targets_of_every_row_show_the_answer(
    tokenizer: BaseTokenizer, words: Sequence[str], data: st.DataObject
) -> None:
    """Read back from a row's ids and its places: the answer, or no answer where it is not there whole."""
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 2, len(words) - 1)))
    answer = " ".join(words[first : last + 1])
    start = len(" ".join([*words[:first], ""]))
    max_tokens = data.draw(st.integers(24, 80))
    text = Question("", "what is it ?", context, (Answer(answer, start),), "", "")
    encoded, _ = encode_questions([text], tokenizer, max_tokens)

    assert encoded.ids.lengths.max() <= max_tokens
    covered: set[int] = set()
    held = 0
    for row, line in enumerate(rows_of(encoded)):
        inside, own = encoded.within(row), encoded.contexts[0].ids
        window = range(encoded.firsts[row], encoded.firsts[row] + inside.stop - inside.start)
        assert line[inside] == own[window.start : window.stop]
        covered.update(window)
        begin, end = encoded.targets[row].tolist()
        if begin == encoded.nones[row]:
            assert end == begin
            continue
        held += 1
        assert inside.start <= begin <= end < inside.stop
        places = encoded.characters(row, Span(begin - inside.start, end - inside.start))
        a, b = shown(context, *places)
        assert context[a:b] == answer.strip()
    assert covered == set(range(len(encoded.contexts[0].ids)))
    room = max_tokens - len(rows_of(encoded)[0]) + (encoded.within(0).stop - encoded.within(0).start)
    if tokenizer.encode(answer) and len(tokenizer.encode(f" {answer}")) <= room // 2:
        assert held, "no longer than the overlap, and in no window"


def test_places_of_rows_are_counted_with_numpy() -> None:
    encoded, _ = encode_questions([asked("a b c d", "b")], WORDS, 16)
    for part in (encoded.seconds, encoded.targets, encoded.texts, encoded.nones, encoded.firsts):
        assert part.dtype == np.int64
