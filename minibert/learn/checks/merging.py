"""What the loop of byte-pair encoding must fulfil: merging a pair, and finding the next one."""

import random
from collections import Counter
from itertools import islice, pairwise

from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.text.merging import merge, merges

Cut = tuple[str, ...]
Found = list[tuple[tuple[str, str], int]]

TOY = {"in": 6, "sing": 5, "ring": 4, "singer": 3, "winter": 2}
"""The twenty words of chapter 01."""


class Numbers:
    """Join pieces that are numbers, as `bpe.train` does: the new piece gets the next number."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __call__(self, left: int, right: int) -> int:
        self.texts.append(self.texts[left] + self.texts[right])
        return len(self.texts) - 1


def together(left: str, right: str) -> str:
    return left + right


def learned(words: dict[Cut, int]) -> Found:
    """Return all merges of words whose pieces are strings."""
    return list(merges(words, together))


def in_letters(words: dict[str, int]) -> dict[Cut, int]:
    return {tuple(word): times for word, times in words.items()}


# ---------------------------------------------------------------- one pair in one word


def check_a_pair_becomes_one_piece_by_hand() -> None:
    """i-n in "singing": wherever it stands, and nothing else."""
    for word, pair, expected in (
        ("sing", "in", ["s", "in", "g"]),
        ("singing", "in", ["s", "in", "g", "in", "g"]),
        ("in", "in", ["in"]),
        ("nine", "in", ["n", "in", "e"]),  # not n-i
        ("ring", "xy", ["r", "i", "n", "g"]),
        ("r", "in", ["r"]),
        ("", "in", []),
    ):
        got = merge(list(word), (pair[0], pair[1]), pair)
        expect(got == expected, f"{list(word)} with {pair!r} merged: expected {expected}, got {got}")


def check_a_run_of_one_letter_is_merged_from_the_left() -> None:
    """In a-a-a the pair a-a stands twice, but its letters can be used only once: the left ones are."""
    for word, pair, expected in (
        ("aaa", "aa", ["aa", "a"]),
        ("aaaaa", "aa", ["aa", "aa", "a"]),
        ("baab", "ab", ["b", "a", "ab"]),
    ):
        got = merge(list(word), (pair[0], pair[1]), pair)
        expect(got == expected, f"{list(word)} with {pair!r} merged: expected {expected}, got {got}")


def check_pieces_are_compared_not_what_they_spell() -> None:
    """ab-c and a-bc spell the same, and are two different pairs. And a piece may be a number."""
    cut = ["ab", "c", "a", "bc"]
    got = merge(cut, ("a", "bc"), "abc")
    expect(got == ["ab", "c", "abc"], f"{cut} with a-bc merged: expected ['ab', 'c', 'abc'], got {got}")
    numbers = [1, 2, 12, 1, 2, 3]
    got = merge(numbers, (1, 2), 7)
    expect(got == [7, 12, 7, 3], f"{numbers} with 1-2 merged into 7: expected [7, 12, 7, 3], got {got}")


def check_the_cut_that_comes_in_is_not_changed() -> None:
    cut = ["s", "i", "n", "g"]
    merge(cut, ("i", "n"), "in")
    expect(cut == ["s", "i", "n", "g"], f"the list that came in was changed, to {cut}: work on a new one")


def check_the_letters_stay_and_no_such_pair_is_left(size: Sizes, seed: int) -> None:
    """Joined, the pieces are the same word; each new piece makes it one shorter."""
    rng = random.Random(seed)
    word = rng.choices("ab", k=4 + 3 * size.N)
    pair = rng.choice("ab"), rng.choice("ab")
    got = merge(word, pair, "".join(pair))
    told = f"{''.join(word)!r} with {'-'.join(pair)} merged"
    expect("".join(got) == "".join(word), f"{told}: expected its letters, got {got}")
    expect(pair not in pairwise(got), f"{told}: the pair stands in it still, {got}")
    shorter, new = len(word) - len(got), got.count("".join(pair))
    expect(shorter == new, f"{told}: {new} new pieces make it {new} shorter, it is {shorter} shorter")


# ---------------------------------------------------------------- which pair, again and again


def check_the_merges_of_the_chapter() -> None:
    """20 times i-n, then 12 times in-g, 8 times s-ing: to be done with a pencil in chapter 01."""
    expected = [
        (("i", "n"), 20),
        (("in", "g"), 12),
        (("s", "ing"), 8),
        (("e", "r"), 5),
        (("r", "ing"), 4),
        (("sing", "er"), 3),
    ]
    got = list(islice(merges(in_letters(TOY), together), 6))
    expect_merges(got, expected, f"the first six merges of {TOY}")


def check_the_merges_of_the_paper() -> None:
    """low, lower, newest, widest, each with a mark at its end: e-s, es-t, est-·, l-o, lo-w."""
    words = in_letters({"low·": 5, "lower·": 2, "newest·": 6, "widest·": 3})
    first = [("e", "s"), ("es", "t"), ("est", "·"), ("l", "o"), ("lo", "w"), ("e", "w")]
    expected = list(zip(first, [9, 9, 9, 7, 7, 6], strict=True))
    expect_merges(list(islice(merges(words, together), 6)), expected, "the first six merges of the paper")


def check_of_equally_frequent_pairs_the_smaller_goes_first() -> None:
    words = in_letters({"cd": 2, "az": 2, "ab": 2, "ef": 3})
    expected = [(("e", "f"), 3), (("a", "b"), 2), (("a", "z"), 2), (("c", "d"), 2)]
    expect_merges(learned(words), expected, "the merges of 2 cd, 2 az, 2 ab, 3 ef")


def check_every_place_of_a_pair_counts() -> None:
    """a-a stands four times in "aaaaa" and, once it is merged, not at all: aa aa a."""
    expected = [(("a", "a"), 4), (("aa", "a"), 1), (("aa", "aaa"), 1)]
    expect_merges(learned(in_letters({"aaaaa": 1})), expected, "the merges of aaaaa")
    expected = [(("a", "n"), 2), (("an", "a"), 1), (("an", "ana"), 1), (("b", "anana"), 1)]
    expect_merges(learned(in_letters({"banana": 1})), expected, "the merges of banana")


def check_words_of_one_piece_teach_nothing() -> None:
    for words in ({}, {("a",): 9}):
        got = learned(words)
        expect(got == [], f"the merges of {words}: expected none, got {got}")


def check_a_pair_is_asked_for_before_it_is_joined() -> None:
    """Who takes the pairs may stop when he has enough: `merges` must yield each as soon as it is found."""
    join = Numbers(["i", "n", "g"])
    found = iter(merges({(0, 1, 2): 3, (0, 1): 1}, join))
    first = next(found, None)
    expect(first == ((0, 1), 4), f"the first merge of 3 i-n-g, 1 i-n: expected ((0, 1), 4), got {first}")
    made = join.texts[3:]
    expect(not made, f"join was called {len(made)} times before anybody took the first pair; use yield")
    second = next(found, None)
    expect(second == ((3, 2), 3), f"the second merge of 3 i-n-g, 1 i-n: expected ((3, 2), 3), got {second}")
    made = join.texts[3:]
    expect(made == ["in"], f"between the first pair and the second join must make 'in', it made {made}")


def check_join_says_what_a_pair_becomes() -> None:
    """Pieces may be numbers; each pair is joined once, by `join` and by nothing else."""
    letters = sorted(set("".join(TOY)))
    join = Numbers(list(letters))
    words = {tuple(letters.index(letter) for letter in word): times for word, times in TOY.items()}
    spelled = [(join.texts[left] + join.texts[right], count) for (left, right), count in merges(words, join)]
    expected = [("in", 20), ("ing", 12), ("sing", 8), ("er", 5), ("ring", 4), ("singer", 3)]
    expect(spelled[:6] == expected, f"with numbers as pieces: expected {expected}, got {spelled[:6]}")
    made = join.texts[len(letters) :]
    told = f"join must be called once for each pair: {len(spelled)} pairs were yielded, it made {made}"
    expect(made == [piece for piece, _ in spelled], told)


def check_the_words_that_come_in_are_not_changed() -> None:
    words = in_letters(TOY)
    learned(words)
    expect(words == in_letters(TOY), f"the words that came in were changed, to {words}")


def check_any_words_give_the_merges_of_counting_anew(size: Sizes, seed: int) -> None:
    """Many merges, with the same pair twice in a word, and pairs that become rarer or vanish."""
    rng = random.Random(seed)
    for letters in ("ab", "abc", "abcd"):
        words = {
            tuple(rng.choices(letters, k=rng.randint(1, 9))): rng.randint(1, 9) for _ in range(2 * size.N)
        }
        shown = {"".join(word): times for word, times in words.items()}
        expect_merges(learned(words), by_counting_anew(words), f"the merges of {shown}")


def check_no_piece_is_made_twice(size: Sizes, seed: int) -> None:
    word = tuple(random.Random(seed).choices("ab", k=20 * size.N))
    pieces = [left + right for (left, right), _ in learned({word: 1})]
    twice = [piece for piece, times in Counter(pieces).items() if times > 1]
    expect(not twice, f"the merges of one word: {twice[:3]} are made twice")


def expect_merges(got: Found, expected: Found, what: str) -> None:
    """Raise CheckError at the first merge that is not as expected."""
    for number, (one, other) in enumerate(zip(got, expected, strict=False), 1):
        expect(one == other, f"{what}: as number {number} expected {in_words(other)}, got {in_words(one)}")
    expect(len(got) == len(expected), f"{what}: expected {len(expected)} in all, got {len(got)}")


def in_words(found: object) -> str:
    """Return a merge in words, where it is one: "i-n, 20 times"."""
    match found:
        case ((left, right), count):
            return f"{left}-{right}, {count} times" if count != 1 else f"{left}-{right}, once"
    return repr(found)


def by_counting_anew(words: dict[Cut, int]) -> Found:
    """Merge as slowly as can be: count all pairs of all words before each merge."""
    found: Found = []
    cuts = [(list(word), times) for word, times in words.items()]
    while True:
        counts: Counter[tuple[str, str]] = Counter()
        for cut, times in cuts:
            for pair in pairwise(cut):
                counts[pair] += times
        if not counts:
            return found
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        found.append((best, counts[best]))
        for cut, _ in cuts:
            place = 0
            while place < len(cut) - 1:
                if (cut[place], cut[place + 1]) == best:
                    cut[place : place + 2] = ["".join(best)]
                place += 1
