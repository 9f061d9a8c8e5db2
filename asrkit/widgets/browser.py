"""Look through many rows and systems: sorted, searched, filtered, every row with its errors and its sound.

The page holds one page of rows and asks for the next, so a frame of 50,000 rows costs it no more than one of 50.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from ..columns import column_of
from ..errors import AsrkitError, ColumnError, OptionError
from ..evaluate import frames, views
from ..evaluate.alignment import Alignment
from ..evaluate.dialects import Dialect
from ..evaluate.indexed import index_of, unclashed
from ..evaluate.marks import Mark
from ..evaluate.markup import MINUS, Html, direction, element, joined, named, shortened
from ..evaluate.score import Score, rows_told, trace
from ..evaluate.texts import Failed
from ..evaluate.wording import cut_text, percent, points, probability
from ..normalizers import Normalizer
from ..probability import is_probability
from ..source import is_missing
from .base import Reply, Widget
from .clips import LONG, Clips, Sound
from .stack import stacked
from .table import Query, Table, counted

if TYPE_CHECKING:
    import pandas as pd

    from .labeler import Labeler

__all__ = ["Browser", "browse", "browse_scores"]

PAGE = 50  # rows
FALLBACK = 10  # rows in a stored notebook
EDITS = 80  # columns of a row that a page shows before the row is opened
LETTERS = 4_000  # of a text that was never aligned
VALUES = 30  # different values of a column that is offered as a filter by itself
OFFERED = 6  # of such columns
LISTED = 200  # values of a filter, and errors, that a page lists
_WRONG = {
    "any": "somebody is wrong",
    "all": "all are wrong",
    "none": "nobody is wrong",
    "differ": "some wrong, some right",
    "wrong": "{0} is wrong",
    "only": "only {0} is wrong",
    "more": "{0} has more errors than {1}",
    "failed": "{0} gave no text",
    "unscored": "no reference",
}
_SORTS = {
    "row": "row of the frame",
    "wer": "{rate} of {0}",
    "errors": "errors of {0}",
    "difference": "{rate} of {0} less {1}",
    "spread": "highest {rate} less lowest",
    "confidence": "confidence of {0}",
    "duration": "duration",
    "words": "reference length",
    "column": "column {0}",
}


class Browser(Widget):
    """A table of many rows and several systems.

    Made by ``df.asr.browse``, ``Comparison.browse`` and ``Score.browse``.

    Attributes:
        frame: the rows, on the caller's index.
        table: what they are sorted and filtered by.
        state: the query and the page that are shown, and how many rows are selected; small JSON.
    """

    _name: ClassVar[str] = "browser"
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        table: Table,
        frame: pd.DataFrame,
        *,
        sound_of: Callable[[int], Sound] | None = None,
        query: Query | None = None,
        audio: Hashable | None = None,
        further: int = 0,
    ) -> None:
        self.table = table
        self.frame = frame
        self._audio = audio
        self._selected: set[int] = set()
        if query is None:
            query = Query(sort=("wer", table.names[0]), descending=True)
        table.rows(query)  # an impossible one is refused now
        texts = table.texts
        options = {
            "names": table.names,
            "rate": texts.rate.removesuffix(" by language"),
            "unit": "words" if texts.unit == "word" else "tokens",
            "rows": len(table),
            "page": PAGE,
            "audio": sound_of is not None,
            "confidence": [name in table.confidences for name in table.names],
            "duration": table.durations is not None,
            "slices": list(table.slices),
            "sorts": [
                [list(sort), _SORTS[sort[0]].format(*sort[1:], rate=texts.rate.removesuffix(" by language"))]
                for sort in table.sorts
            ],
            "wrong": [[list(choice), _WRONG[choice[0]].format(*choice[1:])] for choice in table.choices],
            "told": rows_told(texts, table.names)
            + (f"; {further:,} more columns with few values are filters if by= names them" if further else ""),
            "trace": trace(texts, table.dialect),
        }
        clips = Clips(sound_of or _no_sound)
        super().__init__(clips, options=options, state={"query": query.to_json(), "page": 0, "selected": 0})

    # What the user's cells ask for

    @property
    def query(self) -> Query:
        """What is shown."""
        return Query.from_json(self.state["query"])

    @property
    def found(self) -> pd.DataFrame:
        """The rows that the query finds, in the order shown."""
        with self.lock:
            return self.frame.iloc[self.table.rows(self.query)]

    @property
    def selection(self) -> pd.DataFrame:
        """The rows that were selected, in the frame's order."""
        with self.lock:
            return self.frame.iloc[sorted(self._selected)]

    def show(self, page: int = 0, **changes: Any) -> None:
        """Change what is shown: any argument of ``Query``, the others stay; and the page, from 0.

        Raises:
            OptionError: there is no such thing to sort or filter by.

        >>> import pandas as pd
        >>> df = pd.DataFrame({"text": ["a ship", "so it is"], "hypothesis": ["a sheep", "so it is"]})
        >>> browser = df.asr.browse(reference="text", hypotheses=["hypothesis"])
        >>> browser.show(error={"said": "ship", "heard": "sheep"})
        >>> browser.found.index.tolist()
        [0]
        """
        with self.lock:
            query = Query.from_json({**self.state["query"], **changes})
            self.table.rows(query)
            self._tell(query=query.to_json(), page=page)

    def select(self, rows: Iterable[Hashable] | None = None, *, on: bool = True) -> None:
        """Select rows by their index labels, or take them from the selection; None means all that the query finds.

        Raises:
            ColumnError: the index has no such row.
        """
        with self.lock:
            if rows is None:
                places = set(self.table.rows(self.query).tolist())
            else:
                wanted = dict.fromkeys(rows)
                known = {label: place for place, label in enumerate(self.table.labels) if label in wanted}
                absent = next((label for label in wanted if label not in known), None)
                if absent is not None or (None in wanted and None not in known):
                    raise ColumnError(f"the index has no row {absent!r}")
                places = {place for place, label in enumerate(self.table.labels) if label in wanted}
            self._mark(places, on)
            self.send({"op": "selected", "selected": len(self._selected)})

    def label(self, *, hypothesis: Hashable | None = None, **options: Any) -> Labeler:
        """Correct the selected rows, in the order shown; the rows of another order come after them.

        Args:
            hypothesis: the column whose text is to be corrected; by itself the first system.
            options: as for ``DataFrame.asr.label``, such as ``journal``.

        Raises:
            OptionError: no row is selected, or there is no sound.
        """
        with self.lock:
            shown = [row for row in self.table.rows(self.query).tolist() if row in self._selected]
            rows = [*shown, *sorted(self._selected - set(shown))]
        if self._audio is None:
            raise OptionError(
                "there is no sound to label by: name the column with the audio, df.asr.browse('path', ...)"
            )
        if not rows:
            raise OptionError("no row is selected: press X on rows of the browser, or call .select(labels)")
        names = [name for name in self.frame.columns if str(name) in self.table.names]
        first = next(iter(names), None) if hypothesis is None else hypothesis
        labels = [self.table.labels[row] for row in rows]
        options = {"systems": [name for name in names if name != first], **options}
        labeler: Labeler = self.frame.asr.label(self._audio, hypothesis=first, rows=labels, **options)
        return labeler

    # What the page asks for

    def answer_rows(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """One page of what a query finds, and how many rows other choices would find."""
        table = self.table
        query = Query.from_json(message.get("query") or {})
        found = table.find(query)
        pages = max(1, math.ceil(len(found.rows) / PAGE))
        page = min(max(int(message.get("page") or 0), 0), pages - 1)
        rows = found.rows[page * PAGE : (page + 1) * PAGE].tolist()
        self._tell(query=query.to_json(), page=page)
        return Reply(
            {
                "rows": self._told(rows),
                "found": len(found.rows),
                "page": page,
                "pages": pages,
                "selected": len(self._selected),
                "totals": [
                    {"told": percent(counts.wer), "errors": counts.errors, "words": counts.reference_length}
                    for counts in (found.totals[name] for name in table.names)
                ],
                "slices": [
                    [
                        name,
                        [[value, count] for value, count in values.items()][:LISTED],
                        max(0, len(values) - LISTED),
                    ]
                    for name, values in found.slices.items()
                ],
                "wrong": list(found.wrong.values()),
            }
        )

    def answer_errors(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """The most frequent errors of what a query finds."""
        query = Query.from_json(message.get("query") or {})
        errors = self.table.frequent(query, None, kind=message.get("kind"), system=message.get("system"))
        told = [[error.kind, error.said, error.heard, count] for error, count in errors[:LISTED]]
        return Reply({"errors": told, "left_out": max(0, len(errors) - LISTED)})

    def answer_row(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """One row with nothing left out: its whole alignment, its texts as they were written, its columns."""
        table, row = self.table, _row(message["item_id"], len(self.table))
        [told] = self._told([row], limit=None)
        texts = [["reference", _written(table.references[row])]]
        texts += [[name, _written(table.hypotheses[name][row])] for name in table.names]
        columns = [[name, _shown(cells[row])] for name, cells in table.columns.items()]
        return Reply({"row": told, "texts": texts, "columns": columns})

    def answer_select(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """Select rows, or all that a query finds, or take them from the selection."""
        if message.get("query") is not None:
            rows = set(self.table.rows(Query.from_json(message["query"])).tolist())
        elif message.get("rows") is None:
            rows = set(self._selected)
        else:
            rows = {_row(row, len(self.table)) for row in message["rows"]}
        self._mark(rows, bool(message.get("on", True)))
        return Reply({"selected": len(self._selected)})

    def _mark(self, rows: set[int], on: bool) -> None:
        self._selected = self._selected | rows if on else self._selected - rows
        self._tell(selected=len(self._selected))

    def _tell(self, **changes: Any) -> None:
        state = {**self.state, **changes}
        if state != self.state:
            self.state = state

    def _told(self, rows: Sequence[int], limit: int | None = EDITS) -> list[dict[str, Any]]:
        """Rows as the page draws them."""
        table = self.table
        edits = table.marks(rows)
        apart = None
        if len(table.names) > 1:
            apart = table.value(("difference", *table.names) if len(table.names) == 2 else ("spread",))
        told = []
        for row in rows:
            cells = [
                {
                    "rate": _finite(table.rates[name][row]),
                    "told": percent(float(table.rates[name][row])),
                    "errors": _finite(table.errors[name][row]),
                    "confidence": probability(float(table.confidences[name][row]))
                    if name in table.confidences
                    else None,
                    "failed": not bool(table.has_text[name][row]),
                }
                for name in table.names
            ]
            own = {name: found[row] for name, found in edits.items() if row in found}
            told.append(
                {
                    "id": row,
                    "label": shortened(table.labels[row], 80),
                    "words": _finite(table.words[row]),
                    "duration": None if table.durations is None else _finite(table.durations[row]),
                    "cells": cells,
                    "apart": None if apart is None else _points(float(apart[row])),
                    "selected": row in self._selected,
                    "about": [[name, shortened(_shown(table.columns[name][row]), 60)] for name in table.slices],
                    "language": table.language(row),
                    "letters": table.unit(row) == "character",
                    "stacks": _stacks(own, limit),
                    "plain": [
                        [name, _cut(texts[row])]
                        for name, texts in table.hypotheses.items()
                        if name not in own and table.has_text[name][row]
                    ],
                    "unscored": not bool(table.is_referenced[row]),
                }
            )
        return told

    # Where no kernel runs

    def fallback(self) -> Html:
        """The first rows that are shown, and the rates of all that the query finds."""
        table = self.table
        with self.lock:
            found = table.find(self.query)
            rows = found.rows[:FALLBACK].tolist()
            edits = table.marks(rows)
        rates = [
            [named(name), percent(counts.wer), f"{counts.errors:,}", f"{counts.reference_length:,}"]
            for name, counts in found.totals.items()
        ]
        parts: list[object] = [
            element("p", element("strong", f"{len(found.rows):,} of {len(table):,} rows")),
            views.table(["system", table.texts.rate, "errors", self.options["unit"]], rates, heads=True),
            views.legend(),
            *(self._card(row, edits) for row in rows),
        ]
        if len(found.rows) > len(rows):
            parts.append(element("p", f"{len(found.rows) - len(rows):,} more rows", class_="ak-note"))
        parts.append(
            element("p", "To look through all and to hear them, run the cell again.", element("br"), class_="ak-note")
        )
        parts.append(element("p", self.options["told"], element("br"), self.options["trace"], class_="ak-note"))
        return element("div", *parts)

    def _card(self, row: int, edits: Mapping[str, Mapping[int, tuple[Alignment, list[Mark]]]]) -> Html:
        table = self.table
        lines: list[object] = [element("p", element("strong", "row ", named(table.labels[row], 80)))]
        for what, texts in [("reference", table.references), *table.hypotheses.items()]:
            own = edits[what].get(row) if what in edits else None
            told = f" · {percent(own[0].counts.wer)}" if own is not None else ""
            lines.append(element("p", named(what), element("span", told), class_="ak-name"))
            if own is not None:
                line = views.aligned(own[1], unit=table.unit(row), language=table.language(row), limit=EDITS)
            else:
                text = _cut(texts[row]) or "(no text)"
                line = element("p", text, class_="ak-line", dir=direction(text))
            lines.append(line)
        return element("div", joined(*lines), class_="ak-row")

    def offline(self) -> Sequence[Mapping[str, Any]]:
        """The page that is shown, its rows in full, and their sound where it can be had and is not long."""
        state = self.state
        asked: list[Mapping[str, Any]] = [{"op": "rows", "query": state["query"], "page": state["page"]}]
        rows = self.table.rows(self.query)[state["page"] * PAGE : (state["page"] + 1) * PAGE].tolist()
        asked += [{"op": "row", "item_id": row} for row in rows]
        if self.options["audio"]:
            for row in rows:
                try:
                    if self.clips.duration(row) <= LONG:
                        self.clips.clip(row)
                        asked.append({"op": "clip", "item_id": row, "at": 0})
                except AsrkitError:  # the page says so when it is asked to play that row
                    continue
        return asked


def browse(
    frame: pd.DataFrame,
    audio: Hashable | None = None,
    *,
    reference: Hashable,
    hypotheses: Sequence[Hashable],
    by: Sequence[Hashable] | Hashable | None = None,
    duration: Hashable | None = None,
    start: Hashable | None = None,
    end: Hashable | None = None,
    channel: int | None = None,
    language: str | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    unit: Any = "auto",
    dialect: Dialect = "levenshtein",
    failed: Failed = "exclude",
) -> Browser:
    """A ``Browser`` of columns of texts; see ``DataFrame.asr.browse``."""
    if isinstance(hypotheses, str) or not hypotheses:
        raise OptionError(f"expected a list of columns with hypotheses, got {hypotheses!r}")
    # All rows with a reference: one that a single system failed on still tells something about the others.
    texts = frames.texts_of(frame, reference, hypotheses, language, normalizer, unit, "deletions", dialect)
    names = [str(name) for name in hypotheses]
    skip = [audio, reference, *hypotheses, start, end]
    columns, slices, further = _columns(frame, by, skip, names)
    table = Table(
        texts=replace(texts, failed_as=failed),
        counts=counted(texts, dialect),
        dialect=dialect,
        labels=frame.index.tolist(),
        references=column_of(frame, reference),
        hypotheses={str(name): column_of(frame, name) for name in hypotheses},
        columns=columns,
        slices=slices,
        durations=_durations(frame, duration, names),
        confidences={
            name: values
            for name in names
            if f"{name}_confidence" in frame.columns
            and is_probability(values := frame[f"{name}_confidence"].to_numpy(dtype=float, na_value=math.nan))
        },
        failed_as=failed,
    )
    sound = None if audio is None else _sounds(frame, audio, start, end, channel)
    return Browser(table, frame, sound_of=sound, audio=audio, further=further)


def browse_scores(
    scores: Sequence[Score],
    frame: pd.DataFrame | None = None,
    audio: Hashable | None = None,
    *,
    reference: Hashable | None = None,
    paths: Sequence[Any] | None = None,
    by: Sequence[Hashable] | Hashable | None = None,
    duration: Hashable | None = None,
    start: Hashable | None = None,
    end: Hashable | None = None,
    channel: int | None = None,
) -> Browser:
    """A ``Browser`` of what was scored already: nothing is counted again.

    Args:
        scores: of the systems, on the same rows.
        frame: what was scored, for its columns, its texts as they were written and its sound; without it there are
            the rows that were scored, and their texts.
        audio: its column with the audio.
        reference: its column with what was said.
        paths: the audio of each scored row, in place of a column.
        by: its columns to filter by; by themselves those with few values.
        duration, start, end, channel: as for ``DataFrame.asr.browse``.

    Raises:
        OptionError: the frame is not the one that was scored.
    """
    import pandas as pd

    texts = scores[0].texts
    names = [score.name for score in scores]
    hypotheses: dict[str, Sequence[Any]] = {score.name: score.texts.written_hypotheses(score.name) for score in scores}
    references: Sequence[Any] = texts.written_references
    rows = texts.rows
    columns: dict[str, list[Any]] = {}
    slices: list[str] = []
    further = 0
    durations: Any = None
    if frame is None:
        if audio is not None or reference is not None or by is not None:
            raise OptionError("audio=, reference= and by= are columns of a frame; pass frame= too")
        named = unclashed(["reference", "audio"], hypotheses)
        frame = pd.DataFrame({named["reference"]: references, **hypotheses}, index=index_of(texts))
        if paths is not None:
            audio = named["audio"]
            frame = frame.assign(**{audio: pd.Series(list(paths), index=frame.index, dtype=object)})
        rows = np.arange(len(frame))
    else:
        if len(frame) != texts.total or [frame.index[row] for row in rows] != list(texts.labels):
            raise OptionError(f"this frame of {len(frame):,} rows is not the one that was scored")
        columns, slices, further = _columns(frame, by, [audio, reference, *names, start, end], names)
        whole = {name: column_of(frame, name) for name in names if name in frame.columns}
        hypotheses = {name: whole.get(name, _over(hypotheses[name], rows, len(frame))) for name in names}
        references = _over(references, rows, len(frame)) if reference is None else column_of(frame, reference)
        durations = _durations(frame, duration, names)
    if (
        durations is None
        and (told := next((score.audio for score in scores if score.audio is not None), None)) is not None
    ):
        durations = np.array(_over(told, rows, len(frame), math.nan), float)
    table = Table(
        texts=replace(texts, rows=rows, systems={score.name: score.compared for score in scores}),
        counts={score.name: score.utterances for score in scores},
        dialect=scores[0].dialect,
        labels=frame.index.tolist(),
        references=references,
        hypotheses=hypotheses,
        columns=columns,
        slices=slices,
        durations=durations,
        confidences={
            score.name: np.array(_over(views.probabilities(score), rows, len(frame), math.nan), float)
            for score in scores
            if score.confidence is not None and is_probability(score.confidence)
        },
        failed_as=texts.failed_as,
    )
    sound = None if audio is None else _sounds(frame, audio, start, end, channel)
    return Browser(table, frame, sound_of=sound, audio=audio, further=further)


def _stacks(own: Mapping[str, tuple[Alignment, list[Mark]]], limit: int | None) -> list[dict[str, Any]]:
    """Systems under each other; with alternatives in the reference, each choice of them has its own stack."""
    groups: dict[tuple[str, ...], dict[str, list[Mark]]] = {}
    for name, (aligned, edits) in own.items():
        groups.setdefault(aligned.reference, {})[name] = edits
    told = []
    for reference, group in groups.items():
        columns = stacked(list(group.values()), len(reference))
        kept = views.kept_edits(["C" if column.is_right else "S" for column in columns], limit)
        shown: list[Any] = []
        for column, is_kept in zip(columns, kept, strict=True):
            if is_kept:
                shown.append([column.said, *([kind, heard] for kind, heard in column.heard)])
            else:  # right words and wrong ones that are left out here
                if not shown or not isinstance(shown[-1], dict):
                    shown.append({"right": 0, "wrong": 0})
                shown[-1]["right" if column.is_right else "wrong"] += 1
        words = [
            word for column in columns[:200] for word in (column.said, *(heard for _, heard in column.heard)) if word
        ]
        told.append({"names": list(group), "columns": shown, "dir": direction(" ".join(words))})
    return told


def _columns(
    frame: pd.DataFrame, by: Any, skip: Sequence[Hashable | None], names: Sequence[str]
) -> tuple[dict[str, list[Any]], list[str], int]:
    """Further columns by name, which of them are filters, and how many more could be."""
    from pandas.api.types import is_scalar

    asked = [] if by is None else [by] if isinstance(by, str) or not isinstance(by, Sequence) else list(by)
    columns = {str(name): column_of(frame, name) for name in asked}
    derived = tuple(f"{name}_" for name in names)
    for name in frame.columns.unique():
        told = str(name)
        if name in skip or told in columns or told.startswith(derived) or (frame.columns == name).sum() > 1:
            continue
        cells = frame[name].tolist()
        if all(is_scalar(cell) for cell in cells):
            columns[told] = cells
    if by is not None:
        return columns, [str(name) for name in asked], 0
    slices = []
    for told, cells in columns.items():
        values = {str(cell) for cell in cells if not is_missing(cell)}
        is_fraction = any(isinstance(cell, float) and cell != int(cell) for cell in cells if _is_number(cell))
        if 2 <= len(values) <= VALUES and not is_fraction and len(values) < max(3, len(cells)):
            slices.append(told)
    return columns, slices[:OFFERED], max(0, len(slices) - OFFERED)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, float) and math.isfinite(cell)


def _durations(frame: pd.DataFrame, name: Hashable | None, names: Sequence[str]) -> Any:
    """Seconds, from the column that is named, or one that can be recognised by its name."""
    likely = [*(f"{system}_duration" for system in names), "duration", "duration_s"]
    found = name if name is not None else next((column for column in likely if column in frame.columns), None)
    if found is None:
        return None
    try:
        return np.array([math.nan if is_missing(cell) else float(cell) for cell in column_of(frame, found)], float)
    except (TypeError, ValueError):
        if name is None:
            return None
        raise OptionError(f"the column {name!r} holds no seconds") from None


def _sounds(
    frame: pd.DataFrame, audio: Hashable, start: Hashable | None, end: Hashable | None, channel: int | None
) -> Callable[[int], Sound]:
    cells = column_of(frame, audio)
    starts, ends = (None if name is None else column_of(frame, name) for name in (start, end))

    def seconds(of: list[Any] | None, row: int) -> float | None:
        return None if of is None or is_missing(of[row]) else float(of[row])

    def sound(row: int) -> Sound:
        row = _row(row, len(cells))
        return Sound(cells[row], seconds(starts, row), seconds(ends, row), channel)

    return sound


def _no_sound(row: int) -> Sound:
    raise OptionError("there is no sound here: name the column with the audio, as in df.asr.browse('path', ...)")


def _over(values: Sequence[Any] | Any, rows: Any, count: int, absent: Any = None) -> list[Any]:
    """Values of the scored rows as values of all rows."""
    spread = [absent] * count
    for row, value in zip(rows.tolist(), values, strict=True):
        spread[row] = value
    return spread


def _row(told: Any, count: int) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < count:
        raise OptionError(f"there is no row {told!r:.40}; rows are numbered from 0 to {count - 1}")
    return told


def _finite(value: Any) -> float | int | None:
    """A number as JSON has it; None for NaN."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else round(number, 5)


def _written(cell: Any) -> str | None:
    return None if is_missing(cell) else str(cell)


def _shown(cell: Any) -> str:
    if is_missing(cell):
        return "-"
    return f"{cell:.5g}" if isinstance(cell, float) else str(cell)


def _cut(text: Any) -> str:
    return "" if is_missing(text) else cut_text(str(text), LETTERS)


def _points(share: float) -> str:
    return points(share).replace("-", MINUS) if math.isfinite(share) else points(share)
