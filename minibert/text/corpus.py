"""Files -> documents -> sentences; and documents held out whole."""

import codecs
import hashlib
import logging
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minibert.config import Part

log = logging.getLogger("minibert")


@dataclass(frozen=True)
class Document:
    """One text that stands on its own: a speech, an article, a chapter."""

    name: str
    text: str


# ---------------------------------------------------------------- files -> documents


def read_documents(part: Part) -> Iterator[Document]:
    """Yield the documents of files of UTF-8 text, one after the other.

    Byte-order marks and Windows line ends are taken out and reported, files without text too.

    Raises ValueError, naming the file, when it cannot be read or is not UTF-8 text (with line and byte).
    """
    for path in part.files:
        text = read_text(path)
        if part.format == "file":
            parts = [(path.stem, text)]
        else:
            blocks = (block for block in re.split(r"\n\s*\n", text) if block.strip())
            parts = [(f"{path.name}:{number}", block) for number, block in enumerate(blocks, 1)]
        yield from (Document(name, part.strip()) for name, part in parts if part.strip())

        if not text.strip():
            log.warning("%s holds no text and is passed over", path)


def read_text(path: Path) -> str:
    """Return the text of one UTF-8 file, with line ends as "\\n" and without a byte-order mark."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"cannot read {path}: {error.strerror}. Check the path and its permissions"
        ) from error

    if data.startswith(codecs.BOM_UTF8):
        log.warning("%s starts with a byte-order mark; it is taken out", path)
        data = data[len(codecs.BOM_UTF8) :]
    _refuse_other_encodings(path, data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text: {_place(data, error.start)} is 0x{data[error.start]:02x}. If it is "
            f"Western text of the old kind: iconv -f WINDOWS-1252 -t UTF-8 {path} > NEW_FILE"
        ) from None

    if "\r" in text:
        log.warning("%s has line ends of another system (CR LF or CR); they are read as LF", path)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _refuse_other_encodings(path: Path, data: bytes) -> None:
    """Raise ValueError for UTF-16, UTF-32 and binary files: their marks, or NUL bytes, give them away."""
    nul = data.find(b"\0")
    marks = {
        codecs.BOM_UTF32_LE: "UTF-32",
        codecs.BOM_UTF32_BE: "UTF-32",
        codecs.BOM_UTF16_LE: "UTF-16",
        codecs.BOM_UTF16_BE: "UTF-16",
    }
    likely = next((name for mark, name in marks.items() if data.startswith(mark)), None)
    if likely is None and nul < 0:
        return

    even, odd = data[0::2].count(0), data[1::2].count(0)  # Western text in UTF-16 is half NUL bytes
    if likely is None and max(even, odd) > len(data) // 8 and min(even, odd) < len(data) // 64 + 1:
        likely = "UTF-16LE" if odd > even else "UTF-16BE"
    found = f"{_place(data, nul)} is NUL" if nul >= 0 else f"it starts with the mark of {likely}"
    if likely is None:
        raise ValueError(f"{path} is not a text file: {found}. Give a plain text file in UTF-8")
    raise ValueError(
        f"{path} is not UTF-8 text but looks like {likely}: {found}. "
        f"To convert it: iconv -f {likely} -t UTF-8 {path} > NEW_FILE"
    )


def _place(data: bytes, offset: int) -> str:
    """Return "line 3, byte 17" for an offset into a file, both counted from 1."""
    start = data.rfind(b"\n", 0, offset) + 1
    line = data.count(b"\n", 0, offset) + 1
    return f"line {line}, byte {offset - start + 1}"


# ---------------------------------------------------------------- documents -> training and held out


def split_held_out(
    documents: Sequence[Document], held_out: Collection[str], share: float = 0.05
) -> tuple[list[Document], list[Document]]:
    """Return the documents to train on and those held out, each whole and in their order.

    `held_out` names the second kind. When it is empty, the `share` of the documents whose names have
    the smallest sha256 is held out: at least two, so that a next sentence can come from another document,
    but never more than half, and always the same ones. A single document cannot be divided: it comes
    back for training.

    Raises ValueError when a name in `held_out` is no document, or nothing is left to train on.
    """
    missing = sorted(set(held_out) - {document.name for document in documents})
    if missing:
        raise ValueError(f"documents to hold out are not in the corpus: {', '.join(missing)}")
    if not held_out:
        by_hash = sorted({document.name for document in documents}, key=_hash)
        count = min(max(2, round(share * len(by_hash))), len(by_hash) // 2)
        held_out = set(by_hash[:count])

    train = [document for document in documents if document.name not in held_out]
    if not train:
        raise ValueError(f"all {len(documents)} documents are held out: nothing is left to train on")
    return train, [document for document in documents if document.name in held_out]


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


# ---------------------------------------------------------------- text -> sentences


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
_END = re.compile(r"([.!?]+)[\"'”’)\]]*\s+")  # closing quotes and brackets belong to the sentence
_WORD = re.compile(r"[\w.]*$")  # what stands right before the full stop
_NEXT = re.compile(r"[\"'“‘(\[$£–—•*-]*(\S*)")  # the next word, without what opens it
_ITEM = re.compile(r"\W*+(?:(?:\d{1,3}|[IVXLC]+|[A-Za-z])[.)]\W*+)?")  # "4." or "(a)" before an item
_INITIALS = re.compile(r"[A-Za-z](?:\.[A-Za-z])*")  # "N" or "U.S" or "a.m"


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order; nothing but white space is lost.

    A sentence ends at the end of a paragraph, before the items of a list, and at a full stop,
    question mark or exclamation mark (with the quotes and brackets that close after it) followed by
    white space and something that can begin a sentence. Other single line ends are white space.
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
    mark = end[1]
    following = _NEXT.match(line, end.end())
    after = following[1] if following else ""
    if after[:1].islower() or after[:1] == "." or _ITEM.fullmatch(line, start, end.end()):
        return False
    if mark in ("!", "?"):
        return True
    if len(mark) > 1:  # an ellipsis, or a row of dots in a table
        return after[:1].isupper()
    return _full_stop_ends(_WORD.search(line, start, end.start()), after)


def _full_stop_ends(word: re.Match[str] | None, after: str) -> bool:
    """Whether a full stop between the words `word` and `after` ends a sentence."""
    before = word[0] if word else ""
    number = after[:1].isdigit()
    if before in TITLES or (number and (before in NUMBERED or before[-1:].isdigit())):
        return False
    if before in ABBREVIATIONS or _INITIALS.fullmatch(before):
        return after.rstrip(",;:") in STARTERS
    return True
