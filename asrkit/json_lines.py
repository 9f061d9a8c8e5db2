"""JSON lines, such as NeMo's manifests -> rows of text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .errors import SourceError

__all__ = ["is_json_lines", "json_names", "json_rows"]

Line = tuple[int, str, str]


def is_json_lines(line: str) -> bool:
    """Whether a line is an object of JSON.

    >>> is_json_lines('{"audio_filepath": "a.wav"}'), is_json_lines("path,text"), is_json_lines("{")
    (True, False, False)
    """
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def json_names(lines: Iterable[Line], name: str) -> tuple[list[str], int]:
    """The keys of all objects in the order in which they come first, and how many objects there are.

    Raises:
        SourceError: ``unreadable``, a line is no object.
    """
    names: dict[str, None] = {}
    count = 0
    for row in _objects(lines, name):
        names |= dict.fromkeys(row)
        count += 1
    return list(names), count


def json_rows(lines: Iterable[Line], names: Sequence[str], name: str) -> Iterator[list[str | None]]:
    """The rows: numbers as they were written, lists and objects as JSON, ``null`` and what is not there as None.

    >>> list(json_rows([(1, '{"end": 1.50, "tags": [1]}', "")], ["end", "tags", "text"], "m.jsonl"))
    [['1.50', '[1]', None]]
    """
    for row in _objects(lines, name):
        yield [_text(row.get(key)) for key in names]


class _Number(str):
    """A number, as it was written."""


def _objects(lines: Iterable[Line], name: str) -> Iterator[dict[str, Any]]:
    for number, line, _ in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{name}, line {number:,}: expected one JSON object in each line, got {line:.60} ({error})",
                code="unreadable",
            ) from error
        if not isinstance(row, dict):
            raise SourceError(
                f"{name}, line {number:,}: expected one JSON object in each line, got {line:.60}", code="unreadable"
            )
        yield row


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """With numbers as numbers again; those that Python cannot hold exactly stay as they are written."""
    match value:
        case _Number():
            try:
                return json.loads(value)
            except ValueError:
                return str(value)
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value
