"""What the first lines of every view say of the languages of rows, since normalisation depends on them.

Each system's rows are normalised by the language of its own columns, so that its score does not depend on what stands
beside it. Where two systems were normalised by different languages and a text comes out differently for it, identical
texts may have different errors. Such systems are not compared; ``language=`` gives the rows of all systems the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

from ..normalizers.confusables import code_of
from .marked import normalised
from .texts import SystemTexts
from .tokens import is_unspaced

if TYPE_CHECKING:
    from .comparison import Comparison
    from .score import Score

__all__ = ["SAME", "LanguageGap", "comparison_notes", "language_gap", "score_notes"]


@dataclass(frozen=True, slots=True)
class LanguageGap:
    """How far systems were normalised by different languages.

    Args:
        rows: in which the languages have different rules.
        changed: rows among them in which a text comes out differently, so that errors may be due to the language.
    """

    rows: int = 0
    changed: int = 0

    def told(self, what: str = "the systems") -> str:
        """In words; empty where there is nothing to say."""
        if not self.rows:
            return ""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        changes = "which changes no text" if not self.changed else f"which changes the texts of {self.changed:,}"
        if self.changed == self.rows:
            changes = "which changes their texts" if self.rows > 1 else "which changes its texts"
        return f"in {rows} {what} were normalised by different languages, {changes}; language= gives all the same"


SAME = LanguageGap()


def language_gap(systems: Sequence[SystemTexts]) -> LanguageGap:
    """In how many rows systems were normalised by languages with different rules, and how many texts that changes."""
    first = systems[0]
    if all(system.languages is first.languages for system in systems):
        return SAME
    find = cache(first.normalizer_of)

    @cache
    def is_alike(one: str | None, two: str | None) -> bool:
        return code_of(one) == code_of(two) or (find(one) == find(two) and is_unspaced(one) == is_unspaced(two))

    def is_mixed(row: int) -> bool:
        return any(
            one.units[row] != two.units[row] or not is_alike(one.languages[row], two.languages[row])
            for one, two in combinations(systems, 2)
        )

    def is_changed(row: int) -> bool:
        if len({(system.references[row], system.units[row]) for system in systems}) > 1:
            return True
        languages = {system.languages[row] for system in systems}
        if not all(system.written_hypotheses for system in systems) or len({*map(is_unspaced, languages)}) > 1:
            return True
        for text in {system.written_hypotheses[row] for system in systems}:
            forms = {
                find(language)(text) if first.markup is None else normalised(text, find(language), first.markup)
                for language in languages
            }
            if len(forms) > 1:
                return True
        return False

    rows = [
        row
        for row, codes in enumerate(zip(*(system.languages for system in systems), strict=True))
        if len(set(codes)) > 1 and is_mixed(row)
    ]
    return LanguageGap(len(rows), sum(map(is_changed, rows)))


def score_notes(score: Score) -> list[str]:
    """What is to be said first of a score: languages that are not known, and values that are no language."""
    return [note for note in (_unknown_told(score.compared.unknown), _unread_told(score)) if note]


def comparison_notes(comparison: Comparison) -> list[str]:
    """What is to be said first of a comparison: languages that differ, are not known, or are none."""
    scores = comparison.scores
    unknown = {score.name: score.compared.unknown for score in scores}
    notes = [comparison.language_gap.told()]
    if len(set(unknown.values())) == 1:
        notes.append(_unknown_told(scores[0].compared.unknown))
    else:
        notes += [_unknown_told(count, f" of {name}") for name, count in unknown.items()]
    notes.append(_unread_told(scores[0]))
    return [note for note in notes if note]


def _unknown_told(count: int, of: str = "") -> str:
    if not count:
        return ""
    return f"the language of {'1 row' if count == 1 else f'{count:,} rows'}{of} is not known, pass language="


def _unread_told(score: Score) -> str:
    texts = score.texts
    if not texts.unread:
        return ""
    count = len(texts.unread)
    values = list(dict.fromkeys(texts.unread.values()))
    named = ", ".join(f"{value!r:.40}" for value in values[:3]) + (", ..." if len(values) > 3 else "")
    rows = "1 row has a language that is none" if count == 1 else f"{count:,} rows have a language that is none"
    return f"{rows} ({named}): their texts decide"
