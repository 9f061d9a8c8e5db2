"""Which of several audio tracks is heard: the one that was asked for, else the default one, else one with sound."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .arrays import FullScale
from .errors import DecodeError, OptionError
from .frames import frame_samples, set_plain_layout, settle
from .language_codes import main_code

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

__all__ = ["Track", "checked_track", "find_sound", "listed", "order", "position", "track_option"]

Track = int | str  # counted from 0 among the audio tracks, or a language such as "eng"

# Half of the distance from the lowest to the highest sample of a frame without sound, at most: decoders of WMA make
# up to -66 dB of digital silence.
SILENT = 10 ** (-63 / 20)
PATIENCE = 20.0  # seconds of looking for sound; a track that is silent until then counts as silent


def checked_track(track: Track | None) -> Track | None:
    """The track; a number as text becomes a number.

    Raises:
        OptionError: it names no track.
    """
    is_number = isinstance(track, int) and not isinstance(track, bool) and track >= 0
    if isinstance(track, str) and track.strip():
        return track_option(track.strip())
    if track is None or is_number:
        return track
    raise OptionError(f"expected track= as a number from 0 or a language such as 'eng', got {track!r}")


def track_option(text: str) -> Track:
    """As a shell has it: a number, or a language.

    >>> track_option("1"), track_option("eng")
    (1, 'eng')
    """
    return int(text) if text.isascii() and text.isdigit() else text


def position(track: Track, languages: Sequence[str | None]) -> int:
    """Where the wanted track is.

    Args:
        track: a number or a language.
        languages: one per audio track, None if unknown.

    Raises:
        DecodeError: ``no-track``.

    >>> position("de", [None, "eng", "ger"])
    2
    """
    if isinstance(track, int):
        if track < len(languages):
            return track
    else:
        wanted = main_code(track)
        for number, language in enumerate(languages):
            if language is not None and main_code(language) == wanted:
                return number
    held = ", ".join(f"{number} ({language or 'no language'})" for number, language in enumerate(languages))
    raise DecodeError(f"there is no audio track {track!r}: the file has {held}", code="no-track")


def listed(container: InputContainer) -> list[AudioStream]:
    """The audio tracks, ready to be decoded.

    Raises:
        DecodeError: ``no-audio-stream``, or ``corrupt`` where FFmpeg knows none of their codings.
    """
    tracks = list(container.streams.audio)
    if not tracks:
        held = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise DecodeError(f"no audio in it (it holds: {held})", code="no-audio-stream")
    for track in tracks:
        if track.codec_context is not None:
            set_plain_layout(track)
            track.codec_context.thread_count = 1  # many files at once are faster than many threads on one
    return tracks


def order(tracks: Sequence[AudioStream]) -> list[int]:
    """The tracks that can be decoded, the best first: the default one, and no commentary."""
    from av.stream import Disposition

    def rank(number: int) -> tuple[bool, bool, int]:
        disposition = tracks[number].disposition
        is_aside = bool(disposition & (Disposition.comment | Disposition.visual_impaired))
        return Disposition.default not in disposition, is_aside, number

    known = [number for number, track in enumerate(tracks) if track.codec_context is not None]
    if not known:
        raise DecodeError("the sound is in a coding that FFmpeg does not know", code="corrupt")
    return sorted(known, key=rank)


def find_sound(container: InputContainer, check: Callable[[], None]) -> list[int]:
    """The numbers of the tracks that are not silent; a track is decoded until it has sound.

    Args:
        container: newly opened.
        check: called again and again; may raise.
    """
    import av

    tracks = listed(container)
    silent = {tracks[number].index: number for number in order(tracks)}
    found: list[int] = []
    until = time.monotonic() + PATIENCE
    packets = container.demux(*(tracks[number] for number in silent.values()))
    while silent and time.monotonic() < until:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            check()
            number = silent.get(packet.stream_index)
            if number is not None and _has_sound(packet):
                found.append(number)
                del silent[packet.stream_index]
        except av.error.EOFError:
            break
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, MemoryError):
                raise
    return sorted(found)


def _has_sound(packet: object) -> bool:
    for frame in settle(packet.decode()):  # type: ignore[attr-defined]  # a packet of any stream of audio
        samples = frame_samples(frame)
        samples = FullScale.of_type(samples.dtype).applied(samples)
        if samples.size and bool((np.ptp(samples, axis=1) > 2 * SILENT).any()):
            return True
    return False
