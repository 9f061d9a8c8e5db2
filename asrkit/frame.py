"""``Series.asr`` and ``DataFrame.asr``: a doorway. Check the columns, call a plain function, put the index back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import batch
from .backends import from_model
from .backends.base import Backend, Remote
from .columns import check_new_columns, column_of
from .errors import AsrkitError, BackendError, Interrupted, JournalError, OptionError
from .failures import Failures
from .journal import place
from .language_names import refuse_many_languages
from .outcomes import NOT_REACHED, Failure, Outcome
from .renamed import renamed
from .seconds import column_of_seconds
from .transcript import Transcript
from .turns import EACH, with_word_times

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from .evaluate.comparison import Comparison
    from .normalizers import Normalizer
    from .widgets.browser import Browser
    from .widgets.labeler import Labeler
    from .widgets.player import Player

__all__ = ["FrameAsr", "SeriesAsr"]

TEXT: Any = "str" if int(pd.__version__.split(".")[0]) >= 3 else object
MEASURES = ("duration", "elapsed", "confidence", "logprob")
DETAILS = ("language", *MEASURES, "flags", "segments")


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

    def play(self, row: Hashable = None, *, channel: int | None = None) -> Player:
        """Hear one cell in a notebook, with its waveform and, if asked for, its spectrogram.

        Args:
            row: its index label; None is the first.
            channel: take this one (from 0) instead of the average of all.

        Raises:
            ColumnError: the index has no such row, or several.
        """
        return FrameAsr(self._cells.rename("audio").to_frame()).play("audio", row, channel=channel)


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
        channel: int | str | None = None,
        track: int | str | None = None,
        format: str | None = None,  # noqa: A002 - what it is called everywhere
        details: bool = False,
        overwrite: bool = False,
        errors: str = "column",
        progress: bool = True,
        journal: object = None,
        retry_failed: bool = False,
        resend_unsettled: bool = True,
        isolate: bool = False,
        allow_private_urls: bool = False,
        dry_run: bool = False,
        **options: Any,
    ) -> pd.DataFrame:
        """A new frame with the text of each row's audio.

        Args:
            audio: the column with paths, URLs, bytes or arrays with their rate.
            model: a model's name, a local folder, a transformers pipeline, or a backend.
            into: name of the new column; ``<into>_error`` says why a row failed.
            language: a code or name for all rows, or a column with one a row; None finds it out.
            start: a column with the first second that is wanted: numbers, ``0:01:02.5`` or Timedeltas.
            end: a column with the second to stop before.
            channel: take this one (from 0) instead of the average of all; ``each`` hears every channel by itself, and
                gives what was said in all of them as turns in time order, ``channel`` on segments and words.
            track: take this audio track of each file, by its number (from 0) or its language (``"eng"``); None takes
                the default one, or one with sound where that is silent.
            format: what files without any header are, see ``asrkit.transcribe``.
            details: also ``_language``, ``_duration``, ``_elapsed`` (seconds), ``_confidence`` (a probability in
                [0, 1]), ``_logprob`` (the tokens' mean log-probability, if the model gives one), ``_flags`` and
                ``_segments``; with a paid model ``_cost`` (dollars), with nova-3 ``_answer`` (JSON text of what else
                it was asked and answered, such as topics).
            overwrite: replace columns that are there already; those that described a text which is replaced go too.
            errors: ``column``, or ``raise`` at the first row that fails.
            progress: show a bar.
            journal: the file in which finished rows are kept at once, so that the same call goes on after a crash and
                the same audio is not heard twice. None is one in the user's cache folder, for models whose text
                depends on nothing that asrkit does not know: Whisper and ``@cf/...``. A path takes every model's;
                False none.
            retry_failed: try rows again whose audio is known to be broken, or that made the process crash.
            resend_unsettled: send paid requests again that were never answered, and may have been billed; False gives
                the error ``unsettled`` instead.
            isolate: decode in processes of their own, so that a file that crashes or hangs the decoder costs one row;
                for files that nobody can vouch for.
            allow_private_urls: URLs may lead to addresses that are not public, such as those of this network.
            dry_run: transcribe nothing; give an ``Estimate`` of what it would cost.
            options: for the model, such as ``device``, ``timestamps`` or ``prompt``, see ``asrkit.Whisper``; or
                ``max_cost``, ``gateway`` and the like, see ``asrkit.WorkersAI``.

        Returns:
            The caller's columns, then ``<into>`` and ``<into>_error``, and with ``language`` also
            ``<into>_language``; same index and order. What made the text (model, revision, precision, options) is in
            ``.attrs["asrkit"][into]``.

        Raises:
            ColumnError: a column is not there, or would be overwritten.
            OptionError, WeightsError, CredentialsError: before any work.
            BackendError: every further row would fail, such as when a quota is spent; its ``partial`` is the frame
                with what was done.
            JournalError: the journal cannot be written; its ``partial`` is the frame with what was done.
            Interrupted: Ctrl-C, which finishes the batch in hand (a second one does not), or SIGTERM; its ``partial``
                is the frame with what was done.
        """
        frame = self._frame
        refuse_many_languages(language)
        if dry_run:
            from .costs import estimate

            options = {**options, "language": None if language in frame.columns else language}
            told: Any = estimate(
                frame, audio, model=model, start=start, end=end, channel=channel, progress=progress, **options
            )
            return told  # type: ignore[no-any-return]  # so that editors know the frame that all other calls give
        cells = column_of(frame, audio)
        new = _new_columns(into, details, has_language=language is not None)
        _check_new(frame, new, audio, overwrite=overwrite)
        by_row = language is not None and language in frame.columns
        backend = from_model(model, **options)
        if channel == EACH:
            backend = with_word_times(backend)
        new += _further_columns(into, details, backend)
        _check_new(frame, new, audio, overwrite=overwrite)
        languages = column_of(frame, language) if by_row else [batch.checked_language(backend, language)] * len(frame)
        done: dict[int, Outcome] = {}
        failures = Failures()
        waited: list[float] = []  # by the runs that have heard what the journal answers
        running = batch.transcribe_cells(
            cells,
            backend,
            languages=languages,
            starts=None if start is None else column_of_seconds(column_of(frame, start), "start"),
            ends=None if end is None else column_of_seconds(column_of(frame, end), "end"),
            channel=channel,
            track=track,
            format=format,
            errors=errors,
            progress=progress,
            journal=journal,
            retry_failed=retry_failed,
            resend_unsettled=resend_unsettled,
            isolate=isolate,
            allow_private_urls=allow_private_urls,
            label=lambda row: frame.index[row],
            done=done.__setitem__,
            recalled=waited.append,
        )
        try:
            for outcome in running:
                failures.add(outcome)
        except KeyboardInterrupt:
            is_kept = place.chosen(journal, backend) is not None
            stopped = Interrupted(
                f"stopped: {len(done):,} of {len(frame):,} rows are done; the frame with them is this error's .partial"
                + (", and the same call goes on from there" if is_kept else "")
            )
            stopped.partial = _joined(frame, done, new, backend, into, details, audio)
            raise stopped from None
        except AsrkitError as error:
            error.partial = _joined(frame, done, new, backend, into, details, audio)
            count = sum(not _is_interrupted(outcome) for outcome in done.values())
            if count and (isinstance(error, JournalError) or (isinstance(error, BackendError) and error.stops_run)):
                error.args = (f"{error} ({count:,} of {len(frame):,} rows are done: this error's .partial)",)
            raise
        result = _joined(frame, done, new, backend, into, details, audio)
        failures.say()
        if waited:
            told = {"rows": len(waited), "seconds": sum(waited)}
            result.attrs["asrkit_journal"] = {**frame.attrs.get("asrkit_journal", {}), into: told}
        return result

    @renamed(confidence="level")
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
        level: float = 0.95,
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
            language: a code or an English name, or a column with one per row; by itself a column ``language``, else
                ``<hypothesis>_language``, else the language that the reference is written in. Values of a column that
                are no language count as unknown, and ``Score.notes`` counts them.
            normalizer: ``auto`` (by language), one of ``asrkit.normalizers.NAMES``, or a function.
            unit: ``word``, ``character`` or ``mixed``; ``auto`` by language.
            dialect: ``levenshtein`` (as jiwer), ``sclite``, or ``asrkit.evaluate.Sclite(...)``.
            failed: rows without a text: ``exclude`` (counted apart) or ``deletions``.
            level: of the intervals: how often such intervals contain the true rate.
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
            level=level,
            replicates=replicates,
            seed=seed,
        )

    @renamed(confidence="level")
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
        Each is normalised by the language of its own rows, as ``score`` does. Two whose texts come out differently for
        that are not compared, since equal texts could have different errors; ``language=`` gives all the same.

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

    @renamed(confidence="level")
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
        journal: object = None,
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
            journal: as for ``transcribe``. RTFx is that of the runs in which the texts were made.
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
            journal=journal,
            compare_options=options,
        )

    def play(
        self,
        audio: Hashable,
        row: Hashable = None,
        *,
        reference: Hashable | None = None,
        hypothesis: Hashable | None = None,
        segments: Hashable | None = None,
        start: Hashable | None = None,
        end: Hashable | None = None,
        channel: int | None = None,
        language: str | None = None,
        normalizer: str | Callable[[str], str] | Normalizer = "auto",
        unit: str = "auto",
        unsure: float = 0.5,
    ) -> Player:
        """Hear one row in a notebook: its waveform, its words as they are spoken, and where they are wrong.

        Args:
            audio: the column with the audio.
            row: the index label of the row; None is the first.
            reference: the column with what was said, to align the hypothesis with.
            hypothesis: the column with what was recognised; by itself ``hypothesis`` where there is one.
            segments: the column with words and their times; by itself ``<hypothesis>_segments`` where there is one,
                which ``transcribe(details=True)`` gives.
            start: the column with the first second that is wanted.
            end: the column with the second to stop before.
            channel: take this one (from 0) instead of the average of all.
            language, normalizer, unit: as for ``score``.
            unsure: words whose confidence is less are marked.

        Raises:
            ColumnError: there is no such column, or the index has no such row, or several.

        >>> import numpy as np
        >>> df = pd.DataFrame({"audio": [(np.zeros(8_000), 8_000)], "text": ["so it is"], "hypothesis": ["so it was"]})
        >>> df.asr.play("audio", 0, reference="text").aligned.counts.errors
        1
        """
        from .widgets.player import play

        return play(
            self._frame,
            audio,
            row,
            reference=reference,
            hypothesis=hypothesis,
            segments=segments,
            start=start,
            end=end,
            channel=channel,
            language=language,
            normalizer=normalizer,
            unit=unit,  # type: ignore[arg-type]  # checked there
            unsure=unsure,
        )

    def browse(
        self,
        audio: Hashable | None = None,
        *,
        reference: Hashable,
        hypotheses: Sequence[Hashable],
        by: Hashable | Sequence[Hashable] | None = None,
        **options: Any,
    ) -> Browser:
        """Look through many rows and systems in a notebook: sorted, searched, filtered, aligned, and heard.

        Args:
            audio: the column with the audio; None: there is nothing to hear.
            reference: the column with what was said.
            hypotheses: the columns with what each system recognised.
            by: columns whose values can be chosen; by themselves those with few values.
            options: ``duration``, a column of seconds; ``start``, ``end`` and ``channel`` as for ``play``;
                ``language``, ``normalizer``, ``unit``, ``dialect`` and ``failed`` as for ``score``.

        Raises:
            ColumnError, OptionError: there is no such column, or nothing to compare.

        >>> df = pd.DataFrame({"text": ["a ship", "so it is"], "tiny": ["a sheep", "so it is"]})
        >>> df.asr.browse(reference="text", hypotheses=["tiny"]).found.index.tolist()
        [0, 1]
        """
        from .widgets.browser import browse

        return browse(self._frame, audio, reference=reference, hypotheses=hypotheses, by=by, **options)

    def label(
        self,
        audio: Hashable,
        *,
        hypothesis: Hashable | None = "hypothesis",
        journal: str | os.PathLike[str] = "labels.jsonl",
        into: str = "corrected",
        annotator: str | None = None,
        systems: Sequence[Hashable] = (),
        order: Any = None,
        where: Any = None,
        rows: Sequence[Hashable] | None = None,
        show: Sequence[Hashable] = (),
        **options: Any,
    ) -> Labeler:
        """Listen to the rows and correct their texts, in a notebook and with keys alone; nothing is lost.

        Args:
            audio: the column with the audio.
            hypothesis: the column whose text is to be corrected; None begins with empty texts.
            journal: the file that keeps the labels, made if it is not there. One for each annotator.
            into: name of the new column in the labeler's ``.frame``.
            annotator: who labels; by itself the name of the account.
            systems: columns with what other systems heard, shown beside the text.
            order: ``disagreement`` (of the systems), ``confidence``, ``duration``, a column, or a function of the
                frame.
            where: which rows: a mask, a column of booleans, or a function of the frame.
            rows: index labels of the rows, in their order.
            show: columns that are shown with each clip.
            options: ``reasons``, ``start``, ``end``, ``channel``, ``language``, ``normalizer``; see
                ``asrkit.Labeler``.

        Raises:
            ColumnError, OptionError: there is no such column, or nothing to label.
            LabelsError: the journal cannot be written, is in use, or is about other data.

        >>> import numpy as np, tempfile
        >>> df = pd.DataFrame({"audio": [(np.zeros(8_000), 8_000)], "hypothesis": ["the bat"]})
        >>> labeler = df.asr.label("audio", journal=tempfile.mkdtemp() + "/labels.jsonl")
        >>> labeler.accept(0, "the cat")
        >>> labeler.frame["corrected"].tolist()
        ['the cat']
        """
        from .widgets.labeler import Labeler

        return Labeler(
            self._frame,
            audio,
            hypothesis=hypothesis,
            journal=journal,
            into=into,
            annotator=annotator,
            systems=systems,
            order=order,
            where=where,
            rows=rows,
            show=show,
            **options,
        )


def _is_interrupted(outcome: Outcome) -> bool:
    return isinstance(outcome, Failure) and outcome.code == NOT_REACHED.code


def _new_columns(into: str, details: bool, *, has_language: bool = False) -> list[str]:
    """The columns of a transcription; a language that was asked for is kept, since a score depends on it."""
    further = DETAILS if details else ("language",) if has_language else ()
    return [into, f"{into}_error", *(f"{into}_{name}" for name in further)]


def _further_columns(into: str, details: bool, backend: Backend) -> list[str]:
    """The columns that only some backends give."""
    names = ["cost"] * isinstance(backend, Remote) + ["answer"] * backend.preferred.answers
    return [f"{into}_{name}" for name in names if details]


def _check_new(frame: pd.DataFrame, new: Sequence[str], audio: Hashable, *, overwrite: bool) -> None:
    remedy = "name another into= or pass overwrite=True"
    check_new_columns(list(frame.columns), new, audio, overwrite=overwrite, what="the frame", remedy=remedy)


def _replaced(frame: pd.DataFrame, into: str, new: Sequence[str]) -> list[str]:
    """The columns that go: those that are written now, and those of an earlier text, which they described."""
    old = [*_new_columns(into, details=True), f"{into}_cost", f"{into}_answer"] if into in frame.columns else []
    return [name for name in dict.fromkeys([*new, *old]) if name in frame.columns]


def _joined(
    frame: pd.DataFrame,
    done: Mapping[int, Outcome],
    new: Sequence[str],
    backend: Backend,
    into: str,
    details: bool,
    audio: Hashable,
) -> pd.DataFrame:
    rows = [done.get(number, NOT_REACHED) for number in range(len(frame))]
    heard = [row if isinstance(row, Transcript) else None for row in rows]
    values: dict[str, pd.Series[Any]] = {}

    def add(name: str, cells: Sequence[Any], dtype: Any) -> None:
        values[name] = pd.Series(cells, index=frame.index, dtype=dtype)

    add(new[0], [row.text if row else None for row in heard], TEXT)
    add(new[1], [str(row) if isinstance(row, Failure) else None for row in rows], TEXT)
    if f"{into}_language" in new:
        add(new[2], [row.language if row else None for row in heard], TEXT)
    if details:
        for field in MEASURES:
            add(f"{into}_{field}", [getattr(row, field) if row else None for row in heard], "float64")
        add(f"{into}_flags", [",".join(row.flags) if row else None for row in heard], TEXT)
        add(f"{into}_segments", [list(row.to_dict()["segments"]) if row else None for row in heard], object)
        if isinstance(backend, Remote):
            add(f"{into}_cost", [None if row is None else row.cost for row in rows], "float64")
        if backend.preferred.answers:
            add(f"{into}_answer", [row.answer if row else None for row in heard], TEXT)
    kept = frame.drop(columns=_replaced(frame, into, new))
    result = pd.concat([kept, pd.DataFrame(values, index=frame.index)], axis=1)
    made = frame.attrs.get("asrkit", {})
    answered_by = getattr(backend, "answered_by", None)  # where it is not the service that the model is named after
    own = {**backend.fingerprint, **({} if answered_by is None else {"answered_by": answered_by})}
    heard_from = {**frame.attrs.get("asrkit_audio", {}), into: audio}  # a score leaves out rows without audio
    result.attrs = {**frame.attrs, "asrkit": {**made, into: own}, "asrkit_audio": heard_from}
    return result
