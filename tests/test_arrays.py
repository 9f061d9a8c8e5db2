"""Samples in whatever type people have them: the same sound, or an error that says what to give."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from asrkit.arrays import FullScale, full_scale
from asrkit.audio import load
from asrkit.errors import DecodeError, SourceError

RATE = 16_000
random = np.random.default_rng(3)
SOUND = (0.5 * np.sin(np.arange(RATE) / 7) * np.hanning(RATE) + 0.01 * random.standard_normal(RATE)).astype(np.float32)
I16 = np.round(SOUND * 32_767).astype(np.int16)

SAME = {
    "int16": (I16, RATE),
    "list of ints": {"array": I16.tolist(), "sampling_rate": RATE},
    "list of ints with sample_rate": {"array": I16.tolist(), "sample_rate": RATE},
    "what JSON gives": {"array": json.loads(json.dumps(I16.tolist())), "sampling_rate": RATE},
    "int64": (I16.astype(np.int64), RATE),
    "int32 with 16-bit values": (I16.astype(np.int32), RATE),
    "int32 in full scale": ((SOUND * 2**31).astype(np.int32), RATE),
    "int32 with 24-bit values": ((SOUND * 2**23).astype(np.int32), RATE),
    "int32 with 24-bit values at its upper end": ((SOUND * 2**23).astype(np.int32) * 256, RATE),
    "int64 in full scale": ((SOUND.astype(np.float64) * 2**63).astype(np.int64), RATE),
    "uint16": ((I16.astype(np.int32) + 32_768).astype(np.uint16), RATE),
    "uint16 in a list": {"array": (I16.astype(int) + 32_768).tolist(), "sampling_rate": RATE},
    "uint32": (((SOUND + 1.0).astype(np.float64) * 2**31).astype(np.uint32), RATE),
    "uint8": (np.round(SOUND * 127 + 128).astype(np.uint8), RATE),
    "uint8 in a list": {"array": np.round(SOUND * 127 + 128).astype(int).tolist(), "sampling_rate": RATE},
    "float16": (SOUND.astype(np.float16), RATE),
    "float32 with 16-bit values": (I16.astype(np.float32), RATE),
    "float32 with resampled 16-bit values": ((SOUND * 32_767.3).astype(np.float32), RATE),
    "float64 with 24-bit values": (SOUND.astype(np.float64) * 2**23, RATE),
    "list of floats": {"array": SOUND.tolist(), "sampling_rate": RATE},
    "objects": (np.array(I16.tolist(), dtype=object), RATE),
    "rate first, as scipy and gradio give it": (RATE, I16),
    "rate first, as NumPy's number": (np.int64(RATE), I16.astype(np.int32)),
    "rate as float": (I16, 16_000.0),
    "torch int32": (torch.from_numpy(I16.astype(np.int32)), RATE),
    "torch int64 with a channel": (torch.from_numpy(I16.astype(np.int64))[None], RATE),
    "torch bfloat16": (torch.from_numpy(SOUND).to(torch.bfloat16), RATE),
    "torch with a gradient": (torch.from_numpy(SOUND).requires_grad_(), RATE),
    "pandas": (pd.Series(I16.astype(np.int64)), RATE),
    "pandas Int32": (pd.array(I16.tolist(), dtype="Int32"), RATE),
    "Arrow int32": (pa.array(I16.astype(np.int32)), RATE),
    "Arrow in chunks": (pa.chunked_array([I16[:100].astype(np.int32), I16[100:].astype(np.int32)]), RATE),
    "Arrow cell of a list": {"array": pa.array([I16.tolist()])[0], "sampling_rate": RATE},
    "stereo int64": (np.stack([I16, I16], axis=1).astype(np.int64), RATE),
}


@pytest.mark.parametrize("cell", SAME.values(), ids=SAME.keys())
def test_every_type_gives_the_same_sound(cell):
    heard = load(cell)

    assert heard.samples.shape == SOUND.shape
    tolerance = 0.02 if "8" in str(getattr(cell, "dtype", "")) else 0.01
    assert np.abs(heard.samples - SOUND).max() < tolerance


@pytest.mark.parametrize("decibels", [-20, -32, -50])
def test_quiet_16_bit_values_in_a_float_are_not_far_beyond_full_scale(decibels):
    quiet = (SOUND * 32_767 * 10 ** (decibels / 20)).astype(np.float32)

    heard = load((quiet, RATE)).samples

    assert np.abs(heard - SOUND * 10 ** (decibels / 20)).max() < 1e-4


@pytest.mark.parametrize(
    "peak, largest",
    [
        (0.3, 1.0),
        (1.0, 1.0),
        (1.5, 1.0),
        (7.9, 1.0),
        (8.1, 2.0**15),
        (32_768.5, 2.0**15),
        (40_959.5, 2.0**15),
        (40_961.5, 2.0**23),
        (1.25 * 2**23 - 0.5, 2.0**23),
        (1.25 * 2**23 + 1.5, 2.0**31),
        (1.25 * 2**31, 2.0**31),
    ],
)
def test_the_peak_of_floats_says_their_width(peak, largest):
    assert full_scale(np.array([0.1, -0.25, 0.0, peak])) == FullScale(0.0, largest)
    assert full_scale(np.array([0.1, 0.25, 0.0, -peak])) == FullScale(0.0, largest)


@pytest.mark.parametrize(
    "peak, largest",
    [(1, 2.0**15), (40_960, 2.0**15), (40_961, 2.0**23), (10_485_760, 2.0**23), (10_485_761, 2.0**31)],
)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_the_peak_of_integers_says_their_width(peak, largest, dtype):
    assert full_scale(np.array([-1, 0, 0, peak], dtype)) == FullScale(0.0, largest)


@pytest.mark.parametrize("peak", [0, 1, 100, 127])
def test_16_bits_stay_16_bits_however_quiet(peak):
    assert full_scale(np.array([0, peak, -peak], np.int16)) == FullScale(0.0, 2.0**15)


@given(st.floats(2**32, 1e38), st.sampled_from([np.float32, np.float64]))
def test_a_peak_beyond_every_width_is_an_error_that_says_what_to_give(peak, dtype):
    with pytest.raises(DecodeError, match=r"give int16, or floats in \[-1, 1\]"):
        load((np.array([0.5, -peak] * 50, dtype), RATE))


def test_a_few_wrong_samples_do_not_decide():
    spiked = SOUND.copy()
    spiked[[5_000, 9_000]] = 200.0

    heard = load((spiked, RATE)).samples

    assert np.array_equal(np.delete(heard, [5_000, 9_000]), np.delete(SOUND, [5_000, 9_000]))


def test_a_stretch_has_the_width_of_the_whole():
    fading = (I16.astype(np.int64) * np.linspace(0, 300, RATE)).astype(np.int64)

    stretch = load((fading, RATE), start=0.01, end=0.05)

    assert np.array_equal(stretch.samples, load((fading, RATE)).samples[160:800])


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("decibels", [0, -40])
def test_16_bit_values_in_a_float_wav_are_16_bit_values(tmp_path, subtype, decibels):
    values = SOUND * 32_767.3 * 10 ** (decibels / 20)
    soundfile.write(tmp_path / "scipy.wav", values, RATE, subtype=subtype)

    heard = load(tmp_path / "scipy.wav").samples

    assert np.abs(heard - SOUND * 10 ** (decibels / 20)).max() < 1e-4


def test_a_float_wav_that_is_clipped_stays_as_it_is(tmp_path):
    soundfile.write(tmp_path / "loud.wav", 5 * SOUND, RATE, subtype="FLOAT")

    assert np.array_equal(load(tmp_path / "loud.wav").samples, 5 * SOUND)


@pytest.mark.parametrize(
    "samples",
    [
        np.array(["1", "2"]),
        np.array([1, "x"], dtype=object),
        np.array([1 + 1j]),
        np.ones(8, bool),
        5,
        [[1, 2], [3]],
    ],
)
def test_what_holds_no_samples_is_an_error(samples):
    with pytest.raises(SourceError, match="got samples of type"):
        load((samples, RATE))
