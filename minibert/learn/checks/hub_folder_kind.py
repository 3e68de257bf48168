"""What must hold when weights of other names come to sit in our model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from minibert.config import LstmConfig
from minibert.hub.folder_kind import FolderKind, Weights, drop_copy, load_weights, rename, split
from minibert.learn.compare import CheckError, expect

MODULES = {
    "tokens": "wte",
    "blocks.#.attention.query": "h.#.attn.c_attn",
    "blocks.#.attention.key": "h.#.attn.c_attn",
    "blocks.#.attention.value": "h.#.attn.c_attn",
    "blocks.#.attention_norm": "h.#.ln_1",
    "blocks.#.feedforward.expand": "h.#.mlp.c_fc",
    "norm": "ln_f",
}
"""Some of ours and of GPT-2's."""

THEIRS = {
    "h.#.ln_1": "blocks.#.attention_norm",
    "wte": "tokens",
    "h.#.mlp.c_fc": "blocks.#.feedforward.expand",
}
"""The other way round."""

# ---------------------------------------------------------------- rename


def expect_renamed(name: str, modules: Mapping[str, str], expected: str) -> None:
    """Raise CheckError unless a name becomes another one."""
    got = rename(name, modules)
    expect(got == expected, f"{name} by {dict(modules)}: expected {expected!r}, got {got!r}")


def check_a_name_by_hand() -> None:
    """The module is translated, and what comes last stays: weight or bias."""
    expect_renamed("tokens.weight", {"tokens": "wte"}, "wte.weight")
    expect_renamed("norm.bias", {"norm": "ln_f"}, "ln_f.bias")


def check_the_number_of_the_block_comes_along() -> None:
    """# stands for it in the table, on both sides."""
    expect_renamed("blocks.0.norm.weight", {"blocks.#.norm": "h.#.ln"}, "h.0.ln.weight")
    expect_renamed("blocks.3.norm.bias", {"blocks.#.norm": "h.#.ln"}, "h.3.ln.bias")


def check_a_number_may_have_two_digits() -> None:
    """Block 11 is neither block 1 nor block 1 twice."""
    expect_renamed("blocks.11.norm.bias", {"blocks.#.norm": "h.#.ln"}, "h.11.ln.bias")


def check_a_number_inside_a_word_is_none_of_a_block() -> None:
    """GPT-2 calls its first norm ln_1, in every block."""
    expect_renamed("h.7.ln_1.weight", THEIRS, "blocks.7.attention_norm.weight")


def check_a_name_that_is_not_in_the_table_stays() -> None:
    """Somebody else has to say that it is unexpected, under the name that it has."""
    expect_renamed("lm_head.weight", MODULES, "lm_head.weight")
    expect_renamed("blocks.2.extra.weight", MODULES, "blocks.2.extra.weight")


def check_a_part_of_a_name_in_the_table_is_not_the_name() -> None:
    """`norm` is in the table, `norm.scale` and `attention_norm` are not."""
    expect_renamed("norm.scale.weight", {"norm": "ln_f"}, "norm.scale.weight")
    expect_renamed("attention_norm.weight", {"norm": "ln_f"}, "attention_norm.weight")


# ---------------------------------------------------------------- split


def expect_split(state: Weights, expected: Weights, what: str) -> None:
    """Raise CheckError unless tensors by their names become these by ours."""
    got = split(state, MODULES)
    expect(
        sorted(got) == sorted(expected), f"{what}: expected the names {sorted(expected)}, got {sorted(got)}"
    )
    for name, tensor in expected.items():
        expect(
            torch.equal(got[name], tensor),
            f"{what}: {name} must be\n{tensor}\ngot\n{got[name]}",
        )


def check_one_of_theirs_is_cut_into_three_of_ours() -> None:
    """Query above, key in the middle, value below: as they stand in the table."""
    joined = torch.arange(12.0).reshape(6, 2)
    names = [f"blocks.4.attention.{part}.weight" for part in ("query", "key", "value")]
    parts = (joined[:2], joined[2:4], joined[4:])
    expect_split(
        {"h.4.attn.c_attn.weight": joined},
        dict(zip(names, parts, strict=True)),
        "a (6, 2) of query, key and value",
    )


