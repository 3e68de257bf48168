"""What byte-pair encoding must fulfil: bytes that can be seen, learning, cutting, and back to text."""

import random
from collections import Counter
from itertools import pairwise

from minibert.learn.compare import CheckError, expect
from minibert.learn.sizes import Sizes
from minibert.text.bpe import (
    ALPHABET,
    CHARACTERS,
    Pair,
    byte_characters,
    cut,
    decode,
    encode,
    from_characters,
    to_characters,
    train,
    vocabulary,
)

LETTERS = "abc XÉéß中语ひ한😀\u0301\u200d\n\t\0"
"""Of one, two, three and four bytes."""

PENCIL = ["i-n", "in-g", "s-ing", "e-r", "r-ing", "sing-er"]
"""The six merges of chapter 01."""

MERGES: list[Pair] = [("e", "s"), ("es", "t"), ("Ġ", "w"), ("l", "o")]


def ranked(merges: list[str]) -> dict[Pair, int]:
    """Return the ranks of merges that are written "i-n", in their order."""
    pairs = (merge.partition("-") for merge in merges)
    return {(left, right): rank for rank, (left, _, right) in enumerate(pairs)}


# ---------------------------------------------------------------- bytes <-> characters


def check_some_bytes_by_hand() -> None:
    """Those that can be seen stand for themselves; the others are numbered from 0x100 on, in their order."""
    characters = byte_characters()
    for byte, expected in {
        **{ord(char): char for char in "!A~¡¬®éÿ"},
        **{0: "Ā", 10: "Ċ", 32: "Ġ"},  # the first 33 are not seen: 0x100 + 0, 10, 32
        **{127: "ġ", 128: "Ģ", 160: "ł", 173: "Ń"},  # then 34 more, 0x121 to 0x142, and the soft hyphen
    }.items():
        got = characters.get(byte)
        expect(got == expected, f"byte {byte} = {byte:#04x}: expected {expected!r}, got {got!r}")


def check_every_byte_has_a_character_of_its_own_that_can_be_seen() -> None:
    characters = byte_characters()
    expect(len(characters) == 256, f"expected a character for each of 256 bytes, got {len(characters)}")
    odd = sorted(set(characters) - set(range(256)), key=str)
    expect(not odd, f"the keys must be the bytes, 0 to 255, got {odd[:3]} among them")
    shared = [char for char, times in Counter(characters.values()).items() if times > 1]
    expect(not shared, f"{shared[:3]} stand for more than one byte")
    for byte, char in characters.items():
        seen = len(char) == 1 and char.isprintable() and not char.isspace()
        expect(seen, f"byte {byte:#04x}: expected a character that can be seen, got {char!r}")


def check_texts_in_characters_by_hand() -> None:
    """é has the bytes C3 A9, 语 has E8 AF AD, and an emoji four."""
    for text, expected in (
        ("plain!", "plain!"),
        ("a b\n", "aĠbĊ"),
        ("né", "nÃ©"),
        ("语", "è¯Ń"),
        ("😀", "ðŁĺĢ"),
        ("e\u0301", "eÌģ"),
        ("", ""),
    ):
        got = to_characters(text)
        expect(got == expected, f"{text!r} in characters of bytes: expected {expected!r}, got {got!r}")


def check_any_text_comes_back_from_its_characters(size: Sizes, seed: int) -> None:
    text = any_text(random.Random(seed), 3 * size.N)
    written = to_characters(text)
    expected = "".join(CHARACTERS[byte] for byte in text.encode())
    expect(written == expected, f"{text!r}: expected {expected!r}, got {written!r}")
    got = from_characters(written)
    expect(got == text, f"{text!r} in characters and back: got {got!r}")


def check_what_has_no_bytes_is_refused() -> None:
    """Half of a surrogate pair is no character: Python's own encoder raises an error, a ValueError."""
    try:
        got = to_characters("a\ud800")
    except ValueError:
        return
    raise CheckError(f"half of a surrogate pair: expected a ValueError, got {got!r}")


def any_text(rng: random.Random, length: int) -> str:
    """Draw a text: half of it of LETTERS, half of all of Unicode but surrogates."""
    return "".join(rng.choice(LETTERS) if rng.random() < 0.5 else any_character(rng) for _ in range(length))


def any_character(rng: random.Random) -> str:
    code = rng.randrange(0x110000 - 0x800)
    return chr(code if code < 0xD800 else code + 0x800)


# ---------------------------------------------------------------- one word -> pieces


def check_the_cuts_of_the_chapter() -> None:
    """ringer: i-n, then in-g, then e-r, and r-ing last."""
    for word, expected in (
        ("ringer", ["ring", "er"]),
        ("singer", ["singer"]),
        ("stinger", ["s", "t", "ing", "er"]),
        ("inner", ["in", "n", "er"]),
        ("winter", ["w", "in", "t", "er"]),
    ):
        expect_cut(word, ranked(PENCIL), expected)


