"""Whether a fine-tuned model beats its baselines, in plain words."""

import math

from minibert.report.finetuned.asked import percent, points
from minibert.report.finetuned.task_files import TaskFiles, objects
from minibert.report.markdown import amount, as_float, escape
from minibert.report.run_folder import Record

SURE = 2.0
"""Standard errors of the difference from which on a model is said to beat a baseline."""

SHARES = {
    ("classes", "accuracy"): "texts",
    ("labels", "accuracy"): "texts",
    ("labels", "micro_f1"): "labels",
    ("tags", "accuracy"): "words",
    ("tags", "f1"): "entities",
    ("spans", "exact"): "texts",
    ("spans", "f1"): "texts",
}
"""The goals that are shares, by head and name, and of what."""


def verdict(files: TaskFiles) -> list[str]:
    """Return a paragraph: what the model reaches, and whether that beats the best of its baselines."""
    score, reached = files.goal_score, as_float(files.part("test").get(files.goal))
    if not math.isfinite(reached):
        return ["**There is no result yet**: the run has not been measured on its test texts."]
    others = {name: as_float(scores.get(files.goal)) for name, scores in files.baselines.items()}
    others = {name: value for name, value in others.items() if math.isfinite(value)}
    tested = f"On {amount(files.tests, f'test {files.asked.texts}')} that it had not seen,"
    told = f"{tested} its {score.title} is {score.form(reached)}"
    if not others:
        return [f"**There is no baseline to compare it with.** {told}."]

    best = max(others, key=others.__getitem__)
    rest = [f"{escape(name)} {score.form(value)}" for name, value in others.items() if name != best]
    among = f" ({', '.join(rest)})" if rest else ""
    which = "the best baseline" if rest else "the baseline"
    beside = f"that of {which}, {escape(best)}, is {score.form(others[best])}{among}"
    gap, error = difference(files, best)
    all_of_them = {1: "its baseline", 2: "both baselines"}.get(len(others), "all baselines")
    said = _said(gap, error, escape(best), all_of_them)
    return [f"**{said}** {told}; {beside}. {_by_how_much(files, gap, error)}"]


def _said(gap: float, error: float | None, best: str, all_of_them: str) -> str:
    """Return the result itself, as one short sentence."""
    if gap <= 0:
        return f"The model does not beat its baseline: {best}."
    if error is not None and gap < SURE * error:
        return f"The model is not shown to beat its baseline: {best}."
    return f"The model beats {all_of_them}."


def _by_how_much(files: TaskFiles, gap: float, error: float | None) -> str:
    """Return the sentence on the difference and its standard error."""
    if error is None:
        by = points(gap) if files.goal_score.form is percent else f"{abs(gap):.3f}"
        return f"The difference is {by}; how much of that is chance is not known."
    told = (
        f"The difference is {points(gap)}, with a standard error of {100 * error:.1f} on so many "
        f"{files.asked.texts}"
    )
    doubt = f": less than {SURE:g} standard errors, so it may be chance" if 0 < gap < SURE * error else ""
    return f"{told}{doubt}."


def difference(files: TaskFiles, baseline: str) -> tuple[float, float | None]:
    """Return by how much the model is above a baseline on the test texts, and the standard error of that.

    error² = p (1 − p) / m + q (1 − q) / k

    of two shares p of m and q of k, as if the two were measured on different texts. On the same texts, where
    both tend to fail at the same ones, the true error is smaller. None for a goal that is no share.
    """
    both = (files.part("test"), files.baselines[baseline])
    ours, theirs = (as_float(scores.get(files.goal)) for scores in both)
    variances = [_variance(files, scores) for scores in both]
    known = [variance for variance in variances if variance is not None]
    return ours - theirs, math.sqrt(sum(known)) if len(known) == len(variances) else None


def _variance(files: TaskFiles, scores: Record) -> float | None:
    """Return p (1 − p) / m for the goal p; None where it is no share, or of nobody knows how many."""
    share, m = as_float(scores.get(files.goal)), trials(files, scores)
    return share * (1 - share) / m if m is not None and 0 <= share <= 1 and math.isfinite(m) else None


def trials(files: TaskFiles, scores: Record) -> float | None:
    """Return m, of how many that are right or wrong the goal is a share; None where it is none.

    Of texts or questions (SQuAD's F1 of a question is between right and wrong, and so varies less), of words
    for the accuracy of tags; and an F1 over entities or labels is right / m with m = (predicted + true) / 2.
    """
    of = SHARES.get((files.head, files.goal))
    if of is None or of == "texts":
        return files.tests if of else None
    things = files.part("details").get("types" if files.head == "tags" else "classes")
    true = sum(as_float(its.get("true", its.get("count"))) for its in objects(things).values())
    if of == "words":
        return true or None
    precision, recall = as_float(scores.get("precision")), as_float(scores.get("recall"))
    predicted = true * recall / precision if precision > 0 else 0.0
    return (true + predicted) / 2 or None
