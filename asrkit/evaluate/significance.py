"""Whether one system is really better than another: tests on the same utterances.

Differences are always the first system less the second: above 0 the second makes fewer errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError
from .dialects import Dialect, Located, Text, located_rows, uncollected

__all__ = [
    "MatchedPairs",
    "PairedTest",
    "holm",
    "mapsswe",
    "mcnemar",
    "sign_test",
    "simultaneous_level",
    "wilcoxon",
]

Floats = NDArray[np.float64]
EXACT_RANKS = 200  # differences up to which the distribution of ranks is enumerated
_EQUAL = "every segment differs by the same number of errors, so z says nothing; p is the sign test's"
_NO_SEGMENT = "no segment: neither system makes an error"
_ONE_SEGMENT = "one segment has no spread; p is the sign test's"


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """The matched pairs sentence segment word error test of two systems.

    Args:
        segments: stretches with an error of either system, set apart by words that both have right.
        mean, sd: of the difference in errors a segment, first less second; sd is that of a sample,
            0 for one segment, as sc_stats has it.
        z: mean by its standard error; 0 where there is no spread, likewise.
        p: two-sided. NaN where there is no segment.
        errors_a, errors_b: in all segments, which is all of them.
        reason: why p is not that of z, or None.
    """

    segments: int
    mean: float
    sd: float
    z: float
    p: float
    errors_a: int
    errors_b: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A test of two systems on the same utterances.

    Args:
        statistic: what p was read from; see the test.
        p: two-sided; NaN where no utterance tells the systems apart.
        a_better, b_better, ties: utterances.
        method: ``"exact"`` or ``"normal"``.
    """

    statistic: float
    p: float
    a_better: int
    b_better: int
    ties: int
    method: str


def mapsswe(
    references: Sequence[Text],
    hypotheses_a: Sequence[Text],
    hypotheses_b: Sequence[Text],
    *,
    min_good: int = 2,
    dialect: Dialect = "sclite",
) -> MatchedPairs:
    """Matched pairs sentence segment word error (Gillick and Cox 1989), the number of NIST's sc_stats.

    Both systems are aligned with the reference. A segment begins at an error of either and ends when ``min_good``
    reference words in a row are right in both, or with the utterance. Errors in different segments are taken for
    independent, so the difference a segment is compared with its standard error. p is that of the normal
    distribution; sc_stats has the same z, and reads p from a table that rounds down.

    Alternatives in a reference count as one word, right where the way through them is. (sc_stats loses its place
    where two systems take different ways.)

    >>> test = mapsswe(["a b c d e f"] * 9, ["a x c d e f"] * 9, ["a b c d e y"] * 3 + ["a b c d e f"] * 6)
    >>> test.segments, test.mean, round(test.z, 3), round(test.p, 3)
    (12, 0.5, 1.915, 0.056)
    """
    if min_good < 1:
        raise OptionError(f"min_good is at least 1, not {min_good}")
    with uncollected():
        rows_a = list(located_rows(references, hypotheses_a, dialect))
        rows_b = list(located_rows(references, hypotheses_b, dialect))
    errors = _segments(rows_a, rows_b, min_good)
    if not len(errors):
        return MatchedPairs(0, math.nan, math.nan, math.nan, math.nan, 0, 0, _NO_SEGMENT)
    difference = errors[:, 0] - errors[:, 1]
    count = len(difference)
    mean = float(difference.mean())
    sd = float(difference.std(ddof=1)) if count > 1 else 0.0
    totals = int(errors[:, 0].sum()), int(errors[:, 1].sum())
    if sd == 0:
        p = sign_test(errors[:, 0], errors[:, 1]).p
        reason = _ONE_SEGMENT if count == 1 else _EQUAL
        return MatchedPairs(count, mean, sd, 0.0, 1.0 if math.isnan(p) else p, *totals, reason)
    z = mean / (sd / math.sqrt(count))
    return MatchedPairs(count, mean, sd, z, _two_sided(z), *totals)


