"""sclite's alignment of texts with markup: alternatives, optionally deletable words, fragments.

A text becomes a network of arcs, one a word, and two networks are aligned as sclite does it (SCTK, src/sclite/net_adt.c
and net_dp.c): the order in which arcs enter a node decides between equally cheap ways, and costs are added as 32-bit
floats, since the thousandths of ``@`` do not add up exactly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from ..errors import OptionError

__all__ = ["NOTHING", "Mark", "Tokens", "align", "is_fragment", "is_optional", "readings_of"]

NOTHING = "@"
_SUBSTITUTION, _INDEL, _OPTIONAL, _NOTHING, _BOTH_NOTHING = 4, 3, 2, 0.001, 1

Tokens: TypeAlias = tuple[str, ...]
_Cell: TypeAlias = tuple[int, int]
_Cost: TypeAlias = int | np.float32
_Parsed: TypeAlias = "list[str | list[_Parsed]]"  # a word, or the alternatives


class Mark(str):
    """A brace, a slash or ``@`` among tokens that is markup; as a plain ``str`` it is a word."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class _Node:
    arriving: list[_Arc] = field(default_factory=list)
    leaving: list[_Arc] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Arc:
    word: str
    place: int  # in the text as it was written, alternatives being one
    start: _Node
    end: _Node
    is_nothing: bool = False
    folded: str = ""
    optional: bool = False
    fragment: bool = False


def is_optional(token: str) -> bool:
    """Whether a word is marked as one that need not be heard."""
    return len(token) > 2 and token[0] == "(" and token[-1] == ")"


def is_fragment(token: str) -> bool:
    """Whether a word is marked as one of which a part was said."""
    return len(token) > 1 and "-" in (token[0], token[-1])


def align(
    reference: str | Sequence[str],
    hypothesis: str | Sequence[str],
    *,
    fold: Callable[[str], str],
    fragments: bool,
    optional: bool,
    row: int,
) -> tuple[Tokens, Tokens, str, Sequence[int]]:
    """The tokens of the cheapest way through both networks, their codes, and the places of the reference's tokens."""
    arcs_a, ends_a = _network(reference, f"reference of row {row}")
    arcs_b, ends_b = _network(hypothesis, f"hypothesis of row {row}")
    for arc in (*arcs_a[1:], *arcs_b[1:]):
        arc.folded = fold(arc.word)
        if optional and is_optional(arc.word):
            arc.optional, arc.folded = True, arc.folded[1:-1]
        if fragments:
            arc.fragment = "-" in (arc.word[0], arc.word[-1]) or (arc.optional and arc.word[-2] == "-")
    back, costs = _fill(arcs_a, arcs_b)
    a, b = min(((a, b) for a in ends_a for b in ends_b), key=lambda cell: costs[cell[0]][cell[1]])
    return _trace(arcs_a, arcs_b, back, a, b)


def _fill(arcs_a: list[_Arc], arcs_b: list[_Arc]) -> tuple[list[list[_Cell]], list[list[_Cost]]]:
    """From which cell each is reached, and its cost."""
    # Without "@" all costs are whole, and Python's own numbers are quicker than 32-bit floats.
    number = np.float32 if any(arc.is_nothing for arc in (*arcs_a, *arcs_b)) else int
    before_a, before_b = _before(arcs_a), _before(arcs_b)
    alone_a, alone_b = [number(_alone(arc)) for arc in arcs_a], [number(_alone(arc)) for arc in arcs_b]
    costs: list[list[_Cost]] = [[number(0)] * len(arcs_b) for _ in arcs_a]
    back = [[(0, 0)] * len(arcs_b) for _ in arcs_a]

    def cheapest(cells: Iterable[_Cell]) -> tuple[_Cost, _Cell]:  # the first of equals
        found = min(cells, key=lambda cell: costs[cell[0]][cell[1]])
        return costs[found[0]][found[1]], found

    for b in range(1, len(arcs_b)):
        cost, back[0][b] = cheapest((0, earlier) for earlier in before_b[b])
        costs[0][b] = cost + alone_b[b]
    for a in range(1, len(arcs_a)):
        cost, back[a][0] = cheapest((above, 0) for above in before_a[a])
        here, above = costs[a], before_a[a][0]
        here[0] = cost + alone_a[a]
        together = [number(_together(arcs_a[a], arc)) for arc in arcs_b]
        for b in range(1, len(arcs_b)):
            if len(before_a[a]) == len(before_b[b]) == 1:  # the usual case, said without searching
                [left] = before_b[b]
                inserted, deleted, through = here[left], costs[above][b], costs[above][left]
                from_left, from_above, diagonal = (a, left), (above, b), (above, left)
            else:
                inserted, from_left = cheapest((a, earlier) for earlier in before_b[b])
                deleted, from_above = cheapest((before, b) for before in before_a[a])
                through, diagonal = cheapest((before, earlier) for before in before_a[a] for earlier in before_b[b])
            inserted, deleted, through = inserted + alone_b[b], deleted + alone_a[a], through + together[b]
            if through <= deleted and through <= inserted:
                here[b], back[a][b] = through, diagonal
            elif deleted < inserted:
                here[b], back[a][b] = deleted, from_above
            else:
                here[b], back[a][b] = inserted, from_left
    return back, costs


