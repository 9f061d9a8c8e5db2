"""Figures that are written with signs between them, before an English text is cut into tokens.

A sign between figures says how they are read, so it must not be lost and must not make other figures of them: the
hyphens of a phone number say nothing, that of ``5-6`` says "to", and ``3:1`` is not 31.
"""

from __future__ import annotations

import re

from .english_contexts import BIBLE, MONTHS

__all__ = ["MONEY", "date", "ordinal", "read_signs"]

MONEY = "$\u00a3\u20ac\u00a5\u20b9"  # dollar, pound, euro, yen, rupee
_M = re.escape(MONEY)
_MONTHS = list(MONTHS)

_DIGIT = re.compile("[0-9]")
_SIGNED = re.compile(r"[0-9][a-z%'$\u00a3\u20ac]{0,3}[^a-z0-9]{1,3}[0-9]")  # most texts have no sign between figures
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?![0-9]|,[0-9])")
_BARE_POINT = re.compile(rf"(?:(?<=[{_M}])|(?<![^\s(\-]))\.(?=[0-9])")  # $.50, .5, -.5
_NUMBER_SIGN = re.compile(r"\bno\.\s?(?=[0-9])|#\s?(?=[0-9])")  # No. 5, #5

# North American numbers, with or without country code; the first digits cannot be 0 or 1, which keeps lists of
# small numbers out.
_PHONE = re.compile(
    r"(?<![0-9./:,-])(?:\+?1[-. ]\s?)?[2-9][0-9]{2}(?:[-.]|\s{1,2})[2-9][0-9]{2}[-. ][0-9]{4}(?![0-9]|[-./:,][0-9])"
)
_TOLL_FREE = re.compile(r"(?<![0-9./:,-])(?:1[-. ])?8(?:00|33|44|55|66|77|88)[-. ][0-9]{7}(?![0-9]|[-./:,][0-9])")
_ABROAD = re.compile(r"\+[0-9]{1,3}(?:[ .-]{0,2}[0-9]{1,5}){2,6}(?![0-9])")
_TRUNK = re.compile(r"(?<![0-9./:,-])0[0-9]{2,4}(?:[ -]{1,2}[0-9]{3,6}){1,3}(?![0-9]|[-./:,][0-9])")  # 020 7946 0958
_LOCAL = re.compile(r"(?<![0-9./:,-])(?:[2-9][0-9]{2}-[0-9]{4}|[0-9]{5}-[0-9]{4})(?![0-9]|[-./:,][0-9])")  # 555-1234
_CARD = re.compile(r"(?<![0-9./:,-])[2-6][0-9]{3}(?:[ -][0-9]{4}){3}(?![0-9]|[-./:,][0-9])")
_AMEX = re.compile(r"(?<![0-9./:,-])3[47][0-9]{2}[ -][0-9]{6}[ -][0-9]{5}(?![0-9]|[-./:,][0-9])")
_YEAR = re.compile(r"1[89][0-9]{2}|20[0-9]{2}")
_CHAIN = re.compile(r"(?<![0-9./:,-])[0-9]+(?:-[0-9]+){2,}(?![0-9]|[./:,][0-9])")  # 0-0-7, 123-45-6789

_ISO = re.compile(
    r"(?<![0-9./:,-])(?P<y>1[0-9]{3}|20[0-9]{2})(?P<s>[-/])(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12][0-9]|3[01])"
    r"(?![0-9]|[-./:,][0-9])"
)
_SLASHED = re.compile(r"(?<![0-9./:,-])([0-9]{1,2})([/.-])([0-9]{1,2})\2([12][0-9]{3})(?![0-9]|[-./:,][0-9])")

_RANGE = re.compile(
    rf"(?<![a-z0-9:.\-])([{_M}]?[0-9][0-9:.]*(?:'?s|st|nd|rd|th|k|m|am|pm|%)?[{_M}]?)(-| - )(?=[{_M}]?\.?[0-9])"
)
_SHARE = re.compile(r"(?<![0-9./:,$%-])([1-9][0-9])-([1-9][0-9])(?![0-9%]|[-./:,][0-9])")
_LABEL = re.compile(r"(?<![0-9./:,$%-])([0-9]{4,})-([0-9]+)(?![0-9%]|[-./:,][0-9])")
_RATIO = re.compile(r"(?<![0-9:.])([0-9]+):([0-9]+)(?![0-9:]|\.[0-9])")
_MINUTES = re.compile("[0-5][0-9]")
_FEET = re.compile(r"(?<![0-9'])([0-9]{1,2})'\s?([0-9]{1,2})(?:\"|''|(?![0-9a-z']))")
_BOOK = re.compile(rf"\b({'|'.join(sorted(BIBLE))}) ([0-9]+):([0-9]+)(?![0-9:])")
_TIMES = re.compile(r"(?<=[0-9])(?<!\b0)\s?x\s?(?=[0-9])")
_POWER = re.compile(r"(?<=[0-9\s])(km|cm|mm|m|ft)([23])(?![a-z0-9])")
_ATTACHED = re.compile(r"(?<=[0-9])(?:([wv])(?![a-z0-9'])|\s([wv])(?=[.,;!?]?\s*$))")
_INCHES = re.compile(r"(?<=[0-9])(?:\"(?![a-z0-9])|\s?in\.(?![a-z0-9]))")
_PER = re.compile(r"(?<=[0-9\s])([a-z]{1,6})/(h|hr|hour|s|sec|second|min|minute|day|week|month|year|kg|l|m3)(?![a-z])")
_SPEED = re.compile(
    r"\b(kms?|mi|m|ft|cm|mm|[km]?g|ml|l|[kmg]b|miles?|(?:kilo)?met(?:er|re)s?)/(h|hr|hour|s|sec|min|l|kg)\b"
)


