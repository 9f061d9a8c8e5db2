"""One request and its answer, between ASGI and the handlers: reading within limits, noticing who has gone."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import Headers, QueryParams

from .answers import Answer, refused
from .bodies import Upload

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["Exchange", "Gone"]

T = TypeVar("T")
DRAIN_SECONDS = 5.0  # for which the rest of a refused body is read, so that its sender sees the answer
CLOSE = "asrkit.connection"  # extension of the scope, see asrkit.serve.protocol


class Gone(Exception):
    """The client has ended the connection."""


class Exchange:
    """A request on its way. What handlers find out about it is written here, for the log."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.began = time.monotonic()
        self.id = f"{random.getrandbits(128):032x}"
        self.headers = Headers(scope=scope)
        self.query: Mapping[str, str] = QueryParams(scope["query_string"].decode("latin-1"))
        # Without a body there is nothing that would have to be read.
        self.is_read = self.headers.get("content-length", "0") == "0" and "transfer-encoding" not in self.headers
        self.is_gone = False
        self.status = 0
        self.body_bytes = 0
        self.model = ""
        self.audio_seconds: float | None = None
        self.fault: str | None = None

    @property
    def path(self) -> MutableMapping[str, str]:
        """The gaps of the route."""
        gaps: MutableMapping[str, str] = self.scope["path_params"]
        return gaps

    @property
    def address(self) -> str:
        """The client's, empty if unknown."""
        client: tuple[str, int] | None = self.scope.get("client")
        return client[0] if client else ""

    async def body(self, limit: int, upload: Upload) -> bytes:
        """All of it, within the memory of the upload.

        Raises:
            Refusal: 3006 as soon as it is too large, 3007 when it stops coming, 3040 when the memory is full.
            Gone: nobody is there any more.
        """
        promised = self.headers.get("content-length", "")
        if promised.isdecimal() and int(promised[:18]) > limit:
            raise refused(3006, more=f"{promised[:18]} bytes; this server takes {limit}")
        body = bytearray()  # not a list of parts: a client that sends single bytes would make each cost forty
        while True:
            async with upload.receiving():
                message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part: bytes = message.get("body", b"")
            if part:
                self.body_bytes += len(part)
                if self.body_bytes > limit:
                    raise refused(3006, more=f"more than the {limit} bytes that this server takes")
                await upload.take(len(part))
                body += part
            if not message.get("more_body", False):
                self.is_read = upload.is_whole = True
                return bytes(body)

    async def while_here(self, work: Coroutine[Any, Any, T]) -> T:
        """Work that is given up when the client ends the connection; only after the body was read.

        Raises:
            Gone: it has.
        """
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self._left())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            self.is_gone = True
            raise Gone
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.wait({working, leaving})
            if working.done() and not working.cancelled():
                working.exception()  # seen, so that nobody complains that it was not

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(self, answer: Answer) -> None:
        """Write it. A body that was not read to its end is thrown away first, within limits."""
        await self.begin(answer)
        if not self.is_read:
            await self._send({"type": "http.response.body", "body": answer.body, "more_body": True})
            await self._drain()
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._send({"type": "http.response.body", "body": answer.body})

    async def begin(self, answer: Answer) -> None:
        """Write the status and the headers alone."""
        self.status = answer.status
        headers = {
            "content-type": answer.media_type,
            "content-length": str(len(answer.body)),
            "cf-ai-req-id": self.id,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            **{name.lower(): value for name, value in answer.headers.items()},
        }
        if not self.is_read:
            headers["connection"] = "close"
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": raw})

    async def part(self, data: bytes, *, last: bool = False) -> None:
        """Write a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def cut(self) -> None:
        """End the connection as it is."""
        connection: Mapping[str, Callable[[], None]] | None = self.scope.get("extensions", {}).get(CLOSE)
        if connection is None:
            raise ConnectionAbortedError("a fault was asked for")
        connection["close"]()
        await self._left()

    async def _drain(self) -> None:
        """A connection closed with bytes unread would take the answer with it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while True:
                    message: MutableMapping[str, Any] = await self._receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
