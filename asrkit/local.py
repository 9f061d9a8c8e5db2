"""A path on this machine -> an open file, only if nothing there can block or never end."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.request import url2pathname

from .errors import SourceError

__all__ = ["open_regular", "path_of_file_url"]


@contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """The file, opened for reading; only regular files, so nothing here can wait for ever.

    Raises:
        SourceError: ``not-found``, ``not-a-file`` or ``unreadable``.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise _cannot_open(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError(
            f"{path} is not a regular file (a folder, pipe, socket or device); name an audio file",
            code="not-a-file",
        )
    with os.fdopen(descriptor, "rb") as file:
        yield file


def path_of_file_url(url: str) -> Path:
    """The path that a ``file:`` URL means.

    >>> path_of_file_url("file://localhost/a%20b.wav")
    PosixPath('/a b.wav')
    """
    rest = url.partition(":")[2]
    return Path(url2pathname(re.sub(r"^//(localhost)?(?=/)", "", rest, flags=re.IGNORECASE)))


def _cannot_open(path: Path, error: OSError | ValueError) -> SourceError:
    if not isinstance(error, OSError):
        return SourceError(f"{path!s:.300} cannot be opened: {error}", code="unreadable")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        where = "" if path.is_absolute() else f" (looked in {Path.cwd()})"
        return SourceError(f"no such file: {path}{where}", code="not-found")
    if error.errno in (errno.ENXIO, errno.EISDIR):
        return SourceError(f"{path} is not a regular file; name an audio file", code="not-a-file")
    return SourceError(f"{path} cannot be opened: {error.strerror}", code="unreadable")
