"""The worst mistakes, to be read: texts with the words that decided, sentences, answers."""

from collections.abc import Callable, Sequence
from typing import Any

from minibert.report.finetuned.asked import percent
from minibert.report.finetuned.marked import Mark, marked
from minibert.report.finetuned.tag_mistakes import tag_mistakes
from minibert.report.finetuned.task_files import TaskFiles, records
from minibert.report.markdown import NONE, as_float, escape, number, table
from minibert.report.run_folder import Record

SHOWN = 10
"""Mistakes shown."""

DECISIVE = 3
"""At most so many words of a text are in bold."""

LEAST = 0.02
"""Without a decisive word, the probability falls by at least so much."""


def worst(files: TaskFiles) -> list[str]:
    """Return the section with the worst mistakes on the test texts; nothing where none are known."""
    shown = WAYS[files.head](files)
    return ["## The worst mistakes", *shown] if shown else []


# ---------------------------------------------------------------- one class of several


def _of_classes(files: TaskFiles) -> list[str]:
    """Return the confident mistakes, with the words that mattered."""
    mistakes = records(files.evaluation.get("mistakes"))
    if not mistakes:
        return []
    rows = [
        [*(escape(each.get(k)) for k in ("true", "predicted")), percent(each.get("probability")), _text(each)]
        for each in mistakes[:SHOWN]
    ]
    bold = (
        " In bold: the words without which the probability of the prediction falls the most, with the "
        "percentage points it falls by; each was left out alone."
    )
    return [
        "The wrong predictions that the model is surest of." + bold * any(map(_decisive, mistakes)),
        table(["true", "predicted", "probability", "text"], rows),
    ]


def _decisive(mistake: Record) -> bool:
    """Whether a word of a text is to be in bold."""
    return any(isinstance(each, list) and as_float(each[-1]) >= LEAST for each in mistake.get("words") or [])


def _text(mistake: Record) -> str:
    """Return a text, or both of a pair, with the decisive words in bold."""
    words = [each for each in mistake.get("words") or [] if isinstance(each, list) and len(each) == 2]
    falls = sorted((as_float(effect) for _, effect in words if as_float(effect) >= LEAST), reverse=True)
    least = falls[:DECISIVE][-1] if falls else None
    texts = [str(mistake[key]) for key in ("text", "pair") if mistake.get(key)]
    shown = []
    for text in texts:
        marks, words = _find(text, words, least)
        shown.append(marked(text, marks))
    return " ‖ ".join(shown) or NONE


def _find(text: str, words: list[list[Any]], least: float | None) -> tuple[list[Mark], list[list[Any]]]:
    """Return marks on the decisive words of a text, and the words that are not in it: of its pair."""
    marks, at = [], 0
    for place, (word, effect) in enumerate(words):
        start = text.find(str(word), at)
        if start < 0:
            return marks, words[place:]
        at = start + len(str(word))
        if least is not None and as_float(effect) >= least:
            marks.append(Mark(start, at, f"{100 * effect:.0f}"))
    return marks, []


# ---------------------------------------------------------------- several labels, numbers, answers


def _of_labels(files: TaskFiles) -> list[str]:
    """Return the texts with the most wrong labels."""
    wrong = [
        (len(set(_strings(line, "true")) ^ set(_strings(line, "labels"))), line) for line in files.predictions
    ]
    wrong = sorted(((count, line) for count, line in wrong if count), key=lambda pair: -pair[0])
    rows = [
        [escape(", ".join(_strings(line, key))) or NONE for key in ("true", "labels")] + [_plain(line)]
        for _, line in wrong[:SHOWN]
    ]
    said = "The texts with the most wrong labels."
    return [said, table(["true", "predicted", "text"], rows)] if rows else []


def _of_numbers(files: TaskFiles) -> list[str]:
    """Return the texts whose number is the furthest off."""
    pairs = [([as_float(line.get(key)) for key in ("true", "number")], line) for line in files.predictions]
    off = [(abs(true - found), line) for (true, found), line in pairs if abs(true - found) > 0]
    off.sort(key=lambda pair: -pair[0])
    rows = [
        [*(number(line[key], "{:.4g}") for key in ("true", "number")), _plain(line)]
        for _, line in off[:SHOWN]
    ]
    said = "The texts whose predicted number is the furthest from the true one."
    return [said, table(["true", "predicted", "text"], rows)] if rows else []


def _of_answers(files: TaskFiles) -> list[str]:
    """Return the questions that were answered wrong, the surest first of those with not a word in common."""
    wrong = [line for line in files.predictions if line.get("exact") == 0]
    wrong.sort(key=lambda line: (as_float(line.get("f1")), -_sure(line)))
    rows = [
        [
            escape(line.get("question")),
            escape(" / ".join(dict.fromkeys(_strings(line, "true")))) or "(none)",
            escape(line.get("answer") or "") or "(none)",
            percent(_sure(line)),
        ]
        for line in wrong[:SHOWN]
    ]
    said = "First those whose answer has no word in common with a true one, the surest of them before others."
    return [said, table(["question", "true answers", "given", "probability"], rows)] if rows else []


def _sure(line: Record) -> float:
    """Return the probability of the answer given, or of giving none."""
    return as_float(line.get("probability" if line.get("answer") else "no_answer"))


def _strings(line: Record, key: str) -> list[str]:
    """Return a list of strings; of one string, it alone."""
    value = line.get(key)
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []


def _plain(line: Record) -> str:
    """Return the text of a line, or both of a pair."""
    return " ‖ ".join(marked(str(line[key]), []) for key in ("text", "pair") if line.get(key)) or NONE


def _of_tags(files: TaskFiles) -> list[str]:
    return tag_mistakes(files.predictions, SHOWN)


WAYS: dict[str, Callable[[TaskFiles], Sequence[str]]] = {
    "classes": _of_classes,
    "labels": _of_labels,
    "number": _of_numbers,
    "tags": _of_tags,
    "spans": _of_answers,
}
"""How mistakes are shown, by the task of the head."""
