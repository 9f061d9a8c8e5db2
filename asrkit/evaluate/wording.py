"""How numbers of results are written: one function for each kind of number, used by every view."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..cloudflare.prices import money

__all__ = [
    "FEWEST_BLOCKS",
    "and_more",
    "cut_text",
    "dollars",
    "interval_ends",
    "level_told",
    "listed",
    "p_value",
    "per_minute",
    "percent",
    "points",
    "probability",
    "speed",
    "too_few",
]

ABSENT = "-"  # a number that is not known
SMALL = 0.01  # shares below this are written with two significant digits
MOST_DIGITS = 12  # after the decimal point
FEWEST_BLOCKS = 6  # below, there are too few rows or blocks for any interval of a difference


def percent(share: float) -> str:
    """A share as a percentage, with the digits that mean something.

    >>> percent(0.1234), percent(float("nan")), percent(0.00456), percent(0.0000456), percent(0.0)
    ('12.3%', '-', '0.46%', '0.0046%', '0.0%')
    """
    if math.isnan(share):
        return ABSENT
    return f"{share:.{_digits(share)}%}"


def _digits(share: float) -> int:
    """Decimal places of a percentage: one, or two significant digits below 1%."""
    if not share or abs(share) >= SMALL:
        return 1
    return min(MOST_DIGITS, max(2, 1 - math.floor(math.log10(abs(100 * share)))))


def points(share: float) -> str:
    """Percentage points with their sign, and with the digits of ``percent``.

    >>> points(0.0213), points(-0.0069), points(0.0), points(float("nan"))
    ('+2.1', '-0.69', '0.0', '-')
    """
    if not math.isfinite(share):
        return ABSENT
    told = percent(share).removesuffix("%")
    return "0.0" if float(told) == 0 else told if share < 0 else f"+{told}"


def level_told(level: float) -> str:
    """The level of an interval, never rounded to 100%.

    >>> level_told(0.95), level_told(0.975), level_told(1 - 0.05 / 15), level_told(0.99999)
    ('95%', '97.5%', '99.67%', '99.999%')
    """
    for digits in range(12):
        told = f"{100 * level:.{digits}f}"
        if abs(float(told) / 100 - level) < (1 - level) / 20:
            return f"{told}%"
    return f"{100 * level:.12g}%"


def too_few(wer: float, unit: str = "rows", blocks: int = 0) -> str:
    """What is said in place of an interval that is not there: NaN is a rate without reference words.

    >>> too_few(0.5, "rows", 3), too_few(12.0, "rows", 40), too_few(float("nan"))
    ('too few rows', 'too wide', '-')
    """
    return ABSENT if math.isnan(wer) else f"too few {unit}" if blocks < FEWEST_BLOCKS else "too wide"


def interval_ends(
    wer: float, low: float, high: float, form: str = "{} to {}", unit: str = "rows", blocks: int = 0
) -> str:
    """The ends of a rate's interval, or why there are none: too few rows, or too wide to say anything.

    >>> interval_ends(0.12, 0.08, 0.171), interval_ends(0.12, float("nan"), float("nan"))
    ('8.0% to 17.1%', 'too few rows')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return too_few(wer, unit, blocks)
    return form.format(percent(low), percent(high))


def p_value(p: float, chance: float = 0.05) -> str:
    """A probability as people write it, with as many digits as show on which side of ``chance`` it is.

    >>> p_value(0.0421), p_value(1e-9), p_value(float("nan"))
    ('= 0.042', '< 0.001', 'unknown')
    >>> p_value(0.04996), p_value(0.05), p_value(0.0501), p_value(0.05 - 1e-9)
    ('= 0.04996', '= 0.050', '= 0.0501', '< 0.05')
    """
    if math.isnan(p):
        return "unknown"
    if p < 0.001 <= chance:
        return "< 0.001"
    is_at_limit = math.isclose(p, chance, rel_tol=1e-12)
    fewest = 3 if p < 0.1 else 2
    for digits in range(fewest, fewest + 4):
        told = f"{p:.{digits}f}"
        shown = float(told)
        if is_at_limit or (shown < chance if p < chance else shown > chance):
            return f"= {told}"
    # So near the limit that more digits would not help: what matters is the side.
    return f"{'<' if p < chance else '>'} {chance:.6g}"


def speed(rtfx: float) -> str:
    """Seconds of audio per second of work.

    >>> speed(12.345), speed(1234.5), speed(float("nan"))
    ('12.3', '1,234.5', '-')
    """
    return f"{rtfx:,.1f}" if math.isfinite(rtfx) else ABSENT


def dollars(amount: float) -> str:
    """Dollars without their sign, with the digits that matter.

    >>> dollars(0.02715), dollars(1.5), dollars(float("nan"))
    ('0.0272', '1.50', '-')
    """
    return money(amount).removeprefix("$") if math.isfinite(amount) else ABSENT


def per_minute(words: float) -> str:
    """Words per minute."""
    return f"{words:,.1f}" if math.isfinite(words) else ABSENT


def probability(share: float) -> str:
    """A confidence between 0 and 1, as a percentage.

    >>> probability(0.876), probability(float("nan"))
    ('87.6%', '-')
    """
    return percent(share)


# What is left out


def and_more(shown: int, total: int, what: str) -> str:
    """How many of all are shown, for a heading.

    >>> and_more(5, 1_200, "rows with an error"), and_more(2, 2, "rows with an error")
    ('5 of 1,200 rows with an error', 'all 2 rows with an error')
    """
    return f"{shown:,} of {total:,} {what}" if shown < total else f"all {total:,} {what}"


def cut_text(text: str, letters: int) -> str:
    """The beginning of a text that is too long, and how much is left out.

    >>> cut_text("so it is", 20), cut_text("so it is said", 8)
    ('so it is', 'so it is … (5 more characters)')
    """
    left_out = len(text) - letters
    if left_out <= 0:
        return text
    return f"{text[:letters].rstrip()} … ({left_out:,} more character{'' if left_out == 1 else 's'})"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
