"""Rows whose reference looks wrong: systems that know nothing of each other agree against it.

Every system errs, and on noisy rows all do, but each in its own way: there the systems differ from each other as much
as from the reference. Where they are more like each other than like the reference, it is the reference that needs
ears. Letters are compared and not words, since a word misheard sounds, and so reads, like what was said: ``goat`` for
``boat`` says little against a reference, ``rabbit`` for ``boat`` much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from .combine import network
from .comparison import Comparison
from .indexed import index_of, unclashed
from .marked import without_marks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["suspicious_references"]

OWN = ("score", "reason", "belongs_to", "reference", "heard", "evidence")  # columns, beside the systems' texts
# The constants are chosen on real recordings, see benchmarks/references.py: references of other rows have gaps above
# 0.3, right ones below 0.25, but for texts of a few letters.
THRESHOLD = 0.5
HALF_SURE = 0.28  # gap
FEW_LETTERS = 4.0  # of difference: so many make a whole reference half sure, ...
A_WORD = 8.0  # ... and so many a stretch of it, which can be a slip of all systems
STRETCH = 0.5  # how much a stretch that all contradict can add to what the whole text says
ELSEWHERE = 0.1  # gap from which a reference is looked for in other rows
ALIKE = 0.75  # a reference and what was heard there
ANOTHER = 0.4  # likeness to what was heard, below which nothing of a reference seems to be right
CHUNK = 256  # references compared with all rows at once
SHOWN = 60  # letters of a text in a reason


def suspicious_references(comparison: Comparison, *, threshold: float = THRESHOLD) -> pd.DataFrame:
    """Rows whose reference looks wrong, the surest first.

    The score of a row grows with three things: how much more alike the two systems closest to each other are than the
    reference and the system closest to it; the longest stretch in which all systems agree on other words; and whether
    the reference reads like what was heard in another row, as where references were mixed up. What any system
    confirms word for word has no score.

    Args:
        comparison: of two systems or more. The less they have in common the better: two sizes of one model agree in
            some of their mistakes, two copies in all.
        threshold: lowest score of a row that is returned. The default finds wrong texts; a wrong word in a long text
            scores lower, and at 0.2 and less there are as many mistakes of the systems as of the references.

    Returns:
        A row each, on the labels of the frame: ``score`` in [0, 1]; ``reason``; ``belongs_to``, the label of the row
        in which the reference was heard, else None; ``reference``; ``heard``, the systems' vote; ``evidence``, each
        stretch in which they differ as ``reference -> heard``; and each system's text. All texts are normalised.

    Raises:
        OptionError: one system only, systems that are copies of each other, or a threshold outside [0, 1].
    """
    import pandas as pd

    if not 0 <= threshold <= 1:
        raise OptionError(f"expected a threshold in [0, 1], got {threshold}")
    scores = comparison.scores
    if len(scores) < 2:
        raise OptionError("expected two independent systems or more: one alone cannot agree")
    texts = scores[0].texts
    references: list[tuple[str, ...]] = texts.reference_tokens()
    heard = [score.texts.hypothesis_tokens(score.name) for score in scores]
    if texts.markup is not None:  # of alternatives what the first system's alignment chose
        aligned = scores[0].alignments
        heard = [
            [without_marks(own, row.hypothesis) for own, row in zip(texts_of, score.alignments, strict=True)]
            for texts_of, score in zip(heard, scores, strict=True)
        ]
        references = [without_marks(own, row.reference) for own, row in zip(references, aligned, strict=True)]
    if len(references) > 1 and all(own == heard[0] for own in heard[1:]) and heard[0] != references:
        raise OptionError(f"{', '.join(comparison.names)} have the same text in every row: agreement says nothing")
    rows = [_judge(reference, [own[row] for own in heard]) for row, reference in enumerate(references)]
    _find_elsewhere(rows)
    labels = list(texts.labels)
    order = np.argsort([-row.score for row in rows], kind="stable").tolist()
    kept = [at for at in order if rows[at].score > 0 and rows[at].score >= threshold]
    others = [rows[at].elsewhere for at in kept]
    named = unclashed(OWN, comparison.names)
    columns: dict[str, list[Any]] = {
        named["reason"]: [rows[at].reason(len(scores), labels) for at in kept],
        named["belongs_to"]: [None if other is None else labels[other] for other in others],
        named["reference"]: [texts.references[at] for at in kept],
        named["heard"]: [" ".join(rows[at].heard) for at in kept],
        named["evidence"]: ["; ".join(map(str, rows[at].stretches)) for at in kept],
        **{score.name: [texts.hypotheses[score.name][at] for at in kept] for score in scores},
    }
    index = index_of(texts)[kept]
    frame = pd.DataFrame(columns, index=index, dtype=object)
    frame.insert(0, named["score"], np.array([rows[at].score for at in kept], float))
    return frame


@dataclass(slots=True)
class _Stretch:
    """Consecutive words in which the reference and the vote differ."""

    said: list[str]
    heard: list[str]
    supports: list[float]  # of each slot: votes for what was heard less those for what the reference has, by systems

    @property
    def weight(self) -> float:
        """How much it says, in [0, 1]: nothing where half of the systems do not contradict the reference alike."""
        said, heard = "".join(self.said), "".join(self.heard)
        letters = _distance(said, heard)
        support = sum(self.supports) / len(self.supports)
        return max(0.0, 2 * support - 1) * letters / max(len(said), len(heard)) * _sure(letters, A_WORD)

    def __str__(self) -> str:
        return f"{' '.join(self.said) or '(nothing)'} -> {' '.join(self.heard) or '(nothing)'}"


@dataclass(slots=True)
class _Row:
    """The case against one reference."""

    said: Sequence[str]
    heard: Sequence[str]  # the vote
    stretches: Sequence[_Stretch] = ()
    gap: float = 0.0  # likeness of the two systems closest to each other, less that of reference and closest system
    likeness: float = 1.0  # of reference and closest system
    letters: int = 0  # in which these differ
    elsewhere: int | None = None  # the row in which the reference was heard
    closer: float = 0.0  # likeness to what was heard there less that to what was heard here
    score: float = 0.0

    def judge(self) -> None:
        """Set the score by all that is known."""
        whole = self.gap**2 / (self.gap**2 + HALF_SURE**2) * _sure(self.letters, FEW_LETTERS)
        stretch = STRETCH * max((stretch.weight for stretch in self.stretches), default=0.0)
        there = self.closer * _sure(len("".join(self.said)), FEW_LETTERS)
        self.score = 1 - (1 - whole) * (1 - stretch) * (1 - there)

    def reason(self, systems: int, labels: Sequence[Hashable]) -> str:
        """In words."""
        who = "both systems" if systems == 2 else f"all {systems} systems"
        if self.elsewhere is not None:
            return f"reads like what was heard in row {labels[self.elsewhere]!r}"
        if not self.stretches:
            return "each system heard something else, and they are more alike than any and the reference"
        most = max(self.stretches, key=lambda stretch: (stretch.weight, sum(stretch.supports)))
        if min(most.supports) < 1:
            who = "most systems" if systems > 2 else "a system"
        if not self.said:
            return f"the reference is empty, and {who} heard {_short(self.heard)!r}"
        if not self.heard:
            return f"{who} heard nothing"
        if self.likeness < ANOTHER:
            return f"{who} heard something else: {_short(self.heard)!r}"
        if not most.said:
            return f"{who} heard {_counted(most.heard)} that it lacks: {_short(most.heard)!r}"
        if not most.heard:
            return f"{who} did not hear {_counted(most.said)} of it: {_short(most.said)!r}"
        return f"{who} heard {_short(most.heard)!r} for {_short(most.said)!r}"


def _judge(said: Sequence[str], heard: Sequence[Sequence[str]]) -> _Row:
    if any(tuple(own) == tuple(said) for own in heard):
        return _Row(said, said)  # who confirms a reference word for word did not do so by chance
    vote, stretches = _contradicted(said, heard)
    reference, texts = "".join(said), ["".join(own) for own in heard]
    letters = min(_distance(reference, text) for text in texts)
    likeness = max(_likeness(reference, text) for text in texts)
    gap = max(_likeness(one, two) for one, two in combinations(texts, 2)) - likeness
    row = _Row(said, vote, stretches, max(0.0, gap), likeness, letters)
    row.judge()
    return row


def _contradicted(said: Sequence[str], heard: Sequence[Sequence[str]]) -> tuple[list[str], list[_Stretch]]:
    """The systems' vote, and where it differs from the reference."""
    vote: list[str] = []
    stretches: list[_Stretch] = []
    is_open = False
    for *places, place in network([*heard, said]):
        own = None if place is None else said[place]
        votes = Counter(None if at is None else text[at] for text, at in zip(heard, places, strict=True))
        winner = max(votes, key=lambda word: (votes[word], word == own))  # of equals what the reference has, the first
        if winner is not None:
            vote.append(winner)
        if winner == own:
            is_open = is_open and own is None
            continue
        if not is_open:
            stretches.append(_Stretch([], [], []))
            is_open = True
        stretch = stretches[-1]
        stretch.said += [] if own is None else [own]
        stretch.heard += [] if winner is None else [winner]
        stretch.supports.append((votes[winner] - votes[own]) / len(heard))
    return vote, stretches


