"""A small model of sentences, in a folder as `sentence-transformers` writes it, and its published recipe."""

import json
from pathlib import Path

import tokenizers
import torch
import torch.nn.functional as F
import transformers
from oracles import randomise
from samples import DOCUMENTS
from torch import Tensor

from minibert.text.sentences import split_sentences
from minibert.text.tokenizer import Tokenizer

LONGEST = 24
"""Tokens at which the model cuts; it has 32 positions."""

SENTENCES = [sentence for document in DOCUMENTS for sentence in split_sentences(document.text)]
"""Some longer than LONGEST, most shorter."""


def sentence_model(folder: Path) -> Path:
    """Write a bare encoder, its tokenizer with padding and truncation baked in, and the recipe's files."""
    tokenizer = Tokenizer.train([document.text for document in DOCUMENTS], vocab_size=200)
    tokenizer.save(folder, max_positions=32)
    baked = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    baked.enable_truncation(12)
    baked.enable_padding(length=12)
    baked.save(str(folder / "tokenizer.json"))

    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    model = randomise(transformers.BertModel(config)).float()
    torch.nn.init.zeros_(
        model.get_parameter("encoder.layer.1.output.LayerNorm.bias")
    )  # or all vectors would look alike
    model.save_pretrained(folder)
    write_recipe(folder)
    return folder


def write_recipe(
    folder: Path,
    steps: tuple[str, ...] = ("Transformer", "Pooling", "Normalize"),
    settings: dict | None = None,
    **pooling: object,
) -> None:
    """Write modules.json, sentence_bert_config.json and 1_Pooling/config.json: by default those of minilm."""
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": f"{i}_{step}" if i else "",
            "type": f"sentence_transformers.models.{step}",
        }
        for i, step in enumerate(steps)
    ]
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    (folder / "modules.json").write_text(json.dumps(modules))
    settings = {"max_seq_length": LONGEST, "do_lower_case": False} if settings is None else settings
    (folder / "sentence_bert_config.json").write_text(json.dumps(settings))
    asked = pooling or {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16} | asked))


def published_vectors(folder: str | Path, texts: list[str], longest: int) -> Tensor:
    """Return vectors (N, D) as minilm's model card does: pad, cut, mean over the tokens, normalise."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    batch = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch)[0]  # (N, T, D)
    mask = batch["attention_mask"].unsqueeze(-1).expand(hidden.size()).float()
    vectors = torch.sum(hidden * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
    return F.normalize(vectors, p=2, dim=1)
