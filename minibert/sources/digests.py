"""sha256 of files, and of many files as one."""

import hashlib
from collections.abc import Mapping
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex, read block by block."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(hashes: Mapping[str, str]) -> str:
    """Return one sha256 for files given as {name: sha256 in hex}, whatever their order."""
    lines = "".join(f"{name} {sha}\n" for name, sha in sorted(hashes.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def files_digest(files: Mapping[str, Path]) -> str:
    """Return one sha256 for files given as {name: path}."""
    return digest({name: file_sha256(path) for name, path in files.items()})
