"""`minibert embed` and `minibert similar`: what they take and what they print."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_models import LONGEST, SENTENCES, sentence_model

from minibert.cli.command_line import main
from minibert.cli.vectors import beside, progress_bar
from minibert.recipes.embed import SentenceEncoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(sentence_model(tmp_path_factory.mktemp("sentences")))


@pytest.fixture(scope="module")
def vectors(folder) -> np.ndarray:
    return SentenceEncoder.open(folder, "cpu").encode(SENTENCES)[0]


@pytest.fixture
def lines(tmp_path) -> str:
    """A file with the sentences, a blank line before each."""
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"\n{sentence}\n" for sentence in SENTENCES), encoding="utf-8")
    return str(file)


# ---------------------------------------------------------------- embed


def test_embed_prints_a_line_of_json_for_each_text_with_every_digit(folder, vectors, capsys) -> None:
    assert main(["embed", folder, *SENTENCES[:3]]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [set(row) for row in printed] == [{"text", "vector"}] * 3
    assert [row["text"] for row in printed] == SENTENCES[:3]
    got = np.array([row["vector"] for row in printed], np.float32)
    assert np.array_equal(got, SentenceEncoder.open(folder, "cpu").encode(SENTENCES[:3])[0])
    assert np.abs(got - vectors[:3]).max() < 1e-6


def test_embed_reads_a_file_and_leaves_blank_lines_out(folder, lines, vectors, capsys, monkeypatch) -> None:
    monkeypatch.setattr("minibert.cli.vectors.BAR_DELAY", 0)
    assert main(["embed", folder, "--file", lines]) == 0
    captured = capsys.readouterr()
    printed = [json.loads(line) for line in captured.out.splitlines()]
    assert [row["text"] for row in printed] == SENTENCES
    assert np.abs(np.array([row["vector"] for row in printed]) - vectors).max() < 1e-6
    assert "\r" not in captured.err  # no bar where nobody looks


def test_embed_writes_an_array_and_says_its_size(folder, lines, vectors, tmp_path, capsys) -> None:
    out = tmp_path / "vectors.npy"
    assert main(["embed", folder, "--file", lines, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: {len(SENTENCES)} vectors of 16 numbers\n"
    assert np.abs(np.load(out) - vectors).max() < 1e-6


def test_a_text_that_is_cut_is_reported(folder, capsys, caplog) -> None:
    assert main(["embed", folder, "short", " ".join(SENTENCES)]) == 0
    assert f"1 of 2 texts have more than {LONGEST} tokens" in caplog.text


# ---------------------------------------------------------------- similar


def test_similar_prints_the_nearest_lines_with_their_numbers(
    folder, lines, vectors, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["similar", folder, "--query", SENTENCES[4], lines, "--top", "3"]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line[:1] == " " and line[2] == "."]
    scores = vectors @ vectors[4]
    best = np.argsort(-scores, kind="stable")[:3]
    assert [int(line.split()[1]) for line in printed] == [2 * row + 2 for row in best]
    assert [float(line.split()[0]) for line in printed] == pytest.approx(scores[best].tolist(), abs=6e-4)
    assert printed[0].split()[:2] == ["1.000", "10"]
    assert printed[0].endswith(SENTENCES[4])


def test_each_of_several_queries_has_its_own_lines(folder, lines, capsys) -> None:
    line = ["similar", folder, lines, "--query", SENTENCES[0], "--query", SENTENCES[2], "--top", "1"]
    assert main(line) == 0
    first, second = capsys.readouterr().out.strip().split("\n\n")
    assert first.splitlines()[0] == SENTENCES[0] and first.splitlines()[1].split()[:2] == ["1.000", "2"]
    assert second.splitlines()[0] == SENTENCES[2] and second.splitlines()[1].split()[:2] == ["1.000", "6"]


def test_a_long_line_is_shown_in_three_lines(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown = beside(" 0.123  7  ", "bees count " * 1000).splitlines()
    assert len(shown) == 3 and max(map(len, shown)) <= 40
    assert shown[0].startswith(" 0.123  7  bees") and shown[1].startswith(" " * 11 + "count")
    assert shown[2].endswith(" …")
    assert beside(" 0.123  7  ", "bees count") == " 0.123  7  bees count"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed"], "MODEL"),
        (["embed", "m"], "give texts, or a file of them with --file"),
        (["embed", "m", "text", "--file", "lines.txt"], "give texts, or a file of them with --file"),
        (["embed", "m", "text", " \n"], "a text is empty"),
        (["embed", "m", "text", "--out", "vectors.txt"], "--out must end in .npy, got vectors.txt"),
        (["similar", "m", "lines.txt"], "--query"),
        (["similar", "m", "--query", "bees"], "FILE"),
        (["similar", "m", "--query", "", "lines.txt"], "a query is empty"),
        (["similar", "m", "--query", "bees", "lines.txt", "--top", "0"], "--top must be at least 1, got 0"),
    ],
)
def test_wrong_usage_is_explained_with_exit_code_2(words, said, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", [["embed", "--file"], ["similar", "--query", "bees"]])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no text"),
        (b"\n\n", "holds no text"),
        (b"ok\n\xff", "line 2, byte 1"),
        (None, "No such file"),
    ],
)
def test_a_bad_file_is_one_message_and_exit_code_1(folder, tmp_path, capsys, command, content, said) -> None:
    file = tmp_path / "lines.txt"
    if content is not None:
        file.write_bytes(content)
    assert main([command[0], folder, *command[1:], str(file)]) == 1
    error = capsys.readouterr().err
    assert said in error and str(file) in error and "Traceback" not in error


def test_a_failed_embed_leaves_no_file(folder, tmp_path, capsys) -> None:
    (tmp_path / "lines.txt").write_bytes(b"ok\n\xff")
    line = ["embed", folder, "--file", str(tmp_path / "lines.txt"), "--out", str(tmp_path / "vectors.npy")]
    assert main(line) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["lines.txt"]


def test_a_missing_folder_for_the_array_is_said_before_the_model_is_read(tmp_path, capsys) -> None:
    assert main(["embed", "no model", "bees", "--out", str(tmp_path / "none" / "vectors.npy")]) == 1
    assert f"no folder {tmp_path / 'none'}" in capsys.readouterr().err


def test_an_unknown_model_is_one_message(capsys) -> None:
    assert main(["embed", "minilmm", "bees"]) == 1
    assert "Did you mean 'minilm'?" in capsys.readouterr().err


# ---------------------------------------------------------------- around


def test_the_bar_counts_the_bytes_of_the_file_for_those_who_look(lines, monkeypatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("minibert.cli.vectors.BAR_DELAY", 0)
    with progress_bar(Path(lines)):
        pass
    assert f"0.00/{Path(lines).stat().st_size / 1000:.2f}k" in screen.getvalue()


def test_help_loads_no_torch_and_fits_80_columns() -> None:
    code = (
        "import sys; from minibert.cli import main\n"
        "for command in ('embed', 'similar'):\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert max(len(line) for line in done.stdout.splitlines() if "usage" not in line) <= 80
