"""What randomness without state must fulfil."""

import numpy as np

from minibert.batches.sampling import examples_at, integers, permutation, random_bits, uniform
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes

SIGMAS = 6
"""A share may be off by so many standard deviations: a right function is so once in 500 million times."""


def expect_bits(got: object, expected: list[int], what: str) -> None:
    """Raise CheckError unless the bits are these, and uint64."""
    bits = np.asarray(got)
    expect(bits.dtype == np.uint64, f"{what}: expected an array of uint64, got {bits.dtype}")
    mine = [hex(int(number)) for number in bits.ravel()]
    wanted = [hex(number) for number in expected]
    expect(mine == wanted, f"{what}: expected {wanted}, got {mine}")


# ---------------------------------------------------------------- bits


def check_one_counter_gives_the_published_numbers() -> None:
    """SplitMix64 from seed 0: the counter 0 is its first number, GOLDEN its second, 2 GOLDEN its third."""
    expect_bits(random_bits(0), [0xE220A8397B1DCDAF], "random_bits(0)")
    golden = np.array([1, 2], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    expect_bits(
        random_bits(golden), [0x6E789E6AA1B965F4, 0x06C45D188009454F], "random_bits([GOLDEN, 2 GOLDEN])"
    )


def check_of_several_counters_each_goes_on_from_the_last() -> None:
    """What one counter gives is the state that the next one is added to."""
    state = 0xE220A8397B1DCDAF  # of random_bits(0)
    following = splitmix(state, 5)
    expect_bits(random_bits(0, 5), [following], "random_bits(0, 5)")
    expect_bits(random_bits(0, 5, 7), [splitmix(following, 7)], "random_bits(0, 5, 7)")


def splitmix(state: int, counter: int) -> int:
    """Return the next state, with Python's own integers."""
    x = (state + counter + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def check_the_order_of_the_counters_matters() -> None:
    """Epoch 1 of seed 2 is not epoch 2 of seed 1, and a counter of 0 counts too."""
    pairs = (((1, 2), (2, 1)), ((3, 0), (2, 1)), ((4,), (4, 0)), ((4,), (0, 4)))
    for one, other in pairs:
        same = np.array_equal(random_bits(*one), random_bits(*other))
        expect(not same, f"random_bits{one} and random_bits{other} are the same, expected different bits")


def check_counters_are_broadcast(size: Sizes, seed: int) -> None:
    """A column and a row give a table; each entry is what its counters give alone."""
    column, row = np.arange(size.B)[:, None], np.arange(size.S)
    table = random_bits(seed, column, row)
    expect(table.shape == (size.B, size.S), f"expected the shape {(size.B, size.S)}, got {table.shape}")
    alone = [int(random_bits(seed, b, s)[0]) for b in range(size.B) for s in range(size.S)]
    expect_bits(table, alone, "a table of bits, entry by entry")
    expect(np.array_equal(row, np.arange(size.S)), "the counters were changed; work on a copy")


def check_counters_next_to_each_other_give_bits_that_are_not_alike(seed: int) -> None:
    """Of 64 bits about 32 differ, whichever counter goes up by one."""
    numbers = np.arange(1000)
    for what, one, other in (
        ("the last counter", random_bits(seed, numbers), random_bits(seed, numbers + 1)),
        ("the first counter", random_bits(numbers, seed), random_bits(numbers + 1, seed)),
    ):
        differ = np.unpackbits((one ^ other).view(np.uint8)).mean()
        bound = SIGMAS * 0.5 / np.sqrt(64_000)
        expect(abs(differ - 0.5) < bound, f"{what} + 1: {64 * differ:.2f} of 64 bits differ, expected 32")


# ---------------------------------------------------------------- numbers


ALL_ONES = 0x31628AF67B2131AB
"""The counter whose 64 bits are all ones."""


def check_uniform_numbers_are_the_upper_53_bits() -> None:
    """So that 1 itself never comes, not even of 64 ones."""
    for counter, expected in ((0, (0xE220A8397B1DCDAF >> 11) / 2**53), (ALL_ONES, 1 - 2**-53)):
        got = float(uniform(counter)[0])
        expect(got == expected, f"uniform({counter:#x}): expected {expected!r}, got {got!r}")


def check_integers_by_hand() -> None:
    """Of a number 0.8833 between 0 and 1 below 10 becomes 8: below times as much, rounded down."""
    for below, expected in ((1, 0), (2, 1), (10, 8), (100, 88), (10**6, 883_310)):
        got = np.asarray(integers(below, 0))
        expect(
            got.dtype == np.int64 and got.shape == (1,) and int(got[0]) == expected,
            f"integers({below}, 0), where uniform(0) is [0.88331081]: expected [{expected}] in int64, "
            f"got {got} in {got.dtype}",
        )


def check_integers_reach_every_value_below_the_bound_and_never_the_bound(seed: int) -> None:
    """0, 1, …, below - 1 come equally often; of the largest number of all becomes below - 1."""
    drawn = integers(5, seed, np.arange(2000))
    counts = np.bincount(drawn, minlength=5)
    off = np.abs(counts - 400).max()
    fair = counts.shape == (5,) and off < SIGMAS * np.sqrt(2000 * 0.2 * 0.8)
    expect(fair, f"2000 integers below 5: expected about 400 of each of 0 to 4, got {counts.tolist()}")
    top = int(integers(10, ALL_ONES)[0])
    expect(top == 9, f"an integer below 10, of the bits that are all ones: expected 9, got {top}")


def check_every_integer_may_have_a_bound_of_its_own(size: Sizes, seed: int) -> None:
    """`below` is broadcast with the counters: each entry is what its bound and its counters give alone."""
    below, counters = np.arange(1, size.B + 1)[:, None], np.arange(size.N)
    table = integers(below, seed, counters)
    expect(table.shape == (size.B, size.N), f"expected the shape {(size.B, size.N)}, got {table.shape}")
    alone = [[int(integers(b + 1, seed, n)[0]) for n in range(size.N)] for b in range(size.B)]
    expect(table.tolist() == alone, f"integers below 1, 2, … in rows: expected {alone}, got {table.tolist()}")


# ---------------------------------------------------------------- orders


def check_an_order_by_hand() -> None:
    """The example with the smallest of the bits comes first, then that with the next larger ones."""
    for size, seed, epoch in ((5, 0, 0), (5, 0, 1), (6, 3, 2)):
        bits = [splitmix(splitmix(splitmix(0, seed), epoch), example) for example in range(size)]
        expected = sorted(range(size), key=lambda example: bits[example])
        got = np.asarray(permutation(size, seed, epoch))
        expect(
            got.dtype == np.int64 and got.tolist() == expected,
            f"permutation({size}, seed={seed}, epoch={epoch}): expected {expected} in int64, "
            f"got {got.tolist()} in {got.dtype}",
        )


def check_an_order_holds_every_example_once(seed: int) -> None:
    """None is left out and none comes twice."""
    for size in (1, 2, 3, 50, 500):
        order = np.asarray(permutation(size, seed, 1))
        missing = np.setdiff1d(np.arange(size), order).tolist()
        expect(not missing, f"an order of {size} examples lacks {missing[:5]}")
        expect(order.shape == (size,), f"an order of {size} examples has the shape {order.shape}")


def check_epochs_and_seeds_have_orders_of_their_own(seed: int) -> None:
    """Epoch 1 of seed 0 is another than epoch 0 of seed 1."""
    known: dict[tuple[int, ...], str] = {}
    for s in range(seed, seed + 3):
        for epoch in range(3):
            order, name = tuple(permutation(40, s, epoch)), f"epoch {epoch} of seed {s}"
            expect(order not in known, f"{name} has the very order of {known.get(order)}")
            known[order] = name


# ---------------------------------------------------------------- examples


def check_examples_by_hand() -> None:
    """With 4 examples in an epoch, the run's number 5 is the second of epoch 1."""
    orders = [permutation(4, 7, epoch).tolist() for epoch in range(4)]
    for first, count in ((0, 4), (2, 5), (4, 3), (5, 1), (3, 10)):
        run = [(epoch, number) for epoch in range(4) for number in orders[epoch]]
        epochs, numbers = examples_at(first, count, size=4, seed=7)
        got = list(zip(np.asarray(epochs).tolist(), np.asarray(numbers).tolist(), strict=True))
        expected = run[first : first + count]
        expect(
            got == expected,
            f"examples_at({first}, {count}, size=4, seed=7), where the orders are {orders[:3]}: "
            f"expected (epoch, number) = {expected}, got {got}",
        )


def check_an_epoch_visits_everything_before_the_next_begins(seed: int) -> None:
    """In three epochs of ten, each of the ten comes once in each, in three orders."""
    epochs, numbers = examples_at(0, 30, 10, seed)
    for epoch in range(3):
        visited = sorted(numbers[epochs == epoch].tolist())
        expect(visited == list(range(10)), f"epoch {epoch} visits {visited}, expected 0 to 9, each once")
    orders = {tuple(numbers[epochs == epoch].tolist()) for epoch in range(3)}
    expect(len(orders) == 3, "two epochs have the same order; each must have one of its own")


def check_examples_do_not_depend_on_how_they_are_batched(size: Sizes, seed: int) -> None:
    """A run in two batches, one after the other, sees what one large batch sees."""
    for first in (0, 3, 100):
        epochs, numbers = examples_at(first, size.N + size.T, size.V, seed)
        parts = examples_at(first, size.N, size.V, seed), examples_at(first + size.N, size.T, size.V, seed)
        for name, whole, place in (("epochs", epochs, 0), ("numbers", numbers, 1)):
            joined = np.concatenate([part[place] for part in parts]).tolist()
            what = f"the {name} of {size.N + size.T} examples from {first} on"
            expect(joined == whole.tolist(), f"{what}: at once {whole.tolist()}, in two batches {joined}")
            expect(np.asarray(whole).dtype == np.int64, f"{what}: expected int64, got {whole.dtype}")
