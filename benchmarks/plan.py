"""Does `asrkit plan` tell the truth? Its formula against the same run played event by event, and against a real run.

    python benchmarks/plan.py table [--hours 200000] [--gpus 64]
    python benchmarks/plan.py real [--shards 100] [--ray]

`table` plays big runs: shards of unlike sizes go to workers that start, hear, end shards and are taken away at random
moments. `real` measures one worker on a few recordings, as `asrkit plan --measure` does, foretells a run of 100 shards
of unlike sizes with the formula and with the game, and then makes that run, in one process and with `--ray` also in
two. Its backend waits for each second of audio as a model would; all else is real.
"""

from __future__ import annotations

import argparse
import heapq
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
# Ray's workers look for modules where this variable says.
os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])

from scale_backends import Telling  # noqa: E402

import asrkit  # noqa: E402
from asrkit.scale.planning import HOUR, Speed, expected_seconds, measure  # noqa: E402

SPREAD = 0.5  # of the logarithm of a shard's audio
RATE = 16_000
CLIP_SECONDS = 2.0
CLIPS = 80  # more than rows in any table: the same clip twice would be heard once


@dataclass(frozen=True, slots=True)
class Played:
    """Seconds until the last shard is there, and of hearing that were lost with workers."""

    seconds: float
    redone: float


def play(
    shards: Sequence[float], workers: int, speed: Speed, kill_hours: float | None = None, *, seed: int = 0
) -> Played:
    """Event by event: the largest shard goes to the first worker that is free; one whose worker dies begins again.

    Args:
        shards: seconds of audio in each.
        workers: at the same time.
        speed: of each.
        kill_hours: after which a worker is taken away, on average; another one starts at once.
        seed: of the moments at which that happens.
    """
    generator = np.random.default_rng(seed)

    def death(now: float) -> float:
        return np.inf if kill_hours is None else now + generator.exponential(kill_hours * HOUR)

    waiting = sorted(shards)
    free = [(speed.start, number) for number in range(workers)]  # when, who
    deaths = [death(0.0) for _ in range(workers)]
    heapq.heapify(free)
    last = redone = 0.0
    while waiting:
        now, who = heapq.heappop(free)
        if deaths[who] <= now:  # taken away while it started or had nothing to do
            began = deaths[who]
            deaths[who] = death(began)
            heapq.heappush(free, (max(now, began + speed.start), who))
            continue
        shard = waiting.pop()
        end = now + shard / speed.rtfx + speed.commit
        if deaths[who] < end:
            at = deaths[who]
            redone += at - now
            deaths[who] = death(at)
            waiting.append(shard)
            heapq.heappush(free, (at + speed.start, who))
            continue
        last = max(last, end)
        heapq.heappush(free, (end, who))
    return Played(last, redone)


def sizes(count: int, mean: float, seed: int = 0) -> list[float]:
    """Unlike ones, of this mean exactly."""
    drawn = np.random.default_rng(seed).lognormal(0.0, SPREAD, count)
    return [float(size) for size in drawn * (mean / drawn.mean())]


def table(hours: float, gpus: int) -> None:
    speed = Speed(400.0)
    ideal = hours * HOUR / speed.rtfx / gpus
    print(f"{hours:,.0f} h of audio, {gpus} workers of {speed.rtfx:.0f}x real time; over hearing alone")
    print(f"{'shard':>7} {'taken away':>11} {'formula':>8} {'played':>8} {'redone':>7}")
    for shard_hours in (0.5, 3.0, 10.0, 50.0, 200.0):
        shards = sizes(round(hours / shard_hours), shard_hours * HOUR)
        for kill_hours in (None, 24.0, 4.0):
            formula = expected_seconds(hours, gpus, speed, shard_hours, kill_hours)
            played = play(shards, gpus, speed, kill_hours)
            taken = "never" if kill_hours is None else f"every {kill_hours:.0f} h"
            redone = played.redone / (ideal * gpus)
            print(
                f"{shard_hours:5.1f} h {taken:>11} {formula / ideal - 1:+8.1%} {played.seconds / ideal - 1:+8.1%} "
                f"{redone:7.2%}"
            )


def make_tables(folder: Path, shards: int) -> list[float]:
    """CSVs of clips that all tables share, each once at most in one; gives the seconds of audio in each."""
    (folder / "clips").mkdir(parents=True)
    names = []
    for number in range(CLIPS):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, round(CLIP_SECONDS * RATE))
        names.append(f"clips/{number:02}.wav")
        soundfile.write(folder / names[-1], noise, RATE)
    counts = [min(CLIPS, max(1, round(size))) for size in sizes(shards, 10.0)]
    for number, count in enumerate(counts):
        rows = pd.DataFrame({"path": [names[(number + row) % len(names)] for row in range(count)]})
        rows.to_csv(folder / f"{number:04}.csv", index=False)
    return [count * CLIP_SECONDS for count in counts]


def real(shards: int, *, on_ray: bool) -> None:
    backend = Telling(wait=0.03, start=1.0)
    with tempfile.TemporaryDirectory(prefix="asrkit-bench-") as made:
        folder = Path(made)
        audio = make_tables(folder / "in", shards)
        speed = measure(folder / "in" / "clips", model=backend)
        print(f"{shards} shards, {sum(audio):,.0f} s of audio; measured: {speed}\n")
        print(f"{'way':24} {'real s':>8} {'formula':>8} {'off':>7} {'played':>8} {'off':>7}")
        for workers in (1, 2) if on_ray else (1,):
            took = _run(folder, backend, workers)
            hours = sum(audio) / HOUR
            formula = expected_seconds(hours, workers, speed, hours / shards)
            played = play(audio, workers, speed).seconds
            way = "one machine" if workers == 1 else f"ray, {workers} workers"
            off = [told / took - 1 for told in (formula, played)]
            print(f"{way:24} {took:8.1f} {formula:8.1f} {off[0]:+7.1%} {played:8.1f} {off[1]:+7.1%}", flush=True)


def _run(folder: Path, backend: Telling, workers: int) -> float:
    options = {"out": folder / f"out-{workers}", "model": backend, "progress": False}
    if workers == 1:
        return asrkit.transcribe_files(folder / "in" / "*.csv", **options).elapsed
    import ray

    ray.init(num_cpus=2, num_gpus=workers, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        return asrkit.transcribe_files(folder / "in" / "*.csv", on="ray", workers=workers, **options).elapsed
    finally:
        ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    big = commands.add_parser("table")
    big.add_argument("--hours", type=float, default=200_000)
    big.add_argument("--gpus", type=int, default=64)
    made = commands.add_parser("real")
    made.add_argument("--shards", type=int, default=100)
    made.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    if options.what == "table":
        table(options.hours, options.gpus)
    else:
        real(options.shards, on_ray=options.ray)


if __name__ == "__main__":
    main()
