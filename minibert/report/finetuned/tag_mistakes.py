"""Sentences with wrong tags: true and predicted entities marked, or words divided in another way."""

from collections.abc import Sequence
from typing import NamedTuple

from minibert.report.finetuned.marked import Mark, marked
from minibert.report.markdown import escape, table
from minibert.report.run_folder import Record


class Run(NamedTuple):
    """A run of words that belong together."""

    start: int
    end: int
    """Behind its last word."""
    type: str


def tag_mistakes(lines: Sequence[Record], most: int) -> list[str]:
    """Return the sentences with the most mistakes, with their true tags and with the predicted ones."""
    wrong = sorted(((_mistakes(line), line) for line in lines), key=lambda pair: -pair[0])
    rows = [_shown(line) for count, line in wrong[:most] if count]
    if not rows:
        return []
    return [
        "The sentences with the most mistakes: what is true, and what the model found.",
        table(["true", "predicted"], rows),
    ]


def _mistakes(line: Record) -> int:
    """Return how many entities, words or tags are true and not found, or found and not true."""
    if "true_words" in line:
        return len(_places(line, "true_words", "true_tags") ^ _places(line, "words", "tags"))
    true, found = line.get("true_tags"), line.get("tags")
    if not (isinstance(true, list) and isinstance(found, list)):
        return 0
    if _is_scheme(line):
        return len(set(runs(true)) ^ set(runs(found)))
    return sum(a != b for a, b in zip(true, found, strict=False))


def _places(line: Record, words: str, tags: str) -> set[tuple[int, str, str]]:
    """Return where each word of a divided sentence begins, with its tag."""
    found, at = set(), 0
    for i, word in enumerate(line.get(words) or []):
        found.add((at, word, str((line.get(tags) or {i: ""})[i])))
        at += len(word)
    return found


def _is_scheme(line: Record) -> bool:
    """Whether the tags of a sentence write entities."""
    return "entities" in line


def runs(tags: Sequence[str]) -> list[Run]:
    """Return the entities that BIO or BIOES tags write; a tag without a beginning begins one, too.

    B, I, I, O, S, B, E are the runs [0, 3), [4, 5) and [5, 7).
    """
    found: list[Run] = []
    open_ = False
    for i, tag in enumerate(tags):
        place, _, type = tag.partition("-")
        goes_on = open_ and place in ("I", "E") and found[-1].type == type
        if goes_on:
            found[-1] = found[-1]._replace(end=i + 1)
        elif place != "O":
            found.append(Run(i, i + 1, type))
        open_ = place in ("B", "I")
    return found


def _shown(line: Record) -> list[str]:
    """Return a sentence twice: with what is true, and with what was found."""
    if "true_words" in line:
        return [_divided(line, "true_words", "true_tags"), _divided(line, "words", "tags")]
    words = [str(word) for word in line.get("words") or []]
    sides = (line["true_tags"], line.get("tags") or [])
    if _is_scheme(line):
        return [_with_runs(words, runs(tags)) for tags in sides]
    differ = [i for i, (true, found) in enumerate(zip(*sides, strict=False)) if true != found]
    return [_with_runs(words, [Run(i, i + 1, tags[i]) for i in differ]) for tags in sides]


def _divided(line: Record, words: str, tags: str) -> str:
    """Return a divided sentence, with the tags of its words where it has any."""
    named = line.get(tags)
    each = zip(line[words], named, strict=False) if named else ((word, "") for word in line[words])
    return " / ".join(f"{escape(word)}{f' ({escape(tag)})' if tag else ''}" for word, tag in each)


def _with_runs(words: Sequence[str], found: Sequence[Run]) -> str:
    """Return words as a sentence, with runs of them in bold and their types behind them."""
    starts, at = [], 0
    for word in words:
        starts.append(at)
        at += len(word) + 1
    marks = [
        Mark(starts[start], starts[end - 1] + len(words[end - 1]), type)
        for start, end, type in found
        if end <= len(words)
    ]
    return marked(" ".join(words), marks)
