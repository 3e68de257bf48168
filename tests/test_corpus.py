"""Files -> documents; and documents held out whole."""

import gzip
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.config import FORMATS, Part
from minibert.text import corpus, reading
from minibert.text.corpus import Document, choose_held_out, is_held_out, read_documents


def write(folder: Path, data: bytes | str, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def read(format: str, *files: Path) -> list[Document]:
    return list(read_documents(Part(files, format)))


# ---------------------------------------------------------------- plain text


def test_blank_lines_divide_documents(tmp_path: Path) -> None:
    path = write(tmp_path, "\n\none\nstill one\n \t\ntwo\n\n\n")
    expected = [Document("text.txt:1", "one\nstill one"), Document("text.txt:2", "two")]
    assert read("paragraphs", path) == expected


def test_one_document_per_file_keeps_its_paragraphs(tmp_path: Path) -> None:
    path = write(tmp_path, "one\n\ntwo\n", "1790-Washington-1.txt")
    packed = write(tmp_path, gzip.compress(b"three"), "1791-Washington-2.txt.gz")
    expected = [Document("1790-Washington-1", "one\n\ntwo\n"), Document("1791-Washington-2", "three")]
    assert read("file", path, packed) == expected


def test_lines_are_documents_numbered_as_an_editor_does(tmp_path: Path) -> None:
    path = write(tmp_path, "one \n\n  two\r\n")
    assert read("lines", path) == [Document("text.txt:1", "one "), Document("text.txt:3", "  two")]


@pytest.mark.parametrize("format", ["file", "paragraphs", "lines"])
def test_a_file_without_text_among_others_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, format: str
) -> None:
    empty, full = write(tmp_path, b" \n\n ", "empty.txt"), write(tmp_path, b"words", "full.txt")
    with caplog.at_level(logging.WARNING, "minibert"):
        assert [document.text for document in read(format, empty, full)] == ["words"]
    assert "empty.txt holds no text" in caplog.text
    assert "full.txt" not in caplog.text


@given(
    st.text(st.sampled_from("ab. 。\n"), max_size=120),
    st.sampled_from(["file", "paragraphs", "lines"]),
    st.integers(4, 9),
    st.integers(4, 12),
)
def test_a_long_document_comes_in_pieces_that_lose_no_character(
    text: str, format: str, block: int, longest: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        whole = read(format, path)
        with mock.patch.object(reading, "BLOCK", block), mock.patch.object(corpus, "LONGEST", longest):
            pieces = read(format, path)

    joined: dict[str, str] = {}
    for piece in pieces:
        assert piece.continues == (piece.name in joined)
        assert 0 < len(piece.text) <= longest + block
        joined[piece.name] = joined.get(piece.name, "") + piece.text
    assert list(joined) == [document.name for document in whole]
    for document in whole:
        assert joined[document.name].lstrip() == document.text.lstrip()


@given(st.text(st.sampled_from("ab. 。\n"), max_size=120), st.integers(4, 9), st.integers(4, 12))
def test_the_pieces_of_a_file_are_its_text_to_the_character(text: str, block: int, longest: int) -> None:
    text = f"a{text}"
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        with mock.patch.object(reading, "BLOCK", block), mock.patch.object(corpus, "LONGEST", longest):
            pieces = read("file", path)
    assert "".join(piece.text for piece in pieces) == text


def test_blank_pieces_ahead_of_the_first_word_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "LONGEST", 10)
    pieces = read("file", write(tmp_path, " " * 25 + "aa   " + " " * 25))
    assert "".join(piece.text for piece in pieces).lstrip() == "aa   " + " " * 25
    assert [piece.continues for piece in pieces] == [False] + [True] * (len(pieces) - 1)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("aa aa\n\nb. b bb", ["aa aa", "\n\nb. b bb"]),
        ("aa. aaa\nb b bbbb", ["aa. aaa", "\nb b bbbb"]),
        ("aaa aa. aa bb", ["aaa aa.", " aa bb"]),
        ("字字字字字字。字字字字", ["字字字字字字。", "字字字字"]),
        ("aaaaa aaa bbbbb", ["aaaaa aaa", " bbbbb"]),
        ("aaaaaaaaaaaaaaa", ["aaaaaaaaaa", "aaaaa"]),
    ],
)
def test_a_long_document_is_cut_where_a_reader_would_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, pieces: list[str]
) -> None:
    monkeypatch.setattr(corpus, "LONGEST", 10)
    assert [piece.text for piece in read("file", write(tmp_path, text))] == pieces


