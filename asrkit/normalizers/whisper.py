"""Whisper's normalizers as transformers has them, bug for bug, to compare with published numbers.

They are not idempotent (``three point one``, ``3 one``, ``31``): normalise a text once. The Open ASR Leaderboard
and most papers do.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as version_of
from importlib.resources import files
from typing import Any, cast

__all__ = ["WhisperBasic", "WhisperEnglish", "english_text_normalizer", "spelling"]

OURS = "1"  # raised when what we add to transformers' version changes


@dataclass(frozen=True)
class WhisperEnglish:
    """``EnglishTextNormalizer`` of Whisper (https://arxiv.org/abs/2212.04356, appendix C).

    >>> WhisperEnglish()("Mr. Park's colour TV cost twenty dollars")
    'mister park is color tv cost $20'
    """

    name = "whisper-english"

    @property
    def version(self) -> str:
        """Ours and that of transformers."""
        return _version()

    def __call__(self, text: str) -> str:
        """What transformers makes of the text."""
        return cast("str", english_text_normalizer()(text))


@dataclass(frozen=True)
class WhisperBasic:
    """``BasicTextNormalizer`` of Whisper: for other languages, although it takes the marks off Indic words.

    >>> WhisperBasic()("Ça va, l'été?")
    'ça va l été '
    """

    name = "whisper-basic"

    @property
    def version(self) -> str:
        """Ours and that of transformers."""
        return _version()

    def __call__(self, text: str) -> str:
        """What transformers makes of the text."""
        return _basic_text_normalizer()(text)


@functools.cache
def english_text_normalizer() -> Any:
    """Transformers' ``EnglishTextNormalizer`` with OpenAI's list of spellings."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer  # heavy, and not always wanted

    return EnglishTextNormalizer(spelling())


@functools.cache
def _basic_text_normalizer() -> Callable[[str], str]:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    return cast("Callable[[str], str]", BasicTextNormalizer())


@functools.cache
def _version() -> str:
    return f"{OURS}+transformers.{version_of('transformers')}"


@functools.cache
def spelling() -> dict[str, str]:
    """British spellings and their American ones: english.json of openai/whisper (MIT), its slips included."""
    text = (files(__package__) / "english_spelling.json").read_text("utf-8")
    return cast("dict[str, str]", json.loads(text))
