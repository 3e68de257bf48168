"""Answerers: the logits of a start and of an end, for every token."""

from by_hand import by_hand

from minibert.learn.checks import model_answerer as checks

test_in_torch = by_hand(checks, examples=5)
