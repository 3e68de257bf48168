"""What a list of the training set's entities, words and tags knows."""

from collections import Counter

from minibert.recipes.gazetteer import CommonestTag, LongestMatch, commonest
from minibert.text.tagged import Sentence, characters


def sentence(line: str) -> Sentence:
    words, _, tags = zip(*(item.rpartition("/") for item in line.split()), strict=True)
    return Sentence(words, tags)


def test_the_longest_run_wins_from_left_to_right() -> None:
    train = [
        sentence("New/B-LOC York/I-LOC is/O big/O"),
        sentence("York/B-LOC and/O New/B-ORG York/I-ORG Times/I-ORG"),
    ]
    found = LongestMatch.fit(train, "BIO")
    words = ["New", "York", "Times", "York", "New", "York", "New"]
    assert found.tags(words) == ["B-ORG", "I-ORG", "I-ORG", "B-LOC", "B-LOC", "I-LOC", "O"]
    assert found.tags([]) == []


def test_a_run_of_two_types_gets_the_commoner_one() -> None:
    train = [sentence("Paris/B-LOC"), sentence("Paris/B-PER ./O"), sentence("Paris/B-PER")]
    assert LongestMatch.fit(train, "BIO").tags(["Paris", "."]) == ["B-PER", "O"]


def test_in_chinese_what_is_in_no_dictionary_is_a_word_of_one_character() -> None:
    train = [characters(sentence("我/r 喜欢/v 北京/n 大学/n")), characters(sentence("北京大学/n"))]
    found = LongestMatch.fit(train, "BIOES")
    assert "".join(found.tags("我在北京大学喜")) == "SSBIIES"
    typed = [characters(sentence("我/r 喜欢/v 北京/n 大学/n"), typed=True)]
    assert LongestMatch.fit(typed, "BIOES").tags("在北京") == ["S-n", "B-n", "E-n"]


def test_a_word_gets_its_commonest_tag_and_a_new_one_the_commonest_of_all() -> None:
    train = [sentence("the/DT run/NN runs/VB"), sentence("run/VB run/VB the/DT the/DT")]
    assert CommonestTag.fit(train).tags(["run", "the", "cat"]) == ["VB", "DT", "DT"]


def test_of_equally_common_ones_the_first_of_the_alphabet_is_taken() -> None:
    assert commonest(Counter({"b": 2, "a": 2, "c": 1})) == "a"
    assert commonest(Counter()) == ""
