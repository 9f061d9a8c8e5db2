"""What the caller names -> shards: tables as they are, or audio files grouped by the seconds in them."""

from __future__ import annotations

import glob
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from ..audio import probe
from ..containers import AUDIO_ENDINGS
from ..errors import AsrkitError, OptionError, SourceError
from ..manifests import is_table
from ..outputs import folds_case
from ..recordings import sorted_out
from ..tables import ENDINGS, PACKED, ending_of
from ..writable import check_folder
from .job import Shard
from .storage import MAGIC, Found, Listing, absolute, find, is_url, join, listing, new_file
from .tables import open_table

__all__ = ["check_there", "lengths_of", "recordings_of", "shards_of"]

LISTS = "_inputs"  # folder, below the output, with the lists of audio files: readers pass over the underscore
PREFIX = "audio-"
NAMED = 5  # files in a message
BYTES_PER_SECOND = 16_000.0  # of audio whose length nobody tells: between MP3's 8,000 and PCM's 32,000


def shards_of(
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str,
    audio: str,
    *,
    shard_hours: float,
    looked_at: Callable[[int], None] = lambda count: None,
) -> list[Shard]:
    """Every shard of these inputs, those that are done included.

    Args:
        inputs: a glob, a folder, a file, or several of them; of tables or of audio, not of both.
        out: the folder of the results.
        audio: the column that will hold the paths of audio files.
        shard_hours: of audio in a shard, where audio files are grouped.
        looked_at: hears how many audio files were looked at.

    Raises:
        SourceError: nothing is there.
        OptionError: tables and audio together, or two tables that would be written to the same file.
    """
    named = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    listings = [listing(absolute(item)) for item in named]
    files = [file for one in listings for file in _without(one.shown, out)]
    _say_left_out([absolute(item) for item in named], listings, out)
    tables, rest = _sorted_tables(files, {absolute(item) for item in named}, audio)
    recordings, note = (_with_ending(files, AUDIO_ENDINGS), "") if tables else _sound(files)
    if tables and recordings:
        raise OptionError(
            f"both tables ({tables[0].path}) and audio files ({recordings[0].path}); name one kind with a "
            "glob, such as 'folder/*.parquet' or 'folder/**/*.flac'"
        )
    if not tables and not recordings:
        raise OptionError(
            f"no tables ({', '.join(sorted(ENDINGS))}) and no audio files in {', '.join(map(str, named[:3])) or '[]'}"
            + (f"; left out: {note}" if note else "")
        )
    if tables:
        if rest:
            warnings.warn(f"left out: {rest}", stacklevel=3)
        return _tables(tables, out)
    if note:
        warnings.warn(f"left out: {note}", stacklevel=3)
    return _recordings(recordings, out, audio, shard_hours * 3600.0, looked_at)


def check_there(inputs: Iterable[str | os.PathLike[str]], out: str) -> None:
    """Say at once, of what lies on this machine, that there is nothing to read or that nothing can be written.

    Raises:
        SourceError: nothing is there.
        OptionError: ``out`` cannot be a folder.
    """
    for item in map(absolute, inputs):
        if is_url(item) or os.path.exists(item):  # noqa: PTH110 - a name with a bracket in it is a file first
            continue
        if not MAGIC.search(item) or next(glob.iglob(item, recursive=True, include_hidden=True), None) is None:  # noqa: PTH207
            raise SourceError(f"nothing is there: {item}", code="not-found")
    if not is_url(out):
        check_folder(out)


def recordings_of(inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Found]:
    """The audio files behind a glob, a folder, a file or several of them.

    Raises:
        SourceError: nothing is there.
    """
    named = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    return _sound(file for item in named for file in find(absolute(item)))[0]


def _sorted_tables(files: Sequence[Found], named: Container[str], audio: str) -> tuple[list[Found], str]:
    """The tables, and what was left out beside them, with counts.

    A table is known by its ending, behind which may stand that of a compression. Files of other endings are looked
    into if they are here, and were named themselves or lie beside no recordings: there a ``.json`` is about one.
    """
    once = list({file.path: file for file in files}.values())
    has_sound = any(PurePosixPath(file.name.lower()).suffix in AUDIO_ENDINGS for file in once)
    tables: list[Found] = []
    others: list[Found] = []
    for file in once:
        is_sure = ending_of(file.name) in ENDINGS
        is_looked_into = not is_url(file.path) and (file.path in named or not has_sound)
        is_one = is_sure or (is_looked_into and is_table(Path(file.path), audio))
        (tables if is_one else others).append(file)
    endings = Counter(PurePosixPath(file.name.lower()).suffix or "no ending" for file in others)
    listed = ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(NAMED))
    return tables, f"{len(others):,} that are no tables ({listed})" if others else ""


def _with_ending(files: Iterable[Found], endings: Container[str]) -> list[Found]:
    """Each once."""
    wanted = (file for file in files if PurePosixPath(file.name.lower()).suffix in endings)
    return list({file.path: file for file in wanted}.values())


def _sound(files: Iterable[Found]) -> tuple[list[Found], str]:
    """The recordings, and what was left out: here by content, elsewhere by endings, since a look would fetch them."""
    once = {file.path: file for file in files}
    here = sorted_out(Path(path) for path in once if not is_url(path))
    taken = {str(path) for path in here.paths}
    taken |= {file.path for file in _with_ending(once.values(), AUDIO_ENDINGS) if is_url(file.path)}
    return [file for path, file in once.items() if path in taken], here.note


