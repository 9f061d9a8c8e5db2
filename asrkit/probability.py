"""What a confidence is, everywhere in asrkit: a probability from 0 to 1. Log-probabilities are called ``logprob``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import OptionError

__all__ = ["check_probability", "checked_probabilities", "from_logprob", "is_probability"]

HINT = (
    "a log-probability is called logprob, and np.exp() makes a probability of it (asrkit 0.1.0 wrote log-probabilities "
    "into columns named ..._confidence)"
)


def check_probability(name: str, value: float | None) -> None:
    """Refuse a confidence that is no probability.

    Raises:
        OptionError: it is neither None nor in [0, 1].

    >>> check_probability("Word.confidence", 0.5)
    """
    if value is not None and not 0 <= value <= 1:
        raise OptionError(f"{name} is a probability in [0, 1] or None, not {float(value):.4g}; {HINT}")


def from_logprob(logprob: float | None) -> float | None:
    """The probability of a log-probability; what is above 0 by rounding is 1.

    >>> from_logprob(0.0), from_logprob(None)
    (1.0, None)
    """
    return None if logprob is None else math.exp(min(float(logprob), 0.0))


def is_probability(values: ArrayLike) -> bool:
    """Whether all values are in [0, 1]; NaN, which is unknown, does not count.

    >>> is_probability([0.2, float("nan")]), is_probability([0.2, -0.1])
    (True, False)
    """
    told = np.asarray(values, np.float64)
    return not bool(((told < 0) | (told > 1)).any())


def checked_probabilities(values: Any, what: str) -> NDArray[np.float64]:
    """Confidences as numbers, NaN where unknown.

    Args:
        values: one per row.
        what: whose they are, for the message.

    Raises:
        OptionError: one is outside [0, 1].

    >>> checked_probabilities([0.5, None], "base_confidence").tolist()
    [0.5, nan]
    """
    told = np.asarray([math.nan if value is None else value for value in values], np.float64)
    outside = np.flatnonzero((told < 0) | (told > 1))
    if len(outside):
        row = int(outside[0])
        raise OptionError(f"{what}: expected probabilities in [0, 1], got {told[row]:.4g} (value {row}); {HINT}")
    return told
