"""Beam search: the likeliest whole text, as far as a few of the best beginnings lead to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from minibert.model.generate import CausalModel, check_room, laid_out


@dataclass(frozen=True)
class Finished:
    """A text that beam search found."""

    score: float
    """log p(text | prompt) / length^alpha, the end token counted in both (nats)."""
    tokens: list[int]
    """What was added to the prompt, without the end token."""


def extend_beams(scores: Tensor, logits: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the `count` best ways to make one of R texts longer by one token, the best first.

    score of (text r, token v) = scores[r] + log softmax(logits[r])[v]: the log-probability of a whole text.
    scores (R,); logits (R, V). Returns scores, rows (which text) and tokens, each (count,), or (R V,) where
    there are no more.
    """
    V = logits.shape[1]
    totals = (scores[:, None] + logits.log_softmax(1)).flatten()  # (R V,)
    best = totals.topk(min(count, len(totals)))
    return best.values, best.indices // V, best.indices % V


def may_improve(
    best_running: float, finished: Sequence[Finished], beams: int, length: int, alpha: float
) -> bool:
    """Tell whether a text that still goes on can become better than the worst of the finished ones.

    At best it loses nothing more and, for alpha above 0, is divided by the greatest length. If even that is
    no more than the worst of as many finished texts as there are beams, nothing is lost by stopping.
    """
    if len(finished) < beams:
        return True
    return best_running / length ** max(alpha, 0.0) > finished[-1].score


@torch.inference_mode()
def beam_search(
    model: CausalModel,
    prompt: Sequence[int],
    length: int,
    beams: int,
    end_id: int | None = None,
    alpha: float = 1.0,
) -> list[Finished]:
    """Return the best texts that go on from a prompt, at most `beams` of them, the best first.

    In each step every text is made longer by every token, and the best of all remain: `beams` of them go on.
    One that ends is finished if it is among the `beams` best; so is, at the greatest length, any. Finished
    texts compare by log p / length^alpha (Wu et al. 2016, section 7, with `transformers`' simpler length
    penalty). The search stops early when no other text can overtake (see `may_improve`).

    Args:
        model: in evaluation mode.
        prompt: token ids, at least one.
        length: most tokens to add.
        beams: how many texts go on side by side; 1 is greedy.
        end_id: the token with which a text ends.
        alpha: 0 compares probabilities, so short texts win; 1 compares means over tokens.

    Raises:
        ValueError: as `minibert.model.generate.stream`, and for less than one beam.
    """
    if beams < 1:
        raise ValueError(f"beam search needs at least 1 beam, got {beams}")
    check_room(model, [prompt], length)
    device = model.tokens.weight.device
    reader, state = laid_out(model), model.new_state(1, len(prompt) + length - 1)
    ids = torch.tensor([prompt], device=device)  # (1, T)
    texts, scores = ids[:, :0], torch.zeros(1, device=device)  # one text, with nothing added to it
    finished: list[Finished] = []

    for size in range(1, length + 1):
        logits = F.linear(reader.features(ids, state)[:, -1], model.tokens.weight)  # (R, V)
        # With each end token a text stops, so of twice as many enough are left to go on.
        scores, rows, tokens = extend_beams(scores, logits, 2 * beams)
        texts = torch.cat([texts[rows], tokens[:, None]], dim=1)  # (2 beams, size)
        ends = torch.full_like(tokens, size == length, dtype=torch.bool)
        if end_id is not None:
            ends |= tokens == end_id
        for place in ends[:beams].nonzero()[:, 0].tolist():
            finished.append(finish(texts[place].tolist(), float(scores[place]), end_id, alpha))
        finished = sorted(finished, key=lambda text: -text.score)[:beams]

        on = (~ends).nonzero()[:beams, 0]  # (R,), the best first
        if not len(on) or not may_improve(float(scores[on[0]]), finished, beams, length, alpha):
            break
        texts, scores, ids = texts[on], scores[on], tokens[on, None]
        state.reorder(rows[on])
    return finished


def finish(tokens: list[int], score: float, end_id: int | None, alpha: float) -> Finished:
    """Return a finished text with its score."""
    return Finished(score / len(tokens) ** alpha, tokens[:-1] if tokens[-1] == end_id else tokens)
