"""One connection: every byte is counted in every state, and requests are taken apart one at a time."""

from __future__ import annotations

import asyncio
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .exchange import CLOSE
from .outlet import Outlet

if TYPE_CHECKING:
    import uvicorn
    from uvicorn.server import ServerState

    from .connections import Connections

__all__ = ["Phase", "Protocol"]

PIECE = 16 * 1024  # bytes given to the parser at once ...
SIZED_PIECE = 64 * 1024  # ... and within a body whose length is known, where it has nothing to look for
# What one connection may cost in one turn of the event loop, in bytes; the others come between two turns. A body in
# chunks may hold a chunk in every six bytes, and each call of the parser has its price.
TURN = 64 * 1024
CHUNKED_PRICE = 4  # for each byte
CALL_PRICE = 256
# Pieces of one request that an empty line has made short. A body that holds many more of them must not cost a call for
# each, so then pieces end at a last chunk only, and where it imitates those too, they get a least length.
SHORT_PIECES = 64
LEAST_PIECE = 1024
FRAMING = 16  # bytes around the chunks of a body for each byte in it; chunks of one byte need at most twelve
FAIR_RATE = 64 * 1024  # bytes per second of an upload that keeps nobody waiting
END_OF_HEAD = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class Phase(Enum):
    """What is expected from a client."""

    IDLE = "the first byte of a request"
    HEAD = "the rest of the first line and of the headers"
    BODY = "the rest of the body"
    WORK = "nothing: it waits for the answer"
    CLOSING = "nothing: it got its last answer, and what it still sends is thrown away"
    CLOSED = "nothing: it has gone"


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits that hold before a request is one.

    Bytes go to the parser only up to the end of a request, and no further until that request is answered. So what is
    wrong with the next one cannot take away its answer, and a client that sends thousands of requests at once costs
    no more memory than the bytes that were read.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        watch: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.watch, self.limits = watch, watch.limits
        self.outlet: Outlet
        self.phase = Phase.IDLE
        self.since = self.loop.time()  # when the phase began
        self.body_bytes = 0  # of the request
        self.is_in_line = False  # whether a turn is asked for already
        self._held, self._at = b"", 0  # what was received, and how much of it went to the parser
        self._tail = b""  # the last bytes that went to the parser, where the end of a head may have begun
        self._remaining: int | None = None  # bytes of a body whose length is known
        self._thrown_away = 0
        self._has_body = False
        self._is_deaf = False  # whether what the parser reports is not for the application
        self._short_pieces = 0
        self._fields = 0
        self._body_in_piece = 0
        self._overhead = 0  # bytes since the last one of a body: head, sizes and extensions of chunks, trailers
        self._framing = 0  # all such bytes of the request

    # -- the event loop's side -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there; it has to say something."""
        self.outlet = Outlet(transport, self._closing, self._pump)
        super().connection_made(self.outlet)
        self.watch.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self.watch.open.discard(self)
        self._enter(Phase.CLOSED)
        self._held, self._at = b"", 0
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Keep what came until the parser may have it."""
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            self._thrown_away += len(data)
            if self._thrown_away > self.limits.linger_bytes:
                self.outlet.finish()
            return
        self._held, self._at = self._held[self._at :] + data, 0
        self._pump()

    def shutdown(self) -> None:
        """The server ends. A request that has not come by now is not going to be answered."""
        if self.phase in (Phase.IDLE, Phase.HEAD):
            self.outlet.finish()
        elif self.phase is not Phase.CLOSED:
            super().shutdown()

    def waited(self, now: float) -> float | None:
        """Seconds for which the client has kept the server waiting; None while it is the client that waits."""
        if self.phase in (Phase.IDLE, Phase.HEAD):
            return now - self.since
        if self.phase is Phase.BODY and not self.flow.read_paused:
            return now - self.since - self.body_bytes / FAIR_RATE
        if self.phase is Phase.WORK:
            return self.outlet.stalled(now) or None
        return None

    @property
    def is_busy(self) -> bool:
        """Whether a client has sent something, or was sent something, that is not done with."""
        return self.phase in (Phase.BODY, Phase.WORK, Phase.CLOSING) or bool(self._held) or self.outlet.unsent > 0

    # -- to the parser -------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Give the parser what it may have, for one turn of the event loop."""
        budget = TURN
        while self._at < len(self._held) and self._may_feed():
            if budget <= 0:
                self.watch.ask_for_turn(self)
                break
            piece = self._next_piece()
            self._feed(piece)
            budget -= CALL_PRICE + len(piece) * (CHUNKED_PRICE if self._remaining is None else 1)
        if self._at >= len(self._held) or self.phase is Phase.CLOSING:
            self._held, self._at = b"", 0
        self.outlet.hold(bool(self._held))

    def _may_feed(self) -> bool:
        return self.phase in (Phase.IDLE, Phase.HEAD, Phase.BODY) and not self.flow.read_paused

    def take_turn(self) -> None:
        """Go on where the last turn ended."""
        self.is_in_line = False
        if self.phase is not Phase.CLOSED:
            self._pump()

    def _next_piece(self) -> memoryview:
        """No piece holds bytes of two requests: one ends where its length says, else at an empty line."""
        data, at = self._held, self._at
        if self.phase is Phase.BODY and self._remaining:
            end = at + min(self._remaining, SIZED_PIECE)
        else:
            mark = END_OF_HEAD if self._short_pieces <= SHORT_PIECES else LAST_CHUNK
            least = 0 if self._short_pieces <= 2 * SHORT_PIECES else LEAST_PIECE
            rest = len(mark) - 1  # of its bytes may have gone to the parser before
            tail = self._tail[-rest:]
            begun = (tail + data[at : at + rest]).find(mark) if least == 0 else -1
            found = at + begun - len(tail) if begun >= 0 else data.find(mark, at + least, at + PIECE)
            end = found + len(mark) if begun >= 0 or found >= 0 else at + PIECE
            self._short_pieces += end < at + LEAST_PIECE
            self._tail = (self._tail + data[at:end])[-len(END_OF_HEAD) :]
        self._at = min(end, len(data))
        return memoryview(data)[at : self._at]

    def _feed(self, piece: memoryview) -> None:
        self._body_in_piece = 0
        try:
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                self._go_on_without_upgrade()
        except httptools.HttpParserError:
            if self._is_deaf:
                pass
            elif self.phase is Phase.HEAD and self.parser.get_method() == b"PRI":
                self.refuse(505, "This server speaks HTTP/1.1, not HTTP/2; ask with HTTP/1.1.")
            else:
                self.refuse(400, "Invalid HTTP request received.")
        if self._is_deaf:  # a second request in the piece, which is possible after many empty lines only: dropped
            self._is_deaf = self.cycle.keep_alive = False
            self._held, self._at = b"", 0
        else:
            self._count(len(piece), self._body_in_piece)

    def _count(self, everything: int, body: int) -> None:
        self._overhead = everything - body if body else self._overhead + everything
        self._framing += everything - body
        most = self.limits.head_bytes
        if self._overhead > most or self._framing > most + FRAMING * self.body_bytes:
            self.refuse(431, f"More than {most} bytes of headers, trailers or chunk sizes.")

    # -- the parser's side ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first line of a request begins."""
        self._is_deaf = self._is_deaf or self.phase is Phase.WORK
        if self._is_deaf:
            return
        super().on_message_begin()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self.scope["extensions"] = {CLOSE: {"close": self.transport.close}}
        self._fields = self._overhead = self._framing = self.body_bytes = self._short_pieces = 0
        self._remaining, self._has_body = None, False
        self._enter(Phase.HEAD)

    def on_url(self, url: bytes) -> None:
        """A part of the first line."""
        if not self._is_deaf:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those are counted and ignored, since the request has begun without them."""
        if self._is_deaf or self.phase is Phase.CLOSING:
            return
        self._fields += 1
        if self._fields > self.limits.head_fields:
            self.refuse(431, f"More than {self.limits.head_fields} headers and trailers.")
        elif self.phase is Phase.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request has begun."""
        if self._is_deaf or self.phase is Phase.CLOSING:
            return
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"").strip()
        if b"transfer-encoding" not in headers and length.isdigit():
            self._remaining = int(length[:19])
        self._has_body = b"transfer-encoding" in headers or bool(self._remaining)
        self._enter(Phase.BODY)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self.phase is not Phase.BODY:
            return
        self.body_bytes += len(body)
        self._body_in_piece += len(body)
        if self._remaining is not None:
            self._remaining -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self.phase is not Phase.BODY or self._is_body_to_come():
            return
        super().on_message_complete()
        self._enter(Phase.IDLE if self.cycle.response_complete else Phase.WORK)

    def on_response_complete(self) -> None:
        """It is answered; the next one may come."""
        super().on_response_complete()
        if self.phase is Phase.WORK:
            self._enter(Phase.IDLE)
            self._pump()

    # -- upgrades ------------------------------------------------------------------------------------------------

    def _is_body_to_come(self) -> bool:
        """Whether the parser ends the message at its head, because an upgrade was offered; none is taken here."""
        return self._has_body and self.parser.should_upgrade()

    def _go_on_without_upgrade(self) -> None:
        """Read the body that the parser takes for another protocol, by a new parser that was not told of the upgrade.

        RFC 9110 7.8: a server ignores an upgrade that it does not take, and answers as if it had not been offered.
        """
        is_body_to_come = self.phase is Phase.BODY and self._is_body_to_come()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as in uvicorn's constructor
        if not is_body_to_come:
            return
        framing = [
            name + b": " + value for name, value in self.headers if name in (b"content-length", b"transfer-encoding")
        ]
        self._is_deaf = True
        try:
            self.parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", b""]))
        finally:
            self._is_deaf = False

    # -- ends ----------------------------------------------------------------------------------------------------

    def refuse(self, status: int, text: str) -> None:
        """Answer what is no request, or too much of one, and end the connection. Nobody works on it any longer."""
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        cycle = self.cycle
        has_handler = cycle is not None and not cycle.response_complete
        if has_handler:
            cycle.disconnected = True
            cycle.message_event.set()
        if not (has_handler and cycle.response_started):  # else it would stand within the other answer
            self.outlet.write(refusal(status, text))
        if not self.outlet.is_closing():
            self.outlet.linger()
        self._enter(Phase.CLOSING)

    def drop(self, status: int, text: str) -> None:
        """As ``refuse``, without waiting for the client."""
        self.refuse(status, text)
        self.outlet.finish()

    def _closing(self) -> bool:
        is_sending = self.phase in (Phase.HEAD, Phase.BODY) or bool(self._held)
        self._enter(Phase.CLOSING)
        return is_sending

    def _enter(self, phase: Phase) -> None:
        self.phase, self.since = phase, self.loop.time()


def refusal(status: int, text: str) -> bytes:
    """A whole answer, for what never reached a handler."""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
    retry = "retry-after: 2\r\n" if status == 503 else ""
    return f"{head}{retry}content-length: {len(text)}\r\nconnection: close\r\n\r\n{text}".encode()
