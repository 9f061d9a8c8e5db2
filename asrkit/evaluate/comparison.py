"""Several systems on the same rows: which is better, by how much, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from ..errors import OptionError
from ..renamed import renamed
from .blocks import Floats
from .bootstrap import Interval, SampleSize, sample_size
from .common_words import on_common_words
from .dialects import Sclite
from .headline import headline
from .indexed import index_of, unclashed
from .language_notes import SAME, LanguageGap, comparison_notes, language_gap
from .paired import FEWEST_BLOCKS, TOO_WIDE, PairedDifference, paired_differences
from .rates import partial_rates
from .score import Score, check_comparable, interval_told, made_with, plain, rows_told, trace
from .shown import Shown
from .significance import MatchedPairs, PairedTest, holm, mapsswe, mcnemar, sign_test, wilcoxon
from .wording import dollars, level_told, p_value, percent, points, speed

__all__ = ["IGNORES_BLOCKS", "Comparison", "Difference", "compare_scores", "p_value", "points"]

MOST_VERDICTS = 3  # of as many pairs, each has its sentence; of more, those of the system with fewest errors
IGNORES_BLOCKS = "it takes rows for independent, and with blocks they are not, so its p value is left out"


@dataclass(frozen=True, eq=False)
class Difference:
    """Two systems on the same rows.

    Args:
        first, second: their names.
        decision: the difference of their error rates, first less second, with its interval, its p value and whether
            it is more than chance. Every view shows these numbers and no verdict of its own.
        matched_pairs: MAPSSWE, the test of NIST's sc_stats.
        mapsswe_p: its p value, corrected for the number of pairs compared (Holm).
        sentences: McNemar's test on rows without any error.
        signs: sign test on the errors of rows.
        ranks: Wilcoxon's test on the errors of rows.
        more: what would settle it, where it is undecided.
        has_blocks: whether rows belong together. ``matched_pairs``, ``sentences``, ``signs`` and ``ranks`` take them
            for independent all the same, so their p values are then far too small, and are not shown.
        languages: in how many rows the two were normalised by different languages. Where that changes a text there is
            no verdict: identical texts could have different errors.
    """

    first: str
    second: str
    decision: PairedDifference
    matched_pairs: MatchedPairs
    mapsswe_p: float
    sentences: PairedTest
    signs: PairedTest
    ranks: PairedTest
    more: SampleSize | None
    has_blocks: bool = False
    languages: LanguageGap = SAME

    @property
    def is_comparable(self) -> bool:
        """Whether no text of the two comes out differently for being normalised by another language."""
        return not self.languages.changed

    @property
    def interval(self) -> Interval:
        """Of the difference, first less second: above 0 the second is better."""
        own = self.decision
        return Interval(
            own.low,
            own.high,
            own.estimate,
            own.level,
            own.method,
            own.replicates,
            own.blocks,
            own.standard_error,
            own.warning,
            own.effective_blocks,
        )

    @property
    def p(self) -> float:
        """Of the decision, corrected for the number of pairs compared (Holm)."""
        return self.decision.p

    @property
    def is_decided(self) -> bool:
        """Whether the difference is more than chance; False where the two cannot be compared."""
        return self.decision.is_decided and self.is_comparable

    @property
    def better(self) -> str | None:
        """The name of the better system, None while it is undecided."""
        return self.ahead if self.is_decided else None

    @property
    def ahead(self) -> str | None:
        """The name of the system with fewer errors, which may be chance; None where both have equally many."""
        size = self.decision.estimate
        return None if math.isnan(size) or not size else self.second if size > 0 else self.first

    @property
    def p_told(self) -> str:
        """The p value so that it is seen on which side of the decision's limit it is."""
        return f"p {p_value(self.p, 1 - self.decision.joint_level)}"

    def interval_told(self, seen_from: str | None = None) -> str:
        """The interval in percentage points, with its level.

        Args:
            seen_from: name of the system whose lead is above 0; None: first less second.
        """
        own = self.decision
        if not math.isfinite(own.low):
            if own.blocks < FEWEST_BLOCKS:
                return f"too few {'blocks' if self.has_blocks else 'rows'} for an interval"
            return f"the interval {TOO_WIDE}"
        low, high = (own.low, own.high) if seen_from in (None, self.second) else (-own.high, -own.low)
        return f"{level_told(own.level)} interval [{points(low)}, {points(high)}]"

    @property
    def verdict(self) -> str:
        """In words."""
        own = self.decision
        if math.isnan(own.estimate):
            return f"{self.first} and {self.second} cannot be told apart: there are no reference words"
        if not self.is_comparable:
            return f"{self.first} and {self.second} cannot be compared: {self.languages.told('they')}"
        size = points(abs(own.estimate)).removeprefix("+")
        between = self.interval_told(self.ahead)
        if self.better is not None:
            worse = self.first if self.better == self.second else self.second
            return f"{self.better} is better than {worse} by {size} points, {between}, {self.p_told}"
        told = f"{self.first} and {self.second} cannot be told apart: "
        if self.ahead is None:
            return f"{told}they make equally many errors, {between}, {self.p_told}"
        return (
            f"{told}{self.ahead} makes {size} points fewer errors, which may be chance, {between}, {self.p_told}"
            f"{self.settled_by}"
        )

    @property
    def settled_by(self) -> str:
        """What would settle it, as the end of a sentence; empty where it is decided or nothing would."""
        if self.more is None or not self.more.utterances or not self.is_comparable:
            return ""
        rows = f"{self.more.utterances:,} more row{'' if self.more.utterances == 1 else 's'}"
        if self.has_blocks:
            rows = f"{self.more.blocks:,} more block{'' if self.more.blocks == 1 else 's'} ({rows})"
        return (
            f"; about {rows} of the same kind would show a difference of this size with a chance of "
            f"{self.more.power:.0%}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        own, pairs = self.decision, self.matched_pairs

        def by_row(p: float) -> float | None:
            return None if self.has_blocks else p

        told: dict[str, Any] = plain(
            {
                "first": self.first,
                "second": self.second,
                "difference": own.estimate,
                "low": own.low,
                "high": own.high,
                "level": own.level,
                "p": own.p,
                "p_alone": own.p_alone,
                "better": self.better,
                "verdict": self.verdict,
                "is_comparable": self.is_comparable,
                "rows_of_different_languages": self.languages.rows,
                "rows_changed_by_language": self.languages.changed,
                "joint_level": own.joint_level,
                "pairs": own.pairs,
                "method": own.method,
                "replicates": own.replicates,
                "blocks": own.blocks,
                "effective_blocks": own.effective_blocks,
                "warning": own.warning,
                "mapsswe": {
                    "segments": pairs.segments,
                    "mean": pairs.mean,
                    "sd": pairs.sd,
                    "z": pairs.z,
                    "p": by_row(pairs.p),
                    "p_holm": by_row(self.mapsswe_p),
                    "reason": IGNORES_BLOCKS if self.has_blocks else pairs.reason,
                },
                "mcnemar_p": by_row(self.sentences.p),
                "sign_p": by_row(self.signs.p),
                "wilcoxon_p": by_row(self.ranks.p),
                "utterances_to_settle": None if self.more is None else self.more.utterances,
            }
        )
        return told


@dataclass(frozen=True, eq=False)
class Comparison(Shown):
    """Systems on the same rows, the same references, normalizer and aligner.

    Args:
        scores: one a system, in the order they were named.
        differences: one a pair.
        slices: of each system, where ``by`` was given: a frame with a row for each slice and system.
        failures: of a benchmark: name of a system that could not be run -> why.
        paths: the audio of each scored row, where it is known.
    """

    _kind: ClassVar[str] = "comparison"

    scores: Sequence[Score]
    differences: Sequence[Difference]
    slices: Any = None
    failures: Mapping[str, str] | None = None
    paths: Sequence[Any] | None = None

    def __getitem__(self, name: str) -> Score:
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(f"no system {name!r}; there are {', '.join(self.names)}")

    @cached_property
    def language_gap(self) -> LanguageGap:
        """In how many rows any two of the systems were normalised by different languages."""
        return language_gap([score.compared for score in self.scores])

    @property
    def notes(self) -> list[str]:
        """What every view says first: languages that differ between systems, are not known, or are none."""
        return comparison_notes(self)

    @property
    def names(self) -> list[str]:
        """Of the systems."""
        return [score.name for score in self.scores]

    @property
    def best(self) -> Score:
        """The lowest error rate, whether or not it is significantly so."""
        return min(self.scores, key=lambda score: (math.isnan(score.wer), score.wer))

    @cached_property
    def frame(self) -> Any:
        """A row for each system."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "system": score.name,
                    "model": score.system.get("answered_by") or score.system.get("model"),
                    "wer": score.wer,
                    "low": score.interval.low,
                    "high": score.interval.high,
                    "substitutions": score.counts.substitutions,
                    "deletions": score.counts.deletions,
                    "insertions": score.counts.insertions,
                    "words": score.counts.reference_length,
                    "cer": score.cer,
                    "ser": score.ser,
                    "rtfx": score.rtfx,
                    "dollars_per_hour": score.dollars_per_hour,
                    "failed": score.failed,
                }
                for score in self.scores
            ]
        ).set_index("system")

    @cached_property
    def pairs(self) -> Any:
        """A row for each pair of systems: the difference, its interval, the p value and the verdict."""
        import pandas as pd

        columns = ["first", "second", "difference", "low", "high", "level", "p", "better", "verdict", "warning"]
        told = [difference.to_dict() for difference in self.differences]
        frame = pd.DataFrame([{name: own[name] for name in columns} for own in told], columns=columns)
        frame = frame.astype(dict.fromkeys(["difference", "low", "high", "level", "p"], float))
        for name in ("better", "warning"):  # None would become NaN in a column of texts
            frame[name] = pd.Series([own[name] for own in told], dtype=object)
        return frame

    @property
    def leaders(self) -> list[str]:
        """The systems that may be the best: the one with fewest errors, and all that cannot be told apart from it."""
        best = self.best.name
        beaten = {own.first if own.better == own.second else own.second for own in self._of(best) if own.better == best}
        return [best, *(name for name in self.names if name != best and name not in beaten)]

    @property
    def headline(self) -> str:
        """The first sentence of every view: which system is the best, or that the first ones cannot be told apart."""
        return headline(self)

    @property
    def shown_differences(self) -> list[Difference]:
        """All pairs, or where they are many those of the system with fewest errors; of what views say in sentences."""
        if len(self.differences) <= MOST_VERDICTS:
            return list(self.differences)
        return self._of(self.best.name)

    def _of(self, name: str) -> list[Difference]:
        return [own for own in self.differences if name in (own.first, own.second)]

    @cached_property
    def disagreements(self) -> Any:
        """Rows on which the systems' errors differ most: texts as they were written, and errors, of each.

        A column of ours that a system has the name of gets an underscore at its end.
        """
        import pandas as pd

        errors = np.stack([score.utterances.errors for score in self.scores])
        spread = errors.max(axis=0) - errors.min(axis=0)
        order = np.argsort(-spread, kind="stable")
        texts = self.scores[0].texts
        named = unclashed(["reference", *(f"{name}_errors" for name in self.names), "spread"], self.names)
        columns: dict[str, Any] = {named["reference"]: texts.written_references}
        for score in self.scores:
            columns[score.name] = score.texts.written_hypotheses(score.name)
            columns[named[f"{score.name}_errors"]] = score.utterances.errors
        columns[named["spread"]] = spread
        frame = pd.DataFrame(columns, index=index_of(texts))
        return frame.iloc[order[: np.count_nonzero(spread)]]

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to reproduce and to trace it."""
        first = self.scores[0]
        told: dict[str, Any] = {
            "verdict": self.headline,
            "leaders": self.leaders,
            "notes": self.notes,
            "rows_of_different_languages": self.language_gap.rows,
            "scores": [score.to_dict() for score in self.scores],
            "differences": [difference.to_dict() for difference in self.differences],
            "slices": None if self.slices is None else plain(self.slices.to_dict("records")),
            "failures": dict(self.failures or {}),
            **made_with(first.texts, first.dialect),
        }
        return told

    def __str__(self) -> str:
        texts = self.scores[0].texts
        lines = [] if len(self.differences) == 1 else [self.headline]  # of one pair, its verdict says the same
        lines += [note[0].upper() + note[1:] for note in self.notes]
        lines += self._table()
        lines += [told for score in self.scores for told in partial_rates(score.name, score.rates)]
        shown = self.shown_differences
        lines += [difference.verdict for difference in shown]
        if len(shown) < len(self.differences):
            lines.append(
                f"{len(self.differences) - len(shown):,} more of {len(self.differences):,} pairs are in .pairs"
            )
        lines += [f"{name} could not be run: {why}" for name, why in (self.failures or {}).items()]
        warnings = {d.interval.warning for d in self.differences if d.interval.warning}
        warnings |= {score.interval.warning for score in self.scores if score.interval.warning}
        lines += [f"beware: {warning}" for warning in sorted(warnings)]
        lines += [f"beware of {score.name}: {habit}" for score in self.scores for habit in score.beware]
        lines.append(rows_told(texts, self.names))
        lines.append(trace(texts, self.scores[0].dialect))
        return "\n".join(lines)

    def _table(self) -> list[str]:
        """A line for each system below a head; speed and price have a column where some system has one."""
        width = max(len(name) for name in ("system", *self.names))
        columns: dict[str, tuple[int, list[str]]] = {
            self.scores[0].texts.rate: (6, [percent(score.wer) for score in self.scores]),
            "interval": (16, [interval_told(score) for score in self.scores]),
            "sub": (6, [f"{score.counts.substitutions:,}" for score in self.scores]),
            "del": (6, [f"{score.counts.deletions:,}" for score in self.scores]),
            "ins": (6, [f"{score.counts.insertions:,}" for score in self.scores]),
        }
        if not all(math.isnan(score.rtfx) for score in self.scores):
            columns["RTFx"] = (6, [speed(score.rtfx) for score in self.scores])
        if not all(math.isnan(score.dollars_per_hour) for score in self.scores):
            columns["$/h"] = (6, [dollars(score.dollars_per_hour) for score in self.scores])
        cells = zip(*([name, *values] for name, (_, values) in columns.items()), strict=True)
        widths = [max(least, len(name)) for name, (least, _) in columns.items()]
        return [
            f"{name:{width}}  " + "  ".join(f"{cell:>{wide}}" for cell, wide in zip(row, widths, strict=True))
            for name, row in zip(["system", *self.names], cells, strict=True)
        ]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


@renamed(confidence="level")
def compare_scores(
    scores: Sequence[Score],
    *,
    blocks: Sequence[Hashable] | None = None,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
    **known: Any,
) -> Comparison:
    """Compare systems that were scored on the same rows; ``known`` are further fields of ``Comparison``.

    Raises:
        OptionError: none, the same name twice, other rows, normalizers or aligners.
    """
    if not scores:
        raise OptionError("expected systems to compare, got none")
    if len({score.name for score in scores}) < len(scores):
        raise OptionError("two systems have the same name; name their columns differently")
    check_comparable(scores)
    pairs = list(combinations(scores, 2))
    options: dict[str, Any] = {"blocks": blocks, "level": level, "seed": seed}
    counted = [_on_common_words(first, second) for first, second in pairs]
    decisions = paired_differences(
        [(one, two) for one, two, _ in counted],
        np.stack([words for _, _, words in counted]) if counted else [],
        replicates=replicates,
        **options,
    )
    tests = [_matched(first, second) for first, second in pairs]
    adjusted: list[float] = holm([test.p for test in tests]).tolist()
    differences = []
    for (first, second), on_words, decision, test, p in zip(pairs, counted, decisions, tests, adjusted, strict=True):
        one, two = first.utterances.errors, second.utterances.errors
        more = None
        if not decision.is_decided:
            options["level"] = decision.level
            more = sample_size(*on_words, **options)
        differences.append(
            Difference(
                first.name,
                second.name,
                decision,
                test,
                p,
                mcnemar(one, two),
                sign_test(one, two),
                wilcoxon(one, two),
                more,
                blocks is not None,
                language_gap([first.compared, second.compared]),
            )
        )
    return Comparison(scores, differences, **known)


def _on_common_words(first: Score, second: Score) -> tuple[Floats, Floats, Floats]:
    one, two = first.utterances, second.utterances
    return on_common_words(one.errors, one.reference_words, two.errors, two.reference_words)


def _matched(first: Score, second: Score) -> MatchedPairs:
    return mapsswe(
        first.texts.reference_tokens(),
        first.texts.hypothesis_tokens(first.name),
        second.texts.hypothesis_tokens(second.name),
        # The test is defined on sclite's alignment; its options are those of the scores.
        dialect=first.dialect if isinstance(first.dialect, Sclite) else "sclite",
    )
