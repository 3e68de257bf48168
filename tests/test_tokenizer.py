"""The tokenizer that runs: specials, files, and the same ids in `transformers`."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import transformers
from samples import CHINESE, DOCUMENTS

from minibert.text.tokenizer import SPECIALS, Tokenizer, load_tokenizer

TEXTS = [document.text for document in DOCUMENTS]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, 300)


# ---------------------------------------------------------------- vocabulary


def test_training_puts_the_specials_first_and_keeps_to_the_size(tokenizer: Tokenizer) -> None:
    assert list(tokenizer.vocab)[:5] == list(SPECIALS)
    assert tokenizer.special_ids == (0, 1, 2, 3, 4)
    assert (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id) == (0, 1, 2)
    assert (tokenizer.sep_id, tokenizer.mask_id) == (3, 4)
    assert len(tokenizer) == len(tokenizer.vocab) == 300


@pytest.mark.parametrize("size", [7, 20, 60])
def test_a_vocabulary_smaller_than_the_alphabet_is_no_larger_than_asked(size: int) -> None:
    assert len(Tokenizer.train([*TEXTS, "äöü中文 ½¾"], size)) <= size


def test_training_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="the texts hold no word"):
        Tokenizer.train(["", " \n"], 100)
    with pytest.raises(ValueError, match="vocab_size must be at least 7, got 5"):
        Tokenizer.train(TEXTS, 5)


def test_very_long_words_teach_nothing_and_cost_nothing() -> None:
    begun = time.monotonic()
    texts = [f"the {'xyz' * 1_000_000} bees", "x\u200by" * 200, "the-bees," * 100, "é" * 101, "中文" * 100]
    assert not set("xyé") & set(Tokenizer.train(texts, 100).vocab)
    assert time.monotonic() - begun < 20


def test_common_words_are_whole_and_rare_ones_in_pieces(tokenizer: Tokenizer) -> None:
    assert [tokenizer.piece(id) for id in tokenizer.encode("The THE")] == ["the", "the"]
    first, *rest = (tokenizer.piece(id) for id in tokenizer.encode("shadowless"))
    assert not first.startswith("##") and rest and all(piece.startswith("##") for piece in rest)


def test_case_is_kept_when_asked() -> None:
    cased = Tokenizer.train(TEXTS, 300, lowercase=False)
    assert cased.encode("The") != cased.encode("the")
    assert cased.unk_id not in cased.encode("The")


def test_a_vocabulary_without_specials_or_with_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lacks \[CLS\], \[SEP\], \[MASK\]"):
        Tokenizer({"[PAD]": 0, "[UNK]": 1, "a": 2})
    with pytest.raises(ValueError, match="must be 0 to 5, each once; they go from 0 to 6"):
        Tokenizer({**{piece: id for id, piece in enumerate(SPECIALS)}, "a": 6})


def test_continuation_marks_the_pieces_with_two_signs(tokenizer: Tokenizer) -> None:
    assert tokenizer.continuation.dtype == np.bool_ and tokenizer.continuation.shape == (300,)
    for piece, id in tokenizer.vocab.items():
        assert tokenizer.continuation[id] == (piece[:2] == "##")


# ---------------------------------------------------------------- special tokens in text


def test_text_that_spells_a_special_token_is_text(tokenizer: Tokenizer) -> None:
    for special in SPECIALS:
        assert not {0, 2, 3, 4} & set(tokenizer.encode(f"the {special} the"))
        assert tokenizer.encode_batch([special])[0] == tokenizer.encode(special)


def test_blanks_become_the_mask(tokenizer: Tokenizer) -> None:
    the = tokenizer.encode("the")
    assert tokenizer.encode_blanks("The [MASK] of [CLS][MASK].") == [
        *the,
        4,
        *tokenizer.encode("of [CLS]"),
        4,
        *tokenizer.encode("."),
    ]
    assert tokenizer.encode_blanks("the the") == the + the


def test_a_batch_gives_the_ids_of_its_texts(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]
    assert tokenizer.encode_batch([]) == []
    assert tokenizer.encode_batch(["", "the"])[0] == []


@pytest.mark.parametrize(
    "text",
    [
        "the nation's well-known (and large) harbour, isn't it?",
        "it cost $1,931.50: too much!",
        "3% of them; no more.",
        "a baker, 90 years old.",
    ],
)
def test_decoding_gives_readable_text(text: str) -> None:
    tokenizer = Tokenizer.train([*TEXTS, "0123456789 $%():;!?',.- jk"], 300)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *CHINESE,
        "“我读。”他说：“你写……”",
        "（一）学习，再学习！",
        "小镇 ipad 2024，很好。",
    ],
)
def test_decoding_puts_no_space_between_chinese_characters(text: str) -> None:
    tokenizer = Tokenizer.train([*CHINESE, "ipad 2024 3,500 “我读写你。”…（一）！："] * 2, 400)
    assert tokenizer.decode(tokenizer.encode(text)) == text.replace("2024年", "2024 年").replace(
        "有3,500本", "有 3,500 本"
    )


def test_decoding_shows_special_tokens(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode([2, *tokenizer.encode("the"), 4, 3]) == "[CLS] the [MASK] [SEP]"


# ---------------------------------------------------------------- fingerprint


def test_the_fingerprint_knows_pieces_order_and_case(tokenizer: Tokenizer) -> None:
    pieces = list(tokenizer.vocab)
    swapped = [*pieces[:-2], pieces[-1], pieces[-2]]
    others = [
        Tokenizer(tokenizer.vocab, lowercase=False),
        Tokenizer({piece: id for id, piece in enumerate(swapped)}),
        Tokenizer({piece: id for id, piece in enumerate(pieces[:-1])}),
    ]
    fingerprints = {tokenizer.fingerprint, *(other.fingerprint for other in others)}
    assert len(fingerprints) == 4
    assert Tokenizer(dict(reversed(tokenizer.vocab.items()))).fingerprint == tokenizer.fingerprint


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("removed", [None, "vocab.txt", "tokenizer.json"])
def test_saved_and_loaded_is_the_same(tmp_path: Path, lowercase: bool, removed: str | None) -> None:
    tokenizer = Tokenizer.train([*TEXTS, "Ein Äpfelchen 中"], 300, lowercase)
    tokenizer.save(tmp_path)
    if removed:
        (tmp_path / removed).unlink()
    loaded = Tokenizer.load(tmp_path)
    assert loaded.vocab == tokenizer.vocab
    assert loaded.lowercase == lowercase
    assert loaded.fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize("lowercase", [True, False])
def test_transformers_opens_the_folder_and_gives_the_same_ids(tmp_path: Path, lowercase: bool) -> None:
    tokenizer = Tokenizer.train(TEXTS, 300, lowercase)
    tokenizer.save(tmp_path, max_positions=64)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert theirs.model_max_length == 64
    assert len(theirs) == len(tokenizer)
    assert tuple(theirs.convert_tokens_to_ids(list(SPECIALS))) == tokenizer.special_ids
    assert (theirs.pad_token_id, theirs.mask_token_id) == (tokenizer.pad_id, tokenizer.mask_id)

    for text in [*TEXTS[0].split("\n"), "Éa ñ 中文 don't\u200b 1,000 xyzzy ☃", ""]:
        ours = tokenizer.encode(text)
        assert theirs(text, add_special_tokens=False)["input_ids"] == ours
        assert theirs(text)["input_ids"] == [2, *ours, 3]

    first, second = tokenizer.encode("The bees."), tokenizer.encode("A mill")
    pair = theirs("The bees.", "A mill")
    assert pair["input_ids"] == [2, *first, 3, *second, 3]
    assert pair["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    plain = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("The bees.", "A mill")
    assert (plain.ids, plain.type_ids) == (pair["input_ids"], pair["token_type_ids"])
    assert theirs("the [MASK].", add_special_tokens=False)["input_ids"] == tokenizer.encode_blanks(
        "the [MASK]."
    )


def test_a_folder_saved_by_transformers_loads(tmp_path: Path, tokenizer: Tokenizer) -> None:
    theirs = transformers.BertTokenizer(vocab=dict(tokenizer.vocab), do_lower_case=True)
    theirs.save_pretrained(tmp_path)
    assert Tokenizer.load(tmp_path).fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize("kept", [0, 1, 100, 1000, -2])
def test_a_tokenizer_file_cut_short_is_named(tmp_path: Path, tokenizer: Tokenizer, kept: int) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"tokenizer\.json cannot be used: .* is not whole JSON .*cut short"):
        Tokenizer.load(tmp_path)


def test_a_vocabulary_file_cut_short_or_with_doubles_is_named(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CL")
    with pytest.raises(ValueError, match=r"vocab\.txt cannot be used: .* lacks \[CLS\]"):
        Tokenizer.load(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS, "a", "b", "a"]))
    with pytest.raises(ValueError, match=r"vocab\.txt cannot be used: the piece 'a' stands in it twice"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"do_lower_case": tr', "tokenizer_config.json is not whole JSON"),
        ('{"do_lower_case": true, "strip_accents": false}', "strip_accents must be True"),
        ('{"tokenize_chinese_chars": false}', "tokenize_chinese_chars must be true"),
    ],
)
def test_a_configuration_that_would_give_other_ids_is_refused(
    tmp_path: Path, config: str, message: str
) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIALS))
    (tmp_path / "tokenizer_config.json").write_text(config)
    with pytest.raises(ValueError, match=message):
        Tokenizer.load(tmp_path)


def test_a_file_that_does_not_name_its_model_loads(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = json.loads(path.read_text())
    del parts["model"]["type"]
    path.write_text(json.dumps(parts))
    assert Tokenizer.load(tmp_path).vocab == tokenizer.vocab


def test_only_a_new_line_divides_the_vocabulary_file(tmp_path: Path) -> None:
    pieces = [*SPECIALS, "a\u2028b", "", "c d", "e"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    assert list(Tokenizer.load(tmp_path).vocab) == pieces


@pytest.mark.parametrize("removed", [None, "vocab.txt", "tokenizer.json"])
def test_the_tokenizer_of_any_folder_loads(tmp_path: Path, tokenizer: Tokenizer, removed: str | None) -> None:
    tokenizer.save(tmp_path)
    if removed:
        (tmp_path / removed).unlink()
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, Tokenizer) and loaded.fingerprint == tokenizer.fingerprint


def test_a_tokenizer_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected tokenizer\.json or vocab\.txt"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"tokenizer\.json cannot be used: .* is not whole JSON"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(ValueError, match=r"tokenizer\.json cannot be used: it is not a WordPiece"):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected tokenizer.json or vocab.txt"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("model", "type", "BPE", "model: expected 'WordPiece', got 'BPE'"),
        ("model", "continuing_subword_prefix", "@@", "pieces: expected"),
        ("model", "max_input_chars_per_word", 200, "characters in a word: expected 100, got 200"),
        ("normalizer", "strip_accents", False, "accents stripped: expected True, got False"),
        ("normalizer", "handle_chinese_chars", False, "handle_chinese_chars"),
        ("normalizer", "type", "NFC", "normalizer: expected 'BertNormalizer', got 'NFC'"),
        ("pre_tokenizer", "type", "Whitespace", "pre_tokenizer: expected"),
    ],
)
def test_a_tokenizer_that_would_give_other_ids_is_refused(
    tmp_path: Path, tokenizer: Tokenizer, part: str, field: str, value: object, message: str
) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = json.loads(path.read_text())
    parts[part][field] = value
    path.write_text(json.dumps(parts))
    with pytest.raises(ValueError, match=message):
        Tokenizer.load(tmp_path)


def test_tokens_added_outside_the_vocabulary_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    parts = json.loads(path.read_text())
    parts["added_tokens"].append({**parts["added_tokens"][0], "id": 300, "content": "<new>"})
    path.write_text(json.dumps(parts))
    with pytest.raises(ValueError, match=r"added tokens outside the vocabulary: .*got \['<new>'\]"):
        Tokenizer.load(tmp_path)
