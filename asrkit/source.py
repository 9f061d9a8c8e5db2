"""A cell of an audio column -> where its bytes or samples lie.

A cell may be a path, a URL, bytes, an open file, samples with their rate, or what Hugging Face ``datasets``
puts into an audio column. What a cell *is* is decided here by its type alone; nothing is decoded.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import numpy as np

from .allowance import Allowance
from .deadline import call_within
from .encoded_text import bytes_of_base64, bytes_of_data_uri, shortened
from .errors import SourceError
from .local import existing, found_path, open_regular, path_of_file_url
from .printable import printable
from .remote import IN_MEMORY, is_url, open_url, public_url
from .web import allowance

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

LONGEST_PATH = 4096  # characters

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
        with open_regular(self.path) as file:
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
        """The file, fetched whole, in at most 30 minutes and 4 GB.

        Raises:
            SourceError: ``refused-address``, ``no-filesystem``, ``not-found``, ``unreachable``, ``unreadable`` or
                ``too-large``.
        """
        with open_url(self.url, allowance(public_url(self.url)), allow_private=self.allow_private) as file:
            yield file


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
            return FileSource(found_path(os.fspath(cell)))
        case bytes() | bytearray() | memoryview():
            data = bytes(cell)
            return ByteSource(bytes_of_base64(data) or data)
        case (samples, rate) if isinstance(cell, tuple):
            if isinstance(samples, int | float | np.number) and not isinstance(rate, int | float | np.number | str):
                samples, rate = rate, samples  # as scipy.io.wavfile and gradio give them
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
            return public_url(url)
        case ByteSource(data):
            return _described(data)
        case ArraySource(samples, rate):
            return _described((samples, rate))
    if isinstance(cell, str):
        if cell[:5].lower() == "data:" or len(cell) > LONGEST_PATH:
            return shortened(cell)
        shown = public_url(cell)
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
    if text[:5].lower() == "data:" and not os.path.exists(text):  # noqa: PTH110 - Path's raises for long names
        return ByteSource(bytes_of_data_uri(text))
    if text[:5].lower() == "file:" and not os.path.exists(text):  # noqa: PTH110
        path = path_of_file_url(text)
        return FileSource(existing(path) or path)
    if is_url(text):
        return UrlSource(text, allow_private_urls)
    if (recording := bytes_of_base64(text)) is not None and not os.path.exists(text):  # noqa: PTH110
        return ByteSource(recording)
    return FileSource(found_path(text))


def _from_mapping(cell: Mapping[Any, Any], allow_private_urls: bool) -> Source:
    rate = cell.get("sampling_rate", cell.get("sample_rate"))
    if cell.get("array") is not None:
        return _from_array(cell["array"], rate, cell)
    if cell.get("bytes") is not None:
        return ByteSource(_as_bytes(cell["bytes"], cell))
    if isinstance(cell.get("path"), str | os.PathLike):
        return locate(cell["path"], allow_private_urls=allow_private_urls)
    raise _bad_cell(cell, f"a dict with the keys {sorted(map(str, cell))}")


def _from_array(samples: Any, rate: Any, cell: object) -> ArraySource:
    try:
        array = _numbers(samples)
        hertz = int(rate)
        if hertz != rate:
            raise ValueError(rate)
    except (TypeError, ValueError, OverflowError) as error:
        raise _bad_cell(cell, f"samples of type {type(samples).__name__} at the rate {rate!r:.80}") from error
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or not 1 <= hertz <= 1_000_000:
        raise _bad_cell(cell, f"samples of type {array.dtype}, shape {array.shape}, at {hertz} Hz")
    return ArraySource(array, hertz)


def _numbers(samples: Any) -> np.ndarray[Any, Any]:
    """An array of whatever holds samples: lists, tensors, columns."""
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        return np.asarray(samples.float() if samples.is_floating_point() else samples)
    if hasattr(samples, "as_py") and hasattr(samples, "values"):  # one cell of a column of lists in Arrow
        samples = samples.values
    if isinstance(samples, np.ma.MaskedArray):  # what is masked is no sound
        samples = samples.filled(0)
    array = np.asarray(samples)
    if array.dtype.kind == "O" or (array.dtype.kind == "V" and array.dtype.names is None):  # Python's numbers, bfloat16
        array = array.astype(np.float64)
    return array


def _as_bytes(data: Any, cell: object) -> bytes:
    if isinstance(data, int):  # bytes(10**9) would be a gigabyte of zeros
        raise _bad_cell(cell, "a dict whose bytes are a number")
    try:
        return bytes(data)
    except (TypeError, ValueError) as error:
        raise _bad_cell(cell, f"a dict whose bytes are {type(data).__name__}") from error


def _read_all(file: Any) -> bytes:
    """The whole file, whatever its position, which is given back; within the limits of what is fetched."""
    limit = allowance(describe(file))
    try:
        if _is_at_hand(file):
            return _read_within(file, limit)
        return call_within(lambda: _read_within(file, limit), limit.deadline)  # a pipe may never give anything
    except SourceError:
        raise
    except Exception as error:
        limit.check_time()
        raise SourceError(f"the file object cannot be read: {error!s:.300}", code="unreadable") from error


def _is_at_hand(file: Any) -> bool:
    """Whether reading it cannot block: it is in memory, or a regular file."""
    if isinstance(file, BytesIO):
        return True
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _read_within(file: Any, limit: Allowance) -> bytes:
    position = file.tell() if file.seekable() else None
    if position is not None:
        file.seek(0)

    def read(step: int) -> bytes:
        data = file.read(step)
        if isinstance(data, bytes | bytearray):
            return bytes(data)
        if data is None:
            raise OSError("it is not blocking, and has no more bytes for now")
        raise _bad_cell(file, "a file opened as text; open it with mode 'rb'")

    with SpooledTemporaryFile(max_size=IN_MEMORY) as copy:  # what never ends shall not take the memory
        limit.copy(read, copy)
        if position is not None:
            file.seek(position)
        copy.seek(0)
        return copy.read()


def _bad_cell(cell: object, what: str = "") -> SourceError:
    return SourceError(f"{EXPECTED}; got {what or f'{type(cell).__name__} {cell!r:.80}'}", code="bad-cell")
