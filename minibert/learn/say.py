"""A verdict in words, for the one who wrote the function."""

from minibert.learn.exercises import Exercise
from minibert.learn.ink import Ink, clean
from minibert.learn.trial import Verdict

PLAIN = Ink()

PRINTED = 6
"""So many lines of what the learner's code printed are shown, from the end."""

CALL = 16
"""So many lines of a call are shown."""

Paragraphs = list[list[str]]


def say(exercise: Exercise, verdict: Verdict, ink: Ink = PLAIN) -> str:
    """Return a verdict in lines that fit the terminal."""
    tell = {"passed": passed, "unwritten": unwritten, "wrong": wrong, "broken": broken, "slow": slow}
    paragraphs = tell[verdict.status](exercise, verdict, ink)
    return ink.letters("\n\n".join("\n".join(lines) for lines in paragraphs if lines))


def heading(ink: Ink, colour: str, sign: str, text: str) -> list[str]:
    """Return the line that says how it went."""
    return [ink.paint(colour, ink.paint("bold", line)) for line in ink.wrap(text, f"{sign} ", "  ")]


def passed(exercise: Exercise, verdict: Verdict, ink: Ink) -> Paragraphs:
    """Say that all is right."""
    what = f"all {verdict.total_checks} checks pass" if verdict.total_checks != 1 else "its check passes"
    if exercise.judge:
        what = (
            f"your test killed {verdict.killed} of {verdict.total_mutants}, and lets all pass that is right"
        )
    first = heading(ink, "green", "✓", f"{exercise.id}: {what}")
    first[-1] = with_note(ink, first[-1], f"{exercise.id}: {what}", f"{verdict.seconds:.1f} s")
    return [first, printed(verdict, ink)]


def with_note(ink: Ink, line: str, text: str, note: str) -> str:
    """Return a line with a note behind it, where there is room."""
    return f"{line}  {ink.paint('dim', note)}" if len(text) + len(note) + 4 <= ink.width else line


def unwritten(exercise: Exercise, verdict: Verdict, ink: Ink) -> Paragraphs:
    """Say that there is nothing to check yet."""
    return [
        heading(ink, "yellow", "○", f"{exercise.id} is not written yet"),
        ink.prose(exercise.task),
    ]


def wrong(exercise: Exercise, verdict: Verdict, ink: Ink) -> Paragraphs:
    """Say which check failed, with what, and which mistake it is."""
    if exercise.judge:
        return wrong_judge(exercise, verdict, ink)
    title = verdict.check or "it cannot be checked"
    return [
        heading(ink, "red", "✗", f"{exercise.id}: {title}"),
        [] if verdict.promise in ("", verdict.message) else ink.paint_all("dim", ink.wrap(verdict.promise)),
        place(verdict, ink, verdict.message),
        call(verdict, ink),
        printed(verdict, ink),
        mistake(exercise, verdict, ink),
        passed_so_far(verdict, ink),
    ]


def wrong_judge(exercise: Exercise, verdict: Verdict, ink: Ink) -> Paragraphs:
    """Say how good a learner's test is, and what it does not see."""
    if not verdict.total_mutants:
        first = heading(ink, "red", "✗", f"{exercise.id}: your test says no to what is right")
        return [first, place(verdict, ink, verdict.message), printed(verdict, ink)]
    killed, total = verdict.killed, verdict.total_mutants
    return [
        heading(ink, "red", "✗", f"{exercise.id}: your test killed {killed} of {total}"),
        [f"  {ink.bar(killed, 0, total, 4 * total)}"],
        place(verdict, ink, verdict.message),
        printed(verdict, ink),
        mistake(exercise, verdict, ink),
    ]


def broken(exercise: Exercise, verdict: Verdict, ink: Ink) -> Paragraphs:
    """Say what stopped the function, and where."""
    return [
        heading(ink, "red", "✗", f"{exercise.id} stops before there is an answer"),
        place(verdict, ink, verdict.message),
        call(verdict, ink),
        printed(verdict, ink),
        mistake(exercise, verdict, ink),
        passed_so_far(verdict, ink),
    ]


def slow(exercise: Exercise, verdict: Verdict, ink: Ink) -> Paragraphs:
    """Say that it took too long, and where it was."""
    return [
        heading(ink, "red", "✗", f"{exercise.id} takes too long"),
        place(verdict, ink, f"{verdict.message}. Does a loop of yours ever end?"),
        printed(verdict, ink),
        mistake(exercise, verdict, ink),
        passed_so_far(verdict, ink),
    ]


def place(verdict: Verdict, ink: Ink, message: str) -> list[str]:
    """Return what went wrong and, below it, the line of the learner's file."""
    lines = ink.wrap(message)
    if verdict.place:
        where = f"{verdict.place}  "
        shown = ink.wrap(verdict.line, f"  {where}│ ", " " * (len(where) + 2) + "│ ")
        lines += ["", *ink.paint_all("cyan", shown)]
    return lines


def call(verdict: Verdict, ink: Ink) -> list[str]:
    """Return the call that was answered wrongly; got in red, expected in green."""
    lines = ink.wrap(verdict.call) if verdict.call else []
    begin = next((number for number, line in enumerate(lines) if line.startswith("  expected")), len(lines))
    if len(lines) > CALL:  # the arguments give way, not the answers
        head = max(CALL - (len(lines) - begin), 2)
        lines = [*lines[:head], "      …", *lines[begin:]] if head < begin else lines
        begin = min(begin, head + 1)
    painted, colour = lines[:begin], "green"
    for line in lines[begin:]:
        if line.startswith(("  expected", "  got")):
            colour = "green" if line.startswith("  expected") else "red"
            painted.append(line[:12] + ink.paint(colour, line[12:]))
        else:
            painted.append(ink.paint(colour, line) if line.startswith(" " * 12) else line)
    return painted


def printed(verdict: Verdict, ink: Ink) -> list[str]:
    """Return what the learner's code printed, the end of it."""
    lines = clean(verdict.printed).strip("\n").split("\n") if verdict.printed.strip() else []
    if not lines:
        return []
    cut = len(lines) > PRINTED
    what = f"It printed, at the end of {len(lines)} lines:" if cut else "It printed:"
    short = [line if len(line) <= ink.width - 4 else f"{line[: ink.width - 5]}…" for line in lines[-PRINTED:]]
    return [*ink.paint_all("dim", ink.wrap(what)), *(f"  │ {line}" for line in short)]


def mistake(exercise: Exercise, verdict: Verdict, ink: Ink) -> list[str]:
    """Return the name of the mistake, where it has one."""
    if not verdict.mistake:
        return []
    if exercise.judge:
        what = "It sees exactly as much as a test with this weakness:"
    elif exercise.random:
        what = "It fails just as a function with this mistake does:"
    else:
        what = "These are exactly the numbers of this mistake:"
    name = [ink.paint("yellow", ink.paint("bold", line)) for line in ink.wrap(verdict.mistake, "  │ ")]
    return [*ink.wrap(what), *name]


def passed_so_far(verdict: Verdict, ink: Ink) -> list[str]:
    """Return how many of the checks pass before the one that fails."""
    done, total = verdict.passed_checks, verdict.total_checks
    if not total:
        return []
    return [f"  {ink.bar(done, 0, total, 20)}  {done} of {total} checks passed"]


def read_again(exercise: Exercise) -> str:
    """Return where the exercise is taught."""
    return f'"{exercise.section}" in chapter {exercise.chapter}' if exercise.section else exercise.chapter
