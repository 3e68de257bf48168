"""What becomes of a learner's file, whatever is in it: one verdict, in time, with the place."""

from functools import cache

import pytest

from minibert.learn.examine import Request, examine_many
from minibert.learn.trial import PRINTED, Printed, Verdict

pytestmark = pytest.mark.slow

ID = "softmax_backward"

RIGHT = "    return cache * (dweights - (cache * dweights).sum(axis=-1, keepdims=True))\n"

HEAD = "def softmax_backward(dweights, cache):\n"

FILES = {
    "right": HEAD + RIGHT,
    "prints": "print('at the beginning')\n" + HEAD + "    print('called')\n" + RIGHT,
    "prints a flood": HEAD + "    for _ in range(2000): print('x' * 100)\n" + RIGHT,
    "prints beside Python": "import os\n" + HEAD + "    os.write(1, b'{}')\n    os.write(2, b'x')\n" + RIGHT,
    "closes its output": "import sys\n" + HEAD + "    sys.stdout.close()\n" + RIGHT,
    "leaves a thread behind": "import time, threading as t\nt.Thread(target=time.sleep, args=(60,)).start()\n"
    + HEAD
    + RIGHT,
    "unwritten": HEAD + "    raise NotImplementedError\n",
    "unwritten helper": HEAD + "    return helper()\n\ndef helper():\n    raise NotImplementedError\n",
    "empty": "",
    "syntax error": "x = 1\ndef softmax_backward(dweights, cache)\n    return 1\n",
    "tabs and spaces": HEAD + "\tx = 1\n        return x\n",
    "null byte": HEAD + "    return '\0'\n",
    "no such module": "import numpy\nimport nowhere\n" + HEAD + RIGHT,
    "no such name": "from numpy import nothing\n" + HEAD + RIGHT,
    "no such name of ours": "from minibert.byhand.attention import nothing\n" + HEAD + RIGHT,
    "name error": HEAD + "    return np.ones(3)\n",
    "exception": HEAD + "    x = 1\n    return x / 0\n",
    "exception in NumPy": "import numpy as np\n" + HEAD + "    return np.reshape(dweights, (7, 7, 7))\n",
    "overflow": "import numpy as np\n" + HEAD + "    return np.exp(cache * 1e6)\n",
    "its own assert": HEAD + "    assert dweights.ndim == 17, 'seventeen axes'\n",
    "exit": "import sys\n" + HEAD + "    sys.exit(0)\n",
    "recursion": HEAD + "    return softmax_backward(dweights, cache)\n",
    "asks": HEAD + "    return input()\n",
    "loop without end": HEAD + "    while True:\n        x = 1\n",
    "loop that keeps exceptions": HEAD
    + """\
    while True:
        try:
            x = 1
        except Exception:
            pass
    """,
    "loop that keeps all": HEAD
    + """\
    while True:
        try:
            while True:
                pass
        except:
            pass
    """,
    "loop at the beginning": "while True:\n    x = 1\n",
    "sleeps": "import time\n" + HEAD + "    time.sleep(60)\n",
    "ends the process": "import os\n" + HEAD + "    os._exit(3)\n",
    "crashes": "import os, signal\n" + HEAD + "    os.kill(os.getpid(), signal.SIGSEGV)\n",
    "takes all memory": "import numpy as np\n" + HEAD + "    return [np.empty(1 << 30) for _ in range(9)]\n",
    "returns nothing": HEAD + "    pass\n",
    "returns a list": HEAD + "    return [1, 2]\n",
    "another shape": HEAD + "    return (cache * dweights).sum(axis=-1)\n",
    "changes its argument": HEAD
    + "    dweights -= (cache * dweights).sum(axis=-1, keepdims=True)\n    return cache * dweights\n",
    "float64 whatever comes": HEAD + "    dweights = dweights.astype(float)\n" + RIGHT,
    "a known mistake": HEAD + "    return cache * dweights\n",
}


@cache
def verdicts() -> dict[str, Verdict]:
    """Return the verdicts on all files, all tried in one warmed process."""
    asked = [Request(ID, text, "softmax_backward.py", limit=1.0) for text in FILES.values()]
    return dict(zip(FILES, examine_many(asked), strict=True))


def verdict(name: str) -> Verdict:
    found = verdicts()[name]
    assert "minibert's own fault" not in found.message, found.message
    return found


