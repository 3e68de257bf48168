"""`minibert generate` and `minibert evaluate`: what they take and what they print."""

import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import corpus_file, documents

from minibert.cli.command_line import main
from minibert.config import BertConfig, GptConfig
from minibert.config.decoding import WritingConfig
from minibert.hub import save_pretrained
from minibert.model.bert import BertForPretraining
from minibert.model.gpt import Gpt
from minibert.recipes.perplexity import evaluate_run
from minibert.recipes.writing import Writer
from minibert.text.byte_tokenizer import ByteTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """A small GPT with a tokenizer, and a file with a text."""
    folder = tmp_path_factory.mktemp("gpt")
    corpus_file(folder)
    tokenizer = ByteTokenizer.train([d.text for d in documents()], 300)
    shape = GptConfig(len(tokenizer), 1, 16, 2, 32, max_positions=40, init_std=0.4)
    save_pretrained(Gpt(shape, torch.Generator().manual_seed(0)), tokenizer, folder)
    return str(folder)


@pytest.fixture
def writer(folder) -> Writer:
    return Writer.open(Path(folder))


def printed(capsys, *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


# ------------------------------------------------------------ generate


def test_generate_prints_the_prompt_and_what_goes_on_from_it(folder, writer, capsys) -> None:
    out = printed(capsys, "generate", folder, "--prompt", "The baker", "--length", "9", "--seed", "3")
    assert out == "The baker" + "".join(writer.stream("The baker", WritingConfig(length=9, seed=3))) + "\n"


def test_generate_without_a_prompt_begins_a_text(folder, writer, capsys) -> None:
    out = printed(capsys, "generate", folder, "--length", "9")
    assert out == "".join(writer.stream(None, WritingConfig(length=9))) + "\n"


def test_every_flag_reaches_the_text(folder, writer, capsys) -> None:
    config = WritingConfig(1.4, 1.3, 20, 0.9, 0.3, length=30, seed=2)
    words = f"generate {folder} --prompt We --length 30 --repetition-penalty 1.4 --temperature 1.3 --top-k 20"
    out = printed(capsys, *words.split(), "--top-p", "0.9", "--min-p", "0.3", "--seed", "2")
    assert out == "We" + "".join(writer.stream("We", config)) + "\n"
    others = {
        "repetition_penalty": 1.0,
        "temperature": 0.8,
        "top_k": 2,
        "top_p": 0.3,
        "min_p": 0.0,
        "seed": 0,
    }
    for name, value in others.items():
        other = replace(config, **{name: value})
        assert "We" + "".join(writer.stream("We", other)) + "\n" != out, name


def test_several_texts_are_parted_by_dashes(folder, writer, capsys) -> None:
    config = WritingConfig(length=6, count=2)
    out = printed(capsys, "generate", folder, "--prompt", "We", "They", "--length", "6", "--count", "2")
    [we, they] = writer.texts(["We", "They"], config)
    expected = [*(f"We{text}\n" for text in we), *(f"They{text}\n" for text in they)]
    assert out == "---\n".join(expected)


def test_beams_print_the_likeliest(folder, writer, capsys) -> None:
    out = printed(capsys, "generate", folder, "--prompt", "We", "--length", "6", "--beams", "3")
    [[text]] = writer.texts(["We"], WritingConfig(length=6, beams=3))
    assert out == f"We{text}\n"


def test_prompts_may_come_from_a_file(folder, tmp_path, capsys) -> None:
    (tmp_path / "prompts.txt").write_text("We\n\nThey\n")
    out = printed(capsys, "generate", folder, "--file", str(tmp_path / "prompts.txt"), "--length", "6")
    assert out == printed(capsys, "generate", folder, "--prompt", "We", "They", "--length", "6")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--prompt", ""], "a prompt is empty: leave out --prompt"),
        (["--prompt", "We", "--file", "x.txt"], "give texts with --prompt, or a file"),
        (["--temperature", "-1"], "temperature must be at least 0, got -1"),
        (["--length", "0"], "length must be at least 1, got 0"),
        (["--beams", "2", "--top-k", "3"], "beam search draws nothing: leave out top_k"),
    ],
)
def test_a_bad_value_is_told_in_one_message(folder, flags: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["generate", folder, *flags])
    assert stopped.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_too_long_a_text_for_beams_names_the_largest_length(folder, capsys) -> None:
    assert main(["generate", folder, "--beams", "2", "--length", "50"]) == 1
    error = capsys.readouterr().err
    assert "the model has 40 positions: after a prompt of 1 tokens the largest length is 40, got 50" in error


def test_a_bert_is_sent_to_fill_and_to_its_report(tmp_path, capsys) -> None:
    save_pretrained(BertForPretraining(BertConfig(20, 1, 8, 2, 8)), None, tmp_path)
    for words, instead in (
        (["generate"], f"minibert fill {tmp_path} TEXT"),
        (["evaluate", "--corpus", "x.txt"], f"minibert report {tmp_path}"),
    ):
        assert main([words[0], str(tmp_path), *words[1:]]) == 1
        assert instead in capsys.readouterr().err


@pytest.mark.slow
def test_a_text_is_printed_as_it_comes_and_ctrl_c_breaks_it_off(folder) -> None:
    words = [sys.executable, "-m", "minibert", "generate", folder, "--prompt", "We", "--length", "1000000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        begun = process.stdout.read(20)  # long before the end
        process.send_signal(signal.SIGINT)
        rest, error = process.stdout.read(), process.stderr.read()
    assert begun.startswith(b"We") and rest.endswith(b"\n")
    assert process.returncode == 130
    assert error == b"minibert: stopped\n"


# ------------------------------------------------------------ evaluate


def test_evaluate_prints_the_numbers(folder, capsys) -> None:
    file = f"{folder}/stories.txt"
    out = printed(capsys, "evaluate", folder, "--corpus", file, "--stride", "10", "--device", "cpu")
    score, _ = evaluate_run(Path(folder), file, stride=10)
    assert (
        out.split()
        == (
            f"text all of {file}: 1 document, {score.bytes:,} bytes "
            f"tokens {score.tokens:,}, windows of 40 tokens, stride 10 "
            f"loss {score.loss:.4f} nats per token "
            f"perplexity {score.perplexity:.4g} "
            f"bits {score.bits_per_byte:.4f} per byte"
        ).split()
    )
    assert score.perplexity == pytest.approx(math.exp(score.loss))


def test_evaluate_takes_a_part_and_a_context(folder, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MINIBERT_CACHE", str(tmp_path))
    file = f"{folder}/stories.txt"
    out = printed(capsys, "evaluate", folder, "--corpus", file, "--part", "held-out", "--context", "7")
    assert (
        f"what is held out of {file}" in out.replace("\n" + 14 * " ", " ")
        and "windows of 7 tokens, stride 3" in out
    )


def test_windows_that_cannot_be_are_told_in_one_message(folder, capsys) -> None:
    assert main(["evaluate", folder, "--corpus", f"{folder}/stories.txt", "--context", "41"]) == 1
    assert "the context must be from 1 to 40 tokens, got 41" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", folder, "--corpus", "x.txt", "--stride", "0"])
    assert "--stride must be at least 1, got 0" in capsys.readouterr().err
