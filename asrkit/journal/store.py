"""Everything that is read from and written to a journal's file, in transactions that are on disk when they return."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from math import ceil, isfinite
from pathlib import Path
from typing import Any, Self

from ..errors import JournalError
from .attempts import Attempts, runs
from .keys import canonical
from .recognise import close_to_others, recognised, unwritable
from .schema import Connect, Connection, connect, prepare

__all__ = ["Intent", "Journal", "Kept", "Operation", "Stamp", "mark_of", "number"]

Operation = tuple[str, Sequence[Sequence[Any]]]  # a statement, and the values of each time that it is run
_connect = connect
AT_ONCE = 500  # values in one query
DIGEST_BYTES = 32
ROOM = 0.8  # of the limit: what is left when the oldest were removed

KEEP = (
    "INSERT OR REPLACE INTO results (key, fingerprint, code, detail, mark, cost, waited, created, used) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
KEEP_PART = "INSERT OR REPLACE INTO parts (row, part, detail, mark, used) VALUES (?, ?, ?, ?, ?)"
KEEP_FILE = (
    "INSERT OR REPLACE INTO files (path, size, mtime_ns, ctime_ns, inode, sha256, used) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
SET_ASIDE = (  # what could not be read stays, though its row is done again
    "INSERT OR IGNORE INTO unreadable (key, fingerprint, code, detail, mark, created) "
    "SELECT key, fingerprint, code, detail, mark, created FROM results WHERE key = ?"
)
KEEP_INTENT = (
    "INSERT INTO intents (id, run, fingerprint, row, seconds, dollars, sent, is_doubtful) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, 0)"
)
KEEP_DEATH = "INSERT OR IGNORE INTO deaths (key, run, alone) VALUES (?, ?, ?)"
USE = "UPDATE results SET used = ? WHERE key = ?"
USE_FILE = "UPDATE files SET used = ? WHERE path = ?"
FORGET_PARTS = "DELETE FROM parts WHERE row = ?"
FORGET_INTENT = "DELETE FROM intents WHERE id = ?"
FORGET_INTENTS = "DELETE FROM intents WHERE row = ?"
FORGET_DEATHS = "DELETE FROM deaths WHERE key = ?"
FORGIVE = "UPDATE deaths SET alone = 0 WHERE key = ?"
DOUBT_RUN = "UPDATE intents SET is_doubtful = 1 WHERE run = ?"
DOUBT = "UPDATE intents SET is_doubtful = 1 WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it was written down.

    Args:
        code: of the error; None for a text.
        detail: JSON, the transcript or the error's message.
        waited: seconds of the clock that its run took for it.
    """

    code: str | None
    detail: str
    waited: float


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file, and what changes when it does.

    Programs can set ``mtime_ns``, the time of the last change of the content, to what they like; ``ctime_ns`` is the
    system's own time of the last change of any kind (on Windows: of the creation). It is None where an earlier version
    of asrkit wrote the stamp down, which then equals none.
    """

    path: bytes
    size: int
    mtime_ns: int
    ctime_ns: int | None
    inode: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A request without an answer.

    Args:
        model: that was asked.
        row: the row's key.
        seconds: of audio.
        dollars: that it may have cost; None where no price is published.
        sent: when, in seconds since 1970.
        is_doubtful: nobody waits for its answer any more.
        run: that has sent it.
    """

    id: bytes
    model: str
    row: bytes | None
    seconds: float
    dollars: float | None
    sent: float
    is_doubtful: bool
    run: int


def mark_of(key: bytes, code: str | None, detail: str) -> int:
    """A check sum: SQLite has none, and a damaged text must not pass for a heard one."""
    return zlib.crc32(f"{code} {detail}".encode("utf-8", "surrogateescape"), zlib.crc32(key))


def number(value: object) -> float | None:
    """A number that SQLite gives; None for anything else, as a damaged row may hold it.

    >>> number(1), number("1"), number(None), number(float("nan"))
    (1.0, None, None, None)
    """
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


