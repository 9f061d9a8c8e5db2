"""What comes of odd and broken cells: the sound, the sound with a warning, or an error with a code."""

from __future__ import annotations

import faulthandler
import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import odd_audio
import pytest
from odd_audio import HUGE, NAMES, PITCHES, RECIPES, Case, tones, wav

from asrkit import audio
from asrkit.errors import DecodeError, SourceError

WITH_SOUND = [name for name in NAMES if "expect" not in RECIPES[name][1]]
UNHURT = [name for name in WITH_SOUND if "warning" not in RECIPES[name][1]]
WITHOUT_SOUND = [name for name in NAMES if "expect" in RECIPES[name][1]]
PATIENCE = 60.0  # seconds for one cell


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="session")
def cases(folder: Path) -> Iterator[dict[str, Case]]:
    built = odd_audio.build(folder)
    yield {case.name: case for case in built}
    for case in built:
        if hasattr(case.cell, "close"):
            case.cell.close()


@pytest.fixture
def case(request: pytest.FixtureRequest, folder: Path, cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch) -> Case:
    """The case of this name, in the folder that relative cells are meant from."""
    if request.param not in cases:
        pytest.skip(f"{request.param} cannot be made here: {odd_audio.LEFT_OUT[request.param]}")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    return cases[request.param]


