"""What choosing the next token, and writing a text with a model, must fulfil."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from minibert.config.decoding import GREEDY, DecodingConfig
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, expect_refused, expect_same, expect_untouched, normal
from minibert.model.generate import (
    adjust,
    choose,
    draw,
    generate,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    pad_left,
    penalize_repeats,
    stream,
    with_temperature,
)

LOW = -math.inf


def logs(*probabilities: float) -> Tensor:
    """Return the logits of one row (1, V) whose softmax is these probabilities."""
    return exact([probabilities]).log()


def left(logits: Tensor) -> list[list[int]]:
    """Return which tokens of each row are left."""
    return [row.isfinite().nonzero()[:, 0].tolist() for row in logits]


def expect_left(got: Tensor, logits: Tensor, expected: list[list[int]], what: str) -> None:
    """Raise CheckError unless the tokens that are left are the expected ones, with their logits unchanged."""
    expect(left(got) == expected, f"{what}: expected the tokens {expected} to be left, got {left(got)}")
    kept = got.isfinite()
    expect_same(got[kept], logits[kept], f"{what}: the logits that are left")


# ---------------------------------------------------------------- repetition penalty


def check_the_penalty_by_hand() -> None:
    """Of the logits 3, -3, 0 and 2, all but the last seen, a penalty of 1.5 makes 2, -4.5, 0 and 2."""
    seen = torch.tensor([[True, True, True, False]])
    got = penalize_repeats(exact([[3.0, -3, 0, 2]]), seen, 1.5)
    expect_same(got, exact([[2.0, -4.5, 0, 2]]), "the logits 3, -3, 0 and 2, the last of them not seen")


def check_each_row_has_seen_its_own_tokens() -> None:
    """What stands in one text is not held back in another."""
    seen = torch.tensor([[True, False], [False, True]])
    got = penalize_repeats(exact([[4.0, 4], [-1, -1]]), seen, 2.0)
    expect_same(got, exact([[2.0, 4], [-1, -2]]), "two rows, each of which has seen another token")


def check_what_was_seen_gets_less_likely_and_nothing_else(size: Sizes, seed: int) -> None:
    """Whatever the signs of the logits."""
    logits, seen = normal(seed, size.B, size.V), normal(seed + 1, size.B, size.V) > 0
    got = penalize_repeats(logits, seen, 1.3)
    expect(bool((got[seen] <= logits[seen]).all()), "a token that was seen has become likelier")
    expect_same(got[~seen], logits[~seen], "the logits of tokens not seen")


# ---------------------------------------------------------------- temperature


def check_the_temperature_by_hand() -> None:
    """Odds of 4 to 1 become 16 to 1 at temperature 1/2, and 2 to 1 at temperature 2."""
    for temperature, odds in ((0.5, 16.0), (2.0, 2.0)):
        p = with_temperature(logs(0.8, 0.2), temperature).softmax(1)
        expect_same(p[:, 0] / p[:, 1], exact([odds]), f"odds of 4 to 1 at temperature {temperature}")


def check_a_temperature_divides_logits(size: Sizes, seed: int) -> None:
    """It comes before the softmax, and one leaves all as it is."""
    logits = normal(seed, size.B, size.V)
    for temperature in (0.3, 1.0, 1.7):
        got = with_temperature(logits, temperature)
        expect_same(got, logits / temperature, f"the logits at temperature {temperature}")


# ---------------------------------------------------------------- top-k


def check_top_k_by_hand() -> None:
    """Of 2, 7, 5, 1 the largest two are 7 and 5."""
    logits = exact([[2.0, 7, 5, 1]])
    expect_left(keep_top_k(logits, 2), logits, [[1, 2]], "top-k of 2, 7, 5, 1 with k = 2")


def check_top_k_is_of_each_row() -> None:
    """A row whose logits are all small keeps its k too."""
    logits = exact([[10.0, 20, 30], [1, 3, 2]])
    for k, expected in ((1, [[2], [1]]), (2, [[1, 2], [1, 2]])):
        expect_left(keep_top_k(logits, k), logits, expected, f"top-k with k = {k}")


def check_tokens_as_likely_as_the_kth_all_stay() -> None:
    """Which of them came first is no reason to drop one."""
    logits = exact([[4.0, 2, 3, 3]])
    expect_left(keep_top_k(logits, 2), logits, [[0, 2, 3]], "top-k of 4, 2, 3, 3 with k = 2")


def check_a_k_above_the_vocabulary_keeps_all(size: Sizes, seed: int) -> None:
    """There is nothing to drop."""
    logits = normal(seed, size.B, size.V)
    expect_same(keep_top_k(logits, size.V + 3), logits, f"the logits of {size.V} tokens, k = {size.V + 3}")


# ---------------------------------------------------------------- top-p


def check_top_p_by_hand() -> None:
    """Of 1/8, 1/2, 1/4, 1/8: up to 1/2 the second is enough, up to 3/4 it takes the third too."""
    logits = logs(0.125, 0.5, 0.25, 0.125)
    for p, expected in ((0.3, [1]), (0.49, [1]), (0.51, [1, 2]), (0.74, [1, 2]), (0.99, [0, 1, 2, 3])):
        expect_left(keep_top_p(logits, p), logits, [expected], f"top-p with p = {p}")


def check_the_token_that_crosses_p_stays() -> None:
    """0.4 + 0.3 is not yet 0.8, so the third stays, with which it is 0.9."""
    logits = logs(0.1, 0.2, 0.3, 0.4)
    expect_left(keep_top_p(logits, 0.8), logits, [[1, 2, 3]], "top-p with p = 0.8 of 0.1, 0.2, 0.3, 0.4")


def check_top_p_keeps_one_at_least() -> None:
    """Also where p is next to nothing."""
    logits = logs(0.25, 0.5, 0.25)
    expect_left(keep_top_p(logits, 1e-6), logits, [[1]], "top-p with p = 0.000001")


def check_top_p_is_of_each_row(size: Sizes, seed: int) -> None:
    """The kept ones reach p, and without the least of them they do not."""
    logits = 2 * normal(seed, size.B + 1, size.V + 2)
    got = keep_top_p(logits, 0.7)
    for row, tokens in zip(logits.softmax(1), left(got), strict=True):
        mass, least = float(row[tokens].sum()), float(row[tokens].min())
        expect(mass >= 0.7 - 1e-9, f"top-p with p = 0.7 keeps {mass:.4f} of a row's probability")
        expect(mass - least < 0.7, f"top-p with p = 0.7 keeps {len(tokens)} tokens, one more than it needs")
        best = float(row.topk(len(tokens)).values.sum())
        expect(mass >= best - 1e-9, "top-p dropped a token likelier than one that it kept")


# ---------------------------------------------------------------- min-p


def check_min_p_by_hand() -> None:
    """The likeliest has 0.5: with p = 0.3, all below 0.15 go."""
    logits = logs(0.1, 0.5, 0.16, 0.14, 0.1)
    expect_left(keep_min_p(logits, 0.3), logits, [[1, 2]], "min-p with p = 0.3")


def check_min_p_is_relative_to_the_likeliest_of_each_row() -> None:
    """Among equals all stay, however small each is."""
    logits = exact([[0.2] * 5, [0.96, 0.01, 0.01, 0.01, 0.01]]).log()
    expect_left(keep_min_p(logits, 0.5), logits, [[0, 1, 2, 3, 4], [0]], "min-p with p = 0.5")


def check_min_p_knows_no_size_of_logits(size: Sizes, seed: int) -> None:
    """Logits that are all larger by 100 mean the same."""
    logits = normal(seed, size.B, size.V)
    got = left(keep_min_p(logits + 100, 0.4))
    expect(got == left(keep_min_p(logits, 0.4)), "min-p kept others when all logits grew by 100")
    least = 0.4 * logits.softmax(1).amax(1, keepdim=True)
    expected = [row.nonzero()[:, 0].tolist() for row in logits.softmax(1) >= least]
    expect(got == expected, f"min-p with p = 0.4: expected the tokens {expected} to be left, got {got}")


# ---------------------------------------------------------------- all together


def check_the_order_of_the_adjustments(size: Sizes, seed: int) -> None:
    """Penalty, temperature, top-k, top-p, min-p: another order gives other numbers."""
    logits, seen = 3 * normal(seed, size.B, 12), normal(seed + 1, size.B, 12) > 0
    got = adjust(logits, DecodingConfig(1.4, 0.7, top_k=6, top_p=0.8, min_p=0.05), seen)
    expected = with_temperature(penalize_repeats(logits, seen, 1.4), 0.7)
    expected = keep_min_p(keep_top_p(keep_top_k(expected, 6), 0.8), 0.05)
    expect_left(got, expected, left(expected), "penalty, temperature, top-k, top-p and min-p")


def check_top_p_counts_what_top_k_left() -> None:
    """Of 0.4, 0.3, 0.2, 0.1, top-k leaves 4/7 and 3/7: p = 0.5 is reached by the first of these alone."""
    logits = logs(0.4, 0.3, 0.2, 0.1)
    got = adjust(logits, DecodingConfig(top_k=2, top_p=0.5))
    expect_left(got, logits, [[0]], "top-k with k = 2, then top-p with p = 0.5")


def check_top_p_works_on_what_the_temperature_made() -> None:
    """At temperature 1/2, 0.6 and 0.4 become 0.69 and 0.31: p = 0.65 is reached by the first."""
    logits = logs(0.6, 0.4)
    got = adjust(logits, DecodingConfig(temperature=0.5, top_p=0.65))
    expect_left(got, 2 * logits, [[0]], "temperature 0.5, then top-p with p = 0.65")


def check_each_adjustment_is_made_when_it_alone_is_asked_for() -> None:
    """Each of them leaves other tokens."""
    logits = logs(0.1, 0.5, 0.16, 0.14, 0.1)
    for decoding, expected in (
        (DecodingConfig(top_k=1), [1]),
        (DecodingConfig(top_p=0.7), [1, 2, 3]),
        (DecodingConfig(min_p=0.3), [1, 2]),
    ):
        expect_left(adjust(logits, decoding), logits, [expected], f"{decoding}")


def check_as_it_stands_nothing_is_adjusted(size: Sizes, seed: int) -> None:
    """And at temperature 0 the penalty alone: nothing is divided by zero."""
    logits, seen = normal(seed, size.B, size.V), normal(seed + 1, size.B, size.V) > 0
    expect_same(adjust(logits, DecodingConfig()), logits, "the logits, with nothing set")
    got = adjust(logits, replace(GREEDY, top_k=1, repetition_penalty=2.0), seen)
    expect_same(got, penalize_repeats(logits, seen, 2.0), "the logits at temperature 0, penalty 2")


def check_no_logits_are_changed(size: Sizes, seed: int) -> None:
    """They may be somebody else's."""
    logits, seen = normal(seed, size.B, size.V), normal(seed + 1, size.B, size.V) > 0
    for run in (
        lambda z: keep_top_k(z, 1),
        lambda z: keep_top_p(z, 0.5),
        lambda z: keep_min_p(z, 0.5),
        lambda z: with_temperature(z, 0.5),
        lambda z: penalize_repeats(z, seen, 2.0),
    ):
        expect_untouched(run, logits)


