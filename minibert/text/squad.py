"""Questions on articles, in the JSON of SQuAD (Rajpurkar et al. 2016) -> the articles."""

import json
from collections.abc import Iterator
from pathlib import Path

from minibert.text.reading import Progress, read_blocks


def read_articles(path: Path, progress: Progress | None = None) -> Iterator[tuple[str, str]]:
    """Yield (title, text) of the articles of a file; a paragraph of the text is the context of questions.

    The file is read whole: SQuAD has 30 MB.

    Raises ValueError when the file is not JSON (with line and column) or not of SQuAD's form.
    """
    try:
        articles = json.loads("".join(read_blocks(path, progress)))["data"]
        read = [
            (
                str(article.get("title") or f"{path.name}:{number}"),
                [p["context"] for p in article["paragraphs"]],
            )
            for number, article in enumerate(articles, 1)
        ]
        texts = [(title, "\n\n".join(contexts)) for title, contexts in read]
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}. "
            f"JSON with one value per line is read under a name that ends in .jsonl"
        ) from None
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is JSON but not of the form of SQuAD ({type(error).__name__}: {error}). "
            'Expected {"data": [{"title": …, "paragraphs": [{"context": …}]}]}'
        ) from None
    yield from texts
