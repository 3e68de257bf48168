"""The table of proofs: every block by hand, held against three oracles.

Finite differences of its own forward pass; its twin in PyTorch; the same block of `transformers`, where they
have one. Each cell is max |a - b| / max |b| of the worst array, in float64: for the twins over the output and
all gradients, for finite differences over all gradients.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from minibert.learn.proof import Case, distance, finite_differences
from minibert.learn.sizes import Sizes

BARS = {"finite differences": 1e-8, "torch twin": 1e-12, "transformers": 1e-12}
"""The oracles, and the largest error that counts as the same."""

STEMS = (
    "linear",
    "lora",
    "activation",
    "dropout",
    "embedding",
    "position",
    "attention",
    "multihead",
    "feedforward",
    "gated",
    "layernorm",
    "rmsnorm",
    "block",
    "loss",
    "optimizer",
    "recurrent",
    "gpt",
    "bert",
)
"""What there is to prove, the parts before the whole."""

NONE = "—"
"""A cell without a counterpart."""


class ProofError(AssertionError):
    """A block that an oracle does not confirm."""


@dataclass(frozen=True)
class Row:
    """A block and how far it is from each oracle; None where there is nothing to compare with."""

    block: str
    errors: dict[str, float | None]

    @property
    def missed(self) -> list[str]:
        """The oracles that do not confirm the block."""
        # Not `error > bar`: NaN is missed too.
        return [name for name, e in self.errors.items() if e is not None and not e <= BARS[name]]


def cases_of(stem: str) -> list[Case]:
    """Return what the checks of a stem run on.

    Raises ValueError for an unknown stem.
    """
    if stem not in STEMS:
        raise ValueError(f"nothing to prove about {stem!r}; there is: {', '.join(STEMS)}")
    return importlib.import_module(f"minibert.learn.checks.{stem}").CASES


def prove_case(block: str, case: Case) -> Row:
    """Hold one case against its oracles; None for `transformers` also where it is not installed."""
    size, seed = Sizes(), 0
    errors: dict[str, float | None] = dict.fromkeys(BARS)
    if case.backward is not None:
        errors["finite differences"] = finite_differences(case, size, seed, tolerance=float("inf"))
    if case.torch is not None:
        errors["torch twin"] = distance(case, case.torch, size, seed)
    if case.transformers is not None and find_spec("transformers") is not None:
        errors["transformers"] = distance(case, case.transformers, size, seed)
    return Row(block, errors)


def rows(*stems: str) -> Iterator[Row]:
    """Yield the rows of some stems, or of all, as they are worked out."""
    for stem in stems or STEMS:
        for case in cases_of(stem):
            yield prove_case(block_name(stem, case), case)


def block_name(stem: str, case: Case) -> str:
    """Return what a row is called: the stem, and what is special about the case."""
    return stem if case.name == stem else f"{stem}: {case.name}"


def table(*stems: str) -> Iterator[str]:
    """Yield the lines of the table, and a last one that sums it up.

    Raises ProofError after the last line when a cell is above its bar; ValueError for an unknown stem.
    """
    names = [block_name(stem, case) for stem in stems or STEMS for case in cases_of(stem)]
    widths = {"block": max(map(len, names)), **{oracle: max(len(oracle), 7) for oracle in BARS}}
    yield "  ".join([f"{'block':<{widths['block']}}", *(f"{o:>{widths[o]}}" for o in BARS)])
    missed, cells = [], 0
    for row in rows(*stems):
        missed += [f"{row.block} by {oracle}: {row.errors[oracle]:.1e}" for oracle in row.missed]
        cells += sum(error is not None for error in row.errors.values())
        shown = [
            f"{NONE if error is None else f'{error:.1e}':>{widths[oracle]}}"
            for oracle, error in row.errors.items()
        ]
        yield "  ".join([f"{row.block:<{widths['block']}}", *shown])
    bars = ", ".join(f"{oracle} {bar:.0e}" for oracle, bar in BARS.items())
    if find_spec("transformers") is None:
        yield "The package transformers is not installed, so its column is empty."
    if missed:
        raise ProofError(f"above their bars ({bars}): {'; '.join(missed)}")
    yield f"{cells} proofs, all below their bars: {bars}."


def prove(*stems: str) -> None:
    """Print the table of some stems, or of all.

    Raises ProofError when a cell is above its bar; ValueError for an unknown stem.
    """
    for line in table(*stems):
        print(line, flush=True)
