"""How long, how much and how: a run that is bigger than this machine, from what was measured on a small one.

``benchmarks/plan.py`` plays the same run event by event, and compares both with a real one.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..cloudflare.prices import AS_OF, Price, money, price_of, warn_if_old
from ..errors import OptionError
from .inputs import lengths_of, recordings_of
from .job import Job, Shard
from .storage import absolute
from .supervisor import Supervisor

__all__ = ["Plan", "Speed", "expected_seconds", "measure", "plan"]

HOUR = 3600.0
PCM = 32_000.0  # bytes for a second of 16 bits at 16 kHz
PER_MINUTE = 720.0  # requests for speech recognition, an account of Workers AI (its page "Limits")
START, COMMIT = 60.0, 0.5  # seconds, taken where they were not measured; said so
SIZES = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0)  # hours of audio in a shard, tried
SAMPLE_SECONDS = 600.0  # of audio that is heard to measure
SMALL_SAMPLE = 10.0  # seconds of work; a measurement of less is said to be rough


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one worker is.

    Args:
        rtfx: seconds of audio that it hears in a second of work.
        start: seconds from its start until it can hear, the model loaded.
        commit: seconds that a shard takes beside hearing: opening it, ending it, making it safe.
        measured: seconds of work that were measured; 0 where somebody told it.
        where: on what it was measured.
    """

    rtfx: float
    start: float = START
    commit: float = COMMIT
    measured: float = 0.0
    where: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that was not made. What is not known is None, and said to be.

    Args:
        model: that would hear it.
        hours: of audio.
        gpus: workers at the same time, of one GPU each; 1 for a service.
        speed: of one worker, None where nobody knows it.
        shard_hours: of audio in a shard, the best of those tried unless it was told.
        seconds: until the last shard is there.
        dollars: for the workers, or by the service's list price.
        audio_rate: bytes of storage for a second of audio.
        kill_hours: after which a worker is taken away, on average; None never.
        requests: to a service.
        per_minute: of them that the service allows.
        price: of the service; None where the model runs on machines of one's own.
        gpu_price: dollars an hour.
    """

    model: str
    hours: float
    gpus: int
    speed: Speed | None
    shard_hours: float | None
    seconds: float | None
    dollars: float | None
    audio_rate: float
    kill_hours: float | None = None
    requests: int | None = None
    per_minute: float | None = None
    price: Price | None = None
    gpu_price: float | None = None

    @property
    def shards(self) -> int | None:
        """How many."""
        return None if self.shard_hours is None else math.ceil(self.hours / self.shard_hours)

    @property
    def bytes(self) -> float:
        """Of audio that are read from the storage once."""
        return self.hours * HOUR * self.audio_rate

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second that the storage must give while all workers work."""
        return None if self.seconds is None else self.bytes / self.seconds

    @property
    def restarts(self) -> float | None:
        """Workers that are taken away, on average."""
        if self.seconds is None or self.kill_hours is None:
            return None if self.seconds is None else 0.0
        return self.gpus * self.seconds / (self.kill_hours * HOUR)

    def __str__(self) -> str:
        lines = [f"{self.model}: {self.hours:,.0f} h of audio"]
        lines += self._service() if self.price is not None else self._machines()
        rate = "rate unknown" if self.bandwidth is None else f"{_bytes(self.bandwidth)}/s while it runs"
        lines.append(f"  storage: {_bytes(self.bytes)} at {self.audio_rate:,.0f} bytes a second of audio, {rate}")
        return "\n".join(lines)

    def _service(self) -> list[str]:
        assert self.price is not None
        assert self.requests is not None
        assert self.seconds is not None
        lines = [
            f"  time: {_span(self.seconds)} at least: {self.requests:,} requests, {self.per_minute:,.0f} a minute for "
            "the whole account; more machines do not help"
        ]
        if self.dollars is None:
            lines.append(f"  money: unknown, not zero: no price is published (as of {AS_OF})")
        else:
            lines.append(f"  money: {money(self.dollars)} at list price (as of {self.price.as_of}), nothing free")
        return lines

    def _machines(self) -> list[str]:
        if self.speed is None or self.seconds is None or self.shard_hours is None:
            return [
                "  time: unknown: nobody has said how fast a worker is; measure it there (--measure FOLDER, or "
                "asrkit.scale.planning.measure), or tell rtfx",
                "  money: unknown",
            ]
        speed = self.speed
        whence = (
            f"measured on {speed.where}, {speed.measured:.0f} s of work"
            + (" only: rough" if speed.measured < SMALL_SAMPLE else "")
            if speed.measured
            else "as told"
        )
        more = self.seconds / (self.hours * HOUR / speed.rtfx / self.gpus) - 1
        lines = [
            f"  speed: {speed.rtfx:,.0f}x real time a worker, {speed.start:.1f} s to start it, {speed.commit:.2f} s a "
            f"shard beside hearing ({whence})",
            f"  time: {_span(self.seconds)} on {self.gpus:,} workers (+{more:.1%} over hearing alone)",
            f"  shards: {self.shards:,} of {self.shard_hours:g} h",
        ]
        if self.dollars is None:
            lines.append(f"  money: unknown: {self.gpus * self.seconds / HOUR:,.0f} worker hours; tell --gpu-price")
        else:
            lines.append(
                f"  money: {money(self.dollars)}: {self.gpus * self.seconds / HOUR:,.0f} worker hours at "
                f"{money(self.gpu_price or 0.0)}"
            )
        if self.kill_hours is not None and self.restarts is not None:
            lines.append(
                f"  one taken away every {self.kill_hours:g} h: about {self.restarts:,.0f} restarts, in the time above"
            )
        return lines

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def plan(
    hours: float,
    *,
    model: str = "openai/whisper-base",
    gpus: int = 1,
    gpu_price: float | None = None,
    rtfx: float | None = None,
    start: float | None = None,
    commit: float | None = None,
    measured: Speed | None = None,
    shard_hours: float | None = None,
    kill_hours: float | None = None,
    audio_rate: float = PCM,
    clip_seconds: float = 30.0,
    per_minute: float = PER_MINUTE,
) -> Plan:
    """What a run of this size would take.

    Args:
        hours: of audio.
        model: a name; ``@cf/...`` is planned by the service's limit and price.
        gpus: workers at the same time, of one GPU each.
        gpu_price: dollars for an hour of one.
        rtfx: seconds of audio that a worker hears in a second, see ``measured``.
        start: seconds that a worker takes to start.
        commit: seconds that a shard takes beside hearing.
        measured: what ``asrkit.scale.planning.measure`` gave, in place of the three.
        shard_hours: of audio in a shard; None finds the best.
        kill_hours: after which a worker is taken away, on average, as spot machines are.
        audio_rate: bytes of storage for a second of audio: 32,000 for PCM, 8,000 for MP3 of 64 kbit/s.
        clip_seconds: of audio in a request to a service.
        per_minute: requests that the service allows.

    Raises:
        OptionError: a number that cannot be meant.

    >>> print(plan(1_000_000, gpus=64, rtfx=400, gpu_price=3.0, kill_hours=24))
    openai/whisper-base: 1,000,000 h of audio
      speed: 400x real time a worker, 60.0 s to start it, 0.50 s a shard beside hearing (as told)
      ...
    """
    for name, value in (("hours", hours), ("audio_rate", audio_rate), ("clip_seconds", clip_seconds)):
        _check_above_zero(name, value)
    for name, told in (("rtfx", rtfx), ("shard_hours", shard_hours), ("kill_hours", kill_hours), ("gpus", gpus)):
        if told is not None:
            _check_above_zero(name, told)
    if model.startswith("@cf/"):
        _check_above_zero("per_minute", per_minute)
        price = price_of(model)
        warn_if_old(price)
        requests = math.ceil(hours * HOUR / clip_seconds)
        seconds = requests / per_minute * 60.0
        return Plan(
            model,
            hours,
            1,
            None,
            None,
            seconds,
            price.dollars(hours * HOUR),
            audio_rate,
            None,
            requests,
            per_minute,
            price,
        )
    speed = measured
    if speed is None and rtfx is not None:
        speed = Speed(rtfx)
    if speed is not None:
        speed = replace(
            speed,
            rtfx=speed.rtfx if rtfx is None else rtfx,
            start=speed.start if start is None else start,
            commit=speed.commit if commit is None else commit,
        )
    blank = Plan(model, hours, gpus, speed, None, None, None, audio_rate, kill_hours, gpu_price=gpu_price)
    if speed is None:
        return blank
    sizes = [shard_hours] if shard_hours is not None else [size for size in SIZES if size <= hours] or [hours]
    best = min(sizes, key=lambda size: expected_seconds(hours, gpus, speed, size, kill_hours))
    seconds = expected_seconds(hours, gpus, speed, best, kill_hours)
    dollars = None if gpu_price is None else gpu_price * gpus * seconds / HOUR
    return replace(blank, shard_hours=best, seconds=seconds, dollars=dollars)


