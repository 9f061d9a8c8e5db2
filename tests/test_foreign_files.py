"""Files as other programs leave them: float samples of 16 bits, masks, tracks as text, raw calls, things at the end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_turns import heard

from asrkit.audio import load, probe
from asrkit.tracks import checked_track

RATE = 16_000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)).astype(np.float32)

with_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg writes the files")


def converted(path: Path, *options: str) -> Path:
    """The file of the same name that ends on ``.wav``, in another container."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(path.with_suffix(".wav")), *options, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def flags(path: object) -> list[str]:
    return [warning.split(":")[0] for warning in load(path).warnings]


@with_ffmpeg
@pytest.mark.parametrize("suffix", [".aiff", ".au", ".caf", ".w64", ".mkv", ".mov"])
@pytest.mark.parametrize("decibels", [0, -40])
def test_16_bit_values_in_floats_are_16_bit_values_in_every_container(tmp_path, suffix, decibels):
    wanted = TONE * 10 ** (decibels / 20)
    soundfile.write(tmp_path / "scipy.wav", wanted * 32_768, RATE, subtype="FLOAT")
    coding = "pcm_f32be" if suffix in (".aiff", ".au") else "pcm_f32le"
    path = converted(tmp_path / f"scipy{suffix}", "-c:a", coding)

    assert np.abs(load(path).samples - wanted).max() < 1e-4
    assert np.abs(load(path, start=0.5, end=1.0).samples - wanted[RATE // 2 : RATE]).max() < 1e-4


def test_what_a_mask_hides_is_no_sound():
    wanted = TONE.copy()
    wanted[RATE:] = 0
    masked = np.ma.MaskedArray(
        np.where(wanted == TONE, TONE, 9e9).astype(np.float32), mask=np.arange(len(TONE)) >= RATE
    )

    assert np.array_equal(load((masked, RATE)).samples, wanted)


@pytest.mark.parametrize("text, track", [("1", 1), (" 0 ", 0), ("eng", "eng"), (2, 2), (None, None)])
def test_a_number_as_text_is_the_number_of_a_track(text, track):
    assert checked_track(text) == track


def test_each_channel_of_a_raw_call_is_heard():
    call = np.zeros((2, 4 * RATE), np.float32)
    call[0, :RATE] = TONE[:RATE]
    call[1, 2 * RATE : 3 * RATE] = TONE[:RATE]

    outcome = heard((32_767 * call.T).astype("<i2").tobytes(), format=f"s16le:{RATE}:2")

    assert [segment.channel for segment in outcome.segments] == [0, 1]


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("remark", [b"-- recorded by X, version 1.2 --\n", b"appended on a Tuesday\r\n" * 9])
def test_a_remark_after_the_sound_is_no_sound(tmp_path, subtype, remark):
    path = tmp_path / "call.wav"
    soundfile.write(path, TONE, RATE, subtype=subtype)
    path.write_bytes(path.read_bytes() + remark)

    loaded = load(path)

    assert (len(loaded.samples), loaded.warnings) == (len(TONE), ())


@with_ffmpeg
@pytest.mark.parametrize("quality", ["2", "9"])
def test_an_mp3_whose_length_is_a_guess_is_not_called_truncated(tmp_path, quality):
    hiss = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "call.wav", np.concatenate([np.zeros(16 * RATE, np.float32), hiss]), RATE)
    path = converted(tmp_path / "call.mp3", "-q:a", quality, "-write_xing", "0")

    assert "truncated" not in flags(path)
    assert probe(path).duration is None


def test_the_largest_length_of_a_flac_is_unknown(tmp_path):
    path = tmp_path / "call.flac"
    soundfile.write(path, TONE, RATE)
    data = bytearray(path.read_bytes())
    data[21:26] = bytes([data[21] | 0x0F]) + b"\xff" * 4
    path.write_bytes(data)

    assert (len(load(path).samples), flags(path), probe(path).duration) == (len(TONE), [], None)