def check_merges_are_done_in_their_order_not_from_the_left() -> None:
    """Ġt-h stands further left, but it was learned last: h-e goes before it, and then Ġt-he."""
    ranks = ranked(["Ġ-t", "h-e", "Ġt-he", "Ġt-h"])
    expect_cut("Ġthe", ranks, ["Ġthe"])
    expect_cut("Ġthis", ranks, ["Ġth", "i", "s"])
    listed_first = {("Ġt", "h"): 3} | ranks  # of rank 3 still
    expect_cut("Ġthe", listed_first, ["Ġthe"])


def check_a_merge_is_done_wherever_its_pair_stands() -> None:
    expect_cut("ringing", ranked(PENCIL), ["ring", "ing"])
    expect_cut("inin", ranked(PENCIL), ["in", "in"])


def check_a_run_of_one_letter_is_cut_from_the_left() -> None:
    expect_cut("aaa", ranked(["a-a"]), ["aa", "a"])
    expect_cut("aaaaa", ranked(["a-a", "aa-aa"]), ["aaaa", "a"])
    expect_cut("aaab", ranked(["a-a", "a-b"]), ["aa", "ab"])


def check_a_word_without_known_pairs_stays_in_letters() -> None:
    expect_cut("lot", ranked(PENCIL), ["l", "o", "t"])
    expect_cut("in", {}, ["i", "n"])
    expect_cut("x", ranked(PENCIL), ["x"])
    expect_cut("", ranked(PENCIL), [])


def check_a_word_is_cut_as_if_it_had_been_there_in_training(size: Sizes, seed: int) -> None:
    """That is, all merges are gone through in their order, each from left to right."""
    rng = random.Random(seed)
    for letters in ("abc", "ab"):
        text = "".join(rng.choices(letters, k=30 + 10 * size.V))
        merges = [tuple(pair) for pair in learned_slowly([list(text)], 4 + 2 * size.N)]
        ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}
        for _ in range(size.N):
            word = "".join(rng.choices(letters, k=rng.randint(4, 16)))
            pieces = list(word)
            for left, right in merges:
                glue(pieces, left, right)
            expect_cut(word, ranks, pieces)


def expect_cut(word: str, ranks: dict[Pair, int], expected: list[str]) -> None:
    """Raise CheckError unless a word is cut as expected."""
    got = cut(word, ranks)
    merges = ", ".join("-".join(pair) for pair in sorted(ranks, key=ranks.__getitem__)[:8])
    more = ", …" if len(ranks) > 8 else ""
    expect(
        got == expected, f"{word!r} with the merges {merges or 'none'}{more}: expected {expected}, got {got}"
    )


# ---------------------------------------------------------------- learning


def check_the_most_frequent_pair_is_learned_first() -> None:
    """a-b stands there three times, then c-d twice and Ġ-ab twice; and 256 bytes are there before."""
    expect_merges(["ab ab ab cd cd"], 256 + 3, ["a-b", "c-d", "Ġ-ab"])
    expect_merges(["ab ab ab cd cd"], 256 + 1, ["a-b"])
    expect_merges(["ab ab ab cd cd"], 256, [])


def check_of_equally_frequent_pairs_the_older_goes_first() -> None:
    """z-y and ab-x both stand there twice. In the order of text ab comes first; but z, a byte, is older."""
    expect_merges(["ab"] * 3 + ["abx"] * 2 + ["zy"] * 2, 256 + 3, ["a-b", "z-y", "ab-x"])
    expect_merges(["zc", "zb"], 256 + 1, ["z-b"])


def check_words_count_as_often_as_they_occur() -> None:
    expect_merges(["cd"] * 3 + ["ab", "abx"], 256 + 2, ["c-d", "a-b"])
    expect_merges(["cd cd cd cd", "ab", "abx"], 256 + 2, ["c-d", "Ġ-cd"])


def check_it_stops_when_no_pair_is_left() -> None:
    expect_merges(["ab"], 1000, ["a-b"])
    expect_merges([], 300, [])
    expect_merges(["a", "b"], 300, [])


def check_it_learns_from_bytes() -> None:
    """é has two bytes, so the first merge makes é itself; 语 has three, and takes two merges."""
    expect_merges(["é"], 300, ["Ã-©"])
    expect_merges(["语"], 300, ["¯-Ń", "è-¯Ń"])


def check_merges_do_not_cross_words() -> None:
    """The space belongs to the word behind it, a full stop is a word of its own: n-Ġ and d-. never meet."""
    expect_merges(["n a", "n a", "d.", "d."], 300, ["Ġ-a"])


def check_a_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    try:
        got = train(["ab"], 255)
    except ValueError:
        return
    raise CheckError(f"a vocabulary of 255 pieces: expected a ValueError, got the merges {got}")


