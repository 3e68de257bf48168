"""Tagging at work: rows and targets, legal entities, scores and predictions; and a tagger that learns."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score

from minibert.batches.batch import IGNORE
from minibert.batches.labels import Encoded, LabelledBatches, Ragged, batch_of
from minibert.config import BertConfig, FinetuneConfig, HeadConfig
from minibert.model.tagger import BertTagger
from minibert.recipes.tagging import Tagging, baselines, head_for, log_softmax, tag_scores, task_for
from minibert.recipes.task import Splits
from minibert.text.byte_tokenizer import ByteTokenizer
from minibert.text.schemes import misspelled
from minibert.text.tagged import Sentence, characters
from minibert.text.tokenizer import Tokenizer
from minibert.text.wordpiece import SPECIALS

PIECES = ["new", "york", "is", "big", "##er", ".", "我", "喜", "欢", "北", "京", "un", "##der"]
TOKENIZER = Tokenizer({piece: id for id, piece in enumerate([*SPECIALS, *PIECES])})
BIO = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
BIES = ("B", "I", "E", "S")


def tagging(labels: Sequence[str] = BIO, max_tokens: int = 16) -> Tagging:
    return Tagging(HeadConfig("tags", tuple(labels)), TOKENIZER, max_tokens)


def sentence(line: str) -> Sentence:
    words, _, tags = zip(*(item.rpartition("/") for item in line.split()), strict=True)
    return Sentence(words, tags)


def sure(task: Tagging, texts: Sequence[Sentence], tags: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """Return the logits of a model that is sure of these tags, and of nonsense at every other token."""
    logits = []
    for text, its in zip(texts, tags, strict=True):
        for row in task.rows(text):
            own = np.random.default_rng(0).normal(size=(len(row.ids), task.head.outputs))
            for place, word in enumerate(row.words):
                if word >= 0:
                    own[place] = 9.0 * (np.array(task.head.labels) == its[word])
            logits.append(own)
    return logits


def targets_of(encoded: Encoded) -> np.ndarray:
    """Return the targets of all rows, one behind the other."""
    assert isinstance(encoded.targets, Ragged)
    return encoded.targets.values


# ---------------------------------------------------------------- rows and targets


def test_the_tag_of_a_word_stands_at_its_first_piece_and_nowhere_else() -> None:
    task = tagging()
    encoded = task.encode([sentence("New/B-LOC York/I-LOC is/O bigger/O under/B-PER ./O")])
    pieces = [TOKENIZER.piece(id) for id in encoded.ids.values]
    assert pieces == ["[CLS]", "new", "york", "is", "[UNK]", "un", "##der", ".", "[SEP]"]
    assert targets_of(encoded).tolist() == [IGNORE, 1, 2, 0, 0, 3, IGNORE, 0, IGNORE]
    assert encoded.seconds.tolist() == encoded.ids.lengths.tolist() == [9]


def test_unknown_tags_and_no_tags_are_no_targets() -> None:
    task = tagging()
    encoded = task.encode([sentence("new/B-ORG york/O"), Sentence(("new", "york"))])
    assert targets_of(encoded).tolist() == [*(IGNORE, IGNORE, 0, IGNORE), *[IGNORE] * 4]
    assert encoded.texts.tolist() == [0, 1]


def test_a_long_sentence_becomes_windows_in_which_every_word_is_asked_for_once() -> None:
    task = tagging(max_tokens=6)
    text = sentence(" ".join(f"new/{tag}" for tag in (BIO * 5)))
    encoded = task.encode([text, sentence("york/O")])
    assert (encoded.ids.lengths <= 6).all()
    assert encoded.texts.tolist() == [*[0] * (len(encoded) - 1), 1]
    asked = targets_of(encoded)[targets_of(encoded) != IGNORE]
    assert asked.tolist() == [*range(5)] * 5 + [0]


def test_special_tokens_stand_around_a_row_where_there_are_any() -> None:
    assert tagging().specials == (TOKENIZER.cls_id, TOKENIZER.sep_id)
    causal = Tagging(HeadConfig("tags", BIO), ByteTokenizer.train(["a b"], 300), 8)
    assert causal.specials == ()
    assert len(causal.encode([Sentence(("a", "b"))]).ids.values) == 2


def test_a_row_needs_room_for_a_piece() -> None:
    with pytest.raises(ValueError, match="--max-tokens must be above 2, got 2"):
        tagging(max_tokens=2)


def test_what_is_read_of_a_text_without_tags() -> None:
    assert tagging().sentence("New York, is big.").words == ("New", "York", ",", "is", "big", ".")
    assert tagging(BIES).sentence("我 喜欢\n北京").words == tuple("我喜欢北京")


# ---------------------------------------------------------------- logits to tags


@pytest.mark.parametrize("max_tokens", [5, 9, 64])
@given(tags=st.lists(st.sampled_from(["O", "B-LOC", "B-PER"]), min_size=1, max_size=20))
def test_what_a_model_is_sure_of_comes_back_whatever_the_windows(max_tokens: int, tags: list[str]) -> None:
    task = tagging(max_tokens=max_tokens)
    text = Sentence(tuple("under" if n % 3 else "new" for n in range(len(tags))), tuple(tags))
    logits = sure(task, [text], [tags])
    scores = task.scores([text], task.encode([text]), logits)
    assert scores["accuracy"] == 1.0
    assert task.predictions([text], task.encode([text]), logits)[0]["tags"] == tags


def test_predicted_entities_are_legal_even_where_every_word_for_itself_is_not() -> None:
    task = tagging()
    text = Sentence(("new", "york", "is", "big"))
    logits = np.random.default_rng(1).normal(size=(6, 5))
    alone = [BIO[label] for label in logits[1:5].argmax(axis=1)]
    assert misspelled(alone, "BIO")
    assert not misspelled(task.predictions([text], task.encode([text]), [logits])[0]["tags"], "BIO")


def test_of_a_word_without_a_piece_its_neighbours_decide() -> None:
    """The scheme demands an inside tag between a sure begin and a sure end."""
    labels = ("O", "B-LOC", "I-LOC", "E-LOC", "S-LOC")
    task = tagging(labels)
    text = Sentence(("new", "\u200b", "york"))
    logits = sure(task, [text], [["B-LOC", "O", "E-LOC"]])
    line = task.predictions([text], task.encode([text]), logits)[0]
    assert line["tags"] == ["B-LOC", "I-LOC", "E-LOC"]
    assert line["entities"][0]["probability"] > 0.99
    nothing = Sentence(("\u200b",), ("O",))
    assert task.predictions([nothing], task.encode([nothing, text]), [])[0]["tags"] == ["O"]


# ---------------------------------------------------------------- scores


@given(st.lists(st.lists(st.tuples(*[st.sampled_from(BIO)] * 2), min_size=1, max_size=8), min_size=1))
def test_f1_is_that_of_seqeval(sentences: list) -> None:
    true, predicted = ([[pair[side] for pair in each] for each in sentences] for side in (0, 1))
    scores = tag_scores(true, predicted, "BIO")
    if any(tag != "O" for tags in (*true, *predicted) for tag in tags):
        assert scores["f1"] == pytest.approx(f1_score(true, predicted))
    pairs = [pair for each in sentences for pair in each]
    assert scores["accuracy"] == pytest.approx(np.mean([a == b for a, b in pairs]))


def test_the_scores_of_chinese_words_by_hand() -> None:
    """True 我 喜欢 北京; found 我喜 欢 北京: of three words one is found, of three found one is right."""
    true, found = [["S", "B", "E", "B", "E"]], [["B", "E", "S", "B", "E"]]
    scores = tag_scores(true, found, "BIOES")
    assert scores["precision"] == scores["recall"] == scores["f1"] == pytest.approx(1 / 3)
    assert scores["accuracy"] == 0.4
    assert "word_f1" not in scores
    typed = tag_scores([["S-r", "B-v", "E-v"]], [["S-n", "B-v", "E-v"]], "BIOES")
    assert typed["f1"] == 0.5
    assert typed["word_f1"] == 1.0


def test_plain_tags_have_an_accuracy_alone() -> None:
    assert tag_scores([["NN", "VB"], ["NN"]], [["NN", "NN"], ["NN"]], None) == {
        "accuracy": pytest.approx(2 / 3)
    }


def test_the_loss_is_that_of_the_words_not_of_the_pieces() -> None:
    task = tagging()
    texts = [sentence("under/O new/B-LOC"), sentence("is/B-ORG york/I-LOC")]
    encoded = task.encode(texts)
    logits = [np.random.default_rng(row).normal(size=(length, 5)) for row, length in enumerate([5, 4])]
    expected = [
        -log_softmax(logits[0])[1, 0],  # at "un", not at "##der"
        -log_softmax(logits[0])[3, 1],
        -log_softmax(logits[1])[2, 2],  # "is" has a tag that the model does not know
    ]
    assert task.scores(texts, encoded, logits)["loss"] == pytest.approx(np.mean(expected))
    batch = batch_of(encoded, np.array([0, 1]), 0)
    padded = torch.zeros(2, 5, 5, dtype=torch.float64)
    for row, own in enumerate(logits):
        padded[row, : len(own)] = torch.from_numpy(own)
    assert batch.counts() == {"loss": 3}
    assert float(task.loss(lambda *_: padded, batch)["loss"]) == pytest.approx(np.mean(expected))


def test_without_tags_the_loss_is_zero_and_nothing_breaks() -> None:
    task = tagging()
    texts = [Sentence(("new",))]
    assert task.predictions(texts, task.encode(texts), [np.zeros((3, 5))])[0]["tags"] == ["O"]


def test_log_softmax_sums_to_one_and_stands_large_logits() -> None:
    logits = np.array([[1e4, 0.0], [0.0, math.log(3.0)]], np.float32)
    assert np.exp(log_softmax(logits)) == pytest.approx(np.array([[1.0, 0.0], [0.25, 0.75]]))


# ---------------------------------------------------------------- predictions


def test_an_entity_says_where_it_stands_in_the_text() -> None:
    task = tagging()
    text = task.sentence("Is  New York, big?")
    tags = ["O", "B-LOC", "I-LOC", "O", "O", "B-PER"]
    logits = sure(task, [text], [tags])
    line = task.predictions([text], task.encode([text]), logits)[0]
    p = math.exp(9) / (math.exp(9) + 4)
    assert line["text"] == "Is  New York, big?"
    assert line["words"] == ["Is", "New", "York", ",", "big", "?"]
    assert line["entities"][0] == {
        "type": "LOC",
        "text": "New York",
        "start": 4,
        "end": 12,
        "start_word": 1,
        "end_word": 3,
        "probability": pytest.approx(p**2),
    }
    assert line["entities"][1]["text"] == "?"
    assert "true_tags" not in line


def test_true_tags_stand_beside_the_predicted_ones() -> None:
    task = tagging()
    text = sentence("new/B-LOC")
    line = task.predictions([text], task.encode([text]), sure(task, [text], [["O"]]))[0]
    assert (line["tags"], line["true_tags"]) == (["O"], ["B-LOC"])


def test_chinese_comes_back_as_words() -> None:
    text = characters(sentence("我/r 喜欢/v 北京/n"))
    task = tagging(BIES)
    line = task.predictions([text], task.encode([text]), sure(task, [text], [["B", "E", "S", "B", "E"]]))[0]
    assert line == {
        "text": "我喜欢北京",
        "words": ["我喜", "欢", "北京"],
        "true_words": ["我", "喜欢", "北京"],
    }
    typed = characters(sentence("我/r 喜欢/v"), typed=True)
    task = tagging(["B-r", "I-r", "E-r", "S-r", "B-v", "I-v", "E-v", "S-v"])
    line = task.predictions([typed], task.encode([typed]), sure(task, [typed], [typed.tags]))[0]
    assert (line["words"], line["tags"]) == (["我", "喜欢"], ["r", "v"])
    assert (line["true_words"], line["true_tags"]) == (["我", "喜欢"], ["r", "v"])


def test_plain_tags_have_a_probability_each() -> None:
    task = tagging(["NN", "VB"])
    text = sentence("new/NN under/VB")
    line = task.predictions([text], task.encode([text]), sure(task, [text], [["NN", "NN"]]))[0]
    assert line["tags"] == ["NN", "NN"]
    assert line["probabilities"] == pytest.approx([1 / (1 + math.exp(-9))] * 2)
    assert "entities" not in line


def test_details_tell_of_each_type() -> None:
    task = tagging()
    texts = [sentence("new/B-LOC york/I-LOC is/B-PER"), sentence("big/B-PER")]
    logits = sure(task, texts, [["B-LOC", "I-LOC", "O"], ["B-PER"]])
    types = task.details(texts, task.encode(texts), logits)["types"]
    assert types["LOC"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "true": 1, "predicted": 1}
    assert types["PER"] == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3),
        "true": 2,
        "predicted": 1,
    }
    task = tagging(["NN", "VB"])
    texts = [sentence("new/NN york/NN is/VB")]
    types = task.details(texts, task.encode(texts), sure(task, texts, [["NN", "VB", "VB"]]))["types"]
    assert types["NN"]["recall"] == types["VB"]["precision"] == 0.5


# ---------------------------------------------------------------- all of it


def splits_of(*lines: str) -> Splits[Sentence]:
    texts = [sentence(line) for line in lines]
    return Splits(texts[:-1], texts[-1:], texts[-1:])


def test_head_task_and_baselines_follow_from_the_sentences() -> None:
    splits = splits_of("new/B-LOC york/I-LOC is/O", "big/O new/B-PER", "big/O new/B-LOC york/I-LOC")
    head = head_for(splits, FinetuneConfig(dropout=0.3))
    assert head == HeadConfig("tags", BIO, 0.3)
    task = task_for(head, TOKENIZER, 16, FinetuneConfig(smoothing=0.1), splits)
    assert (task.max_tokens, task.smoothing, task.goal) == (16, 0.1, "f1")
    assert baselines(task, splits)["gazetteer"]["f1"] == 1.0
    with pytest.raises(ValueError, match="--class-weights are for classes"):
        task_for(head, TOKENIZER, 16, FinetuneConfig(class_weights="balanced"), splits)


def test_each_kind_of_tags_has_its_own_baseline_and_goal() -> None:
    plain = splits_of("new/A york/B", "york/A york/B", "new/A york/B big/A")
    task = task_for(head_for(plain, FinetuneConfig()), TOKENIZER, 16, FinetuneConfig(), plain)
    assert task.goal == "accuracy"
    assert baselines(task, plain) == {"commonest tag": {"accuracy": 1.0}}
    cut = [characters(sentence(line)) for line in ("我/r 喜欢/v", "北京/n", "我/r 喜欢/v 北京/n")]
    words = Splits(cut[:2], cut[2:], cut[2:])
    task = task_for(head_for(words, FinetuneConfig()), TOKENIZER, 16, FinetuneConfig(), words)
    assert (task.segments, task.goal) == (True, "f1")
    assert baselines(task, words)["longest match"]["f1"] == 1.0


@pytest.mark.parametrize(("labels", "scheme"), [(BIO, "BIO"), (BIES, "BIOES"), (("NN", "VB"), None)])
def test_a_tiny_tagger_learns_a_rule_and_its_windows(labels: tuple[str, ...], scheme: str | None) -> None:
    """A word's tag depends on the word alone; sentences are longer than a row."""
    by_word = dict(zip(["new", "york", "is", "big", "under"], labels * 5, strict=False))
    draw = np.random.default_rng(0)
    texts = []
    for _ in range(60):
        words = draw.choice(list(by_word), 14)
        texts.append(Sentence(tuple(words), tuple(by_word[word] for word in words)))
    task = Tagging(HeadConfig("tags", labels, 0.0), TOKENIZER, 10)
    assert task.scheme == scheme
    encoded = task.encode(texts)
    torch.manual_seed(0)
    config = BertConfig(
        layers=1, width=32, heads=2, feedforward=64, vocab_size=len(TOKENIZER), max_positions=16
    )
    model = BertTagger(config, task.head)
    batches = LabelledBatches(encoded, TOKENIZER.pad_id, 16)
    learner = torch.optim.AdamW(model.parameters(), 1e-2)
    for step in range(40):
        loss = task.loss(model, batches(step))["loss"]
        learner.zero_grad()
        loss.backward()
        learner.step()
    model.eval()
    logits = [np.zeros(0)] * len(encoded)
    with torch.no_grad():
        for batch in batches.in_order(256):
            for row, own in zip(batch.rows, model(batch.ids, batch.segments, batch.attend), strict=True):
                logits[int(row)] = own.numpy()
    table = np.concatenate(task.log_probabilities(texts, logits))
    told = [labels[label] for label in table.argmax(axis=1)]  # the rule is not legal: each word for itself
    true = [tag for text in texts for tag in text.tags]
    assert np.mean([a == b for a, b in zip(told, true, strict=True)]) > 0.99
    assert task.scores(texts, encoded, logits)["loss"] < 0.1