def _before(arcs: list[_Arc]) -> list[list[int]]:
    index = {id(arc): number for number, arc in enumerate(arcs)}
    return [[index[id(earlier)] for earlier in arc.start.arriving] for arc in arcs]


def _trace(
    arcs_a: list[_Arc], arcs_b: list[_Arc], back: list[list[_Cell]], a: int, b: int
) -> tuple[Tokens, Tokens, str, Sequence[int]]:
    reference: list[_Arc] = []
    hypothesis: list[_Arc] = []
    codes: list[str] = []
    while a or b:
        earlier_a, earlier_b = back[a][b]
        left, right = arcs_a[a], arcs_b[b]
        if earlier_a == a:
            if not right.is_nothing:
                hypothesis.append(right)
                codes.append("i" if right.optional else "I")
        elif earlier_b == b:
            if not left.is_nothing:
                reference.append(left)
                codes.append("d" if left.optional else "D")
        elif not (left.is_nothing and right.is_nothing):
            reference.append(left)
            hypothesis.append(right)
            codes.append("C" if _match(left, right) else "S")
        a, b = earlier_a, earlier_b
    return (
        tuple(arc.word for arc in reversed(reference)),
        tuple(arc.word for arc in reversed(hypothesis)),
        "".join(reversed(codes)),
        [arc.place for arc in reversed(reference)],
    )


def _alone(arc: _Arc) -> float:
    if arc.is_nothing:
        return _NOTHING
    return _OPTIONAL if arc.optional else _INDEL


def _together(left: _Arc, right: _Arc) -> float:
    if left.is_nothing and right.is_nothing:
        return _BOTH_NOTHING
    return 0 if _match(left, right) else _SUBSTITUTION


def _match(left: _Arc, right: _Arc) -> bool:
    if left.fragment or right.fragment:
        for part, whole in ((left.folded, right.folded), (right.folded, left.folded)):
            if len(part) > 1 and part[0] == "-":
                return whole.endswith(part[1:])
            if len(part) > 1 and part[-1] == "-":
                return whole.startswith(part[:-1])
    return left.folded == right.folded


def _network(text: str | Sequence[str], what: str) -> tuple[list[_Arc], list[int]]:
    """Arcs in the order in which they are aligned, the first of them empty; and which of them end the text."""
    start, first = _Node(), _Node()
    _add(start, first, "", -1)
    stop = first
    marked = isinstance(text, str)  # else a token is a word, whatever it looks like, unless it is a Mark
    for place, item in enumerate(_parse(text, what) if isinstance(text, str) else _nested(text, what)):
        following = _Node()
        _join(stop, following, item, place, marked)
        stop = following
    arcs: list[_Arc] = []
    waiting: dict[int, int] = {}  # arcs that have yet to arrive at a node
    ready = deque([start])
    while ready:
        node = ready.popleft()
        for arc in node.leaving:
            waiting[id(arc.end)] = waiting.get(id(arc.end), len(arc.end.arriving)) - 1
            if not waiting[id(arc.end)]:
                ready.append(arc.end)
        arcs.extend(node.leaving)
    index = {id(arc): number for number, arc in enumerate(arcs)}
    return arcs, [index[id(arc)] for arc in stop.arriving]


