"""The columns of a frame: the cells of one, and whether new ones would replace any."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from .errors import ColumnError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AUDIO_NAMES", "check_new_columns", "column_of"]

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


def check_new_columns(
    there: Sequence[Any], new: Collection[str], audio: Any, *, overwrite: bool, what: str, remedy: str
) -> None:
    """Whether results can be written as these columns; asked before any work.

    Args:
        there: names of the columns that the table has.
        new: names of the columns that are written.
        audio: the column with the audio, which is never replaced.
        overwrite: whether the others are.
        what: the table, for messages.
        remedy: what to do, for messages.

    Raises:
        ColumnError: a column would be replaced.

    >>> check_new_columns(["path", "text"], ["text"], "path", overwrite=False, what="a.csv", remedy="name another")
    Traceback (most recent call last):
    asrkit.errors.ColumnError: a.csv has 'text' already; name another
    """
    if audio in new:
        raise ColumnError(
            f"{audio!r} is the column with the audio of {what}, which is never replaced; name another into"
        )
    taken = [name for name in dict.fromkeys(new) if name in there]
    if taken and not overwrite:
        raise ColumnError(f"{what} has {', '.join(map(repr, taken))} already; {remedy}")
    several = next((name for name in taken if list(there).count(name) > 1), None)
    if several is not None:
        raise ColumnError(f"{what} has {list(there).count(several)} columns {several!r}; names must tell them apart")
