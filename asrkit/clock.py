"""Where decoded sound lies on the clock of its file.

The clock is the one that a player shows: second 0 is the first moment of picture or sound. Sound that begins later
than the picture has silence before it, a hole in the timestamps becomes silence, and sound that the timestamps give
twice is cut, as FFmpeg's ``aresample=async=1:first_pts=0`` does. Timestamps lie in damaged files, so a large jump
counts only if the next frame confirms it, and no jump can demand more silence than a long recording has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["CLOCKED", "Clock", "Frame", "Pictures", "films", "sound_end", "zero_of"]

Samples = np.ndarray[Any, np.dtype[np.float32]]

# Containers whose timestamps say more than a count of the samples. In others they are computed from that count.
CLOCKED = frozenset({"asf", "avi", "flac", "flv", "matroska", "mov", "mpeg", "mpegts", "ogg"})
SPLICED = frozenset(
    {"mpeg", "mpegts"}
)  # their clock may jump where recordings were joined; players go on without a gap
UNTIMED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "loas", "mpeg", "mpegts"})  # FFmpeg estimates their length
UNKNOWN_OF_FLAC = (1 << 36) - 1  # samples, the largest number that its header holds
TOLERANCE = 0.1  # seconds; smaller differences are rounding, and FFmpeg leaves them too
EXACT = 0.001  # seconds; for clocks that count samples
CERTAIN = 1.0  # seconds; a larger jump must be confirmed by the next frame
LONGEST_OVERLAP = 1.0  # seconds; a clock that goes back further was set anew
SPLICE = 10.0  # seconds; FFmpeg's limit too
MOST_SILENCE = 4 * 3600.0  # seconds that are filled in, in all
LONG = 3600.0  # seconds; up to here a hole is believed even where the headers promise less
SLACK = 60.0  # seconds by which headers may be wrong about the length
WORTH_SAYING = 0.5  # seconds of sound cut as a repetition
MOST_VALUES = 1 << 20  # of silence made at once
FAR = 1e9  # seconds, 31 years: no sound goes on until then


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Decoded sound with what its timestamp says.

    Args:
        samples: float32, shape ``(channels, n_samples)``.
        rate: in Hz.
        stamp: seconds on the clock of the file; None if unknown.
        is_after_damage: whether what came just before it could not be decoded.
    """

    samples: Samples
    rate: int
    stamp: float | None
    is_after_damage: bool = False

    @property
    def seconds(self) -> float:
        """Of sound in it."""
        return float(self.samples.shape[1] / self.rate)


class Pictures:
    """The seconds for which a picture was seen, to tell a hole in the sound from a clock that was set anew."""

    MOST = 1_000_000

    def __init__(self) -> None:
        self._seconds: set[int] = set()

    def add(self, second: float) -> None:
        """Note a picture."""
        if abs(second) < FAR and len(self._seconds) < self.MOST:
            self._seconds.add(int(second))

    def are_between(self, first: float, last: float) -> bool:
        """Whether a picture was seen clearly within this stretch."""
        return any(first + 1.0 <= second <= last - 1.0 for second in self._seconds)


