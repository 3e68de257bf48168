"""The stored numbers of the twins are those that PyTorch gives."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from minibert.learn.compare import CheckError
from minibert.learn.proof import Case, twin_numbers
from minibert.learn.sizes import Sizes
from minibert.learn.twins import FOLDER, all_stems, cases_with_twin, stored, stored_checks, write

CASES = [(stem, case) for stem in all_stems() for case in cases_with_twin(stem)]


@pytest.mark.parametrize(("stem", "case"), CASES, ids=[f"{stem}: {case.name}" for stem, case in CASES])
def test_the_stored_numbers_are_those_of_the_twin(stem: str, case: Case) -> None:
    kept, live = stored(FOLDER / f"{stem}.npz", case.name), twin_numbers(case, case.torch, Sizes(), 0)  # pyright: ignore[reportArgumentType]
    for ours, theirs in ((kept.outputs, live.outputs), (kept.gradients, live.gradients)):
        for one, other in zip(ours, theirs, strict=True):
            message = "they have changed; `python -m minibert.learn.twins` writes them anew"
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12, err_msg=message)


def test_nothing_is_stored_that_no_case_has() -> None:
    with_twins = {stem for stem, _ in CASES}
    assert {path.stem for path in FOLDER.iterdir()} == with_twins
    for stem in with_twins:
        with np.load(FOLDER / f"{stem}.npz") as arrays:
            assert {name.partition("/")[0] for name in arrays.files} == {
                case.name for case in cases_with_twin(stem)
            }


def test_written_twice_they_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write("linear", tmp_path / name)
    one, other = (tmp_path / name / "linear.npz" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_a_function_that_differs_from_the_stored_numbers_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("minibert.learn.checks.linear")
    check = next(check for check in stored_checks(module) if check.name.endswith(": twin"))
    check.run(Sizes(), 0)
    far = stored(FOLDER / "linear.npz", check.name.removesuffix(": twin"))
    monkeypatch.setattr(
        "minibert.learn.twins.stored", lambda path, name: type(far)((far.outputs[0] + 1e-6,), far.gradients)
    )
    with pytest.raises(CheckError, match="from PyTorch"):
        check.run(Sizes(), 0)
