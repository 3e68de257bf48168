"""What each part of a modern model and of its recipe buys: the same minutes, one thing changed at a time.

    python tools/bench/ablations.py decoders FILE --time
    python tools/bench/ablations.py decoders FILE [--seconds 45] [--seeds 3]

The races: `decoders` takes one part after the other away from qwen-tiny, byte pairs, V=1024, T=128.
`encoders` has bert-tiny and modernbert-tiny with Muon and with AdamW, masked words alone, V=8192, T=80.
`plateau` has bert-tiny with what may lengthen or shorten the time in which no head looks at a neighbour;
there give `--steps`. All learn from the card `sotu`, in the loop of `minibert pretrain`, and are asked for
the same held-out text.

Two runs of 45 seconds on a machine with neighbours are not equal. So `--time` first lets all variants of a
race take their steps in turn, and writes down the median of each; that wants a machine that is left alone.
Then a run takes as many steps as it would take in these seconds, on whatever machine. FILE gets a line of
JSON for each run, and those that are in it are not made again.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from minibert.config import LlamaConfig, PretrainConfig, TokenizerKind, model_config
from minibert.model.bert import SINUSOID_SCALE, BertForPretraining
from minibert.model.embedding import check_ids
from minibert.model.feedforward import FeedForward
from minibert.model.keys_values import KeysValues
from minibert.model.layernorm import LayerNorm
from minibert.model.llama import LlamaBlock, Qwen, QwenAttention
from minibert.model.multihead import split_heads
from minibert.model.position import sinusoids
from minibert.model.rotary import Turns
from minibert.recipes.data import Text, prepare
from minibert.recipes.evaluate import EXAMPLES, evaluate, held_out_batches
from minibert.recipes.learning import TORCH
from minibert.recipes.ready import asked_for, fresh_model, training_batches
from minibert.train.loop import train
from minibert.train.optimizer import clip_gradients

LINES = 24
"""Points of a run's curve."""

LOOK = 32
"""Held-out examples by which heads are watched."""

SKIPPED, ROUNDS = 5, 60
"""Steps of each variant that are not timed, as the first ones are slow, and those that are."""

# ---------------------------------------------------------------- qwen-tiny, with a part replaced


class UnturnedAttention(QwenAttention):
    """Qwen's attention to which all places look alike."""

    def project(self, x: Tensor, turns: Turns) -> tuple[Tensor, Tensor, Tensor]:
        query = self.query(x).unflatten(-1, (self.heads, -1))  # (B, T, H, K)
        key = self.key(x).unflatten(-1, (self.key_heads, -1))
        value = split_heads(self.value(x), self.key_heads)
        return self.query_norm(query).transpose(1, 2), self.key_norm(key).transpose(1, 2), value


class LearnedPositions(Qwen):
    """Positions as GPT-2 has them: learned, and added to the tokens. They start as sinusoids."""

    attention = UnturnedAttention

    def __init__(self, config: LlamaConfig, generator: Generator | None = None) -> None:
        super().__init__(config, generator)
        table = SINUSOID_SCALE * sinusoids(torch.arange(config.max_positions), config.width)
        self.positions = nn.Embedding.from_pretrained(table, freeze=False)

    def features(self, ids: Tensor, state: KeysValues | None = None) -> Tensor:
        check_ids(ids, self.tokens.num_embeddings, "token ids")
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]  # (B, T, D)
        turns = self.turns(slice(ids.shape[1]))
        for block in self.blocks:
            x = block(x, turns)
        return self.norm(x)


class LayerNorms(Qwen):
    """Layer norms, which take off the mean, in place of the RMS norms between the blocks."""

    def __init__(self, config: LlamaConfig, generator: Generator | None = None) -> None:
        super().__init__(config, generator)
        for block in self.blocks:
            block.attention_norm = LayerNorm(config.width, config.norm_eps)
            block.feedforward_norm = LayerNorm(config.width, config.norm_eps)
        self.norm = LayerNorm(config.width, config.norm_eps)


class PlainFeedForward(Qwen):
    """No gate: two matrices of D x 4 D with a GELU between, as many weights as three of D x 8/3 D."""

    def __init__(self, config: LlamaConfig, generator: Generator | None = None) -> None:
        super().__init__(config, generator)
        for block in self.blocks:
            plain = FeedForward(config.width, 4 * config.width, "gelu_tanh")
            nn.init.zeros_(plain.expand.bias)
            nn.init.zeros_(plain.contract.bias)
            block.feedforward = plain
        self.start_weights(generator)