def check_any_texts_give_the_merges_of_counting_anew(size: Sizes, seed: int) -> None:
    rng = random.Random(seed)
    texts = ["".join(rng.choices("aabcd", k=rng.randint(1, 9))) for _ in range(4 * size.N)]
    pairs = learned_slowly([list(text) for text in texts], 2 * size.V)
    expect_merges(texts, 256 + 2 * size.V, ["-".join(pair) for pair in pairs])


def check_many_merges_of_one_long_word(seed: int) -> None:
    """There would be more than 256, so that what is counted, pieces or merges, matters."""
    word = "".join(random.Random(seed).choices("abcd", k=900))
    expect_merges([word], 256 + 44, ["-".join(pair) for pair in learned_slowly([list(word)], 44)])


def expect_merges(texts: list[str], pieces: int, expected: list[str]) -> None:
    """Raise CheckError unless the merges, written "i-n", are learned from texts."""
    got = ["-".join(pair) for pair in train(texts, pieces)]
    what = f"{pieces} pieces from {few(texts)}"
    for number, (one, other) in enumerate(zip(got, expected, strict=False), 1):
        before = f" after {', '.join(expected[: number - 1][-4:])}" if number > 1 else ""
        expect(one == other, f"{what}: as merge {number}{before}, expected {other}, got {one}")
    told = f"expected {len(expected)} merges, {few(expected)}, got {len(got)}, {few(got)}"
    expect(len(got) == len(expected), f"{what}: {told}")


def few(words: list[str]) -> str:
    """Return some words, and the number of those that are left out."""
    shown = [word if len(word) <= 20 else f"{word[:20]}…" for word in words[:8]]
    return f"{shown}" + (f" and {len(words) - 8} more" if len(words) > 8 else "")


def learned_slowly(words: list[list[str]], times: int) -> list[Pair]:
    """Return up to so many merges of words, counting all pairs before each; of equals the oldest first."""
    age = {piece: number for number, piece in enumerate(ALPHABET)}
    found: list[Pair] = []
    while len(found) < times:
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        left, right = min(counts, key=lambda pair: (-counts[pair], age[pair[0]], age[pair[1]]))
        found.append((left, right))
        age[left + right] = len(age)
        for word in words:
            glue(word, left, right)
    return found


def glue(word: list[str], left: str, right: str) -> None:
    """Merge a pair in a word, in place."""
    place = 0
    while place < len(word) - 1:
        if word[place : place + 2] == [left, right]:
            word[place : place + 2] = [left + right]
        place += 1


# ---------------------------------------------------------------- ids -> text


def check_ids_become_text_by_hand() -> None:
    """257 is es, 260 is lo, 259 is Ġw, 258 is est: one special token, 256 bytes, then the merges."""
    vocab = vocabulary(MERGES, ["<|endoftext|>"])
    for ids, expected in (
        ([260, 259, 258], "lo west"),
        ([257], "es"),
        ([0, 260], "<|endoftext|>lo"),
        ([], ""),
    ):
        got = decode(ids, vocab)
        expect(got == expected, f"the text of {ids}: expected {expected!r}, got {got!r}")


def check_a_character_in_several_pieces_is_whole_again() -> None:
    """é in two tokens, a byte each: only together are they a character."""
    vocab = vocabulary([])
    for text in ("é", "né 语", "😀\n"):
        ids = [vocab[char] for char in to_characters(text)]
        got = decode(ids, vocab)
        expect(got == text, f"{text!r}, a token for each byte: expected it back, got {got!r}")


def check_a_vocabulary_may_stand_in_any_order() -> None:
    vocab = vocabulary(MERGES)
    for mixed in (dict(reversed(vocab.items())), dict(sorted(vocab.items()))):
        got = decode([vocab["lo"], vocab["Ġw"]], mixed)
        expect(got == "lo w", f"'lo w', the vocabulary in another order: expected it back, got {got!r}")


def check_bytes_that_are_no_text_become_a_mark() -> None:
    """A text may have been cut off in the middle of a character: its bytes become U+FFFD, and no error."""
    vocab = vocabulary([])
    for pieces, expected in (("aÃ", "a\ufffd"), ("©b", "\ufffdb")):
        got = decode([vocab[char] for char in pieces], vocab)
        expect(got == expected, f"the bytes {pieces!r}: expected {expected!r}, got {got!r}")


def check_what_was_encoded_comes_back(size: Sizes, seed: int) -> None:
    text = any_text(random.Random(seed), 2 * size.N)
    merges = [*MERGES, ("Ã", "©"), ("¯", "Ń"), ("è", "¯Ń"), ("a", "b")]
    vocab = vocabulary(merges)
    ids = encode(text, vocab, merges)
    got = decode(ids, vocab)
    expect(got == text, f"{text!r} as ids {ids}, and back: got {got!r}")
