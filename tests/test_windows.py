"""Windows that slide over a text: each token is scored once, with enough before it."""

from by_hand import by_hand

from minibert.learn.checks import windows as checks

test_by_hand = by_hand(checks)
