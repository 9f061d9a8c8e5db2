"""A folder -> the recordings in it: what its name or its first bytes say is sound, and what is left out and why."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO

from .containers import AUDIO_ENDINGS, HEAD, sniff
from .errors import DecodeError, SourceError
from .local import open_regular

__all__ = ["Recordings", "holds_sound", "recordings_below", "sorted_out"]

READERS = 16  # files whose first bytes are read at the same time: a network's disk answers each after a while
PICTURES = (
    b"avif",
    b"avis",
    b"crx ",
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"mif1",
    b"msf1",
)  # brands of "ftyp"
NAMED = 5  # endings in a message


@dataclass(slots=True)
class Recordings:
    """The recordings in a folder.

    Args:
        paths: in the order of their names.
        left_out: how many files there are that are no recordings, by the reason.
    """

    paths: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def note(self) -> str:
        """What was left out, with counts; empty if nothing was."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.most_common())


def recordings_below(folder: Path) -> Recordings:
    """The recordings in a folder and in the folders below it.

    A file is a recording if its name ends like one's, or if it begins like one. One that cannot be read after all is a
    row with an error. Names that begin with a dot are left out.
    """
    left_out: Counter[str] = Counter()
    paths = sorted(_files_below(folder, left_out))
    told = sorted_out(paths)
    return Recordings(told.paths, left_out + told.left_out)


def sorted_out(paths: Iterable[Path]) -> Recordings:
    """Of some files those that are recordings; those with other endings than a recording's are looked into."""
    every = list(paths)
    unclear = [path for path in every if path.suffix.lower() not in AUDIO_ENDINGS]
    with ThreadPoolExecutor(READERS, thread_name_prefix="asrkit-look") as pool:
        reasons = dict(zip(unclear, pool.map(_not_sound, unclear), strict=True))
    endings: Counter[str] = Counter()
    told = Recordings()
    for path in every:
        reason = reasons.get(path)
        if reason is None:
            told.paths.append(path)
        elif reason == NO_SOUND:
            endings[path.suffix.lower() or "no ending"] += 1
        else:
            told.left_out[reason] += 1
    if endings:
        listed = [f"{count:,} {ending}" for ending, count in endings.most_common(NAMED)]
        more = endings.total() - sum(count for _, count in endings.most_common(NAMED))
        listed += [f"{more:,} others"] if more else []
        told.left_out[f"{NO_SOUND} ({', '.join(listed)})"] = endings.total()
    return told


NO_SOUND = "that hold no sound"


def holds_sound(file: IO[bytes]) -> bool:
    """Whether a file begins like a recording.

    Text is told from its first bytes alone; what is decided of others is what is decided where they are decoded.
    """
    head = file.read(HEAD)
    if not head or (head[4:8] == b"ftyp" and head[8:12] in PICTURES) or _is_text(head):
        return False
    file.seek(0)
    try:
        sniff(file)
    except DecodeError:
        return False
    return True


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.end >= len(head)  # a character that goes on behind the first bytes
    return True


def _not_sound(path: Path) -> str | None:
    """Why a file is no recording; None if it is one."""
    try:
        with open_regular(path) as file:
            return None if holds_sound(file) else NO_SOUND
    except SourceError as error:
        return {"not-found": "that lead nowhere", "not-a-file": "that are no regular files"}.get(
            error.code, "that cannot be read"
        )


def _files_below(folder: Path, left_out: Counter[str]) -> Iterator[Path]:
    """All files, each folder entered once, however many links lead to it."""
    seen = {_identity(folder)}

    def unreadable(error: OSError) -> None:
        left_out["folders that cannot be read"] += 1

    for above, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        left_out["whose names begin with a dot"] += sum(name.startswith(".") for name in (*folders, *names))
        entered = []
        for name in sorted(folders):
            identity = _identity(Path(above, name))
            if not name.startswith(".") and identity not in seen:
                seen.add(identity)
                entered.append(name)
        folders[:] = entered
        for name in names:
            path = Path(above, name)
            if name.startswith("."):
                continue
            if _is_special(path):
                left_out["that are no regular files"] += 1
            else:
                yield path
    left_out += Counter()  # without those of which there are none


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError:
        return (-1, hash(PurePath(folder)))
    return (status.st_dev, status.st_ino)


def _is_special(path: Path) -> bool:
    """A pipe, a socket or a device."""
    try:
        kind = path.stat().st_mode
    except OSError:
        return False  # a link that leads nowhere: a row with an error, if its name is a recording's
    return not stat.S_ISREG(kind)
