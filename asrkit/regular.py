"""Files that a user has named: looked at before they are touched, and opened only where they are regular files.

Opening may do harm by itself: a pipe waits for its other end, a device may act. So a path is looked at first, opened
without waiting, and looked at again by its descriptor, because it may have been replaced in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["IrregularError", "followed", "open_regular", "status_of", "whole_file"]

WITHOUT_WAITING = (
    getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
)
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
)


class IrregularError(OSError):
    """The path is no regular file; ``strerror`` says what it is."""


def status_of(path: Path) -> os.stat_result | None:
    """The status of a regular file, links followed; None where nothing has this name.

    Raises:
        IrregularError: a folder, device, pipe or socket, or a link that leads nowhere.
        OSError: it cannot be looked at.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise IrregularError(
                errno.EINVAL, f"it is a link to {path.readlink()}, which is not there", str(path)
            ) from None
        return None
    _check(status, path)
    return status


def _check(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in KINDS if is_kind(status.st_mode)), "no regular file")
        raise IrregularError(
            errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL,
            f"it is {kind}, not a regular file",
            str(path),
        )


def followed(path: Path) -> Path:
    """The file itself, where the path is a link to it: what is made beside it must be beside the file.

    Raises:
        IrregularError: as of ``status_of``.
    """
    status_of(path)
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def open_regular(path: Path, flags: int, mode: int = 0o666) -> int:
    """A descriptor of a regular file; with ``O_CREAT`` of a new one where nothing has this name.

    Raises:
        IrregularError: as of ``status_of``; nothing was opened for writing, and nothing was made.
        OSError: it cannot be opened.
    """
    flags |= WITHOUT_WAITING
    if status_of(path) is None and flags & os.O_CREAT:
        with contextlib.suppress(FileExistsError):  # somebody was faster
            return os.open(path, flags | os.O_EXCL, mode)
    descriptor = os.open(path, flags & ~os.O_CREAT)
    try:
        _check(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A path to write to; what was written replaces the target as a whole, or (after an error) not at all.

    A target that is there keeps its mode; where it is a link, the file that it leads to is replaced.

    Raises:
        IrregularError: the target is there and is no regular file.
        OSError: it cannot be written.
    """
    before = status_of(target)
    if before is not None and not before.st_mode & 0o222:
        raise PermissionError(errno.EACCES, "it is read-only", str(target))
    real = followed(target)
    making = real.with_name(f".asrkit-{secrets.token_hex(6)}{real.suffix or '.tmp'}")
    os.close(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | WITHOUT_WAITING, 0o666))  # less the umask
    try:
        yield making
        with making.open("rb+") as file:
            os.fsync(file.fileno())
        if before is not None:
            making.chmod(stat.S_IMODE(before.st_mode))
        making.replace(real)
    except BaseException:
        making.unlink(missing_ok=True)
        raise
