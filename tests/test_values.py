"""Settings as values: unknown ones are refused with a suggestion."""

import pytest

from minibert.config import BertConfig, from_dict, require, suggest


def test_an_unknown_setting_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"BertConfig has no setting 'head'\. Did you mean 'heads'\?"):
        from_dict(BertConfig, {"head": 3})
    assert from_dict(BertConfig, {"heads": 4}).heads == 4


def test_suggest_says_nothing_when_nothing_is_near():
    assert suggest("zzz", ["heads", "width"]) == ""


def test_what_is_required_and_not_so_is_said():
    require(True, "never seen")
    with pytest.raises(ValueError, match="two is not one"):
        require(False, "two is not one")
