"""The commands: parse the words, call a recipe, print what it gives."""

import inspect
import logging
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from io import TextIOWrapper
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Protocol, get_args

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, Suppress, arg
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from minibert import __version__
from minibert.config import PRESETS, PretrainConfig, suggest
from minibert.sources import card, cards, get

HELP = """\
usage: minibert COMMAND ...

Train a BERT from scratch on plain text, look inside, and use it.

commands:
  pretrain [PRESET]     train a BERT: masked words and next sentences
  fill RUN TEXT         guess the words behind each [MASK] in TEXT
  report RUN            draw a run's curves and write its report
  data list             the data sets that minibert knows
  data show NAME        what a data set is, where it is from, its licence
  data get NAME         find a data set's files and verify them

examples:
  minibert pretrain                                  bert-tiny on sotu
  minibert pretrain bert-mini --corpus book.txt --max-minutes 30
  minibert fill runs/bert-tiny "The [MASK] of the union"
  minibert report runs/bert-tiny

options:
  -h, --help            this text; `minibert COMMAND --help`: its flags
  --version             the version
  --debug               with any command: show where an error arose
"""

PRESET_HELP = (
    f"Size of the model: {', '.join(PRESETS)}. It may stand before or after the flags, also after --corpus; "
    "a text file that has the name of a preset is written ./NAME."
)

Words = list[str]


class UsageError(Exception):
    """The command line is wrong: exit code 2."""


class Command(Protocol):
    """A parsed command line: its fields are the settings, a call runs it."""

    def __call__(self) -> None: ...


@dataclass(frozen=True)
class Pretrain(PretrainConfig):
    """Train a BERT on plain text, with masked words and next sentences.

    With nothing given it trains bert-tiny on sotu into runs/bert-tiny.

    examples:
      minibert pretrain
      minibert pretrain bert-mini --corpus sotu --max-minutes 30
      minibert pretrain --corpus a.txt b.txt --out runs/mine --steps 2000
      minibert pretrain --out runs/mine --resume auto
      minibert pretrain --from runs/bert-tiny --corpus more.txt --out runs/more
    """

    preset: Annotated[Positional[str], arg(metavar="[PRESET]", help=PRESET_HELP)] = "bert-tiny"
    from_folder: Annotated[Path | None, arg(name="from", metavar="FOLDER")] = PretrainConfig.from_folder
    line: Suppress[str] = "minibert pretrain"
    """The command line as it was typed, for the run folder."""

    def __call__(self) -> None:
        from minibert.recipes.pretrain import pretrain

        settings = {field.name: getattr(self, field.name) for field in fields(PretrainConfig)}
        run = pretrain(self.preset, PretrainConfig(**settings), command=self.line)
        print(f'\nThe run is in {run}. Next:\n  minibert fill {run} "The [MASK] of the union"')
        print(f"  minibert report {run}")


@dataclass(frozen=True)
class Fill:
    """Guess the words behind each [MASK] of a text, with their probabilities.

    examples:
      minibert fill runs/bert-tiny "The [MASK] of the union"
      minibert fill runs/bert-tiny "We [MASK] the laws of the [MASK]." --top 3
    """

    run: Annotated[
        Positional[Path], arg(metavar="RUN", help="A run folder, as `minibert pretrain` writes it.")
    ]
    text: Annotated[Positional[str], arg(metavar="TEXT", help="A text with [MASK] in it, in quotes.")]
    top: int = 5
    """Guesses to show for each [MASK]."""

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"--top must be at least 1, got {self.top}")
        if "[MASK]" not in self.text:
            raise ValueError(f"the text has no [MASK] to fill: {self.text!r}")

    def __call__(self) -> None:
        from minibert.recipes.fill import fill

        blanks = fill(self.run, self.text, top=self.top)
        print(textwrap.fill(self.text, columns()))
        for number, guesses in enumerate(blanks, start=1):
            print(f"\n[MASK] {number}" if len(blanks) > 1 else "")
            print("\n".join(bars(guesses)))


@dataclass(frozen=True)
class Report:
    """Write a run's report (report.md), its pictures and its model card (README.md).

    examples:
      minibert report runs/bert-tiny
      minibert report runs/bert-tiny --beside runs/other
    """

    run: Annotated[Positional[Path], arg(metavar="RUN", help="A run folder, also of a run still going on.")]
    beside: tuple[Path, ...] = ()
    """Other run folders, to stand in the table of scores too."""

    def __call__(self) -> None:
        from minibert.report import write_model_card, write_report

        print(f"report: {write_report(self.run, self.beside)}")
        print(f"model card: {write_model_card(self.run)}")


@dataclass(frozen=True)
class DataList:
    """List the data sets that minibert knows."""

    def __call__(self) -> None:
        for each in cards().values():
            print(entry(each.name, f"{each.title} ({each.language}); {each.size}; licence: {each.license}"))


