"""Threads that decode, and the memory for what they give, shared so that no file keeps the others waiting for long."""

from __future__ import annotations

import asyncio
import heapq
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeVar

__all__ = ["Decoders", "Reservation", "Space"]

T = TypeVar("T")
MOST_THREADS = 16
VALUES_PER_SECOND = 50e6  # decoded in a second of work, about


class Decoders:
    """A fixed number of threads. Files that take little work come first, and one thread takes no others.

    A file comes the later the more its client has here already, so that one client does not keep out the others.

    Args:
        threads: how many; None is one for each core.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or max(2, min(MOST_THREADS, os.cpu_count() or 1))
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="asrkit-decode")
        self._waiting: list[tuple[float, int, bool, asyncio.Future[None]]] = []
        self._numbers = count()
        self._busy = self._long = 0
        self._owed: Counter[str] = Counter()  # client -> samples that it waits for

    async def run(self, work: Callable[[threading.Event], T], *, values: float, is_long: bool, client: str = "") -> T:
        """What ``work`` gives, in a thread. Cancelling sets the event that ``work`` is given.

        Args:
            work: looks at the event from time to time, and ends early when it is set.
            values: samples over all channels that it will decode, about.
            is_long: whether it may take long, so that it must leave one thread to the others.
            client: for whom.
        """
        self._owed[client] += int(values)
        try:
            return await self._run(work, self._owed[client], is_long)
        finally:
            self._owed[client] -= int(values)
            if not self._owed[client]:
                del self._owed[client]

    async def _run(self, work: Callable[[threading.Event], T], owed: int, is_long: bool) -> T:
        turn = asyncio.get_running_loop().create_future()
        # As urgent as its work is short, counted from its arrival: so it does not wait for ever either.
        due = time.monotonic() + owed / VALUES_PER_SECOND
        heapq.heappush(self._waiting, (due, next(self._numbers), is_long, turn))
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(is_long)
            raise
        cancelled = threading.Event()
        running = asyncio.get_running_loop().run_in_executor(self._pool, work, cancelled)
        # The thread goes on for a moment after a cancellation, and is free only then.
        running.add_done_callback(lambda _: self._leave(is_long))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancelled.set()
            running.add_done_callback(_seen)
            raise

    def close(self) -> None:
        """Give the threads back, without waiting for what they do."""
        for _, _, _, turn in self._waiting:
            turn.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, is_long: bool) -> None:
        self._busy -= 1
        self._long -= is_long
        self._next()

    def _next(self) -> None:
        """Let in who may come in: nobody long who would take the last thread."""
        passed_over = []
        while self._waiting and self._busy < self.threads:
            place = heapq.heappop(self._waiting)
            _, _, is_long, turn = place
            if turn.done():
                continue
            if is_long and self._long >= self.threads - 1:
                passed_over.append(place)
                continue
            self._busy += 1
            self._long += is_long
            turn.set_result(None)
        for place in passed_over:
            heapq.heappush(self._waiting, place)


def _seen(future: asyncio.Future[T]) -> None:
    if not future.cancelled():
        future.exception()  # nobody is left whom it would concern


class Space:
    """Seconds of decoded sound that may be in memory at once: 64 kB each.

    One file alone may always come in; ``grow`` and ``free`` may be called from any thread, ``take`` in the event loop.
    """

    def __init__(self, limit: float) -> None:
        self.limit, self.held = limit, 0.0
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def take(self, amount: float) -> None:
        """Take so much as soon as there is room for it. What needs less may come in before what needs more."""
        with self._lock:
            if self._fits(amount):
                self.held += amount
                return
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                self._waiting = [place for place in self._waiting if place[1] is not turn]
            if turn.done() and not turn.cancelled():
                self.free(amount)
            raise

    def grow(self, amount: float) -> bool:
        """Take so much more, if there is room; gives whether there was."""
        with self._lock:
            has_room = self.held + amount <= self.limit
            self.held += amount if has_room else 0.0
            return has_room

    def free(self, amount: float) -> None:
        """Give so much back, in the event loop."""
        with self._lock:
            self.held -= amount
            if self.held < 1e-6:
                self.held = 0.0  # sums of fractions
            left = []
            for place in self._waiting:
                wanted, turn = place
                if turn.done():
                    continue
                if self._fits(wanted):
                    self.held += wanted
                    turn.set_result(None)
                else:
                    left.append(place)
            self._waiting = left

    def _fits(self, amount: float) -> bool:
        return self.held + amount <= self.limit or self.held == 0


class Reservation:
    """What one file has taken of a space. A thread may ask for more while the event loop gives all of it back."""

    def __init__(self, space: Space, amount: float) -> None:
        self._space, self._amount = space, amount
        self._is_over = False
        self._lock = threading.Lock()

    def reach(self, amount: float) -> bool:
        """Have at least so much; False where there is no room for it, or all was given back."""
        with self._lock:
            if self._is_over:
                return False
            if amount > self._amount and not self._space.grow(amount - self._amount):
                return False
            self._amount = max(self._amount, amount)
            return True

    def keep(self, amount: float) -> None:
        """Give back all but so much."""
        self.give_back(self._amount - amount)

    def give_back(self, amount: float) -> None:
        """Give back a part; nothing after ``release``."""
        with self._lock:
            if self._is_over:
                return
            self._amount -= amount
        self._space.free(amount)

    def release(self) -> None:
        """Give back what is left."""
        with self._lock:
            amount, self._amount, self._is_over = self._amount, 0.0, True
        if amount:
            self._space.free(amount)
