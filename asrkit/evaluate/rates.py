"""Quotients of two sums over rows, such as RTFx: both sums are over the same rows, those in which both are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Quotient", "partial_rates", "quotient"]


@dataclass(frozen=True, slots=True)
class Quotient:
    """A sum divided by another.

    Args:
        value: NaN where nothing is known or the divisor is 0.
        rows: in both sums.
        of: rows that there are.
    """

    value: float
    rows: int
    of: int

    @property
    def is_partial(self) -> bool:
        """Whether there is a value, but not of all rows."""
        return not math.isnan(self.value) and self.rows < self.of

    @property
    def rows_told(self) -> str:
        """Which rows are in it, if not all, to follow the number; else nothing.

        >>> Quotient(3.0, 2, 3).rows_told, Quotient(3.0, 3, 3).rows_told
        (' (of 2 of 3 rows)', '')
        """
        return f" (of {self.rows:,} of {self.of:,} rows)" if self.is_partial else ""


def quotient(
    parts: ArrayLike | None,
    wholes: ArrayLike | None,
    *,
    scale: float = 1.0,
    among: NDArray[np.bool_] | None = None,
    rows: int = 0,
) -> Quotient:
    """The sum of ``parts`` divided by that of ``wholes``, over the rows in which both are known.

    Args:
        parts, wholes: one value per row, NaN or negative where unknown; None if all are unknown.
        scale: what the quotient is multiplied by, such as seconds per hour.
        among: the rows that count; all by default.
        rows: how many there are, where both are None.

    >>> quotient([10.0, 20.0, 30.0], [5.0, float("nan"), 10.0])
    Quotient(value=2.666..., rows=2, of=3)
    """
    if parts is None or wholes is None:
        return Quotient(math.nan, 0, rows if among is None else int(among.sum()))
    above, below = np.asarray(parts, float), np.asarray(wholes, float)
    counted = np.ones(len(above), bool) if among is None else among
    known = counted & np.isfinite(above) & np.isfinite(below) & (above >= 0) & (below >= 0)
    whole = float(below[known].sum())
    value = float(above[known].sum()) / whole * scale if whole > 0 else math.nan
    return Quotient(value, int(known.sum()), int(counted.sum()))


def partial_rates(name: str, rates: dict[str, Quotient]) -> list[str]:
    """A sentence for each rate of a system that is not of all rows.

    >>> partial_rates("base", {"RTFx": Quotient(3.0, 2, 3), "$/h": Quotient(0.5, 3, 3)})
    ['RTFx of base is of 2 of 3 rows: seconds, work or cost of the others are unknown or negative']
    """
    return [
        f"{rate} of {name} is of {own.rows:,} of {own.of:,} rows: "
        "seconds, work or cost of the others are unknown or negative"
        for rate, own in rates.items()
        if own.is_partial
    ]
