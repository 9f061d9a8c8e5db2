"""Tables of text -> rows: CSV, TSV, tables with other delimiters, and JSON lines. The one reader of all commands.

A table is read twice: first whole, to find out how it is written, then row by row. So every row is counted before any
is used, memory does not grow with the table, and what was true of the first lines alone decides nothing. A cell is
text, as it was written. An empty cell is an empty text; in a column that has cells written as ``""`` too, one without
quotes is missing (None).
"""

from __future__ import annotations

import codecs
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any

from .errors import ColumnError, OptionError, SourceError
from .json_lines import is_json_lines, json_names, json_rows
from .quotes import EMPTY, Fault, PlainLines, QuotedLines

__all__ = ["DELIMITED", "ENDINGS", "PACKED", "TextTable", "as_csv", "beginning", "ending_of", "read_table"]

DELIMITED = {".csv": ",", ".psv": "|", ".tab": "\t", ".tsv": "\t"}  # the delimiter that an ending promises
JSON_LINES = frozenset({".jsonl", ".ndjson"})
ENDINGS = frozenset({*DELIMITED, *JSON_LINES, ".parquet"})
PACKED = {".bz2": b"BZh", ".gz": b"\x1f\x8b", ".xz": b"\xfd7zXZ\0", ".zst": b"\x28\xb5\x2f\xfd"}
DELIMITERS = ",\t;|"
FIRST = 2**16  # bytes in which an encoding without a mark, and what ends a line, are looked for
LONGEST_LINE = 2**26  # characters; a recording in Base64 may be one cell
MARKS = [  # the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
Opener = Callable[[], AbstractContextManager[IO[bytes]]]


class TextTable:
    """A table whose cells are text.

    Args:
        names: of the columns, in order; some may be alike, or empty.
        rows: how many there are.
        read: gives all rows from the first on, each as many cells as there are names. It may be called again.
    """

    def __init__(self, names: Sequence[str], rows: int, read: Callable[[], Iterator[list[str | None]]]) -> None:
        self.names, self.rows, self._read = list(names), rows, read

    def __iter__(self) -> Iterator[list[str | None]]:
        return self._read()


def ending_of(name: str) -> str:
    """What a table's name promises: its ending in lower case, without that of a compression.

    >>> ending_of("a/Clips.CSV"), ending_of("clips.tsv.gz"), ending_of("clips")
    ('.csv', '.tsv', '')
    """
    path = PurePosixPath(name.lower())
    return (path.with_suffix("") if path.suffix in PACKED else path).suffix


def read_table(
    opener: Opener, name: str, *, encoding: str | None = None, columns: Sequence[str] | None = None
) -> TextTable:
    """A table of text, looked through once; its rows are read when they are asked for.

    Args:
        opener: opens it to be read as bytes; called twice or more.
        name: for messages; its ending says which delimiter is expected.
        encoding: of the text; None is UTF-8, or what a mark at its beginning says.
        columns: names of the columns, where no line of the table has them.

    Raises:
        SourceError: ``unreadable``: it is no such table; the message has the line.
        OptionError: there is no such encoding.
        ColumnError: ``columns`` are more or fewer than those of the table.
    """
    text = _Text(opener, name, encoding)
    first = next((line for _, line, _ in text.lines() if line.strip()), "")
    if is_json_lines(first) or ending_of(name) in JSON_LINES:
        names, count = json_names(text.lines(), name)
        return TextTable(names, count, lambda: json_rows(text.lines(), names, name))
    layout = _layout(text, name, first, None if columns is None else len(columns))
    names = layout.names if columns is None else list(columns)
    if len(names) != len(layout.names):
        raise ColumnError(f"{name} has {len(layout.names)} columns, but {len(names)} names were given for them")
    count = layout.rows if columns is None else layout.rows + 1
    return TextTable(names, count, partial(_rows, text, layout, has_header=columns is None))


def beginning(opener: Opener, name: str) -> str:
    """The first line that is not blank, up to ``FIRST`` characters.

    Raises:
        SourceError: ``unreadable``: it is no text.
    """
    text = _Text(opener, name, None)
    with text.opened() as file:
        head = file.read(FIRST)
    lines = codecs.getincrementaldecoder(text.encoding)("replace").decode(head).splitlines()
    line = next((line for line in lines if line.strip()), "").removeprefix("\ufeff")
    if "\0" in line:
        raise text.at(1, "a NUL character; it is no text")
    return line


def as_csv(cells: Sequence[object], is_text: Sequence[bool] | None = None) -> str:
    r"""A line of CSV, in which an empty text is not a missing cell.

    Args:
        cells: None is missing, and written as nothing.
        is_text: the cells in which an empty text is written as two quotes; None means all.

    >>> as_csv(["a,b", "", None, 0.5])
    '"a,b","",,0.5\n'
    """
    marked = [True] * len(cells) if is_text is None else is_text
    return ",".join(_cell(cell, mark) for cell, mark in zip(cells, marked, strict=True)) + "\n"


def _cell(cell: object, is_text: bool) -> str:
    if cell is None or cell != cell:  # NaN
        return ""
    text = str(cell)
    if not text:
        return '""' if is_text else ""
    if text[0] in " \t" or any(character in text for character in ',;|"\n\r\t'):
        return '"' + text.replace('"', '""') + '"'
    return text


class _Text:
    """The lines of a table, as text."""

    def __init__(self, opener: Opener, name: str, encoding: str | None) -> None:
        self.name, self._opener = name, opener
        with self.opened() as file:
            head = file.read(FIRST)
        marked = next((found for mark, found in MARKS if head.startswith(mark)), None)
        if encoding is not None:
            self.encoding = _known(encoding)
            if self.encoding == "utf-8" and marked == "utf-8-sig":
                self.encoding = marked
        else:
            self.encoding = marked or "utf-8"
            if marked is None and 5 * head.count(0) > len(head):
                raise SourceError(
                    f"{name} is no table of text: it holds NUL bytes. If it is UTF-16 without a mark, name its "
                    "encoding, such as --encoding utf-16-le (encoding= in Python)",
                    code="unreadable",
                )
        is_old = self.encoding in ("utf-8", "utf-8-sig") and b"\r" in head and b"\n" not in head
        self.newline = "\r" if is_old else "\n"  # old Macs ended lines with a carriage return alone

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The bytes, unpacked."""
        with self._opener() as file:
            head = file.read(8)
            file.seek(0)
            packed = next((ending for ending, magic in PACKED.items() if head.startswith(magic)), None)
            try:
                yield file if packed is None else _unpacked(file, packed)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                if packed is None:
                    raise
                raise SourceError(f"{self.name} cannot be unpacked: {error}", code="unreadable") from error

    def lines(self) -> Iterator[tuple[int, str, str]]:
        """The number of each line from 1, its text, and what ends it."""
        number = 0
        try:
            with self.opened() as file:
                wrapper = io.TextIOWrapper(file, encoding=self.encoding, newline=self.newline)
                try:
                    for number, line in enumerate(iter(partial(wrapper.readline, LONGEST_LINE), ""), 1):
                        yield self._line(number, line)
                finally:
                    wrapper.detach()
        except UnicodeError as error:
            raise self._undecodable(error, number) from error

    def _line(self, number: int, line: str) -> tuple[int, str, str]:
        if "\0" in line:
            raise self.at(number, "a NUL character; it is damaged, or its --encoding is another")
        if len(line) >= LONGEST_LINE:
            raise self.at(number, f"a line of {LONGEST_LINE:,} characters or more")
        if number == 1:
            line = line.removeprefix("\ufeff")
        if line.endswith("\r\n"):
            return number, line[:-2], "\r\n"
        return number, line.removesuffix(self.newline), self.newline

    def at(self, number: int, message: str) -> SourceError:
        """What is wrong with a line."""
        return SourceError(f"{self.name}, line {number:,}: {message}", code="unreadable")

    def _undecodable(self, error: UnicodeError, before: int) -> SourceError:
        """Names the line: the decoder works on larger pieces."""
        with self.opened() as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode(self.encoding)
                except UnicodeDecodeError as here:
                    if self.encoding.startswith(("utf-16", "utf-32")):
                        break  # lines of bytes are not lines of text
                    return self.at(
                        number,
                        f"it is not {self.encoding.removesuffix('-sig').upper()} (byte 0x{line[here.start]:02x}); name "
                        "the encoding of the table, such as --encoding cp1252 (encoding= in Python)",
                    )
        return self.at(
            before + 1, f"it is not {self.encoding.upper()}; name the encoding of the table by --encoding ({error})"
        )


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise OptionError(
            f"unknown encoding {encoding!r}; expected one such as utf-8, utf-16, cp1252, latin-1 or shift_jis"
        ) from error
    return name


def _unpacked(file: IO[bytes], packed: str) -> IO[bytes]:
    import bz2
    import gzip

    if packed == ".zst":
        import pyarrow as pa

        return pa.CompressedInputStream(file, "zstd")  # type: ignore[no-any-return]  # a file for reading
    openers: dict[str, Callable[[IO[bytes]], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers[packed](file)  # type: ignore[no-any-return]  # open as bytes


# -- how a table is written ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a table is written.

    ``keeps_quotes``: only some cells are in quotes, see ``QuotedLines``; ``skipped`` are lines before the header;
    ``marked`` are columns in which a cell is written as two quotes.
    """

    delimiter: str
    is_quoted: bool
    keeps_quotes: bool
    names: list[str]
    rows: int
    skipped: int
    marked: frozenset[int]


class _Trial:
    """A table read in one way, until that fails."""

    def __init__(self, reader: PlainLines | QuotedLines) -> None:
        self.reader = reader
        self.names: list[str] | None = None
        self.rows = self.blank = 0
        self.marked: set[int] = set()
        self.fault: Fault | None = None
        self._first = 0

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.names or [])

    def feed(self, number: int, line: str, ending: str) -> None:
        if self.fault is not None:
            return
        try:
            cells = self.reader.feed(number, line, ending)
            if cells is not None:
                self._add(number, cells)
        except Fault as fault:
            self.fault = fault

    def end(self) -> None:
        if self.fault is None:
            try:
                self.reader.end()
            except Fault as fault:
                self.fault = fault

    def _add(self, number: int, cells: list[str]) -> None:
        if cells == [""]:  # a blank line is no row; in a table of one column it may be an empty cell
            self.blank += self.width == 1
            return
        if self.names is None:
            self.names, self._first = [_plain(cell) for cell in cells], number
            return
        self.rows += 1 + self.blank
        self.blank = 0
        if len(cells) != self.width and not _fits(cells, self.names):
            raise Fault(
                number,
                f"{len(cells)} cells, where line {self._first:,} has {self.width}; a cell that holds "
                f"{_DELIMITER_NAMES[self.reader.delimiter]} has to be in quotes",
            )
        if EMPTY in cells:
            self.marked.update(at for at, cell in enumerate(cells) if cell == EMPTY)


