"""Connections whose time limit holds for the whole exchange, whose answers are bounded, and which can be cut off.

The time-outs of an HTTP client count from one byte to the next: a server that sends a byte now and then, or one
informational answer after the other, is waited for without end. Here each exchange has one deadline. It is kept where
bytes come in and go out, below the HTTP client, so it covers names, connecting, TLS, the request, every header and the
body alike. ``Wire.abort`` shuts the sockets down: threads that wait for one wake at once, and end.
"""

from __future__ import annotations

import socket
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..errors import AnswerError, ConnectionLostError, TimedOutError

if TYPE_CHECKING:
    import httpcore2
    import httpx2

__all__ = ["Exchange", "Resolve", "Wire", "body_of"]

Address = tuple[Any, ...]  # as ``socket.connect`` takes it
Resolve = Callable[[str, int], list[tuple[int, Address]]]

PIECE = 2**16  # bytes written at once: between two pieces the deadline is looked at
BESIDES = 2**20  # bytes of headers and informational answers that an exchange may have beside its body


class Exchange:
    """One request and its answer.

    Args:
        host: that answers, for messages.
        seconds: for all of it.
        most: bytes of the answer's body.
    """

    def __init__(self, host: str, seconds: float, most: int) -> None:
        self.host, self.seconds, self.most = host, seconds, most
        self.until = time.monotonic() + seconds
        self._bytes = 0

    @property
    def left(self) -> float:
        """Seconds; 0 or less when it is over."""
        return self.until - time.monotonic()

    def check(self) -> None:
        """Between two parts of a body.

        Raises:
            TimedOutError: it is over.
        """
        if self.left <= 0:
            raise TimedOutError(f"{self.host} sent no whole answer in {self.seconds:.0f} s")

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


