"""One running server: what it serves, who is inside, and the way from a request to what was heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from .answers import refused
from .batcher import Batch
from .bodies import Bodies, Upload
from .catalogue import Catalogue, Wish, raw_name
from .exchange import Exchange
from .faults import Faults
from .metrics import Metrics
from .names import folders_of
from .queue import Queue
from .recogniser import Heard, Recogniser
from .requests import IN_LOOP
from .settings import Settings

__all__ = ["Body", "Service"]

T = TypeVar("T")
LONGEST_PAUSE = 30  # seconds that a client is asked to wait
BODIES = 2  # of the largest size that may be in memory at once


@dataclass(slots=True, eq=False)
class Body:
    """A request's body, whose bytes are counted until nobody needs them any more."""

    data: bytes
    upload: Upload

    def becomes(self, size: int) -> None:
        """The body itself is needed no longer; what was made of it has this many bytes."""
        self.data = b""
        self.upload.becomes(size)


class Service:
    """See the module. Made before the event loop runs; started within it.

    Raises:
        OptionError: settings that cannot be meant.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings)
        self.folders = folders_of(map(raw_name, (settings.model, *settings.map.values())))  # not for clients
        self.faults = None if settings.faults is None else Faults(settings.faults)
        self._heard = 0  # clips
        self.is_ready = False
        self.start_error: Exception | None = None
        self.is_stopping = False
        self.inside = 0  # requests between their first byte and their answer
        self.depth = 0  # requests whose body is here and whose answer is not
        self.bodies = Bodies(BODIES * settings.max_body, settings.idle, settings.limits.least_rate)
        self.metrics = Metrics(lambda: self.depth, self._waiting, lambda: self.recogniser.rtfx or 0.0)
        self.recogniser = Recogniser(settings, self.catalogue, self._batch_done)
        self.queue = Queue(self.recogniser, self.catalogue)
        # One thread: however many large bodies come, one of them at a time is in memory in two forms.
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="asrkit-parse")

    async def start(self) -> None:
        """Load the models."""
        try:
            await self.recogniser.start()
        except Exception as error:
            self.start_error = error
            raise
        self.is_ready = True

    async def stop(self) -> None:
        """Give everything back."""
        self.is_ready = False
        await self.queue.stop()
        await self.recogniser.stop()
        self._parser.shutdown(wait=False, cancel_futures=True)

    @asynccontextmanager
    async def body(self, exchange: Exchange, limit: int | None = None) -> AsyncIterator[Body]:
        """The body of a request, its memory counted while it is used.

        Raises:
            Refusal: the server is full, or the body is too large or does not come.
        """
        self.check_room()
        with self.bodies.upload(exchange.address) as upload:
            yield Body(await exchange.body(limit or self.settings.max_body, upload), upload)

    async def parsed(self, body: Body, parse: Callable[[bytes], T]) -> T:
        """What a function makes of a body: at once of a small one, in a thread of a large one."""
        if len(body.data) <= IN_LOOP:
            return parse(body.data)
        return await asyncio.get_running_loop().run_in_executor(self._parser, parse, body.data)

    def check_room(self) -> None:
        """Raises 3040 when as many wait already as may."""
        if self.depth >= self.settings.queue:
            raise refused(3040, retry_after=self.pause())

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue.

        Raises:
            Refusal: 3040, there is none.
        """
        self.check_room()
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def pause(self) -> int:
        """Seconds until a client may try again: about as long as what waits will take."""
        rtfx = self.recogniser.rtfx
        each = self.recogniser.audio_seconds / max(1.0, self._heard)
        return 1 if rtfx is None else min(LONGEST_PAUSE, max(1, round(self.depth * each / rtfx)))

    async def hear(self, exchange: Exchange, audio: bytes, target: object, wish: Wish) -> Heard:
        """What was heard; given up when the client leaves."""
        client = exchange.scope.get("client")
        heard = await exchange.while_here(self.recogniser.hear(audio, target, wish, client[0] if client else ""))
        exchange.audio_seconds = heard.duration
        return heard

    def _batch_done(self, batch: Batch) -> None:
        self._heard += batch.size
        self.metrics.batch(batch)

    def _waiting(self) -> float:
        return self.recogniser.batcher.waiting if self.is_ready else 0
