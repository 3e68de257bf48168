"""The command line: parse the words, run the command, say how it ended."""

import inspect
import logging
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import TextIOWrapper
from types import NoneType
from typing import Any, Protocol, get_args

import tyro
from tyro.conf import FlagCreatePairsOff
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from minibert import __version__
from minibert.cli import lessons, tasks
from minibert.cli.data_sets import DataGet, DataList, DataRemove, DataShow
from minibert.cli.generation import Evaluate, Generate
from minibert.cli.proofs import Prove
from minibert.cli.runs import Fill, Pretrain, Report, check_pretrain, preset_first
from minibert.cli.tasks import Finetune, Predict, check_finetune
from minibert.cli.terminal import UsageError, rank
from minibert.cli.tokens import Tokenize
from minibert.cli.vectors import Embed, Similar
from minibert.config import PRESETS, suggest
from minibert.signals import Stopped, answering, stop

HELP = """\
usage: minibert COMMAND ...

Train a BERT or a GPT from scratch on plain text, look inside, and use it.

commands:
  pretrain [PRESET]     train a BERT, a GPT, a Llama, an LSTM, … on plain text
  finetune TASK MODEL   teach a pretrained model to classify, tag or answer
  predict RUN TEXT...   tell what a fine-tuned model says of texts
  fill RUN TEXT         guess the words behind each [MASK] in TEXT
  generate RUN          let a causal model go on from a text (--prompt)
  evaluate RUN          measure a model on a text (--corpus) or labels (--data)
  embed MODEL TEXT...   turn texts into vectors
  similar MODEL FILE    find the lines of FILE that mean the same as --query
  tokenize MODEL TEXT   show the pieces of TEXT, their ids and places
  report RUN...         write a run's report; of several runs, compare them
  prove [BLOCK...]      hold every block by hand against three oracles
  learn                 write it yourself, one function after another
  data list             the data sets that minibert knows, and the cache
  data show NAME        what a data set is, where it is from, its licence
  data get NAME...      bring data sets to this machine and verify them
  data remove NAME...   remove data sets from the cache

examples:
  minibert pretrain                                  bert-tiny on sotu
  minibert pretrain bert-mini --corpus book.txt --max-minutes 30
  minibert fill runs/bert-tiny "The [MASK] of the union"
  minibert finetune classify minilm --data movie-reviews
  minibert report runs/bert-tiny

options:
  -h, --help            this text; `minibert COMMAND --help`: its flags
  --version             the version
  --debug               with any command: show where an error arose
"""


class Command(Protocol):
    """A parsed command line: its fields are the settings, a call runs it and may return the exit code."""

    def __call__(self) -> int | None: ...


COMMANDS: dict[str, Any] = {
    "pretrain": Pretrain,
    "finetune": tasks.COMMANDS,
    "predict": Predict,
    "fill": Fill,
    "generate": Generate,
    "evaluate": Evaluate,
    "embed": Embed,
    "similar": Similar,
    "tokenize": Tokenize,
    "report": Report,
    "prove": Prove,
    "learn": lessons.COMMANDS,
    "data": {"list": DataList, "show": DataShow, "get": DataGet, "remove": DataRemove},
}

HELPS = {"minibert": HELP, "learn": lessons.HELP, "finetune": tasks.HELP}
"""What --help prints behind a word that needs another."""

TRIALS = {"--dry-run", "--overfit-one-batch", "--find-lr"}
"""Flags with which a command keeps nothing, and has nothing to go on from."""

registry = ConstructorRegistry()


@registry.primitive_rule
def optional_shows_as_its_type(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """Show `X | None` as X: None is said by leaving the flag out."""
    kinds = [kind for kind in get_args(info.type) if kind is not NoneType]
    if NoneType not in get_args(info.type) or len(kinds) != 1:
        return None
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(kinds[0], info.markers))
    assert isinstance(spec, PrimitiveConstructorSpec)
    return replace(
        spec,
        is_instance=lambda value: value is None or spec.is_instance(value),
        str_from_instance=lambda value: ["unset"] if value is None else spec.str_from_instance(value),
    )