@dataclass(slots=True)
class Clock:
    """Puts frames in their places.

    Args:
        tolerance: seconds by which a timestamp may differ from the count of samples.
        first_tolerance: the same for the first frame.
        length: seconds that the headers promise; None if unknown.
        is_sought: whether the frames begin in the middle of the file.
        pictures: those seen so far, where the clock may be set anew within the file.
    """

    tolerance: float = TOLERANCE
    first_tolerance: float = TOLERANCE
    length: float | None = None
    is_sought: bool = False
    pictures: Pictures | None = None
    filled: list[float] = field(default_factory=list)  # seconds of each hole
    joined: list[float] = field(default_factory=list)  # seconds of each jump that was not followed
    repeated: float = 0.0  # seconds that were cut
    _silence: float = 0.0
    _shift: float = 0.0  # what is added to timestamps since the last jump that was not followed

    def place(self, frames: Iterator[Frame]) -> Iterator[tuple[Samples, int, float]]:
        """Samples with their rate and the second at which they begin, without holes from second 0 on."""
        at: float | None = None
        for frame, following in pairwise(chain(frames, [None])):
            assert frame is not None
            stamp = None if frame.stamp is None else frame.stamp + self._shift
            tolerance = self.tolerance
            if at is None:
                at = stamp if self.is_sought and stamp is not None else 0.0
                tolerance = self.first_tolerance
            lead = 0.0 if stamp is None else stamp - at
            samples = frame.samples
            if lead > tolerance and _is_confirmed(lead, frame, following):
                if self._is_hole(at, at + lead):
                    if at > 0 and not frame.is_after_damage:
                        self.filled.append(lead)
                    yield from _silent(len(samples), frame.rate, at, at + lead)
                    self._silence += lead
                    at += lead
                else:
                    self._join(lead)
            elif lead < -self.tolerance and _is_confirmed(lead, frame, following):
                if lead < -LONGEST_OVERLAP:
                    self._join(lead)
                else:
                    samples = samples[:, round(-lead * frame.rate) :]
                    self.repeated += frame.seconds - samples.shape[1] / frame.rate
            if samples.shape[1]:
                yield samples, frame.rate, at
                at += samples.shape[1] / frame.rate

    def warnings(self) -> Iterator[str]:
        """What was made of the timestamps, if it was more than rounding."""
        if self.filled:
            yield (
                f"gaps: the file holds no sound in {len(self.filled)} place(s), {sum(self.filled):.1f} s in all; "
                "silence was put there, so that times are those of the file"
            )
        if self.joined:
            yield (
                f"gaps: the timestamps jump in {len(self.joined)} place(s), by up to {max(map(abs, self.joined)):.1f} "
                "s; the sound was joined there, so that times may differ from those of a player"
            )
        if self.repeated > WORTH_SAYING:
            yield f"gaps: the timestamps give {self.repeated:.1f} s of sound twice; they were taken once"

    def _is_hole(self, at: float, until: float) -> bool:
        """Whether silence is put there."""
        if self._silence + until - at > MOST_SILENCE or until > max(self.length or 0.0, LONG) + SLACK:
            return False
        return until - at <= SPLICE or self.pictures is None or self.pictures.are_between(at, until)

    def _join(self, lead: float) -> None:
        self._shift -= lead
        self.joined.append(lead)


def _is_confirmed(lead: float, frame: Frame, following: Frame | None) -> bool:
    """Whether the next frame goes on where this one ends; one wrong timestamp is damage, not a jump."""
    if abs(lead) <= CERTAIN or following is None or following.stamp is None:
        return True
    assert frame.stamp is not None
    return abs(following.stamp - frame.stamp - frame.seconds) <= CERTAIN


def _silent(channels: int, rate: int, at: float, until: float) -> Iterator[tuple[Samples, int, float]]:
    """Silence in pieces, so that hours of it need little memory."""
    count = round((until - at) * rate)
    zeros = np.zeros((channels, min(count, max(1, MOST_VALUES // channels))), np.float32)
    done = 0
    while done < count:
        piece = zeros[:, : count - done]
        yield piece, rate, at + done / rate
        done += piece.shape[1]


def films(container: InputContainer) -> list[VideoStream]:
    """The moving pictures of a file; a cover is none."""
    from av.stream import Disposition

    return [video for video in container.streams.video if Disposition.attached_pic not in video.disposition]


def zero_of(container: InputContainer) -> float:
    """The timestamp, in seconds, at which a player's clock shows 0."""
    pictures = films(container)
    if container.format.name in SPLICED:
        pictures = pictures[:1]  # those of other programmes run on clocks of their own
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in (*container.streams.audio, *pictures)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=0.0)


def sound_end(container: InputContainer, audio: AudioStream) -> float | None:
    """The second at which the sound ends, as the headers say; None where FFmpeg only guesses from the bit rate."""
    if container.format.name in UNTIMED or (container.format.name == "flac" and audio.duration == UNKNOWN_OF_FLAC):
        return None
    zero = zero_of(container)
    is_avi_film = container.format.name == "avi" and films(container)  # sound that begins late is not counted there
    if audio.duration is not None and audio.time_base is not None and not is_avi_film:
        seconds = float(((audio.start_time or 0) + audio.duration) * audio.time_base) - zero
    elif (tagged := _tagged_end(audio.metadata.get("DURATION", ""))) is not None:
        seconds = tagged - zero
    elif container.duration is not None:
        seconds = container.duration / 1e6
    else:
        return None
    return seconds if 0 <= seconds < FAR else None


def _tagged_end(text: str) -> float | None:
    """Matroska's tag for the end of a track, such as ``00:00:13.024000000``."""
    try:
        hours, minutes, seconds = map(float, text.split(":"))
    except ValueError:
        return None
    total = 3600 * hours + 60 * minutes + seconds
    return total if 0 < total < FAR else None
