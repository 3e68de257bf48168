"""What the end of a run must fulfil."""

from minibert.learn.compare import expect_close
from minibert.train.state import Limits


def check_limits_of_steps_and_of_time() -> None:
    """A run of ten steps, and one of four seconds; the limit that is not there has no say."""
    for step, expected in ((0, 0.0), (1, 0.1), (2.5, 0.25), (10, 1.0)):
        expect_close(Limits(steps=10).share(step, 99.0), expected, f"the share of ten steps that {step} are")
    for seconds, expected in ((0.0, 0.0), (1.0, 0.25), (4.0, 1.0)):
        got = Limits(seconds=4.0).share(99, seconds)
        expect_close(got, expected, f"the share of four seconds that {seconds} are")


def check_with_two_limits_the_nearer_one_counts() -> None:
    """Ten steps and four seconds: whichever ends first."""
    both = Limits(steps=10, seconds=4.0)
    for step, seconds, expected in ((5, 1.0, 0.5), (1, 3.0, 0.75), (0, 4.0, 1.0), (10, 0.0, 1.0)):
        what = f"of ten steps and four seconds, after step {step} and {seconds} seconds"
        expect_close(both.share(step, seconds), expected, what)


def check_no_share_is_above_one() -> None:
    """The last step of a run over time may end after it; the schedule must not see more than the whole."""
    for limits in (Limits(steps=10), Limits(seconds=4.0), Limits(steps=10, seconds=4.0)):
        expect_close(limits.share(20, 9.0), 1.0, f"{limits}, after 20 steps and 9 seconds")
