"""`minibert pretrain` on a made-up corpus, in forks (see forked.py), and what happens to it on its way."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # noqa: F401  what a first step would load, in every fork again
from small_runs import corpus_file

from minibert.cli import main
from minibert.recipes import pretrain as recipe

torch.set_num_threads(1)

SETTINGS = (
    "--steps 6 --batch-size 4 --micro-batch 3 --seq-len 32 --layers 1 --width 16 --heads 2 --vocab-size 120 "
    "--dropout 0.1 --checkpoint-every 2 --log-every 2 --evaluate-every 3 --device cpu --peak-tflops 1"
)


def command(folder: str, *more: str) -> list[str]:
    """The words that train in folder/run."""
    corpus = Path(folder) / "stories.txt"
    if not corpus.exists():
        corpus_file(Path(folder))
    return ["pretrain", *f"--corpus {corpus} --out {folder}/run {SETTINGS}".split(), *more]


def pretrain(folder: str, *more: str) -> None:
    """Type the command; the texts are read anew for each folder, and no pictures are drawn."""
    os.fsync = lambda handle: None  # no power is lost here, so do not wait for the disk
    os.environ["MINIBERT_CACHE"] = f"{folder}/cache"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets those in the background ignore it
    recipe.write_report = lambda run: run / "report.md"
    sys.exit(main(command(folder, *more)))


def before(place: str, calls: list[int], act: Callable[[int], None]) -> None:
    """Act before some calls, counted from 1, of a function, "module:name" or "module:class.name"."""
    module, _, name = place.partition(":")
    *owners, name = name.split(".")
    owner: Any = import_module(module)
    for step in owners:
        owner = getattr(owner, step)
    real, count = getattr(owner, name), iter(range(1, 1000))

    def acting(*given: Any, **named: Any) -> Any:
        number = next(count)
        if number in calls:
            act(number)
        return real(*given, **named)

    setattr(owner, name, acting)


def told(folder: str, signals: list[list[Any]], *more: str) -> None:
    """Pretrain, and get signals: each before a call of a function."""
    for place, call, number in signals:
        before(place, [call], lambda _, number=number: os.kill(os.getpid(), number))
    pretrain(folder, *more)


def cramped(folder: str, size: int, first: int, last: int, *more: str) -> None:
    """Pretrain on a disk that takes no file of more than `size` bytes from one batch on, before another."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def change(batch: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size if batch == first else hard, hard))

    before("minibert.train.feed:Feed.load", [first, last], change)
    pretrain(folder, *more)
