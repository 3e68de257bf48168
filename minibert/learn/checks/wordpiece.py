"""What BERT's way of cutting must fulfil: accents, words, and the longest match."""

import random
import unicodedata

from minibert.learn.compare import CheckError, expect
from minibert.learn.sizes import Sizes
from minibert.text.wordpiece import MAX_CHARS, basic_split, strip_accents, wordpiece


def vocabulary(pieces: str) -> dict[str, int]:
    """Return the ids of pieces that are written with spaces between them."""
    return {piece: id for id, piece in enumerate(["[UNK]", *pieces.split()])}


def expect_cut(word: str, pieces: str, expected: list[str]) -> None:
    """Raise CheckError unless a word is cut as expected with a vocabulary of these pieces."""
    got = wordpiece(word, vocabulary(pieces))
    expect(got == expected, f"{word!r} with the pieces {pieces}: expected {expected}, got {got}")


# ---------------------------------------------------------------- accents


def check_accents_by_hand() -> None:
    """Whether a letter has its accent on it, or an accent of its own follows it."""
    for text, expected in (
        ("café", "cafe"),
        ("e\u0301te\u0301", "ete"),
        ("Él Niño, ÅNGSTRÖM", "El Nino, ANGSTROM"),
        ("tiếng Việt", "tieng Viet"),
        ("plain", "plain"),
        ("", ""),
    ):
        got = strip_accents(text)
        expect(got == expected, f"{text!r} ({ascii(text)}): expected {expected!r}, got {got!r}")


def check_what_has_no_accent_stays() -> None:
    """Not all that looks like one is a mark: ø and ß are letters, ﬁ and ½ are not taken apart."""
    for text in ("øłđ", "Straße", "ﬁn ½ x²", "语言", "Ωμ", "10 °C 😀"):
        got = strip_accents(text)
        expect(got == text, f"{text!r} has no accent: expected it as it is, got {got!r}")


def check_other_scripts_are_treated_by_the_same_rule() -> None:
    """Decomposed, without the marks of the kind Mn, and not put together again."""
    for text, expected in (
        ("が", "か"),  # the two strokes of Japanese are a mark
        ("й", "и"),
        ("한국", unicodedata.normalize("NFD", "한국")),  # the parts of a Korean syllable are letters
        ("कि", "कि"),  # a vowel sign of Hindi that takes room of its own: the kind Mc
        ("हां", "हा"),  # a dot above that takes none: Mn, though its combining class is 0
    ):
        got = strip_accents(text)
        expect(got == expected, f"{text!r}: expected {ascii(expected)}, got {ascii(got)}")


# ---------------------------------------------------------------- text -> words


def check_words_and_signs_by_hand() -> None:
    for text, words in (
        ("Hello, World!", ["hello", ",", "world", "!"]),
        ("it's $1.5+2", ["it", "'", "s", "$", "1", ".", "5", "+", "2"]),
        ("wait ... what?!", ["wait", ".", ".", ".", "what", "?", "!"]),
        ("[MASK] ##ing_x", ["[", "mask", "]", "#", "#", "ing", "_", "x"]),
        ("", []),
        (" \n ", []),
    ):
        expect_words(text, words)


def check_the_text_is_normalised_first() -> None:
    """Accents and capitals go, Chinese characters stand alone, control characters vanish."""
    for text, words in (
        ("Él Niño ÅNGSTRÖM", ["el", "nino", "angstrom"]),
        ("e\u0301te\u0301", ["ete"]),
        ("a\tb\nc\r d\u00a0e\u2003f", ["a", "b", "c", "d", "e", "f"]),
        ("a\x00b\x07c\u200bd\ufffde\u00adf", ["abcdef"]),
        ("日本語 is 語", ["日", "本", "語", "is", "語"]),
        ("x\U0002b920y \U0002b820z", ["x", "\U0002b920", "y", "\U0002b820z"]),
        ("ひらがな 한국", ["ひらかな", unicodedata.normalize("NFD", "한국")]),
        ("ΟΔΟΣ", ["οδοσ"]),
        ("ﬁn Straße", ["ﬁn", "straße"]),
    ):
        expect_words(text, words)


def check_case_and_accents_stay_where_asked() -> None:
    expect_words("Él Niño.", ["Él", "Niño", "."], lowercase=False)
    expect_words("e\u0301 A", ["e\u0301", "A"], lowercase=False)


def check_what_is_a_sign_and_what_is_not() -> None:
    """Punctuation of all scripts is; so are $ and + of ASCII, but not °, € or ½."""
    expect_words("“quoted”—dash…", ["“", "quoted", "”", "—", "dash", "…"])
    expect_words("你好，世界。", ["你", "好", "，", "世", "界", "。"])
    expect_words("10 °C ½ €", ["10", "°c", "½", "€"])


