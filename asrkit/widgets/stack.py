"""Several hypotheses under one reference, word under word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..evaluate.marks import Mark

__all__ = ["Column", "stacked"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of a stack: what was said, and what each system heard there.

    Args:
        said: None where the reference has no word.
        heard: kind and word of each system; the kind is "" where a system has no counted word in this column.
    """

    said: str | None
    heard: tuple[tuple[str, str | None], ...]

    @property
    def is_right(self) -> bool:
        """Nobody is wrong here."""
        return all(kind in ("C", "") for kind, _ in self.heard)


def stacked(systems: Sequence[Sequence[Mark]], length: int) -> list[Column]:
    """Systems under each other, in columns by the words of the reference they share.

    Args:
        systems: the edits of each against the same reference.
        length: tokens of the reference.

    >>> from asrkit.evaluate import align
    >>> from asrkit.evaluate.marks import marks
    >>> systems = [marks(align("the ship", heard)) for heard in ("a ship", "the big sheep")]
    >>> for column in stacked(systems, 2):
    ...     print(column.said, column.heard)
    the (('S', 'a'), ('C', 'the'))
    None (('', None), ('I', 'big'))
    ship (('C', 'ship'), ('S', 'sheep'))
    """
    at: list[list[tuple[str, str | None]]] = [[("", None)] * len(systems) for _ in range(length)]
    said: list[str | None] = [None] * length
    between: list[list[list[Mark]]] = [[[] for _ in systems] for _ in range(length + 1)]
    for number, row in enumerate(systems):
        passed = 0
        for mark in row:
            if mark.at is None:
                between[passed][number].append(mark)
            else:
                at[mark.at][number] = (mark.kind, mark.heard)
                said[mark.at] = said[mark.at] or mark.said  # a token without a word of its own is shown on an error
                passed = mark.at + 1
    columns: list[Column] = []
    for place in range(length + 1):
        columns += _between(between[place])
        if place < length and (said[place] or any(kind != "C" or heard for kind, heard in at[place])):
            columns.append(Column(said[place] or "", tuple(at[place])))
    return columns


def _between(systems: Sequence[Sequence[Mark]]) -> Iterator[Column]:
    """What stands between two words of the reference: first words of it that nobody counts, then what was inserted."""
    uncounted = max(([mark.said for mark in row if mark.said is not None] for row in systems), key=len, default=[])
    heard = [[(mark.kind, mark.heard) for mark in row if mark.heard is not None] for row in systems]
    for word in uncounted:
        yield Column(word, tuple(("", None) for _ in systems))
    for depth in range(max(map(len, heard), default=0)):
        yield Column(None, tuple(row[depth] if depth < len(row) else ("", None) for row in heard))
