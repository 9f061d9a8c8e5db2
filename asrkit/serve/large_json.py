"""JSON of any size -> values, without an object for each number and in short slices of time.

A large body of a recogniser is a recording: one long string of Base64, or one long array of numbers. Those long values
are cut out first and read in blocks; what is left is small, and is parsed as any small body is. Each block takes the
interpreter's lock for a few milliseconds, so that the event loop goes on answering meanwhile.
"""

from __future__ import annotations

import codecs
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

__all__ = ["MOST_REST", "LongString", "Numbers", "TooMuchJsonError", "parse_json", "parse_large_json"]

LONG = 512  # bytes from which a value is cut out; longer than the name of any option, all its letters escaped
MOST_REST = 1_000_000  # bytes of JSON beside the long values: at most some 30 MB of objects
SHORT_STRING = 65_536  # bytes up to which a string that was cut out becomes a str again
BLOCK = 1 << 18  # bytes read at once
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_HIGH_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_RUN = re.compile(rb"[0-9+\-.eE, \t\r\n]{%d,}+" % LONG)
_MORE_OF_RUN = re.compile(rb"[0-9+\-.eE, \t\r\n]++")
_BLANKS = b" \t\r\n"
_BLANK_RUN = re.compile(rb"[ \t\r\n]++")
_LONGEST_ESCAPE = 12  # bytes: two surrogates


class TooMuchJsonError(ValueError):
    """Beside long strings and arrays of numbers there is more than a server needs."""


@dataclass(frozen=True, slots=True, eq=False)
class LongString:
    """A string of JSON as it was written, between its quotes; checked, but not unescaped.

    Args:
        raw: part of the body, which it keeps in memory.
        block: bytes that are unescaped at once.
    """

    raw: memoryview
    block: int = BLOCK

    def blocks(self) -> Iterator[bytes]:
        """The string in UTF-8, block by block.

        Raises:
            ValueError: an escape or a byte that no string may have.
        """
        at = 0
        while at < len(self.raw):
            part = bytes(self.raw[at : at + self.block])
            if at + len(part) < len(self.raw):
                part = part[: _whole_characters(part)]
            at += len(part)
            yield _unescaped(part)


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Numbers that follow one another in an array.

    Args:
        count: how many.
        data: all of them as bytes, None where one is not a whole number of 0 to 255.
        fault: index and value of the first that is not.
    """

    count: int
    data: bytes | None
    fault: tuple[int, Any] | None = None


def parse_json(body: bytes) -> Any:
    """JSON, forgiving of raw newlines within strings: GNU ``base64`` breaks its output into lines.

    Raises:
        ValueError, RecursionError: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    parsed = json.loads(body, strict=False)
    if _ESCAPED_SURROGATE.search(body):  # half a character, which nothing can write
        json.dumps(parsed, ensure_ascii=False).encode()
    return parsed


def parse_large_json(body: bytes, *, block: int = BLOCK, most_rest: int = MOST_REST) -> Any:
    """The value that ``parse_json`` gives, with ``LongString`` and ``Numbers`` in place of long strings and numbers.

    Args:
        body: the whole text.
        block: bytes that are read at once.
        most_rest: bytes that may be left when the long values are cut out.

    Raises:
        TooMuchJsonError: more than ``most_rest`` bytes are left.
        ValueError, RecursionError: it is no JSON.
    """
    encoding = json.detect_encoding(body[:8])
    if not encoding.startswith("utf-8"):
        body = b"".join(codecs.iterencode(codecs.iterdecode(_slices(body, block), encoding), "utf-8"))
    cutter = _Cutter(body, block, most_rest)
    rest = cutter.cut()
    return cutter.restored(parse_json(rest))


def _slices(body: bytes, block: int) -> Iterator[bytes]:
    return (body[at : at + block] for at in range(0, len(body), block))


