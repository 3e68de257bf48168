"""Blocks of the running text: where they begin, and the targets one place further on."""

from by_hand import by_hand

from minibert.learn.checks import blocks as checks

test_by_hand = by_hand(checks)
