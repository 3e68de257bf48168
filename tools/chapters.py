"""Build and check the chapters: `chapters/NN_stem.py` is what people edit, `NN_stem.ipynb` what they read.

    python tools/chapters.py build [NN …]   run each source and write its notebook, with its outputs
    python tools/chapters.py check [NN …]   run each again: is its notebook up to date, quiet and quick?
    python tools/chapters.py new NN_stem    write the source of a new chapter, ready to be filled

Each chapter runs in a fresh kernel of this Python, in the chapters' folder, as Jupyter would run it. A
notebook depends on nothing but its source and what its cells print and draw: cell ids are made from the
cells, and there are no times, no versions and no paths. So what did not change is built to the same file.

Exit codes: 0 all is well, 1 a chapter is not, 2 wrong usage, 130 stopped by Ctrl-C.
"""

import argparse
import asyncio
import difflib
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

try:
    import jupytext
    import matplotlib.font_manager  # noqa: F401 - the very first import looks for fonts, and says so
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat import NotebookNode
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}. What the chapters need comes with: pip install -e '.[chapters]'")

ROOT = Path(__file__).resolve().parent.parent

SECONDS = 60
"""A chapter may not run longer than this, on two cores that do nothing else."""

CORES = 2

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}

PATHS = re.compile(
    r"(?<![\w.:/~-])/(?:home|Users|root|tmp|private|var|usr|opt|mnt|srv|work|workspace)/[^\s\"']*"
)
ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Wrong(Exception):
    """A command that cannot be followed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow a command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="tools/chapters.py", description="Build and check the chapters.")
    parser.add_argument("--folder", type=Path, default=ROOT / "chapters", help="where the chapters are")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("build", "run sources and write notebooks"), ("check", "run them and compare")):
        command = commands.add_parser(name, help=text)
        command.add_argument("chapters", nargs="*", metavar="NN", help="such as 04 or 04_attention; else all")
    commands.add_parser("new", help="write a new chapter's source").add_argument("name", metavar="NN_stem")

    given = parser.parse_args(arguments)
    try:
        if given.command == "new":
            print(f"Wrote {shown(new(given.folder, given.name))}. Fill it, then build it.")
            return 0
        return run_all(given.command, select(given.folder, given.chapters))
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def select(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the sources that are meant by 4, 04, 04_attention or a file's name; all, if none is named."""
    sources = sorted(folder.glob("[0-9][0-9]_*.py"))
    if not sources:
        raise Wrong(f"There are no chapters (NN_stem.py) in {shown(folder)}.")
    chosen = []
    for name in names:
        stem = Path(name).stem
        found = [path for path in sources if path.stem == stem or path.stem[:2] == stem.zfill(2)]
        if not found:
            raise Wrong(f"There is no chapter {name}. There are: {', '.join(path.stem for path in sources)}.")
        chosen += found
    return chosen or sources


