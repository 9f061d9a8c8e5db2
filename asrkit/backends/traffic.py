"""How requests of many threads reach a service with limits: paced, so many at once, all at rest when it is full.

What measured best against a server with slots, a rate and faults: pace below the published rate, let the number at
once grow slowly and shrink by a factor (AIMD), and share one pause after a 429; then hardly any request is
refused. A budget of retries, as in botocore's "standard" mode, ends an outage in minutes rather than in hours.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["RetryBudget", "Stopped", "Traffic", "full_jitter"]

PACE = 0.95  # of the published rate
AT_FIRST = 8  # at once, when the first request was answered
GROWTH, SHRINK = 0.25, 0.7
SHRINK_EVERY = 1.0  # seconds: answers to one burst count once
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Stopped(Exception):
    """Nobody wants the answer any more."""


def full_jitter(attempt: int, base: float = 0.5, longest: float = 30.0) -> float:
    """Seconds to wait before a further attempt: anything up to ``base`` doubled for each attempt.

    See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return random.uniform(0, min(longest, base * 2**attempt))  # noqa: S311 - no secret


class Traffic:
    """Lets threads through to the service.

    Args:
        per_minute: requests that the service allows, None without limit.
        most: at once.
        clock: seconds, never going back.
    """

    def __init__(self, *, per_minute: float | None, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.limit = 1.0  # the first request goes alone: where credentials are refused, it is the only one
        self.interval = 60 / (PACE * per_minute) if per_minute else 0.0
        self.crowded = 0  # pauses in a row, over all threads
        self.full_since: float | None = None  # when the service refused for the first time since its last answer
        self._clock = clock
        self._gate = threading.Condition()
        self._inside = 0
        self._next = clock()
        self._resume = clock()
        self._shrunk = clock() - SHRINK_EVERY
        self._is_open = False  # whether anything was answered yet
        self._is_starting = True  # the limit doubles with every round until something is refused
        self._is_stopped = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait until a request may be sent, and hold its place until it is answered.

        Raises:
            Stopped: ``stop`` was called.
        """
        with self._gate:
            while (wait := self._wait()) is None or wait > 0:
                self._gate.wait(wait if wait is not None else 1.0)
            self._inside += 1
            self._next = max(self._clock(), self._next) + self.interval
        try:
            yield
        finally:
            with self._gate:
                self._inside -= 1
                self._gate.notify(2)  # its own place, and one more that growth may have opened

    def _wait(self) -> float | None:
        """Seconds until it is worth looking again; None where another's end has to come first."""
        if self._is_stopped:
            raise Stopped
        if self._inside >= int(self.limit):
            return None
        return max(self._resume, self._next) - self._clock()

    def answered(self) -> None:
        """The service took a request well."""
        with self._gate:
            self.crowded = 0
            self.full_since = None
            if not self._is_open:
                self._is_open = True
                self.limit = float(AT_FIRST)
            self.limit += 1.0 if self._is_starting else GROWTH / self.limit
            self.limit = min(float(self.most), self.limit)
            self._gate.notify_all()

    def refused(self, retry_after: float | None) -> None:
        """The service is full: fewer at once, and nobody sends before it is over."""
        with self._gate:
            self._shrink()
            now = self._clock()
            self.full_since = now if self.full_since is None else self.full_since
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.crowded, 10))
            asked = retry_after if retry_after is not None else longest / 2
            pause = asked + random.uniform(0, max(0.1, asked / 4))  # noqa: S311 - no secret
            self.crowded += now >= self._resume  # refusals of one burst are one
            self._resume = max(self._resume, now + pause)

    def failed(self) -> None:
        """No answer in time: it may be overloaded."""
        with self._gate:
            self._shrink()

    def _shrink(self) -> None:
        self._is_starting = False
        if self._clock() - self._shrunk >= SHRINK_EVERY:
            self._shrunk = self._clock()
            self.limit = max(1.0, self.limit * SHRINK)

    def sleep(self, seconds: float) -> None:
        """Wait, but not after ``stop``.

        Raises:
            Stopped: ``stop`` was called.
        """
        until = self._clock() + seconds
        with self._gate:
            while not self._is_stopped and (left := until - self._clock()) > 0:
                self._gate.wait(left)
            if self._is_stopped:
                raise Stopped

    @property
    def full_for(self) -> float:
        """Seconds since the service took a request, all others refused; 0 where it does."""
        with self._gate:
            return 0.0 if self.full_since is None else self._clock() - self.full_since

    def stop(self) -> None:
        """Let nobody through any more, and wake those who wait."""
        with self._gate:
            self._is_stopped = True
            self._gate.notify_all()

    def resume(self) -> None:
        """Undo ``stop``, and forget what a service that was full did."""
        with self._gate:
            self._is_stopped = False
            self.full_since = None


class RetryBudget:
    """Tokens that retries cost and successes bring back: an outage uses them up, single faults never do.

    The figures are botocore's: 500 tokens, 14 a retry, a success brings back what its last retry cost, or 1.
    """

    FULL, COST = 500, 14

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Full again: a new run begins."""
        with self._lock:
            self._tokens = self.FULL
            self._failures = 0  # in a row, over all threads

    def take(self) -> bool:
        """Whether a further retry may be made."""
        with self._lock:
            self._failures += 1
            if self._tokens < self.COST:
                return False
            self._tokens -= self.COST
            return True

    def success(self, *, retried: bool) -> None:
        """A request went well."""
        with self._lock:
            self._failures = 0
            self._tokens = min(self.FULL, self._tokens + (self.COST if retried else 1))

    @property
    def is_outage(self) -> bool:
        """Whether it is used up and nothing has gone well for long."""
        with self._lock:
            return self._tokens < self.COST and self._failures >= self.FULL // self.COST
