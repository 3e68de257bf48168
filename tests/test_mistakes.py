"""Mistakes that still train, put into the loop: a check that passes without one fails with it.

Each is one that public trainers really had. The checks are what the tests of the loop hold: stopped equals
never stopped, parts equal the whole, two looks are equal, the rates are those of the table.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import Broken, Net, batches, bits, lines, run

from minibert.train import feed, loop, step, worker
from minibert.train.feed import Feed
from minibert.train.loop import Loop
from minibert.train.optimizer import clip_gradients
from minibert.train.worker import Worker

Patch = Callable[[pytest.MonkeyPatch], None]


def stopped_equals_never_stopped(folder: Path) -> bool:
    """Whether a run that was broken off at step 5 ends with the weights of one that was not."""
    with pytest.raises(Broken):
        run(folder / "stopped", stop_at=5, micro_batch=3)
    resumed, _ = run(folder / "stopped", resume=True, micro_batch=3)
    return bits(resumed) == bits(run(folder / "whole", micro_batch=3)[0])


def parts_equal_the_whole(folder: Path) -> bool:
    """Whether batches that go through the model in parts teach it what whole ones do."""
    [whole, parts] = [
        run(folder / str(size), model=Net(dropout=0.0), steps=10, micro_batch=size, log_every=1)[0]
        for size in (None, 3)
    ]
    same = all(
        torch.allclose(one, two, rtol=0, atol=1e-5)
        for one, two in zip(whole.parameters(), parts.parameters(), strict=True)
    )
    [first, second] = [[line["lr"] for line in lines(folder / name)] for name in ("None", "3")]
    return same and first == second


def two_looks_are_equal(folder: Path) -> bool:
    """Whether two looks at the same model say the same."""
    x, _ = batches(100)

    def twice(model) -> dict[str, float]:
        return {"first": float(model(x).detach().sum()), "second": float(model(x).detach().sum())}

    run(folder, steps=4, evaluate_every=2, others={"evaluate": twice})
    return all(look["first"] == look["second"] for look in lines(folder, "held_out"))


def a_step_forgets_the_one_before(folder: Path) -> bool:
    """Whether the gradient of a step without slope is zero."""

    def flat_later(net, batch):
        means = {"loss": net(batch[0]).sum() * (1.0 if len(calls) == 0 else 0.0)}
        calls.append(1)
        return means

    calls: list[int] = []
    run(folder, steps=2, log_every=1, others={"loss": flat_later})
    return lines(folder)[1]["grad_norm"] == 0


def half_precision_clips_as_float32_does(folder: Path) -> bool:
    """Whether a tight clip leaves fp16 and float32 with nearly the same weights."""
    [single, half] = [
        run(folder / kind, model=Net(dropout=0.0), steps=5, clip=1e-3, precision=kind)[0]
        for kind in ("float32", "fp16")
    ]
    return all(
        torch.allclose(one, two, rtol=0, atol=2e-3)
        for one, two in zip(single.parameters(), half.parameters(), strict=True)
    ) and lines(folder / "fp16")[0]["grad_norm"] == pytest.approx(
        lines(folder / "float32")[0]["grad_norm"], rel=0.05
    )


def mean_of_means(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(feed, "shares_of", lambda counts, totals: [{"loss": 1 / len(counts)} for _ in counts])


def mean_over_all_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Feed, "load", counted_rows(Feed.load))


def counted_rows(load: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Feed, number: int) -> Any:
        made = load(self, number)
        return dataclasses.replace(made, counts=[{"loss": len(batch[0])} for batch in made.batches])

    return wrong


def last_part_dropped(patch: pytest.MonkeyPatch) -> None:
    parts = Feed.parts
    patch.setattr(Feed, "parts", lambda self, load, totals: parts(self, load, totals)[:2])


def sampler_starts_again(patch: pytest.MonkeyPatch) -> None:
    begun: dict[int, tuple[Feed, int]] = {}  # with the feed itself, lest another one get its id
    load = Feed.load

    def from_the_first(self: Feed, number: int) -> Any:
        return load(self, number - begun.setdefault(id(self), (self, number))[1])

    patch.setattr(Feed, "load", from_the_first)


def schedule_starts_again(patch: pytest.MonkeyPatch) -> None:
    rate = Loop.rate

    def from_the_first(self: Loop, began: float) -> float:
        first = self.__dict__.setdefault("first", self.at.step)
        self.at.step -= first
        try:
            return rate(self, began)
        finally:
            self.at.step += first

    patch.setattr(Loop, "rate", from_the_first)


def optimisers_start_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("minibert.train.keeper.load_optimizer_tensors", lambda optimizers, tensors: None)


def dropout_drawn_from_where_the_process_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(feed, "dropout_seed", lambda *counters: torch.seed() % 2**62)


def dropout_in_a_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Worker, "look", lambda self, evaluate: evaluate(self.model))


def gradients_not_zeroed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(step, "forget", lambda optimizers: None)
    patch.setattr(loop, "forget", lambda optimizers: None)


def clipped_before_unscaling(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Worker, largest: float) -> torch.Tensor:
        norm = clip_gradients(self.model.parameters(), largest)
        if self.scaler:
            self.scaler.unscale([p.grad for p in self.model.parameters() if p.grad is not None])
        return norm

    patch.setattr(Worker, "clip", wrong)


def warmup_counts_parts(patch: pytest.MonkeyPatch) -> None:
    gradient = Worker.gradient

    def counting(self: Worker, parts: Any) -> Any:
        self.__dict__["passes"] = self.__dict__.get("passes", 0) + len(parts)
        return gradient(self, parts)

    patch.setattr(Worker, "gradient", counting)
    patch.setattr(Loop, "rate", lambda self, began: min(1.0, self.worker.__dict__["passes"] / 30))


def clipped_one_by_one(patch: pytest.MonkeyPatch) -> None:
    def wrong(parameters: Any, largest: float) -> torch.Tensor:
        norms = [clip_gradients([p], largest) for p in parameters]
        return torch.linalg.vector_norm(torch.stack(norms))

    patch.setattr(worker, "clip_gradients", wrong)


MISTAKES: list[tuple[Patch, Callable[[Path], bool]]] = [
    (mean_of_means, parts_equal_the_whole),
    (mean_over_all_rows, parts_equal_the_whole),
    (last_part_dropped, parts_equal_the_whole),
    (warmup_counts_parts, parts_equal_the_whole),
    (sampler_starts_again, stopped_equals_never_stopped),
    (schedule_starts_again, stopped_equals_never_stopped),
    (optimisers_start_again, stopped_equals_never_stopped),
    (dropout_drawn_from_where_the_process_is, stopped_equals_never_stopped),
    (dropout_in_a_look, two_looks_are_equal),
    (gradients_not_zeroed, a_step_forgets_the_one_before),
    (clipped_before_unscaling, half_precision_clips_as_float32_does),
]


@pytest.mark.parametrize("check", dict.fromkeys(check for _, check in MISTAKES))
def test_the_loop_passes(tmp_path, check):
    assert check(tmp_path)


@pytest.mark.parametrize(("mistake", "check"), MISTAKES)
def test_a_mistake_is_caught(tmp_path, monkeypatch, mistake, check):
    mistake(monkeypatch)
    assert not check(tmp_path)


def test_clipping_is_by_the_norm_of_all_gradients_together(tmp_path, monkeypatch):
    def moved(folder: Path) -> float:
        model = Net(dropout=0.0)
        before = [p.detach().clone() for p in model.parameters()]
        plain = {"optimizers": lambda: [torch.optim.SGD(model.parameters(), lr=1.0)]}
        run(folder, model=model, steps=1, clip=1e-3, warmup=0.0, others=plain)
        pairs = zip(model.parameters(), before, strict=True)
        return math.sqrt(sum(float((p - q).detach().square().sum()) for p, q in pairs))

    assert moved(tmp_path / "right") == pytest.approx(1e-3, rel=1e-3)
    clipped_one_by_one(monkeypatch)
    assert moved(tmp_path / "wrong") > 1.5e-3
