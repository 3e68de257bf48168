"""Small labelled texts of all tasks, a small pretrained BERT, and fine-tunings that take a second."""

import json
from pathlib import Path
from typing import Any

import torch
from small_runs import small_tokenizer

from minibert.config import BertConfig, FinetuneConfig, GptConfig
from minibert.hub import save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.model.gpt import Gpt
from minibert.text.byte_tokenizer import ByteTokenizer

WHO, DOES, WHAT = ("baker", "fisher", "queen"), ("sells", "hides", "paints"), ("bread", "boats", "letters")


def sentences() -> list[tuple[str, str, str]]:
    return [(who, does, what) for who in WHO for does in DOES for what in WHAT]


def bert_folder(folder: Path) -> Path:
    tokenizer = small_tokenizer()
    shape = BertConfig(len(tokenizer), 2, 16, 2, 32, max_positions=48, init_std=0.2)
    model = BertForPretraining(shape, torch.Generator().manual_seed(0))
    save_pretrained(model, tokenizer, folder / "bert")
    return folder / "bert"


def gpt_folder(folder: Path) -> Path:
    tokenizer = ByteTokenizer.train([f"The {' '.join(each)}." for each in sentences()], 300)
    shape = GptConfig(len(tokenizer), 2, 16, 2, 32, max_positions=48, init_std=0.2)
    save_pretrained(Gpt(shape, torch.Generator().manual_seed(0)), tokenizer, folder / "gpt")
    return folder / "gpt"


def to_classify(folder: Path) -> Path:
    """A text is of the queen, or it is not."""
    file = folder / "texts.jsonl"
    rows = [
        {"text": f"The {a} {b} {c}.", "label": "royal" if a == "queen" else "no"} for a, b, c in sentences()
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def to_tag(folder: Path) -> Path:
    """Who does something is a person, and what it is done to is a thing."""
    file = folder / "words.conll"
    lines = [f"The O\n{a} B-PER\n{b} O\n{c} B-THING\n. O\n\n" for a, b, c in sentences()]
    file.write_text("".join(lines), encoding="utf-8")
    return file


def to_answer(folder: Path) -> Path:
    """Articles in each of which it is asked who does something."""
    file = folder / "articles.json"
    articles = []
    for what in WHAT:
        paragraphs = []
        for who, does, _ in sentences()[::3]:
            context = f"The {who} {does} {what}."
            asked = {
                "id": f"{who} {does} {what}",
                "question": f"Who {does}?",
                "answers": [{"text": who, "answer_start": 4}],
            }
            paragraphs.append({"context": context, "qas": [asked]})
        articles.append({"title": what, "paragraphs": paragraphs})
    file.write_text(json.dumps({"data": articles}), encoding="utf-8")
    return file


FILES = {"classify": to_classify, "tag": to_tag, "answer": to_answer}


def small_finetuning(kind: str, folder: Path, **changes: Any) -> FinetuneConfig:
    """Return the settings of a fine-tuning of six steps."""
    settings: dict[str, Any] = {
        "data": (str(FILES[kind](folder)),),
        "shares": (0.2, 0.2),
        "out": folder / "run",
        "steps": 6,
        "batch_size": 4,
        "log_every": 2,
        "checkpoint_every": 2,
        "evaluate_every": 3,
        "max_tokens": 32,
        "lr": 1e-2,
    }
    return FinetuneConfig(**(settings | changes))
