"""The wheel: built, installed and used where no checkout is."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from minibert import __version__

ROOT = Path(__file__).parent.parent

TEXT = """\
The river rose in the night. By morning the bridge was gone. The miller carried his flour uphill.
His daughter counted the sacks. Two of them were wet.

A ship came into the harbour with torn sails. The captain asked for bread and rope. Nobody knew her flag.
She paid in silver and left at noon.

The school stood at the edge of the wood. In winter the children brought one log each. The teacher lit the
stove before dawn. They learned to read beside it.
"""


def run(*words: str | Path, where: Path) -> str:
    """Run a command in `where`, outside the checkout and deaf to this environment's paths."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"MINIBERT_CACHE": str(where / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([str(w) for w in words], cwd=where, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the build backend of this environment: no index is asked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in an environment of its own that sees the libraries of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", where=folder).strip()
    # A line of a .pth file comes after the environment's own packages, and the .pth files beside the
    # libraries (that of an editable install among them) are not read.
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(own) / "libraries.pth").write_text("\n".join(sorted(libraries)))
    return folder / "bin"


@pytest.mark.slow
def test_the_wheel_carries_the_package_the_cards_and_the_types_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    package = ROOT / "minibert"
    code = {
        str(path.relative_to(ROOT)) for kind in ("*.py", "*.toml", "*.npz") for path in package.rglob(kind)
    }
    cards = {f"minibert/data/{path.name}" for path in (ROOT / "data").iterdir()}
    assert code | cards | {"minibert/py.typed"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"minibert", f"minibert-{__version__}.dist-info"}


RIGHT = "return cache * (dweights - (cache * dweights).sum(axis=-1, keepdims=True))"


@pytest.mark.slow
def test_the_wheel_lists_its_data_proves_and_pretrains_outside_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    where = run(installed / "python", "-c", "import minibert; print(minibert.__file__)", where=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert run(installed / "minibert", "--version", where=tmp_path) == f"minibert {__version__}\n"
    assert "sotu" in run(installed / "minibert", "data", "list", where=tmp_path)

    assert "below their bars" in run(installed / "minibert", "prove", "linear", where=tmp_path)

    assert "exercises lie in exercises" in run(installed / "minibert", "learn", "start", where=tmp_path)
    show = ("learn", "diff", "softmax_backward", "--spoil")
    assert "+    weights = cache" in run(installed / "minibert", *show, where=tmp_path)
    file = tmp_path / "exercises" / "04_attention" / "softmax_backward.py"
    file.write_text(file.read_text(encoding="utf-8").replace("raise NotImplementedError", RIGHT))
    verdict = run(installed / "minibert", "learn", "check", "softmax_backward", where=tmp_path)
    assert "✓ softmax_backward" in verdict or "+ softmax_backward" in verdict

    (tmp_path / "tales.txt").write_text(TEXT, encoding="utf-8")
    line = (
        "pretrain --corpus tales.txt --out tales --steps 5 --vocab-size 120 --layers 1 --width 32 --heads 2 "
        "--batch-size 4 --seq-len 32 --device cpu"
    )
    run(installed / "minibert", *line.split(), where=tmp_path)
    assert {"config.json", "model.safetensors", "tokenizer.json", "metrics.jsonl", "report.md"} <= {
        path.name for path in (tmp_path / "tales").iterdir()
    }
    assert "%" in run(installed / "minibert", "fill", "tales", "The [MASK] rose.", where=tmp_path)
