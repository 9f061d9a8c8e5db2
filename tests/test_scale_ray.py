"""The same shards on Ray, on two pretended GPUs: whatever dies, every row once, and equal to one machine's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from scale_backends import Telling
from test_scale import texts, write_clip, write_tables

import asrkit
from asrkit.errors import OptionError

ray = pytest.importorskip("ray", reason="ray is not installed; pip install 'asrkit-pandas[scale]'")
pytestmark = pytest.mark.filterwarnings("default")  # of Ray's own machinery

ROWS, SHARDS = 2_000, 20
TESTS = Path(__file__).parent
HANG = 120.0  # seconds after which a call counts as hanging
BACKEND = Telling(wait=0.01)


@pytest.fixture(scope="module")
def cluster():
    """One for all tests here; its address. What it has started ends with it."""
    before = os.environ.get("PYTHONPATH")
    paths = [str(TESTS), str(TESTS.parent), *([before] if before else [])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)  # where Ray's workers look for modules
    context = ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield context.address_info["gcs_address"]
    ray.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The folder of the shards, one of whose clips kills its process, and what one machine makes of them."""
    folder = tmp_path_factory.mktemp("scale")
    write_tables(folder / "in", ROWS, SHARDS)
    write_clip(folder / "in" / "clip-777.wav", peak=0.99)
    with within(HANG):
        summary = asrkit.transcribe_files(
            folder / "in" / "*.parquet", out=folder / "here", model=BACKEND, journal=False, progress=False
        )
    assert dict(summary.failed) == {"crashed": 1}
    return folder / "in" / "*.parquet", texts(folder / "here")


class within:
    """A hang fails."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        def fail(number: int, frame: object) -> None:
            raise TimeoutError(f"it hangs: {self.seconds} s are over")

        self.before = signal.signal(signal.SIGALRM, fail)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


def actors() -> list[int]:
    """Process ids of this cluster's workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            name = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if name.startswith("ray::_Worker"):
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
def test_an_actor_is_killed_and_a_clip_kills_its_process(cluster, tables, tmp_path):
    inputs, expected = tables
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            is_under_way = len(list((tmp_path / "out").glob("*.parquet"))) >= 2
            if is_under_way and (found := actors()):
                os.kill(found[0], signal.SIGKILL)
                killed.append(found[0])
            time.sleep(0.05)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    with within(HANG):
        summary = asrkit.transcribe_files(
            inputs, out=tmp_path / "out", on="ray", model=BACKEND, journal=False, progress=False
        )
    killer.join()

    assert len(killed) == 1
    assert (summary.rows, summary.is_complete, dict(summary.failed)) == (ROWS, True, {"crashed": 1})
    assert summary.restarts >= 3  # the clip's two or more, and the actor
    pd.testing.assert_frame_equal(texts(tmp_path / "out"), expected)


def test_the_driver_is_killed_and_the_call_repeated(cluster, tables, tmp_path):
    inputs, expected = tables
    code = (
        "import asrkit, ray, sys; from scale_backends import Telling\n"
        "ray.init(address=sys.argv[1], log_to_driver=False)\n"
        "asrkit.transcribe_files(sys.argv[2], out=sys.argv[3], on='ray', model=Telling(wait=0.01), journal=False)"
    )
    out = tmp_path / "out"
    driver = subprocess.Popen([sys.executable, "-c", code, cluster, str(inputs), str(out)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + HANG
        while len(list(out.glob("*.parquet"))) < 3 and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert driver.poll() is None
    finally:
        driver.kill()
        driver.wait()
    there = len(list(out.glob("*.parquet")))

    with within(HANG):
        second = asrkit.transcribe_files(inputs, out=out, on="ray", model=BACKEND, journal=False, progress=False)
    found = texts(out)
    third = subprocess.run(  # a process that has not heard of the cluster
        [
            sys.executable,
            "-c",
            "import asrkit, sys; from scale_backends import Telling\n"
            "told = asrkit.transcribe_files(sys.argv[1], out=sys.argv[2], on='ray', model=Telling(wait=0.01))\n"
            "print(told.done, told.skipped, 'ray' in sys.modules)",
            str(inputs),
            str(out),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG,
    )

    assert 3 <= there < SHARDS
    assert second.done + second.skipped == SHARDS
    assert second.skipped >= 3
    pd.testing.assert_frame_equal(found, expected)
    assert third.stdout.split() == ["0", str(SHARDS), "False"]


def test_a_service_is_refused_because_its_limits_are_the_accounts(tmp_path):
    write_tables(tmp_path / "in", 1, 1)
    service = asrkit.WorkersAI("@cf/openai/whisper", account_id="a" * 32, api_token="planted")

    with pytest.raises(OptionError, match="limits are the account's"):
        asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", on="ray", model=service)


def test_without_ray_the_extra_is_named(tmp_path):
    write_tables(tmp_path / "in", 1, 1)
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "import asrkit; from scale_backends import Telling\n"
        "try: asrkit.transcribe_files(sys.argv[1], out=sys.argv[2], on='ray', model=Telling())\n"
        "except ImportError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "in" / "*.parquet"), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}

    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG, env=environment).stdout

    assert said.strip() == "ray is not installed; run: pip install 'asrkit-pandas[scale]'"
