"""Generation: a causal model writes a text, one token after another.

What the model says of the next token, its logits (B, V), is adjusted by pure functions, a token is drawn from
the softmax of what comes out, and the token goes back into the model, which remembers all before it.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minibert.config.decoding import GREEDY, DecodingConfig
from minibert.model.fast_gpt import FastGpt
from minibert.model.gpt import Gpt


@runtime_checkable
class CausalModel(Protocol):
    """What generation needs of a model: `Gpt`, `Llama`, `Qwen`, `Rnn` and `Lstm` have it."""

    config: Any
    tokens: nn.Embedding
    """Its weight (V, D) is the output projection too."""
    training: bool

    def features(self, ids: Tensor, state: Any = None) -> Tensor:
        """Return what the output projection is applied to, (B, T, D); ids (B, T) go on from the state."""
        ...

    def new_state(self, batch: int, length: int, starts: Tensor | None = None) -> Any:
        """Return a memory of so many rows and columns; row b begins in column starts[b]."""
        ...


# ---------------------------------------------------------------- what the model says, adjusted


def penalize_repeats(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make tokens that stand in the text already less likely.

    z_i <- z_i / penalty if z_i > 0 else z_i penalty, for the tokens seen. Keskar et al. 2019, section 4.1.
    logits (B, V); seen (B, V) bool. Returns (B, V).

    Differs from the paper: negative logits are multiplied, for to divide them would make the token likelier.
    """
    lower = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, lower, logits)


