"""Writing texts: what a prompt becomes, what a text depends on, and pieces that are whole characters."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_runs import documents, running_store

from minibert.batches.sampling import uniform
from minibert.config import BertConfig, GptConfig, LstmConfig
from minibert.config.decoding import WritingConfig
from minibert.hub import save_pretrained
from minibert.model.beam import beam_search
from minibert.model.bert import BertForPretraining
from minibert.model.generate import generate
from minibert.model.gpt import Gpt
from minibert.model.recurrent import Lstm
from minibert.recipes import writing
from minibert.recipes.writing import Writer, beginnings, sample_texts, usual_context, whole_characters
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.corpus import Document
from minibert.text.running import RunningBuilder
from minibert.text.store import open_store

TOKENIZER = ByteTokenizer.train([d.text for d in documents()], 300)
V = len(TOKENIZER)
END = TOKENIZER.end_id
SHORT = WritingConfig(length=12)


def lively(model: Any) -> Any:
    """Return a model that says various things."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator) + (parameter.ndim == 1))
    return model.eval()


def gpt(positions: int = 40) -> Gpt:
    return lively(Gpt(GptConfig(V, 1, 16, 2, 32, max_positions=positions)))


def writer(model: Any = None, context: int | None = None) -> Writer:
    return Writer(model or gpt(), TOKENIZER, context)


# ------------------------------------------------------------ a text


def test_a_text_is_drawn_with_a_hash_of_seed_sample_and_step():
    [texts] = writer().texts(["The baker"], replace(SHORT, count=3, seed=5))
    prompt = TOKENIZER.encode("The baker")
    for sample, text in enumerate(texts):
        numbers = torch.from_numpy(uniform(5, sample, np.arange(12)))[None]
        [ids] = generate(gpt(), [prompt], 12, replace(SHORT, seed=0), numbers, END)
        assert text == TOKENIZER.decode(ids)
    assert len(set(texts)) == 3


def test_a_text_does_not_depend_on_the_others_nor_on_how_many_are_written_together(monkeypatch):
    prompts = ["The baker", "We", "A red lantern and", None]
    config = replace(SHORT, count=3)
    together = list(writer().texts(prompts, config))
    assert together == [next(writer().texts([prompt], config)) for prompt in prompts]
    for rows in (1, 2, 5):
        monkeypatch.setattr(writing, "ROWS", rows)
        assert list(writer().texts(prompts, config)) == together
    assert [texts[:1] for texts in together] == list(writer().texts(prompts, SHORT))


def test_the_same_seed_writes_the_same_text_and_another_one_another():
    once, again, other = ("".join(writer().stream("We", replace(SHORT, seed=s))) for s in (1, 1, 2))
    assert once == again != other
    assert [once] == next(writer().texts(["We"], replace(SHORT, seed=1)))


def test_without_a_prompt_a_new_text_begins_behind_an_end():
    assert writer().ids(None) == [END]
    assert writer().ids("We") == TOKENIZER.encode("We")


class Says(torch.nn.Module):
    """A model that says the given tokens, whatever it reads."""

    def __init__(self, tokens: list[int]) -> None:
        super().__init__()
        self.says, self.at = tokens, 0
        self.config, self.tokens = None, torch.nn.Embedding(V, V)
        self.tokens.weight.data = torch.eye(V)
        self.eval()

    def new_state(self, *_: Any) -> "Says":
        self.filled = self.at = 0
        return self

    def features(self, ids: torch.Tensor, state: Any = None) -> torch.Tensor:
        token, self.at = self.says[self.at], self.at + 1
        return 1000 * torch.eye(V)[token].expand(*ids.shape, V)


def test_nothing_comes_behind_an_end():
    tokens = [*TOKENIZER.encode("bread"), END, *TOKENIZER.encode("salt salt salt")]
    speaks = writer(Says(tokens))
    assert "".join(speaks.stream("x", replace(SHORT, length=len(tokens)))) == "bread"
    assert list(speaks.texts(["x"], replace(SHORT, length=len(tokens)))) == [["bread"]]


def test_beams_find_the_likeliest_texts():
    [texts] = writer().texts(["The baker"], WritingConfig(length=6, beams=4, count=2))
    best = beam_search(gpt(), TOKENIZER.encode("The baker"), 6, 4, END)
    assert texts == [TOKENIZER.decode(found.tokens) for found in best[:2]]


def test_a_text_may_be_longer_than_the_context():
    [[text]] = writer(context=8).go_on([[5, 6]], replace(SHORT, length=100))
    assert len(text) > 40


# ------------------------------------------------------------ pieces


