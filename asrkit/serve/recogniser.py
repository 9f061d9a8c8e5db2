"""Bytes of a file -> a transcript, without ever holding up the event loop."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..audio import Audio, encode, stream
from ..errors import AsrkitError, DecodeError, OptionError, OutOfMemoryError
from ..isolation import Workers
from ..speech import Window, windows
from ..transcript import Transcript, join, ordered_flags
from .answers import refused
from .batcher import Batch, Batcher, Served
from .catalogue import Catalogue, Wish
from .settings import Settings

__all__ = ["Heard", "Recogniser", "Room"]

T = TypeVar("T")
LANGUAGE_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in one file.

    Args:
        transcript: of all of it.
        duration: seconds of sound.
        kept: seconds that were left when stretches without speech were taken out.
        language: the one that was asked for, as code; None where it was to be found out.
    """

    transcript: Transcript
    duration: float
    kept: float
    language: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Sound:
    windows: list[Window]
    duration: float
    warnings: tuple[str, ...]


class Room:
    """How much there may be at once; who comes when it is full waits or goes.

    What is added may pass the limit, once: nobody knows the length of a file before it is decoded.
    """

    def __init__(self, limit: float) -> None:
        self.limit, self.held = limit, 0.0
        self._freed: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether a newcomer has to wait."""
        return self.held >= self.limit

    async def wait(self) -> None:
        """Until there is room."""
        while self.is_full:
            turn = asyncio.get_running_loop().create_future()
            self._freed.append(turn)
            await turn

    def add(self, amount: float) -> None:
        """Take room."""
        self.held += amount

    def free(self, amount: float) -> None:
        """Give it back."""
        self.held -= amount
        while self._freed and not self.is_full:
            turn = self._freed.popleft()
            if not turn.done():
                turn.set_result(None)
                break


class Recogniser:
    """Decoding in threads, the model in one more, and the event loop between them."""

    def __init__(self, settings: Settings, catalogue: Catalogue, batch_done: Callable[[Batch], None]) -> None:
        self.settings, self.catalogue = settings, catalogue
        self.audio_seconds = self.model_seconds = 0.0
        self._batch_done = batch_done
        self._sound = Room(2 * settings.max_seconds)  # seconds of decoded sound: 64 kB each
        self._pool: ThreadPoolExecutor
        self._isolate: Workers | bool = Workers() if settings.isolate else False
        self.batcher: Batcher

    async def start(self) -> None:
        """Load what is served and hear a moment of silence, so that the first request finds all ready."""
        self._pool = ThreadPoolExecutor(max(2, min(16, os.cpu_count() or 1)), thread_name_prefix="asrkit-decode")
        self.batcher = Batcher(window=self.settings.window, done=self._count)
        self.batcher.start()
        silence = Audio(np.zeros(8_000, np.float32))
        for target in {id(target): target for target in self.catalogue.targets.values()}.values():
            served = await self.in_thread(self.catalogue.served, target, Wish())
            await self.in_thread(_decode, encode(silence, "wav").data, served, 1.0, self._isolate)
            if isinstance(target, str):  # a ready backend may count what it hears
                await self.batcher.hear(served, silence, LANGUAGE_ENGLISH)
        self.audio_seconds = self.model_seconds = 0.0

    async def stop(self) -> None:
        """Give the threads back."""
        await self.batcher.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(self._isolate, Workers):
            self._isolate.close()

    async def in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """Not in the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    @property
    def rtfx(self) -> float | None:
        """Seconds heard per second worked; None before the first."""
        return self.audio_seconds / self.model_seconds if self.model_seconds else None

    @property
    def is_busy(self) -> bool:
        """Whether a new clip would have to wait."""
        return self.batcher.is_working or self.batcher.waiting > 0

    async def hear(self, data: bytes, target: object, wish: Wish) -> Heard:
        """The transcript of a file.

        Raises:
            Refusal: it cannot be decoded, is too long, or the model cannot do what is wished.
        """
        try:
            served = self.catalogue.ready(target, wish)
            if served is None:
                served = await self.in_thread(self.catalogue.served, target, wish)
            language = _language(served, wish.language)
            async with self._decoded(data, served) as sound:
                return await self._hear(served, sound, language)
        except AsrkitError as error:
            raise _refusal(error) from error

    @asynccontextmanager
    async def _decoded(self, data: bytes, served: Served) -> AsyncIterator[_Sound]:
        await self._sound.wait()
        decoding = asyncio.ensure_future(
            self.in_thread(_decode, data, served, self.settings.max_seconds, self._isolate)
        )
        self._sound.add(1.0)  # so that not everybody at once finds room
        held = 1.0
        try:
            sound = await decoding
            self._sound.add(sound.duration)
            held += sound.duration
            yield sound
        finally:
            self._sound.free(held)

    async def _hear(self, served: Served, sound: _Sound, language: str | None) -> Heard:
        cut = sound.windows
        heard: list[Transcript] = []
        said = language
        if cut and said is None and served.language_first and len(cut) > 1:
            heard.append(await self.batcher.hear(served, _audio(cut[0]), None))
            said = heard[0].language
        coming = [
            self.batcher.hear(served, _audio(window), said, number=number)
            for number, window in enumerate(cut)
            if number >= len(heard)
        ]
        try:
            heard += [await clip for clip in coming]
        finally:
            for clip in coming:
                clip.cancel()
        warned = [warning.split(":")[0] for warning in sound.warnings]
        if cut:
            whole = join(heard, [window.start for window in cut], sound.duration)
        else:
            whole = Transcript("", language, duration=sound.duration, elapsed=0.0, flags=("silence",))
        whole = replace(whole, flags=ordered_flags([*whole.flags, *warned]))
        return Heard(whole, sound.duration, sum(window.audio.duration for window in cut), language)

    def _count(self, batch: Batch) -> None:
        self.audio_seconds += batch.audio_seconds
        self.model_seconds += batch.elapsed
        self._batch_done(batch)


def _audio(window: Window) -> Audio:
    assert isinstance(window.audio, Audio)
    return window.audio


def _decode(data: bytes, served: Served, longest: float, isolate: bool | Workers) -> _Sound:
    """The sound of a file, cut into what the model takes."""
    blocks = []
    seconds = 0.0
    for block in stream(data, max_seconds=longest, isolate=isolate):
        blocks.append(block)
        seconds += block.duration
    limit = np.inf if served.longest is None else served.longest
    if served.gate or seconds > limit:
        cut = list(windows(blocks, limit, gate=served.gate))
    else:
        sound = blocks[0].samples if len(blocks) == 1 else np.concatenate([block.samples for block in blocks])
        cut = [Window(Audio(sound), 0.0)]
    return _Sound(cut, seconds, blocks[-1].warnings)


def _language(served: Served, language: str | None) -> str | None:
    check: Callable[[str], str] | None = getattr(served.backend, "language_code", None)
    return language if language is None or check is None else check(language)


def _refusal(error: AsrkitError) -> Exception:
    """Which of the table's errors says it."""
    said = str(error).removeprefix("<").partition("bytes>: ")[2] or str(error)  # "<23 bytes>: not audio"
    if isinstance(error, DecodeError):
        if error.code in ("too-long", "too-large"):
            return refused(3006, more="the audio is longer than this server takes", param="file")
        if error.code in ("timeout", "decoder-timeout"):
            return refused(3007)
        return refused(3010, more=said, param="file")
    if isinstance(error, OptionError):
        return refused(5006, what=said)
    if isinstance(error, OutOfMemoryError):
        return refused(3040, retry_after=5)
    return refused(3001)
