"""What a model does with held-out text, to be read: the blanks it filled, or the texts it wrote."""

from minibert.report.markdown import NONE, escape, fenced, percent, table
from minibert.report.run_files import RunFiles

BLANK = "[MASK]"
REACH = 110
"""Characters shown on each side of a blank."""


def examples(files: RunFiles) -> list[str]:
    """Return the section with the examples that the evaluation at the end of a run wrote."""
    return _samples(files) if files.causal else _blanks(files)


def _samples(files: RunFiles) -> list[str]:
    samples = files.evaluation.get("samples") or []
    if not samples:
        return ["## Samples", "No samples: the evaluation at the end of a run writes them."]
    parts = [
        "## Samples",
        "The prompts are from held-out text; below each stands what the model wrote to go on from it. So few "
        "samples only illustrate; the table above measures.",
    ]
    for number, sample in enumerate(samples, start=1):
        parts += [
            f"**Prompt {number}**",
            fenced(sample.get("prompt") or ""),
            "The model goes on:",
            fenced(sample.get("text") or ""),
        ]
    return parts


def _blanks(files: RunFiles) -> list[str]:
    blanks = files.evaluation.get("blanks") or []
    if not blanks:
        return ["## Filled blanks", "No filled blanks: the evaluation at the end of a run writes them."]

    rows, first, among = [], 0, 0
    for blank in blanks:
        answer, guesses = blank.get("answer"), blank.get("guesses") or []
        right = [guess == answer for guess, _ in guesses]
        first, among = first + any(right[:1]), among + any(right)
        shown = "; ".join(
            f"**{escape(guess)}** {percent(p)} (right)" if hit else f"{escape(guess)} {percent(p)}"
            for hit, (guess, p) in zip(right, guesses, strict=True)
        )
        rows.append([_around_blank(blank.get("text") or ""), escape(answer), shown or NONE])
    return [
        "## Filled blanks",
        f"From held-out text. The first guess is right in {first} of {len(blanks)}, one of the guesses shown "
        f"in {among}. So few blanks only illustrate; the table above measures.",
        table(["text", "true word", "guesses, the most probable first"], rows),
    ]


def _around_blank(text: str) -> str:
    """Return the words around the blank, escaped, with the blank itself as code."""
    before, blank, after = " ".join(text.split()).partition(BLANK)
    if len(before) > REACH:
        before = "… " + before[-REACH:].partition(" ")[2]
    if len(after) > REACH:
        after = after[:REACH].rpartition(" ")[0] + " …"
    start, end = " " * before.endswith(" "), " " * after.startswith(" ")
    return f"{escape(before)}{start}{f'`{blank}`' if blank else ''}{end}{escape(after)}"
