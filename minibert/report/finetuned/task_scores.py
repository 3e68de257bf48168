"""The scores of a fine-tuned model and of its baselines, with what they mean, and how it came to them."""

from minibert.report.finetuned.task_files import TaskFiles
from minibert.report.markdown import NONE, amount, count, duration, escape, table

FROZEN = "adds up a weight for each number of what the body, as it was before it learned,"

BASELINES = {
    "most frequent class": "always says the class that is the most frequent in the training texts",
    "most frequent labels": "gives the labels that more than half of the training texts have",
    "tf-idf with logistic regression": "adds up a weight for each word, and pair of words, of a text",
    "tf-idf with ridge regression": "adds up a weight for each word, and pair of words, of a text",
    "frozen features with logistic regression": f"{FROZEN} says of a text",
    "frozen features with ridge regression": f"{FROZEN} says of a text",
    "gazetteer": "finds the entities of the training sentences again, the longest first",
    "longest match": "finds the words of the training sentences again, the longest first",
    "commonest tag": "gives each word the tag that it had most often in the training sentences",
    "best sentence": "answers with the sentence that has most words in common with the question",
    "mean": "always says the mean of the training texts",
}
"""What baselines do, by their names in evaluation.json in lower case."""

NO_SCORES = ("kind", "step", "seconds")
"""What a line on the validation texts holds besides the scores."""


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
    titles = {files.asked.score(name).title: name for name in reversed(known) if name not in NO_SCORES}
    shown = [name for name in known if name in titles.values()]  # one title, one column
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