def run_all(command: str, sources: Sequence[Path]) -> int:
    """Build or check chapters one by one, print what becomes of each, and return the exit code."""
    total, bad = 0.0, []
    for source in sources:
        print(f"{source.stem:20}", end="", flush=True)
        begin, busy = time.perf_counter(), processor_seconds()
        problems = build(source) if command == "build" else check(source)
        seconds, busy = time.perf_counter() - begin, processor_seconds() - busy
        if command == "check" and busy > SECONDS * CORES:
            problems.append(f"it keeps {CORES} cores busy for {busy / CORES:.0f} s, and may for {SECONDS} s")
        good, ill = {"build": ("built", "not built"), "check": ("right", "wrong")}[command]
        print(f"{seconds:6.1f} s  {ill if problems else good}", flush=True)
        for problem in problems:
            print(textwrap.indent(problem, "        ").replace("    ", "", 1), flush=True)
        total += seconds
        bad += [source.stem] if problems else []

    print(f"{'together':20}{total:6.1f} s")
    if bad:
        print(f"{len(bad)} of {len(sources)} chapters failed: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def processor_seconds() -> float:
    """Return how long the processors worked for kernels that ended, whatever else they had to do."""
    used = os.times()
    return used.children_user + used.children_system


def build(source: Path) -> list[str]:
    """Run a chapter and write its notebook. Return what is wrong; then nothing is written."""
    notebook = read_source(source)
    problems = execute(notebook, source)
    if not problems:
        source.with_suffix(".ipynb").write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return problems


def check(source: Path) -> list[str]:
    """Return what is wrong with a chapter and with its notebook."""
    fresh = read_source(source)
    problems = execute(fresh, source)
    path = source.with_suffix(".ipynb")
    if not path.is_file():
        return [*problems, f"there is no {path.name}: build it"]
    try:
        built = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (ValueError, nbformat.reader.NotJSONError) as error:
        return [*problems, f"{path.name} is no notebook, build it again: {str(error).splitlines()[0]}"]
    problems += [f"in {path.name}, {problem}" for problem in faults(built, source)]
    problems += differences(built, fresh, path.name, ran=not problems)
    if not any(cell.get("outputs") for cell in built.cells):
        problems.append(f"{path.name} has no outputs: build it")
    return problems


def read_source(source: Path) -> NotebookNode:
    """Return the notebook of a source, not run yet, with cell ids that depend on nothing but the cells."""
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = {
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": KERNEL,
        "language_info": {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[name] += 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return notebook


def execute(notebook: NotebookNode, source: Path) -> list[str]:
    """Run a notebook's cells, keep their outputs in it, and return what is wrong with them."""
    metadata = dict(notebook.metadata)
    problems, started = [], []
    with tempfile.TemporaryDirectory() as settings:
        manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # then it is the kernel of this Python
            transport="ipc",
            connection_file=f"{settings}/kernel.json",
        )
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=5 * SECONDS,
            record_timing=False,
            coalesce_streams=True,
            on_cell_execute=lambda cell, cell_index: started.append(cell),
            resources={"metadata": {"path": str(source.parent)}},
        )
        try:
            asyncio.run(run_cells(client, environment(settings)))
        except CellExecutionError as error:
            trace = ANSI.sub("", "\n".join(started[-1].outputs[-1].traceback)).splitlines()
            problems.append("\n".join([f"{place(source, started[-1])} raises {error.ename}", *trace[-25:]]))
        except CellTimeoutError:
            problems.append(f"{place(source, started[-1])} does not end within {5 * SECONDS} s")
        except DeadKernelError:
            problems.append(f"{place(source, started[-1])} kills the kernel")
    notebook.metadata = metadata  # not the version of this Python
    return problems or list(faults(notebook, source))


async def run_cells(client: NotebookClient, variables: dict[str, str]) -> None:
    """Run all cells in a kernel of their own, and let Ctrl-C end this program: nbclient would go on."""

    def refuse(*_) -> None:
        raise RuntimeError  # what nbclient gets, and accepts, where there are no signals

    vars(asyncio.get_running_loop())["add_signal_handler"] = refuse
    try:
        await client.async_execute(env=variables, stderr=subprocess.DEVNULL, cleanup_kc=True)
    except DeadKernelError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise asyncio.CancelledError from None
        raise


def environment(settings: str) -> dict[str, str]:
    """Return the variables of a kernel that finds this checkout, asks no hub, and reads nobody's settings."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {
        "OMP_NUM_THREADS": "1",  # what is small is quicker on one core, and the last digits stay the same
        **os.environ,
        "PYTHONPATH": path,
        "IPYTHONDIR": settings,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "HF_HUB_OFFLINE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def place(source: Path, cell: NotebookNode) -> str:
    """Say where a cell begins in its source."""
    before, found, _ = source.read_text(encoding="utf-8").partition(cell.source)
    line = f":{before.count(chr(10)) + 1}" if found else ""
    return f"{shown(source)}{line}: the cell"


def faults(notebook: NotebookNode, source: Path) -> Iterator[str]:
    """Yield what is wrong with the outputs of a notebook: errors, warnings, paths and addresses."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            where = place(source, cell)
            if output.output_type == "error":
                yield f"{where} raises {output.ename}: {output.evalue}"
                continue
            text = said(output)
            if output.get("name") == "stderr":
                yield f"{where} warns\n{text.strip()}"
            elif found := machine_path(text):
                yield f"{where} prints a path of this machine: {found}"
            elif found := ADDRESS.search(text):
                yield f"{where} prints an address in memory, which is never the same:{found[0]}"


def said(output: NotebookNode) -> str:
    """Return all that an output holds as text, without its pictures."""
    data = [str(data) for kind, data in output.get("data", {}).items() if kind != "image/png"]
    return "\n".join([output.get("text", ""), *data])


def machine_path(text: str) -> str | None:
    """Return an absolute path of this machine, if there is one in the text."""
    for folder in {str(ROOT), str(Path.home()), sys.prefix, tempfile.gettempdir()} - {"/", ""}:
        if folder in text:
            return folder
    found = PATHS.search(text)
    return found[0] if found else None


def differences(built: NotebookNode, fresh: NotebookNode, name: str, ran: bool) -> Iterator[str]:
    """Yield where a built notebook is not what its source makes now.

    Cells must be the same, and so must Markdown that cells make: it is the library's source. What they print
    and draw may differ in the last digits from machine to machine.
    """
    old, new = ([(cell.cell_type, cell.source) for cell in book.cells] for book in (built, fresh))
    if old != new:
        before, after = ("\n".join(f"[{kind}]\n{text}" for kind, text in cells) for cells in (old, new))
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), name, "its source", n=1, lineterm=""
        )
        yield "\n".join([f"{name} differs from its source, build it again:", *islice(lines, 12)])
        return
    if ran and [markdown(cell) for cell in built.cells] != [markdown(cell) for cell in fresh.cells]:
        yield f"{name} shows code of the library that has changed: build it again"
    elif built.metadata != fresh.metadata or [c.id for c in built.cells] != [c.id for c in fresh.cells]:
        yield f"{name} was not written by this tool: build it again"


