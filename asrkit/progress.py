"""A progress bar in audio time, with an honest estimate of what is left."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

__all__ = ["DELAY", "REDRAW", "Progress", "new_bar", "redraw"]

DELAY = 2.0  # seconds before a bar is shown: what is faster needs none
REDRAW, HEARTBEAT = 0.2, 1.0  # seconds between two drawings: while things happen, and while a batch is long
REDRAW_IN_LOG = 30.0  # where each drawing is a line that stays
SIZE = {"ncols": 100, "nrows": 24}  # of a terminal that does not know its own
ROW_COST = 6.0  # a row costs about as much as this many seconds of audio beside its own


class Progress:
    """Counts audio against the clock.

    Long rows come first and cost less for each of their seconds than short ones, so a plain bar would promise too
    much; the estimate counts a fixed cost for each row.
    """

    def __init__(
        self,
        rows: int,
        *,
        enabled: bool = True,
        description: str = "transcribe",
        note: Callable[[], str] | None = None,
    ) -> None:
        self.rows = rows
        self.note = note
        self.enabled = enabled and rows > 0
        self.description = description
        self.planned = 0.0  # seconds of audio, of the rows looked at so far
        self.looked_at = 0
        self.heard = 0.0
        self.done = 0
        self.failed = 0
        self.recalled = 0  # rows that were done before: no work of this run
        self.began = time.monotonic()
        self._bar: Any = None
        self._every = REDRAW
        self._drawn = 0.0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._first: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        if self.enabled:
            self._bar = new_bar(1.0, self.description)
            if not hasattr(self._bar, "container") and not sys.stderr.isatty():  # neither a widget nor a terminal
                self._every = REDRAW_IN_LOG
            threading.Thread(target=self._beat, name="asrkit-progress", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        if self._bar is not None:
            with self._lock:
                self._draw()
                self._bar.close()

    def _beat(self) -> None:
        """Keep the clock going where a batch takes long."""
        while not self._over.wait(HEARTBEAT):
            self.show()

    def expect(self, seconds: float | None) -> None:
        """A row was looked at; None where its length is not known."""
        mean = self.planned / self.looked_at if self.looked_at else 0.0
        self.planned += mean if seconds is None else seconds
        self.looked_at += 1

    def advance(self, seconds: float) -> None:
        """This much audio was heard."""
        self.heard += seconds
        self.show()

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
        self.show()

    def recall(self, *, failed: bool) -> None:
        """A row was done by an earlier run; it counts neither as audio nor as work."""
        self.looked_at += 1
        self.done += 1
        self.recalled += 1
        self.failed += failed
        self.show()

    def unexpect(self, seconds: float | None) -> None:
        """A row that was looked at is being done by somebody else."""
        self.planned -= seconds or 0.0
        self.looked_at -= 1

    def forget(self, seconds: float) -> None:
        """This much of a row was heard by an earlier run."""
        self.planned -= seconds

    @property
    def total(self) -> float:
        """Seconds of audio, those of rows not yet looked at estimated."""
        return self.planned * self.rows / self.looked_at if self.looked_at else 0.0

    @property
    def _work(self) -> float:
        return self.heard + ROW_COST * (self.done - self.recalled)

    @property
    def _whole(self) -> float:
        return self.total + ROW_COST * (self.rows - self.recalled)

    def remaining(self) -> float | None:
        """Seconds of work left, None before there is something to go by: the second batch."""
        if self.done == self.rows:
            return 0.0
        if self._first is None:
            return None
        began, before = self._first
        done = self._work - before
        return (time.monotonic() - began) * max(0.0, self._whole - self._work) / done if done > 0 else None

    def show(self) -> None:
        """Draw it, if it is time to."""
        now = time.monotonic()
        if self._bar is None or self._over.is_set() or now - self.began < DELAY or now - self._drawn < self._every:
            return
        with self._lock:
            if not self._over.is_set():
                self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        self._drawn = now
        if now - self.began < DELAY:
            return
        elapsed = max(now - self.began, 1e-9)
        left = self.remaining()
        looking = f", {self.looked_at:,} looked at" if self.looked_at < self.rows else ""
        parts = [
            f"{_clock(self.heard)} of {_clock(self.total)} audio, {self.done:,} of {self.rows:,} rows{looking}",
            f"[{_clock(elapsed)}<{'?' if left is None else _clock(left)}, {self.heard / elapsed:.1f}x real time]",
        ]
        if self.note is not None:
            parts.append(self.note())
        if self.recalled:
            parts.append(f"{self.recalled:,} from the journal")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        share = 1.0 if self.done == self.rows else min(1.0, self._work / self._whole) if self._whole else 0.0
        redraw(self._bar, max(self._bar.n, share), ", ".join(parts))


def new_bar(total: float, description: str) -> Any:
    """A bar of tqdm's for a terminal or a notebook, not yet shown: ``redraw`` does."""
    from tqdm.auto import tqdm

    size: dict[str, Any] = SIZE if _has_no_size() else {}
    form = "{desc} {percentage:3.0f}%|{bar}| {unit}"
    return tqdm(total=total, delay=DELAY, desc=description, bar_format=form, unit="", **size)


def redraw(bar: Any, done: float, told: str) -> None:
    """Show how much is done, and a text beside it."""
    bar.n, bar.unit = done, told
    bar.refresh()
    bar.delay = 0  # else tqdm takes it for a bar that was never shown, and leaves out the end of its line


def _has_no_size() -> bool:
    """Whether the terminal does not know how large it is; tqdm would show nothing there."""
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns == 0
    except (OSError, ValueError):
        return False


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _clock(61), _clock(3_725)
    ('1:01', '1:02:05')
    """
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
