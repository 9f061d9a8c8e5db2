"""English measures: parts of units, parts of one percent, times with a point, hours of the day, products.

These rules read tokens in which every number is in digits, before dates, times and units are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from .english_contexts import words_of
from .units import UNITS

__all__ = ["MEASURES", "with_measures"]

MEASURES = frozenset(unit for unit in UNITS if len(unit) > 1) | words_of(
    "cup cups pint pints quart quarts dozen pound pounds"
)
_TRIGGERS = MEASURES | words_of("percent am pm times hours hrs")
_PARTS = {"half": 2, "quarter": 4, "3rd": 3, "4th": 4, "5th": 5, "6th": 6, "8th": 8, "10th": 10, "16th": 16}
_PARTS |= {"100th": 100, "1000th": 1000}
_ARTICLES = words_of("a an")
_FRACTION = re.compile(r"([1-9][0-9]?)/([1-9][0-9]{0,3})")
_DOTTED_TIME = re.compile(r"([1-9]|1[0-2])\.([0-5][0-9])")
_WHOLE_HOUR = re.compile("[1-9]00")
_EARLY = re.compile("[1-9][0-5][0-9]")
_HOUR_AND_MINUTES = re.compile("(1[3-9]|2[0-3])([0-5][1-9]|[1-5]0)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_HALVES_OF_DAYS = words_of("am pm")
_HOURS = words_of("hours hrs")
_AFTER_PRODUCT = words_of("equals is makes gives plus minus times by")  # what goes on after "five times six"
_Found = tuple[list[str], int]  # the tokens, and the place after what they stand for


def with_measures(tokens: Sequence[str]) -> list[str]:
    """The tokens, measures in one form.

    >>> " ".join(with_measures("half a cup at 9.30 am or half a percent".split()))
    '1/2 cup at 9:30 am or 0.5%'
    """
    if _TRIGGERS.isdisjoint(tokens):
        return list(tokens)
    out: list[str] = []
    place = 0
    while place < len(tokens):
        for rule in _RULES:
            found = rule(tokens, place)
            if found is not None:
                break
        else:
            found = [tokens[place]], place + 1
        out += found[0]
        place = found[1]
    return out


def _at(tokens: Sequence[str], place: int) -> str:
    return tokens[place] if 0 <= place < len(tokens) else ""


def _part(tokens: Sequence[str], place: int) -> _Found | None:
    """``half a cup``, ``a half cup``, ``a third of a cup``, ``3/4 of an inch``, ``half a percent``."""
    start = place
    has_article = tokens[place] in _ARTICLES
    if has_article and _at(tokens, place - 1) == "and" and _at(tokens, place + 2) not in _ARTICLES:
        return None  # an hour and a half
    place += has_article
    said = _at(tokens, place)
    fraction = _FRACTION.fullmatch(said)
    if said not in _PARTS and (fraction is None or has_article):
        return None
    if _at(tokens, start - 1)[:1].isdigit() and fraction is None:
        return None  # 5 half an hour meetings
    after, is_joined = place + 1, False
    if _at(tokens, after) == "of":
        if _at(tokens, after + 1) not in _ARTICLES:
            return None
        after, is_joined = after + 2, True
    elif said == "half" and _at(tokens, after) in _ARTICLES:
        after, is_joined = after + 1, True
    is_clear = is_joined or fraction is not None or (has_article and said in ("half", "quarter"))
    if not is_clear and not (
        has_article and _at(tokens, after) in ("inch", "mile") and said in ("8th", "10th", "16th")
    ):
        return None
    written = said if fraction else f"1/{_PARTS[said]}"
    return _measured(written, tokens, after, is_joined=is_joined, start=start)


def _measured(written: str, tokens: Sequence[str], place: int, *, is_joined: bool, start: int) -> _Found | None:
    """The fraction with what it measures; a whole number before it is of the same number."""
    unit = _at(tokens, place)
    if unit == "percent":
        above, below = map(int, written.split("/"))
        has_whole = _at(tokens, start - 1)[:1].isdigit()
        if has_whole or 1000 % below:
            return [written, "percent"], place + 1
        return [f"{(Decimal(above) / below).normalize():f}%"], place + 1
    if unit in ("pound", "pounds"):
        return [written, "lbs"], place + 1
    return ([written], place) if is_joined and unit in MEASURES else _as_article(written, tokens, place, start)


def _as_article(written: str, tokens: Sequence[str], place: int, start: int) -> _Found | None:
    """``a half cup``: the article goes."""
    is_part = tokens[start] in _ARTICLES and _at(tokens, place) in MEASURES
    return ([written], place) if is_part else None


def _dotted_time(tokens: Sequence[str], place: int) -> _Found | None:
    """``9.30 am`` and both of ``9.30 to 10.15 am`` as times."""
    found = _DOTTED_TIME.fullmatch(tokens[place])
    if found is None:
        return None
    after = _at(tokens, place + 1)
    if after in ("to", "and") and _at(tokens, place + 3) in _HALVES_OF_DAYS:
        is_range = _DOTTED_TIME.fullmatch(tokens[place + 2]) is not None
        if not is_range:
            return None
    elif after not in _HALVES_OF_DAYS:
        return None
    return [found[1] if found[2] == "00" else f"{found[1]}:{found[2]}"], place + 1


def _hours(tokens: Sequence[str], place: int) -> _Found | None:
    """``oh 800 hours`` and ``at 800 hours`` as 0800 hours; ``at 1430 hours`` as 14:30."""
    said = tokens[place]
    if said in ("oh", "o", "0") and _at(tokens, place + 2) in _HOURS and _EARLY.fullmatch(tokens[place + 1]):
        return [f"0{tokens[place + 1]}"], place + 2
    if _at(tokens, place - 1) != "at" or _at(tokens, place + 1) not in _HOURS:
        return None
    if _WHOLE_HOUR.fullmatch(said):
        return [f"0{said}"], place + 1
    found = _HOUR_AND_MINUTES.fullmatch(said)
    return ([f"{found[1]}:{found[2]}"], place + 1) if found else None


def _product(tokens: Sequence[str], place: int) -> _Found | None:
    """``5 times 6`` as ``5 by 6``, as the sign is read; but not in ``5 times 6 people came``."""
    if tokens[place] != "times" or not _NUMBER.fullmatch(_at(tokens, place - 1)):
        return None
    after = _at(tokens, place + 2)
    is_product = _NUMBER.fullmatch(_at(tokens, place + 1)) and (not after or after in _AFTER_PRODUCT)
    return (["by"], place + 1) if is_product else None


_RULES = (_part, _dotted_time, _hours, _product)
