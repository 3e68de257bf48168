"""What the person sees while a run goes on, and what metrics.jsonl keeps."""

import io
import json

from minibert.train.log import MetricsFile, Progress


def line(step: int, progress: float, **more) -> dict:
    return {
        "kind": "train",
        "step": step,
        "progress": progress,
        "seconds": 60 * progress,
        "loss": 2.5,
        "tokens_per_second": 12345.6,
    } | more


def test_without_a_terminal_there_are_about_ten_plain_lines():
    out = io.StringIO()
    progress = Progress(out)
    for step in range(1, 1001):
        progress(line(step, step / 1000))
    shown = out.getvalue().splitlines()
    assert len(shown) == 11
    assert shown[5].split() == "50% step 500: loss 2.500, 12,346 tokens/s, 0:30 left".split()  # noqa: SIM905


def test_held_out_numbers_are_always_shown():
    out = io.StringIO()
    Progress(out)({"kind": "held_out", "step": 7, "seconds": 1.0, "word_loss": 4.5, "word_accuracy": 0.25})
    assert out.getvalue() == "step 7: held out: word loss 4.500, word accuracy 0.250\n"


def test_on_a_terminal_there_is_a_bar():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    progress = Progress(out)
    progress(line(5, 0.5))
    progress.close()
    assert "50 %" in out.getvalue() and "loss 2.500" in out.getvalue() and "0:30 left" in out.getvalue()


def test_lines_after_the_resumed_step_and_cut_lines_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line(s, s / 4)) + "\n" for s in (1, 2, 3)) + '{"kind": "tr')
    metrics = MetricsFile(path, step=2)
    metrics(line(3, 0.75, loss=1.0))
    records = [json.loads(text) for text in path.read_text().splitlines()]
    assert [(r["step"], r["loss"]) for r in records] == [(1, 2.5), (2, 2.5), (3, 1.0)]
