"""A gradient that is not finite stops the run before the step, and what the step saw is written down."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from minibert.train.bad_gradient import BadGradient, describe, named_tensors, stop_at_bad_gradient


@dataclass(frozen=True)
class Pairs:
    ids: Tensor
    attend: Tensor | None
    labels: Tensor


def strict_json(path: Path) -> Any:
    """Return what a JSON file holds; NaN and Infinity, which Python would read, are errors."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def two_layers() -> nn.Sequential:
    """Return a model whose gradients are easy to know: all weights 1, no bias but in the last layer."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    return model


def two_layers_with_a_nan() -> nn.Sequential:
    """Return that model after a backward pass that left NaN in its gradients."""
    model = two_layers()
    model(torch.tensor([[math.nan, 1.0]])).sum().backward()
    return model


def gradients(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]


def stop(folder: Path, batch: Any, model: nn.Module, **changes: Any) -> str:
    """Run into the guard and return its message."""
    given = {"losses": {"loss": torch.tensor(2.5)}, "rates": [0.25, 0.5], "seed": 7, **changes}
    with pytest.raises(BadGradient) as stopped:
        stop_at_bad_gradient(folder, 12, batch, gradients(model), **given)
    return str(stopped.value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_gradient_hook_that_breaks_one_entry_is_found_and_named(tmp_path: Path, value: str) -> None:
    model = two_layers()

    def break_one(gradient: Tensor) -> Tensor:
        return gradient.index_put((torch.tensor(1), torch.tensor(0)), torch.tensor(float(value)))

    next(model.parameters()).register_hook(break_one)
    x = torch.tensor([[3.0, 4.0]])
    model(x).sum().backward()  # d/dW0 = [[3, 4], [3, 4]], d/dW1 = [7, 7], d/db1 = 1
    message = stop(tmp_path, (x, torch.tensor([1])), model)

    facts = strict_json(tmp_path / "bad-step-00000012.json")
    assert facts["not_finite"] == ["0.weight"]
    assert facts["gradients"] == {
        "0.weight": {"norm": value.lstrip("-"), "not_finite": 1, "largest": 4.0},
        "1.weight": {"norm": math.sqrt(98), "not_finite": 0, "largest": 7.0},
        "1.bias": {"norm": 1.0, "not_finite": 0, "largest": 1.0},
    }
    assert facts["grad_norm"] == value.lstrip("-")
    told = {name: facts[name] for name in ("step", "seed", "rates", "losses")}
    assert told == {"step": 12, "seed": 7, "rates": [0.25, 0.5], "losses": {"loss": 2.5}}
    assert "not finite in 1 of 3 parameters, the first of them 0.weight" in message


def test_the_message_names_the_step_both_files_and_what_to_do(tmp_path: Path) -> None:
    message = stop(tmp_path, (torch.ones(1),), two_layers_with_a_nan())
    names = {"bad-step-00000012.safetensors", "bad-step-00000012.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(str(tmp_path / name) in message for name in names)
    assert "step 12" in message and "the first of them 0.weight" in message
    assert "--lr" in message and "--precision bf16" in message and "look at the batch" in message
    assert "\n" not in message


def test_the_batch_comes_back_to_the_bit(tmp_path: Path) -> None:
    batch = Pairs(torch.tensor([[5, 6], [7, 8]]), None, torch.tensor([True, False]))
    stop(tmp_path, batch, two_layers_with_a_nan())
    kept = load_file(tmp_path / "bad-step-00000012.safetensors")
    assert kept.keys() == {"ids", "labels"}
    assert torch.equal(kept["ids"], batch.ids) and torch.equal(kept["labels"], batch.labels)


def test_micro_batches_that_are_parts_of_one_tensor_are_kept_one_by_one(tmp_path: Path) -> None:
    whole = torch.arange(12).view(4, 3)
    parts = [Pairs(whole[:2], whole[:2] > 1, whole[:2, 0]), Pairs(whole[2:], None, whole[2:, 0])]
    stop(tmp_path, parts, two_layers_with_a_nan())
    kept = load_file(tmp_path / "bad-step-00000012.safetensors")
    assert kept.keys() == {"0/ids", "0/attend", "0/labels", "1/ids", "1/labels"}
    assert torch.equal(torch.cat([kept["0/ids"], kept["1/ids"]]), whole)
    assert torch.equal(kept["1/labels"], torch.tensor([6, 9]))


def test_a_batch_of_any_kind_has_names_for_its_tensors() -> None:
    x, y = torch.zeros(2), torch.ones(3)
    assert [name for name, _ in named_tensors(x)] == ["batch"]
    assert [name for name, _ in named_tensors((x, y))] == ["0", "1"]
    assert [name for name, _ in named_tensors([(x, None), (y, 3)])] == ["0/0", "1/0"]


def test_a_loss_that_is_no_number_is_written_as_valid_json(tmp_path: Path) -> None:
    losses = {"loss": torch.tensor(math.nan), "word_loss": -math.inf, "pair_loss": 0.5}
    stop(tmp_path, (), two_layers_with_a_nan(), losses=losses)
    facts = strict_json(tmp_path / "bad-step-00000012.json")
    assert facts["losses"] == {"loss": "nan", "word_loss": "-inf", "pair_loss": 0.5}


def test_finite_entries_whose_squares_overflow_are_told_apart(tmp_path: Path) -> None:
    model = two_layers()
    model(torch.tensor([[3e30, 4e30]])).sum().backward()
    assert not torch.nn.utils.get_total_norm([p for _, p in gradients(model)]).isfinite()
    message = stop(tmp_path, (), model)
    assert "finite but too large for a norm in float32, most of all in 1.weight" in message
    facts = strict_json(tmp_path / "bad-step-00000012.json")
    assert facts["not_finite"] == []
    # d/dW0 has two rows (3, 4) of norm 5, d/dW1 is (7, 7), in units of 1e30; d/db1 = 1 is lost.
    assert facts["grad_norm"] == pytest.approx(math.sqrt(2 * 25 + 98) * 1e30, rel=1e-6)


def test_a_finite_gradient_of_a_loss_that_is_not_is_told_apart(tmp_path: Path) -> None:
    model = two_layers()
    model(torch.ones(1, 2)).sum().backward()
    message = stop(tmp_path, (), model, losses={"loss": torch.tensor(math.inf)})
    assert "the gradient of step 12 is finite, but its loss is not." in message
    assert strict_json(tmp_path / "bad-step-00000012.json")["not_finite"] == []


def test_the_largest_entry_is_the_largest_finite_one_whatever_its_sign() -> None:
    assert describe(torch.tensor([3.0, -4.0, math.nan, -math.inf]))["largest"] == 4.0
    assert describe(torch.tensor([math.nan, math.inf]))["largest"] == 0.0


def test_every_entry_that_is_not_finite_is_counted() -> None:
    assert describe(torch.tensor([[3.0, math.nan], [-math.inf, math.inf]]))["not_finite"] == 3


def test_half_precision_is_described_without_overflow() -> None:
    assert describe(torch.full((4,), 6e4, dtype=torch.float16)) == {
        "norm": 2 * float(torch.tensor(6e4, dtype=torch.float16)),
        "not_finite": 0,
        "largest": float(torch.tensor(6e4, dtype=torch.float16)),
    }


def test_each_process_writes_its_part_of_the_batch(tmp_path: Path) -> None:
    for rank in (0, 1):
        stop(tmp_path, (torch.tensor([rank]),), two_layers_with_a_nan(), rank=rank)
    names = ["bad-step-00000012", "bad-step-00000012-rank-1"]
    kept = [load_file(tmp_path / f"{name}.safetensors")["0"].item() for name in names]
    assert kept == [0, 1]
    assert all((tmp_path / f"{name}.json").is_file() for name in names)


def test_the_same_step_gone_wrong_twice_leaves_the_second_account(tmp_path: Path) -> None:
    for loss in (1.0, 2.0):
        stop(tmp_path, (), two_layers_with_a_nan(), losses={"loss": loss})
    assert strict_json(tmp_path / "bad-step-00000012.json")["losses"] == {"loss": 2.0}
    assert len(list(tmp_path.iterdir())) == 2
