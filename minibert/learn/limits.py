"""A time limit for code that may never end."""

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class TooSlow(BaseException):
    """The time is over. Not an Exception, so that `except Exception` in the code does not keep it."""


TIMES = 10
"""So often is TooSlow raised in code that keeps every exception, before it is given up."""


@contextmanager
def time_limit(seconds: float, give_up: Callable[[FrameType | None], object] | None = None) -> Iterator[None]:
    """Raise TooSlow in the block when it has run so long, again and again until it is left.

    Must run in the main thread, and not inside another limit.

    Args:
        seconds: how long the block may run.
        give_up: called, with the frame that is running, when TooSlow has been raised ten times in vain.
    """
    assert threading.current_thread() is threading.main_thread()
    times = itertools.count(1)

    def over(number: int, frame: FrameType | None) -> None:
        if next(times) > TIMES and give_up is not None:
            give_up(frame)
        raise TooSlow

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
