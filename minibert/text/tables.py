"""Tables -> rows: CSV, TSV and JSON lines."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from minibert.text.reading import LONGEST_LINE, Progress, read_lines

BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
"""A line end that was written in HTML, as in the reviews of IMDB."""


def read_texts(
    path: Path, column: str, progress: Progress | None = None, only: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of the rows of a table; the name is that of the file and the number of the row.

    Lists of words are joined by a space, empty cells give an empty text, and line breaks of HTML become
    line ends. `only`: see `numbered_rows`.

    Raises ValueError as `read_rows`, and for a row whose `column` is missing or holds no text.
    """
    for number, row in numbered_rows(path, progress, only):
        if column not in row:
            raise ValueError(
                f"{path}, row {number}, has no column {column!r}. Its columns: {', '.join(map(repr, row))}. "
                f"Name the one that holds the text, as in --corpus {path}:COLUMN"
            )
        yield f"{path.name}:{number}", as_text(row[column], f"{path}, row {number}, column {column!r}")


def numbered_rows(
    path: Path, progress: Progress | None = None, only: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of a table (see `read_rows`), each with its number in it, counted from 1.

    Of those alone whose cell in the column only[0] is only[1], if `only` is given.
    """
    for number, row in enumerate(read_rows(path, progress), 1):
        if not only or row.get(only[0]) == only[1]:
            yield number, row


def as_text(value: Any, place: str) -> str:
    """Return the text that a cell or a value of JSON holds; see `read_texts`.

    Raises ValueError, naming the place, for a value that is neither text nor a list of words, and for text
    with half of a surrogate pair.
    """
    words = value if isinstance(value, list) else ["" if value is None else value]
    if not all(isinstance(word, str) for word in words):
        raise ValueError(f"{place}: expected text, or a list of words, got {str(value)[:60]!r}")
    text = " ".join(words)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{place}: character {error.start + 1} is half of a surrogate pair, "
            f"\\u{ord(text[error.start]):04x}. Write the character whole, or leave it out"
        ) from None
    return BREAK.sub("\n", text)


def read_rows(path: Path, progress: Progress | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, by column: of .jsonl as they are, of .csv and .tsv with texts.

    CSV is that of RFC 4180: commas, quotes around cells that hold commas, quotes or line ends. TSV has no
    quotes: a cell holds neither tabs nor line ends. The first row names the columns. Blank lines are
    passed over. The suffix decides; a further .gz is unpacked.

    Raises ValueError, with row, line and columns found, for a ragged row, a duplicate column, bad quotes
    or bad JSON.
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    match suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_rows(path, progress)
        case ".csv":
            return _separated_rows(path, _csv_cells(path, progress))
        case ".tsv" | ".tab":
            lines = enumerate(read_lines(path, progress), 1)
            return _separated_rows(
                path, ((number, line.split("\t")) for number, line in lines if line.strip())
            )
    raise ValueError(f"{path} is no table: expected a name that ends in .csv, .tsv or .jsonl, got {suffix!r}")


def _json_rows(path: Path, progress: Progress | None) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_lines(path, progress), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}, is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(
                f'{path}, line {number}: expected an object like {{"text": "…"}}, got {line[:60]!r}'
            )
        yield row


def _csv_cells(path: Path, progress: Progress | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row of CSV with the number of the line it ends in."""
    csv.field_size_limit(LONGEST_LINE)  # of the whole process: the reader has none of its own
    reader = csv.reader((line + "\n" for line in read_lines(path, progress)), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: {error}. A cell with quotes in it is written "
            'in quotes, and these are doubled: "so ""called"""'
        ) from None


def _separated_rows(path: Path, rows: Iterator[tuple[int, list[str]]]) -> Iterator[dict[str, Any]]:
    """Yield rows by column; the first of `rows` names the columns."""
    _, columns = next(rows, (0, []))
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled:
        raise ValueError(
            f"{path} has two columns named {doubled[0]!r}. Its columns: {', '.join(map(repr, columns))}"
        )
    for number, (line, cells) in enumerate(rows, 1):
        if len(cells) != len(columns):
            raise ValueError(
                f"{path}, row {number} (line {line}), has {len(cells)} cells where the header has "
                f"{len(columns)} columns: {', '.join(map(repr, columns))}. Its first cell: {cells[0][:60]!r}"
            )
        yield dict(zip(columns, cells, strict=True))
