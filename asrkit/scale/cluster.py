"""Shards on a Ray cluster. Ray starts processes and tells which have died; everything else is the one-machine way.

An actor holds a ``Supervisor``, so a clip that kills the process that hears it is found there and kills no actor. What
Ray would try again for ever (https://docs.ray.io, "Fault tolerance") is tried again here, a few times.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import AsrkitError, MissingExtraError, ShardError
from .bar import ShardBar
from .job import Job, Shard
from .summary import ShardResult
from .supervisor import Supervisor

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["launch"]

TRIES = 4  # of one shard whose workers' machines go away
EARLY_DEATHS = 4  # of workers in a row that have done nothing: then it is not the spot market
CPUS_EACH = 4  # of a worker where there are no GPUs: more give a recogniser little
LOOK = 1.0  # seconds between two looks at who lives and who has come
PATIENCE = 60.0  # seconds without any worker, until it is said


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a worker says of a shard; errors as values, so that Ray wraps nothing."""

    result: ShardResult | None
    error: Exception | None
    restarts: int


class _Worker:
    """What runs in an actor: the model is loaded once, by its worker process."""

    def __init__(self, job: Job) -> None:
        if os.path.isdir(job.folder):  # noqa: PTH112 - on this machine too: relative paths of functions and models
            os.chdir(job.folder)
        self._supervisor = Supervisor(job)

    def run(self, shard: Shard) -> _Outcome:
        before = self._supervisor.restarts
        result: ShardResult | None = None
        error: Exception | None = None
        try:
            result = self._supervisor.run(shard)
        except Exception as raised:
            error = raised
        return _Outcome(result, error, self._supervisor.restarts - before)

    def close(self) -> None:
        self._supervisor.close()


def launch(
    shards: Sequence[Shard], job: Job, workers: int | None, bar: ShardBar
) -> Iterator[tuple[Shard, ShardResult | ShardError, int]]:
    """Do shards on the cluster that ``ray.init()`` finds, or on one that is started here and stopped again.

    Yields:
        Each shard, what came of it, and how many workers died for it, in the order in which they are done.

    Raises:
        MissingExtraError: Ray is not installed.
        AsrkitError: no worker can be started, or an error that every shard would meet.
    """
    ray = _ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="warning")
    try:
        yield from _Pool(ray, job, workers, bar).results(shards)
    finally:
        if is_ours:
            ray.shutdown()  # leaves a cluster that was there before


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray is not installed; run: pip install 'asrkit-pandas[scale]'") from error
    return ray


@dataclass(eq=False, slots=True)
class _Actor:
    handle: Any
    has_worked: bool = False


class _Pool:
    """Actors that live as long as the run, and the shards that they are at."""

    def __init__(self, ray: ModuleType, job: Job, workers: int | None, bar: ShardBar) -> None:
        self.ray, self.job, self.workers, self.bar = ray, job, workers, bar
        self.busy: dict[Any, tuple[_Actor, Shard]] = {}
        self.idle: list[_Actor] = []
        self.tries: Counter[Shard] = Counter()
        self.early_deaths = 0
        self.restarts: Counter[Shard] = Counter()

    def results(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, ShardResult | ShardError, int]]:
        # The largest first: the last ones to end are then small, and nobody waits long for them.
        waiting = deque(sorted(shards, key=lambda shard: -(shard.size or 0)))
        quiet_since = time.monotonic()
        try:
            while waiting or self.busy:
                self._staff(len(waiting))
                while waiting and self.idle:
                    actor, shard = self.idle.pop(), waiting.popleft()
                    self.tries[shard] += 1
                    self.busy[actor.handle.run.remote(shard)] = (actor, shard)
                ready, _ = self.ray.wait(list(self.busy), num_returns=1, timeout=LOOK)
                for reference in ready:
                    quiet_since = time.monotonic()
                    actor, shard = self.busy.pop(reference)
                    outcome = self._outcome(reference, actor, shard)
                    if outcome is None:
                        waiting.appendleft(shard)
                    else:
                        yield shard, outcome, self.restarts.pop(shard, 0)
                self._say_what_is_wanting(time.monotonic() - quiet_since)
        finally:
            self._dismiss()

    def _outcome(self, reference: Any, actor: _Actor, shard: Shard) -> ShardResult | ShardError | None:
        """What came of a shard; None where its worker has died and another one shall try."""
        try:
            told: _Outcome = self.ray.get(reference)
        except self.ray.exceptions.RayActorError as error:
            self.restarts[shard] += 1
            self._died(actor, error)
            if self.tries[shard] < TRIES:
                return None
            return ShardError(f"{TRIES} workers died with it, machines and all: {_first_line(error)}")
        except self.ray.exceptions.RayError as error:
            raise AsrkitError(f"Ray failed: {type(error).__name__}: {_first_line(error)}", code="cluster") from error
        self.restarts[shard] += told.restarts
        self.early_deaths = 0
        actor.has_worked = True
        self.idle.append(actor)
        if told.result is not None:
            return told.result
        assert told.error is not None
        if isinstance(told.error, ShardError):
            return told.error
        raise told.error

    def _died(self, actor: _Actor, error: Exception) -> None:
        with contextlib.suppress(Exception):  # one that cannot be reached may still live somewhere
            self.ray.kill(actor.handle)
        if actor.has_worked:
            return
        self.early_deaths += 1
        if self.early_deaths >= EARLY_DEATHS:
            raise AsrkitError(
                f"{EARLY_DEATHS} workers died one after the other and have done nothing: {_first_line(error)}; asrkit "
                "must be installed on every machine of the cluster",
                code="cluster",
            ) from error

    def _staff(self, waiting: int) -> None:
        """As many actors as the cluster has room for, also for machines that have come since."""
        resources = self.ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
        # A GPU actor that asked for a CPU too could leave none for anything else, and wait for ever.
        each = {"num_cpus": 0, "num_gpus": 1} if gpus else {"num_cpus": max(1, min(CPUS_EACH, cpus)), "num_gpus": 0}
        room = gpus or max(1, cpus // each["num_cpus"])
        wanted = min(self.workers or room, len(self.busy) + waiting)
        if len(self.busy) + len(self.idle) >= wanted:
            return
        kind = self.ray.remote(_Worker).options(max_restarts=0, max_task_retries=0, **each)
        while len(self.busy) + len(self.idle) < wanted:
            self.idle.append(_Actor(kind.remote(self.job)))

    def _say_what_is_wanting(self, quiet: float) -> None:
        has_worked = any(actor.has_worked for actor, _ in self.busy.values())
        if quiet < PATIENCE or has_worked:
            self.bar.note = ""
            return
        free = self.ray.available_resources()
        self.bar.note = f"waiting for workers: {free.get('GPU', 0):.0f} GPUs and {free.get('CPU', 0):.0f} CPUs are free"

    def _dismiss(self) -> None:
        """The actors end, and their worker processes with them."""
        for actor in [*self.idle, *(actor for actor, _ in self.busy.values())]:
            with contextlib.suppress(Exception):
                self.ray.kill(actor.handle)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
