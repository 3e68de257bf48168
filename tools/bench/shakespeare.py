"""A small GPT on the characters of a play, in minibert's loop and in nanoGPT's, side by side in one process.

    python tools/bench/shakespeare.py FILE [--steps 2000] [--preset qwen-tiny] [--same]

FILE is tiny Shakespeare, or any text. The other side is nanoGPT's setting for a CPU (its README: 4 layers, 4
heads, D=128, blocks of 64, batches of 12, 2000 steps, no dropout), written again in plain torch: the model
(without biases, but in the first race), AdamW, cosine schedule, random blocks (github.com/karpathy/nanoGPT,
model.py and train.py).

Three races, in each of which the two take their steps in turn, so that both find the same machine:

- the same model (with GPT-2's biases, which nanoGPT has as an option) and the same AdamW: steps per second;
- the modern variant with minibert's recipe, for as many seconds as nanoGPT's 2000 steps take: loss;
- the same for a quarter of these seconds: whether nanoGPT's final loss is reached by then.

A loss is that of all blocks of held-out text, the last tenth of the file. Time is training time: looks at the
held-out text are not counted on either side.
"""

import argparse
import logging
import math
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minibert.batches.causal import CausalBatch, CausalBatches
from minibert.config import GptConfig, PretrainConfig, model_config
from minibert.hub import new_model
from minibert.recipes.data import Text, prepare
from minibert.recipes.evaluate import evaluate, held_out_batches
from minibert.recipes.learning import TORCH
from minibert.train.loop import train

B, T, D, L, H = 12, 64, 128, 4, 4
WARMUP, PEAK, LOWEST = 100, 1e-3, 1e-4
"""nanoGPT's learning rate: steps to rise, and where it goes from and to."""

MODERN: dict[str, Any] = {"batch_size": 24, "lr": 8e-3, "matrix_lr": 0.03}
"""What the modern variant trains with: half as many steps on twice as much, at twice the usual rates."""

CALIBRATION = 60
"""Steps of each by which the time of a race is planned."""


class NanoAttention(nn.Module):
    """nanoGPT's attention: one matrix for query, key and value."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.project, self.output = nn.Linear(D, 3 * D, bias), nn.Linear(D, D, bias)
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        query, key, value = (
            part.view(b, t, H, D // H).transpose(1, 2) for part in self.project(x).split(D, 2)
        )
        seen = F.scaled_dot_product_attention(query, key, value, dropout_p=0.0, is_causal=True)
        return self.dropout(self.output(seen.transpose(1, 2).contiguous().view(b, t, D)))


class NanoBlock(nn.Module):
    """nanoGPT's block."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D, bias=bias), nn.LayerNorm(D, bias=bias)
        self.attention = NanoAttention(bias)
        expand, contract = nn.Linear(D, 4 * D, bias), nn.Linear(4 * D, D, bias)
        self.feedforward = nn.Sequential(expand, nn.GELU(), contract, nn.Dropout(0.0))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.feedforward(self.norm2(x))


