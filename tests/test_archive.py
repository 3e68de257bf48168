"""Unpacking: the files of the card and nothing else, whatever an archive tries."""

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import TEXTS, card_of, sdist, wheel

from minibert.sources import archive as archive_module
from minibert.sources.archive import unpack
from minibert.sources.cache import require_room


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("make", [sdist, wheel])
def test_only_the_files_of_the_card_are_written(make, tmp_path: Path) -> None:
    archive = make(tmp_path)
    folder = unpack(archive, card_of(archive), tmp_path / "out")
    assert contents(folder) == TEXTS


def test_what_an_earlier_call_left_is_cleared_away(tmp_path: Path) -> None:
    archive = sdist(tmp_path)
    (tmp_path / "out" / "storybook").mkdir(parents=True)
    (tmp_path / "out" / "storybook" / "half").touch()
    assert contents(unpack(archive, card_of(archive), tmp_path / "out")) == TEXTS


def tar_with(folder: Path, *entries: tarfile.TarInfo) -> Path:
    """Write storybook-1.0.tar.gz with the texts and then these entries."""
    path = folder / "storybook-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in TEXTS.items():
            entry = tarfile.TarInfo(f"storybook-1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for entry in entries:
            archive.addfile(entry, io.BytesIO(b"x" * entry.size) if entry.isreg() else None)
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, target, 1 if kind == tarfile.REGTYPE else 0
    return made


@pytest.mark.parametrize(
    "name", ["../x.txt", "/tmp/x.txt", "storybook-1.0/../../x.txt", "storybook-1.0/storybook/texts/../x.txt"]
)
def test_an_entry_outside_the_archive_is_refused(name: str, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = tar_with(inner, entry(name))
    with pytest.raises(ValueError, match="outside of itself; nothing of it is used"):
        unpack(archive, card_of(archive), inner / "out")
    assert not (tmp_path / "x.txt").exists()

    with zipfile.ZipFile(inner / "storybook-1.0.zip", "w") as file:
        file.writestr(name, "x")
    with pytest.raises(ValueError, match="outside of itself; nothing of it is used"):
        unpack(inner / "storybook-1.0.zip", card_of(archive), inner / "out")


LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE]
DEVICES = [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


@pytest.mark.parametrize("kind", [*LINKS, *DEVICES, tarfile.DIRTYPE])
def test_only_regular_files_may_stand_for_files_of_the_card(kind: bytes, tmp_path: Path) -> None:
    bad = entry("storybook-1.0/storybook/texts/zzz.txt", kind, target="../../../../etc/passwd")
    archive = tar_with(tmp_path, bad)
    with pytest.raises(ValueError, match=r"storybook/texts/zzz\.txt as a link, folder or device"):
        unpack(archive, card_of(archive), tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "storybook-1.0-py3-none-any.whl"
    link = zipfile.ZipInfo("storybook/texts/one.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match="as a link"):
        unpack(path, card_of(path), tmp_path / "out")


def test_a_file_is_never_written_through_a_link_of_the_archive(tmp_path: Path) -> None:
    """The folder of the texts is a link to somewhere else: it is not made, so nothing goes there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = tmp_path / "storybook-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.addfile(entry("storybook-1.0/storybook/texts", tarfile.SYMTYPE, str(elsewhere)))
        for name, data in TEXTS.items():
            made = tarfile.TarInfo(f"storybook-1.0/{name}")
            made.size = len(data)
            file.addfile(made, io.BytesIO(data))
    folder = unpack(path, card_of(path), tmp_path / "out")
    assert contents(folder) == TEXTS
    assert list(elsewhere.iterdir()) == []


def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    archive = tar_with(tmp_path, entry("storybook-1.0/storybook/texts/one.txt"))
    with pytest.raises(ValueError, match=r"one\.txt twice"):
        unpack(archive, card_of(archive), tmp_path / "out")


def test_an_archive_larger_than_the_card_says_stops_at_that_size(tmp_path: Path) -> None:
    bomb = {"storybook/texts/one.txt": bytes(50_000_000)}
    for make in (sdist, wheel):
        archive = make(tmp_path, bomb)
        assert archive.stat().st_size < 100_000
        with pytest.raises(ValueError, match=r"one\.txt is larger than the data card says"):
            unpack(archive, replace(card_of(archive, bomb), bytes=2_000_000), tmp_path / "out")
        assert (tmp_path / "out" / "storybook" / "texts" / "one.txt").stat().st_size <= 2_000_000


def test_the_size_on_the_card_is_that_of_all_files_together(tmp_path: Path) -> None:
    archive = sdist(tmp_path)
    card = card_of(archive)
    unpack(archive, card, tmp_path / "out")
    with pytest.raises(ValueError, match="is larger than the data card says"):
        unpack(archive, replace(card, bytes=card.bytes - 1), tmp_path / "out")


@pytest.mark.parametrize("change", ["missing", "altered"])
def test_files_that_are_not_the_card_s_are_refused(change: str, tmp_path: Path) -> None:
    other = dict(TEXTS)
    if change == "missing":
        del other["storybook/texts/two.txt"]
    else:
        other["storybook/texts/two.txt"] = b"The second text?\n"
    archive = sdist(tmp_path, other)
    with pytest.raises(ValueError, match="are not those of the data card 'stories'"):
        unpack(archive, card_of(archive, TEXTS), tmp_path / "out")


@pytest.mark.parametrize("make", [sdist, wheel])
def test_a_damaged_archive_is_named(make, tmp_path: Path) -> None:
    archive = make(tmp_path)
    card = card_of(archive)
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"storybook-1\.0.* cannot be unpacked"):
        unpack(archive, card, tmp_path / "out")


def test_unpacking_asks_for_room_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(archive_module, "require_room", lambda *given: asked.append(given))
    archive = sdist(tmp_path)
    unpack(archive, card_of(archive), tmp_path / "out")
    assert asked == [(tmp_path / "out", sum(map(len, TEXTS.values())))]
    with pytest.raises(ValueError, match=r"not enough room.* needed, .* free"):
        require_room(tmp_path, 10**18)