def with_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Sharpen (below 1) or flatten (above 1) the distribution.

    p = softmax(z / temperature). Ackley et al. 1985, eq. 4. logits (B, V); temperature above 0.
    Returns (B, V).
    """
    return logits / temperature


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Leave each row its k largest logits; the others get -infinity.

    Fan et al. 2018, section 5.2. logits (B, V). Tokens as likely as the k-th all stay. Returns (B, V).
    """
    least = logits.topk(min(k, logits.shape[1])).values[:, -1:]  # (B, 1)
    return logits.masked_fill(logits < least, -math.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Leave each row the fewest tokens whose probabilities add up to p; the others get -infinity.

    A token stays if the likelier ones do not reach p without it: so the one that crosses p stays, and always
    the first. Holtzman et al. 2020, eq. 2 (nucleus sampling). logits (B, V); 0 < p < 1. Returns (B, V).
    """
    probs, order = logits.softmax(1).sort(descending=True)  # (B, V) each
    dropped = probs.cumsum(1) - probs >= p
    return logits.masked_fill(dropped.scatter(1, order, dropped), -math.inf)


def keep_min_p(logits: Tensor, p: float) -> Tensor:
    """Leave each row the tokens at least p times as likely as its likeliest; the others get -infinity.

    p_i >= p max(p_1, ..., p_V), which is z_i >= max(z) + log p. Nguyen et al. 2024, section 3.
    logits (B, V); 0 < p <= 1. Returns (B, V).
    """
    least = logits.amax(1, keepdim=True) + math.log(p)  # (B, 1)
    return logits.masked_fill(logits < least, -math.inf)


def adjust(logits: Tensor, decoding: DecodingConfig, seen: Tensor | None = None) -> Tensor:
    """Return the logits (B, V) that a token is drawn from.

    In the order of `transformers`: repetition penalty, temperature, top-k, top-p, min-p; each sees what the
    one before it left. seen (B, V) bool: the tokens that the penalty holds back, none if not given. With a
    temperature of 0 only the penalty is applied: the others leave the likeliest token the likeliest.
    """
    if seen is not None:
        logits = penalize_repeats(logits, seen, decoding.repetition_penalty)
    if decoding.temperature == 0:
        return logits

    logits = with_temperature(logits, decoding.temperature)
    if decoding.top_k is not None:
        logits = keep_top_k(logits, decoding.top_k)
    if decoding.top_p < 1:
        logits = keep_top_p(logits, decoding.top_p)
    if decoding.min_p > 0:
        logits = keep_min_p(logits, decoding.min_p)
    return logits


def draw(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Draw one token for each row: the first with which the probabilities together exceed a random number.

    token = min {i : p_1 + ... + p_i > u}, p = softmax(z). logits (B, V); uniforms (B,) float64, in [0, 1).
    Returns (B,) int64. A token whose logit is -infinity is never drawn, and a row's token depends on its own
    logits and number alone.
    """
    reached = logits.double().softmax(1).cumsum(1)  # (B, V)
    wanted = uniforms[:, None] * reached[:, -1:]  # (B, 1): the last sum is not quite 1
    return torch.searchsorted(reached, wanted, right=True)[:, 0]


def choose(
    logits: Tensor, decoding: DecodingConfig, seen: Tensor | None = None, uniforms: Tensor | None = None
) -> Tensor:
    """Return the next token of each row, (B,) int64: the likeliest where nothing is drawn (uniforms is None).

    logits (B, V), seen (B, V) bool and uniforms (B,) float64: see `adjust` and `draw`.
    """
    logits = adjust(logits, decoding, seen)
    return logits.argmax(1) if uniforms is None else draw(logits, uniforms)


# ---------------------------------------------------------------- one token after another


class Reading:
    """A model in the middle of texts that grow: it reads what is new, and remembers the rest.

    The memory has so many columns. When a text no longer fits, its last half is read anew into an empty one:
    the model then looks back over half of the columns at least.
    """

    def __init__(self, model: CausalModel, columns: int, starts: Tensor) -> None:
        """Begin texts that start in the columns `starts` (B,), on the model's device."""
        self.model = laid_out(model)
        self.columns = columns
        self.words = model.tokens.weight  # (V, D)
        self.begin(starts)

    def begin(self, starts: Tensor) -> None:
        """Take a memory in which nothing has been read."""
        self.starts = starts
        self.parts: list[Tensor] = []
        # Without padding there is nothing to mask, and attention is faster.
        self.state = self.model.new_state(len(starts), self.columns, starts if starts.any() else None)

    def read(self, ids: Tensor) -> Tensor:
        """Read on, ids (B, T), and return the logits of the token that comes next, (B, V)."""
        self.parts.append(ids)
        if self.state.filled + ids.shape[1] > self.columns:
            text = torch.cat(self.parts, dim=1)
            ids = text[:, -max(1, self.columns // 2) :]
            self.begin((self.starts - (text.shape[1] - ids.shape[1])).clamp(min=0))
            self.parts.append(ids)
        return F.linear(self.model.features(ids, self.state)[:, -1], self.words)


def laid_out(model: CausalModel) -> Any:
    """Return what reads for a model: `FastGpt` for a GPT, the model itself for others."""
    return FastGpt(model) if isinstance(model, Gpt) else model


@torch.inference_mode()
def stream(
    model: CausalModel,
    prompts: Sequence[Sequence[int]],
    length: int,
    decoding: DecodingConfig = GREEDY,
    uniforms: Tensor | None = None,
    end_id: int | None = None,
    context: int | None = None,
) -> Iterator[Tensor]:
    """Go on from prompts, all at once, and yield the next token of each, (B,) int64, as soon as it is known.

    Args:
        model: in evaluation mode.
        prompts: B lists of token ids, of any lengths of at least 1.
        length: how many tokens to add to each.
        decoding: how they are chosen.
        uniforms: (B, length) float64 in [0, 1): the random numbers, a row for each text. Same numbers, same
            text. Needed unless the temperature is 0.
        end_id: the token with which a text ends. A text that has ended yields it again and again, and when
            all have, nothing more comes.
        context: most tokens to look back on, for texts longer than the model has positions; see `Reading`.
            All of them if not given.

    Raises:
        ValueError: an empty prompt, ids outside the vocabulary, more tokens than the model has positions, a
            model in training mode, random numbers of another shape.
    """
    check_room(model, prompts, length, context)
    check_uniforms(decoding, uniforms, (len(prompts), length))
    device = model.tokens.weight.device
    ids, starts = (tensor.to(device) for tensor in pad_left(prompts))  # (B, T), (B,)
    B, T = ids.shape
    columns = T + length - 1  # the last token is never read
    reading = Reading(model, columns if context is None else min(context, columns), starts)
    seen = None if decoding.repetition_penalty == 1 else seen_tokens(prompts, len(model.tokens.weight))
    seen = None if seen is None else seen.to(device)
    uniforms = None if uniforms is None or decoding.temperature == 0 else uniforms.to(device)
    ended = torch.zeros(B, dtype=torch.bool, device=device)

    for step in range(length):
        logits = reading.read(ids)  # (B, V)
        tokens = choose(logits, decoding, seen, None if uniforms is None else uniforms[:, step])  # (B,)
        if end_id is not None:
            tokens = tokens.masked_fill(ended, end_id)
            ended |= tokens == end_id
        yield tokens
        if end_id is not None and ended.all():
            return
        ids = tokens[:, None]  # (B, 1)
        if seen is not None:
            seen.scatter_(1, ids, True)


def generate(
    model: CausalModel,
    prompts: Sequence[Sequence[int]],
    length: int,
    decoding: DecodingConfig = GREEDY,
    uniforms: Tensor | None = None,
    end_id: int | None = None,
    context: int | None = None,
) -> list[list[int]]:
    """Return what the model adds to each prompt: at most `length` tokens, up to the end token, without it.

    Arguments and errors: see `stream`.
    """
    steps = stream(model, prompts, length, decoding, uniforms, end_id, context)
    rows = [list(row) for row in zip(*(tokens.tolist() for tokens in steps), strict=True)]
    return [row[: row.index(end_id)] if end_id in row else row for row in rows]


def pad_left(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Put prompts into one batch, so that all end in the last column: ids (B, T), starts (B,), both int64.

    Row b's prompt begins in column starts[b]. What stands before it is token 0, and means nothing.
    """
    T = max(map(len, prompts))
    rows = [[0] * (T - len(prompt)) + list(prompt) for prompt in prompts]
    return torch.tensor(rows), torch.tensor([T - len(prompt) for prompt in prompts])


def seen_tokens(prompts: Sequence[Sequence[int]], V: int) -> Tensor:
    """Return which tokens stand in each prompt: (B, V) bool."""
    seen = torch.zeros(len(prompts), V, dtype=torch.bool)
    for row, prompt in zip(seen, prompts, strict=True):
        row[torch.tensor(prompt)] = True
    return seen


def check_room(
    model: CausalModel, prompts: Sequence[Sequence[int]], length: int, context: int | None = None
) -> None:
    """Raise ValueError unless all prompts have tokens, and the model positions for all or the context."""
    if model.training:
        raise ValueError("the model is in training mode, and would leave units out: call model.eval() first")
    if not prompts or not all(prompts):
        raise ValueError("a prompt needs at least one token; a new text begins with the end token")
    V = len(model.tokens.weight)
    if not all(0 <= id < V for prompt in prompts for id in prompt):
        raise ValueError(f"a prompt has token ids outside the vocabulary of {V}; take the model's tokenizer")
    if length < 1:
        raise ValueError(f"the length must be at least 1 token, got {length}")
    T, longest = max(map(len, prompts)), most_positions(model)
    if context is not None and not 1 <= context <= (longest or context):
        most = "" if longest is None else f" and at most {longest}"
        raise ValueError(f"the context must be at least 1 token{most}, got {context}")
    if context is None and longest is not None and T + length - 1 > longest:
        raise ValueError(
            f"the model has {longest} positions: after a prompt of {T} tokens the largest length is "
            f"{max(longest - T + 1, 0)}, got {length}; ask for fewer tokens, shorten the prompt, or give a "
            "context to look back on"
        )


def check_uniforms(decoding: DecodingConfig, uniforms: Tensor | None, shape: tuple[int, int]) -> None:
    """Raise ValueError where tokens are to be drawn and there are no random numbers of this shape."""
    got = None if uniforms is None else tuple(uniforms.shape)
    if decoding.temperature > 0 and got != shape:
        raise ValueError(
            f"to draw tokens takes random numbers of shape (B, length) = {shape}, got {got}; temperature 0 "
            "takes the likeliest"
        )


def most_positions(model: CausalModel) -> int | None:
    """Return how many tokens the model can look at; None for one that reads without end."""
    return getattr(model.config, "max_positions", None)
