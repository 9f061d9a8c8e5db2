"""Files that were put one after the other: the first is heard, and a flag says that another follows."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import soundfile

from asrkit.audio import load, probe

RATE = 16_000
KINDS = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("AIFF", "PCM_16")]
KINDS += [("AU", "PCM_16"), ("W64", "PCM_16"), ("CAF", "PCM_16")]


def made(kind: str, coding: str, seconds: float, pitch: float) -> bytes:
    file = BytesIO()
    samples = 0.3 * np.sin(2 * np.pi * pitch * np.arange(int(RATE * seconds)) / RATE)
    soundfile.write(file, samples.astype(np.float32), RATE, coding, format=kind)
    return file.getvalue()


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize(("kind", "coding"), KINDS)
def test_the_first_is_heard_and_a_flag_says_that_another_follows(kind, coding, isolate):
    first, second = made(kind, coding, 1.0, 300.0), made(kind, coding, 0.5, 900.0)

    alone, both = load(first), load(first + second, isolate=isolate)

    np.testing.assert_array_equal(both.samples, alone.samples)
    assert [warning.partition(":")[0] for warning in both.warnings] == ["chained"]
    assert probe(first + second).duration == pytest.approx(1.0, abs=0.01)


def test_chunks_between_the_two_belong_to_the_first():
    notes = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    first, second = made("WAV", "PCM_16", 1.0, 300.0), made("WAV", "PCM_16", 0.5, 900.0)

    both = load(first + notes + second)

    np.testing.assert_array_equal(both.samples, load(first).samples)
    assert [warning.partition(":")[0] for warning in both.warnings] == ["chained"]


def test_sound_that_looks_like_the_beginning_of_a_file_by_chance_is_sound():
    whole = made("WAV", "PCM_16", 1.0, 300.0)
    middle = 44 + RATE  # half a second into the sound
    disguised = whole[:middle] + b"RIFF\x24\0\0\0WAVE" + whole[middle + 12 :]

    assert load(disguised).duration == pytest.approx(1.0)
    assert load(disguised).warnings == ()


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize(("kind", "coding"), KINDS)
def test_a_file_whose_end_is_missing_says_so(kind, coding, share, isolate):
    whole = made(kind, coding, 1.0, 300.0)

    cut = load(whole[: int(share * len(whole))], isolate=isolate)

    assert cut.duration == pytest.approx(share, abs=0.08)  # headers have up to 4 kB
    assert [warning.partition(":")[0] for warning in cut.warnings] == ["truncated"]
