"""What commands print with: the longest bar fits the terminal, entries are wrapped beside their name."""

import pytest

from minibert.cli.terminal import aligned, bars, columns, entry


def test_the_width_is_the_terminal_s_and_at_most_100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert columns() == 72
    monkeypatch.setenv("COLUMNS", "300")
    assert columns() == 100


def test_a_bar_is_as_long_as_its_share_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    whole, half, none = bars([("state", 1.0), ("##s", 0.5), ("x", 0.0)])
    assert len(whole) <= 60
    assert whole.count("#") == 60 - len("state") - 13
    assert half.count("#") - 2 == round(whole.count("#") / 2)
    assert none.count("#") == 0


def test_an_entry_is_wrapped_beside_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    first, *rest = entry("title", "many words " * 10).splitlines()
    assert first.startswith("title         many")
    assert rest
    assert all(line.startswith(" " * 14) and len(line) <= 40 for line in rest)


def test_what_people_copy_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/a/rather-long/path/that/no/line/of/forty/holds"
    assert path in entry("folder", f"it lies in {path} now")


def test_rows_are_aligned_the_first_column_left_and_the_others_right() -> None:
    rows = [["", "runs", "accuracy"], ["whole", "3", "82.0 %"], ["TF-IDF", "—", "7.1 %"]]
    assert aligned(rows) == [
        "        runs  accuracy",
        "whole      3    82.0 %",
        "TF-IDF     —     7.1 %",
    ]
