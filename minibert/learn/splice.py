"""Put the learner's functions into the library, in the place of its own.

Whoever imports the library sees them: an import hook follows every definition that is to be replaced with a
line that hands it to a `Slot`, and the slot passes each call on to the version that it is to use now. So
imports by name, methods, properties and `super()` all meet the learner's function, and everything around it
stays the library's.

The learner's file runs as a file of its own, with its own imports, constants and helpers; tracebacks point
into it.
"""

import ast
import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import CellType, ModuleType
from typing import Any

from minibert.learn.mutate import bare, plain

HANDLE = "__slot__"
"""What the line after a replaced definition calls."""


class LearnerError(Exception):
    """Something in the learner's file that no check is needed to see; with the line, where there is one."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Slot:
    """The place of one function in the library, and the version of it that is called there."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.module: ModuleType | None = None
        self.definition: Any = missing
        """What the library defines: the function, or the property or static or class method around it."""
        self.reference: Callable[..., Any] = missing
        self.written: Callable[..., Any] = missing
        """The learner's version, once it has been put in."""
        self.current: Callable[..., Any] = missing
        """The version that is called; in the beginning the library's."""
        self.calls = 0

    def take(self, definition: Any) -> Any:
        """Take the library's definition, and return what stands there instead."""
        self.definition = definition
        self.reference = self.current = bare(definition)

        @functools.wraps(plain(definition))
        def dispatch(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return self.current(*args, **kwargs)

        kind = kind_of(definition)
        return kind(dispatch) if kind else dispatch

    def put(self, text: str, path: Path) -> None:
        """Run a learner's file and take its version of the function, which is not called yet.

        Raises LearnerError for a file without such a function; whatever else the file raises goes through.
        """
        tree = ast.parse(text, str(path))
        refuse_itself(tree, self.function)
        namespace: dict[str, Any] = {
            "__name__": self.function.partition(":")[0],
            "__file__": str(path),
            "__builtins__": __builtins__,
        }
        exec(compile(tree, str(path), "exec"), namespace)
        name = self.function.partition(":")[2]
        written = find_in(namespace, name)
        if kind_of(written) is not kind_of(self.definition):
            kind = kind_of(self.definition)
            what = f"a {kind.__name__}" if kind else "neither a property nor a static or class method"
            raise LearnerError(f"{name} must be {what}, as in the stub")
        self.written = bare(written)
        expect_same_arguments(self.written, self.reference, name)
        if self.owner is not None:
            class_name, _, method = name.partition(".")
            join(namespace[class_name], self.owner, method)
            namespace[class_name] = self.owner

    @property
    def owner(self) -> type | None:
        """The library's class that the function is a method of."""
        class_name, _, method = self.function.partition(":")[2].partition(".")
        return getattr(self.module, class_name) if method else None


def missing(*args: Any, **kwargs: Any) -> Any:
    """Stand in a slot that is empty."""
    raise RuntimeError("there is no function here yet")


KINDS = (property, staticmethod, classmethod, functools.cached_property)


def kind_of(definition: Any) -> type | None:
    """Return what a function is wrapped in inside its class, or None."""
    return next((kind for kind in KINDS if isinstance(definition, kind)), None)


def refuse_itself(tree: ast.Module, function: str) -> None:
    """Raise LearnerError where a file imports the very function that it is to define."""
    module, _, name = function.partition(":")
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == module and has_name(node, name):
            raise LearnerError(f"{name} is what you are to write here: leave out this import", node.lineno)


def has_name(node: ast.ImportFrom, name: str) -> bool:
    """Return whether an import brings a name."""
    return any(alias.name == name for alias in node.names)


def find_in(namespace: Mapping[str, Any], name: str) -> Any:
    """Return what a file defines under the name of a function or of a method.

    Raises LearnerError where there is no such thing.
    """
    found: Mapping[str, Any] = namespace
    *classes, last = name.split(".")
    where = ""
    for part in classes:
        if not isinstance(found.get(part), type):
            raise LearnerError(f"the file has no class {part}: it must keep the name that the stub has")
        found, where = vars(found[part]), f" in the class {part}"
    if last not in found:
        raise LearnerError(f"the file has no {last}{where}: it must keep the name that the stub has")
    if not callable(bare(found[last])):
        raise LearnerError(f"{name} must be a function, but it is {type(found[last]).__name__}")
    return found[last]


def join(mine: type, theirs: type, method: str) -> None:
    """Give the library's class the learner's other methods; let their `super()` mean that of the library.

    Raises LearnerError for a method that the library's class has already.
    """
    for name, value in vars(mine).items():
        if name != method and name not in CLASS_FURNITURE:
            if name in vars(theirs):
                raise LearnerError(f"{theirs.__name__}.{name} is the library's: give yours another name")
            setattr(theirs, name, value)
        join_class(value, theirs)


CLASS_FURNITURE = {
    *("__module__", "__doc__", "__dict__", "__weakref__", "__qualname__", "__annotations__", "__classcell__"),
    *("__firstlineno__", "__static_attributes__", "__parameters__", "__orig_bases__", "__abstractmethods__"),
    *("_abc_impl", "_backward_cls"),
}
"""What every class has, or what Python (or autograd, into its functions) writes into it."""


def class_cells(value: Any) -> Iterable[CellType]:
    """Return the cell in which `super()` of a method finds its class, if it has one."""
    function = inspect.unwrap(bare(value)) if callable(bare(value)) else None
    if not inspect.isfunction(function):
        return []
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return [cells["__class__"]] if "__class__" in cells else []


def join_class(function: Any, theirs: type) -> None:
    """Let `super()` in a function mean that of a class."""
    for cell in class_cells(function):
        cell.cell_contents = theirs


def expect_same_arguments(written: Callable[..., Any], reference: Callable[..., Any], name: str) -> None:
    """Raise LearnerError where the arguments have other names, or another order, than those of the stub."""
    try:
        mine = list(inspect.signature(written).parameters.values())
    except (TypeError, ValueError):
        return
    theirs = list(inspect.signature(reference).parameters.values())
    if any(argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD) for argument in mine):
        return
    extra = mine[len(theirs) :]
    if [argument.name for argument in mine[: len(theirs)]] != [argument.name for argument in theirs] or any(
        argument.default is argument.empty for argument in extra
    ):
        wanted, got = (", ".join(argument.name for argument in some) for some in (theirs, mine))
        raise LearnerError(f"{name} must take the arguments ({wanted}), as in the stub; it takes ({got})")


