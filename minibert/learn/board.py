"""What the learner sees of the course: how far it has come, and what comes next."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager

from minibert.learn.exercises import Exercise
from minibert.learn.folder import BEGUN, CHANGED, MISSING, NEW, PASSED, Folder, Standing, shown
from minibert.learn.ink import Ink, clean
from minibert.learn.say import read_again, say
from minibert.learn.stubs import solution
from minibert.learn.trial import Verdict

SIGNS = {PASSED: "✓", CHANGED: "▒", BEGUN: "◐", NEW: "○", MISSING: "✗"}

COLOURS = {PASSED: "green", CHANGED: "yellow", BEGUN: "cyan", NEW: "dim", MISSING: "red"}

WORDS = {
    PASSED: "passed",
    CHANGED: "changed since it passed",
    BEGUN: "begun",
    NEW: "not begun",
    MISSING: "its file is not there",
}


def board(standing: Standing, ink: Ink) -> str:
    """Return the progress by chapter, a line for each."""
    chapters = standing.chapters()
    name_room = max((len(chapter) for chapter in chapters), default=0)
    most = max((len(standing.of_chapter(chapter).states) for chapter in chapters), default=0)
    cells = min(3 * most, ink.width - name_room - 30)
    lines = [total_line(standing, ink), ""]
    for chapter in chapters:
        part = standing.of_chapter(chapter)
        total, done, changed = len(part.states), part.count(PASSED), part.count(CHANGED)
        bar = ink.bar(done, changed, total, max(round(cells * total / most), 1))
        pad = " " * (cells - max(round(cells * total / most), 1))
        name = f"{chapter:<{name_room}}"
        left = part.minutes_left()
        note = ink.paint("green", "✓") if done == total else ink.paint("dim", time(left) if left else "")
        if changed:
            note = ink.paint("yellow", f"{changed} changed")
        lines.append(f"  {name}  {bar}{pad}  {done:2} of {total:2}  {note}".rstrip())
    following = standing.next()
    if following is not None:
        effort = f"{stars(following)} {following.minutes} min"
        lines += ["", *ink.named("next", f"{following.id}: {following.title} {effort}")]
    return ink.letters("\n".join(lines))


def total_line(standing: Standing, ink: Ink) -> str:
    """Return how far it is in all."""
    total, done, changed = len(standing.states), standing.count(PASSED), standing.count(CHANGED)
    text = f"{done} of {total} passed"
    if changed:
        text += f", {changed} changed since" + (" it passed" if changed == 1 else " they passed")
    left = standing.minutes_left()
    rest = f" · about {time(left)} to go" if left else ""
    return f"  {ink.paint('bold', text)}{ink.paint('dim', rest)}"


def time(minutes: int) -> str:
    """Return minutes as people say them."""
    return f"{minutes} min" if minutes < 100 else f"{round(minutes / 60)} hours"


def board_of(chapter: str, standing: Standing, ink: Ink) -> str:
    """Return the exercises of a chapter, a line for each, and what the signs mean."""
    part = standing.of_chapter(chapter)
    id_room = max(len(exercise.id) for exercise in part.states)
    lines = [f"  {ink.paint('bold', chapter)}  {part.count(PASSED)} of {len(part.states)} passed", ""]
    for exercise, state in part.states.items():
        sign = ink.paint(COLOURS[state], SIGNS[state])
        room = ink.width - id_room - 24
        title = exercise.title if len(exercise.title) <= room else f"{exercise.title[: room - 1]}…"
        effort = ink.paint("dim", f"{stars(exercise)} {exercise.minutes:3} min")
        lines.append(f"  {sign} {exercise.id:<{id_room}}  {effort}  {title}")
    used = [state for state in SIGNS if part.count(state)]
    meaning = "   ".join(f"{SIGNS[state]} {WORDS[state]}" for state in used)
    return ink.letters("\n".join([*lines, "", *ink.paint_all("dim", ink.wrap(meaning))]))


def stars(exercise: Exercise) -> str:
    """Return the difficulty as it is drawn."""
    return "●" * exercise.difficulty + "○" * (5 - exercise.difficulty)


def find_chapter(word: str, standing: Standing) -> str:
    """Return the chapter of a word: its name, its number, or a part of it.

    Raises ValueError where there is none, or several.
    """
    chapters = standing.chapters()
    number = f"{int(word):02}_" if word.isdecimal() else ""
    fitting = [
        each for each in chapters if each == word or (each.startswith(number) if number else word in each)
    ]
    if word in fitting:
        return word
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(fitting or chapters)
    raise ValueError(f"{'several chapters are' if fitting else 'no chapter is'} called {word!r}: {known}")


def introduce(exercise: Exercise, folder: Folder, standing: Standing, ink: Ink, flags: str = "") -> str:
    """Return what somebody needs who begins an exercise."""
    first = f"{exercise.title}  {stars(exercise)}  about {exercise.minutes} minutes"
    lines = [f"  {ink.paint('bold', exercise.title)}{ink.paint('dim', first[len(exercise.title) :])}"]
    if len(first) > ink.width - 2:
        lines = [*ink.paint_all("bold", ink.wrap(exercise.title)), f"  {stars(exercise)}"]
    needs = [each for each in standing.states if each.id in exercise.needs]
    before = [each.id for each in needs if standing.states[each] not in (PASSED, CHANGED)]
    lines += ["", *ink.prose(exercise.task), ""]
    lines += ink.named("open", shown(folder.file(exercise)))
    if exercise.section:
        lines += ink.named("read", read_again(exercise))
    if before:
        lines += ink.named("needs", f"{', '.join(before)} (better done before, but you may skip)")
    lines += ink.named("check", f"minibert learn check {exercise.id}{flags}")
    return ink.letters("\n".join(lines))


def point_to(exercise: Exercise, folder: Folder, ink: Ink) -> list[str]:
    """Return the next exercise in two lines."""
    text = f"{exercise.title} {stars(exercise)} {exercise.minutes} min"
    return [*ink.named("next", text), *ink.named("open", shown(folder.file(exercise)))]


def checked(
    folder: Folder, exercise: Exercise, ink: Ink, flags: str = "", twin: bool = False, keys: bool = False
) -> tuple[Verdict, str]:
    """Check an exercise; return the verdict, and all that the learner is told.

    Args:
        flags: what the commands need that are named, to find the folder again.
        keys: there are keys that do what the commands would.

    Raises:
        FolderError: the file is not there.
        ValueError: it is no text.
    """
    before = folder.standing()
    with waiting(f"checking {exercise.id}", ink):
        verdict = folder.check(exercise, twin)
    standing = folder.standing()
    news = cheer(exercise, standing) if before.states[exercise] not in (PASSED, CHANGED) else ""
    further = after(exercise, verdict, folder, standing, ink, "" if keys else flags, keys)
    parts = ink.wrap(news) if verdict.status == "passed" and news else []
    below = "\n".join([*parts, "", further])
    around = below.count("\n") + 4  # and the name of the file, a gap, and the prompt
    return verdict, f"{say(exercise, verdict, ink, around)}\n{below}"


@contextmanager
def waiting(text: str, ink: Ink) -> Iterator[None]:
    """Show in a terminal what is being done, until it is."""
    if not ink.terminal:
        yield
        return
    print(ink.paint("dim", ink.letters(f"  {text} …")), end="\r", flush=True)
    try:
        yield
    finally:
        print("\x1b[2K", end="\r", flush=True)


def cheer(exercise: Exercise, standing: Standing) -> str:
    """Return what is to be said now that an exercise has passed for the first time."""
    done = standing.count(PASSED, CHANGED)
    total = len(standing.states)
    chapter = standing.of_chapter(exercise.chapter)
    if standing.count(PASSED) == total:
        return f"That was the last one: {total} of {total}. Every part of this BERT is now yours."
    if chapter.count(PASSED, CHANGED) == len(chapter.states):
        return f"That completes {exercise.chapter}. {done} of {total} in all."
    if done == 1:
        return "The first one is done: well begun."
    if done == (total + 1) // 2:
        return f"Half of the course is behind you: {done} of {total}."
    tries = standing.entry(exercise).tries
    if tries == 1:
        return f"At the first try. {done} of {total}."
    if tries >= 5:
        return f"You did not give up: {tries} tries, and it is right. {done} of {total}."
    return f"Well done. {done} of {total}."


def after(
    exercise: Exercise, verdict: Verdict, folder: Folder, standing: Standing, ink: Ink, flags: str, keys: bool
) -> str:
    """Return what one can do after a verdict: go on to the next, or try again."""
    lines: list[str] = []
    if verdict.status == "passed":
        if not keys:
            lines += ink.named("diff", f"minibert learn diff {exercise.id}{flags}")
        following = standing.next()
        if following is None:
            lines += ink.named("whole", f"minibert learn check --mine-all{flags}   trains BERT on your code")
        else:
            lines += point_to(following, folder, ink)
        return ink.letters("\n".join(lines))
    if verdict.status == "unwritten":
        line = verdict.place.partition(":")[2]
        lines += ink.named("open", f"{shown(folder.file(exercise))}:{line}")
    if exercise.section:
        lines += ink.named("read", read_again(exercise))
    if not keys:
        lines += ink.named("again", f"minibert learn check {exercise.id}{flags}")
        left = len(exercise.hints) - standing.entry(exercise).hints
        if left:
            lines += ink.named("hint", f"minibert learn hint {exercise.id}{flags}   ({left} left)")
        else:
            lines += ink.named("spoil", f"minibert learn diff {exercise.id} --spoil{flags}")
    return ink.letters("\n".join(lines))


def hint(folder: Folder, exercise: Exercise, ink: Ink, flags: str = "") -> str:
    """Return the next hint, and remember that it was read; when all have been, return all of them."""
    total = len(exercise.hints)
    level = folder.next_hint(exercise)
    numbers = [level] if level <= total else list(range(1, total + 1))
    lines = []
    for number in numbers:
        title = f"{exercise.id}: hint {number} of {total}"
        lines += [f"  {ink.paint('bold', title)}", "", *ink.prose(exercise.hints[number - 1]), ""]
    if level < total:
        lines += ink.named("more", f"minibert learn hint {exercise.id}{flags}")
    else:
        lines += ink.named("spoil", f"minibert learn diff {exercise.id} --spoil{flags}")
    return ink.letters("\n".join(lines))


def differences(folder: Folder, exercise: Exercise, ink: Ink) -> str:
    """Return the learner's file and the library's own as a diff, without the comments at their heads."""
    mine = folder.content(exercise).decode(errors="replace")
    diff = difflib.unified_diff(
        without_head(mine), without_head(solution(exercise)), "yours", "the library's", lineterm=""
    )
    colours = {"+": "green", "-": "red", "@": "cyan"}
    lines = [
        ink.paint(colours.get(line[:1], ""), clean(line)) if line[:1] in colours else clean(line)
        for line in diff
    ]
    if not lines:
        return f"  {exercise.id}: yours is the library's own, line for line."
    return "\n".join(lines)


def without_head(text: str) -> list[str]:
    """Return the lines of a file from the first one that is no comment and not empty."""
    lines = text.splitlines()
    begin = next((number for number, line in enumerate(lines) if line.strip() and line[0] != "#"), len(lines))
    return lines[begin:]


def not_yet(exercise: Exercise, flags: str) -> str:
    """Say that the solution is shown later."""
    return (
        f"The library's own {exercise.id} is shown when yours has passed. To see it now: "
        f"minibert learn diff {exercise.id} --spoil{flags}"
    )


def in_a_line(exercise: Exercise, verdict: Verdict, room: int, ink: Ink) -> str:
    """Return a verdict in one line."""
    passed = verdict.status == "passed"
    sign = ink.paint("green", "✓") if passed else ink.paint("red", "✗")
    what = "" if passed else verdict.mistake or verdict.check or verdict.message.partition("\n")[0]
    left = ink.width - room - 6
    what = clean(what) if len(what) <= left else f"{clean(what)[: left - 1]}…"
    return ink.letters(f"  {sign} {exercise.id:<{room}}  {what}".rstrip())
