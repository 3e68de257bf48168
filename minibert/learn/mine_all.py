"""All of a learner's functions in the library at once: their checks, and then BERT pretrained on them.

python -m minibert.learn.mine_all FOLDER ID...
"""

import ast
import itertools
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from minibert.learn.bench import checks_for
from minibert.learn.exercises import Exercise, find_exercise
from minibert.learn.sizes import Sizes
from minibert.learn.splice import splice

PACKAGE = Path(__file__).parents[1]

SMALL = "--layers 2 --width 64 --heads 2 --vocab-size 1000 --batch-size 16 --seq-len 48 --device cpu"
"""A model that learns something in seconds, also by hand."""

RUNS = {"numpy": 60, "torch": 150}
"""The steps of each run: by hand, and in PyTorch."""


def main(folder: str, *words: str) -> None:
    """Check and pretrain; leave with 1 where a check fails or a run does."""
    chosen = [exercise for exercise in map(find_exercise, words) if not exercise.judge]
    slots = splice([exercise.function for exercise in chosen])
    for exercise in chosen:
        slot, path = slots[exercise.function], Path(folder) / exercise.path
        slot.put(path.read_text(encoding="utf-8"), path)
        slot.current = slot.written
    print(f"{len(chosen)} of your functions stand in the library, all at once.", flush=True)
    if failed := [exercise.id for exercise in chosen if not holds(exercise)]:
        print(f"Together they do not hold: look at {', '.join(failed)}.")
        raise SystemExit(1)
    print("Together, too, they pass all their checks.", flush=True)
    runs = new_runs(Path(folder))
    corpus = runs / "docstrings.txt"
    corpus.write_text("\n\n".join(docstrings()), encoding="utf-8")
    for backend, steps in RUNS.items():
        before = {name: slot.calls for name, slot in slots.items()}
        print(f"\nBERT is pretrained on the docstrings of this library ({backend}):", flush=True)
        settings = f"pretrain --backend {backend} --steps {steps} {SMALL}".split()
        minibert([*settings, "--corpus", str(corpus), "--out", str(runs / backend)])
        tell_calls({name: slot.calls - before[name] for name, slot in slots.items()})
    print("\nBoth were trained by code that you wrote.")


def new_runs(folder: Path) -> Path:
    """Make a folder for the runs inside the learner's: runs-1, or the first number that is free."""
    number = next(number for number in itertools.count(1) if not (folder / f"runs-{number}").exists())
    (folder / f"runs-{number}").mkdir()
    return folder / f"runs-{number}"


def holds(exercise: Exercise) -> bool:
    """Run the checks of one function among all the others; print why one fails."""
    for check in checks_for(exercise):
        try:
            check.run(Sizes(), 0)
        except Exception as error:
            print(f"{exercise.id}: {check.name}: {error}")
            return False
    return True


def docstrings() -> Iterator[str]:
    """Yield the docstrings of the library, those of each file as one document."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        found = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)]
        if any(found):
            yield "\n".join(" ".join(text.split()) for text in found if text)


def minibert(words: Sequence[str]) -> None:
    """Run a command of ours in this process; SystemExit where it fails."""
    sys.argv = ["minibert", *words]
    try:
        runpy.run_module("minibert", run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def tell_calls(calls: Mapping[str, int]) -> None:
    """Print how often each function was called."""
    used = {name.partition(":")[2]: count for name, count in calls.items() if count}
    if not used:
        print("\nNone of your functions was called in it.", flush=True)
        return
    print(f"\nYour own code was called {sum(used.values()):,} times in it:")
    for name, count in sorted(used.items(), key=lambda item: -item[1]):
        print(f"  {count:9,}  {name}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
