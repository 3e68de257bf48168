"""A verdict in words, for the one who wrote the function."""

import re
from dataclasses import dataclass
from itertools import zip_longest

from minibert.learn.exercises import Exercise
from minibert.learn.ink import Ink, clean
from minibert.learn.trial import Verdict

PLAIN = Ink()

Paragraphs = list[list[str]]


@dataclass(frozen=True)
class Room:
    """How much is shown."""

    call: int
    """Lines of a call."""
    printed: int
    """Lines of what the learner's code printed."""
    arrays: bool = True
    """The arrays that a check has compared, also beside those of the call."""
    promise: bool = True
    """What the check promises."""
    message: int = 30
    """Lines of what the check has said, and of the mistake's name."""
    least: int = 2
    """Lines of the arguments of a call, even where its answers need all the room."""
    passed: bool = True
    """How many checks passed."""


ROOMS = (
    Room(14, 5),
    Room(9, 3),
    Room(9, 3, arrays=False),
    Room(7, 2, arrays=False, promise=False),
    Room(7, 0, arrays=False, promise=False, message=3, least=0, passed=False),
    Room(4, 0, arrays=False, promise=False, message=2, least=0, passed=False),
)
"""From the widest to the narrowest; the first is taken that fits the terminal."""


def say(exercise: Exercise, verdict: Verdict, ink: Ink = PLAIN, around: int = 0) -> str:
    """Return a verdict in lines that fit the terminal; so many lines are taken by what stands around it."""
    tell = {"passed": passed, "unwritten": unwritten, "wrong": wrong, "broken": broken, "slow": slow}
    text = ""
    for room in ROOMS:
        paragraphs = tell[verdict.status](exercise, verdict, ink, room)
        text = "\n\n".join("\n".join(lines) for lines in paragraphs if lines)
        if not ink.height or text.count("\n") + 1 + around <= ink.height:
            break
    return ink.letters(text)


def heading(ink: Ink, colour: str, sign: str, text: str) -> list[str]:
    """Return the line that says how it went."""
    return [ink.paint(colour, ink.paint("bold", line)) for line in ink.wrap(text, f"{sign} ", "  ")]


def passed(exercise: Exercise, verdict: Verdict, ink: Ink, room: Room) -> Paragraphs:
    """Say that all is right."""
    what = f"all {verdict.total_checks} checks pass" if verdict.total_checks != 1 else "its check passes"
    if exercise.judge:
        what = (
            f"your test killed {verdict.killed} of {verdict.total_mutants}, and lets all pass that is right"
        )
    first = heading(ink, "green", "✓", f"{exercise.id}: {what}")
    first[-1] = with_note(ink, first[-1], f"{exercise.id}: {what}", f"{verdict.seconds:.1f} s")
    return [first, printed(verdict, ink, room)]


def with_note(ink: Ink, line: str, text: str, note: str) -> str:
    """Return a line with a note behind it, where there is room."""
    return f"{line}  {ink.paint('dim', note)}" if len(text) + len(note) + 4 <= ink.width else line


def unwritten(exercise: Exercise, verdict: Verdict, ink: Ink, room: Room) -> Paragraphs:
    """Say that there is nothing to check yet."""
    return [
        heading(ink, "yellow", "○", f"{exercise.id} is not written yet"),
        ink.prose(exercise.task),
    ]


def wrong(exercise: Exercise, verdict: Verdict, ink: Ink, room: Room) -> Paragraphs:
    """Say which check failed, with what, and which mistake it is."""
    if exercise.judge:
        return wrong_judge(exercise, verdict, ink, room)
    message, told = without_repeats(verdict.message, verdict.call)
    message = message if room.arrays or not told else message.partition("\nexpected ")[0]
    return [
        heading(ink, "red", "✗", f"{exercise.id}: {verdict.check or 'it cannot be checked'}"),
        []
        if verdict.promise in ("", message) or not room.promise
        else ink.paint_all("dim", ink.wrap(verdict.promise)),
        place(verdict, ink, message, room),
        call(told, ink, room),
        printed(verdict, ink, room),
        mistake(exercise, verdict, ink, room),
        passed_so_far(verdict, ink, room),
    ]


