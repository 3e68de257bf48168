"""From the words behind --corpus to stores: held out is held out, and what is learned once is kept."""

import pytest
from small_runs import corpus_file, documents

from minibert.recipes.data import learn_tokenizer, prepare, read_corpus
from minibert.text.tokenizer import Tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))


def test_train_and_held_out_together_are_the_corpus_and_share_nothing(tmp_path):
    train, held_out = read_corpus([str(corpus_file(tmp_path))])
    assert len(train) == 10 and len(held_out) == 2
    assert {d.text for d in [*train, *held_out]} == {d.text for d in documents()}


@pytest.mark.parametrize("data", [b"", b"\n\n \n\t\n", b"\xef\xbb\xbf\r\n\r\n"])
def test_a_corpus_without_words_is_refused(tmp_path, data):
    path = tmp_path / "empty.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"the corpus is empty: no text in .*empty\.txt"):
        read_corpus([str(path)])


def test_several_files_are_one_corpus(tmp_path):
    other = tmp_path / "more.txt"
    other.write_text("A boat waits.\nIt is red.\n\nThe sea is calm.\nNo wind blows.")
    train, held_out = read_corpus([str(corpus_file(tmp_path)), str(other)])
    assert len(train) + len(held_out) == 14


def test_a_vocabulary_is_learned_once_for_a_text_and_a_size(tmp_path, monkeypatch):
    first = learn_tokenizer(documents(), 120)
    with monkeypatch.context() as patch:
        patch.setattr(Tokenizer, "train", None)
        assert learn_tokenizer(documents(), 120).fingerprint == first.fingerprint
    assert learn_tokenizer(documents(), 90).fingerprint != first.fingerprint
    assert learn_tokenizer(documents(9), 120).fingerprint != first.fingerprint


def test_a_fingerprint_changes_with_any_document_held_out_or_not(tmp_path):
    path = corpus_file(tmp_path)
    text = prepare([str(path)], 120)
    assert text.held_out is not None
    before = path.read_text()
    for words in ("baker", "fisher", "captain", "miller", "teacher", "sister", "painter", "queen"):
        for place in (before.find(words), before.rfind(words)):
            if place >= 0:
                path.write_text(f"{before[:place]}other{before[place:]}")
                assert prepare([str(path)], 120, text.tokenizer).fingerprint != text.fingerprint
    path.write_text(before)
    assert prepare([str(path)], 120).fingerprint == text.fingerprint


def test_the_description_counts_what_is_there(tmp_path):
    text = prepare([str(corpus_file(tmp_path))], 120)
    told = text.describe()
    assert told["train"]["documents"] == 10 and told["train"]["tokens"] == len(text.train.ids)
    assert told["held_out"]["documents"] == 2 and len(told["held_out"]["names"]) == 2
    assert told["tokenizer"] == text.tokenizer.fingerprint
