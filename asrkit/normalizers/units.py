"""Units after English numbers: ``5 km``, ``5 kilometre``, ``5 kilometres`` are one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .english_contexts import words_of

__all__ = ["UNITS", "with_units"]

_NAMES = {  # plural and singular, how they are written short
    ("kilometers", "kilometer"): "km kms",
    ("meters", "meter"): "m mtr mtrs",
    ("centimeters", "centimeter"): "cm cms",
    ("millimeters", "millimeter"): "mm",
    ("miles", "mile"): "mi",
    ("feet", "foot"): "ft",
    ("inches", "inch"): "",
    ("yards", "yard"): "yd yds",
    ("kilograms", "kilogram"): "kg kgs kilo kilos kilogramme kilogrammes",
    ("grams", "gram"): "gramme grammes gm gms",
    ("milligrams", "milligram"): "mg",
    ("lbs", "lbs"): "lb",
    ("ounces", "ounce"): "oz",
    ("tons", "ton"): "tonne tonnes",
    ("gallons", "gallon"): "gal gals",
    ("teaspoons", "teaspoon"): "tsp",
    ("tablespoons", "tablespoon"): "tbsp",
    ("liters", "liter"): "l ltr",
    ("milliliters", "milliliter"): "ml",
    ("hours", "hour"): "hr hrs h",
    ("minutes", "minute"): "min mins",
    ("seconds", "second"): "sec secs s",
    ("milliseconds", "millisecond"): "ms",
    ("years", "year"): "yr yrs",
    ("weeks", "week"): "wk wks",
    ("hertz", "hertz"): "hz",
    ("kilohertz", "kilohertz"): "khz",
    ("megahertz", "megahertz"): "mhz",
    ("gigahertz", "gigahertz"): "ghz",
    ("bytes", "byte"): "",
    ("kilobytes", "kilobyte"): "kb",
    ("megabytes", "megabyte"): "mb",
    ("gigabytes", "gigabyte"): "gb gig gigs",
    ("terabytes", "terabyte"): "tb",
    ("watts", "watt"): "w",
    ("kilowatts", "kilowatt"): "kw",
    ("megawatts", "megawatt"): "mw",
    ("volts", "volt"): "",
    ("degrees", "degree"): "deg degs",
    ("decibels", "decibel"): "db",
    ("calories", "calorie"): "cal cals",
    ("acres", "acre"): "",
    ("hectares", "hectare"): "ha",
}
_COMPOSED = {
    "mph": "miles per hour",
    "kph": "kilometers per hour",
    "kmh": "kilometers per hour",
    "kmph": "kilometers per hour",
    "kwh": "kilowatt hours",
    "kbps": "kilobits per second",
    "mbps": "megabits per second",
    "gbps": "gigabits per second",
    "sqft": "square feet",
    "sqm": "square meters",
}
_PLURAL = {word: plural for (plural, singular), short in _NAMES.items() for word in (plural, singular, *short.split())}
_SINGULAR: dict[str, str] = dict(_NAMES.keys())
_PER = {"h": "hour", "hr": "hour", "s": "second", "sec": "second", "min": "minute", "l": "liter", "kg": "kilogram"}
_DISTANCES = words_of("kilometers meters miles feet kilometer mile")
_SPEEDS = (["hour"], ["second"], ["minute"])  # sixty miles an hour
_SCALES = {"c": "celsius", "f": "fahrenheit"}
_SQUARES = {"squared": "square", "cubed": "cubic", "sq": "square", "square": "square", "cubic": "cubic", "cu": "cubic"}
# One letter may be many things: an hour, a letter; so may "second", which is an ordinal.
_LETTERS = words_of("s h w")
UNITS = frozenset((*_PLURAL, *_COMPOSED, "sq", "square", "cu", "cubic", "g", "fl", "fluid"))
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?|[0-9]+/[0-9]+")
_FEW_GRAMS = words_of("1 2 3 4 5 6")  # 5g is a network


def with_units(tokens: Sequence[str]) -> list[str]:
    """The tokens, the units after numbers in full.

    >>> with_units("5 km per h at 20 degrees c for 1 hr".split())
    ['5', 'kilometers', 'per', 'hour', 'at', '20', 'degrees', 'celsius', 'for', '1', 'hour']
    """
    out: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        out.append(token)
        place += 1
        if token[-1].isdigit() and place < len(tokens) and tokens[place] in UNITS and _PLAIN.fullmatch(token):
            unit, place = _unit(token, tokens, place)
            out += unit
    return out


def _unit(number: str, tokens: Sequence[str], place: int) -> tuple[list[str], int]:
    """The unit at a place, and the place after it."""
    said = tokens[place]
    after = tokens[place + 1] if place + 1 < len(tokens) else ""
    if said in _COMPOSED:
        words = _COMPOSED[said].split()
        return [_agreeing(number, words[0]), *words[1:]], place + 1
    if said in ("fl", "fluid"):
        return (["fluid", _agreeing(number, "ounces")], place + 2) if after in _PLURAL else ([said], place + 1)
    if said in _SQUARES:
        if after in _PLURAL:
            return [_SQUARES[said], _agreeing(number, _PLURAL[after])], place + 2
        return [said], place + 1
    if said == "g":
        is_network = number in _FEW_GRAMS and after != "of"
        return [said if is_network else _agreeing(number, "grams")], place + 1
    if said in _LETTERS and after != "per":
        return [said], place + 1
    name = _agreeing(number, _PLURAL[said])
    place += 1
    if after in ("squared", "cubed") and name not in ("seconds", "second"):
        return [_SQUARES[after], name], place + 1
    if after in _SCALES and name in ("degrees", "degree"):
        return [name, _SCALES[after]], place + 1
    is_speed = after in ("a", "an") and name in _DISTANCES and tokens[place + 1 : place + 2] in _SPEEDS
    if (after == "per" or is_speed) and place + 1 < len(tokens):
        per = tokens[place + 1]
        return [name, "per", _PER.get(per, per)], place + 2
    if name in ("feet", "foot") and _PLAIN.fullmatch(after or "-"):
        inches = place + 1
        has_unit = inches < len(tokens) and tokens[inches] in ("in", "inch", "inches")
        return ["feet", after], inches + has_unit
    return [name], place


def _agreeing(number: str, plural: str) -> str:
    return _SINGULAR.get(plural, plural) if number == "1" else plural
