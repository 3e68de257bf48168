"""The numbers that training computes in: each precision against float32, our scaled loss against torch's."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from by_hand import by_hand
from hypothesis import given
from torch import Tensor, nn

from minibert.batches.batch import IGNORE, Batch
from minibert.config import BertConfig
from minibert.learn.checks import train_precision as checks
from minibert.model.bert import BertForPretraining
from minibert.recipes.learning import pretraining_loss
from minibert.train import precision as precision_file
from minibert.train.optimizer import clip_gradients
from minibert.train.precision import GROWTH_INTERVAL, LossScaler, computing, matrix_products

CPU = torch.device("cpu")

test_by_hand = by_hand(checks, examples=1)

PRODUCTS = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""The type in which a product comes out, by precision."""

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
devices = pytest.mark.parametrize(
    "device", [CPU, pytest.param(torch.device("cuda"), marks=[pytest.mark.gpu, needs_cuda])], ids=str
)


# Where products are made in fewer bits


@devices
@pytest.mark.parametrize("precision", PRODUCTS)
def test_products_are_made_in_the_precision_inside_and_in_float32_after(precision: str, device: torch.device):
    x, weight = torch.ones(2, 3, device=device), torch.ones(4, 3, device=device)
    with computing(precision, device):
        assert F.linear(x, weight).dtype == PRODUCTS[precision]
    assert F.linear(x, weight).dtype == torch.float32


def exactness(device: torch.device) -> float:
    """Return the largest error of a product of two float32 matrices, as a share of the largest entry."""
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(256, 256, generator=g), torch.randn(256, 256, generator=g)
    true = a.double() @ b.double()
    return float(((a.to(device) @ b.to(device)).cpu() - true).abs().max() / true.abs().max())


@pytest.mark.parametrize(
    ("precision", "setting"),
    [("float32", "highest"), ("bf16", "highest"), ("fp16", "highest"), ("tf32", "high")],
)
@pytest.mark.parametrize("before", ["highest", "high", "medium"])
def test_only_tf32_lets_float32_matrices_lose_bits_and_only_inside(precision: str, setting: str, before: str):
    usual = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(before)
    try:
        with matrix_products(precision):
            assert torch.get_float32_matmul_precision() == setting
        assert torch.get_float32_matmul_precision() == before
        with pytest.raises(KeyError), matrix_products(precision):
            raise KeyError
        assert torch.get_float32_matmul_precision() == before
    finally:
        torch.set_float32_matmul_precision(usual)


@pytest.mark.parametrize("precision", PRODUCTS)
def test_a_cpu_multiplies_float32_matrices_in_float32_even_where_cuda_may_not(precision: str):
    with matrix_products(precision):
        assert exactness(CPU) < 1e-6


@pytest.mark.gpu
@needs_cuda
def test_on_cuda_tf32_has_ten_bits_of_fraction_and_float32_all():
    cuda = torch.device("cuda")
    with matrix_products("float32"):
        assert exactness(cuda) < 1e-6
    if torch.cuda.get_device_capability() >= (8, 0):
        with matrix_products("tf32"):
            assert 1e-5 < exactness(cuda) < 1e-3


# The scaled loss, against torch's GradScaler


SIZES = [1, *[1] * 4, 1, 1, 1, 30, 30, 1, 1, 1, 9, *[1] * 9, 5, 1]
"""Of the gradients of a made-up run. Float16 ends at 65504, so with the scale growing after 4 good steps they
overflow in the first step, right after the scale has grown, twice in a row, right before it would grow, and
once more near the end."""


def losses(weight: Tensor) -> Iterator[Tensor]:
    """Yield a loss of each step, which goes through float16, at the weight as it is by then."""
    for size in SIZES:
        x = size * torch.tensor([1.0, -0.3, 0.7])
        yield (weight.half() * x.half()).sum().float()


def by_us(weight: Tensor, optimizer: torch.optim.Optimizer) -> list[float]:
    """Train a weight with our scaler; return the scale after each step."""
    scaler, scales = LossScaler(), []
    for loss in losses(weight):
        optimizer.zero_grad()
        (loss * scaler.scale).backward()
        assert weight.grad is not None
        scaler.unscale([weight.grad])
        finite = bool(weight.grad.isfinite().all())
        if finite:
            optimizer.step()
        scaler.update(finite)
        scales.append(scaler.scale)
    return scales


