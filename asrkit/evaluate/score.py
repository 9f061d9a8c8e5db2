"""One system against its references: counts, rates, the interval, and where the errors are."""

from __future__ import annotations

import math
import platform
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import numpy as np

from ..errors import OptionError
from ..probability import is_probability
from ..renamed import renamed
from ..version import VERSION
from .alignment import Alignment, align_all
from .beware import spelling_differences
from .blocks import check_labels
from .bootstrap import Interval, bootstrap
from .counts import ErrorCounts, UtteranceCounts, count_errors
from .dialects import Dialect, dialect_name
from .indexed import check_unclashed, index_of
from .language_notes import score_notes
from .rates import Quotient, quotient
from .shown import Shown
from .significance import simultaneous_level
from .texts import SystemTexts, Texts
from .tokens import tokenize
from .wording import dollars, interval_ends, level_told, per_minute, percent, speed, too_few

__all__ = [
    "Score",
    "check_comparable",
    "interval_told",
    "level_told",
    "made_with",
    "percent",
    "plain",
    "rows_told",
    "score_texts",
    "slices",
    "too_few",
    "trace",
]

OF_SLICES = (  # columns of the table of slices beside the user's own
    "rows", "words", "wer", "low", "high", "substitutions", "deletions", "insertions", "warning", "system"
)  # fmt: skip
SHOWN = 10  # of the worst rows and the most frequent confusions


