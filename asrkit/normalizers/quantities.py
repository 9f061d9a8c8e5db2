"""What English numbers are together with the words around them: dates, times of day, ranges of money, scores, units.

These rules read tokens in which every number is in digits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .english_contexts import MODAL_BEFORE, MONTHS, SCORE_AFTER, SCORE_BEFORE, words_of
from .figures import MONEY, ordinal
from .measures import with_measures
from .units import UNITS, with_units

__all__ = ["with_quantities"]

_DAY = re.compile(r"([12]?[0-9]|3[01])(?:st|nd|rd|th)?")
_ORDINAL = re.compile(r"([12]?[0-9]|3[01])(?:st|nd|rd|th)")
_YEAR = re.compile("1[0-9]{3}|20[0-9]{2}")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_SCORE = re.compile("[0-9]{1,3}")
_HOUR = re.compile("[1-9]|1[0-2]")
_MINUTES = {"half": 30, "quarter": 15, "5": 5, "10": 10, "20": 20, "25": 25}
_ANY_MINUTES = re.compile("[1-9]|[12][0-9]")
_PAST = words_of("past after")
_TO = words_of("to till before")
_TELLING = words_of("at until till by nearly almost about")  # then "ten to four" is a time of day
_DATING = words_of("on by since until till before after from through between early late this last next around")
_DATING_DAYS = words_of("on by since until till from born dated through starting beginning ending")
_COUNTING = words_of("all only but these those other of some least most")  # all 5 may
_AFTER_DATE = words_of("is was will were has had this last next until till through")
_AFTER_MAY = words_of(
    "be have not also well still even never always only just soon or i you he she we they need want get go come seem "
    "help make take lead cause find become"
)
_NOTHING = words_of("nil")
_JOINTS = words_of("to or between us")
_BEATEN = words_of("us them him her me you it by was is of at")
_CLOCK_MARKS = frozenset((*_MINUTES, "minutes", "minute", "min", "mins"))
_TRIGGERS = (_CLOCK_MARKS, frozenset(MONTHS), SCORE_BEFORE | SCORE_AFTER | _NOTHING)


def with_quantities(tokens: list[str]) -> list[str]:
    """The tokens, dates and times and amounts in one form.

    >>> " ".join(with_quantities("half past 3 on the 4th of july for 5 to $10".split()))
    '3:30 on july 4th for $5 to $10'
    """
    tokens = with_measures(tokens)
    clock, dated, scored = (not words.isdisjoint(tokens) for words in _TRIGGERS)
    if clock:
        tokens = _with_clock(tokens)
    if dated:
        tokens = _with_dates(tokens)
    if scored:
        tokens = _with_scores(tokens)
    if not _JOINTS.isdisjoint(tokens):
        tokens = _with_ranges(tokens)
    return tokens if UNITS.isdisjoint(tokens) else with_units(tokens)


def _with_clock(tokens: Sequence[str]) -> list[str]:
    """``half past 3``, ``a quarter to 4``, ``10 minutes past 5``, ``at 20 to 6`` as 3:30, 3:45, 5:10, 5:40."""
    out: list[str] = []
    place = 0
    while place < len(tokens):
        time, after = _time(tokens, place)
        if after > place:
            if tokens[place] == "quarter" and out and out[-1] == "a":
                out.pop()
            out.append(time)
            place = after
            continue
        out.append(tokens[place])
        place += 1
    return out


def _time(tokens: Sequence[str], place: int) -> tuple[str, int]:
    said = tokens[place]
    if said not in _MINUTES and not said.isdecimal():
        return "", place
    has_unit = place + 1 < len(tokens) and tokens[place + 1] in ("minutes", "minute", "min", "mins")
    minutes = int(said) if has_unit and _ANY_MINUTES.fullmatch(said) else _MINUTES.get(said)
    at = place + 1 + has_unit
    if minutes is None or at + 1 >= len(tokens) or not _HOUR.fullmatch(tokens[at + 1]):
        return "", place
    hour, joint, after = int(tokens[at + 1]), tokens[at], at + 2
    if after < len(tokens) and (tokens[after] in UNITS or tokens[after] in ("percent", "to")):
        return "", place
    if after < len(tokens) and tokens[after] == "o'clock":
        after += 1
    if joint in _PAST and (joint == "past" or said == "quarter" or has_unit):
        return f"{hour}:{minutes:02}", after
    is_told = said == "quarter" or has_unit or _is_telling(tokens, place)
    if joint in _TO and minutes != 30 and is_told and (joint == "to" or said == "quarter"):
        return f"{hour - 1 or 12}:{60 - minutes:02}", after
    return "", place


def _is_telling(tokens: Sequence[str], place: int) -> bool:
    before = tokens[place - 1] if place else ""
    return before in _TELLING or (before in ("is", "was") and place > 1 and tokens[place - 2] == "it")


def _with_dates(tokens: Sequence[str]) -> list[str]:
    """``the 4th of july``, ``4 july``, ``july 4`` as ``july 4th``."""
    out: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        if token not in MONTHS:
            out.append(token)
            continue
        day = _day_after(token, out, tokens[place : place + 3])
        if day is not None:
            out += [token, _ordinal(day[0])]
            place += day[1]
            continue
        before = _day_before(out, token, tokens[place:])
        if before is not None:
            out[-before[0] :] = [token, before[1]]
        else:
            out.append(token)
    return out


def _day_after(month: str, before: Sequence[str], after: Sequence[str]) -> tuple[str, int] | None:
    """The day after the month, and how many tokens it takes: ``july 4``, ``july the 4th``."""
    count = 2 if after[:1] == ["the"] and len(after) > 1 and _ORDINAL.fullmatch(after[1]) else 1
    found = _DAY.fullmatch(after[count - 1]) if len(after) >= count else None
    if found is None or found[1] == "0" or _is_verb(month, before, after[count - 1 :]):
        return None
    return found[1], count


def _ordinal(day: str) -> str:
    return day + ordinal(day)


def _is_verb(month: str, before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether ``may`` or ``march`` is no month: ``they may 5 times``. After are the day and what follows it."""
    if month not in ("may", "march") or (len(after) > 1 and _YEAR.fullmatch(after[1])):
        return False
    if before and before[-1] in MODAL_BEFORE:
        return True
    is_cardinal = after[0].isdecimal()
    goes_on = len(after) > 1 and after[1] not in _AFTER_DATE
    return is_cardinal and goes_on and not (before and before[-1] in _DATING)


