"""Which word of the hypothesis stands for which word of the reference."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from .counts import ErrorCounts
from .dialects import Dialect, Text, dialect_name, located_rows, uncollected

__all__ = ["Alignment", "Op", "align", "align_all"]

Op: TypeAlias = tuple[Literal["C", "S", "D", "I"], int | None, int | None]
SHORT = 32  # edits
_SHOWN: dict[str, Literal["C", "S", "D", "I"]] = {"C": "C", "S": "S", "D": "D", "I": "I", "d": "C", "i": "C"}


@dataclass(frozen=True, slots=True)
class Alignment:
    """One reference and one hypothesis, word by word.

    Args:
        reference: tokens of the reference; where the text had alternatives, the tokens that were chosen.
        hypothesis: tokens of the hypothesis.
        codes: one letter an edit, see ``dialects``; ``ops`` says it in full.
        dialect: how it was aligned.

    >>> print(align("the cat sat down", "the bat sat"))
    the cat sat down
    the bat sat ****
        S       D
    """

    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    codes: str
    dialect: str

    @property
    def ops(self) -> tuple[Op, ...]:
        """What became of every word: ("C", "S", "D" or "I", index in the reference, index in the hypothesis).

        The index is None on the side that has no word. An optionally deletable word that was left out is correct
        and has no word in the hypothesis.

        >>> align("a b c", "b c d").ops
        (('D', 0, None), ('C', 1, 0), ('C', 2, 1), ('I', None, 2))
        """
        return _short_ops(self.codes) if len(self.codes) <= SHORT else _ops(self.codes)

    @property
    def counts(self) -> ErrorCounts:
        """How many of each.

        >>> align("a b c", "b c d").counts
        ErrorCounts(hits=2, substitutions=0, deletions=1, insertions=1)
        """
        substitutions, deletions, insertions = (self.codes.count(letter) for letter in "SDI")
        hits = len(self.codes) - substitutions - deletions - insertions
        return ErrorCounts(hits, substitutions, deletions, insertions)

    def __str__(self) -> str:
        """Reference above hypothesis, and the errors below; columns line up in a font of even width."""
        above: list[str] = []
        below: list[str] = []
        marks: list[str] = []
        for op, at, heard in self.ops:
            said = None if at is None else self.reference[at]
            found = None if heard is None else self.hypothesis[heard]
            width = max(1, display_width(said or ""), display_width(found or ""))
            for line, word in ((above, said), (below, found), (marks, "" if op == "C" else op)):
                filled = "*" * width if word is None else word
                line.append(filled + " " * (width - display_width(filled)))
        lines = [" ".join(line).rstrip() for line in (above, below, marks)]
        return "\n".join(lines if lines[2] else lines[:2])


def align(reference: Text, hypothesis: Text, dialect: Dialect = "levenshtein") -> Alignment:
    """Align a hypothesis with its reference.

    Args:
        reference: a text, split at white space, or tokens.
        hypothesis: likewise.
        dialect: ``"levenshtein"``, the fewest errors, placed as jiwer does; ``"sclite"`` or ``Sclite(...)``, those
            of NIST's scorer.

    >>> align("a b c d e", "d e x y z").counts.errors, align("a b c d e", "d e x y z", dialect="sclite").counts.errors
    (5, 6)
    """
    [alignment] = align_all([reference], [hypothesis], dialect)
    return alignment


def align_all(
    references: Sequence[Text], hypotheses: Sequence[Text], dialect: Dialect = "levenshtein"
) -> list[Alignment]:
    """Align every hypothesis with its reference; much faster than one after the other.

    Raises:
        OptionError: the lengths differ, or a row is neither text nor tokens; it is named.
    """
    name = dialect_name(dialect)
    with uncollected():
        return [
            Alignment(reference, hypothesis, codes, name)
            for reference, hypothesis, codes, _ in located_rows(references, hypotheses, dialect)
        ]


def _ops(codes: str) -> tuple[Op, ...]:
    ops: list[Op] = []
    at = heard = 0
    for code in codes:
        in_reference, in_hypothesis = code in "CSDd", code in "CSIi"
        ops.append((_SHOWN[code], at if in_reference else None, heard if in_hypothesis else None))
        at += in_reference
        heard += in_hypothesis
    return tuple(ops)


_short_ops = lru_cache(16_384)(_ops)  # short utterances with no error or few are alike


def display_width(text: str) -> int:
    """Columns that a text takes in a font of even width: two for East Asian letters, none for marks.

    >>> display_width("cat"), display_width("猫"), display_width("é")
    (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    width = 0
    for letter in text:
        if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
            continue
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
    return width
