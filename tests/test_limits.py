"""Code that never ends, ended."""

import signal
import time
from types import FrameType

import pytest

from minibert.learn.limits import TooSlow, time_limit


def test_what_is_quick_goes_through_and_leaves_nothing_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(0.05):
        pass
    time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_loop_without_end_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(TooSlow), time_limit(0.05):
        while True:
            pass
    assert time.monotonic() - begin < 2


def test_so_is_one_that_catches_every_exception_now_and_then() -> None:
    caught = 0
    with pytest.raises(TooSlow), time_limit(0.05):
        while caught < 2:
            try:
                while True:
                    pass
            except BaseException:  # what a bare `except:` does
                caught += 1
        while True:
            pass
    assert caught == 2


def test_one_that_keeps_all_is_given_up_where_it_stands() -> None:
    places = []

    def give_up(frame: FrameType | None) -> None:
        assert frame is not None
        places.append(frame.f_code.co_name)
        raise SystemExit

    def keep_all() -> None:
        while not places:
            try:
                while True:
                    pass
            except TooSlow:
                pass

    with pytest.raises(SystemExit), time_limit(0.05, give_up):
        keep_all()
    assert places == ["keep_all"]