# ---------------------------------------------------------------- drawing


def check_drawing_by_hand() -> None:
    """Of 1/4, 0, 1/2, 1/4: below 1/4 token 0, from there to 3/4 token 2, then token 3; token 1 never."""
    numbers = [0.0, 0.2499, 0.25, 0.5, 0.7499, 0.75, 0.9999]
    logits = exact([[0.0, LOW, math.log(2), 0]]).expand(len(numbers), -1)
    got = draw(logits, exact(numbers))
    expect(
        got.tolist() == [0, 0, 2, 2, 2, 3, 3],
        f"of 1/4, 0, 1/2, 1/4 with the random numbers {numbers}:\nexpected [0, 0, 2, 2, 2, 3, 3]\n"
        f"got      {got.tolist()}",
    )


def check_each_row_is_drawn_by_its_own_number_from_its_own_logits(size: Sizes, seed: int) -> None:
    """Whatever stands beside it."""
    logits, uniforms = normal(seed, size.B + 2, size.V), normal(seed + 1, size.B + 2).sigmoid()
    got = draw(logits, uniforms)
    alone = [int(draw(logits[b : b + 1], uniforms[b : b + 1])) for b in range(len(logits))]
    expect(got.tolist() == alone, f"rows together: {got.tolist()}, one by one: {alone}")