def _add(start: _Node, end: _Node, word: str, place: int, marked: bool = True) -> None:
    arc = _Arc(word, place, start, end, is_nothing=word == NOTHING and (marked or isinstance(word, Mark)))
    start.leaving.append(arc)
    end.arriving.append(arc)


def _join(start: _Node, end: _Node, item: str | list[_Parsed], place: int, marked: bool) -> None:
    if isinstance(item, str):
        _add(start, end, item, place, marked)
        return
    for alternative in item:
        at = start
        for number, part in enumerate(alternative, 1):
            following = end if number == len(alternative) else _Node()
            _join(at, following, part, place, marked)
            at = following


def _nested(tokens: Sequence[str], what: str) -> _Parsed:
    """Tokens with their alternatives as lists, as ``_parse`` gives them of a text.

    >>> _nested(["{", Mark("{"), "a", Mark("/"), "b", "c", Mark("}")], "")
    ['{', [['a'], ['b', 'c']]]
    """
    items: _Parsed = []
    waiting: list[tuple[_Parsed, list[_Parsed]]] = []  # what each open brace stands in, and its alternatives
    for sign in tokens:
        if not isinstance(sign, Mark) or sign == NOTHING:
            items.append(sign)
        elif sign == "{":
            waiting.append((items, []))
            items = []
        else:  # a slash, or the brace that closes
            waiting[-1][1].append(items)
            items = []
            if sign == "}":
                items, alternatives = waiting.pop()
                kept = [alternative for alternative in alternatives if alternative]
                if not kept:
                    raise OptionError(f"{what}: braces without alternatives in {' '.join(tokens)!r}")
                items.append(kept)
    if waiting:
        raise OptionError(f"{what}: a brace is not closed in {' '.join(tokens)!r}")
    return items


def _parse(text: str, what: str) -> _Parsed:
    """Words and, for what stands in braces, lists of alternatives.

    >>> _parse("so {uh / {a / b} c / @} it", "")
    ['so', [['uh'], [[['a'], ['b']], 'c'], ['@']], 'it']
    """
    items: _Parsed = []
    at = 0
    for opening, closing in _braces(text, what):
        items.extend(text[at:opening].split())
        alternatives = [_parse(part, what) for part in _alternatives(text[opening + 1 : closing])]
        if not any(alternatives):
            raise OptionError(f"{what}: braces without alternatives in {text!r}; a token list is taken as it is")
        items.append([alternative for alternative in alternatives if alternative])
        at = closing + 1
    items.extend(text[at:].split())
    return items


def readings_of(text: str, most: int = 64) -> list[str] | None:
    """Every way to read a text with alternatives, or None where there are more than ``most``.

    Raises:
        OptionError: a brace is not closed.

    >>> readings_of("so {uh / {a / b} c / @} it")
    ['so uh it', 'so a c it', 'so b c it', 'so it']
    """
    return _readings(_parse(text, "markup"), most)


def _readings(items: _Parsed, most: int) -> list[str] | None:
    found = [""]
    for item in items:
        if isinstance(item, str):
            ways: list[str] = ["" if item == NOTHING else item]
        else:
            ways = []
            for alternative in item:
                own = _readings(alternative, most)
                if own is None:
                    return None
                ways += own
        if len(found) * len(ways) > most:
            return None
        found = [" ".join(filter(None, (before, way))) for before in found for way in ways]
    return found


def _braces(text: str, what: str) -> Iterator[tuple[int, int]]:
    depth = opening = 0
    for at, letter in enumerate(text):
        if letter == "{":
            if not depth:
                opening = at
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
            if not depth:
                yield opening, at
    if depth:
        raise OptionError(f"{what}: a brace is not closed in {text!r}; a token list is taken as it is")


def _alternatives(text: str) -> list[str]:
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if letter == "/" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
