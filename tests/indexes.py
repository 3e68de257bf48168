"""Archives of our own, cards for them, and a small package index to get them from."""

import base64
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from minibert.sources import Card, CardPart, catalogue, digest

TEXTS = {
    "storybook/texts/one.txt": b"The first text.\n" * 4000,
    "storybook/texts/two.txt": b"The second text.\n",
    "storybook/texts/zoo.txt": b"The last text.\n",
}

TRAP = "import pathlib, os; pathlib.Path(os.environ['TRAP']).write_text('executed')\n"
"""Python that leaves a file behind when anything executes it."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sdist(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """Write storybook-1.0.tar.gz: the texts, and a build that springs the trap."""
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    trapped = {"setup.py": TRAP, "backend.py": TRAP, "storybook/__init__.py": TRAP, "pyproject.toml": build}
    contents = {name: text.encode() for name, text in trapped.items()} | (TEXTS if files is None else files)
    path = folder / "storybook-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in contents.items():
            entry = tarfile.TarInfo(f"storybook-1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def wheel(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """Write a wheel with the texts."""
    path = folder / "storybook-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (TEXTS if files is None else files).items():
            archive.writestr(name, data)
    return path


def card_of(archive: Path, texts: dict[str, bytes] | None = None) -> Card:
    """Return a card for an archive of ours that is to give `texts`."""
    texts = TEXTS if texts is None else texts
    return Card(
        name="stories",
        title="Three texts",
        language="en",
        size="few words",
        license="ours to give",
        citation="ours",
        url="https://example.org",
        parts=(CardPart(("storybook/texts/*.txt",), "file"),),
        source="storybook==1.0",
        archive=archive.name,
        archive_sha256=sha256(archive.read_bytes()) if archive.exists() else "0" * 64,
        bytes=sum(map(len, texts.values())),
        sha256=digest({name: sha256(data) for name, data in texts.items()}),
        held_out=("zoo",),
    )


def install(site: Path, texts: dict[str, bytes] | None = None, version: str = "1.0") -> Path:
    """Put the package storybook into `site` as pip would; importing it springs the trap."""
    record = "storybook/__init__.py,,\n"
    for name, data in (TEXTS if texts is None else texts).items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(data)
        recorded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        record += f"{name},sha256={recorded},{len(data)}\n"
    (site / "storybook" / "__init__.py").write_text(TRAP)
    about = site / f"storybook-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: storybook\nVersion: {version}\n")
    (about / "RECORD").write_text(record)
    return site / "storybook" / "texts"


def write_card(folder: Path, card: Card) -> None:
    """Write a card as TOML into `folder`."""
    fields = {name: value for name, value in vars(card).items() if name != "parts" and value}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
    for part in card.parts:
        lines += ["", "[[parts]]"] + [f"{k} = {json.dumps(v)}" for k, v in vars(part).items() if v]
    folder.mkdir(exist_ok=True)
    (folder / f"{card.name}.toml").write_text("\n".join(lines) + "\n")


def only_index(monkeypatch: pytest.MonkeyPatch, url: str = "") -> None:
    """Let pip know of no index but `url`, whatever this machine is configured for."""
    for name in os.environ:
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL" if url else "PIP_NO_INDEX", url or "1")


class Index(http.server.ThreadingHTTPServer):
    """A package index over the archives in a folder, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_port}/simple/"
        self.asked: list[tuple[str, str | None]] = []
        """(path, Range) of every request."""
        self.as_json = False
        self.tells_sha256 = True
        self.ranges = True
        """Whether it can send the rest of a file."""
        self.cuts: list[int] = []
        """The next answers break off after so many bytes."""
        self.stalls_after: int | None = None
        """Bytes of a file after which it sends no more until `stalled` is set."""
        self.stalled = threading.Event()
        self.password = ""

    def sent(self, archive: str) -> list[str | None]:
        """Return the Range of each request for an archive."""
        return [wanted for path, wanted in self.asked if path.endswith(archive)]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Index  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        login = base64.b64encode(f"user:{self.server.password}".encode()).decode()
        if self.server.password and self.headers["Authorization"] != f"Basic {login}":
            self.send_error(401)
        elif self.path.startswith("/mirror/"):
            self.answer(302, b"", {"Location": self.path.replace("/mirror/", "/simple/")})
        elif self.path == "/simple/storybook/":
            self.page()
        elif (self.server.folder / self.path.removeprefix("/files/")).is_file():
            self.file((self.server.folder / self.path.removeprefix("/files/")).read_bytes())
        else:
            self.send_error(404)

    def page(self) -> None:
        told = {path.name: sha256(path.read_bytes()) for path in sorted(self.server.folder.iterdir())}
        files = self.server.url.replace("/simple/", "/files/")
        if self.server.as_json:
            rows = [{"filename": n, "url": files + n, "hashes": {"sha256": s}} for n, s in told.items()]
            text, kind = json.dumps({"files": rows}), "application/vnd.pypi.simple.v1+json"
        else:
            ends = {name: f"#sha256={sha}" if self.server.tells_sha256 else "" for name, sha in told.items()}
            text, kind = "".join(f'<a href="{files}{n}{end}">{n}</a>' for n, end in ends.items()), "text/html"
        self.answer(200, text.encode(), {"Content-Type": kind})

    def file(self, data: bytes) -> None:
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        if start and self.server.ranges:
            whole = len(data)
            status = 206 if start < whole else 416
            data = data[start:]
            self.answer(status, data, {"Content-Range": f"bytes {start}-{whole - 1}/{whole}"})
        else:
            self.answer(200, data, {})

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts and self.path.startswith("/files/") else len(data)
        stall = self.server.stalls_after if self.path.startswith("/files/") else None
        if stall is not None:
            self.wfile.write(data[:stall])
            self.server.stalled.wait(30)
        else:
            self.wfile.write(data[:cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[Index]:
    """Run an index over the archives in `folder`."""
    with Index(folder) as index:
        thread = threading.Thread(target=index.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield index
        finally:
            index.shutdown()
            thread.join()


@contextmanager
def index_of_stories(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[Index]:
    """Serve storybook-1.0.tar.gz, whose build springs the trap, as the only index, and cards so named."""
    (folder / "archives").mkdir()
    card = card_of(sdist(folder / "archives"))
    for name in names:
        write_card(folder / "cards", replace(card, name=name))
    monkeypatch.setattr(catalogue, "card_folder", lambda: folder / "cards")
    with serve(folder / "archives") as index:
        only_index(monkeypatch, index.url)
        yield index
