"""Many channels become one without losing a voice, whatever their polarity and number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrkit.audio import load, stream
from asrkit.mixing import Mixer

RATE = 16_000


def voice(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Noise with the spectrum and the syllables of speech, more or less."""
    random = np.random.default_rng(seed)
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(random.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    sound = np.fft.irfft(spectrum * (hertz > 100) / (200 + hertz), count)
    syllables = 0.5 + 0.5 * np.sin(np.arange(count) / RATE * 2 * np.pi * 4 + seed)
    return (0.1 * sound / sound.std() * syllables).astype(np.float32)


def power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def likeness(samples: np.ndarray, other: np.ndarray) -> float:
    """1 where they are the same up to their loudness and polarity."""
    return abs(float(samples @ other)) / np.sqrt(float(samples @ samples) * float(other @ other))


A, B = voice(1), voice(2)
ZERO = np.zeros_like(A)
STEREO = {
    "each speaker on a side": ([A, ZERO], [ZERO, B], ()),
    "the first in antiphase": ([A, B], [-A, ZERO], ("cancelled",)),
    "the second in antiphase": ([A, B], [A, -B], ("cancelled",)),
    "one in phase, then one in antiphase, then the first again": ([A, B, A], [A, -B, A], ("cancelled",)),
    "in antiphase, one side at half": ([A, B], [-A, -0.5 * B], ("cancelled",)),
    "in antiphase, then on one side only": ([A, ZERO, ZERO], [-A, B, A], ("cancelled",)),
    "in phase": ([A, B], [A, B], ()),
    "one side silent": ([A, B], [ZERO, ZERO], ()),
}


@pytest.mark.parametrize("left, right, flags", STEREO.values(), ids=STEREO.keys())
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_every_stretch_of_stereo_is_heard(left, right, flags, rate):
    both = np.stack([np.concatenate(left), np.concatenate(right)])
    mixer = Mixer(None)

    mono = mixer.mix(both, rate)

    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        heard = mono[number * len(A) : (number + 1) * len(A)]
        said = one if power(one) >= power(other) else other
        # The quarter of a second around a border may still have the other polarity.
        assert likeness(heard, said) > 0.95
        assert power(heard) > 0.2 * power(said)
    assert tuple(warning.split(":")[0] for warning in mixer.warnings) == flags


@pytest.mark.parametrize("count", [2, 3, 6, 10, 11, 12, 16, 32, 64])
def test_voices_on_single_channels_are_heard_however_many_there_are(count):
    channels = np.zeros((count, 3 * len(A)), np.float32)
    channels[0, : len(A)] = A
    channels[count // 2, len(A) : 2 * len(A)] += B
    channels[count - 1, 2 * len(A) :] = A

    loaded = load((channels, RATE))

    for number, said in enumerate([A, B, A]):
        assert likeness(loaded.samples[number * len(A) : (number + 1) * len(A)], said) > 0.99
    assert loaded.warnings == ()


def test_two_voices_at_once_in_their_own_channels_are_averaged():
    mono = Mixer(None).mix(np.stack([A, B]), RATE)

    assert np.array_equal(mono, (A + B) / 2)


@pytest.mark.parametrize("count", [3, 4, 8, 16])
def test_one_turned_channel_of_many_is_found_beside_a_louder_voice(count):
    channels = np.zeros((count, len(A)), np.float32)
    channels[0], channels[1], channels[2] = A, -A, 2 * B

    mono = Mixer(None).mix(channels, RATE)

    assert likeness(mono - 2 * B / count, A) > 0.99


def test_hum_in_phase_does_not_hide_a_voice_in_antiphase():
    hum = (0.2 * np.sin(2 * np.pi * 50 * np.arange(len(A)) / RATE)).astype(np.float32)

    mono = Mixer(None).mix(np.stack([hum + A, hum - A]), RATE)

    assert likeness(mono, A) > 0.99


def test_a_change_of_polarity_does_not_click():
    tone = (0.3 * np.sin(2 * np.pi * 300 * np.arange(4 * RATE) / RATE)).astype(np.float32)
    turned = tone.copy()
    turned[RATE : 3 * RATE] *= -1

    mono = Mixer(None).mix(np.stack([tone, turned]), RATE)

    steepest = np.abs(np.diff(tone)).max()
    assert np.abs(np.diff(mono)).max() < 1.5 * steepest


@given(st.lists(st.integers(1, 40_000), max_size=6), st.integers(0, 2**32 - 1))
def test_mixing_gives_as_many_samples_as_came_however_they_are_cut(cuts, seed):
    random = np.random.default_rng(seed)
    channels = int(random.integers(2, 6))
    sound = random.choice([-1, 1], (channels, 1)).astype(np.float32) * voice(seed % 100, 3.0)
    mixer = Mixer(None)

    pieces = np.split(sound, sorted(cut for cut in cuts if cut < sound.shape[1]), axis=1)
    mixed = [mixer.mix(piece, RATE) for piece in pieces]

    assert [len(one) for one in mixed] == [piece.shape[1] for piece in pieces]
    assert likeness(np.concatenate(mixed), voice(seed % 100, 3.0)) > 0.99


def test_the_number_of_channels_may_change():
    mixer = Mixer(None)

    pieces = [mixer.mix(np.stack(channels), RATE) for channels in ([A, -A], [A], [A, -A, A], [A, -A])]

    assert all(likeness(piece, A) > 0.99 for piece in pieces)


def test_a_long_file_in_antiphase_at_its_beginning_keeps_both_sides(tmp_path):
    import soundfile

    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(40 * RATE) / RATE)).astype(np.float32)
    left = np.concatenate([tone, A, ZERO])
    right = np.concatenate([-tone, ZERO, B])
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), RATE)

    blocks = list(stream(tmp_path / "call.wav", block_seconds=7.0))

    heard = np.concatenate([block.samples for block in blocks])
    assert likeness(heard[40 * RATE : 40 * RATE + len(A)], A) > 0.95
    assert likeness(heard[40 * RATE + len(A) :], B) > 0.95
    assert [warning.split(":")[0] for warning in blocks[-1].warnings] == ["cancelled"]
