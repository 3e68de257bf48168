"""What a fine-tuned run says of other texts: the same from Python and from the command line."""

import json

import numpy as np
import pytest
from small_tasks import bert_folder, sentences, small_finetuning, to_answer

from minibert.cli.command_line import main
from minibert.config import FinetuneConfig
from minibert.recipes.finetune import finetune
from minibert.recipes.predict import config_of, predict


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A small run of each task."""
    made = {}
    for kind in ("classify", "tag", "answer"):
        folder = tmp_path_factory.mktemp(kind)
        made[kind] = finetune(kind, str(bert_folder(folder)), small_finetuning(kind, folder))
    return made


def test_the_test_texts_get_the_predictions_that_the_run_wrote_down(runs):
    lines = [json.loads(line) for line in (runs["classify"] / "predictions.jsonl").read_text().splitlines()]
    again = list(predict(runs["classify"], [line["text"] for line in lines]))
    for line, other in zip(lines, again, strict=True):
        assert line["label"] == other["label"]
        ours, theirs = ([each["probabilities"][name] for name in ("no", "royal")] for each in (line, other))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        assert sum(theirs) == pytest.approx(1)


def test_a_table_of_texts_is_told_in_its_order(runs, tmp_path):
    file = tmp_path / "asked.csv"
    texts = [f"The {' '.join(each)}." for each in sentences()]
    file.write_text("review\n" + "\n".join(texts) + "\n")
    told = list(predict(runs["classify"], file=file, columns=("review", None)))
    assert [line["text"] for line in told] == texts
    assert [line["label"] for line in told] == [line["label"] for line in predict(runs["classify"], texts)]


def test_a_file_that_is_no_table_has_a_text_on_each_line(runs, tmp_path):
    file = tmp_path / "asked.txt"
    file.write_text("The queen sells.\n\nThe baker hides.\nThe queen rests.\n")
    told = list(predict(runs["classify"], file=file))
    texts = ["The queen sells.", "The baker hides.", "The queen rests."]
    assert told == list(predict(runs["classify"], texts))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("asked.txt", "\n", "asked.txt holds no text: give a file with a text on each line"),
        ("asked.csv", "text,label\n", "asked.csv has no texts$"),
        ("asked.jsonl", '{"text": "It rains."}\n{"other": "It snows."}\n', "row 2, has no column 'text'"),
    ],
)
def test_a_file_without_texts_is_refused(name, content, message, runs, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        list(predict(runs["classify"], file=tmp_path / name))


def test_a_tagger_tells_of_every_word(runs):
    [line] = predict(runs["tag"], ["The queen sells bread ."])
    assert line["words"] == ["The", "queen", "sells", "bread", "."] and len(line["tags"]) == 5


def test_questions_are_answered_in_their_context(runs, tmp_path):
    [line] = predict(runs["answer"], ["Who sells?"], context="The queen sells bread.")
    assert line["answer"] in "The queen sells bread."
    assert len(list(predict(runs["answer"], file=to_answer(tmp_path)))) == 27


def test_a_model_reads_and_answers_as_it_was_told_to_when_it_learned(tmp_path):
    config = small_finetuning("answer", tmp_path, longest_answer=1, max_tokens=24)
    told = config_of(finetune("answer", str(bert_folder(tmp_path)), config))
    assert (told.longest_answer, told.max_tokens, told.long_texts) == (1, 24, "cut")
    assert config_of(bert_folder(tmp_path)) == FinetuneConfig()


def test_the_command_prints_a_line_of_json_for_each_text(runs, capsys):
    assert main(["predict", str(runs["classify"]), "The queen sells.", "The baker hides."]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == ["The queen sells.", "The baker hides."]


@pytest.mark.parametrize(
    "words, message",
    [
        (["{answer}", "Who?"], "a question needs a text with its answer"),
        (["{classify}", "A text.", "--context", "Another."], "--context goes with a model that answers"),
        (["{bert}", "A text."], "without a head for a task"),
    ],
)
def test_what_cannot_be_asked_is_said_in_one_sentence(words, message, runs, tmp_path, capsys):
    known = {kind: str(run) for kind, run in runs.items()} | {"bert": str(bert_folder(tmp_path))}
    assert main(["predict", *(word.format(**known) for word in words)]) == 1
    assert message in capsys.readouterr().err
