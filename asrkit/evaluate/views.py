"""What a score and a comparison look like in a notebook: HTML without scripts, readable on light and on dark.

Text and lines take the colour of the page around them and tints are see-through, so nothing has to be known about
the theme: a notebook's theme and the system's (``prefers-color-scheme``) are often different ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..probability import is_probability
from .alignment import Alignment, align_all
from .comparison import Comparison, Difference
from .headline import Name, headline_parts
from .marks import Mark, marks, row_marks
from .markup import MINUS, Html, direction, element, joined, named, shortened
from .rates import Quotient
from .score import Score, interval_told, rows_told, trace
from .wording import (
    and_more,
    cut_text,
    dollars,
    level_told,
    p_value,
    per_minute,
    percent,
    points,
    probability,
    speed,
)

if TYPE_CHECKING:
    from .annotators import Agreement

__all__ = [
    "STYLE",
    "agreement_view",
    "aligned",
    "alignments_of",
    "between",
    "comparison_view",
    "confusions_table",
    "differences_table",
    "headline_of",
    "interval_bar",
    "kept_edits",
    "legend",
    "notable",
    "notes_told",
    "probabilities",
    "row_card",
    "score_view",
    "scores_table",
    "significance_table",
    "table",
    "warnings_of",
    "worst_rows",
]

SHOWN = 5  # rows in a notebook
LIMIT = 80  # edits of a row that are shown in a notebook
ALIGNED_AT_ONCE = 20_000  # rows; for more, confusions are counted only when asked for
SHORT = 8  # words that are right: fewer in a row are not left out
NEAR = 4  # words that are right, on either side of an error in a row that is too long

STYLE = """
.ak{color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit));line-height:1.5;
font-family:var(--jp-content-font-family,inherit)}
.ak p,.ak .ak-row{max-width:64em}.ak p{margin:.35em 0}.ak .ak-head{font-size:1.15em;margin:.2em 0 .5em}
.ak .ak-note{opacity:.75;font-size:.9em}
.ak .ak-beware{border-inline-start:3px solid #d55e00;padding-inline-start:.6em}
.ak table{border-collapse:collapse;margin:.5em 0;font-variant-numeric:tabular-nums;font-size:.95em}
.ak table th,.ak table td{padding:.25em .7em;text-align:end;vertical-align:middle;background:none;white-space:nowrap;
border:0;border-bottom:1px solid rgba(128,128,128,.3)}
.ak table th{font-weight:600;vertical-align:bottom;white-space:normal}
.ak table .ak-text{text-align:start;white-space:normal;overflow-wrap:break-word}
.ak table tbody tr,.ak table tbody tr:hover{background:none}
.ak table tbody th{font-weight:600;text-align:start;vertical-align:middle;min-width:9em;max-width:18em}
.ak table th.ak-text{overflow-wrap:break-word}.ak .wide-table{overflow-x:auto}
.ak svg.ak-bar{display:inline-block;vertical-align:middle;overflow:visible}
.ak .ak-row{border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:.5em .8em;margin:.6em 0}
.ak .ak-row .ak-name{font-weight:600;margin:.5em 0 0;font-size:.92em}.ak .ak-row .ak-name span{font-weight:400}
.ak .ak-line{margin:.1em 0;line-height:2;overflow-wrap:anywhere;unicode-bidi:isolate}
.ak .ak-line del,.ak .ak-line ins{border-radius:3px;padding:0 .2em}
.ak .ak-line .ak-d{background:rgba(213,94,0,.22);text-decoration:none}
.ak .ak-line .ak-d bdi{text-decoration:line-through;text-decoration-thickness:2px}
.ak .ak-line .ak-i{background:rgba(0,130,200,.24);text-decoration:none}
.ak .ak-line .ak-i bdi{text-decoration:underline;text-decoration-thickness:2px;text-underline-offset:3px}
.ak .ak-line .ak-s{display:inline-flex;flex-direction:column;vertical-align:bottom;text-align:center;
background:rgba(230,159,0,.25);border-bottom:2px dotted currentColor;border-radius:3px;padding:0 .2em;
line-height:1.35;margin-bottom:.2em}
.ak .ak-line .ak-s del{font-size:.8em;text-decoration:none;font-style:italic;padding:0}
.ak .ak-line .ak-s ins{text-decoration:none;padding:0}
.ak .ak-line .ak-cut{opacity:.7;font-size:.85em}
.ak bdi{unicode-bidi:isolate}
"""


# Numbers


def interval_bar(low: float, middle: float, high: float, scale: tuple[float, float], *, label: str) -> Html | None:
    """An interval drawn to scale: a line with a point, for a table.

    Args:
        low, middle, high: of the interval.
        scale: the values at the left and the right end; where 0 is inside, it gets a mark.
        label: what a screen reader says.
    """
    left, right = scale
    if not all(math.isfinite(value) for value in (low, middle, high)) or right <= left:
        return None
    width = 110

    def at(value: float) -> float:
        return round(3 + (width - 6) * (min(max(value, left), right) - left) / (right - left), 1)

    marks = [element("line", x1=0, x2=width, y1=8, y2=8, stroke="currentColor", stroke_opacity=0.25)]
    if left < 0 < right:
        marks.append(element("line", x1=at(0), x2=at(0), y1=0, y2=16, stroke="currentColor", stroke_opacity=0.6))
    marks += [
        element("line", x1=at(low), x2=at(high), y1=8, y2=8, stroke="#2b83c6", stroke_width=5, stroke_linecap="round"),
        element("circle", cx=at(middle), cy=8, r=4, fill="currentColor"),
    ]
    return element(
        "svg",
        *marks,
        class_="ak-bar",
        width=width,
        height=16,
        viewBox=f"0 0 {width} 16",
        role="img",
        aria_label=label,
    )


def scores_table(scores: Sequence[Score], marked: str | None = None) -> Html:
    """A row for each system; what nobody told has no column.

    Args:
        scores: of the systems.
        marked: name of the one to call the best.
    """
    rate = scores[0].texts.rate
    level = f"{level_told(scores[0].interval.level)} interval"
    tops = [score.interval.high if math.isfinite(score.interval.high) else score.wer for score in scores]
    scale = (0.0, max((top for top in tops if math.isfinite(top)), default=0.0))
    unit = "words" if scores[0].texts.unit == "word" else "tokens"
    columns: dict[str, list[object]] = {
        rate: [percent(score.wer) for score in scores],
        level: [between(score) for score in scores],
        f"drawn from 0 to {percent(scale[1])}": [
            interval_bar(
                score.interval.low,
                score.wer,
                score.interval.high,
                scale,
                label=f"{rate} {percent(score.wer)}, interval {between(score)}",
            )
            for score in scores
        ],
        f"substituted {unit}": [f"{score.counts.substitutions:,}" for score in scores],
        f"deleted {unit}": [f"{score.counts.deletions:,}" for score in scores],
        f"inserted {unit}": [f"{score.counts.insertions:,}" for score in scores],
        f"reference {unit}": [f"{score.counts.reference_length:,}" for score in scores],
        "CER": [percent(score.cer) for score in scores],
        "rows with an error": [percent(score.ser) for score in scores],
        "RTFx": [_rate(score.rates["RTFx"], speed) for score in scores],
        "$ per audio hour": [_rate(score.rates["$/h"], dollars) for score in scores],
        "words heard per minute of silence": [
            _rate(score.rates["words a minute of silence"], per_minute) for score in scores
        ],
        "failed rows": [f"{score.failed:,}" if score.failed else "-" for score in scores],
    }
    kept = {name: cells for name, cells in columns.items() if any(cell not in ("-", None) for cell in cells)}
    names = [
        joined(
            named(score.name),
            element("span", " · fewest errors", class_="ak-note") if score.name == marked else None,
        )
        for score in scores
    ]
    return table(["system", *kept], list(zip(names, *kept.values(), strict=True)), heads=True)


def differences_table(differences: Sequence[Difference], rate: str) -> Html:
    """A row for each pair: the difference, its interval, the decision and what would settle it."""
    ends = [end for own in differences for end in (own.interval.low, own.interval.high)]
    reach = max((abs(end) for end in ends if math.isfinite(end)), default=0.0)
    rows = []
    for own in differences:
        interval = own.interval
        told = own.interval_told().replace("-", MINUS)
        more = own.more.utterances if own.more is not None else None
        rows.append(
            [
                _pair(own),
                _points(interval.estimate),
                told,
                interval_bar(
                    interval.low,
                    interval.estimate,
                    interval.high,
                    (-reach, reach),
                    label=f"difference {_points(interval.estimate)} points, {told}",
                ),
                own.p_told.removeprefix("p ").removeprefix("= "),
                joined(named(own.better), " is better")
                if own.better
                else "undecided, may be chance"
                if own.is_comparable
                else "none: normalised by different languages",
                f"{more:,}" if more and own.is_comparable else None,
            ]
        )
    heads = [
        "first less second",
        f"difference of {rate} (points)",
        "interval (points)",
        f"drawn from {_points(-reach)} to {_points(reach)}",
        "p" if len(differences) == 1 else f"p, corrected for {len(differences)} pairs (Holm)",
        "verdict",
        "rows more to settle it",
    ]
    return table(heads, rows, heads=True, text=(5,))


def significance_table(differences: Sequence[Difference]) -> Html:
    """A row for each pair: what the tests say on which the verdict does not rest."""
    with_p = not any(own.has_blocks for own in differences)
    rows = [
        [
            _pair(own),
            f"{own.matched_pairs.segments:,}",
            _number(own.matched_pairs.mean, "{:+.3f}"),
            _number(own.matched_pairs.sd, "{:.3f}"),
            _number(own.matched_pairs.z, "{:+.2f}"),
            *(
                [_probability(p, own) for p in (own.mapsswe_p, own.sentences.p, own.signs.p, own.ranks.p)]
                if with_p
                else []
            ),
        ]
        for own in differences
    ]
    heads = [
        "first less second",
        "MAPSSWE segments",
        "mean difference in errors a segment",
        "standard deviation",
        "z",
    ]
    if with_p:
        heads += ["MAPSSWE p (Holm)", "McNemar p", "sign test p", "Wilcoxon p"]
    return table(heads, rows, heads=True)


def table(
    columns: Sequence[object], rows: Sequence[Sequence[object]], *, heads: bool = False, text: Sequence[int] = ()
) -> Html:
    """A table whose cells know the name of their column, for screens that are too narrow for it.

    A column without any cell, such as intervals that cannot be drawn, is left out.

    Args:
        columns: their names.
        rows: cells; None is an empty one.
        heads: the first cell of a row is its name.
        text: columns that hold text rather than numbers.
    """
    filled = [not rows or any(row[place] is not None for row in rows) for place in range(len(columns))]
    body = []
    for row in rows:
        cells = []
        for place, (name, cell) in enumerate(zip(columns, row, strict=True)):
            if not filled[place]:
                continue
            is_head = heads and place == 0
            cells.append(
                element(
                    "th" if is_head else "td",
                    cell if cell is None or is_head else element("span", cell),
                    class_="ak-text" if place in text or is_head else None,
                    scope="row" if is_head else None,
                    data_name=None if is_head else name,
                )
            )
        body.append(element("tr", *cells))
    head = element(
        "tr",
        *(
            element("th", name, scope="col", class_="ak-text" if place in text or (heads and not place) else None)
            for place, name in enumerate(columns)
            if filled[place]
        ),
    )
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="wide-table")


def confusions_table(score: Score, top: int = 10) -> Html | None:
    """The most frequent errors, and how many others there are."""
    found = score.confusions()
    if not len(found):
        return None
    shown = found.head(top)
    rows = [
        [_word(said, "nothing (inserted)"), _word(heard, "nothing (deleted)"), f"{count:,}"]
        for said, heard, count in zip(shown["reference"], shown["hypothesis"], shown["count"], strict=True)
    ]
    told = f"{and_more(len(shown), len(found), 'different errors')}, in the words as they are compared"
    parts = table(["said (reference)", "heard (hypothesis)", "times"], rows, text=(0, 1))
    return joined(parts, element("p", told, class_="ak-note"))


# Texts


def aligned(
    row: Alignment | Sequence[Mark], *, unit: str = "word", language: str | None = None, limit: int | None = None
) -> Html:
    """A row, word by word, as its alignment has it: each error is one mark, so marks and counts are the same.

    A substituted word stands below what was said, a deleted one is struck through behind a minus, an inserted one is
    underlined behind a plus. All words of the hypothesis are there, as they were written.

    Args:
        row: its edits, or an alignment, whose tokens are shown as they are.
        unit: what its tokens are: letters are set without blanks.
        language: of the row, so that the page takes the right letters.
        limit: edits to show; of a longer row, the errors and the words near them.
    """
    row = marks(row, unit=unit) if isinstance(row, Alignment) else row
    kept = kept_edits([mark.kind or "C" for mark in row], limit)
    parts: list[Html] = []
    skipped, wrong, is_first, was_heard = 0, 0, True, True

    def cut() -> Html:
        told = f"{skipped:,} right" if not wrong else f"{skipped:,} more, {wrong:,} of them errors"
        return element("span", f" … {told} … ", class_="ak-cut")

    for mark, is_kept in zip(row, kept, strict=True):
        if mark.kind in ("C", "") and not (mark.heard if mark.heard is not None else mark.kind and mark.said):
            continue  # nothing to see: the line has the words that were heard, and the reference's where they are wrong
        if not is_kept:
            skipped += mark.kind != ""
            wrong += mark.kind not in ("C", "")
            continue
        if skipped:
            parts.append(cut())
            skipped, wrong, is_first = 0, 0, True
        is_heard = mark.heard is not None
        is_apart = (mark.is_heard_apart if is_heard else mark.is_said_apart) or is_heard != was_heard
        blank = " " if is_apart and not is_first and unit != "character" else ""
        is_first, was_heard = False, is_heard
        parts.append(joined(blank, _mark(mark.kind, mark.said, mark.heard)))
    if skipped:
        parts.append(cut())
    if not parts:
        parts.append(element("span", "(no words)", class_="ak-cut"))
    way = direction(" ".join([mark.said or "" for mark in row] + [mark.heard or "" for mark in row]))
    return element("p", *parts, class_="ak-line", dir=way, lang=_language(language))


def kept_edits(kinds: Sequence[str], limit: int | None) -> list[bool]:
    """Which edits of a long row are shown: errors and what is near them, up to a number."""
    if limit is None or len(kinds) <= limit:
        return [True] * len(kinds)
    errors = [place for place, kind in enumerate(kinds) if kind != "C"] or [0]
    kept = [False] * len(kinds)
    for place in errors:
        for near in range(max(0, place - NEAR), min(len(kinds), place + NEAR + 1)):
            kept[near] = True
    skipped = 0
    for place, is_kept in enumerate([*kept, True]):
        if is_kept and 0 < skipped < SHORT:
            kept[place - skipped : place] = [True] * skipped
        skipped = 0 if is_kept else skipped + 1
    shown = 0
    for place, is_kept in enumerate(kept):
        shown += is_kept
        kept[place] = is_kept and shown <= limit
    return kept


def _mark(kind: str, said: str | None, heard: str | None) -> Html:
    if kind in ("C", ""):
        return joined(heard if heard is not None else said)
    before, after = (element("bdi", "␣" if word and word.isspace() else word) for word in (said or "", heard or ""))
    if kind == "D":
        return element("del", MINUS, before, class_="ak-d", role="img", aria_label=f"deleted: {said}")
    if kind == "I":
        return element("ins", "+", after, class_="ak-i", role="img", aria_label=f"inserted: {heard}")
    label = f"substituted: {said} was said, {heard} was heard"
    return element(
        "span", element("del", before), " ", element("ins", after), class_="ak-s", role="img", aria_label=label
    )


def legend() -> Html:
    """How to read ``aligned``."""
    return element(
        "p",
        *(
            joined(_mark(kind, said, heard), f" {what}   ")
            for kind, said, heard, what in (
                ("S", "said", "heard", "substituted: above what was said, below what was heard"),
                ("D", "word", None, "deleted: said and not heard"),
                ("I", None, "word", "inserted: heard and not said"),
            )
        ),
        class_="ak-line ak-note",
    )


def row_card(
    scores: Sequence[Score],
    row: int,
    alignments: Mapping[str, Alignment],
    *,
    limit: int | None = None,
    extra: Sequence[object] = (),
    tags: Sequence[str] = (),
    identifier: str | None = None,
) -> Html:
    """A row of the frame: what was said, and what each system heard.

    Args:
        scores: of the systems.
        row: its position among the scored rows.
        alignments: of this row, by the system's name.
        limit: edits to show.
        extra: markup to put below the head, such as a player.
        tags: why the row is shown.
        identifier: to link to.
    """
    texts = scores[0].texts
    counts = scores[0].utterances
    words = int(counts.reference_words[row])
    unit, language = texts.units[row], texts.languages[row]
    what = {"word": "word", "character": "character", "mixed": "token"}[unit]
    head = [
        element("strong", "row ", element("bdi", shortened(texts.labels[row], 80))),
        f" · {words:,} {what}{'' if words == 1 else 's'} said",
    ]
    if tags:
        head.append(f" · {', '.join(tags)}")
    reference = " ".join(texts.written_references[row].split())
    if limit is not None:
        reference = cut_text(reference, 6 * limit)
    lines = [
        element("p", "said (reference)", class_="ak-name"),
        element(
            "p",
            reference or element("span", "(nothing)", class_="ak-cut"),
            class_="ak-line",
            dir=direction(reference),
            lang=_language(language),
        ),
    ]
    for score in scores:
        own = score.utterances[row]
        told = f"{own.errors:,} error{'' if own.errors == 1 else 's'}"
        if words:
            told += f", {percent(own.wer)}"
        sure = probabilities(score)[row]
        if math.isfinite(sure):
            told += f", confidence {probability(sure)}"
        lines.append(element("p", named(score.name), element("span", f" · {told}"), class_="ak-name"))
        shown = row_marks(score.compared, row, alignments[score.name])
        lines.append(aligned(shown, unit=unit, language=language, limit=limit))
    return element("div", element("p", *head), *extra, *lines, class_="ak-row", id=identifier)


def worst_rows(score: Score, top: int) -> list[int]:
    """Positions of the rows with most errors, as ``Score.worst`` orders them; none without an error."""
    counts = score.utterances
    rate = np.where(counts.reference_words > 0, counts.errors / np.maximum(counts.reference_words, 1), -1.0)
    order = np.lexsort((-rate, -counts.errors))[:top]
    return [int(row) for row in order if counts.errors[row]]


def notable(scores: Sequence[Score], top: int) -> list[int]:
    """Positions of the rows on which systems differ most, as ``Comparison.disagreements`` orders them."""
    errors = np.stack([score.utterances.errors for score in scores])
    spread = errors.max(axis=0) - errors.min(axis=0)
    return [int(row) for row in np.argsort(-spread, kind="stable")[:top] if spread[row]]


def alignments_of(score: Score, rows: Sequence[int]) -> dict[int, Alignment]:
    """Of a few rows, without aligning all."""
    said, heard = score.compared.reference_tokens(rows=rows), score.compared.hypothesis_tokens(rows=rows)
    return dict(zip(rows, align_all(said, heard, score.dialect), strict=True))


# Whole views


def score_view(score: Score) -> Html:
    """What a notebook shows for a score."""
    texts = score.texts
    rows = worst_rows(score, SHOWN)
    told = and_more(len(rows), int((score.utterances.errors > 0).sum()), "rows with an error")
    found = alignments_of(score, rows)
    parts: list[object] = [
        element(
            "p",
            element("strong", named(score.name)),
            f": {texts.rate} ",
            element("strong", percent(score.wer)),
            f" · {level_told(score.interval.level)} interval: {between(score)}",
            class_="ak-head",
        ),
        *notes_told(score),
        scores_table([score]),
        *warnings_of([score.interval.warning]),
    ]
    if rows:
        parts += [
            element("p", element("strong", f"Rows with most errors ({told})")),
            legend(),
            *(row_card([score], row, {score.name: found[row]}, limit=LIMIT) for row in rows),
        ]
    if len(texts.rows) > ALIGNED_AT_ONCE:
        parts.append(element("p", "The most frequent errors of so many rows are in .confusions().", class_="ak-note"))
    elif confused := confusions_table(score):
        parts.append(element("p", element("strong", "Most frequent errors")))
        parts.append(confused)
    parts.append(_footing([score]))
    return _framed(parts)


def comparison_view(comparison: Comparison) -> Html:
    """What a notebook shows for a comparison."""
    scores = comparison.scores
    parts: list[object] = [
        *_verdicts(comparison),
        *notes_told(comparison),
        scores_table(scores, comparison.best.name if comparison.leaders == [comparison.best.name] else None),
        *warnings_of(
            [score.interval.warning for score in scores] + [own.interval.warning for own in comparison.differences]
        ),
        *failures_told(comparison),
        *_rows_that_differ(scores),
        _footing(scores),
    ]
    return _framed(parts)


def _verdicts(comparison: Comparison) -> list[Html]:
    """What is said of all systems and of the pairs, and how many pairs are left out."""
    shown = comparison.shown_differences
    parts = [] if len(comparison.differences) == 1 else [element("p", headline_of(comparison), class_="ak-head")]
    parts += [element("p", own.verdict, ".", class_=None if parts else "ak-head", dir="auto") for own in shown]
    if len(shown) < len(comparison.differences):
        left_out = len(comparison.differences) - len(shown)
        told = f"{left_out:,} more of {len(comparison.differences):,} pairs are in .differences"
        parts.append(element("p", told, class_="ak-note"))
    return parts


def headline_of(comparison: Comparison) -> Html:
    """``Comparison.headline`` for a page."""
    return joined(
        *(element("strong", named(part)) if isinstance(part, Name) else part for part in headline_parts(comparison))
    )


def _rows_that_differ(scores: Sequence[Score]) -> list[Html]:
    """The rows on which systems differ most, with the words of all systems."""
    differing = notable(scores, len(scores[0].texts.rows))
    rows = differing[:SHOWN]
    if not rows:
        return []
    found = {score.name: alignments_of(score, rows) for score in scores}
    told = f"Rows on which they differ most ({and_more(len(rows), len(differing), 'rows on which they differ')})"
    return [
        element("p", element("strong", told)),
        legend(),
        *(row_card(scores, row, {name: own[row] for name, own in found.items()}, limit=LIMIT // 2) for row in rows),
    ]


def agreement_view(found: Agreement) -> Html:
    """What a notebook shows for the agreement of annotators."""
    queue = found.disagreements
    pairs = [
        [
            joined(named(pair.first), " and ", named(pair.second)),
            f"{pair.rows:,}",
            percent(pair.wer),
            percent(pair.cer),
            f"{pair.words.errors:,}",
        ]
        for pair in found.pairs
    ]
    each = [
        [
            named(name),
            f"{int(row['rows']):,}",
            percent(row["wer"]),
            percent(row["cer"]),
            _number(row["alpha_of_the_others"], "{:.3f}"),
        ]
        for name, row in found.by_annotator.iterrows()
    ]
    parts: list[object] = [
        element(
            "p",
            "Krippendorff's alpha ",
            element("strong", _number(found.alpha, "{:.3f}")),
            f" · WER between annotators {percent(found.wer)} · {len(found.rows):,} rows in common",
            class_="ak-head",
        ),
        table(["annotators", "rows", "WER", "CER", "errors"], pairs, heads=True),
        table(["annotator", "rows", "WER to all others", "CER", "alpha of the others alone"], each, heads=True)
        if len(each) > 2
        else None,
    ]
    if found.slices is not None:
        names = [str(name) for name in found.slices.columns]
        cells = [
            [
                percent(cell)
                if name in ("wer", "cer")
                else _number(cell, "{:.3f}")
                if name == "alpha"
                else f"{cell:,}"
                if name == "rows"
                else named(cell)
                for name, cell in zip(names, row, strict=True)
            ]
            for row in found.slices.itertuples(index=False)
        ]
        parts.append(table([{"wer": "WER", "cer": "CER"}.get(name, name) for name in names], cells, heads=True))
    if len(queue):
        parts.append(element("p", element("strong", f"Rows to decide ({min(SHOWN, len(queue))} of {len(queue):,})")))
        parts += [_decision(found.annotators, label, row) for label, row in queue.head(SHOWN).iterrows()]
    single = f"; {found.single:,} rows were labelled once and are left out" if found.single else ""
    parts.append(
        element(
            "p",
            f"Alpha is nominal, over aligned words (Krippendorff 2011); normalizer {found.normalizer}{single}. "
            "The rows to decide are .disagreements, which goes back into a labeler.",
            class_="ak-note",
        )
    )
    return _framed(parts)


def _decision(annotators: Sequence[str], label: object, row: Any) -> Html:
    """A row on which annotators differ, with the text of each."""
    lines: list[Html] = []
    for name in annotators:
        text, status = row[f"text_{name}"], row[f"status_{name}"]
        if not isinstance(text, str):
            continue
        told = f" · {status}" if isinstance(status, str) and status != "accepted" else ""
        lines.append(element("p", named(name), element("span", told), class_="ak-name"))
        lines.append(element("p", cut_text(" ".join(text.split()), 6 * LIMIT), class_="ak-line", dir=direction(text)))
    count = int(row["differences"])
    head = f" · {count:,} place{'' if count == 1 else 's'} on which they differ"
    return element(
        "div",
        element("p", element("strong", "row ", element("bdi", shortened(label, 80))), head),
        *lines,
        class_="ak-row",
    )


def warnings_of(warnings: Sequence[str | None]) -> list[Html]:
    """Each warning once."""
    return [
        element("p", "Beware: ", warning, ".", class_="ak-beware") for warning in sorted({w for w in warnings if w})
    ]


def notes_told(result: Score | Comparison) -> list[Html]:
    """What is to be said of the languages of rows, first of all."""
    return [element("p", f"{note[0].upper()}{note[1:]}.", class_="ak-beware", dir="auto") for note in result.notes]


def failures_told(comparison: Comparison) -> list[Html]:
    """Systems that could not be run."""
    return [
        element("p", named(name), " could not be run: ", cut_text(" ".join(why.split()), 400), class_="ak-beware")
        for name, why in (comparison.failures or {}).items()
    ]


def _footing(scores: Sequence[Score]) -> Html:
    texts = scores[0].texts
    return element(
        "p",
        cut_text(rows_told(texts, [score.name for score in scores]), 600),
        element("br"),
        cut_text(trace(texts, scores[0].dialect), 600),
        class_="ak-note",
    )


def _framed(parts: Sequence[object]) -> Html:
    style = re.sub(r"\n", "", STYLE)
    return element("div", element("style", Html(style)), *parts, class_="ak")


def probabilities(score: Score) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The confidence of each row in [0, 1]; NaN in all rows if unknown or if they are no probabilities."""
    if score.confidence is None or not is_probability(score.confidence):
        return np.full(len(score.texts.rows), np.nan)
    return np.asarray(score.confidence, np.float64)


def _pair(own: Difference) -> Html:
    return joined(named(own.first), " less ", named(own.second))


def between(score: Score) -> str:
    """The ends of a score's interval, or why there are none."""
    return interval_told(score, "{} to {}")


def _points(share: float) -> str:
    return points(share).replace("-", MINUS) if math.isfinite(share) else "-"


def _number(value: float, form: str) -> str:
    return form.format(value).replace("-", MINUS) if math.isfinite(value) else "-"


def _rate(rate: Quotient, form: Callable[[float], str]) -> str:
    return f"{form(rate.value)}{rate.rows_told}"


def _probability(p: float, own: Difference) -> str:
    return "-" if math.isnan(p) else p_value(p, 1 - own.decision.joint_level).removeprefix("= ")


def _word(word: Any, absent: str) -> Html:
    if word is None or (isinstance(word, float) and math.isnan(word)):
        return element("span", absent, class_="ak-note")
    return named("␣" if str(word).isspace() else word, 60)


def _language(language: str | None) -> str | None:
    """As a page writes it, where it is a code."""
    return language if language and re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", language) else None
