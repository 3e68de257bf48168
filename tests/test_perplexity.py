"""Perplexity: the number of a plain loop, token by token, whatever the windows are."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_causal import MODELS, V
from small_runs import corpus_file, documents

from minibert.config import BertConfig, GptConfig
from minibert.hub import save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.model.generate import CausalModel
from minibert.model.gpt import Gpt
from minibert.recipes import perplexity
from minibert.recipes.data import prepare
from minibert.recipes.perplexity import Score, Text, encode, evaluate_run, score
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.corpus import Document

IDS = np.random.default_rng(0).integers(0, V, 71)
TEXT = Text(IDS, bytes=100, documents=1)


def surprise(model: Any, before: np.ndarray, token: int) -> float:
    """Return -log p(token | before), read as one text (nats)."""
    with torch.no_grad():
        return -float(model(torch.from_numpy(before)[None])[0, -1].log_softmax(0)[token])


def plain_loop(model: Any, ids: np.ndarray, context: int, stride: int) -> float:
    """Return the mean loss, worked out one token at a time: as the documentation of transformers has it."""
    n, total, scored = len(ids) - 1, 0.0, 0
    for first in range(0, n, stride):
        end = min(first + context, n)
        for place in range(scored, end):
            total += surprise(model, ids[first : place + 1], int(ids[place + 1]))
        scored = end
        if end == n:
            break
    return total / n


@pytest.mark.parametrize(
    ("context", "stride"), [(24, 24), (24, 12), (20, 7), (8, 1), (1, 1), (24, 5)], ids=str
)
@pytest.mark.parametrize("kind", ["gpt", "llama", "qwen"])
def test_the_loss_is_that_of_a_plain_loop(kind: str, context: int, stride: int, monkeypatch):
    model, expected = MODELS[kind](), None
    for together in (1 << 13, 40, 1):  # how many go through the model at once makes no difference
        monkeypatch.setattr(perplexity, "TOKENS", together)
        monkeypatch.setattr(perplexity, "ROWS", together)
        got = score(model, TEXT, context, stride)
        expected = expected or plain_loop(model, IDS, context, stride)
        assert got.loss == pytest.approx(expected, rel=1e-5)
    assert (got.tokens, got.context, got.stride) == (70, context, stride)


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_a_recurrent_model_reads_all_in_one_go(kind: str, monkeypatch):
    model = MODELS[kind]()
    expected = np.mean([surprise(model, IDS[:i], int(IDS[i])) for i in range(1, 71)])
    for together in (1 << 13, 16):
        monkeypatch.setattr(perplexity, "TOKENS", together)
        assert score(model, TEXT).loss == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=f"(?i)kind {kind} reads a text in one go, without windows"):
        score(model, TEXT, stride=3)


def test_a_text_that_fits_is_scored_as_a_whole():
    model, text = MODELS["gpt"](), Text(IDS[:15], 20, 1)
    expected = np.mean([surprise(model, IDS[:i], int(IDS[i])) for i in range(1, 15)])
    assert score(model, text).loss == pytest.approx(expected, rel=1e-5)
    assert (score(model, text).context, score(model, text).stride) == (24, 12)


def test_a_shorter_stride_gives_a_model_more_to_go_by():
    """A model that has learned to repeat what stood 6 tokens before: blocks of 8 keep most of it from it."""

    class Repeats(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config, self.tokens = GptConfig(V, max_positions=8, width=4), torch.nn.Embedding(V, V)
            self.tokens.weight.data = torch.eye(V)
            self.eval()

        def features(self, ids: torch.Tensor, state: Any = None) -> torch.Tensor:
            before = torch.full_like(ids, -1)
            before[:, 5:] = ids[:, :-5]
            return 20 * (before[..., None] == torch.arange(V)).float()

        def new_state(self, *_: Any) -> None: ...

    model, ids = Repeats(), np.tile(np.arange(6), 20)
    assert isinstance(model, CausalModel)
    losses = [score(model, Text(ids, 1, 1), 8, stride).loss for stride in (8, 4, 3, 1)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == pytest.approx(math.log(V) * 75 / 119, rel=1e-3)  # 5 of each 8 know nothing
    assert losses[2] == pytest.approx(math.log(V) * 5 / 119, rel=1e-3)  # but for the first 5


def test_perplexity_and_bits_follow_from_the_loss():
    got = Score(loss=math.log(8), tokens=50, bytes=100, documents=1, context=8, stride=4)
    assert got.perplexity == pytest.approx(8)
    assert got.bits_per_byte == pytest.approx(1.5)  # 3 bits each, for half as many tokens as bytes


@pytest.mark.parametrize(
    ("context", "stride", "message"),
    [
        (25, None, "the context must be from 1 to 24 tokens, got 25"),
        (0, None, "the context must be from 1 to 24 tokens, got 0"),
        (8, 9, "the stride must be from 1 to the context, 8, got 9"),
        (8, 0, "the stride must be from 1 to the context, 8, got 0"),
    ],
)
def test_windows_that_cannot_be_are_refused(context: int, stride: int | None, message: str):
    with pytest.raises(ValueError, match=message):
        score(MODELS["gpt"](), TEXT, context, stride)


# ------------------------------------------------------------ the text


def test_a_text_is_its_documents_with_the_end_token_around_each():
    tokenizer = CharTokenizer.train(["abc é\n"])
    text = encode(
        iter([Document("1", "ab"), Document("1", "c\n", continues=True), Document("2", "é")]), tokenizer
    )
    assert [tokenizer.decode([i]) for i in text.ids.tolist()] == [
        *("<|endoftext|>", "a", "b", "c", "\n", "<|endoftext|>", "é", "<|endoftext|>")
    ]
    assert (text.bytes, text.documents) == (6, 2)


def test_bytes_are_counted_whatever_the_tokens_are():
    texts = documents(4, 5)
    size = sum(len(document.text.encode()) for document in texts)
    tokenizers = [ByteTokenizer.train([d.text for d in texts], V) for V in (258, 300)]
    made = [encode(iter(texts), tokenizer) for tokenizer in tokenizers]
    assert [text.bytes for text in made] == [size, size]
    assert len(made[0].ids) > len(made[1].ids)


# ------------------------------------------------------------ a folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A GPT and its tokenizer, a file with a text, and what a run would say that had learned from it."""
    folder = tmp_path_factory.mktemp("gpt")
    corpus = corpus_file(folder)
    tokenizer = ByteTokenizer.train([d.text for d in documents()], 300)
    shape = GptConfig(len(tokenizer), 1, 8, 2, 16, max_positions=40, init_std=0.3)
    save_pretrained(Gpt(shape, torch.Generator().manual_seed(0)), tokenizer, folder)
    (folder / "run.json").write_text(f'{{"config": {{"seq_len": 16, "corpus": ["{corpus}"]}}}}')
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))


