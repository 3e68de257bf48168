"""Take a function out of a notebook, together with all that it uses there."""

import ast
import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any


def gather(function: Callable[..., Any]) -> str:
    """Return a file that defines a function: its source, and the helpers, constants and imports it uses.

    Args:
        function: a function, or a method "Class.method", whose class comes along whole.

    Raises:
        ValueError: it uses something that cannot be written down, or its source is not known.
    """
    names = dict(vars(sys.modules[function.__module__]))
    captured = inspect.getclosurevars(function).nonlocals if isinstance(function, FunctionType) else {}
    first = function.__qualname__.rpartition("<locals>.")[2].partition(".")[0]
    found = Gathered(function.__module__, names | dict(captured))
    found.define(first, names.get(first, function))
    return found.text()


class Gathered:
    """Pieces of a file, in an order in which they can be run."""

    def __init__(self, module: str, names: Mapping[str, Any]) -> None:
        self.module = module
        self.names = names
        self.imports: dict[str, str] = {}
        self.pieces: dict[str, str] = {}

    def text(self) -> str:
        """Return the file."""
        return "\n\n\n".join(["\n".join(self.imports.values()), *self.pieces.values()]).lstrip() + "\n"

    def take(self, name: str) -> None:
        """Add what a name stands for, if it is not there yet."""
        if name in self.imports or name in self.pieces:
            return
        value = self.names[name]
        if isinstance(value, ModuleType):
            alias = "" if name == value.__name__ else f" as {name}"
            self.imports[name] = f"import {value.__name__}{alias}"
        elif getattr(value, "__module__", None) == self.module and isinstance(value, (FunctionType, type)):
            self.define(name, value)
        elif home := home_of(name, value, self.module):
            self.imports[name] = f"from {home} import {name}"
        elif is_home(value, value_module(value), getattr(value, "__name__", "")):
            self.imports[name] = f"from {value_module(value)} import {value.__name__} as {name}"
        else:
            self.pieces[name] = f"{name} = {literal(name, value)}"

    def define(self, name: str, value: Any) -> None:
        """Add a function or a class, after all that it uses."""
        source = source_of(name, value)
        self.pieces[name] = ""  # so that two functions may call each other
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Name) and node.id in self.names and node.id != name:
                self.take(node.id)
        del self.pieces[name]
        self.pieces[name] = source


def source_of(name: str, value: Any) -> str:
    """Return the source of a function or a class, also of a class in a notebook, which `inspect` cannot find.

    Raises ValueError where there is none.
    """
    try:
        return textwrap.dedent(inspect.getsource(value)).rstrip()
    except (OSError, TypeError):
        pass
    for method in vars(value).values() if isinstance(value, type) else ():
        if isinstance(method, FunctionType):
            lines = linecache.getlines(method.__code__.co_filename)
            for node in ast.walk(ast.parse("".join(lines))):
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return "".join(lines[node.lineno - 1 : node.end_lineno]).rstrip()
    raise ValueError(f"the source of {name} is not known: write it in a cell of its own, and run that")


def value_module(value: Any) -> str:
    """Return the module that something says it is from, or ""."""
    module = getattr(value, "__module__", None)
    return module if isinstance(module, str) else ""


def is_home(value: Any, module: str, name: str) -> bool:
    """Return whether a name in a module stands for just this."""
    return bool(name) and module in sys.modules and vars(sys.modules[module]).get(name) is value


def home_of(name: str, value: Any, but: str) -> str:
    """Return the module from which a name can be imported: its own or, of an alias, one of ours; or ""."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return ""
    ours = [module for module in sys.modules if module.partition(".")[0] == "minibert"]
    for module in [value_module(value), *ours, "typing", "collections.abc", "numpy", "torch"]:
        if module != but and is_home(value, module, name):
            return module
    return ""


def literal(name: str, value: Any) -> str:
    """Return a constant as it can be written.

    Raises ValueError for one that cannot.
    """
    try:
        if ast.literal_eval(repr(value)) == value:
            return repr(value)
    except (ValueError, SyntaxError):
        pass
    raise ValueError(
        f"{name} is a {type(value).__name__} of the notebook's and cannot be taken along: "
        f"make it in the function"
    )
