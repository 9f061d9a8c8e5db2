"""The normalizers that know no language: none and basic."""

# ruff: noqa: RUF002 -- letters that look like others are what this is about

from __future__ import annotations

import re
from dataclasses import dataclass

from .characters import clean, lower, settled, unify, words

__all__ = ["Basic", "Unchanged"]

_PUNCTUATION = re.compile(r"[\x00-\x20!-&(-/:-@\[-`{-\x7f]")  # ASCII's, but the apostrophe


@dataclass(frozen=True)
class Unchanged:
    """The text itself, for texts that are comparable already.

    >>> Unchanged()(" As  it is. ")
    ' As  it is. '
    """

    name = "none"
    version = "1"

    def __call__(self, text: str) -> str:
        """The same text."""
        return text


@dataclass(frozen=True)
class Basic:
    """Small letters, no punctuation, single blanks, and nothing else: no word becomes another.

    Marks stay on their letters, apostrophes within words, and characters that differ only in how they are drawn
    (full width, ligatures, composed or not) become one.

    >>> Basic()("O’Brien's café, №\\xa05: किताबें!")
    "o'brien's café no 5 किताबें"
    """

    name = "basic"
    version = "1"

    def __call__(self, text: str) -> str:
        """The text in small letters without punctuation."""
        return settled(_basic, text)


def _basic(text: str) -> str:
    return words(_PUNCTUATION.sub(" ", clean(lower(unify(text)))))
