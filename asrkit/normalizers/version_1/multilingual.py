"""Version 1 of our normalizer for every language but English, as asrkit 0.1.0 had it. Do not mend it."""

# ruff: noqa: RUF002 -- letters that look like others are what this is about

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..characters import clean, lower, settled, unify, words
from .remarks import without_remarks

__all__ = ["Multilingual"]

_DOTLESS = {"tr", "tur", "turkish", "az", "aze", "azj", "azerbaijani"}
_DROPPED = re.compile(r"[\x00-\x20!-#&(-+\-/:-@\[-`{-\x7f]")  # ASCII's punctuation, but $%',.
_LOOSE_POINT = re.compile(r"(?<![0-9])[.,]|[.,](?![0-9])")
_ARABIC_POINTS = str.maketrans({"\u066b": ".", "\u066c": None, "\u066a": "%"})
_HARAKAT = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]")
_MONEY = "".join(char for char in map(chr, [0x24, *range(0xA2, 0xA6), *range(0x20A0, 0x20D0), 0x0E3F]))
_APART = re.compile(f"([{re.escape(_MONEY)}%\u2030])")


@dataclass(frozen=True)
class Multilingual:
    """Texts of any language, without knowledge of its words.

    Small letters, no punctuation, no symbols, no remarks in brackets, ASCII digits, single blanks. A word is kept
    whole: combining marks and joiners stay, and so do apostrophes within words, French elision included (``l'été``
    is one word, as it is written). Hyphens part words. Between digits a point or comma stays, always as a point:
    which of the two parts thousands is not known. ``%`` and signs of money stay beside digits, as words of their own.
    Blanks stay as they are also in scripts that use none: score those by characters.

    Args:
        language: code or name. Turkish and Azerbaijani have a dotless ``ı``.
        harakat: keep the vowel signs of Arabic.

    >>> Multilingual()("किताबें, L’Été — 12,5 %; O'Brien (rires) İstanbul ٣")
    "किताबें l'été 12.5 % o'brien istanbul 3"
    >>> Multilingual("tr")("IRMAK"), Multilingual(harakat=False)("كِتَاب")
    ('ırmak', 'كتاب')
    """

    language: str | None = None
    harakat: bool = True

    version = "1"

    @property
    def name(self) -> str:
        """With what changes texts: ``multilingual``, ``multilingual-tr``, ``multilingual-no-harakat``."""
        return "multilingual" + "-tr" * self._dotless + "-no-harakat" * (not self.harakat)

    def __call__(self, text: str) -> str:
        """The text in a form that can be compared."""
        return settled(self._step, text)

    @property
    def _dotless(self) -> bool:
        return (self.language or "").lower().replace("_", "-").split("-")[0] in _DOTLESS

    def _step(self, text: str) -> str:
        text = without_remarks(lower(unify(text), dotless=self._dotless))
        if not text.isascii():
            text = text.translate(_ARABIC_POINTS)
            if not self.harakat:
                text = unicodedata.normalize("NFC", _HARAKAT.sub("", text))
            text = clean(text, keep=_MONEY + "\u2030")
        text = _LOOSE_POINT.sub(" ", _DROPPED.sub(" ", text)).replace(",", ".")
        if _APART.search(text):
            text = " ".join(_symbols_beside_digits(_APART.sub(r" \1 ", text).split()))
        return words(text)


def _symbols_beside_digits(tokens: list[str]) -> list[str]:
    kept: list[str] = []
    for part, after in zip(tokens, [*tokens[1:], ""], strict=True):
        if _APART.fullmatch(part):
            follows = bool(kept) and kept[-1][-1].isdigit()
            if not follows and (part in "%\u2030" or not after[:1].isdigit()):
                continue
        kept.append(part)
    return kept
