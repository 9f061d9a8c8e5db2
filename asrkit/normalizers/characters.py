"""What a character is to a normalizer: a letter with its marks, a digit, a blank or nothing.

Categories are those of the Unicode that comes with Python, so a character that was added to Unicode lately is a letter
only from the Python on that knows it.
"""

# ruff: noqa: RUF001, RUF002 -- letters that look like others are what this is about

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

__all__ = ["clean", "lower", "settled", "unify", "without_remarks"]

PASSES = 32  # more than any text needs; two is the rule, the second to see that nothing changes

# Compatibility characters that only say how a letter is drawn. Superscripts and fractions say more: 2² is not 22.
_DRAWN = re.compile("<(wide|narrow|font|initial|medial|final|isolated|noBreak|compat|vertical|small|square|circle)>")
_SPELLED = {  # compatibility characters whose parts are not what is meant
    "\u0e33",  # Thai sara am, which Thai keyboards write as one letter
    "\u0eb3",  # Lao am
    *map(chr, range(0x3131, 0x318F)),  # single Korean letters, which would grow together into syllables
}
_TRADE = "\u2122\u00ae\u00a9\u2120"  # they would become the letters TM and SM
_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u02b9\u2032\uff07\u0060\u00b4\u055a\u05f3\ua78c"
_INSIDE = "\u055b\u055c\u055e\u0640\u00ad\u05f4"  # Armenian signs within words, tatweel, soft hyphen, gershayim
_JOINERS = "\u200c\u200d"
_IMAGE_SELECTORS = {*map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0)), "\u034f"}
# Malayalam letters without a vowel, written as one character or as three
_CHILLU = {"\u0d23": "\u0d7a", "\u0d28": "\u0d7b", "\u0d30": "\u0d7c", "\u0d32": "\u0d7d", "\u0d33": "\u0d7e"}
_CHILLUS = re.compile("([\u0d23\u0d28\u0d30\u0d32\u0d33])\u0d4d\u200d")
_SARA_AM = re.compile("(?:\u0e4d([\u0e48-\u0e4b])|([\u0e48-\u0e4b])?\u0e4d)\u0e32")
_LOOSE_APOSTROPHE = re.compile(r"(?<!\S)'+|'+(?!\S)|''+")
_VIRAMA = 9  # canonical combining class
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">", "\u3010": "\u3011"}
_TAG = re.compile(r"<[a-z!/|][^<>]*>", re.IGNORECASE)


class _Table(dict[int, str]):
    """For ``str.translate``: each character is looked at once."""

    def __init__(self, look: Callable[[str], str]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, code: int) -> str:
        self[code] = found = self._look(chr(code))
        return found


def _redrawn(char: str) -> str:
    if char in _TRADE:
        return " "
    if char in _APOSTROPHES:
        return "'"
    if char in _SPELLED:
        return char
    if _DRAWN.match(unicodedata.decomposition(char)):
        return unicodedata.normalize("NFKC", char)
    return char


_REDRAWN = _Table(_redrawn)


def unify(text: str) -> str:
    """One way to write each letter: composed, of normal width, not as it looks within a word; one apostrophe.

    >>> unify("ＡＢＣ ﬁn Cafe\\u0301 it’s")
    "ABC fin Café it's"
    """
    if text.isascii():
        return text.replace("`", "'")
    text = unicodedata.normalize("NFC", text.translate(_REDRAWN))
    if "\u0e4d" in text or "\u0e40\u0e40" in text:
        text = _SARA_AM.sub(
            lambda found: (found[1] or found[2] or "") + "\u0e33", text.replace("\u0e40\u0e40", "\u0e41")
        )
    if "\u200d" in text:
        text = _CHILLUS.sub(lambda found: _CHILLU[found[1]], text)
    return text


def lower(text: str, *, dotless: bool = False) -> str:
    """Small letters, and no stray dot where ``İ`` was.

    Args:
        text: any.
        dotless: as Turkish and Azerbaijani do it, ``I`` to ``ı``.

    >>> lower("İSTANBUL"), lower("ISPARTA", dotless=True)
    ('istanbul', 'ısparta')
    """
    if dotless:
        text = text.replace("I", "ı")
    if not text.isascii():
        text = text.replace("İ", "i").replace("i\u0307", "i")
    return text.lower()


