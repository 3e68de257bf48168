"""Folders of task models: all nine both ways, number for number with transformers, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers
from exact_transformers import exact_transformers
from hypothesis import given
from model_folders import edit_json, edit_weights, refusal
from oracles import distance, randomise
from strategies import seeds
from task_models import ATTEND, IDS, LABELS, SEGMENTS, SIZES, head_for, read, task_model
from torch import Generator, Tensor

from minibert.config import HeadConfig, Task
from minibert.hub import from_pretrained, save_pretrained
from minibert.hub.task_folders import TASK_KINDS, TaskFolderKind
from minibert.model.answerer import BertAnswerer, GptAnswerer
from minibert.model.classifier import BertClassifier, GptClassifier, ModernBertMeanClassifier
from minibert.model.tagger import BertTagger, GptTagger, ModernBertTagger

__all__ = ["exact_transformers"]

transformers.utils.logging.disable_progress_bar()

EVERY = [
    pytest.param(kind, task, id=f"{kind.model.__name__}-{task}") for kind in TASK_KINDS for task in kind.tasks
]


def their_inputs(model: Any) -> dict[str, Tensor]:
    segments = {"token_type_ids": SEGMENTS} if model.config.model_type == "bert" else {}
    return {"input_ids": IDS, "attention_mask": ATTEND.long(), **segments}


def their_logits(output: Any) -> Tensor:
    return output.logits if "logits" in output else torch.stack([output.start_logits, output.end_logits], -1)


# ------------------------------------------------------------ number for number


def twins(kind: TaskFolderKind, task: Task, seed: int) -> tuple[Any, Any, Any]:
    """Return a random task model of transformers, ours with its weights, float64, and the kind of folder."""
    config = kind.body.shape(**SIZES, dropout=0.0, attention_dropout=0.0)
    head = HeadConfig(task, head_for(task).labels, dropout=0.0)
    folder = kind.folder(head)
    settings = {name: value for name, value in folder.write_config(config).items() if name != "minibert"}
    theirs = getattr(transformers, kind.architecture)
    theirs = randomise(theirs(theirs.config_class(**settings)), seed, scale=0.3).train()
    ours = kind.model(config, head).double().train()
    ours.load_state_dict(folder.from_hugging_face(theirs.state_dict()))
    return ours, theirs, folder


def targets(task: Task, seed: int) -> dict[str, Tensor]:
    """Return what the loss of transformers is asked for."""
    generator = Generator().manual_seed(seed)
    three = torch.randint(3, (3,), generator=generator)
    match task:
        case "classes":
            return {"labels": three}
        case "labels":
            return {"labels": torch.randint(2, (3, 3), generator=generator).double()}
        case "number":
            return {"labels": torch.randn(3, generator=generator, dtype=torch.float64)}
        case "tags":
            return {"labels": torch.randint(3, IDS.shape, generator=generator).where(ATTEND, -100)}
        case "spans":
            return {"start_positions": three % 2, "end_positions": three // 2}


def loss_of(task: Task, logits: Tensor, asked: dict[str, Tensor]) -> Tensor:
    match task:
        case "classes":
            return F.cross_entropy(logits, asked["labels"])
        case "labels":
            return F.binary_cross_entropy_with_logits(logits, asked["labels"])
        case "number":
            return F.mse_loss(logits[:, 0], asked["labels"])
        case "tags":
            return F.cross_entropy(logits.flatten(0, 1), asked["labels"].flatten())
        case "spans":
            return torch.stack(
                [F.cross_entropy(logits[..., i], y) for i, y in enumerate(asked.values())]
            ).mean()


@pytest.mark.usefixtures("exact_transformers")
@pytest.mark.parametrize(("kind", "task"), EVERY)
@given(seed=seeds)
def test_logits_loss_and_every_gradient_are_those_of_transformers(kind, task, seed) -> None:
    """Differences are shares of a tensor's largest number; in gradients, of at least a tenth of any's.

    (Theirs look for answers in the padding too, where GPT-2's differ: there the texts are of one length.)
    """
    ours, theirs, folder = twins(kind, task, seed)
    asked, inputs = targets(task, seed), their_inputs(theirs)
    attend = None if task == "spans" else ATTEND
    if attend is None:
        del inputs["attention_mask"]
    expected = theirs(**inputs, **asked)
    logits = ours(IDS, SEGMENTS, attend)
    assert distance(read(logits), read(their_logits(expected))) < 1e-10
    loss = loss_of(task, logits, asked)
    assert distance(loss, expected.loss) < 1e-10

    loss.backward()
    expected.loss.backward()
    found = {name: weight.grad for name, weight in theirs.named_parameters() if weight.grad is not None}
    got = {name: weight.grad for name, weight in ours.named_parameters()}
    assert all(gradient is not None for gradient in got.values())
    largest = max(float(gradient.abs().max()) for gradient in found.values())
    gradients = folder.to_hugging_face(got)
    assert set(gradients) == set(found) == {name for name, _ in theirs.named_parameters()}
    for name, gradient in gradients.items():
        assert distance(gradient, found[name], least=0.1 * largest) < 1e-10, name


# ------------------------------------------------------------ what we write


@pytest.mark.parametrize(("kind", "task"), EVERY)
def test_transformers_opens_what_we_save_and_gets_the_same_logits(kind, task, tmp_path) -> None:
    ours = task_model(kind.model, task).float()
    save_pretrained(ours, None, tmp_path)
    theirs, info = getattr(transformers, kind.architecture).from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not any(info.values()), info
    logits = ours(IDS, SEGMENTS, ATTEND)
    assert distance(read(logits), read(their_logits(theirs.eval()(**their_inputs(theirs))))) < 1e-5

    again, tokenizer = from_pretrained(tmp_path)
    assert type(again) is kind.model and tokenizer is None and not again.training
    assert again.head_config == head_for(task) and again.config == ours.config
    assert torch.equal(again(IDS, SEGMENTS, ATTEND), logits)


def test_config_json_says_what_the_outputs_are(tmp_path) -> None:
    save_pretrained(task_model(BertClassifier, "labels").float(), None, tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert config.architectures == ["BertForSequenceClassification"] and config.classifier_dropout == 0.3
    assert config.problem_type == "multi_label_classification"
    assert config.id2label == {0: "sad", 1: "so so", 2: "glad"}
    assert config.label2id == {"sad": 0, "so so": 1, "glad": 2}
    auto = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert type(auto) is transformers.BertForSequenceClassification


# ------------------------------------------------------------ what others wrote


def saved_by_transformers(architecture: str, folder: Path, **settings: Any) -> Any:
    """Save a random model of transformers with small sizes, and return it."""
    theirs = getattr(transformers, architecture)
    sizes = {
        "vocab_size": 60,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "pad_token_id": 3,
        "bos_token_id": 1,
        "eos_token_id": 1,
        "cls_token_id": 1,
        "sep_token_id": 2,
    }
    named = {} if architecture.startswith("GPT2") else {"intermediate_size": 12}
    model = randomise(theirs(theirs.config_class(**sizes, **named, **settings))).float().eval()
    model.save_pretrained(folder)
    return model


NAMED = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}


@pytest.mark.parametrize(
    ("architecture", "settings", "model", "head"),
    [
        (
            "BertForSequenceClassification",
            NAMED | {"hidden_dropout_prob": 0.2},
            BertClassifier,
            HeadConfig("classes", LABELS, 0.2),
        ),
        ("BertForSequenceClassification", {"num_labels": 1}, BertClassifier, HeadConfig("number", (), 0.1)),
        (
            "BertForTokenClassification",
            NAMED | {"classifier_dropout": 0.0},
            BertTagger,
            HeadConfig("tags", LABELS, 0.0),
        ),
        ("BertForQuestionAnswering", {}, BertAnswerer, HeadConfig("spans", (), 0.0)),
        (
            "ModernBertForSequenceClassification",
            NAMED | {"classifier_pooling": "mean", "problem_type": "multi_label_classification"},
            ModernBertMeanClassifier,
            HeadConfig("labels", LABELS, 0.0),
        ),
        (
            "ModernBertForTokenClassification",
            NAMED | {"classifier_dropout": 0.4},
            ModernBertTagger,
            HeadConfig("tags", LABELS, 0.4),
        ),
        (
            "GPT2ForSequenceClassification",
            {},
            GptClassifier,
            HeadConfig("classes", ("LABEL_0", "LABEL_1"), 0),
        ),
        ("GPT2ForTokenClassification", NAMED, GptTagger, HeadConfig("tags", LABELS, 0.1)),
        ("GPT2ForQuestionAnswering", {}, GptAnswerer, HeadConfig("spans", (), 0.0)),
    ],
)
def test_we_open_what_transformers_saves_and_get_the_same_logits(
    architecture, settings, model, head, tmp_path
) -> None:
    theirs = saved_by_transformers(architecture, tmp_path, **settings)
    ours, _ = from_pretrained(tmp_path)
    assert type(ours) is model and ours.head_config == head and ours.config.pad_id == 3
    expected = their_logits(theirs(**their_inputs(theirs)))
    assert distance(read(ours(IDS, SEGMENTS, ATTEND)), read(expected)) < 1e-5


def test_a_pooler_in_an_older_folder_of_a_tagger_is_left_out(tmp_path) -> None:
    theirs = saved_by_transformers("BertForTokenClassification", tmp_path)
    pooler = {"bert.pooler.dense.weight": torch.zeros(8, 8), "bert.pooler.dense.bias": torch.zeros(8)}
    edit_weights(tmp_path, lambda state: state | pooler)
    ours, _ = from_pretrained(tmp_path)
    assert distance(ours(IDS), theirs(IDS).logits) < 1e-5
    assert not any("pooler" in name for name, _ in ours.named_parameters())


# ------------------------------------------------------------ what is refused


@pytest.fixture
def folder(tmp_path) -> Path:
    save_pretrained(task_model(BertClassifier).float(), None, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problem_type": "ranking"}, "problem_type must be single_label_classification or"),
        ({"problem_type": "regression"}, "a model for regression must have one output, got 3"),
        ({"id2label": {"1": "a", "2": "b", "3": "c"}}, "id2label must name the labels 0, 1, 2"),
        ({"id2label": ["sad", "so so", "glad"]}, "id2label must name the labels 0, 1, 2"),
        ({"id2label": {"0": "a", "1": "a", "2": "b"}, "label2id": None}, "labels must differ"),
        ({"label2id": {"sad": 2, "so so": 1, "glad": 0}}, "label2id must be id2label the other way round"),
        ({"id2label": {"0": "a", "1": "b"}, "label2id": None}, "the head has 2 outputs in config.json"),
        ({"classifier_dropout": "0.1"}, "classifier_dropout must be a number, got '0.1'"),
        ({"classifier_dropout": 1.5}, r"dropout must be in \[0, 1\), got 1.5"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(folder, changes, message) -> None:
    edit_json(folder / "config.json", **changes)
    with pytest.raises(ValueError, match=message) as error:
        from_pretrained(folder)
    assert str(folder) in str(error.value)


def test_another_way_to_sum_up_a_text_is_refused(tmp_path) -> None:
    save_pretrained(task_model(ModernBertMeanClassifier).float(), None, tmp_path)
    edit_json(tmp_path / "config.json", classifier_pooling="max")
    assert "classifier_pooling must be cls or mean, got 'max'" in refusal(tmp_path)


def test_missing_and_unexpected_weights_are_named_as_theirs(folder) -> None:
    edit_weights(
        folder,
        lambda state: (
            {name: state[name] for name in state if name != "classifier.bias"}
            | {"extra.weight": torch.zeros(2)}
        ),
    )
    message = refusal(folder)
    assert "does not hold the weights of this BertForSequenceClassification" in message
    assert "missing: classifier.bias" in message and "unexpected: extra.weight" in message


def test_sizes_that_disagree_are_told_of_a_gpt_too(tmp_path) -> None:
    save_pretrained(task_model(GptClassifier).float(), None, tmp_path)
    edit_json(tmp_path / "config.json", n_layer=3, vocab_size=61)
    message = refusal(tmp_path)
    assert "n_layer is 3 in config.json and 2 in the weights" in message
    assert "vocab_size is 61 in config.json and 60 in the weights" in message


def test_labels_are_counted_where_they_have_no_names(folder) -> None:
    values = json.loads((folder / "config.json").read_text())
    del values["id2label"], values["label2id"]
    (folder / "config.json").write_text(json.dumps(values | {"num_labels": 3}))
    assert from_pretrained(folder)[0].head_config.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
