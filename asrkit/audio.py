"""A cell -> samples: one channel of float32 at 16 kHz, whatever it came from.

Files are decoded by FFmpeg (PyAV carries it in its wheel) from an already opened regular file with the format
forced, in blocks, under limits. What was lost on the way is a warning on the ``Audio``; what cannot be heard
rightly is an error, never noise.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from .arrays import OVER, FullScale, by_peak, channels_first, full_scale, peak_of
from .clock import CLOCKED, EXACT, SPLICED, TOLERANCE, Clock, Frame, Pictures, films, sound_end, zero_of
from .codings import Coding, coding_of, find_coded
from .containers import has_guessed_length, ogg_faults, read_wav_header
from .errors import AsrkitError, DecodeError, OptionError
from .film_sizes import is_cut_film
from .frames import frame_samples, settle
from .isolation import Workers, workers
from .levels import Loudness
from .mixing import Mixer
from .sizes import mended
from .source import ArraySource, Source, describe, locate
from .steady import SteadyFile
from .tracks import Track, checked_track, find_sound, listed, order, position

if TYPE_CHECKING:
    import torch
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from soundfile import SoundFile

__all__ = ["SAMPLING_RATE", "Audio", "AudioInfo", "Encoded", "decode", "encode", "load", "probe", "stream"]

Samples = np.ndarray[Any, np.dtype[np.float32]]

SAMPLING_RATE = 16_000  # Hz, what speech recognisers were trained on
MAX_LOAD = 4 * 3600.0  # seconds held at once: 4 h of float32 at 16 kHz are 0.9 GB
MAX_RAW_SAMPLES = 8 * 10**9  # before resampling: 23 h of 48 kHz stereo; more is a bomb
MAX_VALUES_PER_SECOND = 4_000_000  # rate x channels; 64 channels of 48 kHz are 3.1 million
WALL = (60.0, 0.05)  # seconds a file may take, and seconds more per second decoded
MOST_DAMAGED = 1_000  # packets in a row from the beginning that give no sound
TIMED_FILMS = frozenset({"flv", "matroska"})  # their headers say when the last of sound and picture ends
FAR = 1e9  # seconds, 31 years: no sound goes on until then
FLOAT_CODINGS = ("pcm_f32", "pcm_f64", "wavpack")  # FFmpeg's names, or their beginnings
LEAST_RATE = 1_000  # Hz; below it nothing is speech, and the same samples become a thousand times as many
MEDIA_TYPES = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "amr": "audio/amr",
    "flac": "audio/flac",
    "matroska": "audio/webm",
    "mov": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
}
CHUNK = 1 << 20  # values mixed and resampled at once
SEEK_FROM, PREROLL = 10.0, 2.0  # seconds: seek only beyond the first, and start decoding the second early


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """One channel of sound.

    Args:
        samples: float32, full scale is [-1, 1], shape ``(n_samples,)``.
        sampling_rate: in Hz.
        warnings: what was lost on the way, each ``"code: what happened"``. Codes: ``truncated``, ``chained``,
            ``cancelled``, ``damaged``, ``gaps``, ``rate-changed``, ``wrong-size``, ``several-tracks``, ``very-quiet``.

    >>> Audio(np.zeros(8_000, np.float32)).duration
    0.5
    """

    samples: Samples
    sampling_rate: int = SAMPLING_RATE
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """In seconds."""
        return len(self.samples) / self.sampling_rate


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A clip as a file, ready to be sent.

    Args:
        data: the whole file.
        format: FFmpeg's name of its container, such as ``flac`` or ``wav``.
        duration: in seconds.
        warnings: as in ``Audio``.
        channels: in the file.
    """

    data: bytes
    format: str
    duration: float
    warnings: tuple[str, ...] = ()
    channels: int = 1

    @property
    def media_type(self) -> str:
        """For ``Content-Type``."""
        return MEDIA_TYPES.get(self.format, "application/octet-stream")


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the headers say, without decoding. ``duration`` is in seconds, None where no header tells."""

    duration: float | None
    sampling_rate: int
    channels: int
    format: str
    has_video: bool = False
    tracks: int = 1


def encode(audio: Audio, format: str = "flac") -> Encoded:  # noqa: A002 - the word that soundfile uses
    """A file with this sound in 16 bits: ``flac``, which loses nothing of them, or ``wav``.

    Samples beyond full scale are clipped.

    >>> encode(Audio(np.zeros(16_000, np.float32))).data[:4]
    b'fLaC'
    """
    import soundfile

    file = BytesIO()
    soundfile.write(file, np.clip(audio.samples, -1.0, 1.0), audio.sampling_rate, "PCM_16", format=format.upper())
    return Encoded(file.getvalue(), format, audio.duration, audio.warnings)


def load(
    cell: object,
    *,
    start: float | None = None,
    end: float | None = None,
    channel: int | None = None,
    track: Track | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    isolate: bool | Workers = False,
) -> Audio:
    """The sound of one cell, whole.

    Args:
        cell: a path, URL, bytes, open file, array with its rate; see ``asrkit.source``.
        start: first second wanted, on the clock of the file as a player shows it.
        end: second to stop before.
        channel: take this one (from 0) instead of the average of all.
        track: take this audio track, by its number (from 0) or its language (``"eng"``); None takes the default one,
            or one with sound where that is silent.
        format: what files without any header are: ``ulaw``, ``alaw``, ``g722``, ``gsm``, ``sln`` or, with a rate,
            ``s16le:16000`` and the like; see ``asrkit.codings``. Files with a header are read as that says.
        isolate: decode in a process of its own, see ``asrkit.isolation``; for files that nobody can vouch for.

    Returns:
        float32 mono at 16 kHz.

    Raises:
        SourceError: the cell names no audio we can find.
        DecodeError: the audio cannot be decoded, or is longer than 4 hours (``too-long``; ``stream`` has no limit).

    >>> load((np.zeros((2, 8_000)), 8_000)).duration
    1.0
    """
    options: dict[str, Any] = {"channel": channel, "track": track, "format": format, "isolate": isolate}
    blocks = stream(cell, start=start, end=end, max_seconds=MAX_LOAD, **options)
    try:
        return _joined(blocks)
    except MemoryError as error:
        raise DecodeError(
            "there is not enough memory for all of it at once; use asrkit.audio.stream, or name a start and an end",
            code="decoder-memory",
        ) from error


def _joined(blocks: Iterator[Audio]) -> Audio:
    """Consecutive blocks as one."""
    buffer, length = np.empty(0, np.float32), 0
    warnings: tuple[str, ...] = ()
    for block in blocks:
        if not length:
            buffer = block.samples
        else:
            if length + len(block.samples) > len(buffer):  # grows in place: no second copy of hours of sound
                buffer = buffer if buffer.flags.owndata else buffer.copy()
                buffer.resize(int(1.5 * (length + len(block.samples))), refcheck=False)
            buffer[length : length + len(block.samples)] = block.samples
        length += len(block.samples)
        warnings = block.warnings
    if not length:
        raise DecodeError("no sound in it: 0 samples", code="empty")
    return Audio(buffer[:length], warnings=warnings)


def stream(
    cell: object,
    *,
    start: float | None = None,
    end: float | None = None,
    channel: int | None = None,
    track: Track | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    block_seconds: float = 60.0,
    max_seconds: float | None = None,
    max_values: int | None = None,
    isolate: bool | Workers = False,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[Audio]:
    """The sound of one cell in consecutive blocks, in bounded memory (up to 23 h of 48 kHz stereo).

    Each block is float32 mono at 16 kHz and carries the warnings so far. Arguments and errors are those of
    ``load``; errors may come after good blocks.

    Args:
        cell: as ``load``; so are ``start``, ``end``, ``channel``, ``track``, ``format`` and ``isolate``.
        start: see there.
        end: see there.
        channel: see there.
        track: see there.
        format: see there.
        block_seconds: of every block but the last.
        max_seconds: more is an error, ``too-long``.
        max_values: samples over all channels, before they are mixed and resampled; more is an error, ``too-large``.
        isolate: see there.
        is_wanted: asked again and again by an isolated decoder's caller; once it says no, the decoder is ended.
    """
    start, end = _stretch(start, end)
    track = checked_track(track)
    coding = coding_of(format)
    source = locate(cell)
    with _naming(source), _told_beyond_end(source, start, track, format, isolate):
        if isinstance(source, ArraySource):
            if track is not None:
                position(track, [None])
            yield from _from_array(source, start, end, channel)
            return
        apart = workers(isolate)
        size = int(block_seconds * SAMPLING_RATE)
        with source.open() as file:
            if apart is None:
                yield from _not_empty(
                    _decoded_blocks(
                        file, start, end, channel, max_seconds, size, max_values=max_values, track=track, coding=coding
                    )
                )
                return
            job: dict[str, Any] = {"start": start, "end": end, "channel": channel, "most": max_seconds, "block": size}
            job |= {"track": track, "format": format}
            pieces = apart.stream(file, {**job, "values": max_values}, is_wanted)
            yield from _not_empty(Audio(samples, warnings=warnings) for samples, warnings in pieces)


def _not_empty(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """The blocks; an error if there is no sample in them, such as from less than a sample before the end on."""
    count = 0
    for block in blocks:
        count += len(block.samples)
        yield block
    if not count:
        raise DecodeError("no sound in it: 0 samples", code="empty")


@contextlib.contextmanager
def _told_beyond_end(
    source: Source,
    start: float,
    track: Track | None,
    format: str | None,  # noqa: A002 - what it is called everywhere
    isolate: bool | Workers,
) -> Iterator[None]:
    """Where nothing was found because the stretch begins too late, say that."""
    try:
        yield
    except DecodeError as error:
        if error.code != "empty" or not start:
            raise
        with contextlib.suppress(AsrkitError):
            duration = probe(source, track=track, format=format, isolate=isolate).duration
            if duration is not None and start > duration - 1 / SAMPLING_RATE:
                error = DecodeError(
                    f"start={start:g} s is beyond the end of the recording, which has {duration:.2f} s; start and end "
                    "are in seconds",
                    code="empty",
                )
        raise error from None


def probe(
    cell: object,
    *,
    track: Track | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    isolate: bool | Workers = False,
    patience: float | None = None,
) -> AudioInfo:
    """Duration, rate, channels and container, from headers alone: of the default track, where there are several.

    ``track``, ``format`` and ``isolate`` as for ``load``; ``patience`` is how many seconds an isolated decoder may
    take.

    Raises:
        SourceError: the cell names no audio we can find.
        DecodeError: the headers cannot be read.

    >>> probe((np.zeros((2, 8_000)), 8_000))
    AudioInfo(duration=1.0, sampling_rate=8000, channels=2, format='array', has_video=False, tracks=1)
    """
    track = checked_track(track)
    coding = coding_of(format)
    source = locate(cell)
    if isinstance(source, ArraySource):
        channels = channels_first(source.samples)
        return AudioInfo(channels.shape[1] / source.sampling_rate, source.sampling_rate, len(channels), "array")
    apart = workers(isolate)
    with _naming(source), source.open() as file:
        if apart is None:
            return _info(file, track, coding)
        return _told_info(apart.probe(file, patience, track, format))


def decode(
    file: IO[bytes], job: Mapping[str, Any], tell: Callable[[float], None]
) -> Iterator[tuple[dict[str, Any], Samples | None]]:
    """What a worker process runs for ``stream`` and ``probe``; see ``asrkit.confined``.

    Args:
        file: the clip.
        job: ``what`` is wanted, and how, as those two are told.
        tell: called with the seconds decoded, again and again.
    """
    coding = coding_of(job.get("format"))
    if job["what"] == "probe":
        yield asdict(_info(file, job.get("track"), coding)), None
        return
    asked = job["start"], job["end"], job["channel"], job["most"], job["block"], tell
    blocks = _decoded_blocks(file, *asked, max_values=job.get("values"), track=job.get("track"), coding=coding)
    for block in blocks:
        yield {"warnings": block.warnings}, block.samples


def _decoded_blocks(
    file: IO[bytes],
    start: float,
    end: float | None,
    channel: int | None,
    max_seconds: float | None,
    size: int,
    tell: Callable[[float], None] = lambda heard: None,
    *,
    max_values: int | None = None,
    track: Track | None = None,
    coding: Coding | None = None,
) -> Iterator[Audio]:
    """Blocks of ``size`` samples; whatever the decoders raise is an error of asrkit's."""
    steady = SteadyFile(file)
    with _translated(steady):
        yield from _blocks(_Decoder(steady, start, end, channel, max_seconds, tell, max_values, track, coding), size)
        steady.check()