@dataclass(frozen=True, eq=False)
class Score(Shown):
    """How good one system is.

    Args:
        name: of the system: the column of its texts.
        texts: what was compared.
        utterances: errors of each row.
        interval: of the error rate.
        dialect: how words were aligned.
        block: what the interval's independent pieces are, such as ``speaker``; None: each row.
        seed: of the bootstrap.
        system: model, revision, precision and options that made the texts, where they are known.
        audio: seconds of each row, None where nobody told.
        elapsed: seconds of work on each row, None where nobody told.
        cost: dollars of each row, None where nobody told.
        confidence: probability in [0, 1] of each row, None if unknown.
    """

    _kind: ClassVar[str] = "score"

    name: str
    texts: Texts
    utterances: UtteranceCounts
    interval: Interval
    dialect: Dialect
    block: str | None = None
    seed: int = 0
    system: Mapping[str, Any] = field(default_factory=dict)
    audio: Sequence[float] | None = None
    elapsed: Sequence[float] | None = None
    cost: Sequence[float] | None = None
    confidence: Sequence[float] | None = None

    @property
    def compared(self) -> SystemTexts:
        """The references and this system's texts, normalised by the language of each row."""
        return self.texts.systems[self.name]

    @cached_property
    def counts(self) -> ErrorCounts:
        """All rows together: a corpus's rate is that of its sums, never the mean of its rows' rates."""
        return self.utterances.total

    @property
    def wer(self) -> float:
        """Errors by reference tokens (words, or what ``texts.unit`` says); NaN without any."""
        return self.counts.wer

    @property
    def mer(self) -> float:
        """Match error rate."""
        return self.counts.mer

    @property
    def wil(self) -> float:
        """Word information lost."""
        return self.counts.wil

    @property
    def wip(self) -> float:
        """Word information preserved."""
        return self.counts.wip

    @property
    def ser(self) -> float:
        """Rows with any error by rows."""
        return self.utterances.sentence_error_rate

    @cached_property
    def characters(self) -> ErrorCounts:
        """The same texts, counted by graphemes."""
        compared = self.compared
        sides = [compared.reference_tokens("character"), compared.hypothesis_tokens("character")]
        for row in compared.marked_rows:
            chosen = self.alignments[row]  # of alternatives those that the alignment chose
            blank = "" if compared.units[row] == "character" else " "
            for side, tokens in zip(sides, (chosen.reference, chosen.hypothesis), strict=True):
                side[row] = tokenize(blank.join(tokens), "character", compared.languages[row])
        return count_errors(*sides).total

    @property
    def cer(self) -> float:
        """Character error rate, by graphemes."""
        return self.characters.wer

    @cached_property
    def rates(self) -> dict[str, Quotient]:
        """RTFx, dollars per hour and words per minute of silence, each with the number of rows that it is of."""
        silent = self.utterances.reference_words == 0
        rows = len(self.texts.rows)
        return {
            "RTFx": quotient(self.audio, self.elapsed, rows=rows),
            "$/h": quotient(self.cost, self.audio, scale=3600, rows=rows),
            "words a minute of silence": quotient(
                self.utterances.insertions, self.audio, scale=60, among=silent, rows=rows
            ),
        }

    @property
    def rtfx(self) -> float:
        """Seconds of audio divided by seconds of work, over the rows in which both are known; NaN without any."""
        return self.rates["RTFx"].value

    @property
    def dollars_per_hour(self) -> float:
        """Dollars per hour of audio, over the rows in which both are known; NaN without any."""
        return self.rates["$/h"].value

    @property
    def hallucinated_per_minute(self) -> float:
        """Recognised words per minute of audio, in the rows where nothing was said; NaN where there are none."""
        return self.rates["words a minute of silence"].value

    @property
    def failed(self) -> int:
        """Rows with a reference for which there is no text."""
        return self.texts.failed[self.name]

    @property
    def notes(self) -> list[str]:
        """What every view says first: rows whose language is not known, and values that are no language."""
        return score_notes(self)

    @cached_property
    def beware(self) -> list[str]:
        """Where errors are a matter of spelling habits that a named option of the normalizer folds."""
        return spelling_differences(self.compared, self.utterances, self.dialect, self.compared.rate)

    @cached_property
    def alignments(self) -> list[Alignment]:
        """Word by word, one a row; the counts, the tables and the coloured views are all made of them."""
        return align_all(self.compared.reference_tokens(), self.compared.hypothesis_tokens(), self.dialect)

    @property
    def frame(self) -> Any:
        """A row for each row scored: both texts, normalised, the errors and the rate."""
        import pandas as pd

        counts = self.utterances
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = np.where(counts.reference_words > 0, counts.errors / np.maximum(counts.reference_words, 1), np.nan)
        columns: dict[str, Any] = {
            "reference": self.compared.references,
            "hypothesis": self.compared.hypotheses,
            "words": counts.reference_words,
            "errors": counts.errors,
            "substitutions": counts.substitutions,
            "deletions": counts.deletions,
            "insertions": counts.insertions,
            "wer": rates,
        }
        for name in ("audio", "elapsed", "cost", "confidence"):
            values = getattr(self, name)
            if values is not None and (name != "confidence" or is_probability(values)):
                columns[{"audio": "duration"}.get(name, name)] = values
        return pd.DataFrame(columns, index=index_of(self.texts))

    @property
    def worst(self) -> Any:
        """The rows with most errors, those with the higher rate first among equals."""
        return self.frame.sort_values(["errors", "wer"], ascending=False, kind="stable").head(SHOWN)

    def confusions(self, top: int | None = None) -> Any:
        """What became of words: ``reference`` (None: inserted), ``hypothesis`` (None: deleted), ``count``."""
        import pandas as pd

        counted: Counter[tuple[str | None, str | None]] = Counter()
        for aligned in self.alignments:
            for op, said, heard in aligned.ops:
                if op != "C":
                    counted[
                        None if said is None else aligned.reference[said],
                        None if heard is None else aligned.hypothesis[heard],
                    ] += 1
        ordered = sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))[:top]
        return pd.DataFrame(
            [(said, heard, count) for (said, heard), count in ordered], columns=["reference", "hypothesis", "count"]
        ).astype({"reference": object, "hypothesis": object})

    def to_dict(self) -> dict[str, Any]:
        """Everything that is needed to reproduce and to trace it; plain types, NaN as None."""
        counts = self.counts
        told: dict[str, Any] = plain(
            {
                "system": self.name,
                "made_by": dict(self.system),
                "rate": self.compared.rate,
                "wer": self.wer,
                "interval": {
                    "low": self.interval.low,
                    "high": self.interval.high,
                    "level": self.interval.level,
                    "method": self.interval.method,
                    "replicates": self.interval.replicates,
                    "blocks": self.interval.blocks,
                    "effective_blocks": self.interval.effective_blocks,
                    "block": self.block,
                    "seed": self.seed,
                    "warning": self.interval.warning,
                },
                "hits": counts.hits,
                "substitutions": counts.substitutions,
                "deletions": counts.deletions,
                "insertions": counts.insertions,
                "reference_words": counts.reference_length,
                "hypothesis_words": counts.hypothesis_length,
                "cer": self.cer,
                "mer": self.mer,
                "wil": self.wil,
                "ser": self.ser,
                "rtfx": self.rtfx,
                "dollars_per_hour": self.dollars_per_hour,
                "hallucinated_words_per_minute": self.hallucinated_per_minute,
                "rows_of_rates": {name: rate.rows for name, rate in self.rates.items()},
                "rows": len(self.texts.rows),
                "rows_of_frame": self.texts.total,
                "rows_without_reference": self.texts.unreferenced,
                "rows_failed": self.failed,
                "rows_where_nobody_spoke": self.texts.silent,
                "failed_as": self.texts.failed_as,
                "rows_of_unknown_language": self.compared.unknown,
                "notes": self.notes,
                "beware": self.beware,
                "unit": self.compared.unit,
                **made_with(self.compared, self.dialect),
            }
        )
        return told

    def __str__(self) -> str:
        interval, counts, texts = self.interval, self.counts, self.texts
        blocks = f"{interval.blocks:,} {f'values of {self.block!r}' if self.block else 'rows'}"
        sure = f"{interval_told(self)} ({level_told(interval.level)} interval over {blocks})"
        if not math.isfinite(interval.low):
            sure = f"(no interval over {blocks})"
        notes = "".join(f"; {note}" for note in self.notes)
        lines = [
            f"{self.name}: {self.compared.rate} {percent(self.wer)} {sure}{notes}",
            f"  {counts.substitutions:,} substitutions, {counts.deletions:,} deletions, "
            f"{counts.insertions:,} insertions in {counts.reference_length:,} "
            f"{'words' if self.compared.unit == 'word' else 'tokens'}; CER {percent(self.cer)}, "
            f"MER {percent(self.mer)}, WIL {percent(self.wil)}, "
            f"{percent(self.ser)} of the rows have an error",
        ]
        if not math.isnan(self.rtfx):
            lines.append(f"  RTFx {speed(self.rtfx)}{self.rates['RTFx'].rows_told}")
        if not math.isnan(self.dollars_per_hour):
            lines.append(f"  ${dollars(self.dollars_per_hour)} per hour of audio{self.rates['$/h'].rows_told}")
        if not math.isnan(self.hallucinated_per_minute):
            told = self.rates["words a minute of silence"].rows_told.replace("rows", "such rows")
            lines.append(
                f"  {per_minute(self.hallucinated_per_minute)} words per minute heard where nothing was said{told}"
            )
        lines.append(f"  {rows_told(texts, [self.name])}")
        if interval.warning:
            lines.append(f"  beware: {interval.warning}")
        lines += [f"  beware: {habit}" for habit in self.beware]
        lines.append(f"  {trace(self.compared, self.dialect)}")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


