"""A cell of an audio column -> where its bytes or samples lie.

A cell may be a path, a URL, bytes, an open file, samples with their rate, or what Hugging Face ``datasets``
puts into an audio column. What a cell *is* is decided here by its type alone; nothing is decoded.
"""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile, SpooledTemporaryFile
from typing import IO, Any
from urllib.request import url2pathname

import numpy as np

from .errors import SourceError
from .printable import printable
from .web import VARIABLE, fetch, private_is_allowed

__all__ = [
    "ArraySource",
    "ByteSource",
    "FetchedSource",
    "FileSource",
    "Source",
    "UrlSource",
    "describe",
    "is_missing",
    "locate",
]

IN_MEMORY = 64 * 2**20  # bytes; what is fetched beyond this waits in a temporary file
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)")  # two letters at least: C:\ is a path

EXPECTED = (
    "expected a path, a URL, bytes, an open file, (samples, sampling_rate), "
    '{"array": ..., "sampling_rate": ...} or {"bytes": ..., "path": ...}'
)


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file on this machine."""

    path: Path

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file, opened for reading; only regular files, so nothing here can wait for ever.

        Raises:
            SourceError: ``not-found``, ``not-a-file`` or ``unreadable``.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise _cannot_open(self.path, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SourceError(
                f"{self.path} is not a regular file (a folder, pipe, socket or device); name an audio file",
                code="not-a-file",
            )
        with os.fdopen(descriptor, "rb") as file:
            yield file


@dataclass(frozen=True, slots=True)
class ByteSource:
    """An encoded file that is in memory already."""

    data: bytes

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes as a file."""
        yield BytesIO(self.data)


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file that is fetched: ``https://``, and what fsspec knows, ``s3://``, ``gs://``, ``hf://``, ``zip://``.

    ``allow_private``: also from addresses that are not public, see ``asrkit.web``.
    """

    url: str
    allow_private: bool = False

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file, fetched whole.

        Raises:
            SourceError: ``refused-address``, ``no-filesystem``, ``not-found``, ``unreachable`` or ``too-large``.
        """
        is_trusted = self.allow_private or private_is_allowed()
        *around, inner = self.url.split("::")
        is_web = inner.partition("://")[0].lower() in ("http", "https")
        if not is_trusted:
            _refuse_hosts(self.url, around if is_web else [*around, inner])
        if is_web:
            shown = _public(inner)
            if not around:
                with SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
                    fetch(self.url, shown, copy, allow_private=is_trusted)
                    copy.seek(0)
                    yield copy
                return
            with NamedTemporaryFile() as archive:  # fsspec then finds the archive on this machine
                fetch(inner, shown, archive, allow_private=is_trusted)
                archive.flush()
                with self._by_fsspec("::".join([*around, Path(archive.name).as_uri()])) as copy:
                    yield copy
            return
        with self._by_fsspec(self.url) as copy:
            yield copy

    @contextmanager
    def _by_fsspec(self, url: str) -> Iterator[IO[bytes]]:
        import fsspec

        with SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
            try:
                with fsspec.open(url, "rb") as remote:
                    shutil.copyfileobj(remote, copy, 2**20)
            except (ImportError, ValueError) as error:
                raise _no_filesystem(self.url, error) from error
            except FileNotFoundError as error:
                if isinstance(error.__cause__, OSError):  # fsspec says so of refused connections too
                    cause = type(error.__cause__).__name__
                    raise SourceError(
                        f"{_public(self.url)} could not be fetched ({cause}); check the address", code="unreachable"
                    ) from None
                raise SourceError(f"{_public(self.url)} does not exist", code="not-found") from error
            except Exception as error:  # every filesystem has its own tree of errors
                # The error's own text may hold the whole address, secrets included.
                raise SourceError(
                    f"{_public(self.url)} could not be fetched ({type(error).__name__}); "
                    "check the address and the credentials",
                    code="unreachable",
                ) from None
            copy.seek(0)
            yield copy


