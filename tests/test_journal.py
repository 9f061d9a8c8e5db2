"""What was finished is not done again, and what the journal says is what was heard."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit import Canned
from asrkit.audio import Audio, encode
from asrkit.backends.base import Preferences
from asrkit.cli import main
from asrkit.errors import DecodeError, JournalError, OptionError, OutOfMemoryError, RateLimitError
from asrkit.journal import attempts, keys, place, schema, store
from asrkit.journal import run as run_module
from asrkit.journal.store import Journal
from asrkit.transcript import Segment, Transcript, Word

PATIENCE = 20.0  # seconds after which a test that should take one is stuck


class Hearer:
    """Says how long a clip is, and counts what it was given."""

    name = "hearer"

    def __init__(self, answer: Any = None, *, options: dict[str, Any] | None = None, **preferred: Any) -> None:
        self.answer = answer or (lambda audio, language: f"{len(audio.samples)} {language}")
        self.options = options or {}
        self.preferred = Preferences(**{"batch_size": 4, **preferred})
        self.heard: list[int] = []

    @property
    def fingerprint(self) -> dict[str, Any]:
        return {"backend": "hearer", **self.options}

    def transcribe(self, batch: Any, *, languages: Any) -> list[Transcript]:
        answers = []
        for audio, language in zip(batch, languages, strict=True):
            self.heard.append(len(audio.samples))
            text = self.answer(audio, language)
            answers.append(
                Transcript(
                    text,
                    language,
                    (Segment(text, 0.0, audio.duration, (Word(text, 0.0, 0.1, 0.3),), 0.9),),
                    duration=audio.duration,
                    elapsed=0.125,
                    confidence=0.9,
                    logprob=-0.1,
                )
            )
        return answers


def clip(samples: int) -> bytes:
    return encode(Audio(np.full(samples, 0.01, np.float32)), "wav").data


def clips(folder: Path, count: int, first: int = 1_000) -> list[str]:
    """Files with content of their own, old enough to be known by their times."""
    paths = []
    for number in range(count):
        path = folder / f"clip-{first + number}.wav"
        path.write_bytes(clip(first + number))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        paths.append(str(path))
    return paths


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "journal.sqlite"


def hear(cells: Any, backend: Any, journal: Any, **options: Any) -> list[Any]:
    return list(asrkit.transcribe(cells, model=backend, journal=journal, progress=False, **options))


def said(outcomes: Any) -> list[str | None]:
    return [outcome and getattr(outcome, "text", getattr(outcome, "code", None)) for outcome in outcomes]


class TestAnswering:
    def test_a_second_call_hears_nothing_and_says_the_same(self, tmp_path, path):
        df = pd.DataFrame({"path": [*clips(tmp_path, 20), None]}, index=list("abcdefghijklmnopqrstu"))
        first, second = Hearer(), Hearer()

        made = df.asr.transcribe("path", model=first, journal=path, details=True, progress=False)
        again = df.asr.transcribe("path", model=second, journal=path, details=True, progress=False)

        assert len(first.heard) == 20
        assert second.heard == []
        pd.testing.assert_frame_equal(made, again)
        assert again["hypothesis_elapsed"].dropna().eq(0.125).all()

    def test_only_what_is_new_in_a_renamed_reordered_and_extended_frame_is_heard(self, tmp_path, path):
        files = clips(tmp_path, 6)
        hear(files, Hearer(), path)
        moved = str(Path(files[2]).rename(tmp_path / "another name.wav"))
        new = clips(tmp_path, 2, first=5_000)
        backend = Hearer()

        heard = hear([files[5], new[0], moved, files[0], new[1]], backend, path)

        assert sorted(backend.heard) == [5_000, 5_001]
        assert said(heard) == ["1005 None", "5000 None", "1002 None", "1000 None", "5001 None"]

    @pytest.mark.parametrize("kind", ["bytes", "array", "mapping", "open file"])
    def test_whatever_a_cell_is_it_is_known_by_its_content(self, tmp_path, path, kind):
        [file] = clips(tmp_path, 1)
        samples = np.full(1_000, 0.01, np.float32)

        def cell() -> Any:
            data = Path(file).read_bytes()
            of_kind = {"bytes": data, "array": (samples, 16_000), "mapping": {"bytes": data, "path": "x"}}
            return of_kind[kind] if kind in of_kind else Path(file).open("rb")

        backend = Hearer()
        for _ in range(2):
            one = cell()
            assert said(hear([one], backend, path)) == ["1000 None"]
            if kind == "open file":
                one.close()
        if kind != "array":
            assert said(hear([file], backend, path)) == ["1000 None"]

        assert backend.heard == [1_000]

    def test_arrays_differ_by_their_values_type_and_rate(self, path):
        samples = np.full(1_600, 0.01, np.float32)
        backend = Hearer()
        cells = [(samples, 16_000), (samples, 8_000), (samples * 2, 16_000), (samples.astype(np.float64), 16_000)]

        hear(cells, backend, path)
        hear(cells, backend, path)

        assert len(backend.heard) == 4

    def test_any_changed_option_is_another_question(self, tmp_path, path):
        files = clips(tmp_path, 1)
        backend = Hearer()
        hear(files, backend, path)

        hear(files, backend, path, start=[0.01])
        hear(files, backend, path, start=[0.01], end=[0.03])
        hear(files, backend, path, channel=0)
        hear(files, backend, path, language="de")
        others = [
            Hearer(options={"beams": 5}),
            Hearer(longest=0.5),
            Hearer(speech_gate=True, answer=lambda audio, language: "gated"),
        ]
        for other in others:
            hear(files, other, path)
        hear(files, backend, path, language="de")

        assert len(backend.heard) == 5
        assert [len(other.heard) for other in others[:2]] == [1, 1]

    def test_batch_size_and_device_are_not(self, tmp_path, path):
        files = clips(tmp_path, 3)
        hear(files, Hearer(batch_size=1), path)
        other = Hearer(batch_size=2)

        hear(files, other, path)

        assert other.heard == []

    def test_asrkits_own_result_version_is(self, tmp_path, path, monkeypatch):
        files = clips(tmp_path, 1)
        hear(files, Hearer(), path)
        monkeypatch.setattr(keys, "RESULT_VERSION", keys.RESULT_VERSION + 1)
        backend = Hearer()

        hear(files, backend, path)

        assert backend.heard == [1_000]

    def test_the_same_audio_is_heard_once_however_often_it_comes(self, tmp_path, path, monkeypatch):
        monkeypatch.setattr(asrkit.batch, "PLANNED", 3)
        files = clips(tmp_path, 3)
        copy = tmp_path / "copy.wav"
        copy.write_bytes(Path(files[1]).read_bytes())
        cells = [files[0], files[1], str(copy), files[0], files[2], files[1], None, files[0]]
        done: dict[int, Any] = {}
        backend = Hearer()

        heard = list(asrkit.batch.transcribe_cells(cells, backend, journal=path, progress=False, done=done.__setitem__))

        assert sorted(backend.heard) == [1_000, 1_001, 1_002]
        assert said(heard) == [f"{n} None" if n else None for n in (1000, 1001, 1001, 1000, 1002, 1001, 0, 1000)]
        assert [done[row] for row in range(len(cells))] == heard

    def test_what_it_gives_back_is_equal_to_the_last_digit(self, path):
        odd = Transcript(
            "„Grüße“ \ud800 \0 漢字",
            "de",
            (Segment("a", 1 / 3, 2 / 3, (Word("a", 0.1, 1 / 7, None),), 1 / 3, 0.5, 2.4, 0.2, logprob=-1e-17),),
            duration=1e-9,
            elapsed=1 / 3,
            confidence=1 / 7,
            no_speech=1.0,
            compression_ratio=1e300,
            flags=("silence", "own"),
            cost=4.525e-7,
            logprob=-0.1,
        )

        class Odd(Hearer):
            def transcribe(self, batch, *, languages):
                return [odd for _ in batch]

        [first] = hear([clip(1_000)], Odd(), path)
        [second] = hear([clip(1_000)], Odd(), path)

        assert first == second

    def test_numbers_of_numpy_are_kept_and_what_no_json_holds_is_not(self, path):
        class Numeric(Hearer):
            def transcribe(self, batch, *, languages):
                return [
                    replace(one, confidence=np.float32(0.5)) for one in super().transcribe(batch, languages=languages)
                ]

        class Strange(Hearer):
            def transcribe(self, batch, *, languages):
                return [replace(one, no_speech=object()) for one in super().transcribe(batch, languages=languages)]

        numeric, strange = Numeric(), Strange(options={"other": 1})
        for _ in range(2):
            assert hear([clip(1_000)], numeric, path)[0].confidence == 0.5
            assert said(hear([clip(1_000)], strange, path)) == ["1000 None"]

        assert len(numeric.heard) == 1
        assert len(strange.heard) == 2

    def test_a_row_is_handed_over_only_when_it_is_on_disk(self, tmp_path, path):
        files = clips(tmp_path, 40)
        seen = []

        def done(row: int, outcome: Any) -> None:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
                [(count,)] = reader.execute("SELECT count(*) FROM results")
            seen.append(count)

        for number, _ in enumerate(
            asrkit.batch.transcribe_cells(files, Hearer(), journal=path, progress=False, done=done), 1
        ):
            assert seen[number - 1] >= number

        assert len(seen) == 40

    def test_rows_wait_for_no_timer_when_nothing_else_is_going_on(self, path, monkeypatch):
        monkeypatch.setattr(run_module, "SECONDS_TOGETHER", 3_600.0)
        heard: list[Any] = []
        thread = threading.Thread(target=lambda: heard.extend(hear([clip(1_000)], Hearer(), path)), daemon=True)

        thread.start()
        thread.join(PATIENCE)

        assert said(heard) == ["1000 None"]

    def test_a_url_is_fetched_once_a_run_and_known_by_its_content(self, path):
        fetched = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fetched.append(self.path)
                data = clip(1_000)
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_HEAD = do_GET

            def log_message(self, *args: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        backend = Hearer()
        try:
            first = hear(
                [f"{address}a.wav", f"{address}b.wav?token=planted-in-a-query", f"{address}a.wav"],
                backend,
                path,
                allow_private_urls=True,
            )
            second = hear([f"{address}c.wav", clip(1_000)], backend, path, allow_private_urls=True)
        finally:
            server.shutdown()
            server.server_close()

        assert said([*first, *second]) == ["1000 None"] * 5
        assert backend.heard == [1_000]
        assert b"planted" not in path.read_bytes()


class TestFiles:
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        read = []
        original = run_module.digest_of

        def counted(source: Any) -> bytes:
            read.append(str(source.path))
            return original(source)

        monkeypatch.setattr(run_module, "digest_of", counted)
        return read

    def test_unchanged_files_are_not_read_again(self, tmp_path, path, monkeypatch):
        files = clips(tmp_path, 5)
        hear(files, Hearer(), path)
        read = self.reads(monkeypatch)

        assert said(hear(files, Hearer(), path)) == [f"{1_000 + number} None" for number in range(5)]

        assert read == []

    @pytest.mark.parametrize("change", ["time", "size", "file"])
    def test_changed_ones_are(self, tmp_path, path, monkeypatch, change):
        [file] = map(Path, clips(tmp_path, 1))
        hear([file], Hearer(), path)
        samples = 1_100
        if change == "size":
            file.write_bytes(clip(1_200))
            os.utime(file, (1_700_000_000, 1_700_000_000))
            samples = 1_200
        else:
            other = encode(Audio(np.full(1_000, 0.02, np.float32)), "wav").data
            if change == "file":
                file.unlink()
                (tmp_path / "in between").write_bytes(b"takes the number that was free")
            file.write_bytes(other)
            at = 1_700_000_000 if change == "file" else 1_700_000_001
            os.utime(file, (at, at))
            samples = 1_000
        read = self.reads(monkeypatch)
        backend = Hearer()

        hear([file], backend, path)

        assert read == [str(file)]
        assert backend.heard == [samples]

    def test_a_file_that_has_just_changed_or_comes_from_the_future_is_read_again(self, tmp_path, path, monkeypatch):
        """Within the clock's grain a file may change without its time telling; and a clock may go back."""
        fresh, future = map(Path, clips(tmp_path, 2))
        os.utime(fresh)
        os.utime(future, (time.time() + 3_600,) * 2)
        hear([fresh, future], Hearer(), path)
        read = self.reads(monkeypatch)

        hear([fresh, future], Hearer(), path)

        assert sorted(read) == sorted([str(fresh), str(future)])

    def test_a_file_that_changes_while_it_is_heard_is_not_kept(self, tmp_path, path, monkeypatch):
        [file] = map(Path, clips(tmp_path, 1))
        original = asrkit.batch.stream

        def changed_before(source: Any, **options: Any) -> Any:
            file.write_bytes(clip(3_000))
            return original(source, **options)

        monkeypatch.setattr(asrkit.batch, "stream", changed_before)
        assert said(hear([file], Hearer(), path)) == ["3000 None"]
        monkeypatch.undo()
        file.write_bytes(clip(1_000))

        assert said(hear([file], Hearer(), path)) == ["1000 None"]

    def test_names_that_are_no_text_pass(self, tmp_path, path):
        name = os.fsencode(tmp_path) + b"/clip-\xff.wav"
        Path(os.fsdecode(name)).write_bytes(clip(1_000))
        os.utime(name, (1_700_000_000, 1_700_000_000))
        backend = Hearer()

        for _ in range(2):
            hear([os.fsdecode(name)], backend, path)

        assert backend.heard == [1_000]


