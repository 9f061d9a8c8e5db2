"""A progress bar in audio time, with an honest estimate of what is left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

__all__ = ["Progress"]

DELAY = 2.0  # seconds before a bar is shown: what is faster needs none
ROW_COST = 6.0  # a row costs about as much as this many seconds of audio beside its own


class Progress:
    """Counts audio against the clock.

    Long rows come first and cost less for each of their seconds than short ones, so a plain bar would promise too
    much; the estimate counts a fixed cost for each row.
    """

    def __init__(self, rows: int, *, enabled: bool = True, description: str = "transcribe") -> None:
        self.rows = rows
        self.enabled = enabled and rows > 0
        self.description = description
        self.planned = 0.0  # seconds of audio, of the rows looked at so far
        self.looked_at = 0
        self.heard = 0.0
        self.done = 0
        self.failed = 0
        self.began = time.monotonic()
        self._bar: Any = None
        self._first: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        if self.enabled:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=1.0,
                delay=DELAY,
                desc=self.description,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {unit}",
                unit="",
                mininterval=0.2,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._show()
            self._bar.close()

    def expect(self, seconds: float | None) -> None:
        """A row was looked at; None where its length is not known."""
        mean = self.planned / self.looked_at if self.looked_at else 0.0
        self.planned += mean if seconds is None else seconds
        self.looked_at += 1

    def advance(self, seconds: float) -> None:
        """This much audio was heard."""
        self.heard += seconds
        self._show()

    def batch_done(self) -> None:
        """A batch was heard. The first also loaded the model, which says nothing about the rest."""
        if self._first is None:
            self._first = (time.monotonic(), self._work)

    def finish(self, expected: float | None, heard: float, *, failed: bool) -> None:
        """A row is done; what was silent in it counts as heard."""
        self.done += 1
        self.failed += failed
        if expected is not None:
            self.heard += expected - heard
        self._show()

    @property
    def total(self) -> float:
        """Seconds of audio, those of rows not yet looked at estimated."""
        return self.planned * self.rows / self.looked_at if self.looked_at else 0.0

    @property
    def _work(self) -> float:
        return self.heard + ROW_COST * self.done

    @property
    def _whole(self) -> float:
        return self.total + ROW_COST * self.rows

    def remaining(self) -> float | None:
        """Seconds of work left, None before there is something to go by: the second batch."""
        if self.done == self.rows:
            return 0.0
        if self._first is None:
            return None
        began, before = self._first
        done = self._work - before
        return (time.monotonic() - began) * max(0.0, self._whole - self._work) / done if done > 0 else None

    def _show(self) -> None:
        if self._bar is None:
            return
        elapsed = max(time.monotonic() - self.began, 1e-9)
        left = self.remaining()
        parts = [
            f"{_clock(self.heard)} of {_clock(self.total)} audio, {self.done:,} of {self.rows:,} rows",
            f"[{_clock(elapsed)}<{'?' if left is None else _clock(left)}, {self.heard / elapsed:.1f}x real time]",
        ]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        share = 1.0 if self.done == self.rows else min(1.0, self._work / self._whole)
        self._bar.unit = ", ".join(parts)
        self._bar.update(max(0.0, share - self._bar.n))


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock(61), _clock(3_725)
    ('1:01', '1:02:05')
    """
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
