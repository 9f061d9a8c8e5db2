"""A table on this machine -> a frame, as the commands read it: text stays text, paths are found beside the table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .columns import AUDIO_NAMES
from .containers import sniff
from .errors import AsrkitError, ColumnError, DecodeError, OptionError, SourceError
from .json_lines import is_json_lines
from .local import existing, found_path, open_regular
from .remote import is_url
from .seconds import checked_seconds
from .tables import DELIMITERS, ENDINGS, beginning, ending_of, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "NEMO",
    "audio_column",
    "has_nemo_stretches",
    "is_elsewhere",
    "is_table",
    "nemo_stretches",
    "read_frame",
    "stretches_of",
    "with_paths",
]

Second = float | OptionError | None  # of a recording; an error where it cannot be read, None where none is given

NEMO = ("audio_filepath", "offset", "duration")
LONGEST_PATH = 4096  # characters


def is_table(path: Path, audio: str | None = None) -> bool:
    """Whether a file is a table: by its ending, else by content: JSON lines, or a header with the audio's column."""
    if ending_of(path.name) in ENDINGS:
        return True
    try:
        with open_regular(path) as file:
            head = file.read(4)
            file.seek(0)
            sniff(file)
    except DecodeError:
        pass
    except AsrkitError:
        return False
    else:
        return False
    if head.startswith(b"PAR1"):
        return True
    try:
        first = first_line(path)
    except AsrkitError:
        return False
    if is_json_lines(first):
        return True
    names = AUDIO_NAMES if audio is None else (audio,)
    return any(mark in first and {cell.strip('"') for cell in first.split(mark)} & set(names) for mark in DELIMITERS)


def first_line(path: Path) -> str:
    """The first line of a text that is not blank, unpacked and decoded by its mark.

    Raises:
        SourceError: it is no text.
    """
    return beginning(partial(open_regular, path), str(path))


def read_frame(
    path: Path,
    *,
    encoding: str | None = None,
    columns: Sequence[str] | None = None,
    missing: Collection[str | None] = (),
) -> pd.DataFrame:
    """A Parquet as it is; of any other table every cell as text, an empty cell as an empty text.

    Args:
        path: of the table.
        encoding: see ``asrkit.tables.read_table``.
        columns: see there.
        missing: columns in which an empty cell is missing, such as those with a language or a speaker.

    Raises:
        SourceError: there is no such file, or it is no table.
        OptionError, ColumnError: as ``read_table``.
    """
    import pandas as pd

    path = found_path(str(path))
    if path.is_dir():
        raise SourceError(f"{path} is a folder; expected a table: CSV, TSV, JSON lines or Parquet", code="not-a-file")
    if _is_parquet(path):
        if encoding is not None or columns is not None:
            raise OptionError(f"{path} is Parquet, which has its own names and no encoding")
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError, KeyError) as error:  # pyarrow's own errors are among them
            raise SourceError(f"{path} cannot be read as Parquet: {error!s:.300}", code="unreadable") from error

    table = read_table(partial(open_regular, path), str(path), encoding=encoding, columns=columns)
    frame = pd.DataFrame(list(table), columns=table.names, dtype=object)
    for at, name in enumerate(table.names):
        if name in missing:
            frame.isetitem(at, frame.iloc[:, at].replace("", None).to_numpy(object))
    return frame


def _is_parquet(path: Path) -> bool:
    with open_regular(path) as file:
        return file.read(4) == b"PAR1" or ending_of(path.name) == ".parquet"


def audio_column(frame: pd.DataFrame, named: str | None, path: Path) -> str:
    """The column with the audio: the one that was named, else one with a usual name.

    Raises:
        ColumnError: there is no such column, or there are several.
    """
    names = [str(name) for name in frame.columns]
    found = named if named is not None else next((name for name in AUDIO_NAMES if name in names), None)
    if found is None or found not in names:
        wanted = repr(named) if named is not None else f"with the audio ({', '.join(AUDIO_NAMES)})"
        raise ColumnError(
            f"{path} has no column {wanted}; it has {', '.join(names) or 'none'}. Name the one with the audio by "
            "--audio, or, where the first line is a row already, all columns by --columns"
        )
    if names.count(found) > 1:
        raise ColumnError(f"{path} has {names.count(found)} columns {found!r}; names must tell them apart")
    return found


def with_paths(frame: pd.DataFrame, audio: str, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The frame with paths that can be opened from here, and the paths at which nothing is.

    A relative path counts from where the command is run, else from the table.
    """
    gone: list[str] = []

    def located(cell: object) -> object:
        if not isinstance(cell, str):
            return cell
        if not cell or is_elsewhere(cell):
            return cell or None
        here, beside = existing(found_path(cell)), existing(path.parent / cell)
        if here is None and beside is None:
            gone.append(cell)
            return cell
        return cell if here is not None else str(beside)

    return frame.assign(**{audio: frame[audio].map(located).astype(object)}), gone


def is_elsewhere(cell: str) -> bool:
    """Whether a text is no plain path: a URL, or a recording itself."""
    return is_url(cell) or cell[:5].lower() in ("data:", "file:") or len(cell) > LONGEST_PATH


def nemo_stretches(frame: pd.DataFrame) -> tuple[list[Second], list[Second]] | None:
    """Starts and ends in seconds by ``offset`` and ``duration`` of a NeMo manifest; None of any other table.

    NeMo reads ``duration`` seconds from ``offset`` on.
    """
    if not has_nemo_stretches(list(frame.columns)):
        return None
    nothing = [None] * len(frame)
    offsets, durations = (frame[name].tolist() if name in frame.columns else nothing for name in NEMO[1:])
    return stretches_of(offsets, durations)


def has_nemo_stretches(names: Collection[object]) -> bool:
    """Whether a table with these columns is a NeMo manifest that says which stretch of each recording is meant."""
    return NEMO[0] in names and not {*NEMO[1:]}.isdisjoint(names)


def stretches_of(offsets: Sequence[object], durations: Sequence[object]) -> tuple[list[Second], list[Second]]:
    """Starts and ends in seconds, one per row; an error in rows whose offset or duration is no time."""
    starts, ends = checked_seconds(offsets, "offset") or [], []
    for start, length in zip(starts, checked_seconds(durations, "duration") or [], strict=True):
        ends.append(
            (start or 0.0) + length if isinstance(length, float) and not isinstance(start, OptionError) else length
        )
    return starts, ends