class TestFailures:
    def test_broken_audio_is_remembered_until_it_is_to_be_tried_again(self, tmp_path, path, monkeypatch):
        broken = tmp_path / "broken.wav"
        broken.write_bytes(b"no audio at all, whatever its name says " * 10)
        [first] = hear([broken], Hearer(), path)
        same = broken.rename(tmp_path / "renamed.wav")
        decoded = []
        original = asrkit.batch.stream
        monkeypatch.setattr(asrkit.batch, "stream", lambda *a, **k: (decoded.append(1), original(*a, **k))[1])

        [second] = hear([same], Hearer(), path)
        assert decoded == []
        [third] = hear([same], Hearer(), path, retry_failed=True)

        assert first.code == second.code == third.code == "not-audio"
        assert "renamed.wav" in second.message
        assert "broken.wav" not in second.message
        assert second.message == third.message
        assert isinstance(second.error, DecodeError)
        assert len(decoded) == 1

    def test_a_failure_that_was_tried_again_well_is_forgotten(self, path, monkeypatch):
        def fails(*args: Any, **options: Any) -> Any:
            raise DecodeError("it was a bug", code="corrupt")

        with monkeypatch.context() as patched:
            patched.setattr(asrkit.batch, "stream", fails)
            assert said(hear([clip(1_000)], Hearer(), path)) == ["corrupt"]
        assert said(hear([clip(1_000)], Hearer(), path)) == ["corrupt"]

        assert said(hear([clip(1_000)], Hearer(), path, retry_failed=True)) == ["1000 None"]
        assert said(hear([clip(1_000)], Hearer(), path)) == ["1000 None"]

    @pytest.mark.parametrize(
        "error",
        [
            RateLimitError("full"),
            OutOfMemoryError("too big"),
            asrkit.errors.TimedOutError("no answer"),
            asrkit.errors.CostCapError("spent"),
            RuntimeError("anything"),
        ],
    )
    def test_what_may_pass_is_tried_again(self, path, error):
        def fails(audio: Any, language: Any) -> str:
            raise error

        [failed] = hear([clip(1_000)], Hearer(fails), path)
        backend = Hearer()

        assert not isinstance(failed, Transcript)
        assert said(hear([clip(1_000)], backend, path)) == ["1000 None"]
        assert backend.heard == [1_000]

    def test_a_decoder_that_took_too_long_may_have_been_on_a_busy_machine(self, path, monkeypatch):
        def busy(*args: Any, **options: Any) -> Any:
            raise DecodeError("took over 60 s", code="timeout")

        with monkeypatch.context() as patched:
            patched.setattr(asrkit.batch, "stream", busy)
            assert said(hear([clip(1_000)], Hearer(), path)) == ["timeout"]

        assert said(hear([clip(1_000)], Hearer(), path)) == ["1000 None"]

    def test_a_missing_file_is_looked_for_each_time(self, tmp_path, path):
        assert said(hear([tmp_path / "a.wav"], Hearer(), path)) == ["not-found"]
        (tmp_path / "a.wav").write_bytes(clip(1_000))

        assert said(hear([tmp_path / "a.wav"], Hearer(), path)) == ["1000 None"]

    def test_copies_of_a_row_that_fails_fail_with_it(self, path):
        def fails(audio: Any, language: Any) -> str:
            raise RateLimitError("full")

        assert said(hear([clip(1_000)] * 3, Hearer(fails), path)) == ["rate-limit"] * 3

    def test_errors_raise_names_the_row_also_when_the_journal_knows_it(self, path):
        for _ in range(2):
            with pytest.raises(DecodeError, match="row 1"):
                hear([clip(1_000), b"no audio" * 50], Hearer(), path, errors="raise")


