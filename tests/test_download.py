"""Downloads: they go on where they stopped, and nothing of another sha256 stays."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from indexes import Index, serve, sha256
from unearth.fetchers import PyPIClient

from minibert.sources import download as download_module
from minibert.sources.download import download

DATA = os.urandom(300_000)
NAME = "storybook-1.0.tar.gz"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / NAME).write_bytes(DATA)
    with serve(tmp_path / "index") as index:
        yield index


@pytest.fixture
def session() -> Iterator[PyPIClient]:
    with PyPIClient(trust_env=False) as session:
        yield session


def fetch(index: Index, session: PyPIClient, target: Path, expected: str = sha256(DATA)) -> bytes:
    url = index.url.replace("/simple/", f"/files/{NAME}")
    return download(session, url, target, expected).read_bytes()


def test_a_file_arrives_whole_and_nothing_lies_beside_it(
    index: Index, session: PyPIClient, tmp_path: Path
) -> None:
    assert fetch(index, session, tmp_path / "work" / NAME) == DATA
    assert [path.name for path in (tmp_path / "work").iterdir()] == [NAME]
    assert fetch(index, session, tmp_path / "work" / NAME) == DATA
    assert len(index.asked) == 1  # a whole file is not asked for again


def test_an_interrupted_download_asks_for_the_rest_alone(
    index: Index, session: PyPIClient, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:123_457])
    assert fetch(index, session, tmp_path / NAME) == DATA
    assert index.sent(NAME) == ["bytes=123457-"]


def test_a_lost_connection_is_taken_up_again(
    index: Index, session: PyPIClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index.cuts = [100_000, 50_000]
    with caplog.at_level("INFO", "minibert"):
        assert fetch(index, session, tmp_path / NAME) == DATA
    first, second, third = index.sent(NAME)
    assert first is None
    assert second is not None and third is not None
    assert 0 < int(second[6:-1]) <= 100_000
    assert int(second[6:-1]) < int(third[6:-1]) <= 150_000
    assert "connection lost" in caplog.text


def test_a_server_that_cannot_send_the_rest_sends_all_again(
    index: Index, session: PyPIClient, tmp_path: Path
) -> None:
    index.ranges = False
    (tmp_path / f"{NAME}.part").write_bytes(b"x" * 1000)
    assert fetch(index, session, tmp_path / NAME) == DATA
    assert index.sent(NAME) == ["bytes=1000-"]


def test_a_part_that_is_whole_already_is_recognised(
    index: Index, session: PyPIClient, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(DATA)
    assert fetch(index, session, tmp_path / NAME) == DATA


def test_a_wrong_sha256_deletes_what_came_and_says_both(
    index: Index, session: PyPIClient, tmp_path: Path
) -> None:
    expected = sha256(b"something else")
    with pytest.raises(ValueError, match=f"sha256 is {sha256(DATA)}, expected {expected}.*is deleted"):
        fetch(index, session, tmp_path / "work" / NAME, expected)
    assert list((tmp_path / "work").iterdir()) == []

    (tmp_path / "work" / f"{NAME}.part").write_bytes(b"the begin of another file")
    with pytest.raises(ValueError, match="is deleted"):
        fetch(index, session, tmp_path / "work" / NAME)
    assert fetch(index, session, tmp_path / "work" / NAME) == DATA


def test_a_connection_that_breaks_every_time_ends_with_what_is_here(
    index: Index, session: PyPIClient, tmp_path: Path
) -> None:
    index.cuts = [70_000] + [0] * 10
    with pytest.raises(ValueError, match=r"stopped 5 times.*0\.1 MB of it is here. Run the command again"):
        fetch(index, session, tmp_path / NAME)
    assert len(index.asked) == download_module.ATTEMPTS
    index.cuts = []
    assert fetch(index, session, tmp_path / NAME) == DATA


def test_a_failure_is_told_without_the_password(index: Index, session: PyPIClient, tmp_path: Path) -> None:
    address = index.url.replace("/simple/", "/files/").replace("//", "//user:hidden@")
    with pytest.raises(ValueError, match="nothing.zip answers 404") as refused:
        download(session, address + "nothing.zip", tmp_path / NAME, "0" * 64)
    with pytest.raises(ValueError, match="is not the archive of the data card") as wrong:
        download(session, address + NAME, tmp_path / NAME, "0" * 64)
    assert "hidden" not in f"{refused.value} {wrong.value}"


def test_a_disk_without_room_is_told_before_the_first_byte(
    index: Index, session: PyPIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(download_module, "require_room", lambda *given: asked.append(given))
    (tmp_path / f"{NAME}.part").write_bytes(DATA[:1000])
    url = index.url.replace("/simple/", f"/files/{NAME}")
    download(session, url, tmp_path / NAME, sha256(DATA), room=7)
    assert asked == [(tmp_path, len(DATA) - 1000 + 7)]


def test_a_file_address_works_too(index: Index, session: PyPIClient, tmp_path: Path) -> None:
    url = (index.folder / NAME).as_uri()
    (tmp_path / f"{NAME}.part").write_bytes(b"x")
    assert download(session, url, tmp_path / NAME, sha256(DATA)).read_bytes() == DATA
