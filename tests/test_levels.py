"""Speech is heard however quiet it is, and noise is none however loud."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_speech import noises

import asrkit
from asrkit.audio import SAMPLING_RATE, Audio, encode, load
from asrkit.levels import Leveller
from asrkit.speech import holds_speech, windows

LEVELS = (0, -20, -40, -50, -60, -66)


def levelled(samples: np.ndarray, cuts: list[int]) -> np.ndarray:
    leveller = Leveller()
    pieces = [leveller.push(piece)[0] for piece in np.split(samples, sorted(cuts))]
    return np.concatenate([*pieces, leveller.finish()[0]])


def decibels(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))


@pytest.fixture(scope="module")
def clips(recordings) -> list[np.ndarray]:
    short = recordings[(recordings.duration_s > 2) & (recordings.duration_s < 8)].groupby("source").head(1)
    return [load(path).samples for path in short.path[:12]]


@given(st.lists(st.integers(0, 60_000), max_size=5), st.integers(1, 60_000), st.integers(0, 100))
def test_the_copy_does_not_depend_on_how_the_stream_is_cut(cuts, count, seed):
    random = np.random.default_rng(seed)
    sound = (random.standard_normal(count) * np.repeat(10 ** random.uniform(-4, 0, 60), 1_000)[:count]).astype(
        np.float32
    )

    copy = levelled(sound, [cut for cut in cuts if cut < count])

    assert len(copy) == count
    assert np.allclose(copy, levelled(sound, []), atol=1e-4)


@pytest.mark.parametrize(
    "gain, offset", [(-70, 0.0), (-66, 0.9), (-66, -0.3), (-30, 0.9), (-30, 0.0), (0, -0.3), (0, 0.0), (30, 0.0)]
)
def test_everything_has_one_level_in_the_copy(gain, offset):
    tone = np.sin(np.arange(4 * SAMPLING_RATE) / 5) * 10 ** (gain / 20)

    copy = levelled((tone + offset).astype(np.float32), [])

    assert decibels(copy[8_000:-8_000]) == pytest.approx(-26, abs=1)


def test_silence_stays_silence():
    assert np.array_equal(levelled(np.full(40_000, 0.25, np.float32), [7]), np.zeros(40_000))


def test_no_noise_is_speech_at_any_level():
    heard = {
        (name, level)
        for name, sound in noises(0.5).items()
        for level in (20, -66)
        if holds_speech((sound * 10 ** (level / 20)).astype(np.float32), 0.4) and name != "tune"
    }

    assert heard == set()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("offset", [0.0, -0.3])
def test_speech_is_found_at_every_level(clips, level, offset):
    found = [list(windows([Audio((clip * 10 ** (level / 20) + offset).astype(np.float32))])) for clip in clips]

    assert all(found)


@pytest.mark.parametrize("level", LEVELS[:-1])
def test_speech_is_found_in_16_bits_at_every_level(clips, level):
    quantized = [np.round(clip * 10 ** (level / 20) * 32_767).astype(np.float32) / 32_767 for clip in clips]

    assert all(list(windows([Audio(clip)])) for clip in quantized)


@pytest.mark.parametrize("difference, pause", [(-30, 0.5), (-30, 1.5), (-46, 0.5), (-46, 1.5), (-46, 7.0)])
def test_a_quiet_voice_beside_a_loud_one_is_as_loud_for_the_model(clips, difference, pause):
    loud, quiet = clips[0], clips[1] * np.float32(10 ** (difference / 20))
    hush = np.zeros(round(pause * SAMPLING_RATE), np.float32)

    cut = list(windows([Audio(np.concatenate([loud, hush, quiet]))]))

    last = cut[-1]
    assert last.end == pytest.approx((len(loud) + len(hush) + len(quiet)) / SAMPLING_RATE, abs=0.6)
    end = last.audio.samples[-len(quiet) :]
    assert decibels(end) > decibels(clips[1]) - 12


def test_a_window_of_ordinary_loudness_is_left_as_it_is(clips):
    for clip in clips:
        ordinary = clip * np.float32(0.3 / np.abs(clip).max())
        assert all(
            np.array_equal(
                window.audio.samples,
                ordinary[round(window.start * SAMPLING_RATE) :][: len(window.audio.samples)],
            )
            for window in windows([Audio(ordinary)])
        )


@pytest.mark.parametrize(
    "level, flags", [(0, ()), (-30, ()), (-60, ("very-quiet",)), (-80, ("very-quiet",)), (None, ())]
)
@pytest.mark.parametrize("as_file", [False, True])
def test_very_quiet_sound_is_flagged(level, flags, as_file):
    tone = 0.3 * np.sin(np.arange(SAMPLING_RATE) / 5)
    sound = (tone * (0 if level is None else 10 ** (level / 20)) + (0.0 if as_file else 0.2)).astype(np.float32)
    cell = encode(Audio(sound)).data if as_file else (sound, SAMPLING_RATE)

    [outcome] = asrkit.transcribe([cell], model=asrkit.Canned(["so"]), progress=False, journal=False)

    assert outcome.flags == flags


def test_whisper_writes_both_of_two_voices_that_are_far_apart(recordings):
    both = recordings[recordings.path.str.contains("1688-142285-000[34]", regex=True)].sort_values("path")
    near, far = (load(path).samples for path in both.path)
    sound = np.concatenate([near, np.zeros(24_000, np.float32), far * np.float32(10 ** (-46 / 20))])

    [outcome] = asrkit.transcribe([(sound, 16_000)], model="openai/whisper-tiny.en", progress=False, journal=False)

    assert "account of himself" in outcome.text
    assert "liked best of all" in outcome.text
