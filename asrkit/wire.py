"""Network connections whose every step keeps to the current deadline.

An HTTP client's own time limits hold for one step each: one address, one read. A server that sends a byte now and
then, or one interim answer after the other, keeps to all of them and never ends. Here the deadline holds for looking
the name up, connecting, the TLS handshake, every write and every read together.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ssl import SSLContext
from typing import Any

import httpcore2
from httpcore2._backends.sync import SyncStream  # there is no public way to make a stream of a socket

from .deadline import current_deadline
from .sockets import Sockets

__all__ = ["Received", "TimedBackend", "TimedStream"]

PIECE = 1 << 14  # bytes written at once: a system's send buffer takes that many whole, so one wait sends them

Received = Callable[[int], None]


class TimedBackend(httpcore2.NetworkBackend):
    """Makes the connections of an ``httpcore2.ConnectionPool``; they are ``TimedStream``.

    Args:
        received: called with the number of bytes of each read, whatever they belong to; may raise.
        sockets: where they come from, and what shuts them down.
    """

    def __init__(self, received: Received | None = None, sockets: Sockets | None = None) -> None:
        self.received = received
        self.sockets = sockets or Sockets()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to the first address that takes one.

        Raises:
            httpcore2.ConnectError, httpcore2.ConnectTimeout: none does.
        """
        try:
            made, handle = self.sockets.connect(host, port, timeout, local_address, socket_options or ())
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        return TimedStream(SyncStream(made), handle, self.received)


class TimedStream(httpcore2.NetworkStream):
    """A connection that waits no longer than the current deadline, however little comes at a time.

    Args:
        stream: what reads and writes.
        handle: of its socket, as from ``Sockets``; closed together with it.
        received: see ``TimedBackend``.
    """

    def __init__(
        self, stream: httpcore2.NetworkStream, handle: socket.socket, received: Received | None = None
    ) -> None:
        self._stream, self._handle, self._received = stream, handle, received

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, up to this many bytes.

        Raises:
            httpcore2.ReadTimeout, httpcore2.ReadError: nothing came in time, or the connection was lost.
        """
        data = self._stream.read(max_bytes, _allowed(timeout, httpcore2.ReadTimeout))
        if self._received is not None:
            self._received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it.

        Raises:
            httpcore2.WriteTimeout, httpcore2.WriteError: it was not taken in time, or the connection was lost.
        """
        for start in range(0, len(buffer), PIECE):
            self._stream.write(buffer[start : start + PIECE], _allowed(timeout, httpcore2.WriteTimeout))

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same connection, encrypted."""
        try:
            allowed = _allowed(timeout, httpcore2.ConnectTimeout)
            encrypted = self._stream.start_tls(ssl_context, server_hostname, allowed)
        except BaseException:
            self.close()
            raise
        return TimedStream(encrypted, self._handle, self._received)

    def close(self) -> None:
        """End the connection."""
        self._stream.close()
        self._handle.close()

    def get_extra_info(self, info: str) -> Any:
        """As ``httpcore2.NetworkStream``."""
        return self._stream.get_extra_info(info)


def _allowed(timeout: float | None, late: type[Exception]) -> float | None:
    """Seconds that the next step may wait."""
    limit = current_deadline()
    if limit is None:
        return timeout
    if not (left := limit.left):
        raise late(f"timed out: the whole exchange took over {round(limit.seconds, 1):g} s")
    return left if timeout is None else min(timeout, left)
