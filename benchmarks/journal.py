"""How fast the journal writes, opens and looks up, what it adds to a run, and what twenty kills leave.

    python benchmarks/journal.py [--rows 100000] [--known 20000] [--paid 500] [--kill-rows 2000]

The rows of the first part have texts of 500 characters and are committed in batches of 16, each synced to the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

import asrkit
from asrkit.backends.base import Preferences
from asrkit.journal.run import Run
from asrkit.journal.store import Journal

TEXT = "so it is " * 55
TESTS = Path(__file__).parent.parent / "tests"


def tell(what: str, seconds: float, count: int = 0) -> None:
    print(f"{what:<58} {seconds:>9.2f} s{f' {count / seconds:>10,.0f} a second' if count else ''}", flush=True)


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def write(path: Path, first: int, rows: int) -> None:
    run = Run.open((path, True), asrkit.Canned(["so it is"]))
    heard = asrkit.Transcript(TEXT, "en", duration=5.0, elapsed=0.1)
    for number in range(first, first + rows):
        run.keep(key(number), heard)
        if run.is_due:
            run.commit()
    run.end()


def store(folder: Path, rows: int) -> None:
    path = folder / "store.sqlite"
    began = time.perf_counter()
    write(path, 0, rows)
    tell(f"write {rows:,} rows, 16 a commit", time.perf_counter() - began, rows)
    began = time.perf_counter()
    run = Run.open((path, True), asrkit.Canned(["so it is"]))
    tell(f"open it again ({path.stat().st_size / 2**20:.0f} MiB)", time.perf_counter() - began)
    began = time.perf_counter()
    answers = run.recall(key(number) for number in range(rows))
    tell(f"look {rows:,} keys up", time.perf_counter() - began, rows)
    assert len(answers) == rows
    run.end()

    path = folder / "four.sqlite"
    Journal(_empty(path)).close()
    each = rows // 20
    began = time.perf_counter()
    writers = [multiprocessing.Process(target=write, args=(path, each * n, each)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    seconds = time.perf_counter() - began
    with Journal(path) as journal:
        [(count,)] = journal.read("SELECT count(*) FROM results")
        faults = journal.check()
    tell(f"4 processes at once: {count:,} of {4 * each:,} rows, {len(faults)} faults", seconds, count)


def _empty(path: Path) -> Path:
    path.touch()
    return path


def known(folder: Path, rows: int) -> None:
    """A call over rows that are all known, files among them."""
    draw = np.random.default_rng(0)
    paths = []
    for number in range(rows):
        paths.append(folder / f"{number}.wav")
        soundfile.write(paths[-1], draw.uniform(-0.1, 0.1, 8_000), 16_000)
    time.sleep(2.5)  # until their times can be trusted
    df = pd.DataFrame({"audio": paths})
    model = asrkit.Canned(lambda audio: "so it is", preferred=Preferences(batch_size=16))
    for what, journal in (
        ("no journal", False),
        ("first with one", folder / "known.sqlite"),
        ("second", folder / "known.sqlite"),
    ):
        began = time.perf_counter()
        df.asr.transcribe("audio", model=model, journal=journal, progress=False)
        tell(f"{rows:,} files of 0.5 s with Canned: {what}", time.perf_counter() - began, rows)
    print(f"{'':<4}heard {model.heard - 2 * rows:,} in the second")


def paid(folder: Path, rows: int) -> None:
    """Requests that are answered at once: what it costs to write each down before it is sent."""
    import httpx2

    def answer(request: httpx2.Request) -> httpx2.Response:
        request.read()
        result = {"text": "so it is", "word_count": 1, "words": []}
        return httpx2.Response(200, json={"result": result, "success": True, "errors": [], "messages": []})

    times = np.arange(1_600) / 16_000
    cells = [((0.1 * np.sin((1_000 + n) * times)).astype(np.float32), 16_000) for n in range(rows)]
    for what, journal in (("no journal", False), ("with one", folder / "paid.sqlite")):
        model = asrkit.WorkersAI(
            account_id="0" * 32, api_token="none", per_minute=None, transport=httpx2.MockTransport(answer)
        )
        began = time.perf_counter()
        for _ in asrkit.transcribe(cells, model=model, journal=journal, progress=False):
            pass
        tell(f"{rows:,} requests that are answered at once: {what}", time.perf_counter() - began, rows)


def kills(folder: Path, rows: int) -> None:
    began = time.perf_counter()
    told = subprocess.run(
        [sys.executable, TESTS / "journal_deaths.py", folder / "kills.sqlite", folder / "log", "--rows", str(rows)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(told.stdout)
    tell(f"{found['kills']} kills in a run of {rows:,} rows", time.perf_counter() - began)
    print(
        f"{'':<4}as an uninterrupted run: {found['right']}; heard again: {found['heard_again']:,} (at most "
        f"{found['at_most']:,} were under way), of them after they were handed over: {found['heard_after_given']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--known", type=int, default=20_000)
    parser.add_argument("--paid", type=int, default=500)
    parser.add_argument("--kill-rows", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="asrkit-journal-") as folder:
        store(Path(folder), options.rows)
        known(Path(folder), options.known)
        paid(Path(folder), options.paid)
        kills(Path(folder), options.kill_rows)


if __name__ == "__main__":
    main()
