"""What can go wrong, drawn as a tree; it branches where a caller would act differently.

::

    AsrkitError
    ├── ColumnError          the frame has no such column, or already has it
    ├── OptionError          an argument that cannot be meant, refused before any work
    ├── SourceError          the cell names no audio we can find
    ├── DecodeError          the audio is there but cannot be decoded
    ├── WeightsError         the model's name leads to no usable weights
    ├── MissingExtraError    an optional dependency is absent (also an ImportError)
    └── BackendError         the recogniser gave no transcript
        └── OutOfMemoryError   this batch does not fit; a smaller one may

``Interrupted`` is a ``KeyboardInterrupt`` that carries what was finished.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AsrkitError",
    "BackendError",
    "ColumnError",
    "DecodeError",
    "Interrupted",
    "MissingExtraError",
    "OptionError",
    "OutOfMemoryError",
    "SourceError",
    "WeightsError",
]


class AsrkitError(Exception):
    """Everything that asrkit raises on purpose.

    ``code`` is a short word for tables and programs; the message is for people.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return str(self.args[0])  # also under KeyError, which would add quotes


class ColumnError(AsrkitError, KeyError):
    """The frame has no such column, or one would be overwritten."""

    code = "column"


class OptionError(AsrkitError, ValueError):
    """An argument that cannot be meant; nothing was done yet."""

    code = "option"


class SourceError(AsrkitError):
    """The cell names no audio we can find.

    Codes: ``bad-cell``, ``not-found``, ``not-a-file``, ``unreadable``, ``no-filesystem``, ``unreachable``.
    """

    code = "source"


class DecodeError(AsrkitError):
    """The audio is there but cannot be decoded.

    Codes: ``empty``, ``not-audio``, ``no-audio-stream``, ``no-channel``, ``encrypted``, ``corrupt``,
    ``non-finite``, ``too-long``, ``too-large``, ``timeout``.
    """

    code = "decode"


class WeightsError(AsrkitError):
    """The model's name leads to no usable weights."""

    code = "weights"


class MissingExtraError(AsrkitError, ImportError):
    """An optional dependency is absent."""

    code = "missing-extra"


class BackendError(AsrkitError):
    """The recogniser gave no transcript."""

    code = "backend"


class OutOfMemoryError(BackendError):
    """A batch did not fit into the device's memory; a smaller one may."""

    code = "out-of-memory"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; ``partial`` holds what was finished before it, in the shape that the call would have returned."""

    partial: Any = None
