"""Paid requests: written down before they are sent, struck out with the answer that they brought."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from threading import Lock

from ..backends.ledger import SpentElsewhere
from .payments import NO_ROW, Payments
from .store import DOUBT, DOUBT_RUN, FORGET_INTENT, KEEP_INTENT, Journal, Operation

__all__ = ["RequestBook"]


class RequestBook:
    """The requests of one run; see ``asrkit.backends.ledger.Book``.

    An answer that came is struck out in the transaction that keeps its text. So what is not struck out when a process
    has died is exactly what may have to be paid without a text to show for it.
    """

    def __init__(self, journal: Journal, run: int, fingerprint: int, *, may_send_again: bool) -> None:
        self.journal, self.run, self.fingerprint = journal, run, fingerprint
        self.may_send_again = may_send_again
        earlier = [intent for intent in journal.intents(fingerprint) if intent.is_doubtful]
        self.unsettled: Mapping[bytes, float] = {intent.id: intent.dollars or 0.0 for intent in earlier}
        self.count = len(earlier)
        self.payments = Payments(journal, fingerprint, self.unsettled)
        self.owed: dict[bytes, float] = {}  # by row: what earlier requests for it may have cost
        for intent in earlier:
            if intent.row is not None:
                self.owed[intent.row] = self.owed.get(intent.row, 0.0) + (intent.dollars or 0.0)
        self._taken_up: set[bytes] = set()  # requests of runs that died meanwhile; their payments are known
        self._rows: dict[int, tuple[object, bytes | None, int]] = {}  # clips with the rows that they are of
        self._open: dict[bytes, int] = {}  # requests on their way, with their clips
        self._answered: dict[int, list[bytes]] = {}
        self._operations: list[Operation] = []
        self._lock = Lock()

    def take_up(self, run: int) -> None:
        """A run has died while this one works: whatever it has asked for will never be answered."""
        self.journal.write([(DOUBT_RUN, [(run,)])])
        known = {*self.unsettled, *self._taken_up}
        for intent in self.journal.intents(self.fingerprint):
            if intent.is_doubtful and intent.run == run and intent.row is not None and intent.id not in known:
                self._taken_up.add(intent.id)
                self.owed[intent.row] = self.owed.get(intent.row, 0.0) + (intent.dollars or 0.0)

    def expect(self, clip: object, row: bytes | None, paid_as: int = NO_ROW) -> None:
        """Requests for this clip will be for this row: its key, and its number among the payments."""
        with self._lock:
            self._rows[id(clip)] = (clip, row, paid_as)  # held, so that no other gets its identity

    def open(self, payer: bytes) -> float:
        """See ``Book``."""
        return self.payments.open(payer)

    def intend(self, clip: object, seconds: float, dollars: float | None, room: float | None = None) -> bytes:
        """A request is about to be sent; on disk when this returns.

        Raises:
            SpentElsewhere: other runs of this call have left no room for it.
        """
        intent = os.urandom(16)
        with self._lock:
            _, row, paid_as = self._rows.get(id(clip), (None, None, NO_ROW))
        operations: list[Operation] = [
            (KEEP_INTENT, [(intent, self.run, self.fingerprint, row, seconds, dollars, time.time())])
        ]
        if dollars:
            operations.append(self.payments.operation(intent, paid_as, dollars))
        is_room = None if room is None else lambda: self.payments.is_room(dollars or 0.0, room)
        if not self.journal.write(operations, only_if=is_room):
            raise SpentElsewhere(self.payments.elsewhere)
        with self._lock:
            self._open[intent] = id(clip)
        return intent

    def settle(self, intent: bytes, *, is_free: bool = False) -> None:
        """It was answered; struck out when the answer is kept."""
        with self._lock:
            if is_free:
                self._operations.append(self.payments.refund(intent))
            clip = self._open.pop(intent, None)
            if clip is not None:
                self._answered.setdefault(clip, []).append(intent)

    def release(self, intent: bytes) -> None:
        """It costs nothing."""
        with self._lock:
            self._open.pop(intent, None)
            self._operations += [(FORGET_INTENT, [(intent,)]), self.payments.refund(intent)]

    def doubt(self, intent: bytes) -> None:
        """Nobody knows what came of it."""
        with self._lock:
            self._open.pop(intent, None)
            self._operations.append((DOUBT, [(intent,)]))

    def done(self, clip: object) -> None:
        """What came of this clip is kept from now on, in the next transaction."""
        with self._lock:
            self._rows.pop(id(clip), None)
            answered = self._answered.pop(id(clip), [])
            if answered:
                self._operations.append((FORGET_INTENT, [(intent,) for intent in answered]))

    def take(self) -> list[Operation]:
        """What is to be written with the next transaction."""
        with self._lock:
            operations, self._operations = self._operations, []
            return operations

    def close(self) -> list[Operation]:
        """The run is over, so nobody waits for what is still on its way."""
        with self._lock:
            operations, self._operations = self._operations, []
            left = [*self._open, *(intent for answered in self._answered.values() for intent in answered)]
            self._open.clear()
            return [*operations, (DOUBT, [(intent,) for intent in left])] if left else operations
