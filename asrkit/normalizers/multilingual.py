"""Our normalizer for every language but English."""

# ruff: noqa: RUF002 -- letters that look like others are what this is about

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass

from ..errors import OptionError
from .characters import clean, lower, settled, unify, without_remarks, words
from .chinese import SCRIPTS, converted
from .confusables import code_of, has_rules, unmixed, with_one_code

__all__ = ["Multilingual", "vowel_signs", "without_harakat", "without_niqqud"]

_DOTLESS = ("tr", "az")
_CHINESE = ("", "zh", "yue")
_DROPPED = re.compile(r"[\x00-\x20!-#&(-+\-/:-@\[-`{-\x7f]")  # ASCII's punctuation, but $%',.
_LOOSE_POINT = re.compile(r"(?<![0-9])[.,]|[.,](?![0-9])")
_ARABIC_POINTS = str.maketrans({"\u066b": ".", "\u066c": None, "\u066a": "%"})
_HARAKAT = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]")
_NIQQUD = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
_MONEY = "".join(char for char in map(chr, [0x24, *range(0xA2, 0xA6), *range(0x20A0, 0x20D0), 0x0E3F]))
_APART = re.compile(f"([{re.escape(_MONEY)}%\u2030])")


@dataclass(frozen=True)
class Multilingual:
    """Texts of any language, without knowledge of its words.

    Small letters, no punctuation, no symbols, ASCII digits, single blanks. Remarks in brackets go; in round brackets
    figures and one or two letters stay. A word is kept whole: combining marks and joiners stay, and so do apostrophes
    within words, French elision included (``l'été`` is one word, as it is written). Hyphens part words. Between digits
    a point or comma stays, always as a point: which of the two parts thousands is not known. ``%`` and signs of money
    stay beside digits, as words of their own. Blanks stay as they are also in scripts that use none: score those by
    characters.

    A letter that has two code points gets one, in every language (``œ`` is ``oe``, gershayim go, Indic vowels are
    composed, a Latin letter in a Cyrillic word is Cyrillic), and by the habits of the language where one is told:

    ===============================  =================================================================================
    Romanian                         ``ş``, ``ţ`` with a cedilla are ``ș``, ``ț`` with a comma
    Arabic, Persian, Urdu, Pashto,   yeh, kaf and heh as the language writes them: ``ی`` and ``ک`` in Persian, ``ہ``
    Sindhi                           in Urdu, ``ي`` and ``ك`` in Arabic. Arabic keeps ``ى`` and ``ة`` apart.
    Uzbek, Hawaiian                  every apostrophe in ``oʻ``, ``gʻ`` and before Hawaiian vowels is U+02BB
    Ukrainian, Belarusian            a quotation mark within a word is an apostrophe
    Turkish, Azerbaijani             dotless ``ı``; ``ə`` is Latin
    Kazakh, Tatar, Bashkir           ``ә`` is Cyrillic; Mongolian ``ө`` and ``ү``
    French, Italian, Spanish,        ``æ`` is ``ae``; it stays in Danish, Norwegian, Icelandic and where no language is
    Portuguese, Latin                told
    Croatian, Vietnamese and others  ``đ`` is not ``ð``; Icelandic and Faroese ``ð`` is not ``đ``
    Catalan, Occitan                 ``l·l`` whatever the dot is
    Bengali, Assamese                ``র`` or ``ৰ``
    Japanese                         a hyphen after katakana is ``ー``; ``ヘ`` is ``へ``
    Yoruba, Maori, Lingala           ``ẹ`` with a dot, ``ā`` with a macron, ``ɛ`` is Latin
    ===============================  =================================================================================

    Args:
        language: code or name.
        harakat: keep the vowel signs of Arabic. Set it to False where one text has them and the other has not;
            ``vowel_signs`` tells which has.
        niqqud: keep the points of Hebrew; the same.
        chinese: ``simplified`` or ``traditional``: one script for Chinese (by OpenCC, ``asrkit-pandas[chinese]``). It
            is left out where the language is told and is not Chinese. None keeps what is written.

    >>> Multilingual()("किताबें, L’Été — 12,5 %; O'Brien (rires) İstanbul ٣")
    "किताबें l'été 12.5 % o'brien istanbul 3"
    >>> Multilingual("tr")("IRMAK"), Multilingual("ro")("ţară"), Multilingual(harakat=False)("كِتَاب")
    ('ırmak', 'țară', 'كتاب')
    """

    language: str | None = None
    harakat: bool = True
    niqqud: bool = True
    chinese: str | None = None

    version = "2"

    def __post_init__(self) -> None:
        if self.chinese is not None and self.chinese not in SCRIPTS:
            raise OptionError(f"chinese is 'simplified', 'traditional' or None, not {self.chinese!r}")

    @property
    def name(self) -> str:
        """With what changes texts: ``multilingual``, ``multilingual-tr``, ``multilingual-no-harakat``."""
        code = self._code
        return (
            "multilingual"
            + (f"-{code}" if has_rules(code) or code in _DOTLESS else "")
            + "-no-harakat" * (not self.harakat)
            + "-no-niqqud" * (not self.niqqud)
            + (f"-{self.chinese}" if self.chinese and code in _CHINESE else "")
        )

    def __call__(self, text: str) -> str:
        """The text in a form that can be compared."""
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return settled(functools.partial(self._step, code=self._code), text)

    @property
    def _code(self) -> str:
        return code_of(self.language)

    def _step(self, text: str, code: str) -> str:
        text = lower(unmixed(unify(text)), dotless=code in _DOTLESS)
        text = without_remarks(with_one_code(text, code))
        if not text.isascii():
            text = text.translate(_ARABIC_POINTS)
            if not self.harakat:
                text = without_harakat(text)
            if not self.niqqud:
                text = without_niqqud(text)
            text = clean(text, keep=_KEPT[code in _DOTTED])
            if self.chinese and code in _CHINESE:
                text = converted(text, self.chinese)
        text = _LOOSE_POINT.sub(" ", _DROPPED.sub(" ", text)).replace(",", ".")
        if _APART.search(text):
            text = " ".join(_symbols_beside_digits(_APART.sub(r" \1 ", text).split()))
        return words(text)


