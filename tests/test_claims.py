"""Processes that share a journal share the work: nothing is done, or paid, twice, and nobody waits for the dead."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

import asrkit
from asrkit.audio import Audio, encode
from asrkit.backends.base import Preferences
from asrkit.journal.attempts import Attempts
from asrkit.journal.claims import Claims

HANG = 90.0  # seconds after which a test is stuck

WORK = """
import json, os, random, signal, sys, time
import numpy as np, asrkit
from asrkit.audio import Audio
from asrkit.backends.base import Preferences

def cells(rows, order):
    numbers = list(range(rows))
    random.Random(order).shuffle(numbers)
    return [(np.full(1_000 + number, 0.1, np.float32), 16_000) for number in numbers]

def work(journal, log, rows, order, delay, batch):
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def answer(audio):
        os.write(file, f"{len(audio.samples) - 1_000}\\n".encode())
        time.sleep(delay)
        return f"row {len(audio.samples) - 1_000}"
    backend = asrkit.Canned(answer, preferred=Preferences(batch_size=batch, in_order=True))
    rows = cells(rows, order)
    texts = [row.text for row in asrkit.transcribe(rows, model=backend, journal=journal, progress=order == 0)]
    assert texts == [f"row {len(samples) - 1_000}" for samples, _ in rows], texts

told = json.loads(sys.argv[1])
children = []
for order in range(told["processes"]):
    child = os.fork()
    if not child:
        status = 1
        try:
            work(told["journal"], told["log"], told["rows"], order, told["delay"], told["batch"])
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    children.append(child)
for number, after in told["signals"]:
    time.sleep(after)
    os.kill(children[0], number)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def work(folder: Path, *, rows: int, processes: int, delay: float, batch: int = 4, signals: tuple = ()) -> tuple:
    """What the processes ended with, how often each row was heard, and what was said."""
    log = folder / "log"
    told = {"journal": str(folder / "kept.sqlite"), "log": str(log), "rows": rows, "processes": processes}
    told |= {"delay": delay, "batch": batch, "signals": signals}
    ended = subprocess.run(
        [sys.executable, "-c", WORK, json.dumps(told)], capture_output=True, text=True, timeout=HANG, check=True
    )
    return json.loads(ended.stdout), Counter(log.read_text().split()), ended.stderr


def test_two_processes_in_different_order_do_each_row_once(tmp_path):
    ended, heard, _ = work(tmp_path, rows=120, processes=2, delay=0.01)

    assert ended == [0, 0]
    assert set(heard) == {str(number) for number in range(120)}
    assert set(heard.values()) == {1}


def test_four_processes_share_the_work_and_end(tmp_path):
    ended, heard, said = work(tmp_path, rows=200, processes=4, delay=0.005, batch=1)

    assert ended == [0] * 4
    assert sum(heard.values()) == 200
    assert "Traceback" not in said


def test_what_a_killed_process_has_claimed_is_done_by_the_other(tmp_path):
    ended, heard, said = work(tmp_path, rows=100, processes=2, delay=0.02, signals=((signal.SIGKILL, 0.7),))

    assert ended == [-signal.SIGKILL, 0]
    assert set(heard) == {str(number) for number in range(100)}
    assert sum(heard.values()) <= 100 + 16 + 4  # what was in its hands, and what waited for its transaction
    assert "Traceback" not in said


ANSWER: dict[str, Any] = {}


def answer(audio: Audio) -> str:
    """A recogniser is known by its code, so that two runs with this one are of the same model."""
    text: str = ANSWER["text"](audio)
    return text


def test_a_second_one_says_for_whom_it_waits(tmp_path, capsys):
    began, over = threading.Event(), threading.Event()
    journal = tmp_path / "kept.sqlite"
    cells = [(np.full(1_000 + number, 0.1, np.float32), 16_000) for number in range(5)]

    def slow(audio: Audio) -> str:
        began.set()
        over.wait(HANG)
        return "first"

    ANSWER["text"] = slow

    def first() -> None:
        backend = asrkit.Canned(answer, preferred=Preferences(batch_size=8))
        list(asrkit.transcribe(cells, model=backend, journal=journal, progress=False))

    holder = threading.Thread(target=first)
    holder.start()
    assert began.wait(HANG)
    second = asrkit.Canned(answer, preferred=Preferences(batch_size=8))
    texts: list[str] = []
    waiter = threading.Thread(
        target=lambda: texts.extend(row.text for row in asrkit.transcribe(cells, model=second, journal=journal))
    )
    waiter.start()
    limit, said = time.monotonic() + HANG, ""
    while "waiting for it" not in said and time.monotonic() < limit:
        time.sleep(0.05)
        said += capsys.readouterr().err
    over.set()
    for thread in (holder, waiter):
        thread.join(HANG)

    assert f"another process ({os.getpid()}) works on 5 of these rows: waiting for it" in said
    assert texts == ["first"] * 5
    assert second.heard == 0


