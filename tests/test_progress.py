"""What is remembered of a learner is never lost: not to a broken file, nor to another command."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minibert.learn.progress import FILE, Entry, digest, free_name, read, update


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    update(tmp_path, {"a": {"passed": "12", "when": "now"}, "b": {"hints": 2}})
    assert read(tmp_path) == {"a": Entry(passed="12", when="now"), "b": Entry(hints=2)}


def test_an_update_changes_only_the_fields_that_are_given(tmp_path: Path) -> None:
    update(tmp_path, {"a": {"passed": "12"}, "b": {"hints": 1}})
    assert update(tmp_path, {"a": {"hints": 3}}) == {"a": Entry(passed="12", hints=3), "b": Entry(hints=1)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]


def test_no_update_is_lost_when_many_come_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: update(tmp_path, {f"x{number}": {"hints": number}}), range(1, 41)))
    assert {id: entry.hints for id, entry in read(tmp_path).items()} == {f"x{n}": n for n in range(1, 41)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"format": 1, "exercises": {"a": {"pas',
        b"\xff\xfe",
        b"[]",
        b'{"format": "one", "exercises": {}}',
        b'{"format": 1}',
        b'{"format": 1, "exercises": []}',
        b'{"format": 1, "exercises": {"a": {"odd": 1}}}',
        b'{"format": 1, "exercises": {"a": {"hints": "many"}}}',
        b'{"format": 1, "exercises": {"a": {"passed": null}}}',
    ],
)
def test_a_broken_file_is_kept_aside_and_told(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING, "minibert"):
        assert read(tmp_path) == {}
    kept = tmp_path / ".minibert-progress.broken-1.json"
    assert kept.read_bytes() == content
    assert kept.name in caplog.text and "minibert learn check --all" in caplog.text
    update(tmp_path, {"a": {"hints": 1}})
    assert read(tmp_path) == {"a": Entry(hints=1)}
    assert kept.read_bytes() == content


def test_a_file_of_a_later_minibert_is_left_alone(tmp_path: Path) -> None:
    content = json.dumps({"format": 2, "exercises": "otherwise"})
    (tmp_path / FILE).write_text(content)
    for use in (lambda: read(tmp_path), lambda: update(tmp_path, {"a": {"hints": 1}})):
        with pytest.raises(ValueError, match="later minibert"):
            use()
    assert (tmp_path / FILE).read_text() == content


def test_a_free_name_is_that_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.1.bak").touch()
    (tmp_path / "a.2.bak").symlink_to("nowhere")
    assert free_name(tmp_path, "a.{}.bak").name == "a.3.bak"


def test_a_digest_tells_two_files_apart() -> None:
    assert digest(b"a") != digest(b"b")