def without_repeats(message: str, told: str) -> tuple[str, str]:
    """Return what a check said, and the call, without what both of them show: the arrays, the first entry."""
    lines = told.split("\n")
    at = re.search(r"first at \[[\d, ]*\]", lines[-1])
    if lines[-1].startswith("differs at ") or (at and at[0] in message):
        told = "\n".join(lines[:-1])
    lines = told.split("\n")
    for number in range(len(lines) - 1):  # both are arrays of one shape, too large to be shown
        if lines[number][:10] == "expected  " and f"got       {lines[number][10:]}" == lines[number + 1]:
            told = "\n".join(lines[:number] + lines[number + 2 :])
    first, _, arrays = message.partition("\nexpected ")
    if arrays and numbers(arrays) == numbers(told.partition("\nexpected ")[2]):
        message = first
    return message, told


def numbers(text: str) -> list[str]:
    """Return the numbers of a text, with three digits."""
    return [
        f"{float(number):.3f}".replace("-0.000", "0.000")
        for number in re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", text)
    ]


def wrong_judge(exercise: Exercise, verdict: Verdict, ink: Ink, room: Room) -> Paragraphs:
    """Say how good a learner's test is, and what it does not see."""
    if not verdict.total_mutants:
        first = heading(ink, "red", "✗", f"{exercise.id}: your test says no to what is right")
        return [first, place(verdict, ink, sentence(verdict.message), room), printed(verdict, ink, room)]
    killed, total = verdict.killed, verdict.total_mutants
    return [
        heading(ink, "red", "✗", f"{exercise.id}: your test killed {killed} of {total}"),
        [f"  {ink.bar(killed, 0, total, 4 * total)}"],
        place(verdict, ink, sentence(verdict.message), room),
        printed(verdict, ink, room),
        mistake(exercise, verdict, ink, room),
    ]


def broken(exercise: Exercise, verdict: Verdict, ink: Ink, room: Room) -> Paragraphs:
    """Say what stopped the function, and where."""
    return [
        heading(ink, "red", "✗", f"{exercise.id} stops before there is an answer"),
        place(verdict, ink, verdict.message, room),
        call(re.split(r"\n(?:expected |The first difference)", verdict.call)[0], ink, room),
        printed(verdict, ink, room),
        mistake(exercise, verdict, ink, room),
        passed_so_far(verdict, ink, room),
    ]


def slow(exercise: Exercise, verdict: Verdict, ink: Ink, room: Room) -> Paragraphs:
    """Say that it took too long, and where it was."""
    return [
        heading(ink, "red", "✗", f"{exercise.id} takes too long"),
        place(verdict, ink, f"{sentence(verdict.message)}. Does a loop of yours never end?", room),
        printed(verdict, ink, room),
        mistake(exercise, verdict, ink, room),
        passed_so_far(verdict, ink, room),
    ]


def sentence(text: str) -> str:
    """Return a text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def place(verdict: Verdict, ink: Ink, message: str, room: Room) -> list[str]:
    """Return what went wrong and, below it, the line of the learner's file."""
    lines = ink.wrap(message)
    if len(lines) > room.message:
        lines = [*lines[: room.message - 1], "  …"]
    if verdict.place:
        where = f"{verdict.place}  "
        shown = ink.wrap(verdict.line, f"  {where}│ ", " " * (len(where) + 2) + "│ ")
        lines += ["", *ink.paint_all("cyan", shown)]
    return lines


