"""Clips of many requests -> batches on the one model; each request gets its own answer or its own error.

A clip whose text fails the model's own tests is tried again, one try at a time, and between two tries those that wait
have their first.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from ..audio import Audio
from ..backends.base import Attempt, Backend
from ..errors import AsrkitError, BackendError, OutOfMemoryError
from ..transcript import Transcript

__all__ = ["Batch", "Batcher", "Served"]

SPREAD = 1.0  # seconds by which each further window of one recording steps back behind the others' first
LOOKED_AT = 4  # batches' worth of clips among which those of one length are looked for
logger = logging.getLogger(__name__)
Outcome = Transcript | AsrkitError | Attempt


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
        most_seconds: of sound at once, so that nobody waits too long for the others' turn; one clip may be longer.
    """

    backend: Backend
    batch_size: int
    longest: float | None = None
    gate: bool = False
    most_seconds: float = math.inf

    @classmethod
    def of(cls, backend: Backend, batch_size: int | None = None) -> Self:
        """With the backend's own preferences."""
        wants = backend.preferred
        return cls(backend, batch_size or wants.batch_size, wants.longest, wants.speech_gate)


@dataclass(slots=True, eq=False)
class _Clip:
    """A clip that waits. ``attempt`` is how its next try is made, None before the first."""

    audio: Audio | None
    language: str | None
    arrived: float
    heard: asyncio.Future[Transcript]
    attempt: Attempt | None = None

    def forget(self, _: object) -> None:
        """Nobody waits for it any more, or it has been heard: its sound need not wait in the line."""
        self.audio = self.attempt = None

    @property
    def duration(self) -> float:
        return 0.0 if self.audio is None else self.audio.duration


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
        self._turn: Future[list[Outcome]] | None = None
        self._lines: dict[Served, _Line] = {}
        self._again: deque[_Clip] = deque()  # clips to be tried again, the first until it is done
        self._was_again = False
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
        return len(self._again) + sum(len(line.heap) for line in self._lines.values())

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
        for clip in self._again:
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
        clip = _Clip(audio, language, arrived, future)
        future.add_done_callback(clip.forget)
        heapq.heappush(line.heap, (due, next(self._numbers), clip))
        self._came.set()
        return future

    # -- the model's side ----------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            line = self._next_line()
            while self._again and self._again[0].heard.done():
                self._again.popleft()
            if self._again and (line is None or not self._was_again):
                self._was_again = True
                await self._try_again(self._again[0])
                continue
            self._was_again = False
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
            length = near[0][2].duration
            near.sort(key=lambda place: abs(place[2].duration - length))  # stable: the first stays the first
        taken: list[_Clip] = []
        seconds = 0.0
        for place in near:
            seconds += place[2].duration
            if taken and (len(taken) == size or seconds > line.served.most_seconds):
                heapq.heappush(line.heap, place)
            else:
                taken.append(place[2])
        return taken

    async def _hear(self, line: _Line, clips: Sequence[_Clip]) -> None:
        audios = [clip.audio for clip in clips if clip.audio is not None]
        languages = [clip.language for clip in clips]
        began = time.monotonic()
        self._turn = self._thread.submit(_outcomes, line.served, audios, languages)
        seconds = sum(audio.duration for audio in audios)
        del audios
        outcomes = await asyncio.wrap_future(self._turn)
        self.done(Batch(len(clips), seconds, time.monotonic() - began))
        for clip, outcome in zip(clips, outcomes, strict=True):
            self._settle(clip, outcome)

    async def _try_again(self, clip: _Clip) -> None:
        assert clip.attempt is not None
        began = time.monotonic()
        self._turn = self._thread.submit(_outcome_of, clip.attempt)
        [outcome] = await asyncio.wrap_future(self._turn)
        self.done(Batch(0, 0.0, time.monotonic() - began))
        if isinstance(outcome, Transcript | AsrkitError):
            self._again.popleft()
        self._settle(clip, outcome)

    def _settle(self, clip: _Clip, outcome: Outcome) -> None:
        if clip.heard.done():
            return
        if isinstance(outcome, Transcript):
            clip.heard.set_result(outcome)
        elif isinstance(outcome, AsrkitError):
            clip.heard.set_exception(outcome)
        else:
            if clip.attempt is None:
                self._again.append(clip)
            clip.attempt = outcome


def _outcomes(served: Served, clips: list[Audio], languages: list[str | None]) -> list[Outcome]:
    """Halve what fails, so that only the clip at fault pays for it."""
    backend = served.backend
    hear: Callable[..., Sequence[Transcript | Attempt]] = getattr(backend, "attempts", backend.transcribe)
    try:
        heard = hear(clips, languages=languages)
        if len(heard) != len(clips):
            raise BackendError(f"{backend.name} gave {len(heard)} transcripts for {len(clips)} clips")
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
            return [_failure(backend.name, unknown)]
    half = len(clips) // 2
    return [
        *_outcomes(served, clips[:half], languages[:half]),
        *_outcomes(served, clips[half:], languages[half:]),
    ]


def _outcome_of(attempt: Attempt) -> list[Outcome]:
    try:
        return [attempt.go_on() or attempt]
    except AsrkitError as error:
        return [error]
    except Exception as unknown:
        return [_failure("the model", unknown)]


def _failure(name: str, unknown: Exception) -> BackendError:
    logger.exception("%s failed", name)
    failure = BackendError(f"{name} failed: {type(unknown).__name__}")
    failure.__cause__ = unknown
    return failure
