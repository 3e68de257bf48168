"""Signals that ask a process to stop: noted while it trains, so that it stops where its state is whole."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what `kill`, a batch system or a shutdown sends first."""

logger = logging.getLogger("minibert")


class Stopped(BaseException):
    """A signal asked the process to stop, and it does.

    Like KeyboardInterrupt it is no `Exception`: nothing has failed, and code that deals with failures, tries
    again or goes on without must let it pass.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        """Which signal it was."""

    @property
    def exit_code(self) -> int:
        """What the process ends with, as after a shell's own death by the signal: 130 or 143."""
        return 128 + self.number


def stop(number: int, frame: FrameType | None) -> None:
    """Answer a signal by raising Stopped where the main thread is just now."""
    raise Stopped(number)


@contextmanager
def answering(answer: Callable[[int, FrameType | None], None], *numbers: int) -> Iterator[None]:
    """Let `answer` answer these signals until the block ends; then those do again who did before.

    Python lets only the main thread say who answers, so in another thread nothing changes.
    """
    with ExitStack() as stack:
        for number in numbers if threading.current_thread() is threading.main_thread() else ():
            stack.callback(signal.signal, number, signal.getsignal(number))
            signal.signal(number, answer)
        yield


class Told:
    """What a process was told while it was listening.

    Args:
        patient: whether further signals after the first are only noted, too.
    """

    def __init__(self, patient: bool) -> None:
        self.number: int | None = None
        """The first signal that came; None while there is none."""
        self._patient = patient
        self._interruptible = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Answer a signal: note it, or leave at once if it is not the first."""
        if self.number is None:
            self.number = number
            self._say("now" if self._interruptible else "after this step")
            if self._interruptible:
                raise Stopped(number)
        elif not self._patient:
            os._exit(128 + number)

    def _say(self, when: str) -> None:
        again = "" if self._patient else "; once more (Ctrl-C) leaves at once"
        with suppress(RuntimeError):  # came in the middle of writing to stderr, which cannot begin anew there
            logger.info("stopping %s; the state is saved%s", when, again)

    def obey(self) -> None:
        """Raise Stopped if a signal has come."""
        if self.number is not None:
            raise Stopped(self.number)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the first signal raise Stopped at once, also one that came before.

        For a block that may be broken off anywhere because it changes nothing, such as an evaluation.
        """
        self._interruptible = True
        try:
            self.obey()
            yield
        finally:
            self._interruptible = False
        self.obey()  # had Stopped been raised where Python drops exceptions, as in a destructor


@contextmanager
def listening(patient: bool = False) -> Iterator[Told]:
    """Note SIGINT and SIGTERM until the block ends, instead of obeying them.

    The block looks at `told.number` wherever its state is whole, saves and raises Stopped. A signal that it
    has not seen when it ends raises Stopped then. Without `patient` a second signal leaves at once, with
    nothing saved or tidied up. In a thread other than the main one nothing is noted.

    Args:
        patient: only note further signals, too. For one of several processes: as soon as one leaves, torchrun
            sends signals to those that still save.

    Raises:
        Stopped: the block has ended, and a signal came.
    """
    told = Told(patient)
    with answering(told.note, *STOPPING):
        yield told
    told.obey()
