"""The command line: what it takes, what it hands to the recipes, what it says, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from small_runs import corpus_file

from minibert import __version__
from minibert.cli.command_line import COMMANDS, how_to_resume, main, parse
from minibert.cli.terminal import UsageError
from minibert.config import PRESETS, PretrainConfig
from minibert.signals import Stopped

ROOT = Path(__file__).parent.parent


def child(*words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m minibert WORDS` from the checkout, without installing."""
    environment = os.environ | {"COLUMNS": "80"} | extra
    command = [sys.executable, "-m", "minibert", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


# What is refused, and what is suggested.


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pretrian", "Did you mean 'pretrain'?"),
        ("data lst", "Did you mean 'list'?"),
        ("data", "list, show, get"),
        ("--versoin", "Did you mean '--version'?"),
        ("bert-mini", "minibert pretrain bert-mini"),
        ("pretrain bert-mni", "Did you mean 'bert-mini'?"),
        ("pretrain --corpus sotu bert-mni", "Did you mean 'bert-mini'?"),
        ("pretrain --corpus", "--corpus needs"),
    ],
)
def test_a_wrong_word_gets_a_suggestion_and_exit_code_2(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    with pytest.raises(UsageError):
        parse(line.split())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pretrain --stesp 3", "--steps"),
        ("pretrain --steps many", "--steps"),
        ("pretrain --resume always", "auto"),
        ("pretrain --seq-len 2", "seq_len must be at least 8, got 2"),
        ("pretrain bert-mini bert-tiny", "bert-tiny"),
        ("fill runs/x", "TEXT"),
        ("fill runs/x nothing", "no [MASK]"),
        ("fill runs/x [MASK] --top 0", "--top must be at least 1"),
        ("report", "RUN"),
        ("data show", "NAME"),
    ],
)
def test_a_wrong_flag_or_value_is_explained_with_exit_code_2(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_a_text_file_in_the_preset_place_is_pointed_to_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "book.txt"
    book.write_text("A text.")
    assert main(["pretrain", str(book)]) == 2
    assert f"minibert pretrain --corpus {book}" in capsys.readouterr().err


def test_an_unknown_data_set_fails_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "soto"]) == 1
    assert "Did you mean 'sotu'?" in capsys.readouterr().err


# How a command ends.


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("the corpus is empty"), "minibert: the corpus is empty\n"),
        (PermissionError(13, "Permission denied", "runs/x"), "minibert: runs/x: Permission denied\n"),
        (OSError(28, "No space left on device"), "minibert: No space left on device\n"),
        (RuntimeError("odd"), "minibert: RuntimeError: odd (add --debug to see where this arose)\n"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1_and_a_traceback_only_with_debug(
    error: Exception, said: str, recipe: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def pretrain(preset: str, config: PretrainConfig, command: str = "") -> Path:
        raise error

    recipe("minibert.recipes.pretrain", "pretrain", pretrain)
    assert main(["pretrain"]) == 1
    assert capsys.readouterr().err == said
    with pytest.raises(type(error)):
        main(["pretrain", "--debug"])


def test_an_interrupt_is_exit_code_130_and_says_how_to_go_on(
    recipe: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def pretrain(preset: str, config: PretrainConfig, command: str = "") -> Path:
        raise KeyboardInterrupt

    recipe("minibert.recipes.pretrain", "pretrain", pretrain)
    expected = "minibert: stopped; to go on: minibert pretrain --out 'my run' --resume auto\n"
    for words in (["--out", "my run"], ["--out", "my run", "--resume", "auto"]):
        assert main(["pretrain", *words]) == 130
        assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pretrain", "--resume=auto"], "stopped; to go on: minibert pretrain --resume=auto"),
        (["data", "get", "sotu"], "stopped; to go on: minibert data get sotu"),
        (["pretrain", "--find-lr", "--steps", "9"], "stopped"),
        (["pretrain", "bert-mini", "--dry_run"], "stopped"),
        (["report", "runs/x"], "stopped"),
    ],
)
def test_what_to_type_after_a_stop_depends_on_the_command(words: list[str], said: str) -> None:
    assert how_to_resume(words) == said


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Stopped(signal.SIGTERM), 143)])
def test_of_several_processes_the_first_one_says_how_to_go_on(
    error: BaseException,
    code: int,
    recipe: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def pretrain(preset: str, config: PretrainConfig, command: str = "") -> Path:
        raise error

    recipe("minibert.recipes.pretrain", "pretrain", pretrain)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    said = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert main(["pretrain"]) == code
        said.append(capsys.readouterr().err)
    again = "torchrun --nproc-per-node 2 -m minibert pretrain --resume auto"
    assert said == [f"minibert, rank 0: stopped; to go on: {again}\n", ""]


def test_an_error_of_one_of_several_processes_says_which_one_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "3")
    assert main(["data", "show", "soto"]) == 1
    assert capsys.readouterr().err.startswith("minibert, rank 3: ")


# The recipe of a command, put into a child process, which says so on stderr and then waits.
WAITS = "lambda run, text, top: [print('waiting', file=sys.stderr, flush=True), __import__('time').sleep(60)]"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_any_command_with_one_line_and_128_and_its_number(number: int, code: int) -> None:
    process = start_with_stand_in(WAITS, ["fill", "runs/x", "[MASK]"])
    assert process.stderr is not None and process.stderr.readline() == "waiting\n"
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "minibert: stopped\n")
    assert process.returncode == code