class TestLongRecordings:
    def long(self) -> tuple[np.ndarray, int]:
        return (0.1 * np.random.default_rng(0).standard_normal(16_000 * 9)).astype(np.float32), 16_000

    def test_windows_that_were_heard_are_not_heard_again(self, path):
        whole = hear([self.long()], Hearer(longest=2.0, batch_size=1), False)

        def stops(audio: Any, language: Any) -> str:
            if len(backend.heard) == 3:
                raise KeyboardInterrupt
            return f"{len(audio.samples)} {language}"

        backend = Hearer(stops, longest=2.0, batch_size=1)
        with pytest.raises(KeyboardInterrupt):
            hear([self.long()], backend, path)
        rest = Hearer(longest=2.0, batch_size=1)

        heard = hear([self.long()], rest, path)

        assert heard == whole
        assert len(rest.heard) == len(whole[0].segments) - 2
        with Journal(path) as journal:
            assert journal.read("SELECT count(*) FROM parts") == [(0,)]

    def test_a_row_that_gets_further_each_time_is_not_blamed_for_the_kills(self, path):
        row, heard = b"r" * 32, Transcript("a window", "en", duration=2.0)

        def die() -> None:
            """What a process leaves that is killed while the row is at work alone."""
            folder = path.with_name(f"{path.name}-runs")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / str(1_000 + len(died))).write_text(f"{row.hex()}{attempts.ALONE}\n")
            died.append(row)

        died: list[bytes] = []
        for number in range(5):
            die()
            run = run_module.Run.open((path, True), Hearer())
            answer = run.recall([row])[row]
            assert answer.outcome is None
            assert answer.is_suspect
            run.keep_part(row, bytes([number]) * 32, heard)
            run.end()
        for _ in range(run_module.BLAMED_AFTER):
            die()
            run = run_module.Run.open((path, True), Hearer())
            answer = run.recall([row])[row]
            run.end()

        assert answer.outcome.code == "crashed"


