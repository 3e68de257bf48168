"""What the blocks that a causal model reads must fulfil."""

import numpy as np

from minibert.batches.blocks import PHASE, block_starts, cut_blocks
from minibert.batches.sampling import integers, random_bits
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes

# ---------------------------------------------------------------- inputs and targets


def expect_blocks(ids: list[int], starts: list[int], T: int) -> None:
    """Raise CheckError unless all blocks, cut at once, are those that are read off the text twice over."""
    ring = ids + ids
    inputs, targets = cut_blocks(np.array(ids), np.array(starts), T)
    for name, got, further in (("inputs", inputs, 0), ("targets", targets, 1)):
        expected = [ring[start + further : start + further + T] for start in starts]
        expect(
            np.asarray(got).tolist() == expected,
            f"the text {ids}, blocks of {T} from {starts} on: the {name}\n"
            f"expected {expected}\ngot      {np.asarray(got).tolist()}",
        )


def check_a_block_by_hand() -> None:
    """Of the text 50 51 52 53 54 55, the block from 1 on is 51 52 53, and 52 53 54 are to be predicted."""
    expect_blocks([50, 51, 52, 53, 54, 55], [1], 3)


def check_blocks_by_hand() -> None:
    """Each row begins at a place of its own; rows may overlap."""
    expect_blocks([7, 3, 3, 9, 4, 8, 1, 0, 5], [0, 4, 3], 4)


def check_behind_the_last_token_comes_the_first() -> None:
    """The text is a ring."""
    expect_blocks([50, 51, 52, 53, 54, 55], [3, 4, 5], 3)


def check_each_token_but_the_last_is_told_by_the_next_input(size: Sizes, seed: int) -> None:
    """Shifted once: the target of a place is what the block itself holds at the next one."""
    text = np.random.default_rng(seed).permutation(100)
    inputs, targets = cut_blocks(text, np.arange(size.B) * 7, size.S)
    expect(
        np.array_equal(targets[:, :-1], inputs[:, 1:]),
        f"expected targets[:, :-1] to be inputs[:, 1:], got\ntargets {targets.tolist()}\ninputs "
        f"{inputs.tolist()}",
    )


def check_the_ids_of_the_store_are_narrow_and_those_of_the_blocks_64_bits_wide() -> None:
    """An embedding takes int64."""
    text = np.arange(65_500, 65_536, dtype=np.uint16)
    for name, got in zip(("inputs", "targets"), cut_blocks(text, np.array([2, 33]), 4), strict=True):
        kind = np.asarray(got).dtype
        expect(kind == np.int64, f"the {name} of a text of uint16: expected int64, got {kind}")


def check_any_blocks(size: Sizes, seed: int) -> None:
    """Random texts and places, against what is read off the text."""
    rng = np.random.default_rng(seed)
    n = size.T + 1 + size.V
    text, starts = rng.integers(0, 1000, n), rng.integers(0, n, size.B)
    expect_blocks(text.tolist(), starts.tolist(), size.T)


# ---------------------------------------------------------------- where blocks begin


def starts_of(epoch: int, T: int, n: int, seed: int) -> list[int]:
    """Return where the blocks of an epoch begin, asked for all at once."""
    numbers = np.arange(n // T)
    return np.asarray(block_starts(np.full(n // T, epoch), numbers, T, n, seed)).tolist()


def check_starts_by_hand() -> None:
    """From the phase on in steps of T, and at the end of the text on from its beginning."""
    for epoch, seed in ((0, 0), (1, 0), (0, 3), (5, 3)):
        phase = int(integers(23, random_bits(seed, epoch), PHASE)[0])
        expected = [(phase + number * 5) % 23 for number in range(4)]
        got = starts_of(epoch, 5, 23, seed)
        expect(
            got == expected,
            f"23 tokens in blocks of 5, epoch {epoch} of seed {seed}, whose phase is {phase}: "
            f"expected {expected}, got {got}",
        )


def check_an_epoch_reads_no_place_twice_and_leaves_out_less_than_a_block(size: Sizes, seed: int) -> None:
    """Its blocks stand one right behind the other on the ring."""
    T, n = size.T, size.T * size.N + size.B
    for epoch in range(4):
        starts = np.array(starts_of(epoch, T, n, seed))
        expect(
            ((starts >= 0) & (starts < n)).all(),
            f"starts of blocks in a text of {n} tokens: expected 0 to {n - 1}, got {starts.tolist()}",
        )
        read = ((starts[:, None] + np.arange(T)) % n).ravel().tolist()
        expect(
            len(set(read)) == n // T * T,
            f"{n} tokens in blocks of {T}, epoch {epoch}: expected {n // T * T} places, each read once; got "
            f"{len(set(read))} different ones: {sorted(read)}",
        )


def check_the_borders_move_from_epoch_to_epoch(seed: int) -> None:
    """By anything from 0 to T - 1, and the part that is left out moves through the whole text."""
    T, n = 8, 85
    firsts = np.array([starts_of(epoch, T, n, seed)[0] for epoch in range(200)])
    borders = len(set((firsts % T).tolist()))
    expect(borders == T, f"200 epochs, blocks of {T}: expected {T} different borders, got {borders}")
    places = len(set(firsts.tolist()))
    expect(
        places > n // 2 and firsts.max() >= n - 20,
        f"200 epochs begin at {places} different places of {n}, the last of them {firsts.max()}; expected "
        "them all over the text",
    )


def check_seeds_have_borders_of_their_own(seed: int) -> None:
    """Epoch 1 of seed 0 is not epoch 0 of seed 1."""
    one = [starts_of(epoch + 1, 10, 1_000_000, seed)[0] for epoch in range(4)]
    other = [starts_of(epoch, 10, 1_000_000, seed + 1)[0] for epoch in range(4)]
    expect(
        one != other, f"epochs 1 to 4 of seed {seed} begin where epochs 0 to 3 of seed {seed + 1} do: {one}"
    )


def check_a_block_does_not_depend_on_the_others_of_its_batch(size: Sizes, seed: int) -> None:
    """A batch may end one epoch and begin the next; each block has the phase of its own epoch."""
    rng = np.random.default_rng(seed)
    T, n = size.T, 50 * size.T + 1
    epochs, numbers = rng.integers(0, 4, 12), rng.integers(0, 50, 12)
    whole = np.asarray(block_starts(epochs, numbers, T, n, seed)).tolist()
    alone = [
        int(np.asarray(block_starts(epochs[i : i + 1], numbers[i : i + 1], T, n, seed))[0]) for i in range(12)
    ]
    expect(whole == alone, f"12 blocks of epochs {epochs.tolist()}: together {whole}, one by one {alone}")
