"""Many rows and several systems as a table that can be asked: sorted, searched, filtered, a page at a time.

Errors and rates are those of a score: the same normalised texts, the same tokens, the same alignment. Counting needs
no words, so a table of 50,000 rows is there as soon as its rows are counted; words are aligned for the rows of a page,
and for all rows once somebody asks for an error.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import OptionError
from ..evaluate.alignment import Alignment, align_all
from ..evaluate.counts import ErrorCounts, UtteranceCounts, count_errors
from ..evaluate.dialects import Dialect
from ..evaluate.marks import Mark, row_marks
from ..evaluate.texts import Texts
from ..source import is_missing
from .folding import folded

__all__ = ["MISSING", "ErrorFilter", "Found", "Query", "Table", "counted"]

Kind: TypeAlias = Literal["S", "D", "I"]
Flags: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.int64]
Values: TypeAlias = NDArray[np.float64]

KEPT = 32  # queries whose rows are remembered
MISSING = "(missing)"  # how a missing value of a slice is told
KINDS = "SDI"


@dataclass(frozen=True, slots=True)
class ErrorFilter:
    """An error that rows have: ``ship`` became ``sheep``, ``the`` was deleted, ``uh`` was inserted.

    Args:
        kind: ``S`` substituted, ``D`` deleted, ``I`` inserted; None: any.
        said: the word of the reference; None: any. Case and accents do not matter.
        heard: the word of the hypothesis; None: any.
        system: whose error; None: anybody's.
    """

    kind: Kind | None = None
    said: str | None = None
    heard: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows, and in which order. All that is asked for has to hold.

    Args:
        sort: ``("row",)`` is the frame's order; ``("words",)`` of the reference; ``("duration",)``;
            ``("wer", system)``, ``("errors", system)`` or ``("confidence", system)``; ``("difference", first,
            second)``, the first's rate less the second's; ``("spread",)``, the highest rate less the lowest;
            ``("column", name)``. Rows without a value come last, equal ones in the frame's order.
        descending: the highest first.
        search: part of a text, whatever its case and accents.
        within: ``"reference"`` or a system; None searches in all.
        where: pairs of a column and the values that are wanted, as text; ``MISSING`` is a missing one.
        error: rows with such an error.
        wrong: ``("any",)`` somebody is wrong; ``("all",)`` everybody; ``("none",)`` nobody; ``("differ",)`` some are
            and some are not; ``("wrong", system)``; ``("only", system)`` and nobody else; ``("more", first, second)``,
            the first has more errors; ``("failed", system)``, it gave no text; ``("unscored",)``, nobody knows what
            was said. None: all rows.

    >>> query = Query(sort=("wer", "tiny"), descending=True, error=ErrorFilter("S", "ship", "sheep"))
    >>> Query.from_json(query.to_json()) == query
    True
    """

    sort: tuple[str, ...] = ("row",)
    descending: bool = False
    search: str = ""
    within: str | None = None
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    error: ErrorFilter | None = None
    wrong: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        error = self.error
        return {
            "sort": list(self.sort),
            "descending": self.descending,
            "search": self.search,
            "within": self.within,
            "where": {name: list(values) for name, values in self.where},
            "error": None
            if error is None
            else {"kind": error.kind, "said": error.said, "heard": error.heard, "system": error.system},
            "wrong": None if self.wrong is None else list(self.wrong),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Query:
        """What ``to_json`` told; names that are left out have their defaults.

        Raises:
            OptionError: it is not of this shape.
        """
        try:
            unknown = set(told) - set(cls.__dataclass_fields__)
            if unknown:
                raise OptionError(f"a query has no {', '.join(sorted(unknown))}; it has {', '.join(cls.__slots__)}")
            error = told.get("error")
            wrong = told.get("wrong")
            where = told.get("where") or {}
            if isinstance(told.get("sort"), str) or isinstance(wrong, str):
                raise OptionError("sort and wrong are lists, such as ['wer', 'tiny']")
            return cls(
                sort=tuple(map(str, told.get("sort") or ("row",))),
                descending=bool(told.get("descending", False)),
                search=str(told.get("search") or ""),
                within=told.get("within"),
                where=tuple(
                    (str(name), tuple(map(str, [values] if isinstance(values, str) else values)))
                    for name, values in where.items()
                    if values
                ),
                error=None if error is None else _error_filter(error),
                wrong=None if wrong is None else tuple(map(str, wrong)),
            )
        except (AttributeError, TypeError) as failure:
            raise OptionError(f"this is no query: {told!r:.200} ({failure})") from failure


def _error_filter(told: Any) -> ErrorFilter | None:
    if isinstance(told, ErrorFilter):
        return told
    said = ErrorFilter(**{name: value or None for name, value in told.items()})
    if said.kind is not None and said.kind not in KINDS:
        raise OptionError(f"the kind of an error is S, D or I, not {said.kind!r}")
    return None if said == ErrorFilter(system=said.system) else said


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a query finds.

    Args:
        rows: positions in the frame, in the order that was asked for.
        totals: of each system: the errors of the rows that are scored for all, as ``df.asr.compare`` counts them.
        slices: column -> value, as text -> rows that would be found with that value.
        wrong: choice of ``Query.wrong`` -> rows that would be found with it.
    """

    rows: Places
    totals: Mapping[str, ErrorCounts]
    slices: Mapping[str, Mapping[str, int]]
    wrong: Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True, eq=False)
class _Edits:
    """Errors of one system, one a place in these arrays; words are numbers of the vocabulary, -1 for none."""

    rows: Places
    kinds: NDArray[np.uint8]  # places in KINDS
    said: Places
    heard: Places


@dataclass(eq=False)
class Table:
    """Rows of a frame with the texts of several systems.

    Args:
        texts: the rows that are scored; ``texts.rows`` are their positions here.
        counts: errors of each system, one a scored row.
        dialect: of the alignment.
        labels: of all rows.
        references: as they were written, one a row, missing where nobody knows.
        hypotheses: of each system, likewise.
        columns: further columns, by name.
        slices: names of those whose values can be asked for.
        durations: seconds, one a row, NaN where nobody told.
        confidences: of each system that has some: in [0, 1], one a row.
        failed_as: whether rows without a text are scored as ``deletions``, or ``exclude``d from the totals.
    """

    texts: Texts
    counts: Mapping[str, UtteranceCounts]
    dialect: Dialect
    labels: Sequence[Hashable]
    references: Sequence[Any]
    hypotheses: Mapping[str, Sequence[Any]]
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    slices: Sequence[str] = ()
    durations: Values | None = None
    confidences: Mapping[str, Values] = field(default_factory=dict)
    failed_as: str = "exclude"

    def __post_init__(self) -> None:
        count = len(self)
        self.names = list(self.counts)
        self._place = np.full(count, -1, np.int64)
        self._place[self.texts.rows] = np.arange(len(self.texts.rows))
        scored = self._place >= 0
        self.is_referenced = scored
        self.has_text: dict[str, Flags] = {
            name: ~np.fromiter(map(is_missing, self.hypotheses[name]), bool, count) for name in self.names
        }
        self.is_counted = {
            name: scored if self.failed_as == "deletions" else scored & self.has_text[name] for name in self.names
        }
        self.words = self._spread(next(iter(self.counts.values())).reference_words, scored)
        self.errors = {name: self._spread(self.counts[name].errors, self.is_counted[name]) for name in self.names}
        with np.errstate(divide="ignore", invalid="ignore"):
            self.rates = {
                name: np.where(words > 0, self.errors[name] / words, math.nan)
                for name in self.names
                if (words := self._spread(self.counts[name].reference_words, scored)) is not None
            }
        self._sorted: dict[tuple[str, ...], Values] = {}
        self._remembered: OrderedDict[Query, Places] = OrderedDict()
        self._folded: dict[str, list[str]] = {}
        self._codes: dict[str, tuple[list[str], NDArray[np.intp]]] = {}
        self._is: dict[tuple[str, ...], Flags] = {}
        self._with_search: tuple[tuple[str, str | None], Flags] | None = None
        self._with_error: tuple[ErrorFilter, Flags] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def _spread(self, values: NDArray[np.int64], is_there: Flags) -> Values:
        """Numbers of the scored rows as numbers of all rows, NaN elsewhere."""
        spread = np.full(len(self.labels), math.nan)
        spread[self.texts.rows] = values
        spread[~is_there] = math.nan
        return spread

    # Queries

    def rows(self, query: Query) -> Places:
        """Positions of the rows, in order.

        Raises:
            OptionError: a system, a column or a choice that is not there.
        """
        if query not in self._remembered:
            flags = np.ones(len(self), bool)
            for part in self._parts(query).values():
                flags = flags & part
            order = self._order(query.sort, query.descending)
            self._remembered[query] = order[flags[order]]
            while len(self._remembered) > KEPT:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(query)
        return self._remembered[query]

    def find(self, query: Query) -> Found:
        """Rows, and how many there would be with other choices: each is counted under all other conditions."""
        parts = self._parts(query)
        slices = {}
        for name in self.slices:
            values, codes = self._coded(name)
            others = self._all_but(parts, f"where {name}")
            numbers = np.bincount(codes[others], minlength=len(values))
            slices[name] = {value: int(number) for value, number in zip(values, numbers, strict=True)}
        others = self._all_but(parts, "wrong")
        wrong = {choice: int(np.count_nonzero(others & self._choice(choice))) for choice in self.choices}
        rows = self.rows(query)
        return Found(rows, self.totals(rows), slices, wrong)

    def totals(self, rows: Places) -> dict[str, ErrorCounts]:
        """Errors of each system in the rows that are scored for all of them."""
        counted = np.logical_and.reduce([self.is_counted[name] for name in self.names])
        places = self._place[rows[counted[rows]]]
        kinds = ("hits", "substitutions", "deletions", "insertions")
        return {
            name: ErrorCounts(*(int(getattr(counts, kind)[places].sum()) for kind in kinds))
            for name, counts in self.counts.items()
        }

    @cached_property
    def choices(self) -> list[tuple[str, ...]]:
        """What ``Query.wrong`` can be."""
        names = self.names
        choices: list[tuple[str, ...]] = [("any",), ("none",)]
        if len(names) > 1:
            choices += [("all",), ("differ",)]
        choices += [("wrong", name) for name in names]
        if len(names) > 1:
            choices += [("only", name) for name in names]
            choices += [("more", one, two) for one in names for two in names if one != two]
        choices += [("failed", name) for name in names if not self.has_text[name].all()]
        if not self.is_referenced.all():
            choices.append(("unscored",))
        return choices

    @cached_property
    def sorts(self) -> list[tuple[str, ...]]:
        """What ``Query.sort`` can be."""
        names = self.names
        sorts: list[tuple[str, ...]] = [("row",)]
        sorts += [(kind, name) for kind in ("wer", "errors") for name in names]
        sorts += [("difference", one, two) for place, one in enumerate(names) for two in names[place + 1 :]]
        if len(names) > 1:
            sorts.append(("spread",))
        sorts += [("confidence", name) for name in names if name in self.confidences]
        if self.durations is not None:
            sorts.append(("duration",))
        return [*sorts, ("words",), *(("column", name) for name in self.columns)]

    def value(self, sort: tuple[str, ...]) -> Values:
        """What rows are sorted by, one number a row; NaN where there is none.

        Raises:
            OptionError: there is no such thing to sort by.
        """
        if sort not in self._sorted:
            self._sorted[sort] = self._value(sort)
        return self._sorted[sort]

    def _value(self, sort: tuple[str, ...]) -> Values:
        if sort not in self.sorts and not (sort[0] == "difference" and len(set(sort[1:])) == 2):
            told = ", ".join(repr(one) for one in self.sorts[:6])
            more = f" and {len(self.sorts) - 6:,} more" if len(self.sorts) > 6 else ""
            raise OptionError(f"rows cannot be sorted by {sort!r}; they can by {told}{more}")
        kind, *names = sort
        if kind in ("wer", "errors", "confidence"):
            return {"wer": self.rates, "errors": self.errors, "confidence": self.confidences}[kind][names[0]]
        if kind == "difference":
            one, two = map(self._system, names)
            return self.rates[one] - self.rates[two]
        if kind == "spread":
            rates = np.stack([self.rates[name] for name in self.names])
            return np.asarray(rates.max(axis=0) - rates.min(axis=0))
        if kind == "column":
            return _ranks(self.columns[names[0]])
        if kind == "duration" and self.durations is not None:
            return self.durations
        return self.words if kind == "words" else np.arange(len(self), dtype=float)

    def _order(self, sort: tuple[str, ...], descending: bool) -> Places:
        values = self.value(sort)
        keys = [-values if descending else values]
        if sort[0] == "wer":  # of equal rates, the longer row: more went wrong in it, or right
            errors = self.errors[sort[1]]
            keys.append(-errors if descending else self.words * -1.0)
        if sort[0] in ("difference", "spread"):
            weights = np.abs(values) * self.words
            keys.append(-weights if descending else weights * np.sign(values))
        return np.lexsort(keys[::-1])  # NaN comes last, equal rows stay in order

    def _parts(self, query: Query) -> dict[str, Flags]:
        """What each condition of a query lets through."""
        parts: dict[str, Flags] = {}
        if query.search.strip():
            parts["search"] = self._searched(query.search, query.within)
        for name, wanted in query.where:
            values, codes = self._coded(name)
            numbers = [number for number, value in enumerate(values) if value in wanted]
            parts[f"where {name}"] = np.isin(codes, numbers)
        if query.error is not None:
            parts["error"] = self._having(query.error)
        if query.wrong is not None:
            parts["wrong"] = self._choice(query.wrong)
        return parts

    def _all_but(self, parts: Mapping[str, Flags], name: str) -> Flags:
        flags = np.ones(len(self), bool)
        for own, part in parts.items():
            if own != name:
                flags = flags & part
        return flags

    def _system(self, name: str) -> str:
        if name not in self.counts:
            raise OptionError(f"there is no system {name!r}; there are {', '.join(self.names)}")
        return name

    # Search

    def _searched(self, search: str, within: str | None) -> Flags:
        if self._with_search is None or self._with_search[0] != (search, within):
            needle = folded(search).strip()
            flags = np.zeros(len(self), bool)
            for source in ["reference", *self.names] if within is None else [within]:
                flags |= np.fromiter((needle in text for text in self._searchable(source)), bool, len(self))
            self._with_search = ((search, within), flags)
        return self._with_search[1]

    def _searchable(self, source: str) -> list[str]:
        """Folded texts, as they were written and as they are compared: both can be seen, so both can be found."""
        if source not in self._folded:
            written = self.references if source == "reference" else self.hypotheses[self._system(source)]
            compared = self.texts.references if source == "reference" else self.texts.systems[source].hypotheses
            texts = ["" if is_missing(text) else folded(str(text)) for text in written]
            for row, text in zip(self.texts.rows.tolist(), map(folded, compared), strict=True):
                if text not in texts[row]:
                    texts[row] += "\n" + text
            self._folded[source] = texts
        return self._folded[source]

    # Slices

    def _coded(self, name: str) -> tuple[list[str], NDArray[np.intp]]:
        """Values of a column as text, and the number of each row's value."""
        if name not in self._codes:
            if name not in self.columns:
                raise OptionError(f"there is no column {name!r} to choose from; there are {', '.join(self.columns)}")
            cells = self.columns[name]
            told = [MISSING if is_missing(cell) else str(cell) for cell in cells]
            known: dict[str, Any] = {}
            for text, cell in zip(told, cells, strict=True):
                known.setdefault(text, cell)
            missing = known.pop(MISSING, None)
            values = _in_order(known)
            if missing is not None or MISSING in told:
                values.append(MISSING)
            number = {value: place for place, value in enumerate(values)}
            self._codes[name] = (values, np.fromiter((number[text] for text in told), np.intp, len(told)))
        return self._codes[name]

    # Errors

    def _choice(self, choice: tuple[str, ...]) -> Flags:
        if choice not in self._is:
            self._is[choice] = self._chosen(choice)
        return self._is[choice]

    def _chosen(self, choice: tuple[str, ...]) -> Flags:
        kind, *names = choice
        expected = {"wrong": 1, "only": 1, "failed": 1, "more": 2}.get(kind, 0)
        if kind not in (
            "any",
            "all",
            "none",
            "differ",
            "wrong",
            "only",
            "more",
            "failed",
            "unscored",
        ) or expected != len(names):
            raise OptionError(f"rows cannot be chosen by {choice!r}; they can by {', '.join(map(repr, self.choices))}")
        for name in names:
            self._system(name)
        if kind == "unscored":
            return ~self.is_referenced
        if kind == "failed":
            return ~self.has_text[names[0]]
        if kind == "more":
            more: Flags = self.errors[names[0]] > self.errors[names[1]]  # False where one has no text
            return more
        wrong = np.stack([self.errors[name] > 0 for name in self.names])
        counted = np.stack([self.is_counted[name] for name in self.names])
        own = {name: wrong[place] for place, name in enumerate(self.names)}
        if kind == "wrong":
            return np.asarray(own[names[0]])
        some, right = wrong.any(axis=0), (counted & ~wrong).any(axis=0)
        everybody = {
            "any": some,
            "all": wrong.all(axis=0),
            "none": counted.any(axis=0) & ~some,
            "differ": some & right,
        }
        if kind in everybody:
            return np.asarray(everybody[kind])
        others = [flags for name, flags in own.items() if name != names[0]]
        return np.asarray(own[names[0]] & ~np.any(others, axis=0)) if others else np.asarray(own[names[0]])

    def _having(self, error: ErrorFilter) -> Flags:
        if self._with_error is None or self._with_error[0] != error:
            flags = np.zeros(len(self), bool)
            for name in self.names if error.system is None else [self._system(error.system)]:
                edits = self._edits[name]
                flags[edits.rows[self._alike(edits, error)]] = True
            self._with_error = (error, flags)
        return self._with_error[1]

    def _alike(self, edits: _Edits, error: ErrorFilter) -> Flags:
        alike = np.ones(len(edits.rows), bool)
        if error.kind is not None:
            alike &= edits.kinds == KINDS.index(error.kind)
        for word, column in ((error.said, edits.said), (error.heard, edits.heard)):
            if word is not None:
                alike &= np.isin(column, self._words_like.get(folded(word).strip(), []))
        return alike

    def frequent(
        self, query: Query, top: int | None = 100, *, kind: Kind | None = None, system: str | None = None
    ) -> list[tuple[ErrorFilter, int]]:
        """The errors that most rows have, and how many: of the rows that a query finds, its own error set aside."""
        flags = self._all_but(self._parts(replace(query, error=None)), "error")
        found = []
        for name in self.names if system is None else [self._system(system)]:
            edits = self._edits[name]
            kept = flags[edits.rows]
            if kind is not None:
                kept &= edits.kinds == KINDS.index(kind)
            found.append(np.stack([edits.kinds, edits.said, edits.heard, edits.rows], axis=1)[kept])
        if not sum(map(len, found)):
            return []
        size = len(self._vocabulary) + 1
        every = np.concatenate(found).astype(np.int64)
        key = (every[:, 0] * size + every[:, 1] + 1) * size + every[:, 2] + 1
        order = np.lexsort([every[:, 3], key])
        key, rows = key[order], every[order, 3]
        is_new = np.concatenate([[True], (key[1:] != key[:-1]) | (rows[1:] != rows[:-1])])  # once a row
        errors, counts = np.unique(key[is_new], return_counts=True)
        chosen = np.argsort(-counts, kind="stable")[:top]
        told = []
        for place in chosen.tolist():
            rest, heard = divmod(int(errors[place]), size)
            code, said = divmod(rest, size)
            said_word = self._vocabulary[said - 1] if said else None
            heard_word = self._vocabulary[heard - 1] if heard else None
            letter: Any = KINDS[code]
            told.append((ErrorFilter(letter, said_word, heard_word, system), int(counts[place])))
        return told

    @cached_property
    def _edits(self) -> dict[str, _Edits]:
        """Of all rows; a second for 50,000 rows, so it waits until somebody asks for an error."""
        number: dict[str, int] = {}
        texts = self.texts
        found = {}
        for name in self.names:
            counted = self.is_counted[name][texts.rows]
            rows, kinds = [], bytearray()
            saids: list[int] = []
            heards: list[int] = []
            own = texts.systems[name]
            for place, aligned in enumerate(align_all(own.reference_tokens(), own.hypothesis_tokens(), self.dialect)):
                if not counted[place] or not aligned.counts.errors:
                    continue
                row = int(texts.rows[place])
                for kind, said, heard in aligned.ops:
                    if kind == "C":
                        continue
                    rows.append(row)
                    kinds.append(KINDS.index(kind))
                    for at, tokens, column in (
                        (said, aligned.reference, saids),
                        (heard, aligned.hypothesis, heards),
                    ):
                        column.append(-1 if at is None else number.setdefault(tokens[at], len(number)))
            found[name] = _Edits(
                np.array(rows, np.int64),
                np.frombuffer(bytes(kinds), np.uint8),
                np.array(saids, np.int64),
                np.array(heards, np.int64),
            )
        self._vocabulary = list(number)
        return found

    @cached_property
    def _words_like(self) -> dict[str, list[int]]:
        """Folded word -> the words of the vocabulary that it stands for."""
        alike: dict[str, list[int]] = {}
        _ = self._edits
        for number, word in enumerate(self._vocabulary):
            alike.setdefault(folded(word).strip(), []).append(number)
        return alike

    # Rows

    def alignments(self, rows: Sequence[int]) -> dict[str, dict[int, Alignment]]:
        """Of a few rows: system -> row -> alignment, where the row is scored for it."""
        found: dict[str, dict[int, Alignment]] = {}
        for name in self.names:
            own = [row for row in rows if self.is_counted[name][row]]
            places = [int(self._place[row]) for row in own]
            texts = self.texts.systems[name]
            pairs = align_all(texts.reference_tokens(rows=places), texts.hypothesis_tokens(rows=places), self.dialect)
            found[name] = dict(zip(own, pairs, strict=True))
        return found

    def marks(self, rows: Sequence[int]) -> dict[str, dict[int, tuple[Alignment, list[Mark]]]]:
        """Of a few rows: system -> row -> alignment and its edits, in the words as they were written."""
        return {
            name: {
                row: (found, row_marks(self.texts.systems[name], int(self._place[row]), found))
                for row, found in own.items()
            }
            for name, own in self.alignments(rows).items()
        }

    def unit(self, row: int) -> str:
        """What is counted in a row."""
        place = int(self._place[row])
        return self.texts.units[place] if place >= 0 else "word"

    def language(self, row: int) -> str | None:
        """Code of a row's language, None where nobody told."""
        place = int(self._place[row])
        return self.texts.languages[place] if place >= 0 else None


def counted(texts: Texts, dialect: Dialect) -> dict[str, UtteranceCounts]:
    """Errors of every system, as a score counts them."""
    return {
        name: count_errors(own.reference_tokens(), own.hypothesis_tokens(), dialect=dialect)
        for name, own in texts.systems.items()
    }


def _ranks(cells: Sequence[Any]) -> Values:
    """Numbers that sort as the cells do: numbers by size, anything else as text by its folded form."""
    try:
        return np.array([math.nan if is_missing(cell) else float(cell) for cell in cells], float)
    except (TypeError, ValueError):
        pass
    told = [None if is_missing(cell) else str(cell) for cell in cells]
    distinct = {text: number for number, text in enumerate(sorted({t for t in told if t is not None}, key=_by_text))}
    return np.array([math.nan if text is None else distinct[text] for text in told], float)


def _in_order(values: Mapping[str, Any]) -> list[str]:
    """Values as text, in the order of what they are: 9 before 10."""
    by_size: Callable[[str], Any] = lambda text: float(values[text])  # noqa: E731  one of two keys
    try:
        return sorted(values, key=by_size)
    except (TypeError, ValueError):
        return sorted(values, key=_by_text)


def _by_text(text: str) -> tuple[str, str]:
    return folded(text), text
