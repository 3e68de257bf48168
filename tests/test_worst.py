"""The worst mistakes can be read: the surest, with the words that decided, and the furthest off."""

from pathlib import Path

from run_folders import cells
from tuned_runs import class_evaluation, tag_lines, task_record, write_task

from minibert.report.finetuned.task_files import read_task
from minibert.report.finetuned.worst import worst


def section(folder: Path, head: str, lines: list | None = None, **found: object) -> str:
    run = write_task(folder / "run", task_record(head), None, class_evaluation(**found), lines)
    return "\n\n".join(worst(read_task(run)))


def test_the_words_that_decided_are_bold_with_their_effect(tmp_path: Path) -> None:
    said = section(tmp_path, "classes")
    first, second = said.splitlines()[-2:]
    assert first == (
        r"| neg | pos | 99.1 % | A \***superb**\* (41) \| dull film \<**b\>\`not\`\</b**\> (5) fine |"
    )
    # 30, 20 and 10 points; the fourth word, with 5, is one too many
    assert second == r"| neg | pos | 90.0 % | **不** (30)**好**！ (20) ‖ Why \[**not**\] (10) \$5\$ |"


def test_words_that_hardly_matter_are_not_bold(tmp_path: Path) -> None:
    mistake = {
        "text": "a b",
        "true": "x",
        "predicted": "y",
        "probability": 0.6,
        "words": [["a", 0.01], ["b", -0.5]],
    }
    assert section(tmp_path, "classes", mistakes=[mistake]).endswith("| x | y | 60.0 % | a b |")


def test_a_word_that_comes_twice_is_marked_where_it_decided(tmp_path: Path) -> None:
    words = [["so", 0.0], ["bad", 0.3], ["so", 0.2], ["bad", 0.0]]
    mistake = {"text": "so bad so bad", "true": "x", "predicted": "y", "probability": 0.6, "words": words}
    assert section(tmp_path, "classes", mistakes=[mistake]).endswith("| so **bad** (30) **so** (20) bad |")


def test_mistakes_of_another_form_are_shown_as_far_as_they_go(tmp_path: Path) -> None:
    broken = [{"text": "a b", "words": [["c", 0.5], 3, ["a"]]}, "no object", {}]
    assert section(tmp_path, "classes", mistakes=broken).splitlines()[-2:] == [
        "| None | None | — | a b |",
        "| None | None | — | — |",
    ]
    assert section(tmp_path, "classes", mistakes=None) == ""


def test_the_texts_with_the_most_wrong_labels_come_first(tmp_path: Path) -> None:
    lines = [
        {"text": "right", "labels": ["art"], "true": ["art"]},
        {"text": "one", "pair": "more", "labels": [], "true": ["law"]},
        {"text": "two | three", "labels": ["art", "war"], "true": []},
    ]
    assert section(tmp_path, "labels", lines).splitlines()[-2:] == [
        r"| — | art, war | two \| three |",
        "| law | — | one ‖ more |",
    ]
    assert section(tmp_path, "labels", lines[:1]) == ""


def test_the_numbers_furthest_off_come_first(tmp_path: Path) -> None:
    lines = [
        {"text": "near", "number": 1.1, "true": 1.0},
        {"text": "far", "number": -1.23456, "true": 3.0},
        {"text": "unknown", "number": 2.0},
    ]
    assert section(tmp_path, "number", lines).splitlines()[-2:] == [
        "| 3 | -1.235 | far |",
        "| 1 | 1.1 | near |",
    ]


def test_wrong_answers_are_shown_with_the_true_ones(tmp_path: Path) -> None:
    lines = [
        {"question": "Q1?", "answer": "a b", "true": ["a"], "exact": 0.0, "f1": 0.5, "probability": 0.9},
        {
            "question": "Q2?",
            "answer": "c",
            "true": ["d", "d", "e*"],
            "exact": 0.0,
            "f1": 0,
            "probability": 0.8,
        },
        {"question": "Q3?", "answer": "", "true": ["f"], "exact": 0.0, "f1": 0.0, "no_answer": 0.95},
        {"question": "Q4?", "answer": "g", "true": [], "exact": 0.0, "f1": 0.0, "probability": 0.1},
        {"question": "Q5?", "answer": "h", "true": ["h"], "exact": 1.0, "f1": 1.0, "probability": 0.9},
    ]
    said = section(tmp_path, "spans", lines)
    assert said.splitlines()[-4:] == [
        "| Q3? | f | (none) | 95.0 % |",
        r"| Q2? | d / e\* | c | 80.0 % |",
        "| Q4? | (none) | g | 10.0 % |",
        "| Q1? | a | a b | 90.0 % |",
    ]


def test_tagged_sentences_are_shown_twice(tmp_path: Path) -> None:
    said = section(tmp_path, "tags", tag_lines())
    assert cells(said, "**Ada Lovelace** (PER)")[1].startswith("**Ada** (PER) Lovelace saw")


def test_ten_mistakes_are_shown(tmp_path: Path) -> None:
    lines = [{"text": f"t{i}", "number": float(i), "true": 0.0} for i in range(1, 31)]
    said = section(tmp_path, "number", lines)
    assert "| t30 |" in said and "| t21 |" in said and "| t20 |" not in said
