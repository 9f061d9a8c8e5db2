"""Cells of text that hold a recording itself: ``data:`` URIs and Base64."""

from __future__ import annotations

import base64
import binascii
import re
from io import BytesIO
from urllib.parse import unquote_to_bytes

from .containers import sniff
from .errors import DecodeError, SourceError

__all__ = ["bytes_of_base64", "bytes_of_data_uri", "shortened"]

SHOWN = 40  # characters of a long text in a message
LEAST = 64  # characters; a recording is not shorter
HEAD = 4 * 4096  # characters, enough to know a container by
ALPHABET = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def bytes_of_data_uri(text: str) -> bytes:
    """What a ``data:`` URI holds (RFC 2397).

    Raises:
        SourceError: ``bad-cell``, it is none.

    >>> bytes_of_data_uri("data:audio/wav;base64,UklGRg=="), bytes_of_data_uri("data:,a%20b")
    (b'RIFF', b'a b')
    """
    head, comma, data = text.partition(",")
    if not comma:
        raise SourceError(f"a data: URI without a comma before its data: {shortened(text)}", code="bad-cell")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        return _decoded(unquote_to_bytes(data).decode("ascii"))
    except (binascii.Error, ValueError) as error:
        raise SourceError(
            f"the Base64 of a data: URI is damaged ({error}): {shortened(text)}", code="bad-cell"
        ) from error


def bytes_of_base64(text: str | bytes) -> bytes | None:
    """The recording that a text is the Base64 of; None if it is something else, such as a path."""
    start = text[:LEAST].decode("latin-1") if isinstance(text, bytes) else text[:LEAST]
    if len(start) < LEAST or not ALPHABET.fullmatch("".join(start.split())):
        return None
    whole = text.decode("latin-1") if isinstance(text, bytes) else text
    try:
        head = _decoded("".join(whole[:HEAD].split())[: HEAD // 2 // 4 * 4 or None])
        sniff(BytesIO(head))
        return _decoded(whole)
    except (DecodeError, binascii.Error, ValueError):
        return None


def shortened(text: str) -> str:
    """A long text in a message."""
    return text if len(text) <= 2 * SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def _decoded(text: str) -> bytes:
    """Of both alphabets, with or without padding and line breaks."""
    plain = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
