"""Odd and broken cells of an audio column, each with what must come of it.

Good audio is three tones of one second, 400, 800 and 1200 Hz, so that a wrong length, speed, channel, gain or
order is heard. Everything is made here: by ``ffmpeg``, by ``sox``, or byte by byte.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

Samples = np.ndarray[Any, Any]

PITCHES = (400, 800, 1200)  # Hz, one second each
AMPLITUDE = 0.3
PCM, MS_ADPCM, FLOAT, EXTENSIBLE = 1, 2, 3, 0xFFFE  # format tags of WAV


@dataclass(frozen=True, slots=True)
class Case:
    """A cell, and what must come of it.

    Args:
        expect: ``"tones"``, or the code of the error; ``"a|b"`` where either is right.
        warning: the code of the one warning that must come; None where there must be none.
        pitches: in Hz, of each whole second; 0 where anything may be heard.
        seconds: what must be heard; one for each pitch where not given.
        lossy: whether a codec changed length and level a little.
    """

    name: str
    cell: Any
    expect: str = "tones"
    warning: str | None = None
    pitches: tuple[int, ...] = PITCHES
    seconds: float = 0.0
    slack: float = 0.0
    amplitude: float = AMPLITUDE
    lossy: bool = False

    @property
    def duration(self) -> float:
        """In seconds."""
        return self.seconds or float(len(self.pitches))

    @property
    def tolerance(self) -> float:
        """How far the duration may be off, in seconds."""
        return self.slack or (0.12 if self.lossy else 0.01)

    def complaints(self, samples: Samples, sampling_rate: int, pitches: Iterable[int] | None = None) -> list[str]:
        """What is wrong with these samples, in words; empty where they are the tones they should be."""
        pitches = tuple(self.pitches if pitches is None else pitches)
        duration = self.duration if pitches == self.pitches else len(pitches)
        found = []
        if abs(len(samples) / sampling_rate - duration) > self.tolerance:
            found.append(f"{len(samples) / sampling_rate:.3f} s, not {duration} s")
        if (peak := np.abs(samples - samples.mean()).max(initial=0)) > 2.5 * self.amplitude:
            found.append(f"noise, up to {peak:.2f}")
        for second, pitch in enumerate(pitches):
            heard = samples[int((second + 0.25) * sampling_rate) : int((second + 0.75) * sampling_rate)]
            if pitch and len(heard):
                found += self._about_a_tone(heard - heard.mean(), sampling_rate, pitch, second)
        return found

    def _about_a_tone(self, heard: Samples, sampling_rate: int, pitch: int, second: int) -> list[str]:
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        frequency = np.argmax(spectrum) * sampling_rate / len(heard)
        amplitude = float(np.sqrt(2 * np.mean(np.square(heard, dtype=np.float64))))
        found = []
        if abs(frequency - pitch) > 0.02 * pitch:
            found.append(f"second {second}: {frequency:.0f} Hz, not {pitch} Hz")
        if abs(amplitude / self.amplitude - 1) > (0.2 if self.lossy else 0.05):
            found.append(f"second {second}: amplitude {amplitude:.3f}, not {self.amplitude}")
        return found


class NotMadeHereError(Exception):
    """The tool for a case is missing, or cannot make it."""


# ---- sound ----------------------------------------------------------------------------------------------------


def tones(rate: int = 16_000, channels: int = 1, pitches: Iterable[int] = PITCHES) -> Samples:
    """The tones, the same in all channels: float32, shape ``(n_samples, channels)``."""
    time = np.arange(rate) / rate
    mono = np.concatenate([AMPLITUDE * np.sin(2 * np.pi * pitch * time) for pitch in pitches])
    return np.repeat(mono[:, None], channels, axis=1).astype(np.float32)


def pcm16(samples: Samples, order: str = "<") -> bytes:
    return np.round(samples * 32767).astype(order + "i2").tobytes()


def chunk(tag: bytes, body: bytes, *, size: int | None = None, order: str = "<") -> bytes:
    """A piece of a RIFF file; ``size`` is what it claims, where that is a lie."""
    return tag + struct.pack(order + "I", len(body) if size is None else size) + body + bytes(len(body) % 2)


def wav(
    data: bytes | None = None,
    *,
    rate: int = 16_000,
    channels: int = 1,
    tag: int = PCM,
    bits: int = 16,
    size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
    order: str = "<",
) -> bytes:
    """A WAV file of this data, by default of 16-bit tones."""
    if data is None:
        data = pcm16(tones(rate, channels), order)
    block = channels * bits // 8
    layout = struct.pack(order + "HHIIHH", tag, channels, rate, rate * block, block, bits)
    if tag == EXTENSIBLE:
        layout += struct.pack(order + "HHIH", 22, bits, 0, PCM) + bytes.fromhex("000000001000800000aa00389b71")
    sound = chunk(b"data", data, size=size, order=order)
    body = b"WAVE" + chunk(b"fmt ", layout, order=order) + before + sound + after
    return (b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", len(body)) + body


def float_wav(samples: Samples) -> bytes:
    return wav(samples.astype("<f4").tobytes(), tag=FLOAT, bits=32)


def run(*command: str, stdin: bytes = b"") -> bytes:
    if shutil.which(command[0]) is None:
        raise NotMadeHereError(f"{command[0]} is not installed")
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
    if done.returncode:
        raise NotMadeHereError((done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1])
    return done.stdout


@cache
def encode(
    suffix: str,
    options: str = "",
    *,
    rate: int = 44_100,
    channels: int = 1,
    pitches: tuple[int, ...] = PITCHES,
    piped: bool = False,
) -> bytes:
    """The tones as ffmpeg writes them; ``piped`` where it cannot go back to fill in sizes."""
    source = ["-f", "f32le", "-ar", str(rate), "-ac", str(channels), "-i", "pipe:0"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out" + suffix)
        target = "pipe:1" if piped else str(path)
        command = ["ffmpeg", "-v", "error", "-y", *source, *options.split(), target]
        output = run(*command, stdin=tones(rate, channels, pitches).tobytes())
        return output if piped else path.read_bytes()


def sox(suffix: str, *options: str, rate: int = 16_000) -> bytes:
    """The tones as sox writes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out" + suffix)
        run("sox", "-t", "wav", "-", *options, str(path), stdin=wav(rate=rate))
        return path.read_bytes()


