"""Cells, stretches and folders as people have them, and what is said before and after the work."""

import base64
import datetime as dt
import decimal
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.audio import load, probe
from asrkit.backends.whisper_languages import NAMES, known_code
from asrkit.cli import main
from asrkit.errors import DecodeError, OptionError, SourceError
from asrkit.recordings import holds_sound, recordings_below
from asrkit.seconds import seconds_of
from asrkit.source import describe, locate

SO = asrkit.Canned(["so"] * 99)
QUIET = {"model": SO, "progress": False, "journal": False}


class TestCells:
    def test_a_data_uri_is_the_recording_that_it_holds(self, tone_file):
        data = tone_file().read_bytes()

        for head in ("data:audio/wav;base64,", "DATA:;charset=x;base64,"):
            assert locate(head + base64.b64encode(data).decode()).data == data
        assert probe("data:audio/wav," + "".join(f"%{byte:02x}" for byte in data)).duration == 0.5

    @pytest.mark.parametrize(
        "encode",
        [
            base64.b64encode,
            base64.urlsafe_b64encode,
            base64.encodebytes,
            lambda data: base64.b64encode(data).rstrip(b"="),
        ],
    )
    @pytest.mark.parametrize("as_text", [True, False])
    def test_base64_is_the_recording_that_it_holds(self, tone_file, encode, as_text):
        data = tone_file().read_bytes() + b"\xff\xfe\xfd"
        encoded = encode(data)

        assert locate(encoded.decode() if as_text else encoded).data == data

    def test_a_path_of_letters_stays_a_path(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        name = "UklGR" + "a" * 95

        assert str(locate("a" * 100).path) == "a" * 100
        assert str(locate(name).path) == name

    @pytest.mark.parametrize("cell", ["data:audio/wav", "data:audio/wav;base64,$$$" + "A" * 200_000, "A" * 200_000])
    def test_what_is_damaged_is_said_in_a_short_message(self, cell):
        [outcome] = asrkit.transcribe([cell], **QUIET)

        assert outcome.code in ("bad-cell", "unreadable")
        assert len(str(outcome)) < 300
        assert len(describe(cell)) < 100

    @pytest.mark.parametrize("on_disk, asked", [("NFD", "NFC"), ("NFC", "NFD")])
    def test_a_name_with_accents_is_found_in_either_form(self, tmp_path, tone_file, on_disk, asked):
        folder = tmp_path / unicodedata.normalize(on_disk, "José")
        folder.mkdir()
        tone_file().rename(folder / unicodedata.normalize(on_disk, "ñandú.wav"))
        path = tmp_path / unicodedata.normalize(asked, "José") / unicodedata.normalize(asked, "ñandú.wav")

        assert load(str(path)).duration == 0.5

    @pytest.mark.parametrize(
        "change", [lambda path: f"{path}\n", lambda path: f'"{path}"', lambda path: path.replace("/", "\\")]
    )
    def test_a_path_that_leads_nowhere_says_what_may_have_been_meant(self, tone_file, change):
        with pytest.raises(SourceError, match=r"no such file: .*; there is one with"):
            load(change(str(tone_file())))


class TestStretches:
    @pytest.mark.parametrize(
        "value, seconds",
        [
            (pd.Timedelta("62.5s"), 62.5),
            (np.timedelta64(62_500, "ms"), 62.5),
            (dt.timedelta(seconds=62.5), 62.5),
            (dt.time(0, 1, 2, 500_000), 62.5),
            (decimal.Decimal("62.5"), 62.5),
            (np.float32(62.5), 62.5),
            (np.int8(62), 62.0),
            ("62.5", 62.5),
            (" 1:02.5 ", 62.5),
            ("0:01:02.5", 62.5),
            ("00:01:02,500", 62.5),
            ("0 days 00:01:02.500000", 62.5),
            ("100:00:00", 360_000.0),
            ("", None),
            (pd.NA, None),
            (pd.NaT, None),
            (np.timedelta64("NaT"), None),
            (float("nan"), None),
        ],
    )
    def test_a_moment_is_written_in_many_ways(self, value, seconds):
        assert seconds_of(value) == seconds

    @pytest.mark.parametrize(
        "value", ["soon", "1:60", "1:75:00", "1,5", "inf", float("inf"), True, [1], b"1", "1:2:3:4"]
    )
    def test_what_is_no_moment_is_an_error(self, value):
        with pytest.raises(ValueError, match="expected seconds"):
            seconds_of(value)

    def test_a_clock_reads_back_every_timedelta(self):
        for seconds in np.random.default_rng(0).uniform(0, 200_000, 200).round(3):
            assert seconds_of(str(pd.Timedelta(seconds, "s"))) == pytest.approx(seconds)

    def test_a_bad_stretch_costs_its_row_alone(self, tone_file):
        path = str(tone_file())
        df = pd.DataFrame({"path": [path] * 4, "start": ["0:00.1", "soon", None, -1], "end": [None, None, "0.2", None]})

        heard = df.asr.transcribe("path", start="start", end="end", details=True, **QUIET)

        assert heard["hypothesis"].notna().tolist() == [True, False, True, False]
        assert heard["hypothesis_duration"].tolist()[::2] == pytest.approx([0.4, 0.2])
        assert heard["hypothesis_error"][1].startswith("option: start: expected seconds (62.5)")
        assert heard["hypothesis_error"][3] == "option: start: expected 0 seconds or more, got -1"

    def test_a_bad_stretch_is_no_whole_recording_for_the_journal(self, tone_file, tmp_path):
        path = str(tone_file())
        options = {"model": SO, "journal": tmp_path / "j.sqlite", "progress": False}

        [whole] = asrkit.transcribe([path], **options)
        bad, good = asrkit.transcribe([path, path], start=["soon", "0"], **options)

        assert (whole.text, bad.code, good.text) == ("so", "option", "so")

    def test_a_column_without_any_moment_is_refused_before_any_work(self, tone_file):
        df = pd.DataFrame({"path": [str(tone_file())] * 2})

        with pytest.raises(OptionError, match="no row has a start that can be read"):
            df.asr.transcribe("path", start="path", **QUIET)
        with pytest.raises(OptionError, match="no row has a end that can be read"):
            asrkit.transcribe(df["path"], end=["x", "y"], **QUIET)

    @pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg"])
    def test_a_start_beyond_the_end_says_so(self, tmp_path, ending):
        import soundfile

        soundfile.write(tmp_path / f"a.{ending}", np.sin(np.arange(16_000) / 5), 16_000)

        with pytest.raises(
            DecodeError, match=r"start=1000 s is beyond the end of the recording, which has 1\.\d\d s"
        ) as error:
            load(tmp_path / f"a.{ending}", start=1000)
        assert error.value.code == "empty"

    def test_a_start_beyond_an_array_says_so(self):
        with pytest.raises(DecodeError, match=r"beyond the end of the recording, which has 1\.00 s"):
            load((np.ones(16_000), 16_000), start=1)


@pytest.fixture
def folder(tmp_path, tone_file):
    """Recordings of all kinds of names, and what lies among them."""
    home = tmp_path / "f"
    (home / "deep").mkdir(parents=True)
    (home / ".hidden").mkdir()
    data = tone_file().read_bytes()
    for name in ("UPPER.WAV", "blob", "take.wave", "rec.wav.part", "deep/no_extension", "deep/x.dat"):
        (home / name).write_bytes(data)
    for name in (".hidden/h.wav", "._mac.wav", ".x"):
        (home / name).write_bytes(data)
    (home / "notes.txt").write_text("Not a recording.\n")
    (home / "readme").write_text("The free encyclopedia")
    (home / "words.json").write_text('{"a": 1}')
    (home / "empty").write_bytes(b"")
    (home / "broken.wav").write_text("no sound")
    (home / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (home / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0")
    os.mkfifo(home / "pipe")
    (home / "deep" / "loop").symlink_to(home)
    (home / "gone.wav").symlink_to("/nowhere")
    (home / "gone").symlink_to("/nowhere")
    return home


class TestFolders:
    def test_recordings_are_found_by_content_and_what_is_left_out_is_counted(self, folder):
        found = recordings_below(folder)

        assert [str(path.relative_to(folder)) for path in found.paths] == [
            "UPPER.WAV",
            "blob",
            "broken.wav",
            "deep/no_extension",
            "deep/x.dat",
            "gone.wav",
            "rec.wav.part",
            "take.wave",
        ]
        assert "3 whose names begin with a dot" in found.note
        assert "6 that hold no sound (" in found.note
        assert "1 that lead nowhere" in found.note
        assert "1 that are no regular files" in found.note

    def test_what_a_folder_takes_is_what_is_decoded_by_itself(self, tmp_path):
        import soundfile

        sound = np.sin(np.arange(8_000) / 5)
        for kind in soundfile.available_formats():
            try:
                soundfile.write(tmp_path / f"{kind}.bin", sound, 16_000, format=kind)
            except (ValueError, RuntimeError, TypeError):  # a format that wants a coding, or none that can be written
                continue
        for path in sorted(tmp_path.iterdir()):
            try:
                is_decoded = load(path).duration > 0
            except DecodeError as error:
                is_decoded = error.code not in ("not-audio", "empty")
            with path.open("rb") as file:
                assert holds_sound(file) == is_decoded, path.name

    def test_the_shell_takes_a_folder_and_says_what_it_leaves_out(self, folder, monkeypatch, capsys):
        monkeypatch.setattr("asrkit.backends.from_model", lambda model, **options: SO)

        assert main(["transcribe", str(folder), "-q", "--no-journal"]) == 1
        printed = capsys.readouterr()
        assert printed.out.count("\tso\n") == 6
        assert f"left out of {folder}: " in printed.err
        assert "2 of 8 rows failed; the first: not-audio" in printed.err
        assert "1 of 8 files are missing: no such file" in printed.err

    def test_shards_take_the_same_files(self, folder):
        (folder / "pipe").unlink()
        with pytest.warns(UserWarning, match="left out"):
            asrkit.transcribe_files(folder, "clip", out=folder.parent / "out", **QUIET)

        clips = pd.read_parquet(folder.parent / "out")["clip"]
        assert {"blob", "take.wave", "x.dat"} <= {path.rsplit("/", 1)[-1] for path in clips}


class TestEarly:
    """Said before a model is loaded: the model of these tests cannot be."""

    @pytest.fixture(autouse=True)
    def no_model(self, monkeypatch):
        def never(model, **options):
            raise AssertionError("a model was asked for")

        monkeypatch.setattr("asrkit.backends.from_model", never)

    @pytest.fixture
    def clip(self, tone_file):
        return str(tone_file())

    def test_missing_files(self, tmp_path, capsys):
        (tmp_path / "t.csv").write_text("path\nx.wav\ny.wav\n")

        assert main(["transcribe", str(tmp_path / "gone.wav")]) == 2
        assert "no such file" in capsys.readouterr().err
        assert main(["transcribe", str(tmp_path / "t.csv")]) == 2
        assert "no such file: x.wav (looked in" in capsys.readouterr().err
        assert main(["transcribe", str(tmp_path / "t2.csv")]) == 2
        assert "no such file" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["no/such/folder/x.csv", "file/x.txt", ".", "n" * 300 + ".jsonl"])
    def test_an_output_that_cannot_be_written(self, clip, tmp_path, name, capsys):
        (tmp_path / "file").write_text("x")

        assert main(["transcribe", clip, "--format", "txt", "-o", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.startswith("asrkit: ")

    def test_a_folder_of_captions_that_cannot_be_made(self, clip, tmp_path, capsys):
        (tmp_path / "file").write_text("x")

        assert main(["transcribe", clip, "--format", "srt", "-o", str(tmp_path / "file" / "deep")]) == 2
        assert "is no folder" in capsys.readouterr().err

    def test_a_report_that_cannot_be_written_and_no_file_is_left_by_asking(self, tmp_path, capsys):
        (tmp_path / "t.csv").write_text("text,hypothesis\na,a\n")

        assert main(["score", str(tmp_path / "t.csv"), "--html", str(tmp_path / "no" / "r.html")]) == 2
        assert "no such folder" in capsys.readouterr().err
        assert main(["score", str(tmp_path / "gone.csv"), "--json", str(tmp_path / "r.json")]) == 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]

    def test_shards_without_inputs_or_with_an_output_that_cannot_be(self, tmp_path, clip):
        (tmp_path / "file").write_text("x")

        with pytest.raises(SourceError, match="nothing is there"):
            asrkit.transcribe_files(tmp_path / "*.csv", out=tmp_path / "out", model="openai/whisper-base")
        with pytest.raises(OptionError, match="is no folder"):
            asrkit.transcribe_files(clip, out=tmp_path / "file" / "out", model="openai/whisper-base")

    def test_an_unknown_language(self):
        with pytest.raises(OptionError, match="unknown language 'xx'"):
            asrkit.Whisper("no/such-model", language="xx")


def test_nothing_heavy_is_imported_before_a_mistake_is_said(tmp_path, tone_file):
    script = (
        "import sys; from asrkit.cli import main\n"
        f"assert main(['transcribe', {str(tmp_path / 'gone.wav')!r}]) == 2\n"
        f"assert main(['transcribe', {str(tone_file())!r}, '-o', '/no/such/folder/x.csv']) == 2\n"
        "sys.exit(len({'torch', 'transformers'} & {*sys.modules}))\n"
    )

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr.count("\n")) == (0, 2)


def test_the_languages_are_those_of_transformers():
    from transformers.models.whisper.tokenization_whisper import LANGUAGES, TO_LANGUAGE_CODE

    assert list(NAMES) == list(LANGUAGES)
    assert {name: known_code(name) for name in TO_LANGUAGE_CODE} == TO_LANGUAGE_CODE


class TestFailures:
    def test_a_run_whose_rows_all_failed_says_so_once_at_its_end(self, capsys):
        pd.DataFrame({"path": ["gone.wav"] * 12 + [None]}).asr.transcribe("path", **QUIET)

        assert capsys.readouterr().err.count("all 12 rows failed; the first: not-found: no such file: gone.wav") == 1

    @pytest.mark.parametrize("good, is_said", [(8, True), (9, False)])
    def test_more_than_a_tenth_is_many(self, tone_file, good, is_said, capsys):
        list(asrkit.transcribe([str(tone_file())] * good + ["gone.wav"], **QUIET))

        assert ("1 of 9 rows failed: not-found" in capsys.readouterr().err) == is_said


def test_segments_that_went_through_the_csv_of_pandas_are_read_again(tmp_path, tone_file):
    df = pd.DataFrame({"path": [str(tone_file())], "text": ["so"]})
    df.asr.transcribe("path", details=True, **QUIET).to_csv(tmp_path / "d.csv", index=False)

    player = pd.read_csv(tmp_path / "d.csv").asr.play("path", 0, reference="text")

    assert player.aligned.counts.errors == 0
