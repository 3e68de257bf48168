"""What must hold of the rows that each of several processes takes of a batch."""

from minibert.learn.compare import expect
from minibert.learn.tensors import expect_refused
from minibert.train.distributed import World, share_of

SHAPES = [(10, 4), (11, 3), (7, 4), (12, 4), (5, 5), (9, 8), (257, 16), (12, 1)]
"""Rows in a batch, and processes."""


def shares(rows: int, size: int) -> list[tuple[int, int]]:
    """Return the first row and the number of rows of each process."""
    return [share_of(rows, World(rank, size)) for rank in range(size)]


def check_a_batch_that_can_be_shared_evenly() -> None:
    """Twelve rows and four processes: each has three, one process after the other."""
    got, expected = shares(12, 4), [(0, 3), (3, 3), (6, 3), (9, 3)]
    expect(got == expected, f"12 rows and 4 processes: expected {expected}, got {got}")


def check_one_process_has_the_whole_batch() -> None:
    """Then there is nobody to share it with."""
    got = shares(12, 1)
    expect(got == [(0, 12)], f"12 rows and 1 process: expected (0, 12), got {got[0]}")


def check_a_row_for_each_process_is_enough() -> None:
    """Three rows and three processes: one for each."""
    got, expected = shares(3, 3), [(0, 1), (1, 1), (2, 1)]
    expect(got == expected, f"3 rows and 3 processes: expected {expected}, got {got}")


def check_every_row_has_one_process() -> None:
    """None is left out, and none counts twice, also where the rows cannot be shared evenly."""
    for rows, size in SHAPES:
        found = shares(rows, size)
        taken = [row for first, count in found for row in range(first, first + count)]
        what = f"{rows} rows and {size} processes: {found}"
        missing = sorted(set(range(rows)) - set(taken))
        expect(not missing, f"{what}: nobody takes row {missing[0] if missing else ''}")
        beyond = sorted(set(taken) - set(range(rows)))
        expect(not beyond, f"{what}: there is no row {beyond[0] if beyond else ''}")
        expect(len(taken) == rows, f"{what}: a row is taken twice")


def check_the_rows_of_one_process_follow_those_of_the_other() -> None:
    """So the batch is the same for any number of processes, and in the same order."""
    for rows, size in SHAPES:
        found = shares(rows, size)
        for rank, ((first, count), (following, _)) in enumerate(zip(found, found[1:], strict=False)):
            expect(
                first + count == following,
                f"{rows} rows and {size} processes: process {rank} ends at row {first + count - 1}, "
                f"the next one begins at {following}",
            )


def check_no_process_waits_for_another() -> None:
    """All are as slow as the one that has most: none has more than one row more than another."""
    for rows, size in SHAPES:
        counts = [count for _, count in shares(rows, size)]
        expect(max(counts) - min(counts) <= 1, f"{rows} rows and {size} processes: they take {counts} rows")


def check_several_machines_share_a_batch_too() -> None:
    """Two machines with two processes each: it is the rank that counts, not the number on the machine."""
    got = [share_of(8, World(rank, 4, local_rank=rank % 2)) for rank in range(4)]
    expected = [(0, 2), (2, 2), (4, 2), (6, 2)]
    expect(got == expected, f"8 rows on two machines with two processes each: expected {expected}, got {got}")


def check_fewer_rows_than_processes_are_refused() -> None:
    """A process without a row has no loss, and the others would wait for its gradient."""
    for rows, size in ((1, 2), (3, 4), (0, 1)):
        expect_refused(lambda n=rows, s=size: share_of(n, World(0, s)), f"{rows} rows and {size} processes")
