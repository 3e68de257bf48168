"""What the model reaches on held-out text, beside what it must beat, with the definitions."""

import math

from minibert.report.markdown import (
    NONE,
    as_float,
    count,
    duration,
    escape,
    nats,
    percent,
    table,
)
from minibert.report.run_files import Record, RunFiles


def summary(files: RunFiles) -> str:
    """Return one paragraph: what ran, on what, for how long, and what came of it beside the baselines."""
    found = files.newest
    parts = [
        f"{files.name}: a BERT of {count(files.get('parameters'))} parameters, pretrained "
        f"{f'from the weights of {files.origin}' if files.origin else 'from scratch'} "
        f"for {duration(files.last.get('seconds'))} on {files.device}: "
        f"{count(files.last.get('step'))} steps, {count(files.last.get('tokens'))} tokens."
    ]
    if not files.get("finished"):
        parts.append("The run has not finished: it is still going, or it was stopped.")
    parts += _stopped_early(files)
    if not found:
        return escape(" ".join([*parts, "There are no held-out numbers."]))

    when = "" if files.evaluation else f"At step {count(found.get('step'))}, "
    words = [
        f"{percent(found.get('word_accuracy'))} of the masked words ({nats(found.get('word_loss'))} nats)"
    ]
    words += [
        f"the {name} baseline {percent(values.get('accuracy'))} ({nats(values.get('loss'))} nats)"
        for name, values in files.baselines.items()
    ]
    parts.append(f"{when}{'on' if when else 'On'} held-out text it guesses {', '.join(words)}.")
    if files.pairs:
        parts.append(
            f"For {percent(found.get('pair_accuracy'))} of pairs of segments it tells rightly whether the "
            "second follows the first (chance: 50.0 %)."
        )
    return escape(" ".join(parts))


def held_out(files: RunFiles) -> list[str]:
    """Return the table of losses and accuracies, a verdict, and the definitions; or why there are none."""
    found = files.newest
    if not found:
        return [
            "There are no held-out numbers: neither evaluation.json nor a held-out line in metrics.jsonl."
        ]

    header = ["", "masked words: loss (nats)", "masked words: accuracy"]
    if files.pairs:
        header += ["next sentences: loss (nats)", "next sentences: accuracy"]
    rows = [[f"**model** ({duration(files.last.get('seconds'))})", *scores(found)]]
    for name, values in files.baselines.items():
        rows.append([f"{escape(name)} baseline", nats(values.get("loss")), percent(values.get("accuracy"))])
    if files.pairs:
        rows.append(["chance, next sentences", NONE, NONE, nats(math.log(2)), percent(0.5)])

    rows = [(row + [NONE, NONE])[: len(header)] for row in rows]
    return [table(header, rows), *_verdict(files), _definitions(files)]


def _stopped_early(files: RunFiles) -> list[str]:
    """Return the sentence on a run that had learned nothing more for too long."""
    stopped = files.get("stopped_early")
    if not isinstance(stopped, dict):
        return []
    return [
        f"It stopped early, at step {count(stopped.get('step'))}: the loss on held-out text was lowest at "
        f"step {count(stopped.get('best_step'))} ({nats(stopped.get('loss'))} nats), whose weights these are."
    ]


def scores(found: Record) -> list[str]:
    """Return the cells of losses and accuracies, masked words first; dashes for what is not there."""
    words = [nats(found.get("word_loss")), percent(found.get("word_accuracy"))]
    return [*words, nats(found.get("pair_loss")), percent(found.get("pair_accuracy"))]


def _verdict(files: RunFiles) -> list[str]:
    """Return one sentence on how far the model's loss is from each baseline's, or nothing."""
    loss = as_float(files.evaluation.get("word_loss"))
    gaps = {name: as_float(values.get("loss")) - loss for name, values in files.baselines.items()}
    said = [
        f"{abs(gap):.3f} nats {'below' if gap > 0 else 'above'} the {escape(name)} baseline's"
        for name, gap in gaps.items()
        if math.isfinite(gap)
    ]
    if not said:
        return []
    worse = any(gap <= 0 for gap in gaps.values())
    warning = " A model above a baseline has learned less than that baseline counts." if worse else ""
    return [f"The model's loss on masked words is {' and '.join(said)}.{warning}"]


def _definitions(files: RunFiles) -> str:
    found = files.evaluation
    if not found:
        return (
            f"These numbers were taken at step {count(files.newest.get('step'))}, while it trained; "
            "the evaluation at the end of a run puts the baselines beside them."
        )
    lines = [
        f"**Masked words.** In held-out sequences of {count(found.get('seq_len'))} tokens, "
        f"{percent(found.get('mask_rate'))} of the tokens (word pieces) are chosen, with seed "
        f"{count(found.get('seed'))}; of these 80 % are replaced by `[MASK]`, 10 % by a random token, "
        f"10 % stay. The model predicts each of them: {count(found.get('word_predictions'))} predictions.",
        "**Loss**: the mean of −ln p over the predictions, where p is the probability that the right answer "
        "was given; in nats; lower is better.",
        "**Accuracy**: the share of predictions whose most probable answer is the right one.",
        "**Unigram and bigram baseline**: counted on the same training text and asked for the same tokens: "
        "how common a token is; how common it is after the true token before it, also where that is masked.",
    ]
    if files.pairs:
        lines.append(
            f"**Next sentences.** {count(found.get('pairs'))} pairs of segments: in half of them the second "
            "follows the first, in half it comes from another held-out document. Chance: 50 %, ln 2 nats."
        )
    else:
        lines.append("The objective was masked words alone, so there are no next-sentence numbers.")
    return "\n".join(f"- {line}" for line in lines)
