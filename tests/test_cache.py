"""The cache folder: where it is, what it holds, and one process at a time."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import card_of

from minibert.sources import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))


def put(name: str, size: int) -> Path:
    path = cache.cache_folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def test_the_cache_folder_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", "/somewhere/else")
    assert cache.cache_folder() == Path("/somewhere/else")
    monkeypatch.delenv("MINIBERT_CACHE")
    assert cache.cache_folder() == Path.home() / ".cache" / "minibert"


def test_a_licence_is_shown_once_and_again_when_its_words_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    card = card_of(tmp_path / "storybook-1.0.tar.gz")
    with caplog.at_level("INFO", "minibert"):
        cache.show_licence(card)
        cache.show_licence(card)
        assert [record.getMessage() for record in caplog.records] == ["stories: licence: ours to give"]
        cache.show_licence(replace(card, license="ours to keep"))
        assert caplog.records[-1].getMessage() == "stories: licence: ours to keep"


def test_a_cache_that_cannot_be_written_shows_the_licence_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put("file", 1)
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache" / "file"))
    card = card_of(tmp_path / "storybook-1.0.tar.gz")
    with caplog.at_level("INFO", "minibert"):
        cache.show_licence(card)
        cache.show_licence(card)
    assert caplog.text.count("ours to give") == 2


def test_sizes_are_those_of_all_files_within() -> None:
    put("data/a/b.txt", 1_500_000)
    put("data/c.txt", 20)
    assert cache.size(cache.cache_folder() / "data") == 1_500_020
    assert cache.size(cache.cache_folder() / "nothing") == 0


def test_removing_takes_what_was_asked_for_whole_or_begun_and_no_more() -> None:
    put("data/stories/a.txt", 10)
    put("data/.stories/a.zip.part", 5)
    others = [put("data/other/a.txt", 1), put("stores/1/ids.bin", 2), put("tokenizers/1/t.json", 3)]
    assert cache.remove("stories") == 15
    assert not cache.data_folder("stories").exists()
    assert not cache.work_folder("stories").exists()
    assert all(path.is_file() for path in others)
    assert cache.remove("stores") == 2
    assert not others[1].exists()
    assert others[0].is_file()
    assert others[2].is_file()
    assert cache.remove("stores") == 0
    put("features/1/features.npy", 7)
    assert cache.remove("features") == 7


def test_a_folder_is_made_empty(tmp_path: Path) -> None:
    put("work/old", 3)
    cache.make_empty(tmp_path / "cache" / "work")
    assert list((tmp_path / "cache" / "work").iterdir()) == []


def test_another_process_waits_until_the_lock_is_free(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom minibert.sources.cache import locked\n"
        "print('started', flush=True)\n"
        "with locked('stories'): print(open(sys.argv[1]).read(), flush=True)"
    )
    note = put("note", 0)
    with cache.locked("stories"):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(note)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        with cache.locked("other"):  # the lock of another card is no hindrance
            time.sleep(0.3)  # time enough to read the note if there were no lock
            note.write_text("written under the lock")
    out, _ = child.communicate(timeout=30)
    assert out == "written under the lock\n"
