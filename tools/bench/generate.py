"""Generation with a GPT, ours beside that of `transformers`: same weights, same prompts, one process.

    python tools/bench/generate.py [--preset gpt-mini] [--batch-sizes 1 16] [--tokens 128] [--pairs 10]

Both take the likeliest token each time, in float32, with their own cache of keys and values; `transformers`
with its scaled-dot-product attention. Their tokens are compared. Printed: the median of the new tokens per
second of each, over all rows, and the ratio of the medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from minibert.config import PRESETS, GptConfig
from minibert.hub.gpt_folder import to_hugging_face
from minibert.model.generate import generate
from minibert.model.gpt import Gpt

WARMUP = 2


def twins(preset: str, V: int, length: int) -> tuple[Gpt, Any]:
    """Return ours and theirs, with the same weights."""
    sizes: dict[str, Any] = {**PRESETS[preset], "vocab_size": V, "max_positions": length}
    config = GptConfig(**sizes)
    ours = Gpt(config, torch.Generator().manual_seed(0))
    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=V,
            n_positions=length,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            n_inner=config.feedforward,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
        )
    )
    theirs.set_attn_implementation("sdpa")
    theirs.load_state_dict(to_hugging_face(ours.state_dict()), strict=False)
    return ours.eval(), theirs.eval()


def their_tokens(model: Any, prompts: Tensor, length: int) -> list[list[int]]:
    """Return the new tokens of `transformers`."""
    texts = model.generate(
        prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=length, do_sample=False
    )
    return texts[:, prompts.shape[1] :].tolist()


def timed(run: Callable[[], list[list[int]]]) -> tuple[list[list[int]], float]:
    """Return what `run` returns, and its seconds."""
    start = time.perf_counter()
    return run(), time.perf_counter() - start


def compare(preset: str, B: int, V: int, prompt: int, length: int, pairs: int) -> None:
    """Time both in turn and print one line."""
    ours, theirs = twins(preset, V, prompt + length)
    seconds: list[tuple[float, float]] = []
    for i in range(WARMUP + pairs):
        ids = torch.randint(V, (B, prompt), generator=torch.Generator().manual_seed(i))
        rows = ids.tolist()
        our_texts, our_seconds = timed(lambda rows=rows: generate(ours, rows, length))
        their_texts, their_seconds = timed(lambda ids=ids: their_tokens(theirs, ids, length))
        assert our_texts == their_texts, "the two must write the same tokens"
        if i >= WARMUP:
            seconds.append((our_seconds, their_seconds))
    mine, other = (statistics.median(column) for column in zip(*seconds, strict=True))
    print(
        f"{preset} B={B:<3} V={V} {length} tokens after {prompt}: ours {B * length / mine:7.0f} tokens/s, "
        f"transformers {B * length / other:7.0f}, ratio {other / mine:.2f}, the same tokens",
        flush=True,
    )


def main() -> None:
    """Compare at each batch size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=[name for name in PRESETS if "gpt" in name], default="gpt-mini")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--prompt", type=int, default=16, help="tokens to go on from")
    parser.add_argument("--tokens", type=int, default=128, help="tokens to write")
    parser.add_argument("--pairs", type=int, default=10, help="timed pairs of runs")
    chosen = parser.parse_args()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, ", end="")
    print(f"{torch.get_num_threads()} threads")
    for B in chosen.batch_sizes:
        compare(chosen.preset, B, chosen.vocab_size, chosen.prompt, chosen.tokens, chosen.pairs)


if __name__ == "__main__":
    main()
