"""`minibert evaluate --data`: a fine-tuned model on labelled texts, with the scores of its run."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from small_tasks import bert_folder, sentences, small_finetuning, to_answer, to_classify, to_tag

from minibert.cli.command_line import main
from minibert.config import FinetuneConfig
from minibert.hub import from_pretrained, save_pretrained
from minibert.recipes.finetune import finetune
from minibert.recipes.measuring import measure


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A small run of each task."""
    made = {}
    for kind in ("classify", "tag", "answer"):
        folder = tmp_path_factory.mktemp(kind)
        made[kind] = finetune(kind, str(bert_folder(folder)), small_finetuning(kind, folder))
    return made


def evaluation(run: Path) -> dict:
    return json.loads((run / "evaluation.json").read_text(encoding="utf-8"))


def predictions(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]


def config(*files: object) -> FinetuneConfig:
    return FinetuneConfig(data=tuple(map(str, files)))


def test_the_test_texts_of_a_run_get_the_scores_of_its_report(runs, tmp_path):
    file = tmp_path / "again.jsonl"
    lines = [{"text": line["text"], "label": line["true"]} for line in predictions(runs["classify"])]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = measure(runs["classify"], config(file))
    assert found.scores == pytest.approx(evaluation(runs["classify"])["test"], abs=1e-6)
    assert found.details["classes"] == evaluation(runs["classify"])["details"]["classes"]
    assert (found.asked, found.count) == ("classes", len(lines))


def test_tags_and_answers_are_measured_too(runs, tmp_path):
    for kind, told in (("tag", "true_tags"), ("answer", "true")):
        file = {"tag": to_tag, "answer": to_answer}[kind](tmp_path)
        found = measure(runs[kind], config(file))
        assert found.count == 27 and all(told in line for line in found.predictions)
        of_test = {key: 0 for key in evaluation(runs[kind])["test"]}
        assert set(found.scores) == set(of_test)


def test_the_same_sentences_in_another_scheme_have_the_same_scores(runs, tmp_path):
    bio = to_tag(tmp_path)
    bioes = tmp_path / "bioes.conll"
    bioes.write_text(bio.read_text().replace("B-", "S-"))
    assert measure(runs["tag"], config(bioes)).scores == measure(runs["tag"], config(bio)).scores


def test_questions_are_answered_by_the_threshold_of_the_run(tmp_path):
    run = finetune("answer", str(bert_folder(tmp_path)), small_finetuning("answer", tmp_path))
    for threshold, answered in ((1e9, 0), (-1e9, 27)):
        told = evaluation(run)
        told["validation"]["threshold"] = threshold
        (run / "evaluation.json").write_text(json.dumps(told))
        found = measure(run, config(to_answer(tmp_path)))
        assert sum(line["answer"] != "" for line in found.predictions) == answered
        assert found.scores["threshold"] == threshold


def test_texts_that_were_learned_from_are_said_to_be(runs, tmp_path, caplog):
    learned = json.loads((runs["classify"] / "run.json").read_text())["data"]["data"]
    measure(runs["classify"], config(*learned))
    assert f"has learned from some of these texts ({learned[0]})" in caplog.text
    caplog.clear()
    measure(runs["classify"], config(to_classify(tmp_path)))
    assert "has learned" not in caplog.text


def test_a_folder_from_elsewhere_is_measured_with_what_its_files_say(runs, tmp_path):
    model, tokenizer = from_pretrained(runs["classify"])
    save_pretrained(model, tokenizer, tmp_path / "theirs")
    file = to_classify(tmp_path)
    assert measure(tmp_path / "theirs", config(file)).scores == pytest.approx(
        measure(runs["classify"], config(file)).scores
    )


def test_the_command_prints_the_scores_and_each_class_and_writes_the_predictions(runs, tmp_path, capsys):
    file, told = to_classify(tmp_path), tmp_path / "told.jsonl"
    run, data = str(runs["classify"]), ["--data", str(file)]
    assert main(["evaluate", run, *data, "--predictions", str(told), "--device", "cpu"]) == 0
    found = measure(runs["classify"], config(file))
    out = capsys.readouterr().out.splitlines()
    assert f"accuracy           {100 * found.scores['accuracy']:.1f} %" in out
    assert "  precision     recall         F1      count  class" in out
    shares = found.details["classes"]["royal"]
    numbers = "".join(f"{f'{100 * shares[name]:.1f} %':>11}" for name in ("precision", "recall", "f1"))
    assert f"{numbers}          9  royal" in out and out[-1] == f"predictions: {told}"
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    assert [line["text"] for line in lines] == [f"The {' '.join(each)}." for each in sentences()]


def test_an_unknown_label_is_told_with_its_row_and_the_labels_there_are(runs, tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("text,label\nThe queen sells bread.,royal\nThe baker sells bread.,common\n")
    with pytest.raises(ValueError, match=r"other\.csv, row 2: the label 'common' .*'no', 'royal'"):
        measure(runs["classify"], config(file))
    tags = tmp_path / "other.conll"
    tags.write_text("The O\nqueen B-QUEEN\n\n")
    with pytest.raises(ValueError, match=r"other\.conll, line 1: the tag 'B-QUEEN' .*'B-PER'"):
        measure(runs["tag"], config(tags))
    with pytest.raises(ValueError, match="has no column 'mark' for --label"):
        measure(runs["classify"], replace(config(file), label="mark"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a text with --corpus, for a causal model, or labelled texts with --data"),
        (["--corpus", "a.txt", "--data", "a.csv"], "give a text with --corpus"),
        (["--corpus", "a.txt", "--label", "stars"], "--corpus has no use for --label"),
        (["--data", "a.csv", "--stride", "3"], "--data has no use for --stride"),
        (["--data", "a.csv", "--predictions", "nowhere/a.jsonl"], "there is no folder .*nowhere"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "runs/any", *words])
    assert re.search(message, " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().err).split()))


def test_a_fine_tuned_run_is_sent_from_a_text_to_labelled_ones(runs, capsys):
    assert main(["evaluate", str(runs["tag"]), "--corpus", "a.txt"]) == 1
    assert f"of one with a head: minibert evaluate {runs['tag']} --data FILE" in capsys.readouterr().err


def test_a_pretraining_is_not_measured_on_labels(tmp_path, capsys):
    assert main(["evaluate", str(bert_folder(tmp_path)), "--data", str(to_classify(tmp_path))]) == 1
    assert "holds a BertForPretraining, without a head for a task" in capsys.readouterr().err
