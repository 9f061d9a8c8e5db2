"""Whether a file is a journal, before anything is done to it: no lock, no side file, no mode, no byte.

SQLite itself would change other people's files while it looks at them: it rolls an unfinished transaction back, turns a
database in WAL mode into one without, and overwrites or deletes what is called ``<name>-journal`` and ``<name>-wal``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import threading
from collections import Counter
from pathlib import Path

from ..errors import JournalError
from ..regular import IrregularError, open_regular, status_of
from .schema import APPLICATION

__all__ = ["Recognised", "close_to_others", "no_journal", "recognised", "unwritable"]

MAGIC = b"SQLite format 3\0"
PAGE_AT = 16  # of the two bytes with the size of a page; 1 says 65,536
ID_AT = 68  # of the four bytes with the application's number (https://www.sqlite.org/fileformat.html)
SMALLEST = 512  # bytes of a database that holds anything
ROLLBACK_HEAD = 28  # bytes of a rollback journal that say what it is for
ROLLBACK = bytes.fromhex("d9d505f920a163d7")  # how a rollback journal begins; zeros until it is synced
WAL = bytes.fromhex("377f06")  # how a write-ahead log begins; one more byte says in which order its bytes are

Identity = tuple[int, int]  # device and inode

_open_here: Counter[Identity] = Counter()  # journals that this process has open
_guard = threading.Lock()


class Recognised:
    """A file that is a journal, or empty; until ``release`` it counts as open in this process."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._is_released = False

    def release(self) -> None:
        """It is closed."""
        with _guard:
            if self._is_released:
                return
            self._is_released = True
            _open_here[self.identity] -= 1
            if not _open_here[self.identity]:
                del _open_here[self.identity]

    def check_same(self, path: Path) -> None:
        """The file that was opened by its name is the one that was looked at.

        Raises:
            JournalError: it was replaced in between.
        """
        if _identity(path) != self.identity:
            raise JournalError(f"journal {path}: it was replaced while it was being opened; call again", code="busy")


def recognised(path: Path) -> Recognised:
    """Look at a file that is to be used as a journal, or make an empty one.

    A file that this process has open already is not opened a second time: closing that would take away the locks of
    the connection that is open (https://www.sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        JournalError: ``no-journal``, ``damaged`` or ``read-only``.
    """
    try:
        with _guard:  # who opens it from another thread meanwhile waits until it is closed here
            status = status_of(path)
            if status is None:
                _check_beside(path)
                _create(path)
                status = path.stat()
            identity = (status.st_dev, status.st_ino)
            if not _open_here[identity]:
                _check_content(path, status)
                _check_beside(path)
            _open_here[identity] += 1
    except IrregularError as error:
        raise no_journal(path, error) from error
    except OSError as error:
        raise unwritable(f"the journal {path}", error) from error
    return Recognised(identity)


def no_journal(path: Path, error: IrregularError) -> JournalError:
    """What has its name is no file at all."""
    return JournalError(f"journal {path}: {error.strerror}; name another file with journal=", code="no-journal")


def unwritable(what: str, error: OSError) -> JournalError:
    """``disk-full`` or ``read-only``, with what the user can do."""
    return JournalError(
        f"{what} cannot be written ({error.strerror}); name another place with journal=, or pass journal=False",
        code="disk-full" if error.errno == errno.ENOSPC else "read-only",
    )


def _create(path: Path) -> None:
    """An empty file, which gets its name when it is closed."""
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".asrkit-")  # for the user alone
    os.close(descriptor)
    try:
        with contextlib.suppress(FileExistsError):  # somebody was faster
            os.link(made, path)
    except OSError:  # no links on this file system
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    finally:
        Path(made).unlink()


def _check_content(path: Path, status: os.stat_result) -> None:
    if not status.st_mode & 0o222:  # also of the superuser's, who could write it all the same
        raise JournalError(f"journal {path}: it is read-only; name another place with journal=", code="read-only")
    head = _head(path, SMALLEST)
    if not head or _is_unfinished(path, head):
        return
    if head[: len(MAGIC)] != MAGIC[: len(head)]:
        raise JournalError(
            f"journal {path}: the file is no journal, or damaged from its first bytes on; it was left as it is; name "
            "another file, or move it away and call again",
            code="no-journal",
        )
    if _is_cut(path, head, status.st_size):
        raise JournalError(
            f"journal {path}: the file is damaged: {status.st_size:,} bytes are left of it; move it away and call "
            "again",
            code="damaged",
        )
    if int.from_bytes(head[ID_AT : ID_AT + 4], "big") != APPLICATION:
        raise JournalError(f"{path} is another program's database, not a journal; name another file", code="no-journal")


def _is_cut(path: Path, head: bytes, size: int) -> bool:
    """Whether the file ends within a page: SQLite takes missing bytes for zeros, and one byte for an empty database."""
    page = int.from_bytes(head[PAGE_AT : PAGE_AT + 2], "big")
    is_being_written = bool(_head(_beside(path, "-journal"), 1))
    return size < SMALLEST or (size % (page if page > 1 else 65_536) > 0 and not is_being_written)


def _is_unfinished(path: Path, head: bytes) -> bool:
    """Whether the power went while a new journal was being made: SQLite takes the file back to nothing."""
    if not head.startswith(MAGIC) and head.strip(b"\0"):
        return False
    beginning = _head(_beside(path, "-journal"), ROLLBACK_HEAD)
    pages = beginning[16:20]  # that the database had before
    return beginning.startswith(ROLLBACK) and pages == bytes(4)


def _check_beside(path: Path) -> None:
    """The names that SQLite uses beside the file are free, or have what SQLite has written there."""
    for ending, beginnings in (("-journal", (ROLLBACK, bytes(len(ROLLBACK)))), ("-wal", (WAL,))):
        beside = _beside(path, ending)
        if not os.path.lexists(beside):
            continue
        is_file = stat.S_ISREG(beside.lstat().st_mode)
        head = _head(beside, len(ROLLBACK)) if is_file else b""
        if not is_file or not any(head[: len(begin)] == begin[: len(head)] for begin in beginnings):
            raise JournalError(
                f"journal {path}: SQLite would overwrite {beside}, which is something else; move that away, or name "
                "another file with journal=",
                code="no-journal",
            )


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _head(path: Path, size: int) -> bytes:
    """The first bytes of a file; none where there is no file."""
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def close_to_others(path: Path) -> None:
    """Take the rights of everybody else away from a journal of this user: it holds what was said."""
    if not hasattr(os, "geteuid"):
        return
    with contextlib.suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_mode & 0o077:
            _change_mode(path, status)


def _change_mode(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode) & 0o700
    if not hasattr(os, "O_PATH"):
        path.chmod(mode)
        return
    # Such a descriptor names the file itself, and its closing takes no locks away.
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.path.samestat(os.fstat(descriptor), status):
            Path(f"/proc/self/fd/{descriptor}").chmod(mode)
    finally:
        os.close(descriptor)


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
