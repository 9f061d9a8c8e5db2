"""Rows -> the files that a shell command writes for them, one each, decided before any work is done."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import OptionError
from .local import path_of_file_url
from .source import describe, is_missing

__all__ = ["caption_files", "check_new", "check_not_inputs", "folds_case"]

NAME_BYTES = 240  # of a file's name; file systems take 255
NAMED = 3  # files in a message

Parts = tuple[str, ...]  # a path without its separators: LOCAL and folders, or REMOTE, host and folders
LOCAL, REMOTE = "/", "//"


def caption_files(
    output: Path,
    ending: str,
    cells: Sequence[object],
    *,
    languages: Sequence[object] | None = None,
    inputs: Iterable[str] = (),
) -> list[Path | None]:
    """The file for each row; None for a row without audio.

    One row and a name such as ``one.srt`` give that file. Else ``output`` is a folder, and in it stand the folders of
    the recordings, as far as they are not common to all. ``a.wav`` and ``a.mp3`` of one folder become ``a.wav.srt`` and
    ``a.mp3.srt``.

    Args:
        output: what the user named.
        ending: ``srt`` or ``vtt``.
        cells: the audio of each row.
        languages: that each row asks for; the same audio in two languages makes two files.
        inputs: files and folders that were named, where no table was; the folders of files count from these.

    Raises:
        OptionError: two rows would be written to one file, or ``output`` is one file for several rows.
    """
    count = sum(not is_missing(cell) for cell in cells)
    if output.suffix.lower() == f".{ending}" and not output.is_dir():
        if count != 1:
            raise OptionError(f"{output} is the name of one file, and there are {count:,} recordings; name a folder")
        return [None if is_missing(cell) else output for cell in cells]
    if output.suffix.lower() in (".srt", ".vtt") and not output.is_dir():
        raise OptionError(f"{output} does not end in .{ending}, the format that was asked for; name it so, or a folder")
    if output.exists() and not output.is_dir():
        raise OptionError(f"{output} is a file; name a folder for the captions")
    parts = [None if is_missing(cell) else _parts(cell, number) for number, cell in enumerate(cells)]
    names = _without_common(parts, [_absolute(name) for name in inputs if Path(*_absolute(name)).is_dir()])
    stems = Counter(_folded((*folders, _stem(name))) for *folders, name in {name for name in names if name})
    files = [None if name is None else output / _file(name, _is_shared(name, stems), ending) for name in names]
    wanted = [None if languages is None or is_missing(languages[n]) else languages[n] for n in range(len(cells))]
    row = _first_alike(files, list(zip(_identities(cells, parts), wanted, strict=True)), folds_case(output))
    if row is not None:
        told = [describe(cells[n]) + (f" in {wanted[n]}" if wanted[n] else "") for n in row]
        raise OptionError(
            f"rows {row[0] + 1:,} and {row[1] + 1:,} ({told[0]}; {told[1]}) would both be written to {files[row[1]]}; "
            "give them in two commands, each with its own --output"
        )
    return files


def check_new(files: Iterable[Path | None]) -> None:
    """Refuse to replace what is there already, before anything is paid.

    Raises:
        OptionError: some of the files exist.
    """
    there = [file for file in dict.fromkeys(files) if file is not None and file.exists()]
    if there:
        named = ", ".join(map(str, there[:NAMED])) + (f" and {len(there) - NAMED:,} more" * (len(there) > NAMED))
        are = "is" if len(there) == 1 else "are"
        raise OptionError(f"{named} {are} there already; name another folder or pass --overwrite")


def check_not_inputs(files: Iterable[Path | None], inputs: Iterable[object]) -> None:
    """Refuse to write onto what is read, by whatever name or link, before anything is paid.

    Args:
        files: that would be written.
        inputs: paths that are read; what is no path of a file on this machine is passed over.

    Raises:
        OptionError: a file would be replaced by what is made of it.
    """
    written = {told: file for file in dict.fromkeys(files) if file is not None and (told := _identity(file))}
    if not written:  # nothing is there, so nothing is replaced
        return
    for cell in inputs:
        if (told := _identity(cell)) in written:
            raise OptionError(
                f"{written[told]} is one of the inputs ({describe(cell)}) and would be replaced; name another file to "
                "write"
            )


def _identity(cell: object) -> tuple[int, int] | None:
    """Device and number of a file that is there, which all its names have in common."""
    name = cell.get("path") if isinstance(cell, Mapping) else cell
    try:
        if isinstance(name, str) and name[:5].lower() == "file:":
            name = path_of_file_url(name)
        status = os.stat(os.path.expanduser(name)) if isinstance(name, str | os.PathLike) else None  # noqa: PTH111, PTH116
    except (OSError, ValueError):
        return None
    return None if status is None else (status.st_dev, status.st_ino)


def _parts(cell: object, number: int) -> Parts:
    name = cell.get("path") if isinstance(cell, Mapping) else cell
    if not isinstance(name, str | os.PathLike) or not os.fspath(name):
        return (f"row-{number + 1}",)
    text = os.fspath(name)
    if not isinstance(text, str):
        text = os.fsdecode(text)
    scheme, found, _ = text.partition("://")
    if not found:
        return _absolute(text)
    url = urlsplit(text.split("::")[0])
    if scheme == "file":
        return _absolute(unquote(url.path))
    steps = [unquote(step) for step in url.path.split("/")]
    host = (url.netloc.rpartition("@")[2], *steps)
    return (REMOTE, *(_plain(step) for step in host if step not in ("", ".")))


def _plain(step: str) -> str:
    """A part of a URL as the name of a file or folder."""
    kept = "".join("_" if letter in '/\\:*?"<>|' or not letter.isprintable() else letter for letter in step)
    return "_" if kept == ".." else kept


def _absolute(name: str) -> Parts:
    path = os.path.abspath(os.path.expanduser(name))  # noqa: PTH100, PTH111 - never an error; a link keeps the name that it has here
    return (LOCAL, *Path(path).parts[1:])


def _without_common(parts: Sequence[Parts | None], roots: Sequence[Parts]) -> list[Parts | None]:
    """Paths that count from the folder that all have in common, or from the folder that was named."""
    parents = set(roots)
    for path in parts:
        if path and path[0] in (LOCAL, REMOTE) and not any(path[: len(root)] == root for root in roots):
            parents.add(path[:-1])
    first, last = min(parents, default=()), max(parents, default=())  # what they have in common, all have
    common = tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))

    def rest(path: Parts) -> Parts:
        left = path[len(common) :] if path[: len(common)] == common else path
        return left[1:] if left[0] in (LOCAL, REMOTE) else left

    return [path and rest(path) for path in parts]


def _stem(name: str) -> str:
    return Path(name).stem or name


def _is_shared(name: Parts, stems: Mapping[Parts, int]) -> bool:
    return stems[_folded((*name[:-1], _stem(name[-1])))] > 1 and bool(Path(name[-1]).suffix)


def _folded(path: Parts) -> Parts:
    """Names that differ here, and are one on a Mac or on Windows, made equal."""
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in path)


def _file(name: Parts, is_shared: bool, ending: str) -> Path:
    encoded = os.fsencode(name[-1] if is_shared else _stem(name[-1]))
    return Path(*name[:-1], f"{os.fsdecode(encoded[:NAME_BYTES])}.{ending}")


def _identities(cells: Sequence[object], parts: Sequence[Parts | None]) -> list[object]:
    """What is equal where two cells hold the same audio: a path however it is spelled, all of a URL."""
    return [cell if path and path[0] == REMOTE else path for cell, path in zip(cells, parts, strict=True)]


def _first_alike(files: Sequence[Path | None], asked: Sequence[object], folds: bool) -> tuple[int, int] | None:
    """The first two rows that ask for different things and would be written to one file."""
    first: dict[object, int] = {}
    for number, file in enumerate(files):
        if file is None:
            continue
        other = first.setdefault(_folded(file.parts) if folds else file, number)
        if asked[other] != asked[number]:
            return other, number
    return None


def folds_case(folder: Path) -> bool:
    """Whether names that differ by case alone are one file there."""
    for place in (folder, *folder.absolute().parents):
        other = place.with_name(place.name.swapcase()) if place.name else place
        if place.exists() and other != place:
            return other.exists() and other.samefile(place)
    return False