def each(names: list[str] | tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", names, indirect=True)


def in_time(work: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What the work gives or raises; a hang fails the test, and ends the run if it blocks all of Python."""
    answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def answer() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:
            answers.put((None, error))

    faulthandler.dump_traceback_later(2 * seconds, exit=True, file=sys.__stderr__)
    try:
        threading.Thread(target=answer, daemon=True).start()
        result, error = answers.get(timeout=seconds)
    except queue.Empty:
        pytest.fail(f"no answer after {seconds:.0f} s")
    finally:
        faulthandler.cancel_dump_traceback_later()
    if error is not None:
        raise error
    return result


def assert_says_what_was_lost(case: Case, warnings: tuple[str, ...]) -> None:
    """The warning of the case is there, and one more only where there is one at all."""
    said = [warning.split(":")[0] for warning in warnings]
    assert case.warning in said if case.warning else said == []


@each(WITH_SOUND)
def test_loads_the_sound_and_says_what_was_lost(case):
    loaded = in_time(lambda: audio.load(case.cell))

    assert (loaded.samples.dtype, loaded.samples.ndim, loaded.sampling_rate) == (np.float32, 1, 16_000)
    assert case.complaints(loaded.samples, 16_000) == []
    assert_says_what_was_lost(case, loaded.warnings)


@each(WITH_SOUND)
def test_streams_the_sound_that_load_gives(case):
    blocks = in_time(lambda: list(audio.stream(case.cell, block_seconds=0.7)))

    assert case.complaints(np.concatenate([block.samples for block in blocks]), 16_000) == []
    assert_says_what_was_lost(case, blocks[-1].warnings)


@each(UNHURT)
def test_cuts_a_stretch_where_asked(case):
    second = in_time(lambda: audio.load(case.cell, start=1.0, end=2.0))

    assert case.complaints(second.samples, 16_000, pitches=PITCHES[1:2]) == []


@each(UNHURT)
def test_probes_the_duration_that_load_gives(case):
    info = in_time(lambda: audio.probe(case.cell))

    assert info.duration is None or info.duration == pytest.approx(case.duration, abs=case.tolerance)
    assert info.sampling_rate >= 8_000
    assert info.channels >= 1


@each(WITHOUT_SOUND)
def test_says_why_there_is_no_sound(case):
    with pytest.raises((SourceError, DecodeError)) as caught:
        in_time(lambda: audio.load(case.cell))

    assert caught.value.code in case.expect.split("|"), caught.value


@each(WITHOUT_SOUND)
def test_probes_the_broken_or_says_why_not(case):
    try:
        info = in_time(lambda: audio.probe(case.cell))
    except (SourceError, DecodeError):
        return
    assert info.duration is None or info.duration >= 0


@each(["open-file", "BytesIO"])
def test_gives_an_open_file_its_position_back(case):
    case.cell.seek(77)

    in_time(lambda: audio.load(case.cell))

    assert case.cell.tell() == 77


@pytest.mark.parametrize(
    "samples, complaint",
    [
        (tones(pitches=(400, 1200, 800)), "second 1: 1200 Hz, not 800 Hz"),
        (tones()[:-4_000], "2.750 s, not 3.0 s"),
        (tones() / 2, "second 0: amplitude 0.150, not 0.3"),
    ],
    ids=["order", "length", "gain"],
)
def test_the_listener_hears_what_is_wrong(samples, complaint):
    assert complaint in Case("tones", None).complaints(samples[:, 0], 16_000)


# ---- the network ----------------------------------------------------------------------------------------------


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server on this machine that expects nobody."""

    def refuse(_: socket.socket, address: object) -> None:
        pytest.fail(f"dialled {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/tones.wav"


def assert_nobody_came(listener: socket.socket) -> None:
    with pytest.raises(BlockingIOError):  # there is no connection to accept
        listener.accept()


@pytest.mark.parametrize("name", odd_audio.tempting("http://"))
def test_no_file_makes_it_dial(name, listener, tmp_path):
    content = odd_audio.tempting(url_of(listener))[name]
    path = tmp_path / name
    path.write_bytes(content)

    for cell in (path, content):
        for open_it in (audio.load, audio.probe):
            with pytest.raises(DecodeError):
                in_time(lambda cell=cell, open_it=open_it: open_it(cell), 20)

    assert_nobody_came(listener)


@pytest.mark.parametrize("prefix", ["async:", "cache:", "concat:", "crypto:", "subfile,,start,0,end,9,,:", "hls+"])
def test_no_protocol_of_ffmpeg_makes_it_dial(prefix, listener):
    with pytest.raises(SourceError):
        in_time(lambda: audio.load(prefix + url_of(listener)), 20)

    assert_nobody_came(listener)


@pytest.mark.parametrize("scheme", ["tcp", "rtmp", "rtsp", "rtp", "udp", "srt"])
def test_no_scheme_of_ffmpeg_makes_it_dial(scheme, listener):
    with pytest.raises(SourceError, match=scheme) as caught:
        in_time(lambda: audio.load(url_of(listener).replace("http", scheme)), 20)

    assert caught.value.code == "no-filesystem"
    assert_nobody_came(listener)


def test_says_that_nobody_answers(monkeypatch):
    monkeypatch.setenv("ASRKIT_ALLOW_PRIVATE_URLS", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = url_of(server)

    with pytest.raises(SourceError) as caught:
        in_time(lambda: audio.load(url))

    assert caught.value.code == "unreachable"


# ---- memory and time ------------------------------------------------------------------------------------------

MOST_MEGABYTES = 1_500  # on top of what an ordinary clip needs
WATCHED = """
import json, sys
from asrkit import audio
from asrkit.errors import AsrkitError

def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

small, cell = sys.argv[1:3]
audio.load(small)  # imports what is imported late
before = peak()
try:
    outcome = {}
except AsrkitError as error:
    outcome = error.code
print(json.dumps([outcome, peak() - before]))
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")


@pytest.fixture
def watch(tmp_path: Path) -> Callable[[str, Case], Any]:
    """Work out an expression about a cell in a process of its own; within the limits, its value or error code."""
    small = tmp_path / "small.wav"
    small.write_bytes(wav(rate=8_000))

    def within_limits(expression: str, case: Case) -> Any:
        command = [sys.executable, "-c", WATCHED.replace("{}", expression), str(small), str(case.cell)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        outcome, megabytes = json.loads(done.stdout)
        assert megabytes < MOST_MEGABYTES
        return outcome

    return within_limits


@needs_proc
@each(HUGE)
def test_refuses_the_huge_or_loads_what_there_is(case, watch):
    outcome = watch("audio.load(cell).duration", case)

    assert outcome == case.duration if case.expect == "tones" else outcome in case.expect.split("|")


@needs_proc
@each(["huge-promise.wav"])
def test_says_that_a_promise_was_not_kept(case, watch):
    assert_says_what_was_lost(case, watch("audio.load(cell).warnings", case))


@needs_proc
@each(HUGE)
def test_probes_the_huge(case, watch):
    assert watch("audio.probe(cell).sampling_rate", case) > 0


@needs_proc
@each(["huge-ten-hours.flac"])
def test_streams_ten_hours(case, watch):
    assert watch("sum(block.duration for block in audio.stream(cell))", case) == pytest.approx(36_000, abs=10)


@needs_proc
@each(["huge-ten-hours.flac", "huge-sparse.wav"])
def test_takes_a_second_out_of_hours(case, watch):
    assert watch("audio.load(cell, start=30_000, end=30_001).duration", case) == pytest.approx(1, abs=0.01)


def test_a_slow_listener_costs_the_file_none_of_its_time(monkeypatch, tone_file):
    """Hours of sound wait for a slow model; only decoding has a limit."""
    now = [0.0]
    monkeypatch.setattr(audio.time, "monotonic", lambda: now[0])
    heard = 0.0

    for block in audio.stream(tone_file(seconds=300.0), block_seconds=10.0):
        heard += block.duration
        now[0] += 1_000.0

    assert heard == pytest.approx(300.0)
