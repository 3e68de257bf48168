"""Data cards and paths -> files on this machine, verified and never executed."""

from minibert.sources.cache import cache_folder
from minibert.sources.catalogue import Card, CardPart, card, card_folder, cards
from minibert.sources.corpora import Corpus, folder, get, model_folder, resolve, where
from minibert.sources.digests import digest
from minibert.sources.installed import installed_files

__all__ = [
    "Card",
    "CardPart",
    "Corpus",
    "cache_folder",
    "card",
    "card_folder",
    "cards",
    "digest",
    "folder",
    "get",
    "installed_files",
    "model_folder",
    "resolve",
    "where",
]
