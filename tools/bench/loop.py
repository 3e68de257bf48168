"""What the training loop costs: a step of it beside the bare forward, backward and step of ten lines.

    python tools/bench/loop.py [--preset bert-mini] [--pairs 300] [--batch-size 32] [--optimizer adamw]

The loop does all that it does in a run: a line of metrics every 20 steps, the guards against bad gradients
and spikes, the signals, the phases, a checkpoint every 100 steps, synced to the disk. The bare loop does as
little as trains: it does not even clip, but with --clip. Both have the same weights at the start, the same
batches, made beforehand, and the same optimisers, and take their steps in turn, in one process.

Where the loop asks for the loss, the bare loop takes a step first. So a step of ours is what passes between
two such questions: nothing that the loop does is left out, checkpoints neither. No gradient is alive there,
so each finds the memory as the other does.

Printed: the medians, the median over pairs of how much longer ours takes, and how much longer all steps of
ours take than all bare ones, where the rare checkpoint counts, too. Both with a 95 % bootstrap interval.
"""

import argparse
import copy
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.batches.batch import Batch
from minibert.config import PRESETS, BertConfig, PretrainConfig
from minibert.model.bert import BertForPretraining
from minibert.recipes.learning import TORCH
from minibert.train.loop import train

WARMUP = 3
"""Steps of each that are not counted."""

MASK_RATE = 0.15


def make_batch(B: int, T: int, V: int, seed: int) -> Batch:
    """Return full rows of random tokens, 15 % of them to be predicted, and labels of pairs."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, V, (B, T), generator=draw)
    slots = torch.rand(B, T, generator=draw).argsort(1)[:, : round(MASK_RATE * T)]
    slots = (slots + T * torch.arange(B)[:, None]).flatten()  # (N,)
    return Batch(
        ids=ids,
        segments=(torch.arange(T) >= T // 2).long().repeat(B, 1),
        attend=None,
        slots=slots,
        targets=ids.flatten()[slots],
        pair_labels=torch.randint(2, (B,), generator=draw),
    )


def bare_stepper(
    model: nn.Module, optimizers: Sequence[Optimizer], clip: float | None
) -> Callable[[Batch], None]:
    """Return the bare loop's step."""

    def step(batch: Batch) -> None:
        loss = torch.stack(list(TORCH.loss(model, batch).values())).sum()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def measure(preset: str, pairs: int, B: int, T: int, V: int, optimizer: Any, clip: bool) -> np.ndarray:
    """Return the seconds of each pair of steps, ours and the bare one, (pairs, 2)."""
    sizes: dict[str, Any] = {**PRESETS[preset], "vocab_size": V, "dropout": 0.0, "attention_dropout": 0.0}
    ours = BertForPretraining(BertConfig(**sizes), torch.Generator().manual_seed(0))
    bare = copy.deepcopy(ours)
    config = PretrainConfig(
        steps=WARMUP + pairs, batch_size=B, seq_len=T, checkpoint_every=100, log_every=20, optimizer=optimizer
    )
    made = [make_batch(B, T, V, seed) for seed in range(20)]
    bare_step = bare_stepper(bare.train(), TORCH.optimizers(bare, config), config.clip if clip else None)
    seconds: list[tuple[float, float]] = []
    clock = time.perf_counter

    def loss(model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        nonlocal ready
        asked = clock()
        bare_step(batch)
        answered = clock()
        seconds.append((asked - ready, answered - asked))
        ready = clock()
        return TORCH.loss(model, batch)

    ready = clock()
    with tempfile.TemporaryDirectory() as folder:
        train(
            ours,
            loss,
            lambda step, first, count: made[step % len(made)],
            lambda: TORCH.optimizers(ours, config),
            folder,
            config,
            counts=lambda batch: batch.counts(),
            count_tokens=lambda batch: batch.ids.numel(),
            peak_speed=1e6,
        )
    return np.array(seconds[WARMUP:])


def interval(statistic: Callable[[np.ndarray], float], seconds: np.ndarray) -> str:
    """Return a statistic of the pairs and the interval that holds it in 95 % of draws with replacement."""
    draw = np.random.default_rng(0)
    numbers = [statistic(seconds[draw.integers(len(seconds), size=len(seconds))]) for _ in range(2000)]
    low, high = np.percentile(numbers, [2.5, 97.5])
    return f"{statistic(seconds):+.2%} (95 %: {low:+.2%} to {high:+.2%})"


def median_difference(seconds: np.ndarray) -> float:
    """Median over pairs of ours - bare, as a share of the median bare step."""
    return float(np.median(seconds[:, 0] - seconds[:, 1]) / np.median(seconds[:, 1]))


def total_difference(seconds: np.ndarray) -> float:
    """All steps of ours beside all bare ones."""
    return float(seconds[:, 0].sum() / seconds[:, 1].sum() - 1)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="bert-mini")
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--optimizer", choices=["adamw", "muon"], nargs="+", default=["adamw", "muon"])
    parser.add_argument("--clip", action="store_true", help="let the bare loop clip, too")
    chosen = parser.parse_args()
    B, T, V = chosen.batch_size, chosen.seq_len, chosen.vocab_size
    logging.disable(logging.WARNING)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for optimizer in chosen.optimizer:
        seconds = measure(chosen.preset, chosen.pairs, B, T, V, optimizer, chosen.clip)
        ours, bare = 1e3 * np.median(seconds, axis=0)
        clips = "clips, too" if chosen.clip else "does not clip"
        print(
            f"{chosen.preset} B={B} T={T} V={V} {optimizer}, {len(seconds)} pairs, the bare loop {clips}:\n"
            f"  median step                     ours {ours:.1f} ms, bare {bare:.1f} ms\n"
            f"  median of paired differences    {interval(median_difference, seconds)}\n"
            f"  all steps, checkpoints and all  {interval(total_difference, seconds)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
