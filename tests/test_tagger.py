"""Taggers: the logits of the tags, for every token."""

from by_hand import by_hand

from minibert.learn.checks import model_tagger as checks

test_in_torch = by_hand(checks, examples=5)