def call(told: str, ink: Ink, room: Room) -> list[str]:
    """Return a call that was answered wrongly: its arguments, then what was expected and what came."""
    if not told:
        return []
    lines = [line for line in told.split("\n") if line.strip()]  # no gaps between the parts of an array
    number = next((number for number, line in enumerate(lines) if line.startswith("expected  ")), len(lines))
    answers = side_by_side(lines[number:], ink)
    # A remark on where the difference is stands before the answers.
    begin = number - 1 if 0 < number < len(lines) and lines[number - 1].startswith("The first") else number
    asked = ink.wrap("\n".join(lines[:begin])) if begin else []
    left = max(room.call - len(answers) - (number - begin), room.least)
    if len(asked) > left:  # the arguments give way, not the answers
        asked = [*asked[: left - 1], "      …"] if left else []
    if left:
        asked += ink.wrap("\n".join(lines[begin:number])) if number > begin else []
    return [*asked, *answers] if len(answers) <= room.call else [*asked, *answers[: room.call - 1], "  …"]


def side_by_side(lines: list[str], ink: Ink) -> list[str]:
    """Return "expected …" and "got …" beside each other where that fits and saves lines; in green and red."""
    number = next((number for number, line in enumerate(lines) if line.startswith("got       ")), len(lines))
    end = next(
        (n for n, line in enumerate(lines) if n > number and not line.startswith(" " * 10)), len(lines)
    )
    one, other = ([line[10:] for line in part] for part in (lines[:number], lines[number:end]))
    room = max(map(len, one), default=0)
    if len(one) > 1 and len(other) > 1 and room + 6 + max(map(len, other)) <= ink.width:
        rows = [("expected", "got"), *zip_longest(one, other, fillvalue="")]
        painted = [
            f"  {ink.paint('green', f'{left:<{room}}')}    {ink.paint('red', right)}" for left, right in rows
        ]
    else:
        painted = []
        for colour, part in (("green", lines[:number]), ("red", lines[number:end])):
            painted += [f"{line[:12]}{ink.paint(colour, line[12:])}" for line in ink.wrap("\n".join(part))]
    return [*painted, *(ink.wrap("\n".join(lines[end:])) if lines[end:] else [])] if lines else []


def printed(verdict: Verdict, ink: Ink, room: Room) -> list[str]:
    """Return the beginning of what the learner's code printed."""
    lines = clean(verdict.printed).strip("\n").split("\n") if verdict.printed.strip() else []
    if not lines or not room.printed:
        return []
    what = "It printed:" if len(lines) <= room.printed else "It printed a lot. The beginning of it:"
    short = [
        line if len(line) <= ink.width - 4 else f"{line[: ink.width - 5]}…" for line in lines[: room.printed]
    ]
    return [*ink.paint_all("dim", ink.wrap(what)), *(f"  │ {line}" for line in short)]


def mistake(exercise: Exercise, verdict: Verdict, ink: Ink, room: Room) -> list[str]:
    """Return the name of the mistake, where it has one."""
    if not verdict.mistake:
        return []
    if exercise.judge:
        what = "It sees exactly as much as a test with this weakness:"
    elif exercise.random:
        what = "It fails just as a function with this mistake does:"
    else:
        results = "results" if exercise.module.startswith("minibert.text.") else "numbers"
        what = f"These are exactly the {results} of this mistake:"
    name = [ink.paint("yellow", ink.paint("bold", line)) for line in ink.wrap(verdict.mistake, "  │ ")]
    return [*ink.wrap(what), *(name if len(name) <= room.message else [*name[: room.message - 1], "  │ …"])]


def passed_so_far(verdict: Verdict, ink: Ink, room: Room) -> list[str]:
    """Return how many of the checks pass before the one that fails."""
    done, total = verdict.passed_checks, verdict.total_checks
    if not total or not room.passed:
        return []
    return [f"  {ink.bar(done, 0, total, 20)}  {done} of {total} checks passed"]


def read_again(exercise: Exercise) -> str:
    """Return where the exercise is taught."""
    return f'"{exercise.section}" in chapter {exercise.chapter}' if exercise.section else exercise.chapter