def _info(file: IO[bytes], track: Track | None, coding: Coding | None) -> AudioInfo:
    steady = SteadyFile(file)
    with _translated(steady):
        return _read_info(steady, track, coding)


def _told_info(told: dict[str, Any]) -> AudioInfo:
    """What a worker process said, if it is what one says."""
    kinds = {
        "duration": float | int | None,
        "sampling_rate": int,
        "channels": int,
        "format": str,
        "has_video": bool,
        "tracks": int,
    }
    if set(told) != set(kinds) or not all(isinstance(told[name], kind) for name, kind in kinds.items()):
        raise DecodeError("the isolated decoder gave no valid answer about the headers", code="decoder-invalid")
    return AudioInfo(**told)


@contextlib.contextmanager
def _translated(file: SteadyFile) -> Iterator[None]:
    """What FFmpeg, libsndfile and their bindings raise on a broken file, as errors with a code.

    There is no list of what that may be: headers lie about every number that is used later. The same file would
    fail the same way again, so it is not worth another try.
    """
    try:
        yield
    except AsrkitError:
        file.check()
        raise
    except MemoryError as error:
        raise DecodeError(
            "decoding it needs more memory than there is: the file is damaged or made to harm", code="decoder-memory"
        ) from error
    except Exception as error:
        file.check()
        raise DecodeError(
            f"it cannot be decoded ({type(error).__name__}: {error}); the file is damaged", code="corrupt"
        ) from error


