"""A moment at which a whole piece of work must be over, and calls that cannot be told a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from typing import TypeVar

__all__ = ["Deadline", "call_within", "current_deadline", "deadline", "in_thread", "result_within"]

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


def in_thread(work: Callable[[], Result], name: str = "asrkit-in-thread") -> Future[Result]:
    """Begin ``work`` in a daemon thread of its own, because it may block for any time.

    Somebody else may set the future before ``work`` ends, so that all who wait for it wake; its result is then lost.

    >>> in_thread(lambda: 1 + 1).result()
    2
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            with suppress(InvalidStateError):  # set by somebody else
                future.set_exception(error)
        else:
            with suppress(InvalidStateError):
                future.set_result(result)

    threading.Thread(target=copy_context().run, args=(run,), name=name, daemon=True).start()
    return future


def result_within(future: Future[Result], limit: Deadline) -> Result:
    """The result of a future, if it is there in time.

    Raises:
        TimeoutError: it was not. Otherwise whatever the future holds.
    """
    try:
        return future.result(limit.left)
    except TimeoutError:
        if future.done():
            return future.result()  # the work's own TimeoutError, or a result that came at the last moment
        raise TimeoutError(f"not done within {limit.seconds:g} s") from None


def call_within(work: Callable[[], Result], limit: Deadline) -> Result:
    """The result of ``work``, which runs in a thread of its own because it may block for any time.

    When the time is over, the thread is left behind: it ends when its blocking call returns, and ends with the
    process at the latest. So ``work`` should check the deadline itself where it can.

    Raises:
        TimeoutError: it took longer. Otherwise whatever ``work`` raises.

    >>> call_within(lambda: 1 + 1, Deadline(60.0))
    2
    """
    return result_within(in_thread(work, "asrkit-call-within"), limit)
