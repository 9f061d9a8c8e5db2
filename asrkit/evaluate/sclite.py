"""The alignment of NIST's sclite for texts without markup, many pairs at once.

Costs and order of preference are those of its source (SCTK, src/sclite/word.c and net_dp.c): substitution 4,
insertion and deletion 3; traced back from the end, a diagonal step before an insertion before a deletion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "align_plain"]

SUBSTITUTION = 4
INDEL = 3
CELLS = 4_000_000  # of the tables that are filled together: enough for thousands of utterances, a few MB
_C, _S, _D, _I = b"CSDI"

Ids: TypeAlias = NDArray[np.int32]
Lengths: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Tokens of many texts as numbers, one text after the other, and how many each has."""

    ids: Ids
    lengths: Lengths

    def padded(self, rows: NDArray[np.int64], fill: int) -> Ids:
        """Some of the texts as a table."""
        lengths = self.lengths[rows]
        within = np.arange(int(lengths.max()))
        inside = within < lengths[:, None]
        starts = (np.cumsum(self.lengths) - self.lengths)[rows]
        return np.where(inside, self.ids[np.where(inside, starts[:, None] + within, 0)], np.int32(fill))


def align_plain(references: Rows, hypotheses: Rows) -> list[str]:
    """Codes of every pair."""
    heights, widths = references.lengths, hypotheses.lengths
    codes = ["I" * int(width) + "D" * int(height) for height, width in zip(heights, widths, strict=True)]
    # Pairs of like size share a table, so that little of it is padding. Where one side is empty, all is said.
    both = np.flatnonzero((heights > 0) & (widths > 0))
    for batch in _batches(both[np.lexsort((widths[both], heights[both]))], heights, widths):
        left, right = references.padded(batch, -1), hypotheses.padded(batch, -2)
        if len(batch) == 1:
            found = [_trace_one(left[0], right[0], *_fill_band(left[0], right[0]))]
        else:
            found = _trace(left, right, heights[batch], widths[batch], *_fill(left, right))
        for row, edits in zip(batch.tolist(), found, strict=True):
            codes[row] = edits
    return codes


def _batches(rows: NDArray[np.int64], heights: Lengths, widths: Lengths) -> Iterator[NDArray[np.int64]]:
    start = height = width = 0
    for end, row in enumerate(rows.tolist()):
        grown = max(height, int(heights[row])), max(width, int(widths[row]))
        if end > start and (end - start + 1) * grown[0] * grown[1] > CELLS:
            yield rows[start:end]
            start, grown = end, (int(heights[row]), int(widths[row]))
        height, width = grown
    if len(rows):
        yield rows[start:]


