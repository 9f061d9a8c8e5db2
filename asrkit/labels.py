"""Labels on disk: a journal with a line for each action, replayed into what was decided about each row.

::

    {"asrkit": "labels", "version": 1, "journal": "5f0c...", "dataset": "91ab...", "audio": "path", ...}
    {"op": "open", "annotator": "ann", "host": "box", "pid": 4711, "time": "2026-11-25T10:00:00+00:00"}
    {"op": "edit", "item": "3b7e...", "rev": 1, "old": "the bat", "new": "the cat", "status": "draft", ...}

A line is written, flushed and synced to disk before its action is acknowledged, so a process that is killed or a
machine that loses power keeps every acknowledged action. Nothing is ever rewritten: an undo is a line too. A line that
was torn is left where it is, skipped and told.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import socket
import threading
import uuid
import weakref
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .errors import LabelsError, OptionError, SourceError
from .label_lines import MOST_SECONDS, is_label_log, lines_of
from .regular import IrregularError, open_regular
from .source import ArraySource, ByteSource, FileSource, describe, is_missing, locate

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Item", "Journal", "Label", "Status", "dataset_of", "item_ids", "read_labels"]

Status: TypeAlias = Literal["todo", "draft", "accepted", "skipped", "flagged"]

VERSION = 1  # of the format
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
NO_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True, slots=True)
class Item:
    """A row that is to be labelled.

    Args:
        id: that its lines in the journal carry, see ``item_ids``.
        index: its label in the frame's index.
        audio: its cell in a few words.
        hypothesis: what the recogniser heard, None where it gave no text.
    """

    id: str
    index: Hashable
    audio: str
    hypothesis: str | None


@dataclass(frozen=True, slots=True)
class Label:
    """What was decided about a row.

    Args:
        text: as it was last corrected; None where nobody touched it.
        status: ``todo``, ``draft`` (edited, not decided), ``accepted``, ``skipped`` or ``flagged``.
        reason: of a flag, from the list that was offered.
        note: of a flag, in the annotator's own words.
        annotator: who did the last action.
        seconds: spent on the row, over all actions.
        rev: number of actions.
        unheard: accepted together with others, because the systems agree.
        time: of the last action, ISO 8601.
    """

    text: str | None = None
    status: Status = "todo"
    reason: str | None = None
    note: str | None = None
    annotator: str | None = None
    seconds: float = 0.0
    rev: int = 0
    unheard: bool = False
    time: str | None = None


UNTOUCHED = Label()


# -- which row a line is about ------------------------------------------------------------------------------------


def item_ids(
    cells: Sequence[object],
    labels: Sequence[Hashable],
    *,
    starts: Sequence[float | None] | None = None,
    ends: Sequence[float | None] | None = None,
) -> list[str]:
    """A name for each row that stays the same when rows are sorted, filtered or added.

    It is made of the audio (the path of a file, the content of bytes and arrays), the stretch of it that is wanted,
    and the index label; rows that are alike in all of that are numbered in their order.

    >>> first, second, again = item_ids(["a.wav", "b.wav", "a.wav"], [7, 7, 7])
    >>> len({first, second, again}), again == first + "-2", item_ids(["b.wav"], [7]) == [second]
    (3, True, True)
    """
    names: list[str] = []
    seen: Counter[str] = Counter()
    for row, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        stretch = [None if times is None or is_missing(times[row]) else float(times[row]) for times in (starts, ends)]  # type: ignore[arg-type]  # a number, then
        name = f"{_digest(_content(cell), str(stretch), size=6)}-{_digest(str(label), size=4)}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def dataset_of(ids: Sequence[str]) -> str:
    """A fingerprint of the rows, whatever their order."""
    return _digest(*sorted(ids), size=8)


def _content(cell: object) -> str:
    if is_missing(cell):
        return "missing"
    try:
        source = locate(cell)
    except SourceError:
        return f"bad {describe(cell)}"
    match source:
        case FileSource(path):
            return f"file {path}"
        case ByteSource(data):
            return f"bytes {hashlib.sha256(data).hexdigest()}"
        case ArraySource(samples, rate):
            return f"samples {samples.dtype} {rate} {hashlib.sha256(samples.tobytes()).hexdigest()}"
    return f"url {source.url}"


def _digest(*parts: str, size: int) -> str:
    told = hashlib.blake2b(digest_size=size)
    for part in parts:
        told.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return told.hexdigest()


def _adopted(ids: Sequence[str], known: Mapping[str, Label]) -> list[str]:
    """The journal's own names of rows whose index label changed, where the audio leaves no doubt."""

    def audio(name: str) -> str:
        return name.split("-")[0]

    if all(name in known for name in ids):
        return list(ids)
    own = set(ids)
    in_frame = Counter(map(audio, ids))
    lost = [name for name in known if name not in own]
    in_journal = Counter(map(audio, lost))
    by_audio = {audio(name): name for name in lost if in_journal[audio(name)] == in_frame[audio(name)] == 1}
    return [name if name in known else by_audio.get(audio(name), name) for name in ids]


