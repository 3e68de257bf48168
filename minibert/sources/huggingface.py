"""Data sets of the Hugging Face hub, through `datasets`: each split becomes a file of JSON lines."""

import json
import logging
from pathlib import Path
from typing import Any

import datasets
from tqdm import tqdm

from minibert.sources.cache import make_empty
from minibert.sources.catalogue import Card

log = logging.getLogger("minibert")


def fetch_dataset(card: Card, work: Path) -> Path:
    """Write each split of the card's repository to `work`/files/SPLIT.jsonl and return that folder.

    A row is a JSON object; classes are written by their names, a missing one as null. Scripts in a
    repository are not executed.

    Raises ValueError when the repository cannot be had.
    """
    logging.getLogger("huggingface_hub").propagate = False  # it prints its messages itself
    log.info("%s: from the Hugging Face repository %s", card.name, card.repository)
    try:
        loaded = datasets.load_dataset(card.repository, card.subset or None, revision=card.revision or None)
    except Exception as error:  # what it raises differs with the version, the network and the repository
        raise ValueError(
            f"{card.repository} cannot be had through `datasets`: {error}. Check the connection; "
            "a mirror is set with HF_ENDPOINT, a proxy with HTTPS_PROXY"
        ) from error
    folder = work / "files"
    make_empty(folder)
    for split, rows in loaded.items():
        write_rows(rows, folder / f"{split}.jsonl")
    return folder


def write_rows(rows: datasets.Dataset, path: Path) -> None:
    """Write a split as JSON lines in UTF-8."""
    with open(path, "x", encoding="utf-8") as file:
        for row in tqdm(rows, desc=path.name, unit=" rows", leave=False, disable=None):
            file.write(json.dumps(plain(row, dict(rows.features)), ensure_ascii=False) + "\n")


def plain(value: Any, feature: Any) -> Any:
    """Return a value with the numbers of classes replaced by their names, at any depth."""
    if isinstance(feature, datasets.ClassLabel):
        return None if value is None or value < 0 else feature.int2str(value)
    if isinstance(feature, dict) and value is not None:
        return {name: plain(value[name], inner) for name, inner in feature.items()}
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    if inner is not None and isinstance(value, dict):  # a sequence of dictionaries comes as one of lists
        return {name: [plain(each, inner[name]) for each in value[name]] for name in value}
    if inner is not None and value is not None:
        return [plain(each, inner) for each in value]
    return value
