"""Tables bigger than memory, shard by shard: what is there is done, and the same call goes on from there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..backends.base import Backend, Remote
from ..batch import checked_language
from ..errors import AsrkitError, Interrupted, OptionError, ShardError
from ..journal.place import OFF
from .bar import ShardBar
from .done import left_to_do
from .inputs import check_there, shards_of
from .job import Job, Shard, check_folder
from .shard import check_table
from .storage import absolute, sweep
from .summary import ShardResult, Summary
from .supervisor import InProcess, Supervisor
from .tables import open_table

__all__ = ["transcribe_files", "transcribe_shard"]

Inputs = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def transcribe_files(
    inputs: Inputs,
    audio: str = "path",
    *,
    out: str | os.PathLike[str],
    on: str | None = None,
    model: object = "openai/whisper-base",
    into: str = "hypothesis",
    language: str | None = None,
    start: str | None = None,
    end: str | None = None,
    channel: int | str | None = None,
    track: int | str | None = None,
    details: bool = False,
    overwrite: bool = False,
    keep_audio: bool = False,
    errors: str = "column",
    journal: str | os.PathLike[str] | bool | None = None,
    retry_failed: bool = False,
    encoding: str | None = None,
    progress: bool = True,
    shard_hours: float = 10.0,
    workers: int | None = None,
    **options: Any,
) -> Summary:
    """Transcribe tables, or a folder of audio, that need not fit into memory.

    Each input table is a shard: it gives one Parquet of the same name in ``out``, written whole or not at all. A
    result that is there, made of this table with these options, is done and is not made again, so the same call goes
    on where the last one ended, however it ended; rows of a shard that was under way are in the journal. Another
    file with a result's name is refused and left as it is. A clip that kills the process that hears it becomes a row
    with the error ``crashed``.

    Args:
        inputs: a glob, a folder, a file or several of them: Parquet, CSV, TSV or JSON lines; or audio files, which
            are grouped into shards and listed in ``out/_inputs``. Paths, or URLs of fsspec. Files in folders and
            globs whose names begin with ``.`` or ``_`` are left out with a warning; named themselves they are taken.
        audio: the column with paths, URLs, bytes or arrays with their rate; of audio files the column that will
            hold their paths. Relative paths count from here, else from the table.
        out: the folder for the results; ``pandas.read_parquet(out)`` reads all of them.
        on: None works here, in one process; ``ray`` on the cluster that ``ray.init()`` finds.
        model: a model's name, a local folder, a backend that can be pickled, or a function without arguments that
            makes a backend.
        into: name of the new column; ``<into>_error`` says why a row failed.
        language: a code or name for all rows, or a column with one a row; None finds it out.
        start: a column with the first second that is wanted.
        end: a column with the second to stop before.
        channel: take this one (from 0) instead of the average of all; ``each`` gives turns of every channel.
        track: take this audio track of each file, by its number (from 0) or its language (``"eng"``); None takes the
            default one, or one with sound where that is silent.
        details: further columns, see ``DataFrame.asr.transcribe``.
        overwrite: replace columns that are in the tables already. Shards that are done are never written again.
        keep_audio: also write a column that holds the sound itself. By itself such a column is left out; of one with
            ``{"bytes", "path"}`` the path stays.
        errors: ``column``, or ``raise`` at the first row that fails.
        journal: as for ``DataFrame.asr.transcribe``; on a cluster each machine has its own.
        retry_failed: try rows again that the journal knows to be broken.
        encoding: of tables of text, whose cells all stay text; None is UTF-8, or what a mark at the beginning says.
        progress: show a bar.
        shard_hours: of audio in a shard, where audio files are grouped.
        workers: on a cluster, how many; None takes one a GPU, or one for four CPUs.
        options: for the model, see ``DataFrame.asr.transcribe``. ``max_cost`` holds for one call; of what an earlier
            one has paid, only the table counts that was under way when it stopped.

    Raises:
        OptionError: nothing was done; for one, ``out`` was made with other options, or holds other files with the
            names of results.
        SourceError, ColumnError, WeightsError, CredentialsError: nothing was done.
        BackendError: every further row would fail; its ``partial`` is the ``Summary`` so far.
        AsrkitError: ``output``, the results cannot be written, such as when the disk is full.
        Interrupted: Ctrl-C; its ``partial`` is the ``Summary`` so far.

    >>> import tempfile, asrkit, pandas as pd, numpy as np, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(8_000), 8_000)
    ...     pd.DataFrame({"path": ["a.wav", "b.wav"]}).to_csv(f"{folder}/clips.csv", index=False)
    ...     out = f"{folder}/texts"
    ...     told = asrkit.transcribe_files(f"{folder}/*.csv", "path", out=out, model=asrkit.Canned(["so"]))
    ...     texts = pd.read_parquet(out)
    >>> told.done, told.rows, dict(told.failed), texts["hypothesis"].tolist()[0]
    (1, 2, {'not-found': 1}, 'so')
    """
    began = time.monotonic()
    if on not in (None, "ray"):
        raise OptionError(f"expected on=None or on='ray', got {on!r}")
    if workers is not None and (on is None or workers < 1):
        raise OptionError("workers is for on='ray', and at least 1")
    job = _settled(
        Job(
            os.fspath(out),
            audio,
            model,
            options,
            into=into,
            language=language,
            start=start,
            end=end,
            channel=channel,
            track=track,
            details=details,
            overwrite=overwrite,
            keep_audio=keep_audio,
            errors=errors,
            journal=journal,
            retry_failed=retry_failed,
            encoding=encoding,
        )
    )
    named = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    check_there(named, job.out)
    backend = job.backend()
    if on == "ray":
        _refuse_services(backend)
    if not _is_of_this_process(job):
        job.check_travels()
    checked = check_folder(job, backend, [absolute(item) for item in named])
    job = replace(job, digest=checked.digest)
    sweep(job.out)
    shards = shards_of(named, job.out, audio, shard_hours=shard_hours)
    todo = left_to_do(shards, job)
    _check_first(todo, job, backend)
    checked.write()
    run = _Run(job, shards, todo, began)
    with ShardBar(len(todo), enabled=progress) as bar:
        if todo and on == "ray":
            from .cluster import launch

            run.follow(launch(todo, job, workers, bar), bar)
        elif todo:
            run.here(bar)
    return run.summary()


def transcribe_shard(
    shard: str | os.PathLike[str],
    audio: str = "path",
    *,
    out: str | os.PathLike[str],
    model: object = "openai/whisper-base",
    into: str = "hypothesis",
    language: str | None = None,
    start: str | None = None,
    end: str | None = None,
    channel: int | str | None = None,
    track: int | str | None = None,
    details: bool = False,
    overwrite: bool = False,
    keep_audio: bool = False,
    errors: str = "column",
    journal: str | os.PathLike[str] | bool | None = None,
    retry_failed: bool = False,
    encoding: str | None = None,
    **options: Any,
) -> ShardResult:
    """Transcribe one table in this very process: for Spark, Dask and other engines that launch shards themselves.

    It promises what ``transcribe_files`` promises: one Parquet of the same name in ``out``, whole or not at all; one
    that is there is not written again; a folder made with other options is refused. Only a clip that kills its
    process kills the caller too. A model is loaded once a process. Arguments and errors are those of
    ``transcribe_files``; on Spark, with one task a shard::

        names = [file.path for file in dbutils.fs.ls("/clips")]
        spark.sparkContext.parallelize(names, len(names)).foreach(
            lambda name: asrkit.transcribe_shard(name, "path", out="/texts", model="openai/whisper-base")
        )

    with Dask, on workers of one thread each::

        dask.bag.from_sequence(names, partition_size=1).map(asrkit.transcribe_shard, "path", out="/texts").compute()

    Inside a frame of theirs, where files do not matter, the frame's own call does it::

        def heard(frames):
            for frame in frames:
                yield frame.asr.transcribe("path", model="openai/whisper-base", progress=False)

        clips.mapInPandas(heard, schema="path string, hypothesis string, hypothesis_error string")
    """
    job = _settled(
        Job(
            os.fspath(out),
            audio,
            model,
            options,
            into=into,
            language=language,
            start=start,
            end=end,
            channel=channel,
            track=track,
            details=details,
            overwrite=overwrite,
            keep_audio=keep_audio,
            errors=errors,
            journal=journal,
            retry_failed=retry_failed,
            encoding=encoding,
        )
    )
    source = absolute(shard)
    backend = job.backend()
    checked = check_folder(job, backend, [source])
    job = replace(job, digest=checked.digest)
    [one] = shards_of(source, job.out, audio, shard_hours=1.0)
    if not left_to_do([one], job):
        return ShardResult(one.name)
    checked.write()
    with InProcess(job) as runner:
        return runner.run(one)


def _settled(job: Job) -> Job:
    """Checked, and with everything absolute, so that it means the same in every process."""
    if job.errors not in ("column", "raise"):
        raise OptionError(f"expected errors='column' or errors='raise', got {job.errors!r}")
    model, journal = job.model, job.journal
    if isinstance(model, os.PathLike) or (isinstance(model, str) and os.path.isdir(model)):  # noqa: PTH112 - a name
        model = absolute(model)
    if isinstance(journal, os.PathLike) or (isinstance(journal, str) and journal.lower() not in OFF):
        journal = absolute(journal)
    return replace(
        job,
        out=absolute(job.out),
        model=model,
        options={name: value for name, value in job.options.items() if value is not None},
        journal=journal,
        folder=os.getcwd(),  # noqa: PTH109 - text
    )


def _refuse_services(backend: Backend) -> None:
    if isinstance(backend, Remote):
        raise OptionError(
            f"{backend.name} is a service whose limits are the account's, whatever machine asks: more machines are no "
            "faster, and each would know only what it has spent itself; leave out on='ray'"
        )


def _is_of_this_process(job: Job) -> bool:
    """What lies in this process's memory cannot be seen from another."""
    return job.out.startswith("memory:")


