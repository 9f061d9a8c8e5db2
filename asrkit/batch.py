"""Cells -> outcomes: ordered by length, decoded ahead by threads, recognised in batches; one failure is one row."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from .audio import SAMPLING_RATE, Audio, probe, stream
from .backends import from_model
from .backends.base import Backend, Remote
from .cloudflare.prices import money
from .errors import AsrkitError, BackendError, CostCapError, OptionError, OutOfMemoryError
from .progress import Progress
from .source import ArraySource, ByteSource, FileSource, Source, describe, is_missing, locate
from .speech import Window, windows
from .transcript import Transcript, join, ordered_flags, total
from .upload import uploads

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NOT_REACHED", "Failure", "Outcome", "transcribe", "transcribe_cells"]

PLANNED = 4_096  # rows looked at ahead and put in order of length
SHORTEST_PAID = 1.0  # seconds of audio: a run whose money does not pay for more is over
WAITING_SECONDS = 1_800.0  # of decoded audio that may wait for the model: 115 MB


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that gave no transcript, and why. ``code`` is short, ``message`` says what to do."""

    code: str
    message: str
    error: AsrkitError = field(compare=False, repr=False)

    @property
    def cost(self) -> float | None:
        """Dollars that the row has cost or may have cost all the same; None where nothing is paid."""
        return self.error.cost if isinstance(self.error, BackendError) else None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @classmethod
    def of(cls, error: AsrkitError) -> Self:
        """From the exception."""
        return cls(error.code, str(error), error)


Outcome = Transcript | Failure | None  # None: the cell holds no audio
NOT_REACHED = Failure.of(BackendError("not reached before the run was stopped", code="interrupted"))


def transcribe(
    cells: Iterable[object],
    *,
    model: object = "openai/whisper-base",
    language: str | Sequence[str | None] | None = None,
    start: Sequence[float | None] | None = None,
    end: Sequence[float | None] | None = None,
    channel: int | None = None,
    errors: str = "column",
    progress: bool = True,
    **options: Any,
) -> Iterator[Outcome]:
    """Turn audio into text, without pandas.

    Args:
        cells: paths, URLs, bytes, arrays with their rate; see ``asrkit.source``.
        model: a model's name, a local folder, a transformers pipeline, or a backend.
        language: of all cells or one a cell, as code or name; None finds it out.
        start: first second of each cell that is wanted.
        end: second of each cell to stop before.
        channel: take this one (from 0) instead of the average of all.
        errors: ``column`` gives a ``Failure`` for a cell that fails, ``raise`` raises its error.
        progress: show a bar.
        options: for the backend, see ``asrkit.Whisper``.

    Yields:
        One outcome a cell, in order: a ``Transcript``, a ``Failure``, or None for a missing cell.

    Raises:
        OptionError, WeightsError: before any work.

    >>> import numpy as np
    >>> from asrkit import Canned
    >>> cells = [(np.zeros(8_000), 8_000), None, "no/such/file.wav"]
    >>> heard, missing, failed = transcribe(cells, model=Canned(["hello"]), progress=False)
    >>> heard.text, missing, failed.code
    ('hello', None, 'not-found')
    """
    backend = from_model(model, **options)
    listed = list(cells)
    if language is None or isinstance(language, str):
        languages = [checked_language(backend, language)] * len(listed)
    else:
        languages = list(language)
    return transcribe_cells(
        listed,
        backend,
        languages=languages,
        starts=start,
        ends=end,
        channel=channel,
        errors=errors,
        progress=progress,
    )


def transcribe_cells(
    cells: Sequence[object],
    backend: Backend,
    *,
    languages: Sequence[str | None] | None = None,
    starts: Sequence[float | None] | None = None,
    ends: Sequence[float | None] | None = None,
    channel: int | None = None,
    errors: str = "column",
    progress: bool = True,
    label: Callable[[int], object] = lambda row: row,
    done: Callable[[int, Outcome], None] | None = None,
) -> Iterator[Outcome]:
    """The same with a ready backend.

    ``label`` names a row in messages; ``done`` is called with a row's number and outcome as soon as it is finished,
    which for short rows may be long before it is their turn.
    """
    if errors not in ("column", "raise"):
        raise OptionError(f"expected errors='column' or errors='raise', got {errors!r}")
    count = len(cells)
    for name, values in (("language", languages), ("start", starts), ("end", ends)):
        if values is not None and len(values) != count:
            raise OptionError(f"{name} has {len(values)} values for {count} cells; give one a cell")
    rows = (  # made as they are needed: millions of them would fill the memory
        _Row(number, cell, _given(languages, number), _given(starts, number) or 0.0, _given(ends, number))
        for number, cell in enumerate(cells)
    )
    return _Run(rows, cells, backend, channel, errors, progress, label, done).outcomes()


