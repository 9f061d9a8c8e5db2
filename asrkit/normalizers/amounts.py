"""English amounts: numbers with what makes them up and what they count: decimals, fractions, millions, money."""

from __future__ import annotations

import re
from decimal import Context, Decimal

from .digit_strings import Strings
from .english_contexts import POINT_AFTER, PRICE_FOLLOWED_BY, words_of
from .figures import ordinal
from .number_words import OH, SINGLE, WORDS
from .units import UNITS

__all__ = [
    "DENOMINATORS",
    "FIRST",
    "LONGEST",
    "MINUS",
    "MONEY_WORDS",
    "PARTS",
    "POINTS",
    "Amounts",
    "cents",
    "magnified",
    "priced",
    "takes",
]

LONGEST = 30  # digits with which we still reckon

POINTS = frozenset(("point", "dot"))
MINUS = frozenset(("minus", "negative"))
MONEY_WORDS = {
    "dollar": "$",
    "dollars": "$",
    "euro": "\u20ac",
    "euros": "\u20ac",
    "pound": "\u00a3",
    "pounds": "\u00a3",
    "yen": "\u00a5",
    "rupee": "\u20b9",
    "rupees": "\u20b9",
    "cent": "\u00a2",
    "cents": "\u00a2",
    "pence": "p",
    "p": "p",
}
PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}
PARTS |= {"ninth": 9, "tenth": 10, "twelfth": 12, "sixteenth": 16, "halves": 2}
PARTS |= {f"{name}s": value for name, value in PARTS.items() if name not in ("half", "halves")}
PARTS |= {"hundredths": 100, "thousandths": 1000}
_ONE_PART = words_of("half third quarter fourth fifth sixth seventh eighth ninth tenth twelfth sixteenth")
DENOMINATORS = frozenset((2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 32, 64, 100, 1000))
_MAGNITUDES = {"k": 10**3, "mn": 10**6, "bn": 10**9}
_MONEY_MAGNITUDES = _MAGNITUDES | {"m": 10**6, "mm": 10**6, "b": 10**9, "t": 10**12, "tn": 10**12}
_SPACED_MAGNITUDES = words_of("k m mn bn tn")  # after money
_HEAVY = words_of("heavy heavier lighter overweight underweight")
_DETERMINERS = words_of("the a an that this these those what which some one no any every each my your his her its our")
_GAINING = words_of("gain gains gained gaining lose loses lost losing shed sheds shedding lift lifts lifted lifting")
_ABOUT = words_of("about over almost nearly around another only up exactly roughly")
_WEIGHING = words_of("weigh weighs weighed weighing weight")
FIRST = frozenset("0123456789$\u20ac\u00a3\u00a5\u20b9\u00a2-")
_SIGNED = frozenset("$\u20ac\u00a3\u00a5\u20b9")
_EXACT = Context(prec=100)
_INTEGER = re.compile(r"[0-9]+")
_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_DECIMAL = re.compile(r"([$€£¥₹]?)([0-9]+(?:\.[0-9]+)?)")
_CENTS = re.compile(r"\u00a2([0-9]{1,2})|\u00a30(?:\.([0-9]{2}))?")


