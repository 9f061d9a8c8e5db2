"""The asynchronous batch API: requests that are worked on while nobody waits, and what came of them."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from typing import Any

from ..cloudflare.models import Model
from .answers import Refusal
from .catalogue import Catalogue
from .dialects import DIALECTS
from .recogniser import Recogniser
from .requests import from_input

__all__ = ["Queue"]

KEPT = 256  # batches whose results wait to be fetched
AT_ONCE = 8  # batches worked on, and requests of one batch before the model


class Queue:
    """Batches of requests that are worked on while nobody waits, and what came of them."""

    def __init__(self, recogniser: Recogniser, catalogue: Catalogue) -> None:
        self._recogniser, self._catalogue = recogniser, catalogue
        self._results: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, model: Model, given: list[Any]) -> str:
        """Begin to work on a batch; gives its number."""
        number = secrets.token_hex(16)
        self._results[number] = {"status": "queued", "request_id": number, "model": model.name}
        while len(self._results) > KEPT:
            self._results.popitem(last=False)
        task = asyncio.get_running_loop().create_task(self._work(model, given, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return number

    def result(self, number: str) -> dict[str, Any] | None:
        """What is known of a batch; None of one that is not known."""
        return self._results.get(number)

    @property
    def is_full(self) -> bool:
        """Whether no more may be added for now."""
        return len(self._tasks) >= AT_ONCE

    async def stop(self) -> None:
        """Give up what is not done."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self, model: Model, given: list[Any], number: str) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        seconds = 0.0

        async def one(index: int, request: Any) -> dict[str, Any]:
            nonlocal seconds
            answer: dict[str, Any] = {"id": index}
            if isinstance(request, dict) and "external_reference" in request:
                answer["external_reference"] = request["external_reference"]
            try:
                async with turn:
                    ask = await self._recogniser.in_thread(from_input, model, _without_reference(request))
                    heard = await self._recogniser.hear(ask.audio, self._catalogue.targets[model.name], ask.wish)
                seconds += heard.duration
                return {**answer, "result": DIALECTS[model.dialect](heard, ask.options), "success": True}
            except Refusal as refusal:
                errors = [{"code": refusal.code, "message": refusal.message}]
                return {**answer, "result": {}, "success": False, "errors": errors}

        if number in self._results:
            self._results[number] = {**self._results[number], "status": "running"}
        responses = await asyncio.gather(*(one(index, request) for index, request in enumerate(given)))
        if number in self._results:
            self._results[number] = {"responses": responses, "usage": {"audio_seconds": round(seconds, 3)}}


def _without_reference(request: Any) -> Any:
    if not isinstance(request, dict):
        return request
    return {name: value for name, value in request.items() if name != "external_reference"}