class TestChoosing:
    def test_by_itself_only_a_fingerprint_that_says_everything_is_trusted(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ASRKIT_JOURNAL", "")
        monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
        remote = asrkit.WorkersAI(account_id="a", api_token="t")

        assert place.chosen(None, Canned(["a"])) is None
        assert place.chosen(None, Hearer()) is None
        assert place.chosen(None, Hearer(is_fingerprinted=True)) == (tmp_path / "cache" / "journal.sqlite", False)
        assert place.chosen(None, remote) == (tmp_path / "cache" / "journal.sqlite", False)
        assert place.chosen(None, asrkit.WorkersAI(base_url="http://127.0.0.1:9/client/v4")) is None
        assert place.chosen(True, Canned(["a"])) == (tmp_path / "cache" / "journal.sqlite", True)
        assert place.chosen(False, remote) is None

    def test_the_environment_names_another_or_none(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ASRKIT_JOURNAL", str(tmp_path / "mine.sqlite"))
        assert place.chosen(None, Hearer(is_fingerprinted=True)) == (tmp_path / "mine.sqlite", True)
        monkeypatch.setenv("ASRKIT_JOURNAL", "off")
        assert place.chosen(None, Hearer(is_fingerprinted=True)) is None

    def test_options_that_cannot_be_written_down_are_said(self, path):
        strange = Hearer(options={"callback": print}, is_fingerprinted=True)

        assert place.chosen(None, strange) is None
        with pytest.raises(OptionError, match="journal=False"):
            hear([clip(1_000)], strange, path)

    def test_what_is_no_place_is_refused(self):
        with pytest.raises(OptionError, match=r"expected journal=.*got 3"):
            hear([], Hearer(), 3)

    def test_without_a_journal_nothing_is_written_and_nothing_recalled(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
        backend = Hearer(is_fingerprinted=True)

        hear([clip(1_000)] * 2, backend, False)

        assert backend.heard == [1_000] * 2
        assert not (tmp_path / "cache").exists()

    @pytest.mark.skipif(os.name == "nt", reason="no modes there")
    def test_folders_and_files_are_the_users_alone(self, path):
        watched = []
        hear([clip(1_000)], Hearer(lambda audio, language: (watched.extend(path.parent.rglob("*")), "a")[1]), path)

        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert {p.name for p in watched} >= {"journal.sqlite", "journal.sqlite-runs", "1"}

    @pytest.mark.skipif(os.name == "nt", reason="no modes there")
    def test_a_journal_that_others_could_read_is_closed_to_them(self, path):
        hear([clip(1_000)], Hearer(), path)
        path.chmod(0o644)

        hear([clip(1_000)], Hearer(), path)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_network_file_system_is_said(self, tmp_path, path, monkeypatch):
        mounts = tmp_path / "mounts"
        mounts.write_text(
            "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
            f"40 22 0:35 / {path.parent.parent} rw,relatime shared:9 - nfs4 server:/export rw\n"
        )
        monkeypatch.setattr(place, "MOUNTS", mounts)

        with pytest.warns(UserWarning, match=r"network file system \(nfs4\)"):
            hear([clip(1_000)], Hearer(), path)

    @pytest.mark.parametrize(
        "line, kind",
        [
            ("40 22 0:35 / /data rw - nfs server:/x rw", "nfs"),
            ("40 22 0:35 / /dat rw - nfs server:/x rw", "ext4"),
            ("40 22 0:35 / /data/a\\040b rw - fuse.sshfs x rw", "ext4"),
            ("40 22 0:35 / /data rw shared:1 master:2 - cifs //s/x rw", "cifs"),
            ("broken", "ext4"),
        ],
    )
    def test_the_innermost_mount_counts(self, line, kind):
        mounts = f"22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n{line}\n"

        assert place.file_system(Path("/data/journal.sqlite"), mounts) == kind


class TestSize:
    def fill(self, path: Path, runs: int, rows: int) -> None:
        for run in range(runs):
            hear([clip(2_000 + 100 * run + row) for row in range(rows)], Hearer(lambda audio, _: "x" * 3_000), path)

    def test_what_was_not_used_for_longest_goes_first(self, path):
        self.fill(path, 5, 8)
        hear([clip(2_000)], Hearer(), path)  # used again
        with Journal(path) as journal:
            before = journal.bytes_used
            removed = journal.evict(before // 2)
            after = journal.bytes_used
        backend = Hearer()

        hear([clip(2_000), clip(2_001), clip(2_400)], backend, path)

        assert removed > 0
        assert after <= before // 2
        assert backend.heard == [2_001]

    def test_the_clock_has_no_part_in_it(self, path, monkeypatch):
        self.fill(path, 3, 4)
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda: 1_000.0)  # long ago, all of a sudden
            hear([clip(2_000)], Hearer(), path)
            hear([clip(9_000)], Hearer(), path)
        with Journal(path) as journal:
            journal.evict(journal.bytes_used // 2)
        backend = Hearer()

        hear([clip(2_000), clip(9_000)], backend, path)

        assert backend.heard == []

    def test_the_users_cache_has_a_limit_that_spares_the_run_itself(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ASRKIT_JOURNAL", "")
        monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(run_module, "LIMIT", 100_000)
        for run in range(6):
            hear(
                [clip(2_000 + 100 * run + row) for row in range(16)],
                Hearer(lambda a, _: "x" * 3_000, is_fingerprinted=True),
                None,
            )
        backend = Hearer(is_fingerprinted=True)

        hear([clip(2_500 + row) for row in range(16)], backend, None)

        assert backend.heard == []
        with Journal(tmp_path / "cache" / "journal.sqlite") as journal:
            assert journal.read("SELECT count(*) FROM results")[0][0] < 80

    def test_a_journal_that_the_user_named_has_none(self, path, monkeypatch):
        monkeypatch.setattr(run_module, "LIMIT", 1)
        self.fill(path, 2, 4)
        backend = Hearer()

        hear([clip(2_000)], backend, path)

        assert backend.heard == []


class TestSchema:
    def test_an_older_one_is_brought_up_to_date_and_keeps_its_rows(self, path, monkeypatch):
        hear([clip(1_000)], Hearer(), path)
        later = (*schema.MIGRATIONS, "ALTER TABLE results ADD COLUMN later TEXT; CREATE TABLE more (a INTEGER)")
        monkeypatch.setattr(schema, "MIGRATIONS", later)
        backend = Hearer()

        hear([clip(1_000), clip(1_001)], backend, path)

        assert backend.heard == [1_001]
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
            assert connection.execute("SELECT count(later), count(*) FROM results").fetchone() == (0, 2)

    def test_a_migration_that_fails_changes_nothing(self, path, monkeypatch):
        hear([clip(1_000)], Hearer(), path)
        with monkeypatch.context() as patched:
            patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE more (a INTEGER); NO SQL AT ALL"))
            with pytest.raises(JournalError):
                Journal(path)
        backend = Hearer()

        hear([clip(1_000)], backend, path)

        assert backend.heard == []

    def test_a_newer_one_is_refused(self, path):
        hear([clip(1_000)], Hearer(), path)
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")

        with pytest.raises(JournalError, match=r"newer asrkit.*upgrade") as raised:
            hear([clip(1_000)], Hearer(), path)

        assert raised.value.code == "newer"

    def test_another_programs_database_is_left_alone(self, path):
        path.parent.mkdir()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE passwords (a TEXT)")
        before = path.read_bytes()

        with pytest.raises(JournalError, match="another program"):
            hear([clip(1_000)], Hearer(), path)

        assert path.read_bytes() == before

    def test_many_processes_may_make_it_at_once(self, path):
        with ThreadPoolExecutor(8) as pool:
            heard = list(pool.map(lambda n: hear([clip(1_000 + n)], Hearer(), path), range(8)))

        assert [said(one) for one in heard] == [[f"{1_000 + n} None"] for n in range(8)]


class TestSecrets:
    def test_no_token_is_in_it(self, path, monkeypatch):
        secret = "planted-secret-a81f"
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", secret)
        import httpx2

        answers = iter(
            [httpx2.Response(500, text=f"Bearer {secret}"), httpx2.Response(200, json={"result": {"text": "a"}})]
        )
        seen = []

        def answer(request: Any) -> Any:
            seen.append(request.headers["Authorization"])
            return next(answers)

        backend = asrkit.WorkersAI(
            account_id="account", gateway="mine", gateway_token=secret + "g", transport=httpx2.MockTransport(answer)
        )
        monkeypatch.setattr("asrkit.backends.workers_ai.full_jitter", lambda attempt: 0.0)
        cells = [clip(16_000), f"https://{secret}@127.0.0.1:9/a.wav?token={secret}"]
        assert said(hear(cells, backend, path, allow_private_urls=True)) == ["a", "unreachable"]

        assert any(secret in header for header in seen)
        for file in path.parent.rglob("*"):
            if file.is_file():
                assert secret.encode() not in file.read_bytes(), file

    def test_nothing_in_it_is_ever_unpickled(self):
        for module in (attempts, keys, place, schema, store, run_module):
            assert "pickle" not in Path(module.__file__).read_text()


class TestProgress:
    def test_what_the_journal_answers_is_said_and_is_no_work(self):
        from asrkit.progress import Progress

        bar = Progress(4, enabled=False)
        for _ in range(2):
            bar.recall(failed=False)
        bar.expect(10.0)
        bar.expect(10.0)
        bar.finish(10.0, 10.0, failed=False)

        assert (bar.done, bar.recalled, bar.heard) == (3, 2, 0.0)
        assert bar.total == 20.0

    def test_rtfx_is_that_of_the_runs_that_made_the_texts(self, path):
        class Slow(Hearer):
            def transcribe(self, batch, *, languages):
                time.sleep(0.2)
                return super().transcribe(batch, languages=languages)

        df = pd.DataFrame({"audio": [clip(16_000 + n) for n in range(8)], "text": ["16000 none"] * 8})

        first = df.asr.benchmark("audio", reference="text", models=[Slow()], journal=path, progress=False)
        second = df.asr.benchmark("audio", reference="text", models=[Slow()], journal=path, progress=False)

        [one], [two] = first.scores, second.scores
        # Eight seconds of audio and at least 0.2 s of waiting: a sleep can last longer and never shorter. The second
        # run only reads the journal, in milliseconds.
        assert 0.0 < one.rtfx <= 40.0
        assert 0.0 < two.rtfx <= 40.0


class TestCommand:
    @pytest.fixture
    def kept(self, tmp_path, path) -> Path:
        (tmp_path / "broken.wav").write_bytes(b"no audio" * 99)
        hear([*clips(tmp_path, 5), tmp_path / "broken.wav"], Hearer(), path)
        return path

    def test_shows(self, kept, capsys):
        assert main(["journal", "show", "--journal", str(kept)]) == 0

        told = capsys.readouterr().out
        assert "hearer: 5 texts, 1 failures" in told
        assert "failed as not-audio: 1" in told

    def test_exports_every_row(self, kept, tmp_path):
        assert main(["journal", "export", "--journal", str(kept), "--output", str(tmp_path / "rows.jsonl")]) == 0

        rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        assert sorted(row["text"] for row in rows if "text" in row) == [f"{1_000 + n} None" for n in range(5)]
        assert [row["error"] for row in rows if "error" in row] == ["not-audio"]
        assert all(row["asked"]["backend"] == {"backend": "hearer"} for row in rows)

    def test_prunes_failures_models_and_size(self, kept, capsys):
        assert main(["journal", "prune", "--failed", "--journal", str(kept)]) == 0
        assert "1 rows removed, 5 are left" in capsys.readouterr().out
        assert main(["journal", "prune", "--max-size", "1K", "--journal", str(kept)]) == 0
        assert "are left" in capsys.readouterr().out
        assert main(["journal", "prune", "--model", "hearer", "--journal", str(kept)]) == 0
        assert "0 are left" in capsys.readouterr().out
        assert main(["journal", "prune", "--journal", str(kept)]) == 2

    def test_verifies(self, kept, capsys):
        assert main(["journal", "verify", "--journal", str(kept)]) == 0
        with sqlite3.connect(kept) as connection:
            connection.execute("UPDATE results SET detail = replace(detail, '1003', '1004')")

        assert main(["journal", "verify", "--journal", str(kept)]) == 1
        assert "not what was written" in capsys.readouterr().err

    def test_says_that_there_is_none(self, tmp_path, capsys):
        assert main(["journal", "show", "--journal", str(tmp_path / "none.sqlite")]) == 2
        assert "there is no journal" in capsys.readouterr().err


class TestDamage:
    def test_a_text_that_is_not_what_was_written_is_heard_again(self, path):
        hear([clip(1_000), clip(1_001)], Hearer(), path)
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE results SET detail = replace(detail, '1000 None', 'something else')")
        backend = Hearer()

        with pytest.warns(UserWarning, match="1 rows are not what was written"):
            heard = hear([clip(1_000), clip(1_001)], backend, path)

        assert said(heard) == ["1000 None", "1001 None"]
        assert backend.heard == [1_000]

    def test_a_journal_cut_at_any_byte_gives_no_wrong_answer(self, tmp_path, path):
        cells = [clip(1_000 + number) for number in range(30)]
        whole = said(hear(cells, Hearer(lambda audio, _: f"{len(audio.samples)} " * 60), path))
        data = path.read_bytes()
        cuts = sorted({0, 1, 15, 16, 99, 100, 511, 512, *range(4_096, len(data), 4_096), *range(777, len(data), 1_777)})

        for cut in cuts:
            broken = tmp_path / f"cut-{cut}" / "journal.sqlite"
            broken.parent.mkdir()
            broken.write_bytes(data[:cut])
            backend = Hearer(lambda audio, _: f"{len(audio.samples)} " * 60)
            if cut == 0:  # nothing in it: a new one
                assert said(hear(cells, backend, broken)) == whole
                continue
            with pytest.raises(JournalError, match="damaged") as raised:
                hear(cells, backend, broken)
            assert str(broken) in str(raised.value)
            assert raised.value.code == "damaged"

    def test_bytes_that_were_overwritten_give_no_wrong_answer(self, path):
        cells = [clip(1_000 + number) for number in range(30)]
        whole = said(hear(cells, Hearer(lambda audio, _: f"{len(audio.samples)} " * 60), path))
        data = path.read_bytes()
        draw = np.random.default_rng(5)
        ended = {"damaged": 0, "right": 0}

        for _ in range(60):
            spoiled = bytearray(data)
            at = int(draw.integers(100, len(data) - 64))
            spoiled[at : at + 64] = draw.bytes(64)
            path.write_bytes(spoiled)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    heard = said(hear(cells, Hearer(lambda audio, _: f"{len(audio.samples)} " * 60), path))
            except JournalError:
                ended["damaged"] += 1
            else:
                assert heard == whole
                ended["right"] += 1

        assert ended["damaged"] + ended["right"] == 60


WRITER = """
import sys, numpy as np, asrkit
from asrkit.audio import Audio, encode
number, path = int(sys.argv[1]), sys.argv[2]
cells = [encode(Audio(np.full(1_000 + 1_000 * number + row, 0.01, np.float32)), "wav").data for row in range(200)]
backend = asrkit.Canned(lambda audio: str(len(audio.samples)))
print(sum(1 for _ in asrkit.transcribe(cells, model=backend, journal=path, progress=False)))
"""


def test_four_processes_that_write_at_once_lose_nothing(path):
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(number), str(path)], stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    counts = [int(process.communicate(timeout=120)[0]) for process in running]

    assert counts == [200] * 4
    with Journal(path) as journal:
        rows = journal.read("SELECT detail FROM results")
        assert journal.check() == []
    texts = sorted(int(json.loads(detail)["text"]) for (detail,) in rows)
    assert texts == [1_000 + 1_000 * number + row for number in range(4) for row in range(200)]
