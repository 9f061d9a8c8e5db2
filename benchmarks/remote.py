"""The Workers AI client against a server on this machine: how much of what the service allows it makes use of.

    python benchmarks/remote.py [--clips 2000] [--delay 0.2] [--at-once 32]

The server answers after a fixed time and takes so many requests at once; ideal is clips / at_once * delay. Beside
asrkit runs the simplest client that people write: a pool of threads over one connection pool, without pacing,
retries or decoding. The last columns are the memory that the run added to this process.
"""

from __future__ import annotations

import argparse
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pandas as pd
import soundfile

import asrkit


def clips(folder: Path, count: int) -> pd.DataFrame:
    """Short WAVs of 1 to 3 seconds."""
    draw = np.random.default_rng(0)
    paths = []
    for number in range(count):
        path = folder / f"{number}.wav"
        soundfile.write(path, 0.1 * draw.standard_normal(int(16_000 * draw.uniform(1, 3))), 16_000)
        paths.append(str(path))
    return pd.DataFrame({"path": paths})


def by_asrkit(df: pd.DataFrame, url: str, at_once: int) -> float:
    backend = asrkit.WorkersAI(base_url=f"{url}/client/v4", per_minute=None, at_once=at_once)
    began = time.perf_counter()
    heard = df.asr.transcribe("path", model=backend, progress=False)
    elapsed = time.perf_counter() - began
    failed = heard[heard.hypothesis.isna()]
    assert failed.empty, failed.hypothesis_error.value_counts()
    return elapsed


def by_threads(df: pd.DataFrame, url: str, at_once: int) -> float:
    limits = httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    with httpx2.Client(timeout=60, limits=limits) as client, ThreadPoolExecutor(at_once) as pool:

        def send(path: str) -> str:
            answer = client.post(
                f"{url}/client/v4/accounts/local/ai/run/@cf/openai/whisper", content=Path(path).read_bytes()
            )
            return str(answer.json()["result"]["text"])

        began = time.perf_counter()
        list(pool.map(send, df.path))
        return time.perf_counter() - began


@contextmanager
def server(delay: float) -> Iterator[str]:
    """``asrkit serve`` in a process of its own, which waits for nothing but the delay: ``--window 0``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "asrkit", "serve", "--model", "canned:hello", "--port", str(port), "--window", "0"]
    process = subprocess.Popen(
        [*command, "--faults", f"delay={delay}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx2.get(f"{url}/healthz").status_code == 200:
                    break
            except httpx2.ConnectError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2_000)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--at-once", type=int, default=32)
    options = parser.parse_args()
    ideal = options.clips / options.at_once * options.delay
    with (
        tempfile.TemporaryDirectory() as made,
        server(options.delay) as url,
    ):
        df = clips(Path(made), options.clips)
        by_asrkit(df.head(100), url, options.at_once)  # imports and connections
        print(f"{options.clips:,} clips, {options.delay} s an answer, {options.at_once} at once: ideal {ideal:.1f} s")
        print(f"{'client':22} {'seconds':>8} {'of ideal':>9} {'peak MB':>8}")
        for name, way in (("asrkit", by_asrkit), ("threads and httpx2", by_threads), ("asrkit, again", by_asrkit)):
            elapsed = way(df, url, options.at_once)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{name:22} {elapsed:8.1f} {ideal / elapsed:9.1%} {peak:8.0f}")


if __name__ == "__main__":
    main()
