"""Each file is tried in a process of its own, and the answer comes in time."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minibert.learn.examine import LIMIT, Request, command, environment, examine, examine_many, read_answer
from minibert.learn.exercises import find_exercise
from minibert.learn.stubs import solution, stub

pytestmark = pytest.mark.slow

EXERCISE = find_exercise("softmax_backward")


def write(folder: Path, text: str) -> Path:
    path = folder / "softmax_backward.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_gets_its_verdict() -> None:
    asked = [Request(EXERCISE.id, text(EXERCISE), "x.py") for text in (stub, solution)]
    assert [verdict.status for verdict in examine_many(asked)] == ["unwritten", "passed"]


def test_by_hand_torch_is_loaded_only_for_the_twin_itself(tmp_path: Path) -> None:
    tells = "    import sys\n    print('torch' in sys.modules)\n    weights = cache\n"
    path = write(tmp_path, solution(EXERCISE).replace("    weights = cache\n", tells))
    stored, live = examine(EXERCISE, path), examine(EXERCISE, path, twin=True)
    assert (stored.status, live.status) == ("passed", "passed")
    assert set(stored.printed.split()) == {"False"}
    assert stored.total_checks == live.total_checks


def test_a_hanging_file_ends_with_its_place(tmp_path: Path) -> None:
    begin = time.monotonic()
    text = "def softmax_backward(dweights, cache):\n    while True:\n        pass\n"
    found = examine(EXERCISE, write(tmp_path, text), limit=0.5)
    assert found.status == "slow" and found.place.startswith("softmax_backward.py:")
    assert time.monotonic() - begin < 15


def test_what_hangs_where_no_signal_reaches_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minibert.learn.examine.GRACE", 0.5)
    text = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\ntime.sleep(60)\n"
    found = examine(EXERCISE, write(tmp_path, text), limit=0.5)
    assert found.status == "slow" and "had to be killed" in found.message


def test_files_beside_the_learner_s_are_not_taken_for_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise RuntimeError('not this one')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert examine(EXERCISE, write(tmp_path, solution(EXERCISE))).status == "passed"


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        examine(EXERCISE, tmp_path / "nothing.py")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text in UTF-8"):
        examine(EXERCISE, tmp_path / "bytes.py")


def test_many_are_answered_in_their_order_whatever_one_of_them_does() -> None:
    texts = [
        solution(EXERCISE),
        "import os\nos._exit(7)\n",
        stub(EXERCISE),
        "import time\ndef softmax_backward(dweights, cache):\n    time.sleep(9)\n",
        solution(EXERCISE),
    ]
    asked = [Request(EXERCISE.id, text, "x.py", limit=0.7) for text in texts]
    assert [found.status for found in examine_many(asked)] == [
        *("passed", "broken", "unwritten", "slow", "passed")
    ]


def test_who_stops_listening_stops_the_work() -> None:
    slow = "import time\ntime.sleep(5)\n"
    asked = [Request(EXERCISE.id, solution(EXERCISE), "x.py")]
    asked += [Request(id, slow, "x.py") for id in ("linear_forward", "softmax_backward") * 20]
    begin = time.monotonic()
    verdicts = examine_many(asked)
    assert next(verdicts).status == "passed"
    verdicts.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        (-signal.SIGKILL, "slow", "had not ended after 10 seconds and had to be killed"),
        (-signal.SIGSEGV, "broken", "the process was ended by SIGSEGV"),
        (3, "broken", "the process ended with 3"),
    ],
)
def test_a_process_without_an_answer_has_said_something_too(code: int, status: str, message: str) -> None:
    found = read_answer(b"", code, LIMIT)
    assert found.status == status and message in found.message


def test_a_fault_of_ours_is_not_put_on_the_learner() -> None:
    process = subprocess.run(
        command(),
        input=b'{"id": "softmax_backward", "text": "", "path": 5}\n',
        capture_output=True,
        env=environment(),
        check=True,
    )
    assert b"this is minibert's own fault" in process.stdout


def test_the_process_finds_this_very_package_wherever_it_starts(tmp_path: Path) -> None:
    code = "import minibert; print(minibert.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()) == Path(__file__).parent.parent / "minibert" / "__init__.py"
