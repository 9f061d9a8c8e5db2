"""Where a journal lies: the user's cache folder, a file beside the data, or nowhere."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from ..backends.base import Backend
from ..errors import OptionError
from ..printable import printable
from ..regular import IrregularError, followed
from ..weights import cache_folder
from .keys import canonical
from .recognise import no_journal, unwritable

__all__ = ["LIMIT", "NAME", "OFF", "VARIABLE", "chosen", "file_system", "make", "warn_of_network"]

VARIABLE = "ASRKIT_JOURNAL"  # a path, or one of OFF
NAME = "journal.sqlite"
OFF = ("off", "no", "0", "false")
LIMIT = 2 * 2**30  # bytes of the journal in the cache folder; one that the user names has none
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.cephfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
    | {"fuse.davfs", "fuse.goofys", "fuse.juicefs", "fuse.mount-s3", "virtiofs", "orangefs", "pvfs2"}
)
MOUNTS = Path("/proc/self/mountinfo")


def chosen(journal: object, backend: Backend) -> tuple[Path, bool] | None:
    """The file that ``journal=`` means and whether the user named it; None for none.

    By itself only a backend whose fingerprint says everything that can change its text is written down
    (``Preferences.is_fingerprinted``): another one's old answers might not be what it would say now. Who names a file
    vouches for the fingerprint.

    Raises:
        OptionError: no such choice, or the fingerprint cannot be written down.
    """
    if journal is False or (isinstance(journal, str) and journal.lower() in OFF):
        return None
    if isinstance(journal, str | os.PathLike) and str(journal):
        path, is_named = Path(journal).expanduser(), True
    elif journal is None or journal is True:
        told = os.environ.get(VARIABLE, "").strip()
        if journal is None and (told.lower() in OFF or not backend.preferred.is_fingerprinted):
            return None
        is_named = bool(told) and told.lower() not in OFF
        path = Path(told).expanduser() if is_named else cache_folder() / NAME
    else:
        raise OptionError(f"expected journal= to be a path, True, False or None, got {journal!r}")
    try:
        canonical(dict(backend.fingerprint))
    except (TypeError, ValueError) as error:
        if journal is None:
            return None
        raise OptionError(
            f"{backend.name} has options that cannot be written down ({error}), so its texts cannot be kept; "
            "pass journal=False"
        ) from None
    return path, is_named or journal is True


def make(path: Path) -> Path:
    """The folder, for the user alone where it is new.

    Returns:
        The file itself, where the path is a link to it.

    Raises:
        JournalError: ``read-only``, ``disk-full`` or ``no-journal``; what was there before is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return followed(path.absolute())
    except IrregularError as error:
        raise no_journal(path, error) from error
    except OSError as error:
        raise unwritable(f"the journal {path}", error) from error


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system that a path lies on.

    Args:
        path: of a file or folder.
        mounts: what Linux tells in ``/proc/self/mountinfo``.
    """
    best, kind = "", ""
    real = f"{path.resolve()}/"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = fields[4].encode().decode("unicode_escape").rstrip("/") + "/"
        if real.startswith(point) and len(point) >= len(best):  # the last of those at one place is on top
            best, kind = point, after.split()[0]
    return kind


def warn_of_network(path: Path) -> None:
    """Say it where the journal lies on another machine: locks may not hold there, and commits wait for the network."""
    try:
        mounts: Any = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return  # not Linux
    kind = file_system(path, mounts)
    if kind in NETWORK:
        warnings.warn(
            f"the journal {printable(path)} lies on a network file system ({kind}), whose locks and syncs may not keep "
            "what they promise, and processes on other machines would do, and pay, the same rows again; name a file on "
            "a local disk with journal=, or let one process at a time use it",
            stacklevel=2,
        )