def by_torch(weight: Tensor, optimizer: torch.optim.Optimizer) -> list[float]:
    """Train a weight with torch's scaler; return the scale after each step."""
    scaler, scales = torch.amp.GradScaler("cpu", growth_interval=precision_file.GROWTH_INTERVAL), []
    for loss in losses(weight):
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    return scales


def test_scales_and_weights_are_those_of_torch_to_the_bit_wherever_a_gradient_overflows(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(precision_file, "GROWTH_INTERVAL", 4)
    weights = [nn.Parameter(torch.tensor([0.5, -1.0, 2.0])) for _ in range(2)]
    ours, theirs = (
        run(weight, torch.optim.AdamW([weight], lr=0.1))
        for run, weight in zip((by_us, by_torch), weights, strict=True)
    )
    changes = [after / before for before, after in pairwise([LossScaler().scale, *ours])]
    overflows = [step for step, change in enumerate(changes) if change == 0.5]
    assert overflows == [0, 5, 8, 9, 13, 23] and changes.count(2.0) == 3
    assert ours == theirs
    assert torch.equal(*weights)


@given(finite=st.lists(st.booleans(), max_size=60), interval=st.integers(1, 5))
def test_whichever_steps_overflow_the_scale_is_that_of_torch(finite: Sequence[bool], interval: int):
    ours = LossScaler(scale=2.0**70)  # far from the smallest, which torch does not have
    theirs = torch.amp.GradScaler("cpu", init_scale=2.0**70, growth_interval=interval)
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision_file, "GROWTH_INTERVAL", interval)
        for good in finite:
            theirs.scale(weight.sum())
            weight.grad = torch.tensor([1.0 if good else float("inf")])
            theirs.step(optimizer)
            theirs.update()
            ours.update(good)
            assert ours.scale == theirs.get_scale()


def test_the_settings_are_those_of_torch():
    theirs = torch.amp.GradScaler("cpu")
    assert theirs.get_scale() == LossScaler().scale == 65536
    assert theirs.get_growth_interval() == GROWTH_INTERVAL == 2000
    assert (theirs.get_growth_factor(), theirs.get_backoff_factor()) == (2, 0.5)


def test_gradients_are_divided_in_place_and_powers_of_two_cost_no_bit():
    true = torch.randn(50, generator=torch.Generator().manual_seed(0))
    scaled = [true * 1024, true[:3] * 1024]
    kept = list(scaled)
    LossScaler(scale=1024.0).unscale(scaled)
    assert all(a is b for a, b in zip(scaled, kept, strict=True))
    assert torch.equal(scaled[0], true) and torch.equal(scaled[1], true[:3])


def test_a_scaler_goes_on_from_what_a_checkpoint_keeps():
    whole, stopped = LossScaler(good_steps=1997), LossScaler(good_steps=1997)
    for finite in (False, True, True):
        for scaler in (whole, stopped):
            scaler.update(finite)
    resumed = LossScaler(**json.loads(json.dumps(vars(stopped))))
    assert vars(resumed) == {"scale": 32768.0, "good_steps": 2}
    for _ in range(GROWTH_INTERVAL - 2):
        assert whole.scale == resumed.scale == 32768
        for scaler in (whole, resumed):
            scaler.update(True)
    assert vars(whole) == vars(resumed) == {"scale": 65536.0, "good_steps": 0}


def test_an_overflow_at_scale_one_is_no_matter_of_scale():
    scaler = LossScaler()
    for _ in range(16):
        scaler.update(False)
    assert scaler.scale == 1
    with pytest.raises(FloatingPointError, match=r"loss scale of 1: .*--precision bf16, or a lower --lr"):
        scaler.update(False)


# A whole model


WORDS = 200


def tiny() -> BertForPretraining:
    """Return a model without dropout, the same every time."""
    shape = BertConfig(
        WORDS,
        layers=2,
        width=32,
        heads=2,
        feedforward=64,
        max_positions=32,
        dropout=0.0,
        attention_dropout=0.0,
    )
    return BertForPretraining(shape, torch.Generator().manual_seed(0))


