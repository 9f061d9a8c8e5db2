"""How far annotators agree: error rates between them, and Krippendorff's alpha over their words.

Alpha is 1 less observed disagreement by disagreement that chance would give (Krippendorff 2011, "Computing
Krippendorff's Alpha-Reliability", section C: nominal data, any number of observers, missing data). Its units are the
places of an alignment of all texts of a row, as ROVER aligns them; a value is a word, or that there is none here, so a
word that one annotator left out counts against them. A row that an annotator did not label is missing, and counts
neither way. Texts of words at random get about 0.05, since an alignment finds what is alike by chance; texts of unlike
rows get less than 0, since one of them is longer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..columns import column_of
from ..errors import OptionError
from ..labels import item_ids
from ..normalizers import Normalizer, find
from ..normalizers.compounds import check_needs_no_reference
from .combine import network
from .counts import ErrorCounts, count_errors
from .score import percent
from .tokens import Unit, tokenize, unit_for

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Agreement", "Pair", "agreement", "krippendorff_alpha"]

NOTHING = ""  # the value of a place where an annotator has no word; no token is empty
DECIDED = ("accepted", "flagged")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two annotators on the rows that both labelled.

    Args:
        first, second: their names.
        rows: that both labelled.
        words: errors of the second's texts taking the first's for the reference.
        characters: the same by graphemes.
    """

    first: str
    second: str
    rows: int
    words: ErrorCounts
    characters: ErrorCounts

    @property
    def wer(self) -> float:
        """Errors by the mean number of words of both, so that it is the same from either side; NaN without words."""
        return _symmetric(self.words)

    @property
    def cer(self) -> float:
        """The same by graphemes."""
        return _symmetric(self.characters)


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far annotators agree.

    Args:
        annotators: their names.
        alpha: Krippendorff's, nominal, over aligned words; NaN where no row was labelled twice.
        pairs: of annotators with rows in common.
        rows: a row of the frame for each row labelled by two or more, with every annotator's ``text_...`` and
            ``status_...``, the ``suggestion`` (the text that is nearest to all others) and ``differences`` (places of
            the alignment on which not all agree).
        by_annotator: for each: rows, WER and CER against all others, and alpha of the others alone.
        slices: of ``by``: rows, alpha, WER and CER of each; None where it was not given.
        normalizer: that texts were compared after.
        single: rows that only one annotator labelled, which say nothing here.
    """

    annotators: tuple[str, ...]
    alpha: float
    pairs: tuple[Pair, ...]
    rows: pd.DataFrame
    by_annotator: pd.DataFrame
    slices: pd.DataFrame | None
    normalizer: str
    single: int = 0

    @property
    def wer(self) -> float:
        """Of all pairs together: errors by the mean number of words of both."""
        return _symmetric(sum((pair.words for pair in self.pairs), start=ErrorCounts()))

    @property
    def cer(self) -> float:
        """The same by graphemes."""
        return _symmetric(sum((pair.characters for pair in self.pairs), start=ErrorCounts()))

    @property
    def disagreements(self) -> pd.DataFrame:
        """The rows that somebody has to decide, those with most differences first.

        It goes back into a labeler: ``.asr.label("path", hypothesis="suggestion", journal="decided.jsonl")``.
        """
        statuses = [f"status_{name}" for name in self.annotators]
        unlike = self.rows[statuses].nunique(axis=1) > 1
        found = self.rows[(self.rows["differences"] > 0) | unlike]
        return found.sort_values("differences", ascending=False, kind="stable")

    def __str__(self) -> str:
        lines = [
            f"{len(self.annotators)} annotators, {len(self.rows):,} rows in common: alpha {_told(self.alpha)}, "
            f"WER between them {percent(self.wer)}, CER {percent(self.cer)}; "
            f"{len(self.disagreements):,} rows to decide (.disagreements)"
        ]
        lines += [
            f"  {pair.first} and {pair.second}: WER {percent(pair.wer)}, CER {percent(pair.cer)}, {pair.rows:,} rows"
            for pair in self.pairs
        ]
        if self.single:
            lines.append(f"  {self.single:,} rows were labelled once and are left out")
        lines.append(f"  normalizer {self.normalizer}; alpha is nominal, over aligned words (Krippendorff 2011)")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return str(import_module(".views", __package__).agreement_view(self))  # which knows this module


def krippendorff_alpha(units: Iterable[Sequence[Hashable | None]]) -> float:
    """Krippendorff's alpha for nominal values.

    Args:
        units: the values that each observer gave, None where one gave none; their order does not matter.

    Returns:
        1 where all agree, about 0 where they agree as by chance, under 0 where they agree less. NaN where no unit has
        two values; 1 where there is only one value at all, by convention.

    >>> krippendorff_alpha([["a", "a"], ["b", "b"], ["a", None]]), krippendorff_alpha([["a", "b"], ["b", "a"]])
    (1.0, -0.5)
    """
    totals: Counter[Hashable] = Counter()
    observed = 0.0  # pairs of unlike values, each unit weighing as much as it has values
    for unit in units:
        values = Counter(value for value in unit if value is not None)
        count = values.total()
        if count < 2:
            continue
        totals.update(values)
        unlike = count * count - sum(times * times for times in values.values())
        observed += unlike / (count - 1)
    whole = totals.total()
    if whole < 2:
        return math.nan
    expected = (whole * whole - sum(times * times for times in totals.values())) / (whole - 1)
    if not expected:
        return 1.0
    return 1.0 - observed / expected


def agreement(
    labels: pd.DataFrame,
    *,
    by: Hashable | Sequence[Hashable] | None = None,
    frame: pd.DataFrame | None = None,
    language: str | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    unit: Unit | Literal["auto"] = "auto",
    status: Sequence[str] = DECIDED,
) -> Agreement:
    """How far annotators agree on the rows that two or more of them labelled.

    Args:
        labels: what ``asrkit.read_labels([...])`` gives, or any frame with ``item``, ``annotator`` and ``text``.
        by: columns of ``labels`` or of ``frame`` whose values make slices.
        frame: the frame that was labelled: its columns are then in ``rows`` and ``disagreements``, also audio that is
            no path.
        language: a code; by itself what the labeler was told.
        normalizer: as for ``score``: what texts are compared after.
        unit: ``word``, ``character`` or ``mixed``; ``auto`` by language.
        status: labels that count; drafts and skipped rows do not.

    Raises:
        ColumnError, OptionError: there is no such column, or no row was labelled by two annotators.

    >>> import pandas as pd
    >>> texts = ["the cat sat", "so it is", "the cat sat", "so is it"]
    >>> labels = pd.DataFrame({"item": [1, 2, 1, 2], "annotator": ["ann", "ann", "ben", "ben"], "text": texts})
    >>> found = agreement(labels)
    >>> round(found.alpha, 3), round(found.wer, 3), found.disagreements["text_ben"].tolist()
    (0.69, 0.333, ['so is it'])
    """
    kept, told = _kept(labels, status)
    language = language or next((own["language"] for own in told.values() if own.get("language")), None)
    compared = find(normalizer, language=language)
    check_needs_no_reference(compared, "agreement")
    who = tuple(dict.fromkeys(kept["who"]))
    if unit == "auto":
        unit = unit_for(language, kept["text"])
    items: dict[Any, dict[str, Any]] = {}
    for record in kept.to_dict("records"):
        items.setdefault(record["item"], {})[record["who"]] = record
    shared = [item for item, own in items.items() if len(own) > 1]
    if not shared:
        raise OptionError(
            f"no row was labelled by two annotators: {len(items):,} rows by {', '.join(who) or 'nobody'}; let several "
            "label the same rows, each into a journal of their own"
        )
    tokens = {
        item: {name: tokenize(compared(record["text"]), unit, language) for name, record in items[item].items()}
        for item in shared
    }
    letters = {
        item: {name: tokenize(compared(record["text"]), "character", language) for name, record in items[item].items()}
        for item in shared
    }
    units = {item: _units(tokens[item], who) for item in shared}
    rows = _rows(shared, items, tokens, units, who)
    if frame is not None:
        rows = _with_frame(rows, frame, told)
    else:
        rows.index = _index(kept, shared)
        rows.insert(0, _audio_column(told), [next(iter(items[item].values())).get("audio") for item in shared])
    pairs = tuple(
        pair
        for first, second in combinations(who, 2)
        if (pair := _pair(first, second, shared, tokens, letters)) is not None
    )
    return Agreement(
        annotators=who,
        alpha=_alpha(units, shared),
        pairs=pairs,
        rows=rows.drop(columns="item"),
        by_annotator=_by_annotator(who, pairs, tokens, shared),
        slices=None if by is None else _slices(by, kept, rows, who, units, tokens, letters, shared),
        normalizer=f"{compared.name} {compared.version}",
        single=len(items) - len(shared),
    )


def _kept(labels: pd.DataFrame, status: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The labels that count, with one name a source in ``who``."""
    column_of(labels, "item"), column_of(labels, "annotator"), column_of(labels, "text")
    is_text = labels["text"].notna()
    kept = labels[is_text & labels["status"].isin(list(status)) if "status" in labels else is_text].copy()
    names = [name if isinstance(name, str) and name else "" for name in kept["annotator"]]
    if "journal" in kept:
        files: dict[str, set[str]] = {}
        for name, journal in zip(names, kept["journal"], strict=True):
            files.setdefault(name, set()).add(journal)
        names = [
            f"{name} ({Path(journal).stem})" if name and len(files[name]) > 1 else name or Path(journal).stem
            for name, journal in zip(names, kept["journal"], strict=True)
        ]
    kept["who"] = names
    twice = kept.duplicated(["item", "who"])
    if twice.any():
        row = kept[twice].iloc[0]
        raise OptionError(f"{row['who']!r} labelled the row {row['item']!r} twice; keep one of them")
    told: dict[str, Any] = labels.attrs.get("asrkit", {}).get("journals", {})
    return kept, told


