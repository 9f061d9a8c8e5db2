"""Where the captions of each recording are written: one file each, known before any work."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest

from asrkit.cli import main
from asrkit.errors import OptionError
from asrkit.outputs import _first_alike, caption_files, check_new

TINY = "openai/whisper-tiny.en"


def names(cells: list[object], **options: object) -> list[str | None]:
    """The files below the folder ``out``."""
    files = caption_files(Path("out"), "srt", cells, **options)
    return [None if file is None else file.relative_to("out").as_posix() for file in files]


@pytest.mark.parametrize(
    "cells, expected",
    [
        (["a.wav"], ["a.srt"]),
        (["calls/a.wav", "calls/b.wav"], ["a.srt", "b.srt"]),
        (["one/rec.flac", "two/rec.flac"], ["one/rec.srt", "two/rec.srt"]),
        (["one/x/rec.flac", "one/rec.flac"], ["x/rec.srt", "rec.srt"]),
        (["a/b/c.wav", "a/./b/../b/d.wav"], ["c.srt", "d.srt"]),
        (["a.wav", "a.mp3", "b.wav"], ["a.wav.srt", "a.mp3.srt", "b.srt"]),
        (["a.wav", "A.mp3"], ["a.wav.srt", "A.mp3.srt"]),
        (["caf\u00e9.wav", "cafe\u0301.mp3"], ["caf\u00e9.wav.srt", "cafe\u0301.mp3.srt"]),
        (["a.1.wav", "a.2.wav"], ["a.1.srt", "a.2.srt"]),
        (["a", "a.wav"], ["a.srt", "a.wav.srt"]),
        (["same.wav", "./same.wav"], ["same.srt", "same.srt"]),
        (["a.wav", None, float("nan")], ["a.srt", None, None]),
        ([b"RIFF", {"bytes": b"", "path": None}], ["row-1.srt", "row-2.srt"]),
        ([b"RIFF", {"bytes": b"", "path": "x/a.wav"}], ["row-1.srt", "a.srt"]),
        (["https://h.example/1/audio.wav", "https://h.example/2/audio.wav?k=1"], ["1/audio.srt", "2/audio.srt"]),
        (["https://u:p@h.example/a.wav", "https://i.example/a.wav"], ["h.example/a.srt", "i.example/a.srt"]),
        (["https://h.example/x/..%2F..%2Fetc/p.wav", "https://h.example/q.wav"], ["x/.._.._etc/p.srt", "q.srt"]),
        (["s3://b/a.wav", "s3://b/%2E%2E/a.wav"], ["a.srt", "_/a.srt"]),
        (["file:///data/a%20b.wav"], ["a b.srt"]),
    ],
)  # fmt: skip
def test_folders_that_recordings_do_not_share_are_kept(cells, expected):
    assert names(cells) == expected


def test_a_recording_and_a_url_stay_below_the_folder():
    for file in names(["/etc/a.wav", "https://h.example/b.wav", b"x"]):
        assert file is not None
        assert not Path(file).is_absolute()
        assert ".." not in Path(file).parts


def test_files_count_from_the_folder_that_was_named(tmp_path):
    (tmp_path / "clips" / "sub").mkdir(parents=True)
    named = tmp_path / "clips"

    assert names([str(named / "sub" / "a.wav")], inputs=[str(named)]) == ["sub/a.srt"]
    assert names([str(named / "sub" / "a.wav")]) == ["a.srt"]


def test_one_recording_may_name_its_file(tmp_path):
    assert caption_files(tmp_path / "one.srt", "srt", ["a.wav"]) == [tmp_path / "one.srt"]
    assert caption_files(tmp_path / "ONE.VTT", "vtt", [None, "a.wav"]) == [None, tmp_path / "ONE.VTT"]
    (tmp_path / "folder.srt").mkdir()
    assert caption_files(tmp_path / "folder.srt", "srt", ["a.wav"]) == [tmp_path / "folder.srt" / "a.srt"]


@pytest.mark.parametrize(
    "output, ending, cells, languages, told",
    [
        ("one.srt", "srt", ["a.wav", "b.wav"], None, "one.srt is the name of one file, and there are 2 recordings"),
        ("one.vtt", "srt", ["a.wav"], None, "one.vtt does not end in .srt"),
        ("file", "srt", ["a.wav"], None, "is a file; name a folder"),
        ("out", "srt", ["a.wav", "b.wav", "a.wav"], ["de", "de", "en"], r"rows 1 and 3 \(a.wav in de; a.wav in en\)"),
        ("out", "srt", ["a.wav", "a.mp3", "a.wav.ogg"], None, "would both be written to .*a.wav.srt"),
        ("out", "srt", ["https://h.example/a?b.wav", "https://h.example/a?c.wav"], None, "would both be written to"),
    ],
)
def test_what_would_be_written_to_one_file_is_found(tmp_path, monkeypatch, output, ending, cells, languages, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")

    with pytest.raises(OptionError, match=told):
        caption_files(Path(output), ending, cells, languages=languages)


def test_the_same_recording_in_one_language_is_written_once():
    assert names(["a.wav", "a.wav"], languages=[float("nan"), None]) == ["a.srt", "a.srt"]


def test_names_that_differ_in_case_alone_are_one_where_the_file_system_says_so():
    files, asked = [Path("out/Rec.srt"), None, Path("out/rec.srt")], ["Rec.wav", None, "rec.wav"]

    assert _first_alike(files, asked, folds=True) == (0, 2)
    assert _first_alike(files, asked, folds=False) is None


def test_no_two_recordings_ever_share_a_file():
    for seed in range(300):
        chance = random.Random(seed)
        pool = ["a.wav", "a.mp3", "A.wav", "b", "b.wav", "a.wav.mp3", "x" * 250 + ".wav"]
        roots = ["", "one/", "two/", "one/two/", "/abs/", "https://h.example/", "https://h.example/one/"]
        cells = list({chance.choice(roots) + chance.choice(pool) for _ in range(8)})
        try:
            files = caption_files(Path("out"), "vtt", cells)
        except OptionError as error:
            assert "would both be written" in str(error)  # noqa: PT017 - either one or the other
        else:
            assert len(set(files)) == len(cells)
            assert all(file.is_relative_to("out") and len(os.fsencode(file.name)) < 256 for file in files)


def test_files_that_are_there_are_named_before_any_work(tmp_path):
    for name in "abcde":
        (tmp_path / f"{name}.srt").write_text("mine")

    with pytest.raises(OptionError, match=r"a.srt, .*b.srt, .*c.srt and 2 more are there already; .*--overwrite"):
        check_new([tmp_path / f"{name}.srt" for name in "abcdef"])
    check_new([None, tmp_path / "new.srt"])


class TestShell:
    """With a model that does not exist: whoever is refused for another reason was refused before it was looked for."""

    arguments = ("--model", "openai/whisper-no-such", "--format", "srt", "-q", "--no-journal")

    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("a.wav", "b.wav"):  # the shell looks for them before any work; nothing is read
            Path(name).touch()

    def refused(self, capsys, *arguments: str) -> str:
        assert main(["transcribe", *arguments, *self.arguments]) == 2
        return capsys.readouterr().err

    def test_refuses_two_rows_with_one_file(self, capsys):
        pd.DataFrame({"path": ["a.wav", "a.wav"], "language": ["de", "en"]}).to_csv("t.csv", index=False)

        assert "would both be written" in self.refused(capsys, "t.csv", "-o", "out", "--language", "language")

    def test_refuses_one_file_for_several_recordings(self, capsys):
        assert "name a folder" in self.refused(capsys, "a.wav", "b.wav", "-o", "one.srt")
        assert not Path("one.srt").exists()

    def test_refuses_to_replace_files(self, capsys):
        Path("out").mkdir()
        Path("out/b.srt").write_text("mine")

        assert "out/b.srt is there already" in self.refused(capsys, "a.wav", "b.wav", "-o", "out")
        assert "no-such" in self.refused(capsys, "a.wav", "b.wav", "-o", "out", "--overwrite")


@pytest.mark.model
def test_every_recording_of_two_folders_has_its_captions(tmp_path, recordings, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = recordings[recordings.source == "an4"].path.iloc[:2]
    for name, path in [("one/rec.wav", first), ("one/rec.copy.wav", second), ("two/rec.wav", second)]:
        Path(name).parent.mkdir(exist_ok=True)
        shutil.copy(path, name)

    given = ["--model", TINY, "--format", "srt", "-q", "--no-journal"]
    assert main(["transcribe", "one", "two", "-o", "caps", *given]) == 0
    assert main(["transcribe", "one/rec.wav", "-o", "one.srt", *given[:2], *given[4:]]) == 0

    written = {path.relative_to("caps").as_posix(): path.read_text() for path in Path("caps").rglob("*.srt")}
    assert sorted(written) == ["one/rec.copy.srt", "one/rec.srt", "two/rec.srt"]
    assert written["one/rec.copy.srt"] == written["two/rec.srt"] != written["one/rec.srt"]
    assert Path("one.srt").read_text() == written["one/rec.srt"]
