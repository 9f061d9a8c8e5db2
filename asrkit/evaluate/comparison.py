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
from .bootstrap import PairedInterval, SampleSize, paired_bootstrap, sample_size
from .score import Score, check_comparable, made_with, percent, plain, rows_told, trace
from .shown import Shown
from .significance import MatchedPairs, PairedTest, holm, mapsswe, mcnemar, sign_test, wilcoxon

__all__ = ["Comparison", "Difference", "compare_scores"]

SHOWN = 10  # rows on which systems disagree most


@dataclass(frozen=True, eq=False)
class Difference:
    """Two systems on the same rows.

    Args:
        first, second: their names.
        interval: of the difference of their error rates, first less second: above 0 the second is better.
        matched_pairs: MAPSSWE, the test of NIST's sc_stats.
        p: of MAPSSWE, corrected for the number of pairs compared (Holm).
        sentences: McNemar's test on rows without any error.
        signs: sign test on the errors of rows.
        ranks: Wilcoxon's test on the errors of rows.
        more: what would settle it, where it is undecided.
    """

    first: str
    second: str
    interval: PairedInterval
    matched_pairs: MatchedPairs
    p: float
    sentences: PairedTest
    signs: PairedTest
    ranks: PairedTest
    more: SampleSize | None

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval.low > 0 or self.interval.high < 0

    @property
    def better(self) -> str | None:
        """The name of the better system, None while it is undecided."""
        if not self.is_decided:
            return None
        return self.second if self.interval.estimate > 0 else self.first

    @property
    def verdict(self) -> str:
        """In words."""
        interval = self.interval
        size = f"{percent(abs(interval.estimate))} points" if not math.isnan(interval.estimate) else "nothing"
        size = size.replace("%", "")
        low, high = interval.low, interval.high
        if interval.estimate < 0:  # told from the better one's side
            low, high = -high, -low
        between = f"[{_points(low)}, {_points(high)}]"
        if self.better:
            worse = self.first if self.better == self.second else self.second
            return f"{self.better} is better than {worse} by {size} {between}, MAPSSWE p {p_value(self.p)}"
        hint = ""
        if self.more is not None and self.more.utterances:
            hint = (
                f"; about {self.more.utterances:,} more rows of the same kind would show a difference of this size "
                f"with a chance of {self.more.power:.0%}"
            )
        return (
            f"{self.first} and {self.second} cannot be told apart: they differ by {size} {between}, "
            f"MAPSSWE p {p_value(self.p)}{hint}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types."""
        interval, pairs = self.interval, self.matched_pairs
        told: dict[str, Any] = plain(
            {
                "first": self.first,
                "second": self.second,
                "difference": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "confidence": interval.confidence,
                "method": interval.method,
                "blocks": interval.blocks,
                "warning": interval.warning,
                "probability_of_improvement": interval.probability_of_improvement,
                "better": self.better,
                "mapsswe": {
                    "segments": pairs.segments,
                    "mean": pairs.mean,
                    "sd": pairs.sd,
                    "z": pairs.z,
                    "p": pairs.p,
                    "p_holm": self.p,
                    "reason": pairs.reason,
                },
                "mcnemar_p": self.sentences.p,
                "sign_p": self.signs.p,
                "wilcoxon_p": self.ranks.p,
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
                    "model": score.system.get("model"),
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
    def disagreements(self) -> Any:
        """Rows on which the systems' errors differ most: texts and errors of each."""
        import pandas as pd

        errors = np.stack([score.utterances.errors for score in self.scores])
        spread = errors.max(axis=0) - errors.min(axis=0)
        order = np.argsort(-spread, kind="stable")
        texts = self.scores[0].texts
        columns: dict[str, Any] = {"reference": texts.references}
        for score in self.scores:
            columns[score.name] = texts.hypotheses[score.name]
            columns[f"{score.name}_errors"] = score.utterances.errors
        columns["spread"] = spread
        frame = pd.DataFrame(columns, index=pd.Index(list(texts.labels)))
        return frame.iloc[order[: np.count_nonzero(spread)]]

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to reproduce and to trace it."""
        first = self.scores[0]
        told: dict[str, Any] = {
            "scores": [score.to_dict() for score in self.scores],
            "differences": [difference.to_dict() for difference in self.differences],
            "slices": None if self.slices is None else plain(self.slices.to_dict("records")),
            "failures": dict(self.failures or {}),
            **made_with(first.texts, first.dialect),
        }
        return told

    def __str__(self) -> str:
        texts = self.scores[0].texts
        width = max(len(name) for name in self.names)
        lines = [
            f"{'system':{width}}  {texts.rate:>6}  {'interval':>16}  {'sub':>6} {'del':>6} {'ins':>6}  {'RTFx':>6}  $/h"
        ]
        for score in self.scores:
            interval = f"[{percent(score.interval.low)}, {percent(score.interval.high)}]"
            counts = score.counts
            rtfx = "-" if math.isnan(score.rtfx) else f"{score.rtfx:.1f}"
            paid = "-" if math.isnan(score.dollars_per_hour) else f"{score.dollars_per_hour:.4f}"
            lines.append(
                f"{score.name:{width}}  {percent(score.wer):>6}  {interval:>16}  {counts.substitutions:6,} "
                f"{counts.deletions:6,} {counts.insertions:6,}  {rtfx:>6}  {paid}"
            )
        lines += [difference.verdict for difference in self.differences]
        lines += [f"{name} could not be run: {why}" for name, why in (self.failures or {}).items()]
        warnings = {d.interval.warning for d in self.differences if d.interval.warning}
        warnings |= {score.interval.warning for score in self.scores if score.interval.warning}
        lines += [f"beware: {warning}" for warning in sorted(warnings)]
        lines.append(rows_told(texts, self.names))
        lines.append(trace(texts, self.scores[0].dialect))
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def compare_scores(
    scores: Sequence[Score],
    *,
    blocks: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
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
    options = {"blocks": blocks, "confidence": confidence, "replicates": replicates, "seed": seed}
    tests = [_matched(first, second) for first, second in pairs]
    found = [1.0 if math.isnan(test.p) else test.p for test in tests]
    adjusted: list[float] = holm(found).tolist() if found else []
    differences = []
    for (first, second), test, p in zip(pairs, tests, adjusted, strict=True):
        one, two = first.utterances.errors, second.utterances.errors
        words = first.utterances.reference_words
        interval = paired_bootstrap(one, two, words, **options)  # type: ignore[arg-type]
        is_decided = interval.low > 0 or interval.high < 0
        more = None if is_decided else sample_size(one, two, words, blocks=blocks, confidence=confidence, seed=seed)
        differences.append(
            Difference(
                first.name,
                second.name,
                interval,
                test,
                math.nan if math.isnan(test.p) else float(p),
                mcnemar(one, two),
                sign_test(one, two),
                wilcoxon(one, two),
                more,
            )
        )
    return Comparison(scores, differences, **known)


def p_value(p: float) -> str:
    """A probability as people write it.

    >>> p_value(0.0421), p_value(1e-9), p_value(float("nan"))
    ('= 0.042', '< 0.001', 'unknown')
    """
    if math.isnan(p):
        return "unknown"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def _matched(first: Score, second: Score) -> MatchedPairs:
    return mapsswe(
        first.texts.reference_tokens(),
        first.texts.hypothesis_tokens(first.name),
        second.texts.hypothesis_tokens(second.name),
    )


def _points(share: float) -> str:
    """Percentage points with their sign."""
    return "-" if math.isnan(share) else f"{100 * share:+.1f}"