class NoiseAtTheEnds(Qwen):
    """The last matrix of each branch starts as noise, smaller by sqrt(2 L), as in GPT-2."""

    def start_weights(self, generator: Generator | None) -> None:
        super().start_weights(generator)
        std = self.config.init_std / (2 * self.config.layers) ** 0.5
        for block in self.modules():
            if isinstance(block, LlamaBlock):
                nn.init.normal_(block.attention.output.weight, 0, std, generator)
                nn.init.normal_(block.feedforward.contract.weight, 0, std, generator)


class LooksAside(BertForPretraining):
    """A BERT that begins with what others must find: a head that looks at the token before, and one behind.

    Sinusoids that are turned are those of another place (Vaswani et al. 2017, section 3.5). So in the first
    block the queries of head 0 are turned back by a place, those of head 1 on by one, and both fit the keys
    of a neighbour best. All of it goes on to learn.
    """

    SHARPNESS = 2.5
    """Of queries and of keys."""

    def start_weights(self, generator: Generator | None) -> None:
        super().start_weights(generator)
        attention: Any = self.bert.blocks[0].get_submodule("attention")
        K = self.config.width // self.config.heads
        speeds = 10000 ** (-torch.arange(0, K, 2) / self.config.width)
        for head, turn in enumerate((-speeds, speeds)):
            pairs = [torch.tensor([[t.cos(), t.sin()], [-t.sin(), t.cos()]]) for t in turn]
            rows = slice(head * K, head * K + K)
            with torch.no_grad():
                attention.query.weight[rows, :K] = self.SHARPNESS * torch.block_diag(*pairs)
                attention.key.weight[rows, :K] = self.SHARPNESS * torch.eye(K)


# ---------------------------------------------------------------- the races


