"""An estimate of the signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from asrkit.audio import load
from asrkit.evaluate.noise import snr, snr_of

RATE = 16_000


def noisy_bursts(decibels, seconds=6, seed=0):
    """Bursts of sound with pauses between them, and noise below them."""
    rng = np.random.default_rng(seed)
    times = np.arange(seconds * RATE) / RATE
    sound = np.sin(2 * np.pi * 220 * times) * (np.sin(2 * np.pi * times) > 0.2)
    level = math.sqrt(float(np.mean(sound**2))) * 10 ** (-decibels / 20)
    return sound + level * rng.standard_normal(len(sound))


@pytest.mark.parametrize("decibels", [0, 5, 10, 20, 30])
def test_noise_that_was_added_is_found_again(decibels):
    assert snr(noisy_bursts(decibels)) == pytest.approx(decibels, abs=1.5)


def test_loudness_does_not_matter():
    sound = noisy_bursts(10)
    assert snr(sound / 1_000) == pytest.approx(snr(sound))


def test_more_noise_is_a_lower_ratio():
    ratios = [snr(noisy_bursts(decibels)) for decibels in range(40, -5, -5)]
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("sound", [np.zeros(0), np.ones(RATE // 2), np.zeros(5 * RATE)])
def test_too_short_or_digitally_silent_sound_has_no_ratio(sound):
    assert math.isnan(snr(sound))


@pytest.mark.parametrize("offset", [0.001, -0.05, 0.5])
@pytest.mark.parametrize("padding", [0, RATE])
def test_a_constant_offset_is_neither_signal_nor_noise(offset, padding):
    sound = noisy_bursts(20)
    zeros = np.zeros(padding)
    assert snr(np.concatenate([zeros, sound + offset, zeros])) == pytest.approx(snr(sound), abs=0.2)


@pytest.mark.parametrize("value", [1e-9, 0.3, -1.0])
def test_an_offset_without_any_sound_has_no_ratio(value):
    assert math.isnan(snr(np.full(3 * RATE, value)))


def coloured(power, length, rng):
    """Noise whose power falls with frequency to this power."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 20.0)
    return np.fft.irfft(spectrum / frequencies ** (power / 2), length)


def babble(voices, length, rng):
    """Bursts like those of voices, each at its own time."""
    times = np.arange(length) / RATE
    phases = rng.uniform(0, 2 * np.pi, voices)
    return sum(
        (np.sin(2 * np.pi * times + phase) > 0.2) * np.sin(2 * np.pi * (150 + 40 * at) * times)
        for at, phase in enumerate(phases)
    )


@pytest.mark.parametrize(
    "noise, lowest, highest",
    [
        (lambda length, rng: rng.standard_normal(length), -1.5, 1.5),
        (lambda length, rng: coloured(1, length, rng), -1.5, 5.0),
        (lambda length, rng: coloured(2, length, rng), -1.5, 13.0),
        (lambda length, rng: babble(7, length, rng), -1.5, 9.0),
    ],
    ids=["white", "pink", "brown", "babble"],
)
def test_the_error_of_each_kind_of_noise_is_within_what_the_docstring_says(noise, lowest, highest):
    rng = np.random.default_rng(0)
    sound = noisy_bursts(60)
    found = []
    drawn = noise(len(sound), rng)
    for decibels in (0, 5, 10):
        added = drawn * math.sqrt(float(np.mean(sound**2) / np.mean(drawn**2))) * 10 ** (-decibels / 20)
        found.append(snr(sound + added))
        assert lowest <= found[-1] - decibels <= highest
    assert found == sorted(found)


def test_zeros_around_a_recording_are_no_quiet_room():
    sound = noisy_bursts(10)
    padded = np.concatenate([np.zeros(5 * RATE), sound, np.zeros(5 * RATE)])
    assert snr(padded) == pytest.approx(snr(sound), abs=0.5)


def test_a_column_has_its_index_and_nan_where_nothing_can_be_read(tmp_path):
    sound = (noisy_bursts(10).astype(np.float32) / 4, RATE)
    cells = pd.Series([sound, None, str(tmp_path / "none.wav")], index=list("abc"), dtype=object)
    ratios = snr_of(cells)
    assert ratios.index.tolist() == list("abc")
    assert ratios["a"] == pytest.approx(10, abs=1.5)
    assert ratios.isna().tolist() == [False, True, True]


@pytest.mark.speech
def test_noise_in_real_speech_is_found_again(recordings):
    clean = recordings[(recordings.source == "librispeech-test-other") & (recordings.duration_s > 5)].path.iloc[:6]
    rng = np.random.default_rng(0)
    for path in clean:
        sound = load(path).samples.astype(float)
        level = math.sqrt(float(np.mean(sound**2)))
        for decibels, error in [(0, 1.5), (10, 2)]:
            noise = level * 10 ** (-decibels / 20) * rng.standard_normal(len(sound))
            assert snr(sound + noise) == pytest.approx(decibels, abs=error)
