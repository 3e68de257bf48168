"""The checks of one exercise as tests, for those who want to see pytest at work.

    python -m minibert.learn.as_tests ID FILE

pytest itself is what runs; it collects this file, which puts the learner's function into the library and has
one test for each check.
"""

import os
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from minibert.learn.bench import Bench
from minibert.learn.exercises import Exercise, find_exercise
from minibert.learn.grade import Graded, Test
from minibert.learn.sizes import Sizes

ID, FILE = "MINIBERT_EXERCISE", "MINIBERT_FILE"
"""How the file that pytest collects is told what to test."""


def pytest_generate_tests(metafunc: Any) -> None:
    """Make a test of each check; pytest calls this when it collects the file."""
    exercise, path = find_exercise(os.environ[ID]), Path(os.environ[FILE])
    tests = dict(runs_of(exercise, path))
    metafunc.parametrize("run", tests.values(), ids=tests.keys())


def runs_of(exercise: Exercise, path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Put the learner's function into the library; yield the name of each test and what it runs."""
    bench = Bench(exercise)
    slot, graded = bench.slot, bench.graded if exercise.judge else None
    slot.put(path.read_text(encoding="utf-8"), path)
    slot.current = slot.written
    for check in bench.checks:
        yield check.name, lambda check=check: check.run(Sizes(), 0)
    if graded is not None:
        yield "lets pass what is right", lambda: graded.let_pass(slot.written)
        for name in graded.wrong:
            yield f"sees: {name}", lambda name=name: expect_seen(graded, name, slot.written)


def expect_seen(graded: Graded, name: str, test: Test) -> None:
    """Raise AssertionError where a test lets a wrong function pass."""
    assert not graded.passes(name, test), f"it lets this pass: {name}"


def test_exercise(run: Any) -> None:
    run()


def main(id: str, path: str) -> None:
    """Run pytest on this file."""
    os.environ[ID], os.environ[FILE] = id, path
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", os.devnull]
    sys.argv = ["pytest", *options, "--rootdir", str(Path(path).parent), __file__]
    runpy.run_module("pytest", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
