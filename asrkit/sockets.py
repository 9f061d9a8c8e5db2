"""Names -> connected sockets, within the current deadline; another thread can shut all of them down."""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from .deadline import Deadline, deadline, in_thread, result_within

__all__ = ["Resolve", "Sockets", "system_addresses"]

Resolve = Callable[[str, int], list[str]]

CONNECT_SECONDS = 60.0  # for a name and all of its addresses, where the caller sets no other limit


def system_addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a name, each once, as the system's resolver orders them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(_with_scope(*address) for *_, address in found))


def _with_scope(address: Any, port: int, flow: int = 0, scope: int = 0) -> str:
    """A link-local address of IPv6 is one of several networks, which its number tells apart."""
    return f"{address}%{scope}" if scope else str(address)


class Sockets:
    """Makes sockets, and can shut down all of them at once.

    Args:
        resolve: name and port -> IP addresses, the first choice first. It may block, and whatever it raises reaches
            those who connect.
    """

    def __init__(self, resolve: Resolve = system_addresses) -> None:
        self.is_aborted = False
        self._resolve = resolve
        self._lookups: dict[tuple[str, int], Future[list[str]]] = {}  # one for all threads that wait for a name
        self._handles: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def abort(self) -> None:
        """Cut everything off: each thread that waits for a socket or a name wakes, and nothing connects any more."""
        with self._lock:
            self.is_aborted = True
            handles, lookups = list(self._handles), list(self._lookups.values())
        for lookup in lookups:
            with suppress(InvalidStateError):  # it has just ended
                lookup.set_exception(_aborted())
        for handle in handles:
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    def connect(
        self,
        host: str,
        port: int,
        seconds: float | None = None,
        local_address: str | None = None,
        options: Iterable[Any] = (),
    ) -> tuple[socket.socket, socket.socket]:
        """A connected socket, and a handle that shuts it down whatever becomes of the socket object.

        Each address of a name gets its share of the time, so that one which does not answer leaves some for the next.

        Args:
            seconds: for looking the name up and for all of its addresses; the current deadline may end before.

        Raises:
            TimeoutError: it took too long.
            OSError: there is no such name, or none of its addresses takes a connection.
        """
        with deadline(Deadline(CONNECT_SECONDS if seconds is None else seconds)) as limit:
            limit.check()
            addresses = self._addresses(host, port, limit)
            last = OSError(f"the name {host} has no address")
            for number, address in enumerate(addresses):
                if not (left := limit.left):
                    raise TimeoutError(f"not connected within {limit.seconds:g} s")
                try:
                    return self._connected(address, port, left / (len(addresses) - number), local_address, options)
                except OSError as error:
                    last = error
            raise last

    def _connected(
        self, address: str, port: int, seconds: float, local_address: str | None, options: Iterable[Any]
    ) -> tuple[socket.socket, socket.socket]:
        """The same for one address, tried for so many seconds."""
        [(family, *_, target), *_] = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        made = socket.socket(family, socket.SOCK_STREAM)
        handle: socket.socket | None = None
        try:
            handle = self._handle(made)
            if local_address is not None:
                made.bind((local_address, 0))
            made.settimeout(seconds)
            made.connect(target)
            for option in options:
                made.setsockopt(*option)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            made.close()
            if handle is not None:
                handle.close()
            raise
        return made, handle

    def _handle(self, made: socket.socket) -> socket.socket:
        """A second descriptor of a socket: TLS puts another object in its place, and only the handle stays valid.

        It is made before connecting and under the lock, so that ``abort`` either finds it or is seen here.
        """
        with self._lock:
            if self.is_aborted:
                raise _aborted()
            handle = made.dup()
            self._handles.add(handle)
        return handle

    def _addresses(self, host: str, port: int, limit: Deadline) -> list[str]:
        """The addresses of a name. The system's resolver cannot be interrupted, so it has a thread of its own."""
        try:
            addresses = result_within(self._lookup(host, port), limit)
        except TimeoutError as error:
            raise TimeoutError(f"the name {host} was not resolved in time") from error
        if self.is_aborted:
            raise _aborted()
        return addresses

    def _lookup(self, host: str, port: int) -> Future[list[str]]:
        """The look-up of this name that is under way, or a new one."""
        with self._lock:
            if self.is_aborted:
                raise _aborted()
            if (host, port) in self._lookups:
                return self._lookups[host, port]
            lookup = self._lookups[host, port] = in_thread(lambda: self._resolve(host, port), "asrkit-resolve")
        lookup.add_done_callback(lambda _: self._forget(host, port))  # outside the lock: it may be called at once
        return lookup

    def _forget(self, host: str, port: int) -> None:
        with self._lock:
            self._lookups.pop((host, port), None)


def _aborted() -> OSError:
    return OSError("the run was stopped")