class Amounts(Strings):
    """Reads a whole number, from its sign to what is counted."""

    def number(self, place: int, *, plain: bool = False) -> tuple[list[str], int]:
        """The tokens of the number and the place after it; with ``plain`` no cents after it."""
        said = self.at(place)
        if said in MINUS:
            number, after = self.number(place + 1, plain=True) if self.at(place + 1) not in MINUS else ([], place + 1)
            if after > place + 1 and number[0][0] in FIRST and number[0][0] != "-":
                return [f"-{number[0]}", *number[1:]], after
            return [], place
        if said == "half" and self.at(place + 1) in ("a", "1") and self.is_multiplier(place + 2):
            return self._counted(str(WORDS[self.at(place + 2)].value // 2), place + 3, plain=plain)
        start = place
        if said == "a":
            if not self.together(place + 1):
                return [], place
            if MONEY_WORDS.get(self.at(place + 1), "p") in _SIGNED and self.at(place + 1)[-1] != "s":
                return self._a_dollar_fifty(place)
            if not self.is_multiplier(place + 1):
                return [], place
            place += 1
            said = self.at(place)
        if said and said[0] in FIRST and said not in SINGLE:
            base, after = said, place + 1
        elif said in OH and self.at(place + 1) in POINTS and self.digit_at(place + 2):
            base, after = "0", place + 1
        elif said == "point":
            if not self._is_decimal_point(place):
                return [], place
            base, after = "0", place
        else:
            base, after = self.spoken(place)
            if after == place:
                return [], start
        return self._counted(base, after, plain=plain)

    def _is_decimal_point(self, place: int) -> bool:
        """Whether ``point`` begins a number: ``by point five``, ``rates rose point five percent``."""
        after = self.spoken(place + 1, small=True)[1]
        if _INTEGER.fullmatch(self.at(place + 1)):
            after = place + 2
        if after == place + 1:
            return False
        before = self.at(place - 1)
        is_share = self.at(after) in ("percent", "per") and before not in _DETERMINERS
        return not place or before in POINT_AFTER or is_share

    def _a_dollar_fifty(self, place: int) -> tuple[list[str], int]:
        sign = MONEY_WORDS[self.at(place + 1)]
        number, after = self._with_cents(f"{sign}1", place + 2)
        return (number, after) if after > place + 2 else ([], place)

    def _counted(self, base: str, place: int, *, plain: bool) -> tuple[list[str], int]:
        """The number with what follows it: decimals, halves, multipliers, suffix, percent, money."""
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
        if said:
            if takes(base, said):
                return [base + said], place + 1
            found = _DECIMAL.fullmatch(base)
            if found and said in (_SPACED_MAGNITUDES if found[1] else _MAGNITUDES) and len(base) <= LONGEST:
                base, place = found[1] + magnified(found[2], said), place + 1
                said = self.at(place)
            if _DOTTED.fullmatch(base.lstrip("-")):
                counted = self._of_what(base, place)
                if counted is not None:
                    base, place = counted
                    if base[-1] == "%" or base[-1].isalpha():
                        return base.split(), place
        if base[0] in _SIGNED:
            base = priced(base[0], base[1:])
            if MONEY_WORDS.get(self.at(place)) == base[0]:
                place += 1  # "$5 dollars"
            if not plain and base[0] in "$€£" and base[1:].isdecimal():
                return self._with_cents(base, place)
        return [base], place

    def _of_what(self, base: str, place: int) -> tuple[str, int] | None:
        """The number with the word after it, if that says what is counted."""
        said = self.at(place)
        if said == "percent" or (said == "per" and self.at(place + 1) == "cent"):
            return f"{base}%", place + (1 if said == "percent" else 2)
        if said == "second" and self.together(place):
            return f"{base} second" + "s" * (base != "1"), place + 1
        if said in ("pound", "pounds") and self._is_weight(place):
            return f"{base} lbs", place + 1
        if said in MONEY_WORDS and (MONEY_WORDS[said] != "p" or (_DECIMAL.fullmatch(base) and len(base) <= LONGEST)):
            return _amount(base, MONEY_WORDS[said]), place + 1
        return None

    def _is_weight(self, place: int) -> bool:
        """Whether pounds are weighed: ``weighs ten pounds``, ``two pounds of sugar``."""
        if self.at(place + 1) in _HEAVY or (self.at(place + 1) == "of" and self.at(place + 2) != "the"):
            return True
        if not _WEIGHING.isdisjoint(self.tokens[max(0, place - 6) : place]):
            return True
        start = place
        while start and (self.at(start - 1) in WORDS or self.at(start - 1)[:1].isdigit()):
            start -= 1
            if self.at(start - 1) == "and" and self.at(start - 2) in WORDS:
                start -= 1
        start -= self.at(start - 1) == "a" or self.at(start - 1) in _ABOUT
        return self.at(start - 1) in _GAINING and not self.is_multiplier(place - 1)

    def is_counted(self, place: int) -> bool:
        """Whether what is there is counted: money, a unit, per cent."""
        said = self.at(place)
        return said in MONEY_WORDS or said in UNITS or said in ("percent", "per")

    def _with_cents(self, base: str, place: int) -> tuple[list[str], int]:
        """``three dollars and fifty cents``, ``three dollars fifty``."""
        if base[0] == "£" and self.at(place) == "sterling":
            place += 1
        ahead = place + (self.at(place) == "and")
        number, after = self.number(ahead, plain=True)
        if after > ahead and len(number) == 1:
            found = _CENTS.fullmatch(number[0])
            if found and (found[1] is None) == (base[0] == "£"):
                return [priced(base[0], f"{base[1:]}.{(found[1] or found[2] or '0').zfill(2)}")], after
        if not self.together(place) or not self.together(ahead) or self.at(ahead) not in WORDS:
            return [base], place
        value, after, suffix, _ = self.below_hundred(ahead)
        if 10 <= value < 100 and not suffix:
            said = self.at(after)
            if not self.together(after) or said in PRICE_FOLLOWED_BY:
                return [f"{base}.{value}"], after
        return [base], place

    def _pointed(self, base: str, place: int) -> tuple[str, int]:
        while self.at(place) in POINTS and _DOTTED.fullmatch(base.lstrip("-$€£¥₹")):
            said = self.at(place + 1)
            if said and _INTEGER.fullmatch(said) and said not in SINGLE:
                digits, after = said, place + 2
            elif said in OH:
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
            word = WORDS.get(self.at(place))
            if word is None or len(word.kind) < 3 or word.suffix not in ("", "s"):
                break
            base = found[1] + _times(found[2], word.value)
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
        if said in PARTS and len(base) <= 2 and base[0] != "0" and (int(base) == 1) == (said in _ONE_PART):
            below = PARTS[said]
            if int(base) < below:
                return f"{base}/{below}", [], place + 1
        ahead = place + (said == "and")
        fraction, after = "", ahead
        if ahead > place and self._is_a_part(ahead):
            fraction, after = f"1/{PARTS[self.at(ahead + 1)]}", ahead + 2
        elif re.fullmatch("[0-9]+/[0-9]+", self.at(ahead)):
            fraction, after = self.at(ahead), ahead + 1
        elif ahead > place:
            spoken, after = self.spoken(ahead)
            part = self.at(after)
            if spoken.isdecimal() and len(spoken) == 1 and part in PARTS and (spoken == "1") == (part in _ONE_PART):
                fraction, after = f"{spoken}/{PARTS[part]}", after + 1
        if fraction and len(base) <= LONGEST:
            above, below = map(int, fraction.split("/"))
            if not 0 < above < below:
                return base, [], place
            if 1000 % below == 0:
                return _plain(int(base) + Decimal(above) / below), [], after
            return base, [fraction], after
        return base, [], place

    def _is_a_part(self, place: int) -> bool:
        """Whether ``a half`` or ``a third`` belongs to the number before it: not in ``five and a third of them``."""
        part, after = self.at(place + 1), self.at(place + 2)
        if self.at(place) not in ("a", "an") or part not in _ONE_PART:
            return False
        if part in ("half", "quarter"):
            return True
        if after == "of":
            return self.at(place + 3) in ("a", "an")
        return not after or part == "third" or after in UNITS or after in ("percent", "per", "cups", "times")


def takes(token: str, suffix: str) -> bool:
    """Whether ``21`` takes ``st``."""
    return suffix in _SUFFIXES and _INTEGER.fullmatch(token) is not None and suffix == ordinal(token)


_SUFFIXES = frozenset(("st", "nd", "rd", "th"))


def _fits(big: int, small: int) -> bool:
    """Whether ``small`` fills the zeros at the end of ``big``."""
    return int(big % 10 ** len(str(small))) == 0


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def magnified(base: str, magnitude: str) -> str:
    """The amount times thousand, million or more.

    >>> magnified("2.5", "mn")
    '2500000'
    """
    return _times(base, _MONEY_MAGNITUDES[magnitude])


def _times(number: str, factor: int | Decimal) -> str:
    return _plain(_EXACT.multiply(Decimal(number), Decimal(factor)))


def _amount(base: str, sign: str) -> str:
    if base[0] == "-":
        return f"-{_amount(base[1:], sign)}"
    if sign == "p":
        return cents(base)
    return f"¢{base}" if sign == "¢" else priced(sign, base)


def cents(pence: str) -> str:
    """Pence as pounds.

    >>> cents("50"), cents("150"), cents("5")
    ('£0.50', '£1.50', '£0.05')
    """
    pounds = _times(pence, Decimal("0.01"))
    return priced("£", pounds)


def priced(money: str, body: str) -> str:
    """An amount of money: no ``.00``, two places for hundredths, cents below one dollar."""
    if not money:
        return body
    whole, _, part = body.partition(".")
    if money == "¢":
        return money + body
    if not part or "." in part or len(part) > 2:
        return money + body
    part = part.ljust(2, "0")
    if part == "00":
        return money + whole
    if money == "$" and not whole.strip("0"):
        return f"¢{part.lstrip('0')}"
    return f"{money}{whole}.{part}"
