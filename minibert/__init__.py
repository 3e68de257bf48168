"""minibert: a BERT from scratch, to read, to prove, and to train."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minibert.hub import from_pretrained, save_pretrained

__all__ = ["__version__", "from_pretrained", "save_pretrained"]
__version__ = "0.1.0"

# Looked up at first use (PEP 562), so that `import minibert` does not load torch.
HOMES = {"from_pretrained": "minibert.hub", "save_pretrained": "minibert.hub"}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'minibert' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