def _kind(char: str) -> str:
    """``L`` letter, ``M`` mark, ``J`` joiner, a digit itself, blank, or nothing."""
    if char in _JOINERS:
        return "J"
    if char in _INSIDE or char in _IMAGE_SELECTORS:
        return ""
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category[0] in "LN":
        return "L"
    if category in ("Mn", "Mc"):
        return "M"
    if category in ("Cf", "Me"):
        return ""
    return " "


_KINDS = _Table(_kind)


def clean(text: str, keep: str = "", aside: Callable[[str], str] = lambda char: " ") -> str:
    """Letters with their marks, ASCII digits, apostrophes and what is kept; blanks for the rest.

    Args:
        text: as ``unify`` and ``lower`` give it.
        keep: characters that stay although they are no letters.
        aside: what stands for a character outside ASCII that is no part of a word.

    A mark stays on the letter that it belongs to and goes where there is none. The joiners stay where scripts
    need them: Persian ``می‌روم``, Indic conjuncts.
    """
    if text.isascii():
        return text  # the caller knows ASCII's punctuation
    out: list[str] = []
    last = ""  # kind of the character before: L, M, J or other
    for place, char in enumerate(text):
        if char.isascii():
            out.append(char)
            last = "L" if char.isalpha() else ""
            continue
        if char in keep:
            out.append(char)
            last = ""
            continue
        kind = _KINDS[ord(char)]
        if kind == "L":
            out.append(char)
            last = "L"
        elif kind == "M":
            if last:
                out.append(char)
                last = "M"
        elif kind == "J":
            if last in ("L", "M") and _joins(out[-1], text[place + 1 : place + 2]):
                out.append(char)
                last = "J"
        elif kind == " ":
            out.append(aside(char))
            last = ""
        elif kind:
            out.append(kind)
            last = ""
    return unicodedata.normalize("NFC", "".join(out))


def _joins(before: str, after: str) -> bool:
    """Whether a joiner between the two says something: in scripts from Arabic to Mongolian."""
    if not "\u0600" <= before <= "\u18af":
        return False
    return unicodedata.combining(before) == _VIRAMA or (
        "\u0600" <= after <= "\u18af" and _KINDS[ord(after)] in ("L", "M")
    )


def words(text: str) -> str:
    """Blanks collapsed, and apostrophes only within words."""
    return " ".join(_LOOSE_APOSTROPHE.sub(" ", text).split())


def without_remarks(text: str) -> str:
    """What is in brackets says what is not spoken: noises, speakers, tags.

    Round brackets are written around spoken words too. What is in them stays where it has a figure, ``(919)``, or is
    one or two letters, ``3(b)``; an ending as in ``person(s)`` stays on its word.

    >>> without_remarks("so [laughter] it (noise) is <unk> 1 < 2")
    'so   it   is   1 < 2'
    >>> without_remarks("(919) 696, section 3(b), person(s)")
    ' 919  696, section 3 b , persons'
    """
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not any(opening in text for opening in "([{\u3010"):
        return text
    opened: list[tuple[str, int]] = []
    out: list[str] = []
    for char in text:
        if char in "([{\u3010":
            opened.append((_CLOSING[char], len(out)))
        elif char in ")]}\u3011" and any(closing == char for closing, _ in opened[-8:]):
            while True:
                closing, start = opened.pop()
                if closing == char:
                    break
            inside = "".join(out[start + 1 :])
            before = out[start - 1] if start else ""
            del out[start:]
            if char == ")" and _is_spoken(inside):
                is_ending = inside in _ENDINGS and before.isalpha()
                out += inside if is_ending else f" {inside} "
            else:
                out.append(" ")
            continue
        out.append(char)
    return "".join(out)


_ENDINGS = ("s", "es")


def _is_spoken(inside: str) -> bool:
    is_short = len(inside) <= 2 and inside.isalpha()
    return is_short or inside in _NUMERALS or any(map(str.isdigit, inside))


_NUMERALS = frozenset(("iii", "vii", "viii", "xii", "xiii", "xiv", "xvi"))


def settled(step: Callable[[str], str], text: str) -> str:
    """``step`` again and again until it changes nothing, so that a text normalised twice is the same text.

    The steps are made so that one is enough but for odd texts; a circle, should there be one, gives its least text.
    """
    seen = [step(text)]
    for _ in range(PASSES):
        again = step(seen[-1])
        if again == seen[-1]:
            return again
        if again in seen:
            return min(seen[seen.index(again) :])
        seen.append(again)
    return seen[-1]
