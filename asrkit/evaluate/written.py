"""Which stretch of a text, as it was said or written, became which token of its normalised form.

Errors are counted in normalised tokens, and shown in the words that people wrote: "the red ones", not "the red 1s".
A normalizer may join words ("one thousand" is one token), part them ("won't" is two) or drop them ("uh"). Nothing is
asked of it but to be called: each word is normalised alone, and where the tokens differ from those of the whole text,
growing runs of words are. What is still open is parted by its letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from .tokens import Unit, tokenize

__all__ = ["Piece", "pieces"]

LONGEST_RUN = 12  # words that a normalizer may have made one expression of, such as a long number in words


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text as it was written.

    Args:
        text: never empty, on one line.
        token: index of the normalised token it became; None where the normalizer drops it.
        is_apart: whether white space stands before it in the text.
    """

    text: str
    token: int | None
    is_apart: bool


def pieces(
    written: str,
    tokens: Sequence[str],
    normalise: Callable[[str], str] | None = None,
    *,
    unit: Unit = "word",
    language: str | None = None,
) -> list[Piece]:
    """A text cut so that each piece became one token or none; joined, the pieces are the text.

    A token has at most one piece. It has none where nothing in the text stands for it alone, such as "dollars" in "$".

    Args:
        written: the text before normalisation.
        tokens: of the normalised text.
        normalise: the normalizer of the row; None: the text was not normalised.
        unit: what the tokens are.
        language: of the row.

    >>> from asrkit.normalizers import English
    >>> text = "The red ones, uh, stay"
    >>> [(piece.text, piece.token) for piece in pieces(text, English()(text).split(), English())]
    [('The', 0), ('red', 1), ('ones,', 2), ('uh,', None), ('stay', 3)]
    """
    text = " ".join(written.split())
    if not text:
        return []
    spans = list(_spans(text, tokenize(text, unit, language)))
    cut = _Cut(text, tokens, unit, spans)
    alone = _words_of(normalise, unit, language)
    normalised = lambda first, end: alone(text[spans[first][0] : spans[end - 1][1]])  # noqa: E731  of a run of atoms
    for group in _groups(len(spans), [_folded(token) for token in tokens], normalised):
        cut.add(*group)
    return cut.pieces()


def _spans(text: str, atoms: Sequence[str]) -> Iterator[tuple[int, int]]:
    at = 0
    for atom in atoms:
        at = text.index(atom, at)
        yield at, at + len(atom)
        at += len(atom)


def _words_of(
    normalise: Callable[[str], str] | None, unit: Unit, language: str | None
) -> Callable[[str], tuple[str, ...]]:
    """What some words become on their own; letters are compared by their form only."""
    known: dict[str, tuple[str, ...]] = {}

    def words(text: str) -> tuple[str, ...]:
        if text not in known:
            try:
                told = text if normalise is None else normalise(text)
                known[text] = tokenize(_folded(told), unit, language)
            except Exception:  # a user's own normalizer may expect more than a word; its whole text was normalised
                known[text] = (_folded(text),)
        return known[text]

    return words if unit != "character" else lambda text: (_folded(text),)


def _folded(text: str) -> str:
    return text.casefold()


# Groups: a run of atoms and the run of tokens that it became

Group = tuple[int, int, int, int]  # first atom, end of atoms, first token, end of tokens


def _groups(count: int, tokens: Sequence[str], normalised: Callable[[int, int], tuple[str, ...]]) -> Iterator[Group]:
    """Runs of atoms with the tokens they became, in order; atoms between them became nothing."""
    made = [(token, place) for place in range(count) for token in normalised(place, place + 1)]
    owners = [place for _, place in made]
    found: list[Group] = []
    for first, end, token, last in _runs([token for token, _ in made], tokens):
        before = found[-1][1] if found else 0
        if first < end:
            start, stop = owners[first], owners[end - 1] + 1
        else:  # tokens that no atom became alone: those between its neighbours may have done so together
            start, stop = before, owners[first] if first < len(owners) else count
        if found and start < before:  # another token of the same atom
            found[-1] = (found[-1][0], max(stop, before), found[-1][2], last)
        elif start < stop and token < last:
            found.append((start, stop, token, last))
    for group in found:
        yield from _resolved(tokens, group, normalised)


