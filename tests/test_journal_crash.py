"""Processes that are killed, crash, are interrupted or find no room: what is done is done, the same call goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import asrkit
from asrkit.errors import JournalError
from asrkit.journal import attempts, store
from asrkit.journal.store import Journal

DRIVER = Path(__file__).parent / "journal_driver.py"
FIRST = 800  # samples of the shortest clip

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """2,000 short clips, each of its own length."""
    import numpy as np
    import soundfile

    folder = tmp_path_factory.mktemp("clips")
    paths = []
    for number in range(2_000):
        path = folder / f"{number}.wav"
        soundfile.write(path, np.full(FIRST + number, 0.01, np.float32), 16_000, "PCM_16")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        paths.append(str(path))
    return paths


@pytest.fixture
def settings(tmp_path: Path, many: list[str]) -> dict[str, Any]:
    return {
        "paths": many[:200],
        "notes": str(tmp_path / "notes"),
        "journal": str(tmp_path / "journal.sqlite"),
        "out": str(tmp_path / "out"),
        "delay": 0.02,
    }


def start(task: str, settings: dict[str, Any], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(DRIVER), task, json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def notes(settings: dict[str, Any]) -> Counter[int]:
    """How often each clip was given to the model."""
    return Counter(map(int, Path(settings["notes"]).read_text().split()))


def wait_for_notes(settings: dict[str, Any], count: int) -> None:
    path = Path(settings["notes"])
    while not path.is_file() or len(path.read_text().split()) < count:
        time.sleep(0.005)


def expected(settings: dict[str, Any]) -> list[str]:
    return [str(FIRST + number) for number in range(len(settings["paths"]))]


def test_killed_at_twenty_moments_a_run_of_2000_rows_ends_as_if_it_had_not_been(tmp_path, settings, many):
    settings |= {"paths": many, "kills": 20, "most": 150, "seed": 4, "delay": 0.006}
    finish(start("kill", settings))
    whole = {**settings, "journal": str(tmp_path / "other.sqlite"), "out": str(tmp_path / "whole"), "delay": 0.0}
    whole["notes"] = str(tmp_path / "whole notes")
    finish(start("hear", whole))

    pd.testing.assert_frame_equal(pd.read_pickle(settings["out"]), pd.read_pickle(whole["out"]))
    heard = notes(settings)
    assert set(heard) == set(range(FIRST, FIRST + 2_000))
    assert heard.total() - 2_000 <= 20 * 16  # the batch under way at each kill
    assert heard.total() > 2_000  # they came while something was under way
    with Journal(Path(settings["journal"])) as journal:
        assert journal.check() == []
        assert journal.read("SELECT count(*) FROM results WHERE code IS NULL") == [(2_000,)]
        assert journal.deaths() == {}


@pytest.mark.parametrize("how", ["crash", "kill"])
def test_a_clip_that_kills_its_process_costs_a_row(settings, how):
    settings |= {"deadly": FIRST + 77, "delay": 0.001}
    died = []
    for _ in range(5):
        process = start("hear", settings, DEADLY=how)
        process.communicate(timeout=120)
        died.append(process.returncode)

    assert died[:4] == [-signal.SIGSEGV if how == "crash" else -signal.SIGKILL] * 4
    assert died[4] == 0
    frame = pd.read_pickle(settings["out"])
    assert frame["hypothesis"].drop(77).tolist() == [text for text in expected(settings) if text != str(FIRST + 77)]
    assert frame["hypothesis_error"].notna().sum() == 1
    assert frame["hypothesis_error"][77].startswith("crashed: the process died 3 times with this row alone at work")
    heard = notes(settings)
    assert heard[FIRST + 77] == 4
    assert heard.total() - len(heard) <= 15 + 3  # its neighbours of the first time, once more; and itself
    finish(start("hear", {**settings, "notes": settings["notes"] + " 2"}))
    assert not Path(settings["notes"] + " 2").read_text()


def test_a_clip_that_crashed_is_tried_again_where_the_user_says_so(settings, tmp_path):
    settings |= {"paths": settings["paths"][:20], "deadly": FIRST + 7, "delay": 0.001}
    for _ in range(5):
        start("hear", settings).communicate(timeout=120)
    df = pd.DataFrame({"path": settings["paths"]})
    sys.path.insert(0, str(DRIVER.parent))
    try:
        from journal_driver import Noted
    finally:
        sys.path.pop(0)
    backend = Noted(settings["notes"], 0.0)  # a version that does not crash
    again = {"model": backend, "journal": settings["journal"], "progress": False}

    assert df.asr.transcribe("path", **again)["hypothesis"].isna().sum() == 1
    assert df.asr.transcribe("path", retry_failed=True, **again)["hypothesis"].tolist() == expected(settings)
    assert df.asr.transcribe("path", **again)["hypothesis"].tolist() == expected(settings)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_finishes_the_batch_and_keeps_it(settings, which):
    process = start("hear", {**settings, "delay": 0.3})
    wait_for_notes(settings, 33)  # the third batch is under way
    process.send_signal(which)

    told = json.loads(finish(process).splitlines()[-1])

    assert told["error"] == "Interrupted"
    assert told["done"] == notes(settings).total() == 48
    assert "stopped: 48 of 200 rows are done" in told["message"]
    assert told["message"].endswith("the same call goes on from there")
    finish(start("hear", settings))
    assert notes(settings).total() == 200  # not one of them twice
    assert pd.read_pickle(settings["out"])["hypothesis"].tolist() == expected(settings)


def test_the_second_stops_at_once(settings):
    process = start("hear", {**settings, "delay": 30.0})
    wait_for_notes(settings, 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)

    told = json.loads(finish(process).splitlines()[-1])

    assert told["error"] == "Interrupted"
    assert told["done"] == 0


def test_a_handler_that_somebody_else_has_set_is_left_alone(settings):
    got = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
    try:

        def answer(audio: Any) -> str:
            signal.raise_signal(signal.SIGTERM)
            return "a"

        df = pd.DataFrame({"path": settings["paths"][:3]})
        heard = df.asr.transcribe("path", model=asrkit.Canned(answer), journal=settings["journal"], progress=False)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert heard["hypothesis"].tolist() == ["a"] * 3
    assert got == [signal.SIGTERM] * 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_full_disk_stops_the_run_with_what_was_saved(settings):
    pytest.importorskip("resource")
    told = json.loads(finish(start("hear", {**settings, "delay": 0.001, "limit": 120_000})).splitlines()[-1])

    assert told["error"] == "JournalError"
    assert told["code"] == "disk-full"
    assert 0 < told["done"] < 200
    assert f"{told['done']} of 200 rows are done" in told["message"]
    with Journal(Path(settings["journal"])) as journal:
        assert journal.check() == []
        assert journal.read("SELECT count(*) FROM results") == [(told["done"],)]
    finish(start("hear", settings))
    assert pd.read_pickle(settings["out"])["hypothesis"].tolist() == expected(settings)
    assert notes(settings).total() <= 200 + 16


def test_a_full_database_is_a_full_disk(settings, monkeypatch):
    prepare = store.prepare

    def small(connection: Any, path: str) -> None:
        prepare(connection, path)
        list(connection.execute("PRAGMA max_page_count = 30"))

    monkeypatch.setattr(store, "prepare", small)
    df = pd.DataFrame({"path": settings["paths"]})

    with pytest.raises(JournalError, match="the disk is full") as raised:
        df.asr.transcribe("path", model=asrkit.Canned(["a"]), journal=settings["journal"], progress=False)

    assert raised.value.code == "disk-full"
    assert 0 < raised.value.partial["hypothesis"].notna().sum() < 200


def test_a_place_that_cannot_be_written_is_said_before_any_work(settings, tmp_path):
    (tmp_path / "a file").touch()
    backend = asrkit.Canned(["a"])
    df = pd.DataFrame({"path": settings["paths"]})

    with pytest.raises(JournalError, match=r"cannot be written.*journal=False") as raised:
        df.asr.transcribe("path", model=backend, journal=tmp_path / "a file" / "journal.sqlite", progress=False)

    assert raised.value.code == "read-only"
    assert backend.heard == 0


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_said_before_any_work(settings, tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)

    with pytest.raises(JournalError, match="cannot be written"):
        list(asrkit.transcribe(settings["paths"], model=asrkit.Canned(["a"]), journal=folder / "j.sqlite"))


def test_a_read_only_database_is_said(settings, tmp_path):
    import sqlite3

    path = tmp_path / "journal.sqlite"
    list(asrkit.transcribe(settings["paths"][:1], model=asrkit.Canned(["a"]), journal=path, progress=False))

    def read_only(name: str) -> Any:
        return sqlite3.connect(f"file:{name}?mode=ro", uri=True, isolation_level=None)

    with Journal(path, read_only) as journal, pytest.raises(JournalError) as raised:
        journal.write([("DELETE FROM results", [()])])

    assert raised.value.code == "read-only"


def test_without_a_place_in_the_users_cache_the_run_goes_on_and_says_so(settings, tmp_path, monkeypatch):
    (tmp_path / "cache").touch()
    monkeypatch.setenv("ASRKIT_JOURNAL", "")
    monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
    backend = asrkit.Canned(["a"])
    backend.preferred = type(backend.preferred)(batch_size=4, is_fingerprinted=True)

    with pytest.warns(UserWarning, match="nothing of this run is kept"):
        heard = list(asrkit.transcribe(settings["paths"][:3], model=backend, progress=False))

    assert [one.text for one in heard] == ["a"] * 3


@pytest.mark.model
def test_killed_three_times_real_whisper_ends_as_if_it_had_not_been(recordings, tmp_path):
    rows = recordings[recordings["language"].eq("en") & recordings["duration_s"].between(1.5, 6)].head(12)
    code = (
        "import json, sys, pandas as pd, asrkit\n"
        "paths, journal, out = json.loads(sys.argv[1])\n"
        "model = asrkit.Whisper('openai/whisper-tiny.en', precision='float32', batch_size=2)\n"
        "df = pd.DataFrame({'path': paths}).asr.transcribe('path', model=model, journal=journal, progress=False)\n"
        "df.to_pickle(out)\n"
    )

    def begin(journal: Path, out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", code, json.dumps([rows["path"].tolist(), str(journal), str(out)])]
        )

    def count() -> int:
        path = tmp_path / "journal.sqlite"
        if not path.is_file() or not path.stat().st_size:
            return 0
        with Journal(path) as journal:
            return int(journal.read("SELECT count(*) FROM results")[0][0])

    seen = 0
    for _ in range(3):
        process = begin(tmp_path / "journal.sqlite", tmp_path / "out")
        while count() <= seen:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.wait()
        seen = count()
    assert begin(tmp_path / "journal.sqlite", tmp_path / "out").wait(timeout=300) == 0
    assert begin(tmp_path / "other.sqlite", tmp_path / "whole").wait(timeout=300) == 0

    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "out"), pd.read_pickle(tmp_path / "whole"))
    assert 3 <= seen < len(rows)


def left_by(folder: Path, *body: str) -> attempts.Dead:
    """What is known of run 3, ``own``, when a process that does this has died."""
    code = [
        "import os, pathlib, sys",
        "from asrkit.journal.attempts import Attempts, acquit_all",
        "own = Attempts(pathlib.Path(sys.argv[1]), 3)",
        *body,
    ]
    subprocess.run([sys.executable, "-W", "ignore", "-c", "\n".join(code), str(folder)], check=False)
    [dead], alive = attempts.runs(folder)
    assert (dead.run, alive) == (3, set())
    return dead


class TestAttempts:
    def test_a_run_that_lives_is_not_taken_for_dead(self, tmp_path):
        own = attempts.Attempts(tmp_path / "runs", 7)
        with own.of([b"k" * 32], alone=False):
            assert attempts.runs(tmp_path / "runs") == ([], {7})
        own.close()

        assert attempts.runs(tmp_path / "runs") == ([], set())

    def test_what_a_dead_one_had_at_work_is_told(self, tmp_path):
        dead = left_by(
            tmp_path / "runs",
            "with own.of([b'a' * 32], alone=False): pass",
            "with own.of([b'b' * 32, b'c' * 32], alone=False):",
            "    with own.of([b'b' * 32], alone=False): pass",
            "    with own.of([b'd' * 32], alone=True): os._exit(9)",
        )

        assert dict(dead.rows) == {b"b" * 32: False, b"c" * 32: False, b"d" * 32: True}

    def test_a_process_that_ends_for_another_reason_accuses_nobody(self, tmp_path):
        dead = left_by(
            tmp_path / "runs",
            "with own.of([b'a' * 32], alone=True):",
            "    acquit_all()",
            "    with own.of([b'b' * 32], alone=True): os._exit(0)",
        )

        assert dead.rows == ()

    def test_what_a_power_cut_left_is_passed_over(self, tmp_path):
        folder = tmp_path / "runs"
        folder.mkdir()
        (folder / "5").write_bytes(b"\0" * 200 + b"\n" + b"6b" * 32 + b"+\n" + b"zz" * 32 + b"+\n6b6b")

        [dead], _ = attempts.runs(folder)

        assert dead.rows == ((b"k" * 32, False),)

    def test_a_child_does_not_keep_its_dead_parent_alive(self, tmp_path):
        dead = left_by(
            tmp_path / "runs",
            "begun, begins = os.pipe()",
            "if os.fork() == 0:",
            "    import time",
            "    os.write(begins, b'.'); os.close(0); os.close(1); os.close(2); time.sleep(5); os._exit(0)",
            "os.read(begun, 1)",
            "with own.of([b'k' * 32], alone=False): os._exit(9)",
        )

        assert dead.rows == ((b"k" * 32, False),)
