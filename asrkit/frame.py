"""``Series.asr`` and ``DataFrame.asr``: a doorway. Check the columns, call a plain function, put the index back."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from . import batch
from .backends import from_model
from .backends.base import Backend
from .errors import ColumnError, Interrupted, OptionError
from .transcript import Transcript

__all__ = ["FrameAsr", "SeriesAsr"]

TEXT: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else object
DETAILS = ("language", "duration", "elapsed", "confidence", "flags", "segments")


@pd.api.extensions.register_series_accessor("asr")
class SeriesAsr:
    """Speech recognition for a column of audio."""

    def __init__(self, cells: pd.Series[Any]) -> None:
        self._cells = cells

    def transcribe(self, *, model: object = "openai/whisper-base", **options: Any) -> pd.Series[Any]:
        """The text of each cell, on the same index; missing where it failed or there is no audio.

        Arguments are those of ``DataFrame.asr.transcribe``, which also tells why a row failed.

        >>> import asrkit
        >>> pd.Series([b"", None], index=["a", "b"]).asr.transcribe(model=asrkit.Canned(["hi"])).isna().tolist()
        [True, True]
        """
        for name in ("into", "details", "overwrite"):
            if name in options:
                raise OptionError(f"{name}= is for frames; use df.asr.transcribe(column, {name}=...)")
        frame = FrameAsr(self._cells.rename("audio").to_frame())
        return frame.transcribe("audio", model=model, **options)["hypothesis"]


@pd.api.extensions.register_dataframe_accessor("asr")
class FrameAsr:
    """Speech recognition for a frame with a column of audio."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def transcribe(
        self,
        audio: Hashable,
        *,
        model: object = "openai/whisper-base",
        into: str = "hypothesis",
        language: str | None = None,
        start: Hashable | None = None,
        end: Hashable | None = None,
        channel: int | None = None,
        details: bool = False,
        overwrite: bool = False,
        errors: str = "column",
        progress: bool = True,
        **options: Any,
    ) -> pd.DataFrame:
        """A new frame with the text of each row's audio.

        Args:
            audio: the column with paths, URLs, bytes or arrays with their rate.
            model: a model's name, a local folder, a transformers pipeline, or a backend.
            into: name of the new column; ``<into>_error`` says why a row failed.
            language: a code or name for all rows, or a column with one a row; None finds it out.
            start: a column with the first second that is wanted.
            end: a column with the second to stop before.
            channel: take this one (from 0) instead of the average of all.
            details: also ``_language``, ``_duration``, ``_elapsed`` (seconds), ``_confidence`` (mean
                log-probability), ``_flags`` and ``_segments``.
            overwrite: replace columns that are there already.
            errors: ``column``, or ``raise`` at the first row that fails.
            progress: show a bar.
            options: for the model, such as ``device``, ``timestamps`` or ``prompt``; see ``asrkit.Whisper``.

        Returns:
            The caller's columns, then ``<into>`` and ``<into>_error``, same index and order. What made the text
            (model, revision, precision, options) is in ``.attrs["asrkit"][into]``.

        Raises:
            ColumnError: a column is not there, or would be overwritten.
            OptionError, WeightsError: before any work.
            Interrupted: Ctrl-C; its ``partial`` is the frame with what was done.
        """
        frame = self._frame
        cells = _column(frame, audio)
        new = _new_columns(into, details)
        taken = [name for name in new if name in frame.columns]
        if taken and not overwrite:
            raise ColumnError(
                f"the frame has {', '.join(map(repr, taken))} already; name another into= or pass overwrite=True"
            )
        by_row = language is not None and language in frame.columns
        backend = from_model(model, **options)
        languages = _column(frame, language) if by_row else [batch.checked_language(backend, language)] * len(frame)
        done: dict[int, batch.Outcome] = {}
        running = batch.transcribe_cells(
            cells,
            backend,
            languages=languages,
            starts=None if start is None else _column(frame, start),
            ends=None if end is None else _column(frame, end),
            channel=channel,
            errors=errors,
            progress=progress,
            label=lambda row: frame.index[row],
            done=done.__setitem__,
        )
        try:
            for _ in running:
                pass
        except KeyboardInterrupt:
            stopped = Interrupted(
                f"stopped: {len(done):,} of {len(frame):,} rows are done; the frame with them is this error's .partial"
            )
            stopped.partial = _joined(frame, done, new, backend, into, details)
            raise stopped from None
        return _joined(frame, done, new, backend, into, details)


def _column(frame: pd.DataFrame, name: Hashable) -> list[Any]:
    if name not in frame.columns:
        near = difflib.get_close_matches(str(name), [str(column) for column in frame.columns], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, frame.columns)) or 'none'}"
        raise ColumnError(f"the frame has no column {name!r}; {hint}")
    if (count := sum(column == name for column in frame.columns)) > 1:
        raise ColumnError(f"the frame has {count} columns named {name!r}; names must tell them apart")
    return list(frame[name].tolist())


def _new_columns(into: str, details: bool) -> list[str]:
    return [into, f"{into}_error", *(f"{into}_{name}" for name in DETAILS if details)]


def _joined(
    frame: pd.DataFrame,
    done: Mapping[int, batch.Outcome],
    new: Sequence[str],
    backend: Backend,
    into: str,
    details: bool,
) -> pd.DataFrame:
    rows = [done.get(number, batch.NOT_REACHED) for number in range(len(frame))]
    heard = [row if isinstance(row, Transcript) else None for row in rows]
    values: dict[str, pd.Series[Any]] = {}

    def add(name: str, cells: Sequence[Any], dtype: Any) -> None:
        values[name] = pd.Series(cells, index=frame.index, dtype=dtype)

    add(new[0], [row.text if row else None for row in heard], TEXT)
    add(new[1], [str(row) if isinstance(row, batch.Failure) else None for row in rows], TEXT)
    if details:
        add(new[2], [row.language if row else None for row in heard], TEXT)
        for name, field in zip(new[3:6], ("duration", "elapsed", "confidence"), strict=True):
            add(name, [getattr(row, field) if row else None for row in heard], "float64")
        add(new[6], [",".join(row.flags) if row else None for row in heard], TEXT)
        add(new[7], [list(row.to_dict()["segments"]) if row else None for row in heard], object)
    old = _new_columns(into, details=True)  # those of an earlier text, which they would not describe any more
    kept = frame.drop(columns=[name for name in old if name in frame.columns])
    result = pd.concat([kept, pd.DataFrame(values, index=frame.index)], axis=1)
    made = frame.attrs.get("asrkit", {})
    result.attrs = {**frame.attrs, "asrkit": {**made, into: dict(backend.fingerprint)}}
    return result
