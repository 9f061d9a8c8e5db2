"""How far a word error rate may be off: intervals from resampling.

Utterances of one speaker, call or talk are alike, so resampling single utterances makes intervals far too narrow (in
``benchmarks/coverage.py`` the nominal 95 % cover some 36 %). ``blocks`` says what belongs together; whole blocks are
drawn (Liu and Peng 2020, https://arxiv.org/abs/1912.09508; without blocks: Bisani and Ney 2004).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..errors import OptionError
from ..renamed import renamed
from .blocks import Blocks, Floats, block_sums, check_seed, effective_number
from .paired import FEW_BLOCKS, FEWEST_BLOCKS, TOO_WIDE, WIDEST, few_blocks, paired_difference

__all__ = ["Interval", "PairedInterval", "SampleSize", "bootstrap", "paired_bootstrap", "sample_size"]

Method: TypeAlias = Literal["t", "bca", "percentile"]
PairedMethod: TypeAlias = Literal["flips", "t", "bca", "percentile"]

_DRAWN_AT_ONCE = 200_000  # numbers, which stay in the processor's cache
# Drawing how often a kind of block comes (one binomial) costs about as much as drawing twelve single blocks.
_BINOMIAL_COST = 12
_NO_SPREAD = "no block differs from the others: the interval has no width, which does not make the rate certain"


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate and where the true one is likely to be.

    Args:
        low, high: the ends; NaN where there are too few blocks to say anything, which ``warning`` then says.
        estimate: the rate itself.
        level: how often such intervals are to contain the true rate.
        method: how it was made; ``"bca"`` where ``"t"`` was asked for and impossible.
        replicates: how many data sets were drawn.
        blocks: how many independent pieces the data has: speakers, calls, or utterances.
        standard_error: the standard deviation over the replicates.
        warning: why not to trust it, or None.
        effective_blocks: how many blocks of equal size would say as much: (sum w)^2 / sum w^2 of their words.
    """

    low: float
    high: float
    estimate: float
    level: float
    method: str
    replicates: int
    blocks: int
    standard_error: float
    warning: str | None = None
    effective_blocks: float = math.nan


@dataclass(frozen=True, slots=True)
class PairedInterval(Interval):
    """The difference of two systems' rates on the same utterances, first less second: above 0 the second is better.

    Args:
        probability_of_improvement: share of the replicates in which the second system makes fewer errors than the
            first. A replicate with equally many is no improvement.
    """

    probability_of_improvement: float = math.nan


@dataclass(frozen=True, slots=True)
class SampleSize:
    """What it would take to settle a comparison.

    Args:
        blocks, utterances: how many more of the same kind; None where no number would do, the difference being 0 or
            unknown. 0 where there are enough already.
        power: how likely that many would then show the difference, if it is as large as it looks now.
        difference, standard_error: as they are now.
    """

    blocks: int | None
    utterances: int | None
    power: float
    difference: float
    standard_error: float


@renamed(confidence="level")
def bootstrap(
    errors: ArrayLike,
    reference_words: ArrayLike,
    *,
    blocks: Blocks | None = None,
    replicates: int = 10_000,
    level: float = 0.95,
    method: Method = "t",
    seed: int = 0,
) -> Interval:
    """The interval of a word error rate.

    Args:
        errors: of each utterance, shape ``(n,)``.
        reference_words: of each utterance, shape ``(n,)``.
        blocks: what each utterance belongs to, its speaker say; None takes every utterance for independent.
        replicates: how many data sets to draw.
        level: between 0 and 1.
        method: ``"t"`` measures every replicate by its own standard error and covers best (see
            ``benchmarks/coverage.py``); ``"bca"`` and ``"percentile"`` are narrower, and too narrow with few blocks.
        seed: the same seed gives the same interval.

    >>> bootstrap([1, 0, 2, 0] * 25, [10, 8, 12, 10] * 25).estimate
    0.075
    """
    _check_options(method, ("t", "bca", "percentile"), replicates, level, seed)
    table = block_sums({"errors": errors, "reference_words": reference_words}, blocks)
    unit = "rows" if blocks is None else "blocks"
    return Interval(**_interval(table[:, 0], table[:, 1], replicates, level, method, seed, unit)[0])


