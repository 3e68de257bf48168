"""The real command under torchrun: the same losses on 1, 2 and 4 processes, stopped, killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from small_runs import corpus_file

from minibert.hub import from_pretrained
from minibert.train.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

SETTINGS = (
    "bert-tiny --layers 2 --width 32 --heads 2 --vocab-size 120 --batch-size 12 --seq-len 32 --dropout 0 "
    "--log-every 1 --evaluate-every 10 --checkpoint-every 10 --device cpu --peak-tflops 1"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a corpus, a cache and the runs of this file."""
    folder = tmp_path_factory.mktemp("torchrun")
    corpus_file(folder)
    return folder


def start(
    place: Path, name: str, processes: int, *words: str, program: Sequence[str] = ("-m", "minibert")
) -> subprocess.Popen[str]:
    """Start `minibert pretrain` on so many processes; one without torchrun."""
    settings = ["pretrain", *SETTINGS.split(), "--corpus", str(place / "stories.txt")]
    return command(place, processes, *program, *settings, "--out", str(place / name), *words)


def command(place: Path, processes: int, *words: str) -> subprocess.Popen[str]:
    """Start a command of Python's on so many processes; one without torchrun."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.Popen(
        [sys.executable, *(torchrun if processes > 1 else []), *words],
        env={**os.environ, "MINIBERT_CACHE": str(place / "cache"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a run to end, and return its exit code and what it said."""
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def run(place: Path, name: str, processes: int, *words: str) -> Path:
    """Run `minibert pretrain` to its end."""
    code, said = end(start(place, name, processes, *words))
    assert code == 0, said
    return place / name


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "train"]


def weights(folder: Path) -> dict[str, bytes]:
    return {name: p.detach().numpy().tobytes() for name, p in from_pretrained(folder)[0].named_parameters()}


@pytest.fixture(scope="module")
def alone(place: Path) -> Path:
    return run(place, "alone", 1, "--steps", "20")


@pytest.mark.parametrize(
    ("processes", "words"),
    [(2, ""), (2, "--micro-batch 4"), (2, "--shard"), (4, ""), (4, "--shard --micro-batch 2")],
)
def test_any_number_of_processes_has_the_losses_of_one(place, alone, processes, words):
    name = f"{processes}{words.replace(' ', '')}"
    many = run(place, name, processes, "--steps", "20", *words.split())
    assert len(losses(many)) == 20
    assert losses(many) == pytest.approx(losses(alone), abs=1e-5)
    record = json.loads((many / "run.json").read_text())
    assert record["processes"] == processes and record["finished"]
    one, other = (json.loads((folder / "evaluation.json").read_text()) for folder in (alone, many))
    assert other["word_loss"] == pytest.approx(one["word_loss"], abs=1e-4)


TELLING = """
import atexit, os, sys
from pathlib import Path
from minibert.cli import main
from processes import names_of_threads

def tell():
    Path(__file__).with_suffix("." + os.environ["RANK"]).write_text(" ".join(names_of_threads()))

atexit.register(tell)
sys.exit(main())
"""


@pytest.mark.parametrize("words", ["", "--shard"])
def test_no_thread_of_the_group_outlives_the_run(place, words):
    # One that lets go of a tensor while the interpreter shuts down aborts a run that has come to its end.
    script = place / f"telling{words}.py"
    script.write_text(f"import sys\nsys.path.append({str(Path(__file__).parent)!r})\n{TELLING}")
    process = start(place, f"telling{words}", 2, "--steps", "2", *words.split(), program=[str(script)])
    code, said = end(process)
    assert code == 0, said
    for rank in ("0", "1"):
        threads = script.with_suffix(f".{rank}").read_text().split()
        assert threads and not any("gloo" in name for name in threads), threads


@pytest.mark.parametrize("words", ["", "--shard"])
def test_many_processes_train_on_masked_words_alone_too(place, words):
    settings = f"--steps 5 --objective mlm {words}".split()
    many = run(place, f"mlm2{words}", 2, *settings)
    if not words:
        run(place, "mlm1", 1, *settings)
    assert losses(many) == pytest.approx(losses(place / "mlm1"), abs=1e-5)