def _looked_up(host: str, port: int) -> list[tuple[int, Address]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


class Wire:
    """The sockets of one HTTP client.

    Args:
        resolve: name and port -> families and addresses; the system's where not given.
    """

    def __init__(self, resolve: Resolve = _looked_up) -> None:
        self.is_aborted = False
        self._resolve = resolve
        self._lookups: dict[tuple[str, int], _Lookup] = {}  # under way: one for all that wait for a name
        self._handles: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._current = threading.local()

    def guard(self, client: httpx2.Client) -> None:
        """Have all connections of a client made here, those through proxies of the environment included."""
        import httpx2

        backend = _backend(self)
        for transport in (client._transport, *client._mounts.values()):
            if isinstance(transport, httpx2.HTTPTransport):
                assert hasattr(transport._pool, "_network_backend")  # httpx2 has no public way to hand one in
                transport._pool._network_backend = backend

    @contextmanager
    def exchange(self, host: str, seconds: float, most: int) -> Iterator[Exchange]:
        """What this thread sends and receives inside belongs to one exchange."""
        self._current.exchange = exchange = Exchange(host, seconds, most)
        try:
            yield exchange
        finally:
            self._current.exchange = None

    def abort(self) -> None:
        """Cut everything off: whoever waits for a socket or a name wakes, and no further connection is made."""
        with self._lock:
            self.is_aborted = True
            handles, lookups = list(self._handles), list(self._lookups.values())
        for lookup in lookups:
            lookup.ended.set()
        for handle in handles:
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    # -- for the streams ----------------------------------------------------------------------------------------

    def count(self, size: int) -> None:
        """So many bytes have arrived."""
        exchange: Exchange | None = getattr(self._current, "exchange", None)
        if exchange is not None:
            exchange.count(size)

    def left(self, timeout: float | None, late: type[Exception]) -> float | None:
        """Seconds that the next step may take; ``late`` is raised where there are none."""
        exchange: Exchange | None = getattr(self._current, "exchange", None)
        if exchange is None:
            return timeout
        if exchange.left <= 0:
            raise late(f"{exchange.seconds:.0f} s are over")
        return exchange.left if timeout is None else min(timeout, exchange.left)

    def connect(self, host: str, port: int, timeout: float | None, options: Iterable[Any]) -> tuple[Any, Any]:
        """A connected socket, and a handle that shuts it down whatever becomes of the socket object.

        Each address of a name gets its share of the time, so that one which does not answer leaves some for the next.
        """
        until = time.monotonic() + (60.0 if timeout is None else timeout)
        addresses = self._addresses(host, port, until)
        last: OSError = OSError(f"the name {host} has no address")
        for number, (family, address) in enumerate(addresses):
            share = (until - time.monotonic()) / (len(addresses) - number)
            if share <= 0:
                raise TimeoutError("timed out")
            made = socket.socket(family, socket.SOCK_STREAM)
            handle: socket.socket | None = None
            try:
                handle = self._handle(made)
                made.settimeout(share)
                made.connect(address)
                for option in options:
                    made.setsockopt(*option)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made, handle
            except OSError as error:
                _close(made, handle)
                last = error
            except BaseException:
                _close(made, handle)
                raise
        raise last

    def _handle(self, made: socket.socket) -> socket.socket:
        with self._lock:
            if self.is_aborted:
                raise OSError("the run was stopped")
            handle = made.dup()
            self._handles.add(handle)
        return handle

    def _addresses(self, host: str, port: int, until: float) -> list[tuple[int, Address]]:
        """Of a name. The system's resolver cannot be interrupted, so it has a thread of its own."""
        with self._lock:
            if self.is_aborted:
                raise OSError("the run was stopped")
            lookup = self._lookups.get((host, port))
            if lookup is None:
                lookup = self._lookups[host, port] = _Lookup()
                threading.Thread(
                    target=self._look_up, args=(host, port, lookup), name="asrkit-resolve", daemon=True
                ).start()
        if not lookup.ended.wait(max(0.0, until - time.monotonic())):
            raise TimeoutError(f"the name {host} was not resolved in time")
        if lookup.error is not None:
            raise OSError(str(lookup.error))
        if self.is_aborted:
            raise OSError("the run was stopped")
        return lookup.addresses

    def _look_up(self, host: str, port: int, lookup: _Lookup) -> None:
        try:
            lookup.addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            lookup.error = error
        finally:
            with self._lock:
                self._lookups.pop((host, port), None)
            lookup.ended.set()


def _close(*sockets: socket.socket | None) -> None:
    for each in sockets:
        if each is not None:
            each.close()


class _Lookup:
    """A name that is being resolved."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.addresses: list[tuple[int, Address]] = []
        self.error: Exception | None = None


def _backend(wire: Wire) -> httpcore2.NetworkBackend:
    """What httpcore2 makes its connections with."""
    import httpcore2
    from httpcore2._backends.sync import SyncStream

    class Stream(httpcore2.NetworkStream):
        def __init__(self, inner: httpcore2.NetworkStream, handle: socket.socket) -> None:
            self.inner, self.handle = inner, handle

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            data = self.inner.read(max_bytes, wire.left(timeout, httpcore2.ReadTimeout))
            wire.count(len(data))
            return data

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            for first in range(0, len(buffer), PIECE):
                left = wire.left(timeout, httpcore2.WriteTimeout)
                self.inner.write(buffer[first : first + PIECE], left)

        def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
            try:
                left = wire.left(timeout, httpcore2.ConnectTimeout)
                return Stream(self.inner.start_tls(ssl_context, server_hostname, left), self.handle)
            except BaseException:
                self.close()
                raise

        def get_extra_info(self, info: str) -> Any:
            return self.inner.get_extra_info(info)

        def close(self) -> None:
            self.inner.close()
            self.handle.close()

    class Backend(httpcore2.NetworkBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore2.NetworkStream:
            left = wire.left(timeout, httpcore2.ConnectTimeout)
            try:
                made, handle = wire.connect(host, port, left, socket_options or ())
            except TimeoutError as error:
                raise httpcore2.ConnectTimeout(str(error)) from error
            except OSError as error:
                raise httpcore2.ConnectError(str(error)) from error
            return Stream(SyncStream(made), handle)

        def sleep(self, seconds: float) -> None:
            time.sleep(seconds)

    return Backend()
