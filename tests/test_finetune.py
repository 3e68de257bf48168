"""Fine-tuning whole: from labelled texts and a pretrained folder to a run that `transformers` opens."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from small_tasks import bert_folder, gpt_folder, small_finetuning

from minibert.config import FinetuneConfig
from minibert.hub import from_pretrained
from minibert.recipes import finetune as recipe
from minibert.recipes.finetune import finetune, with_end

KINDS = ("classify", "tag", "answer")

THEIRS = {
    "classify": transformers.BertForSequenceClassification,
    "tag": transformers.BertForTokenClassification,
    "answer": transformers.BertForQuestionAnswering,
}


def read(run: Path, name: str) -> dict:
    return json.loads((run / name).read_text(encoding="utf-8"))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(from_pretrained(run)[0].named_parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_has_everything_that_belongs_to_one(kind, tmp_path):
    config = small_finetuning(kind, tmp_path)
    run = finetune(kind, str(bert_folder(tmp_path)), config, "minibert finetune …")
    record, evaluation = read(run, "run.json"), read(run, "evaluation.json")
    assert record["task"] == kind and record["finished"] and record["command"] == "minibert finetune …"
    assert sum(record["data"]["texts"].values()) == 27
    assert record["parameters"] == record["learning_parameters"]
    assert evaluation["goal"] == record["goal"] and evaluation["step"] in (3, 6)
    for part in ("validation", "test"):
        assert 0 <= evaluation[part][record["goal"]] <= 100 and evaluation[part]["loss"] > 0
    assert evaluation["baselines"]
    lines = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == record["data"]["texts"]["test"] and all(
        any(key.startswith("true") for key in line) for line in lines
    )
    report = (run / "report.md").read_text()
    assert "baseline" in report and (run / "README.md").exists()


def test_the_baseline_of_frozen_features_is_that_of_the_body_before_it_learned(tmp_path):
    body, name = str(bert_folder(tmp_path)), "frozen features with logistic regression"
    found = []
    for strategy, fresh in (("whole", 2), ("lora", 0)):
        changes = {"strategy": strategy, "fresh_layers": fresh, "out": tmp_path / strategy}
        run = finetune("classify", body, small_finetuning("classify", tmp_path, **changes))
        found.append(read(run, "evaluation.json")["baselines"][name])
        assert read(run, "run.json")["baselines"][name] == found[-1]
        assert name in (run / "report.md").read_text()
    assert found[0] == found[1] and 0 < found[0]["loss"] < 2


@pytest.mark.parametrize("kind", ["tag", "answer"])
def test_there_are_no_frozen_features_where_each_word_is_asked_about(kind, tmp_path):
    run = finetune(kind, str(bert_folder(tmp_path)), small_finetuning(kind, tmp_path))
    assert len(read(run, "evaluation.json")["baselines"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_opens_the_run_and_says_the_same(kind, tmp_path):
    run = finetune(kind, str(bert_folder(tmp_path)), small_finetuning(kind, tmp_path))
    ours, _ = from_pretrained(run)
    theirs = THEIRS[kind].from_pretrained(run)
    ids = torch.arange(10, 30).reshape(2, 10)
    with torch.no_grad():
        logits, output = ours.eval()(ids), theirs.eval()(ids)
    other = torch.stack([output.start_logits, output.end_logits], -1) if kind == "answer" else output.logits
    torch.testing.assert_close(logits, other, rtol=0, atol=1e-5)


def test_a_gpt_is_fine_tuned_too(tmp_path):
    run = finetune("classify", str(gpt_folder(tmp_path)), small_finetuning("classify", tmp_path))
    assert isinstance(
        transformers.AutoModelForSequenceClassification.from_pretrained(run),
        transformers.GPT2ForSequenceClassification,
    )


@pytest.mark.slow
def test_what_can_be_learned_is_learned_and_beats_the_most_frequent_class(tmp_path):
    config = small_finetuning("classify", tmp_path, steps=80, batch_size=8, evaluate_every=20)
    evaluation = read(finetune("classify", str(bert_folder(tmp_path)), config), "evaluation.json")
    assert evaluation["test"]["accuracy"] == 1.0
    assert evaluation["baselines"]["most frequent class"]["accuracy"] < 0.8


@pytest.mark.parametrize("strategy", ["whole", "frozen", "gradual", "lora"])
def test_a_run_that_is_stopped_and_resumed_equals_one_that_never_was(strategy, tmp_path, monkeypatch):
    body = str(bert_folder(tmp_path))
    settings = {"strategy": strategy, "steps": 9, "evaluate_every": 9}
    whole = finetune("classify", body, small_finetuning("classify", tmp_path, **settings))

    class Broken(Exception):
        pass

    def broken(*arguments, **more):
        at_step = more["before_step"]

        def stop(step: int) -> None:
            if step == 5:
                raise Broken
            at_step(step)

        return train(*arguments, **(more | {"before_step": stop}))

    train = recipe.train
    config = small_finetuning("classify", tmp_path, **settings, out=tmp_path / "stopped")
    monkeypatch.setattr(recipe, "train", broken)
    with pytest.raises(Broken):
        finetune("classify", body, config)
    monkeypatch.setattr(recipe, "train", train)
    monkeypatch.setattr(recipe, "baselines", lambda run: pytest.fail("the baselines are known already"))
    resumed = finetune("classify", body, replace(config, resume="auto"))
    assert read(resumed, "evaluation.json")["baselines"] == read(whole, "evaluation.json")["baselines"]
    for name, weight in weights(whole).items():
        assert torch.equal(weight, weights(resumed)[name]), name


def test_a_frozen_body_stays_as_it_was_and_the_head_learns(tmp_path):
    body = bert_folder(tmp_path)
    run = finetune("classify", str(body), small_finetuning("classify", tmp_path, strategy="frozen"))
    before, after = weights(body), weights(run)
    kept = [name for name in after if name.startswith("bert.") and "pooler" not in name]
    assert kept and all(torch.equal(before[name], after[name]) for name in kept)
    assert after["output.bias"].abs().sum() > 0
    record = read(run, "run.json")
    assert record["learning_parameters"] < record["parameters"] / 5


def test_augmented_texts_are_learned_too(tmp_path):
    changes = {"delete": 0.2, "swap": 0.2, "replace": 0.3}
    run = finetune("classify", str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path, **changes))
    assert read(run, "run.json")["config"]["delete"] == 0.2


def test_the_run_has_the_weights_of_the_best_look(tmp_path):
    config = small_finetuning("classify", tmp_path, steps=12, evaluate_every=2, keep=1)
    run = finetune("classify", str(bert_folder(tmp_path)), config)
    looks = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    looks = [line for line in looks if line["kind"] == "held_out"]
    best = max(looks, key=lambda line: line["accuracy"])
    evaluation = read(run, "evaluation.json")
    assert evaluation["step"] == best["step"]
    assert evaluation["validation"]["accuracy"] == best["accuracy"]


def test_resuming_with_other_texts_is_refused(tmp_path):
    body, config = str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path)
    finetune("classify", body, config)
    file = Path(config.data[0])
    file.write_text(file.read_text().replace("no", "yes"))
    with pytest.raises(ValueError, match="text of .* is not the one the run began with"):
        finetune("classify", body, replace(config, resume="auto"))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"max_tokens": 49}, "--max-tokens 49 is longer than the model's 48 positions"),
        ({"shard": True}, "leave out --shard"),
        ({"last_layers": 3, "strategy": "last"}, "--last-layers must be at most 2"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_step(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        finetune("classify", str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path, **changes))
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_short_run_logs_often_enough_for_a_curve():
    assert with_end(FinetuneConfig(steps=39), rows=18).log_every == 1
    assert with_end(FinetuneConfig(steps=100), rows=18).log_every == 5
    long = FinetuneConfig(steps=10_000)
    assert with_end(long, rows=18).log_every == long.log_every
    assert with_end(FinetuneConfig(max_minutes=1.0), rows=18).log_every == long.log_every


def test_a_run_ends_after_its_epochs_and_looks_after_each():
    config = with_end(FinetuneConfig(epochs=2.5, batch_size=4), rows=18)
    assert (config.steps, config.look_every) == (12, 5)
    told = with_end(FinetuneConfig(steps=7, evaluate_every=3), rows=18)
    assert (told.steps, told.look_every) == (7, 3)
    assert with_end(FinetuneConfig(max_minutes=1.0), rows=18).steps is None
