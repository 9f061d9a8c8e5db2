"""Which of the possible alignments is meant: Levenshtein's as jiwer takes it, or that of NIST's sclite.

Inside the package an alignment is a string of codes, one letter an edit from left to right: ``C`` correct, ``S``
substituted, ``D`` deleted, ``I`` inserted; ``d`` and ``i`` an optionally deletable word that was left out of the
hypothesis or is in it alone, which counts as correct.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Literal, TypeAlias, cast

import numpy as np

from ..errors import OptionError
from . import networks, sclite
from .networks import Tokens

__all__ = ["Dialect", "Located", "Sclite", "Text", "dialect_name", "located_rows", "sclite_options", "uncollected"]

Text: TypeAlias = str | Sequence[str]
Located: TypeAlias = tuple[Tokens, Tokens, str, Sequence[int] | None]
_S, _D, _I = b"SDI"
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True)
class Sclite:
    """The alignment of sclite, with its options; ``dialect="sclite"`` is ``Sclite()``, sclite without any flag.

    A substitution costs 4, an insertion or a deletion 3. So ``a b c d e`` heard as ``d e x y z`` is 6 errors and not
    the 5 of Levenshtein's distance. Of equally cheap alignments sclite's own is taken, word for word.

    In a text ``{a / b c / @}`` lists what may have been said, nested if need be; ``@`` is nothing. The cheapest
    alternative becomes the reference. In ``align`` a sequence of tokens is taken as it is; where columns are scored,
    the markup is kept and what stands between its signs is normalised piece by piece.

    Args:
        case_sensitive: sclite's ``-s``. Without it A to Z equal a to z; other letters keep their case, ``É`` is
            not ``é``.
        fragments: sclite's ``-F``. ``wor-`` matches every word that begins with ``wor``, ``-ord`` every word that
            ends with ``ord``, on either side.
        optional: sclite's ``-D``. ``(uh)`` equals ``uh`` and counts as correct where it is left out, for a cost of
            2; in a hypothesis likewise.

    Not copied: sclite drops a ``*`` at the end of a word and reads ``;`` as the beginning of a tag.
    """

    case_sensitive: bool = False
    fragments: bool = False
    optional: bool = False

    def __str__(self) -> str:
        flags = [("-s", self.case_sensitive), ("-F", self.fragments), ("-D", self.optional)]
        return " ".join(["sclite", *(flag for flag, is_set in flags if is_set)])


Dialect: TypeAlias = Literal["levenshtein", "sclite"] | Sclite


def dialect_name(dialect: Dialect) -> str:
    """What an alignment says of itself: the dialect with its flags.

    >>> dialect_name("levenshtein"), dialect_name(Sclite(fragments=True))
    ('levenshtein', 'sclite -F')
    """
    return str(sclite_options(dialect) or "levenshtein")


def located_rows(references: Sequence[Text], hypotheses: Sequence[Text], dialect: Dialect) -> Iterable[Located]:
    """Of every pair the tokens of both sides, the codes, and the place of each token of the reference in its text.

    Of alternatives the tokens are those that were chosen. All alternatives have one place, so that two ways through
    them can be compared; places are None where there are no alternatives, the place of a token being its index.
    """
    options = sclite_options(dialect)
    _check_rows(references, hypotheses)
    left = [_tokens(text) for text in references]
    # Many hypotheses are their reference; one tuple for both is quick to compare.
    right = [
        said if text == reference else _tokens(text)
        for text, reference, said in zip(hypotheses, references, left, strict=True)
    ]
    if options is None:
        return zip(left, right, _levenshtein(left, right), repeat(None))
    fold = _same if options.case_sensitive else _lower
    vocabulary = set().union(*left, *right)
    special = {token for token in vocabulary if _is_special(token, options)}
    found: dict[int, Located] = {}
    if special:
        for row, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
            if not (special.isdisjoint(left[row]) and special.isdisjoint(right[row])):
                found[row] = networks.align(
                    reference, hypothesis, fold=fold, fragments=options.fragments, optional=options.optional, row=row
                )
    plain = []
    for row, (said, heard) in enumerate(zip(left, right, strict=True)):
        if said == heard and row not in found:
            found[row] = (said, heard, "C" * len(said), None)
        elif row not in found:
            plain.append(row)
    ids: defaultdict[str, int] = defaultdict()
    ids.default_factory = ids.__len__
    number = {token: ids[fold(token)] for token in vocabulary}
    codes = sclite.align_plain(
        _numbers([left[row] for row in plain], number), _numbers([right[row] for row in plain], number)
    )
    for row, edits in zip(plain, codes, strict=True):
        found[row] = (left[row], right[row], edits, None)
    return [found[row] for row in range(len(left))]


def _numbers(rows: Sequence[Tokens], number: dict[str, int]) -> sclite.Rows:
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.fromiter(map(number.__getitem__, chain.from_iterable(rows)), np.int32, int(lengths.sum()))
    return sclite.Rows(ids, lengths)


@contextmanager
def uncollected() -> Iterator[None]:
    """Here Python does not look for cyclic rubbish: all that is made is kept, and looking through it costs a third."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _tokens(text: Text) -> Tokens:
    return tuple(text.split() if isinstance(text, str) else text)


