"""Who was at work when a process died: a small file for each run, which lives as long as the run does.

A process that is killed or crashes leaves what it wrote into a file, synced or not; only a power cut may take it, and
that is no clip's fault. So these notes cost microseconds, where a commit costs milliseconds. A lock on the file, which
the system takes away with the process, says whether the run still lives, whatever became of its number.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..regular import IrregularError

try:
    import fcntl
except ImportError:  # Windows: nobody can be told dead there, so nobody is blamed
    fcntl = None  # type: ignore[assignment]

__all__ = ["HAS_LOCKS", "Attempts", "Dead", "acquit_all", "is_alive", "runs"]

HAS_LOCKS: bool = fcntl is not None
KEY_LETTERS = 64
RECORD = KEY_LETTERS + 2  # hexadecimal key, how it was tried, end of line
TOGETHER, ALONE = "+", "!"
FREE = b" " * (RECORD - 1) + b"\n"
NUMBER = re.compile("[1-9][0-9]{0,17}")
LINE = re.compile(rb"[0-9a-f]{64}[+!]| {65}")
LINE_CUT = re.compile(rb"[0-9a-f]{1,64}[+!]?")
LONGEST = 2**24  # bytes of notes; a run has some thousand rows at work
CAREFUL = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_open: weakref.WeakSet[Attempts] = weakref.WeakSet()


class Attempts:
    """The rows of one run that something is being done with at this moment.

    Args:
        folder: of the notes of all runs.
        run: its number, which is the file's name.
    """

    def __init__(self, folder: Path, run: int) -> None:
        self.run = run
        self.path = folder / str(run)
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink():  # to files that are nobody's notes
            raise IrregularError(errno.ENOTDIR, "it is a link, not a folder", str(folder))
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | CAREFUL, 0o600)
        _lock(self._file)
        self._slots: dict[tuple[bytes, bool], list[int]] = {}  # key and whether alone: place in the file, times
        self._free: list[int] = []
        self._size = 0
        self._guard = threading.Lock()
        _open.add(self)

    @contextlib.contextmanager
    def of(self, keys: Iterable[bytes], *, alone: bool) -> Iterator[None]:
        """Something is being done with these rows."""
        listed = list(keys)
        for key in listed:
            self._begin(key, alone)
        try:
            yield
        finally:
            for key in listed:
                self._end(key, alone)

    def close(self) -> None:
        """The run is over."""
        with self._guard:
            if self._file >= 0:
                self.path.unlink(missing_ok=True)
                self.let_go()

    def let_go(self) -> None:
        """Close the file, and leave it where it is."""
        os.close(self._file)
        self._file = -1

    def acquit(self) -> None:
        """Leave no name: what ends the process is no row's fault."""
        with self._guard:
            if self._file >= 0:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, 0)
                self.let_go()

    def _begin(self, key: bytes, alone: bool) -> None:
        with self._guard:
            if slot := self._slots.get((key, alone)):
                slot[1] += 1
                return
            if not self._free:
                self._free.append(self._size)
                self._size += 1
            place = self._free.pop()
            self._slots[key, alone] = [place, 1]
            self._write(place, f"{key.hex()}{ALONE if alone else TOGETHER}\n".encode())

    def _end(self, key: bytes, alone: bool) -> None:
        with self._guard:
            slot = self._slots[key, alone]
            slot[1] -= 1
            if not slot[1]:
                del self._slots[key, alone]
                self._free.append(slot[0])
                self._write(slot[0], FREE)

    def _write(self, place: int, record: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk costs the blame, not the run
            if self._file >= 0:
                os.lseek(self._file, place * RECORD, os.SEEK_SET)
                os.write(self._file, record)


def acquit_all() -> None:
    """Say of every run of this process that no row is to blame for its end."""
    for own in list(_open):
        own.acquit()


@dataclass(frozen=True, slots=True)
class Dead:
    """A run that ended without a word: its number and its rows, each with whether nothing else was being done."""

    run: int
    rows: tuple[tuple[bytes, bool], ...]


def runs(folder: Path) -> tuple[list[Dead], set[int]]:
    """The runs that have died, and the numbers of those that live. To be called while no run may begin."""
    dead: list[Dead] = []
    alive: set[int] = set()
    for path in sorted(folder.glob("*")) if folder.is_dir() and not folder.is_symlink() else []:
        if not NUMBER.fullmatch(path.name):
            continue
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                continue
            file = os.open(path, os.O_RDWR | CAREFUL)
        except OSError:  # gone meanwhile, a link, or another user's
            continue
        try:
            if fcntl is None:
                raise BlockingIOError
            _lock(file)
            lines = _lines(file)
            if lines is not None:
                dead.append(Dead(int(path.name), tuple(_records(lines))))
        except OSError:
            alive.add(int(path.name))
        finally:
            os.close(file)
    return dead, alive


def is_alive(folder: Path, run: int) -> bool:
    """Whether the process of a run lives."""
    try:
        file = os.open(folder / str(run), os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return False
    try:
        _lock(file)
    except OSError:
        return True
    finally:
        os.close(file)
    return not HAS_LOCKS


def _lines(file: int) -> list[bytes] | None:
    """The lines of a run's notes; None for a file that something else has written."""
    if not stat.S_ISREG(os.fstat(file).st_mode):
        return None
    with os.fdopen(os.dup(file), "rb") as opened:
        data = opened.read(LONGEST + 1)
    *lines, rest = data.split(b"\n")
    has_known = any(LINE.fullmatch(line) for line in lines) or (not lines and LINE_CUT.fullmatch(rest))
    # A power cut leaves zeros and other bytes of the disk, in lines that are as long as before.
    has_shape = all(len(line) == RECORD - 1 or not line.strip(b"\0") for line in lines) and len(rest) < RECORD
    return [*lines, rest] if not data or (has_known and has_shape) else None


def _records(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for line in lines:
        how = line[KEY_LETTERS:].decode("ascii", "replace")
        with contextlib.suppress(ValueError):  # a free place, or what a power cut has left
            if len(line) == RECORD - 1 and how in (TOGETHER, ALONE):
                yield bytes.fromhex(line[:KEY_LETTERS].decode("ascii")), how == ALONE


def _lock(file: int) -> None:
    """Until it is closed or the process ends.

    Raises:
        OSError: somebody else has it.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _forget(attempts: Any = _open) -> None:
    """In the child of a fork, which would keep the lock of a parent that has died."""
    for own in list(attempts):
        if own._file >= 0:
            own.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
