"""The script that attacks the server: it runs, it notices what is over its bounds, and its weapons are real."""

import io
import subprocess
import sys

import av
import pytest
import soundfile
from conftest import ROOT

SCRIPT = ROOT / "benchmarks" / "attack.py"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))


def attack(*arguments):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def verdicts(output):
    """Name of each attack -> its row."""
    return {line.split()[0]: line for line in output.splitlines() if " ok" in line or " over" in line}


def test_attacks_within_generous_bounds_end_with_status_0():
    names = ("malformed", "json-bytes-no-end", "stop-nobody")
    done = attack("--quick", "--model", "canned", "--memory", "2500", "--wait", "100", "--only", *names)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = verdicts(done.stdout)
    assert set(names) <= set(rows)
    assert " ok" in rows["malformed"]
    assert "8 of 8" in rows["stop-nobody"]


def test_a_bound_that_is_broken_is_named_and_ends_with_status_1():
    done = attack("--quick", "--model", "canned", "--memory", "0", "--wait", "100", "--only", "json-empty-objects-4")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "over: " in verdicts(done.stdout)["json-empty-objects-4"]
    assert "1 attacks" in done.stdout


def test_names_no_attack_twice_and_none_that_does_not_exist():
    import attack as script

    listed = attack("--list").stdout.split()

    assert len(listed) == len(set(listed)) > 100
    assert set(script.QUICK) <= set(listed)
    assert set(script.WITHOUT_TOKEN) <= set(script.all_attacks())
    assert attack("--only", "no such attack").returncode == 1


def test_sees_good_answers_that_are_wrong():
    from attack_good import Clip, Probe, tone
    from attack_server import Server

    with Server("canned:this text") as server:
        for clip, is_right in (
            (Clip(tone(0.5), "This text.", 0.5), True),
            (Clip(tone(0.5), "another text", 0.5), False),
            (Clip(tone(0.5), "this text", 0.9), False),  # the answer to another clip
        ):
            probe = Probe(server.port, [clip], None)
            try:
                assert probe.wait_until_calm(60)
                health, good = probe.report()
            finally:
                probe.close()
            assert (good.wrong == 0) == is_right, clip.text
            assert (good.lost, health.wrong, health.lost) == (0, 0, 0)


def test_kills_a_server_that_takes_more_memory_than_it_may():
    from attack_server import Server

    with Server("canned:this text", most=1) as server:  # byte
        server.process.wait(60)

    assert server.was_killed
    assert server.peak > 10_000_000


@pytest.mark.parametrize("rate, channels", [(192_000, 8), (16_000, 1), (655_350, 2)])
def test_flac_made_by_hand_is_silence_of_the_length_that_it_should_have(rate, channels):
    from attack_sound import flac

    samples, found = soundfile.read(io.BytesIO(flac(2.0, rate=rate, channels=channels)), always_2d=True)

    assert found == rate
    assert samples.shape[1] == channels
    assert abs(len(samples) / rate - 2.0) < 4.1
    assert not samples.any()


def test_hours_of_flac_are_a_few_hundred_kilobytes():
    from attack_sound import flac

    data = flac(1.8 * 3_600)

    assert len(data) < 700_000
    assert soundfile.info(io.BytesIO(data)).duration > 6_000


def test_a_file_whose_header_lies_has_more_sound_than_it_claims():
    from attack_sound import flac

    data = flac(60.0, claimed=1.0)

    assert soundfile.info(io.BytesIO(data)).duration == pytest.approx(1.0)
    with av.open(io.BytesIO(data)) as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) / 192_000 == pytest.approx(60.0, abs=0.5)
