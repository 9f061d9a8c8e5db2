"""Blocks of utterances that belong together, such as those of one speaker, and how much each block weighs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError

__all__ = ["Blocks", "Floats", "Unnamed", "block_codes", "block_sums", "check_labels", "check_seed", "effective_number"]

Floats: TypeAlias = NDArray[np.float64]
Blocks: TypeAlias = Sequence[Hashable] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Unnamed:
    """The block of a row whose cell names none: it is like no other label, whatever the others are called."""

    row: int


def check_seed(seed: object) -> None:
    """Refuse what random numbers cannot begin with.

    Raises:
        OptionError: the seed is no whole number from 0 on.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise OptionError(f"seed is a whole number from 0 on, not {seed!r}")


def block_sums(columns: Mapping[str, ArrayLike], blocks: Blocks | None) -> Floats:
    """The columns' sums over each block, shape ``(blocks, columns)``; without blocks every row is its own.

    Raises:
        OptionError: the columns' lengths differ, a number is negative or missing, or a label is not a label.
    """
    arrays = {name: np.asarray(values, np.float64) for name, values in columns.items()}
    last = list(arrays.values())[-1]
    size = len(last) if last.ndim == 1 else -1
    for name, array in arrays.items():
        if array.ndim != 1 or len(array) != size:
            raise OptionError(f"{name} has shape {array.shape}; one number an utterance is expected in every column")
        if not np.isfinite(array).all() or (array < 0).any():
            raise OptionError(f"{name} has a negative or missing number in row {_first_bad(array)}")
    table = np.stack(list(arrays.values()), axis=1)
    if blocks is None:
        return table
    if len(blocks) != size:
        raise OptionError(f"{size} utterances, but {len(blocks)} blocks")
    codes, count = block_codes(blocks)
    return np.stack([np.bincount(codes, column, count) for column in table.T], axis=1)


def block_codes(labels: Blocks, what: str = "block") -> tuple[NDArray[np.int64], int]:
    """The number of each row's block, in order of first appearance, and how many blocks there are.

    Python takes ``1``, ``1.0`` and ``True`` for equal. Where a column mixes them nobody can know whether they are
    meant as one, so it is refused.

    Raises:
        OptionError: a label is missing, cannot be a label, or equals one of another type; the row is named.

    >>> block_codes(["anna", "ben", "anna"])
    (array([0, 1, 0]), 2)
    """
    numbers: dict[Hashable, int] = {}
    first: list[tuple[int, object]] = []  # row and label of each block
    codes = np.empty(len(labels), np.int64)
    for row, label in enumerate(labels):
        if isinstance(label, np.bool_ | np.integer | np.floating | np.str_):
            label = label.item()
        if _is_missing(label):
            raise OptionError(f"row {row} belongs to no {what}")
        try:
            code = numbers.setdefault(label, len(numbers))
        except TypeError as error:
            raise OptionError(f"row {row}: expected a {what} such as a name or a number, got {label!r}") from error
        if code == len(first):
            first.append((row, label))
        elif type(first[code][1]) is not type(label):
            other, before = first[code]
            raise OptionError(
                f"the {what}s of row {other} and row {row}, {before!r} ({type(before).__name__}) and {label!r} "
                f"({type(label).__name__}), are equal in Python but of different types, so it is unclear whether they "
                "are one; convert the column to one type, with .astype(str) for example"
            )
        codes[row] = code
    return codes, len(numbers)


def check_labels(labels: Sequence[object], what: str) -> None:
    """Refuse a column that mixes equal labels of different types, as ``block_codes`` does; labels may be missing.

    Raises:
        OptionError: a label equals one of another type.
    """
    if len({type(label) for label in labels}) > 1:
        block_codes([Unnamed(row) if _is_missing(label) else label for row, label in enumerate(labels)], what)


def effective_number(weights: Floats) -> float:
    """How many blocks of equal weight would vary as little: (sum w)^2 / sum w^2. 0 where nothing has a weight.

    >>> effective_number(np.array([10.0, 10.0, 10.0])), effective_number(np.array([100.0, 1.0, 1.0])) < 1.1
    (3.0, True)
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _is_missing(label: object) -> bool:
    if isinstance(label, float):
        return math.isnan(label)
    return label is None or type(label).__name__ in {"NAType", "NaTType"}


def _first_bad(array: Floats) -> int:
    return int(np.flatnonzero(~(np.isfinite(array) & (array >= 0)))[0])