def mcnemar(errors_a: ArrayLike, errors_b: ArrayLike) -> PairedTest:
    """McNemar's test over utterances: right or wrong as a whole.

    Args:
        errors_a, errors_b: of each utterance, or whether it is wrong.

    The statistic is the number of utterances that only the system with fewer of them has right; p is exact.

    >>> mcnemar([1, 1, 1, 1, 1, 0, 2, 0], [0, 0, 0, 0, 0, 0, 1, 0])
    PairedTest(statistic=0.0, p=0.0625, a_better=0, b_better=5, ties=3, method='exact')
    """
    left, right = _pair(errors_a, errors_b)
    return _by_sign((left > 0).astype(np.float64) - (right > 0))


def sign_test(errors_a: ArrayLike, errors_b: ArrayLike) -> PairedTest:
    """The sign test: in how many utterances each system makes fewer errors, however many fewer.

    The statistic is the smaller number of the two; p is exact.

    >>> round(sign_test([3, 2, 1, 1, 1, 5], [1, 1, 0, 0, 1, 6]).p, 3)
    0.375
    """
    left, right = _pair(errors_a, errors_b)
    return _by_sign(left - right)


def wilcoxon(errors_a: ArrayLike, errors_b: ArrayLike) -> PairedTest:
    """Wilcoxon's signed ranks: larger differences weigh more than in the sign test.

    Utterances without a difference are left out, equal differences share their ranks. The statistic is the sum of
    the ranks where the first system makes more errors. p is exact, ties included, up to 200 differences; above,
    normal with corrections for ties and continuity.

    >>> wilcoxon([5, 4, 3, 2, 6, 0], [1, 2, 2, 2, 1, 1])
    PairedTest(statistic=13.5, p=0.1875, a_better=1, b_better=4, ties=1, method='exact')
    """
    left, right = _pair(errors_a, errors_b)
    difference = left - right
    nonzero = difference[difference != 0]
    signs = _by_sign(difference)
    if not len(nonzero):
        return PairedTest(0.0, math.nan, 0, 0, signs.ties, "exact")
    doubled = _doubled_ranks(np.abs(nonzero))
    sum_above = int(doubled[nonzero > 0].sum())
    whole = int(doubled.sum())
    if len(nonzero) <= EXACT_RANKS:
        smaller = min(sum_above, whole - sum_above)
        p = min(1.0, 2 * float(_rank_sums(doubled)[: smaller + 1].sum()))
        method = "exact"
    else:
        variance = float((doubled.astype(np.float64) ** 2).sum())  # of the doubled sum, signs being coin tosses
        distance = max(abs(sum_above - whole / 2) - 1, 0.0)  # half a rank towards the middle
        p = _two_sided(2 * distance / math.sqrt(variance))
        method = "normal"
    return PairedTest(sum_above / 2, p, signs.a_better, signs.b_better, signs.ties, method)