def expected_seconds(
    hours: float, workers: int, speed: Speed, shard_hours: float, kill_hours: float | None = None
) -> float:
    """Until the last shard is there.

    A shard whose worker is taken away is begun again by a new one. With such losses at random, one every
    ``kill_hours``, a shard of ``s`` seconds takes ``(kill + start) * (exp(s / kill) - 1)`` on average. At the end
    workers wait for the last ones, for half a shard on average.

    >>> round(expected_seconds(100, 1, Speed(100, start=10, commit=1), shard_hours=1))
    3710
    """
    shards = math.ceil(hours / shard_hours)
    hearing = hours * HOUR / shards / speed.rtfx + speed.commit
    if kill_hours is not None:
        kill = kill_hours * HOUR
        hearing = (kill + speed.start) * math.expm1(min(hearing / kill, 700.0))
    if shards <= workers:
        return speed.start + hearing
    return speed.start + hearing * (shards / workers + (1 - 1 / workers) / 2)


def measure(
    sample: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    model: object = "openai/whisper-base",
    sample_seconds: float = SAMPLE_SECONDS,
    **options: Any,
) -> Speed:
    """How fast this machine hears a sample of one's own recordings: one worker, its start, a shard's fixed cost.

    Args:
        sample: a folder or glob with three audio files or more, like those of the run.
        model: as for ``asrkit.transcribe_files``.
        sample_seconds: of audio that is heard at most.
        options: for the model.

    Raises:
        SourceError, OptionError: no such recordings, or too few.
    """
    files = recordings_of(sample)
    lengths = sorted(zip(lengths_of(files), [file.path for file in files], strict=True))
    lengths = [(seconds, path) for seconds, path in lengths if seconds > 0]
    if len(lengths) < 3:
        raise OptionError(f"expected three recordings or more to measure with, found {len(lengths)}: {sample}")
    cold, warm, *rest = lengths
    step = max(1, int(len(rest) * sum(seconds for seconds, _ in rest) / len(rest) / sample_seconds))
    taken = rest[::step]  # short and long ones, as they are
    with tempfile.TemporaryDirectory(prefix="asrkit-plan-") as folder:
        job = Job(folder, "path", model, options, folder=os.getcwd(), journal=False)  # noqa: PTH109 - text
        with Supervisor(job) as supervisor:
            walls, heard, worked = [], 0.0, 0.0
            for name, group in (("cold", [cold]), ("sample", taken), ("warm", [warm])):
                shard = _listed(folder, name, [path for _, path in group])
                began = time.monotonic()
                result = supervisor.run(shard)
                walls.append(time.monotonic() - began)
                if result.failed:
                    raise OptionError(f"the sample cannot be heard ({dict(result.failed)}): {sample}")
                if name == "sample":
                    heard = result.audio_seconds
            worked = walls[1]
    rtfx = heard / worked
    commit = max(0.0, walls[2] - warm[0] / rtfx)
    rtfx = heard / max(1e-9, worked - commit)
    start = max(0.0, walls[0] - walls[2])
    return Speed(rtfx, start, commit, worked, f"this machine ({_machine()})")


def _listed(folder: str, name: str, paths: Sequence[str]) -> Shard:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = Path(folder, "lists", f"{name}.parquet")
    source.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"path": [absolute(path) for path in paths]}), source)
    return Shard(str(source), str(Path(folder, source.name)))


def _machine() -> str:
    import torch

    if torch.cuda.is_available():
        return f"one of {torch.cuda.device_count()} {torch.cuda.get_device_name(0)}"
    return f"{os.cpu_count()} CPUs"


def _check_above_zero(name: str, value: float) -> None:
    if not value > 0:
        raise OptionError(f"expected {name} above 0, got {value}")


def _span(seconds: float) -> str:
    """Time as people say it.

    >>> _span(90), _span(7_200), _span(864_000)
    ('1.5 min', '2.0 h', '10.0 days')
    """
    for unit, length in (("days", 86_400.0), ("h", HOUR), ("min", 60.0)):
        if seconds >= (1.0 if unit != "days" else 2.0) * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


def _bytes(count: float) -> str:
    """With the unit that fits.

    >>> _bytes(115.2e12), _bytes(820e6)
    ('115.2 TB', '820.0 MB')
    """
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:.0f} B"