@dataclass(frozen=True)
class DataShow:
    """Tell what a data set is, where it comes from, and under which licence.

    example:
      minibert data show sotu
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help="A name from `minibert data list`.")]

    def __call__(self) -> None:
        shown = card(self.name)
        for field in fields(shown):
            value = getattr(shown, field.name)
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
            print(entry(field.name.replace("_", " "), text))


@dataclass(frozen=True)
class DataGet:
    """Find a data set's files on this machine, verify them, and tell where they lie.

    example:
      minibert data get sotu
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help="A name from `minibert data list`.")]

    def __call__(self) -> None:
        files = get(self.name).files
        folder = Path(os.path.commonpath([file.parent for file in files]))
        print(f"{self.name}: {len(files)} files in {folder}, sha256 verified")


COMMANDS: dict[str, Any] = {
    "pretrain": Pretrain,
    "fill": Fill,
    "report": Report,
    "data": {"list": DataList, "show": DataShow, "get": DataGet},
}

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
    while isinstance(chosen, dict):
        word = rest.pop(0) if rest else ""
        if word in ("-h", "--help"):
            print(HELP, end="")
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
        command = replace(command, line=shlex.join(["minibert", *words]))
    return command


def unknown_command(word: str, path: Words, known: Words) -> str:
    """Say that `word` is no command, and which one may have been meant."""
    here = " ".join(path)
    if not word:
        return f"{here} needs one more word: {', '.join(known)}. See: minibert --help"
    if word in PRESETS and len(path) == 1:
        return f"{word!r} is a preset, not a command. Type: minibert pretrain {word}"
    known = ["--help", "--version", "--debug"] if word.startswith("-") else known
    return f"{here} has no {word!r}.{suggest(word, known)} It has: {', '.join(known)}"


def preset_first(words: Words) -> Words:
    """Move the preset to the front, so that `--corpus a b PRESET` cannot swallow it.

    A word is the preset when it is one's name, no file has that name, and it is not the value of a flag
    that takes one value.
    """
    single = {
        "--" + ("from" if field.name == "from_folder" else field.name.replace("_", "-"))
        for field in fields(PretrainConfig)
        if field.name != "corpus" and field.type is not bool
    }
    before = ["", *words]
    places = [
        i
        for i, word in enumerate(words)
        if word in PRESETS and before[i].replace("_", "-") not in single and not Path(word).is_file()
    ]
    return [words[i] for i in places] + [word for i, word in enumerate(words) if i not in places]


def check_pretrain(command: Pretrain) -> None:
    """Refuse an unknown preset, an empty corpus, and a misspelt preset at the end of --corpus."""
    if command.preset not in PRESETS:
        hint = suggest(command.preset, list(PRESETS))
        if Path(command.preset).is_file():
            hint = f" To train on that file: minibert pretrain --corpus {command.preset}"
        raise UsageError(f"no preset {command.preset!r}.{hint} Presets: {', '.join(PRESETS)}")
    if not command.corpus:
        raise UsageError("--corpus needs a data set (see `minibert data list`) or a text file")
    last = command.corpus[-1]
    hint = suggest(last, list(PRESETS))
    if hint and last not in cards() and not Path(last).exists():
        raise UsageError(f"{last!r} is no data set, no file and no preset.{hint}")


def columns() -> int:
    """Return the width to print at: the terminal's, 80 without one, at most 100."""
    return min(100, shutil.get_terminal_size().columns)


def bars(guesses: Sequence[tuple[str, float]]) -> list[str]:
    """Return a line for each guess: piece, probability, bar."""
    widest = max(len(piece) for piece, _ in guesses)
    room = columns() - widest - 13
    return [f"  {piece:<{widest}}  {share:6.1%}  {'#' * round(share * room)}" for piece, share in guesses]


def entry(name: str, text: str) -> str:
    """Return "name  text" with the text wrapped beside its name."""
    indent = " " * 14
    return textwrap.fill(
        text, columns(), initial_indent=f"{name:<12}  ", subsequent_indent=indent, break_on_hyphens=False
    )


def explain(error: Exception) -> str:
    """Return the one message for an error that ends a command."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, ValueError | OSError):
        return str(error)
    return f"{type(error).__name__}: {error} (add --debug to see where this arose)"


def how_to_resume(words: Words) -> str:
    """Say how to go on after Ctrl-C."""
    if words[:1] != ["pretrain"]:
        return "stopped"
    again = words if "--resume" in words else [*words, "--resume", "auto"]
    return f"stopped; to go on: minibert {shlex.join(again)}"


def say(message: str) -> None:
    """Print a message of the program to stderr."""
    print(f"minibert: {message}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C, 141 nobody reads the output any more.
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
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("minibert").setLevel(logging.INFO)
    try:
        parse(words)()
        sys.stdout.flush()
    except UsageError as error:
        say(str(error))
        return 2
    except BrokenPipeError:
        # What is left in the buffer would fail again when Python closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        say(how_to_resume(words))
        return 130
    except Exception as error:
        if debug:
            raise
        say(explain(error))
        return 1
    return 0
