"""Answering at work: the loss, the best legal span over windows, no answer, scores and predictions."""

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import seeds

from minibert.batches.batch import IGNORE
from minibert.batches.labels import LabelledBatches, batch_of
from minibert.batches.question_rows import EncodedQuestions
from minibert.config import BertConfig, FinetuneConfig, HeadConfig
from minibert.model.answerer import BertAnswerer
from minibert.recipes.answering import (
    Answering,
    baselines,
    head_for,
    kind_of,
    log_normalisers,
    span_loss,
    task_for,
)
from minibert.recipes.predicting import logits_of
from minibert.recipes.task import FinetuningTask, Splits
from minibert.text.answer_scores import answer_scores
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.squad import Answer, Question
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
TOKENIZER = Tokenizer({piece: id for id, piece in enumerate([*SPECIALS, *LETTERS, "?"])})
HEAD = HeadConfig("spans")
TASK = Answering(HEAD, TOKENIZER, 16)

Rows = list[NDArray[np.float32]]


def asked(context: str, *answers: str, known: bool = True, id: str = "q1") -> Question:
    found = tuple(Answer(text, context.index(text)) for text in answers)
    return Question(id, "q ?", context, found if known else None, "Rain", f"rain.json, question {id}")


LONG = " ".join(LETTERS[:20])
"""In rows of 16 tokens, of which 5 are not the context's: windows a-k, e-o and j-t."""


def flat(encoded: EncodedQuestions, value: float = 0.0) -> Rows:
    """Return logits (T, 2) for each row, all the same."""
    return [np.full((length, 2), value, np.float32) for length in encoded.ids.lengths]


def drawn(encoded: EncodedQuestions, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(length, 2)) * 3).astype(np.float32) for length in encoded.ids.lengths]


# ---------------------------------------------------------------- the loss


def test_the_loss_of_a_worked_case() -> None:
    """Start: softmax of (0, 0, log 2) at 2 is 1/2; end: of (0, 0, 0) at 1 is 1/3."""
    logits = torch.tensor([[[0.0, 0.0], [0.0, 0.0], [math.log(2), 0.0]]])
    loss = span_loss(logits, torch.tensor([[2, 1]]))
    assert float(loss) == pytest.approx((math.log(2) + math.log(3)) / 2)


@given(seeds)
def test_the_loss_is_the_mean_over_rows_of_the_two_cross_entropies(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 5, 2, generator=draw, dtype=torch.float64)
    targets = torch.randint(0, 5, (3, 2), generator=draw)
    start, end = logits.unbind(2)
    expected = (F.cross_entropy(start, targets[:, 0]) + F.cross_entropy(end, targets[:, 1])) / 2
    torch.testing.assert_close(span_loss(logits, targets), expected)


def test_padding_does_not_count() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 2, generator=draw, dtype=torch.float64)
    targets = torch.tensor([[1, 2], [0, 3]])
    padding = torch.full((2, 3, 2), 50.0, dtype=torch.float64)
    longer = torch.cat([logits, padding], 1).requires_grad_()
    attend = torch.arange(7).expand(2, 7) < 4
    loss = span_loss(longer, targets, attend)
    torch.testing.assert_close(loss, span_loss(logits, targets))
    loss.backward()
    assert longer.grad is not None and longer.grad.isfinite().all()
    assert not longer.grad[:, 4:].any()


def test_an_unknown_answer_does_not_count() -> None:
    logits = torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 2], [IGNORE, IGNORE]])
    torch.testing.assert_close(span_loss(logits, targets), span_loss(logits[:1], targets[:1]))


def test_the_loss_of_a_batch_is_that_of_scores() -> None:
    texts = [asked(LONG, "h i"), asked("a b c", "b"), asked("a b"), asked("a", known=False)]
    encoded = TASK.encode(texts)
    rows = drawn(encoded, 3)
    batch = batch_of(encoded, np.arange(len(encoded)), TOKENIZER.pad_id)
    T = batch.ids.shape[1]
    padded = torch.stack([F.pad(torch.from_numpy(row), (0, 0, 0, T - len(row)), value=9.0) for row in rows])
    loss = TASK.loss(lambda *_: padded, batch)["loss"]
    assert batch.counts() == {"loss": 10}  # five rows with a known answer, two ends each
    known = [text if text.answers is not None else dataclasses.replace(text, answers=()) for text in texts]
    assert TASK.scores(known, encoded, rows)["loss"] == pytest.approx(float(loss), rel=1e-5)


# ---------------------------------------------------------------- the best legal span


