"""How a report speaks of a run: of its kind of model, of what it learned by, and of its tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minibert import config
from minibert.report.markdown import is_number, nats, number, percent

# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class Kind:
    """A kind of model."""

    called: str
    """With its article: "a BERT"."""
    source: str
    """Who described it."""
    tag: str
    """What Hugging Face finds it by."""
    transformers: str = ""
    """The class of `transformers` that opens its folder; empty for the recurrent ones, which have none."""

    @property
    def recurrent(self) -> bool:
        """Whether it reads texts of any length, with a memory in place of positions."""
        return not self.transformers

    @property
    def library(self) -> str:
        """The library that opens its folder."""
        return "minibert" if self.recurrent else "transformers"


MODELS: dict[type, Kind] = {
    config.BertConfig: Kind("a BERT", "Devlin et al. 2019", "bert", "BertForPreTraining"),
    config.ModernBertConfig: Kind(
        "a ModernBERT", "Warner et al. 2024", "modernbert", "ModernBertForMaskedLM"
    ),
    config.GptConfig: Kind("a GPT-2", "Radford et al. 2019", "gpt2", "AutoModelForCausalLM"),
    config.LlamaConfig: Kind("a Llama", "Touvron et al. 2023", "llama", "AutoModelForCausalLM"),
    config.QwenConfig: Kind("a Qwen", "Yang et al. 2025", "qwen3", "AutoModelForCausalLM"),
    config.RnnConfig: Kind("a recurrent network (RNN)", "Elman 1990 and Mikolov et al. 2010", "rnn"),
    config.LstmConfig: Kind("a recurrent network (LSTM)", "Hochreiter and Schmidhuber 1997", "lstm"),
}
"""The kinds of models, by their configuration."""


def kind_of(preset: str | None) -> Kind:
    """Return the kind of model that a preset is one of; BERT, the first there was, where none is known."""
    return MODELS[config.KINDS.get(preset or "", config.BertConfig)]


# ---------------------------------------------------------------- what is measured


@dataclass(frozen=True)
class Measure:
    """A column of a table: something that is measured on held-out text."""

    title: str
    """Its header; {what} stands for what is predicted."""
    of: Callable[[dict[str, Any]], str]
    """The cell for what was found, such as evaluation.json."""


def perplexity(loss: Any) -> str:
    """Return exp(loss), with two decimals."""
    with np.errstate(over="ignore"):
        return number(float(np.exp(loss)) if is_number(loss) else None, "{:,.2f}")


LOSS = Measure("{what}: loss (nats)", lambda found: nats(found.get("word_loss")))
PERPLEXITY = Measure("perplexity", lambda found: perplexity(found.get("word_loss")))
ACCURACY = Measure("{what}: accuracy", lambda found: percent(found.get("word_accuracy")))
BITS_PER_BYTE = Measure("bits per byte", lambda found: number(found.get("bits_per_byte"), "{:.3f}"))
PAIR_LOSS = Measure("next sentences: loss (nats)", lambda found: nats(found.get("pair_loss")))
PAIR_ACCURACY = Measure("next sentences: accuracy", lambda found: percent(found.get("pair_accuracy")))


# ---------------------------------------------------------------- objectives

MASKED_WORDS = (
    "**Masked words.** In held-out sequences of {seq_len} tokens, {mask_rate} of the tokens ({pieces}) are "
    "chosen, with seed {seed}; of these 80 % are replaced by `[MASK]`, 10 % by a random token, 10 % stay. "
    "The model predicts each of them: {predictions} predictions."
)
NEXT_TOKENS = (
    "**Next tokens.** Held-out text is cut into blocks of {seq_len} tokens ({pieces}), at places that seed "
    "{seed} chooses. After each token of a block the model predicts the next one, from the tokens of the "
    "block up to there: {predictions} predictions. The end of a document is a token, too."
)
LOSS_DEFINED = (
    "**Loss**: the mean of −ln p over the predictions, where p is the probability that the right answer was "
    "given; in nats; lower is better."
)
PERPLEXITY_DEFINED = (
    "**Perplexity**: e to the power of the loss. A model that chose blindly among so many tokens would have "
    "the same loss."
)
ACCURACY_DEFINED = "**Accuracy**: the share of predictions whose most probable answer is the right one."
BITS_DEFINED = (
    "**Bits per byte**: loss / ln 2 × tokens / bytes of the held-out text (UTF-8). It does not depend on how "
    "a text is cut into tokens, so models with different tokenizers compare."
)
BASELINES_DEFINED = (
    "**Unigram and bigram baseline**: counted on the same training text and asked for the same tokens: "
    "how common a token is; how common it is after the "
)
MASKED_BASELINES = BASELINES_DEFINED + "true token before it, also where that is masked."
NEXT_SENTENCES = (
    "**Next sentences.** {pairs} pairs of segments: in half of them the second follows the first, in half it "
    "comes from another held-out document. Chance: 50 %, ln 2 nats."
)
NO_NEXT_SENTENCES = "The objective was masked words alone, so there are no next-sentence numbers."


@dataclass(frozen=True)
class Task:
    """An objective of pretraining: what a model is asked, and what it is good for then."""

    what: str
    """What it predicts."""
    objective: str
    """The objective in words; {mask_rate} stands for the share of the tokens masked."""
    measures: tuple[Measure, ...]
    """What is measured of the model."""
    definitions: tuple[str, ...]
    """What the measures mean; names in braces stand for values of evaluation.json."""
    pipeline: str
    """The pipeline of `transformers` that uses such a model."""
    call: tuple[str, str]
    """How a program calls the pipeline, and what it gives it besides the text."""
    use: tuple[str, str]
    """What the command line can do with the model, and its command on a {folder} and a {text}."""
    limit: str
    """What it does in place of knowing."""
    tags: tuple[str, ...]
    """What Hugging Face finds such models by."""
    metrics: tuple[str, ...] = ("accuracy",)
    """What is measured, by the names of Hugging Face."""
    amounts: tuple[str, ...] = ("documents", "sentences", "tokens")
    """What its text is counted in."""
    held_out: str = "Documents held out"
    """What goes before the names of the documents that held-out text is from."""
    counted: str = "padding and special tokens"
    """What counts as tokens of training text besides the text."""
    pairs: bool = False
    """Whether next sentences are predicted, too."""
    causal: bool = False
    """Whether a token is predicted from those before it alone."""


def _masked(objective: str, measures: tuple[Measure, ...], last: str, tags: tuple[str, ...]) -> Task:
    """Return an objective of masked words: alone, or with something more that is measured and defined."""
    return Task(
        what="masked words",
        objective=f"{objective}, as in Devlin et al. 2019; {{mask_rate}} of the tokens masked",
        measures=(LOSS, ACCURACY, *measures),
        definitions=(MASKED_WORDS, LOSS_DEFINED, ACCURACY_DEFINED, MASKED_BASELINES, last),
        pipeline="fill-mask",
        call=("fill", ""),
        use=("Fill a blank", "minibert fill {folder} {text}"),
        limit="it fills a blank with what is likely there, not with what is true",
        tags=("masked-language-modeling", *tags),
        pairs=PAIR_LOSS in measures,
    )


TASKS: dict[str, Task] = {
    "mlm+nsp": _masked(
        "masked words and next sentences",
        (PAIR_LOSS, PAIR_ACCURACY),
        NEXT_SENTENCES,
        ("next-sentence-prediction",),
    ),
    "mlm": _masked("masked words alone", (), NO_NEXT_SENTENCES, ()),
    "clm": Task(
        what="next tokens",
        objective="the next token, from those before it",
        measures=(LOSS, PERPLEXITY, ACCURACY, BITS_PER_BYTE),
        definitions=(
            NEXT_TOKENS,
            LOSS_DEFINED,
            PERPLEXITY_DEFINED,
            ACCURACY_DEFINED,
            BITS_DEFINED,
            BASELINES_DEFINED + "token before it.",
        ),
        pipeline="text-generation",
        call=("write", ", max_new_tokens=50"),
        use=("Let it write", "minibert generate {folder} --prompt {text}"),
        limit="it goes on with what is likely to follow, not with what is true",
        tags=("causal-language-modeling",),
        metrics=("accuracy", "perplexity"),
        amounts=("documents", "tokens"),  # running text is not cut into sentences
        held_out="Held out, of a document that is alone only the last tenth",
        counted="the ends of documents",
        causal=True,
    ),
}
"""The objectives, by their names in run.json."""


def task_of(objective: str | None) -> Task:
    """Return the objective of a name. The first runs did not record it, and learned by masked words and next
    sentences."""
    return TASKS.get(objective or "mlm+nsp", TASKS["mlm"])


# ---------------------------------------------------------------- tokens


@dataclass(frozen=True)
class Pieces:
    """What a text is cut into."""

    called: str
    """What the tokens are."""
    origin: str
    """A sentence on where they come from."""


PIECES: dict[str, Pieces] = {
    "wordpiece": Pieces("word pieces", "The WordPiece vocabulary was made from the training text alone."),
    "bpe": Pieces("byte pairs", "The byte-level BPE was learned from the training text alone."),
    "char": Pieces("characters", "The tokens are the characters of the training text."),
}
"""The tokenizers that are learned, by their names in run.json."""


def pieces_of(tokenizer: str | None, origin: str) -> Pieces:
    """Return what the tokens of a run are: those of the folder whose weights it went on from, or its own.

    The first runs did not record the tokenizer, and learned word pieces.
    """
    if origin:
        return Pieces(f"those of {origin}", f"The vocabulary is that of {origin}.")
    return PIECES[tokenizer or "wordpiece"]
