"""The lines of a label log, read one by one: what can be read is, whatever became of the lines around it.

A line may be torn, overwritten, joined to the next one or filled with zeros, and its values may be of any type, since
other programs may have written them. What this module gives out has the types that ``Label`` promises.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

__all__ = ["OPS", "STATUSES", "Line", "is_label_log", "lines_of"]

HEADER = b'{"asrkit": "labels"'
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # what some editors put in front
OPS = frozenset({"edit", "accept", "skip", "flag", "undo"})
STATUSES = frozenset({"todo", "draft", "accepted", "skipped", "flagged"})
BEGINNING = re.compile(rb'\{\s*"(?:op|asrkit)"\s*:')  # of a line; inside a text its quotes would have backslashes
MOST_ACTIONS = 2**53  # what every reader of JSON counts exactly
MOST_SECONDS = 1e9
UNREADABLE = (ValueError, TypeError, KeyError, RecursionError)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file.

    Args:
        number: from 1.
        values: the objects in it that can be read: one, unless the line is damaged.
        is_damaged: something in it cannot be read.
    """

    number: int
    values: tuple[dict[str, Any], ...]
    is_damaged: bool


def lines_of(data: bytes) -> Iterator[Line]:
    """The lines of a label log that are not empty.

    >>> [line.is_damaged for line in lines_of(b'{"asrkit": "labels", "version": 1}\\n[[[\\n')]
    [False, True]
    """
    for number, raw in enumerate(data.removeprefix(BYTE_ORDER_MARK).split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            yield Line(number, (_checked(_object(raw.decode())),), is_damaged=False)
        except UNREADABLE:
            yield Line(number, tuple(_rest_of(raw)), is_damaged=True)


def is_label_log(data: bytes) -> bool:
    """Whether asrkit has written this: by its beginning, or, where that is damaged, by most of its lines.

    >>> is_label_log(b""), is_label_log(b"path,text\\n"), is_label_log(b'{"asrkit": "labels", "ver')
    (True, False, True)
    """
    data = data.removeprefix(BYTE_ORDER_MARK)
    if not data or data.startswith(HEADER) or HEADER.startswith(data):
        return True
    known = unknown = 0
    for line in lines_of(data):
        known += len(line.values)
        unknown += line.is_damaged
    return known > 0 and known >= unknown


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text, object_pairs_hook=_unique)
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _rest_of(raw: bytes) -> Iterator[dict[str, Any]]:
    """The whole objects in a damaged line: the end of a line may be lost, or its beginning may be zeros."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    starts = [match.start() for match in BEGINNING.finditer(raw)]
    for start, end in pairwise([*starts, len(raw)]):
        text = raw[start:end].decode("utf-8", "surrogateescape")
        try:
            value, until = decoder.raw_decode(text)
            text[:until].encode()  # fails where bytes of it are no text
            yield _checked(value)
        except UNREADABLE:
            continue


def _checked(line: dict[str, Any]) -> dict[str, Any]:
    """The line with values of the promised types.

    Raises:
        ValueError, TypeError, KeyError: it has others.
    """
    if "asrkit" in line:
        if line["asrkit"] != "labels" or _whole(line["version"]) < 1:
            raise ValueError("no header")
        return line
    if line["op"] == "open":
        for name in ("annotator", "host", "time"):
            _text(line[name])
        _whole(line["pid"])
        return line
    if line["op"] not in OPS or line["status"] not in STATUSES:
        raise ValueError("no such action")
    if not isinstance(line["item"], str):
        raise TypeError("no item")
    checked = {**line, "item": _text(line["item"]), "rev": _whole(line["rev"]), "new": _text(line["new"])}
    for name in ("annotator", "reason", "note", "time", "action", "batch", "audio", "hypothesis"):
        if name in line:
            checked[name] = _text(line[name])
    checked["seconds"] = _seconds(line.get("seconds", 0.0))
    checked["unheard"] = _flag(line.get("unheard", False))
    if "index" in line:
        checked["index"] = _index(line["index"])
    return checked


def _text(value: Any) -> str | None:
    """A text or None; numbers become texts, and half a letter becomes a question mark."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise TypeError("no text")
    return value.encode("utf-8", "replace").decode()


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ACTIONS:
        raise ValueError("no count")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("no seconds")
    if not 0 <= value <= MOST_SECONDS:
        raise ValueError("no seconds")
    return float(value)


def _flag(value: Any) -> bool:
    if value not in (False, True, None):
        raise ValueError("neither true nor false")
    return bool(value)


def _index(value: Any) -> Any:
    """An index label: what a JSON list holds becomes a tuple."""
    if isinstance(value, list):
        return tuple(map(_index, value))
    if isinstance(value, dict):
        raise TypeError("no index label")
    return _text(value) if isinstance(value, str) else value
