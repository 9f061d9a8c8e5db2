"""Listen to clips and correct their texts; every action is on disk before it is acknowledged."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from ..columns import column_of
from ..errors import ColumnError, LabelsError, OptionError
from ..evaluate.markup import Html, element, named
from ..evaluate.stated import languages_of
from ..evaluate.tokens import unit_for
from ..labels import Item, Journal, Label, item_ids
from ..normalizers import Normalizer
from ..regular import whole_file
from ..source import describe, is_missing
from .aligned import align_texts
from .base import Reply, Widget
from .clips import Clips, Sound
from .worklist import chosen, compared, edits, ordered

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REASONS", "Labeler"]

REASONS = ("unintelligible", "several speakers", "wrong language", "cut off", "noise or music", "no speech")
AHEAD = 3  # rows whose texts the page has before it needs them
SHOWN = 10  # corrected rows in a notebook without kernel
FEW = 3  # decided rows, from which on a pace is told
ACTS = ("edit", "accept", "skip", "flag")
OPEN = ("todo", "draft")


class Labeler(Widget):
    """Correct the texts of a frame's rows, with keys alone if you like.

    Every action is a line in the journal, written and synced to disk before the page says "saved". Run the cell again
    after a crash: everything that was saved is there, and what the browser still had is sent again.

    Args:
        frame: with the rows; it stays untouched.
        audio: the column with paths, URLs, bytes or arrays with their rate.
        hypothesis: the column whose text is to be corrected; None begins with empty texts.
        journal: the file that keeps the labels, made if it is not there. One for each annotator.
        into: name of the new column in ``frame``.
        annotator: who labels; by itself the name of the account.
        systems: columns with what other systems heard, shown beside the text.
        order: ``disagreement`` (of the systems, most first), ``confidence`` (least first), ``duration`` (shortest
            first), a column (ascending), or a function of the frame; None keeps the frame's order.
        where: which rows: a mask, a column of booleans, or a function of the frame.
        rows: index labels of the rows, in their order, such as a selection of the browser.
        show: columns that are shown with each clip.
        reasons: to choose from when a row is flagged.
        start: the column with the first second that is wanted.
        end: the column with the second to stop before.
        channel: take this one (from 0) instead of the average of all.
        language: a code, or a column with one a row; by itself a column ``language``, or the model's.
        normalizer: what texts of systems are compared after, see ``df.asr.score``.

    Raises:
        ColumnError, OptionError: there is no such column, or nothing to label.
        LabelsError: the journal cannot be written, is in use, or is about other data.

    >>> import numpy as np, pandas as pd, tempfile
    >>> df = pd.DataFrame({"audio": [(np.zeros(8_000), 8_000)] * 2, "hypothesis": ["the bat", "so it is"]})
    >>> labeler = Labeler(df, "audio", journal=tempfile.mkdtemp() + "/labels.jsonl", annotator="ann")
    >>> labeler.accept(0, "the cat")
    >>> labeler.flag(1, "no speech")
    >>> labeler.frame[["corrected", "corrected_status", "corrected_edits"]].values.tolist()
    [['the cat', 'accepted', 1], [None, 'flagged', <NA>]]
    """

    _name: ClassVar[str] = "labeler"
    progress = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        frame: pd.DataFrame,
        audio: Hashable,
        *,
        hypothesis: Hashable | None = "hypothesis",
        journal: str | os.PathLike[str] = "labels.jsonl",
        into: str = "corrected",
        annotator: str | None = None,
        systems: Sequence[Hashable] = (),
        order: str | Hashable | Callable[[pd.DataFrame], Any] | None = None,
        where: Any = None,
        rows: Sequence[Hashable] | None = None,
        show: Sequence[Hashable] = (),
        reasons: Sequence[str] = REASONS,
        start: Hashable | None = None,
        end: Hashable | None = None,
        channel: int | None = None,
        language: str | None = None,
        normalizer: str | Callable[[str], str] | Normalizer = "auto",
    ) -> None:
        for name, given in (("systems", systems), ("show", show), ("reasons", reasons)):
            if isinstance(given, str):
                raise OptionError(f"{name}= is a list, such as [{given!r}]")
        self._frame = frame
        self.into = into
        taken = [name for name in _new_columns(into) if name in frame.columns]
        if taken:
            raise ColumnError(f"the frame has {', '.join(map(repr, taken))} already; name another into=")
        cells = column_of(frame, audio)
        heard = [None] * len(frame) if hypothesis is None else [_text(cell) for cell in column_of(frame, hypothesis)]
        starts = None if start is None else column_of(frame, start)
        ends = None if end is None else column_of(frame, end)
        names = ([] if hypothesis is None else [hypothesis]) + [name for name in systems if name != hypothesis]
        self._systems = {str(name): [_text(cell) for cell in column_of(frame, name)] for name in names}
        self._own_name = None if hypothesis is None else str(hypothesis)
        self._shown = {str(name): column_of(frame, name) for name in show}
        self._languages = languages_of(frame, language, None, names)
        self._units = [unit_for(code, [text or ""]) for code, text in zip(self._languages, heard, strict=True)]
        self._compared = compared(list(self._systems.values()), self._languages, self._units, normalizer)
        positions = ordered(
            frame,
            chosen(frame, where, rows),
            order,
            audio=audio,
            hypothesis=hypothesis,
            texts=self._compared,
            systems=len(names),
        )
        ids = item_ids(cells, frame.index.tolist(), starts=starts, ends=ends)
        items = [
            Item(name, label, "" if is_missing(cell) else describe(cell), text)
            for name, label, cell, text in zip(ids, frame.index.tolist(), cells, heard, strict=True)
        ]
        columns = {"audio": audio, "hypothesis": hypothesis, "start": start, "end": end}
        about = {name: None if column is None else str(column) for name, column in columns.items()}
        spoken = next(iter(set(self._languages))) if len(set(self._languages)) == 1 else None
        self.journal = Journal(
            journal, items, annotator=_annotator(annotator), about={**about, "language": spoken, "into": into}
        )
        ids = self.journal.ids  # a journal may know rows by the names that they had before
        self._place = {name: row for row, name in enumerate(ids)}
        self._queue = [ids[row] for row in positions]
        self._turn = {name: turn for turn, name in enumerate(self._queue)}
        sounds = {
            ids[row]: Sound(
                cells[row],
                None if starts is None or is_missing(starts[row]) else float(starts[row]),
                None if ends is None or is_missing(ends[row]) else float(ends[row]),
                channel,
            )
            for row in positions
        }
        now = next(iter(self._open_after(len(self._queue) - 1)), self._queue[0])
        super().__init__(
            Clips(sounds.__getitem__),
            item={"id": now},
            options={
                "journal": self.journal.path.name,
                "path": str(self.journal.path),
                "box": f"{self.journal.dataset}:{self.journal.id}:{self.journal.annotator}",
                "annotator": self.journal.annotator,
                "warning": self.journal.warning,
                "reasons": [str(reason) for reason in reasons],
                "systems": len(names),
            },
        )
        self.progress = self._progress()

    # -- what has come of it

    @property
    def frame(self) -> pd.DataFrame:
        """The caller's columns, then what was decided: text, status, reason, note, annotator, seconds and edits.

        ``<into>`` has the text of accepted rows and is missing for all others, so that it can be a reference as it
        is. ``<into>_status`` is ``todo``, ``draft``, ``accepted``, ``skipped`` or ``flagged``; ``_reason`` and
        ``_note`` are of a flag; ``_seconds`` were spent on the row; ``_edits`` counts the words that were changed from
        the hypothesis, case and punctuation too; ``_unheard`` says that it was accepted because the systems agree.
        """
        import pandas as pd

        with self.lock:
            labels = [self.journal[name] for name in self.journal.ids]
            heard = [self.journal.items[name].hypothesis for name in self.journal.ids]
        texts = [label.text if label.status == "accepted" else None for label in labels]
        index = self._frame.index

        def column(values: Sequence[Any], dtype: str) -> pd.Series[Any]:
            return pd.Series(list(values), index=index, dtype=dtype)

        new = {
            self.into: column(texts, "object"),
            f"{self.into}_status": column([label.status for label in labels], "object"),
            f"{self.into}_reason": column([label.reason for label in labels], "object"),
            f"{self.into}_note": column([label.note for label in labels], "object"),
            f"{self.into}_annotator": column([label.annotator for label in labels], "object"),
            f"{self.into}_seconds": column([round(label.seconds, 3) for label in labels], "float64"),
            f"{self.into}_edits": column(edits(heard, texts, self._units), "object").astype("Int64"),
            f"{self.into}_unheard": column([label.unheard for label in labels], "bool"),
        }
        result = pd.concat([self._frame, pd.DataFrame(new, index=index)], axis=1)
        made = self._frame.attrs.get("asrkit", {})
        own = {"journal": str(self.journal.path), "hypothesis": self._own_name}
        result.attrs = {**self._frame.attrs, "asrkit": {**made, self.into: own}}
        return result

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write ``frame`` as CSV, Parquet or JSON lines, by the suffix: the whole file or, on an error, the old one.

        Raises:
            OptionError: another suffix, or cells that the format cannot hold.
            LabelsError: it cannot be written.
        """
        target = Path(path).expanduser()
        frame = self.frame
        writers: dict[str, Callable[[Path], Any]] = {
            ".csv": lambda file: frame.to_csv(file),
            ".parquet": lambda file: frame.to_parquet(file),
            ".jsonl": lambda file: frame.to_json(file, orient="records", lines=True, force_ascii=False),
        }
        if target.suffix.lower() not in writers:
            raise OptionError(f"{target.name}: expected a name that ends in {', '.join(writers)}")
        try:
            with whole_file(target) as making:
                writers[target.suffix.lower()](making)
        except OSError as error:
            raise LabelsError(
                f"{target} was not written ({error.strerror or error}); the labels are safe in {self.journal.path}",
                code="not-writable",
            ) from error
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise OptionError(
                f"{target.suffix} cannot hold this frame ({error}); drop the column with the audio first"
            ) from error
        return target

    @property
    def current(self) -> Hashable:
        """The index label of the row that is shown."""
        return self.journal.items[self.item["id"]].index

    # -- the same actions as in the page

    def edit(self, row: Hashable, text: str) -> None:
        """Change a row's text without deciding about it."""
        self._by_hand(lambda: self.journal.edit(self._id_of(row), text))

    def accept(self, row: Hashable, text: str | None = None) -> None:
        """This is what was said; without a text, what the row has."""
        self._by_hand(lambda: self.journal.accept(self._id_of(row), text))

    def skip(self, row: Hashable) -> None:
        """Not now."""
        self._by_hand(lambda: self.journal.skip(self._id_of(row)))

    def flag(self, row: Hashable, reason: str | None = None, note: str | None = None) -> None:
        """Not to be used, and why."""
        self._by_hand(lambda: self.journal.flag(self._id_of(row), reason, note))

    def undo(self) -> list[Hashable]:
        """Take back the last decision, or the edits since; gives the index labels of the rows."""
        changed: list[str] = []
        self._by_hand(lambda: changed.extend(self.journal.undo()))
        return [self.journal.items[name].index for name in changed]

    def agreeing(self) -> list[Hashable]:
        """Index labels of the untouched rows on which all systems agree after normalisation."""
        return [self.journal.items[name].index for name in self._agreeing()]

    def accept_agreeing(self) -> int:
        """Accept them all, unheard, in one step; gives how many."""
        count: list[Label] = []
        self._by_hand(lambda: count.extend(self.journal.accept_all(self._agreeing())))
        return len(count)

    def close(self) -> None:
        """Give the journal back, so that another process can have it."""
        if (journal := getattr(self, "journal", None)) is not None:  # one that was refused has none
            journal.close()
        super().close()

    def _by_hand(self, action: Callable[[], Any]) -> None:
        with self.lock:
            action()
            self.progress = self._progress()
            self.send({"op": "changed"})

    def _id_of(self, row: Hashable) -> str:
        places = [place for place, label in enumerate(self._frame.index) if label == row]
        if len(places) != 1:
            told = f"has no row {row!r}" if not places else f"has {len(places)} rows {row!r}; make its labels differ"
            raise ColumnError(f"the index {told}")
        return self.journal.ids[places[0]]

    def _agreeing(self) -> list[str]:
        return [
            name
            for name in self._queue
            if self.journal[name].status == "todo"
            and self.journal.items[name].hypothesis is not None
            and self._compared.agree(self._place[name])
        ]

    # -- the page's questions

    def answer_open(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """What a new view shows; ``onward`` passes over a row that is decided, by what the view has just sent."""
        now = self.item["id"]
        if message.get("onward") and self.journal[now].status not in OPEN:
            now = next(iter(self._open_after(self._turn[now])), now)
        return self._told(self._shown_now(now), warning=self.journal.warning)

    def answer_go(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """Another row: ``to`` is its number in the queue from 0, or the row is ``item_id``."""
        name = message.get("item_id")
        if name is None:
            name = self._queue[min(max(int(message["to"]), 0), len(self._queue) - 1)]
        return self._told(self._shown_now(name))

    def answer_act(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """One action on one row, which it names together with the revision that it was made on.

        Done twice it is done once; on a row that somebody else has changed since it is refused.
        """
        do, name, action = message.get("do"), message.get("item_id"), str(message["action"])
        if do not in ACTS or name not in self._turn:
            raise OptionError(f"no action {do!r} on row {name!r} here")
        journal = self.journal
        if not journal.has(action):
            if int(message["base"]) < journal[name].rev:
                raise LabelsError(
                    f"row {journal.items[name].index!r} was changed elsewhere since, so this was not saved",
                    code="stale",
                )
            text = message.get("text")
            how: dict[str, Any] = {"seconds": float(message.get("seconds") or 0.0), "action": action}
            if do == "flag":
                journal.flag(name, message.get("reason"), message.get("note"), text=text, **how)
            elif do == "edit":
                journal.edit(name, str(text), **how)
            else:
                getattr(journal, do)(name, text, **how)
        self.progress = self._progress()
        then = message.get("then")  # what the page went on to
        return self._told(self._shown_now(then if then in self._turn else self.item["id"]), acted=name)

    def answer_undo(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """Take back this annotator's last step and show its first row."""
        undone = self.journal.undo(action=str(message["action"]))
        self.progress = self._progress()
        here = [name for name in undone if name in self._turn]
        return self._told(self._shown_now(here[0] if here else self.item["id"]), undone=len(undone))

    def answer_agreeing(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """How many rows could be accepted together."""
        return Reply({"count": len(self._agreeing())})

    def answer_accept_agreeing(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """Accept them; ``count`` is what the person was told, and if that is not so any more nothing is done."""
        found = self._agreeing()
        action = str(message["action"])
        if not self.journal.has(action):
            if len(found) != int(message["count"]):
                raise LabelsError(f"it would be {len(found):,} rows by now; ask again", code="stale")
            self.journal.accept_all(found, action=action)
        self.progress = self._progress()
        now = self.item["id"]
        if self.journal[now].status not in OPEN:
            now = next(iter(self._open_after(self._turn[now])), now)
        return self._told(self._shown_now(now), accepted=len(found))

    def _shown_now(self, name: str) -> str:
        if name not in self._turn:
            raise OptionError(f"no row {name!r} in this labeler")
        self.item = {"id": name}
        return name

    def _told(self, now: str, **more: Any) -> Reply:
        """The row that is shown, those that may come next, and how far it is."""
        turn = self._turn[now]
        ahead = self._open_after(turn)
        near = [now, *ahead, *(self._queue[at] for at in (turn - 1, turn + 1) if 0 <= at < len(self._queue))]
        if (acted := more.get("acted")) is not None:
            near.append(acted)
        rows = {name: self._row(name) for name in dict.fromkeys(near)}
        return Reply({"now": now, "rows": rows, "progress": dict(self.progress), **more})

    def _row(self, name: str) -> dict[str, Any]:
        """What the page knows about a row."""
        place, turn, label, item = self._place[name], self._turn[name], self.journal[name], self.journal.items[name]
        queue = self._queue
        systems = {
            system: texts[place] for system, texts in self._systems.items() if system != self._own_name and texts[place]
        }
        return {
            "id": name,
            "turn": turn,
            "title": f"row {item.index}",
            "about": item.audio,
            "hypothesis": item.hypothesis,
            "text": label.text if label.text is not None else item.hypothesis or "",
            "status": label.status,
            "reason": label.reason,
            "note": label.note,
            "by": label.annotator,
            "rev": label.rev,
            "unheard": label.unheard,
            "language": self._languages[place],
            "systems": systems,
            "shown": {column: _cell(cells[place]) for column, cells in self._shown.items()},
            "before": queue[turn - 1] if turn else None,
            "after": queue[turn + 1] if turn + 1 < len(queue) else None,
            "ahead": self._open_after(turn),
        }

    def _open_after(self, turn: int) -> list[str]:
        """The next rows to decide about, from there to the end and then from the beginning."""
        found: list[str] = []
        count = len(self._queue)
        for step in range(1, count):
            name = self._queue[(turn + step) % count]
            if self.journal[name].status in OPEN:
                found.append(name)
                if len(found) == AHEAD:
                    break
        if turn == count - 1 and not found and self.journal[self._queue[turn]].status in OPEN:
            found.append(self._queue[turn])
        return found

    def _progress(self) -> dict[str, Any]:
        labels = [self.journal[name] for name in self._queue]
        counts = dict.fromkeys(("todo", "draft", "accepted", "skipped", "flagged"), 0)
        for label in labels:
            counts[label.status] += 1
        decided = [
            label.seconds for label in labels if label.status not in OPEN and not label.unheard and label.seconds
        ]
        pace = sum(decided) / len(decided) if len(decided) >= FEW else None
        left = counts["todo"] + counts["draft"]
        return {
            **counts,
            "rows": len(labels),
            "left": left,
            "pace": None if pace is None else round(pace, 1),
            "seconds_left": None if pace is None else round(pace * left),
        }

    # -- no kernel

    def fallback(self) -> Html:
        """How far it is, and what was corrected last."""
        told = self.progress
        parts: list[object] = [
            element(
                "p",
                element("strong", "Labels in ", named(self.journal.path.name)),
                f": {told['accepted']:,} accepted, {told['flagged']:,} flagged, {told['skipped']:,} skipped, "
                f"{told['left']:,} of {told['rows']:,} left",
            )
        ]
        done = sorted(
            (self.journal[name].time or "", name) for name in self._queue if self.journal[name].status == "accepted"
        )
        for _, name in done[-SHOWN:]:
            label, item, place = self.journal[name], self.journal.items[name], self._place[name]
            aligned = align_texts(
                label.text,
                item.hypothesis,
                name=self._own_name or "hypothesis",
                language=self._languages[place],
                normalizer="none",
                unit=self._units[place],
            )
            if aligned is not None and aligned.counts.errors:
                parts.append(element("p", "row ", named(item.index), class_="ak-name"))
                parts.append(aligned.card(limit=40))
        parts.append(
            element("p", "Run the cell again to go on; asrkit.read_labels(...) reads the journal.", class_="ak-note")
        )
        return element("div", *parts, class_="ak-row")

    def to_html(self, path: str | Path | None = None, *, title: str | None = None) -> str:
        """There is no such page: labelling needs Python.

        Raises:
            OptionError: always, and says what does it.
        """
        raise OptionError(
            "a labeler saves through Python, so it has no page of its own; .save(...) writes the labels, "
            "df.asr.play(...).to_html(...) a page to listen to"
        )


def _new_columns(into: str) -> list[str]:
    ends = ("status", "reason", "note", "annotator", "seconds", "edits", "unheard")
    return [into, *(f"{into}_{end}" for end in ends)]


def _annotator(given: str | None) -> str:
    if given is not None:
        return str(given)
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "annotator"


def _text(cell: Any) -> str | None:
    if is_missing(cell):
        return None
    if not isinstance(cell, str):
        raise OptionError(f"the hypothesis is text or missing, got {type(cell).__name__} ({cell!r:.40})")
    return cell


def _cell(value: Any) -> str:
    if is_missing(value):
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)[:500]
