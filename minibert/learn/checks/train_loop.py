"""What a step of the training loop must fulfil, the end of a run, and the seeds of dropout.

The optimisers here only go downhill, in the few lines of `Downhill`, and keep account of what they are asked.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact
from minibert.train.loop import Limits, dropout_seed, take_step

FAR = 1e9
"""A norm that no gradient here reaches: nothing is clipped."""

CLIPPED = 1e-6
"""PyTorch's own clipping adds so much to the norm before it divides, and that is right, too."""


class Downhill:
    """Plain gradient descent, w <- w - lr g, with the few methods that the loop needs."""

    def __init__(self, *groups: tuple[Sequence[nn.Parameter], float]) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(parameters), "lr": 123.0, "peak_lr": peak} for parameters, peak in groups
        ]

    def step(self) -> None:
        """Go along the slope."""
        with torch.no_grad():
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


class Weights(nn.Module):
    """A model that has numbers, and nothing else."""

    def __init__(self, **numbers: Sequence[float]) -> None:
        super().__init__()
        for name, values in numbers.items():
            self.register_parameter(name, nn.Parameter(exact(values)))

    def __getitem__(self, name: str) -> nn.Parameter:
        return self.get_parameter(name)


def step_of(
    model: nn.Module,
    loss: Callable[[Any, Any], Any],
    optimizers: Sequence[Downhill],
    batch: Any = None,
    rate: float = 1.0,
    clip: float = FAR,
    dropout: int = 5,
) -> dict[str, Tensor]:
    """Take a step; leave torch's random numbers as they were."""
    some: Any = optimizers
    with torch.random.fork_rng(devices=[]):
        return take_step(model, loss, batch, some, rate, clip, dropout)


def slope_of(model: Weights, batch: Tensor) -> dict[str, Tensor]:
    """Return w times the batch as the loss: its gradient is the batch."""
    return {"loss": (model["w"] * batch).sum()}