@renamed(confidence="level")
def score_texts(
    texts: Texts,
    name: str,
    *,
    dialect: Dialect = "levenshtein",
    blocks: Sequence[Hashable] | None = None,
    block: str | None = None,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
    known: Mapping[str, Any] | None = None,
) -> Score:
    """Score one system of ``texts``; ``known`` are further fields of ``Score``."""
    compared = texts.systems[name]
    counts = count_errors(compared.reference_tokens(), compared.hypothesis_tokens(), dialect=dialect)
    interval = bootstrap(
        counts.errors,
        counts.reference_words,
        blocks=blocks,
        level=level,
        replicates=replicates,
        seed=seed,
    )
    return Score(name, texts, counts, interval, dialect, block, seed, **(known or {}))


@renamed(confidence="level")
def slices(
    score: Score,
    groups: Mapping[str, Sequence[Hashable]],
    *,
    blocks: Sequence[Hashable] | None = None,
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> Any:
    """A score of every slice.

    The intervals hold together: at ``level`` all of them contain their true rates (Bonferroni), so the extremes
    of many slices are no surprise.

    Args:
        score: of all rows.
        groups: name -> value of each scored row; slices are the combinations that occur.
        blocks: independent pieces, one value a row.
        level: of all intervals together.
        replicates: of the bootstrap.
        seed: of the bootstrap.
    """
    import pandas as pd

    names = list(groups)
    check_unclashed(names, OF_SLICES, "the table of slices")
    parts = _rows_of(groups)
    each = simultaneous_level(level, len(parts)) if parts else level
    counts = score.utterances
    records = []
    for key, rows in parts:
        own = blocks if blocks is None else [blocks[row] for row in rows]
        interval = bootstrap(
            counts.errors[rows],
            counts.reference_words[rows],
            blocks=own,
            level=each,
            replicates=replicates,
            seed=seed,
        )
        total = ErrorCounts(
            *(int(getattr(counts, kind)[rows].sum()) for kind in ("hits", "substitutions", "deletions", "insertions"))
        )
        records.append(
            {
                **dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True)),
                "rows": len(rows),
                "words": total.reference_length,
                "wer": total.wer,
                "low": interval.low,
                "high": interval.high,
                "substitutions": total.substitutions,
                "deletions": total.deletions,
                "insertions": total.insertions,
                "warning": interval.warning,
            }
        )
    frame = pd.DataFrame(records)
    frame.attrs["asrkit"] = {"level of all intervals together": level, "of each": each}
    return frame