class Nano(nn.Module):
    """nanoGPT's model: learned positions, the output tied to the embedding."""

    def __init__(self, vocab_size: int, bias: bool) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, D), nn.Embedding(T, D)
        self.dropout = nn.Dropout(0.0)
        self.blocks = nn.ModuleList(NanoBlock(bias) for _ in range(L))
        self.norm = nn.LayerNorm(D, bias=bias)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                last = name.endswith(("output.weight", "feedforward.2.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * L) if last else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.dropout(self.tokens(ids) + self.positions(torch.arange(ids.shape[1])))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


class NanoLoop:
    """nanoGPT's loop, one step at a time, with its own clock.

    Differs from it: AdamW is torch's fused one, which nanoGPT takes on CUDA alone.
    """

    def __init__(self, text: Text, steps: int, bias: bool = False) -> None:
        torch.manual_seed(1337)
        self.model = Nano(len(text.tokenizer), bias)
        self.ids = np.asarray(text.train.ids)
        self.steps, self.seconds = steps, list[float]()
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        rest = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99), fused=True)
        self.draw = torch.Generator().manual_seed(1337)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return random blocks of the text and what follows each token."""
        places = torch.randint(len(self.ids) - T, (B,), generator=self.draw).tolist()
        return self.blocks(places), self.blocks([place + 1 for place in places])

    def blocks(self, places: list[int]) -> Tensor:
        """Return the blocks of the text that begin at these places."""
        return torch.stack(
            [torch.from_numpy(self.ids[place : place + T].astype(np.int64)) for place in places]
        )

    def step(self) -> None:
        """Take a step, unless all are taken. What it leaves behind is cleared away before its clock stops."""
        if len(self.seconds) < self.steps:
            began = time.perf_counter()
            self.learn()
            self.seconds.append(time.perf_counter() - began)

    def learn(self) -> None:
        """Learn from a batch."""
        taken = len(self.seconds)
        done = (taken - WARMUP) / max(self.steps - WARMUP, 1)
        fall = LOWEST + 0.5 * (1 + math.cos(math.pi * done)) * (PEAK - LOWEST)
        for group in self.optimizer.param_groups:
            group["lr"] = PEAK * (taken + 1) / (WARMUP + 1) if taken < WARMUP else fall
        inputs, targets = self.batch()
        loss = F.cross_entropy(self.model(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        loss.item()  # nanoGPT logs it


def race(preset: str, config: PretrainConfig, text: Text, nano: NanoLoop) -> tuple[nn.Module, list[float]]:
    """Train ours for `config.steps`, nanoGPT's between them; return the model and the seconds of each."""
    shape = model_config(preset, config)
    same = {"activation": "gelu", "max_positions": T} if isinstance(shape, GptConfig) else {}  # as nanoGPT's
    shape = replace(shape, vocab_size=len(text.tokenizer), **same)
    model = new_model(shape, torch.Generator().manual_seed(0))
    seconds: list[float] = []
    ready = time.perf_counter()

    def loss(net: nn.Module, batch: CausalBatch) -> Mapping[str, Tensor]:
        nonlocal ready
        seconds.append(time.perf_counter() - ready)
        nano.step()
        ready = time.perf_counter()
        return TORCH.loss(net, batch)

    with tempfile.TemporaryDirectory() as folder:
        train(
            model,
            loss,
            CausalBatches(text.train, config.batch_size, config.seq_len),
            lambda: TORCH.optimizers(model, config),
            folder,
            config,
            counts=lambda batch: batch.counts(),
            count_tokens=lambda batch: batch.ids.numel(),
        )
    seconds.append(time.perf_counter() - ready)
    return model, seconds[1:]


def held_out_loss(model: nn.Module, text: Text) -> float:
    """Return the mean loss over all blocks of held-out text (nats per character)."""
    assert text.held_out is not None
    batches = held_out_batches(text.held_out, text.tokenizer, T, "clm")
    return evaluate(model.eval(), batches, len(batches))["word_loss"]


def main() -> None:
    """Run the races and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--steps", type=int, default=2000, help="of nanoGPT's loop")
    parser.add_argument("--preset", default="qwen-tiny", help="the modern variant")
    parser.add_argument("--same", action="store_true", help="only the race with the same model")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    text = prepare((chosen.file,), 32, kind="char", running=True)
    common: dict[str, Any] = {"seq_len": T, "layers": L, "objective": "clm"}
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(text.tokenizer)} characters")

    nano = NanoLoop(text, chosen.steps, bias=True)
    same = {"batch_size": B, "optimizer": "adamw", "lr": PEAK, "weight_decay": 0.1}
    plain = PretrainConfig(**common, **same, steps=chosen.steps)
    model, seconds = race("gpt-tiny", plain, text, nano)
    mine, theirs = (1e3 * statistics.median(each) for each in (seconds, nano.seconds))
    print(
        f"the same model, {chosen.steps} steps: ours {mine:.1f} ms a step, nanoGPT's {theirs:.1f}, ratio of "
        f"the medians {theirs / mine:.2f}; held out {held_out_loss(model, text):.3f} and "
        f"{held_out_loss(nano.model, text):.3f} nats",
        flush=True,
    )
    for share in () if chosen.same else (1.0, 0.25):
        nano = NanoLoop(text, CALIBRATION)
        modern = PretrainConfig(**common, **MODERN, steps=CALIBRATION)
        _, seconds = race(chosen.preset, modern, text, nano)
        ratio = statistics.median(nano.seconds) / statistics.median(seconds)
        nano = NanoLoop(text, chosen.steps)
        config = replace(modern, steps=round(share * chosen.steps * ratio))
        model, seconds = race(chosen.preset, config, text, nano)
        while len(nano.seconds) < chosen.steps:
            nano.step()
        budget = sum(nano.seconds)
        print(
            f"{chosen.preset}, {config.steps} steps in {sum(seconds):.0f} s, {sum(seconds) / budget:.0%} of "
            f"the {budget:.0f} s of nanoGPT's {chosen.steps}: held out {held_out_loss(model, text):.3f} nats "
            f"against {held_out_loss(nano.model, text):.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
