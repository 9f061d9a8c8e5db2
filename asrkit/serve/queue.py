"""The asynchronous batch API: requests that are worked on while nobody waits, and what came of them."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..cloudflare.models import Model
from .answers import Refusal, refused
from .catalogue import Catalogue
from .dialects import DIALECTS
from .large_json import LongString, Numbers
from .recogniser import Recogniser
from .requests import Ask, from_input

__all__ = ["Limits", "Queue", "Queued", "read_requests"]

logger = logging.getLogger("asrkit.serve")
OVERHEAD = 2_000  # bytes that a waiting request is counted with beside its sound


@dataclass(frozen=True, slots=True)
class Limits:
    """What the queue holds.

    Args:
        requests: of one batch.
        at_once: requests worked on at the same time, over all batches.
        waiting: bytes of requests that are not done.
        reference: bytes of one ``external_reference``.
        batches: whose results are kept.
        results: bytes of results that are kept, over all batches.
        seconds: for which results are kept.
    """

    requests: int = 1_000
    at_once: int = 8
    waiting: int = 64 * 10**6
    reference: int = 2_000
    batches: int = 256
    results: int = 32 * 10**6
    seconds: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Queued:
    """One request of a batch.

    Args:
        reference: the client's own, as JSON; None if it gave none.
        ask: what is asked for, or why it cannot be.
    """

    reference: bytes | None
    ask: Ask | Refusal

    @property
    def size(self) -> int:
        """Bytes that it is counted with."""
        if isinstance(self.ask, Refusal):
            return OVERHEAD
        texts = sum(len(value) for value in self.ask.options.values() if isinstance(value, str))
        return OVERHEAD + len(self.ask.audio) + 4 * texts


def read_requests(model: Model, given: Sequence[Any], limits: Limits) -> list[Queued]:
    """The requests of a batch, their sound as bytes. Takes long for many: not for the event loop.

    Raises:
        Refusal: 3006 for too many of them, 5006 for a reference that is too large.
    """
    count = sum(one.count if isinstance(one, Numbers) else 1 for one in given)
    if count > limits.requests:
        raise refused(3006, more=f"{count} requests; this server takes {limits.requests} in a batch")
    queued: list[Queued] = []
    for index, request in enumerate(given):
        if isinstance(request, Numbers):
            queued += [Queued(None, _ask(model, 0))] * request.count
            continue
        reference = None
        if isinstance(request, dict) and "external_reference" in request:
            reference = _reference(request["external_reference"], index, limits.reference)
            request = {name: value for name, value in request.items() if name != "external_reference"}
        queued.append(Queued(reference, _ask(model, request)))
    return queued


def _ask(model: Model, request: Any) -> Ask | Refusal:
    try:
        return from_input(model, request)
    except Refusal as refusal:
        # A new one: the stack of the other holds what could not be read.
        return Refusal(refusal.status, refusal.code, refusal.message)


def _reference(value: Any, index: int, limit: int) -> bytes:
    try:
        written = _written(value)
    except TypeError:  # a LongString or Numbers
        written = None
    if written is None or len(written) > limit:
        raise refused(
            5006,
            what=f"'/requests/{index}/external_reference' is larger than the {limit} bytes that this server keeps; "
            "give a short name and keep the rest beside it",
        )
    return written


def _written(value: Any) -> bytes:
    if isinstance(value, LongString | Numbers):
        raise TypeError
    try:
        return orjson.dumps(value)
    except TypeError:  # orjson writes no integers beyond 64 bits
        return json.dumps(value).encode()


@dataclass(slots=True, eq=False)
class _Batch:
    """A batch from its arrival until its results are thrown away. ``results`` are JSON, by index."""

    model: Model
    requests: list[Queued | None]
    added: float
    size: int = 0
    next: int = 0
    done: int = 0
    seconds: float = 0.0
    results: list[bytes] = field(default_factory=list)
    results_size: int = 0

    @property
    def is_done(self) -> bool:
        return self.done == len(self.requests)


class Queue:
    """Batches of requests that are worked on while nobody waits, and what came of them.

    A fixed number of workers take the next request of each batch in turn, so that a large batch does not keep a small
    one waiting.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        catalogue: Catalogue,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self._recogniser, self._catalogue, self._clock = recogniser, catalogue, clock
        self._batches: OrderedDict[str, _Batch] = OrderedDict()
        self._waiting: deque[_Batch] = deque()  # those with requests that no worker has taken
        self._workers: set[asyncio.Task[None]] = set()
        self._working = 0  # those that will look for another request
        self.waiting_bytes = 0
        self.kept_bytes = 0

    def add(self, model: Model, requests: list[Queued]) -> str:
        """Begin to work on a batch; gives its number.

        Raises:
            Refusal: 3040 when as much waits already as may.
        """
        size = sum(request.size for request in requests)
        if self.waiting_bytes and self.waiting_bytes + size > self.limits.waiting:
            raise refused(
                3040, retry_after=10, more=f"queued requests of {self.limits.waiting} bytes may wait; send it later"
            )
        number = secrets.token_hex(16)
        batch = _Batch(model, list(requests), self._clock(), results=[b""] * len(requests))
        self._batches[number] = batch
        self._waiting.append(batch)
        self.waiting_bytes += size
        self._forget()
        while self._working < min(self.limits.at_once, sum(len(one.requests) - one.next for one in self._waiting)):
            self._working += 1
            worker = asyncio.get_running_loop().create_task(self._work(), name="asrkit-queue")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return number

    def result(self, number: str) -> Any:
        """What is known of a batch, ready to be written as JSON; None of one that is not known."""
        self._forget_old()
        batch = self._batches.get(number)
        if batch is None:
            return None
        if not batch.is_done:
            status = "running" if batch.next else "queued"
            return {"status": status, "request_id": number, "model": batch.model.name}
        responses = orjson.Fragment(b"[%b]" % b",".join(batch.results))
        return {"responses": responses, "usage": {"audio_seconds": round(batch.seconds, 3)}}

    async def stop(self) -> None:
        """Give up what is not done."""
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers)

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting.popleft()
                index = batch.next
                batch.next += 1
                if batch.next < len(batch.requests):
                    self._waiting.append(batch)
                request = batch.requests[index]
                assert request is not None
                batch.requests[index] = None  # its sound is held no longer than its turn
                try:
                    result = await self._result(batch, request)
                finally:
                    self.waiting_bytes -= request.size
                self._keep(batch, index, request.reference, result)
        finally:
            self._working -= 1

    async def _result(self, batch: _Batch, request: Queued) -> dict[str, Any]:
        ask = request.ask
        if isinstance(ask, Refusal):
            return _failure(ask)
        try:
            target = self._catalogue.targets[batch.model.name]
            async with asyncio.timeout(self._recogniser.settings.timeout):
                heard = await self._recogniser.hear(ask.audio, target, ask.wish)
            batch.seconds += heard.duration
            return {"result": DIALECTS[batch.model.dialect](heard, ask.options), "success": True}
        except Refusal as refusal:
            return _failure(refusal)
        except TimeoutError:
            return _failure(refused(3007))
        except Exception:
            logger.exception("a queued request failed")
            return _failure(refused(3001))

    def _keep(self, batch: _Batch, index: int, reference: bytes | None, result: dict[str, Any]) -> None:
        given = {} if reference is None else {"external_reference": orjson.Fragment(reference)}
        written = orjson.dumps({"id": index, **given, **result})
        self._forget(len(written))
        if self.kept_bytes + len(written) > self.limits.results:
            too_much = refused(3006, more=f"results of more than {self.limits.results} bytes wait to be fetched")
            written = orjson.dumps({"id": index, **given, **_failure(too_much)})
        batch.results[index] = written
        batch.results_size += len(written)
        self.kept_bytes += len(written)
        batch.done += 1

    def _forget(self, more: int = 0) -> None:
        """Throw away results that are too old or too many, the oldest first; never those of a batch in work.

        ``more`` bytes are about to come.
        """
        self._forget_old()
        for number, batch in list(self._batches.items()):
            if self.kept_bytes + more <= self.limits.results and len(self._batches) <= self.limits.batches:
                break
            if batch.is_done:
                self._remove(number)

    def _forget_old(self) -> None:
        too_old = self._clock() - self.limits.seconds
        for number, batch in list(self._batches.items()):
            if batch.added >= too_old:
                break
            if batch.is_done:
                self._remove(number)

    def _remove(self, number: str) -> None:
        self.kept_bytes -= self._batches.pop(number).results_size


def _failure(refusal: Refusal) -> dict[str, Any]:
    return {"result": {}, "success": False, "errors": [{"code": refusal.code, "message": refusal.message}]}
