"""Shards in, shards out: nothing lost, nothing twice, whatever dies."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from scale_backends import Telling, telling, told

import asrkit
from asrkit.audio import load
from asrkit.errors import ColumnError, DecodeError, OptionError, SourceError
from asrkit.journal.store import Journal
from asrkit.scale import tables
from asrkit.scale.storage import scratch

ROWS, SHARDS = 60, 6


def write_clip(path: Path, samples: int = 1_600, peak: float = 0.5, seed: int = 0) -> Path:
    sound = np.random.default_rng(seed).uniform(-peak, peak, samples)
    soundfile.write(path, sound, 16_000)
    return path


def write_tables(folder: Path, rows: int = ROWS, shards: int = SHARDS) -> pd.DataFrame:
    """Parquet shards of clips beside them; gives all rows with the text that each should have."""
    folder.mkdir()
    paths = [write_clip(folder / f"clip-{n}.wav", 1_600 + n, seed=n) for n in range(rows)]
    frame = pd.DataFrame({"id": range(rows), "path": [path.name for path in paths]})
    for number, part in enumerate(np.array_split(np.arange(rows), shards)):
        frame.iloc[part].to_parquet(folder / f"shard-{number}.parquet", index=False)
    return frame.assign(expected=[told(load(path)) for path in paths])


def texts(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out).sort_values("id").reset_index(drop=True)


def test_each_table_gives_one_of_the_same_name_with_its_rows_in_order(tmp_path):
    rows = write_tables(tmp_path / "in")

    summary = asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=Telling())

    assert (summary.shards, summary.done, summary.rows, dict(summary.failed)) == (SHARDS, SHARDS, ROWS, {})
    assert sorted(path.name for path in (tmp_path / "out").glob("*.parquet")) == sorted(
        path.name for path in (tmp_path / "in").glob("*.parquet")
    )
    assert texts(tmp_path / "out")["hypothesis"].tolist() == rows["expected"].tolist()
    assert str(summary).startswith(f"{tmp_path / 'out'}: 6 of 6 shards done")


def test_what_is_there_is_not_done_again(tmp_path):
    write_tables(tmp_path / "in")
    log = tmp_path / "heard.txt"
    options = {"out": tmp_path / "out", "model": Telling(log=str(log)), "journal": False}
    asrkit.transcribe_files(tmp_path / "in" / "*.parquet", **options)
    (tmp_path / "out" / "shard-3.parquet").unlink()

    summary = asrkit.transcribe_files(tmp_path / "in" / "*.parquet", **options)

    assert (summary.done, summary.skipped, summary.is_complete) == (1, SHARDS - 1, True)
    assert len(log.read_text().splitlines()) == ROWS + ROWS // SHARDS


def test_a_run_with_other_options_is_refused_and_says_which(tmp_path):
    write_tables(tmp_path / "in", rows=2, shards=1)
    asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=Telling())

    with pytest.raises(OptionError, match=r"language: None then, 'de' now"):
        asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=Telling(), language="de")
    with pytest.raises(OptionError, match="backend: 'telling' then, 'another' now"):
        asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=Telling(name="another"))
    note = json.loads((tmp_path / "out" / "_asrkit.json").read_text())
    assert note["fingerprint"] == {"backend": "telling"}
    assert note["inputs"] == [str(tmp_path / "in" / "*.parquet")]


def test_errors_stay_on_their_rows(tmp_path):
    write_tables(tmp_path / "in", rows=4, shards=1)
    table = pd.read_parquet(tmp_path / "in" / "shard-0.parquet")
    (tmp_path / "in" / "clip-1.wav").write_bytes(b"no sound at all")
    table.loc[2, "path"] = None
    table.loc[3, "path"] = "elsewhere.wav"
    table.to_parquet(tmp_path / "in" / "shard-0.parquet")

    summary = asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=Telling())

    rows = texts(tmp_path / "out")
    assert (summary.rows, summary.missing, dict(summary.failed)) == (4, 1, {"not-audio": 1, "not-found": 1})
    assert rows["hypothesis"].notna().tolist() == [True, False, False, False]
    assert rows["hypothesis_error"].str.split(":").str[0].tolist()[1::2] == ["not-audio", "not-found"]
    assert rows["hypothesis_error"].isna().tolist() == [True, False, True, False]
    with pytest.raises((DecodeError, SourceError)):
        asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "other", model=Telling(), errors="raise")
    assert list((tmp_path / "other").glob("*.parquet")) == []


def test_a_table_that_cannot_be_read_costs_itself(tmp_path):
    write_tables(tmp_path / "in", rows=4, shards=2)
    (tmp_path / "in" / "shard-1.parquet").write_bytes(b"PAR1 and then nothing")

    summary = asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=Telling())

    assert (summary.done, summary.is_complete, list(summary.broken)) == (1, False, ["shard-1.parquet"])
    assert "cannot be read as a table" in str(summary)


def test_the_cells_of_a_csv_stay_text_as_they_were_written(tmp_path):
    write_clip(tmp_path / "a.wav")
    frame = pd.DataFrame({"path": ["a.wav", "a.wav"], "count": [1, 2], "note": ["NA", None], "end": [0.05, None]})
    frame.to_csv(tmp_path / "rows.csv", index=False)

    asrkit.transcribe_files(tmp_path / "rows.csv", out=tmp_path / "out", model=Telling(), end="end", details=True)

    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    assert rows["count"].tolist() == ["1", "2"]
    assert rows["note"].tolist() == ["NA", ""]
    assert rows["hypothesis_duration"].tolist() == pytest.approx([0.05, 0.1])


def test_a_folder_of_audio_becomes_shards_by_its_seconds(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number in range(6):
        write_clip(tmp_path / "in" / ("deep" if number % 2 else "") / f"{number}.wav", 16_000, seed=number)
    options = {"out": tmp_path / "out", "model": Telling(), "shard_hours": 2.5 / 3600}

    first = asrkit.transcribe_files(tmp_path / "in", "clip", **options)
    write_clip(tmp_path / "in" / "new.wav", 16_000, seed=9)
    second = asrkit.transcribe_files(tmp_path / "in", "clip", **options)

    rows = pd.read_parquet(tmp_path / "out")
    assert (first.done, first.rows) == (3, 6)
    assert (second.done, second.skipped, second.rows) == (1, 3, 1)
    assert sorted(Path(path).name for path in rows["clip"]) == [*(f"{n}.wav" for n in range(6)), "new.wav"]
    assert rows["hypothesis"].tolist() == [told(load(path)) for path in rows["clip"]]


@pytest.mark.parametrize("keep_audio", [False, True])
def test_sound_in_the_table_goes_out_only_if_it_shall(tmp_path, keep_audio):
    data = write_clip(tmp_path / "a.wav").read_bytes()
    pd.DataFrame({"id": [0], "audio": [{"bytes": data, "path": "a.wav"}]}).to_parquet(tmp_path / "dicts.parquet")
    pd.DataFrame({"id": [1], "audio": [data]}).to_parquet(tmp_path / "bytes.parquet")

    for name in ("dicts", "bytes"):
        asrkit.transcribe_files(
            tmp_path / f"{name}.parquet", "audio", out=tmp_path / name, model=Telling(), keep_audio=keep_audio
        )

    of_dicts = pd.read_parquet(tmp_path / "dicts" / "dicts.parquet")
    of_bytes = pd.read_parquet(tmp_path / "bytes" / "bytes.parquet")
    assert of_dicts["audio"].tolist() == [{"bytes": data, "path": "a.wav"} if keep_audio else "a.wav"]
    assert ("audio" in of_bytes.columns) == keep_audio
    assert of_dicts["hypothesis"].tolist() == of_bytes["hypothesis"].tolist() == [told(load(data))]


def test_object_stores_get_one_file_a_shard(tmp_path):
    write_tables(tmp_path / "in", rows=6, shards=2)

    summary = asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out="memory://texts/a", model=Telling())
    again = asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out="memory://texts/a", model=Telling())

    memory = fsspec.filesystem("memory")
    assert (summary.done, again.done, again.skipped) == (2, 0, 2)
    assert sorted(memory.ls("/texts/a", detail=False)) == [
        "/texts/a/_asrkit.json",
        "/texts/a/shard-0.parquet",
        "/texts/a/shard-1.parquet",
    ]
    with memory.open("/texts/a/shard-1.parquet") as file:
        assert pd.read_parquet(file)["id"].tolist() == [3, 4, 5]


def test_results_beside_their_inputs_on_an_object_store_are_no_inputs(tmp_path):
    data = write_clip(tmp_path / "a.wav").read_bytes()
    memory = fsspec.filesystem("memory")
    with memory.open("/beside/in.parquet", "wb") as file:
        pd.DataFrame({"audio": [data]}).to_parquet(file)

    calls = [
        asrkit.transcribe_files("memory://beside", "audio", out="memory://beside/texts", model=Telling())
        for _ in range(2)
    ]

    assert [(call.shards, call.done, call.skipped) for call in calls] == [(1, 1, 0), (1, 0, 1)]
    assert calls[0].rows == 1


def test_one_shard_can_be_done_by_whoever_launches_it(tmp_path):
    rows = write_tables(tmp_path / "in", rows=4, shards=2)
    shard = tmp_path / "in" / "shard-1.parquet"

    result = asrkit.transcribe_shard(shard, out=tmp_path / "out", model=Telling())
    again = asrkit.transcribe_shard(shard, out=tmp_path / "out", model=Telling())

    assert (result.name, result.rows, again.rows) == ("shard-1.parquet", 2, 0)
    assert texts(tmp_path / "out")["hypothesis"].tolist() == rows["expected"].tolist()[2:]


def test_a_function_can_make_the_backend(tmp_path):
    write_tables(tmp_path / "in", rows=2, shards=1)

    assert asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=telling).rows == 2


def test_what_cannot_be_meant_is_refused_before_any_work(tmp_path):
    write_tables(tmp_path / "in", rows=2, shards=1)
    named = tmp_path / "in" / "*.parquet"

    with pytest.raises(OptionError, match=r"both tables .* and audio files"):
        asrkit.transcribe_files(tmp_path / "in", out=tmp_path / "out", model=Telling())
    with pytest.raises(OptionError, match="cannot be sent to a worker process"):
        asrkit.transcribe_files(named, out=tmp_path / "b", model=asrkit.Canned(lambda audio: "no"))
    with pytest.raises(ColumnError, match="no column 'audio'"):
        asrkit.transcribe_files(named, "audio", out=tmp_path / "c", model=Telling())
    with pytest.raises(SourceError, match="nothing is there"):
        asrkit.transcribe_files(tmp_path / "elsewhere" / "*.csv", out=tmp_path / "d", model=Telling())
    with pytest.raises(OptionError, match="expected on=None or on='ray'"):
        asrkit.transcribe_files(named, out=tmp_path / "e", on="spark", model=Telling())


def test_a_clip_that_kills_its_process_costs_one_row(tmp_path):
    rows = write_tables(tmp_path / "in", rows=20, shards=2)
    write_clip(tmp_path / "in" / "clip-13.wav", peak=0.99, seed=13)

    summary = asrkit.transcribe_files(tmp_path / "in" / "*.parquet", out=tmp_path / "out", model=Telling())

    found = texts(tmp_path / "out")
    assert dict(summary.failed) == {"crashed": 1}
    assert summary.restarts >= 2
    assert found["hypothesis_error"].notna().tolist() == [n == 13 for n in range(20)]
    others = [n for n in range(20) if n != 13]
    assert found["hypothesis"][others].tolist() == rows["expected"][others].tolist()


def test_a_call_killed_at_any_moment_goes_on_where_it_was(tmp_path):
    rows = write_tables(tmp_path / "in", rows=200, shards=10)
    log, journal = tmp_path / "heard.txt", tmp_path / "rows.sqlite"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import asrkit; from scale_backends import Telling\n"
        "asrkit.transcribe_files(sys.argv[2], out=sys.argv[3], model=Telling(wait=0.05, log=sys.argv[4]),"
        " journal=sys.argv[5], progress=False)"
    )
    told_to = [str(Path(__file__).parent), str(tmp_path / "in" / "*.parquet"), str(tmp_path / "out")]
    command = [sys.executable, "-c", code, *told_to, str(log), str(journal)]
    draw = random.Random(7)

    log.touch()
    kills = 0
    while kills < 20:
        with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
            enough = len(log.read_text().splitlines()) + draw.randint(0, 25)
            while len(log.read_text().splitlines()) < enough and process.poll() is None:
                time.sleep(0.005)
            time.sleep(draw.choice([0.0, 0.0, 0.01, 0.2]))
            if process.poll() is not None:
                break  # it has got to the end
            process.send_signal(signal.SIGKILL)
        kills += 1
        for path in (tmp_path / "out").glob("*.parquet"):
            pd.read_parquet(path)
    subprocess.run(command, check=True, timeout=120)

    found = texts(tmp_path / "out")
    assert found["hypothesis"].tolist() == rows["expected"].tolist()
    assert kills >= 5
    heard = Counter(log.read_text().splitlines())
    assert set(heard) == set(rows["expected"])
    assert sum(heard.values()) <= 200 + 8 * kills  # no more than the batch in flight
    deadline = time.monotonic() + 10
    while (left := list((tmp_path / "out").glob(".*.partial"))) and time.monotonic() < deadline:
        asrkit.transcribe_files(*told_to[1:2], out=told_to[2], model=Telling(wait=0.05, log=str(log)))
    assert left == []


def test_a_clip_is_not_suspected_when_its_caller_is_killed(tmp_path):
    write_tables(tmp_path / "in", rows=1, shards=1)
    journal = tmp_path / "rows.sqlite"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import asrkit; from scale_backends import Telling\n"
        "asrkit.transcribe_files(sys.argv[2], out=sys.argv[3], model=Telling(wait=1_000.0), journal=sys.argv[4],"
        " progress=False)"
    )
    given = [str(Path(__file__).parent), str(tmp_path / "in" / "*.parquet"), str(tmp_path / "out"), str(journal)]
    process = subprocess.Popen([sys.executable, "-c", code, *given], stderr=subprocess.PIPE)
    runs = tmp_path / "rows.sqlite-runs"
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in runs.glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    process.kill()
    process.communicate(timeout=60)  # until its worker, which holds the pipe too, has ended

    with Journal(journal) as opened:
        opened.begin("telling", {})[2].close()
        assert opened.deaths() == {}


def test_a_table_with_sound_in_it_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "PIECE_BYTES", 2 * 2**20)
    monkeypatch.setattr(tables, "READ_ROWS", 4)
    sound = [np.random.default_rng(n).bytes(250_000) for n in range(160)]
    whole = pa.table({"id": range(160), "audio": pa.array(sound, pa.binary())})
    pq.write_table(whole, tmp_path / "in.parquet", row_group_size=8)
    size = whole.nbytes
    del whole, sound
    before, most, rows = pa.total_allocated_bytes(), 0, []

    with tables.open_table(str(tmp_path / "in.parquet"), "audio") as table:
        for piece in table.pieces:
            rows += piece.column("id").to_pylist()
            most = max(most, pa.total_allocated_bytes() - before)

    assert rows == list(range(160))
    assert size == pytest.approx(40e6, rel=0.01)
    assert most < 16e6


def test_what_a_killed_process_left_in_memory_is_swept_away():
    code = (
        "import os\nfrom asrkit.scale.storage import scratch\n"
        "with scratch() as made: print(made, flush=True); os._exit(9)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    assert Path(told).is_dir()

    with scratch() as own:
        assert own.is_dir()
        assert not Path(told).exists()

    assert not own.exists()