# ---- damage ---------------------------------------------------------------------------------------------------


def first(data: bytes, fraction: float = 0.5) -> bytes:
    return data[: int(len(data) * fraction)]


def noise(count: int) -> bytes:
    return np.random.default_rng(0).bytes(count)


def scratched(data: bytes, count: int = 3000) -> bytes:
    """The data with noise written over its middle."""
    middle = len(data) // 2
    return data[:middle] + noise(count) + data[middle + count :]


def id3(payload: bytes, frame: bytes = b"APIC") -> bytes:
    """An ID3v2.3 tag, as it stands in front of an MP3."""
    body = frame + struct.pack(">IH", len(payload), 0) + payload
    return b"ID3\x03\0\0" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def cover() -> bytes:
    """A picture for a tag, with what looks like the start of an MP3 frame inside."""
    return id3(b"\0image/jpeg\0\x03\0" + b"\xff\xd8\xff\xe0" + b"\xff\xfb\x90\x64" * 100 + noise(300_000))


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def referring(path: Path) -> bytes:
    """A QuickTime film whose sound lies in another file."""
    film = encode(".mov", "-c:a pcm_s16le", rate=16_000)
    record = bytes(150) + struct.pack(">HH", 2, len(str(path))) + str(path).encode() + bytes(len(str(path)) % 2)
    alias = box(b"alis", bytes(4) + record + b"\xff\xff\0\0")
    return _with_box(film, b"dref", struct.pack(">II", 0, 1) + alias, b"moov trak mdia minf dinf")


def _with_box(film: bytes, kind: bytes, body: bytes, parents: bytes) -> bytes:
    """The film with one box replaced, and the sizes of those around it set right."""
    start = film.rindex(kind) - 4
    (size,) = struct.unpack_from(">I", film, start)
    new = bytearray(film[:start] + box(kind, body) + film[start + size :])
    for parent in parents.split():
        place = new.rindex(parent) - 4
        struct.pack_into(">I", new, place, struct.unpack_from(">I", new, place)[0] + 8 + len(body) - size)
    return bytes(new)


def countless() -> bytes:
    """An MP4 that lists two billion packets of one byte."""
    film = bytearray(encode(".m4a", "-c:a aac"))
    place = film.rindex(b"stsz")
    struct.pack_into(">II", film, place + 8, 1, 0x7FFFFFFF)
    return bytes(film)


# ---- what is no sound -----------------------------------------------------------------------------------------


