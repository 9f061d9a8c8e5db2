"""What isolated decoding costs: against decoding in this process, and when a clip crashes the decoder and one hangs it.

    python benchmarks/isolation.py [--clips 200] [--rounds 5] [--repeat 20] [--model openai/whisper-tiny.en]

Real short recordings (``ASRKIT_SPEECH`` names their folder). First all are decoded one after the other, here and in
a worker, in turns; then a column of them runs as ``transcribe`` runs it, clean and with a clip that kills its worker
and one that hangs it for good, in turns: with a model that takes no time, so that decoding is all the work, and if
asked with a real one. Throughput of the others is their number by the time when the last of them was done.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

import asrkit
from asrkit import audio
from asrkit.backends import from_model
from asrkit.backends.base import Preferences
from asrkit.batch import transcribe_cells
from asrkit.isolation import Limits, Workers
from asrkit.outcomes import Failure

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests"))
from misbehaving import marked  # noqa: E402 - found there


def recordings(count: int) -> list[bytes]:
    folder = Path(os.environ.get("ASRKIT_SPEECH", ROOT / ".." / "shared" / "speech"))
    manifest = pd.read_csv(folder / "manifest.csv")
    short = manifest[manifest.duration_s <= 30].head(count)
    return [(folder / path).read_bytes() for path in short.path]


def cpu_seconds() -> float:
    """Of this process and its workers."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def one_by_one(clips: list[bytes], workers: Workers, rounds: int) -> None:
    """Every clip, here and apart; the order changes from round to round."""
    for clip in clips[:3]:
        audio.load(clip), audio.load(clip, isolate=workers)  # import, start
    times: dict[str, list[float]] = {"here": [], "apart": []}
    work: dict[str, list[float]] = {"here": [], "apart": []}
    for number in range(rounds):
        heard: dict[str, list[audio.Audio]] = {}
        for way in ("here", "apart") if number % 2 else ("apart", "here"):
            began, worked = time.perf_counter(), cpu_seconds()
            heard[way] = [audio.load(clip, isolate=workers if way == "apart" else False) for clip in clips]
            times[way].append(time.perf_counter() - began)
            work[way].append(cpu_seconds() - worked)
        pairs = zip(heard["here"], heard["apart"], strict=True)
        assert all(np.array_equal(a.samples, b.samples) and a.warnings == b.warnings for a, b in pairs)
    seconds = sum(sound.duration for sound in heard["here"])
    here, apart = (statistics.median(times[way]) for way in ("here", "apart"))
    cpu_here, cpu_apart = (statistics.median(work[way]) for way in ("here", "apart"))
    print(f"{len(clips)} clips, {seconds / 60:.1f} min, one after the other, median of {rounds}; equal to the sample")
    for name, took, cpu in (("in this process", here, cpu_here), ("isolated", apart, cpu_apart)):
        print(f"  {name:16}{took:6.2f} s ({seconds / took:5.0f} x real time), {cpu:5.2f} s of processor time")
    print(f"  isolated: {here / apart:.3f} of the throughput, {cpu_apart / cpu_here:.3f} of the processor time")
    print(f"  load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def column(clips: list[bytes], backend: object, workers: Workers, bad: set[int]) -> float:
    """Clips a second, of those that are not bad."""
    ended = {}
    began = time.perf_counter()

    def done(number: int, outcome: object) -> None:
        assert isinstance(outcome, Failure) == (number in bad), (number, outcome)
        if number not in bad:
            ended[number] = time.perf_counter()

    for _ in transcribe_cells(clips, backend, progress=False, isolate=workers, done=done):
        pass
    return (len(clips) - len(bad)) / (max(ended.values()) - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=20, help="times that the column holds every clip")
    parser.add_argument("--model", help="also with a real model, every clip once")
    told = parser.parse_args()
    clips = recordings(told.clips)
    with Workers(Limits(seconds=20.0), "misbehaving:decode") as workers:
        one_by_one(clips, workers, told.rounds)
        instant = asrkit.Canned(lambda sound: "", preferred=Preferences(batch_size=16))
        runs = [("no model", instant, clips * told.repeat)]
        if told.model:
            runs.append((told.model, from_model(told.model), clips))
        for name, backend, cells in runs:
            spoiled = list(cells)
            bad = {len(cells) // 3, len(cells) // 2}
            for number, mark in zip(sorted(bad), ("crash", "hang"), strict=True):
                spoiled[number] = marked(cells[number], mark)
            clean, among = [], []
            column(cells[:20], backend, workers, set())
            for _ in range(max(1, told.rounds // 2)):
                clean.append(column(cells, backend, workers, set()))
                among.append(column(spoiled, backend, workers, bad))
            fast, slow = statistics.median(clean), statistics.median(among)
            print(f"{len(cells):,} clips, {name}: 2 rows lost, the others at {slow / fast:.3f} of the clean throughput")
            print(f"  clean {fast:.1f} clips/s; with one crash and one hang {slow:.1f} clips/s")


if __name__ == "__main__":
    main()
