"""The training loop: batch, gradient, step; and going on where a run was stopped.

The loop knows neither files of text nor kinds of model. Batches come from a pure function of the step, the
loss from a function of model and batch. So a run that was stopped goes on to the bit: its state is the
weights, the optimisers' tensors and a few numbers, the step above all.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.config import TrainConfig
from minibert.files import folder_lock, require_room
from minibert.signals import Stopped, Told, listening
from minibert.train.bad_gradient import stop_at_bad_gradient
from minibert.train.device import peak_memory, repeatable
from minibert.train.distributed import ALONE, World, share_of
from minibert.train.exchange import News, exchange
from minibert.train.feed import Batches, Feed, rows_of
from minibert.train.keeper import Keeper
from minibert.train.log import MetricsFile, Progress, Record, TensorBoard, to_all
from minibert.train.out_of_memory import explain_out_of_memory, is_out_of_memory
from minibert.train.phases import Phases
from minibert.train.precision import LossScaler, matrix_products
from minibert.train.schedule import factor
from minibert.train.sharding import whole
from minibert.train.spikes import Spikes
from minibert.train.state import Averages, Limits, Progressed
from minibert.train.step import Part, descend, forget, remember_peaks
from minibert.train.trace import tracing
from minibert.train.worker import Loss, Worker

logger = logging.getLogger("minibert")


def sum_of_losses(numbers: Mapping[str, float]) -> float:
    """Return the sum of the numbers of a look whose names end in "loss"."""
    return sum(value for name, value in numbers.items() if name.endswith("loss"))


def train(
    model: nn.Module,
    loss: Loss,
    batches: Batches,
    optimizers: Callable[[], Sequence[Optimizer]],
    folder: Path | str,
    config: TrainConfig,
    *,
    resume: bool = False,
    counts: Callable[[Any], Mapping[str, int]] = rows_of,
    count_tokens: Callable[[Any], int] = lambda batch: 0,
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    judge: Callable[[Mapping[str, float]], float] = sum_of_losses,
    keep_best: bool = False,
    before_step: Callable[[int], object] = lambda step: None,
    peak_speed: float | None = None,
    world: World = ALONE,
) -> Progressed:
    """Train `model` in place and return how far it came.

    Args:
        model: on the device to train on.
        loss: (model, batch) -> the means of its losses by name; their sum is minimised.
        batches: (step, first, count) -> rows first to first + count - 1 of the batch of a step, counted from
            0; must be a pure function. A batch is a tuple of tensors, or has a method `to(device)`.
        optimizers: makes the optimisers, after the model's parameters have come to where they train. Each
            group's `lr` is its peak; the schedule scales it.
        folder: gets metrics.jsonl and checkpoints/. It belongs to one run at a time.
        config: everything that can be chosen.
        resume: go on from the newest good checkpoint, if there is one.
        counts: batch -> by the names of the losses, of how many predictions each is the mean, so that parts
            of a batch count for as much as they hold.
        count_tokens: tokens in a batch, for the speed that is shown.
        evaluate: model in eval mode -> numbers by name, for the held-out lines of the metrics.
        judge: these numbers -> what is to be small: the lowest is the best look.
        keep_best: end with the weights of the best look also where config.patience does not ask for it.
        before_step: is called with the number of each step, counted from 0, before its forward pass; what it
            does to the model must be a function of that number alone.
        peak_speed: tokens per second at which one device would be used to the full.
        world: the processes that train together; each calls this function.

    Raises:
        ValueError: neither steps nor max_minutes; a checkpoint of another model; a folder that is in use; too
            little room; out of memory.
        BadGradient: a gradient was not finite; no weight has seen it.
        Stopped: a signal came; everything is saved.
    """
    folder = Path(folder)
    saves = folder / "checkpoints"
    saves.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if world.rank == 0:
            stack.enter_context(folder_lock(folder))
        told = stack.enter_context(listening(patient=world.size > 1))
        stack.enter_context(repeatable(config.deterministic))
        stack.enter_context(matrix_products(config.precision))

        device = next(model.parameters()).device
        worker = Worker(model.train(), loss, config, world, Phases(device, named=config.profile))
        own = optimizers()
        feed = Feed(
            batches, counts, count_tokens, config.batch_size, config.micro_batch, config.seed, device, world
        )
        keeper = Keeper(saves, model, own, config.keep, world)
        watch = Watch(evaluate, judge, keep_best or config.patience is not None)
        loop = Loop(worker, feed, own, keeper, folder, config, told, watch, before_step, peak_speed)
        if resume:
            loop.restore()
        if world.rank == 0:
            require_room(folder, keeper.room_needed(), "--out")
        loop.run(stack)
        model.eval()
        return loop.at


@dataclass(frozen=True)
class Watch:
    """How a run looks at held-out text, and what comes of it; see `train`."""

    evaluate: Callable[[nn.Module], Mapping[str, float]] | None
    judge: Callable[[Mapping[str, float]], float]
    keep_best: bool


class Loop:
    """A run on its way; `train` makes it and says what its parts are."""

    def __init__(
        self,
        worker: Worker,
        feed: Feed,
        optimizers: Sequence[Optimizer],
        keeper: Keeper,
        folder: Path,
        config: TrainConfig,
        told: Told,
        watch: Watch,
        before_step: Callable[[int], object],
        peak_speed: float | None,
    ) -> None:
        self.worker, self.feed, self.optimizers, self.keeper = worker, feed, optimizers, keeper
        self.folder, self.config, self.told, self.watch = folder, config, told, watch
        self.before_step, self.peak_speed = before_step, peak_speed
        self.limits = Limits(config.steps, None if config.max_minutes is None else 60 * config.max_minutes)
        self.world, self.phases = feed.world, worker.phases
        self.at, self.spikes = Progressed(), Spikes()
        self.saved: int | None = None
        """The step whose checkpoint is on the disk."""

    def restore(self) -> None:
        """Go on from the newest good checkpoint, if there is one."""
        numbers = self.keeper.restore()
        if numbers is None:
            return
        self.spikes = Spikes(**numbers.pop("spikes", {}))
        if self.worker.scaler:
            self.worker.scaler = LossScaler(**numbers.pop("scaler", None) or {})
        self.at = Progressed(**{name: value for name, value in numbers.items() if name != "scaler"})
        self.saved = self.at.step
        logger.info("going on from step %d", self.at.step)

    def run(self, stack: ExitStack) -> None:
        """Take steps until the end, or until a signal comes. What the run has open is closed by `stack`."""
        remember_peaks(self.optimizers)
        self.log = self.open_log(stack)
        traced = self.config.profile and self.world.rank == 0
        trace = stack.enter_context(tracing(self.folder, self.worker.device, traced))
        self.recent = Averages(self.at)
        self.began = time.perf_counter() - self.at.seconds
        self.upcoming = self.feed.load(self.at.step)
        self.news = self.exchange({})
        self.phases.skip()
        if self.look_is_due:
            self.look()
        while not self.over and self.signal is None:
            self.step()
            self.write()
            trace.step()
        if self.signal is not None:
            self.stop(self.signal)
        self.take_best()

    @property
    def over(self) -> bool:
        """Whether the run is at its end, or has learned nothing for too long."""
        waited = self.at.waited(self.config.patience)
        return waited or self.limits.share(self.at.step, self.at.seconds) >= 1

    @property
    def signal(self) -> int | None:
        """The signal that told the run to stop; of many processes, one that all have heard of."""
        return self.told.number if self.world.size == 1 else self.news.signal

    def due(self, every: int) -> bool:
        """Whether it is time for what happens every so many steps, and at the end."""
        return self.at.step > 0 and (self.at.step % every == 0 or self.over)

    @property
    def look_is_due(self) -> bool:
        """Whether it is time to look at held-out text, and not done yet."""
        every = self.config.look_every
        return self.watch.evaluate is not None and self.at.looked < self.at.step and self.due(every)

    def exchange(self, losses: Mapping[str, Tensor]) -> News:
        """Tell the other processes of this step and the next, and hear of theirs."""
        seconds = time.perf_counter() - self.began
        return exchange(self.world, losses, self.upcoming, seconds, self.told.number)

    def step(self) -> None:
        """Take a step: gradient, guards, the way down."""
        load, news, began = self.upcoming, self.news, self.at.seconds
        parts = self.feed.parts(load, news.counts)
        self.before_step(self.at.step)
        with self.out_of_memory_explained():
            losses = self.worker.gradient(parts)
        with self.phases.during("data"):
            self.upcoming = self.feed.load(self.at.step + 1)  # a GPU is still at work, and need not wait
        with self.phases.during("optimizer"):
            norm = self.worker.clip(self.config.clip)
            self.news = self.exchange(losses)
            measured, rate = {**self.news.losses, "grad_norm": float(norm)}, self.rate(began)
            if self.passes(measured, parts, rate):
                descend(self.optimizers, rate)
            else:
                forget(self.optimizers)
        self.at.step, self.at.tokens, self.at.seconds = (
            self.at.step + 1,
            self.at.tokens + news.tokens,
            self.news.seconds,
        )
        self.recent.add(measured, self.at.seconds - began)

    def rate(self, began: float) -> float:
        """Return the share of the peak learning rate for the step that began at `began` seconds."""
        return factor(
            self.limits.share(self.at.step, began),
            self.limits.share(self.at.step + 1, began + self.recent.step_seconds),
            self.config.warmup,
            self.config.schedule,
        )

    def passes(self, measured: Mapping[str, float], parts: Sequence[Part], rate: float) -> bool:
        """Return whether the optimisers may take this step. Raises BadGradient where none could be right."""
        step, scaler = self.at.step + 1, self.worker.scaler
        finite = math.isfinite(measured["grad_norm"]) and math.isfinite(measured["loss"])
        if scaler:
            scaler.update(finite)
        if scaler and not finite:
            self.log({"kind": "overflow", "step": step, "loss_scale": scaler.scale})
            return False
        if not finite:
            self.refuse(parts, rate)
        spike = self.spikes.look(measured["loss"])
        if spike:
            self.log({"kind": "spike", "step": step, **vars(spike), "skipped": self.config.skip_spikes})
        return not (spike and self.config.skip_spikes)

    def refuse(self, parts: Sequence[Part], rate: float) -> NoReturn:
        """Write down how this gradient came about, and raise BadGradient."""
        forget(self.optimizers)
        self.worker.gradient(parts)  # clipping has spread the NaN over all
        gradients = {n: p.grad for n, p in self.worker.model.named_parameters() if p.grad is not None}
        stop_at_bad_gradient(
            self.folder,
            self.at.step + 1,
            [part.batch for part in parts],
            [(name, whole(gradient)) for name, gradient in gradients.items()],
            self.news.losses,
            [rate * group["peak_lr"] for optimizer in self.optimizers for group in optimizer.param_groups],
            self.config.seed,
            self.world.rank,
        )

    @contextmanager
    def out_of_memory_explained(self) -> Iterator[None]:
        """Where memory runs out in the block: save the state, which is that before the step, and say so."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            forget(self.optimizers)
            if self.world.size == 1:
                self.save()
            _, share = share_of(self.config.batch_size, self.world)
            size = min(self.config.micro_batch or share, share)
            raise ValueError(explain_out_of_memory(error, size)) from error

    def write(self) -> None:
        """Log, look at held-out text and save, where it is time for it."""
        saving = self.due(self.config.checkpoint_every)
        if saving or self.due(self.config.log_every):
            self.log(self.record())
        if self.look_is_due:
            saving |= self.look()
        if saving or self.over:
            self.save()

    def record(self) -> Record:
        """Return a training line of metrics.jsonl: what was measured since the line before."""
        means, tokens, seconds = self.recent.take(self.at)
        speed = tokens / max(seconds, 1e-9)
        record = {
            "kind": "train",
            "step": self.at.step,
            "tokens": self.at.tokens,
            "seconds": self.at.seconds,
            "progress": self.limits.share(self.at.step, self.at.seconds),
            **means,
            "lr": self.optimizers[0].param_groups[0]["lr"],
            "tokens_per_second": speed,
            "memory": peak_memory(self.worker.device),
            "phases": self.phases.take(),
        }
        if self.peak_speed:
            record["mfu"] = speed / (self.peak_speed * self.world.size)
        if self.worker.scaler:
            record["loss_scale"] = self.worker.scaler.scale
        return record

    def look(self) -> bool:
        """Look at held-out text; return whether it is the best look so far.

        A single process that is told to stop leaves the look at once; the resumed run takes it again.
        """
        assert self.watch.evaluate is not None
        try:
            with self.told.interruptible() if self.world.size == 1 else nullcontext():
                numbers = self.worker.look(self.watch.evaluate)
        except Stopped:
            return False
        at = self.at
        at.looked = at.step
        self.log(
            {"kind": "held_out", "step": at.step, "seconds": time.perf_counter() - self.began, **numbers}
        )
        loss = self.watch.judge(numbers)
        better = loss < at.best_loss
        at.looks_since_best = 0 if better else at.looks_since_best + 1
        if better:
            at.best_step, at.best_loss = at.step, loss
        self.recent.pause(time.perf_counter() - self.began - at.seconds)
        self.phases.skip()
        return better

    def save(self) -> bool:
        """Write a checkpoint of this step, unless it is there; return whether it is there now."""
        if self.saved != self.at.step:
            scaler = self.worker.scaler
            numbers = {
                **vars(self.at),
                "spikes": vars(self.spikes),
                "scaler": vars(scaler) if scaler else None,
            }
            if self.keeper.save(self.at.step, numbers, self.at.best_step):
                self.saved = self.at.step
            self.phases.skip()
        return self.saved == self.at.step

    def stop(self, signal: int) -> None:
        """Save, wait for the other processes to have done so, and raise Stopped."""
        if not self.save():
            raise ValueError(f"stopped at step {self.at.step}, which could not be saved (see above)")
        self.world.barrier()
        raise Stopped(signal)

    def take_best(self) -> None:
        """Return to the best weights, where the run has looked for them."""
        if not self.save():
            raise ValueError(f"the run ended at step {self.at.step}, which could not be saved (see above)")
        self.at.model_step, best = self.at.step, self.at.best_step
        if self.watch.keep_best and best not in (None, self.at.step):
            logger.info("the best look was at step %d: going back to it", best)
            if self.keeper.restore_model(best):
                self.at.model_step = best

    def open_log(self, stack: ExitStack) -> Callable[[Record], None]:
        """Return where records go: process 0 keeps and shows them, the others do not."""
        if self.world.rank > 0:
            return lambda record: None
        progress = stack.enter_context(closing(Progress()))
        sinks = [MetricsFile(self.folder / "metrics.jsonl", self.at.step), progress]
        if self.config.tensorboard:
            sinks.append(TensorBoard(self.folder / "tensorboard", self.at.step))
        return to_all(*sinks)
