"""Sentences for tagging: found, divided, and their tags in one scheme."""

import json
from pathlib import Path
from typing import Any

import pytest

from minibert import sources
from minibert.config import FinetuneConfig, Part
from minibert.recipes.tagged_texts import format_of, labels_of, read
from minibert.sources import Corpus
from minibert.text.tagged import Sentence


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def conll(*sentences: str) -> str:
    """Return CoNLL columns of sentences of WORD/TAG."""
    return "\n\n".join(each.replace(" ", "\n").replace("/", " ") for each in sentences) + "\n"


NUMBERED = [f"word{n}/O number{n}/B-X is{n}/I-X here{n}/O" for n in range(40)]


def test_the_shares_of_one_file_are_apart_and_the_same_for_a_seed(tmp_path: Path) -> None:
    data = (write(tmp_path / "a.conll", conll(*NUMBERED)),)
    splits = read(FinetuneConfig(data=data, shares=(0.1, 0.2)))
    assert [len(side) for side in (splits.train, splits.validation, splits.test)] == [28, 4, 8]
    everything = [each.text for side in (splits.train, splits.validation, splits.test) for each in side]
    assert len(set(everything)) == 40
    assert read(FinetuneConfig(data=data, shares=(0.1, 0.2))) == splits
    assert read(FinetuneConfig(data=data, shares=(0.1, 0.2), seed=1)).test != splits.test


def test_files_for_validation_and_test_are_taken_as_they_are(tmp_path: Path) -> None:
    paths = {
        name: (write(tmp_path / f"{name}.conll", conll(*lines)),)
        for name, lines in (("a", NUMBERED[:20]), ("b", NUMBERED[20:30]), ("c", NUMBERED[30:]))
    }
    splits = read(FinetuneConfig(data=paths["a"], validation=paths["b"], test=paths["c"]))
    assert [len(side) for side in (splits.train, splits.validation, splits.test)] == [20, 10, 10]
    assert splits.validation[0].words == ("word20", "number20", "is20", "here20")
    splits = read(FinetuneConfig(data=paths["a"], test=paths["c"], shares=(0.25, 0.5)))
    assert [len(side) for side in (splits.train, splits.validation, splits.test)] == [15, 5, 10]


def test_documents_stay_whole_where_the_file_marks_them(tmp_path: Path) -> None:
    text = "".join(
        "-DOCSTART- O\n\n" + conll(*(f"d{n}/O s{k}/B-X t{n}{k}/O" for k in range(3))) + "\n"
        for n in range(20)
    )
    splits = read(FinetuneConfig(data=(write(tmp_path / "a.conll", text),)))
    sides = [{each.words[0] for each in side} for side in (splits.train, splits.validation, splits.test)]
    assert [len(side) for side in sides] == [16, 2, 2]
    assert len(set.union(*sides)) == 20
    assert len(splits.test) == 6


def test_repeats_are_kept_on_one_side_and_told(tmp_path: Path) -> None:
    data = (write(tmp_path / "a.conll", conll(*NUMBERED, *NUMBERED)),)
    splits = read(FinetuneConfig(data=data))
    sides = [{each.text for each in side} for side in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, sides)) == 40 == len(set.union(*sides))
    assert splits.notes == ["40 sentences repeat another, 0 nearly do: kept on one side"]


def test_what_files_share_is_left_out_of_training_and_told(tmp_path: Path) -> None:
    data = write(tmp_path / "a.conll", conll(*NUMBERED[:20]))
    validation = write(tmp_path / "b.conll", conll(*NUMBERED[18:30]))
    test = write(tmp_path / "c.conll", conll(*NUMBERED[29:], NUMBERED[0].upper().replace("B-x", "B-X")))
    splits = read(FinetuneConfig(data=(data,), validation=(validation,), test=(test,)))
    assert [len(side) for side in (splits.train, splits.validation, splits.test)] == [17, 11, 12]
    assert splits.notes == [
        "1 validation sentences are also among those for the test: left out",
        "3 train sentences are also among those to measure on: left out",
    ]


def three(tmp_path: Path, train: str, **flags: Any) -> FinetuneConfig:
    """Return what reads `train` and two files with nothing in common with it."""
    others = [write(tmp_path / f"{name}.conll", conll(f"{name}/O")) for name in ("validation", "test")]
    return FinetuneConfig(
        data=(write(tmp_path / "train.conll", train),), validation=(others[0],), test=(others[1],), **flags
    )


def test_tags_of_iob1_come_back_in_bio(tmp_path: Path) -> None:
    splits = read(three(tmp_path, conll("a/I-X b/I-X c/B-X d/O e/I-Y")))
    assert splits.train[0].tags == ("B-X", "I-X", "B-X", "O", "B-Y")
    assert splits.notes == [
        "the tags are in IOB1 (B- only where two entities of a type touch): written as BIO"
    ]


def test_an_inside_without_its_begin_is_placed_and_read_as_one(tmp_path: Path) -> None:
    splits = read(three(tmp_path, conll("a/B-X b/O", "c/O d/I-X e/I-X f/I-Y")))
    assert splits.train[1].tags == ("O", "B-X", "I-X", "B-Y")
    assert splits.notes == [
        "2 entities are not spelled as BIO has it, such as an I- without its B-; the first in train.conll, "
        "line 4, word 2: d/I-X e/I-X. They are read as seqeval reads them"
    ]


def test_bioes_stays_and_its_other_names_become_its_own(tmp_path: Path) -> None:
    splits = read(three(tmp_path, conll("a/B-X b/M-X c/L-X d/U-Y e/O")))
    assert splits.train[0].tags == ("B-X", "I-X", "E-X", "S-Y", "O")
    assert splits.notes == []
    assert labels_of(splits.train) == (
        *("O", "B-X", "I-X", "E-X", "S-X"),
        *("B-Y", "I-Y", "E-Y", "S-Y"),
    )


