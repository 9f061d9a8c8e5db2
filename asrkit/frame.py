"""``Series.asr`` and ``DataFrame.asr``: a doorway. Check the columns, call a plain function, put the index back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import batch
from .backends import from_model
from .backends.base import Backend, Remote
from .columns import column_of
from .errors import AsrkitError, BackendError, ColumnError, Interrupted, OptionError
from .transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable

    from .evaluate.comparison import Comparison
    from .normalizers import Normalizer

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
        for name in ("into", "details", "overwrite", "dry_run"):
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
        dry_run: bool = False,
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
                log-probability), ``_flags`` and ``_segments``; with a paid model ``_cost`` (dollars).
            overwrite: replace columns that are there already.
            errors: ``column``, or ``raise`` at the first row that fails.
            progress: show a bar.
            dry_run: transcribe nothing; give an ``Estimate`` of what it would cost.
            options: for the model, such as ``device``, ``timestamps`` or ``prompt``, see ``asrkit.Whisper``; or
                ``max_cost``, ``gateway`` and the like, see ``asrkit.WorkersAI``.

        Returns:
            The caller's columns, then ``<into>`` and ``<into>_error``, same index and order. What made the text
            (model, revision, precision, options) is in ``.attrs["asrkit"][into]``.

        Raises:
            ColumnError: a column is not there, or would be overwritten.
            OptionError, WeightsError, CredentialsError: before any work.
            BackendError: every further row would fail, such as when a quota is spent; its ``partial`` is the frame
                with what was done.
            Interrupted: Ctrl-C; its ``partial`` is the frame with what was done.
        """
        frame = self._frame
        if dry_run:
            from .costs import estimate

            options = {**options, "language": None if language in frame.columns else language}
            told: Any = estimate(frame, audio, model=model, start=start, end=end, progress=progress, **options)
            return told  # type: ignore[no-any-return]  # so that editors know the frame that all other calls give
        cells = column_of(frame, audio)
        new = _new_columns(into, details)
        taken = [name for name in new if name in frame.columns]
        if taken and not overwrite:
            raise ColumnError(
                f"the frame has {', '.join(map(repr, taken))} already; name another into= or pass overwrite=True"
            )
        by_row = language is not None and language in frame.columns
        backend = from_model(model, **options)
        languages = column_of(frame, language) if by_row else [batch.checked_language(backend, language)] * len(frame)
        done: dict[int, batch.Outcome] = {}
        running = batch.transcribe_cells(
            cells,
            backend,
            languages=languages,
            starts=None if start is None else column_of(frame, start),
            ends=None if end is None else column_of(frame, end),
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
        except AsrkitError as error:
            error.partial = _joined(frame, done, new, backend, into, details)
            count = sum(not _is_interrupted(outcome) for outcome in done.values())
            if isinstance(error, BackendError) and error.stops_run and count:
                error.args = (f"{error} ({count:,} of {len(frame):,} rows are done: this error's .partial)",)
            raise
        return _joined(frame, done, new, backend, into, details)

    def score(
        self,
        *,
        reference: Hashable,
        hypothesis: Hashable = "hypothesis",
        by: Hashable | Sequence[Hashable] | None = None,
        block: Hashable | None = None,
        language: str | None = None,
        normalizer: str | Callable[[str], str] | Normalizer = "auto",
        unit: str = "auto",
        dialect: Any = "levenshtein",
        failed: str = "exclude",
        confidence: float = 0.95,
        replicates: int = 10_000,
        seed: int = 0,
    ) -> Any:
        """How good a column of texts is: a ``Score``, or with ``by`` a frame with a row for each slice.

        A missing reference says that nobody knows what was said: the row is not scored. An empty one says that
        nothing was said. A missing hypothesis is a row that failed, see ``failed``; an empty one heard nothing.

        Args:
            reference: the column with what was said.
            hypothesis: the column with what was recognised.
            by: columns whose values make slices; the slices' intervals hold all together.
            block: the column with what is independent, such as the speaker; None takes every row for independent.
            language: a code, or a column with one a row; by itself a column ``language``, or the model's.
            normalizer: ``auto`` (by language), one of ``asrkit.normalizers.NAMES``, or a function.
            unit: ``word``, ``character`` or ``mixed``; ``auto`` by language.
            dialect: ``levenshtein`` (as jiwer), ``sclite``, or ``asrkit.evaluate.Sclite(...)``.
            failed: rows without a text: ``exclude`` (counted apart) or ``deletions``.
            confidence: of the intervals.
            replicates: data sets that the bootstrap draws.
            seed: the same seed gives the same interval.

        Raises:
            ColumnError, OptionError: there is no such column, or nothing to score.

        >>> import asrkit
        >>> df = pd.DataFrame({"text": ["the cat sat", "so it is"], "hypothesis": ["the bat sat", "so it is"]})
        >>> round(df.asr.score(reference="text").wer, 3)
        0.167
        """
        from .evaluate import frames

        return frames.score(
            self._frame,
            reference=reference,
            hypothesis=hypothesis,
            by=by,
            block=block,
            language=language,
            normalizer=normalizer,
            unit=unit,  # type: ignore[arg-type]  # checked there
            dialect=dialect,
            failed=failed,  # type: ignore[arg-type]
            confidence=confidence,
            replicates=replicates,
            seed=seed,
        )

    def compare(
        self,
        *,
        reference: Hashable,
        hypotheses: Sequence[Hashable],
        by: Hashable | Sequence[Hashable] | None = None,
        block: Hashable | None = None,
        audio: Hashable | None = None,
        **options: Any,
    ) -> Comparison:
        """Which of several columns of texts is better, by how much, and whether that is more than chance.

        All are scored on the same rows: those with a reference, and (by ``failed``) with a text of every system.

        Args:
            reference: the column with what was said.
            hypotheses: the columns with what each system recognised.
            by: columns whose values make slices.
            block: the column with what is independent, such as the speaker.
            audio: the column with the audio, for the report's worst clips.
            options: as for ``score``.

        Raises:
            ColumnError, OptionError: there is no such column, or nothing to compare.

        >>> df = pd.DataFrame({"text": ["the cat sat"] * 30, "a": ["the bat sat"] * 30, "b": ["the cat sat"] * 30})
        >>> df.asr.compare(reference="text", hypotheses=["a", "b"]).best.name
        'b'
        """
        from .evaluate import frames

        return frames.compare(
            self._frame, reference=reference, hypotheses=hypotheses, by=by, block=block, audio=audio, **options
        )

    def benchmark(
        self,
        audio: Hashable,
        *,
        reference: Hashable,
        models: Sequence[object],
        by: Hashable | Sequence[Hashable] | None = None,
        block: Hashable | None = None,
        language: str | None = None,
        progress: bool = True,
        **options: Any,
    ) -> Comparison:
        """Transcribe with several models and compare them: error rate, RTFx, price for an hour of audio, failures.

        Args:
            audio: the column with the audio.
            reference: the column with what was said.
            models: names (also ``@cf/...``), or backends.
            by: columns whose values make slices.
            block: the column with what is independent, such as the speaker.
            language: a code, or a column with one a row, for the models that can be told.
            progress: show bars.
            options: as for ``score``.

        Raises:
            BackendError: none of the models could be run. One of several that cannot is told in ``.failures``.
        """
        from .evaluate.benchmark import benchmark

        return benchmark(
            self._frame,
            audio,
            reference=reference,
            models=models,
            by=by,
            block=block,
            language=language,
            progress=progress,
            compare_options=options,
        )


def _is_interrupted(outcome: batch.Outcome) -> bool:
    return isinstance(outcome, batch.Failure) and outcome.code == batch.NOT_REACHED.code


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
        if isinstance(backend, Remote):
            add(f"{into}_cost", [None if row is None else row.cost for row in rows], "float64")
    old = [
        *_new_columns(into, details=True),
        f"{into}_cost",
    ]  # those of an earlier text, which they would not describe any more
    kept = frame.drop(columns=[name for name in old if name in frame.columns])
    result = pd.concat([kept, pd.DataFrame(values, index=frame.index)], axis=1)
    made = frame.attrs.get("asrkit", {})
    result.attrs = {**frame.attrs, "asrkit": {**made, into: dict(backend.fingerprint)}}
    return result
