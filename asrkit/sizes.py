"""Headers that say too little, too much or nothing of how long the sound is, and where it ends in truth.

A recorder that crashed leaves the size of its first buffer; 32 bits wrap at 4 GiB; a program that writes into a pipe
cannot know. So what follows the sound is looked at: chunks of the format are metadata, anything else is more sound. A
header that is wrong is replaced in what the decoders read; the file itself stays as it is.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .containers import Readable, is_unknown_size
from .steady import SteadyFile

__all__ = ["MendedFile", "mended"]

MOST_CHUNKS = 10_000
TAIL = 1 << 23  # bytes at the end of a file in which its last chunks are looked for; pictures may be among them
SLACK = 8  # bytes after the sound that are padding, whatever they are
MOST_TEXT = 1 << 12  # bytes of a remark at the end
TEXT = re.compile(rb"[\t\n\r\x20-\x7e]+")  # sound of that many bytes would have others too
STEP = 1 << 20  # bytes looked at in one go
# Chunks that follow the sound: of RIFF and broadcast WAV, of AIFF, of CAF.
KNOWN = (
    "LIST list INFO id3 ID3 bext iXML axml aXML _PMX cue smpl inst fact PEAK JUNK junk FLLR PAD afsp disp DISP "
    "plst note labl ltxt acid strc cart umid levl chna minf elm1 regn LGWV r64m SNDM MD5 wavl slnt "
    "COMM MARK INST NAME AUTH ANNO COMT (c) FVER CHAN APPL basc trns cate AESD SAXL "
    "free info strg mark peak ovvw uuid chan kuki pakt edct midi"
)
KNOWN_TAG = re.compile(
    "|".join(re.escape(tag.replace("_", " ").replace(" PMX", "_PMX")) for tag in KNOWN.split()).encode()
)
W64_TAG = re.compile(
    b"[A-Za-z0-9 ]{4}(?:"
    + re.escape(bytes.fromhex("f3acd3118cd100c04f8edb8a"))
    + b"|"
    + re.escape(bytes.fromhex("2f91cf11a5d628db04c10000"))
    + b")"
)
WIDTHS_OF_AIFF = {b"ulaw": 1, b"alaw": 1, b"fl32": 4, b"fl64": 8}  # bytes of one sample
POSSIBLE_TAG = re.compile(rb"[A-Za-z0-9][A-Za-z0-9 _.-]{3}")
# How the files begin that can be mended.
BEGIN = re.compile(
    rb"(?:RIFF|RIFX|RF64|BW64)....WAVE|FORM....AIF[FC]|caff\0\x01|\.snd\0\0|riff\x2e\x91\xcf\x11", re.DOTALL
)
TAGS_OF_MP3 = (b"ID3\x02", b"ID3\x03", b"ID3\x04", b"TAG", b"APETAGEX", b"LYRICSBEGIN")


@dataclass(frozen=True, slots=True)
class Chunks:
    """How a format writes its chunks: a tag, a size, the body."""

    size: str  # for struct
    tag: int = 4  # bytes
    own: int = 0  # bytes of the head that the size counts
    align: int = 2
    known: re.Pattern[bytes] = KNOWN_TAG

    @property
    def head(self) -> int:
        """In bytes."""
        return self.tag + struct.calcsize(self.size)

    def read(self, file: Readable, position: int) -> tuple[bytes, int] | None:
        """Its tag and the length of its body; None where the file ends."""
        data = _read_at(file, position, self.head)
        if len(data) < self.head:
            return None
        (size,) = struct.unpack(self.size, data[self.tag :])
        return data[: self.tag], size - self.own

    def after(self, position: int, length: int) -> int:
        """Where the next one begins."""
        body = self.head + length
        return position + body + -body % self.align


RIFF, RIFX = Chunks("<I"), Chunks(">I")
CAF = Chunks(">q", align=1)
W64 = Chunks("<Q", tag=16, own=24, align=8, known=W64_TAG)


@dataclass
class Sound:
    """The sound of a file as its header describes it. Positions and sizes are in bytes.

    Args:
        start: where it begins.
        promised: how long it is, None where the header does not say.
        fields: what must be written where, once the true length is known; see ``_patches``.
    """

    start: int
    promised: int | None
    fields: list[tuple[int, str, int]] = field(default_factory=list)  # position, struct format, added to the length
    frames: tuple[int, int] | None = None  # position of a 32-bit count of frames, and bytes of one


class MendedFile(SteadyFile):
    """A file with other bytes in its header, that ends earlier."""

    def __init__(self, file: SteadyFile, patches: dict[int, bytes], end: int) -> None:
        super().__init__(file)  # type: ignore[arg-type]  # read, seek and tell are all that is used
        self._inner, self._patches, self._end = file, patches, end

    def read(self, count: int = -1) -> bytes:
        """The next bytes."""
        at = self._inner.tell()
        left = max(0, self._end - at)
        data = self._inner.read(left if count < 0 else min(count, left))
        for position, patch in self._patches.items():
            first, last = max(at, position), min(at + len(data), position + len(patch))
            if first < last:
                data = data[: first - at] + patch[first - position : last - position] + data[last - at :]
        return data

    def readinto(self, buffer: Any) -> int:
        """As ``read``, into memory that is there."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position."""
        return self._inner.seek(self._end + offset) if whence == 2 else self._inner.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._inner.tell()

    def check(self) -> None:
        """See ``SteadyFile``."""
        self._inner.check()


