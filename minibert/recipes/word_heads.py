"""Pretrained models that still have the head with which they learned to guess words."""

from pathlib import Path
from typing import Any

from minibert import sources
from minibert.hub import open_folder
from minibert.model.bert import BertForPretraining
from minibert.model.gpt import Gpt
from minibert.model.modernbert import ModernBertForPretraining
from minibert.text.base_tokenizer import BaseTokenizer

LACKING = "the head for words"
"""What a folder without such a head is said to lack."""

MASKED = (BertForPretraining, ModernBertForPretraining)
"""The models that guess masked words."""


def open_word_model(model: str | Path, causal: bool = True) -> tuple[Any, BaseTokenizer]:
    """Open a pretrained model that guesses words, in evaluation mode on the CPU, and its tokenizer.

    Args:
        model: a folder, or the name of a data card with weights.
        causal: whether a GPT-2, which guesses the next word, will do too.

    Raises:
        ValueError: the folder has no head for words (as that of `minilm`, or of a fine-tuned model), no
            tokenizer, or a model of another kind.
    """
    folder = sources.model_folder(model)
    opened, tokenizer, fresh = open_folder(folder)
    if not isinstance(opened, MASKED + ((Gpt,) if causal else ())) or LACKING in fresh:
        kinds = "a pretrained BERT, ModernBERT or GPT-2" if causal else "a pretrained BERT or ModernBERT"
        raise ValueError(f"{folder} has no head that guesses words; take {kinds} with its own")
    if tokenizer is None:
        raise ValueError(f"{folder} holds no tokenizer (tokenizer.json or vocab.txt), so text cannot be read")
    return opened, tokenizer
