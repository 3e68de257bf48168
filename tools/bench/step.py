"""A pretraining step of BERT, ours beside that of `transformers`: same weights, same batches, one process.

    python tools/bench/step.py [--preset bert-mini] [--pairs 30] [--vocab-sizes 8192 30522]

Both take forward, loss, backward, clipping and fused AdamW, without dropout, in turn; `transformers` with its
scaled-dot-product attention. Printed: the median step of each in milliseconds, the ratio of the medians, and
the largest difference of the two losses over all steps.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig as TheirConfig
from transformers import BertForPreTraining

from minibert.config import PRESETS, BertConfig
from minibert.hub.bert_folder import to_hugging_face
from minibert.model.bert import BertForPretraining
from minibert.train.loss import IGNORE, cross_entropy, linear_cross_entropy
from minibert.train.optimizer import clip_gradients, decay_groups

PAD, SPECIALS = 0, 5
WARMUP = 3


def make_batch(B: int, T: int, V: int, padded: bool, step: int) -> dict[str, Tensor]:
    """Return random tokens of which 15 % are to be predicted: labels (B, T), IGNORE elsewhere."""
    draw = torch.Generator().manual_seed(step)
    lengths = torch.randint(T // 2, T + 1, (B,), generator=draw) if padded else torch.full((B,), T)
    attend = torch.arange(T) < lengths[:, None]
    ids = torch.randint(SPECIALS, V, (B, T), generator=draw).masked_fill(~attend, PAD)
    order = torch.rand(B, T, generator=draw).masked_fill(~attend, 2.0).argsort(1)
    asked = order[:, : round(0.15 * T)]
    labels = torch.full((B, T), IGNORE).scatter(1, asked, ids.gather(1, asked))
    labels[~attend] = IGNORE
    slots = (asked + T * torch.arange(B)[:, None]).flatten()
    return {
        "ids": ids,
        "segments": (torch.arange(T) >= lengths[:, None] // 2).long(),
        "attend": attend,
        "labels": labels,
        "slots": slots,
        "targets": labels.flatten()[slots],
        "pairs": torch.randint(2, (B,), generator=draw),
    }


def our_loss(model: BertForPretraining, batch: dict[str, Tensor]) -> Tensor:
    """Return our loss, the words' logits at the predicted positions alone."""
    attend = None if batch["attend"].all() else batch["attend"]
    features, pairs = model.features(batch["ids"], batch["segments"], attend, batch["slots"])
    words = linear_cross_entropy(features, model.words.weight, model.words.bias, batch["targets"])
    return words + cross_entropy(pairs, batch["pairs"])


def their_loss(model: BertForPreTraining, batch: dict[str, Tensor]) -> Tensor:
    """Return the loss of `transformers`."""
    loss = model(
        input_ids=batch["ids"],
        token_type_ids=batch["segments"],
        attention_mask=batch["attend"].long(),
        labels=batch["labels"],
        next_sentence_label=batch["pairs"],
    ).loss
    assert loss is not None
    return loss


def stepper(
    model: nn.Module, loss_of: Callable, clip: Callable
) -> Callable[[dict[str, Tensor]], tuple[float, float]]:
    """Return a function that takes a training step and returns its loss and its seconds."""
    optimizer = torch.optim.AdamW(decay_groups(model.parameters(), 0.01), lr=1e-5, fused=True)
    model.train()

    def step(batch: dict[str, Tensor]) -> tuple[float, float]:
        start = time.perf_counter()
        loss = loss_of(model, batch)
        loss.backward()
        clip(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item(), time.perf_counter() - start

    return step


def compare(preset: str, B: int, T: int, V: int, padded: bool, pairs: int) -> None:
    """Time both and print one line."""
    sizes: dict[str, Any] = {**PRESETS[preset], "vocab_size": V, "dropout": 0.0, "attention_dropout": 0.0}
    config = BertConfig(**sizes)
    ours = BertForPretraining(config, torch.Generator().manual_seed(0))
    theirs = BertForPreTraining(
        TheirConfig(
            vocab_size=V,
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.feedforward,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    theirs.set_attn_implementation("sdpa")
    theirs.load_state_dict(to_hugging_face(ours.state_dict()), strict=False)
    our_step, their_step = (
        stepper(ours, our_loss, clip_gradients),
        stepper(theirs, their_loss, nn.utils.clip_grad_norm_),
    )

    seconds: list[tuple[float, float]] = []
    difference = 0.0
    for i in range(WARMUP + pairs):
        batch = make_batch(B, T, V, padded, i)
        (our_value, our_seconds), (their_value, their_seconds) = our_step(batch), their_step(batch)
        difference = max(difference, abs(our_value - their_value))
        if i >= WARMUP:
            seconds.append((our_seconds, their_seconds))
    mine, other = (1e3 * statistics.median(column) for column in zip(*seconds, strict=True))
    print(
        f"{preset} B={B} T={T} V={V} {'padded' if padded else 'full  '}: ours {mine:7.1f} ms, "
        f"transformers {other:7.1f} ms, ratio {other / mine:.2f}, losses differ by {difference:.1e}",
        flush=True,
    )


def main() -> None:
    """Compare at each vocabulary size, with full rows and with padding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="bert-mini")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seq-len", type=int, default=128)
    parser.add_argument("--vocab-sizes", type=int, nargs="+", default=[8192, 30522])
    parser.add_argument("--pairs", type=int, default=30, help="timed pairs of steps")
    chosen = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for V in chosen.vocab_sizes:
        for padded in (False, True):
            compare(chosen.preset, chosen.batch_size, chosen.seq_len, V, padded, chosen.pairs)


if __name__ == "__main__":
    main()
