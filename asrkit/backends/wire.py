"""Exchanges with a service: a time limit for all of one, a bounded answer, and threads that let go when told to.

An exchange has one deadline and one count of bytes. Both are kept where bytes come in and go out, below the HTTP
client, so they cover names, connecting, TLS, the request, every header and the body alike. ``Wire.abort`` shuts the
sockets down: threads that wait for one wake at once, and end.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..deadline import Deadline, deadline
from ..errors import AnswerError, ConnectionLostError, TimedOutError
from ..sockets import Resolve, Sockets, system_addresses

if TYPE_CHECKING:
    import httpx2

__all__ = ["Exchange", "Wire", "body_of"]

BESIDES = 2**20  # bytes of headers and informational answers that an exchange may have beside its body


class Exchange:
    """One request and its answer.

    Args:
        host: that answers, for messages.
        seconds: for all of it.
        most: bytes of the answer's body.
    """

    def __init__(self, host: str, seconds: float, most: int) -> None:
        self.host, self.most = host, most
        self.deadline = Deadline(seconds)
        self._bytes = 0

    def check(self) -> None:
        """Between two parts of a body.

        Raises:
            TimedOutError: it is over.
        """
        if not self.deadline.left:
            raise TimedOutError(f"{self.host} sent no whole answer in {self.deadline.seconds:.0f} s")

    def count(self, size: int) -> None:
        """So many bytes have arrived, of whatever kind.

        Raises:
            AnswerError: more than any answer has.
        """
        self._bytes += size
        if self._bytes > self.most + BESIDES:
            raise self.too_large()

    def too_large(self) -> AnswerError:
        """The error for an answer that does not end where every other one has."""
        return AnswerError(f"{self.host} answers with over {self.most:,} bytes", code="too-large")


def body_of(response: httpx2.Response, exchange: Exchange) -> bytes:
    """The body of a response that is being received, unpacked; never larger than the exchange allows.

    Raises:
        AnswerError: it is too large, or packed in a way that was not asked for.
        ConnectionLostError: it cannot be unpacked.
        TimedOutError: it takes too long.
    """
    if response.is_stream_consumed:  # a transport of the caller's own has given it whole
        exchange.check()
        if len(response.content) > exchange.most:
            raise exchange.too_large()
        return response.content
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise AnswerError(f"{exchange.host} packs its answer as {coding!r}, which was not asked for", code="not-json")
    unpacking = None if coding in ("identity", "") else zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
    body = bytearray()
    for part in response.iter_raw():
        exchange.check()
        try:
            body += part if unpacking is None else unpacking.decompress(part, exchange.most + 1 - len(body))
        except zlib.error as error:
            raise ConnectionLostError(f"{exchange.host} sent an answer that cannot be unpacked ({error})") from None
        if len(body) > exchange.most:
            raise exchange.too_large()
    if unpacking is not None and not unpacking.eof:
        raise ConnectionLostError(f"{exchange.host} sent an answer that ends in the middle of its gzip")
    return bytes(body)


def _addresses(host: str, port: int) -> list[str]:
    """``system_addresses``, where a name that cannot be one does not exist."""
    try:
        return system_addresses(host, port)
    except UnicodeError as error:  # such as a label of over 63 characters
        raise OSError(str(error)) from error


class Wire:
    """The connections of one HTTP client, and the exchange that each of its threads is in.

    Args:
        resolve: see ``Sockets``.
    """

    def __init__(self, resolve: Resolve = _addresses) -> None:
        self._sockets = Sockets(resolve)
        self._current = threading.local()

    def guard(self, client: httpx2.Client) -> None:
        """Have all connections of a client made here, those through proxies of the environment included."""
        import httpx2

        from ..wire import TimedBackend

        backend = TimedBackend(self._count, self._sockets)
        for transport in (client._transport, *client._mounts.values()):
            if isinstance(transport, httpx2.HTTPTransport):
                assert hasattr(transport._pool, "_network_backend")  # httpx2 has no public way to hand one in
                transport._pool._network_backend = backend

    @contextmanager
    def exchange(self, host: str, seconds: float, most: int) -> Iterator[Exchange]:
        """What this thread sends and receives inside belongs to one exchange."""
        self._current.exchange = exchange = Exchange(host, seconds, most)
        try:
            with deadline(exchange.deadline):
                yield exchange
        finally:
            self._current.exchange = None

    def abort(self) -> None:
        """See ``Sockets``."""
        self._sockets.abort()

    def _count(self, size: int) -> None:
        exchange: Exchange | None = getattr(self._current, "exchange", None)
        if exchange is not None:
            exchange.count(size)
