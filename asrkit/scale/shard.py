"""One shard: rows in, the same rows with their texts out, in one file that is there as a whole or not at all."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends.base import Backend, Remote
from ..batch import checked_language, transcribe_cells
from ..columns import check_new_columns
from ..errors import AsrkitError, ColumnError, ShardError, SourceError
from ..local import existing
from ..manifests import NEMO, has_nemo_stretches, stretches_of
from ..outcomes import Failure, Outcome
from ..source import FileSource, is_missing, locate
from ..transcript import Transcript, total
from .done import FOOTER, MADE, footer
from .job import Job, Shard
from .storage import is_url, join, new_file
from .summary import ShardResult
from .tables import Table, cells_of, open_table, without_sound

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_table", "write_shard"]

Tell = Callable[[int, float], None]  # rows done, and seconds of audio in them, since the last time


def check_table(table: Table, job: Job, path: str, backend: Backend) -> None:
    """Whether the table has what the job names, and lacks what it writes.

    Raises:
        ColumnError: a column is not there, or would be overwritten.
    """
    for name in (job.audio, job.start, job.end):
        if name is not None:
            table.check(name, path)
    check_new_columns(
        table.schema.names,
        _columns_of(job, backend),
        job.audio,
        overwrite=job.overwrite,
        what=path,
        remedy="name another into= (--into) or pass overwrite=True (--overwrite)",
    )


def write_shard(
    shard: Shard, job: Job, backend: Backend, *, journal: object = None, tell: Tell | None = None
) -> ShardResult:
    """Transcribe a shard and write its result.

    Args:
        shard: where it comes from and goes to.
        job: what to do.
        backend: what recognises.
        journal: of finished rows, as for ``asrkit.transcribe``.
        tell: hears how far it is.

    Raises:
        ShardError: the table cannot be read, or lacks a column of the job.
        AsrkitError: ``output``, the result cannot be written; an error that every row would meet; with
            ``errors="raise"`` the first row's.
    """
    try:
        return _written(shard, job, backend, journal, tell)
    except (SourceError, ColumnError) as error:
        if job.errors == "raise":
            raise
        raise ShardError(str(error)) from error
    except AsrkitError:
        raise
    except Exception as error:
        raise ShardError(f"{shard.source} failed: {type(error).__name__}: {error}") from error


def _written(shard: Shard, job: Job, backend: Backend, journal: object, tell: Tell | None) -> ShardResult:
    import pyarrow.parquet as pq

    began = time.monotonic()
    counts = _Counts()
    with open_table(shard.source, job.audio, job.encoding) as table:
        check_table(table, job, shard.source, backend)
        schema = _schema(table.schema, table.rows, shard, job, backend)
        with new_file(shard.target) as path:
            with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                first = 0
                for piece in table.pieces:
                    rows = piece.num_rows
                    sound = piece.column(job.audio)
                    kept = piece if job.keep_audio else without_sound(piece, job.audio)
                    empty = ("",) if table.is_text else ()
                    cells = [
                        None if table.is_text and not cell else _located(cell, shard, job) for cell in cells_of(sound)
                    ]
                    told: list[Sequence[Any] | None] = [
                        _column(piece, name, empty) for name in (_language_column(job, table), job.start, job.end)
                    ]
                    told[1:] = _stretches(piece, told[1], told[2], job)
                    del piece, sound  # and with them the recordings, unless they go out again
                    outcomes = _outcomes(cells, told, job, backend, journal, tell, first)
                    counts.add(outcomes)
                    writer.write_table(_joined(kept, outcomes, _columns_of(job, backend), schema))
                    first += rows
                ended = time.monotonic()
    now = time.monotonic()
    return ShardResult(
        shard.name,
        counts.rows,
        counts.missing,
        dict(counts.failed),
        counts.audio_seconds,
        now - began,
        now - ended,
        total(counts.costs),
    )


class _Counts:
    def __init__(self) -> None:
        self.rows = self.missing = 0
        self.failed: Counter[str] = Counter()
        self.audio_seconds = 0.0
        self.costs: list[float | None] = []

    def add(self, outcomes: Sequence[Outcome]) -> None:
        self.rows += len(outcomes)
        self.missing += sum(outcome is None for outcome in outcomes)
        self.failed.update(outcome.code for outcome in outcomes if isinstance(outcome, Failure))
        self.audio_seconds += sum(outcome.duration or 0.0 for outcome in outcomes if isinstance(outcome, Transcript))
        self.costs = [total([*self.costs, *(None if outcome is None else outcome.cost for outcome in outcomes)])]


def _outcomes(
    cells: Sequence[object],
    told: Sequence[Sequence[Any] | None],
    job: Job,
    backend: Backend,
    journal: object,
    tell: Tell | None,
    first: int,
) -> list[Outcome]:
    """One a row of the piece."""
    languages, starts, ends = told
    if languages is None:
        languages = [checked_language(backend, job.language)] * len(cells)

    def done(number: int, outcome: Outcome) -> None:
        if tell is not None:
            tell(1, (outcome.duration or 0.0) if isinstance(outcome, Transcript) else 0.0)

    return list(
        transcribe_cells(
            cells,
            backend,
            languages=languages,
            starts=starts,
            ends=ends,
            channel=job.channel,
            track=job.track,
            errors=job.errors,
            journal=journal,
            retry_failed=job.retry_failed,
            progress=False,
            label=lambda row: first + row,
            done=done,
        )
    )


def _language_column(job: Job, table: Table) -> str | None:
    return job.language if job.language is not None and job.language in table.schema.names else None


def _column(piece: pa.Table, name: str | None, empty: Sequence[str]) -> list[Any] | None:
    if name is None:
        return None
    return [None if cell in empty else cell for cell in piece.column(name).to_pylist()]


def _stretches(
    piece: pa.Table, starts: Sequence[Any] | None, ends: Sequence[Any] | None, job: Job
) -> list[Sequence[Any] | None]:
    """Starts and ends; of a NeMo manifest those of its ``offset`` and ``duration``, where no others were named."""
    if job.audio != NEMO[0] or not has_nemo_stretches(piece.schema.names):
        return [starts, ends]
    offsets, durations = (
        piece.column(name).to_pylist() if name in piece.schema.names else [None] * piece.num_rows for name in NEMO[1:]
    )
    told = stretches_of(offsets, durations)
    return [told[0] if job.start is None else starts, told[1] if job.end is None else ends]


def _located(cell: object, shard: Shard, job: Job) -> object:
    """A relative path counts from where the call was made, else from the table."""
    if not isinstance(cell, str) or is_missing(cell):
        return cell
    try:
        source = locate(cell)
    except AsrkitError:
        return cell  # what is wrong with it is said where it is read
    if not isinstance(source, FileSource) or source.path.is_absolute():
        return cell
    here = join(job.folder, cell)
    if found := existing(Path(here)):
        return str(found)
    beside = join(shard.source.replace("\\", "/").rpartition("/")[0], cell)
    if is_url(beside):
        return beside
    return str(existing(Path(beside)) or here)


# -- columns -----------------------------------------------------------------------------------------------------


def _columns(job: Job, *, is_paid: bool, answers: bool) -> dict[str, tuple[pa.DataType, Callable[[Outcome], Any]]]:
    """The new columns by their names: Arrow's type, and what a row gives."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()

    def heard(field: str) -> Callable[[Outcome], Any]:
        return lambda outcome: getattr(outcome, field) if isinstance(outcome, Transcript) else None

    columns = {
        job.into: (text, heard("text")),
        f"{job.into}_error": (text, lambda outcome: str(outcome) if isinstance(outcome, Failure) else None),
    }
    if job.details:
        columns |= {
            f"{job.into}_language": (text, heard("language")),
            f"{job.into}_duration": (number, heard("duration")),
            f"{job.into}_elapsed": (number, heard("elapsed")),
            f"{job.into}_confidence": (number, heard("confidence")),
            f"{job.into}_logprob": (number, heard("logprob")),
            f"{job.into}_flags": (
                text,
                lambda outcome: ",".join(outcome.flags) if isinstance(outcome, Transcript) else None,
            ),
            f"{job.into}_segments": (
                pa.list_(_segment()),
                lambda outcome: list(outcome.to_dict()["segments"]) if isinstance(outcome, Transcript) else None,
            ),
        }
    if job.details and is_paid:
        columns[f"{job.into}_cost"] = (number, lambda outcome: None if outcome is None else outcome.cost)
    if job.details and answers:
        columns[f"{job.into}_answer"] = (text, heard("answer"))
    return columns


