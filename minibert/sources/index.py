"""Package archives: found on the index that pip is configured for, downloaded, never built."""

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from unearth import Link, PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.fetchers import PyPIClient

from minibert.sources.archive import unpack
from minibert.sources.catalogue import Card
from minibert.sources.download import download
from minibert.sources.pip_config import PipConfig, read_pip_config


def fetch_archive(card: Card, work: Path) -> Path:
    """Download the card's archive into `work`, unpack its files there, and return the folder they are in.

    What an earlier, interrupted call left in `work` is gone on with.

    Raises ValueError when no index has the archive, it cannot be downloaded, or it is not the card's.
    """
    config = read_pip_config()
    with connect(config) as session:
        link = find(card, session, config)
        archive = download(session, link.normalized, work / card.archive, card.archive_sha256, card.bytes)
    folder = unpack(archive, card, work / "files")
    archive.unlink()
    return folder


def connect(config: PipConfig) -> PyPIClient:
    """Return a client that knows the passwords (address, netrc, keyring), the proxy, the certificates.

    Raises ValueError for a certificate file that is not there.
    """
    for file in filter(None, (config.cert, config.client_cert)):
        if not os.path.exists(file):
            raise ValueError(
                f"pip is configured for the certificates in {file}, which is not there. See `pip config list`"
            )
    verify: ssl.SSLContext | bool = True
    if config.cert or config.client_cert:
        folder = config.cert if os.path.isdir(config.cert) else None
        verify = ssl.create_default_context(cafile=None if folder else config.cert or None, capath=folder)
        if config.client_cert:
            verify.load_cert_chain(config.client_cert)
    session = PyPIClient(
        trusted_hosts=config.trusted_hosts,
        verify=verify,
        proxy=config.proxy or None,
        timeout=config.timeout,
        follow_redirects=True,
    )
    indexes = [url for url in (config.index_url, *config.extra_index_urls) if url]
    session.auth = MultiDomainBasicAuth(prompting=False, index_urls=indexes)
    return session


def find(card: Card, session: PyPIClient, config: PipConfig) -> Link:
    """Return where the card's archive is: the first file of its name, unless another sha256 is told.

    Raises ValueError with what each place answered.
    """
    answers = []
    for finder in finders(session, config):
        place = Link(finder.sources[0]["url"]).redacted
        with heard("unearth") as said:
            try:
                links = [package.link for package in finder.find_matches(card.source)]
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
                answers.append(f"{place}: {error}")
                continue
        for link in links:
            told = (link.hash_option or {}).get("sha256", [card.archive_sha256])
            if link.filename == card.archive and card.archive_sha256 in told:
                return link
        others = ", ".join(link.filename for link in links)
        answers += said or [f"{place}: has {others or 'no such version'}"]
    raise ValueError(
        f"{card.archive}, which carries the data set {card.name!r}, is on no index that pip is configured "
        f"for. Asked: {'; '.join(answers) or 'none'}. See `pip config list`; or put the archive into a "
        "folder and name that in PIP_FIND_LINKS"
    )


def finders(session: PyPIClient, config: PipConfig) -> Iterator[PackageFinder]:
    """Yield a finder for each place to look in, one by one, so that a place out of reach hides no other."""
    local = [place for place in config.find_links if "://" in place or Path(place).exists()]
    places: list[tuple[list[str], list[str]]] = [([], [place]) for place in local]
    if not config.no_index:
        # Without any address, unearth brings that of the default index.
        places.append(([config.index_url] if config.index_url else [], []))
        places += [([url], []) for url in config.extra_index_urls]
    for indexes, pages in places:
        yield PackageFinder(
            session,  # pyright: ignore[reportArgumentType]
            index_urls=indexes,
            find_links=pages,
            ignore_compatibility=True,
        )


@contextmanager
def heard(logger: str) -> Iterator[list[str]]:
    """Collect what a logger says instead of printing it."""
    said: list[str] = []
    log = logging.getLogger(logger)
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())
    log.addHandler(handler)
    log.propagate = False
    try:
        yield said
    finally:
        log.removeHandler(handler)
        log.propagate = True