_DOTTED = ("ca", "oc")  # l·l
_KEPT = (_MONEY + "\u2030", _MONEY + "\u2030\u00b7")


def vowel_signs(text: str) -> frozenset[str]:
    """Which optional vowel signs a text has: ``harakat`` of Arabic, ``niqqud`` of Hebrew.

    Where the reference has them and the hypothesis has not, or the other way round, nearly every word is an error;
    score such texts with ``Multilingual(harakat=False)`` or ``Multilingual(niqqud=False)``.

    >>> sorted(vowel_signs("كِتَاب")), sorted(vowel_signs("كتاب"))
    (['harakat'], [])
    """
    if text.isascii():
        return frozenset()
    text = unicodedata.normalize("NFD", text)
    kinds = (("harakat", _OPTIONAL_HARAKAT), ("niqqud", _NIQQUD))
    return frozenset(kind for kind, signs in kinds if signs.search(text))


def without_harakat(text: str) -> str:
    """The text without the vowel signs of Arabic."""
    return unicodedata.normalize("NFC", _HARAKAT.sub("", text).replace("\u0671", "\u0627"))


def without_niqqud(text: str) -> str:
    """The text without the points of Hebrew."""
    return unicodedata.normalize("NFC", _NIQQUD.sub("", text))


# Of the signs that ``harakat=False`` removes, these are never part of how a word is spelled; maddah and hamza are.
_OPTIONAL_HARAKAT = re.compile("[\u0610-\u061a\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc]")


def _symbols_beside_digits(tokens: list[str]) -> list[str]:
    kept: list[str] = []
    for part, after in zip(tokens, [*tokens[1:], ""], strict=True):
        if _APART.fullmatch(part):
            follows = bool(kept) and kept[-1][-1].isdigit()
            if not follows and (part in "%\u2030" or not after[:1].isdigit()):
                continue
        kept.append(part)
    return kept
