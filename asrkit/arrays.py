"""Samples that somebody decoded already -> float32 in which full scale is 1.

Integers of 8 and 16 bits say by their type what full scale is. Wider ones, and floats, are often 16-bit samples in
another type (a list of Python's ints, JSON, ``astype``), so their peak decides, without the loudest 16 samples:

====================================  =======================================
peak                                  full scale
====================================  =======================================
floats up to 8                        1: as they are, or a little beyond it
up to 1.25 x 2**15                    2**15: 16 bits
up to 1.25 x 2**23                    2**23: 24 bits
up to 1.25 x 2**31                    2**31: 32 bits
beyond                                2**63 for int64, else an error
====================================  =======================================

Whole numbers without a negative one, whose median is about half of 2**8, 2**16, 2**24 or 2**32, are unsigned samples of
that width, which have their silence there. Uint8 and uint16 are that by their type. A sound that is read as one width
too wide is 48 dB too quiet, which the speech gate and the model do not mind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DecodeError

__all__ = ["OVER", "FullScale", "by_peak", "channels_first", "full_scale", "peak_of"]

Samples = np.ndarray[Any, np.dtype[np.float32]]
Numbers = np.ndarray[Any, Any]

OVER = 8.0  # 18 dB beyond full scale: more in a float is no clipping but another full scale
SLACK = 1.25  # 2 dB beyond full scale: resampling and sums overshoot
SPIKE = 16  # samples, 1 ms: the loudest are a fault of the recording where the others are far below them
SIGNED = (15, 23, 31)  # bits of the largest value
UNSIGNED = (8, 16, 24, 32)  # bits


def channels_first(samples: Numbers) -> Numbers:
    """Shape ``(channels, n_samples)``; of two axes the shorter is taken for the channels."""
    if samples.ndim == 1:
        return samples[None]
    return samples if samples.shape[0] <= samples.shape[1] else samples.T


@dataclass(frozen=True, slots=True)
class FullScale:
    """What the numbers of a sound mean.

    Args:
        silence: the number that means silence.
        largest: how far full scale is from it.
    """

    silence: float
    largest: float

    @classmethod
    def of_type(cls, dtype: np.dtype[Any]) -> FullScale:
        """Of samples that use all of their type; 1 for floats."""
        if dtype.kind == "f":
            return cls(0.0, 1.0)
        half = float(1 << (8 * dtype.itemsize - 1))
        return cls(half if dtype.kind == "u" else 0.0, half)

    def applied(self, samples: Numbers) -> Samples:
        """Float32 in which full scale is 1."""
        if self == FullScale(0.0, 1.0):
            return samples.astype(np.float32)
        return ((samples - self.silence) / self.largest).astype(np.float32)


def full_scale(samples: Numbers) -> FullScale:
    """What the numbers mean, judged by all samples of a recording.

    Raises:
        DecodeError: ``non-finite``, no width has such samples.

    >>> full_scale(np.array([0, 9_000, -12_000]))
    FullScale(silence=0.0, largest=32768.0)
    """
    dtype = samples.dtype
    if not samples.size or (dtype.kind in "iu" and dtype.itemsize <= 2):
        return FullScale.of_type(dtype)
    low, high = float(samples.min()), float(samples.max())
    loudest = max(-low, high)
    if not np.isfinite(loudest):
        raise DecodeError("samples that are no sound: NaN or infinite", code="non-finite")
    if dtype.kind == "f" and loudest <= 1:
        return FullScale(0.0, 1.0)
    is_whole = dtype.kind != "f" or bool((np.trunc(samples) == samples).all())
    if is_whole and low >= 0 and (bits := _unsigned_bits(samples, high)):
        return FullScale(float(1 << bits - 1), float(1 << bits - 1))
    peak = peak_of(samples)
    return FullScale(0.0, 1.0) if dtype.kind == "f" and peak <= OVER else by_peak(peak, dtype)


def by_peak(peak: float, dtype: np.dtype[Any]) -> FullScale:
    """The narrowest width that holds signed samples with this peak.

    Raises:
        DecodeError: ``non-finite``, there is none.
    """
    for bits in SIGNED:
        if peak <= SLACK * (1 << bits):
            return FullScale(0.0, float(1 << bits))
    if dtype.kind in "iu":
        return FullScale.of_type(dtype)
    raise DecodeError(
        f"samples that are no sound: {dtype} with a peak of {peak:.4g}, beyond full scale of 32 bits; give int16, or "
        "floats in [-1, 1]",
        code="non-finite",
    )


def _unsigned_bits(samples: Numbers, high: float) -> int | None:
    """The width of unsigned samples, whose silence is the middle; None where they are signed."""
    middle = float(np.median(samples))
    for bits in UNSIGNED:
        half = 1 << bits - 1
        if high < 2 * half and half / 2 <= middle <= 1.5 * half:
            return bits
    return None


def peak_of(samples: Numbers) -> float:
    """Of all but the loudest samples, or of all where they are few."""
    magnitudes = np.abs(samples.reshape(-1).astype(np.float64))
    if samples.size < 100 * SPIKE:
        return float(magnitudes.max(initial=0.0))
    return float(np.partition(magnitudes, -SPIKE - 1)[-SPIKE - 1])
