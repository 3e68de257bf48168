"""`minibert learn` as a command: the words it takes, how it ends, and a learner who does the whole course."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from courses import small_course
from terminals import ROOT, Terminal, plain, typed

from minibert.cli import lessons
from minibert.cli.command_line import main
from minibert.learn import progress
from minibert.learn.audit import with_mistake
from minibert.learn.exercises import Exercise, exercises, find_exercise
from minibert.learn.folder import PASSED, Folder
from minibert.learn.stubs import solution

# The words, on a small course.


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Exercise, ...]]:
    monkeypatch.chdir(tmp_path)
    with small_course(tmp_path / "course", monkeypatch) as found:
        yield found


@pytest.fixture
def folder(course: tuple[Exercise, ...]) -> Folder:
    made = Folder(Path("exercises"))
    made.start()
    return made


def write(folder: Folder, name: str, text: str) -> None:
    folder.file(find_exercise(name)).write_text(text)


def run(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command; return its exit code and all that it has said."""
    code = main(["learn", *line.split()])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_learn_alone_shows_its_commands_and_fits(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["learn"], ["learn", "--help"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0
        out = capsys.readouterr().out
        assert all(f"  {word} " in out for word in lessons.COMMANDS)
        assert max(map(len, out.splitlines())) <= 80 and len(out.splitlines()) <= 23


@pytest.mark.parametrize("word", lessons.COMMANDS)
def test_each_command_has_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["learn", word, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: minibert learn {word}" in out and "None" not in out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chekc", "Did you mean 'check'?"),
        ("check sotf_forward", "did you mean soft_forward?"),
        ("check soft", "begins several exercises: soft_forward, soft_backward"),
        ("check --all soft_forward", "--all takes no ID"),
        ("check --mine-all soft_forward", "--mine-all takes no ID"),
        ("check --all --pytest", "choose one of --all, --pytest"),
        ("check --mine-all", "none of your functions has passed yet"),
        ("check --folder elsewhere", "minibert learn start elsewhere"),
        ("check --twin nothing", "there is no exercise 'nothing'"),
        ("board moon", "04_attention, 08_loss"),
        ("hint moon", "there is no exercise"),
        ("diff moon", "there is no exercise"),
        ("reset moon", "there is no exercise"),
        ("start a_file", "a_file is a file"),
        ("audit moon", "there is no exercise"),
    ],
)
def test_wrong_words_are_explained_with_exit_code_2(
    line: str, said: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a_file").touch()
    code, text = run(line, capsys)
    assert code == 2 and said in text


def test_reset_needs_an_id(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["learn", "reset"])
    assert end.value.code == 2 and "ID" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["next", "check", "watch", "hint", "diff", "board", "reset soft_forward"])
