"""A progress bar over shards, in hours of audio, with an estimate of what is left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from ..progress import DELAY, REDRAW, new_bar, redraw

__all__ = ["ShardBar"]


class ShardBar:
    """Counts shards and the audio in them.

    Args:
        shards: that are to be done.
        enabled: whether to show it.
    """

    def __init__(self, shards: int, *, enabled: bool = True) -> None:
        self.shards = shards
        self.done = 0
        self.failed = 0
        self.broken = 0
        self.seconds = 0.0  # of audio, in shards that are done
        self.open_seconds = 0.0  # of audio, in those under way
        self.note = ""
        self.began = time.monotonic()
        self._drawn = 0.0
        self._bar: Any = None
        self._enabled = enabled and shards > 0

    def __enter__(self) -> Self:
        if self._enabled:
            self._bar = new_bar(self.shards, "transcribe")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._draw()
            self._bar.close()

    def heard(self, rows: int, seconds: float) -> None:
        """Rows of a shard under way are done."""
        self.open_seconds += seconds
        self._show()

    def finish(self, seconds: float, failed: int) -> None:
        """A shard is done."""
        self.done += 1
        self.failed += failed
        self.seconds += seconds
        self.open_seconds = 0.0
        self._show()

    def give_up(self) -> None:
        """A shard cannot be done."""
        self.broken += 1
        self.open_seconds = 0.0
        self._show()

    def remaining(self) -> float | None:
        """Seconds left, None before the first shard is done: shards are taken to be alike."""
        if not self.done:
            return None
        mean = self.seconds / self.done
        done = self.done + self.broken + (min(0.99, self.open_seconds / mean) if mean else 0.0)
        return (time.monotonic() - self.began) * (self.shards - done) / done

    def _show(self) -> None:
        now = time.monotonic()
        if self._bar is not None and now - self.began >= DELAY and now - self._drawn >= REDRAW:
            self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        self._drawn = now
        elapsed = max(now - self.began, 1e-9)
        heard, left = self.seconds + self.open_seconds, self.remaining()
        parts = [
            f"{self.done:,} of {self.shards:,} shards, {heard / 3600:,.1f} h audio",
            f"[{_clock(elapsed)}<{'?' if left is None else _clock(left)}, {heard / elapsed:,.0f}x real time]",
            *([self.note] if self.note else []),
            *([f"{self.failed:,} rows failed"] if self.failed else []),
            *([f"{self.broken:,} shards not done"] if self.broken else []),
        ]
        redraw(self._bar, self.done + self.broken, ", ".join(parts))


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds; days where there are some.

    >>> _clock(3_725), _clock(200_000)
    ('1:02:05', '2 d 7 h')
    """
    if seconds >= 48 * 3600:
        return f"{seconds // 86_400:.0f} d {seconds % 86_400 // 3600:.0f} h"
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
