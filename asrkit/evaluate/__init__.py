"""How good a recogniser is, and whether another one is really better.

>>> counts = count_errors(["the cat sat", "so it is"], ["the bat sat", "so it is"])
>>> round(counts.total.wer, 3), counts.sentence_errors
(0.167, 1)
"""

from __future__ import annotations

from .alignment import Alignment, align, align_all
from .bootstrap import Interval, PairedInterval, SampleSize, bootstrap, paired_bootstrap, sample_size
from .counts import ErrorCounts, UtteranceCounts, count_errors
from .dialects import Sclite
from .paired import PairedDifference, paired_difference, paired_differences
from .significance import (
    MatchedPairs,
    PairedTest,
    holm,
    mapsswe,
    mcnemar,
    sign_test,
    simultaneous_level,
    wilcoxon,
)
from .tokens import tokenize, unit_for

__all__ = [
    "Alignment",
    "ErrorCounts",
    "Interval",
    "MatchedPairs",
    "PairedDifference",
    "PairedInterval",
    "PairedTest",
    "SampleSize",
    "Sclite",
    "UtteranceCounts",
    "align",
    "align_all",
    "bootstrap",
    "count_errors",
    "holm",
    "mapsswe",
    "mcnemar",
    "paired_bootstrap",
    "paired_difference",
    "paired_differences",
    "sample_size",
    "sign_test",
    "simultaneous_level",
    "tokenize",
    "unit_for",
    "wilcoxon",
]