def _without(found: Sequence[Found], out: str) -> list[Found]:
    """Not what this run writes itself."""
    return [file for file in found if not _is_inside(file.path, out)]


def _is_inside(path: str, out: str) -> bool:
    return path.startswith(out.rstrip("/" + os.sep) + ("/" if is_url(out) else os.sep))


def _say_left_out(named: Sequence[str], listings: Sequence[Listing], out: str) -> None:
    """Name the tables and recordings that nobody asked for by their names, but for what this run has written."""
    names = [
        path
        for item, one in zip(named, listings, strict=True)
        for name in one.hidden
        if (ending_of(name) in ENDINGS or PurePosixPath(name.lower()).suffix in AUDIO_ENDINGS)
        and not _is_inside(path := join(_root(item), name), out)
    ]
    if names:
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        warnings.warn(
            f"left out, as their names begin with '.' or '_': {', '.join(names[:NAMED])}{more}; to have one done, "
            "name it itself",
            stacklevel=4,
        )


def _root(item: str) -> str:
    """The folder that the names in a listing count from."""
    parts = item.replace(os.sep, "/").split("/")
    first = next((number for number, part in enumerate(parts) if MAGIC.search(part)), len(parts))
    return "/".join(parts[:first]) or "/"


def _tables(found: Sequence[Found], out: str) -> list[Shard]:
    by_target: dict[str, Found] = {}
    alike: dict[str, str] = {}  # names that are one where the file system does not tell large letters from small
    for file in found:
        name = _result_name(file.name)
        other = by_target.setdefault(name, file)
        first = alike.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other is not file or (first != name and not is_url(out) and folds_case(Path(out))):
            raise OptionError(
                f"{by_target[first].path} and {file.path} would both be written to {join(out, name)}; "
                "give them in two calls, each with its own out="
            )
    return [Shard(file.path, join(out, name), file.size) for name, file in by_target.items()]


def _result_name(name: str) -> str:
    """That of a table's result, which readers of the folder must not pass over.

    >>> _result_name("a/b.csv.gz"), _result_name("_u.csv"), _result_name(".hid.tsv")
    ('a/b.parquet', 'u.parquet', 'hid.parquet')
    """
    path = PurePosixPath(name)
    above = [part.lstrip("._") or "folder" for part in path.parts[:-1]]
    stem = path.with_suffix("").stem if path.suffix.lower() in PACKED else path.stem
    return str(PurePosixPath(*above, f"{stem.lstrip('._') or 'table'}.parquet"))


def _recordings(
    found: Sequence[Found], out: str, audio: str, most: float, looked_at: Callable[[int], None]
) -> list[Shard]:
    """Lists that were made before stay as they are; files in none of them make new lists."""
    if not most > 0:
        raise OptionError(f"expected shard_hours above 0, got {most / 3600}")
    folder = join(out, LISTS)
    lists = _lists(folder)
    listed = {path for file in lists for path in _paths(file.path, audio)}
    fresh = [file for file in found if file.path not in listed]
    number = 1 + max((_number(file.name) for file in lists), default=-1)
    group: list[str] = []
    seconds = 0.0
    for file, length in zip(fresh, lengths_of(fresh, looked_at), strict=True):
        if group and seconds + length > most:
            lists.append(_write(folder, number, audio, group))
            group, seconds, number = [], 0.0, number + 1
        group.append(file.path)
        seconds += length
    if group:
        lists.append(_write(folder, number, audio, group))
    return [Shard(file.path, join(out, file.name), file.size) for file in sorted(lists, key=lambda file: file.name)]


def _lists(folder: str) -> list[Found]:
    try:
        found = find(folder)
    except AsrkitError:
        return []
    return [file for file in found if _number(file.name) >= 0]


def _number(name: str) -> int:
    stem = PurePosixPath(name).stem
    digits = stem.removeprefix(PREFIX)
    return int(digits) if stem.startswith(PREFIX) and digits.isdigit() else -1


def _paths(path: str, audio: str) -> list[str]:
    with open_table(path) as table:
        if audio not in table.schema.names:
            raise OptionError(
                f"{path} lists the audio in a column {table.schema.names[0]!r}, not {audio!r}; name that one, or "
                "another out="
            )
        return [cell for piece in table.pieces for cell in piece.column(audio).to_pylist()]


def _write(folder: str, number: int, audio: str, paths: Sequence[str]) -> Found:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = f"{PREFIX}{number:06}.parquet"
    target = join(folder, name)
    with new_file(target) as file:
        pq.write_table(pa.table({audio: pa.array(paths, pa.string())}), file, compression="zstd")
    return Found(target, name)


def lengths_of(found: Sequence[Found], looked_at: Callable[[int], None] = lambda count: None) -> Iterator[float]:
    """Seconds by the headers; what would have to be fetched, or has no length in them, is guessed from its size."""
    with ThreadPoolExecutor(min(16, max(2, os.cpu_count() or 1)), thread_name_prefix="asrkit-probe") as pool:
        for count, seconds in enumerate(pool.map(_length, found), 1):
            looked_at(count)
            yield seconds


def _length(file: Found) -> float:
    guess = (file.size or 0) / BYTES_PER_SECOND
    if is_url(file.path):
        return guess
    try:
        told = probe(file.path).duration
    except Exception:  # it becomes an error of its row, where it is read
        return guess
    return guess if told is None else told
