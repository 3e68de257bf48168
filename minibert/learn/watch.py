"""Check every file that the learner saves, until Ctrl-C."""

import os
import select
import sys
import termios
import time
import tty
from types import TracebackType

from minibert.learn import board
from minibert.learn.exercises import Exercise, exercises
from minibert.learn.folder import CHANGED, PASSED, Folder
from minibert.learn.ink import Ink, ink_for

POLL = 0.2
"""Seconds from one look at the files to the next."""

KEYS = {"h": "hint", "c": "check", "n": "next", "b": "board", "d": "diff", "q": "quit"}

Stamp = tuple[int, int, int]
"""What changes when a file is saved, however the editor does it."""


class Saves:
    """The files, as they were last seen."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.seen = self.stamps()
        self.restless: dict[Exercise, Stamp] = {}

    def stamps(self) -> dict[Exercise, Stamp]:
        """Return the stamps of all files that are there."""
        found = {}
        for exercise in exercises():
            try:
                state = os.stat(self.folder.file(exercise))
            except OSError:  # perhaps just now being replaced by its new version
                continue
            found[exercise] = (state.st_mtime_ns, state.st_size, state.st_ino)
        return found

    def poll(self) -> list[Exercise]:
        """Return the exercises that were saved and have come to rest, the oldest first."""
        now = self.stamps()
        changed = {each: stamp for each, stamp in now.items() if stamp != self.seen.get(each)}
        rested = [each for each, stamp in changed.items() if self.restless.get(each) == stamp]
        self.restless = changed
        self.seen |= {each: now[each] for each in rested}
        return sorted(rested, key=lambda each: now[each])


class Keyboard:
    """The keys of a terminal, one by one; without a terminal only time passes."""

    def __init__(self) -> None:
        self.handle = -1
        self.before: list[object] = []

    def __enter__(self) -> "Keyboard":
        try:
            handle = sys.stdin.fileno()
            if os.isatty(handle) and os.tcgetpgrp(handle) == os.getpgrp():
                self.before = termios.tcgetattr(handle)
                tty.setcbreak(handle)
                self.handle = handle
        except (OSError, ValueError, termios.error):
            pass
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.there:
            termios.tcsetattr(self.handle, termios.TCSADRAIN, self.before)  # pyright: ignore[reportArgumentType]

    @property
    def there(self) -> bool:
        """Whether keys can be read."""
        return self.handle >= 0

    def wait(self, seconds: float) -> str:
        """Return the key that is pressed in so many seconds, or ""."""
        if not self.there:
            time.sleep(seconds)
            return ""
        ready, _, _ = select.select([self.handle], [], [], seconds)
        if not ready:
            return ""
        pressed = os.read(self.handle, 64)
        if not pressed:  # the terminal has gone
            raise KeyboardInterrupt
        return pressed.decode(errors="ignore")[:1].lower()


class Watch:
    """The screen, and what is done when a file is saved or a key is pressed."""

    def __init__(self, folder: Folder, flags: str = "") -> None:
        self.folder = folder
        self.flags = flags
        self.keys = False
        standing = folder.standing()
        self.saves = Saves(folder)
        self.current = folder.latest(standing) or standing.next() or exercises()[-1]

    @property
    def ink(self) -> Ink:
        """What the terminal can show, at its size of this moment."""
        return ink_for(sys.stdout)

    def run(self) -> None:
        """Go on until q is pressed; Ctrl-C raises KeyboardInterrupt."""
        with Keyboard() as keyboard:
            self.keys = keyboard.there
            self.next()
            while True:
                key = keyboard.wait(POLL)
                if KEYS.get(key) == "quit":
                    return
                if key in KEYS:
                    getattr(self, KEYS[key])()
                saved = self.saves.poll()
                for number, exercise in enumerate(saved):
                    self.current = exercise
                    self.check(clear=number == 0)

    def show(self, text: str, clear: bool = True) -> None:
        """Put a text on the screen, and below it what can be done."""
        if self.ink.terminal and clear:
            print("\x1b[H\x1b[2J", end="")
        keys = "   ".join(f"{key} {word}" for key, word in KEYS.items())
        below = f"  watching {board.shown(self.folder.path)}   {keys if self.keys else 'Ctrl-C ends'}"
        print(f"{text}\n\n{self.ink.paint('dim', self.ink.letters(below))}", flush=True)

    def check(self, clear: bool = True) -> None:
        """Check the exercise that was saved last."""
        try:
            _, text = board.checked(self.folder, self.current, self.ink, self.flags, keys=self.keys)
        except (ValueError, OSError) as error:
            text = "\n".join(self.ink.wrap(str(error)))
        self.show(text, clear)

    def hint(self) -> None:
        """Show the next hint: for what was saved last or, where that has passed, for what comes next."""
        standing = self.folder.standing()
        if standing.states[self.current] == PASSED:
            self.current = standing.next() or self.current
        self.show(board.hint(self.folder, self.current, self.ink, self.flags))

    def next(self) -> None:
        """Show the exercise that comes next."""
        standing = self.folder.standing()
        following = standing.next()
        if following is None:
            self.show(board.board(standing, self.ink))
            return
        self.current = following
        self.show(board.introduce(following, self.folder, standing, self.ink, self.flags))

    def board(self) -> None:
        """Show how far it is."""
        self.show(board.board(self.folder.standing(), self.ink))

    def diff(self) -> None:
        """Show the library's own version, of what has passed."""
        state = self.folder.standing().states[self.current]
        if state in (PASSED, CHANGED):
            self.show(board.differences(self.folder, self.current, self.ink))
        else:
            self.show("\n".join(self.ink.wrap(board.not_yet(self.current, self.flags))))
