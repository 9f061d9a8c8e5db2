"""Bytes of a file -> a transcript, without ever holding up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from ..audio import Audio, encode
from ..errors import AsrkitError, DecodeError, OptionError, OutOfMemoryError
from ..isolation import Workers
from ..speech import Window
from ..spoken import is_doubtful, likely_languages
from ..transcript import Transcript, join, ordered_flags
from .answers import refused
from .batcher import Batch, Batcher, Served
from .catalogue import Catalogue, Wish
from .decoders import Decoders, Reservation, Space
from .decoding import Decoding, Sound
from .estimate import Promise, promised
from .settings import Settings

__all__ = ["Heard", "Recogniser"]

T = TypeVar("T")
LANGUAGE_ENGLISH = "en"
VALUES_A_SECOND = 96_000  # samples over all channels in a second of 48 kHz stereo: what `max_seconds` is meant for
LEAST_VALUES = 50_000_000  # which every file may have, however short the longest: a second of work
SHORT_SECONDS = 60.0  # of a file that takes no decoder from others
SHORT_VALUES = VALUES_A_SECOND * int(SHORT_SECONDS)
SHORT_BYTES = 400_000  # of a file whose header says nothing, to be tried as a short one first
SHORT_SPACE = 30 * SHORT_SECONDS  # of short files decoded and not yet heard


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


class Recogniser:
    """Decoding in threads, the model in one more, and the event loop between them."""

    def __init__(self, settings: Settings, catalogue: Catalogue, batch_done: Callable[[Batch], None]) -> None:
        self.settings, self.catalogue = settings, catalogue
        self.audio_seconds = self.model_seconds = 0.0
        self._batch_done = batch_done
        self.most_values = max(LEAST_VALUES, int(settings.max_seconds * VALUES_A_SECOND))
        self.short, self.long = Space(SHORT_SPACE), Space(settings.max_seconds)
        self._pool: ThreadPoolExecutor
        self._decoders: Decoders
        self._isolate: Workers | bool = Workers() if settings.isolate else False
        self.batcher: Batcher

    async def start(self) -> None:
        """Load what is served and hear a moment of silence, so that the first request finds all ready."""
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="asrkit-load")
        self._decoders = Decoders()
        self.batcher = Batcher(window=self.settings.window, done=self._count)
        self.batcher.start()
        silence = Audio(np.zeros(8_000, np.float32))
        for target in {id(target): target for target in self.catalogue.targets.values()}.values():
            served = await self.in_thread(self.catalogue.served, target, Wish())
            _, reservation = await self._sound(encode(silence, "wav").data, served)
            reservation.release()
            if isinstance(target, str):  # a ready backend may count what it hears
                await self.batcher.hear(served, silence, LANGUAGE_ENGLISH)
        self.audio_seconds = self.model_seconds = 0.0

    async def stop(self) -> None:
        """Give the threads back."""
        await self.batcher.stop()
        self._decoders.close()
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

    async def hear(self, data: bytes, target: object, wish: Wish, client: str = "") -> Heard:
        """The transcript of a file; ``client`` is for whom, so that all get their turn.

        Raises:
            Refusal: it cannot be decoded, is too long, or the model cannot do what is wished.
        """
        try:
            served = self.catalogue.ready(target, wish)
            if served is None:
                served = await self.in_thread(self.catalogue.served, target, wish)
            language = _language(served, wish.language)
            sound, reservation = await self._sound(data, served, client)
            try:
                return await self._hear(served, sound, language, reservation)
            finally:
                reservation.release()
        except AsrkitError as error:
            raise _refusal(error) from error

    async def _sound(self, data: bytes, served: Served, client: str = "") -> tuple[Sound, Reservation]:
        """The decoded file, and the space that it takes until it is released."""
        promise = promised(data)
        if promise is not None and promise.is_sure:
            self._check(promise)
        is_short = len(data) <= SHORT_BYTES
        if promise is not None:
            is_short = promise.seconds <= SHORT_SECONDS and promise.values <= SHORT_VALUES
        if is_short:
            try:
                short = promise or Promise(SHORT_SECONDS, SHORT_VALUES)
                return await self._decoded(data, served, short, client, is_long=False)
            except DecodeError as error:
                if error.code not in ("too-long", "too-large"):
                    raise
            # Its header kept silent or lied: it goes to the end of the other line.
            promise = None
        long = promise or Promise(SHORT_SECONDS, self.most_values)
        return await self._decoded(data, served, long, client, is_long=True)

    def _check(self, promise: Promise) -> None:
        most = self.settings.max_seconds
        if promise.seconds > most:
            raise DecodeError(f"{promise.seconds:.0f} s of sound; this server takes {most:.0f}", code="too-long")
        if promise.values > self.most_values:
            raise DecodeError(
                f"{promise.values:,.0f} samples over all channels; this server takes {self.most_values:,}",
                code="too-large",
            )

    async def _decoded(
        self, data: bytes, served: Served, promise: Promise, client: str, *, is_long: bool
    ) -> tuple[Sound, Reservation]:
        space = self.long if is_long else self.short
        most = self.settings.max_seconds if is_long else min(SHORT_SECONDS, self.settings.max_seconds)
        values = self.most_values if is_long else min(SHORT_VALUES, self.most_values)
        seconds = min(promise.seconds, most)
        await space.take(seconds)
        reservation = Reservation(space, seconds)
        try:
            sound = await self._decoders.run(
                lambda cancelled: Decoding(data, most, values, self._isolate, cancelled, reservation).sound(served),
                values=min(promise.values, values),
                is_long=is_long,
                client=client,
            )
        except BaseException:
            reservation.release()
            raise
        reservation.keep(sound.kept)
        return sound, reservation

    async def _hear(self, served: Served, sound: Sound, language: str | None, reservation: Reservation) -> Heard:
        windows = list(sound.windows)
        starts = [window.start for window in windows]
        coming: list[asyncio.Future[Transcript]] = []
        heard: list[Transcript] = []
        try:
            for number, window in enumerate(windows):
                clip = self.batcher.hear(served, _audio(window), language, number=number)
                clip.add_done_callback(partial(_give_back, reservation, window.audio.duration))
                coming.append(clip)
            sound.windows.clear()
            doubtful: dict[int, Window] = {}
            for number, clip in enumerate(coming):
                heard.append(await clip)
                window = windows.pop(0)  # each is needed until it is heard, and no longer
                if is_doubtful(heard[-1]) and len(starts) > 1:
                    doubtful[number] = window
            for number, likely in likely_languages(heard).items():
                again = self.batcher.hear(served, _audio(doubtful[number]), likely, number=number)
                coming.append(again)
                heard[number] = replace(await again, detected_language=likely)
        finally:
            for clip in coming:
                clip.cancel()
        warned = [warning.split(":")[0] for warning in sound.warnings]
        if heard:
            whole = join(heard, starts, sound.duration)
        else:
            whole = Transcript("", language, duration=sound.duration, elapsed=0.0, flags=("silence",))
        whole = replace(whole, flags=ordered_flags([*whole.flags, *warned]))
        return Heard(whole, sound.duration, sound.kept, language)

    def _count(self, batch: Batch) -> None:
        self.audio_seconds += batch.audio_seconds
        self.model_seconds += batch.elapsed
        self._batch_done(batch)


def _audio(window: Window) -> Audio:
    assert isinstance(window.audio, Audio)
    return window.audio


def _give_back(reservation: Reservation, seconds: float, _: object) -> None:
    reservation.give_back(seconds)


def _language(served: Served, language: str | None) -> str | None:
    check: Callable[[str], str] | None = getattr(served.backend, "language_code", None)
    return language if language is None or check is None else check(language)


def _refusal(error: AsrkitError) -> Exception:
    """Which of the table's errors says it."""
    said = str(error).removeprefix("<").partition("bytes>: ")[2] or str(error)  # "<23 bytes>: not audio"
    if isinstance(error, DecodeError):
        if error.code == "too-long":
            return refused(3006, more="the audio is longer than this server takes", param="file")
        if error.code == "too-large":
            return refused(3006, more=f"the audio has more samples than this server takes ({said})", param="file")
        if error.code in ("timeout", "decoder-timeout"):
            return refused(3007)
        return refused(3010, more=said, param="file")
    if isinstance(error, OptionError):
        return refused(5006, what=said)
    if isinstance(error, OutOfMemoryError):
        return refused(3040, retry_after=5)
    return refused(3001)
