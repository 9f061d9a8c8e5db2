"""Whether a result can be written, asked before any work: what cannot be written is not worth computing."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import OptionError

__all__ = ["check_folder", "check_target"]


def check_target(path: str | os.PathLike[str]) -> None:
    """Whether a file can be written; nothing is left behind, and a file that is there keeps what it holds.

    Raises:
        OptionError: it is a folder, its folder is not there, or one may not write there.
    """
    target = Path(path).expanduser()
    if os.path.isdir(target):  # noqa: PTH112 - Path's raises for names that are too long
        raise OptionError(f"{target} is a folder; expected the name of a file to write")
    if not os.path.isdir(target.parent):  # noqa: PTH112
        raise OptionError(f"no such folder: {target.parent}; make it, or name another file to write")
    is_new = not os.path.lexists(target)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK | (os.O_CREAT | os.O_EXCL if is_new else 0))
    except OSError as error:
        raise OptionError(f"{target} cannot be written: {error.strerror}; name another file") from error
    os.close(descriptor)
    if is_new:
        target.unlink()


def check_folder(path: str | os.PathLike[str]) -> None:
    """Whether a folder is there and can be written to, or can be made; it is not made yet.

    Raises:
        OptionError: it cannot.
    """
    target = Path(path).expanduser()
    above = next((folder for folder in (target, *target.parents) if os.path.lexists(folder)), Path())
    if not above.is_dir():
        raise OptionError(f"{above} is no folder; name another one to write to")
    if not os.access(above, os.W_OK | os.X_OK):
        raise OptionError(f"{above} may not be written to; name another folder")