MOMENTS = {
    "before the corpus is read": "minibert.recipes.data.Reader.__init__",
    "while the corpus is stored": "minibert.recipes.data.Builder.add",
    "before the first step": "minibert.train.loop.Loop.run",
    "in a step": "minibert.train.loop.descend",
    "in a look at held-out text": "minibert.train.worker.Worker.look",
    "in a save": "minibert.train.keeper.save_checkpoint",
    "in the evaluation at the end": "minibert.recipes.pretrain.full_evaluation",
    "while the report is written": "minibert.recipes.pretrain.write_report",
}
"""When a run is told to stop: as it calls this function."""


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whenever_a_run_is_told_to_stop_it_says_how_to_go_on_and_then_does(
    moment: str,
    number: int,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path / "cache"))
    line = (
        f"pretrain --corpus {corpus_file(tmp_path)} --out {tmp_path / 'run'} --steps 4 --batch-size 4 "
        "--seq-len 32 --layers 1 --width 16 --heads 2 --vocab-size 120 --evaluate-every 2 --log-every 1 "
        "--device cpu"
    )
    target = resolve_name(MOMENTS[moment])
    calls = []

    def told(*arguments: Any, **named: Any) -> Any:
        calls.append(target)
        if len(calls) == 1:
            os.kill(os.getpid(), number)
        return target(*arguments, **named)

    monkeypatch.setattr(MOMENTS[moment], told)
    assert main(line.split()) == code
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"minibert: stopped; to go on: minibert {line} --resume auto"

    assert main([*line.split(), "--resume", "auto"]) == 0
    lines = [json.loads(text) for text in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in lines if record["kind"] == "train"] == [1, 2, 3, 4]
    assert [record["step"] for record in lines if record["kind"] == "held_out"] == [2, 4]
    assert (tmp_path / "run" / "report.md").is_file()


def test_after_a_command_sigterm_is_answered_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["data", "show", "sotu"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_who_leaves_early_is_met_with_silence() -> None:
    command = [sys.executable, "-m", "minibert", "data", "show", "sotu"]
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert process.returncode == 128 + signal.SIGPIPE
    assert process.stderr == b""


# What is printed.


def start_with_stand_in(fill: str, words: list[str], **extra: str) -> subprocess.Popen[str]:
    """Start the program in a child process where the recipe `fill` is the given lambda."""
    code = (
        "import logging, signal, sys, types; recipe = types.ModuleType('fill')\n"
        f"recipe.fill = {fill}\n"
        "sys.modules['minibert.recipes.fill'] = recipe\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from minibert.cli import main; sys.exit(main({words!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | extra,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_with_stand_in(fill: str, words: list[str], **extra: str) -> tuple[int, str, str]:
    """Run it to its end; return the exit code and what stands on stdout and stderr."""
    process = start_with_stand_in(fill, words, **extra)
    out, err = process.communicate()
    return process.returncode, out, err


def test_a_piece_that_the_terminal_cannot_show_does_not_stop_the_table() -> None:
    stand_in = "lambda run, text, top: [[('é', 0.5)]]"
    code, out, err = run_with_stand_in(stand_in, ["fill", "runs/x", "[MASK]"], PYTHONIOENCODING="ascii")
    assert code == 0, err
    assert "?   50.0%" in out


LOGS = """lambda run, text, top: [
    logging.getLogger('minibert').info('a head starts fresh'),
    logging.getLogger('minibert').warning('the disk is full'),
] and []"""
"""The recipe of a command that reports something."""


def test_what_the_library_reports_goes_to_stderr_under_its_name() -> None:
    _, _, err = run_with_stand_in(LOGS, ["fill", "runs/x", "[MASK]"])
    assert err == "minibert: a head starts fresh\nminibert: the disk is full\n"


def test_of_several_processes_only_the_first_reports_and_all_warn() -> None:
    shown = [run_with_stand_in(LOGS, ["fill", "runs/x", "[MASK]"], RANK=rank)[2] for rank in ("0", "1")]
    assert shown[0] == "minibert, rank 0: a head starts fresh\nminibert, rank 0: the disk is full\n"
    assert shown[1] == "minibert, rank 1: the disk is full\n"


# Help.


def test_help_names_every_command_and_fits_80_columns() -> None:
    for words in ([], ["--help"], ["data", "--help"]):
        done = child(*words)
        assert done.returncode == 0
        assert all(f"  {word} " in done.stdout for word in COMMANDS)
        assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_pretrain_help_shows_flags_presets_defaults_and_examples() -> None:
    done = child("pretrain", "--help")
    assert done.returncode == 0
    text = " ".join(done.stdout.replace("│", " ").split())
    assert all(preset in text for preset in PRESETS)
    for words in ("--from FOLDER", "--steps INT", "--whole-words", "(default: 8192)", "examples:"):
        assert words in text
    assert "--from-folder" not in text
    assert "--line" not in text
    assert "None" not in text
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


@pytest.mark.parametrize("line", ["fill", "report", "data list", "data show", "data get"])
def test_each_command_has_help(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*line.split(), "--help"])
    assert end.value.code == 0
    assert f"usage: minibert {line}" in capsys.readouterr().out


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"minibert {__version__}\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["data", "list"], ["data", "show", "sotu"], ["pretrain", "--help"]]
)
def test_light_commands_load_neither_torch_nor_transformers(words: list[str]) -> None:
    code = (
        "import sys; from minibert.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_minibert_loads_no_torch_until_a_model_is_asked_for() -> None:
    code = (
        "import sys, minibert; assert 'torch' not in sys.modules; "
        "assert {'from_pretrained', 'save_pretrained'} <= set(dir(minibert)); "
        "minibert.from_pretrained; assert 'torch' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_minibert_has_no_name_that_it_does_not_have() -> None:
    import minibert

    with pytest.raises(AttributeError, match="no attribute 'from_pretraned'"):
        _ = minibert.from_pretraned  # pyright: ignore[reportAttributeAccessIssue]
