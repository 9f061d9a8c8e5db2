"""Several hypotheses under one reference, word under word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluate.alignment import Alignment

__all__ = ["Column", "stacked"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of a stack: what was said, and what each system heard there.

    Args:
        said: None where the reference has no word.
        heard: kind and word, one a system; the kind is "" where a system has nothing to do with this column.
        left_out: instead of all that: so many columns were left out here.
    """

    said: str | None
    heard: tuple[tuple[str, str | None], ...]
    left_out: int = 0

    @property
    def is_right(self) -> bool:
        """Nobody is wrong here."""
        return all(kind in ("C", "") for kind, _ in self.heard)


def stacked(alignments: Sequence[Alignment]) -> list[Column]:
    """Systems under each other, in columns by the words of the reference they share.

    >>> from asrkit.evaluate import align
    >>> for column in stacked([align("the ship", "a ship"), align("the ship", "the big sheep")]):
    ...     print(column.said, column.heard)
    the (('S', 'a'), ('C', 'the'))
    None (('', None), ('I', 'big'))
    ship (('C', 'ship'), ('S', 'sheep'))
    """
    reference = alignments[0].reference
    length = len(reference)
    at: list[list[tuple[str, str | None]]] = [[("", None)] * len(alignments) for _ in range(length)]
    between: list[list[list[tuple[str, str | None]]]] = [[[] for _ in alignments] for _ in range(length + 1)]
    for system, aligned in enumerate(alignments):
        passed = 0
        for kind, said, heard in aligned.ops:
            word = None if heard is None else aligned.hypothesis[heard]
            if said is None:
                between[passed][system].append((kind, word))
            else:
                at[said][system] = (kind, word)
                passed = said + 1
    columns = []
    for place in range(length + 1):
        inserted = between[place]
        for depth in range(max(map(len, inserted))):
            inner = tuple(own[depth] if depth < len(own) else ("", None) for own in inserted)
            columns.append(Column(None, inner))
        if place < length:
            columns.append(Column(reference[place], tuple(at[place])))
    return columns
