"""The markup of MediaWiki -> the prose in it."""

import html
import re
from collections.abc import Collection

# Every line is matched together with the line end before it: such patterns are found many times faster.
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_UNREAD = re.compile(  # what stands between these tags is no prose
    r"<ref\b[^<>]*/>|<(math|ref|gallery|timeline|table|pre|source|syntaxhighlight|hiero|imagemap|score)\b[^<>]*>"
    r".*?</\1\s*>",
    re.DOTALL | re.IGNORECASE,
)
_TYPED = re.compile(r"\n [^{}|\n]*")  # a line that begins with a space: program text, a table drawn by hand
_FOREIGN = re.compile(  # words in another language or script
    r"\{\{(?:IPA|polytonic|unicode|ArabDIN|lang\|[\w-]+|lang-\w+)\|([^{}|]*)\}\}", re.IGNORECASE
)
_BRACES = re.compile(r"\{\{|\}\}|\{\||\|\}(?!\}(?!\}))")  # of templates {{…}} and tables {|…|}
_ROW = re.compile(r"\n[ \t]*(?:[|!].*|-{4,}|__[A-Z]+__)")  # left of a table; a rule; a switch

_BARE_ITEM = re.compile(r"\n[*#:;]+[ \t]*(?:'*\[\[[^\[\]]*\]\]['\s]*(?=\n)|\[?https?:.*)")  # "See also"
_WEB_LINK = re.compile(r"\[(?:https?|ftp|mailto|news|irc):[^\s\]]*[ \t]*([^\]\n]*)\]")
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
_HOLLOW = re.compile(r"\(\W*\)")  # brackets around what was taken out
_WORDLESS = re.compile(r"\n[\W\d_]+(?=\n)")
_BLANKS = re.compile(r"\n\s*\n\s*")


def clean(text: str, hidden: Collection[str] = ()) -> str:
    """Return the prose of a page of MediaWiki, with blank lines between paragraphs.

    Links become the text they show; headings and items of lists become paragraphs of their own. Templates,
    tables, pictures, footnotes, formulas, program text, categories, links to other languages and items that
    are a link and nothing else are taken out, and headings over nothing. `hidden` names the namespaces of
    pictures and categories in the wiki's language.
    """
    text = _UNREAD.sub("", _COMMENT.sub("", f"\n{text}\n"))
    text = _TYPED.sub("", text)
    if "{" in text:
        text = drop_braces(_FOREIGN.sub(r"\1", text))
    text = _ROW.sub("", text)
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
    text = re.sub(r" (?=[,.;:)](?!\S))", "", text)
    return _WORDLESS.sub("", text)


def drop_braces(text: str) -> str:
    """Return the text without its templates {{…}} and tables {|…|}, whole with those inside them."""
    begun: list[tuple[str, int]] = []
    spans: list[tuple[int, int]] = []
    for mark in _BRACES.finditer(text):
        if mark[0] == "{{" or (mark[0] == "{|" and text[mark.start() - 1 : mark.start()] in ("", "\n", ":")):
            begun.append((mark[0], mark.start()))
        elif mark[0] in ("}}", "|}"):
            partner = "{{" if mark[0] == "}}" else "{|"
            at = next((i for i in reversed(range(len(begun))) if begun[i][0] == partner), None)
            if at is not None:
                spans.append((begun[at][1], mark.end()))
                del begun[at:]

    kept, end = [], len(text)
    for start, stop in reversed(spans):
        if stop <= end:  # else it lies in one that is already out
            kept.append(text[stop:end])
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