def _columns_of(job: Job, backend: Backend) -> dict[str, tuple[pa.DataType, Callable[[Outcome], Any]]]:
    """The new columns that this job writes with this backend."""
    return _columns(job, is_paid=isinstance(backend, Remote), answers=backend.preferred.answers)


def _segment() -> pa.DataType:
    import pyarrow as pa

    text, number, index = pa.string(), pa.float64(), pa.int64()
    voice = [("speaker", text), ("channel", index)]
    word = pa.struct([("word", text), ("start", number), ("end", number), ("confidence", number), *voice])
    measures = [(name, number) for name in ("confidence", "no_speech", "compression_ratio", "temperature")]
    timed = [("text", text), ("start", number), ("end", number), ("words", pa.list_(word))]
    return pa.struct([*timed, *measures, ("language", text), *voice, ("logprob", number)])


def _schema(before: pa.Schema, rows: int, shard: Shard, job: Job, backend: Backend) -> pa.Schema:
    """The caller's columns, then ours; what made the texts is in its metadata."""
    import pyarrow as pa

    table = before.empty_table()
    if not job.keep_audio:
        table = without_sound(table, job.audio)
    new = _columns_of(job, backend)
    gone = {*new}
    if job.into in before.names:  # an earlier text is replaced, and goes with what described it
        gone |= {*_columns(replace(job, details=True), is_paid=True, answers=True)}
    fields = [field for field in table.schema if field.name not in gone]
    fields += [pa.field(name, kind) for name, (kind, _) in new.items()]
    made = json.dumps({job.into: dict(backend.fingerprint)}, default=str)
    # Of what others have noted in the table only the index is still true.
    kept = {key: value for key, value in (before.metadata or {}).items() if key == b"pandas"}
    return pa.schema(fields, {**kept, MADE: made.encode(), FOOTER: footer(shard, job, rows)})


def _joined(
    kept: pa.Table,
    outcomes: Sequence[Outcome],
    new: Mapping[str, tuple[pa.DataType, Callable[[Outcome], Any]]],
    schema: pa.Schema,
) -> pa.Table:
    """The rows with the new columns."""
    import pyarrow as pa

    columns = [
        pa.array([new[field.name][1](outcome) for outcome in outcomes], field.type)
        if field.name in new
        else kept.column(field.name)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
