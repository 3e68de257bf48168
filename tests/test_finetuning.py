"""What fine-tuning may be told, and what a head is."""

import pytest

from minibert.config import FinetuneConfig, HeadConfig


@pytest.mark.parametrize(
    "task, labels, outputs",
    [("classes", ("a", "b", "c"), 3), ("labels", ("a",), 1), ("tags", ("O", "B-X"), 2)]
    + [("number", (), 1), ("spans", (), 2)],
)
def test_a_head_has_an_output_for_each_label_one_for_a_number_and_two_for_a_span(task, labels, outputs):
    assert HeadConfig(task, labels).outputs == outputs


def test_labels_may_come_as_a_list_as_json_has_them():
    assert HeadConfig("classes", ["a", "b"]).labels == ("a", "b")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("classes",), "a head for classes needs labels"),
        (("spans", ("a",)), "a head for spans has no labels"),
        (("tags", ("a", "a")), "labels must differ"),
        (("number", (), 1.0), r"dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_a_head_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HeadConfig(*arguments)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"epochs": 0}, "epochs must be above 0"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"smoothing": 1.0}, "smoothing must be in"),
        ({"delete": -0.1}, "delete must be in"),
        ({"layer_decay": 0}, "layer_decay must be in"),
        ({"last_layers": 0}, "last_layers must be at least 1"),
        ({"fresh_layers": -1}, "fresh_layers must be at least 0"),
        ({"shares": (0.5, 0.5)}, "together below 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(changes, message):
    with pytest.raises(ValueError, match=message):
        FinetuneConfig(**changes)
