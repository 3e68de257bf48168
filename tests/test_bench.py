"""An exercise made ready: a slot, its checks, and what is known of its mistakes."""

import subprocess
import sys

from minibert.learn.examine import environment


def run(code: str) -> str:
    """Run code in a process of its own, for a bench must be the first to import what it is about."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_bench_has_a_slot_the_checks_and_what_is_known_of_the_mistakes() -> None:
    code = (
        "from minibert.learn.bench import Bench, checks_for\n"
        "from minibert.learn.exercises import find_exercise\n"
        "import sys\n"
        "exercise = find_exercise('softmax_backward')\n"
        "bench = Bench(exercise)\n"
        "print(len(bench.checks) > 5, bench.slot.current is bench.slot.reference)\n"
        "bench.prepare()\n"
        "print(sorted(bench.known.answers) == sorted(m.name for m in exercise.mistakes()))\n"
        "print('torch' in sys.modules)\n"
        "print([c.name for c in checks_for(exercise)] == [c.name for c in checks_for(exercise, True)])\n"
    )
    assert run(code).split() == ["True", "True", "True", "False", "True"]


def test_cases_in_which_the_function_is_never_called_are_left_out() -> None:
    code = (
        "from minibert.learn.bench import Bench, checks_for\n"
        "from minibert.learn.exercises import find_exercise\n"
        "exercise = find_exercise('causal_mask')\n"
        "bench, every = Bench(exercise), checks_for(exercise)\n"
        "print(any(check.case for check in every), any(check.case for check in bench.checks))\n"
        "print([c.name for c in every if not c.case] == [c.name for c in bench.checks])\n"
    )
    assert run(code).split() == ["True", "False", "True"]


def test_a_judge_has_no_checks_but_functions_that_it_is_tried_on() -> None:
    code = (
        "from minibert.learn.bench import Bench\n"
        "from minibert.learn.exercises import find_exercise\n"
        "bench = Bench(find_exercise('judge_softmax'))\n"
        "bench.prepare()\n"
        "print(bench.checks, len(bench.graded.wrong) == len(bench.exercise.kills))\n"
        "print(sorted(bench.graded.patterns) == sorted(m.name for m in bench.exercise.mistakes()))\n"
    )
    assert run(code).split() == ["[]", "True", "True"]
