"""Ctrl-C and SIGTERM while a run is at work: the first asks it to finish what it has in hand, the second stops it."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from types import FrameType
from typing import Any, TypeVar

__all__ = ["Interrupts"]

T = TypeVar("T")
END = object()


class Interrupts:
    """Counts interrupts of one run. A handler that somebody else has set is left alone.

    Args:
        waiting: what is said after the first; empty says nothing.
    """

    def __init__(self, waiting: str = "") -> None:
        self.count = 0
        self.waiting = waiting

    def check(self) -> None:
        """Where it is a good moment to stop.

        Raises:
            KeyboardInterrupt: somebody asked for it.
        """
        if self.count:
            raise KeyboardInterrupt

    def guarded(self, steps: Generator[T, None, None]) -> Iterator[T]:
        """The same items; while they are made, but not between two of them, the handlers are in place."""
        try:
            while True:
                with self._handled():
                    item: Any = next(steps, END)
                if item is END:
                    return
                yield item
        finally:
            with self._handled():
                steps.close()

    @contextlib.contextmanager
    def _handled(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return
        usual = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))
        own = [(number, default) for number, default in usual if signal.getsignal(number) is default]
        try:
            for number, _ in own:
                signal.signal(number, self._interrupted)
            yield
        finally:
            for number, default in own:
                signal.signal(number, default)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        if self.waiting:  # not from here: the stream may be in the middle of a line
            threading.Thread(target=self._say, name="asrkit-say", daemon=True).start()

    def _say(self) -> None:
        from tqdm import tqdm

        tqdm.write(self.waiting, file=sys.stderr)
