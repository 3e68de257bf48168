"""The library as a course: what each function must fulfil, the mistakes that people make, and exercises."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minibert.learn.notebook import check

__all__ = ["check"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'minibert.learn' has no attribute {name!r}")
    return getattr(import_module("minibert.learn.notebook"), name)