@dataclass(frozen=True, slots=True, eq=False)
class FetchedSource:
    """What lies at a URL, fetched already: read as often as needed, fetched once."""

    url: str
    copy: IO[bytes]

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The copy, from its beginning."""
        self.copy.seek(0)
        yield self.copy


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """Samples that somebody decoded already.

    Args:
        samples: any number type, shape ``(n_samples,)``, ``(channels, n_samples)`` or ``(n_samples, channels)``.
        sampling_rate: in Hz.
    """

    samples: np.ndarray[Any, Any]
    sampling_rate: int


Source = FileSource | ByteSource | UrlSource | FetchedSource | ArraySource


# What fsspec opens without dialling a host that the address names: stores by the names of their buckets, what lies on
# this machine, and what wraps another.
_HOSTLESS = frozenset(
    {"abfs", "abfss", "adl", "az", "blockcache", "data", "dir", "file", "filecache", "gcs", "gs", "hf", "libarchive"}
    | {"local", "memory", "oss", "s3", "s3a", "simplecache", "tar", "zip"}
)


def _refuse_hosts(url: str, parts: Sequence[str]) -> None:
    """Other filesystems connect as they like: which address that is cannot be checked here."""
    from fsspec.registry import known_implementations

    for part in parts:
        scheme = part.partition("://")[0].lower()
        if scheme in known_implementations and scheme not in _HOSTLESS:
            raise SourceError(
                f"{_public(url)}: what {scheme}:// connects to cannot be checked; if the address is meant, "
                f"pass allow_private_urls=True or set {VARIABLE}=1",
                code="refused-address",
            )


def is_missing(cell: object) -> bool:
    """Whether the cell says that there is no audio: None, NaN, ``pandas.NA`` or ``NaT``.

    >>> is_missing(None), is_missing(float("nan")), is_missing("")
    (True, True, False)
    """
    if isinstance(cell, float | np.floating):
        return math.isnan(cell)
    return cell is None or type(cell).__name__ in {"NAType", "NaTType"}


def locate(cell: object, *, allow_private_urls: bool = False) -> Source:
    """Where the audio of a cell lies.

    ``allow_private_urls``: URLs may lead to addresses that are not public.

    Raises:
        SourceError: ``bad-cell``, the cell names no audio.

    >>> locate("clips/a.wav")
    FileSource(path=PosixPath('clips/a.wav'))
    >>> locate((np.zeros(16_000), 16_000)).sampling_rate
    16000
    """
    match cell:
        case FileSource() | ByteSource() | UrlSource() | FetchedSource() | ArraySource():
            return cell
        case str():
            return _from_text(cell, allow_private_urls)
        case os.PathLike():
            return FileSource(Path(cell).expanduser())
        case bytes() | bytearray() | memoryview():
            return ByteSource(bytes(cell))
        case (samples, rate) if isinstance(cell, tuple):
            return _from_array(samples, rate, cell)
        case Mapping():
            return _from_mapping(cell, allow_private_urls)
        case np.ndarray():
            raise _bad_cell(cell, "samples without their sampling rate; give (samples, sampling_rate)")
    if hasattr(cell, "get_all_samples"):  # datasets 4 and torchcodec decode late
        decoded = cell.get_all_samples()
        return _from_array(decoded.data, decoded.sample_rate, cell)
    if hasattr(cell, "read"):
        return ByteSource(_read_all(cell))
    if hasattr(cell, "detach"):
        raise _bad_cell(cell, "a tensor without its sampling rate; give (samples, sampling_rate)")
    raise _bad_cell(cell)


def describe(cell: object) -> str:
    """The cell in a few words, for messages.

    >>> describe(b"RIFF"), describe({"bytes": b"", "path": "a.wav"}), describe((np.zeros(3), 8_000))
    ('<4 bytes>', 'a.wav', '<array of shape (3,)>')
    """
    return printable(_described(cell), 400)


def _described(cell: object) -> str:
    match cell:
        case FileSource(path):
            return str(path)
        case UrlSource(url) | FetchedSource(url):
            return _public(url)
        case ByteSource(data):
            return _described(data)
        case ArraySource(samples, rate):
            return _described((samples, rate))
    if isinstance(cell, str):
        shown = _public(cell)
        return shown if len(shown) <= 300 else shown[:300] + "..."
    if isinstance(cell, os.PathLike):
        return os.fspath(cell) if isinstance(os.fspath(cell), str) else repr(cell)
    if isinstance(cell, bytes | bytearray | memoryview):
        return f"<{len(cell):,} bytes>"
    if isinstance(cell, Mapping) and cell.get("path"):
        return _described(cell["path"])
    inside: Any = (
        cell.get("array") if isinstance(cell, Mapping) else cell[0] if isinstance(cell, tuple) and cell else None
    )
    if hasattr(inside, "shape"):
        return f"<array of shape {tuple(inside.shape)}>"
    return f"<{type(cell).__name__}>"


def _from_text(text: str, allow_private_urls: bool) -> Source:
    if not text.strip() or "\0" in text:
        raise _bad_cell(text, "an empty text" if not text.strip() else "a text with a NUL character")
    if text.lower().startswith("file:"):
        return FileSource(Path(url2pathname(re.sub(r"^//(localhost)?(?=/)", "", text[5:], flags=re.IGNORECASE))))
    if _URL.match(text):
        return UrlSource(text, allow_private_urls)
    return FileSource(Path(text).expanduser())


def _from_mapping(cell: Mapping[Any, Any], allow_private_urls: bool) -> Source:
    rate = cell.get("sampling_rate", cell.get("sample_rate"))
    if cell.get("array") is not None:
        return _from_array(cell["array"], rate, cell)
    if cell.get("bytes") is not None:
        return ByteSource(bytes(cell["bytes"]))
    if isinstance(cell.get("path"), str | os.PathLike):
        return locate(cell["path"], allow_private_urls=allow_private_urls)
    raise _bad_cell(cell, f"a dict with the keys {sorted(map(str, cell))}")


def _from_array(samples: Any, rate: Any, cell: object) -> ArraySource:
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        samples = samples.float().numpy() if samples.is_floating_point() else samples.numpy()
    try:
        array = np.asarray(samples)
        hertz = int(rate)
        if hertz != rate:
            raise ValueError(rate)
    except (TypeError, ValueError, OverflowError) as error:
        raise _bad_cell(cell, f"samples of type {type(samples).__name__} at the rate {rate!r}") from error
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or not 1 <= hertz <= 1_000_000:
        raise _bad_cell(cell, f"samples of type {array.dtype}, shape {array.shape}, at {hertz} Hz")
    return ArraySource(array, hertz)


def _read_all(file: Any) -> bytes:
    """The whole file, whatever its position, which is given back."""
    try:
        position = file.tell() if file.seekable() else None
        if position is not None:
            file.seek(0)
        data = file.read()
        if position is not None:
            file.seek(position)
    except (OSError, ValueError, AttributeError) as error:
        raise SourceError(f"the file object cannot be read: {error}", code="unreadable") from error
    if not isinstance(data, bytes):
        raise _bad_cell(file, "a file opened as text; open it with mode 'rb'")
    return data


def _bad_cell(cell: object, what: str = "") -> SourceError:
    return SourceError(f"{EXPECTED}; got {what or f'{type(cell).__name__} {cell!r:.80}'}", code="bad-cell")


def _cannot_open(path: Path, error: OSError) -> SourceError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        where = "" if path.is_absolute() else f" (looked in {Path.cwd()})"
        return SourceError(f"no such file: {path}{where}", code="not-found")
    if error.errno in (errno.ENXIO, errno.EISDIR):
        return SourceError(f"{path} is not a regular file; name an audio file", code="not-a-file")
    return SourceError(f"{path} cannot be opened: {error.strerror}", code="unreadable")


def _no_filesystem(url: str, error: Exception) -> SourceError:
    from fsspec.registry import known_implementations

    scheme = re.split("::|://", url)[0]
    hint = known_implementations.get(scheme, {}).get("err") or str(error)
    return SourceError(f"nothing installed here opens {scheme}:// ({hint})", code="no-filesystem")


def _public(url: str) -> str:
    """The URL without user names, passwords and query, which may hold secrets."""
    return re.sub(r"(://)[^/]*@", r"\1", url.split("?")[0]) if _URL.match(url) else url
