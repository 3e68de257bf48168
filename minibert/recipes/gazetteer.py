"""Tags without a network: what a list of the training set's entities, words or tags already knows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from minibert.text.schemes import Entity, Scheme, entities, tags_of
from minibert.text.tagged import Sentence


@dataclass(frozen=True)
class LongestMatch:
    """Entities by the longest match: from left to right, the longest run of words that is in a list.

    For the segmentation of Chinese the words are characters, the entities are words, and the list is a
    dictionary: what is in no list is a word of one character (forward maximum matching).
    """

    types: Mapping[tuple[str, ...], str]
    """Of each run of words, the commonest of the types that it had."""
    longest: int
    """Words in the longest run."""
    otherwise: str | None
    """The type of a word that no run begins with; None where such a word stands outside."""
    scheme: Scheme

    @classmethod
    def fit(cls, sentences: Iterable[Sentence], scheme: Scheme) -> "LongestMatch":
        """Read the list off tagged sentences."""
        counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        outside = False
        for sentence in sentences:
            outside = outside or "O" in sentence.tags
            for type, start, end in entities(sentence.tags):
                counts[sentence.words[start:end]][type] += 1
        otherwise = None if outside else commonest(sum(counts.values(), Counter()))
        types = {run: commonest(seen) for run, seen in counts.items()}
        return cls(types, max(map(len, types), default=0), otherwise, scheme)

    def tags(self, words: Sequence[str]) -> list[str]:
        """Return the tags (W,) of words."""
        found, start = [], 0
        while start < len(words):
            end, type = self._match(words, start)
            if type is not None:
                found.append(Entity(type, start, end))
            start = end
        return tags_of(found, len(words), self.scheme)

    def _match(self, words: Sequence[str], start: int) -> tuple[int, str | None]:
        """Return where the longest run that begins here ends, and its type."""
        for end in range(min(start + self.longest, len(words)), start, -1):
            type = self.types.get(tuple(words[start:end]))
            if type is not None:
                return end, type
        return start + 1, self.otherwise


@dataclass(frozen=True)
class CommonestTag:
    """The tag that each word has most often; of an unknown word, the commonest of all."""

    by_word: Mapping[str, str]
    otherwise: str

    @classmethod
    def fit(cls, sentences: Iterable[Sentence]) -> "CommonestTag":
        """Count the tags of words."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            for word, tag in zip(sentence.words, sentence.tags, strict=True):
                counts[word][tag] += 1
        by_word = {word: commonest(seen) for word, seen in counts.items()}
        return cls(by_word, commonest(sum(counts.values(), Counter())))

    def tags(self, words: Sequence[str]) -> list[str]:
        """Return the tags (W,) of words."""
        return [self.by_word.get(word, self.otherwise) for word in words]


def commonest(counts: Counter[str]) -> str:
    """Return what was counted most often, the first by the alphabet of equals; "" of nothing."""
    return min(counts, key=lambda name: (-counts[name], name), default="")
