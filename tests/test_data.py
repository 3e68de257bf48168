"""From the words behind --corpus to stores: held out is held out, and what is learned once is kept."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import corpus_file, documents

from minibert import sources
from minibert.config import Part
from minibert.recipes import data
from minibert.recipes.data import Reader, RunningReader, build_stores, divide, learn_tokenizer, prepare
from minibert.sources.splits import Split
from minibert.text.base_tokenizer import END
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.char_tokenizer import CharTokenizer
from minibert.text.corpus import Document
from minibert.text.duplicates import key
from minibert.text.store import Store
from minibert.text.tokenizer import SPECIALS, Tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))


def reader(*files: Path) -> Reader:
    return Reader(sources.resolve([str(file) for file in files]))


def divided(told: Reader) -> tuple[list[str], list[str]]:
    """The names that are trained on, and those held out."""
    pairs = [(document.name, held_out) for document, held_out in told.documents("reading")]
    return [name for name, out in pairs if not out], [name for name, out in pairs if out]


def lines(folder: Path, count: int, **settings) -> sources.Corpus:
    """A corpus of `count` documents, one a line."""
    path = folder / "lines.txt"
    path.write_text("".join(f"Number {number} is here. It waits.\n" for number in range(count)))
    return sources.Corpus("lines", (Part((path,), "lines"),), "f", **settings)


# ---------------------------------------------------------------- what is held out


def test_train_and_held_out_together_are_the_corpus_and_share_nothing(tmp_path):
    told = reader(corpus_file(tmp_path))
    train, held_out = divided(told)
    assert len(train) == 10 and len(held_out) == 2
    assert {d.text for d, _ in told.documents("again")} == {d.text for d in documents()}
    assert divided(told) == (train, held_out)


def test_several_files_are_one_corpus_and_each_holds_out_its_own(tmp_path):
    other = tmp_path / "more.txt"
    other.write_text("A boat waits.\nIt is red.\n\nThe sea is calm.\nNo wind blows.")
    train, held_out = divided(reader(corpus_file(tmp_path), other))
    assert len(train) == 10 + 1 and len(held_out) == 2 + 1


def test_named_documents_are_held_out(tmp_path):
    corpus = lines(tmp_path, 9, held_out=("lines.txt:3", "lines.txt:8"))
    assert divided(Reader([corpus]))[1] == ["lines.txt:3", "lines.txt:8"]


def test_a_share_is_held_out_by_name_whatever_else_is_in_the_corpus(tmp_path):
    train, held_out = divided(Reader([lines(tmp_path, 400, held_out_share=0.3)]))
    assert 90 <= len(held_out) <= 150
    fewer = divided(Reader([lines(tmp_path, 200, held_out_share=0.3)]))
    assert set(fewer[1]) <= set(held_out) and set(fewer[0]) <= set(train)


def test_what_a_split_has_for_validation_and_test_is_held_out_and_the_share_is_for_the_rest(tmp_path):
    labelled = lines(tmp_path, 40)
    texts = [document.text for document, _ in Reader([labelled]).documents("reading")]
    sides = ["test" if n % 10 == 0 else "validation" if n % 10 == 1 else "train" for n in range(40)]
    (tmp_path / "news.txt").write_text("".join(f"News {number}. It rains.\n" for number in range(300)))
    parts = (replace(labelled.parts[0], label="good"), Part((tmp_path / "news.txt",), "lines"))
    split = Split.of([key(f" {text.upper()} ") for text in texts], sides)
    train, held_out = divided(Reader([replace(labelled, parts=parts, held_out_share=0.2, split=split)]))
    expected = {f"lines.txt:{n + 1}" for n in range(40) if sides[n] != "train"}
    assert {name for name in held_out if name.startswith("lines")} == expected
    assert 30 < len(set(held_out) - expected) < 90
    assert len(train) + len(held_out) == 340


def test_a_long_text_is_held_out_with_all_its_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("minibert.text.corpus.LONGEST", 60)
    long = " ".join(f"word{number}" for number in range(40))
    (tmp_path / "lines.txt").write_text(f"Short.\n{long}")
    corpus = sources.Corpus("lines", (Part((tmp_path / "lines.txt",), "lines"),), "f", ("lines.txt:2",))
    pieces = [(doc.name, doc.continues, out) for doc, out in Reader([corpus]).documents("reading")]
    assert len(pieces) > 3 and pieces[0] == ("lines.txt:1", False, False)
    assert {(name, out) for name, _, out in pieces[1:]} == {("lines.txt:2", True)}


def test_a_part_can_be_held_out_whole(tmp_path):
    corpus = lines(tmp_path, 5)
    test = tmp_path / "test.txt"
    test.write_text("One.\nTwo.\n")
    corpus = replace(corpus, parts=(*corpus.parts, Part((test,), "lines", held_out=True)))
    train, held_out = divided(Reader([corpus]))
    assert len(train) == 5 and held_out == ["test.txt:1", "test.txt:2"]


def test_a_document_to_hold_out_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"not in lines: lines\.txt:12$"):
        divided(Reader([lines(tmp_path, 9, held_out=("lines.txt:3", "lines.txt:12"))]))


def test_holding_everything_out_is_refused(tmp_path):
    with pytest.raises(ValueError, match="all 2 documents of lines are held out"):
        divided(Reader([lines(tmp_path, 2, held_out=("lines.txt:1", "lines.txt:2"))]))


def test_a_document_that_repeats_another_is_left_out_so_held_out_text_is_not_trained_on(tmp_path, caplog):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"Number {number % 100}  is here. It waits.\n" for number in range(300)))
    path.write_text(path.read_text().replace("Number 7  is", "Number 7 is", 1))
    corpus = sources.Corpus("lines", (Part((path,), "lines"),), "f", held_out_share=0.3)
    with caplog.at_level("WARNING", "minibert"):
        pairs = [(document.text, held_out) for document, held_out in Reader([corpus]).documents("reading")]
    train, held_out = (
        {" ".join(text.split()) for text, out in pairs if out == side} for side in (False, True)
    )
    assert len(pairs) == 100 == len(train) + len(held_out)
    assert not train & held_out and len(held_out) > 10
    assert caplog.text.count("lines: 200 documents repeat an earlier one") == 1


def test_one_document_is_not_said_to_be_several(tmp_path, caplog):
    path = tmp_path / "lines.txt"
    path.write_text("Rain falls.\nThe sun shines.\nRain falls.\n")
    corpus = sources.Corpus("lines", (Part((path,), "lines"),), "f")
    with caplog.at_level("WARNING", "minibert"):
        assert len(list(Reader([corpus]).documents("reading"))) == 2
    assert "lines: 1 document repeats an earlier one and is left out" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", "minibert"):
        prepare([str(corpus_file(tmp_path, 2))], 120)
    assert "stories.txt: 1 document to train on, 1 held out" in caplog.text


def test_a_repeated_long_document_is_left_out_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("minibert.text.corpus.LONGEST", 100)
    long = "\n".join(["A line that comes again in a long text."] * 30)
    path = tmp_path / "long.jsonl"
    texts = [long, "A short one.", long, "Another one."]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    pieces = [document for document, _ in reader(path).documents("reading")]
    names = [document.name for document in pieces]
    first = [document.text for document in pieces if document.name == "long.jsonl:1"]
    assert len(first) > 1 and "".join(first) == long
    assert set(names) == {"long.jsonl:1", "long.jsonl:2", "long.jsonl:4"}


@pytest.mark.parametrize("content", [b"", b"\n\n \n\t\n", b"\xef\xbb\xbf\r\n\r\n"])
def test_a_corpus_without_words_is_refused(tmp_path, content):
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"the corpus is empty: no text in .*empty\.txt"):
        prepare([str(path)], 120)


# ---------------------------------------------------------------- learned and built once


def test_a_vocabulary_is_learned_once_for_a_text_and_a_size(tmp_path, monkeypatch):
    told = reader(corpus_file(tmp_path))
    first = learn_tokenizer(told, 120)
    with monkeypatch.context() as patch:
        patch.setattr(Tokenizer, "train", None)
        assert learn_tokenizer(told, 120).fingerprint == first.fingerprint
    assert learn_tokenizer(told, 90).fingerprint != first.fingerprint
    assert learn_tokenizer(reader(corpus_file(tmp_path, 9)), 120).fingerprint != first.fingerprint


def test_the_vocabulary_never_sees_held_out_text(tmp_path):
    corpus = lines(tmp_path, 40, held_out=("lines.txt:7",))
    path = corpus.files[0]
    path.write_text(path.read_text().replace("Number 6 is", "Xylophones are"))
    vocab = learn_tokenizer(Reader([corpus]), 120).vocab
    assert "x" not in vocab and "##x" not in vocab and "n" in vocab


def test_stores_hold_each_side_and_are_built_once(tmp_path, monkeypatch):
    told = reader(corpus_file(tmp_path))
    text = prepare([str(told.corpora[0].files[0])], 120)
    assert text.held_out is not None
    assert (text.train.names, text.held_out.names) == divided(told)
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "documents", None)
        again = prepare([str(told.corpora[0].files[0])], 120)
    assert again.fingerprint == text.fingerprint and again.train.names == text.train.names


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


def test_another_tokenizer_has_stores_of_its_own(tmp_path):
    told = reader(corpus_file(tmp_path))
    one, other = (build_stores(told, learn_tokenizer(told, size)) for size in (120, 90))
    assert one != other and one.is_dir() and other.is_dir()


def test_a_fingerprint_changes_with_the_format_of_stores(tmp_path, monkeypatch):
    told = reader(corpus_file(tmp_path))
    before = told.fingerprint
    monkeypatch.setattr(data, "FORMAT", data.FORMAT + 1)
    assert told.fingerprint != before


def test_a_fingerprint_changes_with_the_way_of_reading(tmp_path):
    corpus = lines(tmp_path, 9)
    same, part = reader(corpus.files[0]), corpus.parts[0]
    told = [
        same,
        Reader([corpus]),
        Reader([replace(corpus, held_out=("lines.txt:1",))]),
        Reader([replace(corpus, held_out_share=0.2)]),
        Reader([replace(corpus, parts=(replace(part, held_out=True),))]),
        Reader([replace(corpus, parts=(replace(part, column="other"),))]),
        Reader([replace(corpus, parts=(replace(part, format="file"),))]),
        Reader([corpus, corpus]),
    ]
    assert len({each.fingerprint for each in told}) == len(told)


def test_the_description_counts_what_is_there(tmp_path):
    text = prepare([str(corpus_file(tmp_path))], 120)
    told = text.describe()
    assert told["train"]["documents"] == 10 and told["train"]["tokens"] == len(text.train.ids)
    assert told["held_out"]["documents"] == 2 and len(told["held_out"]["names"]) == 2
    assert told["tokenizer"] == text.tokenizer.fingerprint


# ---------------------------------------------------------------- kinds of tokenizers


def test_each_kind_of_tokenizer_is_learned_once(tmp_path, monkeypatch):
    told = reader(corpus_file(tmp_path))
    words, pairs, chars = (learn_tokenizer(told, 300, kind) for kind in ("wordpiece", "bpe", "char"))
    assert isinstance(words, Tokenizer) and isinstance(pairs, ByteTokenizer)
    assert isinstance(chars, CharTokenizer)
    assert len(pairs) == 300 and pairs.specials == SPECIALS
    with monkeypatch.context() as patch:
        for kind in (Tokenizer, ByteTokenizer, CharTokenizer):
            patch.setattr(kind, "train", None)
        again = [learn_tokenizer(told, 300, kind) for kind in ("wordpiece", "bpe", "char")]
    assert [each.fingerprint for each in again] == [each.fingerprint for each in (words, pairs, chars)]


def test_characters_are_those_of_the_training_text_alone(tmp_path):
    corpus = lines(tmp_path, 40, held_out=("lines.txt:7",))
    path = corpus.files[0]
    path.write_text(path.read_text().replace("Number 6 is", "Xylophone 6 is"))
    vocab = learn_tokenizer(Reader([corpus]), 0, "char").vocab
    seen = set("".join(document.text for document, out in Reader([corpus]).documents("read") if not out))
    assert list(vocab)[2:] == sorted(seen) and "X" not in vocab


# ---------------------------------------------------------------- running text


PLAY = "".join(f"KING {number}:\n  What  is it?\tSpeak!\n\n\nFOOL:\n Nothing.\n\n" for number in range(40))


def play(folder: Path, text: str = PLAY) -> str:
    path = folder / "play.txt"
    path.write_text(text)
    return str(path)


def as_text(tokenizer, store: Store) -> list[str]:
    """The documents of a running store."""
    *texts, nothing = tokenizer.decode(store.ids.tolist()).split(END)
    assert nothing == ""
    return texts


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_a_plain_file_is_one_text_to_the_character_and_its_last_tenth_is_held_out(tmp_path, kind):
    text = prepare([play(tmp_path)], 300, kind=kind, running=True)
    cut = int(0.9 * len(PLAY))
    assert text.held_out is not None
    assert as_text(text.tokenizer, text.train) == [PLAY[:cut]]
    assert as_text(text.tokenizer, text.held_out) == [PLAY[cut:]]
    assert text.train.names == text.held_out.names == ["play"]
    assert text.tokenizer.specials == ((END,) if kind == "bpe" else (END, "\ufffd"))


def test_the_tokenizer_does_not_see_the_last_tenth(tmp_path):
    text = prepare([play(tmp_path, PLAY + "Exeunt ☃")], 0, kind="char", running=True)
    assert "☃" not in text.tokenizer.vocab and "K" in text.tokenizer.vocab
    assert text.held_out is not None
    assert as_text(text.tokenizer, text.held_out)[0].endswith("\ufffd")


def test_a_long_lone_document_is_divided_to_the_character(tmp_path, monkeypatch):
    monkeypatch.setattr("minibert.text.corpus.LONGEST", 100)
    text = prepare([play(tmp_path)], 0, kind="char", running=True)
    cut = int(0.9 * len(PLAY))
    assert text.held_out is not None
    assert as_text(text.tokenizer, text.train) == [PLAY[:cut]]
    assert as_text(text.tokenizer, text.held_out) == [PLAY[cut:]]


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_document_is_divided_anywhere(cut):
    pieces = ["abc", "def", "gh", "i"]
    documents = ((Document("text", piece, continues=i > 0), False) for i, piece in enumerate(pieces))
    sides: dict[bool, str] = {False: "", True: ""}
    for document, held_out in divide(documents, cut):
        assert document.name == "text" and document.continues == bool(sides[held_out])
        sides[held_out] += document.text
    assert sides == {False: "abcdefghi"[:cut], True: "abcdefghi"[cut:]}


def test_several_documents_are_held_out_whole_in_running_text_too(tmp_path):
    corpus = lines(tmp_path, 9, held_out=("lines.txt:3",))
    assert divided(RunningReader([corpus])) == divided(Reader([corpus]))
    by_choice = lines(tmp_path, 9)
    assert divided(RunningReader([by_choice])) == divided(Reader([by_choice]))
    two = [corpus_file(tmp_path), Path(play(tmp_path))]
    told = RunningReader(sources.resolve([str(file) for file in two], plain="file"))
    assert divided(told) == (["stories", "play"], ["stories", "play"])


def test_a_corpus_that_says_what_is_held_out_is_not_divided(tmp_path):
    one, test = tmp_path / "one.txt", tmp_path / "test.txt"
    one.write_text("Only one text.")
    test.write_text("Two.")
    parts = (Part((one,), "file"), Part((test,), "file", held_out=True))
    assert divided(RunningReader([sources.Corpus("two", parts, "f")])) == (["one"], ["test"])
    with pytest.raises(ValueError, match="all 1 documents of alone are held out"):
        divided(RunningReader([sources.Corpus("alone", parts[1:], "f")]))


def test_running_text_has_stores_of_its_own_and_they_are_built_once(tmp_path, monkeypatch):
    word = play(tmp_path)
    tokenizer = CharTokenizer.train([PLAY])
    running = prepare([word], 0, tokenizer, running=True)
    assert prepare([word], 0, tokenizer).fingerprint != running.fingerprint
    assert {running.describe()["train"][kind] for kind in ("documents", "sentences")} == {1}
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "documents", None)
        again = prepare([word], 0, tokenizer, running=True)
    assert again.fingerprint == running.fingerprint
    play(tmp_path, PLAY.replace("  What", " What", 1))
    assert prepare([word], 0, tokenizer, running=True).fingerprint != running.fingerprint


def test_a_text_of_one_character_is_trained_on(tmp_path):
    text = prepare([play(tmp_path, "x")], 0, kind="char", running=True)
    assert as_text(text.tokenizer, text.train) == ["x"] and text.held_out is None


def test_word_pieces_do_not_run(tmp_path):
    with pytest.raises(ValueError, match=r"no <\|endoftext\|>.* of bytes or of characters"):
        prepare([play(tmp_path)], 120, running=True)


def test_what_a_masked_model_reads_does_not_change_with_white_space_around_a_document(tmp_path):
    path = tmp_path / "a.jsonl"
    texts = ["One is here.\nTwo is not.", "Three waits.", "Four goes.", "Five comes."]
    stores = []
    for around in ("", " \n\n"):
        path.write_text("".join(json.dumps({"text": around + text + around}) + "\n" for text in texts))
        text = prepare([str(path)], 120)
        stores.append((text.train.ids.tolist(), text.train.sentences.tolist(), text.tokenizer.vocab))
    assert stores[0] == stores[1]


# ---------------------------------------------------------------- killed


def test_a_build_that_is_killed_starts_clean_and_gives_the_same(tmp_path):
    path = corpus_file(tmp_path)
    told = reader(path)
    tokenizer = learn_tokenizer(told, 120)
    code = (
        "import os, signal, sys; from minibert import sources; from minibert.recipes import data\n"
        "from minibert.text.store import Builder; from minibert.text.tokenizer import Tokenizer\n"
        "finish = Builder._finish\n"
        "def die(self): finish(self); os.kill(os.getpid(), signal.SIGKILL)\n"
        "Builder._finish = die\n"
        "data.build_stores(data.Reader(sources.resolve([sys.argv[1]])), Tokenizer.load(sys.argv[2]))"
    )
    tokenizer.save(tmp_path / "tokenizer")
    words = [sys.executable, "-c", code, str(path), str(tmp_path / "tokenizer")]
    assert subprocess.run(words, env=os.environ).returncode == -signal.SIGKILL
    assert not [f for f in (tmp_path / "cache" / "stores").iterdir() if ".making-" not in f.name]

    folder = build_stores(told, tokenizer)
    assert json.loads((folder / "train" / "store.json").read_text())["fingerprint"] == folder.name
    assert sorted(each.name for each in folder.iterdir()) == ["held-out", "train"]
