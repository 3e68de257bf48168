"""The byte-pair encoding that runs: as by hand, files, and the same ids in `transformers`."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st
from samples import CHINESE, DOCUMENTS

from minibert.text import bpe, wordpiece
from minibert.text.byte_tokenizer import END, ByteTokenizer, without_long_words
from minibert.text.tokenizer import load_tokenizer

TEXTS = [*(document.text for document in DOCUMENTS), *CHINESE]
PROBES = [
    *TEXTS[0].split("\n"),
    "Éa ñ 中文 don't\u200b 1,000 xyzzy ☃ 👩‍🚀",
    "  a \n\n b\t",
    "",
    f"a{END}b[MASK]c",
]


@pytest.fixture(scope="module")
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer.train(TEXTS, 500)


# ---------------------------------------------------------------- as by hand


def test_training_and_ids_are_those_by_hand(tokenizer: ByteTokenizer) -> None:
    merges = bpe.train(TEXTS, 499)
    assert list(tokenizer.merges) == merges
    assert tokenizer.vocab == bpe.vocabulary(merges, [END])
    for text in [*TEXTS, *PROBES]:
        assert tokenizer.encode(text) == bpe.encode(text, tokenizer.vocab, merges)


@given(st.text() | st.text("".join(TEXTS)))
def test_any_text_comes_back(text: str) -> None:
    tokenizer = ByteTokenizer(bpe.vocabulary([("a", "b")], [END]), [("a", "b")])
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_decoding_shows_special_tokens(tokenizer: ByteTokenizer) -> None:
    ids = tokenizer.encode(f"中{END}é", specials=True)
    assert tokenizer.decode(ids) == f"中{END}é"
    assert tokenizer.decode([tokenizer.vocab["Ã"], 0, tokenizer.vocab["Ġ"]]) == f"\ufffd{END} "


def test_pieces_that_continue_a_word_are_those_without_a_space_or_a_sign(tokenizer: ByteTokenizer) -> None:
    assert tokenizer.continuation.dtype == np.bool_ and tokenizer.continuation.shape == (500,)
    goes_on = dict(zip(tokenizer.vocab, tokenizer.continuation, strict=True))
    assert [goes_on[piece] for piece in ("Ġthe", "ing", "1", ",", "Ġ", "Ċ", "Ã", END)] == [
        *(False, True, True, False, False, False, True, False)
    ]


# ---------------------------------------------------------------- training


def test_training_leaves_out_very_long_words_as_by_hand() -> None:
    begun = time.monotonic()
    for text in ("xyz" * 1_000_000, "a " + "b" * 1001 + "  c'd", "a" + " " * 2000 + "b b", "学习" * 2000):
        texts = [text, "ab ab"]
        assert list(ByteTokenizer.train(texts, 270).merges) == bpe.train(texts, 269)
    assert time.monotonic() - begun < 20


@given(st.text("ab 1\n.'s中\t", max_size=30))
def test_each_word_alone_is_one_word(text: str) -> None:
    assert [bpe.split(word) for word in bpe.split(text)] == [[word] for word in bpe.split(text)]


def test_texts_without_long_words_stay_as_they_are() -> None:
    assert list(without_long_words(TEXTS)) == TEXTS


def test_a_vocabulary_without_room_for_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="vocab_size must be at least 261, got 260"):
        ByteTokenizer.train(TEXTS, 260, wordpiece.SPECIALS)
    assert len(ByteTokenizer.train([], 261, wordpiece.SPECIALS)) == 261


def test_a_vocabulary_without_a_byte_or_a_merged_piece_is_refused() -> None:
    vocab = bpe.vocabulary([("a", "b")], [END])
    with pytest.raises(ValueError, match="lacks 2 that bytes or merges need: abc, c$"):
        ByteTokenizer({piece: id for piece, id in vocab.items() if piece != "c"}, [("ab", "c")])


def test_the_fingerprint_knows_pieces_merges_and_specials(tokenizer: ByteTokenizer) -> None:
    vocab = bpe.vocabulary([("a", "b"), ("b", "a")], ["<x>"])
    fingerprints = {
        tokenizer.fingerprint,
        ByteTokenizer(vocab, [("a", "b"), ("b", "a")], ["<x>"]).fingerprint,
        ByteTokenizer(vocab, [("b", "a"), ("a", "b")], ["<x>"]).fingerprint,
        ByteTokenizer(vocab, [("a", "b"), ("b", "a")], []).fingerprint,
    }
    assert len(fingerprints) == 4


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("removed", [None, "tokenizer.json", "merges.txt", "vocab.json"])
@pytest.mark.parametrize("specials", [(END,), wordpiece.SPECIALS])
def test_saved_and_loaded_is_the_same(tmp_path: Path, removed: str | None, specials: tuple[str, ...]) -> None:
    tokenizer = ByteTokenizer.train(TEXTS, 400, specials)
    tokenizer.save(tmp_path)
    if removed:
        (tmp_path / removed).unlink()
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, ByteTokenizer)
    assert (loaded.vocab, loaded.merges) == (tokenizer.vocab, tokenizer.merges)
    assert loaded.specials == specials
    assert loaded.fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize("model_type", [None, "bert", "gpt2"])
@pytest.mark.parametrize("specials", [(END,), wordpiece.SPECIALS])
def test_transformers_opens_the_folder_and_gives_the_same_ids(
    tmp_path: Path, specials: tuple[str, ...], model_type: str | None
) -> None:
    tokenizer = ByteTokenizer.train(TEXTS, 400, specials)
    tokenizer.save(tmp_path, max_positions=64)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert theirs.model_max_length == 64
    assert len(theirs) == len(tokenizer)
    for text in PROBES:
        plain = theirs(text, add_special_tokens=False)["input_ids"]
        assert plain == tokenizer.encode(text, specials=True)
        assert theirs.decode(plain) == text

    if specials == (END,):
        assert theirs("The bees.")["input_ids"] == tokenizer.encode("The bees.")
        assert set(theirs("The bees.")) == {"input_ids", "attention_mask"}  # a Llama takes no others
        assert theirs.eos_token_id == 0
        return
    first, second = tokenizer.encode("The bees."), tokenizer.encode("A mill")
    pair = theirs("The bees.", "A mill")
    assert pair["input_ids"] == [2, *first, 3, *second, 3]
    assert pair["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    assert (theirs.pad_token_id, theirs.mask_token_id) == (0, 4)


def test_a_gpt2_folder_of_transformers_loads(tmp_path: Path, tokenizer: ByteTokenizer) -> None:
    """GPT-2's order of ids: bytes, merges, and the end of text last."""
    vocab = bpe.vocabulary(tokenizer.merges) | {END: 499}
    theirs = transformers.GPT2Tokenizer(vocab=vocab, merges=list(tokenizer.merges))  # pyright: ignore[reportArgumentType]
    theirs.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert (loaded.specials, loaded.special_ids) == ((END,), (499,))
    for text in PROBES:
        assert loaded.encode(text, specials=True) == theirs(text)["input_ids"]


