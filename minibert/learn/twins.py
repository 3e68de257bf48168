"""The numbers of the twins in PyTorch, stored, so that by hand a check need not load torch.

`twins/STEM.npz` holds for each case of a stem what its twin gives for the usual sizes and seed 0. A test
compares them with PyTorch; `python -m minibert.learn.twins` writes them anew.
"""

import importlib
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np

from minibert.learn.proof import Case, Check, Numbers, check_twin, plain_checks, twin_numbers
from minibert.learn.sizes import Sizes

FOLDER = Path(__file__).parent / "twins"

CHECKS = Path(__file__).parent / "checks"


def stored_checks(module: ModuleType) -> list[Check]:
    """Return all checks of a module of `minibert.learn.checks`, the twins' by their stored numbers.

    They are for the usual sizes and seed 0, whatever a check is asked for.
    """
    path = FOLDER / f"{module.__name__.rpartition('.')[2]}.npz"
    checks = plain_checks(module)
    for case in getattr(module, "CASES", []):
        if case.torch is not None:
            checks.append(
                Check(
                    f"{case.name}: twin",
                    lambda _size, _seed, c=case: check_twin(c, Sizes(), 0, stored(path, c.name)),
                    "PyTorch gives the same outputs and the same gradients (stored numbers).",
                    case=case.name,
                )
            )
    return checks


def stored(path: Path, name: str) -> Numbers:
    """Return the stored numbers of a case."""
    with np.load(path) as arrays:
        outputs = [arrays[key] for key in arrays.files if key.startswith(f"{name}/output/")]
        gradients = [arrays[key] for key in arrays.files if key.startswith(f"{name}/gradient/")]
    return Numbers(tuple(outputs), tuple(gradients))


def all_stems() -> list[str]:
    """Return the stems of all modules of checks."""
    return sorted(path.stem for path in CHECKS.glob("[!_]*.py"))


def cases_with_twin(stem: str) -> list[Case]:
    """Return the cases of a stem that have a twin in PyTorch."""
    module = importlib.import_module(f"minibert.learn.checks.{stem}")
    return [case for case in getattr(module, "CASES", []) if case.torch is not None]


def write(stem: str, folder: Path = FOLDER) -> None:
    """Store the numbers of the twins of a stem, if it has any."""
    arrays = {}
    for case in cases_with_twin(stem):
        assert case.torch is not None
        numbers = twin_numbers(case, case.torch, Sizes(), 0)
        arrays |= {f"{case.name}/output/{index}": array for index, array in enumerate(numbers.outputs)}
        arrays |= {f"{case.name}/gradient/{index}": array for index, array in enumerate(numbers.gradients)}
    if arrays:
        folder.mkdir(exist_ok=True)
        np.savez_compressed(folder / f"{stem}.npz", **arrays)
        without_time(folder / f"{stem}.npz")


def without_time(path: Path) -> None:
    """Write an archive anew so that the same content gives the same bytes, whenever it is written."""
    with zipfile.ZipFile(path) as archive:
        content = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    for every in all_stems():
        write(every)
