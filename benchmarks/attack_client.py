"""What attackers share: crowds of sockets that send, drip and hold, and requests whose answer is read."""

from __future__ import annotations

import contextlib
import http.client
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
HOST = "127.0.0.1"
RUN = "/client/v4/accounts/attack/ai/run"
WHISPER = f"{RUN}/@cf/openai/whisper"
TURBO = f"{RUN}/@cf/openai/whisper-large-v3-turbo"
NOVA = f"{RUN}/@cf/deepgram/nova-3"
OPENAI = "/v1/audio/transcriptions"
PIECE = 65_536  # bytes of one send
PATIENCE = 90.0  # seconds for which an attacker waits for an answer
MEGABYTE = 10**6


@dataclass
class Target:
    """The server under attack, how hard to attack it, and what was wrong about its answers.

    Args:
        port: of the server, on this machine.
        model: that it serves.
        seconds: that a flood lasts.
        scale: by which sizes and counts are multiplied.
        source: address from which attackers connect; any of 127.0.0.0/8.
        complaints: each makes the verdict "over".
        notes: shown beside the verdict.
    """

    port: int
    model: str = "canned:"
    seconds: float = 10.0
    scale: float = 1.0
    source: str = HOST
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def size(self, full: int, least: int = 1) -> int:
        """A count or a number of bytes at this scale."""
        return max(least, round(full * self.scale))

    def connect(self, source: str | None = None, buffer: int = 0) -> socket.socket:
        """A connection; ``buffer`` is how many bytes it receives before somebody reads them."""
        connection = socket.socket()
        try:
            if buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            connection.settimeout(PATIENCE)
            connection.bind((source or self.source, 0))
            connection.connect((HOST, self.port))
        except OSError:
            connection.close()
            raise
        return connection

    def note_statuses(self, statuses: Iterable[int], allowed: Sequence[int] = ()) -> None:
        """Note how often each status came. 500 is never right; with ``allowed``, neither is any other status."""
        counts = Counter(statuses)
        self.notes += [f"{count} x {status or 'no answer'}" for status, count in sorted(counts.items())]
        wrong = [status for status in counts if status == 500 or (allowed and status not in allowed)]
        self.complaints += [f"{counts[status]} answers were {status or 'missing'}" for status in wrong]


@dataclass(frozen=True)
class Reply:
    """An answer; status 0 is a connection that ended without one."""

    status: int
    body: bytes = b""
    elapsed: float = 0.0
    retry_after: float = 1.0


class Crowd:
    """Connections that attack together. Each counts as open until the server ends it."""

    def __init__(self, target: Target, count: int, sources: Sequence[str] = (), buffer: int = 0) -> None:
        self.target = target
        self.sockets: list[socket.socket] = []
        self.statuses: list[int] = []
        for number in range(count):
            with contextlib.suppress(OSError):
                connection = target.connect(sources[number % len(sources)] if sources else None, buffer)
                connection.setblocking(False)
                self.sockets.append(connection)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.sockets:
            connection.close()

    def pour(
        self, opening: bytes, piece: bytes = b"", most: int = 0, *, seconds: float | None = None, reading: bool = True
    ) -> int:
        """Send the opening, then pieces until ``most`` bytes are sent, on all connections; gives the bytes sent.

        Ends early when every connection has sent all or was closed. Without ``reading`` no answer is ever received.
        """
        until = time.monotonic() + (self.target.seconds if seconds is None else seconds)
        opening_view, piece_view = memoryview(opening), memoryview(piece)
        pending = dict.fromkeys(self.sockets, opening_view)
        sent = dict.fromkeys(self.sockets, 0)
        events = selectors.EVENT_WRITE | (selectors.EVENT_READ if reading else 0)
        with selectors.DefaultSelector() as selector:
            for connection in self.sockets:
                selector.register(connection, events)
            while selector.get_map() and time.monotonic() < until:
                for key, ready in selector.select(0.2):
                    connection: Any = key.fileobj
                    try:
                        if ready & selectors.EVENT_READ:
                            self._receive(connection)
                        if ready & selectors.EVENT_WRITE:
                            count = connection.send(pending[connection])
                            sent[connection] += count
                            pending[connection] = pending[connection][count:]
                    except BlockingIOError:
                        continue
                    except OSError:
                        selector.unregister(connection)
                        self._drop(connection)
                        continue
                    if not pending[connection]:
                        if piece and sent[connection] < most:
                            pending[connection] = piece_view[: most - sent[connection]]
                        else:
                            selector.unregister(connection)
        return sum(sent.values())

    def drip(self, piece: bytes, every: float, seconds: float | None = None) -> None:
        """Send a piece on each connection again and again; ends early when the server has closed all of them."""
        until = time.monotonic() + (self.target.seconds if seconds is None else seconds)
        while self.sockets and (left := until - time.monotonic()) > 0:
            for connection in list(self.sockets):
                try:
                    if piece:
                        with contextlib.suppress(BlockingIOError):
                            connection.send(piece)
                    with contextlib.suppress(BlockingIOError):
                        self._receive(connection)
                except OSError:
                    self._drop(connection)
            time.sleep(min(every, left))

    def count_open(self, seconds: float = 0.0) -> int:
        """Connections that the server has not ended after so many seconds, all that it wrote being read."""
        until = time.monotonic() + seconds
        while True:
            for connection in list(self.sockets):
                try:
                    while True:
                        self._receive(connection)
                except BlockingIOError:
                    pass
                except OSError:
                    self._drop(connection)
            if not self.sockets or time.monotonic() >= until:
                return len(self.sockets)
            time.sleep(0.1)

    def reset(self) -> None:
        """End all connections with RST instead of FIN."""
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        self.sockets.clear()

    def _receive(self, connection: socket.socket) -> None:
        data = connection.recv(PIECE)
        if not data:
            raise ConnectionResetError
        if data.startswith(b"HTTP/1.1 ") and data[9:12].isdigit():
            self.statuses.append(int(data[9:12]))

    def _drop(self, connection: socket.socket) -> None:
        self.sockets.remove(connection)
        connection.close()


def fill(pattern: bytes, size: int = PIECE) -> bytes:
    """A pattern repeated to about this many bytes, always whole."""
    return pattern * max(1, size // len(pattern))


def head(path: str, *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    """The first line and the headers, with the empty line."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


def post(path: str, body: bytes, *headers: str) -> tuple[bytes, bytes]:
    """A whole request in two parts."""
    return head(path, f"Content-Length: {len(body)}", *headers), body


def read_reply(connection: socket.socket, began: float | None = None) -> Reply:
    """The next answer on a connection."""
    began = time.monotonic() if began is None else began
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        body = response.read()
    except (OSError, http.client.HTTPException, ValueError):
        return Reply(0, elapsed=time.monotonic() - began)
    after = response.getheader("retry-after", "1")
    return Reply(response.status, body, time.monotonic() - began, float(after) if after.isdigit() else 1.0)


def exchange(target: Target, *parts: bytes, patience: float = PATIENCE) -> Reply:
    """Send a request on a connection of its own and read the answer."""
    began = time.monotonic()
    try:
        with target.connect() as connection:
            connection.settimeout(patience)
            with contextlib.suppress(OSError):  # the server may refuse without reading all, and its answer is there
                for part in parts:
                    connection.sendall(part)
            return read_reply(connection, began)
    except OSError:
        return Reply(0, elapsed=time.monotonic() - began)


def together(count: int, work: Callable[[int], T]) -> list[T]:
    """Do it ``count`` times at once, each in its own thread."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))
