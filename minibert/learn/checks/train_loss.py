"""What the losses in PyTorch must fulfil, held against the losses by hand and against PyTorch's own."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minibert.byhand import loss as by_numpy
from minibert.learn.compare import expect, expect_close
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import exact, expect_refused, leaf, normal
from minibert.train.loss import (
    IGNORE,
    LinearCrossEntropy,
    cross_entropy,
    linear_cross_entropy,
    mean_squared_error,
)


def draw(size: Sizes, seed: int) -> tuple[Tensor, Tensor]:
    """Return logits (N + 2, V), with a gradient to come, and targets: the first counts, the last does not."""
    N = size.N + 2
    targets = torch.randint(size.V, (N,), generator=torch.Generator().manual_seed(seed))
    targets[normal(seed + 1, N) > 0.7] = IGNORE
    targets[0], targets[-1] = 0, IGNORE
    return (2 * normal(seed + 2, N, size.V)).requires_grad_(), targets


def draw_joined(size: Sizes, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return features (N + 2, D), weight (V, D), bias (V,), with gradients to come, and targets."""
    _, targets = draw(size, seed)
    shapes = (len(targets), size.D), (size.V, size.D), (size.V,)
    features, weight, bias = (leaf(seed + 3 + number, *shape) for number, shape in enumerate(shapes))
    return features, weight, bias, targets


