"""Each channel of a recording as a voice of its own: which channels to hear, and their texts as turns in time order."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .audio import Audio, Samples, probe, stream
from .errors import AsrkitError, DecodeError, OptionError
from .transcript import Segment, Transcript, Word, join, spaced

if TYPE_CHECKING:
    from .backends.base import Backend
    from .isolation import Workers
    from .source import Source

__all__ = [
    "EACH",
    "channel_argument",
    "checked_channel",
    "distinct_channels",
    "in_turns",
    "named",
    "naming",
    "with_word_times",
]

EACH = "each"
MOST_CHANNELS = 8
SILENT = 2 / 32_768  # a channel that never goes beyond it (two steps of 16 bits, -84 dB) holds nothing
# Compared are 100 values per second, each the mean of 20 samples (1.25 ms): the low frequencies, where lossy codecs
# keep the phase between channels.
STRIDE, MEAN = 160, 20
BLOCK = 100  # values, one second: two channels are the same if they are in each second
SAME = 0.98  # correlation in a second; lossy codecs keep more of it, two voices have hardly any
AUDIBLE = 0.03  # of the loudest second (-30 dB); in quieter ones a codec's own noise is compared
PAUSE = 1.0  # seconds from the start of a word to that of the next, in which another voice may have its turn


def checked_channel(channel: object) -> None:
    """Whether a channel can be meant.

    Raises:
        OptionError: it is neither a number, nor ``"each"``, nor None.
    """
    is_number = isinstance(channel, int) and not isinstance(channel, bool)
    if not (channel is None or channel == EACH or is_number):
        raise OptionError(f"expected channel to be a number (from 0), 'each' or None, got {channel!r}")


def channel_argument(text: str) -> int | str:
    """A channel as the shell has it.

    >>> channel_argument("1"), channel_argument("each")
    (1, 'each')
    """
    return text if text == EACH else int(text)


def with_word_times(backend: Backend) -> Backend:
    """The same backend, but with the times of words if it was not told which times to give: turns need them."""
    timed = getattr(backend, "with_word_times", None)
    return backend if timed is None else timed()


# -- which channels ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Print:
    """What a channel is compared by: some of its sound, and its peak."""

    samples: Samples
    peak: float

    def is_same(self, other: _Print) -> bool:
        """Whether both are the same sound from beginning to end, in phase or out of it, at whatever level."""
        count = min(len(self.samples), len(other.samples))
        mine, others = _seconds(self.samples[:count]), _seconds(other.samples[:count])
        my_level, other_level = np.linalg.norm(mine, axis=1), np.linalg.norm(others, axis=1)
        audible = (my_level > AUDIBLE * my_level.max()) | (other_level > AUDIBLE * other_level.max())
        products = np.abs(np.einsum("bn,bn->b", mine, others))
        is_alike = (products >= SAME * my_level * other_level) & (my_level > 0) & (other_level > 0)
        return bool(audible.any() and is_alike[audible].all())


def _seconds(samples: Samples) -> Samples:
    """A row for each second, the last filled up with zeros."""
    padded = np.zeros(max(1, -(-len(samples) // BLOCK)) * BLOCK, np.float32)
    padded[: len(samples)] = samples
    return padded.reshape(-1, BLOCK)


def distinct_channels(
    source: Source,
    *,
    start: float = 0.0,
    end: float | None = None,
    track: int | str | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    isolate: bool | Workers = False,
) -> list[int]:
    """The channels that are worth hearing: silent ones are left out, and of several with the same sound all but one.

    At least one is left. Of channels with the same sound, in phase or out of it, at whatever level, the loudest stays.

    Raises:
        SourceError, DecodeError: as ``asrkit.audio.stream``; ``too-many-channels`` for more than 8.
    """
    listen = partial(stream, source, start=start, end=end, track=track, format=format, isolate=isolate)
    count = _channel_count(probe(source, track=track, format=format, isolate=isolate).channels, listen)
    if count == 1:
        return [0]
    prints: dict[int, _Print] = {}
    for channel in range(count):
        with naming(channel):
            own = _print(listen(channel=channel))
        same = next((other for other, print_ in prints.items() if print_.is_same(own)), None)
        if same is None:
            prints[channel] = own
        elif own.peak > 2 * prints[same].peak:
            del prints[same]
            prints[channel] = own
    return sorted(channel for channel, own in prints.items() if own.peak > SILENT) or [0]


def _channel_count(promised: int, listen: Callable[..., Iterator[Audio]]) -> int:
    """As the decoder gives them: some headers promise fewer channels (AAC with parametric stereo)."""
    if promised > MOST_CHANNELS:
        raise DecodeError(
            f"it has {promised} channels; channel='each' hears at most {MOST_CHANNELS}: name one by its number",
            code="too-many-channels",
        )
    for channel in range(1, MOST_CHANNELS):
        blocks = listen(channel=channel, block_seconds=1.0)
        try:
            next(blocks, None)
        except DecodeError as error:
            if error.code == "no-channel":
                return channel
            raise
        finally:
            blocks.close()  # type: ignore[attr-defined]  # a generator
    return MOST_CHANNELS


def _print(blocks: Iterator[Audio]) -> _Print:
    kept: list[Samples] = []
    peak = 0.0
    for block in blocks:
        whole = len(block.samples) // STRIDE * STRIDE
        kept.append(block.samples[:whole].reshape(-1, STRIDE)[:, :MEAN].mean(axis=1))
        peak = max(peak, float(np.abs(block.samples).max(initial=0.0)))
    return _Print(np.concatenate(kept) if kept else np.empty(0, np.float32), peak)


@contextmanager
def naming(channel: int | None) -> Iterator[None]:
    """Errors say in which channel they came."""
    try:
        yield
    except AsrkitError as error:
        raise named(error, channel) from error


def named(error: AsrkitError, channel: int | None) -> AsrkitError:
    """The same error, saying in which channel it came."""
    if channel is None:
        return error
    told = copy.copy(error)
    told.args = (f"channel {channel}: {error}",)
    return told


# -- turns -------------------------------------------------------------------------------------------------------


def in_turns(channels: Mapping[int, Transcript], duration: float) -> Transcript:
    """What was said in each channel, as one transcript whose segments follow one another in time.

    A segment is cut where its voice pauses and another one speaks, if its words have times. Segments of two voices that
    speak at once overlap.

    Args:
        channels: the transcript of each channel.
        duration: of the recording, in seconds.

    >>> caller = Transcript("Hello? Yes.", segments=(Segment("Hello?", 0.0, 1.0), Segment("Yes.", 4.0, 5.0)))
    >>> agent = Transcript("How can I help?", segments=(Segment("How can I help?", 1.5, 3.5),))
    >>> whole = in_turns({0: caller, 1: agent}, 5.0)
    >>> whole.text, [segment.channel for segment in whole.segments]
    ('Hello? How can I help? Yes.', [0, 1, 0])
    """
    middles = {channel: _middles(transcript.segments) for channel, transcript in channels.items()}
    segments: list[Segment] = []
    for channel, transcript in channels.items():
        others = [own for other, own in middles.items() if other != channel]
        spoken = np.sort(np.concatenate(others)) if others else np.empty(0)
        for segment in transcript.segments:
            words = tuple(replace(word, channel=channel) for word in segment.words)
            segments += _cut(replace(segment, words=words, channel=channel), spoken)
    segments.sort(key=lambda segment: (segment.start, segment.channel))
    whole = join(list(channels.values()), [0.0] * len(channels), duration)
    return replace(whole, text=spaced(segment.text.strip() for segment in segments), segments=tuple(segments))


def _middles(segments: Sequence[Segment]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """When a voice speaks: the middle of each word, or of each segment without words."""
    timed: list[Word | Segment] = []
    for segment in segments:
        timed += segment.words or (segment,)
    return np.array([(one.start + one.end) / 2 for one in timed], dtype=float)


def _cut(segment: Segment, others: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[Segment]:
    """A segment as its turns. The end of a word says little: it may reach over the pause to the next."""
    groups: list[list[Word]] = []
    for word in segment.words:
        if groups:
            before = groups[-1][-1].start
            speaks = np.searchsorted(others, before) < np.searchsorted(others, word.start)
            if word.start - before < PAUSE or not speaks:
                groups[-1].append(word)
                continue
        groups.append([word])
    if not groups:
        return [segment]
    if len(groups) == 1:
        return [replace(segment, start=groups[0][0].start, end=groups[0][-1].end)]
    return [
        replace(
            segment,
            text=spaced(word.word for word in group),
            start=group[0].start,
            end=group[-1].end,
            words=tuple(group),
        )
        for group in groups
    ]
