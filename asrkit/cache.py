"""The folder of what asrkit can make again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder", "private_folder"]


def cache_folder() -> Path:
    """Where asrkit keeps what it can make again: ``ASRKIT_CACHE``, or the user's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("ASRKIT_CACHE")
    return Path(given).expanduser() if given else user_cache_path("asrkit", appauthor=False)


def private_folder(*inside: str) -> Path:
    """A folder of the cache; what of it is made here nobody else may enter. Existing ones are left as they are.

    >>> private_folder("models").name
    'models'
    """
    folder = cache_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    for step in ("", *inside):
        folder = folder / step
        folder.mkdir(exist_ok=True, mode=0o700)
    return folder
