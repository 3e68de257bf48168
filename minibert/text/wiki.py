"""A MediaWiki dump -> its articles, one after the other."""

import re
from collections.abc import Iterator
from pathlib import Path

from minibert.text.reading import Progress, read_blocks
from minibert.text.wikitext import clean

LONGEST_PAGE = 1 << 26
"""Characters that a page may have; MediaWiki itself allows about 2 million."""

HIDDEN = ("-2", "6", "14")
"""Keys of the namespaces whose links show a picture or nothing: media, image and category."""


def read_articles(path: Path, progress: Progress | None = None) -> Iterator[tuple[str, str]]:
    """Yield (title, text) of the articles of a dump, plain or .gz, while it is read.

    Redirects are left out, and the pages of every other namespace (talk, templates …); so is the last page
    of a dump that was cut off.

    Raises ValueError when the file holds no page.
    """
    rest, namespaces = "", None
    for block in read_blocks(path, progress):
        *pages, rest = (rest + block).split("</page>")
        for page in pages:
            namespaces = namespaces or _namespaces(page)
            title, text = _article(page, namespaces)
            text = text and clean(text, [namespaces.get(key, "") for key in HIDDEN])
            if text:
                yield title, text
        if len(rest) > LONGEST_PAGE:
            break
    if namespaces is None or len(rest) > LONGEST_PAGE:
        raise ValueError(
            f"{path} is no dump of MediaWiki: expected <page> … </page>, got {rest[:60]!r}. "
            "Give the XML of pages-articles, plain or .gz"
        )


def _namespaces(head: str) -> dict[str, str]:
    """Return the names of the namespaces by their keys, from the head of a dump."""
    return {"0": "", **dict(re.findall(r'<namespace key="(-?\d+)"[^>]*>([^<]+)</namespace>', head))}


def _article(page: str, namespaces: dict[str, str]) -> tuple[str, str]:
    """Return title and wikitext of a page; the text is empty when the page is not an article."""
    title = _unescape(_between(page, "<title>", "</title>"))
    place, colon, _ = title.partition(":")
    elsewhere = (colon and place in namespaces.values()) or ("<ns>" in page and "<ns>0</ns>" not in page)
    text = _between(page, "<text", "</text>").partition(">")[2].lstrip()
    if elsewhere or "<redirect" in page or text[:9].upper() == "#REDIRECT":
        return title, ""
    return title, _unescape(text)


def _between(text: str, start: str, end: str) -> str:
    begin = text.find(start) + len(start)
    stop = text.find(end, begin)
    return text[begin:stop] if stop >= 0 and start in text else ""


def _unescape(text: str) -> str:
    """Return XML as text; what wikitext itself writes as an entity stays one."""
    for escaped, mark in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(escaped, mark)
    return text
