"""What every request goes through: who it is, how long it may take, how it is answered and counted."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from . import openai
from .access import check_cloudflare, check_openai, check_origin
from .answers import Answer, Refusal, failed, refused
from .exchange import Exchange, Gone
from .metrics import log
from .names import hide_folders
from .service import Service

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["Door", "Handler"]

# Gives an answer, or None where it has written one itself.
Handler = Callable[[Service, Exchange], Awaitable[Answer | None]]
LEFT = 499  # in the log: the client did not wait for its answer
logger = logging.getLogger("asrkit.serve")


class Door:
    """An ASGI application around one handler.

    Args:
        service: the server.
        route: what the log and the counters call it.
        handler: answers.
        methods: of HTTP.
        speaks: ``cloudflare`` or ``openai``, how it says errors and takes tokens; ``open`` needs no token.
    """

    def __init__(
        self, service: Service, route: str, handler: Handler, methods: tuple[str, ...], speaks: str = "cloudflare"
    ) -> None:
        self.service, self.route, self.handler = service, route, handler
        self.methods, self.speaks = methods, speaks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":  # live sound is not heard here
            await send({"type": "websocket.close"})
            return
        exchange = Exchange(scope, receive, send)
        service = self.service
        code: int | None = None
        status = LEFT
        service.inside += 1
        try:
            answer = await self._answer(exchange)
            if answer is not None:
                code = answer.code
                if scope["method"] == "HEAD":
                    exchange.is_read = True
                await exchange.answer(answer)
            status = exchange.status
        except Gone as gone:
            _let_go(gone)
        finally:
            elapsed = time.monotonic() - exchange.began
            service.metrics.request(self.route, exchange.model, status, code, elapsed)
            log(
                id=exchange.id,
                route=self.route,
                method=scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "other",
                model=exchange.model or None,
                status=status,
                code=code,
                seconds=round(elapsed, 4),
                bytes=exchange.body_bytes or None,
                audio_seconds=exchange.audio_seconds and round(exchange.audio_seconds, 3),
                depth=service.depth,
                fault=exchange.fault,
            )
            service.inside -= 1  # last: who waits for nobody to be inside finds the log written

    async def _answer(self, exchange: Exchange) -> Answer | None:
        limit = asyncio.timeout(self.service.settings.timeout)
        try:
            async with limit:
                self._check(exchange)
                return await self.handler(self.service, exchange)
        except Refusal as refusal:
            _let_go(refusal)
            return self._say(refusal)
        except TimeoutError as error:
            _let_go(error)
            if limit.expired():
                return self._say(refused(3007))
            logger.exception("a request failed")
            return self._say(refused(3001))
        except (Gone, ConnectionAbortedError):
            raise
        except Exception as error:
            logger.exception("a request failed")
            _let_go(error)
            return self._say(refused(3001))

    def _check(self, exchange: Exchange) -> None:
        settings, method = self.service.settings, exchange.scope["method"]
        check_origin(settings, exchange.headers)
        if method not in self.methods and not (method == "HEAD" and "GET" in self.methods):
            named = method if method.isalpha() and len(method) < 16 else "of this name"
            raise Refusal(
                405,
                7001,
                f"Method {named} not available for that URI.",
                headers={"Allow": ", ".join(self.methods)},
            )
        if self.speaks == "cloudflare":
            check_cloudflare(settings, exchange.headers)
        elif self.speaks == "openai":
            check_openai(settings, exchange.headers)
        if self.service.is_stopping and self.speaks != "open":
            raise Refusal(503, 7009, "The server is being stopped", headers={"Retry-After": "5", "Connection": "close"})

    def _say(self, refusal: Refusal) -> Answer:
        refusal.message = hide_folders(refusal.message, self.service.folders)
        return openai.failed(refusal) if self.speaks == "openai" else failed(refusal)


def _let_go(error: BaseException) -> None:
    """Empty the frames that an error came through.

    They hold the body, and the tasks that raised the error, which hold the error in turn: without this the body would
    stay in memory until the next collection of garbage, counted nowhere.
    """
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        one = one.__cause__ or one.__context__