def read_signs(text: str) -> str:
    """The text, the signs between its figures as words or gone.

    >>> read_signs("call 919-696-3901, pages 5-6, 3:1, 4111 1111 1111 1111")
    'call 9196963901, pages 5 to 6, 3 to 1, 4111111111111111'
    """
    if not _DIGIT.search(text):
        return _SPEED.sub(r"\1 per \2", text) if "/" in text else text
    if "/" in text:
        text = _PER.sub(r"\1 per \2", text)
    text = _letters_after(text)
    if "," in text:
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    if "." in text:
        text = _BARE_POINT.sub("0.", text)
    if "#" in text or "no." in text:
        text = _NUMBER_SIGN.sub("number ", text)
    if not _SIGNED.search(text):
        return text
    text = _grouped(text)
    if "'" in text:
        text = _FEET.sub(r"\1 feet \2 ", text)
    if ":" in text:
        text = _RATIO.sub(_ratio, _BOOK.sub(r"\1 \2 \3", text))
    if "-" in text:
        text = _RANGE.sub(r"\1 to ", _LABEL.sub(_label, _SHARE.sub(_share, text)))
    return text


def _letters_after(text: str) -> str:
    """Letters and signs that belong to the figure before them: ``4x4``, ``5 m2``, ``100W``, ``12"``."""
    text = _ATTACHED.sub(lambda found: " watts" if "w" in found[0] else " volts", text)
    if "x" in text:
        text = _TIMES.sub(" by ", text)
    if "2" in text or "3" in text:
        text = _POWER.sub(lambda found: f"{found[1]} {'squared' if found[2] == '2' else 'cubed'}", text)
    if text.count('"') == 1 or "in." in text:
        text = _INCHES.sub(" inches ", text)
    return text


def _grouped(text: str) -> str:
    """Phone numbers, cards and dates, whose groups are one number."""
    if "-" in text or "/" in text or "." in text:
        text = _ISO.sub(lambda found: date(found["y"], found["m"], found["d"]), text)
        text = _SLASHED.sub(_dated, text)
    if "+" in text:
        text = _ABROAD.sub(_digits, text)
    text = _TOLL_FREE.sub(_digits, _PHONE.sub(_digits, text))
    text = _CARD.sub(_card, text)
    text = _AMEX.sub(_digits, text)
    if " 0" in text or text[0] == "0":
        text = _TRUNK.sub(_digits, text)
    if "-" in text:
        text = _LOCAL.sub(_local, text)
        text = _CHAIN.sub(_chain, text)
    return text


def _digits(found: re.Match[str]) -> str:
    digits = "".join(char for char in found[0] if char.isdigit())
    return f" +{digits}" if found[0][0] == "+" else digits


def _card(found: re.Match[str]) -> str:
    years = all(_YEAR.fullmatch(group) for group in re.split("[ -]", found[0]))
    return found[0] if years else _digits(found)


def _local(found: re.Match[str]) -> str:
    low, _, high = found[0].partition("-")
    is_range = low.endswith("0") and high.endswith("0")  # 100-1000
    return found[0] if is_range else low + high


def _chain(found: re.Match[str]) -> str:
    return found[0].replace("-", "")


def date(year: str, month: str | int, day: str | int) -> str:
    """A date of the calendar as it is compared.

    >>> date("1994", "02", "11")
    'february 11th 1994'
    """
    return f"{_MONTHS[int(month) - 1]} {int(day)}{ordinal(str(int(day)))} {year}"


def ordinal(digits: str) -> str:
    """What makes an ordinal of the figure.

    >>> ordinal("21"), ordinal("11")
    ('st', 'th')
    """
    if digits[-2:] in ("11", "12", "13"):
        return "th"
    return {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")


def _dated(found: re.Match[str]) -> str:
    """A date if it can be read in one way only: 12/25/2020 but not 4/5/2020."""
    first, second, year = int(found[1]), int(found[3]), found[4]
    if first <= 12 < second <= 31:
        return date(year, first, second)
    if second <= 12 < first <= 31:
        return date(year, second, first)
    return f"{found[1]} {found[3]} {year}"


def _share(found: re.Match[str]) -> str:
    is_whole = int(found[1]) + int(found[2]) == 100  # 50-50, 60-40
    return f"{found[1]} {found[2]}" if is_whole else found[0]


def _label(found: re.Match[str]) -> str:
    """``8859-7`` is no range, since it goes down; ``2019-20`` is one, of years."""
    low, high = found[1], found[2]
    goes_up = (len(low), low) < (len(high), high)
    is_years = _YEAR.fullmatch(low) is not None and len(high) == 2
    return found[0] if goes_up or is_years else f"{low} {high}"


def _ratio(found: re.Match[str]) -> str:
    if _MINUTES.fullmatch(found[2]) and len(found[1]) <= 2 and int(found[1]) < 25:
        return found[0]
    return f"{found[1]} to {found[2]}"
