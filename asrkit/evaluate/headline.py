"""The first sentence about a comparison, the same in every view: no system is named the best before a test says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from .wording import interval_ends, level_told, percent, points

if TYPE_CHECKING:
    from .comparison import Comparison, Difference
    from .score import Score

__all__ = ["MOST_NAMED", "NO_REFERENCE_WORDS", "Name", "headline", "headline_parts", "rate_told"]

NO_REFERENCE_WORDS = "There are no reference words, so there is no error rate."
MOST_NAMED = 6  # systems in a sentence; of more, the others are counted


class Name(str):
    """The name of a system inside a sentence, which a page sets apart from the words around it."""

    __slots__ = ()


def headline(comparison: Comparison) -> str:
    """Which system makes the fewest errors, or that the first ones cannot be told apart and by how much they differ."""
    return "".join(headline_parts(comparison))


def headline_parts(comparison: Comparison) -> list[str]:
    """The headline in pieces: names of systems are ``Name``, the others are plain text."""
    best = comparison.best
    if math.isnan(best.wer):
        return [NO_REFERENCE_WORDS]
    leaders = comparison.leaders
    if len(leaders) > 1:
        first = [score.name for score in comparison.scores if score.name in leaders]
        if not all(own.is_comparable for own in comparison.differences if own.first in first and own.second in first):
            return [*_names_in_sentence(first), f" cannot be compared: {comparison.language_gap.told('systems')}."]
        return [*_names_in_sentence(first), " cannot be told apart: ", *_gap(comparison, leaders)]
    return [Name(best.name), " makes the fewest errors: " if len(comparison.scores) > 1 else ": ", *rate_told(best)]


def rate_told(score: Score) -> list[str]:
    """The rate of a score with its interval."""
    own = score.interval
    unit = "rows" if score.block is None else "blocks"
    ends = interval_ends(score.wer, own.low, own.high, unit=unit, blocks=own.blocks)
    sure = f"{level_told(own.level)} interval {ends}"
    if not math.isfinite(own.low):
        sure = "its interval is too wide to say anything" if ends == "too wide" else f"{ends} for an interval"
    return [f"{score.texts.rate} {percent(score.wer)} ({sure})."]


def _names_in_sentence(names: Sequence[str]) -> list[str]:
    """Names with commas between them and "and" before the last; of many, the first ones and how many more there are.

    >>> "".join(_names_in_sentence(["a", "b", "c"])), "".join(_names_in_sentence(list("abcdefgh")))
    ('a, b and c', 'a, b, c, d, e, f and 2 more systems')
    """
    more = len(names) - MOST_NAMED
    parts: list[str] = [Name(name) for name in (names if more <= 1 else names[:MOST_NAMED])]
    if more > 1:
        parts.append(f"{more:,} more systems")
    between = [", "] * (len(parts) - 2) + [" and "] * (len(parts) > 1)
    return [*chain.from_iterable(zip(parts, [*between, ""], strict=True))]


def _gap(comparison: Comparison, leaders: Sequence[str]) -> list[str]:
    """By how much systems differ that cannot be told apart, and in which direction."""
    inside = [own for own in comparison.differences if own.first in leaders and own.second in leaders]
    widest = max(inside, key=lambda own: abs(own.decision.estimate))
    if widest.ahead is None:
        return ["they make equally many errors."]
    size = points(abs(widest.decision.estimate)).removeprefix("+")
    if len(leaders) == 2:
        return [Name(widest.ahead), f" makes {size} points fewer errors, which may be chance."]
    return [
        f"they differ by up to {size} points, from ",
        Name(widest.ahead),
        " with fewest errors to ",
        Name(_other(widest, widest.ahead)),
        ", and which of them is the best may be chance.",
    ]


def _other(own: Difference, name: str) -> str:
    return own.first if own.second == name else own.second