def _units(own: dict[str, tuple[str, ...]], who: Sequence[str]) -> list[list[str | None]]:
    """For each place of the row's alignment what every annotator has there; None: who did not label the row."""
    there = [name for name in who if name in own]
    texts = [own[name] for name in there]
    if all(text == texts[0] for text in texts):
        values = [[word] * len(texts) for word in texts[0]]
    else:
        values = [
            [NOTHING if place is None else text[place] for text, place in zip(texts, slot, strict=True)]
            for slot in network(texts)
        ]
    column = {name: place for place, name in enumerate(there)}
    return [[row[column[name]] if name in column else None for name in who] for row in values]


def _alpha(units: dict[Any, list[list[str | None]]], items: Sequence[Any], but: int | None = None) -> float:
    return krippendorff_alpha(
        unit if but is None else [*unit[:but], *unit[but + 1 :]] for item in items for unit in units[item]
    )


def _rows(
    shared: Sequence[Any],
    items: dict[Any, dict[str, Any]],
    tokens: dict[Any, dict[str, tuple[str, ...]]],
    units: dict[Any, list[list[str | None]]],
    who: Sequence[str],
) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, list[Any]] = {"item": list(shared)}
    columns["suggestion"] = [items[item][_nearest(tokens[item])]["text"] for item in shared]
    for name in who:
        columns[f"text_{name}"] = [items[item].get(name, {}).get("text") for item in shared]
        columns[f"status_{name}"] = [items[item].get(name, {}).get("status") for item in shared]
    columns["differences"] = [
        sum(len({value for value in unit if value is not None}) > 1 for unit in units[item]) for item in shared
    ]
    return pd.DataFrame(columns)