def _rows_of(groups: Mapping[str, Sequence[Hashable]]) -> list[tuple[Any, Any]]:
    """Each combination of values that occurs, in their order, with its rows."""
    import pandas as pd

    for name, values in groups.items():
        check_labels(values, f"value of {name!r}")
    keys = pd.DataFrame({name: list(values) for name, values in groups.items()})
    return list(keys.groupby(list(groups), sort=True, dropna=False).indices.items()) if groups else []


def made_with(texts: Texts | SystemTexts, dialect: Dialect) -> dict[str, Any]:
    """What a score was made with: scores that differ in it cannot be compared."""
    return {
        "normalizer": texts.normalizer,
        "aligner": dialect_name(dialect),
        "versions": {
            "asrkit": VERSION,
            **{name: _version(name) for name in ("jiwer", "rapidfuzz", "transformers")},
            "python": platform.python_version(),
        },
    }


def trace(texts: Texts | SystemTexts, dialect: Dialect) -> str:
    """One line that says where the numbers come from."""
    return f"normalizer {texts.normalizer}, aligner {dialect_name(dialect)}, unit {texts.unit}, asrkit {VERSION}"


def rows_told(texts: Texts, names: Sequence[str]) -> str:
    """Which rows are in a score and which are not."""
    told = f"{len(texts.rows):,} of {texts.total:,} rows"
    if texts.silent:
        told += f", {texts.silent:,} with an empty reference, where nobody spoke"
    if texts.unreferenced:
        verbs = ("has", "is") if texts.unreferenced == 1 else ("have", "are")
        told += f"; {texts.unreferenced:,} {verbs[0]} no reference and {verbs[1]} left out{UNREFERENCED}"
    what = "left out" if texts.failed_as == "exclude" else "scored as deletions"
    failures = [f"{texts.failed[name]:,} of {name}" for name in names if texts.failed[name]]
    return told + (f"; without a text and {what}: {', '.join(failures)}" if failures else "")


# CSV has one way to write an empty text and a missing one, and pandas reads both as missing.
UNREFERENCED = " (of CSV, pandas.read_csv(keep_default_na=False) reads an empty reference as one: nobody spoke)"


def interval_told(score: Score, form: str = "[{}, {}]") -> str:
    """The ends of a score's interval, or why there are none."""
    interval = score.interval
    unit = "rows" if score.block is None else "blocks"
    return interval_ends(score.wer, interval.low, interval.high, form, unit, interval.blocks)


def plain(value: Any) -> Any:
    """Types that JSON has; NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_comparable(scores: Sequence[Score]) -> None:
    """Refuse to compare what is not alike.

    Raises:
        OptionError: other rows, another normalizer, another aligner.
    """
    first = scores[0]
    for other in scores[1:]:
        for what, one, two in (
            ("normalizers", first.texts.normalizer, other.texts.normalizer),
            ("aligners", dialect_name(first.dialect), dialect_name(other.dialect)),
            ("units", first.texts.unit, other.texts.unit),
        ):
            if one != two:
                raise OptionError(f"{first.name} and {other.name} have different {what}: {one} and {two}")
        if first.texts is not other.texts and (
            list(first.texts.rows) != list(other.texts.rows)
            or list(first.texts.references) != list(other.texts.references)
        ):
            raise OptionError(f"{first.name} and {other.name} were scored on different rows; score them together")
