"""Frames of streams without a container: found by their sync words, and proved by the frames that follow.

Each format is a function from bytes and an offset to the header there, if there is one: how long its frame is, and
what the next header must have in common with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ["find_frames"]

ENOUGH = 8  # frames in a row; by chance they are in no file
AT_THE_END = 5  # are enough where the file ends behind them
PACKETS = 8  # of a transport stream
PACKS = 3  # of a program stream
PACKET_SIZES = (188, 192, 204)  # bytes of a packet: plain, with a time code before it, with error correction after it
TIME_CODE = 4  # bytes before each packet in .m2ts files


@dataclass(frozen=True, slots=True)
class _Header:
    """Of a frame: its bytes, and what it shares with its neighbours."""

    size: int
    kind: Hashable


def find_frames(data: bytes, first: int, last: int) -> tuple[str, int] | None:
    """FFmpeg's name of the format and the offset of the first frame that others follow, or None.

    Args:
        data: the beginning of a file, more than the part in which the first frame may be.
        first: the least offset of it.
        last: the largest.
    """
    found = [
        (offset, name)
        for name, sync, header in STREAMS
        if (offset := _first_of_a_row(data, first, last, sync, header)) is not None
    ]
    for name, find in (("mpegts", _transport_stream), ("flac", _flac), ("mpeg", _program_stream)):
        if (offset := find(data, first, last)) is not None:
            found.append((offset, name))
    if not found:
        return None
    offset, name = min(found)
    return name, offset


def _first_of_a_row(
    data: bytes, first: int, last: int, sync: re.Pattern[bytes], header: Callable[[bytes], _Header | None]
) -> int | None:
    for match in sync.finditer(data, first):
        if match.start() > last:
            return None
        if _is_a_row(data, match.start(), sync, header):
            return match.start()
    return None


def _is_a_row(data: bytes, at: int, sync: re.Pattern[bytes], header: Callable[[bytes], _Header | None]) -> bool:
    kind: Hashable = None
    for count in range(ENOUGH):
        if at + HEADER_BYTES > len(data):
            return count >= AT_THE_END
        found = header(data[at : at + HEADER_BYTES]) if sync.match(data, at) else None
        if found is None or (count and found.kind != kind) or data[at : at + 4] == data[at + 4 : at + 8]:
            return False  # the last: an even area of a picture
        kind = found.kind
        at += found.size
    return True


HEADER_BYTES = 10  # the longest header below

LAYER_1 = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)  # kbit/s by index, MPEG-1
LAYER_2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
LAYER_3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
LOW_LAYER_1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)  # MPEG-2 and 2.5
LOW_LAYERS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG_RATES = (44_100, 48_000, 32_000)  # Hz, MPEG-1; halved in MPEG-2, quartered in 2.5


def _mpeg_audio(head: bytes) -> _Header | None:
    """ISO 11172-3 and 13818-3, section 2.4.1.3. Frames of free bit rate do not give their size."""
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index, rate = head[2] >> 4, head[2] >> 2 & 3
    if head[1] & 0xE0 != 0xE0 or version == 1 or layer == 4 or index in (0, 15) or rate == 3 or head[3] & 3 == 2:
        return None
    hertz = MPEG_RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    if version == 3:
        kilobits = (LAYER_1, LAYER_2, LAYER_3)[layer - 1][index]
    else:
        kilobits = (LOW_LAYER_1 if layer == 1 else LOW_LAYERS)[index]
    padding = head[2] >> 1 & 1
    if layer == 1:
        size = (12_000 * kilobits // hertz + padding) * 4
    else:
        size = (72_000 if layer == 3 and version != 3 else 144_000) * kilobits // hertz + padding
    return _Header(size, (version, layer, rate))


def _adts(head: bytes) -> _Header | None:
    """AAC, ISO 13818-7, section 6.2."""
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12 or size <= 7:
        return None
    return _Header(size, (head[1], head[2], head[3] >> 6))


def _loas(head: bytes) -> _Header | None:
    """AAC in LATM, ISO 14496-3, section 1.7.2."""
    size = ((head[1] & 0x1F) << 8 | head[2]) + 3
    return _Header(size, None) if head[1] & 0xE0 == 0xE0 and size > 5 else None


AC3_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def _ac3(head: bytes) -> _Header | None:
    """ATSC A/52, section 5.3 and table 5.18."""
    rate, code = head[4] >> 6, head[4] & 63
    if head[5] >> 3 > 10 or rate == 3 or code > 37:
        return None
    kilobits = AC3_KILOBITS[code >> 1]
    words = (2 * kilobits, 320 * kilobits // 147 + (code & 1), 3 * kilobits)[rate]
    return _Header(2 * words, (rate, head[5]))


def _eac3(head: bytes) -> _Header | None:
    """ATSC A/52, annex E."""
    size = 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    return _Header(size, (head[4] >> 6, head[5] >> 3)) if 10 < head[5] >> 3 <= 16 and size > 10 else None


def _dts(head: bytes) -> _Header | None:
    """ETSI TS 102 114, section 5.3."""
    size = ((head[5] & 3) << 12 | head[6] << 4 | head[7] >> 4) + 1
    return _Header(size, head[8] & 0x3C) if size >= 96 else None


STREAMS: list[tuple[str, re.Pattern[bytes], Callable[[bytes], _Header | None]]] = [
    ("mp3", re.compile(rb"\xff(?=[\xe0-\xff])"), _mpeg_audio),
    ("aac", re.compile(rb"\xff(?=[\xf0-\xff])"), _adts),
    ("loas", re.compile(rb"\x56(?=[\xe0-\xff])"), _loas),
    ("ac3", re.compile(rb"\x0b(?=\x77)"), _ac3),
    ("eac3", re.compile(rb"\x0b(?=\x77)"), _eac3),
    ("dts", re.compile(rb"\x7f(?=\xfe\x80\x01)"), _dts),
]


# -- transport and program streams ------------------------------------------------------------------------------


def _transport_stream(data: bytes, first: int, last: int) -> int | None:
    """ISO 13818-1, section 2.4.3.2: sync bytes at one distance, and counters that count."""
    at = data.find(b"\x47", first)
    while 0 <= at <= last:
        for size in PACKET_SIZES:
            if at + size * (PACKETS - 1) + 4 <= len(data) and _are_packets(data, at, size):
                return at - TIME_CODE if size == 192 and at == first + TIME_CODE else at
        at = data.find(b"\x47", at + 1)
    return None


def _are_packets(data: bytes, at: int, size: int) -> bool:
    counters: dict[int, int] = {}
    counted = 0
    for place in range(at, at + size * PACKETS, size):
        if data[place] != 0x47:
            return False
        is_broken, pid = data[place + 1] & 0x80, (data[place + 1] & 0x1F) << 8 | data[place + 2]
        flags, counter = data[place + 3], data[place + 3] & 15
        if is_broken or flags >> 6 == 1 or not flags & 0x30:  # scrambled in a reserved way; neither header nor payload
            return False
        if pid == 0x1FFF or not flags & 0x10:
            continue
        if pid in counters:
            if counter not in (counters[pid], counters[pid] + 1 & 15):
                return False
            counted += counter != counters[pid]
        counters[pid] = counter
    return counted > 0


PACK = re.compile(rb"\x00\x00\x01\xba(?:[\x44-\x7f].{8}[\xf8-\xff]|[\x21-\x2f].{7})\x00\x00\x01[\xbb-\xef]", re.DOTALL)


def _program_stream(data: bytes, first: int, last: int) -> int | None:
    """ISO 13818-1, section 2.5.3: pack headers, each with another start code behind it."""
    packs = [match.start() for match in PACK.finditer(data, first)][:PACKS]
    return packs[0] if len(packs) >= PACKS and packs[0] <= last else None


# -- FLAC -------------------------------------------------------------------------------------------------------

FLAC_SYNC = re.compile(rb"\xff(?=[\xf8\xf9])")
FLAC_HEADER = 16  # bytes, the longest
FLAC_ROW = 3  # frames whose headers have the right check sum and follow one another


def _flac(data: bytes, first: int, last: int) -> int | None:
    """RFC 9639, section 9: a frame does not give its size, but its number and a check sum of its header."""
    following: dict[tuple[int, int], tuple[int, int]] = {}  # the number that comes next -> where its row began, length
    for match in FLAC_SYNC.finditer(data, first):
        head = _flac_header(data[match.start() : match.start() + FLAC_HEADER])
        if head is None:
            continue
        kind, number, step = head
        began, length = following.get((kind, number), (match.start(), 0))
        if length + 1 >= FLAC_ROW and began <= last:
            return began
        following[kind, number + step] = began, length + 1
    return None


def _flac_header(head: bytes) -> tuple[int, int, int] | None:
    """What neighbours share, the number of the frame or of its first sample, and how far it is to the next."""
    if len(head) < FLAC_HEADER or head[3] & 1 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] >> 4 > 10:
        return None
    ones = 8 - (head[4] ^ 0xFF).bit_length()  # a number as UTF-8 would write it
    if ones in (1, 8):
        return None
    number, at = head[4] & (0x7F >> ones), 5
    for byte in head[5 : 4 + ones]:
        if byte & 0xC0 != 0x80:
            return None
        number, at = number << 6 | byte & 0x3F, at + 1
    code = head[2] >> 4
    size = 192 if code == 1 else 144 << code if code <= 5 else 1 << code
    if code in (6, 7):
        size = int.from_bytes(head[at : at + code - 5], "big") + 1
        at += code - 5
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if _crc8(head[:at]) != head[at]:
        return None
    is_variable = head[1] & 1
    return is_variable << 8 | head[2] & 15, number, size if is_variable else 1


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07) & 0xFF if value & 0x80 else value << 1
    return value
