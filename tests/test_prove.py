"""The table of proofs: complete, below its bars, and failing where a block is wrong."""

import importlib
import pkgutil

import pytest

import minibert.learn.checks
from minibert import prove as proving
from minibert.learn.mutate import mutants
from minibert.prove import BARS, STEMS, ProofError, Row, cases_of, prove, rows, table


def test_the_table_has_every_stem_that_has_checks() -> None:
    names = [module.name for module in pkgutil.iter_modules(minibert.learn.checks.__path__)]
    modules = {name: importlib.import_module(f"minibert.learn.checks.{name}") for name in names}
    assert sorted(STEMS) == sorted(name for name, module in modules.items() if hasattr(module, "CASES"))


@pytest.mark.parametrize("stem", STEMS)
def test_every_block_is_proven(stem: str) -> None:
    found = list(rows(stem))
    assert found and not [row for row in found if row.missed]
    assert all(any(error is not None for error in row.errors.values()) for row in found)


@pytest.mark.parametrize("stem", STEMS)
def test_the_rows_of_a_stem_have_names_of_their_own(stem: str) -> None:
    names = [case.name for case in cases_of(stem)]
    assert len(set(names)) == len(names)


def test_a_wrong_gradient_is_named_with_its_oracles_after_the_whole_table() -> None:
    wrong = next(mutant for mutant in mutants() if "mean over the positions" in mutant.name)
    lines = []
    with (
        wrong.made(),
        pytest.raises(ProofError, match="linear by finite differences: .*linear by torch twin: "),
    ):
        for line in table("linear"):
            lines.append(line)
    assert len(lines) == 2 and lines[1].startswith("linear")


def test_nan_is_above_every_bar() -> None:
    assert Row("x", dict.fromkeys(BARS, float("nan"))).missed == list(BARS)
    assert Row("x", dict.fromkeys(BARS)).missed == []


def test_without_transformers_its_column_is_empty_and_says_why(monkeypatch, capsys) -> None:
    monkeypatch.setattr(proving, "find_spec", lambda name: None)
    prove("linear")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("—")
    assert "transformers is not installed" in lines[2]
    assert lines[3].startswith("2 proofs")


def test_an_unknown_stem_gets_the_list() -> None:
    with pytest.raises(ValueError, match="nothing to prove about 'atention'; there is: linear, "):
        list(table("atention"))
