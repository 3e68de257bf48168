"""Files that an installed Python package carries, found in the installer's records: nothing is imported."""

import base64
import logging
from importlib import metadata
from pathlib import Path

from minibert.sources.catalogue import Card
from minibert.sources.digests import digest, file_sha256

log = logging.getLogger("minibert")


def recorded_files(card: Card) -> dict[str, metadata.PackagePath]:
    """Return those of the card's files that its installed package lists, by path; none if not installed."""
    try:
        distribution = metadata.distribution(card.source.partition("==")[0])
    except metadata.PackageNotFoundError:
        return {}
    listed = {path.as_posix(): path for path in distribution.files or []}
    return {name: path for name, path in sorted(listed.items()) if card.has(name)}


def installed_files(card: Card) -> dict[str, Path]:
    """Return the card's files in its installed package, by path, after comparing their sha256.

    Empty when the package is not installed, or when its files are not those of the card: that is logged.
    """
    recorded = recorded_files(card)
    if not recorded:
        return {}
    paths = {name: Path(str(path.locate())) for name, path in recorded.items()}
    hashes = {name: file_sha256(path) for name, path in paths.items() if path.is_file()}
    if digest(hashes) == card.sha256:
        return paths

    package, _, version = card.source.partition("==")
    if metadata.version(package) != version:
        log.warning(
            "%s: %s %s is installed, the data set is that of %s: passed over",
            *(card.name, package, metadata.version(package), version),
        )
        return {}
    missing = [name for name in paths if name not in hashes]
    altered = [name for name, sha in hashes.items() if not _as_recorded(recorded[name], sha)]
    log.warning(
        "%s: the installed files of %s are not those of the card (altered: %s; missing: %s): passed over. "
        "To repair them: pip install --force-reinstall --no-deps %s",
        *(card.name, package, ", ".join(altered) or "none", ", ".join(missing) or "none", card.source),
    )
    return {}


def _as_recorded(path: metadata.PackagePath, sha256: str) -> bool:
    """Whether the installer recorded this sha256 (hex) for the file; it writes base64 without padding."""
    recorded = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return path.hash is None or path.hash.value == recorded
