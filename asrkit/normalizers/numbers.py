"""English numbers: tokens in, tokens with digits out.

What is read here, with or without digits in it already:

- cardinals and ordinals, with and without ``and``: ``two thousand and five``, ``twenty first``, ``a hundred``
- years and digit strings, piece by piece: ``nineteen ninety nine``, ``oh two one``, ``double oh seven``
- times of day, piece by piece, where their company says so: ``at ten twenty``, but ``room ten twenty``
- decades: ``nineteen eighties``, ``1980's``
- decimals and versions: ``three point one four``, ``point five``, ``one point ten point one``
- fractions: ``one half``, ``two thirds``, ``three and a half``, ``2 1/2``
- multipliers after digits: ``2.5 million``, ``$100k``, ``10 k``
- money, percent, sign: ``five dollars and twenty cents``, ``three dollars fifty``, ``per cent``, ``minus five``

A stop parts number words (``twenty, four`` is two numbers), but for the commas with which thousands are written
(``one thousand, one hundred``). It does not part a word like ``point`` or ``percent`` from its number: stops are gone
in normalised text, so a rule must not need them twice. No number word is left. Single digits are the exception: three
and more in a row are one string whatever parts them, two are not (``3-2`` and ``2, 3`` are not 32 and 23).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .amounts import (
    DENOMINATORS,
    FIRST,
    LONGEST,
    MINUS,
    MONEY_WORDS,
    PARTS,
    POINTS,
    Amounts,
    cents,
    magnified,
    priced,
    takes,
)
from .number_words import OH, TIMES, WORDS
from .units import UNITS

__all__ = ["canonical", "is_number", "is_number_word", "starts", "takes", "written"]

_STARTS = frozenset((*WORDS, *OH, *TIMES, *MINUS, "a", "half", "per", "point", "o'clock"))  # of a number, or of a rule
_DIGITS = frozenset("0123456789")
# What may belong to figures, or to "a", that stand before it; before anything else they stay as they are.
_ATTACHED = frozenset((*WORDS, *MONEY_WORDS, *PARTS, *POINTS, "and", "percent", "per", "sterling", "'s"))
_ATTACHED |= frozenset(("st", "nd", "rd", "th", "k", "m", "mn", "bn", "tn"))
_PIECES = re.compile(
    r"(?P<sign>-?)(?P<money>[$€£¥₹¢]?)\s?(?P<body>[0-9]+(?:[.:/][0-9]+)*)"
    r"(?P<magnitude>k|mm?|mn|bn?|tn?|)\s?(?P<suffix>%|[$€£¥₹¢]|p|(?:st|nd|rd|th)(?:'s)?|'?s|)"
)


def is_number(token: str) -> bool:
    """Whether the token is a number, in words or in digits."""
    return token[0] in FIRST or token in WORDS


def is_number_word(token: str) -> bool:
    """Whether the token takes part in numbers and stands for one alone, or makes one of its neighbour."""
    return token in WORDS or token in MONEY_WORDS or token in UNITS or token in PARTS


def starts(token: str) -> bool:
    """Whether a number, or a rule about numbers, may start with the token."""
    return token in _STARTS or token[0] in FIRST


def canonical(token: str) -> list[str]:
    """A number as it is written in a text -> as we write it.

    >>> canonical("$5.00"), canonical("1980's"), canonical("10:30"), canonical("5:00"), canonical("1/2")
    (['$5'], ['1980s'], ['10:30'], ['5', "o'clock"], ['1/2'])
    >>> canonical("5 €"), canonical("$2.5m"), canonical("50p"), canonical("50/50")
    (['€5'], ['$2500000'], ['£0.50'], ['50', '50'])
    """
    found = _PIECES.fullmatch(token)
    assert found is not None, token
    sign, money, body, suffix = found["sign"], found["money"], found["body"], found["suffix"]
    if suffix == "'s":
        suffix = "s"  # the 1980's
    if ":" in body:
        hour, _, minutes = body.partition(":")
        if minutes == "00" and not (sign or money or suffix) and len(hour) <= 2:
            return [hour, "o'clock"]
        return [sign + money + body + suffix]
    if "/" in body:
        above, _, below = body.partition("/")
        if not (sign or money) and suffix in ("", "%") and _is_fraction(above, below):
            return [body, "percent"] if suffix else [body]
        return [*canonical(sign + money + above), *canonical(below + suffix)]
    magnitude = found["magnitude"]
    if magnitude and (body.count(".") > 1 or len(body) > LONGEST):
        return [sign + priced(money, body), magnitude]
    if magnitude:
        body = magnified(body, magnitude)
    if suffix == "p":
        return _pence(sign, money, body)
    if suffix and suffix in "$€£¥₹¢":
        return [sign + priced(money or suffix, body)]
    return [sign + priced(money, body) + suffix]


def _pence(sign: str, money: str, body: str) -> list[str]:
    is_pence = not money and len(body) <= 2 and body.isdecimal()
    return [sign + cents(body)] if is_pence else [sign + priced(money, body), "p"]


def _is_fraction(above: str, below: str) -> bool:
    if len(above) > 4 or len(below) > 4 or above[0] == "0" or below[0] == "0":
        return False
    return 0 < int(above) < int(below) and int(below) in DENOMINATORS


def written(tokens: Sequence[str], stops: Sequence[str]) -> list[str]:
    """The tokens, their numbers in digits.

    >>> written("the twenty first of may nineteen ninety nine".split(), [""] * 8)
    ['the', '21st', 'of', 'may', '1999']
    """
    reader = Amounts(tokens, stops)
    out: list[str] = []
    place = 0
    for start in [place for place, token in enumerate(tokens) if token in _STARTS or token[0] in FIRST]:
        if start < place or _is_alone(tokens, start):
            continue  # part of the number before, or as it should be
        out += tokens[place:start]
        place = start
        number, after = reader.number(place)
        if after == place:
            after, number = _without_number(tokens, place)
        for figure in number:
            out += figure.split()
        if after < len(tokens) and tokens[after] == "'s":
            out[-1] += "'s"  # henry the eighth's
            after += 1
        place = after
    out += tokens[place:]
    return out


def _is_alone(tokens: Sequence[str], place: int) -> bool:
    """Whether figures, or ``a``, stay as they are since what follows belongs to no number."""
    said = tokens[place]
    if said != "a" and (len(said) == 1 or said[0] not in _DIGITS):
        return False
    if place + 1 == len(tokens):
        return True
    after = tokens[place + 1]
    return after not in _ATTACHED and after[0] not in _DIGITS


def _without_number(tokens: Sequence[str], place: int) -> tuple[int, list[str]]:
    after = tokens[place + 1] if place + 1 < len(tokens) else ""
    if tokens[place] == "per" and after == "cent":
        return place + 2, ["percent"]
    if tokens[place] == "per" and after == "second":
        return place + 2, ["per", "second"]
    if tokens[place] == "o'clock" and after in ("am", "pm"):
        return place + 1, []
    return place + 1, [tokens[place]]
