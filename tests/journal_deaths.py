"""A run that is killed at random moments, again and again; a child of a process without threads each time.

    python tests/journal_deaths.py JOURNAL LOG [--rows 300] [--kills 20] [--delay 0.002] [--seed 0]

Prints, as JSON, what the kills have left to see: texts of the last call, and how often what was heard.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import asrkit
from asrkit.audio import Audio
from asrkit.backends.base import Preferences

BATCH = 16


def cells(rows: int) -> list[tuple[np.ndarray, int]]:
    """Sounds that differ in length, so that the length says which row it is."""
    return [(np.full(1_000 + number, 0.1, np.float32), 16_000) for number in range(rows)]


def run(journal: str, log: Path, rows: int, delay: float, **options: object) -> list[asrkit.Transcript | object]:
    """One call; what is heard and what is handed over is noted at once, also by a process that dies."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def answer(audio: Audio) -> str:
        number = len(audio.samples) - 1_000
        os.write(file, f"heard {number}\n".encode())
        time.sleep(delay)
        return f"row {number}"

    backend = asrkit.Canned(answer, preferred=Preferences(batch_size=BATCH))
    outcomes = []
    for number, outcome in enumerate(
        asrkit.transcribe(cells(rows), model=backend, journal=journal, progress=False, **options)
    ):
        os.write(file, f"given {number}\n".encode())
        outcomes.append(outcome)
    os.close(file)
    return outcomes


def kill_one(journal: str, log: Path, rows: int, delay: float, after: float) -> bool:
    """Whether it was killed before it had ended."""
    child = os.fork()
    if not child:
        status = 1
        try:
            run(journal, log, rows, delay)
            status = 0
        finally:
            os._exit(status)
    limit = time.monotonic() + after
    while time.monotonic() < limit:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                sys.exit(f"a run failed by itself: {status}")
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journal")
    parser.add_argument("log", type=Path)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--delay", type=float, default=0.002)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    share = options.rows * options.delay / options.kills
    kills = sum(
        kill_one(options.journal, options.log, options.rows, options.delay, chance.uniform(0.0, 2.5 * share + 0.3))
        for _ in range(options.kills)
    )
    outcomes = run(options.journal, options.log, options.rows, options.delay)
    heard: Counter[int] = Counter()
    given: set[int] = set()
    after_given = 0
    for line in options.log.read_text().splitlines():
        word, number = line.split()
        if word == "given":
            given.add(int(number))
        else:
            heard[int(number)] += 1
            after_given += int(number) in given
    texts = [getattr(outcome, "text", str(outcome)) for outcome in outcomes]
    told = {
        "kills": kills,
        "right": texts == [f"row {number}" for number in range(options.rows)],
        "heard_again": sum(heard.values()) - options.rows,
        "heard_after_given": after_given,
        "at_most": kills * 2 * BATCH,  # what was in hand, and what waited for its transaction
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
