"""The difference of two systems' error rates on the same utterances: its size, its interval, its p value, the decision.

All of them come from the same two tests, made over blocks (see ``blocks``), and a difference is decided only where
both tests agree:

- **Sign flips.** Were the true difference D, the block's difference in errors less D times its words would be as
  likely to be positive as negative. The signs are flipped in all ways, or in many drawn at random, and p is the share
  of ways in which the sum is at least as far from 0 as it is in the data. The test is exact where the differences are
  symmetric, with any number of blocks of any sizes, and never decides below 6 blocks.
- **Student's t** of the jackknife's standard error, corrected for the skewness of the blocks' differences (Hall 1992).
  It keeps the error rate where the differences are skewed, as those of systems with rare, long hallucinations are.

The interval holds the differences that at least one of the two tests would not reject, so interval, p value and
decision cannot contradict each other. ``benchmarks/verdicts.py`` measures how often equal systems are told apart.
No test can know of errors that are so rare that none is among the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from ..errors import OptionError
from ..renamed import renamed
from .blocks import Blocks, Floats, block_sums, check_seed, effective_number
from .student import t_outside, t_within
from .wording import FEWEST_BLOCKS  # below, no sign flips are rarer than 1 in 20

__all__ = [
    "FEWEST_BLOCKS",
    "FEW_BLOCKS",
    "TOO_WIDE",
    "WIDEST",
    "PairedDifference",
    "few_blocks",
    "paired_difference",
    "paired_differences",
]

FEW_BLOCKS = 20  # effective blocks below which intervals are wide, and only large differences are found
WIDEST = 1.0  # an interval of more than 100 percentage points says nothing
TOO_WIDE = f"would be wider than {100 * WIDEST:.0f} percentage points, so none is given"
_DRAWN_AT_ONCE = 1_000_000  # signs
_BINOMIAL_COST = 12  # drawing one binomial number costs about as much as drawing twelve signs
_ROUNDING = 1e-9

# A sample of few blocks seldom holds the largest of a skewed population, so its skewness is far too small: of 10 to 40
# values of a log-normal distribution (sigma 1, skewness 6.2) it is 1.3 to 2.4 on average. With three times the sample's
# skewness the error rate holds for such populations; symmetric ones lose nothing, the sign flips decide there.
SKEWNESS_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference of two error rates on the same utterances, first less second: above 0 the second is better.

    Args:
        estimate: the difference.
        low, high: ends of its interval; NaN where there are fewer than 6 blocks, or where it would be wider than 100
            percentage points.
        level: how often such an interval contains the true difference. With several pairs each interval has the
            level at which Holm's procedure judged its pair, so it leaves 0 out exactly where ``is_decided``.
        p: how often systems that do not differ would seem to differ as much, corrected for the number of pairs
            (Holm). NaN without reference words.
        p_alone: the same, not corrected.
        is_decided: whether p is at most 1 - joint_level; with fewer than 6 blocks nothing is, at any level. Decided
            once, here.
        joint_level: of all decisions together.
        pairs: how many were compared.
        blocks: how many independent pieces the data has.
        effective_blocks: how many blocks of equal size would say as much.
        replicates: how many ways of flipping signs were gone through.
        method: ``"all sign flips"`` or ``"drawn sign flips"``.
        standard_error: the jackknife's.
        warning: what to beware of, or None.
    """

    estimate: float
    low: float
    high: float
    level: float
    p: float
    p_alone: float
    is_decided: bool
    joint_level: float
    pairs: int
    blocks: int
    effective_blocks: float
    replicates: int
    method: str
    standard_error: float
    warning: str | None = None


