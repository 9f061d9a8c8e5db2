"""What one call takes from the journal, and what it writes there."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import astuple, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from ..backends.base import Backend
from ..errors import AsrkitError, BackendError, DecodeError, SourceError
from ..printable import printable
from ..source import ArraySource, ByteSource, FileSource, Source
from ..transcript import Transcript
from . import store
from .book import RequestBook
from .claims import Claims
from .keys import canonical, digest_of, question, row_key
from .place import LIMIT, make, warn_of_network
from .schema import Connect, connect
from .store import Journal, Kept, Operation, Stamp

__all__ = ["BLAMED_AFTER", "Answer", "Content", "Run"]

ROWS_TOGETHER, SECONDS_TOGETHER = 16, 1.0  # a transaction has no more rows than this, and waits no longer
# Times that a row was at work alone, and got no further, when its process died. Who kills a process from outside, again
# and again, may hit the same row twice; hardly ever three times.
BLAMED_AFTER = 3
FRESH = 2.0  # seconds: a file that has just changed may change again without its times telling
# The clock that changes are stamped with moves in steps of at most 10 ms where a file system keeps fractions of
# seconds, so that a file which is left alone for this long cannot change again under the same stamp.
GRAIN = 0.03
# Of audio that is broken, and will be tomorrow. Not ``timeout``: the machine may have been busy.
PERMANENT = frozenset(
    {
        "empty",
        "not-audio",
        "no-audio-stream",
        "no-channel",
        "no-track",
        "encrypted",
        "corrupt",
        "non-finite",
    }
    | {"too-long", "too-large", "too-many-channels", "decode"}
)
CRASHED = "crashed"
UNSETTLED = "unsettled"
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)  # of JSON that asrkit did not write


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a source: its digest, and for a file what would change with it."""

    digest: bytes
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the journal knows of a row.

    Args:
        outcome: its text or its error; None where it has to be heard.
        waited: seconds of the clock that it took when it was heard.
        parts: the windows of it that were heard already, by their keys.
        is_suspect: it was at work when a process died, so nothing else should be beside it.
        is_named: the error's message begins with the cell's name, which the row adds.
    """

    outcome: Transcript | AsrkitError | None = None
    waited: float = 0.0
    parts: Mapping[bytes, Transcript] | None = None
    is_suspect: bool = False
    is_named: bool = False


class Run:
    """One call's journal. Rows are kept by ``keep`` and are safe after ``commit``.

    Args:
        journal: opened; closed by ``end``.
        backend: that answers.
        channel: the one that is heard, ``each`` for every one by itself, None for the average of all.
        track: the one that is heard, None for the default one.
        format: what files without any header are.
        retry_failed: hear rows again that failed for good.
        resend_unsettled: send requests again that were never answered and may have been billed.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        journal: Journal,
        backend: Backend,
        *,
        channel: int | str | None = None,
        track: int | str | None = None,
        format: str | None = None,  # noqa: A002 - what it is called everywhere
        retry_failed: bool = False,
        resend_unsettled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.journal, self.retry_failed = journal, retry_failed
        self.channel, self.track, self.format = channel, track, format
        self.limit: int | None = None  # bytes; kept when the run is over, so that it finds what it comes for
        self._clock = clock
        asked = question(backend)
        self._asked = sha256(canonical(asked).encode()).digest()
        given = question(backend, is_language_given=True)
        self._asked_in_language = sha256(canonical(given).encode()).digest()
        self.number, self.fingerprint, self.attempts = journal.begin(backend.name, asked)
        self.book = RequestBook(journal, self.number, self.fingerprint, may_send_again=resend_unsettled)
        self.claims = Claims(journal.folder, self.number)
        self._deaths = journal.deaths()
        self._lock = threading.Lock()
        self._operations: list[Operation] = []
        self._rows: list[tuple[bytes, str | None, str, float | None, float]] = []
        self._has_warned = False
        self._since: float | None = None  # when the oldest of what is not on disk came
        self._committed = clock()

    @classmethod
    def open(cls, place: tuple[Path, bool], backend: Backend, *, connect: Connect = connect, **options: Any) -> Self:
        """At a place that ``asrkit.journal.place.chosen`` gave.

        Raises:
            JournalError: it cannot be read or written.
        """
        path, is_named = place
        path = make(path)
        warn_of_network(path)
        journal = Journal(path, connect)
        try:
            run = cls(journal, backend, **options)
            run.limit = None if is_named else LIMIT
        except BaseException:
            journal.close()
            raise
        return run

    # -- what is known ------------------------------------------------------------------------------------------

    def contents(self, sources: Sequence[Source | None], pool: Executor) -> list[Content | None]:
        """What is in each; None for what cannot be read, or only once it is fetched. Known files are not read again."""
        stamps = list(pool.map(_stamp, sources))
        known = self.journal.files(stamp.path for stamp in stamps if stamp is not None)
        _settle(stamp for stamp in stamps if stamp is not None and stamp not in known)
        began = time.time()  # what changes from now on has later times than what is read from now on

        def content(source: Source | None, stamp: Stamp | None) -> Content | None:
            if stamp is not None and stamp in known:
                return Content(known[stamp], stamp)
            return _read(source)

        contents = list(pool.map(content, sources, stamps))
        new, seen = [], []
        for told in contents:
            if told is None or told.stamp is None:
                continue
            if told.stamp in known:
                seen.append((self.number, told.stamp.path))
            elif _is_settled(told.stamp, began):
                new.append((*astuple(told.stamp), told.digest, self.number))
        self._queue((store.KEEP_FILE, new), (store.USE_FILE, seen))
        return contents

    def key(self, digest: bytes, start: float, end: float | None, language: str | None) -> bytes:
        """Of a row with this content."""
        asked = self._asked if language is None else self._asked_in_language
        return row_key(digest, asked, start, end, self.channel, language, self.track, self.format)

    def recall(self, keys: Iterable[bytes]) -> dict[bytes, Answer]:
        """What is known of rows; those that it says nothing of are not in it."""
        wanted = list(keys)
        answers: dict[bytes, Answer] = {}
        for key, kept in self.journal.results(wanted).items():
            if kept.code is not None and self.retry_failed:
                continue
            try:
                answers[key] = _answer(kept)
            except UNREADABLE:
                self.journal.damaged.add(key)
        damaged = [(key,) for key in self.journal.damaged.intersection(wanted)]
        self._queue((store.SET_ASIDE, damaged), (store.USE, [(self.number, key) for key in answers]))
        open_keys = [key for key in wanted if key not in answers]
        parts = self.journal.parts(open_keys)
        for key in open_keys:
            alone = self._deaths.get(key)
            if key in self.book.owed and not self.book.may_send_again:
                answers[key] = Answer(self._unsettled(key))
            elif alone is not None and alone >= BLAMED_AFTER and not self.retry_failed:
                error = BackendError(
                    f"the process died {alone} times with this row alone at work; retry_failed=True tries it again",
                    code=CRASHED,
                )
                self.keep(key, error)
                answers[key] = Answer(error)
            elif alone is not None or key in parts:
                heard = self._windows(key, parts.get(key, {}))
                answers[key] = Answer(parts=heard, is_suspect=alone is not None)
        self._warn_of_damage()
        return answers

    def _windows(self, row: bytes, details: Mapping[bytes, str]) -> dict[bytes, Transcript]:
        heard = {}
        for part, detail in details.items():
            try:
                heard[part] = _transcript(detail)
            except UNREADABLE:
                self.journal.damaged.add(row + part)
        return heard

    def _warn_of_damage(self) -> None:
        """Once a run, however many rows it finds."""
        if self.journal.damaged and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{printable(self.journal.path)}: {len(self.journal.damaged):,} rows are not what was written, so they "
                "are done again, and so are further ones that this run may find; what could not be read stays in the "
                "journal (`asrkit journal show` counts it)",
                stacklevel=2,
            )

    def _unsettled(self, key: bytes) -> BackendError:
        from ..cloudflare.prices import money

        owed = self.book.owed[key]
        error = BackendError(
            f"a request for it was sent and never answered, and may have been billed ({money(owed)}); "
            "resend_unsettled=True sends it again",
            code=UNSETTLED,
        )
        error.cost = owed
        return error

    @staticmethod
    def is_same(content: Content, source: Source) -> bool:
        """Whether a file is still what it was when its digest was made."""
        before, now = content.stamp, _stamp(source)
        if before is None or now == before:
            return True
        if now is None or (now.size, now.mtime_ns) != (before.size, before.mtime_ns):
            return False
        return _read(source) == Content(content.digest, now)  # its name or its rights may be all that has changed

    # -- what is kept -------------------------------------------------------------------------------------------

    def keep(self, key: bytes, outcome: Transcript | AsrkitError, about: str = "") -> bool:
        """Write down what came of a row, with the next transaction; False where it is not for good.

        Args:
            key: of the row.
            outcome: its text or error.
            about: the row's cell as messages name it, which another row with the same content is not called.
        """
        told = _detail(outcome, about)
        if told is None:
            return False
        code = None if isinstance(outcome, Transcript) else outcome.code
        duration = (outcome.duration or 0.0) if isinstance(outcome, Transcript) else 0.0
        cost = outcome.cost if isinstance(outcome, Transcript) else None
        with self._lock:
            self._rows.append((key, code, told, cost, duration))
        self._queue(
            (store.FORGET_PARTS, [(key,)]),
            (store.FORGET_INTENTS, [(key,)]),
            (store.FORGET_DEATHS, [] if code == CRASHED else [(key,)]),
        )
        return True

    def keep_part(self, row: bytes, part: bytes, heard: Transcript) -> None:
        """Write down a window of a row that has several."""
        told = _detail(heard, "")
        if told is not None:
            mark = store.mark_of(row + part, None, told)
            self._queue((store.KEEP_PART, [(row, part, told, mark, self.number)]), (store.FORGIVE, [(row,)]))

    def acquit(self, key: bytes) -> None:
        """A row that was at work when a process died has passed since."""
        self._queue((store.FORGET_DEATHS, [(key,)]))

    def with_debts(self, key: bytes, heard: Transcript) -> Transcript:
        """The cost of earlier requests for a row, which may have been billed, added to its own."""
        owed = self.book.owed.get(key)
        # Without a cost, what requests cost is not known: a host answers in the service's place.
        return heard if not owed or heard.cost is None else replace(heard, cost=heard.cost + owed)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a transaction."""
        return len(self._rows) >= ROWS_TOGETHER or (
            self._since is not None and self._clock() - self._since >= SECONDS_TOGETHER
        )

    def _queue(self, *operations: Operation) -> None:
        with self._lock:
            wanted = [operation for operation in operations if operation[1]]
            self._operations += wanted
            if wanted and self._since is None:
                self._since = self._clock()

    def commit(self) -> None:
        """Everything that was kept is on disk when this returns.

        Raises:
            JournalError: it is not.
        """
        with self._lock:
            operations, rows = [*self.book.take(), *self._operations], self._rows
            self._operations, self._rows, self._since = [], [], None
        now = self._clock()
        if rows:
            total = sum(duration for *_, duration in rows) or 1.0
            created = time.time()
            took = now - self._committed
            operations.append(
                (
                    store.KEEP,
                    [
                        (
                            *(key, self.fingerprint, code, told, store.mark_of(key, code, told), cost),
                            *(took * duration / total, created, self.number),
                        )
                        for key, code, told, cost, duration in rows
                    ],
                )
            )
        if operations:
            self.journal.write(operations)
        if rows:
            self._committed = self._clock()

    def end(self, *, is_whole: bool = False) -> None:
        """The run is over: what was kept is committed, if it still can be. ``is_whole``: all of its rows are done."""
        try:
            self._queue(*self.book.close())
            self.commit()
            if is_whole:
                self.book.payments.close()
            if self.limit is not None:
                self.journal.evict(self.limit, before=self.number)
        finally:
            self._close()

    def abandon(self) -> None:
        """The run is over, and nothing more can be written."""
        self._close()

    def _close(self) -> None:
        self.claims.close()
        self.attempts.close()
        self.journal.close()


def _settle(stamps: Iterable[Stamp]) -> None:
    """Wait, for at most ``GRAIN`` seconds, until files that have changed just now can be told from what they become."""
    now = time.time()
    newest = max((stamp.ctime_ns / 1e9 for stamp in stamps if stamp.ctime_ns is not None), default=0.0)
    if 0.0 <= now - newest <= GRAIN:
        time.sleep(GRAIN - (now - newest))


def _is_settled(stamp: Stamp, began: float) -> bool:
    """Whether a change after ``began`` would have given the file another stamp, also where a clock went back."""
    ctime_ns = stamp.ctime_ns or 0
    is_coarse = ctime_ns % 1_000_000_000 == 0  # of whole seconds, or of two
    return began - stamp.mtime_ns / 1e9 > FRESH and began - ctime_ns / 1e9 > (FRESH if is_coarse else GRAIN)


def _stamp(source: Source | None) -> Stamp | None:
    if not isinstance(source, FileSource):
        return None
    try:
        told = source.path.stat()
    except (OSError, ValueError):
        return None
    path = os.fsencode(source.path.absolute())
    return Stamp(path, told.st_size, told.st_mtime_ns, told.st_ctime_ns, str(told.st_ino))


def _read(source: Source | None) -> Content | None:
    """None where it cannot be read, which its own error will say, or where it changes meanwhile."""
    if isinstance(source, ByteSource | ArraySource):
        return Content(digest_of(source))
    if not isinstance(source, FileSource):
        return None
    before = _stamp(source)
    try:
        digest = digest_of(source)
    except (OSError, SourceError):
        return None
    return Content(digest, before) if before is not None and before == _stamp(source) else None


def _answer(kept: Kept) -> Answer:
    if kept.code is None:
        return Answer(_transcript(kept.detail), kept.waited)
    told = json.loads(kept.detail)
    if not (isinstance(told["message"], str) and isinstance(told["is_named"], bool)):
        raise TypeError("no message of an error")
    kind: type[AsrkitError] = BackendError if kept.code == CRASHED else DecodeError
    return Answer(kind(told["message"], code=kept.code), is_named=told["is_named"])


def _transcript(detail: str) -> Transcript:
    heard = Transcript.from_dict(json.loads(detail))
    if not isinstance(heard.text, str):
        raise TypeError("no text")
    return heard


def _detail(outcome: Transcript | AsrkitError, about: str) -> str | None:
    """As JSON; None for what is not kept: an error that may pass, or a text that no JSON holds."""
    if isinstance(outcome, AsrkitError):
        is_broken = isinstance(outcome, DecodeError) and outcome.code in PERMANENT
        if not is_broken and outcome.code != CRASHED:
            return None
        message = str(outcome)
        is_named = bool(about) and message.startswith(f"{about}: ")
        return _json({"message": message[len(about) + 2 :] if is_named else message, "is_named": is_named})
    try:
        return _json(outcome.to_dict())
    except (TypeError, ValueError):
        return None


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value, separators=(",", ":"), default=_plain)
    return text


def _plain(value: Any) -> Any:
    """A number of numpy."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON")