# -- replay -------------------------------------------------------------------------------------------------------


@dataclass
class _Step:
    """What one undo takes back: a decision, or the edits of a row without a decision between them."""

    op: str
    annotator: str | None
    batch: str | None
    before: dict[str, Label]


@dataclass
class _State:
    """A journal's lines, applied one after the other."""

    header: dict[str, Any] = field(default_factory=dict)
    opened: dict[str, Any] = field(default_factory=dict)  # by whom it was opened last
    about: dict[str, Item] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    steps: list[_Step] = field(default_factory=list)
    actions: set[str] = field(default_factory=set)
    damaged: list[int] = field(default_factory=list)  # numbers of lines that cannot be read, from 1
    is_torn: bool = False  # the file does not end with the end of a line

    def take(self, line: dict[str, Any]) -> None:
        """A line as ``asrkit.label_lines`` gives it."""
        if "asrkit" in line:
            self.header = line
        elif line["op"] == "open":
            self.opened = line
        else:
            self._apply(line)

    def _apply(self, line: dict[str, Any]) -> None:
        item, op, who, batch = line["item"], line["op"], line.get("annotator"), line.get("batch")
        before = self.labels.get(item, UNTOUCHED)
        if "index" in line:
            self.about[item] = Item(item, line["index"], line.get("audio") or "", line.get("hypothesis"))
        self.labels[item] = Label(
            text=line["new"],
            status=line["status"],
            reason=line.get("reason"),
            note=line.get("note"),
            annotator=who,
            seconds=before.seconds + line["seconds"],
            rev=line["rev"],
            unheard=line["status"] == "accepted" and line["unheard"],
            time=line.get("time"),
        )
        if line.get("action") is not None:
            self.actions.add(line["action"])
        if op == "undo":
            self._take_back(item, who)
            return
        last = self.steps[-1] if self.steps else None
        if last is not None and last.annotator == who and batch is not None and last.batch == batch:
            last.before.setdefault(item, before)
        elif last is None or (last.op, last.annotator, list(last.before)) != ("edit", who, [item]) or op != "edit":
            self.steps.append(_Step(op, who, batch, {item: before}))

    def _take_back(self, item: str, who: str | None) -> None:
        for step in reversed(self.steps):
            if step.annotator == who and item in step.before:
                del step.before[item]
                if not step.before:
                    self.steps.remove(step)
                return


def _replayed(data: bytes, path: Path) -> _State:
    if not is_label_log(data):
        raise _not_a_log(path)
    state = _State(is_torn=bool(data) and not data.endswith(b"\n"))
    for line in lines_of(data):
        if line.is_damaged:  # torn, overwritten, or a hole that a power cut left
            state.damaged.append(line.number)
        for value in line.values:
            if "asrkit" in value and value["version"] > VERSION:
                if line.is_damaged:
                    continue
                raise LabelsError(
                    f"{path} is of a newer asrkit (format {value['version']}, this one reads {VERSION}); update asrkit",
                    code="not-a-journal",
                )
            state.take(value)
    return state


def _not_a_log(path: Path) -> LabelsError:
    return LabelsError(
        f"{path} is no journal of labels; name a new file, or one that df.asr.label(journal=...) wrote",
        code="not-a-journal",
    )


def _plain(label: Hashable) -> Any:
    """An index label as JSON has it: numbers and texts stay, all else is told in words."""
    if isinstance(label, tuple):
        return [_plain(part) for part in label]
    return label if label is None or isinstance(label, str | int | float | bool) else str(label)


# -- the journal --------------------------------------------------------------------------------------------------

_open_here: weakref.WeakValueDictionary[tuple[int, int], Journal] = weakref.WeakValueDictionary()
_opening = threading.RLock()