@renamed(confidence="level")
def paired_difference(
    errors_a: ArrayLike,
    errors_b: ArrayLike,
    reference_words: ArrayLike,
    *,
    blocks: Blocks | None = None,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Whether two systems differ, by how much, and within which interval.

    Args:
        errors_a, errors_b: of each utterance, shape ``(n,)``.
        reference_words: of each utterance, shape ``(n,)``.
        blocks: what each utterance belongs to, its speaker say; None takes every utterance for independent.
        level: of the interval and of the decision, between 0 and 1.
        replicates: of the ways of flipping signs all are gone through where they are at most so many, which with 10,000
            is up to 14 blocks; else so many are drawn.
        seed: the same seed gives the same numbers, in any order of the utterances.

    >>> found = paired_difference([2, 1, 2, 0] * 10, [1, 1, 1, 0] * 10, [10, 8, 12, 10] * 10)
    >>> found.estimate, found.is_decided, found.low > 0
    (0.05, True, True)
    >>> paired_difference([1, 1], [0, 0], [9, 9]).p
    0.5
    """
    return paired_differences(
        [(errors_a, errors_b)],
        reference_words,
        blocks=blocks,
        level=level,
        replicates=replicates,
        seed=seed,
    )[0]


@renamed(confidence="level")
def paired_differences(
    pairs: Sequence[tuple[ArrayLike, ArrayLike]],
    reference_words: ArrayLike,
    *,
    blocks: Blocks | None = None,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> list[PairedDifference]:
    """``paired_difference`` of several pairs: with ``level`` no pair of equal systems is told apart.

    Args:
        pairs: errors of the first and of the second system, of each utterance.
        reference_words: of each utterance, shape ``(n,)``; or of each pair and utterance, shape ``(pairs, n)``.
        blocks: what each utterance belongs to; None takes every utterance for independent.
        level: of all decisions together (Holm 1979).
        replicates: as for ``paired_difference``; more are drawn where many pairs need smaller p values.
        seed: the same seed gives the same numbers.
    """
    if not 0 < level < 1:
        raise OptionError(f"level is between 0 and 1, not {level}")
    if replicates < 1:
        raise OptionError(f"replicates is at least 1, not {replicates}")
    check_seed(seed)
    chance = 1 - level
    draws = max(replicates, math.ceil(10 * len(pairs) / chance))
    unit = "rows" if blocks is None else "blocks"
    tests = []
    words_of_pairs = (
        [reference_words] * len(pairs) if np.ndim(reference_words) < 2 else list(np.asarray(reference_words))
    )
    for (one, two), words in zip(pairs, words_of_pairs, strict=True):
        columns = {"errors_a": one, "errors_b": two, "reference_words": words}
        sums = block_sums(columns, blocks)
        tests.append(_Tests.of(sums[:, 0] - sums[:, 1], sums[:, 2], draws, seed))
    p_values = [test.p for test in tests]
    factors, adjusted, decided = _holm(p_values, chance)
    found = []
    for test, factor, p, is_decided in zip(tests, factors, adjusted, decided, strict=True):
        low, high, warning = test.interval(chance / factor, unit)
        found.append(
            PairedDifference(
                estimate=test.estimate,
                low=low,
                high=high,
                level=1 - chance / factor,
                p=p,
                p_alone=test.p,
                is_decided=is_decided and test.blocks >= FEWEST_BLOCKS,
                joint_level=level,
                pairs=len(pairs),
                blocks=test.blocks,
                effective_blocks=test.effective_blocks,
                replicates=len(test.lows),
                method="all sign flips" if test.is_exact else "drawn sign flips",
                standard_error=test.standard_error,
                warning=warning,
            )
        )
    return found


def few_blocks(count: int, effective: float, unit: str) -> str | None:
    """How few blocks there are, None where they are enough.

    >>> few_blocks(8, 8.0, "blocks")
    'only 8 blocks'
    >>> few_blocks(40, 9.3, "blocks")
    '40 blocks of so unequal size that they count as 9'
    """
    if count < FEW_BLOCKS:
        uneven = f", of so unequal size that they count as {effective:.0f}" if round(effective) < 0.75 * count else ""
        return f"only {count} {unit}{uneven}"
    if round(effective) < FEW_BLOCKS:
        return f"{count:,} {unit} of so unequal size that they count as {effective:.0f}"
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _Tests:
    """Both tests of one pair, for any difference that is taken for the true one."""

    estimate: float
    blocks: int
    effective_blocks: float
    lows: Floats  # a way of flipping signs speaks for the differences from its low to its high
    highs: Floats
    is_exact: bool
    standard_error: float
    bend: float  # skewness of the blocks' differences over the root of their number, times SKEWNESS_FACTOR

    @classmethod
    def of(cls, errors: Floats, words: Floats, draws: int, seed: int) -> _Tests:
        kept = (errors != 0) | (words != 0)
        # With one order of blocks and of systems, the numbers are the same to the last digit for the same data.
        sign = -1.0 if errors.sum() < 0 else 1.0
        order = np.lexsort((words[kept], sign * errors[kept]))
        errors, words = sign * errors[kept][order], words[kept][order]
        count, whole = len(errors), float(words.sum())
        estimate = float(errors.sum()) / whole if whole else math.nan
        effective = effective_number(words)
        if count < 2 or not whole:
            everything = np.array([-np.inf]), np.array([np.inf])
            return cls(sign * estimate, count, effective, *everything, True, math.nan, 0.0)
        is_exact = count - 1 <= math.log2(draws)
        lows, highs = _flips(errors, words, draws, seed, is_exact)
        if sign < 0:
            lows, highs = -highs, -lows
        error, bend = _spread(errors, words, estimate)
        return cls(sign * estimate, count, effective, lows, highs, is_exact, error, sign * bend)

    @property
    def p(self) -> float:
        """Of no difference: the larger p value of the two tests."""
        if math.isnan(self.estimate):
            return math.nan
        flips = float(np.mean((self.lows <= 0) & (self.highs >= 0)))
        if not math.isfinite(self.standard_error):
            return 1.0
        if self.standard_error == 0:
            return flips if self.estimate else 1.0
        return max(flips, t_outside(_bent(self.estimate / self.standard_error, self.bend), self._freedom))

    def interval(self, chance: float, unit: str) -> tuple[float, float, str | None]:
        """Ends and a warning; ``chance`` is how often it may miss the true difference."""
        if math.isnan(self.estimate):
            return math.nan, math.nan, "no reference words: there is no rate"
        few = few_blocks(self.blocks, self.effective_blocks, unit)
        if self.blocks < FEWEST_BLOCKS:
            why = f"only {self.blocks} {unit}: with fewer than {FEWEST_BLOCKS} no difference can be told from chance"
            return math.nan, math.nan, why
        low, high = self._ends(chance)
        if not high - low < WIDEST:
            return math.nan, math.nan, f"{few or f'{self.blocks:,} {unit}'}: the interval of the difference {TOO_WIDE}"
        if low == high:
            return low, high, "no block differs from the others: the interval has no width, which proves nothing"
        return low, high, few and f"{few}; only large differences can be told from chance"

    def _ends(self, chance: float) -> tuple[float, float]:
        rank = math.floor(chance * len(self.lows) + _ROUNDING)  # as many ways of flipping may speak against an end
        low = float(np.partition(self.lows, rank)[rank])
        high = -float(np.partition(-self.highs, rank)[rank])
        if self.standard_error == 0:
            return low, high
        if not math.isfinite(self.standard_error):
            return -math.inf, math.inf
        bound = t_within(chance, self._freedom)
        return (
            min(low, self.estimate - _straight(bound, self.bend) * self.standard_error),
            max(high, self.estimate - _straight(-bound, self.bend) * self.standard_error),
        )

    @property
    def _freedom(self) -> float:
        # Mean and skewness are estimated; the blocks count as equal ones would.
        return max(self.effective_blocks - 2, 1.0)


def _flips(errors: Floats, words: Floats, draws: int, seed: int, is_exact: bool) -> tuple[Floats, Floats]:
    """The differences for which each way of flipping signs gives a sum that is at least as far from 0 as the data's.

    Let E and W be the errors' difference and the words of the blocks that are flipped, e and w those of the others.
    Taking D for the true difference, the data's sum is (E - D W) + (e - D w), and after flipping it is
    (E - D W) - (e - D w) or its negative. The second is at least as far from 0 where the two terms have not the same
    sign, so where D is between E / W and e / w. The interval of all ways is a matter of sorting.
    """
    table = np.stack([errors, words], axis=1)
    differs = errors != 0
    rng = np.random.default_rng(seed)
    if is_exact:
        flipped = _all_ways(len(errors)) @ table
    elif 1 <= differs.sum() <= math.log2(draws) + 1:
        # For p only the blocks that differ matter, so p is exact where they are few. The others are drawn.
        ways = _all_ways(int(differs.sum())) @ table[differs]
        flipped = np.tile(ways, (math.ceil(draws / len(ways)), 1))
        flipped += _drawn_ways(table[~differs], len(flipped) - 1, rng)
    else:
        flipped = _drawn_ways(table, draws, rng)
    rest = table.sum(axis=0) - flipped
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.stack([flipped[:, 0] / flipped[:, 1], rest[:, 0] / rest[:, 1]])
    # Nothing by nothing: where no block is flipped, the sum stays what it is whatever D is.
    lows, highs = rates.min(axis=0), rates.max(axis=0)
    return np.where(np.isnan(lows), -np.inf, lows), np.where(np.isnan(highs), np.inf, highs)


@lru_cache(maxsize=16)
def _all_ways(count: int) -> Floats:
    """Which blocks are flipped, a row for each way. Flipping the others instead is the same, so the last one stays."""
    numbers = np.arange(2 ** (count - 1), dtype=np.int64)
    return ((numbers[:, None] >> np.arange(count)) & 1).astype(np.float64)


def _drawn_ways(table: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Sums over the flipped blocks of a sorted table, a row for each draw; the first flips none: p is never 0."""
    count = len(table)
    # Equal blocks are one kind: of each kind a binomial number is flipped.
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(table, axis=0) != 0).any(axis=1)]))
    kinds, sizes = table[starts], np.diff(np.append(starts, count))
    by_kind = len(kinds) * _BINOMIAL_COST < count
    width = len(kinds) if by_kind else count
    sums = np.zeros((draws + 1, 2))
    chunk = max(1, _DRAWN_AT_ONCE // width)
    for start in range(1, draws + 1, chunk):
        some = min(chunk, draws + 1 - start)
        if by_kind:
            sums[start : start + some] = rng.binomial(sizes, 0.5, (some, width)) @ kinds
        else:
            packed = rng.integers(0, 256, (some, (count + 7) // 8), dtype=np.uint8)
            sums[start : start + some] = np.unpackbits(packed, axis=1, count=count).astype(np.float64) @ table
    return sums


def _spread(errors: Floats, words: Floats, estimate: float) -> tuple[float, float]:
    """The jackknife's standard error, NaN where a block has all words; and the bend of the t statistic."""
    count = len(errors)
    rest = words.sum() - words
    if not rest.all():
        return math.nan, 0.0
    residual = errors - estimate * words
    squares = float((residual**2).mean())
    if squares <= 1e-18 * float((errors**2).mean()):  # rounding, where all blocks have one difference
        return 0.0, 0.0
    without = (errors.sum() - errors) / rest
    error = math.sqrt((count - 1) / count * float(((without - estimate) ** 2).sum()))
    return error, SKEWNESS_FACTOR * float((residual**3).mean()) / squares**1.5 / math.sqrt(count)


def _bent(t: float, bend: float) -> float:
    """A t statistic without its skewness: Hall's cubic, which grows with t."""
    return t + bend * t * t / 3 + bend * bend * t**3 / 27 + bend / 6


def _straight(t: float, bend: float) -> float:
    """The inverse of ``_bent``."""
    if abs(bend) < _ROUNDING:
        return t
    return 3 / bend * (math.cbrt(1 + bend * (t - bend / 6)) - 1)


def _holm(p_values: Sequence[float], chance: float) -> tuple[list[float], list[float], list[bool]]:
    """The factor by which each p value is judged, the corrected p value, and whether the pair is decided.

    From the smallest p on, the k-th of m is decided if m - k + 1 times p is at most ``chance``; the first that is not
    ends it, and all that follow are judged by its factor.
    """
    p = np.asarray(p_values, np.float64)
    factors, adjusted, decided = np.ones(len(p)), np.full(len(p), np.nan), np.zeros(len(p), bool)
    order = [place for place in np.argsort(p, kind="stable") if not math.isnan(p[place])]
    largest, goes_on, factor = 0.0, True, len(order)
    for rank, place in enumerate(order):
        product = (len(order) - rank) * p[place]
        if goes_on:
            factor = len(order) - rank
            goes_on = product <= chance + _ROUNDING
        factors[place], decided[place] = factor, goes_on
        largest = max(largest, product)
        adjusted[place] = min(largest, 1.0)
    return factors.tolist(), adjusted.tolist(), decided.tolist()
