"""The markup of MediaWiki -> the prose in it."""

import html
import re
from collections import Counter
from collections.abc import Collection, Sequence

# Every line is matched together with the line end before it: such patterns are found many times faster.
_FOREIGN = re.compile(  # words in another language or script
    r"\{\{(?:IPA|polytonic|unicode|ArabDIN|lang\|[\w-]+|lang-\w+)\|([^{}|]*)\}\}", re.IGNORECASE
)
_UNREAD = re.compile(  # what stands between these is no prose
    r"\{\{|\}\}|\{\||\|\}(?!\}(?!\}))|<!--|-->|<(?P<slash>/?)(?P<tag>ref|math|gallery|timeline|table|pre|source"
    r"|syntaxhighlight|hiero|imagemap|score)\b[^<>]*>",
    re.IGNORECASE,
)
_OPENER = {"}}": "{{", "|}": "{|", "-->": "<!--"}
_TYPED = re.compile(r"\n .*")  # a line that begins with a space: program text, a table drawn by hand
_ROW = re.compile(r"\n[ \t]*(?:[|!].*|-{4,}|__[A-Z]+__)")  # left of a table; a rule; a switch

_BARE_ITEM = re.compile(r"\n[*#:;]+[ \t]*(?:'*\[\[[^\[\]]*\]\]['\s]*(?=\n)|\[?https?:.*)")  # "See also"
_WEB_LINK = re.compile(r"\[(?:https?|ftp|mailto|news|irc):[^\s\]]*+[ \t]*+([^\]\n]{0,500}+)\]")
_PLAIN_LINK = re.compile(r"\[\[(?:[^\[\]|:]*\|([^\[\]|]*)|([^\[\]|:]*))\]\]")
_LINK = re.compile(r"\[\[((?:[^\[\]]|\[(?!\[)|\](?!\]))*)\]\]")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z-]+)?|simple|tokipona")  # before a colon: another Wikipedia
_URL = re.compile(r"https?://[^\s|\]<>)]+")

_EXPONENT = re.compile(r"<sup>(?<=\d<sup>)(?=[-−]?\d)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_QUOTES = re.compile(r"''+")
_ITEM = re.compile(r"\n[*#:;]+[ \t]*")
_HEADING = re.compile(r"\n=+[ \t]*(.*?)[ \t]*=+[ \t]*(?=\n)")
_EMPTY_HEADING = re.compile(r"\n(=+)[^=\n].*=[ \t]*(?=\s*(?:\n(?!\1=)=|\Z))")
_LEFT = re.compile(r"\[\[|\]\]|\{\{+|\}\}+|~~~+")  # of marks that have no partner
_HOLLOW = re.compile(r"\((?:[^\w()]|\([^\w()]*+\))*+\)")  # brackets around what was taken out
_WORDLESS = re.compile(r"\n(?:[^\w\n]|[\d_])+(?=\n)")
_BLANKS = re.compile(r"\n\s*\n\s*")


def clean(text: str, hidden: Collection[str] = ()) -> str:
    """Return the prose of a page of MediaWiki, with blank lines between paragraphs.

    Links become the text they show; headings and items of lists become paragraphs of their own. Templates,
    tables, pictures, footnotes, formulas, program text, categories, links to other languages and items that
    are a link and nothing else are taken out, and headings over nothing. `hidden` names the namespaces of
    pictures and categories in the wiki's language.
    """
    text = drop_unread(_FOREIGN.sub(r"\1", f"\n{text}\n"))
    text = _ROW.sub("", _TYPED.sub("", text))
    text = _show_links(text, {"image", "file", "category", "media", *(name.lower() for name in hidden)})
    if "<" in text:
        text = _TAG.sub("", _EXPONENT.sub("^", text))
    text = _QUOTES.sub("", text)
    if "&" in text:
        text = html.unescape(text)
    text = _close_gaps(_LEFT.sub("", _ITEM.sub("\n\n", text)))

    while (shorter := _EMPTY_HEADING.sub("", text)) != text:
        text = shorter
    return _BLANKS.sub("\n\n", _HEADING.sub(r"\n\n\1\n\n", text)).strip()


def _close_gaps(text: str) -> str:
    """Return the text without what is left around things taken out: spaces, hollow brackets, bare marks."""
    text = _HOLLOW.sub("", text.replace("\t", " ").replace("\xa0", " "))
    text = re.sub(r"\([ ,;]+", "(", re.sub("  +", " ", text))
    text = re.sub(r" (?=\)|[,.;:](?!\S))", "", text)
    return _WORDLESS.sub("", text)


def drop_unread(text: str) -> str:
    """Return the text without templates {{…}}, tables {|…|}, comments and footnotes, pictures, formulas.

    Each goes whole, with those inside it. What has no partner stays; after one that begins a line, spaces go
    too.
    """
    begun: list[tuple[str, int]] = []
    waiting: Counter[str] = Counter()  # how many of each kind are in `begun`
    spans: list[tuple[int, int]] = []
    for mark in _UNREAD.finditer(text):
        kind = f"<{mark['tag'].lower()}>" if mark["tag"] else mark[0]
        opener = kind if mark["slash"] else _OPENER.get(kind)
        if opener:
            while waiting[opener]:
                last, start = begun.pop()
                waiting[last] -= 1
                if last == opener:
                    spans.append((start, mark.end()))
                    break
        elif mark[0].endswith("/>"):
            spans.append(mark.span())
        elif kind == "<!--" and waiting[kind]:
            pass  # a comment ends at the first end, whatever begins in it
        elif kind != "{|" or text[mark.start() - 1 : mark.start()] in ("", "\n", ":"):
            begun.append((kind, mark.start()))
            waiting[kind] += 1
    return _without(text, spans)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text without the spans, which lie in the order of their ends."""
    kept, end = [], len(text)
    for start, stop in reversed(spans):
        if stop <= end:  # else it lies in one that is already out
            piece = text[stop:end]
            kept.append(piece.lstrip(" ") if text[start - 1 : start] == "\n" else piece)
            end = start
    return "".join([text[:end], *reversed(kept)])


def _show_links(text: str, hidden: Collection[str]) -> str:
    """Return the text with links as what they show; links in the caption of a picture go with it."""

    def show(link: re.Match[str]) -> str:
        target, *labels = link[1].split("|")
        place, colon, _ = target.partition(":")
        if colon and (place.strip().lower() in hidden or _LANGUAGE.fullmatch(place)):
            return ""
        return labels[-1] if labels else target.removeprefix(":")

    text = _URL.sub("", _WEB_LINK.sub(r"\1", _BARE_ITEM.sub("", text)))
    text = _PLAIN_LINK.sub(r"\1\2", text)
    found = 1
    while found:
        text, found = _LINK.subn(show, text)
    return text
