"""What calls that did not finish have paid for the rows of a call, so that ``max_cost`` holds over all of them.

A call that is killed and repeated is one call to whoever pays for it. So each paid request leaves a payment here,
written in the same transaction that allows it to be sent: a process that dies a moment later has paid as far as anybody
can know. The call that in the end has done all of its rows removes their payments; the next one begins at zero.

A row is known by the path, URL or content of its cell with its start and end, not by the content that a path leads to:
nothing has to be read before the first request is sent.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

import numpy as np

from ..errors import AsrkitError
from ..source import FetchedSource, FileSource, UrlSource, is_missing, locate
from .attempts import runs
from .keys import digest_of
from .store import Journal, Operation

__all__ = ["Payments", "row_number"]

KEEP = "INSERT INTO payments (id, fingerprint, row, payer, dollars) VALUES (?, ?, ?, ?, ?)"
FORGET = "DELETE FROM payments WHERE id = ?"
FORGET_NUMBER = "DELETE FROM payments WHERE number = ?"
READ = "SELECT number, id, row, dollars FROM payments WHERE number > ? AND fingerprint = ? AND payer != ?"
NO_ROW = 0  # of a cell that names no audio, and so is never paid for


def row_number(cell: object, start: Any = None, end: Any = None) -> int:
    """A number that tells rows apart in a table of payments.

    >>> row_number("a.wav") == row_number(os.path.abspath("a.wav")), row_number("a.wav") == row_number("b.wav")
    (True, False)
    """
    if is_missing(cell):
        return NO_ROW
    try:
        source = locate(cell)
        if isinstance(source, FileSource):
            told = os.fsencode(os.path.abspath(source.path))  # noqa: PTH100 - as text: links are not followed
        elif isinstance(source, UrlSource | FetchedSource):
            told = source.url.encode("utf-8", "surrogatepass")
        else:
            told = digest_of(source)
    except (AsrkitError, OSError, ValueError):
        return NO_ROW
    bounds = [None if is_missing(bound) else float(bound) for bound in (start, end)]
    digest = sha256(told + f" {bounds[0] or 0.0} {bounds[1]}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # SQLite's integers have a sign


class Payments:
    """Those of one run, and those of others that count against its cap.

    Args:
        journal: where they are.
        fingerprint: the number of what answers: another model or other options are another call.
        known: requests whose price is counted otherwise.
    """

    def __init__(self, journal: Journal, fingerprint: int, known: Collection[bytes] = ()) -> None:
        self.journal, self.fingerprint, self.known = journal, fingerprint, known
        self.payer = os.urandom(16)
        self.elsewhere = 0.0  # dollars that others have paid for these rows, as far as was looked
        self._rows = np.zeros(0, np.int64)
        self._seen = 0

    def cover(self, rows: Iterable[int]) -> None:
        """The rows of this call."""
        self._rows = np.unique(np.fromiter(rows, np.int64))

    def open(self, payer: bytes) -> float:
        """Dollars that others than this payer have paid for these rows, in calls that did not finish."""
        self.payer = payer
        return self.look(anew=True)

    def look(self, *, anew: bool = False) -> float:
        """The same, with what was paid since; ``anew`` without what was given back since."""
        if anew:
            self.elsewhere, self._seen = 0.0, 0
        for number, request, row, dollars in self.journal.read(READ, (self._seen, self.fingerprint, self.payer)):
            self._seen = max(self._seen, number)
            if request not in self.known and self._covers(row):
                self.elsewhere += dollars
        return self.elsewhere

    def is_room(self, dollars: float, room: float) -> bool:
        """Whether this much more may be paid; to be asked within the transaction that writes it down."""
        return self.look() + dollars <= room or self.look(anew=True) + dollars <= room

    def operation(self, request: bytes, row: int, dollars: float) -> Operation:
        """A request is about to be sent."""
        return KEEP, [(request, self.fingerprint, row, self.payer, dollars)]

    @staticmethod
    def refund(request: bytes) -> Operation:
        """It was not billed after all."""
        return FORGET, [(request,)]

    def close(self) -> None:
        """All rows are done: what was paid for them is settled, unless another run with them is still at work."""
        statement = "SELECT number, row FROM payments WHERE fingerprint = ?"
        mine = [(number,) for number, row in self.journal.read(statement, (self.fingerprint,)) if self._covers(row)]
        if mine:
            self.journal.write([(FORGET_NUMBER, mine)], only_if=self._is_last)

    def _is_last(self) -> bool:
        _, alive = runs(self.journal.folder)
        mine = self.journal.read("SELECT id FROM runs WHERE fingerprint = ?", (self.fingerprint,))
        return len(alive & {number for (number,) in mine}) <= 1

    def _covers(self, row: int) -> bool:
        at = int(np.searchsorted(self._rows, row))
        return at < len(self._rows) and int(self._rows[at]) == row