def _read_info(file: SteadyFile, track: Track | None, coding: Coding | None) -> AudioInfo:
    begin = find_coded(file, coding)
    file.begin_at(begin.offset)
    name = begin.format
    file, _ = mended(file, name)
    if name in ("wav", "rifx"):
        header = read_wav_header(file)
        if header.is_plain:
            position(track or 0, [None])
            return AudioInfo(header.frames / header.sampling_rate, header.sampling_rate, header.channels, name)
    is_guessed = has_guessed_length(file, name)
    with _open_container(file, name, coding) as container:
        tracks = listed(container)
        number = order(tracks)[0] if track is None else position(track, _languages(tracks))
        audio = _audio_stream(container, number)
        return AudioInfo(
            None if is_guessed else sound_end(container, audio),
            audio.rate or 0,
            audio.channels or 0,
            container.format.name,
            bool(films(container)),
            len(tracks),
        )


@contextlib.contextmanager
def _naming(source: Source) -> Iterator[None]:
    """A decoder's error says which cell it is about."""
    try:
        yield
    except DecodeError as error:
        raise DecodeError(f"{describe(source)}: {error}", code=error.code) from error.__cause__


def _stretch(start: float | None, end: float | None) -> tuple[float, float | None]:
    """The stretch wanted, within what can be counted in samples."""
    first, last = start or 0.0, np.inf if end is None else end
    if not 0 <= first < last:
        raise OptionError(f"expected 0 <= start < end in seconds, got start={start} and end={end}")
    return min(first, FAR), None if end is None else min(end, 2 * FAR)


