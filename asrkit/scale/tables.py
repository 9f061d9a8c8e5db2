"""A shard's rows in pieces that fit into memory, and the columns that go out with them. Arrow only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from ..errors import ColumnError, SourceError
from ..tables import read_table
from .storage import open_file

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Table", "cells_of", "holds_sound", "open_table", "without_sound"]

PIECE_ROWS = 4_096  # a piece is worked on from the longest clip to the shortest
PIECE_BYTES = 128 * 2**20  # of one piece, where the table holds the sound itself
READ_ROWS = 64  # read at once where the table holds the sound itself
BUFFER = 2**20  # bytes read ahead of a column, in place of all of a row group


class Table:
    """A table that is read from front to back, never whole.

    Args:
        schema: Arrow's, of all columns.
        rows: how many there are.
        pieces: in order, each of at most ``PIECE_ROWS`` rows and about ``PIECE_BYTES``.
        is_text: its cells are text: one that is missing is written as an empty one.
    """

    def __init__(self, schema: pa.Schema, rows: int, pieces: Iterator[pa.Table], *, is_text: bool = False) -> None:
        self.schema, self.rows, self.pieces, self.is_text = schema, rows, pieces, is_text

    def check(self, name: str, path: str) -> None:
        """There is exactly one column of this name.

        Raises:
            ColumnError: there is none, or there are several.
        """
        count = self.schema.names.count(name)
        if count != 1:
            columns = ", ".join(map(repr, self.schema.names)) or "none"
            what = "no column" if not count else f"{count} columns"
            raise ColumnError(f"{path} has {what} {name!r}; it has {columns}")


@contextmanager
def open_table(path: str, sound: str | None = None, encoding: str | None = None) -> Iterator[Table]:
    """A Parquet, or a table of text; ``sound`` is the column that may hold whole recordings.

    ``encoding`` is that of a table of text.

    Raises:
        SourceError: it cannot be opened, or is no such table. Also while its pieces are read.
    """
    with open_file(path) as file:
        with _naming(path):
            table = _parquet(file, path, sound) if _is_parquet(file, path) else _text_table(file, path, encoding)
        yield table


def _is_parquet(file: IO[bytes], path: str) -> bool:
    head = file.read(4)
    file.seek(0)
    return head == b"PAR1" or path.lower().endswith(".parquet")


@contextmanager
def _naming(path: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as a table: {_first_line(error)}", code="unreadable") from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _parquet(file: IO[bytes], path: str, sound: str | None) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Buffered and not ahead: else all of a row group's sound would lie in memory at once.
    parquet = pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)
    schema = parquet.schema_arrow
    held = sound in schema.names and holds_sound(schema.field(sound).type)

    def pieces() -> Iterator[pa.Table]:
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        most = READ_ROWS if held else PIECE_ROWS
        # One row group after the other: a reader of several holds a page of the last one while it reads the next.
        batches = (
            batch
            for group in range(parquet.metadata.num_row_groups)
            for batch in parquet.iter_batches(batch_size=most, row_groups=[group])
        )
        while True:
            with _naming(path):
                batch = next(batches, None)
            if waiting and (batch is None or rows + batch.num_rows > PIECE_ROWS or size >= PIECE_BYTES):
                whole, rows, size = [pa.Table.from_batches(waiting, schema)], 0, 0
                waiting.clear()
                yield whole.pop()  # nothing here holds it while it is worked on
            if batch is None:
                return
            waiting.append(batch)
            rows += batch.num_rows
            size += batch.nbytes

    return Table(schema, parquet.metadata.num_rows, pieces())


def _text_table(file: IO[bytes], path: str, encoding: str | None) -> Table:
    """Cells are text, as they were written; see ``asrkit.tables``."""
    import pyarrow as pa

    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        file.seek(0)
        yield file

    table = read_table(opened, path, encoding=encoding)
    if len(set(table.names)) < len(table.names):
        twice = next(name for name in table.names if table.names.count(name) > 1)
        raise ColumnError(f"{path} has {table.names.count(twice)} columns {twice!r}; names must tell them apart")
    schema = pa.schema([(name, pa.string()) for name in table.names])

    def pieces() -> Iterator[pa.Table]:
        rows = iter(table)
        while piece := list(islice(rows, PIECE_ROWS)):
            columns = [pa.array(column, pa.string()) for column in zip(*piece, strict=True)]
            yield pa.Table.from_arrays(columns, schema=schema)

    return Table(schema, table.rows, pieces(), is_text=True)


def holds_sound(kind: pa.DataType) -> bool:
    """Whether a column of this type holds recordings themselves, not where they lie."""
    import pyarrow.types as is_

    return not (is_.is_string(kind) or is_.is_large_string(kind) or is_.is_null(kind) or is_.is_dictionary(kind))


def cells_of(column: pa.ChunkedArray) -> list[object]:
    """A column's cells, as ``asrkit.source`` knows them; arrays of samples without a Python number for each."""
    import pyarrow.types as is_

    kind = column.type
    if not (is_.is_struct(kind) and "array" in [kind.field(n).name for n in range(kind.num_fields)]):
        return list(column.to_pylist())
    cells: list[object] = []
    for scalar in (scalar for chunk in column.chunks for scalar in chunk):
        if not scalar.is_valid or not scalar["array"].is_valid:
            cells.append(None if not scalar.is_valid else scalar.as_py())
            continue
        rest = {name: scalar[name].as_py() for name in scalar if name != "array"}
        cells.append({**rest, "array": _numbers(scalar["array"].values)})
    return cells


def _numbers(values: Any) -> Any:
    """Shape ``(n,)``, or ``(channels, n)`` of a list of lists."""
    import numpy as np

    if hasattr(values, "flatten") and hasattr(values, "offsets"):
        return np.stack([_numbers(row.values) for row in values])
    return values.to_numpy(zero_copy_only=False)


def without_sound(table: pa.Table, audio: str) -> pa.Table:
    """The table without recordings: a column of them goes, one of dicts with paths keeps the paths."""
    import pyarrow as pa
    import pyarrow.types as is_

    at = table.schema.get_field_index(audio)
    kind = table.schema.field(at).type
    if not holds_sound(kind):
        return table
    if is_.is_struct(kind) and (n := kind.get_field_index("path")) >= 0 and not holds_sound(kind.field(n).type):
        paths = [chunk.field("path") for chunk in table.column(at).chunks]
        return table.set_column(at, audio, pa.chunked_array(paths, kind.field(n).type))
    return table.remove_column(at)