def checked_language(backend: Backend, language: str | None) -> str | None:
    """The language as the backend writes it.

    Raises:
        OptionError: the backend knows its languages, and not this one.
    """
    check: Callable[[str], str] | None = getattr(backend, "language_code", None)
    return language if language is None or check is None else check(language)


def _given(values: Sequence[Any] | None, number: int) -> Any:
    value = None if values is None else values[number]
    return None if is_missing(value) else value


@dataclass(eq=False)
class _Row:
    """One cell on its way."""

    number: int
    cell: object
    language: str | None
    start: float
    end: float | None
    source: Source | None = None
    seconds: float | None = None  # as far as the headers tell
    heard: float = 0.0  # seconds of it that the model has done
    duration: float = 0.0
    warnings: tuple[str, ...] = ()
    parts: dict[int, Transcript] = field(default_factory=dict)
    part_starts: dict[int, float] = field(default_factory=dict)
    expected: int | None = None  # number of windows, known when the last was decoded
    outcome: Outcome = None
    is_done: bool = False
    is_language_known: bool = False

    def count(self, block: Audio) -> None:
        """A block of it was decoded."""
        self.duration += block.duration
        self.warnings = block.warnings


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One window of a row, ready for the model."""

    row: _Row
    number: int
    window: Window


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """All windows of a row were handed over, or reading it failed."""

    row: _Row
    error: AsrkitError | None = None


@dataclass(slots=True, eq=False)
class _Call:
    """A call of the backend in a thread of its own: what it gave, or the error that stops the run."""

    batch: Sequence[_Part]
    transcripts: Sequence[Transcript | AsrkitError] = ()
    error: BaseException | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class _Stopped(Exception):
    """Nobody wants the rest."""


class _Paid:
    """What a run of a paid backend spends."""

    def __init__(self, backend: Remote, *, enabled: bool) -> None:
        self.backend, self.enabled = backend, enabled
        self.before = backend.spending
        backend.begin()

    def __call__(self) -> str:
        """For the progress bar."""
        spent = self.backend.spending - self.before
        return money(spent.dollars + spent.doubtful) if spent.is_known else "price unknown"

    def wait_for(self, requests: int) -> None:
        """Say what an interrupted run still waits for."""
        if self.enabled and requests:
            self._say(f"waiting for {requests} requests that may be billed; Ctrl-C again leaves them")

    def report(self) -> None:
        """Say it when the run ends, however it ends."""
        spent = self.backend.spending - self.before
        if self.enabled and spent.requests:
            self._say(str(spent))

    def _say(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(f"{self.backend.name}: {text}", file=sys.stderr)


def _size(part: _Part) -> int:
    """Samples, or as many as take the same memory."""
    audio = part.window.audio
    return len(audio.samples) if isinstance(audio, Audio) else len(audio.data) // 4


class _Run:
    """One call: threads that read and decode, and the consumer that feeds the backend."""

    def __init__(
        self,
        rows: Iterator[_Row],
        cells: Sequence[object],
        backend: Backend,
        channel: int | None,
        errors: str,
        progress: bool,
        label: Callable[[int], object],
        done: Callable[[int, Outcome], None] | None,
    ) -> None:
        self.rows, self.cells, self.backend, self.channel = rows, cells, backend, channel
        self.count = count = len(cells)
        self.errors, self.label, self.done = errors, label, done
        self.preferred = backend.preferred
        self.batch_size = self.preferred.batch_size
        self.paid = _Paid(backend, enabled=progress) if isinstance(backend, Remote) else None
        self.bar = Progress(count, enabled=progress, note=self.paid)
        self.ready: SimpleQueue[_Part | _Decoded | _Call | BaseException] = SimpleQueue()
        self.at_once = self.preferred.at_once
        self.callers = ThreadPoolExecutor(self.at_once, thread_name_prefix="asrkit-call") if self.at_once > 1 else None
        self.calls: set[_Call] = set()  # of the backend, under way or not yet looked at
        self.cap: CostCapError | None = None  # once it is reached, nothing more is sent
        self.closed = bytearray(count)  # rows that are done
        self.unread: dict[int, Outcome] = {}  # done before it was their turn
        self.stop = threading.Event()
        self.lock = threading.Condition()
        self.waiting = 0  # samples of decoded audio not yet taken by the model
        longest = self.preferred.longest or 30.0
        self.most_waiting = SAMPLING_RATE * max(WAITING_SECONDS, 3 * self.batch_size * longest)
        self.held_up = 0  # threads that wait for the consumer

    def outcomes(self) -> Iterator[Outcome]:
        """In the order of the rows."""
        workers = 1 if self.preferred.in_order else min(16, max(2, os.cpu_count() or 1))
        plan = self._plan(workers)
        plan_lock = threading.Lock()

        def work() -> None:
            try:
                while not self.stop.is_set():
                    with plan_lock:
                        row = next(plan, None)
                    if row is None:
                        return
                    self._read(row)
            except BaseException as error:
                self.ready.put(error)

        threads = [threading.Thread(target=work, name=f"asrkit-read-{n}", daemon=True) for n in range(workers)]
        try:
            with self.bar:
                for thread in threads:
                    thread.start()
                yield from self._in_order(self._finished(threads))
        except (KeyboardInterrupt, GeneratorExit, AsrkitError) as stopped:
            self._stop_reading(threads)
            if isinstance(stopped, KeyboardInterrupt) and self.paid is not None:
                self.paid.wait_for(len(self.calls))
            for row in self._collect():
                self.unread[row.number] = row.outcome
            if isinstance(stopped, AsrkitError):
                stopped.partial = dict(self.unread)
            raise
        finally:
            self._stop_reading(threads)
            plan.close()  # and the threads that look ahead
            if self.callers is not None:
                if self.calls and self.paid is not None:
                    self.paid.backend.abandon()
                self.callers.shutdown(wait=False, cancel_futures=True)
            if self.paid is not None:
                self.paid.report()

    def _stop_reading(self, threads: Sequence[threading.Thread]) -> None:
        self.stop.set()
        with self.lock:
            self.lock.notify_all()
        for thread in threads:
            if thread.is_alive():
                thread.join(timeout=5)

    def _collect(self) -> list[_Row]:
        """Send nothing more, and wait for what is under way: it may be paid already. A further Ctrl-C leaves it."""
        if self.callers is None:
            return []
        if self.paid is not None:
            self.paid.backend.halt()
        self.callers.shutdown(wait=True, cancel_futures=True)
        finished = []
        for call in [call for call in self.calls if call.ended.is_set()]:  # others never began
            with contextlib.suppress(AsrkitError):  # one has stopped the run already
                finished += self._end(call)
        return finished

    # -- threads: look ahead, read, decode, cut ----------------------------------------------------------------

    def _plan(self, workers: int) -> Generator[_Row, None, None]:
        """Rows in the order in which they are worked on: longest first, some thousands at a time."""
        with ThreadPoolExecutor(workers, thread_name_prefix="asrkit-probe") as pool:
            while chunk := list(islice(self.rows, PLANNED)):
                for row in pool.map(self._look, chunk):
                    self.bar.expect(row.seconds)
                if not self.preferred.in_order:
                    chunk.sort(key=lambda row: -(row.seconds or 0.0))
                yield from chunk

    def _look(self, row: _Row) -> _Row:
        """Find the source and its length; what is wrong with it shows when it is read."""
        if is_missing(row.cell):
            row.seconds = 0.0
            return row
        try:
            row.source = locate(row.cell)
            if isinstance(row.source, FileSource | ByteSource | ArraySource):
                duration = probe(row.source).duration
                if duration is not None:
                    row.seconds = max(0.0, min(duration, row.end or duration) - row.start)
        except Exception:
            row.seconds = row.seconds or 0.0
        return row

    def _read(self, row: _Row) -> None:
        error: AsrkitError | None = None
        try:
            if is_missing(row.cell):
                row.expected = 0
            else:
                self._decode(row)
        except _Stopped:
            return
        except AsrkitError as known:
            error = known
        except Exception as unknown:
            error = AsrkitError(f"reading failed: {type(unknown).__name__}: {unknown}", code="unexpected")
            error.__cause__ = unknown
        self.ready.put(_Decoded(row, error))

    def _decode(self, row: _Row) -> None:
        source = row.source if row.source is not None else locate(row.cell)
        row.language = checked_language(self.backend, row.language)
        longest, gate = self.preferred.longest or float("inf"), self.preferred.speech_gate
        if self.preferred.upload is not None:
            cut = uploads(
                source,
                self.preferred.upload,
                longest,
                start=row.start,
                end=row.end,
                channel=self.channel,
                gate=gate,
                heard=row.count,
            )
        else:
            cut = windows(
                self._counted(row, stream(source, start=row.start, end=row.end, channel=self.channel)),
                longest,
                gate=gate,
            )
        first, second = next(cut, None), next(cut, None)
        number = 0
        for window in (first, second):
            if window is None:
                break
            if number == 1 and self.preferred.language_first and row.language is None:
                self._wait(lambda: row.is_language_known)
            self._hand_over(_Part(row, number, window))
            number += 1
        for window in cut:
            self._hand_over(_Part(row, number, window))
            number += 1
        row.expected = number

    def _counted(self, row: _Row, blocks: Iterator[Audio]) -> Iterator[Audio]:
        for block in blocks:
            row.count(block)
            yield block

    def _wait(self, is_time: Callable[[], bool]) -> None:
        """Wait for the consumer."""
        with self.lock:
            self.held_up += 1
            self.lock.wait_for(lambda: self.stop.is_set() or is_time())
            self.held_up -= 1
        if self.stop.is_set():
            raise _Stopped

    def _hand_over(self, part: _Part) -> None:
        count = _size(part)
        self._wait(lambda: not self.waiting or self.waiting + count <= self.most_waiting)
        with self.lock:
            self.waiting += count
        self.ready.put(part)

    # -- the consumer: batches, halves, rows -------------------------------------------------------------------

    def _finished(self, threads: Sequence[threading.Thread]) -> Iterator[_Row]:
        """Rows as they are done."""
        open_rows = self.count
        waiting: deque[_Part] = deque()
        while open_rows:
            finished: list[_Row] = []
            item = self._next(threads, wait=not waiting or len(self.calls) >= self.at_once)
            match item:
                case _Part():
                    waiting.append(item)
                case _Call():
                    finished += self._end(item)
                case _Decoded(row, None):
                    finished += self._close_if_whole(row)
                case _Decoded(row, AsrkitError() as error) if not row.is_done:  # else a window of it has failed before
                    self._close(row, Failure.of(error))
                    finished.append(row)
            while len(self.calls) < self.at_once and (len(waiting) >= self.batch_size or (item is None and waiting)):
                batch = [waiting.popleft() for _ in range(min(len(waiting), self.batch_size))]
                finished += self._call(batch)
            if self.cap is not None:
                self._stop_reading(threads)
                finished += self._collect()
                finished += self._left_over()
            for row in finished:
                open_rows -= 1
                yield row

    def _left_over(self) -> list[_Row]:
        """The rows that are not done when the money is spent."""
        failure = Failure.of(CostCapError(f"the run has ended before this row: {self.cap}"))
        rows = [
            _Row(number, self.cells[number], None, 0.0, None) for number in range(self.count) if not self.closed[number]
        ]
        for row in rows:
            self._close(row, None if is_missing(row.cell) else failure)
        return rows

    def _next(self, threads: Sequence[threading.Thread], wait: bool) -> _Part | _Decoded | _Call | None:
        """What the threads made; None where a batch should not wait for more of it."""
        while True:
            try:
                item = self.ready.get(timeout=0.02)
            except Empty:
                self.bar.show()
                alive = sum(thread.is_alive() for thread in threads)
                with self.lock:
                    stuck = self.held_up >= alive
                if stuck and self.ready.empty() and not wait:
                    return None
                continue
            if isinstance(item, BaseException):
                raise item
            return item

    def _call(self, batch: list[_Part]) -> list[_Row]:
        """Hear one batch, here or in a thread; gives the rows that are done by it."""
        with self.lock:
            self.waiting -= sum(_size(part) for part in batch)
            self.lock.notify_all()
        wanted = [part for part in batch if not part.row.is_done]
        if not wanted:
            return []
        if self.callers is None:
            size_before = self.batch_size
            transcripts = self._transcripts(wanted)
            if any(isinstance(heard, OutOfMemoryError) for heard in transcripts):
                self.batch_size = size_before  # the clip was too large, not the batch
            return self._place(wanted, transcripts)

        call = _Call(wanted)

        def work() -> None:
            try:
                call.transcripts = self._transcripts(wanted)
            except BaseException as error:
                call.error = error
            call.ended.set()
            self.ready.put(call)

        self.calls.add(call)
        self.callers.submit(work)
        return []

    def _end(self, call: _Call) -> list[_Row]:
        """Take what a call gave; gives the rows that are done by it."""
        finished = [] if call.error is not None else self._place(call.batch, call.transcripts)
        self.calls.discard(call)
        if call.error is not None:
            raise call.error
        return finished

    def _place(self, batch: Sequence[_Part], transcripts: Sequence[Transcript | AsrkitError]) -> list[_Row]:
        """Put what was heard where it belongs; gives the rows that are done by it."""
        finished = []
        for part, heard in zip(batch, transcripts, strict=True):
            row = part.row
            self.bar.advance(part.window.audio.duration)
            row.heard += part.window.audio.duration
            if row.is_done:
                continue
            if isinstance(heard, CostCapError) and heard.seconds_left < SHORTEST_PAID:
                self.cap = heard
            if self.cap is not None and isinstance(heard, BackendError) and heard.code == NOT_REACHED.code:
                heard = CostCapError(f"not sent: {self.cap}")  # it waited for its turn when the money was spent
            if isinstance(heard, AsrkitError):
                if isinstance(heard, BackendError):
                    heard.cost = total([heard.cost, *(own.cost for own in row.parts.values())])
                self._close(row, Failure.of(heard))
                finished.append(row)
                continue
            row.parts[part.number] = heard
            row.part_starts[part.number] = part.window.start
            if part.number == 0:
                row.language = row.language or heard.language
            self._tell_language(row)
            finished += self._close_if_whole(row)
        self.bar.batch_done()
        return finished

    def _transcripts(self, batch: Sequence[_Part]) -> list[Transcript | AsrkitError]:
        """Halve what fails, so that only the row at fault pays for it."""
        try:
            clips: list[Any] = [part.window.audio for part in batch]  # samples, or files where it prefers them
            heard = self.backend.transcribe(clips, languages=[part.row.language for part in batch])
            if len(heard) != len(batch):
                raise BackendError(f"{self.backend.name} gave {len(heard)} transcripts for {len(batch)} clips")
            return list(heard)
        except OutOfMemoryError as error:
            if len(batch) <= self.batch_size:
                self.batch_size = max(1, len(batch) // 2)
            if len(batch) == 1:
                return [error]
        except BackendError as error:
            if error.stops_run:
                raise
            if len(batch) == 1:
                return [error]
        except AsrkitError:
            raise  # an option or the weights: every row would fail
        except Exception as unknown:
            if len(batch) == 1:
                failed = BackendError(f"{self.backend.name} failed: {type(unknown).__name__}: {unknown}")
                failed.__cause__ = unknown
                return [failed]
        half = len(batch) // 2
        return [*self._transcripts(batch[:half]), *self._transcripts(batch[half:])]

    def _close_if_whole(self, row: _Row) -> list[_Row]:
        if row.is_done or row.expected is None or len(row.parts) < row.expected:
            return []
        if is_missing(row.cell):
            self._close(row, None)
            return [row]
        warned = [warning.split(":")[0] for warning in row.warnings]
        if row.expected:
            order = sorted(row.parts)
            whole = join([row.parts[n] for n in order], [row.part_starts[n] for n in order], row.duration)
        else:
            whole = Transcript("", row.language, duration=row.duration, elapsed=0.0, flags=("silence",))
        self._close(row, replace(whole, flags=ordered_flags([*whole.flags, *warned])))
        return [row]

    def _close(self, row: _Row, outcome: Outcome) -> None:
        row.outcome = outcome
        row.is_done = True
        self.closed[row.number] = True
        row.parts.clear()
        self._tell_language(row)
        row.source = None
        failed = isinstance(outcome, Failure)
        self.bar.finish(row.seconds, row.heard, failed=failed)
        if self.done:
            self.done(row.number, outcome)
        if isinstance(outcome, Failure) and self.errors == "raise":
            error = outcome.error
            named = f"row {self.label(row.number)} ({describe(row.cell)}): {error}"
            raise type(error)(named, code=error.code) from error

    def _tell_language(self, row: _Row) -> None:
        with self.lock:
            row.is_language_known = True
            self.lock.notify_all()

    def _in_order(self, finished: Iterator[_Row]) -> Iterator[Outcome]:
        following = 0
        for row in finished:
            self.unread[row.number] = row.outcome
            while following in self.unread:
                yield self.unread.pop(following)
                following += 1
