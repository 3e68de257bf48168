"""Whether a fine-tuned model beats its baselines, in plain words, and the table of scores."""

import math

from minibert.report.finetuned.asked import percent, points
from minibert.report.finetuned.task_files import TaskFiles
from minibert.report.markdown import NONE, amount, as_float, count, duration, escape, table
from minibert.report.run_folder import Record

SURE = 2.0
"""Standard errors of the difference from which on a model is said to beat a baseline."""

BASELINES = {
    "most frequent class": "always says the class that is the most frequent in the training texts",
    "tf-idf with logistic regression": "adds up a weight for each word of a text, whatever their order",
    "gazetteer": "finds the entities of the training sentences again, the longest first",
    "longest match": "finds the words of the training sentences again, the longest first",
    "commonest tag": "gives each word the tag that it had most often in the training sentences",
    "best sentence": "answers with the sentence that has most words in common with the question",
    "mean": "always says the mean of the training texts",
}
"""What baselines do, by their names in evaluation.json in lower case."""


def verdict(files: TaskFiles) -> list[str]:
    """Return what the model reaches beside the best of its baselines, and whether it beats that."""
    score, reached = files.goal_score, files.part("test").get(files.goal)
    if not math.isfinite(as_float(reached)):
        return ["**There is no result yet**: the run has not been measured on its test texts."]

    tested = f"On {amount(files.tests, f'test {files.asked.texts}')} that it had not seen,"
    told = f"{tested} its {score.title} is {score.form(reached)}"
    others = {name: as_float(scores.get(files.goal)) for name, scores in files.baselines.items()}
    others = {name: value for name, value in others.items() if math.isfinite(value)}
    if not others:
        return [f"{told}. **There is no baseline to compare it with.**"]

    best = max(others, key=others.__getitem__)
    rest = [f"{escape(name)} {score.form(value)}" for name, value in others.items() if name != best]
    beside = f"that of {escape(best)} is {score.form(others[best])}" + (
        f" ({', '.join(rest)})" if rest else ""
    )
    return [f"{_said(files, best)} {told}; {beside}. {_by_how_much(files, best)}"]


def _said(files: TaskFiles, best: str) -> str:
    """Return the result itself, as one short sentence in bold."""
    gap, error = difference(files, best)
    others = {1: "its baseline", 2: "both baselines"}.get(len(files.baselines), "all baselines")
    if gap <= 0:
        return f"**The model does not beat {escape(best)}.**"
    if error is not None and gap < SURE * error:
        return f"**The model is not shown to beat {escape(best)}.**"
    return f"**The model beats {others}.**"


def _by_how_much(files: TaskFiles, best: str) -> str:
    """Return the sentence on the difference and its standard error."""
    gap, error = difference(files, best)
    shares = files.goal_score.form is percent
    by = points(gap) if shares else f"{abs(gap):.3f}"
    told = f"The difference is {by}"
    if error is None:
        return f"{told}; how much of that is chance is not known."
    told += f", with a standard error of {100 * error:.1f} on so many {files.asked.texts}"
    if 0 < gap < SURE * error:
        return f"{told}: less than {SURE:g} standard errors, so it may be chance."
    return f"{told}."


def difference(files: TaskFiles, baseline: str) -> tuple[float, float | None]:
    """Return by how much the model is above a baseline on the test texts, and the standard error of that.

    error² = p (1 − p) / m + q (1 − q) / k

    of two shares p of m and q of k, as if the two were measured on different texts. On the same texts, where
    both tend to fail at the same ones, the true error is smaller. None for a goal that is no share.
    """
    ours, theirs = files.part("test"), files.baselines[baseline]
    errors = [_variance(files, scores) for scores in (ours, theirs)]
    gap = as_float(ours.get(files.goal)) - as_float(theirs.get(files.goal))
    known = [error for error in errors if error is not None]
    return gap, math.sqrt(sum(known)) if len(known) == 2 else None