@dataclass(frozen=True)
class Variant:
    """One of those that are compared."""

    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the recipe."""
    kind: type[Qwen] | type[BertForPretraining] | None = None
    """The model, where no preset has it."""
    once: bool = False
    """Whether it is a look at another rate, by the first seed alone."""


DECODERS = {
    "all of it": Variant("qwen-tiny"),
    "no QK-norm": Variant("llama-tiny"),
    "learned positions": Variant("qwen-tiny", kind=LearnedPositions),
    "layer norms": Variant("qwen-tiny", kind=LayerNorms),
    "no gate": Variant("qwen-tiny", kind=PlainFeedForward),
    "noise at the ends": Variant("qwen-tiny", kind=NoiseAtTheEnds),
    "half the batch": Variant("qwen-tiny", {"batch_size": 16}),
    "AdamW, 1e-3": Variant("qwen-tiny", {"optimizer": "adamw", "lr": 1e-3}, once=True),
    "AdamW, 2e-3": Variant("qwen-tiny", {"optimizer": "adamw", "lr": 2e-3}),
    "AdamW, 4e-3": Variant("qwen-tiny", {"optimizer": "adamw", "lr": 4e-3}, once=True),
    "AdamW, 8e-3": Variant("qwen-tiny", {"optimizer": "adamw", "lr": 8e-3}, once=True),
    "GPT-2": Variant("gpt-tiny"),
    "GPT-2, noise": Variant("gpt-tiny", {"position_init": "normal"}),
    "GPT-2, AdamW": Variant("gpt-tiny", {"optimizer": "adamw", "lr": 2e-3}),
    "GPT-2, AdamW, noise": Variant("gpt-tiny", {"optimizer": "adamw", "lr": 2e-3, "position_init": "normal"}),
}

ENCODERS = {
    "ModernBERT, Muon": Variant("modernbert-tiny"),
    "ModernBERT, AdamW": Variant("modernbert-tiny", {"optimizer": "adamw", "lr": 2e-3}),
    "BERT, Muon": Variant("bert-tiny"),
    "BERT, AdamW": Variant("bert-tiny", {"optimizer": "adamw", "lr": 2e-3}),
}

PLATEAU = {
    "Muon, sinusoids": Variant("bert-tiny"),
    "Muon, noise": Variant("bert-tiny", {"position_init": "normal"}),
    "AdamW, sinusoids": Variant("bert-tiny", {"optimizer": "adamw", "lr": 1e-3}),
    "AdamW, noise": Variant("bert-tiny", {"optimizer": "adamw", "lr": 1e-3, "position_init": "normal"}),
    "AdamW, three times the rate": Variant("bert-tiny", {"optimizer": "adamw", "lr": 3e-3}),
    "AdamW, a third of the rate": Variant("bert-tiny", {"optimizer": "adamw", "lr": 3e-4}),
    "AdamW, a quarter of the batch": Variant(
        "bert-tiny", {"optimizer": "adamw", "lr": 1e-3, "batch_size": 8}
    ),
    "AdamW, heads that look aside": Variant("bert-tiny", {"optimizer": "adamw", "lr": 1e-3}, LooksAside),
    "AdamW, rotary (ModernBERT)": Variant("modernbert-tiny", {"optimizer": "adamw", "lr": 1e-3}),
}

RACES: dict[str, tuple[Mapping[str, Variant], dict[str, Any], TokenizerKind]] = {
    "decoders": (DECODERS, {"objective": "clm", "vocab_size": 1024, "seq_len": 128, "batch_size": 32}, "bpe"),
    "encoders": (ENCODERS, {"objective": "mlm"}, "wordpiece"),
    "plateau": (PLATEAU, {"objective": "mlm", "batch_size": 32}, "wordpiece"),
}
"""What runs, what all runs of a race have in common, and what the text is cut into."""


def made(variant: Variant, config: PretrainConfig, text: Text) -> nn.Module:
    """Return the model of a variant, with fresh weights."""
    usual: Any = fresh_model(model_config(variant.preset, config), text, config)
    if variant.kind is None:
        return asked_for(usual, config)
    model: Any = variant.kind(usual.config, torch.Generator().manual_seed(config.seed))
    if isinstance(model, LooksAside):
        model.words.bias = usual.words.bias  # the log frequencies
    return asked_for(model, config)


def run(variant: Variant, config: PretrainConfig, text: Text, watch: bool) -> dict[str, Any]:
    """Train one model and return what FILE says about it; `watch`: its heads too, at each look."""
    assert text.held_out is not None and config.objective is not None
    model = made(variant, config, text)
    held_out = held_out_batches(text.held_out, text.tokenizer, config.seq_len, config.objective)
    with tempfile.TemporaryDirectory() as folder:
        at = train(
            model,
            TORCH.loss,
            training_batches(text, config),
            lambda: TORCH.optimizers(model, config),
            folder,
            config,
            counts=lambda batch: batch.counts(),
            count_tokens=lambda batch: batch.ids.numel(),
            evaluate=partial(neighbours, batch=held_out.examples(0, LOOK)) if watch else None,
        )
        records = [json.loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]
    scores = evaluate(model, held_out, EXAMPLES)
    looks = [record for record in records if record["kind"] == "held_out"]
    heads = [[look["step"], round(look["before"], 3), round(look["behind"], 3)] for look in looks]
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": at.step,
        "tokens": at.tokens,
        "loss": round(scores["word_loss"], 4),
        "accuracy": round(scores["word_accuracy"], 4),
        "curve": curve([record for record in records if record["kind"] == "train"]),
        **({"heads": heads} if watch else {}),
    }


def curve(records: list[dict[str, Any]]) -> list[list[float]]:
    """Return step and training loss (nats) at `LINES` points, each the mean since the last one."""
    parts = np.array_split(np.arange(len(records)), min(LINES, len(records)))
    means = [float(np.mean([records[i]["word_loss"] for i in part])) for part in parts]
    return [[records[part[-1]]["step"], round(mean, 3)] for part, mean in zip(parts, means, strict=True)]


# ---------------------------------------------------------------- where heads look


@contextmanager
def attending() -> Iterator[list[Tensor]]:
    """Collect the attention weights (B, H, T, S) of every block that runs in a `with`."""
    found: list[Tensor] = []
    kernel = F.scaled_dot_product_attention

    def watching(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **how) -> Tensor:
        scores = query @ key.mT / query.shape[-1] ** 0.5  # (B, H, T, S)
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, -1e9)
        found.append(scores.softmax(-1))
        return kernel(query, key, value, attn_mask=attn_mask, **how)

    with patch.object(F, "scaled_dot_product_attention", watching):
        yield found


@torch.no_grad()
def neighbours(model: Any, batch: Any) -> dict[str, float]:
    """Return the largest share, over all heads, that the token right before gets, and the one right behind.

    A share is a mean over the batch's real tokens. batch: a `minibert.batches.batch.Batch`.
    """
    with attending() as weights:
        model(batch.ids, batch.segments, batch.attend)
    real = torch.ones_like(batch.ids, dtype=torch.bool) if batch.attend is None else batch.attend  # (B, T)
    pairs = (real[:, 1:] & real[:, :-1]).float()  # (B, T - 1)
    before = [(w.diagonal(-1, 2, 3) * pairs[:, None]).sum((0, 2)) / pairs.sum() for w in weights]  # (H,)
    behind = [(w.diagonal(1, 2, 3) * pairs[:, None]).sum((0, 2)) / pairs.sum() for w in weights]
    return {"before": float(torch.cat(before).max()), "behind": float(torch.cat(behind).max())}


# ---------------------------------------------------------------- the time of a step


class Stepper:
    """Takes one training step after the other, and keeps the seconds of each."""

    def __init__(self, variant: Variant, config: PretrainConfig, text: Text) -> None:
        self.model = made(variant, config, text)
        self.batches = training_batches(text, config)
        self.optimizers = TORCH.optimizers(self.model, config)
        self.clip = config.clip
        self.seconds: list[float] = []

    def step(self) -> None:
        """Take the next step."""
        began = time.perf_counter()
        batch = self.batches(len(self.seconds))
        torch.stack(list(TORCH.loss(self.model, batch).values())).sum().backward()
        clip_gradients(self.model.parameters(), self.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.seconds.append(time.perf_counter() - began)


def step_times(race: Mapping[str, Variant], config: PretrainConfig, text: Text) -> dict[str, float]:
    """Return the seconds of a step of each variant: medians of `ROUNDS`, in each of which all take one."""
    steppers = {
        name: Stepper(variant, replace(config, **variant.settings), text) for name, variant in race.items()
    }
    for _ in range(SKIPPED + ROUNDS):
        for stepper in steppers.values():
            stepper.step()
    return {name: statistics.median(stepper.seconds[SKIPPED:]) for name, stepper in steppers.items()}


# ---------------------------------------------------------------- the command


def main() -> None:
    """Time the variants of a race, or make the runs that are missing in FILE."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("race", choices=RACES)
    parser.add_argument("file", type=Path)
    parser.add_argument("--time", action="store_true", help="time the steps, and do no more")
    parser.add_argument("--seconds", type=float, default=45, help="of a run, at the speeds in FILE")
    parser.add_argument("--steps", type=int, help="of a run, whatever time it takes")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    parser.add_argument("--heads", type=int, help="steps between two looks at the heads; encoders alone")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)

    race, common, kind = RACES[chosen.race]
    config = PretrainConfig(**common, log_every=5, evaluate_every=chosen.heads or 250, checkpoint_every=10**9)
    text = prepare(("sotu",), config.vocab_size, kind=kind, running=config.objective == "clm")
    told = [json.loads(line) for line in chosen.file.read_text().splitlines()] if chosen.file.exists() else []

    def tell(line: dict[str, Any]) -> None:
        with chosen.file.open("a") as file:
            file.write(json.dumps({"race": chosen.race, **line}) + "\n")

    if chosen.time:
        tell({"times": step_times(race, config, text)})
        return
    times = next((line["times"] for line in told if "times" in line), {})
    there = {(line["variant"], line["seed"]) for line in told if "variant" in line}
    for seed in range(chosen.seeds):
        for name, variant in race.items():
            if (name, seed) in there or (variant.once and seed):
                continue
            steps = chosen.steps or round(chosen.seconds / times[name])
            own = replace(config, **variant.settings, seed=seed, steps=steps)
            result = run(variant, own, text, watch=chosen.heads is not None)
            tell({"variant": name, "seed": seed, **result})
            print(f"{name}, seed {seed}: {result['steps']} steps, {result['loss']} nats", flush=True)


if __name__ == "__main__":
    main()
