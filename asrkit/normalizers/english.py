"""Our normalizer for English: words as they are spoken and as they are written become one text.

Text becomes tokens, and rules read tokens, never the string: `1.10.1` is one token, so no rule for full stops can
break it. What the rules produce, they leave alone: no number word is left that a second reading could take for
something else.

=====================  ==============================================================================
``english_text``       characters and tokens
``figures``            figures with signs between them: phone numbers, dates, ranges
``english_words``      fillers, spelled letters, contractions, abbreviations, compounds, spelling
``roman``              Roman numerals
``numbers``            number words; ``number_words``, ``digit_strings`` and ``amounts`` read them
``measures``           parts of units and percent, hours, products
``quantities``         dates, times of day, scores, units
``english_contexts``   the words whose company decides
=====================  ==============================================================================
"""

# ruff: noqa: RUF002 -- letters that look like others are what this is about

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from . import numbers
from .characters import lower, settled
from .compounds import merge_compounds
from .english_contexts import COUNTED, RULERS, words_of
from .english_text import FILLER, capitals_marked, latin, tokenized
from .english_words import (
    COMPOUNDS,
    FIRST_PARTS,
    SHORT,
    SHORTENED,
    SUBJECTS,
    WOULD,
    american,
    compounds_merged,
    is_letter,
    letters_joined,
    spelled,
    without_fillers,
    written_out,
)
from .quantities import with_quantities
from .roman import NUMERALS, with_roman_numerals

__all__ = ["English"]


