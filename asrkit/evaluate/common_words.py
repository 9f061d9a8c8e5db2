"""Errors of two systems whose references have not the same number of words, made comparable.

The reference of a row is normalised by the row's language. Where two systems took a row for different languages and
the table says so, "twenty five" may be one word for one system and two for the other. Each system's rate is that of
its own words; a paired test needs one number of words for each row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .blocks import Floats

__all__ = ["on_common_words"]


def on_common_words(
    errors_a: ArrayLike, words_a: ArrayLike, errors_b: ArrayLike, words_b: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Errors of both systems over one number of words in each row, and these words.

    The words of a row are the mean of both. The errors are moved by as little as makes the difference of the two sums
    over the words the difference of the systems' own rates, and each row's share in it what it is to first order
    (linearised ratios): rows with the same words in both systems in a table where all are so are left as they are. Only
    the difference of the two errors of a row means something; both are lifted together where one would be negative.

    >>> a, b, words = on_common_words([1, 0], [4, 4], [0, 1], [4, 6])
    >>> round(float((a - b).sum() / words.sum()), 12)  # 1 / 8 - 1 / 10
    0.025
    >>> [values.tolist() for values in on_common_words([1, 0], [4, 4], [0, 1], [4, 4])]
    [[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]]
    """
    one, two = np.asarray(errors_a, np.float64), np.asarray(errors_b, np.float64)
    own_one, own_two = np.asarray(words_a, np.float64), np.asarray(words_b, np.float64)
    if np.array_equal(own_one, own_two):
        return one, two, own_one
    if not own_one.any() or not own_two.any():
        return one, two, np.zeros_like(own_one)  # there is no rate
    words = (own_one + own_two) / 2
    one, two = _moved(one, own_one, words), _moved(two, own_two, words)
    below = np.minimum(np.minimum(one, two), 0.0)
    return one - below, two - below, words


def _moved(errors: Floats, own: Floats, words: Floats) -> Floats:
    """Errors whose rate over ``words`` is the rate of ``errors`` over the system's own words."""
    rate = errors.sum() / own.sum()
    moved: Floats = (errors - rate * own) * (words.sum() / own.sum()) + rate * words
    return moved
