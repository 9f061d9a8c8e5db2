"""Clips of many requests -> batches on the one model; each request gets its own answer or its own error."""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from ..audio import Audio
from ..backends.base import Backend
from ..errors import AsrkitError, BackendError, OutOfMemoryError
from ..transcript import Transcript

__all__ = ["Batch", "Batcher", "Served"]

SPREAD = 1.0  # seconds by which each further window of one recording steps back behind the others' first
LOOKED_AT = 4  # batches' worth of clips among which those of one length are looked for
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one turn of the model did, for the metrics."""

    size: int
    audio_seconds: float
    elapsed: float


@dataclass(slots=True, eq=False)
class Served:
    """A backend with what it wants, asked once: the question may load its model.

    Args:
        backend: the recogniser.
        batch_size: clips at once; falls where they did not fit into memory.
        longest: seconds of the longest clip; None is no limit.
        gate: whether stretches without speech are kept from it.
        language_first: whether the first window of a recording tells the language of the others.
        most_seconds: of sound at once, so that nobody waits too long for the others' turn; one clip may be longer.
    """

    backend: Backend
    batch_size: int
    longest: float | None = None
    gate: bool = False
    language_first: bool = False
    most_seconds: float = math.inf

    @classmethod
    def of(cls, backend: Backend, batch_size: int | None = None) -> Self:
        """With the backend's own preferences."""
        wants = backend.preferred
        return cls(backend, batch_size or wants.batch_size, wants.longest, wants.speech_gate, wants.language_first)


@dataclass(slots=True, eq=False)
class _Clip:
    audio: Audio
    language: str | None
    arrived: float
    heard: asyncio.Future[Transcript]


@dataclass(slots=True, eq=False)
class _Line:
    """Clips that wait for one backend, the most urgent first."""

    served: Served
    heap: list[tuple[float, int, _Clip]] = field(default_factory=list)


class Batcher:
    """One thread for the model, and the lines before it.

    Args:
        window: seconds for which the first clip of a batch waits for others.
        done: told of every batch.
    """

    def __init__(self, *, window: float, done: Callable[[Batch], None]) -> None:
        self.window, self.done = window, done
        self._turn: Future[list[Transcript | AsrkitError]] | None = None
        self._lines: dict[Served, _Line] = {}
        self._came = asyncio.Event()
        self._numbers = count()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="asrkit-model")
        self._task: asyncio.Task[None] | None = None

    @property
    def is_working(self) -> bool:
        """Whether the model hears something."""
        return self._turn is not None and not self._turn.done()

    @property
    def waiting(self) -> int:
        """Clips not yet taken by the model."""
        return sum(len(line.heap) for line in self._lines.values())

    def start(self) -> None:
        """Begin to work, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._work(), name="asrkit-batcher")

    async def stop(self) -> None:
        """End, without waiting for what waits or is being heard."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        for line in self._lines.values():
            for _, _, clip in line.heap:
                clip.heard.cancel()
        self._lines.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def hear(
        self, served: Served, audio: Audio, language: str | None, *, number: int = 0
    ) -> asyncio.Future[Transcript]:
        """One clip; ``number`` counts the windows of one recording. Cancelling gives its place free."""
        arrived = time.monotonic()
        future: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        line = self._lines.setdefault(served, _Line(served))
        # Windows of a long recording grow less urgent one by one, so a short one need not wait for all of them; and
        # since urgency counts from the arrival, a long one does not wait for ever either.
        due = arrived + SPREAD * number
        heapq.heappush(line.heap, (due, next(self._numbers), _Clip(audio, language, arrived, future)))
        self._came.set()
        return future

    # -- the model's side ----------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            line = self._next_line()
            if line is None:
                self._came.clear()
                await self._came.wait()
                continue
            await self._gather(line)
            if clips := self._take(line):
                await self._hear(line, clips)

    def _next_line(self) -> _Line | None:
        for key, line in list(self._lines.items()):
            while line.heap and line.heap[0][2].heard.done():  # given up by its request
                heapq.heappop(line.heap)
            if not line.heap:
                del self._lines[key]
        return min(self._lines.values(), key=lambda line: line.heap[0][0], default=None)

    async def _gather(self, line: _Line) -> None:
        """Wait a moment for more of the same kind."""
        until = min(clip.arrived for _, _, clip in line.heap) + self.window
        while len(line.heap) < line.served.batch_size and (left := until - time.monotonic()) > 0:
            self._came.clear()
            try:
                async with asyncio.timeout(left):
                    await self._came.wait()
            except TimeoutError:
                return

    def _take(self, line: _Line) -> list[_Clip]:
        """The most urgent clip, and of the next ones those of about its length: together they cost least.

        Nobody waits for ever: every turn takes the one that is most urgent then.
        """
        size = line.served.batch_size
        near: list[tuple[float, int, _Clip]] = []
        while line.heap and len(near) < LOOKED_AT * size:
            place = heapq.heappop(line.heap)
            if not place[2].heard.done():
                near.append(place)
        if len(near) > size:
            length = near[0][2].audio.duration
            near.sort(key=lambda place: abs(place[2].audio.duration - length))  # stable: the first stays the first
        taken: list[_Clip] = []
        seconds = 0.0
        for place in near:
            seconds += place[2].audio.duration
            if taken and (len(taken) == size or seconds > line.served.most_seconds):
                heapq.heappush(line.heap, place)
            else:
                taken.append(place[2])
        return taken

    async def _hear(self, line: _Line, clips: Sequence[_Clip]) -> None:
        began = time.monotonic()
        self._turn = self._thread.submit(
            _transcripts, line.served, [clip.audio for clip in clips], [clip.language for clip in clips]
        )
        outcomes = await asyncio.wrap_future(self._turn)
        self.done(Batch(len(clips), sum(clip.audio.duration for clip in clips), time.monotonic() - began))
        for clip, outcome in zip(clips, outcomes, strict=True):
            if clip.heard.done():
                continue
            if isinstance(outcome, Transcript):
                clip.heard.set_result(outcome)
            else:
                clip.heard.set_exception(outcome)


def _transcripts(served: Served, clips: list[Audio], languages: list[str | None]) -> list[Transcript | AsrkitError]:
    """Halve what fails, so that only the clip at fault pays for it."""
    try:
        heard = served.backend.transcribe(clips, languages=languages)
        if len(heard) != len(clips):
            raise BackendError(f"{served.backend.name} gave {len(heard)} transcripts for {len(clips)} clips")
        return list(heard)
    except OutOfMemoryError as error:
        if len(clips) == 1:
            return [error]
        served.batch_size = max(1, min(served.batch_size, len(clips) // 2))
    except AsrkitError as error:
        if len(clips) == 1:
            return [error]
    except Exception as unknown:
        if len(clips) == 1:
            logger.exception("%s failed", served.backend.name)
            failure = BackendError(f"{served.backend.name} failed: {type(unknown).__name__}")
            failure.__cause__ = unknown
            return [failure]
    half = len(clips) // 2
    return [
        *_transcripts(served, clips[:half], languages[:half]),
        *_transcripts(served, clips[half:], languages[half:]),
    ]