LONG_LINE = """
import json, resource, sys
from pathlib import Path
from minibert.config import Part
from minibert.text.corpus import read_documents

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), used + (64 << 20)))
pieces = [
    (len(piece.text), piece.continues)
    for piece in read_documents(Part((Path(sys.argv[1]),), sys.argv[2]))
]
print(json.dumps(pieces))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not enforce RLIMIT_AS")
@pytest.mark.parametrize("format", ["file", "paragraphs", "lines"])
@pytest.mark.parametrize("words", [b"word word. ", b"x" * 11])
def test_a_line_of_200_megabytes_is_read_in_little_memory(tmp_path: Path, format: str, words: bytes) -> None:
    path = tmp_path / "line.txt"
    size = 0
    with open(path, "wb") as file:
        while size < 200 << 20:
            size += file.write(words * 100_000)
    done = subprocess.run(
        [sys.executable, "-c", LONG_LINE, str(path), format], capture_output=True, text=True, check=True
    )
    pieces = json.loads(done.stdout)
    assert [continues for _, continues in pieces] == [False] + [True] * (len(pieces) - 1)
    assert max(length for length, _ in pieces) <= corpus.LONGEST
    assert sum(length for length, _ in pieces) == size


# ---------------------------------------------------------------- other formats

SMALL = {
    "file": ("a.txt", "Rain.", [("a", "Rain.")]),
    "paragraphs": ("a.txt", "Rain.\n\nSun.", [("a.txt:1", "Rain."), ("a.txt:2", "Sun.")]),
    "lines": ("a.txt", "Rain.\nSun.", [("a.txt:1", "Rain."), ("a.txt:2", "Sun.")]),
    "table": ("a.csv", "text,n\nRain.,1\n,2\nSun.,3", [("a.csv:1", "Rain."), ("a.csv:3", "Sun.")]),
    "mediawiki": (
        "a.xml",
        "<page><title>Rain</title><text>It ''falls''.</text></page>",
        [("Rain", "It falls.")],
    ),
    "tagged": ("a.txt", "雨/n 。/w\n\n日/n\n", [("a.txt:1", "雨。"), ("a.txt:2", "日")]),
    "conll": ("a.conll", "Rain\tO\n\nSun\tO\n", [("a.conll:1", "Rain"), ("a.conll:2", "Sun")]),
    "squad": (
        "a.json",
        '{"data": [{"title": "Rain", "paragraphs": [{"context": "It falls."}]}]}',
        [("Rain", "It falls.")],
    ),
}


@pytest.mark.parametrize("format", SMALL)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_is_read_plain_and_packed(tmp_path: Path, format: str, packed: bool) -> None:
    name, text, documents = SMALL[format]
    path = write(tmp_path, gzip.compress(text.encode()) if packed else text, name + ".gz" * packed)
    counts: list[int] = []
    found = list(read_documents(Part((path,), format), counts.append))
    assert [(document.name.replace(".gz", ""), document.text) for document in found] == documents
    assert not any(document.continues for document in found)
    assert sum(counts) == path.stat().st_size


def test_no_format_is_forgotten() -> None:
    assert set(SMALL) | {"weights"} == set(FORMATS)


def test_a_long_text_of_a_table_comes_in_pieces_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "LONGEST", 10)
    path = write(tmp_path, "text\n    \none two three\nfour", "a.csv")
    assert read("table", path) == [
        Document("a.csv:2", "one two"),
        Document("a.csv:2", " three", continues=True),
        Document("a.csv:3", "four"),
    ]


def test_weights_are_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.safetensors is a model, not text"):
        read("weights", write(tmp_path, b"{}", "model.safetensors"))


def test_documents_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "one\n\ntwo\n\n" * 100_000 + "\0")
    documents = read_documents(Part((path,), "paragraphs"))
    assert next(documents) == Document("text.txt:1", "one")  # long before the fault at the end
    with pytest.raises(ValueError, match="line 400001, byte 1 is NUL"):
        list(documents)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, b"words")
    path.chmod(0)
    with pytest.raises(ValueError, match="cannot read .*: Permission denied"):
        read("file", path)


# ---------------------------------------------------------------- holding out

NAMES = [f"text-{number}" for number in range(1000)]


@given(st.sets(st.integers(0, 999), max_size=60), st.randoms())
def test_some_are_held_out_never_all_and_whatever_the_order(numbers: set[int], random) -> None:
    names = [f"text-{number}" for number in numbers]
    held_out = choose_held_out(names)
    assert held_out <= set(names)
    assert len(held_out) == min(max(2, round(0.05 * len(names))), len(names) // 2)
    random.shuffle(names)
    assert choose_held_out(names + names) == held_out


def test_a_single_document_is_for_training() -> None:
    assert choose_held_out(["text"]) == choose_held_out([]) == set()


def test_the_same_documents_are_held_out_forever() -> None:
    assert choose_held_out(NAMES[:40]) == {"text-29", "text-36"}
    assert [name for name in NAMES[:150] if is_held_out(name, 0.02)] == [
        "text-29",
        "text-36",
        "text-83",
        "text-144",
    ]


def test_about_the_share_is_held_out_by_name_alone() -> None:
    counts = {share: sum(is_held_out(name, share) for name in NAMES) for share in (0, 0.05, 0.5, 1)}
    assert counts[0] == 0 and counts[1] == 1000
    assert 30 < counts[0.05] < 70 and 450 < counts[0.5] < 550


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_what_a_smaller_one_does(name: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert is_held_out(name, small) <= is_held_out(name, large)
