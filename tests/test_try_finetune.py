"""A fine-tuning is tried: a batch is learned by heart, rates are suggested, and nothing is left."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch.nn.functional as F
from small_tasks import bert_folder, small_finetuning
from torch import Tensor

from minibert.cli.command_line import main
from minibert.recipes.classifying import Classifying
from minibert.recipes.overfit import ENOUGH, verdict
from minibert.recipes.try_finetune import find_finetuning_lr, overfit_finetuning


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("classify", {}),
        ("classify", {"smoothing": 0.2, "dropout": 0.3}),
        ("classify", {"micro_batch": 3}),
        ("classify", {"strategy": "gradual"}),
        ("tag", {}),
        ("answer", {}),
    ],
    ids=str,
)
def test_a_batch_is_learned_by_heart(kind: str, changes: dict[str, Any], tmp_path: Path) -> None:
    body = str(bert_folder(tmp_path))
    config = small_finetuning(kind, tmp_path, **({"steps": 300, "lr": 1e-2, "head_lr": 1e-2} | changes))
    before = set(tmp_path.iterdir())
    result = overfit_finetuning(kind, body, config)
    assert result.works, verdict(result)
    assert set(result.losses) == {"loss"} and result.losses["loss"] < ENOUGH < result.history[0]["loss"]
    assert set(tmp_path.iterdir()) == before


def test_what_the_loss_does_not_reach_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_bias_alone(self: Any, model: Any, batch: Any) -> dict[str, Tensor]:
        logits = model.output.bias.expand(len(batch.targets), -1)
        return {"loss": F.cross_entropy(logits, batch.targets)}

    monkeypatch.setattr(Classifying, "loss", of_bias_alone)
    config = small_finetuning("classify", tmp_path, steps=3)
    result = overfit_finetuning("classify", str(bert_folder(tmp_path)), config)
    assert not result.works and "output.weight" in result.unreached and "output.bias" not in result.unreached
    assert "No gradient reached" in verdict(result)


def test_rates_are_suggested_for_the_body_and_the_head(tmp_path: Path) -> None:
    body, config = str(bert_folder(tmp_path)), small_finetuning("classify", tmp_path, lr=1e-3)
    test = find_finetuning_lr("classify", body, config)
    assert test.peaks == pytest.approx({"--lr": 1e-3, "--head-lr": 1e-2})
    assert test.learned and test.gains[0] == 0 and test.gains.min() < -0.1
    assert test.picture == tmp_path / "run.find-lr.png" and test.picture.is_file()
    assert not (tmp_path / "run").exists()
    frozen = find_finetuning_lr("classify", body, replace(config, strategy="frozen"))
    assert frozen.peaks == pytest.approx({"--lr": 1e-3})


def test_the_commands_print_what_came_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_finetuning("classify", tmp_path)
    words = [
        "finetune",
        "classify",
        str(bert_folder(tmp_path)),
        "--data",
        *config.data,
        "--shares",
        "0.2",
        "0.2",
    ]
    words += ["--lr", "1e-2", "--max-tokens", "32", "--batch-size", "4", "--out", str(tmp_path / "run")]
    assert main([*words, "--overfit-one-batch"]) == 0
    assert "model, loss, gradient and optimiser work together" in capsys.readouterr().out
    assert main([*words, "--overfit-one-batch", "--steps", "1"]) == 1
    assert "only loss " in capsys.readouterr().out
    assert main([*words, "--find-lr"]) == 0
    assert "suggested: --lr " in capsys.readouterr().out
    assert main([*words, "--find-lr", "--dry-run"]) == 2
    assert "are different things to try: one at a time" in capsys.readouterr().err
    assert main([*words, "--find-lr", "--resume", "auto"]) == 2
    assert "leave out --resume" in capsys.readouterr().err
