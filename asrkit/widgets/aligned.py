"""A reference and a hypothesis as the score aligns them: for the page, as HTML, and in numbers.

The same normalizer, the same tokens and the same alignment as in ``df.asr.score``, so colours and rate cannot
disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..evaluate.alignment import Alignment, align
from ..evaluate.counts import ErrorCounts
from ..evaluate.marks import Mark, marks, row_marks
from ..evaluate.markup import Html, element, named
from ..evaluate.texts import comparable
from ..evaluate.tokens import Unit
from ..evaluate.views import aligned
from ..evaluate.wording import percent
from ..normalizers import Normalizer
from ..source import is_missing

__all__ = ["Aligned", "align_texts"]

MARKS = 20_000  # edits that go to a page


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """One hypothesis against one reference.

    Args:
        name: of the system.
        alignment: of the normalised tokens.
        unit: what is counted.
        language: code, None where nobody told.
        normalizer: name and version.
        rate: the usual name of the error rate, such as ``WER``.
        edits: those of the alignment, in the words as they were written; the tokens themselves if not given.
    """

    name: str
    alignment: Alignment
    unit: Unit
    language: str | None
    normalizer: str
    rate: str
    edits: Sequence[Mark] = ()

    @property
    def shown(self) -> Sequence[Mark]:
        """The edits, in the words as they were written."""
        return self.edits or marks(self.alignment, unit=self.unit)

    @property
    def counts(self) -> ErrorCounts:
        """Errors of the row."""
        return self.alignment.counts

    @property
    def told(self) -> str:
        """The rate and the errors, in words.

        >>> align_texts("the cat sat", "the bat sat").told
        'WER 33.3%: 1 error in 3 words'
        """
        counts = self.counts
        words = {"word": "word", "character": "character", "mixed": "token"}[self.unit]
        errors = f"{counts.errors:,} error{'' if counts.errors == 1 else 's'}"
        said = counts.reference_length
        if not said:
            return f"{errors}; no {words} in the reference"
        return f"{self.rate} {percent(counts.wer)}: {errors} in {said:,} {words}{'' if said == 1 else 's'}"

    def marks(self) -> dict[str, Any]:
        """For ``diff`` in the page: ``marks`` are ``[kind, said, heard]`` with kinds C, S, D and I.

        The kind is empty for words that are not compared, such as "uh".
        """
        shown = self.shown
        return {
            "name": self.name,
            "told": self.told,
            "unit": self.unit,
            "language": self.language,
            "normalizer": self.normalizer,
            "cut": max(0, len(shown) - MARKS),
            "marks": [[mark.kind, mark.said, mark.heard] for mark in shown[:MARKS]],
        }

    def card(self, limit: int | None = None) -> Html:
        """Name, rate and marks as HTML, for a notebook without a kernel; ``views.STYLE`` colours it."""
        return element(
            "div",
            element("p", named(self.name), element("span", f" · {self.told}"), class_="ak-name"),
            aligned(self.shown, unit=self.unit, language=self.language, limit=limit),
        )


def align_texts(
    reference: Any,
    hypothesis: Any,
    *,
    name: str = "hypothesis",
    language: str | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    unit: Unit | Literal["auto"] = "auto",
) -> Aligned | None:
    """Align two texts as they are scored, or None where one is missing.

    >>> align_texts("the cat sat", "the bat sat").marks()["marks"]
    [['C', 'the', 'the'], ['S', 'cat', 'bat'], ['C', 'sat', 'sat']]
    """
    if is_missing(reference) or is_missing(hypothesis):
        return None
    texts = comparable([reference], {name: [hypothesis]}, normalizer=normalizer, languages=language, unit=unit)
    own = texts.systems[name]
    [said], [heard] = own.reference_tokens(), own.hypothesis_tokens()
    found = align(said, heard)
    edits = row_marks(own, 0, found)
    return Aligned(name, found, own.units[0], own.languages[0], own.normalizer, own.rate, edits)
