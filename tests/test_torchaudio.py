"""A torchaudio that does not fit the torch beside it raises when it is imported; nothing may depend on it."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit import audio
from asrkit.widgets.clips import mel


@pytest.fixture(
    params=["OSError('Could not load this library: libtorchaudio.so')", "ModuleNotFoundError('no torchaudio')"],
    ids=["broken", "absent"],
)
def without_torchaudio(request, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text(f"raise {request.param}")
    monkeypatch.syspath_prepend(tmp_path)
    audio._torch_resampler.cache_clear()
    yield
    audio._torch_resampler.cache_clear()


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_arrays_of_any_rate_are_read(without_torchaudio, rate):
    samples = audio.load((tone(rate), rate)).samples

    assert len(samples) == pytest.approx(16_000, abs=2)
    np.testing.assert_allclose(samples[1_000:15_000], tone(16_000)[1_000:15_000], atol=5e-3)


def test_rows_are_transcribed(without_torchaudio):
    frame = pd.DataFrame({"audio": [(tone(8_000), 8_000)]})

    assert frame.asr.transcribe("audio", model=asrkit.Canned(["hello"]), progress=False)["hypothesis"].tolist() == [
        "hello"
    ]


def test_the_spectrogram_is_drawn(without_torchaudio):
    shades = mel(tone(16_000))

    assert shades.shape == (80, 101)
    assert np.ptp(shades.argmax(axis=0)) <= 1  # one pitch


def test_the_spectrogram_is_that_of_torchaudio():
    torch = pytest.importorskip("torch")
    transforms = pytest.importorskip("torchaudio.transforms")
    noise = np.random.default_rng(0).standard_normal(30_000).astype(np.float32)

    ours = mel(noise)

    power = transforms.MelSpectrogram(
        16_000, n_fft=512, win_length=400, hop_length=160, n_mels=80, f_min=20.0, f_max=8_000.0
    )(torch.from_numpy(noise)).numpy()
    loud = 10 * np.log10(np.maximum(power, 1e-10))
    np.testing.assert_allclose(ours, np.clip(255 * (1 + (loud - loud.max()) / 80), 0, 255), atol=1.5)
