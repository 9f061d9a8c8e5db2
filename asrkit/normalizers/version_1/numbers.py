"""English numbers as version 1 read them: tokens in, tokens with digits out.

What is read here, with or without digits in it already:

- cardinals and ordinals, with and without ``and``: ``two thousand and five``, ``twenty first``, ``a hundred``
- years and digit strings, chunk by chunk: ``nineteen ninety nine``, ``oh two one``, ``double oh seven``, ``ten thirty``
- decades: ``nineteen eighties``, ``1980's``
- decimals and versions: ``three point one four``, ``one point ten point one``
- fractions: ``one half``, ``two thirds``, ``three and a half``, ``2 1/2``
- multipliers after digits: ``2.5 million``
- money, percent, sign: ``five dollars and twenty cents``, ``per cent``, ``minus five``

A stop parts number words (``twenty, four`` is two numbers), but it does not part a word like ``point`` or ``percent``
from its number: stops are gone in normalised text, so a rule must not need them twice. No number word is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["canonical", "is_number", "is_number_word", "takes", "written"]

LONGEST = 30  # digits with which we still reckon


def _list(text: str) -> list[str]:
    return text.split()


_ONES = _list("one two three four five six seven eight nine")
_TEENS = _list("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = _list("twenty thirty forty fifty sixty seventy eighty ninety")
_THOUSANDS = _list("thousand million billion trillion quadrillion quintillion")
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_ORDINALS |= {"twelve": "twelfth"}


@dataclass(frozen=True, slots=True)
class _Word:
    kind: str  # "0" zero, "1" one to nine, "11" ten to nineteen, "10" tens, "100" hundred, "1000" and more
    value: int
    suffix: str = ""  # of what the word makes of the number: "st", "th", "s"


def _vocabulary() -> dict[str, _Word]:
    plain = {"zero": _Word("0", 0), "hundred": _Word("100", 100)}
    plain |= {name: _Word("1", value) for value, name in enumerate(_ONES, 1)}
    plain |= {name: _Word("11", value) for value, name in enumerate(_TEENS, 10)}
    plain |= {name: _Word("10", value * 10) for value, name in enumerate(_TENS, 2)}
    plain |= {name: _Word("1000", 1000**power) for power, name in enumerate(_THOUSANDS, 1)}
    plain |= {"fourty": _Word("10", 40)}
    words = dict(plain)
    for name, word in plain.items():
        ordinal = _ORDINALS.get(name) or (name[:-1] + "ieth" if name.endswith("y") else name + "th")
        words[ordinal] = _Word(word.kind, word.value, {"first": "st", "second": "nd", "third": "rd"}.get(ordinal, "th"))
        plural = name[:-1] + "ies" if name.endswith("y") else name + ("es" if name.endswith(("x", "o")) else "s")
        words[plural] = _Word(word.kind, word.value, "s")
    words["zeroth"] = _Word("0", 0, "th")
    words["zeros"] = words["zeroes"]
    return words


_WORDS = _vocabulary()
_OH = frozenset(("oh", "o"))
_TIMES = {"double": 2, "triple": 3}
_POINTS = frozenset(("point", "dot"))
_MINUS = frozenset(("minus", "negative"))
_MONEY = {
    "dollar": "$",
    "dollars": "$",
    "euro": "€",
    "euros": "€",
    "pound": "£",
    "pounds": "£",
    "yen": "¥",
    "rupee": "₹",
    "rupees": "₹",
    "cent": "¢",
    "cents": "¢",
}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}
_PARTS |= {"ninth": 9, "tenth": 10, "halves": 2}
_PARTS |= {f"{name}s": value for name, value in _PARTS.items() if name not in ("half", "halves")}
_PARTS |= {"hundredths": 100, "thousandths": 1000}
_ONE_PART = frozenset(_list("half third quarter fourth fifth sixth seventh eighth ninth tenth"))
_DENOMINATORS = frozenset((2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 32, 64, 100, 1000))
_UNITS = {
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "kg": "kilograms",
    "mg": "milligrams",
    "ml": "milliliters",
    "mph": "miles per hour",
    "hz": "hertz",
    "khz": "kilohertz",
    "mhz": "megahertz",
    "ghz": "gigahertz",
}
_SINGLE = frozenset("0123456789")
_FIRST = frozenset("0123456789$€£¥₹¢-")
_STARTS = frozenset((*_WORDS, *_OH, *_TIMES, *_MINUS, "a", "half", "per", "o'clock"))  # of a number, or of a rule
_INTEGER = re.compile(r"[0-9]+")
_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_DECIMAL = re.compile(r"([$€£¥₹]?)([0-9]+(?:\.[0-9]+)?)")
_PIECES = re.compile(
    r"(?P<sign>-?)(?P<money>[$€£¥₹¢]?)\s?(?P<body>[0-9]+(?:[.:/][0-9]+)*)\s?(?P<suffix>%|¢|st|nd|rd|th|'?s|)"
)


def is_number(token: str) -> bool:
    """Whether the token is a number, in words or in digits."""
    return token[0] in _FIRST or token in _WORDS


def is_number_word(token: str) -> bool:
    """Whether the token takes part in numbers and stands for one alone, or makes one of its neighbour."""
    return token in _WORDS or token in _MONEY or token in _UNITS or token in _PARTS


def takes(token: str, suffix: str) -> bool:
    """Whether ``21`` takes ``st``."""
    return _INTEGER.fullmatch(token) is not None and suffix == _ordinal(token)


def canonical(token: str) -> list[str]:
    """A number as it is written in a text -> as we write it.

    >>> canonical("$5.00"), canonical("1980's"), canonical("10:30"), canonical("5:00"), canonical("1/2")
    (['$5'], ['1980s'], ['1030'], ['5', "o'clock"], ['1/2'])
    """
    found = _PIECES.fullmatch(token)
    assert found is not None, token
    sign, money, body, suffix = found["sign"], found["money"], found["body"], found["suffix"].replace("'", "")
    if ":" in body:
        hour, _, minutes = body.partition(":")
        if minutes == "00" and not (sign or money or suffix) and len(hour) <= 2:
            return [hour, "o'clock"]
        body = body.replace(":", "")
    if "/" in body:
        above, _, below = body.partition("/")
        if not (sign or money or suffix) and _is_fraction(above, below):
            return [body]
        if len(above) > 2 or len(below) > 2:
            return [*canonical(sign + money + above), *canonical(below + suffix)]
        body = above + below  # as it is spoken: 9/11, 24/7
    if suffix == "¢":
        return [sign + _priced(money or "¢", body)]
    return [sign + _priced(money, body) + suffix]


def _is_fraction(above: str, below: str) -> bool:
    if len(above) > 4 or len(below) > 4 or above[0] == "0" or below[0] == "0":
        return False
    return 0 < int(above) < int(below) and int(below) in _DENOMINATORS


def _priced(money: str, body: str) -> str:
    """An amount of money: no ``.00``, two places for hundredths, cents below one."""
    if not money:
        return body
    whole, _, cents = body.partition(".")
    if money == "¢":
        return money + body
    if not cents or "." in cents or len(cents) > 2:
        return money + body
    cents = cents.ljust(2, "0")
    if cents == "00":
        return money + whole
    if money in "$€" and not whole.strip("0"):
        return f"¢{cents.lstrip('0')}"
    return f"{money}{whole}.{cents}"


def written(tokens: list[str], stops: list[str]) -> list[str]:
    """The tokens, their numbers in digits.

    >>> written("the twenty first of may nineteen ninety nine".split(), [""] * 8)
    ['the', '21st', 'of', 'may', '1999']
    """
    reader = _Reader(tokens, stops)
    out: list[str] = []
    place = 0
    while place < len(tokens):
        if tokens[place] not in _STARTS and tokens[place][0] not in _FIRST:
            reader.growing = False
            out.append(tokens[place])
            place += 1
            continue
        number, after = reader.number(place)
        if after == place:
            after, number = _without_number(tokens, place)
        for token in number:
            if token in _SINGLE and out and out[-1].isdecimal() and reader.growing:
                out[-1] += token
                continue
            reader.growing = token in _SINGLE
            out.append(token)
        place = after
    return out


def _without_number(tokens: list[str], place: int) -> tuple[int, list[str]]:
    if tokens[place] == "per" and tokens[place + 1 : place + 2] == ["cent"]:
        return place + 2, ["percent"]
    if tokens[place] == "o'clock" and tokens[place + 1 : place + 2] in (["am"], ["pm"]):
        return place + 1, []
    return place + 1, [tokens[place]]


class _Reader:
    """Reads numbers at a place: gives their tokens and the place after them, the same place where there is none."""

    def __init__(self, tokens: list[str], stops: list[str]) -> None:
        self.tokens = tokens
        self.stops = stops
        self.end = len(tokens)
        self.growing = False  # the last token out is a string of single digits

    def at(self, place: int) -> str:
        return self.tokens[place] if place < self.end else ""

    def together(self, place: int) -> bool:
        """Whether the token is not parted from the one before."""
        return place < self.end and not self.stops[place]

    # The whole number, from its sign to what is counted.

    def number(self, place: int, *, plain: bool = False) -> tuple[list[str], int]:
        said = self.at(place)
        if said in _MINUS:
            number, after = self.number(place + 1, plain=True) if self.at(place + 1) not in _MINUS else ([], place + 1)
            if after > place + 1 and _is_unsigned(number[0]):
                return [f"-{number[0]}", *number[1:]], after
            return [], place
        if said == "half" and self.at(place + 1) in ("a", "1") and self._is_multiplier(place + 2):
            return [str(_WORDS[self.at(place + 2)].value // 2)], place + 3
        start = place
        if said == "a" and self.together(place + 1) and self._is_multiplier(place + 1):
            place += 1
            said = self.at(place)
        if said and said[0] in _FIRST and said not in _SINGLE:
            base, after = said, place + 1
        elif said in _OH and self.at(place + 1) in _POINTS and self._digit_at(place + 2):
            base, after = "0", place + 1
        else:
            base, after = self.spoken(place)
            if after == place:
                return [], start
        return self._counted(base, after, plain=plain)

    def _is_multiplier(self, place: int) -> bool:
        word = _WORDS.get(self.at(place))
        return word is not None and len(word.kind) > 2 and not word.suffix

    def _counted(self, base: str, place: int, *, plain: bool) -> tuple[list[str], int]:
        """The number with what follows it: decimals, halves, multipliers, suffix, percent, money, unit."""
        base, place = self._pointed(base, place)
        base, place = self._multiplied(base, place)
        rest: list[str] = []
        if _INTEGER.fullmatch(base):
            base, rest, place = self._parted(base, place)
            if not rest:
                base, place = self._multiplied(base, place)
        if rest:
            return [base, *rest], place
        said = self.at(place)
        if takes(base, said):
            return [base + said], place + 1
        if _DOTTED.fullmatch(base.lstrip("-")):
            if said == "percent":
                return [f"{base}%"], place + 1
            if said == "per" and self.at(place + 1) == "cent":
                return [f"{base}%"], place + 2
            if said in _MONEY:
                base, place = _money(base, _MONEY[said]), place + 1
            elif said in _UNITS:
                return [base, *_UNITS[said].split()], place + 1
        if base[0] in "$€£¥₹":
            base = _priced(base[0], base[1:])
            if _MONEY.get(self.at(place)) == base[0]:
                place += 1  # "$5 dollars"
            if not plain and base[0] in "$€£" and base[1:].isdecimal():
                return self._with_cents(base, place)
        return [base], place

    def _with_cents(self, base: str, place: int) -> tuple[list[str], int]:
        ahead = place + (self.at(place) == "and")
        cents, after = self.number(ahead, plain=True)
        if after > ahead and len(cents) == 1 and re.fullmatch("¢[0-9]{1,2}", cents[0]):
            return [f"{base}.{cents[0][1:].zfill(2)}"], after
        return [base], place

    def _pointed(self, base: str, place: int) -> tuple[str, int]:
        while self.at(place) in _POINTS and _DOTTED.fullmatch(base.lstrip("-$€£¥₹")):
            said = self.at(place + 1)
            if said and _INTEGER.fullmatch(said) and said not in _SINGLE:
                digits, after = said, place + 2
            elif said in _OH:
                digits, after = self.spoken(place + 1, small=True)
                if after == place + 1:
                    digits, after = "0", place + 2
            else:
                digits, after = self.spoken(place + 1, small=True)
            if after == place + 1 or not _INTEGER.fullmatch(digits):
                break
            base, place = f"{base}.{digits}", after
        return base, place

    def _multiplied(self, base: str, place: int) -> tuple[str, int]:
        """``2.5 million``, ``20 thousand``, ``3 hundred and 5``."""
        found = _DECIMAL.fullmatch(base)
        sized = False
        while found and len(found[2]) <= LONGEST and self.together(place):
            word = _WORDS.get(self.at(place))
            if word is None or len(word.kind) < 3 or word.suffix not in ("", "s"):
                break
            base = found[1] + _plain(Decimal(found[2]) * word.value)
            found = _DECIMAL.fullmatch(base)
            sized = True
            place += 1
        if sized and found and found[2].isdecimal():
            ahead = place + (self.at(place) == "and")
            if self.together(place) and self.together(ahead):
                more = self.at(ahead)
                value, after, word_suffix, _ = self.cardinal(ahead)
                if more.isdecimal() and len(more) <= LONGEST and ahead > place:
                    value, after, word_suffix = int(more), ahead + 1, ""
                if after > ahead and not word_suffix and value > 0 and _fits(int(found[2]), value):
                    base, place = f"{found[1]}{int(found[2]) + value}", after
        return base, place

    def _parted(self, base: str, place: int) -> tuple[str, list[str], int]:
        """Fractions: ``one half``, ``two thirds``, ``three and a half``, ``2 1/2``."""
        said = self.at(place)
        if said in _PARTS and len(base) <= 2 and base[0] != "0" and (int(base) == 1) == (said in _ONE_PART):
            below = _PARTS[said]
            if int(base) < below:
                return f"{base}/{below}", [], place + 1
        ahead = place + (said == "and")
        fraction, after = "", ahead
        if ahead > place and self.at(ahead) == "a" and self.at(ahead + 1) in ("half", "quarter"):
            fraction, after = f"1/{_PARTS[self.at(ahead + 1)]}", ahead + 2
        elif re.fullmatch("[0-9]+/[0-9]+", self.at(ahead)):
            fraction, after = self.at(ahead), ahead + 1
        elif ahead > place:
            spoken, after = self.spoken(ahead)
            part = self.at(after)
            if spoken.isdecimal() and len(spoken) == 1 and part in _PARTS and (spoken == "1") == (part in _ONE_PART):
                fraction, after = f"{spoken}/{_PARTS[part]}", after + 1
        if fraction and len(base) <= LONGEST:
            above, below = map(int, fraction.split("/"))
            if not 0 < above < below:
                return base, [], place
            if 1000 % below == 0:
                return _plain(int(base) + Decimal(above) / below), [], after
            return base, [fraction], after
        return base, [], place

    # Number words.

    def spoken(self, place: int, *, small: bool = False) -> tuple[str, int]:
        """Number words and single digits that stand together, chunk after chunk: ``1`` ``oh`` ``ninety nine``.

        With ``small`` hundreds and more are not read.
        """
        digits = ""
        start = place
        while place < self.end and (place == start or self.together(place)):
            token = self.tokens[place]
            if token in _SINGLE:
                digits += token
                place += 1
            elif token in _OH:
                if not self._digit_at(place + 1) or not (digits or self._digit_at(place + 2)):
                    break
                digits += "0"
                place += 1
            elif token in _TIMES:
                repeated = self.at(place + 1)
                if not self._digit_at(place + 1) and repeated not in _OH:
                    break
                digit = repeated if repeated in _SINGLE else str(_WORDS[repeated].value) if repeated in _WORDS else "0"
                digits += digit * _TIMES[token]
                place += 2
            else:
                value, after, suffix, big = self.below_hundred(place) if small else self.cardinal(place)
                if after == place or (digits and (big or suffix not in ("", "s"))) or (small and suffix):
                    break
                digits += str(value)
                place = after
                if suffix or big:
                    return digits + suffix, place
        return digits, place

    def _digit_at(self, place: int) -> bool:
        token = self.at(place)
        if token in _SINGLE:
            return True
        word = _WORDS.get(token)
        return word is not None and word.kind in ("0", "1") and not word.suffix

    def below_hundred(self, place: int) -> tuple[int, int, str, bool]:
        """Value, the place after, suffix, and whether it has hundreds or more."""
        word = _WORDS.get(self.at(place))
        if word is None or len(word.kind) > 2:
            return 0, place, "", False
        if word.kind == "10" and not word.suffix and self.together(place + 1):
            one = _WORDS.get(self.at(place + 1))
            if one is not None and one.kind == "1":
                return word.value + one.value, place + 2, one.suffix, False
        return word.value, place + 1, word.suffix, False

    def below_thousand(self, place: int) -> tuple[int, int, str, bool]:
        """The same; also ``nineteen hundred``."""
        value, after, suffix, _ = self.below_hundred(place)
        hundred = _WORDS.get(self.at(after))
        if suffix or hundred is None or hundred.kind != "100" or (after > place and not self.together(after)):
            return value, after, suffix, False
        if after > place and value == 0:
            return value, after, suffix, False
        value, after, suffix = max(value, 1) * 100, after + 1, hundred.suffix
        if suffix in ("", "s") and after - place > 1:
            suffix = ""
        if not suffix:
            ahead = after + (self.at(after) == "and")
            if self.together(after) and self.together(ahead):
                rest, then, rest_suffix, _ = self.below_hundred(ahead)
                if then > ahead and rest and not (self.together(then) and self._is_hundred(then)):
                    return value + rest, then, rest_suffix, True
        return value, after, suffix, True

    def _is_hundred(self, place: int) -> bool:
        word = _WORDS.get(self.at(place))
        return word is not None and word.kind == "100"

    def cardinal(self, place: int) -> tuple[int, int, str, bool]:
        """The same, with thousands and more; each smaller than the one before."""
        total, after, big = 0, place, False
        smallest = 0
        while True:
            ahead = after
            if big:
                ahead += self.at(after) == "and"
                if not (self.together(after) and self.together(ahead)):
                    break
            value, then, suffix, hundreds = self.below_thousand(ahead)
            thousand = _WORDS.get(self.at(then))
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


def _fits(big: int, small: int) -> bool:
    """Whether ``small`` fills the zeros at the end of ``big``."""
    return int(big % 10 ** len(str(small))) == 0


def _is_unsigned(token: str) -> bool:
    return token[0] in "0123456789$€£¥₹¢"


def _ordinal(digits: str) -> str:
    if digits[-2:] in ("11", "12", "13"):
        return "th"
    return {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(base: str, sign: str) -> str:
    if base[0] == "-":
        return f"-{_money(base[1:], sign)}"
    return f"¢{base}" if sign == "¢" else _priced(sign, base)
