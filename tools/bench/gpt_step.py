"""A training step of GPT-2, ours beside that of `transformers`: same weights, same batches, one process.

    python tools/bench/gpt_step.py [--pairs 30] [--vocab-size 8000]
    python tools/bench/gpt_step.py --memory [--vocab-size 50257]

Both take forward, loss, backward, clipping and fused AdamW, without dropout, in turn; `transformers` with its
scaled-dot-product attention. Printed: the median step of each in milliseconds, the ratio of the medians, and
the largest difference of the two losses over all steps. With --memory each takes a few steps in a process of
its own, and the peak of its resident memory above what the imports cost is printed.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from minibert.config import GptConfig
from minibert.hub.gpt_folder import to_hugging_face
from minibert.model.gpt import Gpt
from minibert.train.loss import linear_cross_entropy
from minibert.train.optimizer import clip_gradients, decay_groups

WARMUP = 3
STEPS = 4
"""Steps of a process whose memory is measured."""


def our_loss(model: Gpt, ids: Tensor) -> Tensor:
    """Return our loss of ids (B, T + 1)."""
    features = model.features(ids[:, :-1]).flatten(0, 1)
    return linear_cross_entropy(features, model.tokens.weight, None, ids[:, 1:].flatten())


def their_loss(model: GPT2LMHeadModel, ids: Tensor) -> Tensor:
    """Return the loss of `transformers`, which shifts the labels itself."""
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    loss = model(input_ids=inputs, shift_labels=targets, labels=targets).loss
    assert loss is not None
    return loss


def ours(chosen: argparse.Namespace) -> Gpt:
    """Return our model."""
    sizes = (chosen.vocab_size, chosen.layers, chosen.width, chosen.width // 64, 4 * chosen.width)
    return Gpt(GptConfig(*sizes, dropout=0.0, attention_dropout=0.0), torch.Generator().manual_seed(0))


def theirs(chosen: argparse.Namespace) -> GPT2LMHeadModel:
    """Return the model of `transformers`."""
    config = GPT2Config(
        vocab_size=chosen.vocab_size,
        n_embd=chosen.width,
        n_layer=chosen.layers,
        n_head=chosen.width // 64,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    model.set_attn_implementation("sdpa")
    return model


def stepper(model: nn.Module, loss_of: Callable, clip: Callable) -> Callable[[Tensor], tuple[float, float]]:
    """Return a function that takes a training step and returns its loss and its seconds."""
    optimizer = torch.optim.AdamW(decay_groups(model.parameters(), 0.1), lr=1e-4, fused=True)
    model.train()

    def step(ids: Tensor) -> tuple[float, float]:
        start = time.perf_counter()
        loss = loss_of(model, ids)
        loss.backward()
        clip(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item(), time.perf_counter() - start

    return step


def batch(chosen: argparse.Namespace, step: int) -> Tensor:
    """Return random ids (B, T + 1)."""
    shape = (chosen.batch_size, chosen.seq_len + 1)
    return torch.randint(chosen.vocab_size, shape, generator=torch.Generator().manual_seed(step))


def compare_speed(chosen: argparse.Namespace) -> None:
    """Time both in turn and print one line."""
    mine, other = ours(chosen), theirs(chosen)
    other.load_state_dict(to_hugging_face(dict(mine.named_parameters())), strict=False)
    steps = stepper(mine, our_loss, clip_gradients), stepper(other, their_loss, nn.utils.clip_grad_norm_)
    seconds: list[tuple[float, ...]] = []
    difference = 0.0
    for i in range(WARMUP + chosen.pairs):
        ids = batch(chosen, i)
        (our_value, our_seconds), (their_value, their_seconds) = (step(ids) for step in steps)
        difference = max(difference, abs(our_value - their_value))
        if i >= WARMUP:
            seconds.append((our_seconds, their_seconds))
    first, second = (1e3 * statistics.median(column) for column in zip(*seconds, strict=True))
    print(
        f"{chosen.layers} layers, D={chosen.width} V={chosen.vocab_size} T={chosen.seq_len} "
        f"B={chosen.batch_size}: ours {first:.1f} ms, transformers {second:.1f} ms, "
        f"ratio {second / first:.2f}, losses differ by {difference:.1e}"
    )


def peak() -> float:
    """Return the peak of this process's resident memory (MB)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure_memory(chosen: argparse.Namespace) -> None:
    """Take a few steps with the model that `chosen.only` names, and print the megabytes above the imports."""
    before = peak()
    mine = chosen.only == "ours"
    model = ours(chosen) if mine else theirs(chosen)
    step = stepper(
        model, our_loss if mine else their_loss, clip_gradients if mine else nn.utils.clip_grad_norm_
    )
    for i in range(STEPS):
        step(batch(chosen, i))
    print(peak() - before)


def compare_memory(chosen: argparse.Namespace, words: list[str]) -> None:
    """Start a process for each and print one line."""
    mine, other = (
        float(
            subprocess.run(
                [sys.executable, __file__, *words, "--only", only], capture_output=True, text=True, check=True
            ).stdout
        )
        for only in ("ours", "transformers")
    )
    print(
        f"peak memory above the imports, V={chosen.vocab_size}: ours {mine:,.0f} MB, transformers "
        f"{other:,.0f} MB, share {mine / other:.2f}"
    )


def main() -> None:
    """Compare as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("--layers", 4),
        ("--width", 256),
        ("--vocab-size", 8000),
        ("--seq-len", 128),
        ("--batch-size", 16),
        ("--pairs", 30),
    ):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--memory", action="store_true", help="compare peak memory, not time")
    parser.add_argument("--only", choices=["ours", "transformers"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        measure_memory(chosen)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    if chosen.memory:
        compare_memory(chosen, [word for word in sys.argv[1:] if word != "--memory"])
    else:
        compare_speed(chosen)


if __name__ == "__main__":
    main()
