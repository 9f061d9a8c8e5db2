"""Cells of audio -> what a page needs to play and to draw them.

A page gets WAV with 16 bits at 16 kHz: every browser plays it, and seeking in it is exact. Of a long recording it gets
a window at a time, so an hour opens as fast as a minute.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..audio import SAMPLING_RATE, Audio, Samples, encode, load, probe, stream
from ..errors import DecodeError, OptionError
from ..source import ArraySource, UrlSource, is_missing, locate

__all__ = ["LONG", "WINDOW", "Clip", "Clips", "Mel", "Overview", "Sound", "mel", "peaks"]

LONG = 300.0  # seconds; 9.6 MB of WAV. Longer recordings go to the page in windows ...
WINDOW = 60.0  # ... of so many seconds, 1.9 MB ...
OVERLAP = 1.0  # ... and so many more, so that the next can be taken up without a gap
BINS = 2_000  # of peaks: one for each pixel of a wide screen
BYTES = 64 * 2**20  # of WAV that are kept
LISTENED = 120.0  # seconds of a long recording that one answer looks through, so that no other waits for long
MELS = 80  # bands, as Whisper has them
COLUMNS = 1_500  # of a spectrogram at most
MEL_RANGE = 80.0  # decibels below the loudest that still have a shade
Int8: TypeAlias = "np.ndarray[Any, np.dtype[np.int8]]"


@dataclass(frozen=True, slots=True)
class Sound:
    """One clip: a cell of audio, or a stretch of it. ``start`` and ``end`` are in seconds, ``channel`` is from 0."""

    cell: object
    start: float | None = None
    end: float | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A stretch of a clip, ready to be played.

    Args:
        wav: the sound, a whole file.
        peaks: lowest and highest sample in turn, full scale is 127, shape ``(2 * bins,)``.
        start: second of the clip at which it begins.
        end: second at which it ends.
        duration: of the whole clip, in seconds.
        warnings: as in ``Audio``.
    """

    wav: bytes
    peaks: Int8
    start: float
    end: float
    duration: float
    warnings: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the clip is missing."""
        return self.start == 0.0 and self.end >= self.duration


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """Peaks of a long recording, as far as it was looked through: up to second ``until``."""

    peaks: Int8
    until: float
    duration: float
    is_done: bool


@dataclass(frozen=True, slots=True, eq=False)
class Mel:
    """A mel spectrogram: shape ``(bands, columns)``, lowest band first, 255 is the loudest, 0 is 80 dB below it."""

    values: np.ndarray[Any, np.dtype[np.uint8]]
    start: float
    end: float


class Clips:
    """The sounds of a widget by their item ids; what was encoded is kept, up to 64 MB.

    >>> clips = Clips({"a": Sound((np.zeros(8_000), 8_000))}.__getitem__)
    >>> clip = clips.clip("a")
    >>> clip.duration, clip.wav[:4], clip.is_whole
    (1.0, b'RIFF', True)
    """

    def __init__(self, sound_of: Callable[[Any], Sound], *, keep: int = BYTES) -> None:
        self._sound_of = sound_of
        self._keep = keep
        self._kept: OrderedDict[tuple[Any, int], Clip] = OrderedDict()
        self._durations: dict[Any, float] = {}
        self._fetched: tuple[str, bytes] | None = None
        self._scan: tuple[Any, _Scan] | None = None

    def clip(self, item: Any, at: float = 0.0) -> Clip:
        """The clip, or of a long one the window in which second ``at`` lies.

        Raises:
            SourceError, DecodeError: there is no sound, and why.
        """
        duration = self.duration(item)
        number = 0 if duration <= LONG else int(min(max(at, 0.0), max(duration - 0.001, 0.0)) // WINDOW)
        key = (item, number)
        if key not in self._kept:
            self._kept[key] = self._encoded(item, duration, number)
            while len(self._kept) > 1 and sum(len(clip.wav) for clip in self._kept.values()) > self._keep:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def duration(self, item: Any) -> float:
        """In seconds; where no header tells it, the sound is heard once to find it out."""
        if item not in self._durations:
            sound = self._sound(item)
            told = probe(sound.cell).duration
            if told is None or (sound.end is None and not math.isfinite(told)):
                told = sum(block.duration for block in stream(sound.cell, channel=sound.channel))
            end = told if sound.end is None else min(sound.end, told)
            start = sound.start or 0.0
            if end <= start:
                raise DecodeError(
                    f"no sound in it: the stretch begins at {start} s, the sound ends at {told:.2f} s", code="empty"
                )
            self._durations[item] = end - start
        return self._durations[item]

    def overview(self, item: Any) -> Overview:
        """Peaks of the whole; of a long recording each call looks through two minutes more, until ``is_done``."""
        duration = self.duration(item)
        if self._scan is None or self._scan[0] != item:
            sound = self._sound(item)
            blocks = stream(sound.cell, start=sound.start, end=sound.end, channel=sound.channel, block_seconds=10.0)
            self._scan = (item, _Scan(blocks, duration))
        return self._scan[1].advance()

    def mel(self, item: Any, start: float = 0.0, end: float | None = None) -> Mel:
        """The mel spectrogram of a stretch, at most a window long."""
        duration = self.duration(item)
        start = min(max(start, 0.0), max(duration - 0.1, 0.0))
        longest = LONG if duration <= LONG else WINDOW + OVERLAP
        end = min(duration, start + longest, math.inf if end is None else end)
        audio = self._loaded(item, start, end)
        return Mel(mel(audio.samples), start, start + audio.duration)

    def _sound(self, item: Any) -> Sound:
        sound = self._sound_of(item)
        if is_missing(sound.cell):
            raise DecodeError("this row has no audio: its cell is missing", code="empty")
        source = locate(sound.cell)
        if isinstance(source, UrlSource):  # fetched once, not for every window
            if self._fetched is None or self._fetched[0] != source.url:
                with source.open() as file:
                    self._fetched = (source.url, file.read())
            return Sound(self._fetched[1], sound.start, sound.end, sound.channel)
        if isinstance(source, ArraySource) and sound.start is None and sound.end is None:
            return sound
        return sound

    def _encoded(self, item: Any, duration: float, number: int) -> Clip:
        start = number * WINDOW
        is_long = duration > LONG
        end = min(duration, start + WINDOW + OVERLAP) if is_long else duration
        audio = self._loaded(item, start, end if is_long else None)
        end = start + audio.duration
        if not is_long or number == int(duration // WINDOW):  # headers may promise more or less than there is
            duration = self._durations[item] = end
        return Clip(encode(audio, "wav").data, peaks(audio.samples, BINS), start, end, duration, audio.warnings)

    def _loaded(self, item: Any, start: float, end: float | None) -> Audio:
        """A stretch of the clip; times count from the clip's own start."""
        sound = self._sound(item)
        offset = sound.start or 0.0
        first = offset + start
        last = sound.end if end is None else offset + end
        return load(sound.cell, start=first or None, end=last, channel=sound.channel)


