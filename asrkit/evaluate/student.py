"""Student's t distribution with any number of degrees of freedom, whole or not."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

__all__ = ["t_outside", "t_within"]

NEARLY_NORMAL = 1e7  # degrees of freedom from which the normal distribution is the same to eight digits
_TINY = 1e-300  # instead of a division by zero


def t_outside(t: float, freedom: float) -> float:
    """Probability of a value farther from 0 than ``t``, on either side.

    >>> round(t_outside(2.228, 10), 4), round(t_outside(1.0, 1), 4), t_outside(0.0, 5)
    (0.05, 0.5, 1.0)
    """
    t = abs(t)
    if freedom >= NEARLY_NORMAL:
        return math.erfc(t / math.sqrt(2))
    if math.isinf(t):
        return 0.0
    share = freedom / (freedom + t * t)
    return _incomplete_beta(freedom / 2, 0.5, share, t * t / (freedom + t * t))


@lru_cache(maxsize=4096)
def t_within(outside: float, freedom: float) -> float:
    """The bound that a value exceeds, on either side, with probability ``outside``.

    >>> round(t_within(0.05, 10), 3), round(t_within(0.5, 1), 3)
    (2.228, 1.0)
    """
    bound = NormalDist().inv_cdf(1 - outside / 2)  # below the answer, from where Newton's steps only go up
    if freedom >= NEARLY_NORMAL:
        return bound
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    for _ in range(200):
        density = math.exp(scale - (freedom + 1) / 2 * math.log1p(bound * bound / freedom))
        step = (t_outside(bound, freedom) - outside) / (2 * density)
        bound += step
        if abs(step) <= 1e-13 * max(bound, 1e-3):
            break
    return bound


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function at x, where rest is 1 - x: its continued fraction, by Lentz's method."""
    if x <= 0 or rest <= 0:
        return 1.0 if rest <= 0 else 0.0
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    if x < (a + 1) / (a + b + 2):
        return math.exp(log) * _fraction(a, b, x) / a
    return 1.0 - math.exp(log) * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 100_000):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + factor * d)
            c = _not_zero(1 + factor / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
