"""A moment at which a whole piece of work must be over, and calls that cannot be told a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

__all__ = ["Deadline", "call_within", "current_deadline", "deadline"]

Result = TypeVar("Result")


class Deadline:
    """The moment ``seconds`` from now.

    >>> Deadline(60.0).left > 59.0
    True
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.moment = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; 0.0 when it has passed."""
        return max(0.0, self.moment - time.monotonic())

    def check(self) -> None:
        """Go on only if there is time left.

        Raises:
            TimeoutError: the moment has passed.
        """
        if not self.left:
            raise TimeoutError(f"not done within {self.seconds:g} s")


_current: ContextVar[Deadline | None] = ContextVar("asrkit_deadline", default=None)


def current_deadline() -> Deadline | None:
    """The deadline of the work that this thread is doing; None if it has none."""
    return _current.get()


@contextmanager
def deadline(limit: Deadline) -> Iterator[Deadline]:
    """Everything inside shares this time limit, or an earlier one that holds already.

    A connection is kept for the next request, so it cannot hold the time limit of one request itself: what waits on
    the network asks for the ``current_deadline`` each time. It belongs to the thread that waits.

    >>> with deadline(Deadline(1.0)), deadline(Deadline(60.0)) as earlier:
    ...     earlier.seconds
    1.0
    """
    around = _current.get()
    if around is not None and around.moment < limit.moment:
        limit = around
    token = _current.set(limit)
    try:
        yield limit
    finally:
        _current.reset(token)


def call_within(work: Callable[[], Result], limit: Deadline) -> Result:
    """The result of ``work``, which runs in a thread of its own because it may block for any time.

    When the time is over, the thread is left behind: it ends when its blocking call returns, and ends with the
    process at the latest. So ``work`` should check the deadline itself where it can.

    Raises:
        TimeoutError: it took longer. Otherwise whatever ``work`` raises.

    >>> call_within(lambda: 1 + 1, Deadline(60.0))
    2
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    is_over = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            is_over.set()

    threading.Thread(target=copy_context().run, args=(run,), name="asrkit-call-within", daemon=True).start()
    if not is_over.wait(limit.left):
        raise TimeoutError(f"not done within {limit.seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]
