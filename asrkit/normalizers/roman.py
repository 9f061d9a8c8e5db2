"""Roman numerals of chapters and rulers in English texts: ``chapter iv``, ``henry viii``."""

from __future__ import annotations

from collections.abc import Sequence

from .english_contexts import COUNTED, RULERS, SINGLE_LETTER_COUNTED, words_of
from .figures import ordinal

__all__ = ["NUMERALS", "with_roman_numerals"]

_LARGEST = 89  # lxxxix: numerals of i, v, x and l
_NOT_ALONE = words_of("iv vi ix xi xv xx xl li lv lx mix")  # words, names and abbreviations of their own
# The single letter i is a numeral only where nothing goes on after which it would be the pronoun.
_AFTER_FIRST = words_of("of and or to through scene chapter section verse page part")
_AFTER_RULER = words_of("of was died ruled reigned became")
_ARTICLES = words_of("the a an this that these each every any his her my your its their our which what")


def _numeral(value: int) -> str:
    text = ""
    for worth, letters in ((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")):
        count, value = divmod(value, worth)
        text += letters * count
    return text


NUMERALS = {_numeral(value): value for value in range(1, _LARGEST + 1)}


_MANY = frozenset(numeral + ending for numeral in NUMERALS if numeral != "i" for ending in ("", "'s"))
_CONTEXT = COUNTED | RULERS


def with_roman_numerals(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    """The tokens, Roman numerals as figures where the word before says that they are numerals.

    >>> with_roman_numerals("louis xiv and chapter iv".split(), [""] * 5)[0]
    ['louis', 'the', '14th', 'and', 'chapter', '4']
    """
    if "i" in tokens and not _MANY.intersection(tokens) and not _CONTEXT.intersection(tokens):
        return tokens, stops  # the pronoun
    out: list[str] = []
    parted: list[str] = []
    for place, token in enumerate(tokens):
        if token in NUMERALS:
            figures = _figures(tokens, stops, place, token)
        elif token[-2:] == "'s" and token[:-2] in NUMERALS and len(token) > 3:
            figures = _figures(tokens, stops, place, token[:-2])
            figures[-1] += "'s"
        else:
            figures = [token]
        out += figures
        parted += [stops[place], *[""] * (len(figures) - 1)]
    return out, parted


def _figures(tokens: Sequence[str], stops: Sequence[str], place: int, token: str) -> list[str]:
    value = str(NUMERALS[token])
    before = tokens[place - 1] if place else ""
    if place and stops[place].strip("."):
        before = ""
    if before in RULERS and _is_numeral(tokens, stops, place, _AFTER_RULER):
        return ["the", value + ordinal(value)]
    if before in COUNTED and _is_numeral(tokens, stops, place, _AFTER_FIRST):
        return [value]
    if len(token) > 1 and token not in _NOT_ALONE:
        return [value]
    return [token]


def _is_numeral(tokens: Sequence[str], stops: Sequence[str], place: int, followed_by: frozenset[str]) -> bool:
    numeral, before = tokens[place].removesuffix("'s"), tokens[place - 1]
    if len(numeral) > 1:
        return True
    if numeral != "i":  # v, x, l
        return numeral != "l" and (before in SINGLE_LETTER_COUNTED or before in RULERS)
    earlier = tokens[place - 2] if place > 1 else ""
    if earlier in _ARTICLES:
        return False  # the part I played
    return place + 1 == len(tokens) or bool(stops[place + 1]) or tokens[place + 1] in followed_by