def _nearest(own: dict[str, tuple[str, ...]]) -> str:
    """Whose text has the fewest errors against all others; of equals the first."""
    names = list(own)
    errors = [
        int(count_errors([own[other] for other in names], [own[name]] * len(names)).errors.sum()) for name in names
    ]
    return names[errors.index(min(errors))]


def _pair(
    first: str,
    second: str,
    items: Sequence[Any],
    tokens: dict[Any, dict[str, tuple[str, ...]]],
    letters: dict[Any, dict[str, tuple[str, ...]]],
) -> Pair | None:
    both = [item for item in items if first in tokens[item] and second in tokens[item]]
    if not both:
        return None
    words, characters = (
        count_errors([own[item][first] for item in both], [own[item][second] for item in both]).total
        for own in (tokens, letters)
    )
    return Pair(first, second, len(both), words, characters)


def _by_annotator(
    who: Sequence[str], pairs: Sequence[Pair], tokens: dict[Any, dict[str, tuple[str, ...]]], shared: Sequence[Any]
) -> pd.DataFrame:
    import pandas as pd

    records = []
    for name in who:
        own = [pair for pair in pairs if name in (pair.first, pair.second)]
        others = tuple(other for other in who if other != name)
        left = {item: {other: tokens[item][other] for other in others if other in tokens[item]} for item in shared}
        both = [item for item in shared if len(left[item]) > 1]
        records.append(
            {
                "annotator": name,
                "rows": sum(name in tokens[item] for item in shared),
                "wer": _symmetric(sum((pair.words for pair in own), start=ErrorCounts())),
                "cer": _symmetric(sum((pair.characters for pair in own), start=ErrorCounts())),
                "alpha_of_the_others": _alpha({item: _units(left[item], others) for item in both}, both),
            }
        )
    return pd.DataFrame(records).set_index("annotator")


