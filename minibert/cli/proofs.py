"""`minibert prove`: the table of proofs."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Prove:
    """Hold every block by hand against finite differences, its twin in PyTorch, and `transformers`.

    Each cell is max |a - b| / max |b| of the worst array, in float64: outputs and all gradients. With a cell
    above its bar the command fails.

    examples:
      minibert prove
      minibert prove attention multihead
    """

    blocks: Annotated[
        Positional[tuple[str, ...]], arg(metavar="[BLOCK...]", help="Some blocks; all if not given.")
    ] = ()

    def __call__(self) -> None:
        from minibert.prove import prove

        prove(*self.blocks)
