"""Answers without a network: the sentence of the context that has most in common with the question."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from minibert.text.sentences import split_sentences
from minibert.text.wordpiece import basic_split


@dataclass(frozen=True)
class BestSentence:
    """Answers with a whole sentence.

    score(sentence) = sum of idf(w) over the words w that question and sentence share
    idf(w) = log((1 + n) / (1 + n_w)), where n_w of n contexts have w

    So a name that question and sentence share counts for much, and "the" for nearly nothing
    (Spärck Jones 1972).
    """

    idf: Mapping[str, float]
    unseen: float
    """The idf of a word that no context had."""

    @classmethod
    def fit(cls, contexts: Iterable[str]) -> "BestSentence":
        """Count in how many contexts each word stands; a context that comes again counts once."""
        different = set(contexts)
        counts = Counter(word for context in different for word in words(context))
        n = len(different)
        return cls({word: math.log((1 + n) / (1 + count)) for word, count in counts.items()}, math.log(1 + n))

    def answer(self, question: str, context: str) -> str:
        """Return the best sentence, the first of equals; "" from a context without a word."""
        asked = words(question)
        sentences = split_sentences(context)
        return max(sentences, key=lambda sentence: self.shared(asked, words(sentence)), default="")

    def shared(self, asked: set[str], told: set[str]) -> float:
        """Return the sum of idf over the words that both have."""
        return sum(self.idf.get(word, self.unseen) for word in sorted(asked & told))


def words(text: str) -> set[str]:
    """Return the different words of a text, in lower case; each Chinese character is one."""
    return set(basic_split(text))
