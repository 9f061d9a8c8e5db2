"""Cells -> outcomes: ordered by length, decoded ahead by threads, recognised in batches; one failure is one row."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from .audio import SAMPLING_RATE, Audio, probe, stream
from .backends import from_model
from .backends.base import Backend, Remote
from .cloudflare.prices import money
from .codings import coding_of
from .errors import AsrkitError, BackendError, CostCapError, JournalError, OptionError, OutOfMemoryError
from .failures import Failures
from .interrupts import Interrupts
from .isolation import Workers, workers
from .journal.keys import address_digest, digest_of, part_key
from .journal.payments import NO_ROW, row_number
from .journal.place import chosen
from .journal.run import Answer, Content
from .journal.run import Run as Journal
from .language_codes import known_language
from .outcomes import NOT_REACHED, Failure, Outcome
from .printable import printable
from .progress import Progress
from .seconds import checked_seconds, column_of_seconds
from .source import (
    ArraySource,
    ByteSource,
    FetchedSource,
    FileSource,
    Source,
    UrlSource,
    describe,
    is_missing,
    locate,
)
from .speech import Window, windows
from .spoken import is_doubtful, likely_languages
from .tracks import checked_track
from .transcript import Transcript, join, ordered_flags, total
from .turns import EACH, checked_channel, distinct_channels, in_turns, named, naming, with_word_times
from .upload import uploads

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["transcribe", "transcribe_cells"]

PLANNED = 4_096  # rows looked at ahead and put in order of length
IDLE_SECONDS = 1.0  # that a batch waits for more clips: one that takes long to decode shall not hold up the others
LOOK_SECONDS = 1.0  # for headers that hang an isolated decoder: others wait for them, and it is but for the order
SHORTEST_PAID = 1.0  # seconds of audio: a run whose money does not pay for more is over
WAITING_SECONDS = 1_800.0  # of decoded audio that may wait for the model: 115 MB
DOUBTFUL_SECONDS = 900.0  # of a row's audio that is kept until the language of all its windows is known
STOP_SECONDS = 5.0  # that all threads which read may take to end; after a second Ctrl-C none is waited for
CLAIMED, CLAIMED_SECONDS = 64, 240.0  # rows, and audio in them, that are claimed together, just before they are read
LOOK_AGAIN = 0.25  # seconds until rows that another process works on are looked for again
QUICK = 0.01  # seconds of a call after which rows may wait for the journal: the next is as quick


def transcribe(
    cells: Iterable[object],
    *,
    model: object = "openai/whisper-base",
    language: str | Sequence[str | None] | None = None,
    start: Sequence[Any] | None = None,
    end: Sequence[Any] | None = None,
    channel: int | str | None = None,
    track: int | str | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    errors: str = "column",
    progress: bool = True,
    journal: object = None,
    retry_failed: bool = False,
    resend_unsettled: bool = True,
    isolate: bool | Workers = False,
    allow_private_urls: bool = False,
    **options: Any,
) -> Iterator[Outcome]:
    """Turn audio into text, without pandas.

    Args:
        cells: paths, URLs, bytes, arrays with their rate; see ``asrkit.source``.
        model: a model's name, a local folder, a transformers pipeline, or a backend.
        language: of all cells or one a cell, as code or name; None finds it out.
        start: first second of each cell that is wanted, as a number, a time on a clock or a Timedelta.
        end: second of each cell to stop before.
        channel: take this one (from 0) instead of the average of all; ``each`` hears every channel by itself, and
            gives what was said in all of them as turns in time order.
        track: take this audio track of each file, by its number (from 0) or its language (``"eng"``); None takes the
            default one, or one with sound where that is silent.
        format: what files without any header are, such as ``ulaw``, ``alaw``, ``g722``, ``gsm``, ``sln`` or
            ``s16le:16000``; see ``asrkit.codings``. Files with a header are read as that says.
        errors: ``column`` gives a ``Failure`` for a cell that fails, ``raise`` raises its error.
        progress: show a bar.
        journal: the file in which finished rows are kept at once and looked up; None is one in the user's cache
            folder (where the environment variable ``ASRKIT_JOURNAL`` names no other), False none.
        retry_failed: try rows again whose audio is known to be broken, or that made the process crash.
        resend_unsettled: send paid requests again that were never answered, and may have been billed; False gives
            the error ``unsettled`` instead.
        isolate: decode in processes of their own, so that a file that crashes or hangs the decoder costs one row.
        allow_private_urls: URLs may lead to addresses that are not public, such as those of this network.
        options: for the backend, see ``asrkit.Whisper``.

    Yields:
        One outcome a cell, in order: a ``Transcript``, a ``Failure``, or None for a missing cell.

    Raises:
        OptionError, WeightsError: before any work.
        JournalError: before any work, or when the disk is full; what was finished before is kept.

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
    running = transcribe_cells(
        listed,
        backend,
        languages=languages,
        starts=column_of_seconds(start, "start"),
        ends=column_of_seconds(end, "end"),
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
    )
    return Failures().counted(running)


