"""Filling blanks: the model's own probabilities, the likeliest first."""

import pytest
import torch
from small_runs import small_store, small_tokenizer

from minibert.config import BertConfig, HeadConfig
from minibert.hub import save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.model.classifier import BertClassifier
from minibert.recipes.fill import fill, guess, sample_blanks
from minibert.text.corpus import Document
from minibert.text.store import build
from minibert.text.tokenizer import SPECIALS, Tokenizer


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    tokenizer = small_tokenizer()
    config = BertConfig(len(tokenizer), 1, 16, 2, 32, max_positions=40, init_std=0.5)
    model = BertForPretraining(config, torch.Generator().manual_seed(0)).eval()
    folder = tmp_path_factory.mktemp("fill")
    save_pretrained(model, tokenizer, folder)
    return model, tokenizer, folder


def test_guesses_are_the_models_probabilities_in_order(parts):
    model, tokenizer, folder = parts
    [guesses] = fill(folder, "the baker [MASK] bread.", top=4)
    ids = [tokenizer.cls_id, *tokenizer.encode_blanks("the baker [MASK] bread."), tokenizer.sep_id]
    with torch.no_grad():
        row = model(torch.tensor([ids])).words[0, ids.index(tokenizer.mask_id)].softmax(0)
    best = row.argsort(descending=True)[:4].tolist()
    assert [piece for piece, _ in guesses] == [tokenizer.piece(i) for i in best]
    assert [share for _, share in guesses] == pytest.approx(row[best].tolist(), rel=1e-5)


def test_each_blank_has_its_own_guesses(parts):
    first, second = fill(parts[2], "[MASK] sells [MASK].", top=2)
    assert first != second


def test_a_text_without_a_blank_is_refused(parts):
    with pytest.raises(ValueError, match=r"the text has no \[MASK\]"):
        fill(parts[2], "the baker sells bread.")


def test_a_text_longer_than_the_model_is_refused(parts):
    model, tokenizer, _ = parts
    with pytest.raises(ValueError, match="has 60 tokens, the model reads at most 38"):
        guess(model, tokenizer, [tokenizer.mask_id] * 60, top=1)


def test_a_folder_without_a_tokenizer_is_refused(parts, tmp_path):
    save_pretrained(parts[0], None, tmp_path)
    with pytest.raises(ValueError, match="holds no tokenizer"):
        fill(tmp_path, "[MASK]")


def test_a_model_for_a_task_is_refused(parts, tmp_path):
    task_model = BertClassifier(parts[0].config, HeadConfig("classes", ("a", "b")))
    save_pretrained(task_model, parts[1], tmp_path)
    with pytest.raises(ValueError, match="holds a BertClassifier, which guesses no words"):
        fill(tmp_path, "the baker [MASK] bread.")


def test_sampled_blanks_hide_one_whole_word_and_know_it(parts, tmp_path):
    model, tokenizer, _ = parts
    store = small_store(tmp_path, tokenizer)
    text = tokenizer.decode(store.ids.tolist())
    blanks = sample_blanks(model, tokenizer, store, count=5)
    assert len(blanks) == 5 and blanks == sample_blanks(model, tokenizer, store, count=5)
    for blank in blanks:
        assert blank["text"].count("[MASK]") == 1
        assert len(blank["answer"]) >= 4 and len(blank["guesses"]) == 5
        assert blank["text"].replace("[MASK]", blank["answer"]) in text


def test_a_chinese_character_is_a_word_to_blank_and_a_short_word_is_not(tmp_path):
    pieces = [*SPECIALS, *"今天风很大船都不出海", "the", "a", "##b"]
    tokenizer = Tokenizer({piece: id for id, piece in enumerate(pieces)})
    model = BertForPretraining(BertConfig(len(pieces), 1, 16, 2, 32, max_positions=40))
    texts = ["今天风很大船都不出海", "the a the a the a the a the a the a ab"]
    built = build([Document(text, text) for text in texts], tokenizer, tmp_path / "store", "key")
    [blank] = sample_blanks(model, tokenizer, built)
    assert blank["text"].replace("[MASK]", blank["answer"]).replace(" ", "") == texts[0]
