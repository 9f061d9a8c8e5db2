"""All open connections of a server: the time that each may take, and who gives way when there are too many."""

from __future__ import annotations

import asyncio
import heapq
import sys
import time
from collections import deque

from .protocol import Phase, Protocol
from .settings import Limits

__all__ = ["Connections"]

RESERVED_FILES = 128  # descriptors of the process that are for something else than connections
MOST_UNSENT = 64 * 10**6  # bytes of answers that clients have not taken, all together
PATIENCE = 1.0  # seconds for which nobody has to give way
STOP_SECONDS = 5.0  # without progress in which an answer is given up while the server ends
TURNS_SECONDS = 0.005  # for which requests are taken apart before other work has its turn
FULL = "The server has too many connections; try again."


class Connections:
    """The open connections, watched while the event loop runs.

    A client that has kept the server waiting gives way to a newcomer, the longest first; one whose request is worked
    on never does.

    Args:
        limits: what a connection may take.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.most = min(limits.connections, _descriptors())
        self.open: set[Protocol] = set()
        self._turns: deque[Protocol] = deque()
        self._handle: asyncio.Handle | None = None

    def admit(self, newcomer: Protocol) -> None:
        """Add a connection, in the place of others where there are too many."""
        self.open.add(newcomer)
        if len(self.open) > self.most:
            self._make_room(newcomer)

    def sweep(self, now: float, *, is_stopping: bool = False) -> None:
        """End what has taken too long. Called several times per second.

        Args:
            now: of the event loop's clock.
            is_stopping: less patience with clients that do not take their answers.
        """
        limits = self.limits
        seconds = min(limits.write_seconds, STOP_SECONDS) if is_stopping else limits.write_seconds
        for connection in list(self.open):
            elapsed = now - connection.since
            is_new = connection.phase is Phase.IDLE and connection.cycle is None
            if (is_new or connection.phase is Phase.HEAD) and elapsed > limits.head_seconds:
                connection.refuse(408, "The headers did not come in time.")
            elif connection.phase is Phase.CLOSING and elapsed > limits.linger_seconds and not connection.outlet.unsent:
                connection.outlet.finish()
            if connection.outlet.is_stuck(now, seconds, limits.least_rate):
                connection.outlet.abort()
        self._relieve(now)

    def ask_for_turn(self, connection: Protocol) -> None:
        """Let a connection go on after the others had their turn."""
        if not connection.is_in_line:
            connection.is_in_line = True
            self._turns.append(connection)
            if self._handle is None:
                self._handle = asyncio.get_running_loop().call_soon(self._take_turns)

    def _take_turns(self) -> None:
        """However many connections send what is costly to take apart, they hold the event loop no longer than one."""
        until = time.monotonic() + TURNS_SECONDS
        waiting = len(self._turns)
        while waiting and time.monotonic() < until:
            self._turns.popleft().take_turn()
            waiting -= 1
        self._handle = asyncio.get_running_loop().call_soon(self._take_turns) if self._turns else None

    def abort(self) -> None:
        """End all connections as they are."""
        for connection in list(self.open):
            connection.outlet.abort()

    @property
    def is_busy(self) -> bool:
        """Whether something was received or is to be sent that is not done with."""
        return any(connection.is_busy for connection in self.open)

    def _make_room(self, newcomer: Protocol) -> None:
        """Looking at all of them for each newcomer would be too slow, so more than one goes at once."""
        now = newcomer.since
        # All that come in one turn of the event loop have one time, so 0 seconds are a wait as well.
        waiting = [
            (seconds, id(connection), connection)
            for connection in self.open
            if connection is not newcomer and (seconds := connection.waited(now)) is not None
        ]
        worst = heapq.nlargest(max(1, self.most // 20), waiting)
        if not worst:
            newcomer.drop(503, FULL)
        for at, (seconds, _, connection) in enumerate(worst):
            if at == 0 or seconds > PATIENCE:
                connection.drop(503, FULL)

    def _relieve(self, now: float) -> None:
        """Answers that nobody takes must not fill the memory, however many clients ask for them."""
        waiting = [(one.outlet.stalled(now), id(one), one) for one in self.open if one.outlet.unsent]
        unsent = sum(one.outlet.unsent for _, _, one in waiting)
        for seconds, _, one in sorted(waiting, reverse=True):
            if unsent <= MOST_UNSENT or seconds < PATIENCE:
                return
            unsent -= one.outlet.unsent
            one.outlet.abort()


def _descriptors() -> int:
    """How many connections the process may have by the limit on its open files."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(RESERVED_FILES // 4, soft - RESERVED_FILES)
