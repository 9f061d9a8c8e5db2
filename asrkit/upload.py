"""A cell -> the files that a service is sent: the original where it takes it, else FLAC, cut at pauses if too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from .audio import Audio, Encoded, encode, probe, stream
from .errors import AsrkitError, DecodeError
from .isolation import Workers
from .source import ByteSource, FetchedSource, FileSource, Source, UrlSource
from .speech import SpeechDetector, Window, windows

__all__ = ["Upload", "uploads"]

CHANGED = ("cancelled", "chained", "damaged", "gaps", "rate-changed")  # others may not hear what asrkit made of these
NO_SPEECH = 0.4  # no frame reaches it: nobody speaks
MARGIN = 0.9  # of the length that should fit


@dataclass(frozen=True, slots=True)
class Upload:
    """What a service takes.

    Args:
        containers: sent as they are, by FFmpeg's names; what is in others is sent as FLAC.
        max_bytes: of a file.
    """

    containers: frozenset[str]
    max_bytes: int


def uploads(
    source: Source,
    upload: Upload,
    longest: float,
    *,
    start: float = 0.0,
    end: float | None = None,
    channel: int | None = None,
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
        format: what files without any header are, see ``asrkit.audio.load``; they are sent as FLAC.
        gate: send nothing where nobody speaks.
        heard: called with each decoded block.
        isolate: as ``asrkit.audio.load``.

    Raises:
        SourceError, DecodeError: as ``asrkit.audio.stream``.
    """
    is_whole = start == 0 and end is None and channel is None and format is None
    data = _bytes_of(source, upload.max_bytes) if is_whole else None
    given = source if data is None else ByteSource(data)
    blocks = _told(stream(given, start=start, end=end, channel=channel, format=format, isolate=isolate), heard)
    first: list[Audio] = []
    seconds = 0.0
    for block in blocks:
        first.append(block)
        seconds += block.duration
        if seconds > longest:
            yield from _encoded(windows(chain(first, blocks), longest, gate=gate), upload.max_bytes)
            return
    whole = Audio(np.concatenate([block.samples for block in first]), warnings=first[-1].warnings)
    if gate and SpeechDetector()(whole.samples).max() < NO_SPEECH:
        return
    original = None if data is None else _original(data, whole, upload, isolate)
    if original is not None:
        yield Window(original, 0.0)
    else:
        yield from _encoded(iter([Window(whole, 0.0)]), upload.max_bytes)


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
    if any(warning.startswith(CHANGED) for warning in whole.warnings):
        return None
    try:
        info = probe(data, isolate=isolate)
    except AsrkitError:
        return None
    if info.format not in upload.containers or info.has_video:
        return None
    return Encoded(data, info.format, whole.duration, whole.warnings)


def _encoded(cut: Iterator[Window], most: int) -> Iterator[Window]:
    """As FLAC; what does not fit is cut again."""
    for window in cut:
        assert isinstance(window.audio, Audio)
        file = encode(window.audio)
        if len(file.data) <= most:
            yield Window(file, window.start)
            continue
        longest = MARGIN * window.audio.duration * most / len(file.data)
        if longest < 1.0:
            raise DecodeError(f"one second of it has over {most:,} bytes, the limit of a request", code="too-large")
        for part in _encoded(windows([window.audio], longest, gate=False), most):
            yield Window(part.audio, window.start + part.start)
