"""The pictures of a run, each with the words that it needs: losses, optimiser, speed."""

import math

import numpy as np

from minibert import plots
from minibert.report.markdown import as_float, count, is_number, number, percent
from minibert.report.run_files import RunFiles
from minibert.report.run_folder import Record, column
from minibert.report.speed import phases, share_of_peak, told

LISTED = 10
"""Steps named in a sentence; of the rest there is the number."""


def pictures(files: RunFiles) -> list[str]:
    """Draw the pictures into the run folder, and return the paragraphs that show and explain them."""
    return [
        *_loss_picture(files),
        *_optimizer_picture(files),
        *_scale_picture(files),
        *_speed_picture(files),
        *_phases_picture(files),
    ]


def _loss_picture(files: RunFiles) -> list[str]:
    curves = [_curve(files, files.task.what.capitalize(), "word_loss", _levels(files))]
    if files.pairs:
        curves.append(_curve(files, "Next sentences", "pair_loss", {"chance": math.log(2)}))
    curves = [curve for curve in curves if np.isfinite([*curve.values, *curve.held_out]).any()]
    if not curves:
        return ["No picture of the loss: no finite loss has been logged."]

    per_step = as_float(files.last.get("tokens")) / max(as_float(files.last.get("step")), 1)
    known = math.isfinite(per_step) and per_step > 0
    figure = plots.loss_figure(curves, per_step if known else None, _marks(files))
    plots.save(figure, files.folder / "loss.png")
    last = " The last held-out point is the evaluation of the table above." if files.evaluation else ""
    trained, asked = files.get("config", "mask_rate"), files.evaluation.get("mask_rate")
    if is_number(trained) and is_number(asked) and trained != asked:
        last += (
            f" In training {percent(trained)} of the tokens are masked, in the evaluation {percent(asked)}: "
            "the same words are then harder to guess in training."
        )
    return [
        "![Loss in training and on held-out text, over the steps](loss.png)",
        "Loss in training and on held-out text; the horizontal lines are what the baselines, or chance, "
        f"reach on held-out text.{last}",
        *_told_spikes(files.spikes),
    ]


def _levels(files: RunFiles) -> dict[str, float]:
    losses = {name: as_float(values.get("loss")) for name, values in files.baselines.items()}
    return {name: loss for name, loss in losses.items() if math.isfinite(loss)}


def _curve(files: RunFiles, title: str, key: str, levels: dict[str, float]) -> plots.LossCurve:
    return plots.LossCurve(
        title,
        steps=column(files.train, "step"),
        values=column(files.train, key),
        held_out_steps=column(files.looks, "step"),
        held_out=column(files.looks, key),
        levels=levels,
    )


def _optimizer_picture(files: RunFiles) -> list[str]:
    rates, norms = column(files.train, "lr"), column(files.train, "grad_norm")
    if not (np.isfinite(rates).any() and np.isfinite(norms).any()):
        return ["No picture of learning rate and gradient: no finite values have been logged."]

    label, more = "learning rate", ""
    if files.get("config", "optimizer") == "muon":
        label, peak = "AdamW's learning rate", number(files.get("config", "matrix_lr"), "{:g}")
        more = f" Muon's, for the matrices between hidden states, moves with it; its peak is {peak}."
    clip = files.get("config", "clip")
    figure = plots.optimizer_figure(
        column(files.train, "step"), rates, norms, clip if is_number(clip) else None, label
    )
    plots.save(figure, files.folder / "optimizer.png")
    return [
        "![Learning rate and norm of the gradient, over the steps](optimizer.png)",
        f"The learning rate, and the gradient's norm over all parameters, before clipping.{more}",
    ]


def _scale_picture(files: RunFiles) -> list[str]:
    scales, steps = column(files.train, "loss_scale"), column(files.overflows, "step")
    known = scales[np.isfinite(scales)]
    if not known.size:
        return []
    first, last = count(known[0]), count(known[-1])
    if not steps.size and first == last:
        return [f"The loss scale of fp16 stayed at {first}; no step overflowed."]
    plots.save(
        plots.scale_figure(column(files.train, "step"), scales, steps), files.folder / "loss_scale.png"
    )
    left_out = f"Steps whose gradient overflowed, and which were left out: {_listed(steps)}." * bool(
        steps.size
    )
    return [
        "![Loss scale, over the steps](loss_scale.png)",
        f"The loss scale of fp16: {first} on the first logged line, {last} on the last. {left_out}".rstrip(),
    ]


def _speed_picture(files: RunFiles) -> list[str]:
    seconds, speeds = column(files.train, "seconds"), column(files.train, "tokens_per_second")
    if not (np.isfinite(seconds) & np.isfinite(speeds)).any():
        return ["No picture of the speed: no tokens per second have been logged."]
    plots.save(plots.speed_figure(seconds, speeds, share_of_peak(files)), files.folder / "speed.png")
    return [
        "![Tokens per second, over the time trained](speed.png)",
        f"Tokens of training text per second, {files.task.counted} included. {told(files)}".rstrip(),
    ]


def _phases_picture(files: RunFiles) -> list[str]:
    seconds, parts = phases(files)
    if not seconds.size:
        return []
    plots.save(plots.phases_figure(seconds, parts), files.folder / "phases.png")
    return [
        "![Milliseconds of a step by phase, over the time trained](phases.png)",
        "Where the time of a step goes: into making the batch, the forward and the backward pass, the "
        "optimiser, and what lies between them. Beside the last bar stand the medians of the run.",
    ]


def _marks(files: RunFiles) -> dict[str, np.ndarray]:
    """Return what is marked on the loss: spikes by whether the step was taken, and the best step."""
    best = files.get("stopped_early", "best_step")
    marks = {
        "loss spike": column([spike for spike in files.spikes if not spike.get("skipped")], "step"),
        "loss spike, left out": column([spike for spike in files.spikes if spike.get("skipped")], "step"),
        "best step": np.array([best] if is_number(best) else [], dtype=np.float64),
    }
    return {name: steps for name, steps in marks.items() if steps.size}


def _told_spikes(spikes: list[Record]) -> list[str]:
    if not spikes:
        return []
    told = [_told_spike(spike) for spike in spikes[:LISTED]]
    return [f"Loss spikes: {len(spikes)}, marked over the curve: {_and_more(told, len(spikes))}."]


def _told_spike(spike: Record) -> str:
    loss, expected, deviation = (
        number(spike.get(key), "{:.2f}") for key in ("loss", "expected", "deviation")
    )
    what = "left out" if spike.get("skipped") else "taken"
    return f"step {count(spike['step'])} ({loss} where {expected} ± {deviation} was expected; {what})"


def _listed(steps: np.ndarray) -> str:
    return _and_more([count(step) for step in steps[:LISTED]], len(steps))


def _and_more(shown: list[str], all_of_them: int) -> str:
    more = all_of_them - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more else "")