@dataclass(frozen=True)
class English:
    """English as it is said and as it is written: the same text for ``twenty-five dollars`` and ``$25``.

    A text normalised twice is the same text, for every text, and so are texts in composed and decomposed characters.
    What meets and what stays apart, in the order of the rules:

    ======================  ======================================================================================
    remarks                 ``[noise]``, ``(laughs)``, ``<unk>`` go. In round brackets figures and one or two
                            letters stay: ``(919)``, ``3(b)``.
    letters                 Accents on Latin letters go, marks of other scripts stay.
    fillers                 uh, um, uhm, er, erm, hm, mm, mhm, longer forms, mm-hmm, uh-huh go. ``ER``, ``HM``,
                            ``UM``, ``UH`` in a text with small letters are acronyms, and so is ``E.R.``: ``e.r.``.
                            In a text all in capitals they are fillers.
    spelled letters         ``b b c``, ``B.B.C.``, ``b-b-c`` are ``bbc``. ``I, I, I`` is not; nor is ``plan B, C``
                            (``plan b, c``, with its comma, since ``plan b c`` is ``plan bc``). Commas join four
                            letters and more that are not in the order of the alphabet.
    contractions            Written out where only one reading is likely: ``it's``, ``they'd gone``, ``gonna``. After
                            a noun ``'s`` stays.
    titles, abbreviations   ``Mr.``, ``Jan.``, ``Ave.``, ``vs.`` in full; what is a word as well (``Jan``, ``sat``,
                            ``fig``) only beside a number or with its full stop.
    compounds               One word of a short list: ``e-mail``, ``Wi-Fi``, ``T-shirt``, and after ``non``, ``anti``,
                            ``pre``, ``multi``, ``mid`` and the like. Other hyphens part words.
    AT&T, R&B               ``&`` is "and"; the letters before it are one word: ``at and t``.
    Roman numerals          After chapter, part, war, act and the like a number, after a ruler an ordinal: ``henry the
                            8th``. ``I`` only at an end or before "of". Elsewhere only ``ii``, ``iii``, ``vii`` and
                            longer.
    cardinals, ordinals     Digits, with and without "and", hyphens, commas between thousands: ``1100``, ``21st``.
    single digits           Three and more in a row are one string, commas or not: ``471906``, ``90210``, ``007``. Two
                            are not: ``2, 3`` and ``two three`` are ``2 3``.
    phone, card             Groups with hyphens, points, brackets or blanks are one string.
    signs between figures   ``5-6`` is ``5 to 6``, ``3:1`` is ``3 to 1``, ``50/50`` and ``50-50`` are ``50 50``; two
                            numbers beside words like "won" are a score: ``won 3 to 2``.
    decimals, versions      ``0.5`` for ``point five`` and ``.5``, at the beginning and after words like "by".
    money                   The sign before the number: ``$5.20``, ``€5``, ``£0.50`` for pence, ``¢36``. ``k``,
                            ``m``, ``bn`` on an amount are written out, ``M`` on any figure. ``three dollars fifty``
                            is an amount at an end or before a word like "for". ``pounds`` are money unless the words
                            beside say weight (``weighs``, ``gained``, ``two pounds of``); ``lbs`` are weight.
                            ``nineteen ninety-five dollars`` is $1995.
    times of day            ``3:30`` for ``half past three`` and, for ``three thirty``, where the words around say so
                            (``at``, ``pm``), the minutes are 15, 30 or 45, or it is the whole text, but not after
                            ``room``, ``flight`` and the like: there it is 330. ``5:00`` is ``5 o'clock``; before am
                            and pm ``5``. ``9.30 am`` is ``9:30 am``. ``oh eight hundred hours`` is 0800, and so is
                            ``eight hundred hours`` after "at"; elsewhere that is how long something takes.
    dates                   ``july 4th`` for ``July 4``, ``4 July``, ``the fourth of July``; ``1994-02-11`` is
                            ``february 11th 1994``. ``may`` and ``march`` after a number are months at an end, after
                            words like "on" and before words like "was". ``4/5/2020`` can be two
                            days and stays ``4 5 2020``.
    units                   In full after numbers, singular after 1: ``5 kilometers per hour``, ``20 degrees
                            celsius``. ``5 m`` are meters.
    fractions, percent      ``1/2``, ``2.5`` for ``two and a half``, ``50%``; a range has its sign at both ends.
                            Half a unit is ``1/2`` of it, half a percent ``0.5%``.
    products                ``5 by 6`` for ``5 x 6`` and, at an end, ``five times six``.
    spelling                American, after the list of Whisper and some more.
    ======================  ======================================================================================

    Args:
        compounds: ``pair`` also folds ``white paper`` and ``whitepaper``.

    >>> english = English()
    >>> english("Mr. O’Brien's agent 007 paid five dollars and twenty cents, um, on the twenty-first.")
    "mister o'brien's agent 007 paid $5.20 on the 21st"
    >>> english("ENTER NINE ONE SIX NINE"), english("Enter 9169."), english("B.B.C. version 1.10.1")
    ('enter 9169', 'enter 9169', 'bbc version 1.10.1')
    """

    compounds: bool = False

    version = "2"

    @property
    def name(self) -> str:
        """``english``, or ``english-compounds``."""
        return "english-compounds" if self.compounds else "english"

    def __call__(self, text: str) -> str:
        """The text in a form that can be compared."""
        quick = _quick(text)
        if quick is not None:
            return quick
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return settled(_step, capitals_marked(text))

    def pair(self, reference: str, hypothesis: str) -> tuple[str, str]:
        """Both texts; with ``compounds``, the hypothesis' compounds as the reference writes them.

        >>> English(compounds=True).pair("The white paper", "the Whitepaper")
        ('the white paper', 'the white paper')
        """
        reference, hypothesis = self(reference), self(hypothesis)
        return merge_compounds(reference, hypothesis) if self.compounds else (reference, hypothesis)


def _step(text: str) -> str:
    """One reading of the text."""
    tokens, stops = tokenized(latin(lower(text)))
    roles = _roles(tokens)
    for role, rule in _RULES:
        if roles & role:
            changed, stops = rule(tokens, stops)
            if changed is not tokens:
                tokens, roles = changed, _roles(changed)
    if roles & _NUMBER:
        tokens = with_quantities(numbers.written(tokens, stops))
    return " ".join([_AMERICAN[token] for token in tokens])


