"""`minibert data …`: what is known, what is here, where it lies."""

import pytest

from minibert.cli.command_line import main


def test_data_list_and_show_fit_80_columns_and_name_the_licence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["data", "list"], ["data", "show", "sotu"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "sotu" in out
        assert "public domain" in out
        assert max(len(line) for line in out.splitlines()) <= 80


def test_data_get_tells_where_the_verified_files_lie(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "get", "sotu"]) == 0
    out = capsys.readouterr().out
    assert "249 files in" in out
    assert "verified" in out