@pytest.mark.parametrize(
    "name",
    [
        *("right", "prints", "prints a flood", "prints beside Python", "closes its output"),
        "leaves a thread behind",
    ],
)
def test_right_is_right_whatever_else_it_does(name: str) -> None:
    assert verdict(name).status == "passed"
    assert verdict(name).passed_checks == verdict(name).total_checks > 5


def test_what_is_printed_is_kept_up_to_a_point() -> None:
    assert verdict("prints").printed.startswith("at the beginning\ncalled\n")
    assert len(verdict("prints a flood").printed) == PRINTED
    assert verdict("right").printed == ""
    printed = Printed()
    assert printed.write("y" * 3000) == 3000 and printed.writable()
    assert printed.write("y") == 1 and printed.text == "y" * PRINTED


@pytest.mark.parametrize(
    ("name", "status", "message", "place"),
    [
        ("unwritten", "unwritten", "it is not written yet", "softmax_backward.py:2"),
        ("unwritten helper", "unwritten", "it is not written yet", "softmax_backward.py:5"),
        ("empty", "broken", "the file has no softmax_backward", ""),
        ("syntax error", "broken", "SyntaxError: expected ':'", "softmax_backward.py:2"),
        ("tabs and spaces", "broken", "TabError: inconsistent use of tabs", "softmax_backward.py:3"),
        ("null byte", "broken", "source code string cannot contain null bytes", ""),
        (
            "no such module",
            "broken",
            "Error: No module named 'nowhere'",
            "softmax_backward.py:2",
        ),
        ("no such name", "broken", "cannot import name 'nothing' from 'numpy'", "softmax_backward.py:1"),
        ("no such name of ours", "broken", "cannot import name 'nothing'", "softmax_backward.py:1"),
        ("name error", "broken", "NameError: name 'np' is not defined", "softmax_backward.py:2"),
        ("exception", "broken", "ZeroDivisionError: division by zero", "softmax_backward.py:3"),
        ("exception in NumPy", "broken", "ValueError: cannot reshape", "softmax_backward.py:3"),
        ("overflow", "broken", "RuntimeWarning: overflow encountered in exp", "softmax_backward.py:3"),
        ("its own assert", "broken", "its own assert failed: seventeen axes", "softmax_backward.py:2"),
        ("exit", "broken", "SystemExit", "softmax_backward.py:3"),
        ("recursion", "broken", "RecursionError: maximum recursion depth", "softmax_backward.py:2"),
        ("asks", "broken", "EOFError", "softmax_backward.py:2"),
        ("takes all memory", "broken", "MemoryError", "softmax_backward.py:3"),
        ("loop without end", "slow", "not finished after 1 seconds", "softmax_backward.py:"),
        (
            "loop that keeps exceptions",
            "slow",
            "not finished after 1 seconds",
            "softmax_backward.py:",
        ),
        ("loop at the beginning", "slow", "not finished after 1 seconds", "softmax_backward.py:"),
        ("sleeps", "slow", "not finished after 1 seconds", "softmax_backward.py:3"),
        ("loop that keeps all", "slow", "and kept the exception that ends it", "softmax_backward.py:"),
        ("ends the process", "broken", "the process ended with 3 before the checks were through", ""),
        ("crashes", "broken", "the process was ended by SIGSEGV before the checks were through", ""),
    ],
)
def test_what_cannot_be_judged_is_told_with_its_place(
    name: str, status: str, message: str, place: str
) -> None:
    found = verdict(name)
    assert (found.status, message in found.message) == (status, True), found
    assert found.place.startswith(place) and (found.place == "") == (place == ""), found


def test_the_line_of_the_place_is_shown() -> None:
    assert verdict("exception").line == "return x / 0"
    assert verdict("syntax error").line == "def softmax_backward(dweights, cache)"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("returns nothing", "NoneType"),
        ("returns a list", "expected 1, got 2"),
        ("another shape", "shape"),
        ("changes its argument", "the upstream gradient was changed"),
        ("float64 whatever comes", "float64, expected float32"),
    ],
)
def test_a_wrong_answer_is_wrong_in_the_words_of_the_check(name: str, message: str) -> None:
    found = verdict(name)
    assert found.status == "wrong" and message in found.message, found
    assert found.check and found.promise and found.passed_checks < found.total_checks


def test_a_known_mistake_is_named_and_a_call_shown_beside_the_right_answer() -> None:
    found = verdict("a known mistake")
    assert found.status == "wrong" and found.mistake
    assert "expected  " in found.call and "got       " in found.call and "differ, first at [" in found.call
    assert verdict("returns a list").mistake == ""
