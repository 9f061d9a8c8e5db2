"""Shards are read like every other table: by one list of endings, by content, and with a manifest's stretches."""

import bz2
import gzip
import json
import lzma
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile

import asrkit
from asrkit.cli import main
from asrkit.manifests import is_table


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(np.arange(16_000) / 5), 16_000)
    (tmp_path / "shards").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "asrkit.scale.files._is_of_this_process", lambda job: True
    )  # another process takes 2 s to start
    return tmp_path


def transcribed(inputs="shards", audio="path", **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        told = asrkit.transcribe_files(
            inputs,
            audio,
            out="out",
            model=asrkit.Canned(["so"]),
            progress=False,
            journal=False,
            details=True,
            **options,
        )
    return told, [str(warning.message) for warning in caught]


CSV, LINES = b"path,text\na.wav,x\n", b'{"path": "a.wav", "text": "x"}\n'


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "name, content",
    [
        ("t.csv.gz", gzip.compress(CSV)),
        ("t.tsv.bz2", bz2.compress(CSV.replace(b",", b"\t"))),
        ("t.jsonl.xz", lzma.compress(LINES)),
        ("t.CSV", CSV),
        ("t.ndjson", LINES),
        ("t.json", LINES),
        ("t.json.gz", gzip.compress(LINES)),
        ("t.txt", CSV),
        ("t.txt", CSV.decode().encode("utf-16")),
        ("t", CSV),
    ],
)
def test_a_table_is_a_shard_by_its_ending_or_its_content(here, name, content, named):
    (here / "shards" / name).write_bytes(content)

    told, said = transcribed(f"shards/{name}" if named else "shards")

    assert (told.rows, dict(told.failed), said) == (1, {}, [])
    assert [path.name for path in here.glob("out/*.parquet")] == ["t.parquet"]
    assert pd.read_parquet("out")["text"].tolist() == ["x"]


def test_a_parquet_of_another_ending_is_a_shard(here):
    pd.DataFrame({"path": ["a.wav"]}).to_parquet(here / "shards" / "part-0001")

    assert transcribed()[0].rows == 1


def test_what_is_left_out_beside_tables_is_counted(here):
    for name in ("a.csv", "b.csv"):
        (here / "shards" / name).write_bytes(CSV)
    for name in ("readme.md", "notes.txt", "more.txt", "LICENSE"):
        (here / "shards" / name).write_text("some words\n")

    told, said = transcribed()

    assert told.rows == 2
    assert said == ["left out: 4 that are no tables (2 .txt, 1 no ending, 1 .md)"]


def test_notes_beside_recordings_are_no_tables(here):
    soundfile.write(here / "shards" / "b.wav", np.full(16_000, 0.1), 16_000)
    (here / "shards" / "b.json").write_bytes(LINES)

    told, said = transcribed()

    assert told.rows == 1
    assert ".json" in said[0]


MANIFEST = [
    {"audio_filepath": "a.wav", "offset": 0.25, "duration": 0.5},
    {"audio_filepath": "a.wav", "offset": "soon", "duration": 0.5},
    {"audio_filepath": "a.wav", "duration": 0.125},
    {"audio_filepath": "a.wav", "offset": 0.75},
    {"audio_filepath": "a.wav"},
]
SECONDS = [0.5, None, 0.125, 0.25, 1.0]


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_a_manifest_says_which_stretch_of_a_recording_is_meant(here, monkeypatch, ending):
    rows = pd.DataFrame([row for row in MANIFEST if ending != "parquet" or row.get("offset") != "soon"])
    path = here / "shards" / f"m.{ending}"
    if ending == "parquet":
        rows.to_parquet(path)
    elif ending == "csv":
        rows.to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in MANIFEST))
    expected = [length for length in SECONDS if ending != "parquet" or length is not None]

    told, _ = transcribed(audio="audio_filepath")
    durations = pd.read_parquet("out")["hypothesis_duration"].tolist()

    assert [None if np.isnan(length) else length for length in durations] == expected
    assert dict(told.failed) == ({} if ending == "parquet" else {"option": 1})
    monkeypatch.setattr("asrkit.backends.from_model", lambda model, **options: asrkit.Canned(["so"]))
    assert main(["transcribe", str(path), "-q", "--no-journal", "-o", "lines.jsonl"]) == (ending != "parquet")
    shell = [json.loads(line).get("duration") for line in (here / "lines.jsonl").read_text().splitlines()]
    assert shell == expected


def test_columns_that_are_named_go_before_those_of_a_manifest(here):
    row = {"audio_filepath": "a.wav", "offset": 0.5, "duration": 0.25, "from": 0.125}
    (here / "shards" / "m.jsonl").write_text(json.dumps(row) + "\n")

    transcribed(audio="audio_filepath", start="from")

    assert pd.read_parquet("out")["hypothesis_duration"].tolist() == [0.625]


@pytest.mark.parametrize(
    "name, content", [("x.txt", b"a.wav\nb.wav\n"), ("x", b"some words, and more"), ("x.json", b"[1]")]
)
def test_other_texts_are_no_tables(here, name, content):
    (here / name).write_bytes(content)

    assert not is_table(here / name)
