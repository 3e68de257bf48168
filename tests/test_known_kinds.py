"""Which kind of folder a config.json, a shape, a model or a head asks for."""

from pathlib import Path

import pytest
from task_models import head_for, task_model

from minibert.config import BertConfig, LstmConfig
from minibert.hub.bert_folder import BERT
from minibert.hub.gpt_folder import GPT
from minibert.hub.known_kinds import (
    KINDS,
    kind_of_body,
    kind_of_folder,
    kind_of_model,
    kind_of_shape,
    task_for,
)
from minibert.hub.modernbert_folder import MODERNBERT
from minibert.hub.recurrent_folder import LSTM
from minibert.hub.task_folders import TASK_KINDS
from minibert.model.bert import BertForPretraining
from minibert.model.classifier import ModernBertClassifier, ModernBertMeanClassifier

FILE = Path("config.json")


def test_a_pretrained_model_is_known_by_its_model_type() -> None:
    assert kind_of_folder({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, FILE) is GPT
    assert kind_of_folder({}, FILE) is BERT  # as the first files of BERT were
    with pytest.raises(ValueError, match="model_type must be bert or .*, got 't5'"):
        kind_of_folder({"model_type": "t5"}, FILE)


@pytest.mark.parametrize("kind", TASK_KINDS, ids=lambda kind: kind.model.__name__)
def test_a_task_model_is_known_by_its_architecture_and_by_its_class(kind) -> None:
    values = {"model_type": kind.body.model_type, "architectures": [kind.architecture], **kind.settings}
    assert kind_of_folder(values, FILE).name == kind.architecture
    assert kind_of_body(values, FILE) is kind.body
    assert kind_of_model(task_model(kind.model)).name == kind.architecture
    assert all(task_for(head_for(task), kind.body, values, FILE) is kind for task in kind.tasks)


def test_modernbert_takes_the_first_token_unless_its_folder_says_the_mean() -> None:
    for values, expected in (
        ({}, ModernBertClassifier),
        ({"classifier_pooling": "cls"}, ModernBertClassifier),
        ({"classifier_pooling": "mean"}, ModernBertMeanClassifier),
    ):
        assert task_for(head_for("classes"), MODERNBERT, values, FILE).model is expected


def test_a_shape_and_a_pretrained_model_know_their_folder() -> None:
    assert kind_of_shape(LstmConfig()) is LSTM
    assert kind_of_model(BertForPretraining(BertConfig(layers=1, width=8))) is BERT


def test_every_kind_has_a_name_of_its_own() -> None:
    assert [kind.name for kind in KINDS.values()] == [
        "BERT",
        "ModernBERT",
        "GPT-2",
        "Llama",
        "Qwen3",
        "RNN",
        "LSTM",
    ]