def check_tokens_come_as_often_as_their_probability_says(size: Sizes, seed: int) -> None:
    """With 1,000 numbers spread evenly, each token is drawn 1,000 p times, up to one."""
    numbers = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    logits = normal(seed, 1, size.V)
    counts = draw(logits.expand(1000, -1), numbers).bincount(minlength=size.V).double()
    expected = 1000 * logits.softmax(1)[0]
    worst = float((counts - expected).abs().max())
    expect(
        worst <= 1 + 1e-6,
        f"1,000 draws: expected {expected.round().tolist()} of the tokens, got {counts.tolist()}",
    )


def check_without_random_numbers_the_likeliest_is_chosen(size: Sizes, seed: int) -> None:
    """The penalty counts also there."""
    logits = normal(seed, size.B, size.V)
    got = choose(logits, GREEDY)
    expect(got.tolist() == logits.argmax(1).tolist(), "temperature 0 must choose the likeliest token")
    seen = torch.tensor([[True, False]])
    got = choose(exact([[3.0, 2.0]]), replace(GREEDY, repetition_penalty=2.0), seen)
    expect(got.tolist() == [1], f"the logits 3 and 2, the first seen, penalty 2: expected token 1, got {got}")


# ---------------------------------------------------------------- prompts of different length


def check_prompts_end_in_the_same_column() -> None:
    """The padding stands on the left, and `starts` says how much of it there is."""
    ids, starts = pad_left([[5, 6, 7], [8], [9, 4]])
    expect(starts.tolist() == [0, 2, 1], f"expected the starts [0, 2, 1], got {starts.tolist()}")
    expect(ids.shape == (3, 3), f"expected ids of shape (3, 3), got {tuple(ids.shape)}")
    rows = [row[start:].tolist() for row, start in zip(ids, starts, strict=True)]
    expect(rows == [[5, 6, 7], [8], [9, 4]], f"from its start on, a row must be its prompt, got {rows}")


