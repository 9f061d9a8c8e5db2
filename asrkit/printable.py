"""Text of others made safe to show: a server's words, file names, options.

A terminal obeys escape sequences, a line that turns around hides what it says, and a message of a megabyte buries
everything else. So whatever is shown to people passes here: what cannot be seen becomes an escape that can, letters of
all languages stay as they are, and what is too long loses its middle. Transcripts are data and are never altered; only
a terminal shows them with their control characters escaped.
"""

from __future__ import annotations

import json
import re
from typing import IO, Any

__all__ = ["MOST", "ForTerminal", "printable", "printable_json"]

MOST = 2_000  # characters of one message
# Control characters; marks that turn the direction of writing or have no width, except the joiners that Persian, Indic
# scripts and emoji are written with; separators of lines; tags; halves of surrogate pairs, as in file names that are no
# UTF-8.
_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_ONE_LINE = re.compile(f"[{_UNSEEN}]")
_LINES = re.compile(f"(?![\n\t])[{_UNSEEN}]")


def printable(text: object, most: int = MOST) -> str:
    r"""A text in one line that shows everything in it and does nothing; what is longer than ``most`` loses its middle.

    Applied twice it gives the same.

    >>> printable("clips/\x1b[2Jbeep\n.wav"), printable("\u202egpj.wav")
    ('clips/\\x1b[2Jbeep\\n.wav', '\\u202egpj.wav')
    >>> printable("a" * 1_000_000, most=60)
    'aaaaaaaaaaaaaaaaaaa ... (999,981 characters left out) ... aa'
    """
    told = text if isinstance(text, str) else str(text)
    if len(told) <= most:
        told = _ONE_LINE.sub(_escape, told)
        if len(told) <= most:
            return told
        return _without_middle(told, most, len(told))
    # Only what can be shown is escaped: a megabyte of control characters would become ten.
    shown = _ONE_LINE.sub(_escape, told[:most]) + _ONE_LINE.sub(_escape, told[-most:])
    return _without_middle(shown, most, len(told))


def printable_json(text: str) -> str:
    r"""JSON that shows everything in it and does nothing; it still says the same.

    >>> printable_json('{"name": "\u202ea\x7f"}')
    '{"name": "\\u202ea\\u007f"}'
    """
    return _ONE_LINE.sub(lambda found: json.dumps(found.group())[1:-1], text)


def _without_middle(told: str, most: int, length: int) -> str:
    note = f" ... ({length:,} characters left out) ... "
    room = most - len(note)
    tail = room // 8
    head = room - tail
    note = f" ... ({length - room:,} characters left out) ... "
    return told[: head + most - room - len(note)] + note + told[len(told) - tail :]


def _escape(found: re.Match[str]) -> str:
    letter = found.group()
    if "\udc80" <= letter <= "\udcff":  # a byte of a file name that is no UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return ascii(letter)[1:-1]


class ForTerminal:
    """A stream to a terminal, where lines and tabs are all that is left of control characters."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Escaped where it would do something."""
        self.stream.write(_LINES.sub(_escape, text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