def test_rows_that_failed_for_the_first_are_tried_by_the_second(tmp_path):
    began, over = threading.Event(), threading.Event()
    journal = tmp_path / "kept.sqlite"
    cells = [(np.full(1_000 + number, 0.1, np.float32), 16_000) for number in range(3)]

    def failing(audio: Audio) -> str:
        began.set()
        over.wait(HANG)
        raise LookupError("not today")

    ANSWER["text"] = failing

    def first() -> None:
        list(asrkit.transcribe(cells, model=asrkit.Canned(answer), journal=journal, progress=False))

    holder = threading.Thread(target=first)
    holder.start()
    assert began.wait(HANG)
    ANSWER["text"] = lambda audio: "well"
    rows = asrkit.transcribe(cells, model=asrkit.Canned(answer), journal=journal, progress=False)
    threading.Timer(0.5, over.set).start()

    assert [row.text for row in rows] == ["well"] * 3
    holder.join(HANG)


def test_a_caller_that_asks_for_no_more_rows_holds_nobody_up_for_ever(tmp_path):
    folder = tmp_path / "runs"
    attempts = Attempts(folder, 1)
    now = [1_000.0]
    paused = Claims(folder, 1, stale=60.0, clock=lambda: now[0])
    other = Claims(folder, 2, stale=60.0, clock=lambda: now[0])
    key = bytes(32)
    paused.take([key])
    paused.is_paused = True

    assert other.take([key]).held == {key: os.getpid()}
    now[0] += 59.0
    assert other.take([key]).held == {key: os.getpid()}
    now[0] += 2.0
    taken = other.take([key])
    assert taken.held == {}
    assert taken.orphaned == {1}
    assert paused.take([key]).held == {}  # run 2 has no notes, so it does not live

    for claims in (paused, other):
        claims.close()
    attempts.close()


def test_claims_that_cannot_be_kept_stop_no_run(tmp_path):
    journal = tmp_path / "kept.sqlite"
    cells = [(np.full(1_000 + number, 0.1, np.float32), 16_000) for number in range(3)]
    list(asrkit.transcribe(cells, model=asrkit.Canned(["a"] * 3), journal=journal, progress=False))
    claims = min((tmp_path / "kept.sqlite-runs").glob("claims-*"), key=lambda path: len(path.name))
    claims.write_bytes(b"no database at all" * 100)
    more = [(np.full(2_000 + number, 0.1, np.float32), 16_000) for number in range(3)]

    rows = asrkit.transcribe(more, model=asrkit.Canned(["b"] * 3), journal=journal, progress=False)

    assert [row.text for row in rows] == ["b"] * 3


PAY = """
import json, sys
from pathlib import Path
import asrkit
url, journal, folder, seed = json.loads(sys.argv[1])
model = asrkit.WorkersAI(base_url=url + "/client/v4", per_minute=None, at_once=4)
cells = sorted(Path(folder).iterdir())
rows = list(asrkit.transcribe(cells if seed else cells[::-1], model=model, journal=journal, progress=False))
print(sum(isinstance(row, asrkit.Transcript) for row in rows))
"""


def test_two_processes_pay_for_each_row_once(tmp_path):
    pytest.importorskip("starlette")
    from asrkit.serve import Settings, background

    folder = tmp_path / "clips"
    folder.mkdir()
    draw = random.Random(3)
    for number in range(80):
        samples = np.sin(np.arange(draw.randint(1_600, 4_000)) / 8).astype(np.float32)
        samples[-1] = number / 200
        (folder / f"{number:03}.wav").write_bytes(encode(Audio(samples), "wav").data)
    with background(Settings(model="canned:yes", port=0, faults="delay=0.1", queue=64)) as server:
        commands = [
            [sys.executable, "-c", PAY, json.dumps([server.url, str(tmp_path / "kept.sqlite"), str(folder), seed])]
            for seed in range(2)
        ]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
        counts = [process.communicate(timeout=HANG)[0].strip() for process in running]
        log = json.loads(httpx2.get(f"{server.url}/faults/log").text)
    entries = log if isinstance(log, list) else log["requests"]

    assert counts == ["80", "80"]
    digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert Counter(entry["digest"] for entry in entries) == dict.fromkeys(digests, 1)
