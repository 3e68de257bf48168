"""What a step of the training loop must fulfil: its gradient in parts, the way down, the seeds of dropout.

The models are a few numbers, and the optimisers only go downhill, in the few lines of `Downhill`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, normal
from minibert.train.loss import IGNORE, cross_entropy
from minibert.train.step import Part, accumulate, descend, dropout_seed, shares_of


def check_shares_by_hand() -> None:
    """Two parts that predict 3 and 5 words of 8, and 1 and 2 pairs of 3."""
    counts = [{"word_loss": 3, "pair_loss": 1}, {"word_loss": 5, "pair_loss": 2}]
    got = shares_of(counts, {"word_loss": 8, "pair_loss": 3})
    expect_shares(got, [{"word_loss": 3 / 8, "pair_loss": 1 / 3}, {"word_loss": 5 / 8, "pair_loss": 2 / 3}])


def check_shares_are_of_the_batch_of_all_processes() -> None:
    """This process has 2 and 4 of 24 words: a quarter of the batch, and the others have the rest."""
    got = shares_of([{"word_loss": 2}, {"word_loss": 4}], {"word_loss": 24})
    expect_shares(got, [{"word_loss": 1 / 12}, {"word_loss": 1 / 6}])


def check_a_part_with_nothing_to_predict_has_no_share() -> None:
    """The mean over its nothing says nothing, and the other part has all of it."""
    got = shares_of([{"word_loss": 0}, {"word_loss": 7}], {"word_loss": 7})
    expect_shares(got, [{"word_loss": 0.0}, {"word_loss": 1.0}])


def check_a_batch_with_nothing_to_predict_has_shares_of_zero() -> None:
    """0 of 0 words: not NaN, which would spread to every weight. Its pairs count as always."""
    counts = [{"word_loss": 0, "pair_loss": 1}, {"word_loss": 0, "pair_loss": 3}]
    got = shares_of(counts, {"word_loss": 0, "pair_loss": 4})
    expect_shares(got, [{"word_loss": 0.0, "pair_loss": 0.25}, {"word_loss": 0.0, "pair_loss": 0.75}])


def expect_shares(got: Sequence[Mapping[str, float]], expected: Sequence[Mapping[str, float]]) -> None:
    """Compare the shares of all parts."""
    expect(len(got) == len(expected), f"expected the shares of {len(expected)} parts, got {len(got)}")
    for number, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        expect(
            mine.keys() == theirs.keys(),
            f"part {number}: expected shares of {', '.join(theirs)}, got {', '.join(mine)}",
        )
        for name, share in theirs.items():
            expect_close(mine[name], share, f"the share that part {number} has of `{name}`")


class Diary:
    """What has happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []


