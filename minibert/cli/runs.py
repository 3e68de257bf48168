"""`minibert pretrain`, `minibert fill` and `minibert report`: from text to a run, and what a run tells."""

import shlex
import textwrap
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, Suppress, arg

from minibert.cli.terminal import UsageError, bars, columns
from minibert.config import PRESETS, PretrainConfig, suggest
from minibert.sources import cards

PRESET_HELP = (
    f"Size of the model: {', '.join(PRESETS)}. It may stand before or after the flags, also after --corpus; "
    "a text file that has the name of a preset is written ./NAME."
)


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
        from minibert.report.run_files import read_run

        settings = {field.name: getattr(self, field.name) for field in fields(PretrainConfig)}
        run = pretrain(self.preset, PretrainConfig(**settings), command=self.line)
        print(
            f"\nThe run is in {run}. Next:\n  minibert fill {run} {shlex.quote(read_run(run).text_to_fill)}"
        )
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

    With more runs, the report of the first compares all of them, in one picture (compare.png) and in tables.

    examples:
      minibert report runs/bert-tiny
      minibert report runs/bert-tiny runs/other runs/third
    """

    run: Annotated[Positional[Path], arg(metavar="RUN", help="A run folder, also of a run still going on.")]
    others: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="[RUN ...]", help="Other run folders, to compare it with.")
    ] = ()

    def __call__(self) -> None:
        from minibert.report import write_model_card, write_report

        print(f"report: {write_report(self.run, self.others)}")
        print(f"model card: {write_model_card(self.run)}")


def preset_first(words: list[str]) -> list[str]:
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
