"""Silence stays silent, and long recordings are cut at pauses, each word once."""

import numpy as np
import pytest

from asrkit.audio import Audio, load, stream
from asrkit.speech import FRAME, SpeechDetector, windows

RATE = 16_000


def noises(seconds: float) -> dict[str, np.ndarray]:
    """Sound without speech."""
    random = np.random.default_rng(7)
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    pink = np.fft.irfft(np.fft.rfft(random.standard_normal(count)) / np.sqrt(np.arange(count // 2 + 1) + 1), count)
    beat = np.arange(count) // 4_000
    tune = np.array([262, 330, 392, 523, 392, 330, 294, 440])[beat % 8]
    clicks = np.zeros(count)
    clicks[:: RATE // 3] = 0.9
    return {
        "zeros": np.zeros(count),
        "hum": 0.1 * np.sin(2 * np.pi * 50 * time) + 0.05 * np.sin(2 * np.pi * 150 * time),
        "white": 0.05 * random.standard_normal(count),
        "faint": 0.0005 * random.standard_normal(count),
        "pink": 0.1 * pink / pink.std(),
        "tune": 0.3 * np.sin(2 * np.pi * tune * time) * np.exp(-6 * (time % 0.25)),
        "chord": sum(0.1 * np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330)),
        "clicks": clicks,
    }


@pytest.mark.parametrize("seconds", [0.5, 3.0, 60.0, 600.0])
def test_hears_no_speech_in_noises(seconds):
    heard = {name: list(windows([Audio(sound.astype(np.float32))])) for name, sound in noises(seconds).items()}

    assert {name: found for name, found in heard.items() if found} == {}


def test_hears_speech_in_every_recording(recordings):
    without = [row.id for row in recordings.itertuples() if row.duration_s < 60 and not list(windows(stream(row.path)))]

    assert without == []


def test_a_stream_gives_the_same_probabilities_as_the_whole(recordings):
    samples = load(recordings.path[0]).samples
    half = len(samples) // 2 // FRAME * FRAME
    detect = SpeechDetector()

    in_two = np.concatenate([detect(samples[:half]), detect(samples[half:])])

    assert np.allclose(in_two, SpeechDetector()(samples), atol=1e-5)


def test_a_short_recording_stays_as_it_is(recordings):
    sound = load(recordings.path[0])

    [window] = windows([sound])

    assert window.start == 0
    assert np.array_equal(window.audio.samples, sound.samples)


@pytest.mark.parametrize("longest", [10.0, 30.0])
def test_windows_of_a_long_recording_hold_every_stretch_of_speech_once(recordings, longest):
    path = recordings[recordings.source == "librispeech-long"].path.iloc[0]
    whole = load(path).samples
    scores = SpeechDetector()(whole)

    cut = list(windows(stream(path, block_seconds=7), longest))

    assert all(window.audio.duration <= longest for window in cut)
    covered = np.zeros(len(whole), dtype=int)
    for window in cut:
        begin = round(window.start * RATE)
        covered[begin : begin + len(window.audio.samples)] += 1
        assert np.array_equal(whole[begin : begin + len(window.audio.samples)], window.audio.samples)
    assert covered.max() == 1
    spoken = np.repeat(scores > 0.5, FRAME)[: len(whole)]
    assert covered[spoken].min() == 1
    assert len(cut) <= 1.5 * len(whole) / RATE / longest


def test_cuts_fall_into_pauses(recordings):
    path = recordings[recordings.source == "librispeech-long"].path.iloc[1]
    scores = SpeechDetector()(load(path).samples)

    cuts = [int(window.end * RATE / FRAME) for window in windows(stream(path))][:-1]

    assert np.median([scores[cut - 2 : cut + 3].mean() for cut in cuts]) < 0.1


def test_long_silence_around_and_between_speech_is_left_out(recordings):
    speech = load(recordings.path[0]).samples
    hush = np.zeros(20 * RATE, np.float32)
    sound = np.concatenate([hush, speech, hush, speech, hush])

    cut = list(windows([Audio(sound)]))

    assert [round(window.start) for window in cut] == pytest.approx([20, 40 + len(speech) / RATE], abs=1)
    assert sum(window.audio.duration for window in cut) < 2 * len(speech) / RATE + 4


def test_speech_that_begins_at_the_end_of_a_block_is_not_cut_there(recordings):
    speech = load(recordings.path[0]).samples
    sound = Audio(np.concatenate([np.zeros(33 * RATE, np.float32), speech]))
    blocks = [Audio(part) for part in np.array_split(sound.samples, 12)]

    [window] = windows(blocks)

    assert window.audio.duration == pytest.approx(len(speech) / RATE + 0.5, abs=0.6)


def test_without_the_gate_everything_is_kept():
    sound = noises(70)["pink"].astype(np.float32)

    cut = list(windows([Audio(sound)], gate=False))

    assert np.array_equal(np.concatenate([window.audio.samples for window in cut]), sound)
    assert max(window.audio.duration for window in cut) <= 30
