"""SHA-256 of large files that seldom change: remembered until a file's size, times or inode are others."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from pathlib import Path

from .cache import cache_folder, private_folder
from .regular import open_regular, whole_file

__all__ = ["file_digest"]

LARGE = 2**20  # bytes; what is smaller is read each time
# Seconds after a change during which another one may leave the same times behind: two on FAT, one on ext3.
FRESH = 2.0
DIGEST = re.compile("[0-9a-f]{64}")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = open_regular(path, os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as file:
        began, before = time.time(), _stamp(os.fstat(descriptor))
        if os.fstat(descriptor).st_size < LARGE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        place = f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]}.json"
        if (known := _known(place, before)) is not None:
            return known
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        status = os.fstat(descriptor)
        changed = max(status.st_mtime, status.st_ctime)
        if before == _stamp(status) and began - changed > FRESH:
            with contextlib.suppress(OSError), whole_file(private_folder("digests") / place) as making:
                making.write_text(json.dumps({"stamp": before, "sha256": digest}), "utf-8")
        return digest


def _stamp(status: os.stat_result) -> list[str]:
    """What changes with the content: programs may set the time of its last change back, but not ``st_ctime``."""
    return [str(part) for part in (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)]


def _known(place: str, stamp: list[str]) -> str | None:
    try:
        told = json.loads((cache_folder() / "digests" / place).read_text("utf-8"))
        digest = str(told["sha256"])
        return digest if told["stamp"] == stamp and DIGEST.fullmatch(digest) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