@pytest.mark.parametrize("kept", [0, 1, 100, 5000, -2])
@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json"])
def test_a_file_cut_short_is_named(tmp_path: Path, tokenizer: ByteTokenizer, kept: int, name: str) -> None:
    tokenizer.save(tmp_path)
    if name == "vocab.json":
        (tmp_path / "tokenizer.json").unlink()
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept])
    with pytest.raises(ValueError, match=rf"cannot be used: {name} is not whole JSON .*cut short"):
        ByteTokenizer.load(tmp_path)


def test_merges_cut_short_and_folders_without_a_tokenizer_are_named(
    tmp_path: Path, tokenizer: ByteTokenizer
) -> None:
    with pytest.raises(ValueError, match=r"expected tokenizer\.json or merges\.txt"):
        ByteTokenizer.load(tmp_path)
    tokenizer.save(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\nab\n")
    with pytest.raises(ValueError, match=r"merges\.txt cannot be used: merge 2 must be two pieces, got 'ab'"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.json").unlink()
    (tmp_path / "merges.txt").write_text("a b\n")
    with pytest.raises(ValueError, match=r"merges\.txt cannot be used: vocab\.json is not beside it"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("model", "type", "WordLevel", "model: expected 'BPE', got 'WordLevel'"),
        ("model", "byte_fallback", True, "byte_fallback: expected None, got True"),
        ("model", "end_of_word_suffix", "</w>", "end_of_word_suffix: expected None"),
        ("model", "merges", [["a"]], "merge 1 must be two pieces"),
        ("pre_tokenizer", "add_prefix_space", True, "add_prefix_space: expected False, got True"),
        ("pre_tokenizer", "use_regex", False, "use_regex: expected True, got False"),
        ("pre_tokenizer", "type", "Metaspace", "pre_tokenizer: expected 'ByteLevel', got 'Metaspace'"),
        (None, "normalizer", {"type": "NFC"}, "normalizer: expected None"),
        (None, "pre_tokenizer", None, "pre_tokenizer: expected 'ByteLevel', got None"),
        (None, "model", {"type": "BPE"}, "not a byte-pair encoding of GPT-2's kind"),
    ],
)
def test_a_tokenizer_that_would_give_other_ids_is_refused(
    tmp_path: Path, tokenizer: ByteTokenizer, part: str | None, field: str, value: object, message: str
) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = json.loads(path.read_text())
    (parts[part] if part else parts)[field] = value
    path.write_text(json.dumps(parts))
    with pytest.raises(ValueError, match=message):
        ByteTokenizer.load(tmp_path)


def test_an_added_word_that_is_not_special_is_refused(tmp_path: Path, tokenizer: ByteTokenizer) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = json.loads(path.read_text())
    parts["added_tokens"].append({**parts["added_tokens"][0], "id": 500, "content": "new", "special": False})
    path.write_text(json.dumps(parts))
    with pytest.raises(ValueError, match=r"added tokens that are not special: .*got \['new'\]"):
        ByteTokenizer.load(tmp_path)


def test_a_file_of_2020_loads(tmp_path: Path, tokenizer: ByteTokenizer) -> None:
    """It does not name its model, and writes merges as strings."""
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = json.loads(path.read_text())
    del parts["model"]["type"], parts["pre_tokenizer"]["use_regex"]
    parts["model"]["merges"] = [" ".join(pair) for pair in parts["model"]["merges"]]
    path.write_text(json.dumps(parts))
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint
