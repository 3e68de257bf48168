"""A fine-tuning tried before it is begun: one batch learned by heart, and ever higher learning rates."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from torch.optim import Optimizer

from minibert.config import FinetuneConfig
from minibert.recipes.find_lr import RangeTest, picture_beside, range_test
from minibert.recipes.finetune import Ready, made_ready, run_folder
from minibert.recipes.overfit import STEPS, Overfit, by_heart
from minibert.recipes.trying import aside
from minibert.train.distributed import ALONE


def finetuning_aside(
    kind: str, body: str, config: FinetuneConfig, command: str = ""
) -> AbstractContextManager[Ready]:
    """Yield a fine-tuning before its first step, see `minibert.recipes.trying.aside`.

    Arguments and errors as of `minibert.recipes.finetune.made_ready`.
    """
    out = run_folder(kind, body, config)
    return aside(out, config, lambda config: made_ready(kind, body, config, command, ALONE))


def overfit_finetuning(kind: str, body: str, config: FinetuneConfig, command: str = "") -> Overfit:
    """Train on one batch alone, see `minibert.recipes.overfit.overfit_one_batch`; without label smoothing.

    Arguments and errors as of `minibert.recipes.finetune.finetune`; `config.steps` are the most to take.
    """
    with finetuning_aside(kind, body, replace(config, smoothing=0.0), command) as run:
        return by_heart(run, config.steps or STEPS)


def find_finetuning_lr(kind: str, body: str, config: FinetuneConfig, command: str = "") -> RangeTest:
    """Train at ever higher rates, and draw the loss, see `minibert.recipes.find_lr.find_lr`.

    Arguments and errors as of `minibert.recipes.finetune.finetune`.
    """
    picture = picture_beside(run_folder(kind, body, config))
    with finetuning_aside(kind, body, config, command) as run:
        return range_test(run, picture, peaks_by_part)


def peaks_by_part(optimizers: Sequence[Optimizer]) -> dict[str, float]:
    """Return the peak rates of the top block and of the head, by flag; one where they are the same."""
    groups = optimizers[0].param_groups
    body, head = groups[0]["peak_lr"], groups[-1]["peak_lr"]
    return {"--lr": body} | ({"--head-lr": head} if head != body else {})