class _Scan:
    """Peaks of a recording that is looked through step by step."""

    def __init__(self, blocks: Iterator[Audio], duration: float) -> None:
        self._blocks = blocks
        self._duration = duration
        self._size = max(1, math.ceil(duration * SAMPLING_RATE / BINS))  # samples a bin
        self._rest: Samples = np.empty(0, np.float32)
        self._found: list[Int8] = []
        self._heard = 0
        self._is_done = False

    def advance(self) -> Overview:
        target = self._heard + LISTENED * SAMPLING_RATE
        while not self._is_done and self._heard < target:
            block = next(self._blocks, None)
            if block is None:
                self._is_done = True
                if len(self._rest):
                    self._found.append(peaks(self._rest, 1))
                break
            self._heard += len(block.samples)
            samples = np.concatenate([self._rest, block.samples]) if len(self._rest) else block.samples
            whole = len(samples) // self._size
            if whole:
                self._found.append(peaks(samples[: whole * self._size], whole))
            self._rest = samples[whole * self._size :].copy()
        found = np.concatenate(self._found) if self._found else np.empty(0, np.int8)
        until = self._duration if self._is_done else self._heard / SAMPLING_RATE
        return Overview(found, until, self._duration, self._is_done)


def peaks(samples: Samples, bins: int) -> Int8:
    """Lowest and highest sample of each bin in turn; full scale is 127. Fewer bins where there are fewer samples.

    >>> peaks(np.array([0, 0.5, -1, 1], np.float32), 2)
    array([   0,   64, -127,  127], dtype=int8)
    """
    bins = max(1, min(bins, len(samples)))
    if not len(samples):
        return np.zeros(2, np.int8)
    edges = (np.arange(bins) * len(samples)) // bins
    both = np.stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)], axis=1)
    found: Int8 = np.rint(np.clip(both, -1.0, 1.0) * 127).astype(np.int8).ravel()
    return found


def mel(samples: Samples) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The mel spectrogram of a sound at 16 kHz as shades, shape ``(80, columns)``; at most 1,500 columns.

    A column is 10 ms wide, or wider in a longer sound.
    """
    import torch

    if len(samples) == 0:
        raise OptionError("there is no spectrogram of no sound")
    hop = max(160, math.ceil(len(samples) / COLUMNS))
    window = max(400, 2 ** math.ceil(math.log2(hop)))  # 25 ms, or so much that no sample is left out
    size = max(512, window)
    padded = torch.from_numpy(np.pad(samples, (0, max(0, size - len(samples)))))
    spectrum = torch.stft(padded, size, hop, window, torch.hann_window(window), return_complex=True)
    power = _mel_filters(size // 2 + 1) @ spectrum.abs().square().numpy()
    loud = 10.0 * np.log10(np.maximum(power, 1e-10))
    shades: np.ndarray[Any, np.dtype[np.uint8]] = np.clip(
        255.0 * (1.0 + (loud - loud.max()) / MEL_RANGE), 0.0, 255.0
    ).astype(np.uint8)
    return shades


def _mel_filters(bins: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Triangles from 20 Hz to 8 kHz on HTK's mel scale, 2595 log10(1 + f / 700); shape ``(80, bins)``.

    Those of torchaudio's ``melscale_fbanks``, which imports only beside the releases of torch that it was built for.
    """
    low, high = (2_595.0 * math.log10(1.0 + hertz / 700.0) for hertz in (20.0, 8_000.0))
    edges = 700.0 * (10.0 ** (np.linspace(low, high, MELS + 2) / 2_595.0) - 1.0)
    hertz = np.linspace(0.0, SAMPLING_RATE / 2, bins)
    widths = np.diff(edges)[:, None]
    rising = (hertz - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - hertz) / widths[1:]
    filters: np.ndarray[Any, np.dtype[np.float64]] = np.maximum(0.0, np.minimum(rising, falling))
    return filters