def mended(file: SteadyFile, name: str) -> tuple[SteadyFile, str | None]:
    """A file whose header tells the truth, and what was wrong with it.

    Returns:
        ``wrong-size``: the header said less or more than there is; ``chained``: another file of its kind follows, and
        is left out; ``cut``: the end of the sound is missing; None.

    Args:
        file: at any position.
        name: its container, by FFmpeg's name; others than WAV, AIFF, AU, W64 and CAF are given back as they are.
    """
    size = file.seek(0, 2)
    chunks, sound = _find(file, name, size)
    if sound is None or size - sound.start <= SLACK:
        return file, None
    promised, present = sound.promised, size - sound.start
    if promised is not None and promised <= present:
        end = sound.start + promised
        if (next_file := _next_file(file, chunks, end)) is not None:
            return MendedFile(file, {}, next_file), "chained"
        if any(_ends_there(file, chunks, at, size) for at in (end, end + promised % 2)):
            return file, None
    end = _last_chunks(file, chunks, sound.start, size)
    if promised is not None and promised > present and end == size:
        return file, "cut" if promised - present > SLACK else None
    return MendedFile(file, _patches(sound, end), end), None if promised is None else "wrong-size"


def _next_file(file: Readable, chunks: Chunks | None, position: int) -> int | None:
    """Where another file of a kind that can be mended begins, behind the sound and the chunks that belong to it."""
    for _ in range(MOST_CHUNKS):
        for at in (position, position + 1):  # some programs leave out the byte that makes an odd size even
            if BEGIN.match(_read_at(file, at, 24)):
                return at
        own = None if chunks is None else chunks.read(file, position)
        if chunks is None or own is None or own[1] < 0 or chunks.known.match(own[0]) is None:
            return None
        position = chunks.after(position, own[1])
    return None


def _find(file: Readable, name: str, size: int) -> tuple[Chunks | None, Sound | None]:
    """How the format writes chunks, and what the header says of the sound; None where there is no such thing."""
    match name:
        case "wav":
            return RIFF, _find_wav(file, RIFF, size)
        case "rifx":
            return RIFX, _find_wav(file, RIFX, size)
        case "aiff":
            return RIFX, _find_aiff(file, size)
        case "w64":
            return W64, _find_w64(file, size)
        case "caf":
            return CAF, _find_caf(file, size)
        case "au":
            return None, _find_au(file, size)
    return None, None


def _walked(file: Readable, chunks: Chunks, position: int) -> Iterator[tuple[int, bytes, int]]:
    """Position, tag and length of one chunk after the other; a length below 0 is the last."""
    for _ in range(MOST_CHUNKS):
        told = chunks.read(file, position)
        if told is None:
            return
        yield position, *told
        if told[1] < 0:
            return
        position = chunks.after(position, told[1])


def _known_size(length: int, present: int) -> int | None:
    return None if length < 0 or is_unknown_size(length, present) else length


def _find_wav(file: Readable, chunks: Chunks, size: int) -> Sound | None:
    order, long = chunks.size[0], None
    for position, tag, length in _walked(file, chunks, 12):
        start = position + chunks.head
        if tag == b"ds64":
            long = position + 16, *struct.unpack(order + "Q", _read_at(file, position + 16, 8).ljust(8, b"\0"))
        elif tag == b"data" and long is not None and length == 0xFFFFFFFF:
            return Sound(start, _known_size(long[1], size - start), [(long[0], order + "Q", 0)])
        elif tag == b"data":
            fields = [(position + 4, order + "I", 0), (4, order + "I", start - 8)]
            return Sound(start, _known_size(length, size - start), fields)
    return None


