"""Files with several audio tracks: the right one is heard, and the others are spoken of."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.audio import load, probe, stream
from asrkit.cli import main
from asrkit.errors import DecodeError, OptionError
from asrkit.isolation import Workers
from asrkit.tracks import position

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg writes the files")

LOW, HIGH, SILENCE = "sine=f=300:d=2", "sine=f=900:d=3", "anullsrc=r=48000:cl=stereo:d=3"
LATE = "aevalsrc=if(gt(t\\,2)\\,0.5*sin(2*PI*900*t)\\,0):d=3"
CODINGS = {".mkv": "libopus", ".mp4": "aac", ".mov": "pcm_s16le", ".ts": "aac", ".mka": "flac"}


def written(path: Path, *sources: str, default: int | None = None, languages: tuple[str, ...] = ()) -> Path:
    """A file with one audio track of each source."""
    inputs = [part for source in sources for part in ("-f", "lavfi", "-i", source)]
    maps = [part for number in range(len(sources)) for part in ("-map", f"{number}:a")]
    options = ["-c:a", CODINGS[path.suffix], "-ar", "48000"]
    for number in range(len(sources)):
        options += [f"-disposition:a:{number}", "default" if number == default else "0"]
    for number, language in enumerate(languages):
        options += [f"-metadata:s:a:{number}", f"language={language}"]
    command = ["ffmpeg", "-v", "error", "-y", *inputs, *maps, *options, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def pitch(samples: np.ndarray) -> int:
    """In Hz, the loudest; 0 for silence."""
    spectrum = np.abs(np.fft.rfft(samples))
    return round(np.argmax(spectrum) * 16_000 / len(samples) / 100) * 100 if spectrum.max() > 1 else 0


def flags(audio: asrkit.Audio) -> list[str]:
    return [warning.split(":")[0] for warning in audio.warnings]


@pytest.mark.parametrize(
    "suffix, sources, default, expected, several",
    [
        (".mkv", (SILENCE, HIGH), 1, 900, False),
        (".mkv", (SILENCE, HIGH), 0, 900, False),
        (".mkv", (LOW, HIGH), 1, 900, True),
        (".mkv", (LOW, HIGH), 0, 300, True),
        (".mkv", (SILENCE, SILENCE, LATE), 0, 900, False),
        (".mkv", (SILENCE, SILENCE), 0, 0, False),
        (".mp4", (LOW, HIGH), 1, 900, True),
        (".mp4", (SILENCE, SILENCE, LATE), 0, 900, False),
        (".mov", (SILENCE, HIGH), 0, 900, False),
        (".ts", (SILENCE, HIGH), 0, 900, False),
        (".ts", (LOW, HIGH), 0, 300, True),
        (".mka", (LOW, HIGH), 1, 900, True),
    ],
)
def test_the_default_track_is_heard_and_else_one_with_sound(tmp_path, suffix, sources, default, expected, several):
    path = written(tmp_path / f"tracks{suffix}", *sources, default=default)

    heard = load(path)

    assert pitch(heard.samples) == expected
    assert flags(heard) == (["several-tracks"] if several else [])


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    "track, expected", [(0, 300), (1, 900), ("eng", 300), ("en", 300), ("de", 900), ("GER", 900), ("de-AT", 900)]
)
def test_a_track_can_be_taken_by_number_and_language(tmp_path, suffix, track, expected):
    path = written(tmp_path / f"two{suffix}", LOW, HIGH, default=0, languages=("eng", "ger"))

    heard = load(path, track=track)

    assert (pitch(heard.samples), flags(heard)) == (expected, [])
    assert probe(path, track=track).duration == pytest.approx(2 if expected == 300 else 3, abs=0.1)
    assert probe(path).tracks == 2


def test_an_isolated_decoder_takes_the_same_track(tmp_path):
    path = written(tmp_path / "two.mkv", LOW, HIGH, default=0, languages=("eng", "deu"))

    with Workers() as apart:
        for track in (None, 1, "deu"):
            here, there = load(path, track=track), load(path, track=track, isolate=apart)
            assert np.array_equal(here.samples, there.samples)
            assert here.warnings == there.warnings
            assert probe(path, track=track) == probe(path, track=track, isolate=apart)


def test_a_stretch_is_of_the_chosen_track(tmp_path):
    path = written(tmp_path / "two.mkv", "sine=f=300:d=30", "sine=f=900:d=30", default=0)

    [stretch] = stream(path, start=20.0, end=21.0, track=1)

    assert pitch(stretch.samples) == 900


@pytest.mark.parametrize("track", [2, "fra", 99])
def test_a_track_that_is_not_there_is_an_error_that_names_those_that_are(tmp_path, track):
    path = written(tmp_path / "two.mkv", LOW, HIGH, languages=("eng", "deu"))

    with pytest.raises(DecodeError, match=r"the file has 0 \(eng\), 1 \(deu\)") as caught:
        load(path, track=track)

    assert caught.value.code == "no-track"


@pytest.mark.parametrize("cell", [(np.zeros(100), 8_000), "tone"])
def test_what_has_one_track_has_no_second(tone_file, cell):
    cell = tone_file() if cell == "tone" else cell

    assert load(cell, track=0).duration > 0
    with pytest.raises(DecodeError, match="there is no audio track 1"):
        load(cell, track=1)


@pytest.mark.parametrize("track", [-1, 1.5, "", " ", True])
def test_what_names_no_track_is_refused_before_any_work(track):
    with pytest.raises(OptionError, match="expected track= as a number from 0 or a language"):
        list(asrkit.transcribe([], model=asrkit.Canned(["a"]), track=track, progress=False))


@pytest.mark.parametrize("track, expected", [("no", 1), ("nb", 1), ("zh", 3), ("chi", 3), ("eng", 0)])
def test_codes_of_two_and_three_letters_name_one_language(track, expected):
    if track == "nb":
        with pytest.raises(DecodeError, match="there is no audio track 'nb'"):
            position(track, ["eng", "nor", None, "zho"])
    else:
        assert position(track, ["eng", "nor", None, "zho"]) == expected


def test_the_journal_knows_tracks_apart(tmp_path):
    path = written(tmp_path / "two.mkv", LOW, HIGH, default=0)
    model = asrkit.Canned(lambda audio: f"{pitch(audio.samples)}")
    journal = tmp_path / "journal.sqlite"

    def texts(**options: object) -> list[str]:
        told = asrkit.transcribe([path], model=model, journal=journal, progress=False, **options)
        return [outcome.text for outcome in told]

    assert texts() == ["300"]
    assert texts(track=1) == ["900"]
    assert texts(track=0) == texts() == ["300"]


def test_the_frame_takes_a_track(tmp_path):
    path = written(tmp_path / "two.mkv", LOW, HIGH)
    model = asrkit.Canned(lambda audio: f"{pitch(audio.samples)}")

    frame = pd.DataFrame({"path": [str(path)]}).asr.transcribe("path", model=model, track=1, progress=False)

    assert frame["hypothesis"].tolist() == ["900"]


@pytest.mark.parametrize(
    "options, error", [(["--track", "9"], "no audio track 9"), (["--channel", "5"], "no channel 5"), ([], None)]
)
def test_the_shell_takes_a_track_and_a_channel(tmp_path, monkeypatch, capsys, options, error):
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "a" * 32)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "token")
    path = written(tmp_path / "silent.mkv", SILENCE, SILENCE)
    command = ["transcribe", str(path), "--model", "@cf/openai/whisper", "--option", "speech_gate=true", "--quiet"]

    status = main([*command, "--format", "csv", *options])

    assert (status, error is None or error in capsys.readouterr().out) == (int(error is not None), True)