class Journal:
    """A journal's file, opened.

    Args:
        path: of the file, which is there, if only empty.
        connect: opens the database.

    Raises:
        JournalError: it cannot be read, or is not for this version.
    """

    def __init__(self, path: Path, connect: Connect = connect) -> None:
        # A relative name may look like one that SQLite opens as something else: ":memory:", "file:x.db".
        self.path = path = path.absolute()
        self.folder = path.with_name(f"{path.name}-runs")  # the notes of those that live
        self.damaged: set[bytes] = set()  # keys of what is not what was written, so that it counts as not there
        self._lock = threading.RLock()
        self._recognised = recognised(path)
        try:
            with self._translated():
                self._connection: Connection = connect(str(path))
                try:
                    self._recognised.check_same(path)
                    prepare(self._connection, str(path))
                    if connect is _connect and not any(self._is_as_long_as_it_says() for _ in range(3)):
                        raise sqlite3.DatabaseError("the file ends in the middle of a page")
                except BaseException:
                    self._connection.close()
                    raise
        except BaseException:
            self._recognised.release()
            raise
        close_to_others(path)

    def _is_as_long_as_it_says(self) -> bool:
        """SQLite takes a last page that is cut for one that ends in zeros; no only while another process shrinks it."""
        [(pages,)] = self._connection.execute("PRAGMA page_count")
        [(size,)] = self._connection.execute("PRAGMA page_size")
        return self.path.stat().st_size >= int(pages * size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, self._translated():
            self._connection.close()
            self._recognised.release()

    # -- transactions -------------------------------------------------------------------------------------------

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a query."""
        with self._lock, self._translated():
            return list(self._connection.execute(statement, values))

    def write(self, operations: Iterable[Operation], *, only_if: Callable[[], bool] | None = None) -> bool:
        """All of it is on disk when this returns, or none of it is there.

        ``only_if`` is asked while no other process can write; where it says no, nothing is written, which is returned.

        Raises:
            JournalError: ``disk-full``, ``read-only``, ``busy``, ``damaged``.
        """
        with self.transaction():
            if only_if is not None and not only_if():
                return False
            for statement, values in operations:
                list(self._connection.executemany(statement, values))
        return True

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """What is executed inside is written together."""
        with self._lock, self._translated():
            list(self._connection.execute("BEGIN IMMEDIATE"))
            try:
                yield
                list(self._connection.execute("COMMIT"))
            except BaseException:
                with contextlib.suppress(Exception):  # SQLite may have rolled it back itself
                    list(self._connection.execute("ROLLBACK"))
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _journal_error(self.path, error) from error
        except UnicodeDecodeError as error:  # SQLite quotes what it found in place of its schema
            raise _journal_error(self.path, sqlite3.DatabaseError("malformed database schema")) from error

    def _in(self, statement: str, values: Iterable[Any]) -> Iterator[Any]:
        """Rows of a query whose ``IN (?)`` takes many values."""
        rest = iter(values)
        while some := list(islice(rest, AT_ONCE)):
            yield from self.read(statement.replace("(?)", f"({', '.join('?' * len(some))})"), some)

    # -- a run --------------------------------------------------------------------------------------------------

    def begin(self, model: str, asked: Mapping[str, Any]) -> tuple[int, int, Attempts]:
        """A run begins: its number, that of what answers, and its notes. What dead runs left is taken up."""
        told = canonical(asked)
        digest = sha256(told.encode()).digest()
        attempts: Attempts | None = None
        try:
            with self.transaction():  # as long as it is open, no other run begins
                run = self._connection.execute
                dead, alive = runs(self.folder)
                died = [(key, one.run, int(alone)) for one in dead for key, alone in one.rows]
                list(self._connection.executemany(KEEP_DEATH, died))
                living = ", ".join(map(str, sorted(alive))) or "-1"
                list(run(f"UPDATE intents SET is_doubtful = 1 WHERE NOT is_doubtful AND run NOT IN ({living})"))  # noqa: S608 - numbers
                values = (digest, model, told)
                list(run("INSERT OR IGNORE INTO fingerprints (digest, model, json) VALUES (?, ?, ?)", values))
                [(fingerprint,)] = run("SELECT id FROM fingerprints WHERE digest = ?", (digest,))
                list(run("INSERT INTO runs (fingerprint, began) VALUES (?, ?)", (fingerprint, time.time())))
                [(number,)] = run("SELECT max(id) FROM runs")
                if number in {one.run for one in dead}:  # its journal is gone, and this one counts from 1 again
                    (self.folder / str(number)).unlink(missing_ok=True)
                attempts = self._attempts(number)
        except BaseException:
            if attempts is not None:
                attempts.close()
            raise
        for one in dead:
            if one.run != number:
                (self.folder / str(one.run)).unlink(missing_ok=True)
        return number, fingerprint, attempts

    def _attempts(self, number: int) -> Attempts:
        try:
            return Attempts(self.folder, number)
        except OSError as error:
            raise unwritable(str(self.folder / str(number)), error) from error

    def results(self, keys: Iterable[bytes]) -> dict[bytes, Kept]:
        """The rows that are done."""
        found = {}
        statement = "SELECT key, code, detail, mark, waited FROM results WHERE key IN (?)"
        for key, code, detail, mark, waited in self._in(statement, keys):
            if mark_of(key, code, detail) == mark:
                found[key] = Kept(code, detail, number(waited) or 0.0)
            else:
                self.damaged.add(key)
        return found

    def parts(self, rows: Iterable[bytes]) -> dict[bytes, dict[bytes, str]]:
        """The windows that are done, of rows that are not."""
        found: dict[bytes, dict[bytes, str]] = {}
        for row, part, detail, mark in self._in("SELECT row, part, detail, mark FROM parts WHERE row IN (?)", rows):
            if mark_of(row + part, None, detail) == mark:
                found.setdefault(row, {})[part] = detail
            else:
                self.damaged.add(row + part)
        return found

    def files(self, paths: Iterable[bytes]) -> dict[Stamp, bytes]:
        """Files that were read before, with the SHA-256 of what was in them."""
        statement = "SELECT path, size, mtime_ns, ctime_ns, inode, sha256 FROM files WHERE path IN (?)"
        return {
            Stamp(*stamp): digest
            for *stamp, digest in self._in(statement, paths)
            if isinstance(digest, bytes) and len(digest) == DIGEST_BYTES  # else damaged, and the file is read again
        }

    def deaths(self) -> dict[bytes, int]:
        """Rows that were at work when a process died, and how often nothing else was."""
        return dict(self.read("SELECT key, sum(alone) FROM deaths GROUP BY key"))

    def intents(self, fingerprint: int | None = None) -> list[Intent]:
        """Requests without an answer: on their way, or nobody knows."""
        statement = (
            "SELECT intents.id, model, row, seconds, dollars, sent, is_doubtful, run FROM intents "
            "LEFT JOIN fingerprints ON fingerprints.id = fingerprint"
        )
        if fingerprint is not None:
            rows = self.read(f"{statement} WHERE fingerprint = ?", (fingerprint,))
        else:
            rows = self.read(statement)
        return [
            Intent(
                key, model, row, number(seconds) or 0.0, number(dollars), number(sent) or 0.0, bool(is_doubtful), run
            )
            for key, model, row, seconds, dollars, sent, is_doubtful, run in rows
        ]

    # -- size ---------------------------------------------------------------------------------------------------

    @property
    def bytes_used(self) -> int:
        """Of the file, without what is free in it."""
        [(pages,)], [(free,)] = self.read("PRAGMA page_count"), self.read("PRAGMA freelist_count")
        [(size,)] = self.read("PRAGMA page_size")
        return int(size * (pages - free))

    def evict(self, limit: int, *, before: int | None = None) -> int:
        """Remove what was not used for longest, until it is well below a limit; gives the number of rows removed.

        Args:
            limit: in bytes.
            before: leave alone what this run or a later one has used.
        """
        removed = 0
        while (used := self.bytes_used) > limit:  # what the tables take when empty makes one round too few
            went, gone = self._evict(1 - ROOM * limit / used, before)
            removed += gone
            if not went:
                break
        return removed

    def _evict(self, share: float, before: int | None) -> tuple[int, int]:
        """Remove a share of everything; gives how much went, and how many rows were among it."""
        went = removed = 0
        last = "" if before is None else f"WHERE used < {before:d}"
        with self.transaction():
            run = self._connection.execute
            for table, name in (("results", "rowid"), ("parts", "(row, part)"), ("files", "path")):
                [(count,)] = run(f"SELECT count(*) FROM {table}")  # noqa: S608 - names and numbers of ours
                some = f"SELECT {name.strip('()')} FROM {table} {last} ORDER BY used LIMIT {ceil(share * count)}"  # noqa: S608
                list(run(f"DELETE FROM {table} WHERE {name} IN ({some})"))  # noqa: S608
                [(now,)] = run(f"SELECT count(*) FROM {table}")  # noqa: S608
                went += count - now
                removed += count - now if table == "results" else 0
        return went, removed

    def compact(self) -> None:
        """Give what is free in the file back to the disk."""
        with self._lock, self._translated():
            list(self._connection.execute("VACUUM"))

    def check(self) -> list[str]:
        """What is wrong with the file; empty where nothing is."""
        faults = [str(told) for (told,) in self.read("PRAGMA integrity_check") if told != "ok"]
        for key, code, detail, mark in self.read("SELECT key, code, detail, mark FROM results"):
            if not isinstance(key, bytes) or mark_of(key, code, detail) != mark or not _is_object(detail):
                faults.append(f"the text of row {_name(key)} is not what was written")
        for row, part, detail, mark in self.read("SELECT row, part, detail, mark FROM parts"):
            is_named = isinstance(row, bytes) and isinstance(part, bytes)
            if not is_named or mark_of(row + part, None, detail) != mark or not _is_object(detail):
                faults.append(f"a window of row {_name(row)} is not what was written")
        return faults


def _is_object(detail: object) -> bool:
    try:
        return isinstance(json.loads(detail), dict)  # type: ignore[arg-type]  # whatever a damaged row holds
    except (ValueError, TypeError, RecursionError):
        return False


def _name(key: object) -> str:
    return key.hex()[:16] if isinstance(key, bytes) else repr(key)[:16]


SAID: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("disk-full", "the disk is full; free some space, then the same call goes on from there"),
    sqlite3.SQLITE_IOERR: (
        "disk-full",
        "the disk takes no more (full, over a quota, or failing); the same call goes on when it does",
    ),
    sqlite3.SQLITE_READONLY: (
        "read-only",
        "it cannot be written; name another place with journal=, or pass journal=False",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "read-only",
        "it cannot be opened for writing; name another place with journal=, or pass journal=False",
    ),
    sqlite3.SQLITE_PERM: ("read-only", "it cannot be written; name another place with journal="),
    sqlite3.SQLITE_CORRUPT: (
        "damaged",
        "the file is damaged; `asrkit journal verify` says more, `asrkit journal export` saves what can be read; then "
        "move it away and call again",
    ),
    sqlite3.SQLITE_NOTADB: (
        "damaged",
        "the file is no journal, or damaged from its first bytes on; move it away and call again, or name another",
    ),
    sqlite3.SQLITE_BUSY: ("busy", "another process has been writing to it for long; call again when it is done"),
    sqlite3.SQLITE_LOCKED: ("busy", "another process has been writing to it for long; call again when it is done"),
}


def _journal_error(path: Path, error: sqlite3.Error) -> JournalError:
    ours = sqlite3.SQLITE_CORRUPT if type(error) is sqlite3.DatabaseError else 0
    number = getattr(error, "sqlite_errorcode", ours) & 0xFF
    code, what = SAID.get(number, ("journal", "SQLite refuses"))
    return JournalError(f"journal {path}: {what} (SQLite: {error})", code=code)
