"""Sound without any header, as telephone systems store it: what ``format=`` names.

Nothing in such a file tells what it is, so it is read only where somebody says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from .containers import Readable
from .errors import OptionError
from .resync import Start, find_start, has_header

__all__ = ["Coding", "coding_of", "find_coded"]

TELEPHONE = 8_000  # Hz
MOST_RATE = 1_000_000  # Hz
MOST_CHANNELS = 64
LEAST_RATE = 1_000  # Hz

# The name in ``format=``: FFmpeg's demuxer, the rate if none is given, whether another may be given.
NAMES: dict[str, tuple[str, int | None, bool]] = {
    "ulaw": ("mulaw", TELEPHONE, True),
    "mulaw": ("mulaw", TELEPHONE, True),
    "alaw": ("alaw", TELEPHONE, True),
    "g722": ("g722", 16_000, False),
    "gsm": ("gsm", TELEPHONE, False),
    "sln": ("s16le", TELEPHONE, True),  # Asterisk
    "s8": ("s8", None, True),
    "u8": ("u8", None, True),
    "s16le": ("s16le", None, True),
    "s16be": ("s16be", None, True),
    "s24le": ("s24le", None, True),
    "s32le": ("s32le", None, True),
    "f32le": ("f32le", None, True),
}


@dataclass(frozen=True, slots=True)
class Coding:
    """How the bytes of a file without a header are to be read.

    Args:
        demuxer: FFmpeg's name.
        rate: in Hz.
        channels: which alternate sample by sample.
        is_free: whether rate and channels are not fixed by the coding.
    """

    demuxer: str
    rate: int
    channels: int
    is_free: bool

    @property
    def options(self) -> dict[str, str]:
        """For FFmpeg's demuxer."""
        return {"sample_rate": str(self.rate), "ch_layout": f"{self.channels}C"} if self.is_free else {}


def coding_of(text: str | None) -> Coding | None:
    """What ``format=`` means: a name, or ``name:rate``, or ``name:rate:channels``.

    Raises:
        OptionError: it is none of these.

    >>> coding_of("ulaw").rate, coding_of("s16le:16000:2").channels
    (8000, 2)
    """
    if text is None:
        return None
    name, *numbers = text.lower().split(":") if isinstance(text, str) else [""]
    demuxer, rate, is_free = NAMES.get(name, ("", None, False))
    if not demuxer or len(numbers) > 2 or not all(number.isdecimal() and len(number) < 9 for number in numbers):
        raise OptionError(
            f"expected format= to be one of {', '.join(NAMES)}, with a rate in Hz where needed, as in 's16le:16000' "
            f"or 's16le:44100:2' (two channels); got {text!r}"
        )
    if numbers:
        wanted, channels = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 1
    elif rate is None:
        raise OptionError(f"format={text!r} needs a sampling rate in Hz, such as {name + ':16000'!r}")
    else:
        wanted, channels = rate, 1
    if not is_free and (wanted, channels) != (rate, 1):
        raise OptionError(f"{name} has always {rate} Hz and one channel; got format={text!r}")
    if not (LEAST_RATE <= wanted <= MOST_RATE and 1 <= channels <= MOST_CHANNELS):
        raise OptionError(
            f"expected {LEAST_RATE:,} to {MOST_RATE:,} Hz and 1 to {MOST_CHANNELS} channels, got format={text!r}"
        )
    return Coding(demuxer, wanted, channels, is_free)


def find_coded(file: Readable, coding: Coding | None) -> Start:
    """Where the sound begins: in a file that has a header as this says, else as the coding says.

    Raises:
        DecodeError: ``empty`` or ``not-audio``.
    """
    file.seek(0)
    if coding is None or not file.read(1) or has_header(file):
        return find_start(file)
    return Start(coding.demuxer)
