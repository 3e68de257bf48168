"""Questions on a context as rows of tokens: windows, the tokens of an answer, the best legal span."""

import numpy as np
import pytest
from by_hand import by_hand
from hypothesis import example, given
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS

from minibert.batches.contexts import Span, best_span, even_windows, tokens_of
from minibert.learn.checks import contexts as checks
from minibert.text.base_tokenizer import BaseTokenizer
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.squad import shown
from minibert.text.tokenizer import Tokenizer

test_by_hand = by_hand(checks)

TEXTS = [*(document.text for document in DOCUMENTS), *CHINESE, "한국어 ÀÉ éa \N{GRINNING FACE} [MASK] ab"]
TOKENIZERS = {
    "words": Tokenizer.train(TEXTS, 600),
    "cased": Tokenizer.train(TEXTS, 600, lowercase=False),
    "bytes": ByteTokenizer.train(TEXTS, 600),
    "characters": CharTokenizer.train(TEXTS),
}
ALL = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)

WORDS = [
    "cafe\u0301",
    "Étés",
    "e\u0308",
    "中文",
    "，。",
    "한국어",
    "İı",
    "ßΣ",
    "a\u200bb",
    "👩\u200d🚀",
    "1,000",
]
WORDS += ["it's", "ﬁn", "नमस्ते", "x", "\r\n", "\n", "\t", "\u00a0"]
CONTEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)


def places(tokenizer: BaseTokenizer, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Return where the tokens of a text begin and end."""
    found = np.array([(token.start, token.end) for token in tokenizer.tokens(text)]).reshape(-1, 2)
    return found[:, 0], found[:, 1]


@ALL
@given(CONTEXTS, st.data())
@example("cafe\u0301 noir", None)
def test_the_tokens_of_an_answer_give_it_back(
    tokenizer: BaseTokenizer, context: str, data: st.DataObject | None
) -> None:
    """Words of a context, whatever the tokenizer makes of them: what the tokens show holds all of them.

    It is just the words, but where a token holds more: the end of a word that the answer cuts in two.
    """
    words = context.split(" ")
    first = data.draw(st.integers(0, len(words) - 1)) if data else 0
    last = data.draw(st.integers(first, len(words) - 1)) if data else 0
    start = len(" ".join([*words[:first], ""]))
    answer = " ".join(words[first : last + 1])

    starts, ends = places(tokenizer, context)
    assert (np.diff(starts) >= 0).all() and (np.diff(ends) >= 0).all()
    span = tokens_of(starts, ends, start, start + len(answer))
    if span is None:
        assert not tokenizer.encode(answer)
        return
    begin, end = shown(context, int(starts[span.first]), int(ends[span.last]))
    assert context[begin:end] == answer.strip()


@ALL
def test_the_tokens_of_part_of_a_word_hold_it(tokenizer: BaseTokenizer) -> None:
    context = "In the 1600s the unbelievable Étés of 中文字 began."
    starts, ends = places(tokenizer, context)
    for start in range(len(context)):
        for end in range(start + 1, len(context) + 1):
            span = tokens_of(starts, ends, start, end)
            if span is None:
                assert not context[start:end].strip()
                continue
            begin, stop = shown(context, int(starts[span.first]), int(ends[span.last]))
            assert context[start:end].strip() in context[begin:stop]


def test_an_answer_is_whole_in_a_window_if_it_is_no_longer_than_the_overlap() -> None:
    firsts, ends = even_windows(50, 12, 5)
    for first in range(46):
        span = Span(first, first + 4)
        assert ((firsts <= span.first) & (span.last < ends)).any()


def test_the_best_span_takes_time_that_grows_with_the_longest_span_alone() -> None:
    """20,000 tokens have 200 million pairs, which would take gigabytes and seconds."""
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 20_000))
    span, score = best_span(start, end, 30)
    assert 0 <= span.last - span.first < 30
    assert score == start[span.first] + end[span.last]


def test_the_best_start_and_end_chosen_apart_may_end_before_they_begin() -> None:
    """The mistake that gives empty answers: here it would say tokens 3 to 0."""
    start, end = np.array([0.0, 3.0, 0.0, 4.0]), np.array([6.0, 0.0, 2.0, 0.0])
    assert (start.argmax(), end.argmax()) == (3, 0)
    span, score = best_span(start, end, 4)
    assert (span, score) == (Span(0, 0), 6.0)


def test_scores_of_minus_infinity_are_never_chosen() -> None:
    start, end = np.array([-np.inf, 1.0, 2.0]), np.array([5.0, 0.5, -np.inf])
    assert best_span(start, end, 3) == (Span(1, 1), 1.5)
