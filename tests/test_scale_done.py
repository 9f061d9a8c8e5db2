"""A shard is done where its own result is there; other files are left alone, and tables that are left out are named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
from scale_backends import Telling

import asrkit
from asrkit.errors import AsrkitError, OptionError, SourceError
from asrkit.scale import inputs, job

ROWS = 3


def write_table(path: Path, rows: int = ROWS) -> Path:
    """A table of one clip, which lies beside it, in several rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clip = path.parent / "clip.wav"
    if not clip.exists():
        soundfile.write(clip, np.random.default_rng(0).uniform(-0.5, 0.5, 1_600), 16_000)
    frame = pd.DataFrame({"path": ["clip.wav"] * rows, "id": range(rows)})
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def done(named: Any, out: Any, **options: Any) -> asrkit.Summary | asrkit.ShardResult:
    """In this process: what a worker does is the same, and slower to start."""
    return asrkit.transcribe_shard(named, out=out, model=Telling(), journal=False, **options)


def call(named: Any, out: Any, **options: Any) -> Any:
    return asrkit.transcribe_files(named, out=out, model=Telling(), journal=False, progress=False, **options)


def foreign_parquet(path: Path) -> None:
    pd.DataFrame({"hypothesis": ["mine"], "hypothesis_error": [None]}).to_parquet(path)


def of_other_options(path: Path) -> None:
    """Another run's result, copied into this folder."""
    table = write_table(path.parent.parent / "other" / "in.csv")
    done(table, path.parent.parent / "another", into="other")
    (path.parent.parent / "another" / "in.parquet").rename(path)


def of_another_language(path: Path) -> None:
    table = write_table(path.parent.parent / "other" / "in.csv")
    done(table, path.parent.parent / "another", language="de")
    (path.parent.parent / "another" / "in.parquet").rename(path)


def of_another_table(path: Path) -> None:
    done(write_table(path.parent.parent / "other" / "in.csv"), path.parent.parent / "another")
    (path.parent.parent / "another" / "in.parquet").rename(path)


FOREIGN: dict[str, Callable[[Path], Any]] = {
    "a foreign Parquet": foreign_parquet,
    "a text": lambda path: path.write_text("my own notes"),
    "zeros": lambda path: path.write_bytes(bytes(5_000)),
    "JSON": lambda path: path.write_text('{"PAR1": 1}'),
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to a foreign Parquet": lambda path: (
        foreign_parquet(path.with_name("_mine")),
        path.symlink_to(path.with_name("_mine")),
    ),
    "a result in another column": of_other_options,
    "a result in another language": of_another_language,
    "a result of another table": of_another_table,
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("is_begun", [False, True])
def test_another_file_with_a_results_name_is_refused_and_left_as_it_is(tmp_path, kind, is_begun):
    table = write_table(tmp_path / "in" / "in.csv")
    out = tmp_path / "out"
    out.mkdir()
    if is_begun:
        done(write_table(tmp_path / "in" / "first.csv"), out)
    FOREIGN[kind](out / "in.parquet")
    before = seen(out)

    for calls in (lambda: done(table, out), lambda: call(table, out)):
        with pytest.raises(OptionError, match=r"in\.parquet .*left as it was: move it away, or name another out="):
            calls()

        assert seen(out) == before


def seen(folder: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_ino, path.is_file() and path.read_bytes())
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 100, -1, -8, -100])
def test_what_is_left_of_a_result_is_no_result(tmp_path, size):
    table, out = write_table(tmp_path / "in" / "in.csv"), tmp_path / "out"
    done(table, out)
    whole = pd.read_parquet(out / "in.parquet")
    left = (out / "in.parquet").read_bytes()[:size]
    (out / "in.parquet").write_bytes(left)

    if left:
        with pytest.warns(UserWarning, match=r"cannot be read; they were renamed to _damaged-.*in\.parquet"):
            result = done(table, out)
    else:
        result = done(table, out)

    assert result.rows == ROWS
    pd.testing.assert_frame_equal(pd.read_parquet(out), whole)
    assert [path.read_bytes() for path in out.glob("_damaged-*")] == ([left] if left else [])