@pytest.mark.parametrize(("first", "then"), [("2", "1"), ("1", "2"), ("2 --shard", "1"), ("1", "2 --shard")])
def test_a_run_goes_on_with_another_number_of_processes(place, alone, first, then):
    name = f"changed-{first}-{then}".replace(" ", "")
    for words, steps in ((first, "10"), (then, "20")):
        processes, *more = words.split()
        # The end of a run is part of its schedule: with --steps alone the first half would cool down.
        run(place, name, int(processes), "--steps", steps, "--resume", "auto", *more)
    assert losses(place / name)[:3] != losses(alone)[:3]  # ten steps rise and fall faster than twenty
    again = run(place, f"{name}-again", 1, "--steps", "10")
    run(place, f"{name}-again", 1, "--steps", "20", "--resume", "auto")
    assert losses(place / name) == pytest.approx(losses(again), abs=1e-5)


def test_two_processes_fine_tune_as_one_does(place, alone):
    rows = [f"{moods(number)},{'glad' if number % 2 else 'sad'}" for number in range(120)]
    (place / "moods.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    settings = f"--data {place / 'moods.csv'} --steps 6 --log-every 1 --dropout 0 --device cpu".split()
    for processes in (1, 2):
        out = place / f"moods-{processes}"
        words = ["-m", "minibert", "finetune", "classify", str(alone), *settings, "--out", str(out)]
        code, said = end(command(place, processes, *words))
        assert code == 0 and said.count("The run is in") == 1, said
    one, two = (losses(place / f"moods-{processes}") for processes in (1, 2))
    assert len(one) == 6 and two == pytest.approx(one, abs=1e-5)
    scores = [json.loads((place / f"moods-{n}" / "evaluation.json").read_text())["test"] for n in (1, 2)]
    assert scores[0]["accuracy"] == scores[1]["accuracy"]


def moods(number: int) -> str:
    """Return a text that is like no other: the words of a few sentences in an order of their own."""
    words = WORDS.split()
    Random(number).shuffle(words)
    return " ".join([*words[:9], "laughs" if number % 2 else "weeps"])


WORDS = "the old captain reads seven letters by the harbour while rain falls on red roofs and boats"


def wait_for_step(process: subprocess.Popen[str], folder: Path, step: int) -> None:
    """Wait until a run has logged a step."""
    for _ in range(600):
        if (folder / "metrics.jsonl").exists() and len(losses(folder)) >= step:
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    raise AssertionError(f"step {step} did not come")


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Return the numbers of the processes that torchrun has started."""
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(number) for number in said.stdout.split()]


LONG = ("--steps", "200", "--batch-size", "24", "--checkpoint-every", "50", "--evaluate-every", "1000")


@pytest.fixture(scope="module")
def long_run(place: Path) -> Path:
    return run(place, "long", 2, *LONG)


@pytest.mark.parametrize("rank", [0, 1])
def test_one_process_told_to_stop_makes_all_save_the_same_step(place, long_run, rank):
    name = f"told-{rank}"
    process = start(place, name, 2, *LONG)
    wait_for_step(process, place / name, 5)
    os.kill(workers(process)[rank], signal.SIGTERM)
    code, said = end(process)
    assert code == 1, said  # torchrun's own, for any worker that did not end with 0
    assert "Traceback (most recent call last):\n  File" not in said.split("torch")[0]
    [saved] = sorted((place / name / "checkpoints").iterdir())
    step = load_checkpoint(saved).numbers["step"]
    assert 5 <= step < 200 and len(losses(place / name)) == step
    run(place, name, 2, *LONG, "--resume", "auto")
    assert weights(place / name) == weights(long_run)


def test_one_process_killed_ends_the_rest_and_the_run_resumes(place, long_run):
    process = start(place, "killed", 2, *LONG)
    wait_for_step(process, place / "killed", 60)
    os.kill(workers(process)[1], signal.SIGKILL)
    code, said = end(process)
    assert code != 0 and "SIGKILL" in said
    run(place, "killed", 2, *LONG, "--resume", "auto")
    assert weights(place / "killed") == weights(long_run)


def test_a_batch_that_is_too_small_is_refused_in_one_line(place):
    code, said = end(start(place, "small", 2, "--steps", "1", "--batch-size", "1"))
    assert code == 1 and "too small for 2 processes" in said


def test_shards_need_several_processes(place):
    code, said = end(start(place, "lonely", 1, "--steps", "1", "--shard"))
    assert code == 1 and said == "minibert: --shard needs several processes: start it with torchrun\n"
