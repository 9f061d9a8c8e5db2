"""What `asrkit.transcribe_files` costs beside the model: memory on big tables, and Ray against one machine.

    python benchmarks/scale.py memory [--gigabytes 20]
    python benchmarks/scale.py engine [--seconds 300] [--shards 60]

`memory` transcribes shards that hold the sound itself, each of 1 GB in row groups of 100 rows (as Hugging Face's
`datasets` writes audio), the same file under many names, and prints the most memory that the process and all its
children had at one moment (resident, shared pages counted in each). A row group is the least that can be read: Arrow
writes one as a single page. `engine` gives the same shards of real sound to a backend that waits for each second of
audio as a model would: once on this machine in one worker, once on Ray with one worker, once on Ray with two
pretended GPUs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
# Ray's workers look for modules where this variable says.
os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])

from scale_backends import Telling  # noqa: E402

import asrkit  # noqa: E402
from asrkit.audio import Audio, encode  # noqa: E402

CLIP_SECONDS = 30.0
ROW_GROUP = 100  # rows
RATE = 16_000


class Memory:
    """The most memory of this process and its children."""

    def __enter__(self) -> Memory:
        self.most = self.before = self._now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.most = max(self.most, self._now())

    def _now(self) -> int:
        total = 0
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total


def noise(seconds: float, generator: np.random.Generator) -> bytes:
    samples = generator.uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    return encode(Audio(samples), "wav").data


def big_shard(path: Path, clips: int, seconds: float, each: int) -> None:
    """Recordings in the table itself, ``each`` of them in a row group."""
    generator = np.random.default_rng(1)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("id", pa.int64()), ("audio", kind)])
    with pq.ParquetWriter(path, schema, compression="none") as writer:
        for first in range(0, clips, each):
            rows = [
                {"id": n, "audio": {"bytes": noise(seconds, generator), "path": f"{n}.wav"}}
                for n in range(first, min(first + each, clips))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema), row_group_size=each)


def memory(gigabytes: float) -> None:
    with tempfile.TemporaryDirectory(prefix="asrkit-bench-", dir=".") as made:
        folder = Path(made)
        (folder / "in").mkdir()
        first = folder / "in" / "000.parquet"
        clips = round(1e9 / (CLIP_SECONDS * RATE * 2))
        # In a process of its own, whose memory is not counted.
        maker = get_context("spawn").Process(target=big_shard, args=(first, clips, CLIP_SECONDS, ROW_GROUP))
        maker.start()
        maker.join()
        for number in range(1, round(gigabytes)):
            os.link(first, folder / "in" / f"{number:03}.parquet")
        size = sum(path.stat().st_size for path in (folder / "in").iterdir())
        with Memory() as watched:
            told = asrkit.transcribe_files(
                folder / "in", "audio", out=folder / "out", model=asrkit.Canned(["so it is"]), journal=False
            )
        print(told)
        print(f"table: {size / 1e9:.1f} GB, row groups of {ROW_GROUP * CLIP_SECONDS * RATE * 2 / 1e6:.0f} MB")
        print(f"most memory, all processes: {watched.most / 1e6:,.0f} MB (before: {watched.before / 1e6:,.0f} MB)")
        assert told.rows == clips * round(gigabytes)


def small_shards(folder: Path, shards: int, clips: int, seconds: float) -> None:
    generator = np.random.default_rng(2)
    folder.mkdir()
    for number in range(shards):
        rows = pa.table(
            {
                "id": range(number * clips, (number + 1) * clips),
                "audio": pa.array([noise(seconds, generator) for _ in range(clips)], pa.binary()),
            }
        )
        pq.write_table(rows, folder / f"{number:04}.parquet")


def engine(seconds: float, shards: int) -> None:
    import ray

    clips, length = 20, 2.0
    audio = shards * clips * length
    backend = Telling(wait=seconds / audio)
    with tempfile.TemporaryDirectory(prefix="asrkit-bench-") as made:
        small_shards(Path(made, "in"), shards, clips, length)
        print(f"{shards} shards, {audio / 3600:.2f} h of audio, {seconds:.0f} s of model\n")
        print(f"{'way':34} {'seconds':>8} {'x model':>8} {'against one machine':>20}")
        base = 0.0
        for name, on, workers in (
            ("one machine", None, None),
            ("ray, 1 worker", "ray", 1),
            ("ray, 2 workers", "ray", 2),
        ):
            began = time.monotonic()
            if on == "ray":
                ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
            told = asrkit.transcribe_files(
                Path(made, "in"), "audio", out=Path(made, name), on=on, workers=workers, model=backend, journal=False
            )
            if on == "ray":
                ray.shutdown()
            took = time.monotonic() - began
            assert told.rows == shards * clips
            assert not told.failed
            base = base or took
            ideal = base / (workers or 1)
            print(f"{name:34} {took:8.1f} {took / seconds:8.3f} {took / ideal - 1:+20.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    big = commands.add_parser("memory")
    big.add_argument("--gigabytes", type=float, default=20)
    ray = commands.add_parser("engine")
    ray.add_argument("--seconds", type=float, default=300)
    ray.add_argument("--shards", type=int, default=60)
    options = parser.parse_args()
    if options.what == "memory":
        memory(options.gigabytes)
    else:
        engine(options.seconds, options.shards)


if __name__ == "__main__":
    main()
