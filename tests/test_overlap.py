"""The baseline for answers: the sentence that has most in common with the question."""

import math

import pytest

from minibert.recipes.overlap import BestSentence

RAIN = "The rain falls in May. The river rises in June! The mill stands dry."
SNOW = "The snow falls in winter. The road is closed."


def test_weights_of_a_worked_case() -> None:
    fitted = BestSentence.fit([RAIN, SNOW, SNOW])
    assert fitted.idf["the"] == 0  # in both
    assert fitted.idf["falls"] == 0
    assert fitted.idf["rain"] == pytest.approx(math.log(3 / 2))
    assert fitted.unseen == pytest.approx(math.log(3))


def test_the_sentence_that_shares_the_rarest_words_is_the_answer() -> None:
    fitted = BestSentence.fit([RAIN, SNOW])
    assert fitted.answer("When does the river rise in June?", RAIN) == "The river rises in June!"
    assert (
        fitted.answer("What stands, falls, and is in the rain or in the mill?", RAIN)
        == "The mill stands dry."
    )


def test_a_word_that_is_everywhere_does_not_decide() -> None:
    fitted = BestSentence.fit([RAIN, SNOW])
    assert fitted.shared({"the", "in", "falls", "."}, {"the", "in", "falls", "."}) == 0
    assert fitted.answer("What falls in the road?", SNOW) == "The road is closed."


def test_words_of_questions_that_no_context_had_count_most() -> None:
    fitted = BestSentence.fit([RAIN, SNOW])
    assert fitted.answer("zinc or rain?", "Rain is wet. Zinc is grey.") == "Zinc is grey."


def test_of_equals_the_first_and_of_nothing_nothing() -> None:
    fitted = BestSentence.fit([RAIN, SNOW])
    assert fitted.answer("Why?", RAIN) == "The rain falls in May."
    assert fitted.answer("Why?", " ") == ""


def test_chinese_is_compared_character_by_character() -> None:
    fitted = BestSentence.fit(["天气很好。", "河水很清。"])
    assert fitted.answer("河在哪里？", "今天天气好。河水很清。") == "河水很清。"
