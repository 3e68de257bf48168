"""Text -> sentences, in English, Chinese and mixed text."""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    "Mr Mrs Ms Messrs Mme Dr Prof Rev Hon Hons Pres Gov Sen Sens Rep Reps Gen Brig Maj Col Lieut Lt Capt "
    "Cpt Comdr Adm Sgt Supt St Ste Mt Ft vs viz cf"
)
"""Abbreviations that a name follows: never the end of a sentence."""

NUMBERED = _words("No Nos no nos Art art Arts Sec sec Vol vol p pp ch Ch Fig fig lbs ft Stat")
"""Abbreviations that a number follows."""

ABBREVIATIONS = _words(
    "Jr Sr Esq Inc Co Cos Corp Ltd Bros etc al Dept Bldg Ave Jan Feb Mar Apr Jun Jul Aug Sept Sep Oct Nov "
    "Dec Ala Ariz Ark Cal Colo Conn Del Fla Ga Ill Ind Kans Ky La Mass Md Mich Minn Miss Mo Mont Nebr Nev "
    "Okla Ore Oreg Pa Penn Tenn Tex Va Vt Wash Wis Wyo Comp Doc Ex Exec"
)
"""Abbreviations that may end a sentence: they do before one of the STARTERS."""

STARTERS = _words(
    "The A An This That These Those It Its He She They We I You Our My Your His Her Their In On At By For "
    "From To With And But Or So If When While As After Before Since Until Under Upon During Through There "
    "Here Now Then Thus Yet Not Let What Who Why How Where Which Today Tonight Also All Each Every Some "
    "Many Such Both Because Although Though However Therefore Nor Is Are Was Were Has Have Will No"
)
"""Words that, with a capital, begin a sentence far more often than they are part of a name."""

_BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-–—•*]|\(?\d{1,3}[.)]\s|\([a-z]\)\s))")  # paragraph, list item
_END = re.compile(r"([.!?。！？｡…]++)[\"'”’)\]」』）】]*+(\s*+)")  # closing quotes and brackets belong to it
_WIDE = re.compile(r"[。！？｡]|……")  # marks of Chinese and Japanese: no white space follows
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_WORD = re.compile(r"[\w.]*$")  # what stands right before the full stop
_NEXT = re.compile(r"[\"'“‘(\[$£–—•*-]*(\S*)")  # the next word, without what opens it
_ITEM = re.compile(r"\W*+(?:(?:\d{1,3}|[IVXLC]+|[A-Za-z])[.)]\W*+)?")  # "4." or "(a)" before an item
_INITIALS = re.compile(r"[A-Za-z](?:\.[A-Za-z])*")  # "N" or "U.S" or "a.m"
_GOES_ON = frozenset("，、；：》〉,;:")
"""What follows a mark inside a sentence of Chinese."""

_NEAR = 80
"""Characters before a mark that are looked at: so that a long line takes linear time."""


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order; nothing but white space is lost.

    A sentence ends at the end of a paragraph, before the items of a list, and at a full stop,
    question mark or exclamation mark (with the quotes and brackets that close after it) followed by
    white space and something that can begin a sentence. The marks of Chinese and Japanese, and others
    between their characters, need no white space; what a comma follows goes on. Other single line ends
    are white space.
    """
    sentences = []
    for paragraph in _BREAK.split(text):
        line = " ".join(paragraph.split())
        start = 0
        for end in _END.finditer(line):
            if _ends(line, start, end):
                sentences.append(line[start : end.end()].rstrip())
                start = end.end()
        if start < len(line):
            sentences.append(line[start:])
    return sentences


def _ends(line: str, start: int, end: re.Match[str]) -> bool:
    """Whether the sentence that begins at `start` ends at the mark `end`."""
    mark, space = end.groups()
    within = _CJK.match(line, max(start, end.start() - 1)) and _CJK.match(line, end.end())
    if within or _WIDE.search(mark):
        return line[end.end() : end.end() + 1] not in _GOES_ON
    if not space or mark == "…":
        return False

    following = _NEXT.match(line, end.end())
    after = following[1] if following else ""
    item = end.end() - start < _NEAR and _ITEM.fullmatch(line, start, end.end())
    if after[:1].islower() or after[:1] == "." or item:
        return False
    if mark in ("!", "?"):
        return True
    if len(mark) > 1:  # an ellipsis, or a row of dots in a table
        return after[:1].isupper()
    return _full_stop_ends(_WORD.search(line, max(start, end.start() - _NEAR), end.start()), after)


def _full_stop_ends(word: re.Match[str] | None, after: str) -> bool:
    """Whether a full stop between the words `word` and `after` ends a sentence."""
    before = word[0] if word else ""
    number = after[:1].isdigit()
    if before in TITLES or (number and (before in NUMBERED or before[-1:].isdigit())):
        return False
    if before in ABBREVIATIONS or _INITIALS.fullmatch(before):
        return after.rstrip(",;:") in STARTERS
    return True