@dataclass(slots=True)
class _Cutter:
    """Cuts the long values out of a text and puts the finished ones into the parsed rest."""

    body: bytes
    block: int
    most_rest: int
    mark: str = field(default_factory=lambda: secrets.token_hex(8))  # no client can write it
    rest: bytearray = field(default_factory=bytearray)
    found: list[LongString | Numbers | str] = field(default_factory=list)

    def cut(self) -> bytes:
        """The text with a short string in place of each long value."""
        at = 0
        while at < len(self.body):
            quote = self.body.find(b'"', at)
            self._between(at, len(self.body) if quote < 0 else quote)
            if quote < 0:
                break
            end = _end_of_string(self.body, quote + 1, self.block)
            if end < 0:
                raise ValueError(f"a string without its end: it begins at byte {quote}")
            if end - quote <= LONG:
                self._keep(quote, end + 1)
            else:
                self._cut_out(self._string(memoryview(self.body)[quote + 1 : end]))
            at = end + 1
        return bytes(self.rest)

    def restored(self, parsed: Any) -> Any:
        """The parsed rest with the long values in their places."""
        if not self.found:
            return parsed
        holder = [parsed]
        waiting: list[Any] = [holder]
        while waiting:
            inside = waiting.pop()
            for key, value in list(inside.items() if isinstance(inside, dict) else enumerate(inside)):
                if isinstance(value, dict | list):
                    waiting.append(value)
                elif isinstance(value, str) and value.startswith(self.mark):
                    found = self.found[int(value.partition(":")[2])]
                    if isinstance(found, Numbers) and found.count > 1 and isinstance(inside, dict):
                        raise ValueError("several numbers where one is expected")
                    inside[key] = found
        return holder[0]

    def _between(self, at: int, stop: int) -> None:
        """What stands between two strings: brackets, words, blanks, and numbers, which may be many."""
        while stop - at >= LONG:
            # No further than what may be kept anyhow: a text without long runs is not looked through to its end.
            window = at + self.most_rest - len(self.rest) + LONG + self.block
            run = _RUN.search(self.body, at, min(stop, window))
            if run is None:
                break
            begin, end = run.start(), _end_of_run(self.body, run.end(), stop, self.block)
            first, last = self._whole_numbers(begin, end)
            self._keep_between(at, first)
            if last - first < LONG or _is_blank(self.body, first, last, self.block):
                self._keep_between(first, end)
            else:
                self._cut_out(_numbers(self.body, first, last, self.block))
                self._keep_between(last, end)
            at = end
        self._keep_between(at, stop)

    def _whole_numbers(self, begin: int, end: int) -> tuple[int, int]:
        """Where the first number begins that is whole within the run, and where the last one ends."""
        first, last = begin, end
        if self.body[begin - 1 : begin] not in (b"[", b":"):
            comma = self.body.find(b",", begin, end)
            first = comma + 1 if comma >= 0 else end
        if self.body[end : end + 1] not in (b"]", b"}", b""):
            comma = self.body.rfind(b",", first, end)
            last = comma if comma >= 0 else first
        return first, last

    def _keep_between(self, begin: int, end: int) -> None:
        """Keep a text that holds no string, its blanks but one left out."""
        if end - begin < LONG:
            self._keep(begin, end)
            return
        for at in range(begin, end, self.block):
            self._add(_BLANK_RUN.sub(b" ", self.body[at : min(end, at + self.block)]))

    def _keep(self, begin: int, end: int) -> None:
        self._add(self.body[begin:end])

    def _add(self, text: bytes) -> None:
        if len(self.rest) + len(text) > self.most_rest:
            raise TooMuchJsonError(f"more than {self.most_rest} bytes beside long strings and arrays of numbers")
        self.rest += text

    def _cut_out(self, value: LongString | Numbers | str) -> None:
        self._add(f'"{self.mark}:{len(self.found)}"'.encode())
        self.found.append(value)

    def _string(self, raw: memoryview) -> LongString | str:
        if len(raw) <= SHORT_STRING:
            return _unescaped(bytes(raw)).decode()
        value = LongString(raw, self.block)
        for _ in value.blocks():  # wrong escapes are found here, whoever reads the string later
            pass
        return value


# -- strings ----------------------------------------------------------------------------------------------------


