"""Where one system's errors are: by word, by place in the utterance, by how common a word is, numbers, keywords.

All tables are made of ``Score.alignments``, so their sums are ``Score.counts``. An insertion stands for no word of the
reference: by word and by frequency it goes with the word that was inserted, by place with where it was inserted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import OptionError
from ..normalizers import Normalizer, find
from ..normalizers.numbers import is_number as is_english_number
from .alignment import Alignment
from .score import Score, percent
from .tokens import tokenize

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Keywords", "bands", "by_edge", "by_frequency", "by_position", "by_word", "edits", "keywords", "numbers"]

KINDS = {"C": "hits", "S": "substitutions", "D": "deletions", "I": "insertions"}
FREQUENCIES = (1, 2, 6, 21, 101)  # 1, 2-5, 6-20, 21-100, 101 and more


def edits(score: Score) -> pd.DataFrame:
    """A row for every edit of every alignment: the frame all other tables here can be made of.

    Columns: ``row``, the label of the utterance; ``op``, C, S, D or I; ``reference`` and ``hypothesis``, the words,
    None where that side has none; ``position``, how far into the reference it stands, from 0 to 1: the middle of a
    word, the gap of an insertion, NaN in a reference without words.

    >>> from asrkit.evaluate.texts import comparable
    >>> from asrkit.evaluate.score import score_texts
    >>> score = score_texts(comparable(["a b"], {"tiny": ["a c d"]}), "tiny")
    >>> print(edits(score).to_string(index=False))
     row op reference hypothesis  position
       0  C         a          a      0.25
       0  I      None          c      0.50
       0  S         b          d      0.75
    """
    import pandas as pd

    rows, ops, references, hypotheses, positions = [], [], [], [], []
    for label, aligned in zip(score.texts.labels, score.alignments, strict=True):
        length, passed = len(aligned.reference), 0
        for op, said, heard in aligned.ops:
            rows.append(label)
            ops.append(op)
            references.append(None if said is None else aligned.reference[said])
            hypotheses.append(None if heard is None else aligned.hypothesis[heard])
            if said is None:
                positions.append(passed / length if length else math.nan)
            else:
                positions.append((said + 0.5) / length)
                passed = said + 1
    return pd.DataFrame(
        {
            "row": pd.Series(rows, dtype=None if rows else object),
            "op": pd.Series(ops, dtype=object),
            "reference": pd.Series(references, dtype=object),
            "hypothesis": pd.Series(hypotheses, dtype=object),
            "position": pd.Series(positions, dtype=float),
        }
    )


def by_word(score: Score) -> pd.DataFrame:
    """What became of each word, and how often each word was inserted; the words with most errors first.

    Columns: ``word``, ``words`` (how often the references have it), ``hits``, ``substitutions`` and ``deletions`` of
    it, ``insertions`` of it, ``error_rate``: substitutions and deletions by ``words``, NaN for a word that was only
    inserted. ``Score.confusions`` tells what a word was taken for.
    """
    frame = edits(score)
    table = _table(frame, "word", frame.reference.where(frame.reference.notna(), frame.hypothesis))
    wrong = table.substitutions + table.deletions
    table["error_rate"] = _rates(wrong, table.words)
    order = np.lexsort((table.word.astype(str), -table.words, -(wrong + table.insertions)))
    return table.iloc[order].reset_index(drop=True)


def by_position(score: Score, bins: int = 10) -> pd.DataFrame:
    """Errors by how far into the utterance they are, in ``bins`` equal parts of its words.

    Columns: ``position`` (``"0-10%"``, ...), ``words``, ``hits``, ``substitutions``, ``deletions``, ``insertions``,
    ``wer``. What was inserted where the reference has no word is a row of its own, ``"no reference"``.
    """
    if bins < 1:
        raise OptionError(f"expected one bin or more, got {bins}")
    frame = edits(score)
    labels = [f"{100 * at / bins:.3g}-{100 * (at + 1) / bins:.3g}%" for at in range(bins)] + ["no reference"]
    place = np.minimum(frame.position.to_numpy() * bins, bins - 1)
    codes = np.where(np.isnan(place), bins, np.nan_to_num(place)).astype(int)
    return _ordered(frame, "position", codes, labels)


def by_edge(score: Score) -> pd.DataFrame:
    """Errors at the first and the last word of the utterances, where cuts of the audio do harm.

    Columns as in ``by_position``; ``position`` is ``"before"`` (inserted before the first word), ``"only word"``,
    ``"first word"``, ``"between"``, ``"last word"``, ``"after"`` or ``"no reference"``.
    """
    labels = ["before", "only word", "first word", "between", "last word", "after", "no reference"]
    frame = edits(score)
    codes: list[int] = []
    for aligned in score.alignments:
        length, passed = len(aligned.reference), 0
        for _, said, _ in aligned.ops:
            if not length:
                codes.append(6)
            elif said is None:
                codes.append(0 if not passed else 5 if passed == length else 3)
            else:
                passed = said + 1
                codes.append(1 if length == 1 else 2 if said == 0 else 4 if passed == length else 3)
    return _ordered(frame, "position", np.array(codes, int), labels)


def by_frequency(
    score: Score, bands: Sequence[int] = FREQUENCIES, *, frequencies: Mapping[str, int] | None = None
) -> pd.DataFrame:
    """Errors by how often a word occurs: are the rare words those that are wrong?

    Args:
        score: of a system.
        bands: lowest frequency of each band, rising.
        frequencies: of normalised words, such as those of the texts a model was trained on; without, they are
            counted in the references of the score.

    Columns: ``frequency`` (``"1"``, ``"2-5"``, ...; words below the lowest band are ``"0"``), ``types`` (different
    words), ``words``, ``hits``, ``substitutions``, ``deletions``, ``insertions`` (of such words), ``wer``.
    """
    lowest = list(bands)
    if not lowest or lowest != sorted(set(lowest)) or lowest[0] < 1:
        raise OptionError(f"expected the lowest frequency of each band, from 1 on and rising, got {bands!r}")
    frame = edits(score)
    words = frame.reference.where(frame.reference.notna(), frame.hypothesis)
    said = Counter(word for aligned in score.alignments for word in aligned.reference)
    known: Mapping[str, int] = said if frequencies is None else frequencies
    labels = [_between(0, lowest[0])]
    labels += [_between(low, high) for low, high in pairwise(lowest)] + [f"{lowest[-1]}+"]
    codes = np.searchsorted(lowest, [known.get(word, 0) for word in words], side="right")
    table = _ordered(frame, "frequency", codes, labels)
    types = np.bincount(
        np.searchsorted(lowest, [known.get(word, 0) for word in said], side="right"), minlength=len(labels)
    )
    table.insert(1, "types", types)
    return table


def numbers(score: Score, *, words: Sequence[str] = ()) -> pd.DataFrame:
    """Numbers apart from all other words: a wrong number is seldom seen, and often matters most.

    A number is a token with a digit in it, or an English number word where the row's language is English or unknown.

    Args:
        score: of a system.
        words: further number words, as the normalizer leaves them.

    Columns: ``kind`` (``"number"``, ``"other"``), ``words``, ``hits``, ``substitutions``, ``deletions``,
    ``insertions``, ``wer``; ``other_number``: those of the substitutions that put another number in its place.
    """
    more = frozenset(words)

    @cache
    def is_number(token: str | None, is_english: bool) -> bool:
        if token is None:
            return False
        if token in more or any(map(str.isdigit, token)):
            return True
        return is_english and any(map(str.isalpha, token)) and is_english_number(token)

    frame = edits(score)
    codes, swapped = [], [0, 0]
    for aligned, language in zip(score.alignments, score.texts.languages, strict=True):
        is_english = language is None or language.lower().startswith("en")
        for op, said, heard in aligned.ops:
            word = None if said is None else aligned.reference[said]
            found = None if heard is None else aligned.hypothesis[heard]
            code = 0 if is_number(found if word is None else word, is_english) else 1
            codes.append(code)
            swapped[code] += op == "S" and is_number(found, is_english)
    table = _ordered(frame, "kind", np.array(codes, int), ["number", "other"])
    return table.assign(other_number=swapped)


@dataclass(frozen=True, eq=False)
class Keywords:
    """How well words that matter are recognised.

    Args:
        frame: a row for each keyword: ``kind``, ``keyword``, as normalised; ``occurrences`` in the references;
            ``hits``; ``misses``; ``heard`` in the hypotheses; ``false_alarms``: heard where it was not said;
            ``recall``, ``precision``, ``error_rate``: misses and false alarms by occurrences; ``heard_as``, what
            was most often heard in its place ("" for nothing), None without misses.
    """

    frame: pd.DataFrame

    @property
    def recall(self) -> float:
        """Hits by occurrences, over all keywords."""
        return _ratio(self.frame.hits.sum(), self.frame.occurrences.sum())

    @property
    def precision(self) -> float:
        """Hits by what was heard, over all keywords."""
        return _ratio(self.frame.hits.sum(), self.frame.heard.sum())

    @property
    def error_rate(self) -> float:
        """Misses and false alarms by occurrences, over all keywords."""
        return _ratio(self.frame.misses.sum() + self.frame.false_alarms.sum(), self.frame.occurrences.sum())

    @property
    def by_kind(self) -> pd.DataFrame:
        """The same for each kind: the entity error rate."""
        counts = ["occurrences", "hits", "misses", "heard", "false_alarms"]
        table = self.frame.groupby("kind", sort=False, dropna=False)[counts].sum().reset_index()
        return table.assign(
            recall=_rates(table.hits, table.occurrences),
            precision=_rates(table.hits, table.heard),
            error_rate=_rates(table.misses + table.false_alarms, table.occurrences),
        )

    def __str__(self) -> str:
        frame = self.frame
        return (
            f"{len(frame):,} keywords, said {frame.occurrences.sum():,} times: recall {percent(self.recall)}, "
            f"precision {percent(self.precision)}, error rate {percent(self.error_rate)}"
        )


def keywords(
    score: Score,
    keywords: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    normalizer: str | Callable[[str], str] | Normalizer | None = None,
) -> Keywords:
    """How well listed words and phrases are recognised: names, products, commands, entities.

    A phrase is right where all its words are, with nothing inserted between them. Occurrences may overlap.

    Args:
        score: of a system.
        keywords: words and phrases as they are written, or kinds of them: ``{"person": [...], "place": [...]}``.
        normalizer: for keywords; by default the score's own. A score with a function of yours needs it again.

    Raises:
        OptionError: no keyword, one that the normalizer leaves nothing of, or a normalizer that is not known by name.

    >>> from asrkit.evaluate.texts import comparable
    >>> from asrkit.evaluate.score import score_texts
    >>> texts = comparable(["Ask New York.", "New York is new"], {"tiny": ["ask new york", "newark is new"]})
    >>> found = keywords(score_texts(texts, "tiny"), ["New York"])
    >>> print(found)
    1 keywords, said 2 times: recall 50.0%, precision 100.0%, error rate 50.0%
    >>> found.frame.heard_as.tolist()
    ['newark']
    """
    import pandas as pd

    if isinstance(keywords, str):
        raise OptionError(f"expected a list of keywords, got {keywords!r}")
    listed = (
        [(str(kind), word) for kind, group in keywords.items() for word in group]
        if isinstance(keywords, Mapping)
        else [(None, word) for word in keywords]
    )
    if not listed:
        raise OptionError("expected a keyword or more, got none")
    # Languages have their own normalizers and units: a keyword looks different in rows of each.
    texts = score.texts
    styles = list(dict.fromkeys(zip(texts.languages, texts.units, strict=True)))
    forms: dict[Any, dict[tuple[str, ...], list[int]]] = {style: {} for style in styles}
    entries: dict[tuple[str | None, str], int] = {}
    for kind, word in listed:
        shown: str | None = None
        for style in styles:
            language, unit = style
            text = _normalizer_of(score, normalizer, language)(word)
            tokens = _bare(tokenize(text, unit, language))
            if not tokens:
                raise OptionError(f"keyword {word!r}: the normalizer leaves nothing of it")
            shown = shown or text
            entry = entries.setdefault((kind, shown), len(entries))
            at = forms[style].setdefault(tokens, [])
            if entry not in at:
                at.append(entry)
    glue = {style: "" if style[1] == "character" else " " for style in styles}
    count = len(entries)
    occurrences, hits, heard, alarms = (np.zeros(count, int) for _ in range(4))
    instead: list[Counter[str]] = [Counter() for _ in range(count)]
    for aligned, style in zip(score.alignments, zip(texts.languages, texts.units, strict=True), strict=True):
        said_at = _found(_bare(aligned.reference), forms[style])
        heard_at = _found(_bare(aligned.hypothesis), forms[style])
        for entries_found, _ in heard_at:
            heard[entries_found] += 1
        good: set[tuple[int, int]] = set()  # keyword, place in the hypothesis
        right, stood, gaps = _places(aligned) if said_at else ([], [], [])
        for entries_found, span in said_at:
            occurrences[entries_found] += 1
            first = right[span.start]
            if first is not None and all(right[at] == first + at - span.start for at in span):
                hits[entries_found] += 1
                good |= {(entry, first) for entry in entries_found}
                continue
            text = glue[style].join(aligned.hypothesis[place] for place in _instead(span, right, stood, gaps))
            for entry in entries_found:
                instead[entry][text] += 1
        for entries_found, span in heard_at:
            for entry in entries_found:
                alarms[entry] += (entry, span.start) not in good
    table = pd.DataFrame(
        {
            "kind": pd.Series([kind for kind, _ in entries], dtype=object),
            "keyword": pd.Series([word for _, word in entries], dtype=object),
            "occurrences": occurrences,
            "hits": hits,
            "misses": occurrences - hits,
            "heard": heard,
            "false_alarms": alarms,
            "recall": _rates(hits, occurrences),
            "precision": _rates(hits, heard),
            "error_rate": _rates(occurrences - hits + alarms, occurrences),
            "heard_as": pd.Series([c.most_common(1)[0][0] if c else None for c in instead], dtype=object),
        }
    )
    return Keywords(table)


def bands(
    values: ArrayLike | pd.Series[Any], edges: Sequence[float] | None = None, *, quantiles: int = 4, unit: str = ""
) -> pd.Series[Any]:
    """Numbers as readable bands, to slice a score by: ``df.assign(length=bands(df.duration, [5, 15], unit="s"))``.

    Args:
        values: durations, confidences, signal-to-noise ratios; NaN belongs to no band.
        edges: where a band ends and the next begins, rising; a band holds its lower edge and not its upper one.
        quantiles: without edges: so many bands with about the same number of values, fewer where values are equal.
        unit: of the values, for the labels.

    Returns:
        An ordered category a value, on the index of ``values``.

    >>> bands([1.0, 5.0, 31.0], [5, 15], unit="s").tolist()
    ['< 5 s', '5 to 15 s', '>= 15 s']
    """
    import pandas as pd

    cells = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values, float))
    numbers = cells.to_numpy(dtype=float, na_value=math.nan)
    known = numbers[~np.isnan(numbers)]
    if edges is None:
        if quantiles < 2:
            raise OptionError(f"expected two quantiles or more, got {quantiles}")
        cuts = (
            np.unique(np.quantile(known, np.arange(1, quantiles) / quantiles, method="higher"))
            if len(known)
            else np.empty(0)
        )
        cuts = cuts[cuts > known.min()] if len(known) else cuts  # else the lowest band would be empty
    else:
        cuts = np.asarray(edges, float)
        if cuts.ndim != 1 or not len(cuts) or not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
            raise OptionError(f"expected edges that rise, got {edges!r}")
    shown = _distinct(cuts)
    after = f" {unit}" if unit else ""
    if len(cuts):
        labels = [f"< {shown[0]}{after}"]
        labels += [f"{low} to {high}{after}" for low, high in pairwise(shown)]
        labels += [f">= {shown[-1]}{after}"]
    else:
        labels = ["all"]
    codes = np.where(np.isnan(numbers), -1, np.searchsorted(cuts, numbers, side="right"))
    named = pd.Categorical.from_codes(codes, pd.Index(labels), ordered=True)
    return pd.Series(named, index=cells.index, name=cells.name)


def _table(frame: pd.DataFrame, name: str, keys: Any) -> pd.DataFrame:
    """Counts of each kind of edit by key, integers."""
    import pandas as pd

    counted = pd.crosstab(np.asarray(keys), frame.op.to_numpy()).reindex(columns=list(KINDS), fill_value=0)
    counted = counted.rename(columns=KINDS).astype(int)
    table = counted.rename_axis(index=name, columns=None).reset_index()
    table.insert(1, "words", table.hits + table.substitutions + table.deletions)
    return table


def _ordered(frame: pd.DataFrame, name: str, codes: Any, labels: Sequence[str]) -> pd.DataFrame:
    """Counts by label, in their order, with the rate; labels that do not occur stay."""
    import pandas as pd

    numbers = {
        kind: np.bincount(np.asarray(codes)[(frame.op == op).to_numpy()], minlength=len(labels))
        for op, kind in KINDS.items()
    }
    words = numbers["hits"] + numbers["substitutions"] + numbers["deletions"]
    wrong = numbers["substitutions"] + numbers["deletions"] + numbers["insertions"]
    named = pd.Categorical.from_codes(np.arange(len(labels)), pd.Index(labels), ordered=True)
    return pd.DataFrame({name: named, "words": words, **numbers, "wer": _rates(wrong, words)})


def _between(low: int, high: int) -> str:
    """From low to below high."""
    return f"{low}" if high == low + 1 else f"{low}-{high - 1}"


def _distinct(cuts: Any) -> list[str]:
    """Numbers with as few digits as tell them apart."""
    for digits in range(3, 18):
        shown = [f"{cut:.{digits}g}" if abs(cut) < 10**digits else f"{cut:.0f}" for cut in cuts]
        if len(set(shown)) == len(shown):
            break
    return shown


def _normalizer_of(score: Score, normalizer: Any, language: str | None) -> Normalizer:
    """The normalizer of rows of a language: what was asked for, or that of the score by its name and version."""
    if normalizer is not None:
        return find(normalizer, language=language)
    made = {part.rsplit(" ", 1)[0]: part for part in score.texts.normalizer.split(", ")}
    names = {"auto", *made, *(name.split("-")[0] for name in made)}
    for name in sorted(names):
        try:
            built = find(name, language=language)
        except OptionError:
            continue
        if made.get(built.name) == f"{built.name} {built.version}":
            return built
    raise OptionError(f"the score's normalizer is {score.texts.normalizer}; pass it again as normalizer=")


def _bare(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens without the commas that a normalizer leaves after single letters: ``plan b, c``."""
    return tuple(map(_bare_word, tokens))


