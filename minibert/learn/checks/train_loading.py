"""What must hold when a checkpoint is loaded: what is damaged is never believed, and is told by name."""

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from minibert.learn.checks.train_checkpoint import expect_loads, saved, some_checkpoint
from minibert.learn.compare import CheckError, expect
from minibert.train.checkpoint import MANIFEST, load_checkpoint


def check_a_good_checkpoint_is_loaded() -> None:
    """Every bit of every tensor, and all numbers."""
    with saved() as it:
        expect_loads(it.path, some_checkpoint(), "a checkpoint")


@contextmanager
def damaged(name: str, damage: Callable[[Path], object]) -> Iterator[Path]:
    """Yield a checkpoint in which something was done to a file."""
    with saved() as it:
        damage(it.path / name)
        yield it.path


def flip(path: Path) -> None:
    """Change the last bit."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    """Cut off the end."""
    path.write_bytes(path.read_bytes()[:-3])


def miscount(path: Path) -> None:
    """Write another step into the numbers, of as many digits."""
    path.write_bytes(path.read_bytes().replace(b'"step": 1', b'"step": 2'))


def misspell(path: Path) -> None:
    """Change a bit of the word "bytes"."""
    path.write_bytes(path.read_bytes().replace(b'"bytes"', b'"byteS"', 1))


def lie(path: Path) -> None:
    """Let the head of a file of tensors claim 2^62 bytes, and the manifest agree."""
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])
    manifest = json.loads((path.parent / MANIFEST).read_bytes())
    manifest[path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / MANIFEST).write_text(json.dumps(manifest))


def expect_disbelief(name: str, damage: Callable[[Path], object], what: str) -> None:
    """Raise CheckError where a damaged checkpoint is loaded as if it were good."""
    with damaged(name, damage) as path:
        try:
            load_checkpoint(path)
        except Exception:
            return
    raise CheckError(f"{what}, and the checkpoint was loaded all the same")


def expect_told(name: str, damage: Callable[[Path], object], what: str) -> None:
    """Raise CheckError unless a ValueError says of a damaged file that it is bad."""
    with damaged(name, damage) as path:
        try:
            load_checkpoint(path)
        except ValueError as error:
            expect(name in str(error), f"{what}: the message does not name {name}: {error}")
        except Exception as error:
            raise CheckError(f"{what}: expected a ValueError, got {type(error).__name__}: {error}") from error


def check_a_bit_that_has_flipped_is_seen() -> None:
    """A disk does it once in a while, and the format itself has nothing against it."""
    expect_disbelief("model.safetensors", flip, "a bit of model.safetensors has flipped")


def check_it_is_seen_in_the_numbers_too() -> None:
    """With another step the run would go on elsewhere."""
    expect_disbelief("numbers.json", miscount, "another step stands in numbers.json")


def check_a_file_that_is_not_there_is_missed() -> None:
    """Without the optimiser's state the run would begin anew with old weights."""
    expect_disbelief("optimizer.safetensors", Path.unlink, "optimizer.safetensors is missing")


def check_a_folder_without_a_manifest_is_no_checkpoint() -> None:
    """It was never finished: the manifest is what is written last."""
    expect_disbelief(MANIFEST, Path.unlink, "there is no manifest")


def check_what_has_flipped_is_named() -> None:
    """A ValueError, which passes on to the checkpoint before; and the file's name, for the log."""
    expect_told("model.safetensors", flip, "a bit of model.safetensors has flipped")


def check_what_was_cut_short_is_named() -> None:
    """As by a disk that was full."""
    expect_told("optimizer.safetensors", cut, "optimizer.safetensors was cut short")


def check_what_is_missing_is_named() -> None:
    """FileNotFoundError is no ValueError, and would end the run."""
    expect_told("optimizer.safetensors", Path.unlink, "optimizer.safetensors is missing")


def check_a_missing_manifest_is_named() -> None:
    """It is the usual thing after a kill, and no reason to end."""
    expect_told(MANIFEST, Path.unlink, "there is no manifest")


def check_a_manifest_that_was_cut_short_is_named() -> None:
    """What json says of it has no name in it."""
    expect_told(MANIFEST, cut, "the manifest was cut short")


def check_a_manifest_in_which_a_word_has_changed_is_named() -> None:
    """By a flipped bit, too, "bytes" becomes "byteS": KeyError is no ValueError, and would end the run."""
    expect_told(MANIFEST, misspell, "the manifest has no word `bytes` for a file")


def check_a_file_that_is_not_what_it_seems_is_named() -> None:
    """Size and digest agree, and it is no file of tensors: safetensors has an error of its own for that."""
    expect_told("model.safetensors", lie, "the head of model.safetensors claims 2^62 bytes")


def check_only_what_the_manifest_names_is_read() -> None:
    """What else is in the folder may be anything."""
    with saved() as it:
        (it.path / "other.safetensors").write_bytes((it.path / "model.safetensors").read_bytes())
        expect_loads(
            it.path, some_checkpoint(), "a checkpoint, with a file beside it that is none of its own,"
        )
