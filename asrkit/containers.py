"""The first bytes of a file -> its container, and what its headers promise.

FFmpeg guesses a format from content *and* name, and some of its formats are scripts that open other files or
addresses. So the format is decided here, from magic bytes alone, and forced; what is not known is not audio.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Protocol

from .errors import DecodeError

__all__ = [
    "AUDIO_ENDINGS",
    "Readable",
    "WavHeader",
    "after_tags",
    "has_guessed_length",
    "is_unknown_size",
    "ogg_faults",
    "read_wav_header",
    "sniff",
]

AUDIO_ENDINGS = frozenset(
    {".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".avi", ".caf", ".flac", ".flv", ".m4a", ".m4b"}
    | {".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".mpc", ".oga", ".ogg", ".opus", ".sph", ".spx", ".tta", ".voc", ".w64"}
    | {".wav", ".webm", ".wma", ".wmv", ".wv"}
)
UTF_16 = re.compile(rb"\xff\xfe(?:[\t\n\r\x20-\x7e]\x00){4}")  # a byte-order mark and text
MOST_CHUNKS = 10_000  # before the sound of a WAV file; broadcast files have some dozens
HEAD = 4096  # bytes, enough for every magic number below
TABLES_OF_MP3 = (b"Xing", b"Info", b"VBRI")  # in the first frame; they have the number of frames
PADDING = 1 << 16  # bytes of zeros that some writers put before an MP3

# (offset, magic bytes, FFmpeg's name of the demuxer)
MAGIC = [
    (0, b"fLaC\0", "flac"),
    (0, b"fLaC\x80", "flac"),
    (0, b"OggS\0", "ogg"),
    (0, b"RF64", "wav"),
    (0, b"BW64", "wav"),
    (0, b"RIFX", "rifx"),
    (0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", "w64"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (0, b"caff", "caf"),
    (0, b".snd", "au"),
    (0, b"NIST_1A", "nistsphere"),
    (0, b"wvpk", "wv"),
    (0, b"MAC ", "ape"),
    (0, b"TTA1", "tta"),
    (0, b"Creative Voice File\x1a", "voc"),
    (0, b"FLV\x01", "flv"),
    (0, b"#!AMR", "amr"),
    (0, b"DSD ", "dsf"),
    (0, b"\x02dss", "dss"),
    (0, b"\x03dss", "dss"),
    (0, b"FRM8", "iff"),
    (0, b"MPCK", "mpc8"),
    (0, b"MP+", "mpc"),
    (0, b".RMF", "rm"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, b"\x7f\xfe\x80\x01", "dts"),
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (4, b"free", "mov"),
    (4, b"skip", "mov"),
]


class Readable(Protocol):
    """What is needed of an open file here."""

    def read(self, count: int = ..., /) -> bytes:
        """The next bytes."""

    def seek(self, offset: int, whence: int = ..., /) -> int:
        """The new position."""


def sniff(file: Readable) -> str:
    """FFmpeg's name of the container, from content alone (``"rifx"`` for big-endian WAV, which it misreads).

    Raises:
        DecodeError: ``empty`` or ``not-audio``.
    """
    offset = after_tags(file)
    head = _read_at(file, offset, HEAD)
    name = _container(head) or ("mp3" if offset and _is_mpeg_audio(head) else None)
    if name is None:
        raise DecodeError(_what_instead(head), code="not-audio")
    return name


def after_tags(file: Readable) -> int:
    """Bytes of padding, ID3 and APE tags before the sound.

    Raises:
        DecodeError: ``empty``.
    """
    offset = _after_padding(file)
    for _ in range(8):  # tags may follow one another
        head = _read_at(file, offset, 32)
        if head[:3] == b"ID3" and len(head) >= 10:
            offset += 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            offset += 32 + int.from_bytes(head[12:16], "little")
        else:
            break
        offset += _zeros(_read_at(file, offset, PADDING))
    return offset


def has_guessed_length(file: Readable, name: str) -> bool:
    """Whether FFmpeg knows the length from the first frames' bit rate alone: an MP3 without a table of its frames."""
    return name == "mp3" and not any(tag in _read_at(file, after_tags(file), HEAD) for tag in TABLES_OF_MP3)


def _container(head: bytes) -> str | None:
    for offset, magic, name in MAGIC:
        if head.startswith(magic, offset):
            return name
    if head[:4] == b"RIFF":
        return {b"WAVE": "wav", b"AVI ": "avi"}.get(head[8:12])
    if head[:4] == b"FORM":
        return {b"AIFF": "aiff", b"AIFC": "aiff", b"8SVX": "iff"}.get(head[8:12])
    if head[:2] == b"\x0b\x77" and len(head) > 5:
        return "eac3" if head[5] >> 3 > 10 else "ac3"
    # No packet is scrambled in the way that is reserved: text that repeats a G is.
    if len(head) > 376 and all(head[at] == 0x47 and head[at + 3] >> 6 != 1 for at in (0, 188, 376)):
        return "mpegts"
    if len(head) > 6 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13:
        return "aac"
    return "mp3" if _is_mpeg_audio(head) else None