class Finder(importlib.abc.MetaPathFinder):
    """Find the modules that have a slot, and load them with it."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self.slots = list(slots)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        mine = [slot for slot in self.slots if slot.function.partition(":")[0] == fullname]
        if not mine:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.origin is not None
        spec.loader = Loader(fullname, spec.origin, mine)
        return spec


class Loader(importlib.machinery.SourceFileLoader):
    """Load a module of the library with a slot behind each definition that has one."""

    def __init__(self, fullname: str, path: str, slots: list[Slot]) -> None:
        super().__init__(fullname, path)
        self.slots = {slot.function.partition(":")[2]: slot for slot in slots}

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(Path(self.path).read_text(encoding="utf-8"), self.path)
        for name, slot in self.slots.items():
            add_handle(tree, name)
            slot.module = module
        setattr(module, HANDLE, lambda name, definition: self.slots[name].take(definition))
        exec(compile(ast.fix_missing_locations(tree), self.path, "exec"), vars(module))


def add_handle(tree: ast.Module, name: str) -> None:
    """Write `f = __slot__("f", f)` behind the definition of f, in the syntax tree of its module.

    Raises LookupError where there is no such definition.
    """
    around, node = find_definition(tree, name)
    short = name.rpartition(".")[2]
    (line,) = ast.parse(f"{short} = {HANDLE}({name!r}, {short})").body
    for part in ast.walk(line):
        if isinstance(part, (ast.expr, ast.stmt)):
            ast.copy_location(part, node)
    around.insert(around.index(node) + 1, line)


def find_definition(tree: ast.Module, name: str) -> tuple[list[ast.stmt], ast.FunctionDef]:
    """Return the definition of a function or a method, and the lines among which it stands."""
    around, node = tree.body, None
    for part in name.split("."):
        around = around if node is None else node.body
        kinds = (ast.FunctionDef, ast.ClassDef)
        node = next((item for item in around if isinstance(item, kinds) and item.name == part), None)
        if node is None:
            raise LookupError(f"{name} is not defined")
    assert isinstance(node, ast.FunctionDef)
    return around, node


def splice(functions: Iterable[str]) -> dict[str, Slot]:
    """Give slots to functions of the library, and import the modules that define them.

    Raises RuntimeError where such a module has been imported before, without slots.
    """
    slots = {function: Slot(function) for function in functions}
    modules = dict.fromkeys(function.partition(":")[0] for function in slots)
    for module in modules:
        if module in sys.modules:
            raise RuntimeError(f"{module} has been imported before its functions could be replaced")
    sys.meta_path.insert(0, Finder(slots.values()))
    for module in modules:
        importlib.import_module(module)
    return slots
