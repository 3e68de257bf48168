"""What the model reaches on held-out text, beside what it must beat, with the definitions."""

import math

from minibert.report.kinds import BITS_PER_BYTE, PERPLEXITY
from minibert.report.markdown import NONE, as_float, count, duration, escape, nats, percent, table
from minibert.report.run_files import RunFiles
from minibert.report.run_folder import Record


def summary(files: RunFiles) -> str:
    """Return one paragraph: what ran, on what, for how long, and what came of it beside the baselines."""
    found = files.newest
    parts = [
        f"{files.name}: {files.kind.called} of {count(files.get('parameters'))} parameters, pretrained "
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
    accuracy, loss = percent(found.get("word_accuracy")), nats(found.get("word_loss"))
    words = [f"{accuracy} of the {files.task.what} ({loss} nats)"]
    words += [
        f"the {name} baseline {percent(values.get('accuracy'))} ({nats(values.get('loss'))} nats)"
        for name, values in files.baselines.items()
    ]
    parts.append(f"{when}{'on' if when else 'On'} held-out text it guesses {', '.join(words)}.")
    parts += _in_other_units(files)
    if files.pairs:
        parts.append(
            f"For {percent(found.get('pair_accuracy'))} of pairs of segments it tells rightly whether the "
            "second follows the first (chance: 50.0 %)."
        )
    return escape(" ".join(parts))


def held_out(files: RunFiles) -> list[str]:
    """Return the table of losses and accuracies, a verdict, and the definitions; or why there are none."""
    if not files.newest:
        return [
            "There are no held-out numbers: neither evaluation.json nor a held-out line in metrics.jsonl."
        ]
    measures = files.task.measures
    found = {f"**model** ({duration(files.last.get('seconds'))})": files.newest}
    found |= {f"{escape(name)} baseline": _as_of_a_model(files, name) for name in files.baselines}
    if files.pairs:
        found["chance, next sentences"] = {"pair_loss": math.log(2), "pair_accuracy": 0.5}
    header = ["", *(measure.title.format(what=files.task.what) for measure in measures)]
    rows = [[name, *(measure.of(numbers) for measure in measures)] for name, numbers in found.items()]
    return [table(header, rows), *_verdict(files), _definitions(files)]


def _as_of_a_model(files: RunFiles, baseline: str) -> Record:
    """Return what a baseline reaches, under the names that it has for a model."""
    values, model = files.baselines[baseline], files.evaluation
    bits_per_nat = as_float(model.get("bits_per_byte")) / (as_float(model.get("word_loss")) or math.nan)
    bits = as_float(values.get("loss")) * bits_per_nat
    return {
        "word_loss": values.get("loss"),
        "word_accuracy": values.get("accuracy"),
        "bits_per_byte": bits if math.isfinite(bits) else None,
    }


def _in_other_units(files: RunFiles) -> list[str]:
    """Return sentences on the perplexity and the bits per byte, where they are measured."""
    told = {PERPLEXITY: "Its perplexity is {}.", BITS_PER_BYTE: "It needs {} bits for a byte of text."}
    cells = {measure: measure.of(files.newest) for measure in told if measure in files.task.measures}
    return [told[measure].format(cell) for measure, cell in cells.items() if cell != NONE]


def _stopped_early(files: RunFiles) -> list[str]:
    """Return the sentence on a run that had learned nothing more for too long."""
    stopped = files.get("stopped_early")
    if not isinstance(stopped, dict):
        return []
    return [
        f"It stopped early, at step {count(stopped.get('step'))}: the loss on held-out text was lowest at "
        f"step {count(stopped.get('best_step'))} ({nats(stopped.get('loss'))} nats), whose weights these are."
    ]


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
    return [f"The model's loss on {files.task.what} is {' and '.join(said)}.{warning}"]


def _definitions(files: RunFiles) -> str:
    found = files.evaluation
    if not found:
        return (
            f"These numbers were taken at step {count(files.newest.get('step'))}, while it trained; "
            "the evaluation at the end of a run puts the baselines beside them."
        )
    values = {
        "seq_len": count(found.get("seq_len")),
        "seed": count(found.get("seed")),
        "mask_rate": percent(found.get("mask_rate")),
        "predictions": count(found.get("word_predictions")),
        "pairs": count(found.get("pairs")),
        "pieces": escape(files.pieces.called),
    }
    return "\n".join(f"- {definition.format_map(values)}" for definition in files.task.definitions)