def _find_elsewhere(rows: Sequence[_Row]) -> None:
    """Look for references that do not fit their rows among what was heard in the others."""
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    suspects = [at for at, row in enumerate(rows) if row.gap >= ELSEWHERE and row.said]
    if not suspects:
        return
    said = ["".join(rows[at].said) for at in suspects]
    heard = ["".join(row.heard) for row in rows]
    for first in range(0, len(suspects), CHUNK):
        some = said[first : first + CHUNK]
        found = process.cdist(some, heard, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
        for likeness, at in zip(found, suspects[first:], strict=False):
            row = rows[at]
            likeness[at] = 0.0
            best = int(likeness.argmax())
            if likeness[best] >= ALIKE and likeness[best] > row.likeness:
                row.elsewhere, row.closer = best, float(likeness[best]) - row.likeness
                row.judge()


def _distance(one: str, two: str) -> int:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(one, two)


def _likeness(one: str, two: str) -> float:
    """From 0 to 1; two empty texts are alike."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(one, two)


def _sure(letters: float, half: float) -> float:
    return letters / (letters + half)


def _counted(words: Sequence[str]) -> str:
    return f"{len(words)} word{'s' * (len(words) != 1)}"


def _short(words: Sequence[str]) -> str:
    text = " ".join(words)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}\u2026"