@renamed(confidence="level")
def paired_bootstrap(
    errors_a: ArrayLike,
    errors_b: ArrayLike,
    reference_words: ArrayLike,
    *,
    blocks: Blocks | None = None,
    replicates: int = 10_000,
    level: float = 0.95,
    method: PairedMethod = "flips",
    seed: int = 0,
) -> PairedInterval:
    """The interval of the difference of two systems, the first's rate less the second's.

    Both systems are scored on the same drawn utterances, so what is hard for both cancels. Above 0 the second is
    better. ``probability_of_improvement`` counts the replicates in which the second makes strictly fewer errors;
    ties are no improvement. It is no test: with few blocks it is near 1 for systems that do not differ.

    The interval is that of ``paired_difference`` (``method="flips"``), which covers as often as it says. The
    bootstrap's own, ``"t"``, ``"bca"`` and ``"percentile"``, cover too little where blocks are few or of unequal size:
    90 to 95 % with 15 to 40 speakers. Other arguments as for ``bootstrap``.

    >>> better = paired_bootstrap([2, 1, 2, 0] * 25, [1, 1, 2, 0] * 25, [10, 8, 12, 10] * 25)
    >>> better.estimate, better.probability_of_improvement
    (0.025, 1.0)
    """
    _check_options(method, ("flips", "t", "bca", "percentile"), replicates, level, seed)
    table = block_sums({"errors_a": errors_a, "errors_b": errors_b, "reference_words": reference_words}, blocks)
    unit = "rows" if blocks is None else "blocks"
    way: Method = "percentile" if method == "flips" else method
    values, drawn = _interval(table[:, 0] - table[:, 1], table[:, 2], replicates, level, way, seed, unit)
    improvement = float(np.mean(drawn > 0)) if len(drawn) else math.nan
    if method == "flips":
        options: dict[str, Any] = {"level": level, "replicates": replicates, "seed": seed}
        found = paired_difference(errors_a, errors_b, reference_words, blocks=blocks, **options)
        values |= {"low": found.low, "high": found.high, "method": method, "warning": found.warning}
    return PairedInterval(**values, probability_of_improvement=improvement)


@renamed(confidence="level")
def sample_size(
    errors_a: ArrayLike,
    errors_b: ArrayLike,
    reference_words: ArrayLike,
    *,
    blocks: Blocks | None = None,
    power: float = 0.8,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> SampleSize:
    """How many more blocks, and utterances, of the same kind would settle a comparison that is undecided.

    The difference is taken as it looks now and the spread from the paired bootstrap, which shrinks with the root of
    the number of blocks. A small difference that is there by chance asks for a large number: take it for what
    it would cost to show a difference of that size.

    >>> sample_size([2, 1, 0, 0] * 10, [1, 1, 0, 1] * 10, [10] * 40).blocks is None  # no difference to show
    True
    """
    _check_share("power", power)
    now = paired_bootstrap(
        errors_a,
        errors_b,
        reference_words,
        blocks=blocks,
        replicates=replicates,
        level=level,
        method="percentile",
        seed=seed,
    )
    unknown = SampleSize(None, None, power, now.estimate, now.standard_error)
    if not now.estimate or not math.isfinite(now.estimate) or not math.isfinite(now.standard_error):
        return unknown
    normal = NormalDist()
    needed_error = abs(now.estimate) / (normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power))
    needed = max(now.blocks * (now.standard_error / needed_error) ** 2, FEWEST_BLOCKS)
    more = max(0, math.ceil(needed - now.blocks))
    utterances = math.ceil(more * np.size(reference_words) / now.blocks)
    return SampleSize(more, utterances, power, now.estimate, now.standard_error)


def _interval(
    errors: Floats, words: Floats, replicates: int, level: float, method: Method, seed: int, unit: str
) -> tuple[dict[str, Any], Floats]:
    """What an ``Interval`` is made of, and the errors of every replicate."""
    count = len(errors)
    estimate = float(errors.sum() / words.sum()) if words.sum() else math.nan
    values: dict[str, Any] = {
        "low": math.nan,
        "high": math.nan,
        "estimate": estimate,
        "level": level,
        "method": method,
        "replicates": replicates,
        "blocks": count,
        "standard_error": math.nan,
        "warning": _warning(errors, words, unit),
        "effective_blocks": effective_number(words),
    }
    if math.isnan(estimate) or count < 2:
        return values, np.empty(0)
    spread = float(_spread(_sums(errors, words).sum(axis=0), count))
    if not spread:
        values["warning"] = _NO_SPREAD
    rates, spreads, drawn = _replicates(errors, words, replicates, seed)
    kept = np.isfinite(rates)
    rates, spreads = rates[kept], spreads[kept]
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    # A replicate without spread, one block many times, cannot be measured by it.
    is_measurable = method != "t" or np.mean(spreads <= 0) <= tails[0]
    if not is_measurable:
        method = "bca"
    if method == "t":
        measured = spreads > 0
        scores = np.quantile((rates[measured] - estimate) / spreads[measured], tails)
        ends = estimate - scores[::-1] * spread
        if (errors >= 0).all():
            ends = np.maximum(ends, 0.0)
    elif method == "bca":
        ends = np.quantile(rates, _bca_tails(errors, words, rates, estimate, tails))
    else:
        ends = np.quantile(rates, tails)
    low, high = (float(end) for end in ends)
    values |= {"method": method, "standard_error": float(rates.std())}
    if high - low < WIDEST and (is_measurable or count >= FEWEST_BLOCKS):
        values |= {"low": low, "high": high}
    else:
        few = few_blocks(count, values["effective_blocks"], unit) or f"{count:,} {unit}"
        too_wide = high - low >= WIDEST and count >= FEWEST_BLOCKS
        values["warning"] = f"{few}: {f'the interval {TOO_WIDE}' if too_wide else 'too few for an interval'}"
    return values, drawn