def transcribe_cells(
    cells: Sequence[object],
    backend: Backend,
    *,
    languages: Sequence[str | None] | None = None,
    starts: Sequence[Any] | None = None,
    ends: Sequence[Any] | None = None,
    channel: int | str | None = None,
    track: int | str | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
    errors: str = "column",
    progress: bool = True,
    journal: object = None,
    retry_failed: bool = False,
    resend_unsettled: bool = True,
    isolate: bool | Workers = False,
    allow_private_urls: bool = False,
    label: Callable[[int], object] = lambda row: row,
    done: Callable[[int, Outcome], None] | None = None,
    recalled: Callable[[float], None] | None = None,
) -> Iterator[Outcome]:
    """The same with a ready backend.

    ``label`` names a row in messages; ``done`` is called with a row's number and outcome as soon as it is finished
    (with a journal: as soon as it is on disk), which for short rows may be long before it is their turn; ``recalled``
    is called for each text that the journal has, with the seconds of the clock that it took when it was heard.
    """
    checked_channel(channel)
    if channel == EACH:
        backend = with_word_times(backend)
    if errors not in ("column", "raise"):
        raise OptionError(f"expected errors='column' or errors='raise', got {errors!r}")
    checked_track(track)
    coding_of(format)  # a wrong one is said before any work
    count = len(cells)
    for name, values in (("language", languages), ("start", starts), ("end", ends)):
        if values is not None and len(values) != count:
            raise OptionError(f"{name} has {len(values)} values for {count} cells; give one a cell")
    starts, ends = checked_seconds(starts, "start"), checked_seconds(ends, "end")
    rows = (  # made as they are needed: millions of them would fill the memory
        _row(number, cell, known_language(_given(languages, number)), _given(starts, number), _given(ends, number))
        for number, cell in enumerate(cells)
    )
    place = chosen(journal, backend)

    def remember() -> Journal | None:
        if place is None:
            return None
        try:
            return Journal.open(
                place,
                backend,
                channel=channel,
                track=track,
                format=format,
                retry_failed=retry_failed,
                resend_unsettled=resend_unsettled,
            )
        except JournalError as error:
            _, is_named = place
            if is_named or error.code != "read-only":
                raise
            warnings.warn(f"{error}; nothing of this run is kept", stacklevel=2)  # nobody has asked for one
            return None

    run = _Run(
        rows,
        cells,
        backend,
        channel,
        track,
        format,
        errors,
        progress,
        workers(isolate),
        allow_private_urls,
        label,
        done,
        remember,
        recalled,
        starts,
        ends,
    )
    return run.interrupts.guarded(run.outcomes())


def checked_language(backend: Backend, language: str | None) -> str | None:
    """The language as the backend writes it.

    Raises:
        OptionError: the backend knows its languages, and not this one.
    """
    language = known_language(language)
    check: Callable[[str], str] | None = getattr(backend, "language_code", None)
    return language if language is None or check is None else check(language)


def _given(values: Sequence[Any] | None, number: int) -> Any:
    value = None if values is None else values[number]
    return None if is_missing(value) else value


def _bounds(values: Sequence[Any] | None, count: int) -> Sequence[Any]:
    """Seconds, without those that are errors."""
    if values is None:
        return [None] * count
    return [None if isinstance(value, AsrkitError) else value for value in values]


def _row(number: int, cell: object, language: Any, start: Any, end: Any) -> _Row:
    """A row; one whose stretch of the recording cannot be meant carries what is wrong with it."""
    fault = next((bound for bound in (start, end) if isinstance(bound, AsrkitError)), None)
    if fault is not None:
        return _Row(number, cell, language, 0.0, None, fault=fault)
    return _Row(number, cell, language, start or 0.0, end)


