"""What a user names is looked at before it is touched: nothing that is not asrkit's changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import asrkit
from asrkit.audio import Audio, encode
from asrkit.cli import main
from asrkit.errors import AsrkitError, JournalError, LabelsError
from asrkit.journal.store import Journal
from asrkit.labels import Item
from asrkit.labels import Journal as LabelLog

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes, links and pipes of Unix")

PATIENCE = 60.0  # seconds after which a call that should take one hangs
CLIP = encode(Audio(np.full(1_000, 0.01, np.float32)), "wav").data
ITEMS = [Item("item0", 0, "0.wav", "so it is")]


def foreign_database(path: Path, mode: str = "DELETE", *, is_left: bool = False) -> None:
    """With a table; ``is_left``: as after a crash in the middle of a transaction, with what SQLite keeps beside it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE passwords (a TEXT)")
        connection.execute("INSERT INTO passwords VALUES ('x')")
        if not is_left:
            return
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO passwords VALUES (?)", [("y" * 3_000,) for _ in range(50)])
        kept = {file: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}
        connection.execute("COMMIT")
    for file, content in kept.items():
        file.write_bytes(content)


def link_to(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        target = path.with_name(f"target-of-{path.name}")
        make(target)
        path.symlink_to(target)

    return made


def hard_link_to(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        target = path.with_name(f"target-of-{path.name}")
        make(target)
        path.hardlink_to(target)

    return made


def bound(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has a hundred letters at most
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    """The same as /dev/null, where this user may make one."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        path.chmod(0o666)
    except OSError:
        pytest.skip("this user may not make devices")


def text(content: bytes) -> Callable[[Path], None]:
    return lambda path: void(path.write_bytes(content))


def void(_: object) -> None: ...


FOREIGN: dict[str, Callable[[Path], None]] = {
    "text": text(b"dear diary\n"),
    "one byte": text(b"x"),
    "blank lines": text(b"\n\n\n"),
    "zeros": text(bytes(5_000)),
    "JSON lines": text(b'{"op": "edit", "item": "a"}\n{"a": 1}\n'),
    "CSV": text(b"path,text\na.wav,hello\n" * 100),
    "Parquet": text(b"PAR1" + bytes(600) + b"PAR1"),
    "SQLite's first bytes": text(b"SQLite format 3\0" + bytes(2_000)),
    "database": foreign_database,
    "database in WAL mode": lambda path: foreign_database(path, "WAL"),
    "database with a rollback journal": lambda path: foreign_database(path, is_left=True),
    "database with a write-ahead log": lambda path: foreign_database(path, "WAL", is_left=True),
    "folder": lambda path: path.mkdir(),
    "folder with files": lambda path: (path.mkdir(), (path / "1").write_text("mine"))[0],
    "pipe": lambda path: os.mkfifo(path),
    "socket": bound,
    "device": device,
}
FOREIGN |= {f"link to {name}": link_to(make) for name, make in FOREIGN.items()}
FOREIGN |= {f"hard link to {name}": hard_link_to(FOREIGN[name]) for name in ("text", "database", "device", "pipe")}
FOREIGN["link that leads nowhere"] = lambda path: path.symlink_to(path.with_name("nowhere"))
FOREIGN["link to itself"] = lambda path: path.symlink_to(path)


def picture(folder: Path) -> dict[str, Any]:
    """Everything below a folder that a program could change, but for the times of reading."""
    seen: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        about: list[Any] = [stat.filemode(status.st_mode), status.st_uid, status.st_ino, status.st_mtime_ns]
        if not stat.S_ISDIR(status.st_mode):
            about += [status.st_ctime_ns, status.st_size]
        if stat.S_ISREG(status.st_mode):
            about.append(hashlib.sha256(path.read_bytes()).hexdigest())
        if stat.S_ISLNK(status.st_mode):
            about.append(str(path.readlink()))
        seen[str(path.relative_to(folder))] = about
    return seen


def in_time(call: Callable[[], Any]) -> Any:
    """What a call gives or raises; a call that hangs fails the test."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(call())
        except BaseException as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert came, "it hangs"
    return came[0]


def transcribe(path: Path) -> list[Any]:
    return list(asrkit.transcribe([CLIP], model=asrkit.Canned(["so"]), journal=path, progress=False))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "named"
    made.mkdir()
    return made


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_journal_touches_nothing_that_is_not_its_own(folder, kind):
    path = folder / "mine"
    FOREIGN[kind](path)
    before = picture(folder)

    error = in_time(lambda: transcribe(path))

    assert isinstance(error, JournalError)
    assert error.code in {"no-journal", "damaged", "read-only"}
    assert "mine" in str(error)
    assert picture(folder) == before


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("verb", ["show", "prune --failed"])
def test_the_command_touches_nothing_either(folder, kind, verb, capsys):
    path = folder / "mine"
    FOREIGN[kind](path)
    before = picture(folder)

    assert in_time(lambda: main(["journal", *verb.split(), "--journal", str(path)])) == 2

    assert picture(folder) == before


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_label_log_touches_nothing_that_is_not_its_own(folder, kind):
    path = folder / "mine"
    FOREIGN[kind](path)
    before = picture(folder)

    written = in_time(lambda: LabelLog(path, ITEMS))
    read = in_time(lambda: asrkit.read_labels(path))

    assert isinstance(written, LabelsError)
    assert isinstance(read, LabelsError)
    assert "mine" in str(written)
    assert picture(folder) == before


@pytest.mark.parametrize("beside", ["-journal", "-wal"])
@pytest.mark.parametrize("kind", ["absent", "empty", "journal"])
def test_a_file_that_sqlite_would_overwrite_is_left_alone(folder, beside, kind):
    path = folder / "mine"
    if kind == "empty":
        path.touch()
    elif kind == "journal":
        transcribe(path)
    path.with_name(f"mine{beside}").write_text("my own notes")
    before = picture(folder)

    with pytest.raises(JournalError, match=f"SQLite would overwrite .*mine{beside}"):
        transcribe(path)

    assert picture(folder) == before


def test_notes_of_runs_are_not_written_over_other_files(folder):
    path = folder / "mine"
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("1", "2", "2024"):
        (elsewhere / name).write_text("my own notes")
    path.with_name("mine-runs").symlink_to(elsewhere)
    before = picture(elsewhere)

    with pytest.raises(JournalError, match="mine-runs"):
        transcribe(path)
    path.with_name("mine-runs").unlink()
    elsewhere.rename(path.with_name("mine-runs"))
    with pytest.raises(JournalError, match="mine-runs/1"):
        transcribe(path)
    (path.with_name("mine-runs") / "1").rename(path.with_name("mine-runs") / "3000")
    (path.with_name("mine-runs") / "2").rename(path.with_name("mine-runs") / "4000")
    os.mkfifo(path.with_name("mine-runs") / "5000")
    assert in_time(lambda: transcribe(path))[0].text == "so"

    left = sorted(file.name for file in path.with_name("mine-runs").glob("[0-9]*"))
    assert left == ["2024", "3000", "4000", "5000"]
    assert (path.with_name("mine-runs") / "2024").read_text() == "my own notes"
    assert sorted(before) == ["1", "2", "2024"]


def test_a_link_to_ones_own_journal_is_followed(folder, tmp_path):
    disk = tmp_path / "another disk"
    transcribe(disk / "journal.sqlite")
    (folder / "mine").symlink_to(disk / "journal.sqlite")
    model = asrkit.Canned(["so"])

    [heard] = asrkit.transcribe([CLIP], model=model, journal=folder / "mine", progress=False)

    assert (heard.text, model.heard) == ("so", 0)
    assert [path.name for path in folder.iterdir()] == ["mine"]
    assert (folder / "mine").is_symlink()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_rights_are_only_taken_away_and_only_from_a_journal(folder, mode):
    path = folder / "mine"
    transcribe(path)
    path.chmod(mode)

    transcribe(path)

    assert stat.S_IMODE(path.stat().st_mode) == mode & 0o700


@pytest.mark.parametrize("opens", [transcribe, lambda path: LabelLog(path, ITEMS)])
def test_what_was_made_read_only_stays_so(folder, opens):
    path = folder / "mine"
    with contextlib.suppress(AttributeError):
        opens(path).close()
    path.chmod(0o444)
    before = picture(folder)

    with pytest.raises(AsrkitError, match="read-only"):
        opens(path)

    assert picture(folder) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_the_mode_of_another_users_journal_stays(folder):
    path = folder / "mine"
    transcribe(path)
    os.chown(path, 12_345, 12_345)
    path.chmod(0o664)

    transcribe(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_looking_at_a_journal_takes_no_lock_of_this_process_away(folder):
    path = folder / "mine"
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.01).execute('BEGIN IMMEDIATE')"
    with Journal(path) as first, first.transaction():
        Journal(path).close()

        told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)

    assert "database is locked" in told.stderr


REPORTS: dict[str, Callable[[Path], Any]] = {
    "score.to_json": lambda path: _score().to_json(path),
    "comparison.to_html": lambda path: _comparison().to_html(path),
    "player.to_html": lambda path: _frame().asr.play("audio", 0).to_html(path),
    "labeler.save": lambda path: _saved(path),
}


def _frame() -> Any:
    import pandas as pd

    return pd.DataFrame({"audio": [CLIP], "text": ["so"], "one": ["so"], "two": ["no"]})


def _score() -> Any:
    return _frame().asr.score(reference="text", hypothesis="one")


def _comparison() -> Any:
    return _frame().asr.compare(reference="text", hypotheses=["one", "two"])


def _saved(path: Path) -> Any:
    labeler = _frame().asr.label("audio", hypothesis="one", journal=path.parent.parent / "labels.jsonl")
    try:
        return labeler.save(path)
    finally:
        labeler.close()


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "link to device", "link that leads nowhere"])
def test_a_report_replaces_nothing_but_files(folder, report, kind):
    if report in ("player.to_html", "labeler.save"):
        pytest.importorskip("anywidget")
    path = folder / "out.csv"
    FOREIGN[kind](path)
    before = picture(folder)

    assert isinstance(in_time(lambda: REPORTS[report](path)), OSError | LabelsError)

    assert picture(folder) == before


@pytest.mark.parametrize("report", ["score.to_json", "comparison.to_html"])
def test_a_report_keeps_the_link_and_the_mode_of_the_file_that_it_replaces(folder, report):
    target = folder / "target"
    target.write_text("old")
    target.chmod(0o600)
    (folder / "link").symlink_to(target)

    REPORTS[report](folder / "link")

    assert (folder / "link").is_symlink()
    assert len(target.read_text()) > 10
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["file:other.db", "file::memory:", ":memory:", "file:other.db?mode=rwc"])
def test_a_name_that_sqlite_would_open_as_something_else_is_a_file_like_any_other(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.db").write_text("")

    for _ in range(2):
        model = asrkit.Canned(["so"])
        list(asrkit.transcribe([CLIP], model=model, journal=name, progress=False))

    assert model.heard == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"other.db", name, f"{name}-journal", f"{name}-runs"}
    assert (tmp_path / "other.db").read_text() == ""
    assert (tmp_path / name).stat().st_size > 0
