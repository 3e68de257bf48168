"""A text as a model reads it: the tokens of any model's tokenizer."""

from pathlib import Path

from minibert.sources import model_folder
from minibert.text.base_tokenizer import Token
from minibert.text.reading import read_blocks
from minibert.text.tokenizer import load_tokenizer


def tokenize(model: str, text: str | Path, specials: bool = False) -> tuple[str, list[Token]]:
    """Return a text, or that of a file, and its tokens with their places in it (characters).

    `model` is a run, the folder of a tokenizer, or a data card with weights; `specials`: special tokens that
    the text spells are meant as such.

    Raises ValueError when there is no such model or tokenizer, or the file is not UTF-8 text.
    """
    tokenizer = load_tokenizer(model_folder(model))
    text = "".join(read_blocks(text)) if isinstance(text, Path) else text
    return text, tokenizer.tokens(text, specials)
