"""The scores of a fine-tuned model as lines for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from minibert.report.finetuned.asked import ASKED, percent
from minibert.report.finetuned.task_files import objects
from minibert.report.markdown import count

SHARES = {"precision": "precision", "recall": "recall", "exact": "exact match", "f1": "F1"}
"""What is told of each class, type or kind of question, by its names in evaluation.json."""


def printed(head: str, scores: Mapping[str, float], details: Mapping[str, Any]) -> list[str]:
    """Return lines: each score by its title, then a table with a line for each class.

    Args:
        head: the task of the head.
        scores, details: as in evaluation.json.
    """
    told = {ASKED[head].score(name): value for name, value in scores.items()}
    titles = {score.title: score.form(value) for score, value in told.items()}
    width = max(map(len, titles))
    lines = [f"{title:<{width}}  {value}" for title, value in titles.items()]
    each = objects(details.get("classes") or details.get("types") or details.get("kinds"))
    return [*lines, "", *_table(ASKED[head].of or "question", each)] if each else lines


def _table(of: str, each: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each class, its name behind the numbers: so letters of any width are in line."""
    known = [name for name in SHARES if name in next(iter(each.values()))]
    rows = [[*(SHARES[name] for name in known), "count", of]]
    for name, numbers in each.items():
        how_many = count(numbers.get("count", numbers.get("true")))
        rows.append([*(percent(numbers[share]) for share in known), how_many, name])
    return [_line(row) for row in rows]


def _line(cells: Sequence[str]) -> str:
    *numbers, name = cells
    return "".join(f"{cell:>11}" for cell in numbers) + f"  {name}"
