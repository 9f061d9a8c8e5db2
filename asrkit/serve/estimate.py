"""What a file's own header promises, read without a decoder: how long it is, and how much there is to decode.

It only decides who waits for whom and what is refused at once. A header may lie: the decoder counts for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from ..containers import read_wav_header
from ..errors import DecodeError
from ..sizes import mended
from ..steady import SteadyFile

__all__ = ["Promise", "promised"]

OGG_TAIL = 1 << 16  # bytes; the last page of an Ogg begins within them
OPUS_RATE = 48_000  # Hz, in which Opus counts whatever it was recorded at


@dataclass(frozen=True, slots=True)
class Promise:
    """What a header says.

    Args:
        seconds: of sound.
        values: samples over all channels.
        is_sure: whether a decoder would say the same; a cut from a live Ogg does not begin at 0.
    """

    seconds: float
    values: float
    is_sure: bool = True


def promised(data: bytes) -> Promise | None:
    """What the header of a WAV, FLAC or Ogg file says; None for other files and for headers that say nothing.

    >>> promised(b"fLaC" + bytes.fromhex("00000022 10001000 000000 000000 0bb802f0 0017bb00") + bytes(16))
    Promise(seconds=32.4..., values=3110400.0, is_sure=True)
    """
    if data[:4] == b"fLaC":
        return _flac(data)
    if data[:4] == b"OggS":
        return _ogg(data)
    if data[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return _wav(data)
    return None


def _wav(data: bytes) -> Promise | None:
    if data[8:12] != b"WAVE":
        return None
    try:
        file, _ = mended(SteadyFile(BytesIO(data)), "rifx" if data[:4] == b"RIFX" else "wav")
        header = read_wav_header(file)
    except DecodeError:
        return None
    if not header.is_plain:
        return None
    return Promise(header.frames / header.sampling_rate, float(header.frames * header.channels))


def _flac(data: bytes) -> Promise | None:
    """The block STREAMINFO, which comes first (RFC 9639, section 8.2)."""
    if len(data) < 42 or data[4] & 0x7F:
        return None
    packed = int.from_bytes(data[18:26], "big")
    rate, channels, samples = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    return Promise(samples / rate, float(samples * channels)) if rate and samples else None


def _ogg(data: bytes) -> Promise | None:
    """The position that the last page names (RFC 3533, section 6), in samples of the first page's codec."""
    first = data[28:60]
    if first.startswith(b"OpusHead"):
        rate, channels = OPUS_RATE, first[9]
    elif first.startswith(b"\x01vorbis"):
        rate, channels = int.from_bytes(first[12:16], "little"), first[11]
    else:
        return None
    last = data.rfind(b"OggS", max(0, len(data) - OGG_TAIL))
    if data[last + 14 : last + 18] != data[14:18]:  # another stream's page
        return None
    samples = int.from_bytes(data[last + 6 : last + 14], "little", signed=True)
    if not (rate and channels and samples > 0):
        return None
    return Promise(samples / rate, float(samples * channels), is_sure=False)