def check_it_is_cut_across_and_not_along() -> None:
    """A (6, 6): three of (2, 6), for a row belongs to one output."""
    joined = torch.arange(36.0).reshape(6, 6)
    names = [f"blocks.0.attention.{part}.weight" for part in ("query", "key", "value")]
    parts = (joined[:2], joined[2:4], joined[4:])
    expect_split(
        {"h.0.attn.c_attn.weight": joined},
        dict(zip(names, parts, strict=True)),
        "a (6, 6) of query, key and value",
    )


def check_biases_are_cut_as_well() -> None:
    """They have one axis."""
    parts = enumerate(("query", "key", "value"))
    expect_split(
        {"h.0.attn.c_attn.bias": torch.arange(3.0)},
        {f"blocks.0.attention.{part}.bias": torch.tensor([float(place)]) for place, part in parts},
        "a bias of query, key and value",
    )


def check_what_is_one_of_ours_stays_whole() -> None:
    """A table of tokens is not cut."""
    table = torch.arange(12.0).reshape(6, 2)
    expect_split(
        {"wte.weight": table, "h.1.ln_1.weight": table[0]},
        {"tokens.weight": table, "blocks.1.attention_norm.weight": table[0]},
        "a table and a norm",
    )


def check_what_is_not_in_the_table_comes_through() -> None:
    """Also a number without an axis, which cannot be cut."""
    stray = {"h.0.extra.weight": torch.ones(3), "h.0.attn.scale": torch.tensor(2.0)}
    expect_split(stray, stray, "weights that the table does not know")


# ---------------------------------------------------------------- drop_copy


def dropped(state: Weights) -> Weights:
    """Return what is left when "out" is a copy of "table"."""
    drop_copy(state, "out", "table")
    return state


def check_a_copy_is_left_out() -> None:
    """And the weight stays as it is."""
    table = torch.arange(6.0).reshape(3, 2)
    left = dropped({"table": table, "out": table.clone(), "bias": table[0]})
    expect(sorted(left) == ["bias", "table"], f"expected bias and table to be left, got {sorted(left)}")
    expect(torch.equal(left["table"], table), "the weight itself has changed")


def check_where_there_is_no_copy_nothing_happens() -> None:
    """Newer files have none."""
    left = dropped({"table": torch.ones(2)})
    expect(sorted(left) == ["table"], f"expected the table to be left, got {sorted(left)}")
    expect(dropped({}) == {}, "of a file without either, nothing can be left")


def check_a_copy_alone_stands_for_the_weight() -> None:
    """Some files hold the output and not the input."""
    left = dropped({"out": torch.arange(3.0)})
    expect(sorted(left) == ["table"], f"expected the copy under the name of the weight, got {sorted(left)}")
    expect(torch.equal(left["table"], torch.arange(3.0)), "the numbers are not those of the copy")


def check_an_output_of_its_own_is_refused() -> None:
    """Left out, it would be another model, and nobody would see it."""
    for what, own in (("one number differs", [0.0, 1.0, 2.5]), ("it is shorter", [0.0, 1.0])):
        try:
            dropped({"table": torch.arange(3.0), "out": torch.tensor(own)})
        except ValueError as error:
            expect("out" in str(error), f"the message does not name the weight: {error}")
            continue
        except Exception as error:
            raise CheckError(f"{what}: expected a ValueError, got {type(error).__name__}: {error}") from error
        raise CheckError(f"an output that is not the table ({what}) was left out without a word")


# ---------------------------------------------------------------- load_weights


