"""One line of a table -> its cells, with or without quotes around them.

``PlainLines`` takes every character as it is; ``QuotedLines`` reads RFC 4180: a cell in quotes may hold delimiters,
line breaks and doubled quotes. Both are fed line by line, so that a table can be tried both ways in one pass.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

__all__ = ["EMPTY", "Fault", "PlainLines", "QuotedLines"]

EMPTY = "\0"  # a cell that was written as ""; no other cell holds this character, since tables with it are refused
MOST_QUOTED = 2**20  # characters in one pair of quotes that goes over several lines; beyond it a quote is missing


class Fault(Exception):
    """A line that cannot be read in this way. ``seen`` is the line, often a later one, where that became clear."""

    def __init__(self, line: int, message: str, seen: int | None = None) -> None:
        super().__init__(message)
        self.line, self.seen = line, line if seen is None else seen


@dataclass(slots=True)
class PlainLines:
    """Cells without quotes: every line is a row."""

    delimiter: str

    def feed(self, number: int, line: str, ending: str = "\n") -> list[str]:
        """The cells of a line."""
        return line.split(self.delimiter)

    def end(self) -> None:
        """Nothing can be left open."""


@dataclass(slots=True)
class QuotedLines:
    """Cells that may be in quotes.

    Args:
        delimiter: one character.
        keeps_quotes: quotes belong to the text of a cell that does not need any around it: one that holds no delimiter,
            no line break and no doubled quote, and is not empty.
        has_quotes: whether a cell in quotes has been met.
        needs_quotes: whether one of them was empty, or held a doubled quote or a delimiter.
        is_always_quoted: whether every cell that is neither empty nor a number was in quotes.
        spans: the first and last lines of rows that take several lines.
    """

    delimiter: str
    keeps_quotes: bool = False
    has_quotes: bool = False
    needs_quotes: bool = False
    is_always_quoted: bool = True
    spans: list[tuple[int, int]] = field(default_factory=list)
    _cells: list[str] = field(default_factory=list)
    _open: list[str] | None = None  # the pieces so far of a cell whose quotes are not closed
    _size: int = 0
    _first: int = 0  # line of the row that is under way
    _opened: int = 0  # line of the quote that is open
    _has_doubled: bool = False  # a quote is doubled in the cell that is open
    _ending: str = "\n"  # of the line before

    def feed(self, number: int, line: str, ending: str = "\n") -> list[str] | None:
        """The cells of the row that ends with this line; None while a cell goes on in the next one.

        Args:
            number: of the line, from 1.
            line: without what ends it.
            ending: what ends it.

        Raises:
            Fault: something follows a closing quote, or a quote is not closed.
        """
        if self._open is None:
            if '"' not in line:
                cells = line.split(self.delimiter)
                if self.is_always_quoted:
                    self.is_always_quoted = not any(cell and not _is_number(cell) for cell in cells)
                return cells
            self._cells, self._first, at = [], number, 0
        else:
            self._open.append(self._ending)
            at = self._closed(number, line, 0)
        self._ending = ending
        while at >= 0:
            if at == len(line):
                if number != self._first:
                    self.spans.append((self._first, number))
                return self._cells
            if self._cells:
                at += 1  # the delimiter
            at = self._cell(number, line, at)
        return None

    def end(self) -> None:
        """No quote is open.

        Raises:
            Fault: one is.
        """
        if self._open is not None:
            raise Fault(self._opened, "a quote opens here that is never closed", seen=sys.maxsize)

    def _cell(self, number: int, line: str, at: int) -> int:
        """Read one cell from this place on; the place behind it, -1 if it goes on in the next line."""
        if not line.startswith('"', at):
            end = line.find(self.delimiter, at)
            end = len(line) if end < 0 else end
            cell = line[at:end]
            self._cells.append(cell)
            if self.is_always_quoted and cell and not _is_number(cell):
                self.is_always_quoted = False
            return self._last(line, end)
        self.has_quotes, self._open, self._size, self._opened, self._has_doubled = True, [], 0, number, False
        return self._closed(number, line, at + 1)

    def _closed(self, number: int, line: str, at: int) -> int:
        """Read on in quotes."""
        assert self._open is not None
        while True:
            quote = line.find('"', at)
            self._size += (len(line) if quote < 0 else quote) - at
            if self._size > MOST_QUOTED and number != self._opened:
                why = f"a quote opens here that is not closed within {MOST_QUOTED:,} characters"
                raise Fault(self._opened, why, seen=number)
            if quote < 0:
                self._open.append(line[at:])
                return -1
            self._open.append(line[at:quote])
            if not line.startswith('"', quote + 1):
                break
            self._open.append('"')
            self.needs_quotes = self._has_doubled = True
            at = quote + 2
        at = quote + 1
        if at < len(line) and line[at] != self.delimiter:
            raise Fault(
                self._opened,
                f"a quote opens here, and after the one that closes it (line {number}) comes {line[at : at + 10]!r}",
                seen=number,
            )
        cell = "".join(self._open)
        is_needed = not cell or self.delimiter in cell or self._has_doubled or number != self._opened
        self.needs_quotes = self.needs_quotes or not cell or self.delimiter in cell
        self._cells.append(f'"{cell}"' if self.keeps_quotes and not is_needed else cell or EMPTY)
        self._open = None
        return self._last(line, at)

    def _last(self, line: str, at: int) -> int:
        """A line that ends with a delimiter has one more cell, which is empty."""
        if at == len(line) - 1:
            self._cells.append("")
            return len(line)
        return at


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