def _check_first(todo: list[Shard], job: Job, backend: Backend) -> None:
    """Say of the first table, before anything is started, what would be said of all."""
    if not todo:
        return
    names: list[str] = []
    if not todo[0].source.startswith(job.out):
        with open_table(todo[0].source, job.audio, job.encoding) as table:
            check_table(table, job, todo[0].source, backend)
            names = table.schema.names
    if job.language not in names:
        checked_language(backend, job.language)


class _Run:
    """One call: what came of its shards so far."""

    def __init__(self, job: Job, shards: list[Shard], todo: list[Shard], began: float) -> None:
        self.job, self.shards, self.todo, self.began = job, shards, todo, began
        self.results: list[ShardResult] = []
        self.broken: dict[str, str] = {}
        self.restarts = 0

    def here(self, bar: ShardBar) -> None:
        """One shard after the other, in a worker on this machine."""
        runner = InProcess(self.job) if _is_of_this_process(self.job) else Supervisor(self.job)
        with runner:

            def outcomes() -> Iterator[tuple[Shard, ShardResult | ShardError, int]]:
                for shard in self.todo:
                    before = runner.restarts
                    outcome: ShardResult | ShardError
                    try:
                        outcome = runner.run(shard, bar.heard)
                    except ShardError as error:
                        outcome = error
                    yield shard, outcome, runner.restarts - before

            try:
                self.follow(outcomes(), bar)
            except KeyboardInterrupt:
                runner.stop()
                raise

    def follow(self, outcomes: Iterator[tuple[Shard, ShardResult | ShardError, int]], bar: ShardBar) -> None:
        """Count what is done, as it is done."""
        try:
            for shard, outcome, restarts in outcomes:
                self.restarts += restarts
                if isinstance(outcome, ShardError):
                    self.broken[shard.name] = str(outcome)
                    bar.give_up()
                else:
                    self.results.append(outcome)
                    bar.finish(outcome.audio_seconds, sum(outcome.failed.values()))
        except KeyboardInterrupt:
            stopped = Interrupted(f"stopped: {self.summary()}")
            stopped.partial = self.summary()
            raise stopped from None
        except AsrkitError as error:
            error.partial = self.summary()
            raise

    def summary(self) -> Summary:
        """So far."""
        return Summary.of(
            self.job.out,
            self.results,
            skipped=len(self.shards) - len(self.todo),
            left=len(self.todo) - len(self.results) - len(self.broken),
            broken=self.broken,
            elapsed=time.monotonic() - self.began,
            restarts=self.restarts,
        )
