"""Names as disks write them, and stretches at the edge of a recording."""

import unicodedata
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import asrkit
from asrkit.cli import main
from asrkit.errors import OptionError
from asrkit.seconds import checked_seconds

COMPOSED = "café Dé"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def recording(path, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(int(16_000 * seconds)) / 5), 16_000)


def outcome(cell, **options):
    [only] = asrkit.transcribe([cell], model=asrkit.Canned(["so"]), progress=False, journal=False, **options)
    return only


@pytest.mark.parametrize("there, asked", [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_an_accent_written_in_the_other_way_leads_to_the_same_file(tmp_path, monkeypatch, capsys, there, asked):
    recording(tmp_path / there / f"{there}.wav")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("asrkit.backends.from_model", lambda model, **options: asrkit.Canned(["so"]))
    path = tmp_path / asked / f"{asked}.wav"

    for cell in (str(path), path, path.as_uri(), f"file:{path}", {"path": str(path)}, {"path": path.as_uri()}):
        assert outcome(cell).text == "so"
    for name in (asked, path.as_uri(), str(path)):
        assert main(["transcribe", name, "-q", "--no-journal"]) == 0
        assert capsys.readouterr().out == "so\n"
    told = asrkit.transcribe_files(asked, out="o", model=asrkit.Canned(["so"]), progress=False, journal=False)
    assert (told.rows, dict(told.failed)) == (1, {})


def test_a_table_is_found_by_either_way_of_its_accents(tmp_path, capsys):
    (tmp_path / f"{DECOMPOSED}.csv").write_text("text,hypothesis\nso it is,so it is\n")

    assert main(["score", str(tmp_path / f"{COMPOSED}.csv")]) == 0


@pytest.mark.parametrize("name", ["~take.wav", "file:take.wav", "~/take.wav"])
def test_names_that_look_like_something_else_are_names_of_files_that_are_there(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    recording(Path(name))

    assert outcome(name).text == "so"


def test_a_name_with_a_tilde_that_is_nowhere_is_one_failed_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert outcome("~no-such-user/take.wav").code == "not-found"
    assert outcome(Path("~no-such-user/take.wav")).code == "not-found"


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize("before_end", [-0.1, 0.0, 1e-6, 1e-5, 3e-5])
def test_a_start_within_the_last_sample_is_beyond_the_end(tmp_path, before_end, isolate):
    recording(tmp_path / "a.wav")

    for cell in (str(tmp_path / "a.wav"), (tmp_path / "a.wav").read_bytes(), (np.full(8_000, 0.1), 16_000)):
        failure = outcome(cell, start=[0.5 - before_end], isolate=isolate)
        assert failure.code == "empty"
        assert "beyond the end of the recording, which has 0.50 s" in failure.message


@pytest.mark.parametrize("value", [10**400, Fraction(10**400, 3), "9" * 400 + " days 0:00:01", "9" * 400, "1e999"])
def test_a_number_beyond_all_floats_is_an_error_of_its_row(tmp_path, value):
    recording(tmp_path / "a.wav")
    frame = pd.DataFrame({"path": [str(tmp_path / "a.wav")] * 2, "from": pd.Series([value, 0.1], dtype=object)})

    texts = frame.asr.transcribe("path", start="from", model=asrkit.Canned(["so"]), progress=False, journal=False)

    assert isinstance(checked_seconds([value], "start")[0], OptionError)
    assert texts["hypothesis"].isna().tolist() == [True, False]
    assert "start: expected seconds" in texts["hypothesis_error"].iloc[0]