# -- arrays -----------------------------------------------------------------------------------------------------


def _from_array(source: ArraySource, start: float, end: float | None, channel: int | None) -> Iterator[Audio]:
    rate = source.sampling_rate
    stop = None if end is None else round(end * rate)
    samples = channels_first(source.samples)[:, round(start * rate) : stop]
    if rate < LEAST_RATE and samples.shape[1] / rate > MAX_LOAD:
        raise DecodeError(f"{samples.shape[1]:,} samples at {rate} Hz are no recording", code="too-large")
    if not samples.size:
        raise DecodeError("no sound in it: 0 samples", code="empty")
    mixer = Mixer(channel)
    mono = mixer.mix(full_scale(source.samples).applied(samples), rate)
    if rate != SAMPLING_RATE:
        mono = _resample_whole(mono, rate)
    loudness = Loudness()
    loudness.push(mono)
    yield Audio(mono, warnings=(*mixer.warnings, *_quiet(loudness)))


def _quiet(loudness: Loudness) -> list[str]:
    if not loudness.is_very_quiet:
        return []
    return [f"very-quiet: the loudest of it has {loudness.decibels:.0f} dB of full scale; check how it was recorded"]


def _resample_whole(samples: Samples, rate: int) -> Samples:
    divisor = int(np.gcd(rate, SAMPLING_RATE))
    # torchaudio's filter bank for 22,051 Hz would need gigabytes.
    resampler = _torch_resampler(rate) if SAMPLING_RATE // divisor <= 1_000 else None
    if resampler is None:
        frames = _Resampler(rate)
        return np.concatenate([*frames.push(samples), *frames.finish()])
    import torch

    resampled: Samples = resampler(torch.from_numpy(samples)).numpy()
    return resampled


@lru_cache(maxsize=16)
def _torch_resampler(rate: int) -> torch.nn.Module | None:
    """torchaudio's, or None where it does not import: a release of it fits some releases of torch only."""
    try:
        from torchaudio.transforms import Resample
    except (ImportError, OSError):
        return None
    resampler: torch.nn.Module = Resample(rate, SAMPLING_RATE)
    return resampler


# -- files ------------------------------------------------------------------------------------------------------


class _Resampler:
    """One channel of any rate -> 16 kHz, in a stream, by FFmpeg's swresample."""

    def __init__(self, rate: int) -> None:
        import av

        self.rate = rate
        self._swr = av.AudioResampler(format="flt", layout="mono", rate=SAMPLING_RATE)

    def push(self, samples: Samples) -> Iterator[Samples]:
        import av

        if self.rate == SAMPLING_RATE:
            yield samples
            return
        step = max(1, min(CHUNK, CHUNK * self.rate // SAMPLING_RATE))
        for at in range(0, len(samples), step):
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + step], format="flt", layout="mono")
            frame.sample_rate = self.rate
            yield from (frame_samples(out)[0] for out in self._swr.resample(frame))

    def finish(self) -> Iterator[Samples]:
        if self.rate != SAMPLING_RATE:
            yield from (frame_samples(out)[0] for out in self._swr.resample(None))