def parse(words: Sequence[str]) -> Command:
    """Return the command that the words of a command line (without "minibert") ask for.

    Raises UsageError for an unknown command, preset or empty corpus, with the nearest known word;
    SystemExit after help (0) or after a wrong flag (2), which `tyro` explains.
    """
    chosen, path, rest = COMMANDS, ["minibert"], list(words) or ["--help"]
    if rest in (["learn"], ["finetune"]):
        rest.append("--help")
    while isinstance(chosen, dict):
        word = rest.pop(0) if rest else ""
        if word in ("-h", "--help"):
            print(HELPS.get(path[-1], HELP), end="")
            raise SystemExit(0)
        if word not in chosen:
            raise UsageError(unknown_command(word, path, list(chosen)))
        path.append(word)
        chosen = chosen[word]
    if chosen is Pretrain:
        rest = preset_first(rest)
    command = tyro.cli(
        chosen,
        prog=" ".join(path),
        description=inspect.getdoc(chosen),
        args=rest,
        config=(FlagCreatePairsOff,),
        registry=registry,
    )
    if isinstance(command, Pretrain):
        check_pretrain(command)
    if isinstance(command, Finetune):
        check_finetune(command)
    if isinstance(command, Pretrain | Finetune):
        command = replace(command, line=shlex.join(["minibert", *words]))
    return command


def unknown_command(word: str, path: list[str], known: list[str]) -> str:
    """Say that `word` is no command, and which one may have been meant."""
    here = " ".join(path)
    if not word:
        return f"{here} needs one more word: {', '.join(known)}. See: minibert --help"
    if word in PRESETS and len(path) == 1:
        return f"{word!r} is a preset, not a command. Type: minibert pretrain {word}"
    known = ["--help", "--version", "--debug"] if word.startswith("-") else known
    return f"{here} has no {word!r}.{suggest(word, known)} It has: {', '.join(known)}"


def explain(error: Exception) -> str:
    """Return the one message for an error that ends a command."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, ValueError | OSError | FloatingPointError):
        return str(error)
    return f"{type(error).__name__}: {error} (add --debug to see where this arose)"


def how_to_resume(words: list[str]) -> str:
    """Say how to go on after a signal."""
    if words[:2] == ["data", "get"]:
        return f"stopped; to go on: minibert {shlex.join(words)}"
    if words[:1] not in (["pretrain"], ["finetune"]) or TRIALS & {word.replace("_", "-") for word in words}:
        return "stopped"
    resumes = any(word.split("=")[0] == "--resume" for word in words)
    again = shlex.join(words if resumes else [*words, "--resume", "auto"])
    return f"stopped; to go on: {program()} {again}"


def program() -> str:
    """Return the words that start the program, as it was started: alone, or as one process of several."""
    if rank() is None:
        return "minibert"
    return f"torchrun --nproc-per-node {os.environ['LOCAL_WORLD_SIZE']} -m minibert"


def speaker(name: str) -> str:
    """Return who speaks: a name, and of several processes which one."""
    return name if rank() is None else f"{name}, rank {rank()}"


def say(message: str) -> None:
    """Print a message of the program to stderr."""
    print(f"{speaker('minibert')}: {message}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 done, 1 failed (also an exercise that does not pass), 2 wrong usage, 130 stopped by Ctrl-C, 143 stopped
    by SIGTERM, 141 nobody reads the output any more.
    With --debug errors are raised, so that their traceback shows.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if words[:1] == ["--version"]:
        print(f"minibert {__version__}")
        return 0
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a piece that the terminal cannot show is no reason to stop
    logging.basicConfig(format=f"{speaker('%(name)s')}: %(message)s")
    logging.getLogger("minibert").setLevel(logging.WARNING if rank() else logging.INFO)
    try:
        with answering(stop, signal.SIGTERM):
            code = parse(words)() or 0
        sys.stdout.flush()
    except UsageError as error:
        say(str(error))
        return 2
    except BrokenPipeError:
        # What is left in the buffer would fail again when Python closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (KeyboardInterrupt, Stopped) as reason:
        if not rank():
            say(how_to_resume(words))
        return reason.exit_code if isinstance(reason, Stopped) else 128 + signal.SIGINT
    except Exception as error:
        if debug:
            raise
        say(explain(error))
        return 1
    return code