def test_the_labels_of_a_scheme_are_complete_and_plain_ones_ordered_by_number() -> None:
    assert labels_of([Sentence(("a",), ("I-X",)), Sentence(("a",), ("B-A",))]) == (
        *("O", "B-A", "I-A"),
        *("B-X", "I-X"),
    )
    assert labels_of([Sentence(tuple("abcd"), ("VB", "NN", "NN", "DT"))]) == ("NN", "DT", "VB")
    assert labels_of([Sentence(("a", "b"), ("B", "E"))]) == ("B", "I", "E", "S")
    with pytest.raises(ValueError, match="all tags are O"):
        labels_of([Sentence(("a",), ("O",))])


def test_words_of_chinese_become_tagged_characters_as_the_label_says(tmp_path: Path) -> None:
    for name, line in (("train", "我/r 喜欢/v"), ("validation", "他/r"), ("test", "北京/ns")):
        write(tmp_path / f"{name}.txt", line)
    files: dict[str, Any] = {name: (str(tmp_path / f"{name}.txt"),) for name in ("validation", "test")}
    expected = {
        None: (("我", "喜欢"), ("r", "v")),
        "segment": (("我", "喜", "欢"), ("S", "B", "E")),
        "segment+tag": (("我", "喜", "欢"), ("S-r", "B-v", "E-v")),
    }
    for label, (words, tags) in expected.items():
        splits = read(FinetuneConfig(data=(str(tmp_path / "train.txt"),), label=label, **files))
        assert (splits.train[0].words, splits.train[0].tags) == (words, tags)


def test_the_column_of_the_tags_is_the_label(tmp_path: Path) -> None:
    row = {"tokens": ["EU", "votes"], "pos": ["NNP", "VBZ"], "ner": ["B-ORG", "O"]}
    lines = (json.dumps({**row, "tokens": ["EU", word]}) + "\n" for word in ("votes", "sings", "acts"))
    train, validation, test = (
        (write(tmp_path / f"{name}.jsonl", line),) for name, line in zip("abc", lines, strict=True)
    )
    splits = read(FinetuneConfig(data=train, validation=validation, test=test, label="pos"))
    assert splits.train[0].tags == ("NNP", "VBZ")
    three_columns = "EU NNP B-ORG\nvotes VBZ O\n"
    assert read(three(tmp_path, three_columns, label="2")).train[0].tags == ("NNP", "VBZ")


def test_what_a_card_holds_out_is_for_validation_or_test_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As conll2003, whose rows have several lists: the card says which are the words and which the tags."""
    rows = {"train": [f"t{n}" for n in range(20)], "validation": ["v1", "v2"], "test": ["e1"]}
    parts = []
    for name, words in rows.items():
        lines = (json.dumps({"tokens": [word], "pos": ["NN"], "ner": ["B-X"]}) + "\n" for word in words)
        path = Path(write(tmp_path / f"{name}.jsonl", "".join(lines)))
        parts.append(Part((path,), "table", "tokens", name != "train", "ner"))
    monkeypatch.setattr(sources, "resolve", lambda words: [Corpus("news", tuple(parts), "")])
    splits = read(FinetuneConfig(data=("news",)))
    assert [len(side) for side in (splits.train, splits.validation, splits.test)] == [20, 2, 1]
    assert splits.test[0] == Sentence(("e1",), ("B-X",))

    del parts[2]  # without a test of its own, a share of the rest is one
    splits = read(FinetuneConfig(data=("news",), label="pos"))
    assert [len(side) for side in (splits.train, splits.validation, splits.test)] == [18, 2, 2]
    assert splits.test[0].tags == ("NN",)


def test_so_many_examples_are_learned_from(tmp_path: Path) -> None:
    data = (write(tmp_path / "a.conll", conll(*NUMBERED)),)
    splits = read(FinetuneConfig(data=data, examples=7))
    assert (len(splits.train), len(splits.test)) == (7, 4)
    assert set(splits.train) < set(read(FinetuneConfig(data=data)).train)
    with pytest.raises(ValueError, match="there are 32 texts to learn from, got --examples 33"):
        read(FinetuneConfig(data=data, examples=33))


def test_what_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name what to learn from"):
        read(FinetuneConfig())
    words = write(tmp_path / "words.conll", "New\nYork\n")
    with pytest.raises(ValueError, match=r"words\.conll, line 1: the words have no tags"):
        read(FinetuneConfig(data=(words,)))
    few = write(tmp_path / "few.conll", conll(*NUMBERED[:2]))
    with pytest.raises(ValueError, match="no sentences for validation: give more"):
        read(FinetuneConfig(data=(few,)))
    with pytest.raises(ValueError, match="all train sentences are also among those to measure on"):
        read(FinetuneConfig(data=(few,), validation=(few,), test=(write(tmp_path / "x.conll", "x O\n"),)))


def test_how_sentences_lie_in_a_file_is_told_from_its_name_or_its_first_line(tmp_path: Path) -> None:
    assert format_of(Path("a.conll"), "conll") == "conll"
    assert format_of(Path("a.jsonl"), "table") == "table"
    assert format_of(Path("a.tsv.gz"), "table") == "conll"
    for text, format in (("\n我/r 喜欢/v\n", "tagged"), ("\nNew B-LOC\n", "conll"), ("and/or CC\n", "conll")):
        assert format_of(Path(write(tmp_path / "a.txt", text)), "paragraphs") == format
