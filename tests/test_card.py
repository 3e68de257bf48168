"""The model card is one that Hugging Face reads, and gives no folder away."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import (
    causal_record,
    causal_run,
    evaluation_record,
    metrics_rows,
    recurrent_record,
    run_record,
    whole_run,
    write_run,
)

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


def card(folder: Path) -> tuple[str, dict[str, Any]]:
    """The text of a run's model card, and what the hub's library reads at its head."""
    hub = pytest.importorskip("huggingface_hub")
    text = write_model_card(folder).read_text(encoding="utf-8")
    return text, hub.ModelCard(text).data.to_dict()


def test_the_card_of_a_causal_model_offers_text_generation(tmp_path: Path) -> None:
    text, data = card(causal_run(tmp_path / "run"))
    assert data["library_name"] == "transformers" and data["pipeline_tag"] == "text-generation"
    assert data["tags"] == ["gpt2", "minibert", "causal-language-modeling", "education"]
    assert data["metrics"] == ["accuracy", "perplexity"]
    for words in (
        "This is a GPT-2 after Radford et al. 2019, trained with minibert 0.1.0 on sotu",
        "Objective: the next token, from those before it. The byte-level BPE was learned from the training",
        "it goes on with what is likely to follow, not with what is true",
        "| 4.000 | 54.60 | 28.2 % | 1.443 |",
        "It accepts up to 1,024, but has never seen the later positions",
        'pipeline("text-generation", model=".")',
    ):
        assert words in text
    for word in ("mask", "blank", "WordPiece", "BERT ", "sentence"):
        assert word not in text


def test_the_card_of_a_recurrent_model_names_our_library_and_no_pipeline(tmp_path: Path) -> None:
    text, data = card(causal_run(tmp_path / "run", recurrent_record()))
    assert data["library_name"] == "minibert" and "pipeline_tag" not in data
    assert data["tags"][0] == "lstm"
    assert "This is a recurrent network (LSTM) after Hochreiter and Schmidhuber 1997, trained" in text
    assert "The tokens are the characters of the training text." in text
    assert "It reads texts of any length, but has never had to remember more than that" in text
    assert "from minibert import from_pretrained" in text and "transformers" not in text


def test_the_card_of_a_modernbert_fills_masks_and_knows_no_pairs(tmp_path: Path) -> None:
    record = run_record(preset="modernbert-tiny")
    record["config"] |= {"objective": "mlm", "mask_rate": 0.3, "tokenizer": "wordpiece"}
    text, data = card(write_run(tmp_path / "run", record, metrics_rows(pairs=False), evaluation_record()))
    assert data["pipeline_tag"] == "fill-mask"
    assert data["tags"] == ["modernbert", "minibert", "masked-language-modeling", "education"]
    assert "a ModernBERT after Warner et al. 2024" in text and "30.0 % of the tokens masked." in text
    assert "ModernBertForMaskedLM" in text and "BertForPreTraining" not in text


def test_a_model_that_was_trained_at_its_full_length_accepts_no_longer_texts(tmp_path: Path) -> None:
    record = causal_record()
    record["config"] |= {"seq_len": 1024}
    text = write_model_card(causal_run(tmp_path / "run", record)).read_text()
    assert "trained on sequences of 1,024 tokens, and accepts no longer ones." in text
    assert "never seen" not in text