def test_of_a_file_all_is_scored_in_windows_as_long_as_the_run_knows(folder, caplog):
    file = folder / "stories.txt"
    got, part = evaluate_run(folder, str(file))
    assert part == "all" and got.bytes == len(file.read_bytes()) and got.documents == 1
    assert (got.context, got.stride) == (16, 8)
    assert "has learned from" in caplog.text and "--part held-out" in caplog.text


def test_what_pretraining_holds_out_is_what_held_out_means(folder, caplog):
    file = folder / "stories.txt"
    got, part = evaluate_run(folder, str(file), "held-out")
    tokenizer = ByteTokenizer.load(folder)
    held_out = prepare([str(file)], 300, tokenizer, running=True).held_out
    assert held_out is not None and got.tokens == len(held_out.ids)
    assert part == "held-out" and "has learned" not in caplog.text
    assert got.bytes == len(tokenizer.decode(held_out.ids[:-1].tolist()).encode())


def test_a_model_from_elsewhere_reads_as_much_as_it_has_positions(folder, tmp_path):
    for file in folder.iterdir():
        if file.name != "run.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert evaluate_run(tmp_path, str(folder / "stories.txt"))[0].context == 40
    assert evaluate_run(folder, str(folder / "stories.txt"), context=30)[0].context == 30


def test_a_data_card_is_scored_where_it_is_held_out(folder, monkeypatch):
    monkeypatch.setattr(perplexity.sources, "cards", lambda: {"stories": None})
    real = perplexity.sources.resolve
    monkeypatch.setattr(
        perplexity.sources, "resolve", lambda words, plain: real([str(folder / "stories.txt")], plain)
    )
    assert evaluate_run(folder, "stories")[1] == "held-out"


def test_a_masked_model_is_sent_to_its_report(tmp_path):
    save_pretrained(BertForPretraining(BertConfig(20, 1, 8, 2, 8)), None, tmp_path)
    with pytest.raises(ValueError, match="holds a BertForPretraining, which is no causal model; .*report"):
        evaluate_run(tmp_path, "text.txt")


def test_a_text_without_a_word_is_refused(folder, tmp_path):
    (tmp_path / "blank.txt").write_text(" \n")
    with pytest.raises(ValueError, match="there is no text to score"):
        evaluate_run(folder, str(tmp_path / "blank.txt"))
