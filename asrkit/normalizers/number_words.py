"""English number words: cardinals and ordinals, read at a place among tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["OH", "SINGLE", "TIMES", "WORDS", "Cardinals"]

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_THOUSANDS = ["thousand", "million", "billion", "trillion", "quadrillion", "quintillion"]
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}


@dataclass(frozen=True, slots=True)
class Word:
    kind: str  # "0" zero, "1" one to nine, "11" ten to nineteen, "10" tens, "100" hundred, "1000" and more
    value: int
    suffix: str = ""  # of what the word makes of the number: "st", "th", "s"


def _vocabulary() -> dict[str, Word]:
    plain = {"zero": Word("0", 0), "hundred": Word("100", 100)}
    plain |= {name: Word("1", value) for value, name in enumerate(_ONES, 1)}
    plain |= {name: Word("11", value) for value, name in enumerate(_TEENS, 10)}
    plain |= {name: Word("10", value * 10) for value, name in enumerate(_TENS, 2)}
    plain |= {name: Word("1000", 1000**power) for power, name in enumerate(_THOUSANDS, 1)}
    plain |= {"fourty": Word("10", 40), "nought": Word("0", 0), "naught": Word("0", 0)}
    words = dict(plain)
    for name, word in plain.items():
        ordinal = _ORDINALS.get(name) or (name[:-1] + "ieth" if name.endswith("y") else name + "th")
        words[ordinal] = Word(word.kind, word.value, {"first": "st", "second": "nd", "third": "rd"}.get(ordinal, "th"))
        plural = name[:-1] + "ies" if name.endswith("y") else name + ("es" if name.endswith(("x", "o")) else "s")
        words[plural] = Word(word.kind, word.value, "s")
    words["zeroth"] = Word("0", 0, "th")
    words["zeros"] = words["zeroes"]
    return words


WORDS = _vocabulary()
OH = frozenset(("oh", "o"))
TIMES = {"double": 2, "triple": 3}
SINGLE = frozenset("0123456789")
_APART = frozenset(("of", "in", "with", "among", "from"))  # of nine hundred, sixty came


class Cardinals:
    """Reads number words at a place: gives what they are and the place after them, or the same place."""

    def __init__(self, tokens: Sequence[str], stops: Sequence[str]) -> None:
        self.tokens = tokens
        self.stops = stops
        self.end = len(tokens)

    def at(self, place: int) -> str:
        """The token, empty where there is none."""
        return self.tokens[place] if 0 <= place < self.end else ""

    def together(self, place: int) -> bool:
        """Whether there is a token that no stop parts from the one before."""
        return place < self.end and not self.stops[place]

    def is_multiplier(self, place: int) -> bool:
        """Whether ``hundred``, ``thousand`` or more is there."""
        word = WORDS.get(self.at(place))
        return word is not None and len(word.kind) > 2 and not word.suffix

    def below_hundred(self, place: int) -> tuple[int, int, str, bool]:
        """Value, the place after, suffix, and whether it has hundreds or more."""
        word = WORDS.get(self.at(place))
        if word is None or len(word.kind) > 2:
            return 0, place, "", False
        if word.kind == "10" and not word.suffix and self.together(place + 1):
            one = WORDS.get(self.at(place + 1))
            if one is not None and one.kind == "1":
                return word.value + one.value, place + 2, one.suffix, False
        return word.value, place + 1, word.suffix, False

    def below_thousand(self, place: int) -> tuple[int, int, str, bool]:
        """The same; also ``nineteen hundred``."""
        value, after, suffix, _ = self.below_hundred(place)
        hundred = WORDS.get(self.at(after))
        if suffix or hundred is None or hundred.kind != "100" or (after > place and not self.together(after)):
            return value, after, suffix, False
        if after > place and value == 0:
            return value, after, suffix, False
        value, after, suffix = max(value, 1) * 100, after + 1, hundred.suffix
        if suffix == "s" and after - place > 1 and not 10 < value // 100 < 20:
            suffix = ""  # but the nineteen hundreds
        if not suffix:
            ahead = after + (self.at(after) == "and")
            if (self.together(after) and self.together(ahead)) or self._is_tens_after_comma(place, after):
                rest, then, rest_suffix, _ = self.below_hundred(ahead)
                is_other = self.together(then) and (self._is_hundred(then) or self._is_string(ahead, then))
                if then > ahead and rest and not is_other:
                    return value + rest, then, rest_suffix, True
        return value, after, suffix, True

    def _is_tens_after_comma(self, place: int, after: int) -> bool:
        """Whether the comma stands within a number: nine hundred, sixty; but no list and no ``of 500, 20 came``."""
        if after >= self.end or self.stops[after] != "," or after != place + 2 or not self._is_one(place):
            return False
        if self.at(place - 1) in _APART or (self.stops[place] and self.at(place - 1) in WORDS):
            return False
        value, then, suffix, _ = self.below_hundred(after)
        word = WORDS.get(self.at(then))
        is_listed = word is not None or self.at(then)[:1].isdigit() or self.at(then) in ("and", "or")
        return value >= 10 and not suffix and not is_listed

    def _is_string(self, place: int, after: int) -> bool:
        """Whether the digit at the place is the first of a string: one eight hundred five five five."""
        return after == place + 1 and all(self._is_one(ahead) for ahead in range(place, place + 3))

    def _is_one(self, place: int) -> bool:
        word = WORDS.get(self.at(place))
        return word is not None and word.kind in ("0", "1") and not word.suffix

    def _is_hundred(self, place: int) -> bool:
        word = WORDS.get(self.at(place))
        return word is not None and word.kind == "100"

    def cardinal(self, place: int) -> tuple[int, int, str, bool]:
        """The same, with thousands and more; each smaller than the one before."""
        total, after, big = 0, place, False
        smallest = 0
        while True:
            ahead = after
            if big:
                ahead += self.at(after) == "and"
                if not (self.together(after) and self.together(ahead)) and not self._goes_on(after, smallest):
                    break
            value, then, suffix, hundreds = self.below_thousand(ahead)
            thousand = WORDS.get(self.at(then))
            if (
                not suffix
                and thousand is not None
                and thousand.kind == "1000"
                and (then == ahead or self.together(then))
            ):
                if then > ahead and value == 0:
                    return (total, after, "", big) if big else (value, then, suffix, hundreds)
                if big and (then == ahead or thousand.value >= smallest):
                    break
                counted = then > ahead
                total += max(value, 1) * thousand.value
                smallest, after, big = thousand.value, then + 1, True
                if thousand.suffix and not (thousand.suffix == "s" and counted):
                    return total, after, thousand.suffix, True
                continue
            if then == ahead:
                break
            if big and (value >= smallest or value == 0):
                break
            return total + value, then, suffix, big or hundreds
        return total, after, "", big

    def _goes_on(self, place: int, smallest: int) -> bool:
        """Whether the comma there stands within a number: one thousand, one hundred."""
        if not smallest or place >= self.end or self.stops[place] != ",":
            return False
        _, then, suffix, hundreds = self.below_thousand(place)
        if then == place or (suffix and not hundreds):
            return False
        thousand = WORDS.get(self.at(then))
        if thousand is None or thousand.kind != "1000" or not self.together(then):
            return hundreds
        return thousand.value < smallest
