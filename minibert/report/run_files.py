"""The files of a pretraining's run folder -> what the report says of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from minibert.report.kinds import Kind, Pieces, Task, kind_of, pieces_of, task_of
from minibert.report.markdown import is_number
from minibert.report.run_folder import Record, RunFolder, read_folder


@dataclass(frozen=True)
class RunFiles(RunFolder):
    """What the run folder of a pretraining says about it."""

    LOSS: ClassVar[str] = "word_loss"

    @property
    def newest(self) -> Record:
        """The evaluation, else the last look at held-out text while it trained; empty where there is none."""
        return self.evaluation or (self.held_out[-1] if self.held_out else {})

    @property
    def looks(self) -> list[Record]:
        """The looks at held-out text by step; the evaluation at the end stands for one at its step."""
        end = self.evaluation.get("step")
        if not is_number(end):
            return self.held_out
        others = [look for look in self.held_out if look["step"] != end]
        return sorted([*others, self.evaluation], key=lambda look: look["step"])

    @property
    def kind(self) -> Kind:
        """The kind of model."""
        return kind_of(self.get("preset"))

    @property
    def task(self) -> Task:
        """What the model learned by."""
        return task_of(self.get("config", "objective"))

    @property
    def pieces(self) -> Pieces:
        """What the text is cut into."""
        return pieces_of(self.get("config", "tokenizer"), self.origin)

    @property
    def pairs(self) -> bool:
        """Whether next sentences were an objective."""
        return self.task.pairs

    @property
    def causal(self) -> bool:
        """Whether the objective was the next token."""
        return self.task.causal

    @property
    def baselines(self) -> dict[str, Record]:
        """What the baselines reach: name -> {"loss": nats, "accuracy": share}."""
        return {name: values or {} for name, values in (self.evaluation.get("baselines") or {}).items()}

    @property
    def text_to_fill(self) -> str:
        """A text with a blank: from the run's own held-out text, where it was evaluated on any."""
        blanks = self.evaluation.get("blanks") or []
        return blanks[0]["text"] if blanks else "The [MASK] of the union"

    @property
    def prompt(self) -> str:
        """A text to go on from: from the run's own held-out text, where it was evaluated on any."""
        samples = self.evaluation.get("samples") or []
        return " ".join(samples[0]["prompt"].split()) if samples else "The state of the union"

    @property
    def corpus(self) -> str:
        """The names of the texts, without the folders that they lie in."""
        return (
            " + ".join(Path(word).name for word in self.get("data", "corpus") or []) or "an unrecorded text"
        )

    @property
    def origin(self) -> str:
        """The name of the folder whose weights the run went on from; empty when it started from scratch."""
        return Path(self.get("config", "from_folder") or "").name

    @property
    def name(self) -> str:
        """Preset and corpus: "bert-tiny on sotu"."""
        return f"{self.get('preset') or self.kind.called} on {self.corpus}"

    @property
    def loss_of(self) -> str:
        """What the loss of the notes is on."""
        return f" on {self.task.what}"

    @property
    def learns(self) -> str:
        """What the run learns, beside those of a fine-tuning."""
        return "to guess words"


def read_run(folder: str | Path) -> RunFiles:
    """Read the folder of a pretraining. Raises ValueError as `minibert.report.run_folder.read_record`."""
    return read_folder(folder, RunFiles)