def png() -> bytes:
    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixel = part(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + part(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + pixel + part(b"IEND", b"")


def archive() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("tones.wav", wav())
    return packed.getvalue()


SDP = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 96044\n"
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n%s\n#EXT-X-ENDLIST\n"
SCRIPT = b"ffconcat version 1.0\nfile '%s'\n"


def tempting(url: str) -> dict[str, bytes]:
    """Files that make a careless decoder fetch the URL."""
    address = url.encode()
    mpd = (
        b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S"><Period>'
        b'<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>%s</BaseURL>'
        b"</Representation></AdaptationSet></Period></MPD>" % address
    )
    return {
        "playlist.m3u8": PLAYLIST % address,
        "playlist.wav": PLAYLIST % address,
        "variants.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n%s\n" % address,
        "keys.m3u8": b'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="%s"\n#EXTINF:3,\ntones.ts\n' % address,
        "script.ffconcat": SCRIPT % address,
        "script.wav": SCRIPT % address,
        "dash.mpd": mpd,
        "session.sdp": SDP,
        "redirect.rtsp": address.replace(b"http", b"rtsp"),
        "list.pls": b"[playlist]\nFile1=%s\n" % address,
        "list.asx": b'<asx version="3.0"><entry><ref href="%s"/></entry></asx>' % address,
        "shortcut.url": b"[InternetShortcut]\nURL=%s\n" % address,
    }


# ---- huge -----------------------------------------------------------------------------------------------------


@cache
def _crc_table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (bits - 1) else 0)
            value &= (1 << bits) - 1
        table.append(value)
    return table


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    table, value = _crc_table(polynomial, bits), 0
    for byte in data:
        value = (value << 8 & (1 << bits) - 1) ^ table[value >> (bits - 8) ^ byte]
    return value


@cache
def silent_flac(seconds: int, rate: int, channels: int = 1) -> bytes:
    """Hours of silence in few bytes: every channel of a frame is one constant (RFC 9639, section 9)."""
    block = 65_535  # samples, the most a frame can have
    total = seconds * rate // block * block
    info = struct.pack(">HH6xQ16x", block, block, rate << 44 | (channels - 1) << 41 | 15 << 36 | total)
    stream = [b"fLaC\x80\0\0\x22" + info]
    for number in range(total // block):
        head = b"\xff\xf8\x70" + bytes([channels - 1 << 4 | 4 << 1]) + chr(number).encode("utf-8", "surrogatepass")
        head += struct.pack(">H", block - 1)
        frame = head + bytes([_crc(head, 0x07, 8)]) + bytes(3 * channels)
        stream.append(frame + struct.pack(">H", _crc(frame, 0x8005, 16)))
    return b"".join(stream)


def without_length(flac: bytes) -> bytes:
    """The same, with a header that does not say how long it is."""
    (info,) = struct.unpack_from(">Q", flac, 18)
    return flac[:18] + struct.pack(">Q", info >> 36 << 36) + flac[26:]


def sparse_wav(folder: Path) -> Path:
    """4.3 GB of zeros that take no room on the disk: 37 hours at 16 kHz."""
    path, size = folder / "huge-sparse.wav", 0xFFFFFFF0
    path.write_bytes(wav(b"", size=size - 44))
    os.truncate(path, size)
    return path


def promising_wav() -> bytes:
    """An RF64 file that says 10 GB and has one second."""
    sizes = struct.pack("<QQQI", 10**10 + 72, 10**10, 5 * 10**9, 0)
    plain = wav(pcm16(tones(pitches=(400,))), size=0xFFFFFFFF)
    return b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", sizes) + plain[12:]


# ---- the table ------------------------------------------------------------------------------------------------

Recipe = Callable[[Path], Any]
RECIPES: dict[str, tuple[Recipe, dict[str, Any]]] = {}
LEFT_OUT: dict[str, str] = {}  # the reasons, after build


def cell(name: str, recipe: Recipe, **expected: Any) -> None:
    """Enter a case whose cell is what the recipe makes in a folder."""
    assert name not in RECIPES, name
    RECIPES[name] = recipe, expected


def file(name: str, data: Callable[[], bytes], **expected: Any) -> None:
    """Enter a case whose cell is the path of a file with these bytes."""
    cell(name, lambda folder: str(_written(folder / name, data())), **expected)


def given(value: Any) -> Recipe:
    return lambda _: value


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def build(folder: Path) -> list[Case]:
    """Every case, its files under ``folder``; relative cells and ``~`` mean that folder too."""
    cases = []
    for name, (recipe, expected) in RECIPES.items():
        try:
            cases.append(Case(name, recipe(folder), **expected))
        except NotMadeHereError as reason:
            LEFT_OUT[name] = str(reason)
            print(f"left out {name}: {reason}", file=sys.stderr)
    return cases


def _enter_what_must_decode() -> None:
    for codec in ("u8", "s16le", "s24le", "s32le", "f32le", "f64le", "mulaw", "alaw"):
        file(f"wav-{codec}.wav", partial(encode, ".wav", f"-c:a pcm_{codec}", rate=16_000))
    for codec in ("adpcm_ima_wav", "adpcm_ms"):
        file(f"wav-{codec}.wav", partial(encode, ".wav", f"-c:a {codec}"), lossy=True)
    file("wav-gsm.wav", lambda: encode(".wav", "-c:a libgsm_ms", rate=8_000), lossy=True)
    file("wav-mp3-inside.wav", lambda: encode(".wav", "-c:a libmp3lame"), lossy=True)
    for rate in (8_000, 11_025, 22_050, 22_051, 44_100, 48_000, 96_000):
        file(f"wav-{rate}-hz.wav", partial(wav, rate=rate))
    for channels in (2, 6, 64):
        file(f"wav-{channels}-channels.wav", partial(wav, channels=channels, tag=EXTENSIBLE))
    file("wav-extensible.wav", lambda: wav(tag=EXTENSIBLE))
    file("wav-rifx.wav", lambda: wav(order=">"))
    file("wav-rf64.wav", lambda: encode(".wav", "-rf64 always"))
    file("wav-w64.w64", lambda: encode(".w64"))
    file("wav-bwf.wav", lambda: encode(".wav", "-write_bext 1 -metadata description=tones"))
    file("wav-piped.wav", lambda: encode(".wav", "-f wav", piped=True))
    for size in (0, 0x7FFFFFFF, 0xFFFFFFFF):
        file(f"wav-says-{size:x}.wav", partial(wav, size=size))
    extras = chunk(b"JUNK", bytes(29)) + chunk(b"LIST", b"INFOISFT\3\0\0\0me\0\0")
    file("wav-odd-chunks.wav", lambda: wav(before=extras, after=chunk(b"id3 ", noise(333))))

    file("flac-24.flac", lambda: encode(".flac", "-sample_fmt s32 -bits_per_raw_sample 24", channels=2))
    file("flac-unknown-length.flac", lambda: encode(".flac", "-f flac", piped=True))
    file("flac-after-id3.flac", lambda: id3(b"\0tones", b"TIT2") + encode(".flac"))
    file("mp3-cbr.mp3", lambda: encode(".mp3", "-b:a 64k"), lossy=True)
    file("mp3-vbr.mp3", lambda: encode(".mp3", "-q:a 5", channels=2), lossy=True)
    file("mp3-8-khz.mp3", lambda: encode(".mp3", rate=8_000), lossy=True, slack=0.25)
    file("mp3-cover.mp3", lambda: cover() + encode(".mp3", "-id3v2_version 0"), lossy=True)
    file("mp3-id3v1.mp3", lambda: encode(".mp3", "-write_xing 0") + b"TAG".ljust(128, b"\0"), lossy=True)
    file("mp3-after-zeros.mp3", lambda: bytes(1000) + encode(".mp3", "-id3v2_version 0"), lossy=True)
    for name, options in {
        "ogg-vorbis.ogg": "-c:a libvorbis",
        "ogg-opus.opus": "-c:a libopus -ar 48000",
        "ogg-flac.ogg": "-c:a flac -f ogg",
        "ogg-speex.spx": "-c:a libspeex -ar 16000",
        "aac-m4a.m4a": "-c:a aac",
        "aac-faststart.m4a": "-c:a aac -movflags faststart",
        "aac-fragmented.mp4": "-c:a aac -movflags frag_keyframe+empty_moov",
        "aac-adts.aac": "-c:a aac",
        "alac.m4a": "-c:a alac",
        "mp4-opus.mp4": "-c:a libopus -ar 48000",
        "mov-pcm.mov": "-c:a pcm_s16be",
        "mkv-flac.mkv": "-c:a flac",
        "avi.avi": "-c:a libmp3lame",
        "flv.flv": "-c:a libmp3lame",
        "wma.wma": "-c:a wmav2",
        "ac3.ac3": "-c:a ac3 -ar 48000",
        "eac3.eac3": "-c:a eac3 -ar 48000",
        "wavpack.wv": "-c:a wavpack",
        "tta.tta": "-c:a tta",
        "au.au": "-c:a pcm_s16be",
        "caf.caf": "-c:a pcm_s16le",
        "aiff.aiff": "",
        "aifc.aifc": "-c:a pcm_mulaw -f aiff",
        "voc.voc": "-c:a pcm_s16le",
        "mp2.mp2": "-c:a mp2",
        "mpeg-ts.ts": "-c:a aac",
    }.items():
        file(name, partial(encode, Path(name).suffix, options), lossy=True)
    picture = "-f lavfi -i color=red:s=64x64:r=5:d=3"
    still = "-f lavfi -i color=red:s=64x64:d=0.04 -c:v png -disposition:v attached_pic"
    file("aac-cover.m4a", lambda: encode(".m4a", f"{still} -c:a aac"), lossy=True)
    file("video.mp4", lambda: encode(".mp4", f"{picture} -c:v mpeg4 -c:a aac"), lossy=True)
    file("video.webm", lambda: encode(".webm", f"{picture} -c:v libvpx -c:a libopus -ar 48000"), lossy=True)
    file("browser.webm", lambda: encode(".webm", "-c:a libopus -ar 48000 -f webm", piped=True), lossy=True)
    file("sphere.sph", lambda: sox(".sph"))
    file("amr-nb.amr", lambda: sox(".amr-nb", rate=8_000), lossy=True, amplitude=0.25)

    file("mp3-called.wav", lambda: encode(".mp3"), lossy=True)
    file("flac-without-a-name", lambda: encode(".flac"))
    for name in ("Zwölf Töne 音.wav", "per%20cent.wav", "hash#1.wav", "what?.wav"):
        file(name, wav)
    for name in ("-dash.wav", "10:30:00.wav"):
        cell(name, partial(_relative, name))
    cell("~", lambda folder: f"~/{_written(folder / 'at-home.wav', wav()).name}")
    cell("Path", lambda folder: _written(folder / "path.wav", wav()))
    cell("file-url", lambda folder: _written(folder / "a b%20c#d?é.wav", wav()).as_uri())
    cell("file-url-localhost", lambda folder: "file://localhost" + str(_written(folder / "local.wav", wav())))
    cell("symlink", _symlink)

    cell("bytes", lambda _: wav())
    cell("bytearray", lambda _: bytearray(wav()))
    cell("memoryview", lambda _: memoryview(wav()))
    cell("BytesIO", lambda _: BytesIO(wav()))
    cell("open-file", _open_file)
    cell("samples", lambda _: (tones()[:, 0], 16_000))
    cell("samples-int16", lambda _: (np.round(tones()[:, 0] * 32767).astype(np.int16), 16_000))
    cell("samples-stereo", lambda _: (tones(8_000, 2), 8_000))
    cell("samples-channels-first", lambda _: (tones(8_000, 2).T, 8_000))
    cell("dict-array", lambda _: {"array": tones(8_000)[:, 0], "sampling_rate": 8_000})
    cell("dict-bytes", lambda _: {"bytes": wav(), "path": None})
    cell("dict-path", lambda folder: {"bytes": None, "path": str(_written(folder / "in-dict.wav", wav()))})


def _relative(name: str, folder: Path) -> str:
    return _written(folder / name, wav()).name


def _symlink(folder: Path) -> Path:
    link = folder / "link.wav"
    link.symlink_to(_written(folder / "linked.wav", wav()))
    return link


def _open_file(folder: Path) -> Any:
    opened = _written(folder / "opened.wav", wav()).open("rb")
    opened.seek(1000)
    return opened


def _enter_what_lost_data() -> None:
    part = {"warning": "truncated", "pitches": (400,), "seconds": 1.5, "slack": 0.2, "lossy": True}
    file("half.wav", lambda: first(wav()), **part)
    file("half.mp3", lambda: first(encode(".mp3", "-b:a 64k")), **part)
    file("half.opus", lambda: first(encode(".opus", "-c:a libopus -ar 48000 -vbr off")), **part | {"slack": 0.6})
    file("half.flac", lambda: first(encode(".flac")), **part | {"slack": 0.6})
    file("half.webm", lambda: first(encode(".webm", "-c:a libopus -ar 48000 -vbr off")), **part | {"slack": 0.6})
    file("half.aiff", lambda: first(encode(".aiff")), **part)
    fast = "-c:a aac -movflags faststart"
    file("half-index-first.m4a", lambda: first(encode(".m4a", fast)), **part | {"slack": 0.6})
    file("half-index-last.m4a", lambda: first(encode(".m4a", "-c:a aac")), expect="corrupt")
    six = {"pitches": PITCHES * 2, "slack": 0.2, "lossy": True}
    for suffix, codec in ((".ogg", "libvorbis"), (".opus", "libopus -ar 48000")):
        file(f"chained{suffix}", partial(_chained, suffix, f"-c:a {codec}"), warning="chained", **six)
    file("joined.mp3", lambda: encode(".mp3") + encode(".mp3", rate=16_000), warning="rate-changed", **six)
    hurt = {"warning": "damaged", "pitches": (400, 0, 1200), "slack": 0.5, "lossy": True}
    file("scratched.mp3", lambda: scratched(encode(".mp3", "-b:a 64k")), **hurt)
    file("scratched.flac", lambda: scratched(encode(".flac")), **hurt | {"pitches": (400, 0, 0)})
    file("one-side-silent.wav", lambda: wav(pcm16(tones(channels=2) * [1, 0]), channels=2), amplitude=AMPLITUDE / 2)
    file("anti-phase.wav", lambda: wav(pcm16(tones(channels=2) * [1, -1]), channels=2), warning="cancelled")
    one_of_64 = tones(channels=64) * np.eye(64)[7]
    file("one-of-64.wav", lambda: wav(pcm16(one_of_64), channels=64, tag=EXTENSIBLE), amplitude=AMPLITUDE / 64)
    file("dc-offset.wav", lambda: float_wav(tones() + 0.4))


def _chained(suffix: str, options: str) -> bytes:
    return encode(suffix, f"{options} -serial_offset 1") + encode(suffix, f"{options} -serial_offset 2")


def _enter_what_is_broken() -> None:
    file("nothing.wav", bytes, expect="empty")
    file("header-only.wav", lambda: wav(b""), expect="empty")
    file("half-a-header.wav", lambda: wav()[:20], expect="corrupt")
    file("header-only.flac", lambda: encode(".flac")[:42], expect="empty|corrupt")
    file("header-only.amr", lambda: b"#!AMR\n", expect="empty|corrupt")
    for name, data in {
        "picture.wav": png(),
        "archive.wav": archive(),
        "page.mp3": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "answer.mp3": b'{"error": "not found"}',
        "paper.wav": b"%PDF-1.7\n" + noise(500),
        "lfs.wav": LFS,
        "playlist.wav": PLAYLIST % b"wav-s16le.wav",
        "session.wav": SDP,
        "zeros.wav": bytes(50_000),
        "webp.wav": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(24),
        "raw-samples.wav": pcm16(tones()),
        "text.wav": b"the cat sat\n" * 100,
    }.items():
        file(name, partial(bytes, data), expect="not-audio")
    for suffix in ("wav", "mp3", "flac", "m4a"):
        file(f"noise.{suffix}", partial(noise, 50_000), expect="not-audio|corrupt")
    file("noise-after-id3.mp3", lambda: cover() + b"\xff\xfb\x90\x64" + noise(50_000), expect="not-audio|corrupt")
    cell("script.wav", lambda folder: _script(folder / "script.wav"), expect="not-audio")
    cell("referring.mov", lambda folder: _referring(folder / "referring.mov"), expect="corrupt|empty|no-audio-stream")
    one_second = pcm16(tones(pitches=(400,)))
    file("wav-1-hz.wav", lambda: wav(one_second, rate=1), expect="corrupt")
    file("wav-4-ghz.wav", lambda: wav(one_second, rate=0xFFFFFFFF // 2), expect="corrupt")
    file("wav-0-hz.wav", lambda: wav(one_second, rate=0), expect="corrupt")
    file("wav-0-channels.wav", lambda: wav(one_second, channels=0), expect="corrupt")
    file("wav-65535-channels.wav", lambda: wav(one_second, rate=8_000, bits=0, channels=65_535), expect="corrupt")
    file("wav-0-bits.wav", lambda: wav(one_second, bits=0), expect="corrupt")
    file("wav-unknown-tag.wav", lambda: wav(one_second, tag=0x7777), expect="corrupt|not-audio")
    for value in (np.nan, np.inf, 1e30):
        file(f"wav-{value}.wav", partial(_wav_with, value), expect="non-finite")
    cell("samples-nan", lambda _: (tones()[:, 0] * np.nan, 16_000), expect="non-finite")
    cell("samples-none", lambda _: (np.zeros(0, np.float32), 16_000), expect="empty")
    locked = f"-c:a aac -encryption_scheme cenc-aes-ctr -encryption_key {'76' * 16} -encryption_kid {'a7' * 16}"
    file("encrypted.mp4", lambda: encode(".mp4", locked), expect="encrypted")
    mute = "-f lavfi -i color=red:s=64x64:r=5:d=3 -map 1:v -c:v"
    file("mute.mp4", lambda: encode(".mp4", f"{mute} mpeg4"), expect="no-audio-stream")
    file("mute.webm", lambda: encode(".webm", f"{mute} libvpx"), expect="no-audio-stream")
    file("two-billion-packets.m4a", countless, expect="corrupt")

    cell("folder", lambda folder: str(folder), expect="not-a-file")
    cell("fifo", _fifo, expect="not-a-file")
    cell("socket", _socket, expect="not-a-file")
    cell("/dev/zero", lambda _: _device("/dev/zero"), expect="not-a-file")
    cell("missing-file", lambda folder: str(folder / "no-such.wav"), expect="not-found")
    cell("no-permission", _unreadable, expect="unreadable")
    for text in ("pipe:0", "concat:wav-s16le.wav|wav-u8.wav", "subfile,,start,0,end,0,,:wav-u8.wav", "-i", "-"):
        cell(f"text {text}", given(text), expect="not-found|bad-cell")
    for wrong in (0, 1.5, True, "", "  ", "\0", "a\0.wav", [], ["a.wav"], {}, {"text": "hello"}, {"path": None}):
        cell(f"cell {wrong!r}", given(wrong), expect="bad-cell")
    cell("samples-without-rate", lambda _: tones()[:, 0], expect="bad-cell")
    cell("samples-at-0-hz", lambda _: (tones()[:, 0], 0), expect="bad-cell")
    cell("url-unknown", lambda _: "nosuch://bucket/tones.wav", expect="no-filesystem|bad-cell")
    cell("url-not-found", lambda _: "memory://no-such.wav", expect="not-found")


def _wav_with(value: float) -> bytes:
    """A WAV with one wrong sample in a thousand."""
    samples = tones()
    samples[::1000] = value
    return float_wav(samples)


def _script(path: Path) -> str:
    return str(_written(path, SCRIPT % _written(path.with_name("scripted.wav"), wav()).name.encode()))


def _referring(path: Path) -> str:
    return str(_written(path, referring(_written(path.with_name("referred.wav"), wav()))))


def _fifo(folder: Path) -> str:
    os.mkfifo(folder / "fifo.wav")
    return str(folder / "fifo.wav")


def _socket(folder: Path) -> str:
    path = folder / "socket.wav"
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(str(path))
        except OSError as error:  # the path may be too long for an address
            raise NotMadeHereError(str(error)) from error
    return str(path)


def _device(path: str) -> str:
    if not Path(path).exists():
        raise NotMadeHereError(f"there is no {path} here")
    return path


def _unreadable(folder: Path) -> str:
    path = _written(folder / "no-permission.wav", wav())
    path.chmod(0)
    if os.access(path, os.R_OK):
        raise NotMadeHereError("this user may read everything")
    return str(path)


def _enter_what_is_huge() -> None:
    cell("huge-sparse.wav", sparse_wav, expect="too-long")
    file("huge-ten-hours.flac", lambda: silent_flac(36_000, 8_000), expect="too-long")
    file("huge-unsaid.flac", lambda: without_length(silent_flac(36_000, 8_000)), expect="too-long")
    file("huge-bomb.flac", lambda: silent_flac(7_200, 655_350, 8), expect="too-large")
    file("huge-bomb-unsaid.flac", lambda: without_length(silent_flac(7_200, 655_350, 8)), expect="too-large|timeout")
    file("huge-promise.wav", promising_wav, warning="truncated", pitches=(400,))


_enter_what_must_decode()
_enter_what_lost_data()
_enter_what_is_broken()
_enter_what_is_huge()
HUGE = tuple(name for name in RECIPES if name.startswith("huge-"))
NAMES = tuple(name for name in RECIPES if name not in HUGE)
