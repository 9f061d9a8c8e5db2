"""What models are called where clients can read it: without the folders of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

__all__ = ["folders_of", "hide_folders", "public_name"]

SHORTEST = 4  # characters of a folder that is looked for in messages: "." and "/" stand in every text


def public_name(name: str) -> str:
    """The name of a model for clients: of a local folder its last part alone.

    >>> public_name("/home/me/models/whisper-de/"), public_name("openai/whisper-base")
    ('whisper-de', 'openai/whisper-base')
    """
    if not _is_folder(name):
        return name
    if "\\" in name or PureWindowsPath(name).drive:
        return PureWindowsPath(name).name or "model"
    return PurePosixPath(name).name.strip(".~") or Path(name).expanduser().resolve().name or "model"


def folders_of(names: Iterable[str]) -> Mapping[str, str]:
    """Local folders among the names of models, as they may be spelled in a message -> their public names."""
    folders: dict[str, str] = {}
    for name in filter(_is_folder, names):
        for spelled in (name, str(Path(name).expanduser().resolve())):
            if len(spelled) >= SHORTEST:
                folders[spelled] = public_name(name)
    return dict(sorted(folders.items(), key=lambda pair: -len(pair[0])))


def hide_folders(text: str, folders: Mapping[str, str]) -> str:
    """A message without the folders that the models come from.

    >>> hide_folders("/srv/whisper-en knows English only", folders_of(["/srv/whisper-en"]))
    'whisper-en knows English only'
    """
    for spelled, name in folders.items():
        text = text.replace(spelled, name)
    return text


def _is_folder(name: str) -> bool:
    """Whether the name leads, or was meant to lead, to a folder here. A name on the hub has one slash at most."""
    if name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1 or PureWindowsPath(name).drive:
        return True
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or with characters that no file's name holds
        return False