_DELIMITER_NAMES = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a '|'"}


def _fits(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Whether what is more than the other is empty: lines that end in a delimiter, under a header that does not."""
    least = min(len(cells), len(names))
    return not any(cells[least:]) and not any(names[least:])


def _plain(cell: str) -> str:
    return "" if cell == EMPTY else cell


def _layout(text: _Text, name: str, first: str, width: int | None) -> _Layout:
    """Read the table in every way that its first line allows, and keep the one in which it makes sense.

    Of several that do, the one with ``width`` columns, where names for them were given; then, as ``.csv`` promises, the
    one with commas; then the one with the most columns.
    """
    skipped, promised = 0, DELIMITED.get(ending_of(name), ",")
    if first.lower().startswith("sep=") and len(first) == 5:  # for Excel
        skipped, candidates = 1, first[4]
    else:
        candidates = "".join(mark for mark in DELIMITERS if mark in first) or promised
    if promised != "," and promised in candidates:
        candidates = promised
    trials = [(_Trial(PlainLines(mark)), _Trial(QuotedLines(mark))) for mark in candidates]
    for number, line, ending in text.lines():
        if number > skipped:
            for trial in (trial for pair in trials for trial in pair):
                trial.feed(number, line, ending)
    for trial in (trial for pair in trials for trial in pair):
        trial.end()
    chosen = [_chosen(*pair) for pair in trials]
    good = [trial for trial in chosen if trial.fault is None]
    if not good:
        worst = max((trial.fault for trial in chosen if trial.fault), key=lambda fault: fault.seen)
        raise text.at(worst.line, str(worst))
    has_commas = ending_of(name) == ".csv"

    def merit(trial: _Trial) -> tuple[bool, bool, int, bool]:
        is_promised = trial.reader.delimiter == promised
        return trial.width == width, has_commas and is_promised and trial.width > 1, trial.width, is_promised

    best = max(good, key=merit)
    if best.names is None:
        raise SourceError(f"{name} is empty: a table begins with a line of column names", code="unreadable")
    return _Layout(
        best.reader.delimiter,
        isinstance(best.reader, QuotedLines),
        isinstance(best.reader, QuotedLines) and best.reader.delimiter not in ",;" and not best.reader.is_always_quoted,
        best.names,
        best.rows,
        skipped,
        frozenset(best.marked),
    )


def _chosen(plain: _Trial, quoted: _Trial) -> _Trial:
    """Whether quotes belong to the text or are around cells. Of two that fail the one that came farther."""
    reader = quoted.reader
    assert isinstance(reader, QuotedLines)
    if plain.fault is not None and quoted.fault is not None:
        return max(quoted, plain, key=lambda trial: trial.fault.seen if trial.fault else 0)
    if plain.fault is not None or quoted.fault is not None:
        return plain if quoted.fault is not None else quoted
    if not reader.has_quotes or plain.width == 1:
        return quoted
    is_usually_quoted = reader.delimiter in ",;"
    if reader.spans:
        if not is_usually_quoted:
            return plain
        begun, ended = reader.spans[0]
        quoted.fault = Fault(
            begun,
            f"a quote opens here and closes in line {ended:,}, but each of these lines is a row of "
            f"{plain.width} cells too: one row or several? Double the quotes that belong to a text, and put a cell "
            "with a quote in quotes",
        )
        return quoted
    if is_usually_quoted or reader.needs_quotes or reader.is_always_quoted:
        return quoted
    return plain


# -- its rows ------------------------------------------------------------------------------------------------------


def _rows(text: _Text, layout: _Layout, *, has_header: bool) -> Iterator[list[str | None]]:
    mark = layout.delimiter
    reader = QuotedLines(mark, keeps_quotes=layout.keeps_quotes) if layout.is_quoted else PlainLines(mark)
    width, count, blank = len(layout.names), 0, 0
    is_header = has_header
    for number, line, ending in text.lines():
        if number <= layout.skipped:
            continue
        try:
            cells = reader.feed(number, line, ending)
        except Fault as fault:
            raise text.at(fault.line, f"{fault}; the table was changed while it was read") from fault
        if cells is None:
            continue
        if cells == [""]:
            blank += width == 1 and not is_header
            continue
        if is_header:
            is_header = False
            continue
        for _ in range(blank):
            yield [""]
        blank, count = 0, count + 1
        if len(cells) != width:
            cells = [*cells, *[""] * (width - len(cells))][:width]
        if layout.marked:
            yield [
                None if cell == "" and at in layout.marked else "" if cell == EMPTY else cell
                for at, cell in enumerate(cells)
            ]
        else:
            yield list(cells)