def _runs(made: Sequence[str], tokens: Sequence[str]) -> list[Group]:
    """Equal tokens one by one, and between them the runs that differ."""
    found: list[Group] = []
    is_open = False  # the last run differs, and the next step may continue it
    for step in Levenshtein.opcodes(made, tokens):
        run = (step.src_start, step.src_end, step.dest_start, step.dest_end)
        if step.tag == "equal":
            found += [
                (at, at + 1, step.dest_start + by, step.dest_start + by + 1)
                for by, at in enumerate(range(step.src_start, step.src_end))
            ]
        elif is_open:
            found[-1] = (found[-1][0], run[1], found[-1][2], run[3])
        else:
            found.append(run)
        is_open = step.tag != "equal"
    return found


def _resolved(
    tokens: Sequence[str], group: Group, normalised: Callable[[int, int], tuple[str, ...]]
) -> Iterator[Group]:
    """A group in smaller ones, where runs of words become the tokens that come next."""
    atom, end, token, last = group
    while atom < end and token < last and end - atom > 1:
        for size in range(1, min(LONGEST_RUN, end - atom) + 1):
            made = normalised(atom, atom + size)
            if made and list(made) == list(tokens[token : token + len(made)]):
                yield atom, atom + size, token, token + len(made)
                atom, token = atom + size, token + len(made)
                break
        else:
            break
    if atom < end and token < last:
        yield atom, end, token, last


# Cutting


class _Cut:
    """The places where a text is cut."""

    def __init__(self, text: str, tokens: Sequence[str], unit: Unit, spans: Sequence[tuple[int, int]]) -> None:
        self.text, self.tokens, self.unit, self.spans = text, tokens, unit, spans
        self.starts: dict[int, int | None] = {}  # place in the text -> token that begins there
        self._next = 0  # atom

    def add(self, first: int, end: int, token: int, last: int) -> None:
        """A run of atoms that became a run of tokens; the atoms since the last run became nothing."""
        self._drop(first)
        start, stop = self.spans[first][0], self.spans[end - 1][1]
        offsets = _offsets(self.text[start:stop], self.tokens[token:last], "" if self.unit == "character" else " ")
        for number, offset in enumerate(offsets):
            if offset is not None:
                self.starts[start + offset] = token + number
        self._next = end

    def _drop(self, until: int) -> None:
        if self._next < until:
            self.starts[self.spans[self._next][0]] = None

    def pieces(self) -> list[Piece]:
        """The text from each cut to the next."""
        self._drop(len(self.spans))
        starts = sorted(self.starts)
        found: list[Piece] = []
        is_apart = False
        for start, stop in zip(starts, [*starts[1:], len(self.text)], strict=True):
            part = self.text[start:stop]
            if part.isspace():  # a blank that is counted as a character
                found.append(Piece(part, self.starts[start], False))
                continue
            found.append(Piece(part.strip(), self.starts[start], is_apart or part[0].isspace()))
            is_apart = part[-1].isspace()
        return found


def _offsets(text: str, tokens: Sequence[str], blank: str) -> list[int | None]:
    """Where the stretch of each token begins in a text that became them; None where no letter is left for it."""
    if len(tokens) == 1:
        return [0]
    places = _parts_of(text)
    if len(places) <= len(tokens):
        return [*places, *[None] * (len(tokens) - len(places))]
    words = [match.start() for match in re.finditer(r"\S+", text)]
    if len(words) == len(tokens):
        return [*words]
    target = blank.join(tokens)
    begins: list[int] = []
    at = 0
    for token in tokens:
        begins.append(at)
        at += len(token) + len(blank)
    source = _places(text, target)
    found: list[int] = [0]
    for number, begin in enumerate(begins[1:], start=1):
        wanted = source[begin]
        rank = next((place for place, start in enumerate(places) if start >= wanted), len(places))
        # Each token has a letter at least, and leaves one to each that follows.
        rank = min(max(rank, found[-1] + 1), len(places) - (len(tokens) - number))
        found.append(rank)
    return [places[rank] for rank in found]


def _places(text: str, target: str) -> list[int]:
    """The place in the text for each letter of the target, by the fewest edits between them."""
    letters = [letter.lower() for letter in text]
    found: list[int] = []
    for step in Levenshtein.opcodes(letters, list(target)):
        found += [min(step.src_start + by, step.src_end) for by in range(step.dest_end - step.dest_start)]
    return found


def _parts_of(text: str) -> list[int]:
    """Where a text may be cut: before each letter with its marks, and not before white space."""
    import regex  # type: ignore[import-untyped]  # it has no types of its own

    return [found.start() for found in regex.finditer(r"\X", text) if not found[0].isspace()]
