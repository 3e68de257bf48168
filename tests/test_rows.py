"""Rows as BERT reads them: [CLS] A [SEP] B [SEP], and padding."""

from by_hand import by_hand

from minibert.learn.checks import rows as checks

test_by_hand = by_hand(checks)