@dataclass(eq=False)
class _Row:
    """One cell on its way."""

    number: int
    cell: object
    language: str | None
    start: float
    end: float | None
    fault: AsrkitError | None = None  # found before any work
    source: Source | None = None
    seconds: float | None = None  # as far as the headers tell
    heard: float = 0.0  # seconds of it that the model has done
    duration: float = 0.0
    warnings: tuple[str, ...] = ()
    parts: dict[int, Transcript] = field(default_factory=dict)
    part_starts: dict[int, float] = field(default_factory=dict)
    part_channels: dict[int, int | None] = field(default_factory=dict)
    share: float = 1.0  # of its seconds that a second of a window stands for: less where each channel is heard
    expected: int | None = None  # number of windows, known when the last was decoded
    outcome: Outcome = None
    is_done: bool = False
    doubtful: dict[int, _Part] = field(default_factory=dict)  # windows that may be in another language
    is_settled: bool = False  # the languages of its windows
    key: bytes | None = None  # in the journal
    address_key: bytes | None = None  # in the journal, of a URL, whose content is not known before it is fetched
    content: Content | None = None
    heard_parts: Mapping[bytes, Transcript] = field(default_factory=dict)  # by an earlier run
    claim: bytes | None = None  # the key that other processes see claimed
    is_suspect: bool = False  # it was at work when a process died
    is_changed: bool = False  # since its digest was made
    is_kept: bool = False  # with the journal's next transaction it may be handed over
    is_under_way: bool = False

    def order(self) -> dict[int | None, list[int]]:
        """The numbers of the windows that were heard, in order, by channel; None is the average of all."""
        numbers: dict[int | None, list[int]] = {}
        for number in sorted(self.parts):
            numbers.setdefault(self.part_channels[number], []).append(number)
        return numbers

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
    key: bytes | None = None  # in the journal, where the row has several
    heard: Transcript | None = None  # by an earlier run
    language: str | None = None  # of this window alone
    channel: int | None = None  # where each is heard by itself


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The journal has a row's outcome."""

    row: _Row
    answer: Answer


class _Tick:
    """Nothing has come, and rows wait for the journal."""


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

    def begin(self, journal: Journal | None) -> None:
        """Before the first request."""
        cap: float | None = getattr(getattr(self.backend, "ledger", None), "cap", None)
        if journal is None:
            self.backend.begin()
            if self.enabled and cap is not None:
                self._say(
                    f"max_cost={money(cap)} counts what this object pays; without a journal nobody knows what earlier "
                    "runs of this call have paid"
                )
            return
        self.backend.begin(journal.book)
        before: float = getattr(self.backend, "paid_before", 0.0)
        if self.enabled and before:
            of = "" if cap is None else f" of max_cost={money(cap)}"
            self._say(f"{money(before)}{of} was paid before, by runs over these rows that did not finish")
        self.before = self.backend.spending  # what earlier runs may owe is not this one's
        if self.enabled and journal.book.count:
            owed = money(sum(journal.book.unsettled.values()))
            self._say(
                f"{journal.book.count:,} requests of earlier runs were never answered and may have been billed "
                f"({owed}); max_cost counts them, and `asrkit journal show` lists them"
            )

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
        say(self.backend.name, text)


def say(name: str, text: str) -> None:
    """A line beside the bar."""
    from tqdm import tqdm

    tqdm.write(printable(f"{name}: {text}"), file=sys.stderr)


