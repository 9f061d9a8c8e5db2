"""Where a blank stands between two texts: nowhere in Thai, Lao, Myanmar, Khmer, Chinese and Japanese."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["is_unspaced", "needs_blank", "spaced"]

# Scripts written without blanks: Thai, Lao, Myanmar, Khmer; Chinese and Japanese with their punctuation.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


def is_unspaced(letter: str) -> bool:
    """Whether a text begins with a letter of a script that is written without blanks."""
    return bool(_UNSPACED.match(letter))


def needs_blank(before: str, after: str) -> bool:
    """Whether a blank stands between two texts.

    >>> needs_blank("so", "it"), needs_blank("今天", "好"), needs_blank("", "it")
    (True, False, False)
    """
    return bool(before and after) and not (is_unspaced(before[-1]) and is_unspaced(after))


def spaced(parts: Iterable[str]) -> str:
    """Texts one after the other, with a blank between them where their scripts use blanks.

    >>> spaced(["so", "it", "is"]), spaced(["今天", "好"])
    ('so it is', '今天好')
    """
    text = ""
    for following in parts:
        text += (" " if needs_blank(text, following) else "") + following
    return text
