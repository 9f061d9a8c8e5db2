"""A row as it is shown: every edit of its alignment, in the words as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .alignment import Alignment
from .tokens import unit_for
from .written import Piece, pieces

if TYPE_CHECKING:
    from .texts import SystemTexts

__all__ = ["Mark", "are_apart", "marks", "row_marks"]

Kind: TypeAlias = Literal["C", "S", "D", "I", ""]


@dataclass(frozen=True, slots=True)
class Mark:
    """One edit, or words that the normalizer drops and nobody counts.

    Args:
        kind: correct, substituted, deleted or inserted; "" for words that are not compared.
        said: of the reference as it was written, None on an insertion. Empty on a correct token that shares its word
            with the one before it, such as the second token of "$5".
        heard: of the hypothesis, likewise.
        at: index of the reference's token, None where it has none.
        is_said_apart: whether white space stands before ``said``.
        is_heard_apart: whether white space stands before ``heard``.
    """

    kind: Kind
    said: str | None
    heard: str | None
    at: int | None = None
    is_said_apart: bool = True
    is_heard_apart: bool = True


def marks(
    alignment: Alignment,
    said: Sequence[Piece] | None = None,
    heard: Sequence[Piece] | None = None,
    *,
    unit: str = "word",
) -> list[Mark]:
    """The edits of a row with its words as they were written.

    Each piece is in one mark, in the order of its text. Without pieces, tokens are shown as they are.

    Args:
        alignment: of the row.
        said: pieces of the reference.
        heard: pieces of the hypothesis.
        unit: what the tokens are.

    >>> from asrkit.evaluate import align
    >>> red = pieces("the red ones", ["the", "red", "1s"])
    >>> [(mark.kind, mark.said, mark.heard) for mark in marks(align("the red 1s", "the 1s"), red)]
    [('C', 'the', 'the'), ('D', 'red', None), ('C', 'ones', '1s')]
    """
    of_reference = _Side(alignment.reference, said, unit)
    of_hypothesis = _Side(alignment.hypothesis, heard, unit)
    found: list[Mark] = []
    for kind, at, place in alignment.ops:
        found += _uncounted(of_reference.before(at), of_hypothesis.before(place))
        one, two = of_reference.shown(at, kind), of_hypothesis.shown(place, kind)
        found.append(
            Mark(
                kind,
                None if one is None else one.text,
                None if two is None else two.text,
                at,
                one is None or one.is_apart,
                two is None or two.is_apart,
            )
        )
    found += _uncounted(of_reference.rest(), of_hypothesis.rest())
    return found


def row_marks(texts: SystemTexts, row: int, alignment: Alignment) -> list[Mark]:
    """The edits of a scored row of a system, in the words as they were written."""
    unit, language = texts.units[row], texts.languages[row]

    def cut(written: Sequence[str], tokens: Sequence[str]) -> list[Piece] | None:
        if not written:
            return None
        return pieces(written[row], tokens, texts.normalizer_of(language), unit=unit, language=language)

    return marks(
        alignment,
        cut(texts.written_references, alignment.reference),
        cut(texts.written_hypotheses, alignment.hypothesis),
        unit=unit,
    )


def are_apart(one: str, two: str, unit: str) -> bool:
    """Whether two tokens that follow each other are parted by a blank."""
    if unit == "character":
        return False
    return unit == "word" or not any(unit_for(None, [token]) == "character" for token in (one, two))


class _Side:
    """The reference or the hypothesis of a row, read from its beginning."""

    def __init__(self, tokens: Sequence[str], given: Sequence[Piece] | None, unit: str) -> None:
        self.tokens = tokens
        self.pieces = list(_as_they_are(tokens, unit)) if given is None else list(given)
        self.next = 0
        self.of_token = {piece.token: number for number, piece in enumerate(self.pieces) if piece.token is not None}

    def before(self, token: int | None) -> list[Piece]:
        """Words that nobody counts, before a token."""
        number = None if token is None else self.of_token.get(token)
        return [] if number is None else self._until(number)

    def rest(self) -> list[Piece]:
        return self._until(len(self.pieces))

    def shown(self, token: int | None, kind: str) -> Piece | None:
        """The piece of a token; an error whose token has none shows the token."""
        if token is None:
            return None
        number = self.of_token.get(token)
        if number is None:
            return Piece("" if kind == "C" else self.tokens[token], token, kind != "C")
        self.next = number + 1
        return self.pieces[number]

    def _until(self, number: int) -> list[Piece]:
        found = self.pieces[self.next : number]
        self.next = max(self.next, number)
        return found


def _as_they_are(tokens: Sequence[str], unit: str) -> Iterable[Piece]:
    for place, token in enumerate(tokens):
        yield Piece(token, place, place > 0 and are_apart(tokens[place - 1], token, unit))


def _uncounted(said: Sequence[Piece], heard: Sequence[Piece]) -> Iterable[Mark]:
    """Words that are not compared, the reference's beside the hypothesis's."""
    for place in range(max(len(said), len(heard))):
        one = said[place] if place < len(said) else None
        two = heard[place] if place < len(heard) else None
        yield Mark(
            "",
            None if one is None else one.text,
            None if two is None else two.text,
            None,
            one is None or one.is_apart,
            two is None or two.is_apart,
        )
