"""What a model made of held-out text is shown as it is, whatever signs are in it."""

from pathlib import Path

from run_folders import causal_record, causal_run, evaluation_record, run_record, write_run

from minibert.report.examples import examples
from minibert.report.run_files import read_run


def shown(folder: Path) -> str:
    return "\n\n".join(examples(read_run(folder)))


def test_samples_stand_below_their_prompts_line_by_line(tmp_path: Path) -> None:
    said = shown(causal_run(tmp_path / "run"))
    assert said.startswith("## Samples\n\nThe prompts are from held-out text;")
    assert "**Prompt 1**\n\n```text\nWe the people\n```\n\nThe model goes on:\n\n" in said
    assert "**Prompt 2**\n\n```text\nIt is\nnow\n```\n\nThe model goes on:\n\n```text\n\n```" in said


def test_a_fence_in_a_sample_does_not_end_its_own(tmp_path: Path) -> None:
    said = shown(causal_run(tmp_path / "run"))
    assert "\n````text\n of *the* union\n\n# and | of ```states```\n````\n" in said
    longer = [{"prompt": "`````\n# a title", "text": "`````"}]
    said = shown(causal_run(tmp_path / "longer", samples=longer))
    assert "\n``````text\n`````\n# a title\n``````\n" in said and said.endswith("\n``````text\n`````\n``````")


def test_a_run_without_examples_says_so(tmp_path: Path) -> None:
    causal = shown(write_run(tmp_path / "causal", causal_record()))
    assert causal == "## Samples\n\nNo samples: the evaluation at the end of a run writes them."
    masked = shown(write_run(tmp_path / "masked", run_record()))
    assert masked == "## Filled blanks\n\nNo filled blanks: the evaluation at the end of a run writes them."


def test_right_guesses_are_counted(tmp_path: Path) -> None:
    said = shown(write_run(tmp_path / "run", run_record(), None, evaluation_record()))
    assert said.startswith(
        "## Filled blanks\n\nFrom held-out text. The first guess is right in 1 of 3, one of"
    )
    assert "one of the guesses shown in 2. So few" in said and said.count("(right)") == 2