def _find_aiff(file: Readable, size: int) -> Sound | None:
    frames = None
    for position, tag, length in _walked(file, RIFX, 12):
        if tag == b"COMM":
            frames = _frames_of_aiff(_read_at(file, position + 8, min(length, 22)), position + 10)
        elif tag == b"SSND":
            start = position + 16
            fields = [(position + 4, ">I", 8), (4, ">I", start - 8)]
            return Sound(start, _known_size(length - 8, size - start), fields, frames)
    return None


def _find_w64(file: Readable, size: int) -> Sound | None:
    for position, tag, length in _walked(file, W64, 40):
        if tag.startswith(b"data"):
            start = position + W64.head
            return Sound(start, _known_size(length, size - start), [(position + 16, "<Q", 24), (16, "<Q", start)])
    return None


def _find_caf(file: Readable, size: int) -> Sound | None:
    """Only codings in which every sample has its own bytes: others have a table of packets."""
    is_plain = False
    for position, tag, length in _walked(file, CAF, 8):
        if tag == b"desc":
            is_plain = _read_at(file, position + 20, 4) in (b"lpcm", b"ulaw", b"alaw")
        elif tag == b"data" and is_plain:
            start = position + 16
            return Sound(start, _known_size(length - 4, size - start), [(position + 4, ">q", 4)])
    return None


def _find_au(file: Readable, size: int) -> Sound | None:
    head = _read_at(file, 0, 24)
    if len(head) < 24:
        return None
    start, length = struct.unpack(">II", head[4:12])
    return Sound(start, _known_size(length, size - start), [(8, ">I", 0)])


def _frames_of_aiff(body: bytes, position: int) -> tuple[int, int] | None:
    """Where the number of frames is, and how many bytes each has; None where packets hold several."""
    if len(body) < 18:
        return None
    channels, _, bits = struct.unpack(">HIH", body[:8])
    coding = body[18:22].lower() or b"none"
    width = WIDTHS_OF_AIFF.get(coding, -(-bits // 8) if coding in (b"none", b"sowt", b"twos", b"raw ") else 0)
    return (position, channels * width) if channels and width else None


def _ends_there(file: Readable, chunks: Chunks | None, position: int, size: int) -> bool:
    """Whether the sound can end here: nothing follows, or padding, or the tags and chunks of its format."""
    if size - position <= SLACK:
        return True
    if _read_at(file, position, 12).startswith(TAGS_OF_MP3):
        return True
    if chunks is not None and _are_chunks(file, chunks, position, size):
        return True
    if size - position <= MOST_TEXT and TEXT.fullmatch(_read_at(file, position, MOST_TEXT).rstrip(b"\0")):
        return True
    while position < size:
        if _read_at(file, position, STEP).strip(b"\0"):
            return False
        position += STEP
    return True


def _are_chunks(file: Readable, chunks: Chunks, position: int, size: int, *, exactly: bool = False) -> bool:
    """Whether chunks follow one another from here to the end of the file.

    ``exactly``: the last one must end with the file; else one of a known kind may be cut.
    """
    for at, tag, length in _walked(file, chunks, position):
        is_known = chunks.known.match(tag) is not None
        after = at + chunks.head + length
        if length < 0 or not (is_known or (chunks is not W64 and POSSIBLE_TAG.match(tag) is not None)):
            return False
        if after > size:
            return is_known and not exactly
        if size - after < chunks.head:
            return size - after < chunks.align or not _read_at(file, after, chunks.head).strip(b"\0")
    return False


def _last_chunks(file: Readable, chunks: Chunks | None, start: int, size: int) -> int:
    """Where the chunks at the end of the file begin; its end where there are none."""
    if chunks is None:
        return size
    begin = max(start, size - TAIL)
    tail = _read_at(file, begin, size - begin)
    for found in chunks.known.finditer(tail):
        if _are_chunks(file, chunks, begin + found.start(), size, exactly=True):
            return begin + found.start()
    return size


def _patches(sound: Sound, end: int) -> dict[int, bytes]:
    """What a true header has at these positions; the largest number that fits where the truth does not."""
    length = end - sound.start
    patches = {}
    for position, form, more in sound.fields:
        most = (1 << 8 * struct.calcsize(form)) - 1
        patches[position] = struct.pack(form, min(length + more, most if form[1] != "q" else most >> 1))
    if sound.frames is not None:
        position, block = sound.frames
        patches[position] = struct.pack(">I", min(length // block, 0xFFFFFFFF))
    return patches


def _read_at(file: Readable, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