def test_a_whole_result_is_done_and_says_what_it_is_of(tmp_path):
    table, out = write_table(tmp_path / "in" / "in.csv"), tmp_path / "out"
    done(table, out)
    before = seen(out)

    assert done(table, out).rows == 0
    assert call(table, out).skipped == 1

    assert seen(out) == before
    footer = json.loads(pq.read_schema(out / "in.parquet").metadata[b"asrkit-shard"])
    assert (footer["source"], footer["size"]) == (str(table), table.stat().st_size)


def test_results_of_the_first_version_are_done(tmp_path):
    table, out = write_table(tmp_path / "in" / "in.csv"), tmp_path / "out"
    done(table, out)
    result = pq.read_table(out / "in.parquet")
    old = {key: value for key, value in result.schema.metadata.items() if key != b"asrkit-shard"}
    pq.write_table(result.replace_schema_metadata(old), out / "in.parquet")

    assert done(table, out).rows == 0


def test_a_table_that_has_changed_is_done_again(tmp_path):
    table, out = write_table(tmp_path / "in" / "in.csv"), tmp_path / "out"
    done(table, out)
    write_table(table, ROWS + 2)

    with pytest.warns(UserWarning, match=r"of tables that have changed since, and are made again: in\.parquet"):
        assert done(table, out).rows == ROWS + 2

    assert len(pd.read_parquet(out)) == ROWS + 2


def test_tables_that_were_moved_are_still_done(tmp_path):
    table, out = write_table(tmp_path / "in" / "in.csv"), tmp_path / "out"
    done(table, out)
    moved = table.parent.rename(tmp_path / "elsewhere") / "in.csv"

    assert done(moved, out).rows == 0


def test_an_object_stores_files_are_looked_at_too(tmp_path):
    table, memory = write_table(tmp_path / "in" / "in.csv"), fsspec.filesystem("memory")
    out = "memory://looked-at"
    with memory.open("/looked-at/in.parquet", "wb") as file:
        file.write(b"my own notes")
    with pytest.raises(OptionError, match="is no Parquet"):
        call(table, out)
    memory.rm("/looked-at/in.parquet")
    memory.touch("/looked-at/in.parquet")

    assert (call(table, out).done, call(table, out).skipped) == (1, 1)
    with memory.open("/looked-at/in.parquet", "rb") as file:
        cut = file.read()[:-5]
    with memory.open("/looked-at/in.parquet", "wb") as file:
        file.write(cut)
    with pytest.warns(UserWarning, match="cannot be read"):
        assert call(table, out).done == 1


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe", b'{"layout": 1e999}', b"[]", b'{"layout": "x"}'])
def test_a_note_that_is_not_asrkits_is_left_alone(tmp_path, content):
    table, out = write_table(tmp_path / "in" / "in.csv"), tmp_path / "out"
    out.mkdir()
    (out / job.NOTE).write_bytes(content)

    with pytest.raises(AsrkitError, match="is not asrkit's"):
        done(table, out)

    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [(job.NOTE, content)]


# -- names


HIDDEN = ["_u.csv", ".hid.csv", "_deep/u.csv", "deep/_u.tsv", "deep/.hid.parquet", "._resource.wav", "_sound.flac"]


@pytest.mark.parametrize("named", [".", "**", "**/*"])
def test_what_is_left_out_is_named(tmp_path, named):
    for name in ["a.csv", "deep/b.csv", *HIDDEN]:
        write_table(tmp_path / "in" / name) if name.endswith(("sv", "parquet")) else (tmp_path / "in" / name).touch()
    (tmp_path / "in" / "_SUCCESS").touch()
    for folder in ("", "deep", "_deep"):
        (tmp_path / "in" / folder / "clip.wav").unlink()

    with pytest.warns(UserWarning, match="left out, as their names begin with .* and 2 more") as said:
        shards = inputs.shards_of(tmp_path / "in" / named, str(tmp_path / "out"), "path", shard_hours=1.0)

    assert sorted(shard.source for shard in shards) == [str(tmp_path / "in" / name) for name in ("a.csv", "deep/b.csv")]
    assert "_SUCCESS" not in str(said[0].message)


@pytest.mark.parametrize("pattern", ["*.csv", "?*.csv", "[!x]*.csv"])
def test_a_glob_leaves_out_only_what_it_would_match(tmp_path, pattern):
    for name in ("a.csv", "_u.csv", ".hid.csv", "_u.tsv"):
        write_table(tmp_path / "in" / name)

    with pytest.warns(UserWarning, match="left out") as said:
        [shard] = inputs.shards_of(tmp_path / "in" / pattern, str(tmp_path / "out"), "path", shard_hours=1.0)

    assert shard.source.endswith("a.csv")
    assert "_u.csv" in str(said[0].message)
    assert "_u.tsv" not in str(said[0].message)


