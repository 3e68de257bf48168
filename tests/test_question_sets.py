"""Questions are read and divided: no article, and no context, on two sides."""

import json
from pathlib import Path
from typing import Any

import pytest

from minibert.config import FinetuneConfig
from minibert.recipes.question_sets import Sides, divide, read
from minibert.text.squad import Answer, Question


def articles(names: str, asked: int = 2, answered: bool = True) -> dict[str, Any]:
    """Return SQuAD's JSON of an article for each letter, each with so many questions on one context."""
    data = []
    for name in names:
        context = f"Article {name} is short."
        answers = [{"text": name, "answer_start": 8}] if answered else []
        qas = [
            {"id": f"{name}{number}", "question": f"Which, {number}?", "answers": answers}
            for number in range(asked)
        ]
        data.append({"title": name, "paragraphs": [{"context": context, "qas": qas}]})
    return {"data": data}


def write(path: Path, value: object) -> str:
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


def titles(questions: Any) -> set[str]:
    return {question.title for question in questions}


def test_a_share_of_the_articles_is_held_out_whole(tmp_path: Path) -> None:
    data = write(tmp_path / "all.json", articles("ABCDEFGHIJK"))
    splits = read(FinetuneConfig(data=(data,), shares=(0.09, 0.18)))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (16, 2, 4)
    sides = [titles(side) for side in (splits.train, splits.validation, splits.test)]
    assert set.union(*sides) == set("ABCDEFGHIJK") and sum(map(len, sides)) == 11
    held = ", ".join(sorted(sides[2]))
    assert f"articles held out whole for test: {held} (4 questions)" in splits.notes


def test_the_division_depends_on_the_seed_and_on_nothing_else(tmp_path: Path) -> None:
    forth = write(tmp_path / "forth.json", articles("ABCDEFGHIJ"))
    back = write(tmp_path / "back.json", articles("JIHGFEDCBA"))
    tests = [titles(read(FinetuneConfig(data=(data,))).test) for data in (forth, back)]
    assert tests[0] == tests[1] and len(tests[0]) == 1
    others = {frozenset(titles(read(FinetuneConfig(data=(forth,), seed=seed)).test)) for seed in range(12)}
    assert len(others) > 3
    # The test does not change with the share for validation.
    assert titles(read(FinetuneConfig(data=(forth,), shares=(0.5, 0.1))).test) == tests[0]


@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.49, 0.5), (0.9, 0.05), (0.01, 0.98)])
@pytest.mark.parametrize("names", ["ABC", "ABCD", "ABCDE"])
def test_each_side_gets_an_article_however_few_there_are(
    names: str, shares: tuple[float, float], tmp_path: Path
) -> None:
    data = write(tmp_path / "few.json", articles(names))
    splits = read(FinetuneConfig(data=(data,), shares=shares))
    assert all((splits.train, splits.validation, splits.test))


def test_fewer_articles_than_sides_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "two.json", articles("AB"))
    with pytest.raises(ValueError, match=r"2 articles: too few for 3 sides .* --test and --validation"):
        read(FinetuneConfig(data=(data,)))
    other = write(tmp_path / "other.json", articles("C"))
    splits = read(FinetuneConfig(data=(data,), test=(other,)))
    assert titles(splits.test) == {"C"} and len(splits.train) == len(splits.validation) == 2


def test_sides_are_files_where_files_are_named(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.json", articles(name)) for name in "ABCD"]
    config = FinetuneConfig(data=(files[0], files[1]), validation=(files[2],), test=(files[3],))
    splits = read(config)
    assert [question.id for question in splits.train] == ["A0", "A1", "B0", "B1"]
    assert titles(splits.validation) == {"C"} and titles(splits.test) == {"D"}
    assert splits.notes == []


def test_a_context_that_is_measured_on_is_not_learned_from(tmp_path: Path) -> None:
    train = write(tmp_path / "train.json", articles("ABCD"))
    validation = write(tmp_path / "dev.json", articles("BE"))
    test = write(tmp_path / "test.json", articles("CE", asked=3))
    splits = read(FinetuneConfig(data=(train,), validation=(validation,), test=(test,)))
    assert titles(splits.train) == {"A", "D"}
    assert titles(splits.validation) == {"B"}
    assert titles(splits.test) == {"C", "E"}
    assert splits.notes == [
        "2 validation questions are left out: their contexts are measured on",
        "4 train questions are left out: their contexts are measured on",
    ]
    with pytest.raises(ValueError, match="all contexts of train are measured on, too"):
        read(FinetuneConfig(data=(train,), validation=(validation,), test=(train,)))


def test_learning_from_a_few_questions_measures_on_all(tmp_path: Path) -> None:
    data = write(tmp_path / "all.json", articles("ABCDEFGHIJ", asked=5))
    whole, few = (read(FinetuneConfig(data=(data,), examples=count)) for count in (None, 7))
    assert len(few.train) == 7 and {q.id for q in few.train} < {q.id for q in whole.train}
    assert (few.validation, few.test) == (whole.validation, whole.test)
    other = read(FinetuneConfig(data=(data,), examples=7, seed=0))
    assert other.train == few.train


def test_questions_without_an_answer_are_counted(tmp_path: Path) -> None:
    answered = write(tmp_path / "some.json", articles("ABCDEFGH"))
    none = write(tmp_path / "none.json", articles("XY", answered=False))
    splits = read(FinetuneConfig(data=(answered, none)))
    assert "4 of 20 questions have no answer in their context" in splits.notes
    with pytest.raises(ValueError, match="no question to learn from has an answer"):
        other = write(tmp_path / "other.json", articles("K"))
        read(FinetuneConfig(data=(none,), validation=(answered,), test=(other,)))


def test_questions_of_which_nobody_tells_the_answer_are_refused(tmp_path: Path) -> None:
    row = {"id": "q7", "title": "Rain", "question": "When?", "context": "In May."}
    data = write(tmp_path / "rows.jsonl", row)
    with pytest.raises(ValueError, match=r"'Rain', question q7 has no list of answers"):
        read(FinetuneConfig(data=(data,)))


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    words = tmp_path / "words.conll"
    words.write_text("Rain O\n")
    with pytest.raises(ValueError, match=r"words\.conll is words in columns.*SQuAD's JSON"):
        read(FinetuneConfig(data=(str(words),)))
    empty = write(tmp_path / "empty.json", {"data": []})
    with pytest.raises(ValueError, match=r"empty\.json holds no question"):
        read(FinetuneConfig(data=(empty,)))
    with pytest.raises(ValueError, match="name what to learn from: --data FILE"):
        read(FinetuneConfig())


def test_dividing_keeps_every_question_once() -> None:
    questions = [
        Question(f"{n}", "Which?", f"{n % 7}", (Answer(f"{n % 7}", 0),), f"{n % 7}", "") for n in range(50)
    ]
    sides: Sides = {"train": list(questions), "validation": [], "test": []}
    divide(sides, (0.2, 0.2), seed=3)
    back = [question for side in sides.values() for question in side]
    assert sorted(q.id for q in back) == sorted(q.id for q in questions)
    assert all(sides.values())