def _is_mpeg_audio(head: bytes) -> bool:
    """A frame header of MPEG audio: sync, and no field with a forbidden value (ISO 11172-3, 2.4.1.3)."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] >> 3 & 3 != 1  # version
        and head[1] >> 1 & 3 != 0  # layer
        and head[2] >> 4 != 15  # bit rate
        and head[2] >> 2 & 3 != 3  # sampling rate
        and not UTF_16.match(head)
    )


def _what_instead(head: bytes) -> str:
    guesses = [
        (b"version https://git-lfs", "a Git LFS pointer; run: git lfs pull"),
        (b"ffconcat", "a script for FFmpeg, which would open other files"),
        (b"#EXTM3U", "a playlist"),
        (b"\x89PNG", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"%PDF", "a PDF"),
        (b"\x1f\x8b", "a gzip file; unpack it first"),
        (b"MThd", "a MIDI file, notes without sound"),
    ]
    for magic, what in guesses:
        if head.startswith(magic):
            return f"not audio but {what}"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"{")):
        return "not audio but a web page or an error message of a server"
    return (
        f"not audio, or a container not known here (starts with {head[:8]!r}); raw samples need (samples, rate), "
        "files of telephone systems and others without a header format=, such as format='ulaw'"
    )


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What the header of a RIFF/WAVE file says. Sizes are in bytes."""

    coding: int
    channels: int
    sampling_rate: int
    block: int
    promised: int | None
    present: int

    @property
    def is_plain(self) -> bool:
        """Whether every sample has its own bytes: PCM, float, A-law or mu-law."""
        return self.coding in PLAIN_CODINGS

    @property
    def frames(self) -> int:
        """Samples of a channel that are there, if the coding is plain."""
        present = self.present if self.promised is None else min(self.present, self.promised)
        return present // self.block

    @property
    def is_truncated(self) -> bool:
        """Whether the file ends before its header says, by more than one frame."""
        return self.promised is not None and self.promised > self.present + self.block


PLAIN_CODINGS = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law"}  # wFormatTag
EXTENSIBLE = 0xFFFE  # the coding is the first word of a GUID further on
LIMITS = (1 << 31, 1 << 32, 1 << 63, 1 << 64)  # bytes; writers that do not know the size write about one of these
ABOUT = (1 << 24) + (1 << 16)  # bytes: SoX writes 16 MiB less than 2**31, others take off headers or round


def is_unknown_size(size: int, present: int) -> bool:
    """Whether a header has this size because the writer did not know it: 0, or about the largest that fits.

    Args:
        size: in bytes.
        present: the bytes that are there; a size that is no more than that was known.

    >>> is_unknown_size(0xFFFFFFDB, 160_000), is_unknown_size(64_000, 32_000), is_unknown_size(0, 32_000)
    (True, False, True)
    """
    return size == 0 or (size > present and any(limit - ABOUT <= size <= limit + (1 << 16) for limit in LIMITS))


def read_wav_header(file: Readable) -> WavHeader:
    """Read and check the header of a WAV, RF64, BW64 or RIFX file.

    Raises:
        DecodeError: ``corrupt`` where no sound can have this header, ``empty`` where no sound follows.
    """
    size = file.seek(0, 2)
    order = ">" if _read_at(file, 0, 4) == b"RIFX" else "<"
    position, fmt, long_size = 12, b"", None
    for _ in range(MOST_CHUNKS):
        head = _read_at(file, position, 8)
        if len(head) < 8:
            raise DecodeError("a WAV header without sound after it", code="empty" if fmt else "corrupt")
        tag, length = struct.unpack(order + "4sI", head)
        if tag == b"ds64":
            (long_size,) = struct.unpack(order + "Q", _read_at(file, position + 16, 8).ljust(8, b"\0"))
        elif tag == b"fmt ":
            fmt = _read_at(file, position + 8, min(length, 40))
        elif tag == b"data":
            break
        position += 8 + length + length % 2
    else:
        raise DecodeError(f"a WAV file with over {MOST_CHUNKS:,} chunks and no sound among them", code="corrupt")
    if len(fmt) < 16:
        raise DecodeError("a WAV file without its format", code="corrupt")
    coding, channels, rate, _, block, bits = struct.unpack(order + "HHIIHH", fmt[:16])
    if coding == EXTENSIBLE and len(fmt) >= 26:
        (coding,) = struct.unpack(order + "H", fmt[24:26])
    possible = 1_000 <= rate <= 1_000_000 and 1 <= channels <= 256 and block
    if not possible or (coding in PLAIN_CODINGS and block * 8 < channels * max(bits, 1)):
        raise DecodeError(
            f"a WAV header that cannot be meant: {rate} Hz, {channels} channels, {bits} bits", code="corrupt"
        )
    data_start = position + 8
    if long_size is not None and length == 0xFFFFFFFF:
        length = long_size
    present = size - data_start
    if present < block:
        raise DecodeError("a WAV header without sound after it", code="empty")
    promised = None if is_unknown_size(length, present) else length
    return WavHeader(coding, channels, rate, block, promised, present)


def ogg_faults(file: Readable) -> set[str]:
    """``"chained"`` where one stream follows another, ``"truncated"`` where the last page is cut.

    Reads page headers only (RFC 3533, section 6). The mark of the last page is no help: browsers do not set it.
    """
    faults, position, seen_data = set(), 0, False
    while len(head := _read_at(file, position, 27)) == 27 and head[:4] == b"OggS":
        begins, segments = head[5] & 2, head[26]
        if begins and seen_data:
            faults.add("chained")
        seen_data |= not begins
        body = sum(_read_at(file, position + 27, segments))
        position += 27 + segments + body
    return faults if position == file.seek(0, 2) else faults | {"truncated"}


def _after_padding(file: Readable) -> int:
    head = _read_at(file, 0, PADDING)
    if not head:
        raise DecodeError("the file is empty (0 bytes)", code="empty")
    zeros = _zeros(head)
    # A box of an MP4 starts with its length, which starts with zeros; padding is longer.
    return zeros if zeros >= 16 else 0


def _zeros(data: bytes) -> int:
    return len(data) - len(data.lstrip(b"\0"))


def _syncsafe(data: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=True))


def _read_at(file: Readable, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