def brute_force(text: Question, encoded: EncodedQuestions, rows: Rows, longest: int) -> tuple[str, float]:
    """Return the best answer and its score, of all pairs of tokens in all windows."""
    best, score = "", -math.inf
    for row, logits in enumerate(rows):
        inside = encoded.within(row)
        letters = text.context.split()[encoded.firsts[row] :]
        for i, j in itertools.product(range(inside.start, inside.stop), repeat=2):
            own = float(logits[i, 0] + logits[j, 1])
            if i <= j < i + longest and own > score:
                best, score = " ".join(letters[i - inside.start : j - inside.start + 1]), own
    return best, score


@given(seeds, st.integers(1, 12))
def test_the_answer_is_the_best_of_all_legal_pairs_in_all_windows(seed: int, longest: int) -> None:
    text = asked(LONG, "h i")
    task = dataclasses.replace(TASK, longest=longest)
    encoded = task.encode([text])
    rows = drawn(encoded, seed)
    [found] = task.found([text], encoded, rows)
    answer, score = brute_force(text, encoded, rows, longest)
    assert text.context[found.start : found.end] == answer
    assert found.score == pytest.approx(score)
    assert found.none == pytest.approx(min(float(row[0].sum()) for row in rows))
    assert found.margin == pytest.approx(found.score - found.none)


def test_special_tokens_and_the_question_are_no_answers() -> None:
    text = asked("a b c", "b")
    encoded = TASK.encode([text])
    rows = flat(encoded)
    rows[0][[0, 1, 2, 3, -1]] = 99.0  # [CLS] q ? [SEP] a b c [SEP]
    rows[0][5, 0] = rows[0][6, 1] = 1.0
    [found] = TASK.found([text], encoded, rows)
    assert text.context[found.start : found.end] == "b c"


def test_the_best_start_and_end_of_a_row_are_not_taken_apart() -> None:
    text = asked("a b c d", "b")
    encoded = TASK.encode([text])
    rows = flat(encoded)
    rows[0][7, 0], rows[0][4, 1] = 5.0, 5.0  # begins best with d, ends best with a
    rows[0][5, 0], rows[0][6, 1] = 3.0, 3.0
    assert TASK.predictions([text], encoded, rows)[0]["answer"] == "b c"


def test_a_model_that_is_sure_of_the_targets_answers_right() -> None:
    texts = [
        asked(LONG, "h i"),
        asked("a b c", "a b c"),
        asked("a cafe\u0301 b".replace("cafe", "c"), "c\u0301"),
    ]
    encoded = TASK.encode(texts)
    rows = flat(encoded)
    for row, (start, end) in zip(rows, encoded.targets, strict=True):
        row[start, 0] = row[end, 1] = 20.0
    assert [line["answer"] for line in TASK.predictions(texts, encoded, rows)] == ["h i", "a b c", "c\u0301"]
    scores = TASK.scores(texts, encoded, rows)
    assert (scores["exact"], scores["f1"]) == (1, 1)
    assert scores["loss"] < 1e-6


def test_the_probability_of_a_span_is_that_of_its_start_times_that_of_its_end() -> None:
    text = asked("a b", "b")
    encoded = TASK.encode([text])
    rows = flat(encoded)
    rows[0][5] = math.log(3)  # b, among 7 tokens: 3 / 9, twice
    [line] = TASK.predictions([text], encoded, rows)
    assert line["probability"] == pytest.approx((3 / 9) ** 2)
    assert line["no_answer"] == pytest.approx(1 / (1 + 9))  # 1 for [CLS], 3 * 3 for the span
    everything = [np.exp(rows[0][i, 0] + rows[0][j, 1]) for i in range(7) for j in range(7)]
    assert math.exp(log_normalisers(rows[0])) == pytest.approx(sum(everything))


def test_a_context_without_a_token_is_never_answered() -> None:
    text = asked(" \u200b ")
    encoded = TASK.encode([text])
    [line] = TASK.predictions([text], encoded, flat(encoded))
    assert (line["answer"], line["start"], line["probability"], line["no_answer"]) == ("", None, 0.0, 1.0)
    assert json.loads(json.dumps(line, allow_nan=False)) == line


# ---------------------------------------------------------------- no answer


def sure(encoded: EncodedQuestions, strengths: Sequence[float]) -> Rows:
    """Return logits of one row for each text: of the span "b" so strong, of [CLS] 1."""
    rows = flat(encoded, -5.0)
    for row, strength in zip(rows, strengths, strict=True):
        row[0] = 0.5
        row[5] = strength / 2
    return rows


QUESTIONS = [
    asked("a b c", "b", id="1"),
    asked("a b c", id="2"),
    asked("a b c", "b", id="3"),
    asked("a b c", id="4"),
]


