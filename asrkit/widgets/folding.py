"""Texts as people search them: without case and accents, in all scripts."""

from __future__ import annotations

import unicodedata

__all__ = ["folded"]

# Letters that Unicode does not take apart, although readers take them for a letter with a mark.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "\N{LATIN SMALL LETTER DOTLESS I}": "i"})


def _is_accent(code: int) -> bool:
    """Whether a mark can be left out and the word stays the same to a reader.

    Accents of Latin, Greek and Cyrillic; vowel signs of Arabic and Hebrew, which most texts leave out; what is not
    seen at all. The vowel signs of Indian and other scripts are letters.
    """
    return (
        0x0300 <= code <= 0x036F
        or 0x0483 <= code <= 0x0487
        or 0x0591 <= code <= 0x05C7
        or 0x0610 <= code <= 0x061A
        or code == 0x0640
        or 0x064B <= code <= 0x065F
        or code == 0x0670
        or 0x06D6 <= code <= 0x06ED
        or 0x1AB0 <= code <= 0x1AFF
        or 0x1DC0 <= code <= 0x1DFF
        or 0x20D0 <= code <= 0x20FF
        or 0xFE20 <= code <= 0xFE2F
        or unicodedata.category(chr(code)) == "Cf"
    )


class _Accents(dict[int, int | None]):
    """For ``str.translate``: None for an accent. Filled as letters are met."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if _is_accent(code) else code
        return self[code]


_ACCENTS = _Accents()


def folded(text: str) -> str:
    """A text as it is searched: without case, accents and forms of the same letter; blanks are single.

    >>> folded("Città  NUOVA"), folded("كِتَاب") == folded("كتاب"), folded("कि") == folded("क")
    ('citta nuova', True, False)
    """
    if text.isascii():
        text = text.lower()
    else:
        apart = unicodedata.normalize("NFKD", text.casefold()).translate(_ACCENTS)
        text = unicodedata.normalize("NFKC", apart).translate(_PLAIN)
    return " ".join(text.split())
