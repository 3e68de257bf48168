"""The model card is one that Hugging Face reads, and gives no folder away."""

from pathlib import Path

import pytest
from run_folders import evaluation_record, metrics_rows, run_record, whole_run, write_run

from minibert.report import write_model_card


def test_the_model_card_is_read_by_the_hub_library(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    text = write_model_card(whole_run(tmp_path / "run")).read_text(encoding="utf-8")
    data = hub.ModelCard(text).data.to_dict()
    assert data["language"] == ["en"] and data["datasets"] == ["sotu"] and data["metrics"] == ["accuracy"]
    assert data["library_name"] == "transformers" and data["pipeline_tag"] == "fill-mask"
    assert {"bert", "next-sentence-prediction"} <= set(data["tags"])
    for words in (
        "| 4.612 | 28.2 % |",
        "educational model",
        "64 tokens",
        "up to 512",
        "Messages to Congress",
    ):
        assert words in text


def test_the_model_card_of_plain_files_names_no_language_and_no_folders(tmp_path: Path) -> None:
    run = run_record()
    run["data"] |= {"corpus": ["/home/someone/private/letters.txt"], "cards": []}
    text = write_model_card(
        write_run(tmp_path / "run", run, metrics_rows(40), evaluation_record())
    ).read_text()
    front = text.split("---")[1]
    assert "language:" not in front and "datasets:" not in front
    assert "letters.txt" in text and "/home/someone" not in text
