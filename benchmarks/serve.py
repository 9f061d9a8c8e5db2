"""How many requests `asrkit serve` answers in a second, and what decoding them together gains.

    python benchmarks/serve.py                       # both tables
    python benchmarks/serve.py --only canned         # without a model: the server alone
    python benchmarks/serve.py --clips DIR           # own recordings for the model

The server runs in a process of its own, the client in this one; both share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from asrkit.audio import probe

PATH = "/client/v4/accounts/benchmark/ai/run/@cf/openai/whisper"
SERVE = (
    "import sys, asrkit.serve as serve;"
    "size = int(sys.argv[2]);"
    "settings = serve.Settings(model=sys.argv[1], port=0, batch_size=size or None, queue=10_000);"
    "sys.exit(serve.run(settings))"
)


@dataclass(frozen=True)
class Result:
    answers: int
    errors: int
    elapsed: float
    audio: float
    latencies: Sequence[float]

    def __add__(self, other: Result) -> Result:
        return Result(
            self.answers + other.answers,
            self.errors + other.errors,
            self.elapsed + other.elapsed,
            self.audio + other.audio,
            [*self.latencies, *other.latencies],
        )

    def row(self, name: str) -> str:
        ordered = sorted(self.latencies)
        p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        rate, rtfx = self.answers / self.elapsed, self.audio / self.elapsed
        return f"{name:34} {rate:9.1f} {p50 * 1000:9.0f} {p99 * 1000:9.0f} {rtfx:9.1f} {self.errors:7}"


HEAD = f"{'':34} {'answers/s':>9} {'p50 ms':>9} {'p99 ms':>9} {'RTFx':>9} {'errors':>7}"


@contextmanager
def serving(model: str, batch_size: int = 0) -> Iterator[tuple[str, int]]:
    """A server in a process of its own; gives its host and port."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, model, str(batch_size)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            first = server.stdout.readline()
            found = re.search(r"http://([^:]+):(\d+)", first)
            assert found, first
            host, port = found[1], int(found[2])
            asyncio.run(load(host, port, [(wav(tone(0.1)), 0.1)], 1, 1))  # waits for the model
            yield host, port
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)


async def load(host: str, port: int, clips: Sequence[tuple[bytes, float]], at_once: int, count: int) -> Result:
    """``count`` requests over ``at_once`` connections that are kept open."""
    requests = [
        f"POST {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
        for data, _ in clips
    ]
    numbers = iter(range(count))
    latencies: list[float] = []
    errors = 0
    audio = 0.0

    async def connection() -> None:
        nonlocal errors, audio
        reader, writer = await asyncio.open_connection(host, port)
        for number in numbers:
            began = time.perf_counter()
            writer.write(requests[number % len(clips)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
            body = await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
            if head.startswith(b"HTTP/1.1 200") and b'"success":true' in body:
                audio += clips[number % len(clips)][1]
            else:
                errors += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(at_once)))
    return Result(count - errors, errors, time.perf_counter() - began, audio, latencies)


def tone(seconds: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * 16_000)) / 16_000)


def wav(samples: np.ndarray) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, 16_000, "PCM_16", format="WAV")
    return file.getvalue()


def recordings(folder: Path) -> list[Path]:
    """Read speech in English: what the model knows, so that nothing is decoded again and again."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".wav", ".flac", ".mp3", ".ogg")]
    with manifest.open(encoding="utf-8", newline="") as file:
        return [folder / row["path"] for row in csv.DictReader(file) if row["source"].startswith("librispeech-t")]


def canned(at_once: Sequence[int], count: int) -> None:
    print("\nWithout a model: WAV clips of 3 s, raw body, @cf/openai/whisper")
    print(HEAD)
    clips = [(wav(tone(3.0)), 3.0)]
    with serving("canned:it is a good day to say something") as (host, port):
        asyncio.run(load(host, port, clips, 32, 500))
        for many in at_once:
            print(asyncio.run(load(host, port, clips, many, count)).row(f"{many} at once"))


def model(name: str, folder: Path, count: int, at_once: int, rounds: int) -> None:
    timed = [(path, probe(path).duration or 0.0) for path in recordings(folder)]
    clips = [(path.read_bytes(), seconds) for path, seconds in timed if 2 <= seconds <= 12][:count]
    if not clips:
        print(f"\nno recordings of 2 to 12 s in {folder}; name a folder by --clips")
        return
    print(f"\n{name}: {len(clips)} recordings of 2 to 12 s, {at_once} at once, {rounds} rounds by turns")
    titles = {1: "one at a time (batch_size=1)", 0: "batched"}
    results: dict[int, list[Result]] = {1: [], 0: []}
    with serving(name, 1) as single, serving(name, 0) as batched:
        for address in (single, batched):
            asyncio.run(load(*address, clips, at_once, min(8, len(clips))))
        for _ in range(rounds):  # by turns: what else the machine does hits both
            for size, address in ((1, single), (0, batched)):
                results[size].append(asyncio.run(load(*address, clips, at_once, len(clips))))
    print(HEAD)
    totals = {size: sum(several[1:], start=several[0]) for size, several in results.items()}
    for size, total in totals.items():
        print(total.row(titles[size]))
    gain = (totals[0].audio / totals[0].elapsed) / (totals[1].audio / totals[1].elapsed)
    print(f"batching gives {gain:.2f} times the throughput")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("canned", "model"))
    parser.add_argument("--count", type=int, default=3_000, help="requests without a model")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--model", default="openai/whisper-tiny.en")
    parser.add_argument("--clips", type=Path, default=os.environ.get("ASRKIT_SPEECH"))
    parser.add_argument("--clip-count", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if options.only != "model":
        canned(options.at_once, options.count)
    if options.only != "canned":
        if options.clips is None:
            parser.error("--clips DIR (or ASRKIT_SPEECH) names recordings for the model")
        model(options.model, Path(options.clips), options.clip_count, 32, options.rounds)


if __name__ == "__main__":
    main()
