"""Characters as tokens: to the character, files, and the same ids in `transformers`."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS

from minibert.text.base_tokenizer import END
from minibert.text.char_tokenizer import UNKNOWN, CharTokenizer
from minibert.text.tokenizer import load_tokenizer

TEXTS = [*(document.text for document in DOCUMENTS), *CHINESE, "\tHé \u00a0said:\r\n 'e\u0301'."]
SEEN = sorted({char for text in TEXTS for char in text})
TOKENIZER = CharTokenizer.train(TEXTS)

KNOWN_TEXT = st.text(st.sampled_from(SEEN))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(SEEN))

# ---------------------------------------------------------------- text <-> ids


def test_a_worked_case() -> None:
    tokenizer = CharTokenizer.train(["ba", "a\nc"])
    assert tokenizer.vocab == {END: 0, UNKNOWN: 1, "\n": 2, "a": 3, "b": 4, "c": 5}
    assert tokenizer.encode("cab\n\na é") == [5, 3, 4, 2, 2, 3, 1, 1]
    assert tokenizer.decode([5, 3, 0, 2, 1]) == f"ca{END}\n{UNKNOWN}"
    assert (tokenizer.end_id, tokenizer.unk_id) == (0, 1)


def test_there_is_one_piece_for_each_character_in_the_order_of_unicode() -> None:
    assert list(TOKENIZER.vocab) == [END, UNKNOWN, *SEEN]
    assert len(TOKENIZER) == 2 + len(SEEN)


@given(KNOWN_TEXT)
def test_a_text_of_known_characters_comes_back(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert ids == [TOKENIZER.vocab[char] for char in text]
    assert TOKENIZER.decode(ids) == text


@given(ANY_TEXT)
def test_unknown_characters_come_back_as_the_sign_for_them_and_no_other_is_touched(text: str) -> None:
    expected = "".join(char if char in SEEN else UNKNOWN for char in text)
    ids = TOKENIZER.encode(text)
    assert len(ids) == len(text)
    assert TOKENIZER.decode(ids) == expected
    assert TOKENIZER.encode_batch([text, text[::-1]]) == [ids, ids[::-1]]


@given(ANY_TEXT, ANY_TEXT)
def test_a_text_can_be_cut_anywhere(first: str, second: str) -> None:
    assert TOKENIZER.encode(first + second) == TOKENIZER.encode(first) + TOKENIZER.encode(second)


@given(ANY_TEXT)
def test_the_places_of_tokens_are_those_of_the_characters(text: str) -> None:
    tokens = TOKENIZER.tokens(text)
    assert [(token.start, token.end) for token in tokens] == [(i, i + 1) for i in range(len(text))]
    assert [token.piece for token in tokens] == [char if char in SEEN else UNKNOWN for char in text]


def test_text_that_spells_the_end_token_is_text_unless_asked_for() -> None:
    tokenizer = CharTokenizer.train([END, "ab"])
    assert tokenizer.encode(END) == [tokenizer.vocab[char] for char in END]
    assert tokenizer.encode(f"a{END}b", specials=True) == [tokenizer.vocab["a"], 0, tokenizer.vocab["b"]]


def test_pieces_that_continue_a_word_are_letters_digits_and_accents() -> None:
    tokenizer = CharTokenizer.train(["aé中1\u0301 ,-'\n"])
    goes_on = dict(zip(tokenizer.vocab, tokenizer.continuation, strict=True))
    assert tokenizer.continuation.dtype == np.bool_
    assert [char for char, continues in goes_on.items() if continues] == sorted("aé中1\u0301")


def test_a_megabyte_takes_no_longer_than_a_breath() -> None:
    text = "".join(TEXTS) * 900
    begun = time.monotonic()
    ids = TOKENIZER.encode(text)
    assert time.monotonic() - begun < 5  # half a second, where nothing else runs
    assert len(ids) == len(text) > 1_000_000


# ---------------------------------------------------------------- what is refused


def test_texts_without_a_character_are_refused() -> None:
    with pytest.raises(ValueError, match="the texts hold no character"):
        CharTokenizer.train(["", UNKNOWN])


def test_pieces_of_several_characters_are_refused() -> None:
    with pytest.raises(ValueError, match="must be single characters, got 'th', ''"):
        CharTokenizer({END: 0, UNKNOWN: 1, "a": 2, "th": 3, "": 4})
    with pytest.raises(ValueError, match=f"lacks {UNKNOWN}"):
        CharTokenizer({END: 0, "a": 1})


def test_there_is_no_padding_and_no_mask() -> None:
    with pytest.raises(ValueError, match=r"has no \[MASK\], only <\|endoftext\|>, �"):
        _ = TOKENIZER.mask_id


def test_the_fingerprint_knows_the_pieces() -> None:
    assert CharTokenizer.train(["ab"]).fingerprint == CharTokenizer.train(["b", "a"]).fingerprint
    assert CharTokenizer.train(["ab"]).fingerprint != CharTokenizer.train(["abc"]).fingerprint


# ---------------------------------------------------------------- files


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, CharTokenizer)
    assert loaded.vocab == TOKENIZER.vocab and loaded.fingerprint == TOKENIZER.fingerprint


@pytest.mark.parametrize("model_type", [None, "gpt2", "llama", "qwen3"])
def test_transformers_opens_the_folder_and_gives_the_same_ids(tmp_path: Path, model_type: str | None) -> None:
    TOKENIZER.save(tmp_path, max_positions=64)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert theirs.model_max_length == 64 and len(theirs) == len(TOKENIZER)
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.unk_token_id) == (0, 0, 1)
    for text in [*TEXTS, " a  b .\n\n\tc ", "", "xéß☃x", f"a{END}b", "it 's . He , no !"]:
        asked = theirs(text)
        assert set(asked) == {"input_ids", "attention_mask"}
        assert asked["input_ids"] == TOKENIZER.encode(text, specials=True)
        assert theirs.decode(asked["input_ids"]) == TOKENIZER.decode(asked["input_ids"])


@pytest.mark.parametrize("kept", [0, 1, 100, -2])
def test_a_file_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    TOKENIZER.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cannot be used: tokenizer\.json is not whole JSON .*cut short"):
        CharTokenizer.load(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be used: tokenizer\.json is not whole JSON .*cut short"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("model", "type", "WordLevel", "model: expected 'BPE', got 'WordLevel'"),
        ("model", "unk_token", "x", f"unk_token: expected '{UNKNOWN}', got 'x'"),
        ("model", "fuse_unk", True, "fuse_unk: expected None, got True"),
        ("model", "merges", [["a", "b"]], "merges: expected 0, got 1"),
        (None, "pre_tokenizer", {"type": "ByteLevel"}, "pre_tokenizer: expected None"),
        (None, "normalizer", {"type": "Lowercase"}, "normalizer: expected None"),
        (None, "added_tokens", [], "added tokens: expected"),
        (None, "model", {"type": "BPE"}, "not a tokenizer of characters"),
    ],
)
def test_a_tokenizer_that_would_give_other_ids_is_refused(
    tmp_path: Path, part: str | None, field: str, value: object, message: str
) -> None:
    TOKENIZER.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = json.loads(path.read_text())
    (parts[part] if part else parts)[field] = value
    path.write_text(json.dumps(parts))
    with pytest.raises(ValueError, match=message):
        CharTokenizer.load(tmp_path)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no tokenizer in .*: expected tokenizer\.json there"):
        CharTokenizer.load(tmp_path)