@given(st.text(max_size=12))
def test_pieces_are_whole_characters_and_together_the_text(text: str):
    """Of a tokenizer that knows bytes alone, so that many characters take several tokens."""
    bytes_alone = ByteTokenizer.train([""], 257)
    pieces = list(whole_characters(bytes_alone, bytes_alone.encode(text)))
    assert "".join(pieces) == text
    if "\ufffd" not in text:
        assert pieces == list(text)


def test_bytes_that_make_no_character_come_out_in_the_end():
    ids = TOKENIZER.encode("a€")
    assert list(whole_characters(TOKENIZER, ids[:-1])) == ["a", "\ufffd"]
    assert "".join(whole_characters(TOKENIZER, [*ids[:-1], *TOKENIZER.encode("b")])) == "a\ufffdb"


# ------------------------------------------------------------ a folder


def folder_with(model: Any, folder: Path, seq_len: object = None) -> Path:
    save_pretrained(model, TOKENIZER, folder)
    if seq_len is not None:
        (folder / "run.json").write_text(json.dumps({"config": {"seq_len": seq_len}}))
    return folder


@pytest.mark.parametrize(("seq_len", "context"), [(None, 40), (16, 16), (100, 40), ("?", 40)])
def test_a_model_looks_back_as_far_as_its_run_did(seq_len: object, context: int, tmp_path):
    opened = Writer.open(folder_with(gpt(), tmp_path, seq_len))
    assert opened.context == usual_context(tmp_path, opened.model) == context


def test_a_recurrent_model_looks_back_without_end(tmp_path):
    model = lively(Lstm(LstmConfig(V, 1, 16)))
    opened = Writer.open(folder_with(model, tmp_path, 16))
    assert opened.context is None
    numbers = torch.from_numpy(uniform(0, np.zeros((1, 1), int), np.arange(12)))
    [ids] = generate(model, [TOKENIZER.encode("We")], 12, SHORT, numbers, END)
    assert list(opened.texts(["We"], SHORT)) == [[TOKENIZER.decode(ids)]]


def test_folders_that_cannot_write_are_refused(tmp_path):
    save_pretrained(BertForPretraining(BertConfig(20, 1, 8, 2, 8)), None, tmp_path / "bert")
    with pytest.raises(ValueError, match="BertForPretraining, which is no causal model; .*minibert fill"):
        Writer.open(tmp_path / "bert")
    save_pretrained(gpt(), None, tmp_path / "mute")
    with pytest.raises(ValueError, match="holds no tokenizer"):
        Writer.open(tmp_path / "mute")
    endless = ByteTokenizer.train(["a"], 256, specials=())
    save_pretrained(gpt(), endless, tmp_path / "endless")
    with pytest.raises(ValueError, match=r"no <\|endoftext\|>"):
        Writer.open(tmp_path / "endless")


# ------------------------------------------------------------ samples


def test_samples_go_on_from_the_beginnings_of_documents(tmp_path):
    store = running_store(tmp_path, TOKENIZER)
    samples = sample_texts(gpt(100), TOKENIZER, store)
    assert samples == sample_texts(gpt(100), TOKENIZER, store)
    assert samples != sample_texts(gpt(100), TOKENIZER, store, seed=1)
    texts = [document.text for document in documents()]
    assert len({sample["prompt"] for sample in samples}) == 4
    for sample in samples:
        assert set(sample) == {"prompt", "text"}
        assert any(text.startswith(sample["prompt"]) for text in texts)
    [first] = writer(gpt(100)).texts([samples[0]["prompt"]], writing.SAMPLE)
    assert TOKENIZER.encode(samples[0]["prompt"]) and first == [samples[0]["text"]]


def test_of_a_lone_document_samples_go_on_from_any_places(tmp_path):
    with RunningBuilder(tmp_path, TOKENIZER, "key") as builder:
        builder.add(Document("1", "The old miller sells seven stones. " * 8))
    store = open_store(tmp_path)
    found = beginnings(store, 6, seed=0, size=5)
    places = [store.ids.tolist().index(ids[0]) for ids in found]
    assert all(len(ids) == 5 for ids in found) and len({tuple(ids) for ids in found}) > 2
    assert min(places) >= 0
    assert len(sample_texts(gpt(), TOKENIZER, store, count=2, context=20)) == 2


def test_a_store_shorter_than_a_prompt_is_enough(tmp_path):
    with RunningBuilder(tmp_path, TOKENIZER, "key") as builder:
        builder.add(Document("1", "We"))
    assert [len(ids) for ids in beginnings(open_store(tmp_path), 2, 0, size=50)] == [
        len(TOKENIZER.encode("We")) + 1
    ] * 2
