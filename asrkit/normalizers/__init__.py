"""Normalizers: text as it is written -> text that can be compared.

Word error rates are only comparable between texts that were normalised alike, so every score carries the name and
version of its normalizer.

===================  ==========================================================================================
``none``             the text itself
``basic``            small letters, no punctuation
``english``          ours for English: numbers, money, contractions, spelled letters, spelling
``multilingual``     ours for all other languages
``whisper-english``  transformers' for English, bug for bug, to compare with published numbers
``whisper-basic``    transformers' for all other languages, bug for bug
===================  ==========================================================================================

Ours and ``basic`` leave a text that is normalised already as it is; Whisper's do not.

A name with a version after it asks for that version: ``english-1`` and ``multilingual-1`` give the texts, and so the
scores, of asrkit 0.1.0. They record themselves as those scores did, as ``english`` and version ``1``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

from ..errors import OptionError
from .base import Custom, Normalizer
from .compounds import merge_compounds
from .english import English
from .multilingual import Multilingual, vowel_signs
from .plain import Basic, Unchanged
from .version_1 import English as English1
from .version_1 import Multilingual as Multilingual1
from .whisper import WhisperBasic, WhisperEnglish

__all__ = [
    "NAMES",
    "Basic",
    "Custom",
    "English",
    "Multilingual",
    "Normalizer",
    "Unchanged",
    "WhisperBasic",
    "WhisperEnglish",
    "find",
    "merge_compounds",
    "vowel_signs",
]

_BUILT: dict[str, Callable[[str | None], Normalizer]] = {
    "basic": lambda language: Basic(),
    "english": lambda language: English(),
    "multilingual": Multilingual,
    "none": lambda language: Unchanged(),
    "whisper-basic": lambda language: WhisperBasic(),
    "whisper-english": lambda language: WhisperEnglish(),
}
NAMES: tuple[str, ...] = tuple(_BUILT)
_VERSIONS: dict[str, Callable[[str | None], Normalizer]] = {
    "english-1": lambda language: English1(),
    "english-2": lambda language: English(),
    "multilingual-1": Multilingual1,
    "multilingual-2": Multilingual,
}

_OPTIONS: dict[str, dict[str, Any]] = {
    "no-harakat": {"harakat": False},
    "no-niqqud": {"niqqud": False},
    "simplified": {"chinese": "simplified"},
    "traditional": {"chinese": "traditional"},
}
_OPTIONS_NAMED = re.compile(f"multilingual(?:-(?:{'|'.join(_OPTIONS)}))+")


def find(normalizer: str | Callable[[str], str] | Normalizer = "auto", *, language: str | None = None) -> Normalizer:
    """The normalizer of a name, or a user's own.

    Args:
        normalizer: one of ``NAMES``, also with a version (``english-1``) or with options (``english-compounds``,
            ``multilingual-no-harakat``, ``multilingual-simplified``); ``auto``, which is ``english`` for English and
            ``multilingual`` for every other language and where none is told; a function from text to text, recorded
            by its name and a digest of its source; or anything with ``name`` and ``version`` that can be called.
        language: code or name, such as ``en``, ``en-GB`` or ``english``.

    >>> find(language="en").name, find().name, find("multilingual", language="tr").name, find(str.lower).name
    ('english', 'multilingual', 'multilingual-tr', 'custom:builtins.str.lower')
    """
    if isinstance(normalizer, str):
        if normalizer == "auto":
            normalizer = "english" if _is_english(language) else "multilingual"
        known = _BUILT | _VERSIONS
        if normalizer == "english-compounds":
            return English(compounds=True)
        if _OPTIONS_NAMED.fullmatch(normalizer):
            return Multilingual(language, **_options(normalizer))
        if normalizer not in known:
            near = difflib.get_close_matches(normalizer.lower(), ["auto", *known], n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise OptionError(
                f"no normalizer {normalizer!r}{meant}; there are auto, {', '.join(NAMES)}, the versions "
                f"{', '.join(_VERSIONS)}, english-compounds, multilingual with -{', -'.join(_OPTIONS)}, or a function"
            )
        return known[normalizer](language)
    if callable(normalizer):
        if isinstance(getattr(normalizer, "name", None), str) and isinstance(getattr(normalizer, "version", None), str):
            return normalizer  # type: ignore[return-value]  # it has the shape
        return Custom(normalizer)
    raise OptionError(f"normalizer is a name or a function from text to text, not {type(normalizer).__name__}")


def _options(name: str) -> dict[str, Any]:
    if "-simplified" in name and "-traditional" in name:
        raise OptionError(f"{name!r} has both -simplified and -traditional; a text is converted to one of them")
    options: dict[str, Any] = {}
    for option, values in _OPTIONS.items():
        if f"-{option}" in name:
            options |= values
    return options


def _is_english(language: str | None) -> bool:
    if language is None:
        return False
    return language.strip().lower().replace("_", "-").split("-")[0] in ("en", "eng", "english")
