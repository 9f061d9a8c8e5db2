"""Where the sound begins in a file that does not begin with it.

Split files, byte ranges and dumps of radio streams begin within a frame, behind the header of an HTTP response, or
behind a few bytes that do not belong to them. A sync word alone is in every file, so that a frame counts only if
others of the same kind follow it at the distance that its header gives.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from .containers import Readable, after_tags, sniff
from .elementary import find_frames
from .errors import DecodeError

__all__ = ["Start", "find_start", "has_header"]

SEARCHED = 1 << 16  # bytes in which the sound must begin
PROOF = 3 << 16  # bytes behind them in which the following frames may lie
MOST_JUNK = 16  # bytes before the header of a container, such as a byte-order mark; more could be another format's
BEGINNING = 64  # bytes that tell text from sound which happens to begin like it

RESPONSE = re.compile(rb"(?:ICY|HTTP/\d(?:\.\d)?) \d{3}\b.*?\r?\n\r?\n", re.DOTALL)
# Headers that are recognised behind other bytes; they say more than the names in `containers.MAGIC`.
HEADER = re.compile(
    rb"RIFF....(?:WAVE|AVI )|FORM....AIF[FC]|RF64....WAVE|fLaC[\x00\x80]\x00\x00\x22|OggS\x00\x02|ID3[\x02-\x04]\x00"
    rb"|APETAGEX|\x1aE\xdf\xa3|\x00\x00..ftyp|\x30\x26\xb2\x75\x8e\x66\xcf\x11|#!AMR|caff\x00\x01",
    re.DOTALL,
)
# Formats that may hold a whole sound file within the first bytes, and are none.
FOREIGN = re.compile(
    rb"PK\x03\x04|PK\x05\x06|\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!|\x89PNG|\xff\xd8\xff|GIF8|%PDF|%!PS"
    rb"|PAR1|ARROW1|SQLite format 3|\x89HDF|\x93NUMPY|\x80[\x02-\x05]|\x7fELF|MZ|\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe"
    rb"|\xd0\xcf\x11\xe0|II\*\x00|MM\x00\*|BM....\x00\x00\x00\x00|RIFF....WEBP|MThd|ffconcat|#EXTM3U|version https://git"
    rb"|Xcur|Obj\x01|ORC|!<arch>|\xff\xfe|\xfe\xff|[CFZ]WS[\x01-\x40]|.{257}ustar",
    re.DOTALL,
)
TEXT = re.compile(rb"\s*(?:<!doctype|<html|<\?xml|<svg|\{|\[)", re.IGNORECASE)
BYTES_OF_TEXT = re.compile(rb"[\t\n\r\f\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Start:
    """Where the sound begins.

    Args:
        format: FFmpeg's name of the container.
        offset: bytes before it.
        is_damaged: whether these bytes should not be there, or were part of the sound.
    """

    format: str
    offset: int = 0
    is_damaged: bool = False


def find_start(file: Readable) -> Start:
    """The container, and where it begins.

    Raises:
        DecodeError: ``empty`` or ``not-audio``.
    """
    offset = after_tags(file)
    try:
        return Start(sniff(file), offset)
    except DecodeError as error:
        if error.code != "not-audio":
            raise
        for at in {offset: None, 0: None}:  # the size of a tag may be wrong
            start = _behind(file, at)
            if start is not None:
                return start
        raise


def has_header(file: Readable) -> bool:
    """Whether the file begins with the header of a container, which no raw samples would have."""
    file.seek(0)
    return HEADER.match(file.read(64)) is not None


def _behind(file: Readable, at: int) -> Start | None:
    """Sound behind something else in what begins at this byte, or None."""
    file.seek(at)
    head = file.read(SEARCHED + PROOF)
    if FOREIGN.match(head) or (TEXT.match(head) and BYTES_OF_TEXT.fullmatch(head[:BEGINNING])):
        return None
    response = RESPONSE.match(head[:SEARCHED])
    first = response.end() if response else 0
    for offset in [first] if response else range(1, MOST_JUNK + 1):
        if response or HEADER.match(head, offset):
            view = _View(file, at + offset)
            with contextlib.suppress(DecodeError):
                is_damaged = bool(head[:offset].strip(b"\0"))
                return Start(sniff(view), at + offset + after_tags(view), is_damaged)
    found = find_frames(head, first, SEARCHED)
    if found is None:
        return None
    name, offset = found
    return Start(name, at + offset, bool(head[:offset].strip(b"\0")))


class _View:
    """A file from some byte on."""

    def __init__(self, file: Readable, offset: int) -> None:
        self._file, self._offset = file, offset

    def read(self, count: int = -1, /) -> bytes:
        return self._file.read(count)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset + (0 if whence else self._offset), whence) - self._offset