class Small(nn.Module):
    """Two square layers, and a head of two parts; all its weights are 7 where nothing is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.head = nn.Linear(3, 2)
        for weight in self.parameters():
            nn.init.constant_(weight, 7.0)


def never(*given: Any) -> Any:
    """Stand for what is not asked for here."""
    raise AssertionError(f"this is not needed to load weights: {given}")


KIND = FolderKind(
    "Small",
    "small",
    LstmConfig,
    lambda config, generator: Small(),
    never,
    never,
    lambda state: {f"theirs.{name}": tensor for name, tensor in state.items()},
    never,
    {},
    {},
    blocks="blocks.",
    heads={"head.": "the head"},
)
"""Their names are ours with "theirs." in front."""


def whole() -> Weights:
    """Return all weights of a Small, every number another one."""
    generator = Generator().manual_seed(0)
    return {
        name: torch.randn(weight.shape, generator=generator) for name, weight in Small().named_parameters()
    }


def load(state: Weights) -> tuple[Small, list[str]]:
    """Return a Small with these weights, and what started fresh."""
    model = Small()
    return model, load_weights(KIND, model, state, Path("FILE"))


def expect_loaded(state: Weights, expected: Weights, fresh: list[str], what: str) -> None:
    """Raise CheckError unless a Small has just these weights afterwards, and just this starts fresh."""
    model, got = load(state)
    expect(got == fresh, f"{what}: expected that {fresh} start fresh, got {got}")
    for name, weight in model.named_parameters():
        wanted = expected.get(name, torch.full(weight.shape, 7.0))
        expect(torch.equal(weight, wanted), f"{what}: {name} must be\n{wanted}\ngot\n{weight.detach()}")


def expect_told(change: Callable[[Weights], object], names: str, what: str) -> None:
    """Raise CheckError unless a ValueError names what is wrong with a file, in their names."""
    state = whole()
    change(state)
    try:
        load(state)
    except ValueError as error:
        expect(names in str(error), f"{what}: the message must have {names!r} in it: {error}")
        return
    except Exception as error:
        raise CheckError(f"{what}: expected a ValueError, got {type(error).__name__}: {error}") from error
    raise CheckError(f"{what}, and nothing was said")


def check_every_number_comes_to_its_place() -> None:
    """As it is: a square matrix does not turn."""
    expect_loaded(whole(), whole(), [], "a whole file")


def check_half_precision_becomes_what_the_model_has() -> None:
    """The model is float32, and stays so."""
    halves = {name: tensor.bfloat16() for name, tensor in whole().items()}
    expect_loaded(halves, {name: tensor.float() for name, tensor in halves.items()}, [], "a file of bfloat16")
    model, _ = load(halves)
    kinds = {weight.dtype for weight in model.parameters()}
    expect(kinds == {torch.float32}, f"after a file of bfloat16 the weights are {kinds}")


def check_a_weight_that_is_missing_is_told() -> None:
    """Else it stays as the dice threw it."""
    expect_told(lambda state: state.pop("second.bias"), "theirs.second.bias", "second.bias is missing")


def check_a_weight_that_nobody_expects_is_told() -> None:
    """It is a misspelt name, or a layer that our model does not have."""
    expect_told(lambda state: state.update(third=torch.ones(3)), "third", "there is a weight too many")


def check_another_shape_is_told() -> None:
    """Also where it could be stretched to fit: a row of three, for three rows of three."""
    expect_told(
        lambda state: state.update({"first.weight": torch.ones(1, 3)}),
        "theirs.first.weight",
        "first.weight has the shape (1, 3), not (3, 3)",
    )


def check_whole_numbers_are_told() -> None:
    """Weights of one byte have a scale that stands elsewhere."""
    expect_told(
        lambda state: state.update({"first.weight": torch.ones(3, 3, dtype=torch.int8)}),
        "theirs.first.weight",
        "first.weight holds integers",
    )


def check_a_head_that_is_missing_as_a_whole_starts_fresh() -> None:
    """A bare encoder has none; that is no mistake, but it must be said."""
    state: dict[str, Tensor] = {name: tensor for name, tensor in whole().items() if "head" not in name}
    expect_loaded(state, state, ["the head"], "a file without the head")


def check_half_a_head_is_not_fresh_but_missing() -> None:
    """One of its two weights is there: then the other one was lost."""
    expect_told(lambda state: state.pop("head.bias"), "theirs.head.bias", "head.bias is missing")


def check_nothing_is_loaded_where_something_is_wrong() -> None:
    """Who catches the error must not have half a model."""
    model, state = Small(), whole()
    del state["second.bias"]
    try:
        load_weights(KIND, model, state, Path("FILE"))
    except ValueError:
        same = all(bool((weight == 7).all()) for weight in model.parameters())
        expect(same, "second.bias is missing, and other weights were loaded all the same")
