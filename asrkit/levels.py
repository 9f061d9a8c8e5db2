"""Loudness: a copy of the sound in which everything is about equally loud, and how quiet a recording is.

The copy is for judging where speech is. A recording may be 60 dB too quiet, lie on a constant offset, or hold a loud
voice beside a distant one; none of that makes speech less likely.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Gains", "Leveller", "Loudness"]

Samples = np.ndarray[Any, np.dtype[np.float32]]

Gains = np.ndarray[Any, np.dtype[np.float64]]

FRAME = 512  # samples at 16 kHz, 32 ms: one level each
HALF = 80  # samples, 5 ms: the mean over twice that is taken away, twice; what is left is above about 80 Hz
REACH = 31  # frames, 1 s: the loudest within that distance sets the gain of a frame
TARGET = -26.0  # dB, RMS of the loudest frames in the copy
FAINTEST = -100.0  # dB, RMS; what is fainter is not raised further
VERY_QUIET = -55.0  # dB, RMS of the loudest frame; of 16 bits about 8 are used then


class Leveller:
    """A stream of samples at 16 kHz -> the same without offset and rumble, at one level.

    What comes out lags by about a second; ``finish`` gives the rest. It does not depend on how the stream is cut.

    >>> leveller = Leveller()
    >>> quiet = 1e-4 * np.sin(np.arange(32_000)).astype(np.float32)
    >>> (first, _), (rest, gains) = leveller.push(quiet), leveller.finish()
    >>> len(first) + len(rest), round(float(rest.std()), 2), round(float(gains[0]))
    (32000, 0.05, 57)
    """

    def __init__(self) -> None:
        self._sound: Samples | None = None  # the end of what came, which the filter needs again
        self._filtered = np.empty(0, np.float32)  # waits for its gain
        self._levels = np.empty(0)  # RMS of frames: those of the last second that are out, then those that wait
        self._out = 0  # how many levels are of frames that are out
        self._gain: float | None = None  # dB, at the end of what is out

    def push(self, samples: Samples) -> tuple[Samples, Gains]:
        """Whole frames of the copy, as far as what follows them is known, and the gain of each in dB."""
        if len(samples):
            if self._sound is None:
                self._sound = np.full(2 * HALF, samples[0], np.float32)
            self._filter(samples)
            self._measure(len(self._filtered) // FRAME)
        return self._take(max(0, len(self._levels) - self._out - REACH) * FRAME)

    def finish(self) -> tuple[Samples, Gains]:
        """The rest."""
        if self._sound is not None:
            self._filter(np.full(2 * HALF, self._sound[-1], np.float32))
            self._measure(-(-len(self._filtered) // FRAME))
        return self._take(len(self._filtered))

    def _filter(self, samples: Samples) -> None:
        assert self._sound is not None
        sound = np.concatenate([self._sound, samples])
        self._sound = sound[-4 * HALF :]
        if len(sound) > 4 * HALF:
            self._filtered = np.concatenate([self._filtered, _above_rumble(_above_rumble(sound))])

    def _measure(self, frames: int) -> None:
        """Levels of the first ``frames`` that wait; a last one may be shorter."""
        known = len(self._levels) - self._out
        waiting = self._filtered[known * FRAME : frames * FRAME].astype(np.float64)
        squares = np.zeros((frames - known) * FRAME)
        squares[: len(waiting)] = waiting**2
        self._levels = np.append(self._levels, np.sqrt(squares.reshape(-1, FRAME).mean(axis=1)))

    def _take(self, count: int) -> tuple[Samples, Gains]:
        """``count`` samples off the front, each frame with the gain of the loudest one around it."""
        if not count:
            return np.empty(0, np.float32), np.empty(0)
        frames = -(-count // FRAME)
        padded = np.pad(self._levels, (REACH - self._out, REACH))
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1)[:frames].max(axis=1)
        gains = TARGET - np.maximum(20 * np.log10(np.maximum(around, 1e-10)), FAINTEST)
        edges = np.concatenate([[gains[0] if self._gain is None else self._gain], gains])
        ramp = np.interp(np.arange(count) / FRAME, np.arange(frames + 1), edges)
        levelled: Samples = (self._filtered[:count] * 10 ** (ramp / 20)).astype(np.float32)
        self._gain = float(gains[-1])
        self._filtered = self._filtered[count:]
        done = self._out + frames
        self._out = min(done, REACH)
        self._levels = self._levels[done - self._out :]
        return levelled, gains


class Loudness:
    """How loud the loudest frame of a stream is, without offset and rumble.

    >>> loudness = Loudness()
    >>> loudness.push(1e-4 * np.sin(np.arange(32_000)).astype(np.float32) + 0.5)
    >>> round(loudness.decibels), loudness.is_very_quiet
    (-83, True)
    """

    def __init__(self) -> None:
        self._loudest = 0.0

    def push(self, samples: Samples) -> None:
        """Listen to consecutive samples."""
        if len(samples) < FRAME + 4 * HALF:
            return
        filtered = _above_rumble(_above_rumble(samples))
        frames = filtered[: len(filtered) // FRAME * FRAME].reshape(-1, FRAME)
        self._loudest = max(self._loudest, float(np.einsum("fn,fn->f", frames, frames).max() / FRAME))

    @property
    def decibels(self) -> float:
        """RMS, where full scale is 0; -inf for silence."""
        return float(10 * np.log10(self._loudest)) if self._loudest > 0 else -np.inf

    @property
    def is_very_quiet(self) -> bool:
        """Whether there is sound, all of it very quiet."""
        return -120 < self.decibels < VERY_QUIET  # below are the rounding errors of silence with an offset


def _above_rumble(sound: Samples) -> Samples:
    """Each sample less the mean of those around it; ``HALF`` fewer at each end."""
    sums = np.cumsum(np.concatenate([[0.0], sound]), dtype=np.float64)
    width = 2 * HALF + 1
    means = (sums[width:] - sums[:-width]) / width
    filtered: Samples = (sound[HALF:-HALF] - means).astype(np.float32)
    return filtered
