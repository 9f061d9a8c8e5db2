"""Keeps one worker process: starts it, gives it shards, and starts another one when a clip has killed it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any, Self

from ..errors import CostCapError, ShardError
from .job import Job, Shard, complete_note
from .shard import write_shard
from .storage import scratch
from .summary import ShardResult
from .worker import Begin, Broken, Done, Heard, Ready, Stop, Work

__all__ = ["InProcess", "Supervisor"]

DEATHS = 6  # of workers in a row without a row more: a clip is found to be the cause after three
PATIENCE = 60.0  # seconds that an interrupted worker may finish what is under way
Tell = Callable[[int, float], None]


class Supervisor:
    """Does shards in a worker process that holds the model and may die.

    ``restarts`` counts the workers that did.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.restarts = 0
        self.spent = 0.0  # dollars, by workers that are gone
        self._worker: _Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def stop(self) -> None:
        """Ctrl-C: let the worker finish what is under way, which may be paid already, and end. A second one ends it."""
        if self._worker is None:
            return
        try:
            self._worker.stop(PATIENCE)
        finally:
            self.close()

    def start(self) -> None:
        """Start a worker and wait until its model can be used, if there is none.

        Raises:
            AsrkitError: the model cannot be loaded, or its texts would not be those that are there.
        """
        if self._worker is not None:
            return
        worker = _Worker(self._job_now())
        try:
            ready = worker.wait_ready()
            complete_note(self.job, ready.fingerprint)
        except BaseException:
            worker.end()
            raise
        self._worker = worker

    def run(self, shard: Shard, tell: Tell | None = None) -> ShardResult:
        """Do one shard.

        Raises:
            ShardError: this shard cannot be done; others may.
            AsrkitError: no shard can.
        """
        deaths = furthest = 0
        with scratch() as folder:
            while True:
                rows = 0

                def told(more: int, seconds: float) -> None:
                    nonlocal rows
                    rows += more
                    if tell is not None:
                        tell(more, seconds)

                try:
                    self.start()
                    assert self._worker is not None
                    return self._worker.work(shard, str(folder / "journal.sqlite"), told)
                except _Died as died:
                    self.restarts += 1
                    self.spent += 0.0 if self._worker is None else self._worker.dollars
                    self.close()
                    deaths = 1 if rows > furthest else deaths + 1
                    furthest = max(furthest, rows)
                    if deaths >= DEATHS:
                        raise ShardError(f"{deaths} workers died in it one after the other; the last {died}") from None

    def _job_now(self) -> Job:
        """The job with what is left of its money."""
        cap = self.job.options.get("max_cost")
        if cap is None or not self.spent:
            return self.job
        if (left := cap - self.spent) <= 0:
            raise CostCapError(f"max_cost={cap} is spent")
        return replace(self.job, options={**self.job.options, "max_cost": left})


class _Died(Exception):
    """The worker ended without an answer."""


class _Worker:
    """The process."""

    def __init__(self, job: Job) -> None:
        self.dollars = 0.0
        looked_in = [path or os.getcwd() for path in sys.path]  # noqa: PTH109 - text for the environment
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from asrkit.scale.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(looked_in)},
            start_new_session=True,  # Ctrl-C reaches the caller alone, who says Stop
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._say(Begin(job))

    def wait_ready(self) -> Ready:
        match self._hear():
            case Ready() as ready:
                return ready
            case Broken(error):
                raise error
            case other:
                raise AssertionError(other)

    def work(self, shard: Shard, scratch: str, tell: Tell | None) -> ShardResult:
        self._say(Work(shard, scratch))
        while True:
            match self._hear():
                case Heard(rows, seconds, dollars):
                    self.dollars = dollars or 0.0
                    if tell is not None:
                        tell(rows, seconds)
                case Done(result):
                    return result
                case Broken(error):
                    raise error

    def stop(self, seconds: float) -> None:
        with suppress(_Died):
            self._say(Stop())
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=seconds)

    def end(self) -> None:
        """It ends by itself when nobody gives orders any more; one that hangs is killed."""
        with suppress(OSError):
            self._orders.close()
        try:
            self._process.wait(timeout=5)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
        finally:
            self._answers.close()

    def _say(self, order: Any) -> None:
        try:
            pickle.dump(order, self._orders)
            self._orders.flush()
        except OSError as error:
            raise _Died(self._how()) from error

    def _hear(self) -> Any:
        try:
            return pickle.load(self._answers)  # noqa: S301 - from the process that we started
        except (EOFError, pickle.UnpicklingError, OSError) as error:
            raise _Died(self._how()) from error

    def _how(self) -> str:
        code = self._process.wait()
        if code >= 0:
            return f"ended with status {code}"
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"was ended by {name}" + (" (for want of memory, often)" if name == "SIGKILL" else "")
        return f"was ended by signal {-code}"


class InProcess:
    """The same in this very process: for what only it can reach, such as ``memory://``, and for other engines."""

    restarts = 0

    def __init__(self, job: Job) -> None:
        self.job = job
        self._backend: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def stop(self) -> None:
        """Nothing runs any more."""

    def run(self, shard: Shard, tell: Tell | None = None) -> ShardResult:
        """Do one shard; errors as of ``Supervisor.run``."""
        if self._backend is None:
            self._backend = self.job.backend()
            complete_note(self.job, self._backend.fingerprint)
        return write_shard(shard, self.job, self._backend, journal=self.job.journal, tell=tell)