class Journal:
    """The labels of some rows, kept in a file.

    One journal has one writer. Opened again in the same process (a cell that is run twice), the earlier one is
    closed; a journal that another process holds is refused.

    Args:
        path: of the file, made if it is not there.
        items: the rows, as many as are to be labelled or more.
        annotator: who labels.
        about: further facts for the first line, such as the names of the columns.

    Raises:
        LabelsError: it cannot be written, another process holds it, or it is about other data.

    >>> import tempfile
    >>> from asrkit.labels import Item, Journal
    >>> path = Path(tempfile.mkdtemp()) / "labels.jsonl"
    >>> with Journal(path, [Item("a", 0, "a.wav", "the bat")], annotator="ann") as journal:
    ...     journal.accept("a", "the cat").status
    'accepted'
    >>> with Journal(path, [Item("a", 0, "a.wav", "the bat")], annotator="ann") as journal:
    ...     journal["a"].text, journal.undo(), journal["a"].status
    ('the cat', ['a'], 'todo')
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        items: Sequence[Item],
        *,
        annotator: str = "",
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self.annotator = str(annotator)
        self.lock = threading.RLock()
        self._file = -1
        self._closed = f"the journal {self.path} is closed; run the cell again to open it"
        self._why_closed = "closed"
        self._sidecar: Path | None = None
        with _opening:
            self._open()
            try:
                self._state = _replayed(self._content(), self.path)
                self._size = os.fstat(self._file).st_size
                ids = _adopted([item.id for item in items], self._state.labels)
                self.items = {name: replace(item, id=name) for name, item in zip(ids, items, strict=True)}
                self.ids = ids
                self.dataset = dataset_of(ids)
                if self._state.labels and not any(name in self.items for name in self._state.labels):
                    raise LabelsError(
                        f"{self.path} holds labels of {len(self._state.labels):,} other rows and none of these; "
                        "name another journal, or give the frame that it was made with (same audio, same index)",
                        code="other-data",
                    )
                self._begin(about or {})
            except BaseException:
                self.close()
                raise
            _open_here[self._identity] = self

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getitem__(self, item: str) -> Label:
        return self._state.labels.get(item, UNTOUCHED)

    @property
    def id(self) -> str:
        """Of this file: copies have the same."""
        return str(self._state.header["journal"])

    @property
    def is_open(self) -> bool:
        """Whether it takes actions."""
        return self._file >= 0

    @property
    def strangers(self) -> list[str]:
        """Items that the journal has labels of and that are not among the rows: they stay in the file."""
        return [name for name in self._state.labels if name not in self.items]

    @property
    def warning(self) -> str | None:
        """What is odd about the file: lines that cannot be read, labels of other rows."""
        told = []
        if self._state.damaged:
            lines = ", ".join(map(str, self._state.damaged[:5])) + (", ..." if len(self._state.damaged) > 5 else "")
            told.append(
                f"{len(self._state.damaged)} broken line{'s' * (len(self._state.damaged) > 1)} in {self.path.name} "
                f"(line {lines}) skipped as far as they cannot be read: the machine or the program stopped while "
                "writing, or the file was damaged later; they stay in the file"
            )
        if self.strangers:
            told.append(f"{len(self.strangers):,} labels in {self.path.name} are of rows that are not in this frame")
        return "; ".join(told) or None

    def has(self, action: str | None) -> bool:
        """Whether an action of this name is on disk already."""
        return action is not None and action in self._state.actions

    def edit(self, item: str, text: str, *, seconds: float = 0.0, action: str | None = None) -> Label:
        """The text as it is by now, not yet decided about."""
        return self._do("edit", {item: text}, "draft", seconds=seconds, action=action)[0]

    def accept(self, item: str, text: str | None = None, *, seconds: float = 0.0, action: str | None = None) -> Label:
        """This is what was said; without a text, what the row has (the hypothesis, where nobody corrected it)."""
        return self._do("accept", {item: text}, "accepted", seconds=seconds, action=action)[0]

    def accept_all(self, items: Sequence[str], *, action: str | None = None) -> list[Label]:
        """The texts of several rows, unheard, in one step."""
        given: dict[str, str | None] = dict.fromkeys(items)
        if not given:
            return []
        return self._do("accept", given, "accepted", action=action, batch=uuid.uuid4().hex[:12])

    def skip(self, item: str, text: str | None = None, *, seconds: float = 0.0, action: str | None = None) -> Label:
        """Not now."""
        return self._do("skip", {item: text}, "skipped", seconds=seconds, action=action)[0]

    def flag(
        self,
        item: str,
        reason: str | None = None,
        note: str | None = None,
        *,
        text: str | None = None,
        seconds: float = 0.0,
        action: str | None = None,
    ) -> Label:
        """Not to be used, and why."""
        why = {"reason": str(reason) if reason else None, "note": str(note) if note else None}
        return self._do("flag", {item: text}, "flagged", seconds=seconds, action=action, why=why)[0]

    def undo(self, *, action: str | None = None) -> list[str]:
        """Take back this annotator's last decision, or the edits since; gives the rows that changed, first to last."""
        with self.lock:
            step = self._last_step()
            if step is None or self.has(action):
                return []
            lines = []
            for place, (item, before) in enumerate(step.before.items()):
                now = self[item]
                lines.append(
                    self._line("undo", item, before.text, before.status, 0.0, action if place == 0 else None)
                    | {"reason": before.reason, "note": before.note, "unheard": before.unheard, "undoes": now.rev}
                )
            items = list(step.before)
            self._write(lines)
            return items

    def close(self, why: str | None = None) -> None:
        """Give the file back; ``why`` is what later actions are told."""
        with self.lock:
            if self._file < 0:
                return
            os.close(self._file)  # and with it the lock
            self._file = -1
            if self._sidecar is not None:
                self._sidecar.unlink(missing_ok=True)
            if why is not None:
                self._closed, self._why_closed = why, "taken-over"

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            with contextlib.suppress(OSError):
                self.close()

    # -- lines

    def _last_step(self) -> _Step | None:
        """This annotator's last one that nobody built on."""
        later: set[str] = set()
        for step in reversed(self._state.steps):
            if step.annotator == self.annotator and later.isdisjoint(step.before):
                return step
            later.update(step.before)
        return None

    def _do(
        self,
        op: str,
        texts: Mapping[str, str | None],
        status: Status,
        *,
        seconds: float = 0.0,
        action: str | None = None,
        batch: str | None = None,
        why: Mapping[str, str | None] | None = None,
    ) -> list[Label]:
        with self.lock:
            if self.has(action):
                return [self[item] for item in texts]  # sent twice, since its acknowledgement was lost
            lines = []
            for place, (item, text) in enumerate(texts.items()):
                if item not in self.items:
                    raise OptionError(f"no row {item!r} in this labeler")
                if text is not None and not isinstance(text, str):
                    raise OptionError(f"expected the text to be a string, got {text!r}")
                if text is None:
                    before = self[item]
                    text = before.text if before.text is not None else self.items[item].hypothesis
                if text is None and op == "accept":
                    raise OptionError(f"row {self.items[item].index!r} has no text to accept; give one (it may be '')")
                line = self._line(op, item, text, status, seconds, action if place == 0 else None)
                lines.append(line | dict(why or {}) | ({"batch": batch, "unheard": True} if batch else {}))
            self._write(lines)
            return [self[item] for item in texts]

    def _line(
        self, op: str, item: str, text: str | None, status: Status, seconds: float, action: str | None
    ) -> dict[str, Any]:
        before = self[item]
        line: dict[str, Any] = {
            "op": op,
            "item": item,
            "rev": before.rev + 1,
            "old": before.text,
            "new": text,
            "was": before.status,
            "status": status,
            "annotator": self.annotator,
            "seconds": round(min(max(0.0, float(seconds)), MOST_SECONDS), 3),
            "time": _now(),
        }
        if action is not None:
            line["action"] = action
        if item not in self._state.about:
            about = self.items[item]
            line |= {"index": _plain(about.index), "audio": about.audio, "hypothesis": about.hypothesis}
        return line

    def _begin(self, about: Mapping[str, Any]) -> None:
        """The first line, again where the data changed; and who has it now."""
        header = self._state.header
        lines: list[dict[str, Any]] = []
        told = {"dataset": self.dataset, "rows": len(self.items), **about}
        if not header.get("journal") or any(header.get(name) != value for name, value in told.items()):
            own = str(header.get("journal") or uuid.uuid4().hex)
            lines.append({"asrkit": "labels", "version": VERSION, "journal": own, **told, "time": _now()})
        lines.append(
            {
                "op": "open",
                "annotator": self.annotator,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "time": _now(),
            }
        )
        self._write(lines)

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        """On disk, all of them, or an error and the file as it was."""
        if self._file < 0:
            raise LabelsError(self._closed, code=self._why_closed)
        self._check_unchanged()
        raws = [json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for line in lines]
        data = (b"\n" if self._state.is_torn else b"") + b"".join(raws)
        try:
            at = 0
            while at < len(data):
                at += os.write(self._file, data[at:])
            os.fsync(self._file)
        except OSError as error:
            self._restore()
            raise _cannot_write(self.path, error) from error
        self._size += len(data)
        self._state.is_torn = False
        for line in lines_of(b"".join(raws)):  # as it will be read: half a letter cannot be written
            for value in line.values:
                self._state.take(value)

    def _restore(self) -> None:
        """Take half a line away; where even that fails, the next line begins on a new one."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._state.is_torn = True
            self._size = os.fstat(self._file).st_size

    def _check_unchanged(self) -> None:
        """Nobody else may have replaced, deleted or written the file, lock or not."""
        try:
            there: os.stat_result | None = self.path.stat()
        except OSError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != self._identity or there.st_size != self._size:
            what = "is not there any more" if there is None else "was changed by something else"
            raise LabelsError(
                f"{self.path} {what}, so this action was not saved; run the cell again to go on from what is on disk",
                code="changed",
            )

    # -- the file and its lock

    def _open(self) -> None:
        try:
            self._file = open_regular(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        there = os.fstat(self._file)
        try:
            self._check_ours(there)
        except BaseException:
            self._let_go()
            raise
        self._identity = (there.st_dev, there.st_ino)
        earlier = _open_here.get(self._identity)
        if earlier is not None and earlier.is_open:
            earlier.close(f"{self.path.name} was opened again in another cell; go on there")
        try:
            self._take_lock()
        except BaseException:
            self._let_go()
            raise
        self._sync_folder()

    def _check_ours(self, status: os.stat_result) -> None:
        """Before the file is locked: somebody else's is left alone."""
        if not status.st_mode & 0o222:  # also of the superuser's, who could write it all the same
            raise _cannot_write(self.path, PermissionError(errno.EACCES, "it is read-only"))
        if not is_label_log(self._content()):
            raise _not_a_log(self.path)

    def _let_go(self) -> None:
        os.close(self._file)
        self._file = -1

    def _take_lock(self) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise self._in_use(self._holder()) from error
                if error.errno not in NO_FLOCK:
                    raise _cannot_write(self.path, error) from error
        self._take_sidecar()

    def _take_sidecar(self) -> None:
        """Where files cannot be locked: a second file that only one process can make."""
        sidecar = self.path.with_name(f"{self.path.name}.lock")
        own = {"annotator": self.annotator, "host": socket.gethostname(), "pid": os.getpid(), "time": _now()}
        for _ in range(2):
            try:
                made = os.open(sidecar, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                holder = _holder_of(sidecar)
                if holder.get("host") != own["host"] or _is_alive(holder.get("pid")):
                    raise self._in_use(holder, f"; if that is not so any more, delete {sidecar}") from None
                sidecar.unlink(missing_ok=True)
                continue
            except OSError as error:
                raise _cannot_write(sidecar, error) from error
            os.write(made, json.dumps(own).encode())
            os.close(made)
            self._sidecar = sidecar
            return
        raise self._in_use({})

    def _holder(self) -> Mapping[str, Any]:
        with contextlib.suppress(LabelsError, OSError):
            return _replayed(self._content(), self.path).opened
        return {}

    def _in_use(self, holder: Mapping[str, Any], hint: str = "") -> LabelsError:
        who = f" by {holder['annotator']}" if holder.get("annotator") else ""
        where = f" (process {holder['pid']} on {holder.get('host')}, since {holder.get('time')})" if holder else ""
        return LabelsError(
            f"{self.path} is in use{who}{where}; close that notebook or shut down its kernel, or label into a journal "
            f"of your own and read both with asrkit.read_labels([...]){hint}",
            code="in-use",
        )

    def _content(self) -> bytes:
        size = os.fstat(self._file).st_size
        os.lseek(self._file, 0, os.SEEK_SET)
        parts: list[bytes] = []
        while size > 0 and (part := os.read(self._file, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _sync_folder(self) -> None:
        """A new file's name is on disk too."""
        with contextlib.suppress(OSError):  # not every system opens folders
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _forget_in_child() -> None:
    """A forked child must not hold the lock when its parent is gone."""
    for journal in list(_open_here.values()):
        if journal._file >= 0:
            os.close(journal._file)  # its own copy: the parent keeps file and lock
            journal._file = -1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def _holder_of(sidecar: Path) -> dict[str, Any]:
    """Who made the file that stands for a lock; nothing where it is not asrkit's."""
    try:
        with os.fdopen(open_regular(sidecar, os.O_RDONLY), "rb") as file:
            holder = json.loads(file.read(2**16))
    except (OSError, ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int) or not 0 < pid < 2**31:
        return not isinstance(pid, int)  # of a file that says nothing, it may be
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _cannot_write(path: Path, error: OSError) -> LabelsError:
    safe = "what was saved before is safe on disk"
    if isinstance(error, IrregularError) and error.errno != errno.EISDIR:
        return LabelsError(f"{path}: {error.strerror}; name another file as journal=", code="not-a-journal")
    if error.errno in FULL:
        return LabelsError(
            f"the disk is full ({error.strerror}): not saved in {path}; make room and go on, {safe}", code="disk-full"
        )
    if error.errno in FORBIDDEN:
        return LabelsError(
            f"{path} cannot be written ({error.strerror}); name a journal= in a folder that you may write to",
            code="not-writable",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return LabelsError(f"there is no folder {path.parent}; make it, or name another journal=", code="not-writable")
    if error.errno == errno.EISDIR:
        return LabelsError(f"{path} is a folder; name a file, such as {path}/labels.jsonl", code="not-writable")
    return LabelsError(f"{path} cannot be written ({error.strerror}); {safe}", code="not-writable")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# -- reading ------------------------------------------------------------------------------------------------------


def read_labels(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> pd.DataFrame:
    """What journals say, a row for each labelled row and journal; no widget, no audio and no lock needed.

    Args:
        paths: of one journal or of several, such as one an annotator.

    Returns:
        Columns ``item``, ``index``, ``audio``, ``hypothesis``, ``text``, ``status``, ``reason``, ``note``,
        ``annotator``, ``seconds``, ``unheard``, ``actions``, ``time`` and ``journal``. ``.attrs["asrkit"]`` has each
        journal's first line and the numbers of its broken lines.

    Raises:
        LabelsError: a file is not there, or is no journal.
    """
    import pandas as pd

    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    rows: list[dict[str, Any]] = []
    told: dict[str, Any] = {}
    for given in listed:
        path = Path(given).expanduser()
        try:
            with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
                data = file.read()
        except OSError as error:
            raise LabelsError(f"{path} cannot be read: {error.strerror}", code="not-a-journal") from error
        state = _replayed(data, path)
        told[str(given)] = {**state.header, "broken_lines": list(state.damaged)}
        rows.extend(_rows(state, str(given)))
    columns = {
        "item": "object",
        "index": "object",
        "audio": "object",
        "hypothesis": "object",
        "text": "object",
        "status": "object",
        "reason": "object",
        "note": "object",
        "annotator": "object",
        "seconds": "float64",
        "unheard": "bool",
        "actions": "int64",
        "time": "object",
        "journal": "object",
    }
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in columns.items()})
    frame["index"] = _index_column([row["index"] for row in rows])
    frame.attrs["asrkit"] = {"journals": told}
    return frame


def _index_column(labels: Sequence[Hashable]) -> pd.Series[Any]:
    """Index labels as they are where one column of a file can hold them; else those that are no texts as JSON."""
    import pandas as pd

    kinds = {kind for label in labels for kind in _kinds(label)}
    if labels and all(type(label) is int and -(2**63) <= label < 2**63 for label in labels):
        return pd.Series(list(labels), dtype="int64")
    depths = {isinstance(label, tuple) for label in labels if label is not None}
    is_plain = kinds <= {str} or kinds <= {bool} or kinds <= {float}
    if is_plain and len(depths) < 2 and not any(isinstance(part, tuple) for label in labels for part in _parts(label)):
        return pd.Series(list(labels), dtype="object")
    return pd.Series(
        [label if isinstance(label, str | None) else json.dumps(label) for label in labels], dtype="object"
    )


def _parts(label: Hashable) -> tuple[Any, ...]:
    return label if isinstance(label, tuple) else (label,)


def _kinds(label: Hashable) -> Iterator[type]:
    """The types in an index label, None left out."""
    for part in _parts(label):
        if isinstance(part, tuple):
            yield from _kinds(part)
        elif part is not None:
            yield type(part)


def _rows(state: _State, journal: str) -> Iterator[dict[str, Any]]:
    for item, label in state.labels.items():
        about = state.about.get(item, Item(item, None, "", None))
        yield {
            "item": item,
            "index": about.index,
            "audio": about.audio,
            "hypothesis": about.hypothesis,
            "text": label.text,
            "status": label.status,
            "reason": label.reason,
            "note": label.note,
            "annotator": label.annotator,
            "seconds": label.seconds,
            "unheard": label.unheard,
            "actions": label.rev,
            "time": label.time,
            "journal": journal,
        }
