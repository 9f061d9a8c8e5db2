"""The cells of a frame's column, and what to say where there is no such column."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from .errors import ColumnError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AUDIO_NAMES", "column_of"]

# What data sets and toolkits call the column with the audio: the first of these that a table has.
AUDIO_NAMES = (
    "path", "audio_filepath", "audio", "audio_path", "file_name", "filename", "file", "wav", "wav_path", "clip"
)  # fmt: skip


def column_of(frame: pd.DataFrame, name: Any) -> list[Any]:
    """The cells of a column.

    Raises:
        ColumnError: there is none of this name, or several.
    """
    if name not in frame.columns:
        near = difflib.get_close_matches(str(name), [str(column) for column in frame.columns], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, frame.columns)) or 'none'}"
        raise ColumnError(f"the frame has no column {name!r}; {hint}")
    if (count := sum(column == name for column in frame.columns)) > 1:
        raise ColumnError(f"the frame has {count} columns named {name!r}; names must tell them apart")
    return list(frame[name].tolist())