def test_the_threshold_is_chosen_on_one_set_and_used_on_another() -> None:
    """Margins 4, 1, 3 and 2: the two without an answer have the lowest, the threshold is 2."""
    encoded = TASK.encode(QUESTIONS)
    rows = sure(encoded, [5.0, 2.0, 4.0, 3.0])
    settled = TASK.settled(QUESTIONS, encoded, rows)
    assert settled.threshold == pytest.approx(2.0)
    assert TASK.scores(QUESTIONS, encoded, rows)["exact"] == 1

    others = sure(encoded, [2.5, 2.0, 4.0, 3.5])  # margins 1.5, 1, 3 and 2.5: the first and the last go wrong
    scores = settled.scores(QUESTIONS, encoded, others)
    assert scores["exact"] == scores["f1"] == 0.5
    assert (scores["answerable exact"], scores["unanswerable"]) == (0.5, 0.5)
    assert scores["threshold"] == pytest.approx(2.0)
    answers = [line["answer"] for line in settled.predictions(QUESTIONS, encoded, others)]
    assert answers == ["", "", "b", "b"]


def test_where_all_questions_have_an_answer_none_stays_unanswered() -> None:
    texts = [QUESTIONS[0], QUESTIONS[2]]
    encoded = TASK.encode(texts)
    rows = sure(encoded, [-9.0, 5.0])
    assert TASK.settled(texts, encoded, rows).threshold is None
    assert set(TASK.scores(texts, encoded, rows)) == {"loss", "exact", "f1"}
    assert [line["answer"] for line in TASK.predictions(texts, encoded, rows)] == ["b", "b"]


def test_no_answer_is_as_likely_as_the_window_that_likes_it_least_says() -> None:
    """A window without the answer says "none" with good reason, so one that does not must count."""
    text = asked(LONG, "h i")
    encoded = TASK.encode([text])
    rows = flat(encoded)
    rows[0][0], rows[1][0], rows[2][0] = 9.0, 1.0, 7.0
    assert TASK.found([text], encoded, rows)[0].none == 2.0


def test_a_causal_model_tells_of_no_answer_at_the_end_of_the_row() -> None:
    task = Answering(HEAD, ByteTokenizer.train(["what is it"], 300), 64)
    text = asked("it is here")
    encoded = task.encode([text])
    rows = flat(encoded)
    rows[0][-1] = 4.0
    assert task.found([text], encoded, rows)[0].none == 8.0
    assert encoded.targets.tolist() == [[len(rows[0]) - 1] * 2]


# ---------------------------------------------------------------- scores and lines


def test_scores_are_of_questions_and_not_of_rows() -> None:
    texts = [asked(LONG, "h i"), asked("a b c", "a"), asked("a b c", "a b")]
    encoded = TASK.encode(texts)
    assert len(encoded) == 5
    rows = flat(encoded)
    for row in rows[3:]:
        row[4], row[0] = 5.0, 1.0  # both say "a"
    rows[1][7, 0] = rows[1][8, 1] = 9.0
    scores = TASK.scores(texts, encoded, rows)
    assert scores["exact"] == pytest.approx(2 / 3)
    # "a" is an article, which counts for nothing: the last answer is "b", of which "a" has no word.
    assert scores["f1"] == pytest.approx(2 / 3)


def test_lines_tell_what_is_true_where_it_is_known() -> None:
    texts = [asked("x b c", "b c", "c"), asked("x b c", known=False), asked("x b c")]
    encoded = TASK.encode(texts)
    rows = sure(encoded, [5.0, 5.0, 5.0])
    told, untold, silent = TASK.predictions(texts, encoded, rows)
    assert told | {"probability": 0, "no_answer": 0} == {
        "id": "q1",
        "question": "q ?",
        "answer": "b",
        "start": 2,
        "end": 3,
        "probability": 0,
        "no_answer": 0,
        "true": ["b c", "c"],
        "exact": 0.0,
        "f1": pytest.approx(2 / 3),
    }
    assert not {"true", "exact", "f1"} & set(untold) and untold["answer"] == "b"
    assert (silent["true"], silent["exact"]) == ([], 0.0)


def test_what_nobody_tells_cannot_be_measured() -> None:
    texts = [asked("a b", known=False, id="q9")]
    encoded = TASK.encode(texts)
    with pytest.raises(ValueError, match="question q9 has no list of answers to measure by"):
        TASK.scores(texts, encoded, flat(encoded))


