"""A learner's functions stand in the library, whatever they look like, and the library's own around them."""

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from minibert.learn.splice import LearnerError, Slot, splice

LIBRARY = '''
import math
from functools import cache, cached_property

FACTOR = 3

def double(x):
    """Return 2 x."""
    return 2 * x

TABLE = [double(x) for x in range(3)]

def six_times(x):
    return FACTOR * double(x)

def count(n):
    """Yield 0 to n - 1."""
    yield from range(n)

class Base:
    def name(self):
        return "base"

class Thing(Base):
    """A thing."""

    unit = "m"

    def __init__(self, size):
        self.size = size

    def name(self):
        """Return the name, after that of the base."""
        return super().name() + " thing"

    @property
    def area(self):
        """Return the area."""
        return self.size**2

    @staticmethod
    def of_three(x):
        return x + 3

    @classmethod
    def small(cls):
        return cls(1)

    @cached_property
    def slow(self):
        return self.size + 100

    def later(self):
        return helper(self.size)

def helper(x):
    return -x
'''

USER = """
from toy_library import Thing, double, six_times

def twice_double(x):
    return double(double(x))
"""


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a small library that nobody has imported yet; what is spliced into it is forgotten afterwards."""
    (tmp_path / "toy_library.py").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "toy_user.py").write_text(USER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    yield tmp_path
    sys.meta_path[:] = before
    for name in ("toy_library", "toy_user"):
        sys.modules.pop(name, None)


def load(toys: Path, name: str, text: str, at_once: bool = True) -> tuple[Slot, ModuleType]:
    """Put a learner's file in the place of toy_library:NAME; return its slot and the library."""
    function = f"toy_library:{name}"
    slot = splice([function])[function]
    slot.put(textwrap.dedent(text), toys / "mine.py")
    if at_once:
        slot.current = slot.written
    return slot, importlib.import_module("toy_library")


def test_who_imports_a_function_by_name_gets_the_learner_s(toys: Path) -> None:
    _, library = load(toys, "double", "def double(x):\n    return 10 * x\n")
    user = importlib.import_module("toy_user")
    assert user.twice_double(1) == 100 and library.six_times(1) == 30
    assert library.TABLE == [0, 2, 4], "what the library works out while it is loaded is its own"


def test_until_it_is_told_a_slot_calls_the_library_s_own(toys: Path) -> None:
    slot, library = load(toys, "double", "def double(x):\n    return 10 * x\n", at_once=False)
    assert library.double(1) == 2
    slot.current = slot.written
    assert library.double(1) == 10 and slot.reference(1) == 2 and slot.calls == 5


def test_the_file_has_constants_helpers_and_imports_of_its_own(toys: Path) -> None:
    text = """
        from math import floor as down
        import math

        FACTOR = 10

        def helper(x):
            return FACTOR * x

        def double(x):
            return down(helper(x) + math.pi)
    """
    _, library = load(toys, "double", text)
    assert library.double(1) == 13
    assert library.six_times(1) == 39, "the library's FACTOR stays 3"
    assert library.helper(1) == -1, "and so does its helper"


def test_the_file_may_import_from_its_own_module(toys: Path) -> None:
    text = "from toy_library import FACTOR, helper\n\ndef double(x):\n    return FACTOR * helper(x)\n"
    _, library = load(toys, "double", text)
    assert library.double(7) == -21


def test_such_an_import_may_give_another_name(toys: Path) -> None:
    text = "from toy_library import helper as other\n\ndef double(x):\n    return other(x)\n"
    _, library = load(toys, "double", text)
    assert library.double(7) == -7


def test_a_generator_a_decorator_and_a_recursive_function_are_functions_too(toys: Path) -> None:
    _, library = load(toys, "count", "def count(n):\n    while n:\n        n -= 1\n        yield n\n")
    assert list(library.count(3)) == [2, 1, 0]


def test_a_decorated_function_keeps_its_decorator(toys: Path) -> None:
    text = """
        from functools import cache
        made = []

        @cache
        def double(x):
            made.append(x)
            return 1 if x < 2 else x * double(x - 1)
    """
    slot, library = load(toys, "double", text)
    assert [library.double(5), library.double(5)] == [120, 120]
    assert slot.written.__wrapped__.__globals__["made"].count(5) == 1  # pyright: ignore[reportFunctionMemberAccess]


def test_a_method_s_super_is_that_of_the_library_s_class(toys: Path) -> None:
    text = """
        from toy_library import Base

        class Thing(Base):
            def name(self):
                return super().name() + self.more()

            def more(self):
                return f" of {self.size} {self.unit}"
    """
    _, library = load(toys, "Thing.name", text)
    assert library.Thing(4).name() == "base of 4 m"
    assert type(library.Thing(4)).__mro__[1] is library.Base


