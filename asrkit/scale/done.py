"""Which shards are done: their results are there, whole, and of these tables and these options."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from ..errors import AsrkitError, OptionError, SourceError
from ..regular import IrregularError, status_of
from .job import Job, Shard
from .storage import exists, find, is_url, join, move, open_file

__all__ = ["FOOTER", "MADE", "footer", "left_to_do"]

FOOTER = b"asrkit-shard"  # in a result's metadata: what it was made of
MADE = b"asrkit"  # in the metadata of every result, also of earlier versions: what made each column
LAYOUT = 1  # of the footer
AT_ONCE = 16  # results looked at
NAMED = 5  # files in a message
BEGINNING = b"PAR1"  # of every Parquet


def footer(shard: Shard, job: Job, rows: int) -> bytes:
    """What a result says of itself."""
    told = {"layout": LAYOUT, "source": shard.source, "size": shard.size, "asked": job.digest, "rows": rows}
    return json.dumps(told, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class _Standing:
    """What is under the name of a shard's result.

    Args:
        state: ``absent``, ``done``, ``changed`` (the table is another by now), ``damaged`` or ``foreign``.
        why: of a foreign one, why it is not this run's.
    """

    shard: Shard
    state: Literal["absent", "done", "changed", "damaged", "foreign"]
    why: str = ""


def left_to_do(shards: Sequence[Shard], job: Job) -> list[Shard]:
    """The shards without a result; a damaged result is moved aside, and one of a table that has changed made again.

    Raises:
        OptionError: other files have the names of results; nothing was done.
    """
    there = _names(job.out)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="asrkit-done") as pool:
        standings = list(pool.map(lambda shard: _standing(shard, job, there), shards))
    foreign = [standing for standing in standings if standing.state == "foreign"]
    if foreign:
        told = "; ".join(f"{standing.shard.target} {standing.why}" for standing in foreign[:NAMED])
        more = f"; and {len(foreign) - NAMED:,} more" if len(foreign) > NAMED else ""
        raise OptionError(f"{told}{more}; left as it was: move it away, or name another out=")
    _say("results are of tables that have changed since, and are made again", standings, "changed")
    for standing in standings:
        if standing.state == "damaged":
            _move_aside(standing.shard.target)
    _say("results cannot be read; they were renamed to _damaged-..., and are made again", standings, "damaged")
    return [standing.shard for standing in standings if standing.state != "done"]


def _say(what: str, standings: Iterable[_Standing], state: str) -> None:
    names = [standing.shard.name for standing in standings if standing.state == state]
    if names:
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        warnings.warn(f"{len(names):,} {what}: {', '.join(names[:NAMED])}{more}", stacklevel=3)


def _names(out: str) -> frozenset[str] | None:
    """What an object store holds, so that it is asked once; None for a disk, which is asked for each file."""
    if not is_url(out):
        return None
    try:
        return frozenset(join(out, file.name) for file in find(out))
    except AsrkitError as error:
        if error.code == "not-found":
            return frozenset()
        raise


def _standing(shard: Shard, job: Job, there: frozenset[str] | None) -> _Standing:
    if there is None:
        try:
            status = status_of(Path(shard.target))
        except IrregularError as error:
            return _Standing(shard, "foreign", f"is not a result: {error.strerror}")
        except OSError as error:
            return _Standing(shard, "foreign", f"cannot be looked at ({error.strerror})")
        if status is None:
            return _Standing(shard, "absent")
    elif shard.target not in there:
        return _Standing(shard, "absent")
    with open_file(shard.target) as file:
        return _of_content(shard, job, file)


def _of_content(shard: Shard, job: Job, file: IO[bytes]) -> _Standing:
    import pyarrow as pa
    import pyarrow.parquet as pq

    beginning = file.read(len(BEGINNING))
    if not beginning:  # nothing is lost with it
        return _Standing(shard, "absent")
    file.seek(0)
    try:
        opened = pq.ParquetFile(file)
        names, rows = opened.schema_arrow.names, opened.metadata.num_rows
        metadata = dict(opened.schema_arrow.metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        if beginning == BEGINNING[: len(beginning)]:
            return _Standing(shard, "damaged")
        return _Standing(shard, "foreign", "is no Parquet")
    try:
        columns = json.loads(metadata[MADE])
        told = json.loads(metadata[FOOTER]) if FOOTER in metadata else None
        if not isinstance(columns, dict) or (FOOTER in metadata and not isinstance(told, dict)):
            raise TypeError("no object")
    except (KeyError, ValueError, TypeError, RecursionError):
        return _Standing(shard, "foreign", "is a Parquet that asrkit did not write")
    if job.into not in columns:
        return _Standing(shard, "foreign", f"has no column {job.into!r} of this model's")
    if told is not None and (told.get("rows", rows) != rows or not {job.into, f"{job.into}_error"} <= set(names)):
        return _Standing(shard, "damaged")  # somebody has written it again, without some of its rows or columns
    if job.details and f"{job.into}_logprob" not in names:
        why = f"was made by 0.1.0, which wrote log-probabilities into {job.into}_confidence"
        return _Standing(shard, "foreign", why)
    if told is None:  # of 0.1.0, whose note in the folder is all that there is to compare
        return _Standing(shard, "done")
    return _of_footer(shard, job, told)


def _of_footer(shard: Shard, job: Job, told: dict[str, Any]) -> _Standing:
    if told.get("asked") != job.digest:
        return _Standing(shard, "foreign", "was made with another model or other options")
    source, size = told.get("source"), told.get("size")
    is_same_size = None in (size, shard.size) or size == shard.size
    if source == shard.source:
        return _Standing(shard, "done" if is_same_size else "changed")
    if is_same_size and not _is_there(source):  # the tables were moved
        return _Standing(shard, "done")
    return _Standing(shard, "foreign", f"was made from {source}, not from {shard.source}")


def _is_there(source: object) -> bool:
    try:
        return isinstance(source, str) and exists(source)
    except SourceError:
        return False


def _move_aside(target: str) -> None:
    """Under a name that readers of the folder pass over."""
    folder, _, name = target.replace(os.sep, "/").rpartition("/")
    move(target, f"{folder}/_damaged-{secrets.token_hex(4)}-{name}")