def markdown(cell: NotebookNode) -> list[str]:
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [each["text/markdown"] for each in data if "text/markdown" in each]


def new(folder: Path, name: str) -> Path:
    """Write the source of a new chapter and return its path."""
    if not re.fullmatch(r"\d\d_[a-z]+", name):
        raise Wrong(f"A chapter's name is two digits, _ and a word, such as 10_recurrent, not {name}.")
    number, stem = name.split("_")
    taken = sorted(path.name for path in folder.glob(f"{number}_*"))
    if taken:
        raise Wrong(f"Chapter {number} is there already: {', '.join(taken)}.")
    path = folder / f"{name}.py"
    text = SKELETON.replace("NN", number).replace("STEM", stem).replace("TITLE", stem.capitalize())
    path.write_text(text, encoding="utf-8")
    return path


def shown(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


SKELETON = r"""# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # NN · TITLE (中文名)
#
# *The question of this chapter, as a reader would ask it?*
#
# **Files:** `minibert/byhand/STEM.py` · `minibert/model/STEM.py` · `minibert/learn/checks/STEM.py` ·
# `tests/test_STEM.py`
#
# **Needs:** [02 Gradients](02_gradients.ipynb)
#
# **Time:** 45 minutes

# %% [markdown]
# ## The question: …
#
# What is missing without it, in words that need nothing yet.

# %%
import matplotlib.pyplot as plt
import numpy as np

# %%
from minibert.byhand.linear import linear_backward, linear_forward
from minibert.learn.notebook import show
from minibert.prove import prove

# %% [markdown]
# ## What the paper wrote
#
# > The sentence.
# >
# > Authors year, section
#
# $$y = x W^T + b$$

# %% [markdown]
# ## With a pencil
#
# Numbers small enough to check by hand. Every number in the text is asserted.

# %%
y, cache = linear_forward(np.array([[1.0, 2]]), np.array([[3.0, 4]]), np.array([5.0]))
assert y.tolist() == [[1 * 3 + 2 * 4 + 5]]

# %% [markdown]
# ## The backward pass, line by line
#
# Each line has a number, and the code's comments name it.
#
# $$dx = dy\, W \tag{NN.1}$$

# %%
dx, dw, db = linear_backward(np.array([[1.0]]), cache)
assert dx.tolist() == [[3, 4]]

# %% [markdown]
# ## The code

# %%
show(linear_forward, linear_backward)

# %% [markdown]
# ## A picture

# %%
fig, ax = plt.subplots(figsize=(6, 3.5), dpi=100)
steps = np.linspace(-1, 1, 50)
line, _ = linear_forward(steps[:, None], np.array([[2.0]]), np.array([0.0]))
ax.plot(steps, line, color="0", label="$y = 2x$")
ax.set_title("The title says what one sees")
ax.set_xlabel("$x$")
ax.set_ylabel("$y$")
ax.legend()
fig.tight_layout()
plt.show()

# %% [markdown]
# ## The proof

# %%
prove("linear")

# %% [markdown]
# ## What the paper does differently
#
# ## Exercises
#
# **1. Title.** In words.
#
# <details><summary>Hint</summary>
#
# One sentence that helps.
#
# </details>
#
# ## Further reading
#
# - Authors year, *Title*, where.
"""


if __name__ == "__main__":
    sys.exit(main())
