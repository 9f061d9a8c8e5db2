"""A path on this machine -> an open file, only if nothing there can block or never end."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.request import url2pathname

from .errors import SourceError

__all__ = ["existing", "found_path", "open_regular", "path_of_file_url"]


def existing(path: Path) -> Path | None:
    """The path as the disk writes it; None where nothing is there.

    A letter with an accent is one character or two, and a disk keeps the name that it was given: macOS gave two, and
    a table made elsewhere has one. Each part of the path is looked for in both ways.
    """
    if os.path.exists(path):  # noqa: PTH110 - Path's raises for names that are too long
        return path
    if str(path).isascii():
        return None
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        ways = dict.fromkeys([part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))])
        there = next((found / way for way in ways if os.path.exists(found / way)), None)  # noqa: PTH110
        if there is None:
            return None
        found = there
    return found


def found_path(name: str | bytes) -> Path:
    """The path of a file or folder that somebody named: as the disk writes it, if it is there; ``~`` is the home.

    A name that begins with ``~`` and is no user's, such as a backup ``~take.wav``, means itself.
    """
    text = os.fsdecode(name)
    is_home = text.startswith("~") and not os.path.lexists(text)
    path = Path(os.path.expanduser(text) if is_home else text)  # noqa: PTH111 - Path's raises where there is no such user
    return path if text.isascii() else existing(path) or path


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
        return SourceError(f"no such file: {path}{where}{_hint(str(path))}", code="not-found")
    if error.errno in (errno.ENXIO, errno.EISDIR):
        return SourceError(f"{path} is not a regular file; name an audio file", code="not-a-file")
    if error.errno == errno.ENAMETOOLONG:
        text = str(path)
        return SourceError(
            f"a text of {len(text):,} characters is no path, and no Base64 of an audio file: {text:.40}...",
            code="unreadable",
        )
    return SourceError(f"{path!s:.300} cannot be opened: {error.strerror}", code="unreadable")


def _hint(text: str) -> str:
    """What a path that leads nowhere may have been meant to be."""
    for meant, why in (
        (text.strip(), "without the white space around it"),
        (text.strip().strip("'\""), "without the quotes around it"),
        (text.replace("\\", "/"), "with / in place of \\"),
    ):
        if meant not in ("", text) and os.path.exists(meant):  # noqa: PTH110
            return f"; there is one {why}"
    return ""