class Scales(nn.Module):
    """A model of one weight w: its losses are the means of w^2 times the words, and w^2 times the pairs."""

    def __init__(self, weight: float, diary: Diary) -> None:
        super().__init__()
        self.weight = nn.Parameter(exact(weight))
        self.diary = diary

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the means of the losses."""
        self.diary.events.append("forward")
        square = self.weight * self.weight
        return {name: (square * numbers).mean() for name, numbers in batch.items()}


class Backward:
    """Goes back from `scale` times a loss, as in half precision, and makes a note of it."""

    def __init__(self, scale: float, diary: Diary) -> None:
        self.scale, self.diary = scale, diary

    def __call__(self, loss: Tensor) -> None:
        self.diary.events.append("backward")
        (self.scale * loss).backward()


def batch_in_parts() -> list[Part]:
    """Return a batch of 8 words and 3 pairs: 24 and 6 altogether, so that the means are 3 and 2.

    Its parts predict 5, 2 and 1 words: their means are 1, 6 and 7, and the mean of the means is 14/3.
    """
    words, pairs = ([1, 1, 1, 1, 1], [5, 7], [7]), ([1], [2], [3])
    return [
        Part({"word_loss": exact(w), "pair_loss": exact(p)}, {"word_loss": len(w) / 8, "pair_loss": 1 / 3}, 0)
        for w, p in zip(words, pairs, strict=True)
    ]


def check_a_batch_in_parts_by_hand() -> None:
    """8 words with the mean 3 in parts of 5, 2 and 1, and 3 pairs with the mean 2: w = 2 has the slope 20.

    The losses are 4 * 3 = 12 and 4 * 2 = 8, and 20 in all; the slope of w^2 (3 + 2) is 10 w.
    """
    model = Scales(2.0, Diary())
    said = seeded(batch_in_parts(), model)
    expect_close(gradient_of(model.weight), 20.0, "the gradient of the weight 2 of w^2 (3 + 2)")
    names = {"word_loss", "pair_loss", "loss"}
    expect(set(said) == names, f"expected the losses {sorted(names)}, got {sorted(said)}")
    for name, expected in (("word_loss", 12.0), ("pair_loss", 8.0), ("loss", 20.0)):
        expect_close(said[name].detach(), expected, f"`{name}` of the whole batch")


def check_the_losses_do_not_hold_the_graph() -> None:
    """They are for the log: whoever keeps them must not keep the activations of a step with them."""
    said = seeded(batch_in_parts(), Scales(2.0, Diary()))
    for name, loss in said.items():
        expect(
            isinstance(loss, Tensor) and not loss.requires_grad,
            f"`{name}` must be a tensor that is cut off from the graph: memory would grow with every step",
        )


def check_each_part_goes_back_before_the_next_one_comes() -> None:
    """So that the activations of one part are in memory at a time; that is what the parts are for."""
    diary = Diary()
    seeded(batch_in_parts(), Scales(2.0, diary), Backward(1.0, diary))
    expected = ["forward", "backward"] * 3
    expect(diary.events == expected, f"expected {', '.join(expected)}; got {', '.join(diary.events)}")


def check_it_goes_back_as_it_is_told() -> None:
    """In half precision the loss is scaled on its way back: the gradients are, and the log is not."""
    diary = Diary()
    model = Scales(2.0, diary)
    said = seeded(batch_in_parts(), model, Backward(8.0, diary))
    expect_close(gradient_of(model.weight), 8 * 20.0, "the gradient, where `backward` scales the loss by 8")
    expect_close(said["loss"].detach(), 20.0, "`loss`, which nobody scales")


def check_gradients_are_added_to_what_is_there() -> None:
    """Whoever has others to add, does not lose them."""
    model = Scales(2.0, Diary())
    model.weight.grad = exact(1.0)
    seeded(batch_in_parts(), model)
    expect_close(gradient_of(model.weight), 21.0, "the gradient, where there was 1 before, and 20 come")


class Noisy(nn.Module):
    """A model whose dropout leaves out half of the numbers of a batch: its gradient tells which."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, dtype=torch.float64))
        self.dropout = nn.Dropout(0.5)

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """Return the loss."""
        return {"loss": (self.dropout(batch) * self.weight).sum()}


