"""Scores in the terminal: by their titles, and each class in a line."""

from minibert.report.finetuned.printed import printed


def test_each_score_has_a_line_by_its_title_and_each_class_one_by_its_name() -> None:
    details = {
        "classes": {
            "dull": {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "count": 1200},
            "很好": {"precision": 1.0, "recall": 0.25, "f1": 0.4, "count": 4},
        },
        "confusion": {},
    }
    assert printed("classes", {"loss": 0.25, "accuracy": 0.8125}, details) == [
        "loss (nats)  0.250",
        "accuracy     81.2 %",
        "",
        "  precision     recall         F1      count  class",
        "     50.0 %    100.0 %     66.7 %      1,200  dull",
        "    100.0 %     25.0 %     40.0 %          4  很好",
    ]


def test_types_have_true_counts_and_kinds_of_questions_exact_matches() -> None:
    types = {"types": {"PER": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "true": 2, "predicted": 1}}}
    assert printed("tags", {"f1": 0.5}, types)[-2:] == [
        "  precision     recall         F1      count  type",
        "    100.0 %     50.0 %     66.7 %          2  PER",
    ]
    kinds = {"kinds": {"who": {"count": 3, "exact": 1 / 3, "f1": 0.5}}}
    assert printed("spans", {"exact": 1 / 3, "f1": 0.5}, kinds) == [
        "exact match  33.3 %",
        "F1           50.0 %",
        "",
        "exact match         F1      count  question",
        "     33.3 %     50.0 %          3  who",
    ]


def test_a_score_of_one_title_is_told_once_and_numbers_have_no_classes() -> None:
    scores = {"loss": 0.5, "mse": 0.5, "r2": 0.75}
    assert printed("number", scores, {}) == ["squared error  0.500", "R²             0.750"]
