"""Decoding apart: the same sound, and a decoder that crashes, hangs or lies costs its own clip only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import misbehaving
import numpy as np
import odd_audio
import pandas as pd
import psutil
import pytest
from misbehaving import marked
from odd_audio import wav

import asrkit
from asrkit import audio, isolation
from asrkit.errors import DecodeError, OptionError
from asrkit.isolation import Limits, Workers

LIMITS = Limits(seconds=3.0, memory=700 * 2**20, samples=160_000)


@pytest.fixture(scope="module")
def apart() -> Iterator[Workers]:
    """Workers with the decoder that ships."""
    with Workers() as workers:
        yield workers


@pytest.fixture(scope="module")
def risky() -> Iterator[Workers]:
    """Workers whose decoder goes wrong on marked clips."""
    with Workers(LIMITS, "misbehaving:decode") as workers:
        yield workers


def fate(work):
    """What came of it: samples and warnings, or the error's code and message."""
    try:
        heard = work()
    except DecodeError as error:
        return error.code, str(error)
    return heard.samples.tobytes(), heard.warnings


def is_gone(pid: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


class TestTheSame:
    def test_every_odd_cell_comes_out_as_in_this_process(self, apart, tmp_path, monkeypatch):
        """Sound sample for sample, with its warnings; or the error with its code and message."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        cases = [case for case in odd_audio.build(tmp_path) if case.name not in odd_audio.HUGE]
        differing = []
        for case in cases:
            try:
                here = fate(lambda case=case: audio.load(case.cell))
            except asrkit.errors.SourceError:
                continue
            if fate(lambda case=case: audio.load(case.cell, isolate=apart)) != here:
                differing.append(case.name)
            if hasattr(case.cell, "close"):
                case.cell.close()

        assert len(cases) > 50
        assert differing == []

    def test_a_stretch_and_a_channel(self, apart, tmp_path):
        path = tmp_path / "tones.wav"
        path.write_bytes(wav())

        here, there = (audio.load(path, start=0.5, end=1.75, channel=0, isolate=way) for way in (False, apart))

        assert np.array_equal(here.samples, there.samples)
        assert len(here.samples) == 20_000

    def test_blocks_and_headers(self, apart):
        here, there = (list(audio.stream(wav(), block_seconds=0.7, isolate=way)) for way in (False, apart))

        assert [len(block.samples) for block in here] == [len(block.samples) for block in there]
        assert audio.probe(wav()) == audio.probe(wav(), isolate=apart)

    def test_real_recordings_by_the_shared_workers(self, recordings):
        for path in recordings["path"][:5]:
            here, there = audio.load(path), audio.load(path, isolate=True)

            assert np.array_equal(here.samples, there.samples)

    def test_an_array_needs_no_decoder(self, monkeypatch):
        monkeypatch.setattr(isolation, "workers", None)

        assert audio.load((np.zeros(8_000), 8_000), isolate=True).duration == 1.0

    def test_a_worker_serves_one_clip_after_the_other(self, apart):
        first = [audio.load(wav(), isolate=apart) and worker_of(apart) for _ in range(3)]

        assert len({worker.process.pid for worker in first}) == 1


def worker_of(workers: Workers):
    return workers._idle[-1]


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("mark", "code", "said"),
        [
            ("crash", "decoder-crashed", "SIGSEGV"),
            ("abort", "decoder-crashed", "SIGABRT"),
            ("exit", "decoder-crashed", "status 3"),
            ("hang", "decoder-timeout", "over 3 s"),
            ("spin", "decoder-timeout", "over 3 s"),
            ("memory", "decoder-memory", "more than the 700 MB"),
            ("raise", "unexpected", "LookupError"),
            ("nan", "decoder-invalid", "no sound"),
            ("endless", "decoder-invalid", "no sound"),
            ("long", "decoder-invalid", "no sound"),
            ("code", "decoder-invalid", "no sound"),
        ],
    )
    def test_costs_the_clip_and_says_what_to_do(self, risky, mark, code, said):
        began = time.monotonic()
        with pytest.raises(DecodeError, match=said) as caught:
            audio.load(marked(wav(), mark), isolate=risky)

        assert caught.value.code == code
        assert "bytes>: " in str(caught.value)
        assert time.monotonic() - began < 60
        assert audio.load(wav(), isolate=risky).duration == pytest.approx(3.0, abs=0.01)

    @pytest.mark.parametrize("mark", ["crash", "hang", "memory"])
    def test_headers_too(self, risky, mark):
        with pytest.raises(DecodeError, match="decod"):
            audio.probe(marked(wav(), mark), isolate=risky)

    def test_a_column_loses_those_rows_alone(self, risky, tone_file):
        clips = [tone_file(0.5).read_bytes() for _ in range(20)]
        clips[3], clips[11] = marked(clips[3], "crash"), marked(clips[11], "hang")

        rows = list(asrkit.transcribe(clips, model=asrkit.Canned(["hello"] * 20), progress=False, isolate=risky))

        assert [(number, row.code) for number, row in enumerate(rows) if isinstance(row, asrkit.Failure)] == [
            (3, "decoder-crashed"),
            (11, "decoder-timeout"),
        ]

    def test_headers_are_given_up_in_time(self, risky):
        began = time.monotonic()
        with pytest.raises(DecodeError, match="over 1 s") as caught:
            audio.probe(marked(wav(), "hang"), isolate=risky, patience=1.0)

        assert caught.value.code == "decoder-timeout"
        assert time.monotonic() - began < LIMITS.seconds

    def test_a_frame_takes_the_word(self, tone_file):
        df = pd.DataFrame({"path": [str(tone_file()), b"no sound"]})

        heard = df.asr.transcribe("path", model=asrkit.Canned(["hello"]), isolate=True, progress=False)

        assert heard["hypothesis"].tolist()[0] == "hello"
        assert heard["hypothesis_error"].tolist()[1].startswith("not-audio")

    def test_no_worker_outlives_it(self, risky):
        pids = []
        for mark in ("crash", "hang", "nan"):
            audio.load(wav(), isolate=risky)
            pids.append(worker_of(risky).process.pid)
            with pytest.raises(DecodeError):
                audio.load(marked(wav(), mark), isolate=risky)

        assert all(map(is_gone, pids))

    def test_one_that_died_while_idle_is_no_fault_of_the_next_clip(self, risky):
        audio.load(wav(), isolate=risky)
        os.kill(worker_of(risky).process.pid, signal.SIGKILL)
        worker_of(risky).process.wait()

        assert audio.load(wav(), isolate=risky).duration == pytest.approx(3.0, abs=0.01)

    def test_who_stops_listening_gets_no_remains_of_it_later(self, risky):
        blocks = audio.stream(wav(), block_seconds=0.1, isolate=risky)
        next(blocks)
        blocks.close()

        assert audio.load(wav(), isolate=risky).duration == pytest.approx(3.0, abs=0.01)


class TestRights:
    def test_a_worker_has_no_token_and_writes_no_file(self, monkeypatch):
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "planted-token")
        with Workers(LIMITS, "misbehaving:decode") as workers:
            may = audio.load(marked(wav(), "open"), isolate=workers).warnings

        may = set(may) - ({"dump"} if os.geteuid() == 0 else set())  # no limit on processes binds root
        assert may == set()

    def test_workers_end_with_the_process_that_started_them(self, tmp_path):
        """Also when it is killed, and also in the middle of a clip."""
        clip = tmp_path / "clip.wav"
        clip.write_bytes(wav())
        program = (
            "import json, sys, time; from asrkit import audio, isolation\n"
            "workers = isolation.Workers(); audio.load(sys.argv[1], isolate=workers)\n"
            "print(json.dumps([w.process.pid for w in workers._idle]), flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", program, str(clip)], stdout=subprocess.PIPE) as running:
            (pid,) = json.loads(running.stdout.readline())
            running.kill()

        assert is_gone(pid)

    def test_a_hang_ends_by_its_own_alarm_when_nobody_is_left(self, tmp_path):
        clip = tmp_path / "clip.wav"
        clip.write_bytes(marked(wav(), "hang"))
        program = (
            "import sys; sys.path.insert(0, sys.argv[2])\n"
            "from asrkit import audio, isolation\n"
            "workers = isolation.Workers(isolation.Limits(seconds=-8.0), 'misbehaving:decode')\n"
            "worker = isolation._Worker(workers.limits, workers.decoder); print(worker.process.pid, flush=True)\n"
            "worker.send({'what': 'probe'}, open(sys.argv[1], 'rb').fileno())\n"
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        )
        folder = Path(misbehaving.__file__).parent
        with subprocess.Popen([sys.executable, "-c", program, str(clip), folder], stdout=subprocess.PIPE) as running:
            pid = int(running.stdout.readline())

        assert is_gone(pid)  # two seconds: the limit of -8 s and the alarm's ten more

    def test_where_descriptors_cannot_be_handed_over_it_says_so(self, monkeypatch):
        monkeypatch.delattr(isolation.socket, "send_fds")

        with pytest.raises(OptionError, match=r"isolate=False .*--no-isolate"):
            Workers()

    def test_the_alarm_comes_after_the_decoders_own_limit(self):
        assert Limits().seconds > audio.WALL[0]
        assert Limits().seconds_per_second >= audio.WALL[1]
