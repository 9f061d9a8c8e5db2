"""What was spent, what may have been, and the cap that is never passed."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..cloudflare.prices import Price, money
from ..errors import CostCapError, OptionError

__all__ = ["Book", "Ledger", "Reservation", "Spending", "SpentElsewhere"]

ROUNDING = 1e-12  # dollars: sums of floats are not exact


@dataclass(frozen=True, slots=True)
class Spending:
    """Money, by the published price and without any free allocation.

    Args:
        dollars: for answers that came.
        doubtful: for requests without an answer, which the service may have billed all the same.
        seconds: of audio that was answered.
        requests: sent, whatever came of them.
        is_known: whether a price is published; else the dollars are unknown, not zero.
        elsewhere: the host that answered in Cloudflare's place. What it asks for is not known: the dollars are then
            Cloudflare's list price, which counts for ``max_cost`` and nothing else.
    """

    dollars: float
    doubtful: float
    seconds: float
    requests: int
    is_known: bool = True
    elsewhere: str | None = None

    def __sub__(self, before: Spending) -> Spending:
        return Spending(
            self.dollars - before.dollars,
            self.doubtful - before.doubtful,
            self.seconds - before.seconds,
            self.requests - before.requests,
            self.is_known,
            self.elsewhere,
        )

    def __str__(self) -> str:
        minutes = f"{self.seconds / 60:.1f} min of audio in {self.requests:,} requests"
        if self.elsewhere is not None:
            return f"{minutes}, answered by {self.elsewhere} and not by Cloudflare, so what they cost is not known"
        if not self.is_known:
            return f"{minutes}; no price is published, so what they cost is not known"
        doubt = (
            f", and {money(self.doubtful)} for requests without an answer, if they were billed" if self.doubtful else ""
        )
        return f"{money(self.dollars)} for {minutes}{doubt} (list price; a free allocation is not counted)"


class SpentElsewhere(Exception):
    """A request was not written down: other runs of the same call have paid ``dollars``, which leave no room for it."""

    def __init__(self, dollars: float) -> None:
        super().__init__(dollars)
        self.dollars = dollars


class Book(Protocol):
    """Where requests are written down before they are sent, so that no crash forgets what may have to be paid."""

    @property
    def may_send_again(self) -> bool:
        """Whether a request that was never answered, and may have been billed, is sent once more."""

    @property
    def unsettled(self) -> Mapping[bytes, float]:
        """Requests of earlier runs without an answer, and the dollars that they may have cost."""

    def open(self, payer: bytes) -> float:
        """Dollars that others than ``payer`` have paid for the rows of this call, in runs that did not finish."""

    def intend(self, clip: object, seconds: float, dollars: float | None, room: float | None = None) -> bytes:
        """A request for a clip is about to be sent; when this returns, it is on disk.

        Args:
            clip: that is sent.
            seconds: of audio.
            dollars: that it may cost.
            room: dollars that it and what others have paid for these rows may come to; None without limit.

        Raises:
            SpentElsewhere: they would come to more, so it must not be sent.
        """

    def settle(self, intent: bytes, *, is_free: bool = False) -> None:
        """It was answered; ``is_free``: out of a cache, which is not billed."""

    def release(self, intent: bytes) -> None:
        """It was refused or never sent."""

    def doubt(self, intent: bytes) -> None:
        """Nobody knows what came of it."""


class Reservation:
    """The price of one request on its way, and its entry in a book."""

    __slots__ = ("dollars", "intent", "seconds")

    def __init__(self, seconds: float, dollars: float, intent: bytes | None = None) -> None:
        self.seconds, self.dollars, self.intent = seconds, dollars, intent


class Ledger:
    """Counts before a request is sent, so that no cap can be passed by those in flight.

    Args:
        price: of the model.
        cap: dollars that may be spent; None without limit.

    ``payer`` names it among the payments in a book: what it has paid itself is not counted twice.

    Raises:
        OptionError: a cap on an unknown price, or one below zero.

    >>> from asrkit.cloudflare.prices import price_of
    >>> ledger = Ledger(price_of("@cf/openai/whisper"), cap=0.0005)
    >>> round(ledger.settle(ledger.reserve(60)), 6)
    0.000453
    >>> ledger.reserve(60)
    Traceback (most recent call last):
    asrkit.errors.CostCapError: not sent: $0.00045 of max_cost=$0.0005 are spent or on their way, 60.0 s of audio would
    cost $0.00045 more
    """

    def __init__(self, price: Price, cap: float | None = None) -> None:
        if cap is not None and not price.is_known:
            raise OptionError(
                f"no price is published for {price.model} (as of {price.as_of}), so max_cost cannot be kept; "
                "leave it out, or name a model with a price"
            )
        if cap is not None and not cap >= 0:
            raise OptionError(f"expected max_cost in dollars, 0 or more, got {cap}")
        self.price, self.cap = price, cap
        self.payer = os.urandom(16)
        self._spent = self._doubtful = self._reserved = self._seconds = 0.0
        self._requests = 0
        self._lock = threading.Lock()
        self._book: Book | None = None
        self._counted: set[bytes] = set()  # requests without an answer that are in the sum of the doubtful

    def open(self, book: Book | None) -> float:
        """Write every request into this book from now on; what is unsettled in it counts against the cap.

        Gives the dollars that other runs of the same call have paid, which count against the cap too.
        """
        with self._lock:
            self._book = book
            for intent, dollars in ({} if book is None else book.unsettled).items():
                if intent not in self._counted:
                    self._counted.add(intent)
                    self._doubtful += dollars
        return 0.0 if book is None else book.open(self.payer)

    @property
    def may_send_again(self) -> bool:
        """Whether a request that was never answered is sent once more."""
        return self._book is None or self._book.may_send_again

    def reserve(self, seconds: float, clip: object = None, channels: int = 1) -> Reservation:
        """Set the price of a request aside, and write it into the book.

        Args:
            seconds: of audio.
            clip: that is sent.
            channels: that are paid, each for all of these seconds.

        Raises:
            CostCapError: the cap would be passed.
            JournalError: it could not be written down, so it must not be sent.
        """
        price = self.price.dollars(seconds * channels)
        dollars = price or 0.0
        with self._lock:
            taken = self._spent + self._doubtful + self._reserved
            room = None if self.cap is None else self.cap + ROUNDING - taken
            if room is not None and dollars > room:
                raise self._no_room(seconds, dollars, taken)
            self._reserved += dollars
            self._requests += 1
            book = self._book
        if book is None:
            return Reservation(seconds, dollars)
        try:
            return Reservation(seconds, dollars, book.intend(clip, seconds, price, room))
        except BaseException as error:
            with self._lock:
                self._reserved -= dollars
                self._requests -= 1
            if isinstance(error, SpentElsewhere):
                raise self._no_room(seconds, dollars, taken, error.dollars) from None
            raise

    def _no_room(self, seconds: float, dollars: float, taken: float, elsewhere: float = 0.0) -> CostCapError:
        assert self.cap is not None
        by_others = f" ({money(elsewhere)} of it by other runs over these rows)" if elsewhere else ""
        error = CostCapError(
            f"not sent: {money(taken + elsewhere)} of max_cost={money(self.cap)} are spent or on their way{by_others}, "
            f"{seconds:.1f} s of audio would cost {money(dollars)} more"
        )
        error.seconds_left = max(0.0, seconds * (self.cap - taken - elsewhere) / dollars)
        return error

    def settle(self, reservation: Reservation, *, is_free: bool = False) -> float:
        """It was answered; gives what it cost."""
        dollars = 0.0 if is_free else reservation.dollars
        with self._lock:
            self._reserved -= reservation.dollars
            self._spent += dollars
            self._seconds += reservation.seconds
        if self._book is not None and reservation.intent is not None:
            self._book.settle(reservation.intent, is_free=is_free)
        return dollars

    def release(self, reservation: Reservation) -> float:
        """It was refused, or never sent: it costs nothing."""
        with self._lock:
            self._reserved -= reservation.dollars
        if self._book is not None and reservation.intent is not None:
            self._book.release(reservation.intent)
        return 0.0

    def doubt(self, reservation: Reservation) -> float:
        """It was sent, and nobody knows what came of it; it counts as spent."""
        with self._lock:
            self._reserved -= reservation.dollars
            self._doubtful += reservation.dollars
            if reservation.intent is not None:
                self._counted.add(reservation.intent)
        if self._book is not None and reservation.intent is not None:
            self._book.doubt(reservation.intent)
        return reservation.dollars

    @property
    def spending(self) -> Spending:
        """So far."""
        with self._lock:
            return Spending(self._spent, self._doubtful, self._seconds, self._requests, self.price.is_known)
