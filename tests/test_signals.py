"""Signals: noted, obeyed where it is safe, and never lost; real ones, to this process and to children."""

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from minibert.signals import STOPPING, Stopped, Told, answering, listening, stop

ROOT = Path(__file__).parent.parent


def send(number: int) -> None:
    """Send a signal to this process; its handler has run when this returns."""
    signal.raise_signal(number)


@pytest.fixture(autouse=True)
def handlers_are_back():
    """After each test those answer who answered before it."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    assert {number: signal.getsignal(number) for number in STOPPING} == before


# In this process.


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_is_noted_and_the_block_goes_on(number: int) -> None:
    done = []
    with pytest.raises(Stopped), listening() as told:
        assert told.number is None
        send(number)
        done.append(told.number)
        told.obey()
    assert done == [number]


def test_a_signal_that_the_block_did_not_look_for_is_not_lost() -> None:
    with pytest.raises(Stopped) as stopped, listening():
        send(signal.SIGTERM)
    assert stopped.value.number == signal.SIGTERM and stopped.value.exit_code == 143


def test_without_a_signal_nothing_happens() -> None:
    with listening() as told:
        told.obey()
        with told.interruptible():
            pass
    assert told.number is None


def test_an_error_in_the_block_stays_that_error_although_a_signal_came() -> None:
    with pytest.raises(ZeroDivisionError), listening():
        send(signal.SIGINT)
        _ = 1 // 0


def test_what_may_be_broken_off_is_broken_off_at_once() -> None:
    reached = []
    with pytest.raises(Stopped), listening() as told:
        with pytest.raises(Stopped), told.interruptible():
            reached.append("evaluation")
            send(signal.SIGINT)
            reached.append("its end")
        reached.append("save")
    assert reached == ["evaluation", "save"]


def test_what_may_be_broken_off_does_not_begin_after_a_signal() -> None:
    reached = []
    with pytest.raises(Stopped), listening() as told:
        send(signal.SIGTERM)
        with told.interruptible():
            reached.append("evaluation")
    assert reached == []


def test_after_the_evaluation_signals_are_only_noted_again() -> None:
    reached = []
    with pytest.raises(Stopped), listening() as told:
        with told.interruptible():
            pass
        send(signal.SIGINT)
        reached.append(told.number)
    assert reached == [signal.SIGINT]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_a_destructor_breaks_off_too_if_only_at_the_end() -> None:
    class Dying:
        def __del__(self) -> None:
            send(signal.SIGINT)

    with pytest.raises(Stopped), listening() as told:
        with pytest.raises(Stopped), told.interruptible():
            Dying()
        told.obey()


def test_one_of_several_processes_waits_however_often_it_is_told() -> None:
    with pytest.raises(Stopped) as stopped, listening(patient=True) as told:
        send(signal.SIGTERM)
        send(signal.SIGINT)
        with pytest.raises(Stopped), told.interruptible():
            pass
        send(signal.SIGINT)
        assert told.number == signal.SIGTERM
    assert stopped.value.exit_code == 143


def test_handlers_come_back_also_after_an_error_and_when_nested() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with answering(stop, signal.SIGTERM):
        with pytest.raises(ZeroDivisionError), listening():
            _ = 1 // 0
        assert signal.getsignal(signal.SIGTERM) is stop
        with pytest.raises(Stopped, match="15"):
            send(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(KeyboardInterrupt), answering(signal.default_int_handler, signal.SIGINT):
        send(signal.SIGINT)


def test_in_another_thread_the_block_just_runs() -> None:
    seen = []

    def run() -> None:
        before = signal.getsignal(signal.SIGINT)
        with listening() as told:
            seen.append((told.number, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(None, True)]


def test_code_that_survives_every_exception_does_not_survive_a_stop() -> None:
    def stubborn() -> None:
        try:
            raise Stopped(signal.SIGTERM)
        except Exception:
            pytest.fail("a stop is no failure")

    with pytest.raises(Stopped):
        stubborn()


def test_the_message_says_when_it_stops_and_what_a_second_signal_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "minibert")
    for patient in (False, True):
        with pytest.raises(Stopped), listening(patient):
            send(signal.SIGINT)
    with pytest.raises(Stopped), listening() as told, told.interruptible():
        send(signal.SIGINT)
    assert caplog.messages == [
        "stopping after this step; the state is saved; once more (Ctrl-C) leaves at once",
        "stopping after this step; the state is saved",
        "stopping now; the state is saved; once more (Ctrl-C) leaves at once",
    ]


def test_a_signal_in_the_middle_of_writing_to_stderr_counts_though_it_cannot_speak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reentrant(*_: object) -> None:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    monkeypatch.setattr(logging.getLogger("minibert"), "info", reentrant)
    told = Told(patient=False)
    told.note(signal.SIGINT, None)
    assert told.number == signal.SIGINT


# Children, which a signal really ends.

CHILD = """
import logging, signal, sys, time
from minibert.signals import Stopped, answering, listening, stop

logging.basicConfig(format="%(message)s", level=logging.INFO)
signal.signal(signal.SIGINT, signal.default_int_handler)

def say(word):
    print(word, flush=True)

def wait():
    time.sleep(60)

try:
    with answering(stop, signal.SIGTERM):
        BODY
except Stopped as stopped:
    say("saved" if saved else "not saved")
    sys.exit(stopped.exit_code)
"""

TRAIN = """
        saved = False
        with listening() as told:
            say("ready")
            while told.number is None:
                sum(range(100_000))
            saved = True
            SAVE
            raise Stopped(told.number)
"""

READ = """
        saved = False
        say("ready")
        wait()
"""


def child(body: str) -> subprocess.Popen[str]:
    """Start a child process, and wait until it is ready for signals."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.replace("BODY", body.strip())],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", STOPPING)
def test_a_child_that_trains_saves_and_ends_with_128_and_the_number(number: int) -> None:
    process = child(TRAIN.replace("SAVE", ""))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, "saved\n")
    assert err == "stopping after this step; the state is saved; once more (Ctrl-C) leaves at once\n"


def test_a_second_signal_ends_a_child_at_once_though_it_still_saves() -> None:
    process = child(TRAIN.replace("SAVE", "say('saving'); wait()"))
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None and process.stdout.readline() == "saving\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (143, "")


def test_a_child_that_is_not_training_yet_is_stopped_where_it_is() -> None:
    process = child(READ)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (143, "not saved\n", "")


def test_signals_that_come_in_a_storm_never_end_a_patient_child_early() -> None:
    body = TRAIN.replace("listening()", "listening(patient=True)").replace("SAVE", "sys.stdin.readline()")
    process = child(body)
    for _ in range(200):
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate("the storm is over\n", timeout=30)
    assert process.returncode in (130, 143) and out == "saved\n"
