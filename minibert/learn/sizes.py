"""The sizes that checks are run with: one number for each letter of the project."""

from typing import NamedTuple


class Sizes(NamedTuple):
    """Small sizes, all different where they can be, so that swapped axes cannot fit by chance."""

    B: int = 2
    """Sequences."""
    T: int = 3
    """Query positions."""
    S: int = 5
    """Key positions."""
    H: int = 2
    """Heads."""
    K: int = 4
    """Width of a head."""
    F: int = 7
    """Feed-forward width."""
    V: int = 11
    """Vocabulary."""
    N: int = 6
    """Predicted positions."""
    L: int = 2
    """Layers."""

    @property
    def D(self) -> int:
        """Model width, H K."""
        return self.H * self.K

    @property
    def query(self) -> tuple[int, int, int, int]:
        """(B, H, T, K)."""
        return self.B, self.H, self.T, self.K

    @property
    def key(self) -> tuple[int, int, int, int]:
        """(B, H, S, K)."""
        return self.B, self.H, self.S, self.K
