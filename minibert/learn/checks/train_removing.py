"""What must hold of the checkpoints that are removed: who is needed stays."""

import os
from collections.abc import Sequence

from minibert.learn.checks.files import some_folder
from minibert.learn.compare import expect
from minibert.train.checkpoint import MANIFEST, remove_old


def left(
    steps: Sequence[int], keep: int, best: int | None = None, others: Sequence[str] = (), copied: bool = False
) -> list[str]:
    """Return what is left in a folder of checkpoints, and of folders with other names, in order.

    Args:
        copied: the oldest checkpoint was written last.
    """
    with some_folder() as folder:
        for name in [*map(named, steps), *others]:
            (folder / name).mkdir()
            (folder / name / MANIFEST).write_text("{}")
        for time, step in enumerate(reversed(steps) if copied else steps):
            os.utime(folder / named(step), (time, time))
        remove_old(folder, keep, None if best is None else folder / named(best))
        return sorted(path.name for path in folder.iterdir())


def named(step: int) -> str:
    """Return the name of a step's checkpoint."""
    return f"step-{step:08d}"


def expect_left(got: list[str], steps: list[int], what: str) -> None:
    """Compare what is left with the checkpoints of some steps."""
    expected = [named(step) for step in steps]
    expect(got == expected, f"{what}: expected {', '.join(expected)} to be left, got {', '.join(got)}")


def check_so_many_stay() -> None:
    """Of five, two."""
    got = left(range(1, 6), 2)
    expect(len(got) == 2, f"of five checkpoints the newest 2 stay, and there are {', '.join(got)}")


def check_the_newest_stay() -> None:
    """The last two of five."""
    got = left(range(1, 6), 2)
    expect(named(5) in got, f"of five checkpoints the newest is gone, there are {', '.join(got)}")


def check_one_may_be_enough() -> None:
    """It is the newest."""
    expect_left(left(range(1, 6), 1), [5], "keep = 1 of five")


def check_it_is_the_step_that_makes_a_checkpoint_new() -> None:
    """Not the time of its folder, which changes when a run is copied."""
    expect_left(left(range(1, 6), 3, copied=True), [3, 4, 5], "keep = 3 of five, the oldest written last")


def check_the_best_stays_too() -> None:
    """However old it is."""
    got = left(range(1, 6), 2, 2)
    expect(named(2) in got, f"step 2 was the best, and is gone: there are {', '.join(got)}")


def check_the_best_takes_nobody_s_place() -> None:
    """Two that are new, and the best: three."""
    got = left(range(1, 6), 2, 2)
    expect(named(4) in got, f"the two newest stay, and the best besides: there are {', '.join(got)}")


def check_the_best_may_be_one_of_the_newest() -> None:
    """Then there is nothing else to keep."""
    expect_left(left(range(1, 6), 2, 5), [4, 5], "keep = 2 of five, and the newest is the best")


def check_few_checkpoints_all_stay() -> None:
    """There are not as many as may stay."""
    expect_left(left(range(1, 4), 4), [1, 2, 3], "keep = 4 of three")


def check_what_broke_off_goes() -> None:
    """Nobody will ever read it, and it may be large."""
    got = left(range(1, 3), 2, others=[".step-00000003.partial"])
    expect_left(got, [1, 2], "keep = 2, and a save that broke off")


def check_what_is_no_checkpoint_stays() -> None:
    """Somebody may have put it there."""
    got = left(range(1, 3), 2, others=["notes"])
    expect("notes" in got, f"a folder that is no checkpoint is gone: there are {', '.join(got)}")
