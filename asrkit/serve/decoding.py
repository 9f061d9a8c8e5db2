"""One file: bytes -> sound, cut into what the model takes, within limits and only as long as somebody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ..audio import Audio, stream
from ..errors import DecodeError
from ..isolation import Workers
from ..speech import Window, windows
from .answers import refused
from .batcher import Served
from .decoders import Reservation

__all__ = ["Decoding", "Sound"]

GROWTH = 1.03  # by which an array for more and more sound is larger than what is in it
Samples = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A file's sound, cut into windows; ``kept`` is the seconds in them."""

    windows: list[Window]
    duration: float
    kept: float
    warnings: tuple[str, ...]


class Decoding:
    """One file on its way from bytes to windows, in a thread.

    Args:
        data: the file.
        most: seconds that it may have.
        values: samples over all channels that it may have.
        isolate: as ``asrkit.audio.stream``.
        cancelled: set when nobody waits for it any more.
        reservation: of seconds in memory.
    """

    def __init__(
        self,
        data: bytes,
        most: float,
        values: int,
        isolate: bool | Workers,
        cancelled: threading.Event,
        reservation: Reservation,
    ) -> None:
        self.cancelled, self.reservation = cancelled, reservation
        self.seconds = 0.0
        self.warnings: tuple[str, ...] = ()
        self._stream = stream(
            data,
            max_seconds=most,
            max_values=values,
            isolate=isolate,
            is_wanted=lambda: not cancelled.is_set(),
        )

    def blocks(self) -> Iterator[Audio]:
        """The sound, each block counted before it is kept."""
        for block in self._stream:
            self.seconds += block.duration
            self.warnings = block.warnings
            if self.cancelled.is_set():
                raise DecodeError("nobody waits for it any more", code="unwanted")
            if not self.reservation.reach(self.seconds):
                raise refused(3040, retry_after=10, more="there is no room for long recordings just now")
            yield block

    def sound(self, served: Served) -> Sound:
        """All of it, cut into what the model takes."""
        limit = np.inf if served.longest is None else served.longest
        blocks = self.blocks()
        first: list[Audio] = []
        if not served.gate and limit < np.inf:
            for block in blocks:
                first.append(block)
                if self.seconds > limit:
                    break
        if served.gate or self.seconds > limit:
            cut = list(windows(chain(first, blocks), limit, gate=served.gate))
        else:
            cut = [Window(Audio(_joined(chain(first, blocks))), 0.0)]
        return Sound(cut, self.seconds, sum(window.audio.duration for window in cut), self.warnings)


def _joined(blocks: Iterable[Audio]) -> Samples:
    """One array, which grows in place: there is no second copy of hours of sound."""
    whole, length = np.empty(0, np.float32), 0
    for block in blocks:
        if not length:
            whole = block.samples
        else:
            if length + len(block.samples) > len(whole):
                whole = whole if whole.flags.owndata else whole.copy()
                whole.resize(int(GROWTH * (length + len(block.samples))), refcheck=False)  # fills with zeros
            whole[length : length + len(block.samples)] = block.samples
        length += len(block.samples)
    return whole[:length]