def _slices(
    by: Hashable | Sequence[Hashable],
    kept: pd.DataFrame,
    rows: pd.DataFrame,
    who: Sequence[str],
    units: dict[Any, list[list[str | None]]],
    tokens: dict[Any, dict[str, tuple[str, ...]]],
    letters: dict[Any, dict[str, tuple[str, ...]]],
    shared: Sequence[Any],
) -> pd.DataFrame:
    import pandas as pd

    names = [by] if isinstance(by, str) or not isinstance(by, Sequence) else list(by)
    first = kept.drop_duplicates("item").set_index("item").loc[list(shared)]
    keys = pd.DataFrame(
        {str(name): column_of(rows if name in rows.columns else first.reset_index(), name) for name in names}
    )
    records = []
    for key, places in keys.groupby(list(keys.columns), sort=True, dropna=False).indices.items():
        items = [shared[place] for place in places]
        pairs = [
            pair for one, two in combinations(who, 2) if (pair := _pair(one, two, items, tokens, letters)) is not None
        ]
        records.append(
            {
                **dict(zip(keys.columns, key if isinstance(key, tuple) else (key,), strict=True)),
                "rows": len(items),
                "alpha": _alpha(units, items),
                "wer": _symmetric(sum((pair.words for pair in pairs), start=ErrorCounts())),
                "cer": _symmetric(sum((pair.characters for pair in pairs), start=ErrorCounts())),
            }
        )
    return pd.DataFrame(records)


def _audio_column(told: dict[str, Any]) -> str:
    return next((str(own["audio"]) for own in told.values() if own.get("audio")), "audio")


def _index(kept: pd.DataFrame, shared: Sequence[Any]) -> Any:
    import pandas as pd

    if "index" not in kept:
        return pd.Index(list(shared), name="item")
    labels = kept.drop_duplicates("item").set_index("item")["index"]
    return pd.Index([labels[item] for item in shared])


def _with_frame(rows: pd.DataFrame, frame: pd.DataFrame, told: dict[str, Any]) -> pd.DataFrame:
    """The frame's own columns and index, row by row."""
    import pandas as pd

    header: dict[str, Any] = next((own for own in told.values() if own.get("audio")), {})
    if not header:
        raise OptionError("frame= is for labels that read_labels gave, which know what their rows are")
    stretch = {
        f"{end}s": None if header.get(end) is None else column_of(frame, header[end]) for end in ("start", "end")
    }
    ids = item_ids(column_of(frame, header["audio"]), frame.index.tolist(), **stretch)
    place = {name: row for row, name in enumerate(ids)}
    missing = [item for item in rows["item"] if item not in place]
    if missing:
        raise OptionError(
            f"{len(missing):,} labelled rows are not in the frame; give the one that was labelled "
            "(same audio, same index)"
        )
    own = frame.iloc[[place[item] for item in rows["item"]]]
    new = rows.set_axis(own.index)
    return pd.concat([own.drop(columns=[name for name in new.columns if name in own.columns]), new], axis=1)


def _symmetric(counts: ErrorCounts) -> float:
    words = counts.reference_length + counts.hypothesis_length
    return 2 * counts.errors / words if words else math.nan


def _told(alpha: float) -> str:
    return "-" if math.isnan(alpha) else f"{alpha:.3f}"
