"""Several systems as one: the best text of each row (an oracle, which knows the reference) and a vote over words.

The vote is ROVER (Fiscus 1997, "A post-processing system to yield reduced word error rates: Recognizer Output Voting
Error Reduction"): texts are aligned one after the other into a word transition network, and in each of its slots the
word with most votes wins, which may be no word at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ..columns import column_of
from ..errors import ColumnError, OptionError
from ..normalizers import Normalizer, find
from ..normalizers.compounds import check_needs_no_reference
from ..probability import checked_probabilities
from ..source import is_missing
from .comparison import Comparison
from .score import Score, score_texts
from .texts import SystemTexts
from .tokens import Unit, tokenize, unit_for

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Vote", "oracle", "rover", "vote"]

SUBSTITUTION, INDEL, NULL = 4.0, 3.0, 0.001  # as sclite aligns, and so NIST's rover; NULL: where a slot has no word
Pool: TypeAlias = Literal["mean", "max"]
Slot: TypeAlias = list[int | None]  # for each text the place of its word, None where it has no word here


def oracle(
    comparison: Comparison,
    *,
    name: str = "oracle",
    blocks: Sequence[Hashable] | None = None,
    replicates: int = 10_000,
    seed: int = 0,
) -> Score:
    """The score of choosing in each row the system with fewest errors: how good choosing could ever be.

    Nobody can choose so without the reference; it bounds from below the error rate of every way to choose rows. Of
    equals the system named first is taken. ``system["picked"]`` tells how many rows each system gave.

    Args:
        comparison: of two systems or more.
        name: of the result.
        blocks: independent pieces for the interval, one value a row.
        replicates: of the bootstrap.
        seed: of the bootstrap.
    """
    scores = comparison.scores
    first = scores[0].texts
    if name in first.hypotheses:
        raise OptionError(f"a system is named {name!r} already; pass another name=")
    chosen = np.argmin(np.stack([score.utterances.errors for score in scores]), axis=0)
    picked = SystemTexts.picked([score.compared for score in scores], chosen.tolist())
    texts = replace(
        first,
        systems={**first.systems, name: picked},
        failed={**first.failed, name: min(score.failed for score in scores)},
    )
    counts = np.bincount(chosen, minlength=len(scores)).tolist()
    return score_texts(
        texts,
        name,
        dialect=scores[0].dialect,
        blocks=blocks,
        block=scores[0].block if blocks is not None else None,
        level=scores[0].interval.level,
        replicates=replicates,
        seed=seed,
        known={
            "audio": scores[0].audio,
            "system": {"picked": dict(zip([score.name for score in scores], counts, strict=True))},
        },
    )


@dataclass(frozen=True, slots=True)
class Vote:
    """The winner of one slot of the network.

    Args:
        word: that won.
        places: the texts that have it, and where in them.
        share: of all votes, in [0, 1].
    """

    word: str
    places: Mapping[int, int]
    share: float


def vote(
    texts: Sequence[Sequence[str]],
    *,
    weights: Sequence[float] | None = None,
    confidences: Sequence[float | Sequence[float]] | None = None,
    alpha: float = 1.0,
    null_confidence: float = 0.5,
    pool: Pool = "mean",
) -> list[Vote]:
    """ROVER over the words of several texts.

    A word's score in its slot is ``alpha`` times the share of (weighted) texts that have it, plus ``1 - alpha``
    times the confidence of those words. No word competes likewise, with ``null_confidence``. Of equals the word of
    the earliest text wins, so name the best system first: it also is the first that the others are aligned with, and
    where all disagree it is followed.

    Args:
        texts: the words of each.
        weights: of each text, positive; equal by default.
        confidences: of each text, or of each of its words, in [0, 1]; needed where ``alpha`` is under 1.
        alpha: 1 counts votes, 0 looks at confidence alone.
        null_confidence: of having no word.
        pool: how the confidences of equal words become one.

    >>> [word.word for word in vote([["a", "cat", "sat"], ["the", "cat", "sat"], ["the", "cat", "mat"]])]
    ['the', 'cat', 'sat']
    >>> [word.word for word in vote([["so", "it", "is"], ["it", "is"], ["it", "is", "not"]])]
    ['it', 'is']
    """
    _check(alpha, null_confidence, pool)
    votes = _weights(weights, len(texts))
    if confidences is None:
        if alpha < 1:
            raise OptionError("alpha under 1 weighs confidences, and none are given")
        sure: list[Sequence[float]] = [[0.0] * len(text) for text in texts]
    else:
        if len(confidences) != len(texts):
            raise OptionError(f"expected a confidence for each of {len(texts)} texts, got {len(confidences)}")
        sure = [
            [float(own)] * len(text) if isinstance(own, int | float | np.number) else list(own)
            for own, text in zip(confidences, texts, strict=True)
        ]
        for own, text in zip(sure, texts, strict=True):
            if len(own) != len(text):
                raise OptionError(f"expected a confidence for each of {len(text)} words, got {len(own)}")
            if np.isnan(checked_probabilities(own, "confidences")).any():
                raise OptionError(f"expected a confidence for every word, got {own}; pass alpha=1 where one is unknown")
    winners = []
    for slot in network(texts):
        words: dict[str | None, list[int]] = {}
        for system, place in enumerate(slot):
            words.setdefault(None if place is None else texts[system][place], []).append(system)

        def strength(word: str | None, slot: Slot = slot, words: dict[str | None, list[int]] = words) -> float:
            systems = words[word]
            share = sum(votes[system] for system in systems)
            if word is None:
                return alpha * share + (1 - alpha) * null_confidence
            own = [sure[system][place] for system in systems if (place := slot[system]) is not None]
            return alpha * share + (1 - alpha) * (max(own) if pool == "max" else math.fsum(own) / len(own))

        winner = _first_best(words, strength)
        if winner is not None:
            places = {system: place for system in words[winner] if (place := slot[system]) is not None}
            winners.append(Vote(winner, places, sum(votes[system] for system in words[winner])))
    return winners


def rover(
    frame: pd.DataFrame,
    *,
    hypotheses: Sequence[Hashable],
    into: str = "rover",
    weights: Sequence[float] | None = None,
    alpha: float = 1.0,
    null_confidence: float = 0.5,
    pool: Pool = "mean",
    spelling: Literal["original", "normalised"] = "original",
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    language: str | None = None,
    unit: Unit | Literal["auto"] = "auto",
    overwrite: bool = False,
) -> pd.DataFrame:
    """A new frame with a column of the systems' vote.

    Votes are cast on normalised words, so ``twenty-five`` and ``25.`` are one vote. With ``spelling="original"`` the
    winning words come out as the earliest system that has them wrote them, punctuation included; where a winner is
    only a part of what a system wrote as one (``can`` of ``can't``) it comes out normalised. Text that the
    normalizer leaves nothing of stays beside the word before it.

    A system without a text in a row has no vote there; a row without any text gives None.

    Args:
        frame: with a column of texts for each system.
        hypotheses: these columns, the best system first: it wins where votes are equal.
        into: name of the new column.
        weights: of each system, positive.
        alpha: under 1 confidence counts too; it is the column ``<hypothesis>_confidence`` that
            ``transcribe(details=True)`` makes, a probability, taken for all words of the row.
        null_confidence: of having no word, see ``vote``.
        pool: see ``vote``.
        spelling: ``original`` or ``normalised``.
        normalizer: as for ``score``.
        language: code or name of all rows, or a column with one a row.
        unit: what is voted on.
        overwrite: replace a column that is there already.

    Raises:
        ColumnError: a column is not there, or would be overwritten.
        OptionError: fewer than two systems, or an option that cannot be meant.

    >>> import pandas as pd
    >>> heard = {"base": ["So it's 25."], "tiny": ["so its twenty five"], "large": ["So it's twenty-five, hm"]}
    >>> rover(pd.DataFrame(heard), hypotheses=["base", "tiny", "large"], language="en").rover.tolist()
    ["So it's 25."]
    """
    import pandas as pd

    if isinstance(hypotheses, str) or len(hypotheses) < 2 or len(set(hypotheses)) < len(hypotheses):
        raise OptionError(f"expected the columns of two systems or more, got {hypotheses!r}")
    if spelling not in ("original", "normalised"):
        raise OptionError(f"expected spelling='original' or spelling='normalised', got {spelling!r}")
    _check(alpha, null_confidence, pool)
    shares = _weights(weights, len(hypotheses))
    if into in frame.columns and not overwrite:
        raise ColumnError(f"the frame has {into!r} already; name another into= or pass overwrite=True")
    columns = [column_of(frame, name) for name in hypotheses]
    sure = None
    if alpha < 1:
        sure = [_probabilities(frame, name) for name in hypotheses]
    spoken = column_of(frame, language) if language in frame.columns else [language] * len(frame)
    spoken = [None if is_missing(code) else str(code) for code in spoken]
    writers = {code: _Writer(find(normalizer, language=code), code) for code in set(spoken)}
    for code, writer in writers.items():
        check_needs_no_reference(writer.normalizer, "a vote")
        said = [
            writer.normalizer(_checked(cell, frame.index[row], name))
            for name, cells in zip(hypotheses, columns, strict=True)
            for row, cell in enumerate(cells)
            if spoken[row] == code and not is_missing(cell)
        ]
        writer.unit = unit_for(code, said) if unit == "auto" else unit
    combined: list[str | None] = []
    for row in range(len(frame)):
        present = [system for system, cells in enumerate(columns) if not is_missing(cells[row])]
        if not present:
            combined.append(None)
            continue
        writer = writers[spoken[row]]
        written = [writer.groups(columns[system][row]) for system in present]
        own = None if sure is None else [sure[system][row] for system in present]
        if own is not None and any(math.isnan(value) for value in own):
            missing = hypotheses[present[[math.isnan(value) for value in own].index(True)]]
            raise OptionError(f"row {frame.index[row]!r}: {missing} has a text and no confidence; pass alpha=1")
        winners = vote(
            [[word for group in groups for word in group.words] for groups in written],
            weights=[shares[system] for system in present],
            confidences=own,
            alpha=alpha,
            null_confidence=null_confidence,
            pool=pool,
        )
        if spelling == "normalised":
            combined.append(writer.join([winner.word for winner in winners]))
        elif winners:
            combined.append(writer.join(_spelled(winners, written)))
        else:  # what the first wrote that has no words says so: "Um."
            wordless = [system for system, groups in zip(present, written, strict=True) if not groups]
            combined.append(" ".join(columns[wordless[0]][row].split()) if wordless else "")
    attrs = {
        **frame.attrs.get("asrkit", {}),
        into: {
            "backend": "rover",
            "systems": [str(name) for name in hypotheses],
            "weights": shares,
            "alpha": alpha,
            "null_confidence": null_confidence if alpha < 1 else None,
            "pool": pool if alpha < 1 else None,
            "spelling": spelling,
            "normalizer": ", ".join(sorted({f"{w.normalizer.name} {w.normalizer.version}" for w in writers.values()})),
            "language": language if isinstance(language, str) and language not in frame.columns else None,
        },
    }
    result = frame.assign(**{into: pd.Series(combined, index=frame.index, dtype=object)})
    result.attrs = {**frame.attrs, "asrkit": attrs}
    return result


def network(texts: Sequence[Sequence[str]]) -> list[Slot]:
    """The slots of the word transition network, which starts as the first text and grows by one after the other."""
    slots: list[Slot] = [[place] for place in range(len(texts[0]))] if texts else []
    for system in range(1, len(texts)):
        known: list[set[str | None]] = [
            {None if place is None else texts[owner][place] for owner, place in enumerate(slot)} for slot in slots
        ]
        grown: list[Slot] = []
        for at, place in _aligned(known, texts[system]):
            earlier: Slot = [None] * system if at is None else slots[at]
            grown.append([*earlier, place])
        slots = grown
    return slots


def _aligned(slots: Sequence[set[str | None]], words: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """The cheapest way to put words into slots: slot and word of each step, None where that side has none."""
    # A step over a slot is a deletion, and nearly free where the slot has no word for some text already.
    over = [NULL if None in slot else INDEL for slot in slots]
    costs = [[INDEL * place for place in range(len(words) + 1)]]
    for slot, skip in zip(slots, over, strict=True):
        above = costs[-1]
        row = [above[0] + skip]
        for place, word in enumerate(words):
            through = above[place] + (0.0 if word in slot else SUBSTITUTION)
            row.append(min(through, above[place + 1] + skip, row[place] + INDEL))
        costs.append(row)
    steps: list[tuple[int | None, int | None]] = []
    at, place = len(slots), len(words)
    while at or place:
        cost = costs[at][place]
        if at and place:
            through = costs[at - 1][place - 1] + (0.0 if words[place - 1] in slots[at - 1] else SUBSTITUTION)
            if through <= cost:
                at, place = at - 1, place - 1
                steps.append((at, place))
                continue
        if place and costs[at][place - 1] + INDEL <= cost:
            place -= 1
            steps.append((None, place))
        else:
            at -= 1
            steps.append((at, None))
    steps.reverse()
    return steps


def _first_best(words: Mapping[str | None, list[int]], strength: Callable[[str | None], float]) -> str | None:
    best, most = None, -1.0
    for word in words:  # in the order of the texts that have them
        own = strength(word)
        if own > most + 1e-9:
            best, most = word, own
    return best


@dataclass(frozen=True, slots=True)
class _Group:
    """What stands together in a text: as it is written, and the normalised words that this gives."""

    written: str
    words: tuple[str, ...]


class _Writer:
    """Cuts texts of one language into groups, and puts words together again."""

    def __init__(self, normalizer: Normalizer, language: str | None) -> None:
        self.normalizer = normalizer
        self.language = language
        self.unit: Unit = "word"
        self._alone = cache(lambda word: self._cut(normalizer(word)))

    def _cut(self, text: str) -> tuple[str, ...]:
        return tokenize(text, self.unit, self.language)

    def join(self, words: Sequence[str]) -> str:
        """Words with the blanks that the unit wants."""
        if self.unit == "character":
            return "".join(words)
        if self.unit == "word":
            return " ".join(words)
        text = ""
        for word in words:
            blank = text and _has_blanks(text[-1]) and _has_blanks(word[0])
            text += f" {word}" if blank else word
        return text

    def groups(self, text: str) -> list[_Group]:
        """The written words, those together that the normalizer reads together.

        Words are normalised one by one, and where that differs from the whole text's (``twenty five``) the stretch
        that differs is one group.
        """
        written = self._cut(text)
        alone = [self._alone(word) for word in written]
        joined = self._cut(self.normalizer(text))
        apart = [word for words in alone for word in words]
        if apart == list(joined):
            return _with_silent([_Group(*pair) for pair in zip(written, alone, strict=True)], self.join)
        ends = np.cumsum([len(words) for words in alone], dtype=int)  # of the written words, among all words
        groups: list[_Group] = []
        taken = used = 0  # written words and normalised words that are in groups
        for tag, first, last, low, high in SequenceMatcher(None, apart, joined, autojunk=False).get_opcodes():
            cuts = [(end, low + end - first) for end in range(first + 1, last)] if tag == "equal" else []
            for end, upto in [*cuts, (last, high)]:
                stop = int(np.searchsorted(ends, end, side="right"))
                if stop > taken and ends[stop - 1] == end:  # else it ends inside a written word
                    groups.append(_Group(self.join(written[taken:stop]), tuple(joined[used:upto])))
                    taken, used = stop, upto
        if taken < len(written) or not groups:
            groups.append(_Group(self.join(written[taken:]), tuple(joined[used:])))
        elif used < len(joined):
            groups[-1] = _Group(groups[-1].written, (*groups[-1].words, *joined[used:]))
        return _with_silent(groups, self.join)


def _with_silent(groups: Sequence[_Group], join: Callable[[Sequence[str]], str]) -> list[_Group]:
    """What gives no words goes with the group before it, at the beginning with the one after it.

    A text without any words has no groups.
    """
    kept: list[_Group] = []
    waiting: list[str] = []
    for group in groups:
        if not group.words:
            if kept:
                kept[-1] = _Group(join([kept[-1].written, group.written]), kept[-1].words)
            else:
                waiting.append(group.written)
            continue
        kept.append(_Group(join([*waiting, group.written]) if waiting else group.written, group.words))
        waiting = []
    return kept


def _spelled(winners: Sequence[Vote], written: Sequence[Sequence[_Group]]) -> list[str]:
    """The winners as a system wrote them, the earliest of those that wrote all of a group."""
    starts: list[dict[int, _Group]] = []  # for each text: place of its first word -> group
    for groups in written:
        at, own = 0, dict[int, _Group]()
        for group in groups:
            own[at] = group
            at += len(group.words)
        starts.append(own)
    spelled: list[str] = []
    at = 0
    while at < len(winners):
        for system, place in sorted(winners[at].places.items()):
            if place not in starts[system]:
                continue
            group = starts[system][place]
            size = len(group.words)
            if [winner.places.get(system) for winner in winners[at : at + size]] == [*range(place, place + size)]:
                spelled.append(group.written)
                at += size
                break
        else:
            spelled.append(winners[at].word)
            at += 1
    return spelled


def _has_blanks(letter: str) -> bool:
    return unit_for(None, [letter]) == "word"


def _check(alpha: float, null_confidence: float, pool: str) -> None:
    if not 0 <= alpha <= 1 or not 0 <= null_confidence <= 1:
        raise OptionError(f"alpha and null_confidence are from 0 to 1, got {alpha} and {null_confidence}")
    if pool not in ("mean", "max"):
        raise OptionError(f"expected pool='mean' or pool='max', got {pool!r}")


def _weights(weights: Sequence[float] | None, count: int) -> list[float]:
    """Shares of the votes, which add up to 1."""
    given = [1.0] * count if weights is None else [float(weight) for weight in weights]
    if len(given) != count or any(not 0 < weight < math.inf for weight in given):
        raise OptionError(f"expected {count} positive weights, got {weights!r}")
    return [weight / sum(given) for weight in given]


def _checked(cell: Any, label: Hashable, name: Hashable) -> str:
    if isinstance(cell, str):
        return cell
    raise OptionError(f"row {label!r}: {name} is text or missing, got {type(cell).__name__} ({cell!r:.40})")


def _probabilities(frame: pd.DataFrame, name: Hashable) -> list[float]:
    column = f"{name}_confidence"
    values = [math.nan if is_missing(cell) else float(cell) for cell in column_of(frame, column)]
    return [float(value) for value in checked_probabilities(values, column)]
