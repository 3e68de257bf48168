"""The seconds from Enter to the verdict of `minibert learn check`, for every exercise.

    python tools/bench/check.py [--times 3] [ID ...]

For each, the whole command runs so many times on the solution and as often on a known mistake, which also has
to be found among the others; the median of each is printed, then the medians and the worst by hand and in
PyTorch.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from minibert.learn.audit import with_mistake
from minibert.learn.examine import environment
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.stubs import solution


def seconds(exercise: Exercise, text: str, folder: Path, times: int) -> float:
    """Return the median seconds of checking a file."""
    (folder / exercise.path).write_text(text, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "minibert", "learn", "check", exercise.id, "--folder", str(folder)]
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time `minibert learn check`.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="some exercises; all if not given")
    parser.add_argument("--times", type=int, default=3, help="runs of each (default: 3)")
    given = parser.parse_args()
    some = [find_exercise(word) for word in given.ids] or exercises()
    kinds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside, "exercises")
        start = [sys.executable, "-m", "minibert", "learn", "start", str(folder)]
        subprocess.run(start, stdout=subprocess.DEVNULL, check=True)
        for exercise in some:
            right = seconds(exercise, solution(exercise), folder, given.times)
            wrong = seconds(exercise, with_mistake(exercise, exercise.mistakes()[0]), folder, given.times)
            print(f"{exercise.id:36} right {right:5.2f} s   wrong {wrong:5.2f} s", flush=True)
            kinds.setdefault("PyTorch" if exercise.needs_torch else "by hand", []).extend((right, wrong))
    for kind, taken in kinds.items():
        print(f"{kind}: median {statistics.median(taken):.2f} s, worst {max(taken):.2f} s")


if __name__ == "__main__":
    main()