def _warning(errors: Floats, words: Floats, unit: str) -> str | None:
    if not words.sum():
        return "no reference words: there is no rate"
    if len(errors) < 2:
        return f"one {unit.removesuffix('s')}: nothing to resample"
    few = few_blocks(len(errors), effective_number(words), unit)
    return few and f"{few}; with fewer than {FEW_BLOCKS} the true rate is missed more often than the interval says"


def _sums(errors: Floats, words: Floats) -> Floats:
    """What a rate and its spread are made of, one row a block."""
    return np.stack([errors, words, errors**2, errors * words, words**2], axis=1)


def _spread(sums: Floats, count: int) -> Floats:
    """The standard error of a ratio of sums, from the sums of ``_sums``: linearised, blocks being independent."""
    errors, words, squares, products, sizes = np.moveaxis(sums, -1, 0)
    rate = errors / words
    residual = squares - 2 * rate * products + rate**2 * sizes
    residual = np.where(residual < 1e-9 * squares, 0.0, residual)  # rounding, where all blocks have one rate
    spread: Floats = np.sqrt(residual * count / (count - 1)) / words
    return spread


def _replicates(errors: Floats, words: Floats, replicates: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Rate, its standard error, and errors of every drawn data set."""
    drawn = np.empty((replicates, 5))
    rng = np.random.default_rng(seed)
    count = len(errors)
    # Blocks with equal numbers are one kind. Drawing how often each kind comes is drawing the blocks, only faster.
    kinds, sizes = np.unique(np.stack([errors, words], axis=1), axis=0, return_counts=True)
    by_kind = len(kinds) * _BINOMIAL_COST < count
    chunk = max(1, _DRAWN_AT_ONCE // (len(kinds) if by_kind else count))
    sums = _sums(kinds[:, 0], kinds[:, 1])
    for start in range(0, replicates, chunk):
        some = min(chunk, replicates - start)
        if by_kind:
            drawn[start : start + some] = rng.multinomial(count, sizes / count, size=some) @ sums
        else:
            picks = rng.integers(0, count, (some, count))
            e, w = np.take(errors, picks, mode="clip"), np.take(words, picks, mode="clip")  # quicker than indexing
            for column, values in enumerate((e, w)):
                drawn[start : start + some, column] = values.sum(axis=1)
            for column, (left, right) in enumerate(((e, e), (e, w), (w, w)), 2):
                drawn[start : start + some, column] = np.einsum("rb,rb->r", left, right)
    with np.errstate(divide="ignore", invalid="ignore"):  # a drawn data set may have no words
        return drawn[:, 0] / drawn[:, 1], _spread(drawn, count), drawn[:, 0]


def _bca_tails(errors: Floats, words: Floats, rates: Floats, estimate: float, tails: Floats) -> Floats:
    """The quantiles to take, corrected for bias and for a spread that grows with the rate (Efron 1987)."""
    normal = NormalDist()
    below = float(np.mean(rates < estimate) + np.mean(rates == estimate) / 2)
    bias = normal.inv_cdf(min(max(below, 1 / (2 * len(rates))), 1 - 1 / (2 * len(rates))))
    with np.errstate(divide="ignore", invalid="ignore"):
        without = (errors.sum() - errors) / (words.sum() - words)
    pulls = without[np.isfinite(without)].mean() - without[np.isfinite(without)]
    size = float((pulls**2).sum())
    skew = float((pulls**3).sum() / (6 * size**1.5)) if size > 0 else 0.0
    shifted = [bias + normal.inv_cdf(tail) for tail in tails]
    return np.array([normal.cdf(bias + shift / (1 - skew * shift)) if skew * shift < 1 else 1.0 for shift in shifted])


def _check_options(method: str, methods: tuple[str, ...], replicates: int, level: float, seed: int) -> None:
    if method not in methods:
        raise OptionError(f"method is one of {', '.join(methods)}, not {method!r}")
    _check_share("level", level)
    if replicates < 1:
        raise OptionError(f"replicates is at least 1, not {replicates}")
    check_seed(seed)


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise OptionError(f"{name} is between 0 and 1, not {value}")
