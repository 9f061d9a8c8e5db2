"""English numbers that are spoken in pieces: digit strings, years, times of day.

``nine one six nine``, ``oh two one``, ``double oh seven``, ``nineteen ninety nine``, ``five twenty four``. The pieces
are written side by side, but where they are two numbers: two single digits (``three two`` is not 32), a time of day
(``3:30``), the day and the year after a month.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from . import figures
from .english_contexts import BIBLE, CLOCK_AFTER, CLOCK_BEFORE, MONTHS, NUMBER_BEFORE
from .number_words import OH, SINGLE, TIMES, WORDS, Cardinals

__all__ = ["Strings"]

_YEAR = re.compile("1[0-9]{3}|20[0-9]{2}")
_MINUTE = re.compile("[0-5][0-9]")
_SHARES = {("24", "7"), ("9", "11"), ("7", "11"), ("50", "50"), ("60", "40"), ("70", "30"), ("80", "20"), ("90", "10")}
_QUARTERS = frozenset(("15", "30", "45"))
_SENTENCE_END = frozenset(".!?")


class _Piece(NamedTuple):
    digits: str
    kind: str  # "s" single digit, "o" oh, "x" double or triple, "t" ten to ninety-nine, "b" hundred and more
    end: int  # the place after it
    suffix: str = ""


class Strings(Cardinals):
    """Reads numbers that are spoken in pieces."""

    def spoken(self, place: int, *, small: bool = False) -> tuple[str, int]:
        """Number words and single digits that stand together, as digits.

        With ``small`` hundreds and more are not read, and all pieces are one number: decimals.
        """
        pieces = self._pieces(place, small)
        if not pieces:
            return "", place
        if len(pieces) == 1 and (pieces[0].kind != "s" or small):
            only = pieces[0]
            return only.digits + only.suffix, only.end
        if small:
            return "".join(piece.digits for piece in pieces), pieces[-1].end
        if all(piece.kind in "sox" for piece in pieces):
            if "".join(piece.kind for piece in pieces) == "sos":
                clock = self._clock(place, pieces)
                if clock:
                    return clock, pieces[-1].end
            return self._digits(pieces)
        return self._in_pieces(place, pieces)

    def _pieces(self, place: int, small: bool) -> list[_Piece]:
        pieces: list[_Piece] = []
        start = place
        while place < self.end and (place == start or self.together(place)):
            token = self.tokens[place]
            if token in SINGLE:
                pieces.append(_Piece(token, "s", place + 1))
            elif token in OH:
                if not self._is_zero(place, pieces, small):
                    break
                pieces.append(_Piece("0", "o", place + 1))
            elif token in TIMES:
                digit = self._digit(place + 1)
                if not digit:
                    break
                pieces.append(_Piece(digit * TIMES[token], "x", place + 2))
            else:
                value, after, suffix, big = self.below_hundred(place) if small else self.cardinal(place)
                if after == place or (pieces and (big or suffix not in ("", "s"))) or (small and suffix):
                    break
                kind = "b" if big else "s" if value < 10 and not suffix else "t"
                pieces.append(_Piece(str(value), kind, after, suffix))
                if suffix or big:
                    break
            place = pieces[-1].end
        return pieces

    def _is_zero(self, place: int, pieces: list[_Piece], small: bool) -> bool:
        """Whether ``oh`` is a digit: within a string, before two digits, or at the end of a longer string."""
        after = place + 1
        while self.at(after) in OH and self.together(after):
            after += 1
        if self.digit_at(after) or (self.at(after) in TIMES and self._digit(after + 1)):
            has_more = self.digit_at(after + 1) or (self.at(after + 1) in OH and self.digit_at(after + 2))
            return small or bool(pieces) or after > place + 1 or has_more
        if len(pieces) < 2 or any(piece.kind == "t" for piece in pieces):
            return False
        return any(piece.kind == "o" for piece in pieces) or not self.together(after)

    def _digit(self, place: int) -> str:
        """The digit there, in words or not, ``oh`` among them; empty where there is none."""
        token = self.at(place)
        if token in SINGLE:
            return token
        if token in OH:
            return "0"
        return str(WORDS[token].value) if self.digit_at(place) else ""

    def digit_at(self, place: int) -> bool:
        """Whether a digit is there, in words or not."""
        token = self.at(place)
        if token in SINGLE:
            return True
        word = WORDS.get(token)
        return word is not None and word.kind in ("0", "1") and not word.suffix

    # Strings of single digits.

    def _digits(self, pieces: list[_Piece]) -> tuple[str, int]:
        """A string of single digits, over the stops within it; only the first digit where there are but two."""
        together = list(pieces)
        length = _length(pieces)
        is_listed = len(pieces) == 1  # one by one, each with a stop after it
        while self.digit_at(together[-1].end):
            following = self._pieces(together[-1].end, small=False)
            more = _length(following)
            if any(piece.kind not in "sox" for piece in following):
                break
            is_sentence = not _SENTENCE_END.isdisjoint(self.stops[together[-1].end])
            if not _continues(length, more, is_listed=is_listed, is_sentence=is_sentence):
                break
            together += following
            length += more
            is_listed = is_listed and len(following) == 1
        if length < 3 and all(piece.kind == "s" for piece in together):
            return pieces[0].digits, pieces[0].end
        return "".join(piece.digits for piece in together), together[-1].end

    # Strings of larger pieces.

    def _in_pieces(self, place: int, pieces: list[_Piece]) -> tuple[str, int]:
        first, last = pieces[0], pieces[-1]
        digits = "".join(piece.digits for piece in pieces)
        before = self.at(place - 1)
        if before in MONTHS and len(first.digits) <= 2 and int(first.digits) <= 31 and len(pieces) > 1:
            rest = digits[len(first.digits) :]
            if _YEAR.fullmatch(rest) or pieces[1].kind == "b":
                return first.digits, first.end
        if (before in BIBLE and len(pieces) == 2) or (before == "q" and first.kind == "s"):
            return first.digits, first.end  # john three sixteen, q three twenty twenty
        dated = _date(pieces)
        if dated:
            return dated, last.end
        if len(pieces) > 1 and not last.suffix and last.kind != "b":
            clock = self._clock(place, pieces)
            if clock:
                return clock, last.end
            if (first.digits, digits[len(first.digits) :]) in _SHARES and before not in NUMBER_BEFORE:
                return first.digits, first.end
            if digits == "2020" and self.at(last.end) == "vision":
                return first.digits, first.end
        return digits + last.suffix, last.end

    def _clock(self, place: int, pieces: list[_Piece]) -> str:
        """``ten thirty`` as 10:30, where it is no number: at ten twenty, but room ten twenty."""
        hour = pieces[0].digits
        minutes = "".join(piece.digits for piece in pieces[1:])
        if not _MINUTE.fullmatch(minutes) or not 0 < int(hour) < 24 or pieces[1].kind not in "to":
            return ""
        before, after = self.at(place - 1), self.at(pieces[-1].end)
        if before in ("is", "was") and self.at(place - 2) in ("it", "time"):
            before = "at"
        if int(hour) > 12:
            return f"{hour}:{minutes}" if before == "at" or after == "hours" else ""
        if after in CLOCK_AFTER or before in CLOCK_BEFORE:
            return f"{hour}:{minutes}"
        if before in NUMBER_BEFORE or after == "over" or self.is_counted(pieces[-1].end):
            return ""
        is_alone = place == 0 and pieces[-1].end == self.end
        is_time = minutes in _QUARTERS or (is_alone and minutes[1] in "05" and minutes != "00")
        return f"{hour}:{minutes}" if is_time else ""

    def is_counted(self, place: int) -> bool:
        """Whether what is there is counted: money, a unit, per cent."""
        raise NotImplementedError


def _length(pieces: list[_Piece]) -> int:
    return sum(len(piece.digits) for piece in pieces)


def _continues(length: int, more: int, *, is_listed: bool, is_sentence: bool) -> bool:
    """Whether digits after a stop belong to the string before it.

    ``four seven one, nine zero six`` and ``9, 1, 6, 9`` do; ``nine one one, two people`` does not. Wherever three
    single digits would be left in a row they must, since nothing parts them in a normalised text.
    """
    if length < 3:
        return more < 3
    if more < 2:
        return is_listed
    return more < 3 or not is_sentence


def _date(pieces: list[_Piece]) -> str:
    """The date in ``nineteen ninety four oh two eleven``, which is 1994-02-11; empty where there is none."""
    digits = "".join(piece.digits for piece in pieces)
    if len(digits) not in (7, 8) or len(pieces) < 4 or any(piece.suffix for piece in pieces):
        return ""
    two = [piece.digits for piece in pieces[:2]]
    if pieces[0].kind == "t" and len("".join(two)) == 4 and _YEAR.fullmatch("".join(two)):
        month, day = _day("".join(piece.digits for piece in pieces[2:]))
        return figures.date("".join(two), month, day) if month else ""
    year = "".join(piece.digits for piece in pieces[-2:])
    if pieces[-2].kind == "t" and _YEAR.fullmatch(year) and len(pieces) == 4:
        month, day = (int(piece.digits) for piece in pieces[:2])
        if 0 < month <= 12 < day <= 31:
            return figures.date(year, month, day)
        if 0 < day <= 12 < month <= 31:
            return figures.date(year, day, month)
    return ""


def _day(digits: str) -> tuple[int, int]:
    """Month and day of ``0211``; zeros where there is no such day."""
    month, day = int(digits[:2] or 0), int(digits[2:] or 0)
    return (month, day) if len(digits) == 4 and 0 < month <= 12 and 0 < day <= 31 else (0, 0)
