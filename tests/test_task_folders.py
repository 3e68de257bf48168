"""Folders of task models: all nine both ways, number for number with transformers, and what is refused."""

from typing import Any

import pytest
import torch
import transformers
from oracles import distance, randomise
from samples import DOCUMENTS
from task_models import ATTEND, IDS, SEGMENTS, SIZES, head_for, kind_named, read, task_model
from torch import Generator, Tensor

from minibert.config import BertConfig
from minibert.hub import from_pretrained, save_pretrained, with_head
from minibert.hub.task_folders import TASK_KINDS
from minibert.model.answerer import BertAnswerer
from minibert.model.bert import BertForPretraining
from minibert.model.classifier import BertClassifier
from minibert.model.tagger import BertTagger
from minibert.text.tokenizer import Tokenizer

transformers.utils.logging.disable_progress_bar()

EVERY = [
    pytest.param(kind, task, id=f"{kind.model.__name__}-{task}") for kind in TASK_KINDS for task in kind.tasks
]


def their_logits(model: Any) -> Tensor:
    segments = {"token_type_ids": SEGMENTS} if model.config.model_type == "bert" else {}
    output = model.eval()(input_ids=IDS, attention_mask=ATTEND.long(), **segments)
    return output.logits if "logits" in output else torch.stack([output.start_logits, output.end_logits], -1)


@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_transformers_opens_what_we_save_and_gets_the_same_logits(kind, task, tmp_path) -> None:
    ours = task_model(kind.model, task).float()
    save_pretrained(ours, None, tmp_path)
    theirs, info = getattr(transformers, kind.architecture).from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not any(info.values()), info
    logits = ours(IDS, SEGMENTS, ATTEND)
    assert distance(read(logits), read(their_logits(theirs))) < 1e-5

    again, tokenizer = from_pretrained(tmp_path)
    assert type(again) is kind.model and tokenizer is None and not again.training
    assert again.head_config == head_for(task) and again.config == ours.config
    assert torch.equal(again(IDS, SEGMENTS, ATTEND), logits)


# ------------------------------------------------------------ a new head


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer.train([document.text for document in DOCUMENTS], vocab_size=60)


@pytest.mark.parametrize("model", [BertClassifier, BertTagger, BertAnswerer])
def test_a_new_head_stands_on_the_body_of_a_pretrained_folder(model, tokenizer, tmp_path, caplog) -> None:
    pretrained = randomise(BertForPretraining(BertConfig(**SIZES))).float()
    save_pretrained(pretrained, tokenizer, tmp_path)
    head = head_for(kind_named(model).tasks[0])
    headed, words = with_head(tmp_path, head, Generator().manual_seed(0), dropout=0.25)
    assert type(headed) is model and headed.head_config == head and not headed.training
    assert words.fingerprint == tokenizer.fingerprint and not caplog.records
    assert headed.config == BertConfig(**{**SIZES, "dropout": 0.25, "attention_dropout": 0.25})
    weights = dict(pretrained.bert.named_parameters())
    for name, weight in headed.bert.named_parameters():
        assert torch.equal(weight, weights[name]), name
    assert 0.01 < float(headed.output.weight.std()) < 0.04 and not headed.output.bias.any()