def _bare_word(token: str) -> str:
    return token.rstrip(",") or token


def _found(tokens: tuple[str, ...], wanted: Mapping[tuple[str, ...], list[int]]) -> list[tuple[list[int], range]]:
    """The keywords in a text, and where."""
    lengths = sorted({len(form) for form in wanted})
    return [
        (wanted[tokens[at : at + length]], range(at, at + length))
        for at in range(len(tokens))
        for length in lengths
        if at + length <= len(tokens) and tokens[at : at + length] in wanted
    ]


def _places(aligned: Alignment) -> tuple[list[int | None], list[int | None], list[list[int]]]:
    """Where each word was heard rightly, where it was heard at all, and what was inserted before it and at the end."""
    length = len(aligned.reference)
    right: list[int | None] = [None] * length
    stood: list[int | None] = [None] * length
    gaps: list[list[int]] = [[] for _ in range(length + 1)]
    passed = 0
    for op, said, heard in aligned.ops:
        if said is not None:
            stood[said] = heard
            is_right = op == "C" or (
                heard is not None and _bare_word(aligned.reference[said]) == _bare_word(aligned.hypothesis[heard])
            )
            right[said] = heard if is_right else None
            passed = said + 1
        elif heard is not None:
            gaps[passed].append(heard)
    return right, stood, gaps


def _instead(
    span: range, right: Sequence[int | None], stood: Sequence[int | None], gaps: Sequence[Sequence[int]]
) -> list[int]:
    """What was heard in place of a phrase, with what was inserted beside its wrong words."""
    places: list[int] = []
    for at in span:
        if at > span.start or right[at] is None:
            places += gaps[at]
        found = stood[at]
        if found is not None:
            places.append(found)
    return places if right[span.stop - 1] is not None else [*places, *gaps[span.stop]]


def _rates(part: Any, whole: Any) -> Any:
    """NaN where there is nothing."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(len(whole), math.nan), where=whole > 0)


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else math.nan
