"""Which rows are to be labelled, in which order, and on which of them all systems agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import probe
from ..columns import column_of
from ..errors import AsrkitError, ColumnError, OptionError
from ..evaluate.counts import count_errors
from ..evaluate.tokens import Unit, tokenize
from ..normalizers import Normalizer, find
from ..probability import checked_probabilities
from ..source import is_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Compared", "chosen", "compared", "edits", "ordered"]

Where = Any  # a column's name, a mask, or a function of the frame
Tokens = tuple[str, ...]


class Compared:
    """The texts of several systems after the normalizer, row by row; None where one gave no text."""

    def __init__(self, tokens: Sequence[Sequence[Tokens | None]]) -> None:
        self._tokens = tokens

    def agree(self, row: int) -> bool:
        """Whether there are several texts and they are equal."""
        own = self._tokens[row]
        return len(own) > 1 and own[0] is not None and all(text == own[0] for text in own[1:])

    def disagreements(self) -> list[float]:
        """For each row errors between its texts by their words, the mean over all pairs."""
        pairs = list(combinations(range(len(self._tokens[0])), 2)) if self._tokens else []
        rates = np.zeros(len(self._tokens))
        for one, two in pairs:
            first, second = ([own[system] or () for own in self._tokens] for system in (one, two))
            errors = count_errors(first, second).errors
            words = np.asarray([len(a) + len(b) for a, b in zip(first, second, strict=True)])
            rates += 2 * errors / np.maximum(words, 1)
        return [float(rate) for rate in rates / max(1, len(pairs))]


def compared(
    texts: Sequence[Sequence[Any]],
    languages: Sequence[str | None],
    units: Sequence[Unit],
    normalizer: str | Callable[[str], str] | Normalizer,
) -> Compared:
    """Normalise and cut the texts of systems: one sequence for each system, one text for each row."""
    normalizers = {language: find(normalizer, language=language) for language in set(languages)}
    return Compared(
        [
            [
                None if is_missing(own[row]) else tokenize(normalizers[language](str(own[row])), units[row], language)
                for own in texts
            ]
            for row, language in enumerate(languages)
        ]
    )


def edits(heard: Sequence[str | None], said: Sequence[str | None], units: Sequence[Unit]) -> list[int | None]:
    """Words that were changed from one text to the other, case and punctuation too; None where there is no text."""
    rows = [row for row, text in enumerate(said) if text is not None]
    counts = count_errors(
        [tokenize(said[row] or "", units[row]) for row in rows],
        [tokenize(heard[row] or "", units[row]) for row in rows],
    ).errors
    found: list[int | None] = [None] * len(said)
    for row, count in zip(rows, counts, strict=True):
        found[row] = int(count)
    return found


def chosen(frame: pd.DataFrame, where: Where, rows: Sequence[Hashable] | None) -> list[int]:
    """Positions of the rows that are to be labelled.

    Args:
        frame: with the rows.
        where: a mask with a value a row, the name of a column of such, or a function of the frame that gives one.
        rows: index labels, in the order in which they are wanted.

    Raises:
        ColumnError, OptionError: there is no such column or label, or nothing is left.
    """
    positions = list(range(len(frame)))
    if where is not None:
        mask = where(frame) if callable(where) else where
        if isinstance(mask, str):
            mask = column_of(frame, mask)
        if hasattr(mask, "reindex") and hasattr(mask, "index") and not mask.index.equals(frame.index):
            raise OptionError("where= has another index than the frame; make it from this frame")
        values = list(mask)
        if len(values) != len(frame):
            raise OptionError(f"where= has {len(values)} values for {len(frame)} rows; give one a row")
        positions = [row for row in positions if not is_missing(values[row]) and bool(values[row])]
    if rows is not None:
        places: dict[Hashable, list[int]] = {}
        for row in positions:
            places.setdefault(frame.index[row], []).append(row)
        known = set(frame.index)
        lost = [label for label in rows if label not in known]
        if lost:
            raise ColumnError(f"the index has no row {lost[0]!r}" + (f" and {len(lost) - 1} more" if lost[1:] else ""))
        positions = [row for label in dict.fromkeys(rows) for row in places.get(label, [])]
    if not positions:
        raise OptionError(f"no row of {len(frame):,} is left to label; look at where= and rows=")
    return positions


def ordered(
    frame: pd.DataFrame,
    positions: Sequence[int],
    order: str | Hashable | Callable[[pd.DataFrame], Any] | None,
    *,
    audio: Hashable,
    hypothesis: Hashable | None,
    texts: Compared,
    systems: int,
) -> list[int]:
    """The positions in the order in which rows are to be labelled; rows that have no value come last.

    Args:
        frame: with the rows.
        positions: of those that are wanted.
        order: ``disagreement`` (of the systems, most first), ``confidence`` (least first), ``duration`` (shortest
            first), a column (ascending), or a function of the frame that gives a value a row. None leaves them.
        audio: the column with the audio.
        hypothesis: the column with the text.
        texts: of all systems, for all rows.
        systems: how many there are.
    """
    if order is None:
        return list(positions)
    if callable(order):
        values = list(order(frame))
        if len(values) != len(frame):
            raise OptionError(f"order= gave {len(values)} values for {len(frame)} rows; give one a row")
    elif order == "disagreement" and order not in frame.columns:
        if systems < 2:
            raise OptionError("order='disagreement' is of several systems: name them with systems=[...]")
        values = [-rate for rate in texts.disagreements()]
    elif order == "confidence" and order not in frame.columns:
        values = _confidences(frame, hypothesis)
    elif order == "duration" and order not in frame.columns:
        named = f"{hypothesis}_duration"
        if named in frame.columns:
            values = column_of(frame, named)
        else:
            cells = column_of(frame, audio)
            values = [None] * len(frame)
            for row in positions:
                values[row] = _seconds(cells[row])
    else:
        values = column_of(frame, order)
    try:
        return sorted(
            positions, key=lambda row: (is_missing(values[row]), 0 if is_missing(values[row]) else values[row])
        )
    except TypeError as error:
        raise OptionError(f"order={order!r} gives values that cannot be put in order: {error}") from error


def _confidences(frame: pd.DataFrame, hypothesis: Hashable) -> list[float]:
    column = f"{hypothesis}_confidence"
    cells = [math.nan if is_missing(cell) else cell for cell in column_of(frame, column)]
    return [float(value) for value in checked_probabilities(cells, column)]


def _seconds(cell: object) -> float | None:
    try:
        told = probe(cell).duration
    except AsrkitError:
        return None  # it is said when its turn comes
    return told if told is not None and math.isfinite(told) else None
