"""The writing side of a connection: how much the client has taken, and a close that does not destroy the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["Outlet"]


class Outlet(asyncio.Transport):
    """A transport around another one.

    Args:
        transport: the one that the event loop made.
        closing: called at a close; returns whether the client may still be sending.
        resumed: called when reading may go on.

    Reading stops while either of two parties asks for it: uvicorn, whose buffer is full, or the protocol, which holds
    bytes that it has not taken apart yet.
    """

    def __init__(self, transport: asyncio.Transport, closing: Callable[[], bool], resumed: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._closing, self._resumed = closing, resumed
        self._is_full = self._is_held = False
        self._written = 0
        self._window: tuple[float, int] | None = None  # when it began, and what the client had taken by then
        self._last_taken = (0.0, 0)  # when the client last took something, and what it had taken by then
        self.is_lingering = False

    # -- writing -------------------------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send, or keep until the client has taken what was sent before."""
        if not self.is_closing():
            self._written += len(data)
            self._transport.write(data)

    @property
    def unsent(self) -> int:
        """Bytes that the client's side has not made room for."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Bytes that have left this process since the connection began."""
        return self._written - self.unsent

    def stalled(self, now: float) -> float:
        """Seconds for which the client has taken nothing of what is kept for it; 0 if nothing is."""
        if not self.unsent or self.taken != self._last_taken[1]:
            self._last_taken = (now, self.taken)
        return now - self._last_taken[0]

    def is_stuck(self, now: float, seconds: float, least_rate: float) -> bool:
        """Whether the client took less than this rate, in bytes per second, for this many seconds."""
        if not self.unsent:
            self._window = None
            return False
        began, before = self._window = self._window or (now, self.taken)
        if now - began < seconds:
            return False
        self._window = (now, self.taken)
        return self.taken - before < least_rate * (now - began)

    # -- ending --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection once the client has the answer."""
        if self.is_closing():
            return
        if self._closing():
            self.linger()
        else:
            self._transport.close()

    def linger(self) -> None:
        """Close the sending side alone, and go on reading.

        A socket that is closed with bytes unread sends a reset, and the client's system then throws away the answer
        that the client has not read yet. ``Connections`` closes the other side after a while.
        """
        self.is_lingering = True
        self._read_as_wished()
        self._transport.write_eof()

    def finish(self) -> None:
        """Close both sides once everything is sent."""
        self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self.is_lingering or self._transport.is_closing()

    # -- reading -------------------------------------------------------------------------------------------------

    def hold(self, is_held: bool) -> None:
        """Whether the protocol wants nothing more for now."""
        if self._is_held is not is_held:
            self._is_held = is_held
            self._read_as_wished()

    def pause_reading(self) -> None:
        """uvicorn wants nothing more for now."""
        self._is_full = True
        self._read_as_wished()

    def resume_reading(self) -> None:
        """uvicorn wants more."""
        self._is_full = False
        self._resumed()
        self._read_as_wished()

    def _read_as_wished(self) -> None:
        if self._transport.is_closing():
            return
        if (self._is_full or self._is_held) and not self.is_lingering:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # -- passed on -----------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the socket knows."""
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """As ``unsent``."""
        return self.unsent
