"""Which process is at work on which rows, so that two of them that share a journal share the work and do nothing twice.

A run claims rows just before it works on them, some at once, and lets go of them when their outcome is on disk. Another
run puts rows off that are claimed, and then takes their texts from the journal. A claim is worth nothing any more when
its process has died (the lock on its notes is gone, see ``attempts``) or shows no sign of life: it is suspended, or
whoever iterates over its rows has stopped asking for more.

Claims need not survive a power cut, so they lie in a database of their own that is never synced. Its name holds the
number of the machine's boot: after a power cut, which may have damaged it, nobody looks at it again. So processes on
different machines do not see each other's claims.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .attempts import HAS_LOCKS, is_alive

__all__ = ["Claims", "Taken"]

BEAT, STALE = 5.0, 60.0  # seconds between two signs of life; without one for so long, others take the rows over
BUSY_SECONDS = 10.0
OLD = 7 * 86_400.0  # seconds: of an earlier boot, not of another machine that is at work
BOOT = Path("/proc/sys/kernel/random/boot_id")

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, pid INTEGER NOT NULL, beat REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS claims (key BLOB PRIMARY KEY, run INTEGER NOT NULL) WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an attempt to claim rows.

    Args:
        held: the rows that another run works on, with its process's number.
        orphaned: numbers of runs that had claimed some of them, and have died or show no sign of life.
        is_news: another run has been at work since ``look``: its outcomes may be in the journal.
    """

    held: Mapping[bytes, int]
    orphaned: frozenset[int] = frozenset()
    is_news: bool = False


class Claims:
    """The claims of one run. Where they cannot be kept (no locks, a full disk), nothing is ever held by others.

    Args:
        folder: of the notes of all runs.
        run: its number.
        stale: seconds without a sign of life after which a claim is worth nothing.
        clock: seconds since the machine was started, the same for all processes.
    """

    def __init__(
        self, folder: Path, run: int, *, stale: float = STALE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder, self.run, self.stale = folder, run, stale
        self.is_paused = False  # nobody asks for the next row, so there is no sign of life
        self._clock = clock
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._version = 0
        self._owner = os.getpid()
        self._beating: threading.Thread | None = None
        self._connection: Any = None
        if not HAS_LOCKS:
            return  # nobody can be told dead there
        with self._tolerant():
            self._connection = self._opened()
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM claims WHERE run = ?", (run,))  # of a journal that was removed since
            self._connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", (run, self._owner, clock()))
            self._connection.execute("COMMIT")

    def _opened(self) -> sqlite3.Connection:
        boot = BOOT.read_text().strip() if BOOT.is_file() else "any"
        path = self.folder / f"claims-{boot}"
        if not path.exists():  # else closing it would take away SQLite's locks of another run of this process
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        for old in self.folder.glob("claims-*"):
            if not old.name.startswith(path.name) and time.time() - old.stat().st_mtime > OLD:
                old.unlink(missing_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = TRUNCATE")  # what a process that is killed has begun is rolled back
        connection.execute("PRAGMA synchronous = OFF")
        for statement in SCHEMA:
            connection.execute(statement)
        return connection

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        """A claim that cannot be made costs a row heard twice at worst; it stops no run."""
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError):
                connection, self._connection = self._connection, None
                if connection is not None:
                    with contextlib.suppress(sqlite3.Error):
                        connection.close()

    @property
    def _is_on(self) -> bool:
        return self._connection is not None and self._owner == os.getpid()  # not in the child of a fork

    def look(self) -> None:
        """From now on it is news when another run does something: to be called before the journal is asked for rows."""
        with self._tolerant():
            if self._is_on:
                self._version = self._data_version()

    def _data_version(self) -> int:
        [(version,)] = self._connection.execute("PRAGMA data_version")
        return int(version)

    def take(self, keys: Sequence[bytes]) -> Taken:
        """Claim those of these rows that no other run works on."""
        held: dict[bytes, int] = {}
        orphaned: set[int] = set()
        is_news = False
        with self._tolerant():
            if not self._is_on or not keys:
                return Taken({})
            self._keep_beating()
            run = self._connection.execute
            run("BEGIN IMMEDIATE")
            try:
                marks = ", ".join("?" * len(keys))
                claimed = dict(run(f"SELECT key, run FROM claims WHERE key IN ({marks})", keys))  # noqa: S608 - marks
                others = {number: self._pid_of(number) for number in {*claimed.values()} - {self.run}}
                held = {key: pid for key, number in claimed.items() if (pid := others.get(number)) is not None}
                orphaned = {number for number, pid in others.items() if pid is None}
                free = [(key, self.run) for key in keys if key not in held]
                self._connection.executemany("INSERT OR REPLACE INTO claims VALUES (?, ?)", free)
                is_news = self._data_version() != self._version
                run("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    run("ROLLBACK")
                raise
        return Taken(held, frozenset(orphaned), is_news)

    def _pid_of(self, run: int) -> int | None:
        """Of a run that is alive; None of one that is not."""
        for pid, beat in self._connection.execute("SELECT pid, beat FROM runs WHERE run = ?", (run,)):
            if self._clock() - beat < self.stale and is_alive(self.folder, run):
                return int(pid)
        return None

    def release(self, keys: Iterable[bytes]) -> None:
        """The outcome of these rows is on disk, or will never be."""
        mine = [(key, self.run) for key in keys]
        if mine:
            with self._tolerant():
                if self._is_on:
                    self._connection.execute("BEGIN IMMEDIATE")
                    self._connection.executemany("DELETE FROM claims WHERE key = ? AND run = ?", mine)
                    self._connection.execute("COMMIT")

    def close(self) -> None:
        """The run is over."""
        self._over.set()
        with self._tolerant():
            connection = self._connection
            if self._is_on:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("DELETE FROM claims WHERE run = ?", (self.run,))
                connection.execute("DELETE FROM runs WHERE run = ?", (self.run,))
                connection.execute("COMMIT")
                connection.close()
                self._connection = None

    def _keep_beating(self) -> None:
        if self._beating is None:
            self._beating = threading.Thread(target=self._beat, name="asrkit-claims", daemon=True)
            self._beating.start()

    def _beat(self) -> None:
        while not self._over.wait(min(BEAT, self.stale / 4)):
            if not self.is_paused:
                with self._tolerant():
                    if self._is_on:
                        values = (self._clock(), self.run)
                        self._connection.execute("UPDATE runs SET beat = ? WHERE run = ?", values)