def test_questions_are_told_apart_by_how_they_ask() -> None:
    assert [
        kind_of(question) for question in ("In which year?", "Who's he?", "How many?", "Name it.", "")
    ] == [
        "which",
        "who",
        "how",
        "other",
        "other",
    ]
    texts = [dataclasses.replace(asked("x b c", "b"), question=q) for q in ("x who ?", "what ?", "who ?")]
    task = dataclasses.replace(TASK, max_tokens=24)
    encoded = task.encode(texts)
    rows = flat(encoded)
    for row, second in zip(rows, encoded.seconds, strict=True):
        row[second + 1] = 5.0  # b
    rows[2][encoded.seconds[2]] = 9.0  # x
    kinds = task.details(texts, encoded, rows)["kinds"]
    assert kinds == {
        "who": {"count": 2, "exact": 0.5, "f1": 0.5},
        "what": {"count": 1, "exact": 1.0, "f1": 1.0},
    }
    assert list(kinds) == ["who", "what"]


def test_windows_and_cuts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="minibert"):
        TASK.encode([asked(LONG, "h i")])
    assert "1 of 1 questions are longer than 16 tokens with their context" in caplog.text


# ---------------------------------------------------------------- for `minibert finetune`


def test_the_head_has_two_numbers_for_each_token() -> None:
    head = head_for(Splits([], [], []), FinetuneConfig(dropout=0.3))
    assert (head.task, head.outputs, head.dropout) == ("spans", 2, 0.3)


def test_the_task_is_made_as_the_settings_say() -> None:
    config = FinetuneConfig(longest_answer=7)
    task: FinetuningTask = task_for(HEAD, TOKENIZER, 64, config, Splits([], [], []))
    assert task == Answering(HEAD, TOKENIZER, 64, 7)
    assert task.goal == "f1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weights": "balanced"}, "--class-weights are for classes"),
        ({"smoothing": 0.1}, "--smoothing is for classes"),
        ({"swap": 0.1}, "--delete, --swap and --replace would change the answers"),
    ],
)
def test_settings_that_answers_have_no_use_for_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task_for(HEAD, TOKENIZER, 64, FinetuneConfig(**settings), Splits([], [], []))


def test_rows_too_short_for_a_question_are_refused() -> None:
    with pytest.raises(ValueError, match="--max-tokens must be at least 16, got 15"):
        Answering(HEAD, TOKENIZER, 15)
    with pytest.raises(ValueError, match="--longest-answer must be at least 1, got 0"):
        Answering(HEAD, TOKENIZER, 16, longest=0)
    with pytest.raises(ValueError, match="longest_answer must be at least 1, got 0"):
        FinetuneConfig(longest_answer=0)


def test_the_baseline_answers_with_sentences() -> None:
    context = "The mill stands dry. The river rises in June."
    train = [Question("1", "?", context, (), "", ""), Question("2", "?", "The snow falls.", (), "", "")]
    test = [Question("3", "When does the river rise?", context, (Answer("in June", 37),), "", "")]
    scores = baselines(TASK, Splits(train, [], test))
    assert scores == {"best sentence": answer_scores(["The river rises in June."], [["in June"]])}
    assert scores["best sentence"]["f1"] == pytest.approx(2 * 2 / (4 + 2))


def test_a_small_model_learns_to_answer() -> None:
    """Of its two kinds of question one asks for the b, c or d of a context, the other for its p, q or r."""
    rng = np.random.default_rng(0)
    texts = []
    for number in range(240):
        letters = rng.permutation([*"ghijklm"])[:6].tolist()
        first, second = rng.permutation(6)[:2]
        letters[first], letters[second] = str(rng.choice([*"bcd"])), str(rng.choice([*"pqr"]))
        question, place = ("x", first) if number % 2 else ("y", second)
        answer = Answer(letters[place], 2 * int(place))
        texts.append(Question(str(number), question, " ".join(letters), (answer,), "", ""))
    shape = BertConfig(
        len(TOKENIZER), 2, 32, 4, 32, 16, dropout=0.0, init_std=0.1
    )  # tells early what is what
    model = BertAnswerer(shape, HeadConfig("spans", dropout=0.0), torch.Generator().manual_seed(0))
    batches = LabelledBatches(TASK.encode(texts[:200]), TOKENIZER.pad_id, 32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(100):
        optimizer.zero_grad()
        TASK.loss(model, batches(step))["loss"].backward()
        optimizer.step()

    unseen, encoded = texts[200:], TASK.encode(texts[200:])
    logits = logits_of(model.eval(), LabelledBatches(encoded, TOKENIZER.pad_id, 32))
    assert TASK.scores(unseen, encoded, logits)["exact"] > 0.9
