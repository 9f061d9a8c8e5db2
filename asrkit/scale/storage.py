"""Files on this machine or wherever fsspec reaches: found, opened, and written whole or not at all."""

from __future__ import annotations

import errno
import fnmatch
import getpass
import glob
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..errors import AsrkitError, SourceError
from ..local import found_path
from ..regular import open_regular, status_of

__all__ = [
    "Found",
    "Listing",
    "absolute",
    "exists",
    "find",
    "is_url",
    "join",
    "listing",
    "move",
    "new_file",
    "open_file",
    "read_text",
    "scratch",
    "sweep",
]

MAGIC = re.compile(r"[*?\[]")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)")  # two letters at least: C:\ is a path
# Where a file appears all at once, when its upload is complete, and where renaming would be a copy.
OBJECT_STORES = frozenset(
    {"abfs", "abfss", "az", "adl", "gcs", "gs", "hf", "memory", "oci", "ocilake", "oss", "r2", "s3", "s3a"}
)
ABANDONED = 24 * 3600.0  # seconds after which an unfinished file of another machine belongs to nobody


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path or URL, its name below what was asked for, its size in bytes (None where nobody tells)."""

    path: str
    name: str
    size: int | None = None


def is_url(path: str) -> bool:
    """Whether fsspec opens it; what lies on this machine is opened directly."""
    return bool(SCHEME.match(path)) and not path.startswith("file:")


def absolute(path: str | os.PathLike[str]) -> str:
    """A path that means the same in every process."""
    text = os.fspath(path)
    if is_url(text):
        return text.rstrip("/") if not text.endswith("://") else text
    if text.startswith("file:"):
        text = re.sub(r"^file:(//(localhost)?(?=/))?", "", text)
    return str(found_path(text).absolute())


def join(folder: str, name: str) -> str:
    """A file in a folder."""
    return f"{folder}/{name}" if is_url(folder) else str(Path(folder, name))


@dataclass(frozen=True, slots=True)
class Listing:
    """The files behind a name: those to take, and the names of those that are left out."""

    shown: tuple[Found, ...]
    hidden: tuple[str, ...]


def find(path: str) -> list[Found]:
    """The files behind a glob, a folder (with what is below it) or one file's name, in the order of their names.

    Raises:
        SourceError: nothing is there.
    """
    return list(listing(path).shown)


def listing(path: str) -> Listing:
    """The same, with what is left out: in folders and globs, what begins with a dot or an underscore.

    Readers of whole folders leave that out too. A file that is named itself is taken, and so is what a glob names with
    its dot or underscore, such as ``_*.csv``.

    Raises:
        SourceError: nothing is there.
    """
    found, pattern = _find_url(path) if is_url(path) else _find_local(path)
    hidden = [file.name for file in found if _is_hidden(file.name, pattern)]
    shown = [file for file in found if not _is_hidden(file.name, pattern)]
    if not shown:
        left_out = f" but {', '.join(sorted(hidden)[:3])}, which begin with '.' or '_'" if hidden else ""
        raise SourceError(f"nothing is there: {path}{left_out}", code="not-found")
    return Listing(tuple(sorted(shown, key=lambda file: file.name)), tuple(sorted(hidden)))


def _is_hidden(name: str, pattern: str | None) -> bool:
    """Whether a part of the name begins with a dot or an underscore that the pattern does not ask for."""
    if pattern is None:  # the file's own name was given
        return False
    parts, asked = PurePosixPath(name).parts, PurePosixPath(pattern).parts
    if len(parts) != len(asked) or "**" in asked:  # only the last ones surely belong together
        asked = (*("*" for _ in parts[1:]), asked[-1] if asked else "*")
    return any(part[0] in "._" and part[0] != wanted[0] for part, wanted in zip(parts, asked, strict=True))


def _find_local(path: str) -> tuple[list[Found], str | None]:
    """The files, and the pattern that their names were found by; None where one file was named."""
    if os.path.isfile(path):  # noqa: PTH113 - also a name with a bracket in it is a file first
        return [Found(path, Path(path).name, Path(path).stat().st_size)], None
    root, pattern = (Path(path), "**") if Path(path).is_dir() else _split(path)
    if not pattern:
        return [], pattern
    names = {*_matching(root, pattern), *_with_dots(root, pattern)}
    found = [
        Found(str(root / name), PurePosixPath(*Path(name).parts).as_posix(), (root / name).stat().st_size)
        for name in sorted(names)
        if (root / name).is_file()
    ]
    return found, Path(pattern).as_posix()


def _matching(root: Path, pattern: str) -> Iterator[str]:
    return glob.iglob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 - Path's does not enter linked folders


def _with_dots(root: Path, pattern: str) -> Iterator[str]:
    """The files that begin with a dot and that the pattern would match if they did not; in no folder with a dot."""
    above, last = os.path.split(pattern)
    if last == "**":
        folders = {*_matching(root, f"{pattern}/"), *([] if above else [""])}
    else:
        folders = {*(_matching(root, f"{above}/") if above else ()), *([""] if above in ("", "**") else [])}
    for folder in folders:
        with suppress(OSError), os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") and (last == "**" or fnmatch.fnmatchcase(entry.name, last)):
                    yield str(Path(folder, entry.name))


def _split(pattern: str) -> tuple[Path, str]:
    """``a/b/*/c-*`` -> ``a/b`` and ``*/c-*``; the second is empty where nothing is to be matched."""
    parts = Path(pattern).parts
    first = next((number for number, part in enumerate(parts) if MAGIC.search(part)), len(parts))
    return Path(*parts[:first]), str(Path(*parts[first:])) if first < len(parts) else ""


def _find_url(url: str) -> tuple[list[Found], str | None]:
    system, path = _system(url)
    pattern: str | None = "**"
    with _naming(url):
        if MAGIC.search(path):
            root = "/".join(path.split("/")[: next(n for n, part in enumerate(path.split("/")) if MAGIC.search(part))])
            listed, pattern = system.glob(path, detail=True), path[len(root) :].lstrip("/")
        elif system.isfile(path):
            root, listed, pattern = path.rpartition("/")[0], {path: system.info(path)}, None
        else:
            root, listed = path.rstrip("/"), system.find(path, detail=True)
    given = url[: len(url) - len(path.rstrip("/")) + len(root)] if url.endswith(path.rstrip("/")) else ""
    names = {name: name[len(root) :].lstrip("/") for name, told in listed.items() if told.get("type") != "directory"}
    found = [  # as the caller writes them, so that they can be compared: memory://a is also memory:///a
        Found(f"{given}/{short}" if given else system.unstrip_protocol(name), short, listed[name].get("size"))
        for name, short in names.items()
    ]
    return found, pattern


def exists(path: str) -> bool:
    """Whether there is such a file."""
    if not is_url(path):
        return Path(path).is_file()
    system, inner = _system(path)
    with _naming(path):
        return bool(system.isfile(inner))


@contextmanager
def open_file(path: str) -> Iterator[IO[bytes]]:
    """A file to read from and to seek in.

    Raises:
        SourceError: it cannot be opened.
    """
    try:
        if is_url(path):
            system, inner = _system(path)
            file: IO[bytes] = system.open(inner, "rb")
        else:
            file = os.fdopen(open_regular(Path(path), os.O_RDONLY), "rb")
    except FileNotFoundError as error:
        raise SourceError(f"no such file: {path}", code="not-found") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror or error}", code="unreadable") from error
    with file:
        yield file


def read_text(path: str) -> str | None:
    """A small file; None where there is none."""
    try:
        with open_file(path) as file:
            return file.read().decode("utf-8", "replace")
    except SourceError as error:
        if error.code == "not-found":
            return None
        raise


@contextmanager
def new_file(target: str) -> Iterator[Path]:
    """A path to write to; what was written appears under ``target`` as a whole, or (after an error) not at all.

    On a disk: a temporary file beside it, forced to the disk, renamed, and the folder forced to the disk too. On an
    object store: one upload.

    Raises:
        AsrkitError: ``output``, it cannot be written.
    """
    try:
        if is_url(target):
            with tempfile.TemporaryDirectory(prefix="asrkit-") as folder:
                whole = Path(folder, "whole")
                yield whole
                _upload(whole, target)
        else:
            yield from _renamed(Path(target))
    except OSError as error:
        raise AsrkitError(f"{target} cannot be written: {error.strerror or error}", code="output") from error


def move(path: str, target: str) -> None:
    """Give a file another name in the same place.

    Raises:
        AsrkitError: ``output``, it cannot be renamed.
    """
    try:
        if is_url(path):
            system, inner = _system(path)
            system.mv(inner, _system(target)[1])
        else:
            Path(path).rename(target)
    except OSError as error:
        raise AsrkitError(f"{path} cannot be renamed: {error.strerror or error}", code="output") from error


def _renamed(target: Path) -> Iterator[Path]:
    status_of(target)  # what is no regular file is not replaced by one
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{_machine()}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)
        temporary.replace(target)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _sync(target.parent, os.O_RDONLY)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what need not outlive the machine, in memory where it can be: commits cost nothing there.

    What a killed process has left is removed by the next one.
    """
    shared = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
    folder = shared if os.access(shared, os.W_OK) else tempfile.gettempdir()
    home = Path(folder, f"asrkit-shards-{getpass.getuser()}")
    home.mkdir(mode=0o700, exist_ok=True)
    status = home.lstat()
    if hasattr(os, "geteuid") and (stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid()):
        raise AsrkitError(f"{home} belongs to somebody else; remove it, or set TMPDIR", code="output")
    sweep(str(home))
    name = f".shard.{_machine()}.{os.getpid()}."
    with tempfile.TemporaryDirectory(prefix=name, suffix=".partial", dir=home) as made:
        yield Path(made)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def _upload(whole: Path, target: str) -> None:
    system, inner = _system(target)
    protocols = (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
    if OBJECT_STORES.intersection(protocols):
        system.put_file(str(whole), inner)
        return
    folder, _, name = inner.rpartition("/")
    system.makedirs(folder, exist_ok=True)
    temporary = f"{folder}/.{name}.{_machine()}.{os.getpid()}.{secrets.token_hex(4)}.partial"
    system.put_file(str(whole), temporary)
    system.mv(temporary, inner)


def sweep(folder: str) -> None:
    """Remove the temporary files of processes of this machine that are gone, and of others after a day."""
    if is_url(folder) or not Path(folder).is_dir():
        return
    for path in list(Path(folder).rglob(".*.partial")):
        parts = path.name.rsplit(".", 4)  # .name.parquet, machine, process, random, partial
        if len(parts) != 5 or not parts[2].isdigit():
            continue
        with suppress(OSError):
            is_own = parts[1] == _machine()
            if (is_own and not _is_alive(int(parts[2]))) or time.time() - path.stat().st_mtime > ABANDONED:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # there the signal 0 is no question but a Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _machine() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "localhost"


def _system(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise SourceError(
            f"nothing installed here opens {url.split(':')[0]}:// ({error})", code="no-filesystem"
        ) from error
    return system, path


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """A service's error says which address it is about; its own text may hold secrets."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"nothing is there: {url}", code="not-found") from error
    except OSError as error:
        raise SourceError(
            f"{url} could not be reached ({type(error).__name__}); check the address and the credentials",
            code="unreachable",
        ) from None
