"""The model card of a fine-tuning is one that Hugging Face reads, with task, labels, data, scores and use."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import cells
from tuned_runs import HEADS, class_run, task_record, write_task

from minibert.report import write_model_card

CARD = {"name": "movie-reviews", "language": "en", "title": "Reviews of films", "license": "unknown"}


def card(folder: Path) -> tuple[str, dict[str, Any]]:
    """The text of a run's model card, and what the hub's library reads at its head."""
    hub = pytest.importorskip("huggingface_hub")
    text = write_model_card(folder).read_text(encoding="utf-8")
    return text, hub.ModelCard(text).data.to_dict()


def test_the_card_of_a_classifier_is_read_by_the_hub_library(tmp_path: Path) -> None:
    record = task_record()
    record["data"] |= {"cards": [CARD], "data": ["movie-reviews"]}
    text, data = card(class_run(tmp_path / "run", record))
    assert data["library_name"] == "transformers" and data["pipeline_tag"] == "text-classification"
    assert data["language"] == ["en"] and data["datasets"] == ["movie-reviews"]
    assert data["metrics"] == ["accuracy", "f1"] and "bert" in data["tags"]
    assert "**The model beats both baselines.**" in text
    assert cells(text, "labels (2)")[1] == "neg, pos"
    assert cells(text, "**model**, test")[1:] == ["0.410", "84.1 %", "84.1 %"]
    for words in (
        "This is a BERT after Devlin et al. 2019 with a head, fine-tuned to tell classes apart with minibert "
        "0.1.0 on movie-reviews (Reviews of films).",
        "Licence of the texts: movie-reviews: unknown.",
        "\n    minibert predict . ",
        'pipeline("text-classification", model=".")',
        "educational model",
    ):
        assert words in text


@pytest.mark.parametrize("head", HEADS)
def test_every_task_has_a_card(tmp_path: Path, head: str) -> None:
    text, data = card(write_task(tmp_path / "run", task_record(head, body_kind="Gpt")))
    tags = {"tags": "token-classification", "spans": "question-answering"}
    assert data["pipeline_tag"] == tags.get(head, "text-classification")
    assert data["tags"][0] == "gpt2" and "a GPT-2 after Radford et al. 2019 with a head" in text
    assert "language" not in data and "datasets" not in data


def test_the_card_gives_no_folders_away(tmp_path: Path) -> None:
    record = task_record(body="/home/someone/runs/tiny")
    record["data"] |= {"data": ["/home/someone/letters.csv"]}
    text, _ = card(class_run(tmp_path / "run", record))
    assert "letters.csv" in text and "tiny" in text and "/home/someone" not in text
    assert str(tmp_path) not in text
