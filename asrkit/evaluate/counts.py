"""How many words are right and wrong: counts that add up, for one utterance and for many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .dialects import Dialect, Text, located_rows, uncollected

__all__ = ["ErrorCounts", "UtteranceCounts", "count_errors"]

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Errors of some utterances against their references, in words or whatever the tokens are.

    Counts add up; rates do not. A rate without a denominator is NaN, and insertions stay in the counts: what is
    invented in an utterance without words is found again in the sum.

    >>> long = ErrorCounts(hits=9, substitutions=1)
    >>> short = ErrorCounts(substitutions=1)
    >>> round((long + short).wer, 3), (long.wer + short.wer) / 2
    (0.182, 0.55)
    >>> sum([long, short, ErrorCounts(insertions=2)], start=ErrorCounts()).errors
    4
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        if not isinstance(other, ErrorCounts):
            return NotImplemented
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Words of the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hypothesis_length(self) -> int:
        """Words of the hypotheses."""
        return self.hits + self.substitutions + self.insertions

    @property
    def wer(self) -> float:
        """Word error rate: errors by reference words. May be over 1; NaN without reference words."""
        return _ratio(self.errors, self.reference_length)

    @property
    def mer(self) -> float:
        """Match error rate: errors by all that was aligned, in [0, 1]; NaN where nothing was."""
        return _ratio(self.errors, self.errors + self.hits)

    @property
    def wip(self) -> float:
        """Word information preserved, in [0, 1]: hits by reference words times hits by hypothesis words.

        0 where there is a reference and no hypothesis, NaN without a reference.
        """
        if self.reference_length and not self.hypothesis_length:
            return 0.0
        return _ratio(self.hits, self.reference_length) * _ratio(self.hits, self.hypothesis_length)

    @property
    def wil(self) -> float:
        """Word information lost: 1 - wip."""
        return 1.0 - self.wip


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceCounts:
    """Counts of many utterances, one row each: integers of shape ``(n,)``."""

    hits: Integers
    substitutions: Integers
    deletions: Integers
    insertions: Integers

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, row: int) -> ErrorCounts:
        return ErrorCounts(
            int(self.hits[row]), int(self.substitutions[row]), int(self.deletions[row]), int(self.insertions[row])
        )

    @property
    def errors(self) -> Integers:
        """Substitutions, deletions and insertions of every utterance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_words(self) -> Integers:
        """Words of every reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def total(self) -> ErrorCounts:
        """All utterances together."""
        return ErrorCounts(
            int(self.hits.sum()), int(self.substitutions.sum()), int(self.deletions.sum()), int(self.insertions.sum())
        )

    @property
    def sentence_errors(self) -> int:
        """Utterances with any error."""
        return int(np.count_nonzero(self.errors))

    @property
    def sentence_error_rate(self) -> float:
        """Utterances with any error by utterances; NaN without any."""
        return _ratio(self.sentence_errors, len(self))


def count_errors(
    references: Sequence[Text], hypotheses: Sequence[Text], *, dialect: Dialect = "levenshtein"
) -> UtteranceCounts:
    """Count the errors of every utterance.

    Args:
        references: texts, split at white space, or sequences of tokens.
        hypotheses: one for each reference, in its order.
        dialect: which alignment is counted where several are possible, as for ``align``.

    Raises:
        OptionError: the lengths differ, or a row is neither text nor tokens; it is named.

    >>> counts = count_errors(["the cat sat", ""], ["the bat sat", "uh huh"])
    >>> counts.errors.tolist(), counts.total.wer, counts.sentence_errors
    ([1, 2], 1.0, 2)
    """
    with uncollected():
        rows = [codes for _, _, codes, _ in located_rows(references, hypotheses, dialect)]
    letters = np.frombuffer("".join(rows).encode("ascii"), np.uint8)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ends = np.cumsum(lengths)
    substitutions, deletions, insertions = (
        np.diff(np.concatenate([[0], np.cumsum(letters == letter)])[ends], prepend=0) for letter in b"SDI"
    )
    # What is left is right, also "d" and "i": optionally deletable words that one side has alone, see Sclite.
    return UtteranceCounts(lengths - substitutions - deletions - insertions, substitutions, deletions, insertions)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