class _Decoder:
    """An open file -> pieces of mono sound at 16 kHz, of whatever size they come in."""

    def __init__(
        self,
        file: SteadyFile,
        start: float,
        end: float | None,
        channel: int | None,
        max_seconds: float | None,
        tell: Callable[[float], None],
        max_values: int | None = None,
        track: Track | None = None,
        coding: Coding | None = None,
    ) -> None:
        self.track, self.coding = track, coding
        self.start, self.end = start, end
        self.max_seconds, self.max_values = max_seconds, max_values or MAX_RAW_SAMPLES
        self.mixer = Mixer(channel)
        self.begin = find_coded(file, coding)
        file.begin_at(self.begin.offset)
        self.format = self.begin.format
        self.file, self.size_fault = mended(file, self.format)
        self.header = read_wav_header(self.file) if self.format in ("wav", "rifx") else None
        self.declared: float | None = None
        self.raw = 0  # values decoded, over all channels
        self.heard = 0.0  # seconds decoded
        self.damaged = 0  # packets that could not be decoded
        self.has_guessed_length = has_guessed_length(self.file, self.format)
        self.ogg_faults = ogg_faults(file) if self.format == "ogg" else set()
        self.scale = FullScale(0.0, 1.0)  # of floats
        self.clock = Clock()
        self.film_length: float | None = None  # seconds that the headers of a film promise, picture and sound
        self.reached = 0.0  # the last timestamp of a packet
        self.loudness = Loudness()
        self.began = time.monotonic()
        self.tell = tell

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.mixer.warnings)

    def warn(self, warning: str) -> None:
        self.mixer.warnings[warning] = None

    def pieces(self) -> Iterator[Samples]:
        """Mixed, resampled, cut to the stretch that was asked for."""
        resampler: _Resampler | None = None
        for samples, rate in _gather(self._raw_pieces()):
            if resampler is None or resampler.rate != rate:
                if resampler is not None:
                    self.warn(f"rate-changed: from {resampler.rate} to {rate} Hz within the file")
                    yield from resampler.finish()
                resampler = _Resampler(rate)
            for piece in resampler.push(self.mixer.mix(samples, rate)):
                self.loudness.push(piece)
                yield piece
        if resampler is not None:
            yield from resampler.finish()
        self._compare_with_headers()

    def _raw_pieces(self) -> Iterator[tuple[Samples, int]]:
        """Frames of shape ``(channels, n)`` with their rate."""
        header = self.header
        has_size = header is not None and header.is_plain and header.promised is not None
        is_wav = has_size or self.format == "rifx"
        if is_wav and self.track is not None:
            position(self.track, [None])
        frames = self._wav_frames() if is_wav else self._frames()
        for samples, rate, at in frames:
            self._charge(samples, rate)
            seconds = samples.shape[1] / rate
            self.heard = max(self.heard, at + seconds)
            first = round(max(0.0, self.start - at) * rate)
            if self.end is not None and at >= self.end:
                return
            last = samples.shape[1] if self.end is None else round((self.end - at) * rate)
            if first < min(last, samples.shape[1]):
                given = time.monotonic()
                yield samples[:, first:last], rate
                self.began += time.monotonic() - given  # a consumer may take its time

    def _charge(self, samples: Samples, rate: int) -> None:
        if rate < LEAST_RATE:
            raise DecodeError(f"the rate of {rate} Hz cannot be meant", code="corrupt")
        self.raw += samples.size
        if self.raw > self.max_values or rate * len(samples) > MAX_VALUES_PER_SECOND:
            raise DecodeError(
                f"{self.raw:,} samples and more to come ({rate} Hz, {len(samples)} channels); the limit is "
                f"{self.max_values:,} samples and {MAX_VALUES_PER_SECOND:,} a second",
                code="too-large",
            )
        if self.max_seconds is not None and self.heard - self.start > self.max_seconds:
            raise self._too_long(self.heard)
        self._check_time()
        self.tell(self.heard)

    def _check_time(self) -> None:
        allowed = WALL[0] + WALL[1] * self.heard
        if time.monotonic() - self.began > allowed:
            raise DecodeError(f"decoding took over {allowed:.0f} s for {self.heard:.0f} s of sound", code="timeout")

    def _too_long(self, seconds: float) -> DecodeError:
        return DecodeError(
            f"{seconds / 3600:.1f} h of sound at once; the limit is {(self.max_seconds or 0) / 3600:.0f} h: "
            "use asrkit.audio.stream, or name a start and an end",
            code="too-long",
        )

    def _check_declared(self, seconds: float, rate: int, channels: int) -> None:
        wanted = min(seconds, np.inf if self.end is None else self.end) - self.start
        if self.max_seconds is not None and wanted > self.max_seconds:
            raise self._too_long(wanted)
        if seconds * rate * channels > self.max_values and self.start == 0 and self.end is None:
            raise DecodeError(
                f"{seconds / 3600:.1f} h at {rate} Hz with {channels} channels are {seconds * rate * channels:,.0f} "
                f"samples; the limit is {self.max_values:,}",
                code="too-large",
            )

    def _wav_frames(self) -> Iterator[tuple[Samples, int, float]]:
        """By libsndfile: several times as fast as FFmpeg here, and right about big-endian files."""
        import soundfile

        self.file.seek(0)
        try:
            opened = soundfile.SoundFile(self.file)
        except soundfile.LibsndfileError as error:
            raise DecodeError(f"the headers cannot be read ({error.error_string})", code="corrupt") from error
        with opened as sound:
            self.declared = sound.frames / sound.samplerate
            self._check_declared(self.declared, sound.samplerate, sound.channels)
            sound.seek(min(int(self.start * sound.samplerate), sound.frames))
            at = sound.tell() / sound.samplerate
            scale = self._scale_of_floats(sound)
            while len(samples := sound.read(CHUNK // sound.channels, dtype="float32", always_2d=True)):
                yield np.ascontiguousarray(scale.applied(samples.T)), sound.samplerate, at
                at += len(samples) / sound.samplerate

    def _scale_of_floats(self, sound: SoundFile) -> FullScale:
        """What full scale is: some programs write 16-bit samples as floats. All of the file is looked at."""
        if sound.subtype not in ("FLOAT", "DOUBLE"):
            return FullScale(0.0, 1.0)
        here, peak = sound.tell(), 0.0
        sound.seek(0)
        while len(samples := sound.read(CHUNK // sound.channels, dtype="float32", always_2d=True)):
            self._check_time()
            self.tell(0.0)
            loudest = float(np.abs(samples).max())
            if not np.isfinite(loudest):
                break  # said where the samples are mixed
            peak = max(peak, loudest if loudest <= OVER else peak_of(samples))
        sound.seek(here)
        return FullScale(0.0, 1.0) if peak <= OVER else by_peak(peak, np.dtype(np.float32))

    def _frames(self) -> Iterator[tuple[Samples, int, float]]:
        """Decoded frames with the second at which each begins."""
        number, is_of_floats = self._chosen_track()
        if is_of_floats:
            self.scale = self._scale_of_coded_floats(number)
        with _open_container(self.file, self.format, self.coding) as container:
            audio = _audio_stream(container, number)
            self.declared = None if self.has_guessed_length else sound_end(container, audio)
            if self.format in (*TIMED_FILMS, "asf", "avi") and films(container):
                self.film_length = (container.duration or 0) / 1e6
            if self.declared is not None:
                self._check_declared(self.declared, audio.rate or 1, audio.channels or 1)
            if self.start > SEEK_FROM and (frames := self._sought(container, audio)) is not None:
                yield from frames
                return
        with _open_container(self.file, self.format, self.coding) as container:
            yield from self._decoded(container, _audio_stream(container, number))

    def _scale_of_coded_floats(self, number: int) -> FullScale:
        """As ``_scale_of_floats``, of what FFmpeg decodes; only codings that keep floats as they are can need it."""
        with _open_container(self.file, self.format, self.coding) as container:
            peak = 0.0
            for samples in self._coded_floats(container, _audio_stream(container, number)):
                loudest = float(np.abs(samples).max(initial=0.0))
                if np.isfinite(loudest):  # else said where the samples are mixed
                    peak = max(peak, loudest if loudest <= OVER else peak_of(samples))
        return FullScale(0.0, 1.0) if peak <= OVER else by_peak(peak, np.dtype(np.float32))

    def _coded_floats(self, container: InputContainer, audio: AudioStream) -> Iterator[Samples]:
        """All samples of a track of floats; what is damaged is left out here, and spoken of where it is decoded."""
        import av

        for packet in container.demux(audio):
            self._check_time()
            self.tell(0.0)
            try:
                frames = settle(packet.decode())
            except (av.error.FFmpegError, ValueError) as error:
                if isinstance(error, MemoryError):
                    raise
                continue
            for frame in frames:
                samples = frame_samples(frame)
                if samples.dtype.kind != "f":
                    return
                yield samples

    def _chosen_track(self) -> tuple[int, bool]:
        """The number of the track that is heard, and whether its coding keeps floats as they are."""
        with _open_container(self.file, self.format, self.coding) as container:
            tracks = listed(container)
            contexts = [track.codec_context for track in tracks]
            of_floats = [context is not None and context.name.startswith(FLOAT_CODINGS) for context in contexts]
            languages = _languages(tracks)
            if self.track is not None:
                number = position(self.track, languages)
                return number, of_floats[number]
            ranked = order(tracks)
            if len(tracks) == 1:
                return ranked[0], of_floats[ranked[0]]

        def check() -> None:
            self._check_time()
            self.tell(self.heard)

        with _open_container(self.file, self.format, self.coding) as container:
            with_sound = find_sound(container, check)
        chosen = next((number for number in ranked if number in with_sound), ranked[0])
        if len(with_sound) > 1:
            named = ", ".join(f"{number} ({languages[number] or 'no language'})" for number in with_sound)
            self.warn(
                f"several-tracks: audio tracks {named} hold sound; {chosen} was decoded, and track= takes another"
            )
        return chosen, of_floats[chosen]

    def _sought(self, container: InputContainer, audio: AudioStream) -> Iterator[tuple[Samples, int, float]] | None:
        """Frames from shortly before ``start``, or None where the file cannot be entered there."""
        import av

        if self.format in ("aac", "loas", "mpeg", "mpegts"):  # no index: times after a seek are guesses
            return None
        try:
            if self.format == "avi" and _begins_late(container, audio):  # FFmpeg forgets it when it seeks
                return None
            container.seek(int((self.start - PREROLL + zero_of(container)) * av.time_base))
            frames = self._decoded(container, audio, sought=True)
            first = next(frames, None)
        except (av.error.FFmpegError, ValueError):
            return None
        if first is None or not 0 < first[2] <= self.start:
            return None
        return chain([first], frames)

    def _decoded(
        self, container: InputContainer, audio: AudioStream, sought: bool = False
    ) -> Iterator[tuple[Samples, int, float]]:
        """Decoded sound with the second at which it begins, from second 0 on unless ``sought``."""
        others = [stream for stream in (*films(container), *container.streams.audio) if stream.index != audio.index]
        self.clock = Clock(
            tolerance=EXACT if self.format == "flac" else TOLERANCE,
            first_tolerance=EXACT if others else TOLERANCE,
            length=max(self.declared or 0.0, (container.duration or 0) / 1e6),
            is_sought=sought,
            pictures=Pictures() if self.format in SPLICED and films(container) else None,
        )
        return self.clock.place(self._stamped(container, audio))

    def _stamped(self, container: InputContainer, audio: AudioStream) -> Iterator[Frame]:
        """Decoded frames with what their timestamps say."""
        import av

        is_clocked = self.format in CLOCKED and "chained" not in self.ogg_faults
        zero, damaged, tick = zero_of(container), self.damaged, 0.0
        for packet in self._packets(container, audio, zero):
            if any(data.data_type == "encryption_info" for data in packet.iter_sidedata()):
                raise DecodeError("the sound is encrypted", code="encrypted")
            try:
                frames = settle(packet.decode())
            except av.error.EOFError:
                break
            except (av.error.FFmpegError, ValueError) as error:
                if isinstance(error, MemoryError):
                    raise
                self.damaged += 1
                continue
            for frame in frames:
                stamp = None
                if is_clocked and frame.pts is not None and frame.time_base is not None:
                    tick = tick or float(frame.time_base)  # the same for all; fractions are slow
                    stamp = frame.pts * tick - zero
                samples = frame_samples(frame)
                scale = self.scale if samples.dtype.kind == "f" else FullScale.of_type(samples.dtype)
                samples = scale.applied(samples)
                yield Frame(samples, frame.sample_rate, stamp, self.damaged > damaged)
                damaged = self.damaged

    def _packets(self, container: InputContainer, audio: AudioStream, zero: float) -> Iterator[Packet[AudioStream]]:
        """The packets of the sound. Those of the picture tell how far the file and its clock go."""
        import av

        is_told_by_pictures = self.format in SPLICED or self.format in TIMED_FILMS
        packets = container.demux(*([audio, *films(container)] if is_told_by_pictures else [audio]))
        while self.damaged <= MOST_DAMAGED or self.heard:
            self._check_time()  # here too: packets without a frame are no sign of an end
            try:
                packet = next(packets, None)
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError) as error:
                if isinstance(error, MemoryError):
                    raise
                self.damaged += 1
                continue
            if packet is None:
                return
            is_sound = packet.stream.index == audio.index
            if is_told_by_pictures and packet.pts is not None and packet.time_base is not None:
                stamp = float(packet.pts * packet.time_base)
                self.reached = max(self.reached, stamp + float((packet.duration or 0) * packet.time_base))
                if not is_sound and self.clock.pictures is not None:
                    self.clock.pictures.add(stamp - zero)
            if is_sound:
                yield cast("Packet[AudioStream]", packet)

    def _compare_with_headers(self) -> None:
        if self.heard == 0:
            raise DecodeError(
                f"nothing in it could be decoded (container: {self.format})",
                code="corrupt" if self.damaged or not self.header else "empty",
            )
        self._find_what_is_lost()
        if self.format == "flac":  # its timestamps count samples: what is missing was damaged
            self.damaged += len(self.clock.filled)
        else:
            for warning in self.clock.warnings():
                self.warn(warning)
        for warning in _quiet(self.loudness):
            self.warn(warning)
        # A cut through a file or between two joined ones costs one packet, which is said already.
        if self.damaged > bool(set(self.mixer.warnings) - set(_quiet(self.loudness))):
            self.warn(f"damaged: {self.damaged} packet(s) could not be decoded and were skipped")

    def _find_what_is_lost(self) -> None:
        if self.begin.is_damaged:
            self.warn(f"damaged: the sound begins after {self.begin.offset:,} bytes that hold none")
        if self.end is not None and self.heard >= self.end:
            return
        if self.size_fault == "chained":
            self.warn("chained: another recording follows in the file; only the first one was decoded")
        elif self.size_fault == "wrong-size":
            self.warn(
                f"wrong-size: the header says less or more than the file holds; all {self.heard:.1f} s were decoded"
            )
        if "chained" in self.ogg_faults:
            self.warn("chained: several Ogg streams one after the other; all of them were decoded")
        is_cut = (
            (self.header and self.header.is_truncated) or "truncated" in self.ogg_faults or self.size_fault == "cut"
        )
        promised, reached = self.declared, self.heard
        if self.film_length is not None:
            promised = self.film_length if self.format in TIMED_FILMS else None
            reached = self.reached
            is_cut = is_cut_film(self.file, self.format)
        short = 0.0 if promised is None else promised - reached
        if is_cut or short > max(0.2, 0.01 * reached):
            of = f" of {promised:.1f} s" if short > 0.2 else ""
            self.warn(f"truncated: the file ends early; {self.heard:.1f} s{of} could be decoded")


def _blocks(decoder: _Decoder, size: int) -> Iterator[Audio]:
    """Pieces of any size -> blocks of one size; the last may be shorter."""
    waiting: list[Samples] = []
    length = 0
    for piece in decoder.pieces():
        waiting.append(piece)
        length += len(piece)
        while length > size:  # the last block carries what the end of the file tells
            whole = np.concatenate(waiting)
            yield Audio(whole[:size], warnings=decoder.warnings)
            waiting = [whole[size:]]
            length -= size
    if length or decoder.heard <= decoder.start:
        if not length:
            raise DecodeError(
                f"no sound in it: the stretch begins at {decoder.start} s, the sound ends at {decoder.heard:.2f} s",
                code="empty",
            )
        yield Audio(np.concatenate(waiting), warnings=decoder.warnings)


def _gather(pieces: Iterator[tuple[Samples, int]]) -> Iterator[tuple[Samples, int]]:
    """Small frames joined to chunks of about ``CHUNK`` values of one rate and channel count."""
    waiting: list[Samples] = []
    values, kind = 0, (0, 0)
    for samples, rate in pieces:
        if waiting and (kind != (len(samples), rate) or values >= CHUNK):
            yield np.concatenate(waiting, axis=1), kind[1]
            waiting, values = [], 0
        kind = (len(samples), rate)
        waiting.append(samples)
        values += samples.size
    if waiting:
        yield np.concatenate(waiting, axis=1), kind[1]


def _open_container(file: SteadyFile, name: str, coding: Coding | None = None) -> InputContainer:
    """FFmpeg on this very file, with this very format; it may open nothing else."""
    import av

    file.seek(0)
    try:
        return av.open(
            file,
            "r",
            format=name,
            metadata_errors="replace",
            io_open=_refuse,
            options=coding.options if coding is not None and coding.demuxer == name else {},
            container_options={"protocol_whitelist": "none", "enable_drefs": "0"},
        )
    except av.error.FFmpegError as error:
        raise DecodeError(
            f"the headers cannot be read (container: {name}; FFmpeg: {error.strerror})", code="corrupt"
        ) from error


def _begins_late(container: InputContainer, audio: AudioStream) -> bool:
    """Whether the first packet of the sound is not at the beginning."""
    first = next(container.demux(audio), None)
    return bool(first and first.pts and first.time_base and first.pts * first.time_base > TOLERANCE)


def _refuse(url: str, flags: int, options: object) -> Any:
    raise DecodeError(f"the file asks for another one ({url}); only the file itself is read", code="corrupt")


def _languages(tracks: Sequence[AudioStream]) -> list[str | None]:
    return [track.metadata.get("language") for track in tracks]


def _audio_stream(container: InputContainer, number: int) -> AudioStream:
    audio = listed(container)[number]
    if audio.codec_context is None:
        raise DecodeError("the sound is in a coding that FFmpeg does not know", code="corrupt")
    if container.format.name == "flac":
        audio.codec_context.options = {"err_detect": "crccheck+explode"}  # damage shall be an error, not noise
    return audio