def slopes_of(model: Weights, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Return a loss whose gradients by w and by v are the two parts of the batch."""
    return {"loss": (model["w"] * batch[0]).sum() + (model["v"] * batch[1]).sum()}


def check_a_step_by_hand() -> None:
    """From 0 along a slope of 30, clipped to 3, at 1/4 of the peak rate 2: to -1/4 * 2 * 3 = -1.5."""
    model = Weights(w=[0.0])
    optimizer = Downhill(([model["w"]], 2.0))
    said = step_of(model, slope_of, [optimizer], exact([30]), rate=0.25, clip=3.0)
    expect_close(said["loss"], 0.0, "`loss`, before the step")
    expect_close(said["grad_norm"], 30.0, "`grad_norm`, before clipping")
    expect_close(model["w"].detach(), [-1.5], "the weight after one step", CLIPPED)
    expect_close(optimizer.param_groups[0]["lr"], 0.5, "the group's `lr`: the rate of this step")


def check_the_rate_is_a_share_of_the_peak_and_not_of_the_last_rate() -> None:
    """Three steps at 1/2, 1/2 and 1/4 of the peak rate 0.8, along a slope of 1."""
    model = Weights(w=[0.0])
    optimizer = Downhill(([model["w"]], 0.8))
    at = 0.0
    for step, rate in enumerate((0.5, 0.5, 0.25), start=1):
        step_of(model, slope_of, [optimizer], exact([1]), rate=rate)
        at -= rate * 0.8
        expect_close(model["w"].detach(), [at], f"the weight after step {step}")
        expect_close(optimizer.param_groups[0]["peak_lr"], 0.8, "the group's `peak_lr`")


def check_gradients_do_not_add_up_from_step_to_step() -> None:
    """Each step has the gradient of its own batch: 1, then 1, then 1; not 1, then 2, then 3."""
    model = Weights(w=[0.0])
    optimizer = Downhill(([model["w"]], 1.0))
    for step in range(1, 4):
        said = step_of(model, slope_of, [optimizer], exact([1]))
        expect_close(said["grad_norm"], 1.0, f"`grad_norm` in step {step}, along a slope of 1")
        expect_close(model["w"].detach(), [-float(step)], f"the weight after step {step}, along a slope of 1")


def check_every_group_of_every_optimiser_takes_its_step() -> None:
    """Three weights, in two groups of one optimiser and one of another, each with a peak of its own."""
    model = Weights(u=[0.0], v=[0.0], w=[0.0])
    first = Downhill(([model["u"]], 0.1), ([model["v"]], 0.2))
    second = Downhill(([model["w"]], 0.4))
    step_of(
        model,
        lambda model, batch: {"loss": (model["u"] + 2 * model["v"] + 3 * model["w"]).sum()},
        [first, second],
        rate=0.5,
    )
    for name, expected in (("u", -0.05), ("v", -0.2), ("w", -0.6)):
        expect_close(model[name].detach(), [expected], f"the weight {name} after half its peak rate")


def check_all_gradients_are_clipped_by_one_norm_before_the_step() -> None:
    """3 and 4 have the norm 5; clipped to 1 they are 0.6 and 0.8, also where two optimisers share them."""
    model = Weights(v=[0.0], w=[0.0])
    optimizers = [Downhill(([model[name]], 1.0)) for name in ("v", "w")]
    said = step_of(model, slopes_of, optimizers, (exact([3]), exact([4])), clip=1.0)
    expect_close(said["grad_norm"], 5.0, "`grad_norm`, which is that before clipping")
    expect_close(model["w"].detach(), [-0.6], "the weight with the gradient 3", CLIPPED)
    expect_close(model["v"].detach(), [-0.8], "the weight with the gradient 4", CLIPPED)


def check_only_the_loss_named_loss_is_minimised_and_all_are_returned() -> None:
    """The others are its parts, for the log. None of them may hold on to the graph."""
    model = Weights(w=[2.0])

    def losses(model: Weights, batch: Tensor) -> dict[str, Tensor]:
        words, pairs = model["w"].square().sum(), (10 * model["w"]).sum()
        return {"word_loss": words, "loss": words + 0.5 * pairs, "pair_loss": pairs}

    said = step_of(model, losses, [Downhill(([model["w"]], 0.1))])
    expect_close(model["w"].detach(), [2 - 0.1 * 9], "the weight 2 after a step along w^2 + 5 w, lr 0.1")
    names = {"word_loss", "loss", "pair_loss", "grad_norm"}
    expect(set(said) == names, f"expected the numbers {sorted(names)}, got {sorted(said)}")
    for name, expected in (("word_loss", 4.0), ("loss", 14.0), ("pair_loss", 20.0), ("grad_norm", 9.0)):
        expect(
            isinstance(said[name], Tensor) and not said[name].requires_grad,
            f"`{name}` must be a tensor that is cut off from the graph: memory would grow with every step",
        )
        expect_close(said[name], expected, f"`{name}`")


def check_dropout_draws_what_its_seed_says(size: Sizes, seed: int) -> None:
    """So that a run that was stopped draws the same when it goes on, whatever has been drawn before."""
    noise = nn.Dropout(0.5)

    def loss(model: Weights, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": (noise(batch) * model["w"]).sum()}

    batch = torch.arange(1.0, 65.0, dtype=torch.float64)
    moved = []
    for before, dropout in ((0, 7), (1, 7), (0, 8)):
        model = Weights(w=[0.0] * 64)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(before)
            step_of(model, loss, [Downhill(([model["w"]], 1.0))], batch, dropout=dropout)
        moved.append(model["w"].detach())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expect_close(moved[0], -noise(batch), "the weights after a step with the seed 7")
    expect(torch.equal(moved[0], moved[1]), "one seed, and what is left out depends on what was drawn before")
    expect(not torch.equal(moved[0], moved[2]), "two seeds leave out the same")


def check_limits_of_steps_and_of_time() -> None:
    """A run of ten steps, and one of four seconds; the limit that is not there has no say."""
    for step, expected in ((0, 0.0), (1, 0.1), (2.5, 0.25), (10, 1.0)):
        expect_close(Limits(steps=10).share(step, 99.0), expected, f"the share of ten steps that {step} are")
    for seconds, expected in ((0.0, 0.0), (1.0, 0.25), (4.0, 1.0)):
        got = Limits(seconds=4.0).share(99, seconds)
        expect_close(got, expected, f"the share of four seconds that {seconds} are")


def check_with_two_limits_the_nearer_one_counts() -> None:
    """Ten steps and four seconds: whichever ends first."""
    both = Limits(steps=10, seconds=4.0)
    for step, seconds, expected in ((5, 1.0, 0.5), (1, 3.0, 0.75), (0, 4.0, 1.0), (10, 0.0, 1.0)):
        what = f"of ten steps and four seconds, after step {step} and {seconds} seconds"
        expect_close(both.share(step, seconds), expected, what)


def check_no_share_is_above_one() -> None:
    """The last step of a run over time may end after it; the schedule must not see more than the whole."""
    for limits in (Limits(steps=10), Limits(seconds=4.0), Limits(steps=10, seconds=4.0)):
        expect_close(limits.share(20, 9.0), 1.0, f"{limits}, after 20 steps and 9 seconds")


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
