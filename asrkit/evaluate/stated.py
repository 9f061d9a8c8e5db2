"""The language of each row, by one order everywhere: as stated, as transcribed, as the texts are written.

Scores, the player and the labeler ask here, so that a row has one language wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..columns import column_of
from ..language_codes import known_language
from ..language_names import check_language, read_language
from .languages import has_letters, identify_all

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["filled", "languages_of", "of_system", "stated_languages", "transcribed_languages", "unread_values"]

LANGUAGES = ("language", "lang", "locale")


def stated_languages(frame: pd.DataFrame, language: Hashable | None) -> list[Any]:
    """The language of each row as the caller or the table states it; None where neither does.

    Raises:
        OptionError: ``language`` is neither a column nor a language.
    """
    if language is not None:
        if isinstance(language, Hashable) and language in frame.columns:
            return column_of(frame, language)
        check_language(language, list(frame.columns))
        return [language] * len(frame)
    for name in LANGUAGES:
        if name in frame.columns:
            return column_of(frame, name)
    return [None] * len(frame)


def transcribed_languages(frame: pd.DataFrame, names: Sequence[Hashable]) -> dict[str, list[Any]]:
    """The column ``<name>_language`` of each system that has one: in which language it transcribed each row."""
    return {str(name): column_of(frame, column) for name in names if (column := f"{name}_language") in frame.columns}


def filled(languages: Sequence[str | None], texts: Sequence[str]) -> list[str | None]:
    """The languages; where one is not known, that of the text beside it."""
    unknown = list({text for language, text in zip(languages, texts, strict=True) if language is None and text})
    identified = dict(zip(unknown, identify_all(unknown), strict=True))
    return [
        identified.get(text) if language is None else language for language, text in zip(languages, texts, strict=True)
    ]


def of_system(
    stated: Sequence[str | None],
    transcribed_as: Sequence[Any] | None,
    by_reference: Sequence[str | None],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> list[str | None]:
    """The language of each row of one system.

    That which is stated, else that in which it was transcribed, else that of the reference, else, where the reference
    has no letters ("42"), that of the hypothesis.
    """
    told = [None] * len(stated) if transcribed_as is None else transcribed_as
    spoken = [
        language or read_language(cell) or by_text
        for language, cell, by_text in zip(stated, told, by_reference, strict=True)
    ]
    return filled(
        spoken, ["" if has_letters(said) else text for said, text in zip(references, hypotheses, strict=True)]
    )


def languages_of(
    frame: pd.DataFrame, language: Hashable | None, reference: Hashable | None, hypotheses: Sequence[Hashable]
) -> list[str | None]:
    """The language of each row as a score of the first hypothesis takes it; the others where that tells nothing."""
    stated = [read_language(cell) for cell in stated_languages(frame, language)]

    def texts_of(name: Hashable | None) -> list[str]:
        cells = [None] * len(frame) if name is None else column_of(frame, name)
        return [cell if isinstance(cell, str) else "" for cell in cells]

    references = texts_of(reference)
    transcribed = transcribed_languages(frame, hypotheses)
    spoken = stated
    by_reference = filled(stated, references)
    for name in hypotheses or [None]:
        told = None if name is None else transcribed.get(str(name))
        found = of_system(stated, told, by_reference, references, texts_of(name))
        spoken = [known or further for known, further in zip(spoken, found, strict=True)]
    return spoken


def unread_values(columns: Sequence[Sequence[Any]]) -> Mapping[int, str]:
    """Row -> the first value in it that was given as a language and is none."""
    unread: dict[int, str] = {}
    for column in columns:
        written = {cell if isinstance(cell, str) else str(known_language(cell) or "") for cell in {*column}}
        bad = {cell for cell in written if known_language(cell) is not None and read_language(cell) is None}
        if bad:
            for row, cell in enumerate(column):
                value = str(known_language(cell))
                if value in bad or cell in bad:
                    unread.setdefault(row, value)
    return unread