# ---------------------------------------------------------------- the loop


class Counter(nn.Module):
    """A toy that has learned to count: after t comes step(t), whatever stood before.

    It keeps a record of what it is given, and insists on the columns that it was asked to keep.
    """

    def __init__(self, V: int, step: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.config: Any = None
        self.tokens = nn.Embedding(V, V)
        self.tokens.weight.data = torch.eye(V)
        self.step = step
        self.read: list[Tensor] = []
        self.room = self.filled = 0
        self.begun: list[list[int] | None] = []
        self.eval()

    def new_state(self, batch: int, length: int, starts: Tensor | None = None) -> "Counter":
        """Return itself: it remembers nothing but how much it has read."""
        self.begun.append(None if starts is None else starts.tolist())
        self.room, self.read, self.filled = length, [], 0
        return self

    def features(self, ids: Tensor, state: Any = None) -> Tensor:
        """Return a one for the token that comes next, a zero for the others: (B, T, V)."""
        expect(state is self, "the model was asked without the state from `new_state`: it has no memory")
        self.read.append(ids)
        self.filled += ids.shape[1]
        expect(
            self.filled <= self.room, f"{self.filled} tokens were read, the state has room for {self.room}"
        )
        return nn.functional.one_hot(self.step(ids), len(self.tokens.weight)).float()


def counter(V: int = 20) -> Counter:
    """Return a model that says t + 1 after t."""
    return Counter(V, lambda ids: (ids + 1) % V)


def texts(model: Any, prompts: list[list[int]], *rest: Any, **named: Any) -> list[list[int]]:
    """Return what `stream` yields, a list for each text."""
    return torch.stack(list(stream(model, prompts, *rest, **named)), dim=1).tolist()


def check_a_text_goes_on_from_its_last_token() -> None:
    """After 3 comes 4, then 5: each row by itself."""
    got = texts(counter(), [[1, 2, 3], [10]], 4)
    expected = [[4, 5, 6, 7], [11, 12, 13, 14]]
    expect(got == expected, f"counting on from 3 and from 10: expected {expected}, got {got}")


def check_nothing_is_read_twice() -> None:
    """First the prompt, then each new token alone; the last is not read at all."""
    model = counter()
    texts(model, [[1, 2, 3], [4, 5, 6]], 3)
    got = [ids.tolist() for ids in model.read]
    expected = [[[1, 2, 3], [4, 5, 6]], [[4], [7]], [[5], [8]]]
    expect(got == expected, f"what the model read:\nexpected {expected}\ngot      {got}")


def check_shorter_prompts_are_padded_on_the_left_and_said_to_be() -> None:
    """The model is told where each text begins; without padding it need not look."""
    model = counter()
    texts(model, [[1, 2, 3], [7]], 2)
    texts(model, [[1, 2], [7, 8]], 2)
    expect(
        model.begun == [[0, 2], None],
        f"prompts of 3 tokens and of 1, then of 2 and 2: expected the starts [0, 2], then None (without, "
        f"attention is faster), got {model.begun}",
    )


def check_a_text_that_has_ended_stays_ended() -> None:
    """It yields the end token again while the others go on; when all have ended, nothing comes."""
    got = texts(counter(), [[3], [5]], 9, end_id=8)
    expected = [[4, 5, 6, 7, 8], [6, 7, 8, 8, 8]]
    expect(got == expected, f"counting on from 3 and 5, the end token is 8: expected {expected}, got {got}")
    got = generate(counter(), [[3], [5]], 9, end_id=8)
    expect(got == [[4, 5, 6, 7], [6, 7]], f"the same, without the end token: got {got}")


def check_without_an_end_token_the_length_ends_a_text() -> None:
    """All tokens are words then."""
    got = texts(counter(9), [[7]], 4)
    expect(got == [[8, 0, 1, 2]], f"counting on from 7, modulo 9: expected [[8, 0, 1, 2]], got {got}")


def check_each_token_is_drawn_by_the_number_of_its_row_and_step(size: Sizes, seed: int) -> None:
    """What `draw` makes of the model's logits, step by step."""
    uniforms, V = normal(seed, 2, 5).sigmoid(), size.V + 4
    model = counter(V)
    got, expected = texts(model, [[1], [3]], 5, DecodingConfig(), uniforms), []
    for tokens, row in zip(([1], [3]), uniforms, strict=True):
        for number in row:
            logits = torch.eye(V)[(tokens[-1] + 1) % V]
            tokens.append(int(draw(logits[None], number[None])))
        expected.append(tokens[1:])
    expect(got == expected, f"drawn texts: expected {expected}, got {got}")


def check_the_penalty_holds_back_what_the_prompt_and_the_text_have() -> None:
    """A model that always says 2 and, less, 1 and 0: with a large penalty it has to say each of them once."""
    model = counter(4)
    likes = torch.tensor([1.0, 2.0, 3.0, -9.0])
    model.tokens.weight.data = torch.eye(4)
    model.features = lambda ids, state=None: likes.expand(*ids.shape, 4)
    decoding = replace(GREEDY, repetition_penalty=100.0)
    got = texts(model, [[3, 3], [3, 2]], 3, decoding)
    expect(got == [[2, 1, 0], [1, 0, 2]], f"expected [[2, 1, 0], [1, 0, 2]], got {got}")


def check_a_long_text_goes_on_from_its_last_half() -> None:
    """With a context of 4: when the memory is full, the last 2 tokens are read into an empty one."""
    model = counter()
    got = texts(model, [[1, 2, 3], [11]], 5, context=4)
    expect(got == [[4, 5, 6, 7, 8], [12, 13, 14, 15, 16]], f"counting on with a context of 4: got {got}")
    expect(model.room == 4, f"a context of 4 tokens asks for a memory of 4 columns, got {model.room}")
    read = [ids.tolist() for ids in model.read]  # of the last memory alone
    expected = [[[4, 5], [12, 13]], [[6], [14]], [[7], [15]]]
    expect(read == expected, f"what the last memory was given:\nexpected {expected}\ngot      {read}")


def check_padding_falls_away_with_the_columns() -> None:
    """Of prompts of 8 tokens and 1, with a context of 8, the last 4 columns are kept: 2 of them padding."""
    model = counter()
    got = texts(model, [list(range(8)), [9]], 10, context=8)
    expect(got == [[*range(8, 18)], [*range(10, 20)]], f"counting on with a context of 8: got {got}")
    expected = [[0, 7], [0, 2], None]
    expect(model.begun == expected, f"the starts of each memory: expected {expected}, got {model.begun}")


def check_what_cannot_be_done_is_refused() -> None:
    """Before the first token: nothing to go on from, no room, no random numbers, units that are left out."""
    model, limited, training = counter(), counter(), counter().train()
    limited.config = type("Limited", (), {"max_positions": 8})
    expect_refused(lambda: texts(model, [[1], []], 3), "an empty prompt")
    expect_refused(lambda: texts(model, [[1]], 0), "a length of 0")
    expect_refused(lambda: texts(limited, [[1, 2, 3]], 7), "9 tokens to be read with 8 positions")
    expect_refused(lambda: texts(model, [[1]], 3, DecodingConfig()), "drawing without random numbers")
    expect_refused(lambda: texts(training, [[1]], 3), "a model in training mode")
    expect(len(texts(limited, [[1, 2, 3]], 6)[0]) == 6, "8 positions are enough for 3 tokens and 6 new ones")
