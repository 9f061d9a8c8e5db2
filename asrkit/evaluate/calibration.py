"""Whether a recogniser knows when it is wrong: confidence against errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError
from ..probability import checked_probabilities
from .score import Score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Calibration", "calibrate", "calibration"]

Floats = NDArray[np.float64]
Bins = Literal["width", "count"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """How well confidence foretells errors.

    Args:
        frame: a row for each bin: ``low`` and ``high``, its confidences; ``count``; means of ``confidence`` and
            ``accuracy`` in it, NaN where it is empty; ``gap``, confidence less accuracy: above 0 it is too sure.
        count: rows with a confidence.
        ece: expected calibration error: the mean size of the gap, weighted by count (Naeini et al. 2015).
        spearman: rank correlation of confidence and error rate; -1 is best. NaN where either does not vary.
        auc: chance that of a row with an error and one without the first is the less confident; 0.5 tells nothing.
            NaN where all rows have an error or none has.
        reason: why a figure is NaN, None where none is.
    """

    frame: pd.DataFrame
    count: int
    ece: float
    spearman: float
    auc: float
    reason: str | None = None

    def __str__(self) -> str:
        told = f"{self.count:,} rows: ECE {self.ece:.3f}, Spearman {self.spearman:+.3f}, AUC {self.auc:.3f}"
        return f"{told} ({self.reason})" if self.reason else told


def calibration(score: Score, bins: int = 10, *, equal: Bins = "width") -> Calibration:
    """Does the confidence that a system reports predict its errors?

    The confidence of a row is what ``transcribe(details=True)`` writes into ``<hypothesis>_confidence``: a probability
    in [0, 1], for Whisper the geometric mean of its tokens' probabilities. A row's accuracy is 1 - WER, and 0 where the
    WER is over 1; in a row where nothing was said it is 1 if nothing was heard, else 0.

    Args:
        score: of a system.
        bins: how many.
        equal: ``width`` cuts [0, 1] into equal parts; ``count`` puts about as many rows into each bin.

    Without confidences all figures are NaN, and ``reason`` says so.

    Raises:
        OptionError: a confidence is outside [0, 1].
    """
    errors, words = score.utterances.errors, score.utterances.reference_words
    rates = np.where(words > 0, errors / np.maximum(words, 1), np.minimum(errors, 1))
    if score.confidence is None:
        return calibrate([], [], bins, equal=equal, missing=f"{score.name} has no confidence")
    return calibrate(
        checked_probabilities(score.confidence, f"the confidence of {score.name}"), rates, bins, equal=equal
    )


def calibrate(
    probabilities: ArrayLike, rates: ArrayLike, bins: int = 10, *, equal: Bins = "width", missing: str | None = None
) -> Calibration:
    """Confidence against errors, of rows or of words.

    Args:
        probabilities: in [0, 1]; NaN is left out.
        rates: error rate of each, 0 right, 1 or more wrong; NaN is left out.
        bins: how many.
        equal: see ``calibration``.
        missing: what to say where there is nothing.

    >>> print(calibrate([0.9, 0.8, 0.6, 0.3], [0.0, 0.0, 0.5, 1.0]))
    4 rows: ECE 0.175, Spearman -0.949, AUC 1.000
    """
    import pandas as pd

    if bins < 1:
        raise OptionError(f"expected one bin or more, got {bins}")
    if equal not in ("width", "count"):
        raise OptionError(f"expected equal='width' or equal='count', got {equal!r}")
    sure, wrong = checked_probabilities(probabilities, "confidence"), np.asarray(rates, float)
    if sure.shape != wrong.shape or sure.ndim != 1:
        raise OptionError(f"expected a rate for each probability, got shapes {sure.shape} and {wrong.shape}")
    known = ~(np.isnan(sure) | np.isnan(wrong))
    sure, wrong = sure[known], wrong[known]
    count = len(sure)
    right = 1 - np.minimum(wrong, 1)
    if equal == "width" or not count:
        edges = np.linspace(0, 1, bins + 1)
    else:
        edges = np.unique(np.quantile(sure, np.linspace(0, 1, bins + 1)))
        edges = edges if len(edges) > 1 else np.repeat(edges, 2)
    place = np.clip(np.searchsorted(edges, sure, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    means = [_means(np.bincount(place, values, len(edges) - 1).astype(float), counts) for values in (sure, right)]
    frame = pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "count": counts,
            "confidence": means[0],
            "accuracy": means[1],
            "gap": means[0] - means[1],
        }
    )
    ece = float(np.nansum(np.abs(frame.gap) * counts) / count) if count else math.nan
    with_error = wrong > 0
    correlation, auc = _pearson(_ranks(sure), _ranks(wrong)), _auc(sure[with_error], sure[~with_error])
    reason = None
    if not count:
        reason = missing or "no row has a confidence"
    elif math.isnan(auc):
        reason = "every row has an error" if with_error.all() else "no row has an error"
    elif math.isnan(correlation):
        reason = "the confidences are all equal"
    return Calibration(frame, count, ece, correlation, auc, reason)


def _means(sums: Floats, counts: Any) -> Floats:
    means: Floats = np.divide(sums, counts, out=np.full(len(sums), math.nan), where=counts > 0)
    return means


def _ranks(values: Floats) -> Floats:
    """From 1; equal values share the mean of theirs."""
    _, kind, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    ranks: Floats = (last - (sizes - 1) / 2)[kind]
    return ranks


def _pearson(one: Floats, two: Floats) -> float:
    if len(one) < 2:
        return math.nan
    one, two = one - one.mean(), two - two.mean()
    scale = math.sqrt(float(one @ one) * float(two @ two))
    return float(one @ two) / scale if scale else math.nan


def _auc(wrong: Floats, right: Floats) -> float:
    """Mann and Whitney's: the share of pairs in which the wrong one is less sure; ties are halves."""
    if not len(wrong) or not len(right):
        return math.nan
    ranks = _ranks(np.concatenate([wrong, right]))
    above = float(ranks[: len(wrong)].sum()) - len(wrong) * (len(wrong) + 1) / 2
    return 1 - above / (len(wrong) * len(right))