def holm(p_values: ArrayLike) -> Floats:
    """p values of several tests, adjusted so that any false alarm among them is as rare as that of one (Holm 1979).

    NaN, a test that said nothing, stays and does not count.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(p.shape, np.nan)
    told = np.flatnonzero(~np.isnan(p))
    order = told[np.argsort(p[told], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def simultaneous_level(level: float, intervals: int) -> float:
    """The level to ask of each of several intervals, so that all of them hold at once (Bonferroni).

    It holds however the slices depend on each other.

    >>> simultaneous_level(0.95, 5)
    0.99
    """
    if not 0 < level < 1 or intervals < 1:
        raise OptionError("level is between 0 and 1, and there is at least one interval")
    return 1 - (1 - level) / intervals


def _segments(rows_a: Sequence[Located], rows_b: Sequence[Located], min_good: int) -> NDArray[np.int64]:
    """Errors of both systems in every segment, shape ``(segments, 2)``."""
    slots_a, slots_b = _slots(rows_a), _slots(rows_b)
    spans = np.maximum(slots_a.spans, slots_b.spans)
    starts = np.cumsum(spans) - spans
    size = int(spans.sum())
    errors = np.zeros((size, 2), np.int64)
    is_word = np.zeros(size, bool)
    for system, slots in enumerate((slots_a, slots_b)):
        places = starts[slots.utterance] + slots.slot
        errors[:, system] = np.bincount(places, slots.is_wrong, size)
        is_word[places] |= slots.slot % 2 == 1
    wrong = np.flatnonzero(errors.any(axis=1))
    if not len(wrong):
        return errors[:0]
    # Words that both have right, up to each error; and the utterance it is in.
    good = np.cumsum(is_word & ~errors.any(axis=1))[wrong]
    utterance = np.searchsorted(starts + spans, wrong, side="right")
    opens = np.concatenate([[True], (np.diff(utterance) > 0) | (np.diff(good) >= min_good)])
    segments: NDArray[np.int64] = np.add.reduceat(errors[wrong], np.flatnonzero(opens), axis=0)
    return segments


@dataclass(frozen=True, slots=True)
class _Slots:
    """Where every edit stands: slot 2 p + 1 is word p of its reference, slot 2 p the gap before that word."""

    utterance: NDArray[np.int64]
    slot: NDArray[np.int64]
    is_wrong: NDArray[np.bool_]
    spans: NDArray[np.int64]  # slots of every utterance


def _slots(rows: Sequence[Located]) -> _Slots:
    letters = np.frombuffer("".join(codes for _, _, codes, _ in rows).encode("ascii"), np.uint8)
    lengths = np.array([len(codes) for _, _, codes, _ in rows], np.int64)
    utterance = np.repeat(np.arange(len(rows)), lengths)
    in_reference = np.isin(letters, np.frombuffer(b"CSDd", np.uint8))
    ends = np.cumsum(lengths)
    # Words of the reference before each edit, in its own utterance.
    words: NDArray[np.int64] = np.cumsum(in_reference) - in_reference
    before = np.concatenate([[0], np.cumsum(in_reference)])[ends - lengths]
    place = words - before[utterance]
    slot = 2 * place + in_reference
    spans = 2 * np.array([len(reference) for reference, *_ in rows], np.int64) + 1
    for row, (reference, _, _, places) in enumerate(rows):
        if places is None:
            continue
        own = slice(int(ends[row] - lengths[row]), int(ends[row]))
        # A place holds all words of one alternative, and what is inserted between them is in it too.
        following = np.array([*places, places[-1] + 1 if places else 0])
        at = place[own]
        inside = in_reference[own] | ((at > 0) & (at < len(reference)) & (following[at] == following[at - 1]))
        slot[own] = 2 * following[at] + inside
        spans[row] = 2 * int(following[-1]) + 1
    return _Slots(utterance, slot, np.isin(letters, np.frombuffer(b"SDI", np.uint8)), spans)


def _pair(errors_a: ArrayLike, errors_b: ArrayLike) -> tuple[Floats, Floats]:
    left, right = np.asarray(errors_a, np.float64), np.asarray(errors_b, np.float64)
    if left.ndim != 1 or left.shape != right.shape:
        raise OptionError(f"errors of the same utterances are expected, not of shapes {left.shape} and {right.shape}")
    return left, right


def _by_sign(difference: Floats) -> PairedTest:
    b_better, a_better = int((difference > 0).sum()), int((difference < 0).sum())
    ties = len(difference) - a_better - b_better
    p = _coin_tosses(min(a_better, b_better), a_better + b_better)
    return PairedTest(float(min(a_better, b_better)), p, a_better, b_better, ties, "exact")


def _coin_tosses(fewer: int, tosses: int) -> float:
    """Probability, two-sided, of at most ``fewer`` heads or tails."""
    if not tosses:
        return math.nan
    numbers = np.arange(1, fewer + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((tosses - numbers + 1) / numbers))]) - tosses * math.log(2)
    return min(1.0, 2 * float(np.exp(logs).sum()))


def _doubled_ranks(values: Floats) -> NDArray[np.int64]:
    """Twice the rank of each, equal values sharing theirs: whole numbers."""
    _, kind, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    doubled: NDArray[np.int64] = (2 * last - sizes + 1)[kind]
    return doubled


def _rank_sums(ranks: NDArray[np.int64]) -> Floats:
    """Probability of every sum, each rank being in it or not by the toss of a coin."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        chances[rank:] = (chances[rank:] + chances[:-rank]) / 2
        chances[:rank] /= 2
    return chances


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))
