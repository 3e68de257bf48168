"""`minibert prove` as a command: what it prints, and how it ends."""

import pytest

from minibert.cli.command_line import main
from minibert.learn.mutate import mutants


def test_it_prints_the_rows_that_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "linear"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["block", "finite", "differences", "torch", "twin", "transformers"]
    assert lines[1].startswith("linear ") and "below their bars" in lines[-1]


def test_a_wrong_block_fails_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = next(mutant for mutant in mutants() if "mean over the positions" in mutant.name)
    with wrong.made():
        assert main(["prove", "linear"]) == 1
    assert "linear by torch twin" in capsys.readouterr().err


def test_an_unknown_block_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "atention"]) == 1
    error = capsys.readouterr().err
    assert "'atention'" in error and "attention" in error