def _fill(left: NDArray[np.int32], right: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Which steps are cheapest at every cell, two bits a cell, as tables of shape ``(height, pairs, bytes)``.

    A row is kept as its costs less those of inserting all words to its left. An insertion then costs nothing, and
    the cheapest chain of them is a running minimum.
    """
    pairs, height = left.shape
    width = right.shape[1]
    largest = max(INDEL, SUBSTITUTION) * (height + width + 2)
    numbers = np.int16 if largest < np.iinfo(np.int16).max else np.int32
    costs = np.zeros((pairs, width + 1), numbers)
    diagonal = np.empty((height, pairs, (width + 7) // 8), np.uint8)
    insertion = np.empty_like(diagonal)
    for row in range(height):
        through = costs[:, :-1] + np.where(right == left[:, row, None], numbers(-INDEL), numbers(SUBSTITUTION - INDEL))
        costs += numbers(INDEL)
        np.minimum(costs[:, 1:], through, out=costs[:, 1:])
        np.minimum.accumulate(costs, axis=1, out=costs)
        diagonal[row] = np.packbits(through == costs[:, 1:], axis=1)
        insertion[row] = np.packbits(costs[:, :-1] == costs[:, 1:], axis=1)
    return diagonal, insertion


def _fill_band(left: NDArray[np.int32], right: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The same for one pair, only as far from the diagonal as a cheapest way can lead: long texts take minutes else.

    With ``d`` errors at the least, some way costs at most ``SUBSTITUTION * d``. One that leaves the band has more
    insertions and deletions than that pays for, so all the cheapest, ties too, lie within (Ukkonen 1985, "Algorithms
    for approximate string matching").
    """
    from rapidfuzz.distance import Levenshtein

    height, width = len(left), len(right)
    most = SUBSTITUTION * Levenshtein.distance(left.tolist(), right.tolist())
    reach = (most // INDEL + abs(width - height)) // 2 + 1
    costs = np.full(width + 1, np.iinfo(np.int32).max // 2, np.int32)  # as in _fill; outside of the band no way leads
    costs[: reach + 1] = 0
    same, other = np.int32(-INDEL), np.int32(SUBSTITUTION - INDEL)
    is_diagonal, is_insertion = np.zeros(width, bool), np.zeros(width, bool)
    diagonal = np.zeros((height, 1, (width + 7) // 8), np.uint8)
    insertion = np.zeros_like(diagonal)
    for row in range(height):
        first, end = max(0, row + 1 - reach), min(width, row + 1 + reach) + 1  # columns of costs
        if first >= end:
            break  # the hypothesis has ended; nothing cheapest leads here
        start = max(first, 1) - 1  # columns of the tables, which begin with the first token
        through = costs[start : end - 1] + np.where(right[start : end - 1] == left[row], same, other)
        band = costs[first:end]
        band += INDEL
        np.minimum(band[start + 1 - first :], through, out=band[start + 1 - first :])
        np.minimum.accumulate(band, out=band)
        is_diagonal[start : end - 1] = through == band[start + 1 - first :]
        is_insertion[first : end - 1] = band[:-1] == band[1:]
        byte = start // 8
        for table, bits in ((diagonal, is_diagonal), (insertion, is_insertion)):
            bits[8 * byte : first if table is insertion else start] = False  # of the row above
            packed = np.packbits(bits[8 * byte : end - 1])
            table[row, 0, byte : byte + len(packed)] = packed
    return diagonal, insertion


def _trace(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    heights: NDArray[np.int64],
    widths: NDArray[np.int64],
    diagonal: NDArray[np.uint8],
    insertion: NDArray[np.uint8],
) -> list[str]:
    """Back from the ends of all pairs at once; who has arrived leaves."""
    longest = int((heights + widths).max())
    codes = np.zeros((len(heights), longest), np.uint8)
    lengths = np.zeros(len(heights), np.int64)
    pairs, rows, columns = np.arange(len(heights)), heights.copy(), widths.copy()
    step = 0
    while len(pairs):
        inside = (rows > 0) & (columns > 0)
        byte, bit = (columns - 1) >> 3, 7 - ((columns - 1) & 7)
        is_diagonal = inside & ((diagonal[rows - 1, pairs, byte] >> bit) & 1).astype(bool)
        is_insertion = ~is_diagonal & (
            (rows == 0) | (inside & ((insertion[rows - 1, pairs, byte] >> bit) & 1).astype(bool))
        )
        match = left[pairs, rows - 1] == right[pairs, columns - 1]
        codes[pairs, longest - 1 - step] = np.where(
            is_diagonal, np.where(match, _C, _S), np.where(is_insertion, _I, _D)
        )
        rows -= ~is_insertion
        columns -= is_diagonal | is_insertion
        step += 1
        going = (rows > 0) | (columns > 0)
        if not going.all():
            lengths[pairs[~going]] = step
            pairs, rows, columns = pairs[going], rows[going], columns[going]
    letters = codes.tobytes().decode("ascii")
    ends = range(longest, len(letters) + 1, longest)
    return [letters[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _trace_one(
    left: NDArray[np.int32], right: NDArray[np.int32], diagonal: NDArray[np.uint8], insertion: NDArray[np.uint8]
) -> str:
    """The same for one pair: numpy costs more than it saves for one step at a time."""
    said, heard = left.tolist(), right.tolist()
    row, column = len(said), len(heard)
    codes = bytearray()
    while row and column:
        byte, bit = (column - 1) >> 3, 128 >> ((column - 1) & 7)
        if diagonal[row - 1, 0, byte] & bit:
            row, column = row - 1, column - 1
            codes.append(_C if said[row] == heard[column] else _S)
        elif insertion[row - 1, 0, byte] & bit:
            column -= 1
            codes.append(_I)
        else:
            row -= 1
            codes.append(_D)
    codes.reverse()
    return "D" * row + "I" * column + codes.decode("ascii")
