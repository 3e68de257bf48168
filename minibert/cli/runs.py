"""`minibert pretrain`, `minibert fill` and `minibert report`: from text to a run, and what a run tells."""

import shlex
import textwrap
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, Suppress, arg

from minibert.cli.terminal import UsageError, bars, columns, entry, rank
from minibert.cli.try_flags import flags_of, require_one_trial, trials_of
from minibert.config import PRESETS, PretrainConfig, suggest
from minibert.sources import cards

PRESET_HELP = (
    f"Size of the model: {', '.join(PRESETS)}. It may stand before or after the flags, also after --corpus; "
    "a text file that has the name of a preset is written ./NAME."
)


@dataclass(frozen=True)
class Pretrain(PretrainConfig):
    """Train a model on plain text: a BERT, a ModernBERT, a GPT, a Llama, an LSTM.

    With nothing given it trains bert-tiny on sotu into runs/bert-tiny.

    examples:
      minibert pretrain
      minibert pretrain bert-mini --corpus sotu --max-minutes 30
      minibert pretrain gpt-tiny --corpus sotu
      minibert pretrain llama-tiny --corpus play.txt --tokenizer char
      minibert pretrain --corpus a.txt b.txt --out runs/mine --steps 2000
      minibert pretrain --out runs/mine --resume auto
      minibert pretrain --from runs/bert-tiny --corpus more.txt --out runs/more
      minibert pretrain bert-base --precision bf16 --max-minutes 600 --dry-run
    """

    preset: Annotated[Positional[str], arg(metavar="[PRESET]", help=PRESET_HELP)] = "bert-tiny"
    from_folder: Annotated[Path | None, arg(name="from", metavar="FOLDER")] = PretrainConfig.from_folder
    dry_run: bool = False
    """Only try: take the first steps, read the checkpoint again, and tell what the run would take."""
    overfit_one_batch: bool = False
    """Only try: learn one batch by heart, in a few hundred --steps; it fails if anything is broken."""
    find_lr: bool = False
    """Only try: train a little at ever higher learning rates, draw the loss over them, and suggest some."""
    line: Suppress[str] = "minibert pretrain"
    """The command line as it was typed, for the run folder."""

    def __call__(self) -> int | None:
        settings = {field.name: getattr(self, field.name) for field in fields(PretrainConfig)}
        act = {"dry_run": try_dry, "overfit_one_batch": try_to_overfit, "find_lr": try_rates}
        chosen = next((act[name] for name in self.trials), begin)
        return chosen(self.preset, PretrainConfig(**settings), self.line)

    @property
    def trials(self) -> list[str]:
        """The ways to try a run that are asked for, by the names of their fields."""
        return trials_of(self)


def begin(preset: str, config: PretrainConfig, line: str) -> None:
    """Train, and say where the run is."""
    from minibert.recipes.pretrain import pretrain
    from minibert.report.run_files import read_run

    run = pretrain(preset, config, command=line)
    if rank():  # the first of the processes says it
        return
    files = read_run(run)
    use = (
        f"generate {run} --prompt {shlex.quote(files.prompt)}"
        if files.causal
        else f"fill {run} {shlex.quote(files.text_to_fill)}"
    )
    print(f"\nThe run is in {run}. Next:\n  minibert {use}\n  minibert report {run}")


def try_dry(preset: str, config: PretrainConfig, line: str) -> None:
    """Begin the run where nobody keeps it, and print what it would take."""
    from minibert.recipes.dry_run import dry_run, table

    for name, text in table(dry_run(preset, config, line)):
        print(entry(name, text))


def try_to_overfit(preset: str, config: PretrainConfig, line: str) -> int:
    """Learn one batch by heart, say how it went, and return the exit code."""
    from minibert.recipes.overfit import overfit_one_batch, verdict

    result = overfit_one_batch(preset, config, line)
    print(verdict(result))
    return 0 if result.works else 1


def try_rates(preset: str, config: PretrainConfig, line: str) -> int:
    """Train at ever higher rates, print what came of it, and return the exit code."""
    from minibert.recipes.find_lr import find_lr, table

    test = find_lr(preset, config, line)
    print("\n".join(table(test)))
    return 0 if test.learned else 1


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
        Positional[tuple[Path, ...]],
        arg(metavar="[RUN ...]", help="Other run folders, to compare it with.", help_behavior_hint=""),
    ] = ()

    def __call__(self) -> None:
        from minibert.report import holds_several, write_model_card, write_report

        print(f"report: {write_report(self.run, self.others)}")
        if not holds_several(self.run):
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
    """Refuse an unknown or misspelt preset, trials that do not go together, and an empty corpus."""
    if command.preset not in PRESETS:
        hint = suggest(command.preset, list(PRESETS))
        if Path(command.preset).is_file():
            hint = f" To train on that file: minibert pretrain --corpus {command.preset}"
        raise UsageError(f"no preset {command.preset!r}.{hint} Presets: {', '.join(PRESETS)}")
    require_one_trial(flags_of(command.trials), command.resume is not None)
    if not command.corpus:
        raise UsageError("--corpus needs a data set (see `minibert data list`) or a text file")
    last = command.corpus[-1]
    hint = suggest(last, list(PRESETS))
    if hint and last not in cards() and not Path(last).exists():
        raise UsageError(f"{last!r} is no data set, no file and no preset.{hint}")