@pytest.mark.parametrize("name", ["_u.csv", ".hid.csv", "__x.parquet", "._y.tsv", "_.csv"])
def test_a_table_that_is_named_itself_is_done_and_its_result_is_seen(tmp_path, name):
    table = write_table(tmp_path / "in" / name)

    assert call(table, tmp_path / "out").done == 1
    assert call(table, tmp_path / "out").skipped == 1

    assert len(pd.read_parquet(tmp_path / "out")) == ROWS


@pytest.mark.parametrize("pattern", ["_*.csv", "_u*", "**/_u.csv"])
def test_a_glob_that_asks_for_an_underscore_gets_it(tmp_path, pattern, recwarn):
    write_table(tmp_path / "in" / "_u.csv")
    write_table(tmp_path / "in" / "a.csv")

    [shard] = inputs.shards_of(tmp_path / "in" / pattern, str(tmp_path / "out"), "path", shard_hours=1.0)

    assert shard.source == str(tmp_path / "in" / "_u.csv")
    assert shard.target == str(tmp_path / "out" / "u.parquet")
    assert list(recwarn) == []


def test_where_all_is_left_out_the_error_names_it(tmp_path):
    write_table(tmp_path / "in" / "_u.csv")
    (tmp_path / "in" / "clip.wav").unlink()

    with pytest.raises(SourceError, match=r"nothing is there: .* but _u\.csv, which begin with"):
        call(tmp_path / "in", tmp_path / "out")


def test_an_object_stores_hidden_tables_are_named(tmp_path):
    memory = fsspec.filesystem("memory")
    for name in ("a.csv", "_u.csv", ".hid.csv", "_deep/b.csv"):
        with memory.open(f"/hidden/{name}", "wb") as file:
            file.write(b"path\na.wav\n")

    with pytest.warns(UserWarning, match="left out") as said:
        [shard] = inputs.shards_of("memory://hidden", str(tmp_path / "out"), "path", shard_hours=1.0)

    assert shard.source.endswith("hidden/a.csv")
    assert all(name in str(said[0].message) for name in ("/_u.csv", "/.hid.csv", "/_deep/b.csv"))


@pytest.mark.parametrize("first, second", [("a.csv", "a.tsv"), ("a.csv", "a.parquet"), ("_a.csv", "a.csv")])
def test_tables_that_would_have_one_result_are_refused(tmp_path, first, second):
    tables = [write_table(tmp_path / "in" / name) for name in (first, second)]

    with pytest.raises(OptionError, match=r"would both be written to .*a\.parquet"):
        call(tables, tmp_path / "out")

    assert not (tmp_path / "out" / "a.parquet").exists()


@pytest.mark.parametrize("folds", [False, True])
def test_names_that_differ_by_case_are_refused_where_the_disk_makes_them_one(tmp_path, monkeypatch, folds):
    tables = [write_table(tmp_path / name / f"{name}.csv") for name in ("a", "A")]
    if len({path.stat().st_ino for path in tables}) < 2:
        pytest.skip("this disk tells no cases apart")
    assert not inputs.folds_case(tmp_path)
    monkeypatch.setattr(inputs, "folds_case", lambda out: folds)

    if folds:
        with pytest.raises(OptionError, match="would both be written to"):
            call(tables, tmp_path / "out")
    else:
        assert call(tables, tmp_path / "out").done == 2


@pytest.mark.parametrize(
    "change", [lambda result: result.slice(0, 1), lambda result: result.drop_columns(["hypothesis"])]
)
def test_a_result_that_lost_rows_or_columns_is_made_again(tmp_path, change):
    table, out = write_table(tmp_path / "t.csv"), tmp_path / "out"
    call(table, out)
    result = next(out.glob("*.parquet"))
    pq.write_table(change(pq.read_table(result)), result)

    with pytest.warns(UserWarning, match="cannot be read"):
        call(table, out)

    assert pq.read_table(result).num_rows == ROWS
    assert "hypothesis" in pq.read_schema(result).names
