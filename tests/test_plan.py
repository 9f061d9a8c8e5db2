"""A plan from what was measured or told; what is unknown is said to be."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from scale_backends import Telling

import asrkit
from asrkit.cli import main
from asrkit.errors import OptionError
from asrkit.scale.planning import Speed, expected_seconds, measure


def test_hearing_takes_the_hours_by_the_speed():
    plan = asrkit.plan(1_000_000, gpus=64, rtfx=400, gpu_price=3.0, start=60, commit=0.5)

    ideal = 1_000_000 * 3600 / 400 / 64
    assert ideal < plan.seconds < 1.01 * ideal
    assert plan.dollars == pytest.approx(3.0 * 64 * plan.seconds / 3600)
    assert plan.bytes == pytest.approx(115.2e12)
    assert plan.bandwidth == pytest.approx(64 * 400 * 32_000, rel=0.01)


def test_one_worker_does_one_shard_after_the_other():
    assert expected_seconds(100, 1, Speed(100, start=10, commit=1), 1) == pytest.approx(10 + 100 * (36 + 1))


def test_workers_without_a_shard_do_not_help():
    few = expected_seconds(10, 10, Speed(100), 1)

    assert expected_seconds(10, 1_000, Speed(100), 1) == few


def test_kills_cost_long_shards_more_than_short_ones():
    speed = Speed(400, start=60, commit=0.5)
    more = {
        size: expected_seconds(200_000, 64, speed, size, 4.0) / expected_seconds(200_000, 64, speed, size) - 1
        for size in (0.5, 10, 200)
    }

    assert 0 < more[0.5] < more[10] < more[200]
    chance = 1 - math.exp(-(200 * 3600 / 400 + 0.5) / (4 * 3600))
    assert more[200] > chance / 2 - 0.01  # half a shard is lost where one is killed in it


def test_the_best_shard_is_between_too_many_commits_and_too_much_lost():
    rare, often = (asrkit.plan(200_000, gpus=64, rtfx=400, kill_hours=hours) for hours in (240, 1))

    assert 0.5 < often.shard_hours < rare.shard_hours < 200
    assert often.restarts > 100 * rare.restarts


def test_a_service_is_bound_by_its_limit_and_its_price():
    plan = asrkit.plan(1_000_000, model="@cf/openai/whisper-large-v3-turbo", gpus=64)

    assert plan.seconds / 86_400 == pytest.approx(115.7, abs=0.1)
    assert plan.dollars == pytest.approx(30_776, abs=1)
    assert "more machines do not help" in str(plan)


def test_what_is_unknown_is_said_to_be():
    unmeasured = asrkit.plan(1_000_000, gpus=8, gpu_price=2.0)
    unpriced = asrkit.plan(10, rtfx=100)
    unpublished = asrkit.plan(10, model="@cf/openai/whisper-tiny-en")

    assert (unmeasured.seconds, unmeasured.dollars) == (None, None)
    assert "time: unknown" in str(unmeasured)
    assert "money: unknown" in str(unpriced)
    assert "unknown, not zero" in str(unpublished)


@pytest.mark.parametrize("options", [{"hours": 0}, {"hours": 1, "gpus": 0}, {"hours": 1, "rtfx": -1}])
def test_numbers_that_cannot_be_meant_are_refused(options):
    with pytest.raises(OptionError, match="above 0"):
        asrkit.plan(**options)


def test_a_worker_is_measured_with_ones_own_recordings(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(12):
        soundfile.write(tmp_path / f"{number}.wav", generator.uniform(-0.5, 0.5, 16_000 + number), 16_000)

    speed = measure(tmp_path, model=Telling(wait=0.2, start=1.5))

    assert 1 < speed.rtfx < 5.1  # it waits a fifth of each second, whatever else the machine does
    assert speed.start > 1.5
    with pytest.raises(OptionError, match="three recordings or more"):
        measure(tmp_path / "0.wav", model=Telling())


def test_the_shell_prints_the_plan(capsys):
    status = main(["plan", "--hours", "1000000", "--gpus", "64", "--rtfx", "400", "--gpu-price", "3"])

    assert status == 0
    assert "64 workers" in capsys.readouterr().out


def test_the_shell_transcribes_files(tmp_path):
    said = subprocess.run(
        [sys.executable, "-m", "asrkit", "transcribe-files", str(tmp_path / "*.csv"), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert said.returncode == 2
    assert "nothing is there" in said.stderr or "no usable weights" in said.stderr or said.stderr.startswith("asrkit:")