def check_each_part_draws_what_its_seed_says() -> None:
    """So that a run that goes on after a stop draws the same, whatever has been drawn before."""
    batches = [torch.arange(1.0, 33.0, dtype=torch.float64), torch.arange(33.0, 65.0, dtype=torch.float64)]
    model = Noisy(32)
    expected = torch.zeros(32, dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        for seed, batch in zip((7, 8), batches, strict=True):
            torch.manual_seed(seed)
            expected += model.dropout(batch)
    seeded([Part(batch, {"loss": 1.0}, seed) for seed, batch in zip((7, 8), batches, strict=True)], model)
    expect_close(gradient_of(model.weight), expected, "the gradient of two parts with the seeds 7 and 8")


class Classifier(nn.Module):
    """A projection and the cross-entropy, which leaves out what is to be ignored."""

    def __init__(self, size: Sizes, seed: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(seed, size.V, size.D))

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the loss."""
        features, targets = batch
        return {"loss": cross_entropy(features @ self.weight.T, targets)}


def check_parts_give_the_gradient_of_the_whole_batch(size: Sizes, seed: int) -> None:
    """However the rows are cut, and where some predict nothing: a part of it, or a whole part."""
    rows = 3 * size.N
    features = normal(seed, rows, size.D)
    targets = torch.arange(rows) % size.V
    targets[size.N :: 2] = IGNORE
    targets[2 * size.N :] = IGNORE
    whole = Classifier(size, seed + 1)
    loss = whole((features, targets))["loss"]
    loss.backward()
    for length in (1, size.N, size.N + 1):
        model = Classifier(size, seed + 1)
        batches = list(zip(features.split(length), targets.split(length), strict=True))
        counts = [{"loss": int((some != IGNORE).sum())} for _, some in batches]
        total = sum(count["loss"] for count in counts)
        parts = [
            Part(batch, {"loss": count["loss"] / total}, 0)
            for batch, count in zip(batches, counts, strict=True)
        ]
        said = seeded(parts, model)
        what = f"{rows} rows in parts of {length}"
        expect_close(said["loss"].detach(), loss.detach(), f"`loss` of {what}", 1e-10)
        expect_close(gradient_of(model.weight), gradient_of(whole.weight), f"the gradient of {what}", 1e-10)


def seeded(
    parts: Sequence[Part], forward: nn.Module, backward: Callable[[Tensor], None] = Tensor.backward
) -> dict[str, Tensor]:
    """Return what `accumulate` does; leave torch's random numbers as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return accumulate(parts, forward, backward)


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """Return a parameter's gradient, which must be there."""
    expect(parameter.grad is not None, "there is no gradient: nothing has come back to the parameter")
    assert parameter.grad is not None
    return parameter.grad


class Downhill:
    """Plain gradient descent, w <- w - lr g, with the few methods that the loop needs."""

    def __init__(self, *groups: tuple[Sequence[Tensor], float]) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(parameters), "lr": 123.0, "peak_lr": peak} for parameters, peak in groups
        ]

    def step(self) -> None:
        """Go along the slope."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.sub_(group["lr"] * parameter.grad)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.zero_()


def weight_with(gradient: float) -> Tensor:
    """Return a weight at 0 that has a gradient."""
    weight = exact([0.0])
    weight.grad = exact([gradient])
    return weight


def down(optimizers: Sequence[Downhill], rate: float) -> None:
    """Take the step."""
    some: Any = optimizers
    descend(some, rate)


def check_a_step_down_by_hand() -> None:
    """From 0 along a slope of 3, at 1/4 of the peak rate 2: to -1/4 * 2 * 3 = -1.5."""
    weight = weight_with(3.0)
    optimizer = Downhill(([weight], 2.0))
    down([optimizer], rate=0.25)
    expect_close(weight, [-1.5], "the weight after one step")
    expect_close(optimizer.param_groups[0]["lr"], 0.5, "the group's `lr`: the rate of this step")


def check_the_rate_is_a_share_of_the_peak_and_not_of_the_last_rate() -> None:
    """Three steps at 1/2, 1/2 and 1/4 of the peak rate 0.8, along a slope of 1."""
    weight = exact([0.0])
    optimizer = Downhill(([weight], 0.8))
    at = 0.0
    for step, rate in enumerate((0.5, 0.5, 0.25), start=1):
        weight.grad = exact([1.0])
        down([optimizer], rate)
        at -= rate * 0.8
        expect_close(weight, [at], f"the weight after step {step}")
        expect_close(optimizer.param_groups[0]["peak_lr"], 0.8, "the group's `peak_lr`")


def check_every_group_of_every_optimiser_takes_its_step() -> None:
    """Four weights, in two groups of each of two optimisers, each with a peak of its own."""
    weights = [weight_with(slope) for slope in (1.0, 2.0, 3.0, 4.0)]
    first = Downhill((weights[:1], 0.1), (weights[1:2], 0.2))
    second = Downhill((weights[2:3], 0.4), (weights[3:], 0.3))
    down([first, second], rate=0.5)
    for number, (weight, expected) in enumerate(zip(weights, (-0.05, -0.2, -0.6, -0.6), strict=True)):
        expect_close(weight, [expected], f"weight {number}, along a slope of {number + 1}")


def check_no_gradient_is_left() -> None:
    """The next step would add its own to it. Not even zeros: they would count as a gradient of zero.

    AdamW goes on with what it remembers, and lets a weight decay, where there is a gradient; a weight that a
    batch has not used has none.
    """
    weights = [weight_with(slope) for slope in (1.0, 2.0, 3.0)]
    down([Downhill((weights[:1], 0.1), (weights[1:2], 0.2)), Downhill((weights[2:], 0.4))], rate=0.5)
    for number, weight in enumerate(weights):
        expect(weight.grad is None, f"weight {number} has a gradient after the step: {weight.grad}")


def forward_passes() -> list[tuple[int, int, int, int]]:
    """Return seed, step, micro-batch and rank of some forward passes."""
    return [(s, t, m, r) for s in range(2) for t in (0, 1, 2, 3, 1000) for m in range(2) for r in range(2)]


def check_seeds_are_ints() -> None:
    """NumPy's whole numbers are of another type, which cannot be written to a file of JSON."""
    for key in forward_passes():
        got = dropout_seed(*key)
        expect(type(got) is int, f"dropout_seed{key}: expected an int, got {type(got).__name__}")


