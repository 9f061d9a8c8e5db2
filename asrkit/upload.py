"""A cell -> the files that a service is sent: the original where it takes it, else FLAC, cut at pauses if too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from typing import Any

import numpy as np

from .audio import Audio, Encoded, encode, load, probe, stream
from .errors import AsrkitError, DecodeError
from .isolation import Workers
from .source import ByteSource, FetchedSource, FileSource, Source, UrlSource
from .speech import Window, holds_speech, windows

__all__ = ["Upload", "uploads"]

# Others may not hear what asrkit made of these.
CHANGED = ("cancelled", "chained", "damaged", "gaps", "rate-changed", "several-tracks", "wrong-size")
MARGIN = 0.9  # of the length that should fit
MOST_CHANNELS = 8  # in a FLAC file


@dataclass(frozen=True, slots=True)
class Upload:
    """What a service takes.

    Args:
        containers: sent as they are, by FFmpeg's names; what is in others is sent as FLAC.
        max_bytes: of a file.
        keeps_channels: it hears each channel by itself, so they are not mixed.
    """

    containers: frozenset[str]
    max_bytes: int
    keeps_channels: bool = False


def uploads(
    source: Source,
    upload: Upload,
    longest: float,
    *,
    start: float = 0.0,
    end: float | None = None,
    channel: int | None = None,
    track: int | str | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    gate: bool = False,
    heard: Callable[[Audio], None] = lambda block: None,
    isolate: bool | Workers = False,
) -> Iterator[Window]:
    """The parts of one recording, in order, each an ``Encoded``.

    Everything is decoded here, so that what is broken costs no request, its true length is known before anything is
    paid, and what was lost on the way is said.

    Args:
        source: the recording.
        upload: what the service takes.
        longest: seconds of the longest file it takes.
        start: first second wanted.
        end: second to stop before.
        channel: take this one instead of leaving the mixing to the service.
        track: take this audio track.
        format: what files without any header are, see ``asrkit.audio.load``; they are sent as FLAC.
        gate: send nothing where nobody speaks.
        heard: called with each decoded block.
        isolate: as ``asrkit.audio.load``.

    Raises:
        SourceError, DecodeError: as ``asrkit.audio.stream``.
    """
    listen: dict[str, Any] = {"track": track, "format": format, "isolate": isolate}
    is_whole = start == 0 and end is None and channel is None and track is None and format is None
    data = _bytes_of(source, upload.max_bytes) if is_whole else None
    given = source if data is None else ByteSource(data)
    channels = _channels(given, listen) if upload.keeps_channels and channel is None else 1

    def encoded(window: Window) -> Encoded:
        assert isinstance(window.audio, Audio)
        if channels == 1:
            return encode(window.audio)
        return _encode_channels(given, window.audio, start + window.start, channels, listen)

    blocks = _told(stream(given, start=start, end=end, channel=channel, **listen), heard)
    first: list[Audio] = []
    seconds = 0.0
    for block in blocks:
        first.append(block)
        seconds += block.duration
        if seconds > longest:
            yield from _encoded(windows(chain(first, blocks), longest, gate=gate), upload.max_bytes, encoded)
            return
    whole = Audio(np.concatenate([block.samples for block in first]), warnings=first[-1].warnings)
    if gate and not holds_speech(whole.samples):
        return
    original = None if data is None else _original(data, whole, upload, isolate)
    if original is not None:
        yield Window(original, 0.0)
    else:
        yield from _encoded(iter([Window(whole, 0.0)]), upload.max_bytes, encoded)


def _bytes_of(source: Source, most: int) -> bytes | None:
    """The file as it is, unless it is too large or no file."""
    if isinstance(source, ByteSource):
        return source.data if len(source.data) <= most else None
    if not isinstance(source, FileSource | UrlSource | FetchedSource):
        return None
    with source.open() as file:
        data = file.read(most + 1)
    return data if len(data) <= most else None


def _told(blocks: Iterator[Audio], heard: Callable[[Audio], None]) -> Iterator[Audio]:
    for block in blocks:
        heard(block)
        yield block


def _original(data: bytes, whole: Audio, upload: Upload, isolate: bool | Workers) -> Encoded | None:
    """The file itself, where the service takes it and hears in it what asrkit hears."""
    changed = [name for name in CHANGED if not (upload.keeps_channels and name == "cancelled")]
    if any(warning.startswith(tuple(changed)) for warning in whole.warnings):
        return None
    try:
        info = probe(data, isolate=isolate)
    except AsrkitError:
        return None
    if info.format not in upload.containers or info.has_video or info.tracks > 1:
        return None
    return Encoded(data, info.format, whole.duration, whole.warnings, info.channels)


def _channels(source: Source, listen: Mapping[str, Any]) -> int:
    try:
        return probe(source, **listen).channels
    except AsrkitError:  # what is wrong with it is said where it is decoded
        return 1


def _encode_channels(source: Source, mix: Audio, start: float, channels: int, listen: Mapping[str, Any]) -> Encoded:
    """The stretch of a recording that a mix is of, its channels side by side, as FLAC.

    Raises:
        DecodeError: it has more channels than a FLAC file can hold.
    """
    if channels > MOST_CHANNELS:
        raise DecodeError(
            f"{channels} channels, and a request holds {MOST_CHANNELS}; name one with channel=, or leave out "
            "multichannel",
            code="too-many-channels",
        )
    import soundfile

    samples = np.zeros((len(mix.samples), channels), np.float32)
    for number in range(channels):
        own = load(source, start=start, end=start + mix.duration, channel=number, **listen).samples
        samples[: len(own), number] = own[: len(samples)]
    file = BytesIO()
    soundfile.write(file, np.clip(samples, -1.0, 1.0), mix.sampling_rate, "PCM_16", format="FLAC")
    return Encoded(file.getvalue(), "flac", mix.duration, mix.warnings, channels)


def _encoded(cut: Iterator[Window], most: int, encoder: Callable[[Window], Encoded]) -> Iterator[Window]:
    """As FLAC; what does not fit is cut again."""
    for window in cut:
        assert isinstance(window.audio, Audio)
        file = encoder(window)
        if len(file.data) <= most:
            yield Window(file, window.start)
            continue
        longest = MARGIN * window.audio.duration * most / len(file.data)
        if longest < 1.0:
            raise DecodeError(f"one second of it has over {most:,} bytes, the limit of a request", code="too-large")
        parts = windows([window.audio], longest, gate=False)
        yield from _encoded((Window(part.audio, window.start + part.start) for part in parts), most, encoder)
