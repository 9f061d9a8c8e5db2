"""One file out of a ZIP or TAR archive, within an allowance.

A small archive may unpack to anything, in its files as well as in its list of them: what is unpacked is counted, and
no more of a list is read than some hundred thousand names take.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any

from .allowance import Allowance
from .errors import SourceError

__all__ = ["ARCHIVES", "unpack"]

ARCHIVES = frozenset({"tar", "zip"})
MOST_LISTING = 16 * 2**20  # bytes of an archive's list of files read at once: 170 MB of objects at worst
MOST_HEADER = 2**20  # bytes of one entry's header in a TAR
STEP = 2**18
MOST_LINKS = 8  # from one entry of an archive to another
SMALL_STEP = 4096  # bytes: what bzip2 and LZMA make of one read has no limit of its own, some 20,000 times as many
STREAMS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.BZ2File, b"\xfd7zXZ": lzma.LZMAFile}


def unpack(kind: str, member: str, archive: IO[bytes], copy: IO[bytes], allowance: Allowance) -> None:
    """Write one file of an archive into ``copy``.

    Args:
        kind: ``zip`` or ``tar``; the latter also packed by gzip, bzip2 or xz.
        member: the name of the file in it.
        archive: open for reading.
        copy: where the bytes go.
        allowance: what may be unpacked, and until when.

    Raises:
        SourceError: ``not-found``, ``unreadable``, ``too-large`` or, where it takes too long, ``unreachable``.
    """
    try:
        if kind == "zip":
            found = _from_zip(member.strip("/"), archive, copy, allowance)
        else:
            with _plain_tar(archive, allowance) as plain:
                found = _from_tar(member.strip("/"), plain, copy, allowance)
    except SourceError:
        raise
    except Exception as error:  # headers lie about every number that is used later, and each coding has its own errors
        raise SourceError(
            f"{allowance.shown}: the {kind.upper()} archive cannot be read ({type(error).__name__}: {error!s:.200})",
            code="unreadable",
        ) from error
    if not found:
        raise SourceError(f"{allowance.shown} does not exist: no such file in the archive", code="not-found")


class _Metered:
    """An open archive of which no more than ``most`` bytes are read, at once or, if ``is_total``, altogether."""

    def __init__(self, file: IO[bytes], most: int, allowance: Allowance, is_total: bool = False) -> None:
        self._file, self._most, self._allowance, self._is_total = file, most, allowance, is_total
        self._spent = 0

    def lift(self) -> None:
        """From now on, only the time is limited."""
        self._most, self._is_total = 2**62, False

    def read(self, count: int = -1) -> bytes:
        self._allowance.check_time()
        if count < 0:
            here = self._file.tell()
            count = self._file.seek(0, 2) - here
            self._file.seek(here)
        self._spent = self._spent + count if self._is_total else count
        if self._spent > self._most:
            raise SourceError(
                f"{self._allowance.shown}: the archive's list of files has over {self._most / 2**20:.0f} MB; "
                "unpack it yourself",
                code="too-large",
            )
        return self._file.read(count)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _from_zip(member: str, archive: IO[bytes], copy: IO[bytes], allowance: Allowance) -> bool:
    metered: Any = _Metered(archive, MOST_LISTING, allowance, is_total=True)  # it reads, seeks and tells, no more
    with zipfile.ZipFile(metered) as opened:
        try:
            entry = opened.getinfo(member)
        except KeyError:
            return False
        if entry.is_dir():
            return False
        metered.lift()
        is_bounded = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        with opened.open(entry) as file:
            allowance.copy(file.read, copy, STEP if is_bounded else SMALL_STEP)
    return True


@contextmanager
def _plain_tar(archive: IO[bytes], allowance: Allowance) -> Iterator[IO[bytes]]:
    """The archive without the packing around it, in a temporary file that counts as unpacked."""
    archive.seek(0)
    head = archive.read(8)
    archive.seek(0)
    opener = next((opener for magic, opener in STREAMS.items() if head.startswith(magic)), None)
    if opener is None:
        yield archive
        return
    with TemporaryFile() as plain:
        with opener(archive) as unpacked:
            allowance.copy(unpacked.read, plain, STEP)
        plain.seek(0)
        yield plain


def _from_tar(member: str, archive: IO[bytes], copy: IO[bytes], allowance: Allowance) -> bool:
    name = _tar_name(member)
    for _ in range(MOST_LINKS):
        archive.seek(0)
        metered: Any = _Metered(archive, MOST_HEADER, allowance)
        with tarfile.open(fileobj=metered, mode="r:") as opened:
            entry = _last_of(name, opened)
            if entry is None or not (entry.isreg() or entry.islnk() or entry.issym()):
                return False
            if entry.isreg():
                file = opened.extractfile(entry)
                assert file is not None  # a regular file has content
                allowance.copy(file.read, copy, STEP)
                return True
        folder = posixpath.dirname(entry.name) if entry.issym() else ""
        name = _tar_name(posixpath.join(folder, entry.linkname))
    return False


def _last_of(name: str, opened: tarfile.TarFile) -> tarfile.TarInfo | None:
    """The last entry of this name: ``tar -r`` adds a newer one behind the older."""
    found = None
    try:
        while (entry := opened.next()) is not None:
            if _tar_name(entry.name) == name:
                found = entry
            opened.members.clear()  # type: ignore[attr-defined]  # millions of names are not kept
    except tarfile.TarError:
        if found is None:  # else it is whole, and what is broken comes after it
            raise
    return found


def _tar_name(name: str) -> str:
    return posixpath.normpath(name).strip("/")
