"""Films and streams whose sound begins late or early and has holes, made by ffmpeg and remuxed by PyAV."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 16_000
PICTURE = 20  # seconds
PATIENT = {"analyzeduration": "20000000", "probesize": "50000000"}  # sound that begins late must be found
KINDS = {  # FFmpeg's format, the coding of the picture, that of the sound
    "mp4": ("mp4", "libx264 -bf 0", "aac"),
    "mov": ("mov", "mpeg4", "aac"),
    "fragmented mp4": ("mp4", "libx264 -bf 0 -movflags +frag_keyframe+empty_moov+delay_moov", "aac"),
    "mkv": ("matroska", "libx264 -bf 0", "aac"),
    "webm": ("webm", "libvpx", "libopus"),
    "ts": ("mpegts", "libx264 -bf 0", "aac"),
    "ts of television": ("mpegts", "mpeg2video", "mp2"),
    "flv": ("flv", "flv1", "libmp3lame"),
    "flv with aac": ("flv", "libx264 -bf 0", "aac"),
    "avi": ("avi", "mpeg4", "libmp3lame"),
    "asf": ("asf", "wmv2", "wmav2"),
}
CUT_BEFORE_ZERO = ("mp4", "mov", "fragmented mp4")  # by an edit list; others begin where the sound does


@dataclass(frozen=True, slots=True)
class Film:
    """What is made.

    Args:
        kind: of ``KINDS``.
        delay: seconds from the picture's beginning to that of the sound; below 0, the sound begins first.
        holes: first and last second of sound that is left out; times do not move.
    """

    kind: str
    delay: float = 0.0
    holes: tuple[tuple[float, float], ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}, {self.delay:+} s, {len(self.holes)} hole(s)"

    def second(self, second: float) -> float | None:
        """Where a second of the sound lies on the film's clock, None where it is not in the film."""
        if any(first <= second < last for first, last in self.holes):
            return None
        return second + self.shift if second + self.shift >= 0 else None

    @property
    def shift(self) -> float:
        """Seconds from the clock's 0 to the beginning of the sound."""
        return 0.0 if self.delay < 0 and self.kind not in CUT_BEFORE_ZERO else self.delay

    def make(self, folder: Path, sound: np.ndarray) -> Path:
        """The film with this sound, float32 at 16 kHz."""
        container, picture, coding = KINDS[self.kind]
        plain, whole, path = folder / "sound.wav", folder / "whole.film", folder / "made.film"
        soundfile.write(plain, sound, RATE)
        delay = 0.0 if self.kind == "avi" else self.delay
        rate = ["-ar", "44100"] if "flv" in picture or self.kind == "avi" else []
        inputs = ["-f", "lavfi", "-i", f"testsrc=s=64x64:r=10:d={PICTURE}", "-itsoffset", str(delay), "-i", str(plain)]
        outputs = ["-map", "0:v", "-map", "1:a", "-c:v", *picture.split(), "-c:a", coding, *rate, "-f", container]
        subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *outputs, str(whole)], check=True)
        if self.kind == "avi" and self.delay > 0:
            _delay_avi(whole, self.delay)  # ffmpeg writes none
        if not self.holes:
            return whole
        with av.open(str(whole), options=PATIENT) as old, av.open(str(path), "w", format=container) as new:
            streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
            zero = (old.start_time or 0) / 1e6
            for packet in old.demux():
                if packet.dts is None:
                    continue
                at = float(packet.pts * packet.time_base) - self.shift - zero
                if packet.stream.type == "audio" and any(first <= at < last for first, last in self.holes):
                    continue
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
        return path


def _delay_avi(path: Path, seconds: float) -> None:
    """Set ``dwStart`` in the header of the sound's stream."""
    data = bytearray(path.read_bytes())
    at = data.index(b"strh", data.index(b"auds") - 8) + 8
    scale, rate = struct.unpack_from("<II", data, at + 20)
    struct.pack_into("<I", data, at + 28, round(seconds * rate / scale))
    path.write_bytes(data)


ONE, TWO, THREE = ((3.0, 4.2),), ((3.0, 4.2), (7.0, 8.2)), ((3.0, 4.2), (7.0, 8.2), (9.0, 10.2))
FILMS = [
    *(Film(kind, delay) for kind in KINDS for delay in (4.0,)),
    *(Film(kind, -2.0) for kind in ("mp4", "mkv", "ts", "flv", "asf")),
    *(Film(kind, 8.0, ONE) for kind in ("mp4", "mkv", "webm", "ts")),
    *(Film(kind, 1.3, TWO) for kind in ("mp4", "webm", "flv", "asf", "ts of television")),
    *(Film(kind, 0.0, THREE) for kind in ("mkv", "ts", "flv with aac", "mov")),
    Film("webm", -0.5, ONE),
]
