"""A process of its own that transcribes shards: whatever a clip does to it, the caller lives on.

It reads orders from its standard input and answers on its standard output, both as pickles, and ends when its caller
does. ``supervisor.py`` starts it; nobody else does.
"""

from __future__ import annotations

import _thread
import os
import pickle
import queue
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import IO, Any, NoReturn

from ..backends.base import Backend, Remote
from ..errors import AsrkitError
from ..journal.attempts import acquit_all
from ..version import VERSION
from .job import Job, Shard
from .shard import write_shard
from .summary import ShardResult

__all__ = ["Begin", "Broken", "Done", "Heard", "Ready", "Stop", "Work", "main"]

EVERY = 0.25  # seconds between two answers of how far it is


@dataclass(frozen=True, slots=True)
class Begin:
    """The first order: what to do with every shard."""

    job: Job


@dataclass(frozen=True, slots=True)
class Work:
    """An order: do this shard; ``scratch`` is a journal for it alone, where there is no other."""

    shard: Shard
    scratch: str


@dataclass(frozen=True, slots=True)
class Stop:
    """An order: finish what is under way, answer, and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer: the model can be used; what makes its texts."""

    fingerprint: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: rows done, seconds of audio in them, and what this process has spent so far."""

    rows: int
    seconds: float
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """An answer: the shard is there."""

    result: ShardResult


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer: why the shard (a ``ShardError``) or the whole run cannot be done."""

    error: BaseException


class _Caller:
    """Orders and answers, by way of descriptors that no print of a library can reach."""

    def __init__(self) -> None:
        self._orders: IO[bytes] = os.fdopen(os.dup(0), "rb")
        self._answers: IO[bytes] = os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)  # what is printed goes where errors go
        self._lock = threading.Lock()
        self.waiting: queue.SimpleQueue[Begin | Work] = queue.SimpleQueue()

    def listen(self) -> None:
        """Take orders until the caller is gone, and then end with it."""
        while True:
            try:
                order = pickle.load(self._orders)  # noqa: S301 - from the process that started this one
            except (EOFError, OSError):
                _leave()
            except Exception as error:
                self.answer(Broken(AsrkitError(f"a worker cannot load what it was sent: {error}", code="option")))
                _leave()
            if isinstance(order, Stop):
                _interrupt()
            else:
                self.waiting.put(order)

    def answer(self, what: Ready | Heard | Done | Broken) -> None:
        """Tell the caller, or end where there is none any more."""
        try:
            data = pickle.dumps(what)
        except Exception as error:
            data = pickle.dumps(Broken(AsrkitError(f"a worker cannot send its answer: {error}: {what}")))
        try:
            with self._lock:
                self._answers.write(data)
                self._answers.flush()
        except OSError:
            _leave()


class _Teller:
    """Says now and then how far it is."""

    def __init__(self, caller: _Caller, backend: Backend) -> None:
        self.caller, self.backend = caller, backend
        self.rows, self.seconds = 0, 0.0
        self.told = time.monotonic()

    def __call__(self, rows: int, seconds: float) -> None:
        self.rows += rows
        self.seconds += seconds
        if time.monotonic() - self.told >= EVERY:
            self.flush()

    def flush(self) -> None:
        self.caller.answer(Heard(self.rows, self.seconds, _spent(self.backend)))
        self.rows, self.seconds, self.told = 0, 0.0, time.monotonic()


def _spent(backend: Backend) -> float | None:
    if not isinstance(backend, Remote):
        return None
    spending = backend.spending
    return spending.dollars + spending.doubtful


def _leave() -> NoReturn:
    """End at once, since the caller has gone: no clip shall be suspected of that."""
    acquit_all()
    os._exit(0)


def _interrupt() -> None:
    """Ctrl-C for the main thread, wherever it waits."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


def main() -> None:
    """Begin, and do shard after shard."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the caller's Stop, also where it was ignored
    caller = _Caller()
    threading.Thread(target=caller.listen, name="asrkit-orders", daemon=True).start()
    try:
        begin = caller.waiting.get()
        assert isinstance(begin, Begin)
        backend = _begin(caller, begin.job)
        while backend is not None:
            order = caller.waiting.get()
            assert isinstance(order, Work)
            _work(caller, begin.job, backend, order)
    except KeyboardInterrupt:
        caller.answer(Broken(KeyboardInterrupt()))


def _begin(caller: _Caller, job: Job) -> Backend | None:
    try:
        if job.version != VERSION:
            raise AsrkitError(f"a worker has asrkit {VERSION}, the call comes from {job.version}; install the same one")
        backend = job.backend()
    except Exception as error:
        caller.answer(Broken(error))
        return None
    caller.answer(Ready(dict(backend.fingerprint)))
    return backend


def _work(caller: _Caller, job: Job, backend: Backend, order: Work) -> None:
    tell = _Teller(caller, backend)
    try:
        journal = job.journal_or(order.scratch, backend)
        result = write_shard(order.shard, job, backend, journal=journal, tell=tell)
    except Exception as error:
        tell.flush()
        caller.answer(Broken(error))
        return
    tell.flush()
    caller.answer(Done(result))
