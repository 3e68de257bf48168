"""The merge loop: by hand, and against counting everything anew on words of any kind."""

from by_hand import by_hand
from hypothesis import given
from hypothesis import strategies as st

from minibert.learn.checks import merging as checks
from minibert.learn.checks.merging import Cut, by_counting_anew, learned

test_by_hand = by_hand(checks)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=12).map(tuple), st.integers(1, 9), max_size=12))
def test_any_words_give_the_merges_of_counting_anew(words: dict[Cut, int]) -> None:
    assert learned(words) == by_counting_anew(words)