def test_properties_static_and_class_methods_stay_what_they_are(toys: Path) -> None:
    cases = {
        "Thing.area": ("@property\n    def area(self):\n        return 3 * self.size", "thing.area", 6),
        "Thing.of_three": (
            "@staticmethod\n    def of_three(x):\n        return 3 * x",
            "Thing.of_three(2)",
            6,
        ),
        "Thing.small": ("@classmethod\n    def small(cls):\n        return cls(5)", "Thing.small().size", 5),
        "Thing.slow": ("@cached_property\n    def slow(self):\n        return self.size", "thing.slow", 2),
    }
    for name, (method, expression, expected) in cases.items():
        text = f"from functools import cached_property\nclass Thing:\n    {method}\n"
        slot, library = load(toys, name, text)
        assert eval(expression, {"Thing": library.Thing, "thing": library.Thing(2)}) == expected, name
        assert slot.calls == 1
        sys.modules.pop("toy_library")


def test_a_method_may_use_what_stands_below_its_class_and_the_class_itself(toys: Path) -> None:
    text = """
        from toy_library import Base, helper

        class Thing(Base):
            def later(self):
                return helper(self.size), type(self) is Thing
    """
    _, library = load(toys, "Thing.later", text)
    assert library.Thing(2).later() == (-2, True)


@pytest.mark.parametrize(
    ("name", "text", "message", "line"),
    [
        ("double", "def doubl(x):\n    return x\n", "the file has no double: it must keep the name", None),
        ("double", "double = 3\n", "double must be a function, but it is int", None),
        ("Thing.name", "def name(self):\n    return 1\n", "the file has no class Thing", None),
        ("Thing.name", "class Thing:\n    pass\n", "the file has no name in the class Thing", None),
        ("double", "from toy_library import double\n", "double is what you are to write here", 1),
        (
            "double",
            "def double(y):\n    return y\n",
            r"must take the arguments \(x\), .* it takes \(y\)",
            None,
        ),
        ("double", "def double(x, y):\n    return y\n", r"it takes \(x, y\)", None),
        ("Thing.area", "class Thing:\n    def area(self): return 1\n", "must be a property", None),
        (
            "double",
            "class A:\n    @property\n    def f(self): 1\ndouble = A.f\n",
            "must be neither a prop",
            None,
        ),
        (
            "Thing.name",
            "class Thing:\n    def name(self): return 1\n    def later(self): return 2\n",
            "Thing.later is the library's: give yours another name",
            None,
        ),
    ],
)
def test_what_cannot_stand_in_the_library_is_told_in_a_sentence(
    toys: Path, name: str, text: str, message: str, line: int | None
) -> None:
    with pytest.raises(LearnerError, match=message) as caught:
        load(toys, name, text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "text",
    [
        "def double(x, more=1):\n    return 10 * x\n",
        "double = lambda x: 10 * x\n",
        "def double(*some, **more):\n    return 10 * some[0]\n",
        "class Ten:\n    def __call__(self, x):\n        return 10 * x\ndouble = Ten()\n",
        "from functools import partial\ndouble = partial(lambda a, x: a * x, 10)\n",
        "import toy_library\ndef double(x):\n    return -10 * toy_library.helper(x)\n",
        "def double(x):\n    from toy_library import helper\n    return -10 * helper(x)\n",
    ],
)
def test_anything_that_can_be_called_with_the_arguments_is_a_function(toys: Path, text: str) -> None:
    _, library = load(toys, "double", text)
    assert library.double(1) == 10


def test_an_error_points_into_the_learner_s_file(toys: Path) -> None:
    _, library = load(toys, "helper", "\n\ndef helper(x):\n    y = x\n    return y / 0\n")
    with pytest.raises(ZeroDivisionError) as caught:
        library.Thing(1).later()
    last = caught.traceback[-1]
    assert Path(last.path).name == "mine.py" and last.lineno + 1 == 5


def test_a_module_that_has_been_imported_already_is_not_spliced(toys: Path) -> None:
    importlib.import_module("toy_library")
    with pytest.raises(RuntimeError, match="toy_library has been imported before"):
        load(toys, "double", "def double(x): return x\n")


def test_a_function_that_the_library_does_not_define_is_an_error_of_ours(toys: Path) -> None:
    with pytest.raises(LookupError, match="triple is not defined"):
        load(toys, "triple", "def triple(x): return x\n")
