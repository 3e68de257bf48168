"""The checks of one exercise as tests, for those who want to see pytest at work.

    python -m minibert.learn.as_tests ID FILE

pytest itself is what runs; it collects this file, which puts the learner's function into the library and has
one test for each check.
"""

import importlib
import os
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from minibert.learn.exercises import Exercise, find_exercise
from minibert.learn.sizes import Sizes
from minibert.learn.splice import splice
from minibert.learn.trial import Graded, Trial

ID, FILE = "MINIBERT_EXERCISE", "MINIBERT_FILE"
"""How the file that pytest collects is told what to test."""


def pytest_generate_tests(metafunc: Any) -> None:
    """Make a test of each check; pytest calls this when it collects the file."""
    exercise, path = find_exercise(os.environ[ID]), Path(os.environ[FILE])
    tests = dict(runs_of(exercise, path))
    metafunc.parametrize("run", tests.values(), ids=tests.keys())


def runs_of(exercise: Exercise, path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Put the learner's function into the library; yield the name of each test and what it runs."""
    text = path.read_text(encoding="utf-8")
    slot = splice({exercise.function: (text, path)})[exercise.function]
    importlib.import_module(exercise.module)
    if exercise.judge:
        graded = Graded(exercise)
        yield "lets pass what is right", lambda: graded.let_pass(slot.written)
        for name in graded.made:
            yield f"sees: {name}", lambda name=name: graded.expect_seen(name, slot.written)
        return
    checks = Trial(exercise, text, path).checks()
    slot.current = slot.written
    for check in checks:
        yield check.name, lambda check=check: check.run(Sizes(), 0)


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