def check_torch_takes_the_seeds() -> None:
    """From 0 to below 2^63, the largest whole number of a tensor."""
    for key in forward_passes():
        got = int(dropout_seed(*key))
        expect(0 <= got < 2**63, f"dropout_seed{key}: expected 0 to below 2^63, got {got}")


def check_a_seed_is_the_same_whenever_it_is_asked_for() -> None:
    """A run that goes on has another past: nothing may depend on what was drawn or asked before."""
    keys = forward_passes()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = [dropout_seed(*key) for key in keys]
        torch.manual_seed(1)
        again = [dropout_seed(*key) for key in reversed(keys)]
    expect(first == again[::-1], "a seed is another one when it is asked for again")


def check_every_run_has_its_own_seeds() -> None:
    """The seed of the run counts."""
    expect_distinct([(s, 3, 1, 1) for s in range(30)])


def check_every_step_has_its_own_seed() -> None:
    """Else the same neurons would be left out for ever."""
    expect_distinct([(1, t, 1, 1) for t in range(30)])


def check_every_micro_batch_has_its_own_seed() -> None:
    """The parts of a batch are different sentences."""
    expect_distinct([(1, 3, m, 1) for m in range(30)])


def check_every_process_has_its_own_seed() -> None:
    """The ranks work on different parts of the batch."""
    expect_distinct([(1, 3, 1, r) for r in range(30)])


def check_no_two_forward_passes_share_a_seed() -> None:
    """Step 1 of run 0 is not step 0 of run 1: the counters are not simply added up."""
    expect_distinct(forward_passes())


def check_seeds_use_all_their_bits() -> None:
    """Of 200 seeds, each bit is set in about half: 100, and six times their spread of 7 to either side."""
    seeds = [dropout_seed(0, step) for step in range(200)]
    for bit in range(63):
        often = sum(seed >> bit & 1 for seed in seeds)
        expect(57 <= often <= 143, f"bit {bit} is set in {often} of 200 seeds, expected about 100")


def expect_distinct(keys: list[tuple[int, int, int, int]]) -> None:
    """Raise CheckError where two forward passes have one seed."""
    found: dict[int, tuple[int, int, int, int]] = {}
    for key in keys:
        got = dropout_seed(*key)
        other = found.setdefault(got, key)
        expect(other == key, f"dropout_seed{other} and dropout_seed{key} are the same: {got}")
