"""A comparison as one HTML file that stands alone: no script, no request, clips inside, readable on paper."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import encode, load
from ..columns import column_of
from ..errors import AsrkitError, MissingExtraError, OptionError
from ..probability import is_probability
from ..source import is_missing
from .alignment import Alignment
from .comparison import Comparison, Difference
from .headline import NO_REFERENCE_WORDS, rate_told
from .markup import MINUS, Html, element, joined, named, shortened
from .paired import FEWEST_BLOCKS, TOO_WIDE
from .record import write_whole
from .score import Score, plain, rows_told
from .views import (
    STYLE,
    alignments_of,
    confusions_table,
    differences_table,
    failures_told,
    headline_of,
    interval_bar,
    legend,
    notable,
    notes_told,
    row_card,
    scores_table,
    significance_table,
    table,
    warnings_of,
    worst_rows,
)
from .wording import and_more, cut_text, interval_ends, level_told, percent, points

if TYPE_CHECKING:
    import pandas as pd

    from .plots import Plot

__all__ = ["report"]

CLIP_SECONDS = 60.0  # of a clip that is longer, the beginning is played
SLICES = 200  # rows of the table
SCATTERED = 3  # pairs whose rows are plotted
EDITS = 150  # of a row; of longer ones the errors are shown and what is near them
INTERVAL_TOLD = (
    "low",
    "high",
    "level",
    "method",
    "replicates",
    "blocks",
    "effective_blocks",
    "block",
    "warning",
)
WIDTHS = {"wide": 6.2, "narrow": 3.5}  # inches of a plot, for screens of either kind
NARROW = 560  # pixels


@dataclass
class _Clips:
    """The sound that goes into the page, up to a number and a size."""

    cells: Sequence[Any] | None
    most: int
    most_bytes: float
    players: dict[int, Html] = field(default_factory=dict)
    size: int = 0
    left_out: int = 0
    failed: int = 0

    def take(self, row: int, name: str) -> None:
        if self.cells is None or row in self.players:
            return
        cell = self.cells[row]
        if is_missing(cell):
            self.players[row] = _note("no audio in this row")
            return
        if len(self.sounding) >= self.most:
            self._leave_out(row)
            return
        try:
            audio = load(cell, end=CLIP_SECONDS)
            data = encode(audio, "flac").data
        except AsrkitError as error:
            self.failed += 1
            self.players[row] = _note(f"this clip cannot be played: {cut_text(' '.join(str(error).split()), 200)}")
            return
        coded = base64.b64encode(data).decode("ascii")
        if self.size + len(coded) > self.most_bytes:
            self._leave_out(row)
            return
        self.size += len(coded)
        player = element(
            "audio",
            controls=True,
            preload="none",
            src=f"data:audio/flac;base64,{coded}",
            aria_label=f"clip of row {name}",
        )
        is_cut = audio.duration >= CLIP_SECONDS - 0.01
        self.players[row] = joined(
            player, _note(f"the first {CLIP_SECONDS:g} s of it" if is_cut else f"{audio.duration:.1f} s")
        )

    @property
    def sounding(self) -> list[Html]:
        return [player for player in self.players.values() if player.startswith("<audio")]

    def _leave_out(self, row: int) -> None:
        self.left_out += 1
        self.players[row] = _note("clip left out, see below")

    def told(self) -> list[Html]:
        if self.cells is None:
            return [_note("No clips: the comparison was not told which column holds the audio (audio=).")]
        told = f"{len(self.sounding)} clips are in this page ({self.size / 1e6:.1f} MB of it)."
        if self.left_out:
            told += (
                f" {self.left_out} more were left out: a page holds at most {self.most} clips or "
                f"{self.most_bytes / 1e6:g} MB (clips=, megabytes=)."
            )
        if self.failed:
            told += f" {self.failed} could not be read."
        return [_note(told)]


def report(
    result: Score | Comparison,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    audio: Hashable | Sequence[Any] = None,
    frame: pd.DataFrame | None = None,
    slices: Any = None,
    against: Mapping[str, Any] | None = None,
    worst: int = 10,
    clips: int = 20,
    megabytes: float = 8.0,
) -> str:
    """A page that says which system is better, by how much and how sure that is, and lets its worst rows be heard.

    Args:
        result: a score or a comparison.
        path: the page is written there, whole or not at all.
        title: of the page.
        audio: a cell for each scored row, or with ``frame`` the name of a column; a comparison may know them already.
        frame: the frame that was scored, for columns named in ``audio`` and ``against``.
        slices: of a score, the frame of ``score(by=...)``; a comparison has its own.
        against: label with unit, such as ``"signal-to-noise ratio (dB)"`` -> a value for each scored row, or with
            ``frame`` the name of a column: each makes a plot of the error rate.
        worst: rows to show of each system, and of those on which systems differ most.
        clips: at most so many are put into the page.
        megabytes: at most so many, as they are in the page.

    Returns:
        The page.

    Raises:
        OptionError: the audio or the frame is not of the rows that were scored.
    """
    scores = list(result.scores) if isinstance(result, Comparison) else [result]
    comparison = result if isinstance(result, Comparison) else None
    slices = comparison.slices if comparison is not None and slices is None else slices
    heading = title or _title(scores)
    sound = _Clips(_cells(result, scores, audio, frame), clips, megabytes * 1e6)
    values = {label: _values(scores, label, given, frame) for label, given in (against or {}).items()}
    sections = [
        ("verdict", "Verdict", _verdict(scores, comparison)),
        ("systems", "Systems" if len(scores) > 1 else "Measures", _systems(scores, comparison)),
        ("differences", "Differences", _differences(scores, comparison)),
        ("slices", "Slices", _slices(scores, slices)),
        ("plots", "Plots", _plots(result, scores, slices, values)),
        ("rows", "Rows to listen to", _rows(scores, worst, sound)),
        ("confusions", "Most frequent errors", _confusions(scores)),
        ("made", "How this was made", _made(scores)),
        ("words", "What the measures mean", _glossary(scores, comparison)),
    ]
    kept = [(identifier, name, parts) for identifier, name, parts in sections if parts]
    body = element(
        "body",
        element(
            "main",
            element(
                "header",
                element("h1", heading, dir="auto"),
                element("p", cut_text(rows_told(scores[0].texts, [score.name for score in scores]), 900), "."),
                element(
                    "nav",
                    *(element("a", name, href=f"#{identifier}") for identifier, name, _ in kept),
                    aria_label="sections",
                ),
            ),
            *(
                element("section", element("h2", name), *parts, id=identifier, class_=f"s-{identifier}")
                for identifier, name, parts in kept
            ),
            class_="ak",
        ),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content="asrkit"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),
        element("title", heading),
        element("style", Html(STYLE + PAGE)),
    )
    page = "<!DOCTYPE html>\n" + element("html", head, "\n", body, lang="en") + "\n"
    if path is not None:
        write_whole(path, page)
    return page


POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; media-src data:; img-src data:; base-uri 'none'; form-action 'none'"
)


# Sections


def _verdict(scores: Sequence[Score], comparison: Comparison | None) -> list[Html]:
    parts = [element("p", _lead(scores, comparison), class_="lead")]
    parts += notes_told(scores[0] if comparison is None else comparison)
    best = comparison.best.name if comparison is not None else scores[0].name
    if comparison is not None and comparison.differences and not math.isnan(comparison.best.wer):
        mine = [own for own in comparison.differences if best in (own.first, own.second)]
        beaten = [_other(own, best) for own in mine if own.better == best]
        if beaten:
            parts.append(
                element(
                    "p", _named(best), " is better than ", _listed(beaten), " by more than chance.", class_="lead-2"
                )
            )
        parts.append(element("ul", *(element("li", _sentence(own, best)) for own in mine), class_="verdicts"))
        if len(mine) < len(comparison.differences):
            told = f"{len(mine):,} of {len(comparison.differences):,} pairs; all are in the table of differences."
            parts.append(_note(told))
    parts += warnings_of(
        [score.interval.warning for score in scores]
        + [own.interval.warning for own in (comparison.differences if comparison is not None else ())]
        + [f"{score.name}: {habit}" for score in scores for habit in score.beware]
    )
    if comparison is not None:
        parts += failures_told(comparison)
    return parts


def _lead(scores: Sequence[Score], comparison: Comparison | None) -> Html:
    """The first sentence: a system is called the best only where no other may be."""
    if comparison is not None:
        return headline_of(comparison)
    [score] = scores
    if math.isnan(score.wer):
        return joined(NO_REFERENCE_WORDS)
    return joined(_named(score.name), ": ", *rate_told(score))


def _sentence(own: Difference, best: str) -> Html:
    """A difference seen from the best system, so that its signs need no thought."""
    size = points(abs(own.decision.estimate)).removeprefix("+")
    parts: list[object] = [_named(_other(own, best)), ": "]
    if not own.is_comparable:
        return joined(*parts, f"cannot be compared with {shortened(best)}, ", own.languages.told("they"), ".")
    if own.ahead is None:
        parts.append("just as many errors")
    else:
        parts.append(f"{size} points {'more' if own.ahead == best else 'fewer'} errors than {shortened(best)}")
        if not own.is_decided:
            parts.append(", which may be chance")
    parts.append(f" ({own.interval_told(best)}, {own.p_told})".replace("-", MINUS))
    return joined(*parts, own.settled_by, ".")


def _systems(scores: Sequence[Score], comparison: Comparison | None) -> list[Html]:
    marked = None
    if comparison is not None and len(scores) > 1 and len(comparison.leaders) == 1:
        marked = comparison.best.name
    return [scores_table(scores, marked), _silent(scores)]


def _silent(scores: Sequence[Score]) -> Html:
    counts = scores[0].utterances
    silent = int((counts.reference_words == 0).sum())
    unit = "words" if scores[0].texts.unit == "word" else "tokens"
    told = f"Rates are errors divided by reference {unit}, summed over {len(scores[0].texts.rows):,} rows."
    if silent:
        told += f" In {silent:,} of them nothing was said: whatever is heard there is inserted."
    return _note(told)


def _differences(scores: Sequence[Score], comparison: Comparison | None) -> list[Html]:
    if comparison is None or not comparison.differences:
        return []
    reasons = {own.matched_pairs.reason for own in comparison.differences if own.matched_pairs.reason}
    first = comparison.differences[0]
    chance = level_told(1 - first.decision.joint_level)
    return [
        _note(
            "The first system's rate less the second's, in percentage points: above 0 the second makes fewer errors. "
            f"One system is called better where p is at most {chance}, which is where the interval leaves 0 out."
        ),
        differences_table(comparison.differences, scores[0].texts.rate),
        element("h3", "Other tests"),
        _note(
            "The verdicts do not rest on these tests. "
            + (
                "They take rows for independent, and with blocks they are not, so their p values are left out."
                if first.has_blocks
                else "They ask somewhat different questions, so they may differ from the verdict."
            )
        ),
        significance_table(comparison.differences),
        *(_note(f"MAPSSWE: {reason}.") for reason in sorted(reasons)),
    ]


def _slices(scores: Sequence[Score], slices: Any) -> list[Html]:
    if slices is None or not len(slices):
        return []
    names = list(slices.columns)
    keys = names[: names.index("rows")]
    has_system = "system" in names
    highs = [value for value in slices["high"].tolist() if math.isfinite(value)]
    scale = (0.0, max(highs, default=0.0))
    unit = "words" if scores[0].texts.unit == "word" else "tokens"
    rows = []
    for record in slices.head(SLICES).to_dict("records"):
        low, wer, high = record["low"], record["wer"], record["high"]
        told = interval_ends(wer, low, high, blocks=FEWEST_BLOCKS if TOO_WIDE in str(record["warning"]) else 0)
        rows.append(
            [
                joined(*(joined(" / " if place else "", named(record[key])) for place, key in enumerate(keys))),
                *([named(record["system"])] if has_system else []),
                f"{record['rows']:,}",
                f"{record['words']:,}",
                percent(wer),
                told,
                interval_bar(low, wer, high, scale, label=f"{percent(wer)}, interval {told}"),
                f"{record['substitutions']:,} / {record['deletions']:,} / {record['insertions']:,}",
                cut_text(record["warning"], 200) if isinstance(record.get("warning"), str) else None,
            ]
        )
    told = slices.attrs.get("asrkit", {}).get("level of all intervals together")
    heads = [
        " / ".join(shortened(key, 40) for key in keys),
        *(["system"] if has_system else []),
        "rows",
        f"reference {unit}",
        scores[0].texts.rate,
        "interval",
        f"drawn from 0 to {percent(scale[1])}",
        "substituted / deleted / inserted",
        "beware",
    ]
    text = [1, len(heads) - 1] if has_system else [len(heads) - 1]
    parts = [table(heads, rows, heads=True, text=text)]
    if told:
        parts.insert(0, _note(f"All intervals of a system hold together at a level of {level_told(told)}."))
    if len(slices) > SLICES:
        parts.append(_note(f"{len(slices) - SLICES:,} more of {len(slices):,} slices are in .slices."))
    return parts


def _plots(result: Score | Comparison, scores: Sequence[Score], slices: Any, values: Mapping[str, Any]) -> list[Html]:
    try:
        from . import plots
    except MissingExtraError as error:
        return [_note(f"No plots: {error}.")]
    rate = scores[0].texts.rate
    makers: list[Callable[..., Plot]] = []
    if isinstance(result, Comparison) and len(scores) > 1:
        makers.append(lambda width: plots.systems(result, width=width))
        pairs = [(own.first, own.second) for own in result.shown_differences][:SCATTERED]
        makers += [lambda width, pair=pair: plots.scatter(result, *pair, width=width) for pair in pairs]
    if slices is not None and len(slices):
        makers.append(lambda width: plots.wer_by_slice(slices, rate=rate, width=width))
    durations = next((score.audio for score in scores if score.audio is not None), None)
    if durations is not None:
        makers.append(lambda width: plots.error_against(scores, durations, "duration", "s", width=width))
    for label, told in values.items():
        name, _, unit = label.removesuffix(")").rpartition(" (") if label.endswith(")") else (label, "", "")
        makers.append(
            lambda width, name=name, unit=unit, told=told: plots.error_against(
                scores, told, name, unit or None, width=width
            )
        )
    sure = [score.confidence for score in scores if score.confidence is not None]
    if sure and all(map(is_probability, sure)):
        makers.append(lambda width: plots.calibration(scores, width=width))
    figures = []
    for make in makers:
        drawn = {kind: make(width=width) for kind, width in WIDTHS.items()}
        figures.append(
            element(
                "figure",
                element("figcaption", drawn["wide"].caption, ".", dir="auto"),
                *(element("div", plots.svg(plot), class_=kind) for kind, plot in drawn.items()),
            )
        )
    parts = [element("div", *figures, class_="plots")] if figures else []
    if isinstance(result, Comparison) and len(result.differences) > SCATTERED:
        told = f"Errors by row of {SCATTERED} of {len(result.differences):,} pairs; .plot('scatter', first=, second=)"
        parts.append(_note(f"{told} draws any of them."))
    return parts


def _rows(scores: Sequence[Score], worst: int, sound: _Clips) -> list[Html]:
    lists = _lists(scores, worst)
    labels = scores[0].texts.labels
    # The first of every list, then the second: clips run out for the least interesting ones.
    for place in range(worst):
        for _, _, rows in lists:
            if place < len(rows):
                sound.take(rows[place], shortened(labels[rows[place]], 80))
    wanted = sorted({row for _, _, rows in lists for row in rows})
    if not wanted:
        return [_note("No row has an error.")]
    found = {score.name: alignments_of(score, wanted) for score in scores}
    shown: set[int] = set()
    parts = [*sound.told(), legend()]
    for title, _, rows in lists:
        parts.append(element("h3", title, dir="auto"))
        if not rows:
            parts.append(_note("None."))
            continue
        cards, links = [], []
        for row in rows:
            if row in shown:
                links.append(element("a", f"row {shortened(labels[row], 40)}", href=f"#row-{row}"))
                continue
            shown.add(row)
            own: dict[str, Alignment] = {name: of[row] for name, of in found.items()}
            tags = [tag for _, tag, others in lists if row in others]
            player = sound.players.get(row)
            extra = [element("div", player, class_="clip")] if player is not None else []
            cards.append(row_card(scores, row, own, limit=EDITS, extra=extra, tags=tags, identifier=f"row-{row}"))
        if links:
            also = joined(*(joined(", " if place else "", link) for place, link in enumerate(links)))
            parts.append(element("p", "Shown above already: " if not cards else "Also, shown above: ", also, "."))
        parts += cards
    return parts


def _lists(scores: Sequence[Score], worst: int) -> list[tuple[str, str, list[int]]]:
    """Title, tag and rows of each list of rows."""
    lists: list[tuple[str, str, list[int]]] = []
    if len(scores) > 1:
        differing = notable(scores, len(scores[0].texts.rows))
        rows = differing[:worst]
        told = and_more(len(rows), len(differing), "rows on which they differ")
        lists.append((f"Where the systems differ most ({told})", "systems differ most", rows))
    for score in scores:
        name, rows = shortened(score.name, 60), worst_rows(score, worst)
        told = and_more(len(rows), int((score.utterances.errors > 0).sum()), "rows with an error")
        lists.append((f"Worst rows of {name} ({told})", f"worst of {name}", rows))
    return lists


def _confusions(scores: Sequence[Score]) -> list[Html]:
    found = [(score, confusions_table(score, 15)) for score in scores]
    kept = [element("div", element("h3", named(score.name)), told) for score, told in found if told is not None]
    return [element("div", *kept, class_="side")] if kept else []


def _made(scores: Sequence[Score]) -> list[Html]:
    texts = scores[0].texts
    told = scores[0].to_dict()
    interval = told["interval"]
    intervals = [
        f"level {level_told(interval['level'])}",
        f"bootstrap ({interval['method']}), {_fact(interval['replicates'])} replicates",
        f"{_fact(interval['blocks'])} blocks, the values of {interval['block']}"
        if interval["block"]
        else f"{_fact(interval['blocks'])} rows, each on its own",
        *(f"{key} {_fact(value)}" for key, value in interval.items() if key not in INTERVAL_TOLD and value is not None),
    ]
    facts: dict[str, object] = {
        "rows": rows_told(texts, [score.name for score in scores]),
        "counted": f"{texts.unit}s" if texts.unit in ("word", "character") else texts.unit,
        "normalizer": told["normalizer"],
        "aligner": told["aligner"],
        "intervals": "; ".join(intervals),
        "versions": ", ".join(f"{name} {number}" for name, number in told["versions"].items() if number),
    }
    parts = [
        element(
            "dl",
            *(
                joined(element("dt", name), element("dd", cut_text(str(value), 900), dir="auto"))
                for name, value in facts.items()
            ),
            class_="facts",
        )
    ]
    keys = list(dict.fromkeys(key for score in scores for key in score.system))
    if keys:
        rows = [[named(score.name), *(named(_fact(score.system.get(key)), 300) for key in keys)] for score in scores]
        parts.append(
            table(
                ["system", *(shortened(str(key).replace("_", " "), 60) for key in keys)],
                rows,
                heads=True,
                text=range(1, len(keys) + 1),
            )
        )
    else:
        parts.append(_note("Nobody told which models made these texts; transcribe() tells it by itself."))
    return parts


def _glossary(scores: Sequence[Score], comparison: Comparison | None) -> list[Html]:
    texts = scores[0].texts
    what = {
        "word": "words",
        "character": "characters",
        "mixed": "words and, of scripts without blanks, characters",
    }.get(texts.unit, "words or characters, by the row's language")
    lines = {
        texts.rate: (
            f"errors (substituted, deleted and inserted) divided by the tokens of the reference, counting {what}, "
            "over all rows together. 0% is perfect; more than 100% is possible"
        ),
        "Interval": (
            "where the true rate of such data is likely to be: the data set is drawn again many times, whole blocks "
            "(speakers, calls) at a time where they are known"
        ),
        "Substituted, deleted, inserted": "heard as something else; said and not heard; heard and not said",
        "CER": "the same by characters, as a reader sees them, whatever is counted above",
        "Rows with an error": "rows that are not right as a whole, of all rows",
    }
    if any(not math.isnan(score.rtfx) for score in scores):
        lines["RTFx"] = "seconds of audio transcribed in a second of work; higher is faster"
    if any(not math.isnan(score.dollars_per_hour) for score in scores):
        lines["$ per audio hour"] = "dollars paid for an hour of audio"
    if any(not math.isnan(score.hallucinated_per_minute) for score in scores):
        lines["Words heard per minute of silence"] = "what was invented where nothing was said"
    if any(score.failed for score in scores):
        lines["Failed rows"] = "rows with a reference for which the system gave no text"
    if comparison is not None and comparison.differences:
        lines |= {
            "Difference": (
                "of two rates on the same rows, in percentage points. Its interval holds the differences that the "
                "tests of the verdict do not reject"
            ),
            "p": (
                "how often systems that do not differ would seem to differ as much: the larger p value of two tests "
                "over blocks, or rows where there are none: sign flips, and a t test corrected for skewness. It is "
                "corrected for the number of pairs (Holm)"
            ),
            "MAPSSWE": (
                "matched pairs sentence segment word error test of NIST: mean and standard deviation of the difference "
                "in errors over stretches between words that both have right; z is the mean by its standard error"
            ),
            "MAPSSWE p (Holm)": "how often chance alone would make so large a z, corrected for the number of pairs",
            "McNemar, sign, Wilcoxon": (
                "the same question asked of whole rows: right or wrong; which system has fewer errors; and by how many"
            ),
            "Rows more to settle it": (
                "so many more rows of the same kind would show a difference of this size four times in five"
            ),
        }
    return [element("dl", *(joined(element("dt", name), element("dd", told, ".")) for name, told in lines.items()))]


# Small parts


def _title(scores: Sequence[Score]) -> str:
    names = [shortened(score.name, 60) for score in scores]
    if len(names) == 1:
        return f"How well {names[0]} hears"
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) <= 4 else f"{len(names)} systems"
    return f"Speech recognition: {listed} on the same rows"


def _cells(
    result: Score | Comparison, scores: Sequence[Score], audio: Any, frame: pd.DataFrame | None
) -> Sequence[Any] | None:
    rows = scores[0].texts.rows
    if audio is None:
        return result.paths if isinstance(result, Comparison) else None
    if frame is not None and isinstance(audio, Hashable):
        return [_column(frame, audio, scores)[row] for row in rows]
    if isinstance(audio, str) or not hasattr(audio, "__len__"):
        raise OptionError(f"audio={audio!r} names a column, but of which frame? pass frame= too")
    cells = list(audio)
    if len(cells) != len(rows):
        raise OptionError(f"expected the audio of {len(rows)} scored rows, got {len(cells)}")
    return cells


def _values(scores: Sequence[Score], label: str, given: Any, frame: pd.DataFrame | None) -> Any:
    if frame is not None and isinstance(given, Hashable):
        column = np.asarray(_column(frame, given, scores), np.float64)
        return column[scores[0].texts.rows]
    if isinstance(given, str):
        raise OptionError(f"against[{label!r}] names a column, but of which frame? pass frame= too")
    return given


def _column(frame: pd.DataFrame, name: Hashable, scores: Sequence[Score]) -> list[Any]:
    if len(frame) != scores[0].texts.total:
        raise OptionError(f"a frame of {scores[0].texts.total} rows was scored, this one has {len(frame)}")
    return column_of(frame, name)


def _other(own: Difference, name: str) -> str:
    return own.first if own.second == name else own.second


def _named(name: str) -> Html:
    return element("strong", named(name))


def _listed(names: Sequence[str]) -> Html:
    parts: list[object] = []
    for place, name in enumerate(names):
        parts += [" and " if place and place == len(names) - 1 else ", " if place else "", named(name)]
    return joined(*parts)


def _fact(value: object) -> str:
    told = plain(value)
    if isinstance(told, dict):
        return ", ".join(f"{key} {_fact(item)}" for key, item in told.items())
    if isinstance(told, list):
        return f"({', '.join(map(_fact, told))})"
    if isinstance(told, int) and not isinstance(told, bool):
        return f"{told:,}"
    return "-" if told is None else str(told)


def _note(text: str) -> Html:
    return element("p", text, class_="ak-note")


PAGE = """
:root{color-scheme:light dark;--page:#fbfbf9;--ink:#1d1d1b;--card:#fff;--rule:#d9d8d2;--link:#0b5cad;--soft:#f1f0ea}
@media (prefers-color-scheme:dark){:root{--page:#16171a;--ink:#e7e6e1;--card:#1e2024;--rule:#3a3c42;--link:#8ab8ec;
--soft:#24262b}}
*{box-sizing:border-box}
html{background:var(--page);-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",
"Liberation Sans",Arial,sans-serif}
main.ak{color:var(--ink);max-width:76rem;margin:0 auto;padding:clamp(1rem,3vw,3rem) clamp(.9rem,3vw,2.5rem) 4rem}
h1{font-size:clamp(1.45rem,1rem + 2vw,2.3rem);line-height:1.2;letter-spacing:-.01em;margin:0 0 .5rem;
overflow-wrap:anywhere;text-wrap:balance}
h2{font-size:1.35rem;line-height:1.25;margin:0 0 .8rem}
h3{font-size:1.08rem;margin:1.8rem 0 .5rem;overflow-wrap:anywhere}
section{margin-top:2.6rem;padding-top:1.4rem;border-top:1px solid var(--rule)}
p,li,dd{max-width:46rem;overflow-wrap:anywhere}a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin-top:1rem;font-size:.95rem}
.s-verdict{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:1.2rem 1.4rem}
.s-verdict h2{font-size:.85rem;letter-spacing:.08em;text-transform:uppercase;opacity:.7;margin:0 0 .4rem}
.ak .lead{font-size:clamp(1.15rem,1rem + .8vw,1.5rem);line-height:1.35;margin:0 0 .6rem;max-width:56rem}
.ak .lead-2{margin:0 0 .4rem}.verdicts{margin:.4rem 0;padding-inline-start:1.2rem}
.ak .wide-table table{font-size:.9rem;min-width:100%}
.ak table th,.ak table td{padding:.45em .6em;border-bottom-color:var(--rule)}
.ak thead th{font-weight:500;font-size:.85em;line-height:1.25;opacity:.85;max-width:9.5em}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:2rem 2.5rem;
align-items:start}
figure{margin:0;min-width:0;break-inside:avoid}figcaption{font-size:.95rem;margin-bottom:.6rem;max-width:40rem;
overflow-wrap:anywhere}
figure .wide{max-width:38rem}figure .narrow{display:none;max-width:24rem}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:0 2.5rem}
.side h3{margin-top:0}.side>div{min-width:0}.side table{width:100%}
.ak .ak-row{background:var(--card);border-color:var(--rule);border-radius:10px;padding:.9rem 1.1rem;margin:.9rem 0;
break-inside:avoid}
.ak .ak-row:target{outline:2px solid var(--link)}.ak .ak-row p{max-width:none}
.clip{display:flex;flex-wrap:wrap;align-items:center;gap:.3rem .8rem;margin:.4rem 0}
.clip p{margin:0}audio{width:min(100%,22rem);height:40px}
dl{display:grid;grid-template-columns:minmax(9rem,14rem) 1fr;gap:.5rem 1.5rem;margin:0 0 1.2rem}
dt{font-weight:600;overflow-wrap:anywhere}dd{margin:0}
@media (max-width:NARROWpx){
figure .wide{display:none}figure .narrow{display:block}
dl{grid-template-columns:1fr;gap:.1rem}dd{margin-bottom:.7rem}
section{margin-top:2rem}.s-verdict{padding:.9rem 1rem}.ak .ak-row{padding:.7rem .8rem}
}
@media (max-width:900px){
.ak .wide-table{overflow-x:visible}
.wide-table table,.wide-table tbody,.wide-table tr,.wide-table td,.wide-table tbody th{display:block;width:100%}
.wide-table thead{display:none}
.ak .wide-table table tr{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:.5rem .9rem;
margin:.7rem 0}
.ak .wide-table table td,.ak .wide-table table tbody th{border:0;padding:.15rem 0;white-space:normal}
.ak .wide-table table tbody th{font-size:1.02rem;padding-bottom:.35rem}
.ak .wide-table table td{display:flex;justify-content:space-between;gap:1rem;text-align:end;overflow-wrap:anywhere}
.ak .wide-table table td>span{min-width:0}
.ak .wide-table table td::before{content:attr(data-name);opacity:.75;text-align:start;flex:0 0 auto;max-width:52%}
.ak .wide-table table tbody th{max-width:none}
.ak .wide-table table td:empty{display:none}
}
@media print{
:root{--page:#fff;--ink:#000;--card:#fff;--rule:#bbb;--link:#000;--soft:#fff;color-scheme:light}
nav,.clip{display:none}main.ak{max-width:none;padding:0}section{margin-top:1.4rem;padding-top:.8rem}
.ak .wide-table table{font-size:.68rem}h2,h3{break-after:avoid}
.ak del,.ak ins,.ak .ak-s{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
""".replace("NARROW", str(NARROW))
