"""The journal's file: an SQLite database with a rollback journal, whose commits survive a power cut.

Measured with the power cut at hundreds of points (``tests/test_journal_power.py``): what a commit has acknowledged is
never lost. Of the modes that promise this, ``TRUNCATE`` with ``synchronous=FULL`` also makes sure that a rollback
journal that is over cannot come back, for which ``DELETE`` would have to sync the folder. WAL is not used: SQLite 3.7.0
to 3.51.2 can corrupt it when two connections write at one instant.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from ..errors import JournalError

__all__ = ["APPLICATION", "BUSY_SECONDS", "MIGRATIONS", "Connect", "Connection", "connect", "prepare"]

APPLICATION = 0x61737231  # "asr1": other programs' databases are not touched
BUSY_SECONDS = 30.0  # to wait for another process's commit

# The schema's history: the n-th script takes a journal of version n to n + 1. Never edit one that was released.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE fingerprints (
        id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, model TEXT NOT NULL, json TEXT NOT NULL
    );
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint INTEGER NOT NULL, began REAL NOT NULL
    );
    CREATE TABLE results (
        key BLOB NOT NULL UNIQUE, fingerprint INTEGER NOT NULL, code TEXT, detail TEXT NOT NULL, mark INTEGER NOT NULL,
        cost REAL, waited REAL NOT NULL, created REAL NOT NULL, used INTEGER NOT NULL
    );
    CREATE TABLE parts (
        row BLOB NOT NULL, part BLOB NOT NULL, detail TEXT NOT NULL, mark INTEGER NOT NULL, used INTEGER NOT NULL,
        PRIMARY KEY (row, part)
    ) WITHOUT ROWID;
    CREATE TABLE files (
        path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode TEXT NOT NULL,
        sha256 BLOB NOT NULL, used INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE intents (
        id BLOB PRIMARY KEY, run INTEGER NOT NULL, fingerprint INTEGER NOT NULL, row BLOB, seconds REAL NOT NULL,
        dollars REAL, sent REAL NOT NULL, is_doubtful INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE deaths (
        key BLOB NOT NULL, run INTEGER NOT NULL, alone INTEGER NOT NULL, PRIMARY KEY (key, run)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE files ADD COLUMN ctime_ns INTEGER;
    CREATE TABLE unreadable (
        key BLOB NOT NULL, fingerprint INTEGER, code TEXT, detail TEXT, mark INTEGER, created REAL, UNIQUE (key, detail)
    )
    """,
    """
    CREATE TABLE payments (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, fingerprint INTEGER NOT NULL,
        row INTEGER NOT NULL, payer BLOB NOT NULL, dollars REAL NOT NULL
    );
    """,
)


class Connection(Protocol):
    """What is used of a connection: that of ``sqlite3``, and in the tests one that loses what was not synced."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Iterator[Any]:
        """Run a statement; gives its rows."""

    def executemany(self, statement: str, values: Iterable[Sequence[Any]], /) -> Iterator[Any]:
        """Run it for each."""

    def close(self) -> None:
        """Let go of the file."""


Connect = Callable[[str], Connection]


def connect(path: str) -> Connection:
    """The standard library's; transactions are begun and ended by hand, threads take turns by the store's lock."""
    connection: Any = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    return connection  # type: ignore[no-any-return]


def _text(data: bytes) -> str:
    """Also of a damaged row, whose bytes may be no text: its check sum tells, not an exception that ends the run."""
    return data.decode("utf-8", "surrogateescape")


def prepare(connection: Connection, path: str) -> None:
    """Set what makes commits last, then bring the schema up to date.

    Raises:
        JournalError: ``newer``, or ``no-journal``.
    """
    list(connection.execute(f"PRAGMA busy_timeout = {int(1_000 * BUSY_SECONDS)}"))
    list(connection.execute("PRAGMA trusted_schema = OFF"))
    list(connection.execute("PRAGMA cell_size_check = ON"))
    list(connection.execute("PRAGMA mmap_size = 0"))
    list(connection.execute("PRAGMA journal_mode = TRUNCATE"))
    list(connection.execute("PRAGMA synchronous = FULL"))
    list(connection.execute("PRAGMA fullfsync = ON"))  # macOS: fsync alone leaves it in the drive's cache
    if _version(connection, path) == len(MIGRATIONS):
        return
    list(connection.execute("BEGIN EXCLUSIVE"))  # two processes may open a new one at once
    try:
        for number in range(_version(connection, path), len(MIGRATIONS)):
            for statement in MIGRATIONS[number].split(";"):
                if statement.strip():
                    list(connection.execute(statement))
            list(connection.execute(f"PRAGMA user_version = {number + 1}"))
        list(connection.execute(f"PRAGMA application_id = {APPLICATION}"))
        list(connection.execute("COMMIT"))
    except BaseException:
        list(connection.execute("ROLLBACK"))
        raise


def _version(connection: Connection, path: str) -> int:
    [(version,)] = connection.execute("PRAGMA user_version")
    [(application,)] = connection.execute("PRAGMA application_id")
    [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_schema")
    if application != APPLICATION and (version or tables):
        raise JournalError(f"{path} is another program's database, not a journal; name another file", code="no-journal")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{path} was written by a newer asrkit (its version is {version}, this one knows {len(MIGRATIONS)}); "
            "upgrade asrkit, or name another file with journal=",
            code="newer",
        )
    return int(version)