def test_without_a_folder_start_is_named(
    word: str, course: tuple[Exercise, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run(word, capsys)
    assert code == 2 and "minibert learn start" in text


def test_start_tells_what_it_wrote_what_it_added_and_what_it_left(
    course: tuple[Exercise, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run("start", capsys)
    assert code == 0
    assert "4 exercises lie in exercises: 2 chapters, about 50 min." in text
    assert "A softmax  ●●○○○  about 10 minutes" in text
    Path("exercises/04_attention/soft_forward.py").unlink()
    assert "Added to exercises: soft_forward. The other 3 files are as they were." in run("start", capsys)[1]
    assert "All 4 files of exercises were there" in run("start", capsys)[1]
    assert "4 exercises lie in mine/bert" in run("start mine/bert", capsys)[1]


def test_start_within_the_folder_makes_no_second_one(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path / "04_attention")
    assert run("start", capsys)[0] == 0
    assert not Path("exercises").exists()


def test_check_takes_an_id_its_beginning_or_a_file(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "mean_square", "right")
    for word in ("mean_square", "mean", "exercises/08_loss/mean_square.py"):
        code, text = run(f"check {word}", capsys)
        assert code == 0 and "✓ mean_square" in text
    write(folder, "mean_square", "a try")
    assert run("check mean", capsys)[0] == 1


def test_check_alone_takes_the_file_that_was_saved_last_and_says_which(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run("check", capsys)
    assert code == 1 and "soft_forward is not written yet" in text
    write(folder, "mean_square", "right")
    write(folder, "soft_backward", "a try")
    os.utime(folder.file(find_exercise("mean_square")), (1000, 1000))
    code, text = run("check", capsys)
    assert code == 1 and text.startswith("  exercises/04_attention/soft_backward.py\n\n✗ soft_backward")


def test_check_all_checks_what_is_begun_a_line_each(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check --all", capsys) == (1, "\n  0 of 0 pass; 4 not begun.\n")
    write(folder, "mean_square", "right")
    write(folder, "soft_backward", "a try")
    code, text = run("check --all", capsys)
    assert code == 1
    assert text.splitlines() == [
        "  ✗ soft_backward  a case by hand",
        "  ✓ mean_square",
        "",
        "  1 of 2 pass; 2 not begun.",
    ]
    write(folder, "soft_backward", "right")
    assert run("check --all", capsys)[0] == 0
    assert folder.standing().count(PASSED) == 2


def test_pytest_and_mine_all_run_in_a_process_of_their_own(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(lessons, "run", lambda *words: calls.append(words) or 1)
    for name in ("soft_forward", "mean_square"):
        write(folder, name, "right")
        run(f"check {name}", capsys)
    write(folder, "mean_square", "right, and more")
    assert run("check soft_forward --pytest", capsys)[0] == 1
    code, text = run("check --mine-all", capsys)
    assert code == 1 and "Left out, for they were changed since they passed: mean_square" in text
    here = folder.path.resolve()
    assert calls == [
        ("as_tests", "soft_forward", str(here / "04_attention" / "soft_forward.py")),
        ("mine_all", str(here), "soft_forward"),
    ]


def test_next_names_what_to_write_and_ends_at_the_end(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "  check  minibert learn check soft_forward" in run("next", capsys)[1]
    for exercise in exercises():
        write(folder, exercise.id, "right")
        run(f"check {exercise.id}", capsys)
    code, text = run("next", capsys)
    assert code == 0 and "All exercises have passed." in text and "--mine-all" in text


def test_a_folder_that_was_named_is_named_in_what_comes_next(
    course: tuple[Exercise, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run("start a/b", capsys)
    _, text = run("check soft_forward --folder a/b", capsys)
    assert "minibert learn hint soft_forward --folder a/b" in text


def test_diff_comes_after_passing_or_with_spoil(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run("diff soft_forward", capsys)
    assert code == 1 and "when yours has passed" in text and "+++" not in text
    assert run("diff soft_forward --spoil", capsys)[0] == 0
    write(folder, "soft_forward", "right")
    run("check", capsys)
    code, text = run("diff", capsys)
    assert code == 0 and "+++ the library's" in text


def test_reset_says_where_the_old_file_is(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "soft_forward", "mine")
    code, text = run("reset soft_forward", capsys)
    assert code == 0 and "soft_forward.1.py.bak" in text.replace("\n", "")
    assert Path("exercises/04_attention/soft_forward.1.py.bak").read_text() == "mine"
    assert "is as it was" in run("reset soft_forward", capsys)[1]


def test_a_broken_progress_file_is_told_and_kept(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.path / progress.FILE).write_text('{"format": 1, "exerc')
    done = subprocess.run(
        [sys.executable, "-m", "minibert", "learn", "board"],
        cwd=folder.path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "passed" in done.stdout
    assert "minibert: " in done.stderr and ".minibert-progress.broken-1.json" in done.stderr
    assert (folder.path / ".minibert-progress.broken-1.json").is_file()


def test_the_commands_load_neither_numpy_nor_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from minibert.cli import main\n"
        "for line in ('start', 'next', 'board', 'hint', 'check'):\n"
        "    main(['learn', line])\n"
        "heavy = {'torch', 'numpy', 'pytest'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_learner_s_own_files_are_not_taken_for_modules(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    code = (
        f"import sys; sys.path[0] = {str(ROOT)!r}; from minibert.cli import main; main(['learn', 'start'])\n"
    )
    code += f"sys.exit(main(['learn', 'check', {by_hand().id!r}, '--pytest']) + main(['learn', 'check']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "the wrong" not in done.stdout + done.stderr
    assert "not written yet" in done.stdout and "NotImplementedError" in done.stdout


# A learner, in a terminal of 80x24, with the real course.


def by_hand() -> Exercise:
    """The first exercise by hand that has a mistake with a name."""
    return next(
        each
        for each in exercises()
        if not each.needs_torch and not each.random and not each.judge and each.mistakes()
    )


def flat(text: str) -> str:
    """Return a screen as one line, without the frame of a name that goes on."""
    return " ".join(text.replace("│", " ").split())


def expect_fitting(screen: str) -> None:
    """Raise AssertionError unless a screen shows no traceback and fits 80x24, the prompt included."""
    assert "Traceback" not in screen
    lines = screen.splitlines()
    assert max(map(len, lines), default=0) <= 80, screen
    assert len(lines) <= 23, screen


@pytest.mark.parametrize("colour", [True, False])
def test_a_learner_begins_errs_and_passes(colour: bool, tmp_path: Path) -> None:
    extra = {} if colour else {"NO_COLOR": "1"}
    raw: list[str] = []

    def learn(*words: str) -> tuple[int, str]:
        with Terminal("learn", *words, cwd=tmp_path, **extra) as terminal:
            code = terminal.end()
            assert colour or not re.search(r"\x1b\[[\d;]*m", terminal.raw)
            raw.append(terminal.raw)
            return code, terminal.screen()

    exercise = by_hand()
    folder = Folder(tmp_path / "exercises")
    path = folder.file(exercise)
    assert learn("start")[0] == 0
    code, screen = learn("check", exercise.id)
    assert code == 1 and "not written yet" in screen
    mistake = exercise.mistakes()[0]
    path.write_text(with_mistake(exercise, mistake))
    code, screen = learn("check")
    expect_fitting(screen)
    assert code == 1 and f"✗ {exercise.id}" in screen and mistake.name in flat(screen)
    path.write_text(solution(exercise) + "\noops\n")
    code, screen = learn("check")
    expect_fitting(screen)
    assert code == 1 and re.search(rf"{path.name}:\d+  │ oops", screen)
    assert "hint 1 of 3" in learn("hint")[1]
    assert learn("diff")[0] == 1
    path.write_text(solution(exercise))
    code, screen = learn("check")
    expect_fitting(screen)
    assert code == 0 and f"✓ {exercise.id}" in screen and "well begun" in screen
    assert "line for line" in learn("diff")[1]
    assert f"1 of {len(exercises())} passed" in learn("board")[1]
    assert "✓" in learn("board", exercise.chapter)[1]
    path.write_text(path.read_text() + "\n# a thought\n")
    assert "1 changed since it passed" in learn("board")[1]
    assert learn("reset", exercise.id)[0] == 0
    path.with_name(f"{exercise.id}.1.py.bak").replace(path)
    assert learn("check")[0] == 0
    assert colour == ("\x1b[31m" in "".join(raw) and "\x1b[32m" in "".join(raw))


@pytest.mark.slow
def test_a_learner_does_the_whole_course_to_a_full_board(tmp_path: Path) -> None:
    """From each exercise to the one that is named next, every fourth one wrong at first."""
    folder = Folder(tmp_path / "exercises")
    code, screen = typed("learn", "start", cwd=tmp_path)
    expect_fitting(screen)
    for number, exercise in enumerate(exercises()):
        path = folder.file(exercise)
        assert f"  open   exercises/{exercise.path.as_posix()}" in screen
        mistakes = exercise.mistakes()
        if number % 4 == 0 and mistakes:
            mistake = mistakes[number % len(mistakes)]
            path.write_text(with_mistake(exercise, mistake))
            code, screen = typed("learn", "check", cwd=tmp_path)
            assert code == 1 and exercise.id in screen
            assert mistake.name in flat(screen), screen
            expect_fitting(screen)
        path.write_text(solution(exercise))
        code, screen = typed("learn", "check", cwd=tmp_path)
        assert code == 0 and f"✓ {exercise.id}" in screen, screen
        expect_fitting(screen)
    code, screen = typed("learn", "board", cwd=tmp_path)
    expect_fitting(screen)
    total = len(exercises())
    assert f"{total} of {total} passed" in screen and "░" not in screen
    assert "All exercises have passed." in typed("learn", "next", cwd=tmp_path)[1]


def test_what_is_taken_back_is_not_seen() -> None:
    assert plain("a\r\n  checking x …\r\x1b[2K\r\x1b[31mred\x1b[0m\r\n") == "a\nred\n"
