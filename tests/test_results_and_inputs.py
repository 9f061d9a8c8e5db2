"""Results never replace what they are made of: columns of a table, recordings, the table itself."""

import hashlib
import os

import numpy as np
import pandas as pd
import pytest
import soundfile

import asrkit
from asrkit.cli import main
from asrkit.errors import ColumnError
from asrkit.outputs import check_not_inputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two recordings, in which commands are run without a model."""
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, 0.3 * np.sin(np.arange(8_000) / 5), 16_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("asrkit.backends.from_model", lambda model, **options: asrkit.Canned(["so", "it", "is"]))
    return tmp_path


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def transcribe(*arguments):
    return main(["transcribe", *map(str, arguments), "--quiet", "--no-journal"])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "columns, into", [("path,text", "text"), ("path,hypothesis_error", "hypothesis"), ("path,x_error,x", "x")]
)
def test_columns_of_the_table_are_replaced_only_with_overwrite(folder, capsys, columns, into, ending):
    (folder / "t.csv").write_text(f"{columns}\na.wav{',said' * columns.count(',')}\n")

    assert transcribe("t.csv", "--into", into, "-o", f"new.{ending}") == 2
    assert "already; name another --into or pass --overwrite" in capsys.readouterr().err
    assert not (folder / f"new.{ending}").exists()

    assert transcribe("t.csv", "--into", into, "-o", f"new.{ending}", "--overwrite") == 0


@pytest.mark.parametrize("into", ["path", "hypothesis"])
@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_the_column_with_the_audio_is_never_replaced(folder, capsys, into, options):
    (folder / "t.csv").write_text(f"{into}\na.wav\n")

    assert transcribe("t.csv", "--audio", into, "--into", into, *options) == 0
    assert transcribe("t.csv", "--audio", into, "--into", into, "-o", "new.csv", *options) == 2
    assert "is the column with the audio" in capsys.readouterr().err
    with pytest.raises(ColumnError, match="is the column with the audio"):
        pd.read_csv("t.csv").asr.transcribe(into, into=into, overwrite=True, model=asrkit.Canned(["so"]))
    with pytest.raises(ColumnError, match="is the column with the audio"):
        asrkit.transcribe_files("t.csv", into, out="o", into=into, overwrite=True, model=asrkit.Canned(["so"]))


def test_columns_of_one_name_are_refused_for_parquet_and_kept_in_csv(folder, capsys):
    (folder / "t.csv").write_text("path,text,text\na.wav,x,y\n")

    assert transcribe("t.csv", "-o", "new.parquet") == 2
    assert "2 columns 'text'" in capsys.readouterr().err
    assert not (folder / "new.parquet").exists()
    assert transcribe("t.csv", "-o", "new.csv") == 0
    assert (folder / "new.csv").read_text().startswith("path,text,text,hypothesis,")


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.wav", "-o", "a.wav", "--format", "txt"],
        ["a.wav", "-o", "link.jsonl"],
        ["a.wav", "b.wav", "-o", "b.wav", "--format", "csv"],
        [".", "-o", "b.wav", "--format", "jsonl"],
        ["t.csv", "-o", "a.wav", "--format", "csv"],
        ["t.csv", "-o", "t.csv", "--format", "jsonl"],
        ["t.csv", "-o", "t.csv", "--format", "txt"],
        ["a.srt", "--format", "srt", "-o", "a.srt"],
        ["a.srt", "b.wav", "--format", "srt", "-o", "."],
    ],
)
def test_an_output_that_is_an_input_is_refused_before_any_work(folder, capsys, arguments):
    os.link("a.wav", "link.jsonl")
    (folder / "a.srt").write_bytes((folder / "a.wav").read_bytes())
    (folder / "t.csv").write_text("path\na.wav\n")
    before = digests(folder)

    assert transcribe(*arguments, "--overwrite") == 2

    assert "is one of the inputs" in capsys.readouterr().err
    assert digests(folder) == before


def test_a_table_is_written_onto_itself_with_overwrite_alone(folder):
    (folder / "t.csv").write_text("path,text\na.wav,x\nb.wav,y\n")

    assert transcribe("t.csv", "-o", "t.csv") == 2
    assert transcribe("t.csv", "-o", "t.csv", "--overwrite") == 0

    assert pd.read_csv("t.csv")["text"].tolist() == ["x", "y"]
    assert pd.read_csv("t.csv")["hypothesis"].notna().all()


def test_what_is_no_file_here_is_no_input_that_could_be_replaced(folder):
    cells = [b"RIFF", None, float("nan"), "https://example.org/a.wav", {"path": None}, (np.zeros(3), 8_000), "a\0b"]

    check_not_inputs([folder / "a.wav", None, folder / "new.txt"], cells)


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_score_is_not_written_onto_its_table(folder, capsys, option):
    (folder / "t.csv").write_text("text,hypothesis\nso it is,so it is\n")
    before = digests(folder)

    assert main(["score", "t.csv", option, "t.csv"]) == 2

    assert "is one of the inputs" in capsys.readouterr().err
    assert digests(folder) == before


@pytest.mark.parametrize(
    "command", [["score"], ["score", "--by", "who"], ["compare", "--hypotheses", "hypothesis", "b"]]
)
@pytest.mark.parametrize("twice", ["text", "hypothesis", "who"])
def test_columns_of_one_name_that_are_scored_are_an_error_of_ours(folder, capsys, command, twice):
    (folder / "t.csv").write_text(f"text,hypothesis,b,who,{twice}\nso it is,so it is,so,x,y\n")

    status = main([command[0], "t.csv", *command[1:]])

    if twice != "who" or "--by" in command:
        assert status == 2
        assert f"2 columns named '{twice}'" in capsys.readouterr().err