def batch(step: int = 0) -> Batch:
    """Return a batch in which each word is the one before it plus 3: something to be learned."""
    B, T, mask = 16, 32, WORDS - 1
    draw = torch.Generator().manual_seed(step)
    true = (torch.randint(10, (B, 1), generator=draw) + 3 * torch.arange(T)) % (WORDS - 1)
    hidden = torch.rand(B, T, generator=draw).argsort(1)[:, :6]  # (B, 6)
    targets = true.gather(1, hidden)
    targets[:, -1] = IGNORE
    labels = (torch.arange(B) % 4 == 0).long()
    return Batch(
        ids=true.scatter(1, hidden, mask),
        segments=torch.where(torch.arange(T) < T // 2, 0, labels[:, None]),
        attend=torch.arange(T) < torch.randint(T // 2, T + 1, (B, 1), generator=draw),
        slots=(hidden + T * torch.arange(B)[:, None]).ravel(),
        targets=targets.ravel(),
        pair_labels=labels,
    )


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Return the gradients by name; without the keys' biases, whose gradient is zero on paper."""
    return {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and not name.endswith("key.bias")
    }


def go_back(model: BertForPretraining, precision: str, scale: float = 1.0) -> dict[str, Tensor]:
    """Set the gradients of the first batch; return the losses."""
    with computing(precision, CPU):
        losses = pretraining_loss(model, batch())
    (scale * sum(losses.values(), torch.zeros(()))).backward()
    LossScaler(scale).unscale([p.grad for p in model.parameters() if p.grad is not None])
    return dict(losses)


@pytest.mark.parametrize(("precision", "scale", "tolerance"), [("bf16", 1.0, 3e-2), ("fp16", 2.0**14, 5e-3)])
def test_loss_and_gradients_are_those_of_float32_up_to_the_bits_that_are_left_out(
    precision: str, scale: float, tolerance: float
):
    plain, other = tiny(), tiny()
    expected, got = go_back(plain, "float32"), go_back(other, precision, scale)
    for name, loss in got.items():
        assert loss.dtype == torch.float32
        assert abs(loss - expected[name]).item() < 1e-2 * tolerance * expected[name].item()
    true = gradients(plain)
    assert len(true) == len(list(plain.parameters())) - 2
    for name, gradient in gradients(other).items():
        assert gradient.dtype == torch.float32
        assert (gradient - true[name]).norm() < tolerance * true[name].norm(), name


def test_in_fp16_small_gradients_become_zero_unless_the_loss_is_scaled():
    plain, bare, scaled = tiny(), tiny(), tiny()
    go_back(plain, "float32")
    go_back(bare, "fp16")
    go_back(scaled, "fp16", 2.0**14)
    true = gradients(plain)

    def lost(model: nn.Module) -> int:
        """Count the entries that are zero and should not be."""
        return sum(int(((g == 0) & (true[name] != 0)).sum()) for name, g in gradients(model).items())

    assert lost(bare) > 100
    assert lost(scaled) == 0


def train(precision: str, steps: int = 60) -> tuple[BertForPretraining, torch.optim.Optimizer, list[float]]:
    """Train a tiny model; return it with its optimiser and its losses."""
    model, scaler = tiny(), LossScaler()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    history = []
    for step in range(steps):
        with computing(precision, CPU):
            losses = pretraining_loss(model, batch(step))
        loss = sum(losses.values(), torch.zeros(()))
        (loss * scaler.scale).backward()
        parameters = [p for p in model.parameters() if p.grad is not None]
        scaler.unscale([p.grad for p in parameters if p.grad is not None])
        finite = bool(clip_gradients(parameters, 1.0).isfinite())
        if finite:
            optimizer.step()
        scaler.update(finite)
        optimizer.zero_grad()
        history.append(loss.item())
    return model, optimizer, history


@pytest.mark.slow
def test_every_precision_learns_as_much_and_keeps_weights_and_optimiser_in_float32():
    ends = {}
    for precision in ("float32", "bf16", "fp16"):
        model, optimizer, history = train(precision)
        kept = [*model.parameters(), *(t for state in optimizer.state.values() for t in state.values())]
        assert {tensor.dtype for tensor in kept} == {torch.float32}
        assert history[0] > 5.9
        ends[precision] = sum(history[-5:]) / 5
    assert ends["float32"] < 3
    assert ends["bf16"] == pytest.approx(ends["float32"], abs=0.03)
    assert ends["fp16"] == pytest.approx(ends["float32"], abs=0.01)
