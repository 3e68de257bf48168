"""What fine-tuning may be told, and what a head is."""

import pytest

from minibert.config import FinetuneConfig, HeadConfig, SeveralConfig


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


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"compare": "whole,lore"}, r"no strategy 'lore'. Did you mean 'lora'\? It has: whole, frozen, last"),
        ({"compare": "whole"}, "--compare needs two strategies or more"),
        ({"compare": "whole,lora,whole"}, "each once, as in whole,frozen: got whole,lora,whole"),
        ({"compare": ""}, "--compare has no strategy ''"),
        ({"seeds": 1}, "--seeds must be at least 2, got 1"),
        ({"folds": 1}, "--folds must be at least 2, got 1"),
        ({"search": 0}, "--search must be at least 2, got 0"),
        ({"seeds": 3, "folds": 3}, "--seeds and --folds are two ways .* one at a time"),
        ({"search": 3, "compare": "whole,lora"}, "leave out --compare$"),
        ({"search": 3, "compare": "whole,lora", "seeds": 2}, "leave out --compare and --seeds$"),
        ({"search": 3, "folds": 2}, "leave out --folds$"),
    ],
)
def test_several_runs_that_do_not_go_together_are_refused_in_a_sentence(changes, message):
    with pytest.raises(ValueError, match=message):
        SeveralConfig(**changes)


@pytest.mark.parametrize(
    "several, config, message",
    [
        ({"folds": 3}, {"test": ("a.csv",)}, "leave out --validation and --test"),
        ({"folds": 3}, {"validation": ("a.csv",)}, "leave out --validation and --test"),
        ({"compare": "whole,lora"}, {"strategy": "gradual"}, "leave out --strategy gradual"),
        ({"compare": "whole,frozen,lora"}, {"fresh_layers": 1}, "leave it out, or frozen and lora"),
    ],
)
def test_several_runs_that_cannot_be_made_of_the_settings_are_refused(several, config, message):
    with pytest.raises(ValueError, match=message):
        SeveralConfig(**several).require_fit(FinetuneConfig(**config))
    SeveralConfig(**several).require_fit(FinetuneConfig())


def test_strategies_are_words_between_commas_and_what_is_asked_is_named():
    several = SeveralConfig(compare="whole, lora", seeds=3)
    assert several.strategies == ("whole", "lora") and several.asked == ("compare", "seeds")
    assert SeveralConfig().strategies == () and SeveralConfig().asked == ()