class _American(dict[str, str]):
    """American spelling of a token, looked up once."""

    def __missing__(self, token: str) -> str:
        if len(self) >= _TOKENS_KEPT:
            self.clear()
        self[token] = word = american().get(token) or (spelled(token) if token[-2:] == "'s" else token)
        return word


_AMERICAN = _American()


# What tokens are to the rules. Most texts hold few of them, and a rule reads only texts that hold its own.
_FILLER, _LETTER, _SHORTENED, _FIRST_PART, _NUMERAL, _NUMBER = (1 << bit for bit in range(6))
_RULES = (
    (_FILLER, without_fillers),
    (_LETTER, letters_joined),
    (_SHORTENED, written_out),
    (_FIRST_PART, compounds_merged),
    (_NUMERAL, with_roman_numerals),
)
_TOKENS_KEPT = 200_000


class _Roles(dict[str, int]):
    """The roles of a token, looked up once."""

    def __missing__(self, token: str) -> int:
        if len(self) >= _TOKENS_KEPT:
            self.clear()
        stem = token.removesuffix("'s")
        self[token] = roles = (
            _FILLER * (FILLER.fullmatch(token) is not None)
            | _LETTER * is_letter(stem)
            | _SHORTENED * ("'" in token or token in SHORTENED)
            | _FIRST_PART * (token in FIRST_PARTS)
            | _NUMERAL * (stem in NUMERALS)
            | _NUMBER * numbers.starts(token)
        )
        return roles


_ROLES = _Roles()


def _roles(tokens: list[str]) -> int:
    roles = 0
    for token in tokens:
        roles |= _ROLES[token]
    return roles


# The short way: pieces that no rule looks at are normalised one by one, each once.

# Rules read these beside a number or a letter, and where one is, nothing is read alone.
_CAUTIOUS = words_of("a i o oh and dot per percent minus negative no th nd")
_NEIGHBOURLY = (
    words_of("st dr rd ln huh n't o'clock double triple point non anti pre multi pseudo semi nil co")
    | (COMPOUNDS.keys() - words_of("good day health"))  # common words: the second part tells
    | words_of("bye byes care")
    | SHORT
)
_NUMBERED = COUNTED | RULERS
_PIECES_KEPT = 200_000
_pieces: dict[str, str | None] = {}


def _quick(text: str) -> str | None:
    """The text if each of its pieces can be read alone, else None."""
    out: list[str] = []
    letter = False
    for piece in text.split():
        try:
            read = _pieces[piece]
        except KeyError:
            if len(_pieces) >= _PIECES_KEPT:
                _pieces.clear()
            read = _pieces[piece] = _read_alone(piece)
        if read is None:
            return None
        if read:
            if letter and (len(read) == 1 or read[1] == " "):
                return None  # perhaps spelled
            letter = len(read) == 1 or read[-2] == " "
            if letter and read == "i" and out and out[-1] in _NUMBERED:
                return None  # perhaps a numeral
            out.append(read)
    return " ".join(out)


_ALONE = re.compile(r"[\"(]?[a-z]+(?:['-][a-z]+)*[.,;:!?\")]*")


def _read_alone(piece: str) -> str | None:
    piece = piece.lower()
    if not _ALONE.fullmatch(piece) or "(" in piece or ")" in piece:
        return None
    tokens = tokenized(piece)[0]
    if any(_depends(token) for token in tokens) or (len(tokens) > 1 and not _CAUTIOUS.isdisjoint(tokens)):
        return None  # of "o-o" it can be seen no more, once it is joined, that its letters may belong to others
    read = settled(_step, piece)
    return None if any(_depends(token) for token in read.split()) else read


def _depends(word: str) -> bool:
    """Whether what becomes of the word depends on its neighbours."""
    if word in _CAUTIOUS:
        return False
    stem = word.removesuffix("'s").removesuffix("'d")
    if word in _NEIGHBOURLY or FILLER.fullmatch(word) or numbers.is_number_word(stem):
        return True
    if stem in NUMERALS and word != "i":
        return True
    return is_letter(stem) or (stem != word and (stem in SUBJECTS or stem in WOULD))