def slopes(loss: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    """Return the gradients of 3.7 loss: with a factor of 1, one that is forgotten would not show."""
    expect(loss.requires_grad, "no gradient can flow back: the loss was cut off from its arguments")
    return torch.autograd.grad(3.7 * loss, leaves)


def value(loss: Tensor) -> Tensor:
    """Return a loss as a bare number."""
    expect(isinstance(loss, Tensor), f"the loss must be a tensor, got {type(loss).__name__}")
    return loss.detach()


def expect_same(ours: Tensor, theirs: Tensor, leaves: dict[str, Tensor], whose: str) -> None:
    """Compare two losses, and the gradients that they give."""
    expect_close(value(ours), value(theirs), f"the loss ({whose} is expected)")
    both = (slopes(loss, *leaves.values()) for loss in (ours, theirs))
    for name, got, expected in zip(leaves, *both, strict=True):
        expect_close(got, expected, f"the gradient of {name} ({whose} is expected)", 1e-10)


def check_cross_entropy_by_hand() -> None:
    """Logits log 1, log 2, log 5: the softmax is 1/8, 2/8, 5/8.

    Target 2 costs log(8/5), and p - y = (1/8, 2/8, -3/8). Beside it, logits 0, 0, 0: target 0 costs log 3,
    and p - y = (-2/3, 1/3, 1/3). The mean of the two halves both gradients; a third row does not count.
    """
    rows = [[0.0, math.log(2), math.log(5)], [0.0, 0.0, 0.0], [7.0, 8.0, 9.0]]
    logits = exact(rows).requires_grad_()
    loss = cross_entropy(logits, torch.tensor([2, 0, IGNORE]))
    expect_close(value(loss), (math.log(8 / 5) + math.log(3)) / 2, "the loss, (log 8/5 + log 3) / 2")
    expected = [[1 / 16, 2 / 16, -3 / 16], [-1 / 3, 1 / 6, 1 / 6], [0, 0, 0]]
    (gradient,) = slopes(loss, logits)
    expect_close(gradient, 3.7 * exact(expected), "the gradient of the logits, of 3.7 times the loss")


def check_cross_entropy_counts_both_classes_of_a_pair() -> None:
    """Class 0 is a class like any other: only IGNORE is left out."""
    logits = exact([[2.0, 0.0], [2.0, 0.0]])
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    expect_close(cross_entropy(logits[:1], torch.tensor([0])), right, "the loss of (2, 0), target 0")
    expect_close(cross_entropy(logits[1:], torch.tensor([1])), wrong, "the loss of (2, 0), target 1")
    both = cross_entropy(logits, torch.tensor([0, 1]))
    expect_close(both, (right + wrong) / 2, "the mean of both")


def check_smoothing_by_hand() -> None:
    """Softmax 1/8, 2/8, 5/8 as above, target 2, smoothing 0.3: y = (0.1, 0.1, 0.8)."""
    logits = exact([[0.0, math.log(2), math.log(5)]])
    loss = cross_entropy(logits, torch.tensor([2]), 0.3)
    expected = -(0.1 * math.log(1 / 8) + 0.1 * math.log(2 / 8) + 0.8 * math.log(5 / 8))
    expect_close(loss, expected, "the loss with smoothing 0.3")


def check_a_perfect_prediction_costs_nothing(size: Sizes) -> None:
    """Which it does not where the softmax is taken twice: probabilities are never far apart."""
    loss = cross_entropy(50 * torch.eye(size.V, dtype=torch.float64), torch.arange(size.V))
    expect(
        abs(value(loss)) < 1e-15, f"the loss of logits 50 at the targets, 0 elsewhere: expected 0, got {loss}"
    )


def check_huge_logits_do_not_overflow() -> None:
    """The exponential of 10000 is infinite, in float32 and in float64."""
    for dtype in (torch.float32, torch.float64):
        loss = cross_entropy(torch.tensor([[1e4, -1e4], [-1e4, 1e4]], dtype=dtype), torch.tensor([1, 1]))
        expect_close(loss, 1e4, "the mean loss of logits (10000, -10000) and (-10000, 10000), target 1")
        expect(loss.dtype == dtype, f"the loss of {dtype} must be {dtype}, got {loss.dtype}")


def check_no_target_gives_zero_and_a_gradient_of_zero(size: Sizes, seed: int) -> None:
    """The mean of nothing is 0 / 0, and one such batch would make every weight NaN."""
    logits, targets = draw(size, seed)
    nothing = torch.full_like(targets, IGNORE)
    for smoothing in (0.0, 0.1):
        loss = cross_entropy(logits, nothing, smoothing)
        expect_close(value(loss), 0.0, f"the loss where no target counts, smoothing {smoothing}")
        expect_close(slopes(loss, logits)[0], torch.zeros_like(logits), "its gradient")


def check_ignored_positions_change_nothing(size: Sizes, seed: int) -> None:
    """As many of them as there are: the mean is over the targets that count."""
    logits, targets = draw(size, seed)
    some = targets != IGNORE
    for smoothing in (0.0, 0.3):
        few, many = (
            cross_entropy(z, t, smoothing) for z, t in ((logits[some], targets[some]), (logits, targets))
        )
        expect_close(value(many), value(few), "the loss with positions that do not count")


def check_parts_weighed_by_their_counts_equal_the_whole(size: Sizes, seed: int) -> None:
    """As under accumulation: each part's mean, weighed by its share of the targets that count."""
    logits, targets = draw(size._replace(N=3 * size.N), seed)
    counts = targets != IGNORE
    parts = [slice(0, size.N), slice(size.N, None)]
    losses = [(int(counts[part].sum()), cross_entropy(logits[part], targets[part])) for part in parts]
    summed = sum(count * value(loss) for count, loss in losses) / int(counts.sum())
    expect_close(
        value(cross_entropy(logits, targets)),
        summed,
        "the loss of a batch (that of its two parts, weighed by how many targets they count, is expected)",
    )


def check_by_hand_cross_entropy_is_the_same(size: Sizes, seed: int) -> None:
    """In value and gradient, with and without smoothing."""
    logits, targets = draw(size, seed)
    for smoothing in (0.0, 0.3):
        expected, cache = by_numpy.cross_entropy_forward(logits.detach().numpy(), targets.numpy(), smoothing)
        loss = cross_entropy(logits, targets, smoothing)
        expect_close(value(loss), expected, f"the loss, smoothing {smoothing}")
        gradient = by_numpy.cross_entropy_backward(3.7, cache)
        expect_close(slopes(loss, logits)[0], gradient, f"its gradient, smoothing {smoothing}", 1e-10)


def check_torch_s_cross_entropy_is_the_same(size: Sizes, seed: int) -> None:
    """In value and gradient, with and without smoothing; PyTorch gives NaN where nothing counts."""
    logits, targets = draw(size, seed)
    for smoothing in (0.0, 0.1, 0.5, 0.9):
        ours = cross_entropy(logits, targets, smoothing)
        theirs = F.cross_entropy(logits, targets, label_smoothing=smoothing)
        expect_same(ours, theirs, {"logits": logits}, "torch's")


def check_cross_entropy_leaves_its_arguments_alone(size: Sizes, seed: int) -> None:
    """Nobody expects that a loss changes the logits, or the batch."""
    logits, targets = draw(size, seed)
    logits = logits.detach()
    before = logits.clone(), targets.clone()
    cross_entropy(logits, targets, 0.3)
    expect(torch.equal(logits, before[0]) and torch.equal(targets, before[1]), "the loss changed an argument")


def check_a_smoothing_outside_its_range_is_refused() -> None:
    """From 0 to below 1: with 1, nothing would be left of the target."""
    for wrong in (-0.1, 1.0):
        expect_refused(
            lambda smoothing=wrong: cross_entropy(torch.zeros(1, 2), torch.tensor([0]), smoothing),
            f"a smoothing of {wrong}",
        )


class Notes:
    """What a forward pass leaves for the backward pass, as in the `ctx` of autograd."""

    needs_input_grad = (True, True, True, False)

    def __init__(self) -> None:
        self.saved_tensors: tuple[Tensor, ...] = ()

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep the tensors."""
        self.saved_tensors = tensors


def forward(features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
    """Return the loss and the three gradients that a forward pass leaves."""
    notes = Notes()
    loss = LinearCrossEntropy.forward(notes, features.detach(), weight.detach(), bias.detach(), targets)
    others = sorted(vars(notes).keys() - {"saved_tensors"})
    expect(not others, f"nothing but what is saved may be kept in ctx, which has {', '.join(others)}")
    kept = [tuple(tensor.shape) for tensor in notes.saved_tensors]
    expected = [tuple(tensor.shape) for tensor in (features, weight, bias)]
    expect(
        kept == expected,
        f"what is saved for the backward pass must be dfeatures, dweight and dbias, of shapes {expected}; "
        f"got {kept}",
    )
    return loss, *notes.saved_tensors


def check_the_joined_loss_by_hand() -> None:
    """Features that pick out a row of weights each: the logits are log 1, log 2, log 5, and 0, 0, 0.

    So w (p - y) is (1/16, 2/16, -3/16) for target 2 and (-1/3, 1/6, 1/6) for target 0, and a third position
    does not count. The bias adds up the rows. The features are 1 long, so that dweight has the same numbers.
    """
    features = torch.eye(3, dtype=torch.float64)
    weight = exact([[0.0, 0, 7], [math.log(2), 0, 8], [math.log(5), 0, 9]])
    targets = torch.tensor([2, 0, IGNORE])
    G = exact([[1 / 16, 2 / 16, -3 / 16], [-1 / 3, 1 / 6, 1 / 6], [0, 0, 0]])
    loss, dfeatures, dweight, dbias = forward(features, weight, torch.zeros(3).double(), targets)
    expect_close(loss, (math.log(8 / 5) + math.log(3)) / 2, "the loss, (log 8/5 + log 3) / 2")
    expect_close(dbias, G.sum(0), "dbias")
    expect_close(dweight, G.T, "dweight")
    expect_close(dfeatures, G @ weight, "dfeatures")


def check_the_joined_loss_leaves_three_small_gradients(size: Sizes, seed: int) -> None:
    """They are those that autograd finds behind the plain loss; and no argument is changed."""
    features, weight, bias, targets = draw_joined(size, seed)
    before = [tensor.detach().clone() for tensor in (features, weight, bias, targets)]
    loss, *gradients = forward(features, weight, bias, targets)
    plain = F.cross_entropy(F.linear(features, weight, bias), targets)
    expect_close(loss, value(plain), "the loss")
    expected = torch.autograd.grad(plain, (features, weight, bias))
    for name, got, slope in zip(("dfeatures", "dweight", "dbias"), gradients, expected, strict=True):
        expect_close(got, slope, name, 1e-10)
    for tensor, kept in zip((features, weight, bias, targets), before, strict=True):
        expect(torch.equal(tensor, kept), "the forward pass changed an argument; work on a copy")


def check_the_joined_loss_where_nothing_counts(size: Sizes, seed: int) -> None:
    """Zero, with gradients of zero: the mean of nothing must not become NaN."""
    features, weight, bias, targets = draw_joined(size, seed)
    loss, *gradients = forward(features, weight, bias, torch.full_like(targets, IGNORE))
    expect_close(loss, 0.0, "the loss where no target counts")
    for name, gradient in zip(("dfeatures", "dweight", "dbias"), gradients, strict=True):
        expect_close(gradient, torch.zeros_like(gradient), f"{name} where no target counts")


def check_the_joined_loss_does_not_overflow() -> None:
    """Nor does it take the logarithm of a probability that has vanished."""
    features = exact([[1e4], [1.0]])
    weight, bias = exact([[1.0], [-1.0]]), torch.zeros(2, dtype=torch.float64)
    loss, *_ = forward(features, weight, bias, torch.tensor([1, IGNORE]))
    expect_close(loss, 2e4, "the loss of logits 10000 and -10000, target 1")


def check_joined_or_one_after_the_other_is_the_same(size: Sizes, seed: int) -> None:
    """In value and gradient, through autograd, also with positions that do not count."""
    features, weight, bias, targets = draw_joined(size, seed)
    leaves = {"features": features, "weight": weight, "bias": bias}
    joined = linear_cross_entropy(features, weight, bias, targets)
    expect_same(joined, F.cross_entropy(F.linear(features, weight, bias), targets), leaves, "torch's")


def check_squares_by_hand() -> None:
    """Predicted 1, 2, 3, 4 where 1, 0, 3, 5 was right: (0 + 4 + 0 + 1) / 4."""
    prediction = exact([[1.0, 2.0], [3.0, 4.0]]).requires_grad_()
    loss = mean_squared_error(prediction, exact([[1.0, 0.0], [3.0, 5.0]]))
    expect_close(value(loss), 1.25, "the squared error")
    (gradient,) = slopes(loss, prediction)
    expected = 3.7 * exact([[0.0, 1.0], [0.0, -0.5]])
    expect_close(gradient, expected, "the gradient of the prediction, of 3.7 times the loss")


def check_torch_s_squared_error_is_the_same(size: Sizes, seed: int) -> None:
    """In value, and in the gradients of both arguments, whatever their shape."""
    for shape in ((), (size.N,), (size.B, size.T, size.D)):
        prediction, target = (leaf(seed + number, *shape) for number in range(2))
        leaves = {"prediction": prediction, "target": target}
        ours, theirs = mean_squared_error(prediction, target), F.mse_loss(prediction, target)
        expect_same(ours, theirs, leaves, "torch's")


def check_two_shapes_are_not_broadcast() -> None:
    """(3,) against (3, 1) would be nine differences."""
    expect_refused(
        lambda: mean_squared_error(torch.ones(3), torch.ones(3, 1)),
        "a prediction (3,) and a target (3, 1)",
    )