def _end_of_string(body: bytes, at: int, block: int) -> int:
    """Where the closing quote of the string stands whose first character is at ``at``; -1 where there is none."""
    quote = body.find(b'"', at)
    if quote < 0 or body.find(b"\\", at, quote) < 0:
        return quote
    while at < len(body):
        part = body[at : at + block]
        if (len(part) - len(part.rstrip(b"\\"))) % 2 and at + len(part) < len(body):
            part = part[:-1]  # a backslash whose second half is in the next block
        # Escaped backslashes first, from the left: then a quote after a backslash is an escaped one.
        quote = part.replace(b"\\\\", b"__").replace(b'\\"', b"__").find(b'"')
        if quote >= 0:
            return at + quote
        at += len(part)
    return -1


def _whole_characters(part: bytes) -> int:
    """How many bytes of a block hold whole characters, whole escapes and whole pairs of escaped surrogates."""
    last = part.rfind(b"\\", len(part) - _LONGEST_ESCAPE)
    if last < 0:
        for back in range(1, 5):
            if part[-back] < 0x80:
                return len(part)
            if part[-back] >= 0xC0:  # the first byte of a character in UTF-8, which may go on in the next block
                return len(part) - back
        return len(part)
    begin = last if _is_escape(part, last) else last - 1
    before = begin - 6
    if before >= 0 and _HIGH_SURROGATE.match(part, before) and _is_escape(part, before):
        return before
    return begin


def _is_escape(part: bytes, at: int) -> bool:
    """Whether the backslash there begins an escape; else it is the second half of an escaped backslash."""
    return (at + 1 - len(part[: at + 1].rstrip(b"\\"))) % 2 == 1


def _unescaped(part: bytes) -> bytes:
    if b"\\" not in part:
        if not part.isascii():
            part.decode()
        return part
    text = parse_json(b'"%b"' % part)
    assert isinstance(text, str)
    return text.encode()


# -- numbers ----------------------------------------------------------------------------------------------------


def _end_of_run(body: bytes, at: int, stop: int, block: int) -> int:
    while at < stop and (more := _MORE_OF_RUN.match(body, at, min(stop, at + block))) is not None:
        at = more.end()
    return at


def _is_blank(body: bytes, begin: int, end: int, block: int) -> bool:
    return not any(body[at : min(end, at + block)].strip(_BLANKS) for at in range(begin, end, block))


def _numbers(body: bytes, begin: int, end: int, block: int) -> Numbers:
    """The numbers of a run, which begins and ends with whole ones."""
    parts: list[bytes] = []
    fault: tuple[int, Any] | None = None
    count = 0
    at = begin
    while at <= end:
        comma = end if end - at <= block else body.rfind(b",", at, at + block)
        if comma < 0:  # one number fills the block
            comma = body.find(b",", at, end)
            comma = end if comma < 0 else comma
        text = body[at:comma]
        if len(text) > block:
            text = b"".join(_BLANK_RUN.sub(b" ", part) for part in _slices(text, block))
            if len(text) > block + 2:
                raise ValueError(f"a number of {len(text)} digits at byte {at}")
        if not text.strip(_BLANKS):
            raise ValueError(f"a number is missing at byte {at}")
        values = parse_json(b"[%b]" % text)
        if fault is None:
            data, wrong = _as_bytes(values)
            if wrong is None:
                parts.append(data)
            else:
                fault = count + wrong, values[wrong]
                parts.clear()
        count += len(values)
        at = comma + 1
    return Numbers(count, None if fault else b"".join(parts), fault)


def _as_bytes(values: list[Any]) -> tuple[bytes, int | None]:
    """The values as bytes; or the index of the first that is no byte."""
    try:
        return bytes(values), None
    except (TypeError, ValueError):
        pass
    try:
        table = np.array(values, np.float64)
        is_right = (table >= 0) & (table <= 255) & (table == np.floor(table))
    except OverflowError:  # whole numbers of hundreds of digits
        return b"", next(index for index, value in enumerate(values) if not 0 <= value <= 255 or value != int(value))
    wrong = np.flatnonzero(~is_right)
    return (b"", int(wrong[0])) if len(wrong) else (table.astype(np.uint8).tobytes(), None)