def _blocks(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Rows that are claimed together: others should not have to wait for much."""
    block: list[_Row] = []
    seconds = 0.0
    for row in rows:
        block.append(row)
        seconds += row.seconds or 0.0
        if len(block) >= CLAIMED or seconds >= CLAIMED_SECONDS:
            yield block
            block, seconds = [], 0.0
    if block:
        yield block


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
        channel: int | str | None,
        track: int | str | None,
        format: str | None,  # noqa: A002 - what it is called everywhere
        errors: str,
        progress: bool,
        isolated: Workers | None,
        allow_private_urls: bool,
        label: Callable[[int], object],
        done: Callable[[int, Outcome], None] | None,
        remember: Callable[[], Journal | None],
        recalled: Callable[[float], None] | None,
        starts: Sequence[Any] | None,
        ends: Sequence[Any] | None,
    ) -> None:
        self.rows, self.cells, self.backend = rows, cells, backend
        self.channel, self.track, self.format = channel, track, format
        self.count = count = len(cells)
        self.errors, self.label, self.done = errors, label, done
        self.isolate: bool | Workers = isolated or False
        self.allow_private_urls = allow_private_urls
        self.preferred = backend.preferred
        self.batch_size = self.preferred.batch_size
        self.paid = _Paid(backend, enabled=progress) if isinstance(backend, Remote) else None
        self.bar = Progress(count, enabled=progress, note=self.paid)
        self.ready: SimpleQueue[_Part | _Decoded | _Call | _Known | BaseException] = SimpleQueue()
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
        self.remember, self.recalled = remember, recalled
        self.journal: Journal | None = None
        self.starts: Sequence[Any] = _bounds(starts, count)
        self.ends: Sequence[Any] = _bounds(ends, count)
        self.paid_as = np.zeros(0, np.int64)  # the rows' numbers among the payments
        self.is_capped = False  # a row was not sent for want of money
        self.is_whole = False  # all rows are done
        self.is_broken = False  # the journal cannot be written any more
        self.uncommitted: list[_Row] = []  # done, and not on disk yet
        self.again: list[_Part] = []  # windows to be heard in another language
        self.put_off: list[_Row] = []  # another process works on them
        self.others: set[int] = set()  # the numbers of those processes
        self.alike: dict[bytes, list[_Row]] = {}  # rows under way: those with the same key wait for them
        self.under_way = 0  # rows given to the threads and not done
        self.is_alone = False  # the next row waits until no other is under way
        self.took = 0.0  # seconds of the last call in the consumer's thread
        self.interrupts = Interrupts()

    def outcomes(self) -> Generator[Outcome, None, None]:
        """In the order of the rows."""
        self.journal = self.remember()
        if self.paid is not None and self.journal is not None:
            self.paid_as = np.fromiter(map(row_number, self.cells, self.starts, self.ends), np.int64, self.count)
            self.journal.book.payments.cover(self.paid_as)
        if self.paid is not None:
            self.paid.begin(self.journal)
        elif self.bar.enabled:
            self.interrupts.waiting = "finishing what is under way; Ctrl-C again stops at once"
        readers = 1 if self.preferred.in_order else min(16, max(2, os.cpu_count() or 1))
        if self.isolate and not self.preferred.in_order:
            readers += 1  # one that hangs shall not hold up the others
        plan = self._plan(readers)
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

        threads = [threading.Thread(target=work, name=f"asrkit-read-{n}", daemon=True) for n in range(readers)]
        try:
            with self.bar:
                for thread in threads:
                    thread.start()
                yield from self._in_order(self._finished(threads))
            self.is_whole = not self.is_capped
        except (KeyboardInterrupt, GeneratorExit, AsrkitError) as stopped:
            self._stop_reading(threads)
            if isinstance(stopped, KeyboardInterrupt) and self.paid is not None:
                self.paid.wait_for(len(self.calls))
            finished = self._collect()
            if not self.is_broken:
                with contextlib.suppress(AsrkitError):  # one has stopped the run already
                    for row in self._on_disk(finished, now=True):
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
            try:
                if self.journal is not None:
                    self.journal.abandon() if self.is_broken else self.journal.end(is_whole=self.is_whole)
            finally:
                if self.paid is not None:
                    self.paid.report()

    def _stop_reading(self, threads: Sequence[threading.Thread]) -> None:
        self.stop.set()
        with self.lock:
            self.lock.notify_all()
        until = time.monotonic() + (STOP_SECONDS if self.interrupts.count < 2 else 0.0)
        for thread in threads:
            if thread.is_alive():
                thread.join(timeout=max(0.0, until - time.monotonic()))

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

    def _plan(self, readers: int) -> Generator[_Row, None, None]:
        """Rows in the order in which they are worked on: longest first, some thousands at a time."""
        with ThreadPoolExecutor(readers, thread_name_prefix="asrkit-probe") as pool:
            suspects: list[_Row] = []
            while chunk := list(islice(self.rows, PLANNED)):
                if self.journal is not None:
                    chunk = self._unanswered(chunk, self.journal, pool)
                for row in pool.map(self._look, chunk):
                    self.bar.expect(row.seconds)
                suspects += [row for row in chunk if row.is_suspect]
                if not self.preferred.in_order:
                    chunk.sort(key=lambda row: -(row.seconds or 0.0))
                yield from self._claimed([row for row in chunk if not row.is_suspect])
            yield from self._put_off_until_done()
            # Suspects are last, so that one which kills the process again costs nothing but itself.
            yield from self._claimed(suspects)
            yield from self._put_off_until_done()

    def _claimed(self, rows: Sequence[_Row], anew: bool = False) -> Generator[_Row, None, None]:
        """Begin the rows that no other process works on; the others are put off. ``anew``: it is the second try."""
        if self.journal is None:
            for row in rows:
                yield self._begun(row)
            return
        for block in _blocks(rows):
            keys = [row.key for row in block if row.key is not None]
            taken = self.journal.claims.take(keys)
            for run in taken.orphaned:
                self.journal.book.take_up(run)
            is_news = taken.is_news or bool(taken.held) or anew
            answers = self.journal.recall(keys) if is_news else {}
            for row in block:
                answer = answers.get(row.key) if row.key is not None else None
                holder = taken.held.get(row.key) if row.key is not None else None
                row.claim = row.key if holder is None else None
                if answer is not None and answer.outcome is not None:
                    self.bar.unexpect(row.seconds)
                    self.ready.put(_Known(row, answer))
                elif holder is not None:
                    self.put_off.append(row)
                    self.others.add(holder)
                else:
                    row.heard_parts = row.heard_parts if answer is None else answer.parts or {}
                    if row.is_suspect:
                        self.is_alone = True
                        self._wait(lambda: not self.under_way)
                        self.is_alone = False
                    yield self._begun(row)

    def _put_off_until_done(self) -> Generator[_Row, None, None]:
        """Wait for the rows that other processes work on; those that they give up are begun here."""
        is_told = False
        while self.put_off and not self.stop.is_set():
            rows, self.put_off, self.others = self.put_off, [], set()
            yield from self._claimed(rows, anew=True)
            if self.put_off and not is_told and self.bar.enabled:
                is_told = True
                those = f"another process ({', '.join(map(str, sorted(self.others)))})"
                say(self.backend.name, f"{those} works on {len(self.put_off):,} of these rows: waiting for it")
            if self.put_off:
                self.stop.wait(LOOK_AGAIN)

    def _begun(self, row: _Row) -> _Row:
        with self.lock:
            row.is_under_way = True
            self.under_way += 1
        return row

    def _over(self, row: _Row) -> None:
        with self.lock:
            if row.is_under_way:
                row.is_under_way = False
                self.under_way -= 1
                self.lock.notify_all()

    def _unanswered(self, rows: list[_Row], journal: Journal, pool: Executor) -> list[_Row]:
        """The rows that have to be heard; the journal's answers go to the consumer."""
        for row in rows:
            if not is_missing(row.cell) and row.fault is None:
                with contextlib.suppress(AsrkitError):  # it will say so itself when it is read
                    row.source = self._located(row)
                with contextlib.suppress(AsrkitError):
                    row.language = checked_language(self.backend, row.language)
        for row, content in zip(rows, journal.contents([row.source for row in rows], pool), strict=True):
            self._identify(row, content, journal)
        journal.claims.look()
        return self._new(rows, journal)

    def _identify(self, row: _Row, content: Content | None, journal: Journal) -> None:
        row.content = content
        if content is not None:
            row.key = journal.key(content.digest, row.start, row.end, row.language)
        elif isinstance(row.source, UrlSource):
            row.key = row.address_key = journal.key(address_digest(row.source), row.start, row.end, row.language)

    def _new(self, rows: Sequence[_Row], journal: Journal) -> list[_Row]:
        """The rows that are neither known nor the same as one under way."""
        firsts = []
        with self.lock:
            for row in rows:
                if row.key is not None and row.key in self.alike:
                    self.alike[row.key].append(row)
                    continue
                if row.key is not None:
                    self.alike[row.key] = []
                firsts.append(row)
        # Only now: whoever was the same as a row that has ended since waits for that row, or finds it here.
        answers = journal.recall(row.key for row in firsts if row.key is not None)
        new = []
        for row in firsts:
            answer = answers.get(row.key) if row.key is not None else None
            if answer is not None and answer.outcome is not None:
                self.ready.put(_Known(row, answer))
                continue
            if answer is not None:
                row.heard_parts = answer.parts or {}
                row.is_suspect = row.is_suspect or answer.is_suspect
            new.append(row)
        return new

    def _located(self, row: _Row) -> Source:
        return locate(row.cell, allow_private_urls=self.allow_private_urls)

    def _look(self, row: _Row) -> _Row:
        """Find the source and its length; what is wrong with it shows when it is read."""
        if is_missing(row.cell) or row.fault is not None:
            row.seconds = 0.0
            return row
        try:
            row.source = row.source or self._located(row)
            if isinstance(row.source, FileSource | ByteSource | ArraySource):
                options: dict[str, Any] = {"track": self.track, "format": self.format, "isolate": self.isolate}
                duration = probe(row.source, **options, patience=LOOK_SECONDS).duration
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
            elif row.fault is not None:
                raise row.fault
            elif isinstance(row.source, UrlSource) and self.journal is not None:
                if not self._fetch(row, row.source, self.journal):
                    return
            else:
                self._decode_noted(row)
        except _Stopped:
            return
        except JournalError:
            raise
        except AsrkitError as known:
            error = known
        except Exception as unknown:
            error = AsrkitError(f"reading failed: {type(unknown).__name__}: {unknown}", code="unexpected")
            error.__cause__ = unknown
        self.ready.put(_Decoded(row, error))

    def _fetch(self, row: _Row, source: UrlSource, journal: Journal) -> bool:
        """Fetch it once, to know it by its content; gives whether it had to be heard."""
        with source.open() as copy:
            row.source = fetched = FetchedSource(source.url, copy)
            self._identify(row, Content(digest_of(fetched)), journal)
            if not self._new([row], journal):
                self._over(row)
                return False
            self._decode_noted(row)
        return True

    def _decode_noted(self, row: _Row) -> None:
        """Decode it; should it crash the process, the next run knows of whom to beware."""
        with self._at_work([row]):
            windows = self._decode(row)
        if self.journal is not None and row.content is not None and row.source is not None:
            row.is_changed = not self.journal.is_same(row.content, row.source)
        row.expected = windows

    def _at_work(self, rows: Iterable[_Row]) -> contextlib.AbstractContextManager[None]:
        if self.journal is None:
            return contextlib.nullcontext()
        keys = {row.address_key or row.key: row.is_suspect for row in rows}
        return self.journal.attempts.of([key for key in keys if key is not None], alone=any(keys.values()))

    def _decode(self, row: _Row) -> int:
        """Hand its windows over; gives how many there are."""
        source = row.source or self._located(row)
        row.language = checked_language(self.backend, row.language)
        if not isinstance(self.channel, str):
            return self._cut(row, source, self.channel)
        if not isinstance(source, UrlSource):
            return self._cut_each_channel(row, source)
        with source.open() as copy:  # read several times, fetched once
            return self._cut_each_channel(row, FetchedSource(source.url, copy))

    def _cut_each_channel(self, row: _Row, source: Source) -> int:
        wanted: dict[str, Any] = {"track": self.track, "format": self.format, "isolate": self.isolate}
        channels = distinct_channels(source, start=row.start, end=row.end, **wanted)
        row.share = 1 / len(channels)
        number, duration = 0, 0.0
        for channel in channels:
            row.duration = 0.0
            with naming(channel):
                number = self._cut(row, source, channel, number, is_one_of_many=len(channels) > 1)
            row.duration = duration = max(duration, row.duration)
        return number

    def _cut(
        self, row: _Row, source: Source, channel: int | None, number: int = 0, *, is_one_of_many: bool = False
    ) -> int:
        """Hand over the windows of one channel, or of the average of all; gives the number after the last."""
        own = channel if isinstance(self.channel, str) else None
        cut = self._windows(row, source, channel)
        first, second = next(cut, None), next(cut, None)
        is_only = second is None and not is_one_of_many
        for window in chain((window for window in (first, second) if window is not None), cut):
            self._hand_over(replace(self._part(row, number, window, is_only), channel=own))
            number += 1
        return number

    def _windows(self, row: _Row, source: Source, channel: int | None) -> Iterator[Window]:
        longest, gate = self.preferred.longest or float("inf"), self.preferred.speech_gate
        if self.preferred.upload is not None:
            return uploads(
                source,
                self.preferred.upload,
                longest,
                start=row.start,
                end=row.end,
                channel=channel,
                track=self.track,
                format=self.format,
                gate=gate,
                heard=row.count,
                isolate=self.isolate,
            )
        blocks = stream(
            source,
            start=row.start,
            end=row.end,
            channel=channel,
            track=self.track,
            format=self.format,
            isolate=self.isolate,
        )
        return windows(self._counted(row, blocks), longest, gate=gate)

    def _part(self, row: _Row, number: int, window: Window, is_only: bool) -> _Part:
        """Of a long recording each window is kept by itself."""
        if self.journal is None or row.key is None or is_only:
            return _Part(row, number, window)
        key = part_key(number, window.start, window.audio)
        return _Part(row, number, window, key, row.heard_parts.get(key))

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
            self.interrupts.check()
            waiting.extend(self.again)
            self.again.clear()
            finished: list[_Row] = []
            ready: list[_Row] = []
            item = self._next(threads, wait=not waiting or len(self.calls) >= self.at_once)
            match item:
                case _Part(heard=Transcript() as heard):
                    finished += self._place_known(item, heard)
                case _Part():
                    waiting.append(item)
                case _Known():
                    finished += self._close_known(item)
                case _Tick():
                    ready += self._on_disk([], now=True)
                case _Call():
                    finished += self._end(item)
                case _Decoded(row, None):
                    finished += self._close_if_whole(row)
                case _Decoded(row, AsrkitError() as error) if not row.is_done:  # else a window of it has failed before
                    self._close(row, Failure.of(error))
                    finished.append(row)
            while len(self.calls) < self.at_once and (len(waiting) >= self.batch_size or (item is None and waiting)):
                batch = [waiting.popleft() for _ in range(min(len(waiting), self.batch_size))]
                if self.callers is None and (self.paid is not None or (self.uncommitted and self.took > QUICK)):
                    # Before this thread is busy for long, and before more is paid.
                    ready += self._on_disk(finished, now=True)
                    finished = []
                finished += self._call(batch)
            ready += self._on_disk(finished)
            if self.cap is not None:
                self._stop_reading(threads)
                ready += self._on_disk(self._collect(), now=True)
                ready += self._on_disk(self._left_over())
            for row in ready:
                open_rows -= 1
                yield row

    def _on_disk(self, finished: Sequence[_Row], now: bool = False) -> list[_Row]:
        """The rows that may be handed over: with a journal, those that are on disk, or need not be."""
        ready = [row for row in finished if not row.is_kept]
        self.uncommitted += [row for row in finished if row.is_kept]
        if self.journal is not None:
            is_paid = self.paid is not None and bool(self.uncommitted) and self.ready.empty()
            if now or is_paid or self.journal.is_due:
                try:
                    self.journal.commit()
                except JournalError:
                    self.is_broken = True
                    raise
                ready += self.uncommitted
                self.uncommitted = []
        handed_over: list[_Row] = []
        while ready:
            row = ready.pop(0)
            handed_over.append(row)
            ready += self._same_as(row)
            self._tell(row)
        if self.journal is not None:
            self.journal.claims.release(row.claim for row in handed_over if row.claim is not None)
        return handed_over

    def _same_as(self, row: _Row) -> list[_Row]:
        """Close the rows that have waited for this one."""
        if self.journal is None:
            return []
        with self.lock:
            keys = {key for key in (row.key, row.address_key) if key is not None}
            followers = [follower for key in keys for follower in self.alike.pop(key, [])]
        followers = [follower for follower in followers if not self.closed[follower.number]]
        for follower in followers:
            self._close(follower, row.outcome, is_known=True)
        return followers

    def _tell(self, row: _Row) -> None:
        outcome = row.outcome
        if self.done:
            self.done(row.number, outcome)
        if isinstance(outcome, Failure) and self.errors == "raise":
            error = outcome.error
            named = f"row {self.label(row.number)} ({describe(row.cell)}): {error}"
            raise type(error)(named, code=error.code) from error

    def _left_over(self) -> list[_Row]:
        """The rows that are not done when the money is spent."""
        failure = Failure.of(CostCapError(f"the run has ended before this row: {self.cap}"))
        rows = [
            _Row(number, self.cells[number], None, 0.0, None) for number in range(self.count) if not self.closed[number]
        ]
        for row in rows:
            self._close(row, None if is_missing(row.cell) else failure)
        return rows

    def _next(
        self, threads: Sequence[threading.Thread], wait: bool
    ) -> _Part | _Decoded | _Call | _Known | _Tick | None:
        """What the threads made; None where a batch should not wait for more of it."""
        asked = time.monotonic()
        while True:
            if self.uncommitted and not self.under_way and self.ready.empty():
                return _Tick()  # nothing is going on that could come with them
            try:
                item = self.ready.get(timeout=0.02)
            except Empty:
                self.interrupts.check()
                if self.journal is not None and self.journal.is_due:
                    return _Tick()
                self.bar.show()
                alive = sum(thread.is_alive() for thread in threads)
                with self.lock:
                    is_idle = time.monotonic() - asked > IDLE_SECONDS
                    stuck = self.held_up >= alive or self.is_alone or is_idle
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
        if self.journal is not None:
            for part in wanted:
                paid_as = NO_ROW if self.paid is None else int(self.paid_as[part.row.number])
                self.journal.book.expect(part.window.audio, part.row.key, paid_as)
        if self.callers is None:
            size_before, began = self.batch_size, time.monotonic()
            transcripts = self._transcripts(wanted)
            self.took = time.monotonic() - began
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
            self.bar.advance(part.window.audio.duration * row.share)
            row.heard += part.window.audio.duration * row.share
            if self.journal is not None:
                self.journal.book.done(part.window.audio)
            if row.is_done:
                continue
            if isinstance(heard, CostCapError):
                self.is_capped = True
                self.cap = heard if heard.seconds_left < SHORTEST_PAID else self.cap
            if self.cap is not None and isinstance(heard, BackendError) and heard.code == NOT_REACHED.code:
                heard = CostCapError(str(self.cap))  # it waited for its turn when the money was spent
            if isinstance(heard, AsrkitError):
                if isinstance(heard, BackendError):
                    heard.cost = total([heard.cost, *(own.cost for own in row.parts.values())])
                self._close(row, Failure.of(named(heard, part.channel)))
                finished.append(row)
                continue
            if part.language is not None:
                heard = replace(heard, detected_language=part.language)
            if self.journal is not None and row.key is not None and part.key is not None:
                self.journal.keep_part(row.key, part.key, heard)
            finished += self._put(part, heard)
        self.bar.batch_done()
        return finished

    def _put(self, part: _Part, heard: Transcript) -> list[_Row]:
        """What was heard in a window, into its row."""
        row = part.row
        row.parts[part.number] = heard
        row.part_starts[part.number] = part.window.start
        row.part_channels[part.number] = part.channel
        kept = sum(map(_size, row.doubtful.values()))
        if row.language is None and is_doubtful(heard) and kept < DOUBTFUL_SECONDS * SAMPLING_RATE:
            row.doubtful[part.number] = part
        return self._close_if_whole(row)

    def _place_known(self, part: _Part, heard: Transcript) -> list[_Row]:
        """A window that an earlier run has heard."""
        with self.lock:
            self.waiting -= _size(part)
            self.lock.notify_all()
        self.bar.forget(part.window.audio.duration * part.row.share)
        return [] if part.row.is_done else self._put(part, heard)

    def _close_known(self, known: _Known) -> list[_Row]:
        """A row that an earlier run has done."""
        row, outcome = known.row, known.answer.outcome
        if isinstance(outcome, AsrkitError):
            if known.answer.is_named:
                outcome = type(outcome)(f"{describe(row.cell)}: {outcome}", code=outcome.code)
            self._close(row, Failure.of(outcome), is_known=True)
        else:
            self._close(row, outcome, is_known=True)
            if self.recalled is not None:
                self.recalled(known.answer.waited)
        return [row]

    def _transcripts(self, batch: Sequence[_Part]) -> list[Transcript | AsrkitError]:
        """Halve what fails, so that only the row at fault pays for it."""
        try:
            clips: list[Any] = [part.window.audio for part in batch]  # samples, or files where it prefers them
            with self._at_work([part.row for part in batch]):
                heard = self.backend.transcribe(clips, languages=[part.language or part.row.language for part in batch])
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
        if self._is_heard_again(row):
            return []
        warned = [warning.split(":")[0] for warning in row.warnings]
        if row.expected:
            channels = {
                channel: join([row.parts[n] for n in order], [row.part_starts[n] for n in order], row.duration)
                for channel, order in row.order().items()
            }
            apart = {channel: heard for channel, heard in channels.items() if channel is not None}
            whole = in_turns(apart, row.duration) if apart else channels[None]
        else:
            whole = Transcript("", row.language, duration=row.duration, elapsed=0.0, flags=("silence",))
        self._close(row, replace(whole, flags=ordered_flags([*whole.flags, *warned])))
        return [row]

    def _is_heard_again(self, row: _Row) -> bool:
        """Have windows whose language was doubtful heard in that of the others, once all of the row are heard."""
        if row.is_settled or not row.doubtful:
            return False
        row.is_settled = True
        again = [
            replace(row.doubtful[order[at]], language=language, heard=None)
            for order in row.order().values()
            for at, language in likely_languages([row.parts[number] for number in order]).items()
            if order[at] in row.doubtful
        ]
        for part in again:
            del row.parts[part.number]
        row.doubtful.clear()
        self.again += again
        with self.lock:
            self.waiting += sum(map(_size, again))
        return bool(again)

    def _close(self, row: _Row, outcome: Outcome, is_known: bool = False) -> None:
        if self.journal is not None and not is_known and row.key is not None:
            outcome = self._keep(row, row.key, outcome, self.journal)
        row.outcome = outcome
        row.is_done = True
        self.closed[row.number] = True
        row.parts.clear()
        row.doubtful.clear()
        row.heard_parts = {}
        self._over(row)
        row.source = None
        failed = isinstance(outcome, Failure)
        if is_known:
            self.bar.recall(failed=failed)
        else:
            self.bar.finish(row.seconds, row.heard, failed=failed)

    def _keep(self, row: _Row, key: bytes, outcome: Outcome, journal: Journal) -> Outcome:
        """Into the journal, where it is for good."""
        if row.is_changed or outcome is None:
            return outcome
        if isinstance(outcome, Failure):
            row.is_kept = journal.keep(key, outcome.error, describe(row.cell))
            return outcome
        outcome = journal.with_debts(key, outcome)
        row.is_kept = journal.keep(key, outcome)
        if row.is_kept and row.address_key is not None:
            journal.acquit(row.address_key)
        return outcome

    def _in_order(self, finished: Iterator[_Row]) -> Iterator[Outcome]:
        following = 0
        for row in finished:
            self.unread[row.number] = row.outcome
            while following in self.unread:
                outcome = self.unread.pop(following)
                self._pause(True)  # whoever iterates may never ask for the next
                yield outcome
                self._pause(False)
                following += 1

    def _pause(self, is_paused: bool) -> None:
        if self.journal is not None:
            self.journal.claims.is_paused = is_paused
