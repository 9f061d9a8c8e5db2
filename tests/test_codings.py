"""Files without any header, whose coding ``format=`` names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import asrkit
from asrkit.audio import load, probe, stream
from asrkit.cli import main
from asrkit.errors import DecodeError, OptionError

RATE = 8_000


def tone(rate: int = RATE, channels: int = 1) -> np.ndarray:
    """Two seconds of 500 Hz, and of 700 Hz in the second channel."""
    times = np.arange(2 * rate) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * (500 + 200 * at) * times) for at in range(channels)], axis=1)


def raw(path: Path, options: str, rate: int = RATE, channels: int = 1) -> Path:
    """Written by ffmpeg or, where it has no encoder, by sox."""
    plain = path.with_suffix(".plain.wav")
    soundfile.write(plain, tone(rate, channels), rate)
    program = "sox" if options.startswith("-t") else "ffmpeg"
    command = ["ffmpeg", "-v", "error", "-y", "-i", plain, *options.split(), path]
    if program == "sox":
        command = ["sox", plain, *options.split(), path]
    subprocess.run(list(map(str, command)), check=True)
    return path


def pitch(samples: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))))) * 16_000 / len(samples)


@pytest.mark.parametrize(
    ("name", "options", "rate", "channels", "coding"),
    [
        ("call.ulaw", "-f mulaw", 8_000, 1, "ulaw"),
        ("call.ul", "-f mulaw", 16_000, 1, "mulaw:16000"),
        ("call.alaw", "-f alaw", 8_000, 1, "alaw"),
        ("both.alaw", "-f alaw", 8_000, 2, "alaw:8000:2"),
        ("call.g722", "-f g722", 16_000, 1, "g722"),
        ("call.gsm", "-t gsm", 8_000, 1, "gsm"),
        ("call.sln", "-f s16le", 8_000, 1, "sln"),
        ("call.sln16", "-f s16le", 16_000, 1, "sln:16000"),
        ("call.raw", "-f s16le", 44_100, 2, "s16le:44100:2"),
        ("call.pcm", "-f s16be", 16_000, 1, "S16BE:16000"),
        ("call.f32", "-f f32le", 16_000, 1, "f32le:16000"),
    ],
)
@pytest.mark.parametrize("isolate", [False, True])
def test_a_file_without_a_header_is_read_as_format_says(tmp_path, name, options, rate, channels, coding, isolate):
    path = raw(tmp_path / name, options, rate, channels)

    heard = load(path, format=coding, channel=0, isolate=isolate)

    assert heard.duration == pytest.approx(2.0, abs=0.05)
    assert pitch(heard.samples) == pytest.approx(500, abs=3)
    assert heard.warnings == ()
    told = probe(path, format=coding, isolate=isolate)
    assert (told.sampling_rate, told.channels) == (rate, channels)
    assert load(path, format=coding, start=0.5, end=1.5).duration == pytest.approx(1.0, abs=0.05)


def test_the_second_channel_of_raw_sound_can_be_taken(tmp_path):
    path = raw(tmp_path / "both.raw", "-f s16le", 16_000, 2)

    assert pitch(load(path, format="s16le:16000:2", channel=1).samples) == pytest.approx(700, abs=3)


@pytest.mark.parametrize(("name", "options"), [("a.ulaw", "-f mulaw"), ("a.g722", "-f g722"), ("a.sln", "-f s16le")])
def test_without_format_the_error_says_what_to_give(tmp_path, name, options):
    with pytest.raises(DecodeError, match="format=") as caught:
        load(raw(tmp_path / name, options))

    assert caught.value.code == "not-audio"


def test_a_file_with_a_header_is_read_as_its_header_says(tmp_path):
    path = tmp_path / "call.wav"
    soundfile.write(path, tone(), RATE)

    heard = load(path, format="ulaw")

    assert pitch(heard.samples) == pytest.approx(500, abs=3)
    assert heard.samples.tolist() == load(path).samples.tolist()


@pytest.mark.parametrize(
    ("coding", "message"),
    [
        ("mp3", "one of ulaw"),
        ("", "one of ulaw"),
        ("s16le", "needs a sampling rate"),
        ("s16le:x", "one of ulaw"),
        ("s16le:16000:2:2", "one of ulaw"),
        ("s16le:10", "1,000 to 1,000,000 Hz"),
        ("s16le:16000:0", "1 to 64 channels"),
        ("g722:8000", "always 16000 Hz"),
        (8_000, "one of ulaw"),
    ],
)
def test_a_format_that_means_nothing_is_refused_before_any_work(coding, message):
    with pytest.raises(OptionError, match=message):
        next(stream("gone.raw", format=coding))
    with pytest.raises(OptionError, match=message):
        asrkit.transcribe([], model=asrkit.Canned(["a"]), format=coding)


def test_an_empty_file_is_empty(tmp_path):
    path = tmp_path / "a.ulaw"
    path.write_bytes(b"")

    with pytest.raises(DecodeError, match="empty"):
        load(path, format="ulaw")


def test_a_frame_is_heard_with_format_and_the_journal_knows_the_difference(tmp_path):
    path = raw(tmp_path / "call.ulaw", "-f mulaw")
    frame = pd.DataFrame({"path": [str(path)]})
    model = asrkit.Canned(lambda audio: f"{audio.duration:.1f} s")

    def hear(**options: object) -> tuple[object, object]:
        kept = frame.asr.transcribe("path", model=model, journal=tmp_path / "journal.sqlite", progress=False, **options)
        return kept["hypothesis"][0], kept["hypothesis_error"][0]

    assert "format=" in str(hear()[1])
    assert hear(format="ulaw")[0] == "2.0 s"
    assert hear(format="ulaw:16000")[0] == "1.0 s"
    assert hear(format="ulaw")[0] == "2.0 s"
    assert model.heard == 2


def test_the_shell_takes_audio_format(tmp_path, capsys):
    path = raw(tmp_path / "call.gsm", "-t gsm")

    status = main(["transcribe", str(path), "--audio-format", "gsm:16000", "--model", "openai/whisper-tiny.en"])

    assert status == 2
    assert "gsm has always 8000 Hz" in capsys.readouterr().err