def _levenshtein(left: Sequence[Tokens], right: Sequence[Tokens]) -> list[str]:
    from rapidfuzz.distance import Levenshtein

    editops = Levenshtein.editops
    keys = _keys(left, right)
    rows: list[str] = []
    all_right = "C" * max(map(len, left), default=0)
    for reference, hypothesis in zip(left, right, strict=True):
        if reference == hypothesis:
            rows.append(all_right[: len(reference)])
            continue
        if keys is None:
            edits = editops(reference, hypothesis)
        else:
            edits = editops([keys[token] for token in reference], [keys[token] for token in hypothesis])
        codes = bytearray(b"C" * len(reference))
        inserted = 0
        for tag, at, _ in cast(list[tuple[str, int, int]], edits.as_list()):
            if tag == "replace":
                codes[at + inserted] = _S
            elif tag == "delete":
                codes[at + inserted] = _D
            else:
                codes.insert(at + inserted, _I)
                inserted += 1
        rows.append(codes.decode("ascii"))
    return rows


def _keys(left: Sequence[Tokens], right: Sequence[Tokens]) -> dict[str, int] | None:
    """A number for each token, or None where rapidfuzz needs none: it compares strings by their hash alone."""
    differing = [side for pair in zip(left, right, strict=True) if pair[0] is not pair[1] for side in pair]
    tokens = set().union(*differing)
    if len({ord(token) if len(token) == 1 else hash(token) for token in tokens}) == len(tokens):
        return None
    return {token: number for number, token in enumerate(tokens)}


def _is_special(token: str, options: Sclite) -> bool:
    """Whether the plain alignment does not understand it."""
    return (
        token == networks.NOTHING
        or "{" in token
        or (options.fragments and (networks.is_fragment(token) or token.endswith("-)")))
        or (options.optional and networks.is_optional(token))
    )


def sclite_options(dialect: Dialect) -> Sclite | None:
    """The options of sclite, None for ``"levenshtein"``.

    Raises:
        OptionError: it is no dialect.
    """
    if isinstance(dialect, Sclite):
        return dialect
    if dialect == "sclite":
        return Sclite()
    if dialect == "levenshtein":
        return None
    raise OptionError(f'dialect is "levenshtein", "sclite" or Sclite(...), not {dialect!r}')


def _check_rows(references: Sequence[Text], hypotheses: Sequence[Text]) -> None:
    for name, texts in (("references", references), ("hypotheses", hypotheses)):
        if isinstance(texts, str):
            raise OptionError(f"{name} is one text; a list of texts is expected")
        if set(map(type, texts)) == {str}:  # quickly, as most are
            continue
        for row, text in enumerate(texts):
            if not isinstance(text, str | tuple | list):
                raise OptionError(f"{name}, row {row}: a text or a list of tokens is expected, not {text!r}")
    if len(references) != len(hypotheses):
        raise OptionError(f"{len(references)} references, but {len(hypotheses)} hypotheses")


def _same(token: str) -> str:
    return token


def _lower(token: str) -> str:
    return token.translate(_ASCII_LOWER)