def _day_before(out: Sequence[str], month: str, after: Sequence[str]) -> tuple[int, str] | None:
    """How many tokens before the month are its day, and the day."""
    has_year = bool(after) and _YEAR.fullmatch(after[0]) is not None
    if len(out) > 1 and out[-1] == "of":
        found = _ORDINAL.fullmatch(out[-2])
        count = 2
    else:
        found = _DAY.fullmatch(out[-1]) if out else None
        count = 1
        if found and month in ("may", "march") and not has_year and not _is_dated(month, out, after):
            return None
        if found and len(out) > 1 and out[-2] in MONTHS:
            return None
    if found is None or found[1].startswith("0"):
        return None
    if len(out) > count and out[-count - 1] == "the":
        count += 1
    return count, _ordinal(found[1])


def _is_dated(month: str, out: Sequence[str], after: Sequence[str]) -> bool:
    """Whether ``may`` or ``march`` after a day is the month: ``on 5 may``, ``5 may was``, but ``5 may go``."""
    follows = after[0] if after else ""
    before = out[-2] if len(out) > 1 else ""
    if before == "the":
        before = out[-3] if len(out) > 2 else ""
    if before in _COUNTING:
        return False
    if not follows or follows in _AFTER_DATE:
        return True
    return before in _DATING_DAYS and (month == "march" or follows not in _AFTER_MAY)


def _with_scores(tokens: Sequence[str]) -> list[str]:
    """``won 3 2`` and ``won 3 nil`` as ``won 3 to 2``, ``won 3 to 0``."""
    out: list[str] = []
    for place, token in enumerate(tokens):
        if out and _SCORE.fullmatch(out[-1]):
            if token in _NOTHING:
                out += ["to", "0"]
                continue
            if _SCORE.fullmatch(token) and _is_score(tokens, place):
                out.append("to")
        out.append(token)
    return out


def _is_score(tokens: Sequence[str], place: int) -> bool:
    """Whether the number there and the one before are a score: ``won 3 2``, ``a 3 2 victory``."""
    after = tokens[place + 1 : place + 2]
    if not SCORE_AFTER.isdisjoint(after):
        return True
    if after and (_SCORE.fullmatch(after[0]) or after[0] in UNITS):
        return False
    before = place - 3 if place > 2 and tokens[place - 2] in _BEATEN else place - 2
    return before >= 0 and tokens[before] in SCORE_BEFORE


def _with_ranges(tokens: list[str]) -> list[str]:
    """The sign of money or per cent at both ends: ``5 to $10`` and ``$5 to 10`` as ``$5 to $10``."""
    out = _us_dollars(tokens) if "us" in tokens else list(tokens)
    for place in range(1, len(out) - 1):
        is_joint = out[place] in ("to", "or") or (out[place] == "and" and place > 1 and out[place - 2] == "between")
        if not is_joint:
            continue
        low, high = out[place - 1], out[place + 1]
        if _PLAIN.fullmatch(low):
            if high[0] in MONEY and _PLAIN.fullmatch(high[1:]):
                out[place - 1] = high[0] + low
            elif high[-1] == "%" and _PLAIN.fullmatch(high[:-1]):
                out[place - 1] = f"{low}%"
        elif low[0] in MONEY and _PLAIN.fullmatch(low[1:]) and _PLAIN.fullmatch(high) and out[place] == "to":
            out[place + 1] = low[0] + high
    return out


def _us_dollars(tokens: Sequence[str]) -> list[str]:
    """``us $5`` as ``5 us dollars``, as it is said."""
    out: list[str] = []
    for place, token in enumerate(tokens):
        if token[0] == "$" and place and tokens[place - 1] == "us" and _PLAIN.fullmatch(token[1:]):
            out[-1:] = [token[1:], "us", "dollars"]
        else:
            out.append(token)
    return out
