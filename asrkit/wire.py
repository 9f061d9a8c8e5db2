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

from .deadline import call_within, current_deadline

__all__ = ["TimedBackend", "TimedStream", "addresses_of", "system_addresses"]

PIECE = 1 << 14  # bytes written at once: a system's send buffer takes that many whole, so one wait sends them

Received = Callable[[int], None]
Resolve = Callable[[str, int], list[str]]


def system_addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a name, each once, as the system's resolver orders them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def addresses_of(host: str, port: int, resolve: Resolve = system_addresses) -> list[str]:
    """The IP addresses of a name, within the current deadline: the system's resolver takes no time limit.

    Raises:
        httpcore2.ConnectTimeout: the look-up took too long.
        OSError: there is no such name.
    """
    limit = current_deadline()
    if limit is None:
        return resolve(host, port)
    try:
        return call_within(lambda: resolve(host, port), limit)
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(f"looking up {host}: {error}") from error


class TimedBackend(httpcore2.SyncBackend):
    """Makes the connections of an ``httpcore2.ConnectionPool``; they are ``TimedStream``.

    Args:
        received: called with the number of bytes of each read, whatever they belong to; may raise.
    """

    def __init__(self, received: Received | None = None) -> None:
        self.received = received

    def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect to, the first choice first; a subclass may refuse."""
        return addresses_of(host, port)

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
            addresses = self.addresses(host, port)
        except OSError as error:  # the name does not exist
            raise httpcore2.ConnectError(str(error)) from error
        for number, address in enumerate(addresses, 1):
            allowed = _allowed(timeout, httpcore2.ConnectTimeout)
            try:
                stream = super().connect_tcp(address, port, allowed, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return TimedStream(stream, self.received)
        raise httpcore2.ConnectError(f"{host} has no address")


class TimedStream(httpcore2.NetworkStream):
    """A connection that waits no longer than the current deadline, however little comes at a time."""

    def __init__(self, stream: httpcore2.NetworkStream, received: Received | None = None) -> None:
        self._stream, self._received = stream, received

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
        allowed = _allowed(timeout, httpcore2.ConnectTimeout)
        return TimedStream(self._stream.start_tls(ssl_context, server_hostname, allowed), self._received)

    def close(self) -> None:
        """End the connection."""
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        """As ``httpcore2.NetworkStream``."""
        return self._stream.get_extra_info(info)


def _allowed(timeout: float | None, late: type[Exception]) -> float | None:
    """Seconds that the next step may wait."""
    limit = current_deadline()
    if limit is None:
        return timeout
    if not (left := limit.left):
        raise late(f"the whole exchange took over {limit.seconds:g} s")
    return left if timeout is None else min(timeout, left)