def _variance(files: TaskFiles, scores: Record) -> float | None:
    """Return p (1 − p) / m for the goal p; None where it is no share, or of nobody knows how many."""
    share, of = as_float(scores.get(files.goal)), trials(files, scores)
    known = files.goal_score.form is percent and 0 <= share <= 1 and of
    return share * (1 - share) / of if known and of else None


def trials(files: TaskFiles, scores: Record) -> float | None:
    """Return m, of how many that are right or wrong the goal is a share; None where nobody says.

    Of texts or questions; of words for the accuracy of tags; and for the F1 over entities or labels, which is
    right / m with m = (predicted + true) / 2, of so many.
    """
    things = files.part("details").get("types") or (
        files.part("details").get("classes") if "labels" in files.asked.learns else None
    )
    if not isinstance(things, dict):
        return files.tests
    true = sum(as_float(of.get("true", of.get("count"))) for of in things.values())
    if files.goal == "accuracy":
        return true if math.isfinite(true) else None
    precision, recall = as_float(scores.get("precision")), as_float(scores.get("recall"))
    predicted = true * recall / precision if precision > 0 else 0.0
    return (true + predicted) / 2 if math.isfinite(true + predicted) else None


# ---------------------------------------------------------------- the table


def scores_table(files: TaskFiles) -> list[str]:
    """Return the table of the scores, and what they and the baselines mean."""
    rows = {
        "**model**, test": files.part("test"),
        "model, validation": files.part("validation"),
        **{f"{escape(name)}, test": scores for name, scores in files.baselines.items()},
    }
    if not files.evaluation and files.held_out:
        rows["model, validation"] = files.held_out[-1]
    rows = {name: scores for name, scores in rows.items() if scores}
    if not rows:
        return ["There are no scores: neither evaluation.json nor a look at the validation texts."]

    known = dict.fromkeys(name for scores in rows.values() for name in scores)
    shown = [name for name in known if name not in ("kind", "step", "seconds")]
    header = ["", *(escape(files.asked.score(name).title) for name in shown)]
    cells = [
        [title, *(files.asked.score(name).form(scores.get(name)) for name in shown)]
        for title, scores in rows.items()
    ]
    columns = [column for column in zip(header, *cells, strict=True) if set(column[1:]) != {NONE}]
    header, *cells = (list(row) for row in zip(*columns, strict=True))
    return [table(header, cells), _definitions(files, shown)]


def _definitions(files: TaskFiles, shown: list[str]) -> str:
    """Return a list of what the scores and the baselines are."""
    scores = [files.asked.score(name) for name in shown]
    lines = [f"- **{score.title}**: {score.means}" for score in scores if score.means]
    lines += [
        f"- **{escape(name)}** {BASELINES[name.lower()]}."
        for name in files.baselines
        if name.lower() in BASELINES
    ]
    best = f"The checkpoint is that of step {count(files.best)}, the best on the validation texts by "
    return "\n".join([*lines, *([f"- {best}{files.goal_score.title}."] if files.best is not None else [])])


def summary(files: TaskFiles) -> str:
    """Return one paragraph: which model, which head, which weights learned, from what, how long."""
    texts = files.get("data", "texts", "train")
    learning, whole = files.get("learning_parameters"), files.get("parameters")
    parts = [
        f"{files.body}, {files.kind.called} of {count(whole)} parameters, learned {files.learns} from "
        f"{amount(texts, files.asked.texts)} of {files.data}, for {duration(files.last.get('seconds'))} on "
        f"{files.device}: {count(files.last.get('step'))} steps, {count(learning)} parameters learned "
        f"(strategy: {files.strategy})."
    ]
    stopped = files.get("stopped_early")
    if isinstance(stopped, dict):
        parts.append(
            f"It stopped early, at step {count(stopped.get('step'))}: it was best at step "
            f"{count(stopped.get('best_step'))}, whose weights these are."
        )
    if not files.get("finished"):
        parts.append("The run has not finished: it is still going, or it was stopped.")
    return escape(" ".join(parts))
