"""Files -> text, a block at a time, and what is refused."""

import gzip
import logging
import re
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.text import reading
from minibert.text.reading import read_blocks, read_lines


def write(folder: Path, data: bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read_all(path: Path) -> str:
    return "".join(read_blocks(path))


def small_blocks(size: int):
    return mock.patch.object(reading, "BLOCK", size)


FAULTS = [(b"\xff", "0xff"), (b"\0", "NUL"), (b"\xe6\xbc ", "0xe6")]

TEXTS = st.text(st.sampled_from("ab é漢😀\n\r\t\x85\u2028"), max_size=40)


@given(TEXTS, st.integers(4, 20), st.booleans(), st.sampled_from([".txt", ".txt.gz"]))
def test_the_borders_of_blocks_change_nothing(text: str, size: int, marked: bool, suffix: str) -> None:
    data = (b"\xef\xbb\xbf" if marked else b"") + text.encode()
    expected = re.sub("\r\n?", "\n", text)
    with tempfile.TemporaryDirectory() as folder, small_blocks(size):
        path = write(Path(folder), gzip.compress(data) if suffix == ".txt.gz" else data, f"text{suffix}")
        assert read_all(path) == expected
        assert list(read_lines(path)) == expected.split("\n")


@given(TEXTS, TEXTS, st.integers(4, 20), st.sampled_from(FAULTS))
def test_a_fault_is_placed_wherever_the_borders_of_blocks_are(
    before: str, after: str, size: int, fault_and_name: tuple[bytes, str]
) -> None:
    fault, found = fault_and_name
    lines = before.encode().split(b"\n")
    place = f"line {len(lines)}, byte {len(lines[-1]) + 1} is {found}"
    with tempfile.TemporaryDirectory() as folder, small_blocks(size):
        path = write(Path(folder), before.encode() + fault + after.encode())
        with mock.patch.object(reading, "_refuse_encoding"), pytest.raises(ValueError, match=place):
            read_all(path)


@pytest.mark.parametrize("size", range(4, 9))
def test_a_windows_line_end_on_a_border_is_one_line_end(tmp_path: Path, size: int) -> None:
    with small_blocks(size):
        assert read_all(write(tmp_path, b"abc\r\nde\r\n\rf\r")) == "abc\nde\n\nf\n"


def test_a_character_cut_off_at_the_end_is_placed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2, byte 3 is 0xe6"):
        read_all(write(tmp_path, b"one\nab\xe6\xbc"))


def test_progress_counts_the_bytes_on_the_disk(tmp_path: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(20_000)).encode()
    plain, packed = write(tmp_path, text), write(tmp_path, gzip.compress(text), "text.txt.gz")
    for path in (plain, packed):
        counts: list[int] = []
        with small_blocks(10_000):
            list(read_blocks(path, counts.append))
        assert sum(counts) == path.stat().st_size
        assert len(counts) == -(-len(text) // 10_000)
        assert counts[0] < path.stat().st_size


def test_a_gzip_file_that_is_none_or_cut_short_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(b"word " * 1000)
    damaged = packed[:20] + bytes([packed[20] ^ 255]) + packed[21:]
    for number, data in enumerate((b"plain text", packed[:-12], damaged)):
        with pytest.raises(ValueError, match=rf"text{number}\.gz is not a whole gzip file"):
            read_all(write(tmp_path, data, f"text{number}.gz"))


def test_a_line_too_long_for_a_table_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST_LINE", 50)
    path = write(tmp_path, b"short\nshort\n" + b"x" * 100 + b"\n")
    with (
        small_blocks(8),
        pytest.raises(ValueError, match=r"line 3 of .*text\.txt has more than 50 characters"),
    ):
        list(read_lines(path))


def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path) -> None:
    path = write(tmp_path, "first\nsecond é ".encode() + b"caf\xe9 au lait")
    with pytest.raises(ValueError, match=r"text\.txt is not UTF-8 text: line 2, byte 14 is 0xe9.*iconv"):
        read_all(path)


def test_a_place_in_the_first_line_is_counted_from_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1, byte 1 is 0x80"):
        read_all(write(tmp_path, b"\x80"))


def test_surrogates_written_as_utf8_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1, byte 3 is 0xed"):
        read_all(write(tmp_path, b"ab\xed\xa0\x80"))


def test_byte_order_mark_and_windows_line_ends_are_taken_out_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, b"\xef\xbb\xbfone\r\ntwo\r\n\r\nthree\rfour")
    with caplog.at_level(logging.WARNING, "minibert"):
        assert read_all(path) == read_all(path) == "one\ntwo\n\nthree\nfour"
    assert caplog.text.count("byte-order mark") == 1
    assert caplog.text.count("line ends of another system") == 1


def test_plain_text_is_read_without_a_report(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "minibert"):
        read_all(write(tmp_path, "naïve\ntext".encode()))
    assert not caplog.text


@pytest.mark.parametrize(
    ("codec", "likely"),
    [("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")],
)
def test_other_unicode_encodings_are_recognised(tmp_path: Path, codec: str, likely: str) -> None:
    path = write(tmp_path, "Some plain words,\nand more.".encode(codec))
    with pytest.raises(ValueError, match=rf"text\.txt .* looks like {likely}:.*iconv -f {likely} -t UTF-8"):
        read_all(path)


def test_marked_utf16_without_a_nul_byte_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="looks like UTF-16: it starts with the mark"):
        read_all(write(tmp_path, "漢字".encode("utf-16")))


def test_a_binary_file_is_refused_by_its_first_nul(tmp_path: Path) -> None:
    path = write(tmp_path, b"GIF89a\n" + b"abcdefgh" * 40 + b"\0xyz")
    with pytest.raises(ValueError, match="is not a text file: line 2, byte 321 is NUL"):
        read_all(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*absent\.txt: No such file"):
        read_all(tmp_path / "absent.txt")
