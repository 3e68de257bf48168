"""The split of a data card: written as hashes, read back, and never wrong about a text."""

import hashlib
from pathlib import Path

import pytest

from minibert.sources.splits import Split
from minibert.text.duplicates import key

KEYS = [key(f"text {n}") for n in range(100)]
SIDES = ["test" if n % 10 == 0 else "validation" if n % 10 == 1 else "train" for n in range(100)]


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    split = Split.of(KEYS, SIDES)
    assert [split.side(each) for each in KEYS] == SIDES
    path = tmp_path / "reviews.split.txt"
    path.write_text(split.written("which rows\nare which"), encoding="utf-8")
    assert path.read_text().startswith("# which rows\n# are which\nvalidation\n")
    assert Split.read(path) == split
    assert split.side(key("another text")) == "train"


def test_the_key_of_a_text_is_a_sha256_of_lower_case_and_single_spaces() -> None:
    expected = hashlib.sha256(b"a text").hexdigest()
    assert key(" A\n Text ") == expected
    assert Split.of([expected], ["test"]).test == {expected[:8]}


def test_digits_that_two_sides_share_are_refused() -> None:
    with pytest.raises(ValueError, match="8 digits do not tell 1 keys apart, as 0123456789"):
        Split.of(["0123456789", "01234567ff"], ["train", "test"])
    assert Split.of(["0123456789", "01234567ff"], ["test", "test"]).test == {"01234567"}


@pytest.mark.parametrize("text", ["", "0123", "validation\n01\n", "test\n01\nvalidation\n02\n"])
def test_another_file_is_no_split(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=r"a\.txt is no split: expected `validation`"):
        Split.read(tmp_path / "a.txt")