def expect_words(text: str, words: list[str], lowercase: bool = True) -> None:
    got = basic_split(text, lowercase)
    case = "" if lowercase else " with lowercase=False"
    expect(got == words, f"{text!r}{case}: expected the words {words}, got {got}")


# ---------------------------------------------------------------- one word -> pieces


def check_the_case_of_the_chapter() -> None:
    """sing is the longest that fits; of what is left, ers, it is ##er; and then ##s."""
    expect_cut("singers", "in sing s ##ing ##er ##s", ["sing", "##er", "##s"])
    expect_cut("sing", "in sing s ##ing ##er ##s", ["sing"])
    expect_cut("sings", "in sing s ##ing ##er ##s", ["sing", "##s"])


def check_the_longest_piece_comes_first() -> None:
    expect_cut("unaffable", "un una ##a ##aff ##able ##ff ##b ##le", ["una", "##ff", "##able"])
    expect_cut("unaffable", "un ##a ##aff ##able ##ff ##b ##le", ["un", "##aff", "##able"])


def check_a_piece_that_begins_a_word_does_not_continue_one() -> None:
    """go and ##go are two different pieces."""
    expect_cut("gogo", "go ##go", ["go", "##go"])
    expect_cut("gogo", "go", ["[UNK]"])
    expect_cut("gogo", "##go", ["[UNK]"])


def check_a_word_that_cannot_be_cut_to_its_end_is_unknown_as_a_whole() -> None:
    expect_cut("king", "in sing s ##ing ##er ##s", ["[UNK]"])
    expect_cut("singerx", "in sing s ##ing ##er ##s", ["[UNK]"])
    expect_cut("sxing", "in sing s ##ing ##er ##s", ["[UNK]"])


def check_it_never_goes_back() -> None:
    """a ##bc would be a cut of abc. But ab is longer than a, so it is taken, and then ##c is missing."""
    expect_cut("abc", "ab a ##bc", ["[UNK]"])
    expect_cut("abc", "ab a ##bc ##c", ["ab", "##c"])


def check_words_that_are_too_long_are_unknown() -> None:
    """Characters are counted: not bytes, and not pieces."""
    vocab = vocabulary("a ##a é ##é sing ##er")
    for word, longest, expected in (
        ("a" * MAX_CHARS, MAX_CHARS, ["a"] + ["##a"] * (MAX_CHARS - 1)),
        ("a" * (MAX_CHARS + 1), MAX_CHARS, ["[UNK]"]),
        ("singer", 6, ["sing", "##er"]),
        ("singer", 5, ["[UNK]"]),
        ("ééé", 3, ["é", "##é", "##é"]),
    ):
        got = wordpiece(word, vocab, max_chars=longest)
        what = repr(word) if len(word) < 10 else f"a word of {len(word)} letters a"
        expect(got == expected, f"{what}, with max_chars={longest}: expected {few(expected)}, got {few(got)}")


def few(pieces: list[str]) -> str:
    """Return some pieces, and the number of those that are left out."""
    return str(pieces) if len(pieces) < 10 else f"{pieces[:3]} and {len(pieces) - 3} more"


def check_the_unknown_piece_may_have_another_name() -> None:
    vocab = vocabulary("sing ##er")
    for word, longest in (("king", MAX_CHARS), ("singer", 3)):
        got = wordpiece(word, vocab, unk="<unk>", max_chars=longest)
        expect(
            got == ["<unk>"], f"{word!r} with unk='<unk>', max_chars={longest}: expected ['<unk>'], got {got}"
        )


def check_the_empty_word_has_no_pieces() -> None:
    expect_cut("", "a ##a", [])


def check_joined_the_pieces_are_the_word(size: Sizes, seed: int) -> None:
    """And none could be longer."""
    rng = random.Random(seed)
    for _ in range(2 * size.N):
        word = "".join(rng.choices("ab", k=rng.randint(1, 9)))
        drawn = {"".join(rng.choices("ab", k=rng.randint(1, 4))) for _ in range(size.V)}
        pieces = " ".join(sorted(rng.choice(["", "##"]) + piece for piece in drawn | {"a", "b"}))
        expect_cut(word, pieces, longest_match(word, pieces.split()))


def longest_match(word: str, pieces: list[str]) -> list[str]:
    """Cut a word by looking through all the pieces, the longest first."""
    by_length = sorted(pieces, key=lambda piece: -len(piece.removeprefix("##")))
    found: list[str] = []
    rest = word
    while rest:
        for piece in by_length:
            text = piece.removeprefix("##")
            if piece.startswith("##") == bool(found) and rest.startswith(text):
                found.append(piece)
                rest = rest[len(text) :]
                break
        else:
            return ["[UNK]"]
    if "".join(piece.removeprefix("##") for piece in found) != word:
        raise CheckError(f"the check itself is wrong about {word!r}")
    return found
