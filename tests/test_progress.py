from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asrkit import progress
from asrkit.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds since the start, as the test says."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_rows_not_yet_looked_at_count_as_long_as_the_others():
    bar = Progress(rows=10, enabled=False)

    bar.expect(4.0)
    bar.expect(8.0)

    assert bar.total == 60.0


def test_a_row_of_unknown_length_counts_as_long_as_those_before_it():
    bar = Progress(rows=3, enabled=False)

    bar.expect(4.0)
    bar.expect(8.0)
    bar.expect(None)

    assert bar.total == 18.0


def test_nothing_is_promised_before_anything_is_done():
    bar = Progress(rows=10, enabled=False)

    assert bar.total == 0.0
    assert bar.remaining() is None


def test_what_remains_counts_audio_and_rows_and_not_the_loading_of_the_model(clock):
    bar = Progress(rows=3, enabled=False)
    for _ in range(3):
        bar.expect(10.0)
    clock[0] = 100.0
    bar.advance(10.0)
    bar.finish(10.0, 10.0, failed=False)
    bar.batch_done()
    assert bar.remaining() is None
    clock[0] = 108.0
    bar.advance(10.0)
    bar.finish(10.0, 10.0, failed=False)
    bar.batch_done()

    assert bar.remaining() == pytest.approx(8.0)


def test_many_short_rows_remain_longer_than_one_of_the_same_audio(clock):
    few, many = Progress(rows=2, enabled=False), Progress(rows=61, enabled=False)
    for bar, rest in ((few, [60.0]), (many, [1.0] * 60)):
        for seconds in (60.0, *rest):
            bar.expect(seconds)
        bar.batch_done()
        bar.advance(60.0)
        bar.finish(60.0, 60.0, failed=False)
    clock[0] = 10.0

    assert many.total == few.total == 120.0
    assert many.remaining() > few.remaining()


def test_silence_that_the_model_was_spared_counts_as_heard():
    bar = Progress(rows=1, enabled=False)
    bar.expect(30.0)
    bar.advance(12.0)

    bar.finish(30.0, 12.0, failed=False)

    assert bar.heard == bar.total == 30.0


@pytest.mark.parametrize("heard", [0.0, 7.0, 100.0])
def test_nothing_remains_when_every_row_is_done(clock, heard):
    bar = Progress(rows=2, enabled=False)
    bar.expect(10.0)
    bar.expect(None)  # a URL, whose length no header told in time
    bar.advance(10.0)
    bar.finish(10.0, 10.0, failed=False)
    bar.advance(heard)
    bar.finish(None, heard, failed=heard == 0.0)
    clock[0] = 5.0

    assert bar.remaining() == 0.0


def test_the_bar_tells_audio_rows_speed_and_failures(clock, monkeypatch, capsys):
    monkeypatch.setattr(progress, "DELAY", 0)
    with Progress(rows=3) as bar:
        for _ in range(3):
            bar.expect(3_600.0)
        bar.advance(3_600.0)
        bar.finish(3_600.0, 3_600.0, failed=False)
        bar.batch_done()
        bar.finish(3_600.0, 0.0, failed=True)
        clock[0] = 72.0

    shown = capsys.readouterr().err.split("\r")[-1]

    assert "transcribe  67%" in shown
    assert "2:00:00 of 3:00:00 audio, 2 of 3 rows" in shown
    assert "[1:12<1:12, 100.0x real time]" in shown
    assert "1 failed" in shown


def test_what_is_fast_shows_no_bar(capsys):
    with Progress(rows=1) as bar:
        bar.expect(1.0)
        bar.finish(1.0, 0.0, failed=False)

    assert capsys.readouterr().err == ""


def test_a_bar_that_is_not_wanted_says_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "DELAY", 0)
    with Progress(rows=1, enabled=False) as bar:
        bar.expect(1.0)
        bar.finish(1.0, 0.0, failed=False)

    assert capsys.readouterr().err == ""
    assert bar.done == 1


@pytest.mark.parametrize("rows, columns", [(0, 0), (24, 120)])
def test_in_a_terminal_it_is_a_line_of_its_own(rows, columns):
    pty = pytest.importorskip("pty")
    fcntl, struct, termios = (importlib.import_module(name) for name in ("fcntl", "struct", "termios"))
    code = (
        "import time; import asrkit.progress as p; p.DELAY = 0.01\n"
        "with p.Progress(2) as bar:\n"
        "    for _ in range(2): time.sleep(0.05); bar.expect(1.0); bar.finish(1.0, 0.0, failed=False)\n"
        "print('after')"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=theirs, stderr=theirs, cwd=Path(__file__).parent.parent
    )
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal so
        while more := os.read(ours, 4096):
            told += more
    os.close(ours)

    assert process.wait() == 0
    assert b"2 of 2 rows" in told
    assert told.endswith(b"\nafter\r\n")
