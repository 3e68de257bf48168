"""A function is taken out of a notebook with all that it uses; here this file is the notebook."""

import math
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from math import pi as circle
from typing import Any

import numpy as np
import numpy as xp
import pytest

from minibert.byhand.parameters import Array
from minibert.learn.gather import gather

FACTOR = 3
NAMES = {"a": (1, 2.5), "b": None}
TABLE = np.ones(3)


def helper(x: float) -> float:
    return FACTOR * x


def other(x: float) -> float:
    return helper(x) + main(0.0, False)


def main(x: float, again: bool = True) -> float:
    return other(x) + math.floor(circle) if again else 1.0


def uses_arrays(x: Array, cache: Any) -> Array:
    return xp.asarray(x) + len(NAMES)


@cache
def decorated(n: int) -> int:
    return 1 if n < 2 else n * decorated(n - 1)


def uses_a_table(x: Array) -> Array:
    return TABLE * x


class Double:
    def forward(self, x: float) -> float:
        return helper(x) / FACTOR * 2


def run(text: str) -> dict[str, Any]:
    """Run a gathered file, which must need nothing but itself."""
    namespace: dict[str, Any] = {"__name__": "gathered"}
    exec(compile(text, "gathered", "exec"), namespace)
    return namespace


def test_helpers_constants_and_imports_come_along_each_once() -> None:
    text = gather(main)
    assert run(text)["main"](2.0) == 3 * 2.0 + 1.0 + 3
    assert text.count("def helper") == text.count("def other") == text.count("FACTOR = 3") == 1
    assert "circle = 3.14159" in text and "import math\n" in text
    assert "uses_arrays" not in text and "TABLE" not in text


def test_names_of_types_and_of_modules_are_imported_as_they_were() -> None:
    text = gather(uses_arrays)
    assert "import numpy as xp" in text and "from minibert.byhand.parameters import Array" in text
    assert run(text)["uses_arrays"](np.ones(2), None).tolist() == [3.0, 3.0]


def test_a_decorator_and_a_class_come_whole() -> None:
    assert run(gather(decorated.__wrapped__))["decorated"](5) == 120
    assert run(gather(Double.forward))["Double"]().forward(2.0) == 4.0


def test_what_a_function_captures_comes_along() -> None:
    shift = 5

    def inner(x: float) -> float:
        return x + shift

    assert run(gather(inner))["inner"](1.0) == 6.0


def test_a_constant_that_cannot_be_written_is_told() -> None:
    with pytest.raises(ValueError, match="TABLE is a ndarray of the notebook's and cannot be taken along"):
        gather(uses_a_table)


def test_a_function_without_source_is_told() -> None:
    namespace: dict[str, Callable[..., Any]] = {"__name__": __name__}  # pyright: ignore[reportAssignmentType]
    exec("def hidden(x):\n    return x\n", namespace)
    with pytest.raises(ValueError, match="the source of hidden is not known"):
        gather(namespace["hidden"])


def test_in_a_real_notebook_a_function_and_a_class_are_found() -> None:
    cells = [
        "import numpy as np\nSCALE = 2",
        "def helper(x):\n    return SCALE * np.sum(x)",
        "def main(x):\n    return helper(x)",
        "class Thing:\n    def forward(self, x):\n        return helper(x)",
        "from minibert.learn.gather import gather\nprint(gather(main))",
        "print('----')\nprint(gather(Thing.forward))",
    ]
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        f"for cell in {cells!r}:\n"
        "    shell.run_cell(cell).raise_error()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    function, method = done.stdout.split("----")
    assert run(function)["main"]([1, 2]) == 6
    assert run(method)["Thing"]().forward([1, 2]) == 6
