"""What people write for a moment in a recording -> seconds."""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from .errors import OptionError
from .source import is_missing

__all__ = ["checked_seconds", "column_of_seconds", "seconds_of"]

EXPECTED = "expected seconds (62.5), a time on a clock (0:01:02.5) or a Timedelta"
# 1:02.5, 0:01:02.5, 00:01:02,500 (as in SRT) and what a Timedelta prints, 0 days 00:01:02.500000
CLOCK = re.compile(r"(?:(?P<days>\d+) days?,? )?(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d{1,2}(?:[.,]\d*)?)")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def seconds_of(value: object) -> float | None:
    """Seconds; None where the value is missing or an empty text.

    Raises:
        ValueError: the value is no such time.

    >>> [seconds_of(value) for value in (1, "62.5", "0:01:02.5", "00:01:02,500", None, "")]
    [1.0, 62.5, 62.5, 62.5, None, None]
    """
    if is_missing(value):
        return None
    if isinstance(value, str):
        return _of_text(value.strip())
    if isinstance(value, dt.timedelta):  # pandas' Timedelta is one
        return value.total_seconds()
    if isinstance(value, np.timedelta64):
        return None if np.isnat(value) else float(value / np.timedelta64(1, "ns")) / 1e9
    if isinstance(value, dt.time):  # as spreadsheets give it
        return 3600.0 * value.hour + 60.0 * value.minute + value.second + value.microsecond / 1e6
    if isinstance(value, numbers.Real | Decimal | np.number) and not isinstance(value, bool | np.bool_):
        return _finite(float(value), value)
    raise ValueError(f"{EXPECTED}, got {type(value).__name__} {value!s:.60}")


def _of_text(text: str) -> float | None:
    if not text:
        return None
    if NUMBER.fullmatch(text):
        return _finite(float(text), text)
    if (clock := CLOCK.fullmatch(text)) is None:
        raise ValueError(f"{EXPECTED}, got {text!r:.60}")
    days, hours, minutes = (int(clock[name] or 0) for name in ("days", "hours", "minutes"))
    seconds = float(clock["seconds"].replace(",", "."))
    if seconds >= 60 or (clock["hours"] is not None and minutes >= 60):
        raise ValueError(f"{EXPECTED}, got {text!r:.60}")
    return 86_400.0 * days + 3_600.0 * hours + 60.0 * minutes + seconds


def _finite(seconds: float, value: object) -> float:
    if not math.isfinite(seconds):
        raise ValueError(f"{EXPECTED}, got {value!s:.60}")
    return seconds


def checked_seconds(values: Sequence[Any] | None, name: str) -> list[float | OptionError | None] | None:
    """Seconds for each row, before any work; an error in the rows whose value is none.

    Args:
        values: of ``start`` or ``end``, one per row; None where none was given.
        name: of the argument, for messages.
    """
    return None if values is None else [_checked(value, name) for value in values]


def _checked(value: object, name: str) -> float | OptionError | None:
    if isinstance(value, OptionError):  # it was checked before
        return value
    try:
        seconds = seconds_of(value)
    except ValueError as error:
        return OptionError(f"{name}: {error}")
    except OverflowError:  # a whole number, a fraction or days beyond all floats
        return OptionError(f"{name}: {EXPECTED}, got a {type(value).__name__} that is too large")
    if seconds is not None and seconds < 0:
        return OptionError(f"{name}: expected 0 seconds or more, got {value!s:.60}")
    return seconds


def column_of_seconds(values: Sequence[Any] | None, name: str) -> list[float | OptionError | None] | None:
    """The same of a whole column.

    Raises:
        OptionError: none of its values can be read as a time: it is the wrong column.
    """
    checked = checked_seconds(values, name)
    for one in checked or []:
        if isinstance(one, float):
            return checked
    first = next((one for one in checked or [] if isinstance(one, OptionError)), None)
    if first is not None and "0 seconds or more" not in str(first):
        raise OptionError(f"no row has a {name} that can be read. {first}")
    return checked
