"""Plots of scores: matplotlib figures without pyplot, and SVG that takes the colour of the page around it.

Each plot says in its caption what is shown and of how many rows. Neutral lines and letters are of one grey that can be
read on white and on black; in SVG they become the colour of the surrounding text. Systems differ in marker as well as
in colour.
"""

from __future__ import annotations

import math
import re
import textwrap
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import MissingExtraError, OptionError
from ..probability import checked_probabilities
from .alignment import display_width
from .bootstrap import bootstrap
from .comparison import MOST_VERDICTS, Comparison
from .markup import Html, element, shortened
from .score import Score, slices
from .wording import level_told, percent

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
    from matplotlib.transforms import blended_transform_factory
except ImportError as error:  # pragma: no cover - tests have it
    raise MissingExtraError("matplotlib is not installed; run: pip install matplotlib") from error

__all__ = [
    "Plot",
    "calibration",
    "error_against",
    "plot_comparison",
    "plot_score",
    "scatter",
    "svg",
    "systems",
    "wer_by_slice",
]

INK = "#777776"  # can be read on white and on black; no other colour is this, so SVG can replace it
WIDTH = 6.4  # inches
COLOURS = ("#2b83c6", "#d1622b", "#1b9e77", "#b565a7", "#a6852a", "#7a6fd0")  # differ for the colour-blind, too
MARKERS = ("o", "s", "^", "D", "v", "P")
MOST_SLICES = 30
MOST_POINTS = 500  # single rows are shown up to here
WIDE_BIN = 0.4  # of the whole range: a bin that is wider is parted at its widest gap
SQUASHED = 15  # errors a row, above which axes grow with the square root
REPLICATES = 2_000  # of the interval of each bin
BIN_ROWS = 6  # at least
BINS = 8  # at most

Floats = NDArray[np.float64]


class Plot(Figure):
    """A matplotlib figure with a caption; a notebook shows it as SVG."""

    caption: str = ""
    captions: Any = None  # the artist that shows it
    caption_height: float = 0.0  # inches

    def _repr_html_(self) -> str:
        style = "max-width:48em;color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit))"
        return element("div", svg(self, caption=True), style=style)


# What is plotted


def systems(comparison: Comparison, *, width: float = WIDTH) -> Plot:
    """The error rate of each system with its interval."""
    scores = comparison.scores
    texts = scores[0].texts
    interval = scores[0].interval
    with _drawn(
        f"{texts.rate} of each system with {level_told(interval.level)} intervals, {len(texts.rows):,} rows, "
        f"{scores[0].counts.reference_length:,} reference {_tokens(texts.unit)}{_verdicts(comparison)}",
        width,
        0.9 + 0.42 * len(scores),
    ) as (plot, axes):
        for place, score in enumerate(scores):
            _interval(axes, score.wer, score.interval.low, score.interval.high, place, place)
        names = [_label(score.name, width) for score in scores]
        axes.set_yticks(range(len(scores)), names, parse_math=False)
        axes.set_ylim(len(scores) - 0.4, -0.6)
        _rate_axis(axes, "x", texts.rate)
    return plot


def wer_by_slice(frame: Any, *, rate: str = "WER", width: float = WIDTH) -> Plot:
    """The error rate of each slice with its interval.

    Args:
        frame: from ``score(by=...)`` or ``Comparison.slices``.
        rate: name of the error rate.
        width: in inches.
    """
    missing = {"rows", "words", "wer", "low", "high"} - set(frame.columns)
    if missing:
        raise OptionError(f"expected the frame of score(by=...), got one without {', '.join(sorted(missing))}")
    keys = list(frame.columns[: list(frame.columns).index("rows")])
    of_system = frame["system"].tolist() if "system" in frame.columns else [None] * len(frame)
    names = list(dict.fromkeys(of_system))
    cells = zip(*(frame[key].tolist() for key in keys), strict=True) if keys else [("all",)] * len(frame)
    labels = [" / ".join(shortened(part, 40) for part in row) for row in cells]
    sizes = dict(zip(labels, frame["rows"].tolist(), strict=True))
    kept = sorted(sizes, key=lambda label: -sizes[label])[:MOST_SLICES]
    kept = [label for label in sizes if label in set(kept)]
    told = frame.attrs.get("asrkit", {}).get("level of all intervals together")
    caption = f"{rate} by {', '.join(shortened(key, 40) for key in keys) or 'slice'}"
    caption += f" with intervals that hold together at a level of {level_told(told)}" if told else " with intervals"
    caption += f", {len(sizes):,} slices, {sum(sizes.values()):,} rows"
    if len(kept) < len(sizes):
        caption += f"; the {len(kept)} with most rows are shown"
    height = 1.0 + len(kept) * (0.16 + 0.22 * len(names)) + (0.3 if len(names) > 1 else 0)
    with _drawn(caption, width, height) as (plot, axes):
        step = 0.7 / max(1, len(names))
        for label, system, wer, low, high in zip(
            labels, of_system, frame["wer"].tolist(), frame["low"].tolist(), frame["high"].tolist(), strict=True
        ):
            if label not in kept:
                continue
            which, place = names.index(system), kept.index(label)
            if math.isfinite(wer):
                _interval(axes, wer, low, high, place + step * (which - (len(names) - 1) / 2), which)
            elif which == 0:
                axes.annotate(
                    "no reference words: no rate",
                    (0, place),
                    (6, 0),
                    textcoords="offset points",
                    va="center",
                    color=INK,
                    fontsize="small",
                )
        ticks = [f"{_label(label, width)}\n{sizes[label]:,} row{'' if sizes[label] == 1 else 's'}" for label in kept]
        axes.set_yticks(range(len(kept)), ticks, parse_math=False)
        axes.set_ylim(len(kept) - 0.4, -0.6)
        _rate_axis(axes, "x", rate)
        if len(names) > 1:
            _legend(axes, names, width)
    return plot


def error_against(
    scores: Score | Sequence[Score],
    values: ArrayLike,
    label: str = "duration",
    unit: str | None = "s",
    *,
    width: float = WIDTH,
) -> Plot:
    """The error rate against something measured of each row: its duration, its signal-to-noise ratio.

    Rows are put into bins of about equally many; a bin's rate is its errors by its reference words, with a 95 %
    interval that takes rows for independent. Single rows are faint points.

    Args:
        scores: one, or several of the same rows.
        values: one for each scored row; rows without one (NaN) are left out.
        label: what they are.
        unit: of the values.
        width: in inches.
    """
    scores = [scores] if isinstance(scores, Score) else list(scores)
    measured = np.asarray(values, np.float64)
    texts = scores[0].texts
    if measured.shape != (len(texts.rows),):
        raise OptionError(f"{label}: expected a value for each of {len(texts.rows)} scored rows, got {measured.shape}")
    known = np.isfinite(measured)
    if not known.any():
        raise OptionError(f"{label}: no row has a value")
    bins = _bins(measured)
    caption = (
        f"{texts.rate} against {label}, {int(known.sum()):,} rows in {len(bins)} bins with 95% intervals "
        "(rows taken as independent)"
    )
    if not known.all():
        caption += f"; {int((~known).sum()):,} rows without a value left out"
    with _drawn(caption, width, 3.4, extra=lambda: _left_out(tops)) as (plot, axes):
        is_log = _wants_log(measured[known])
        if is_log:
            axes.set_xscale("log")
        tops: list[int] = []
        highest = 0.0
        drawn: list[tuple[Floats, Floats, int]] = []
        for which, score in enumerate(scores):
            counts = score.utterances
            places, rates, lows, highs = [], [], [], []
            for rows in bins:
                words = counts.reference_words[rows]
                if not words.sum():
                    continue
                interval = bootstrap(counts.errors[rows], words, replicates=REPLICATES)
                places.append(float(np.median(measured[rows])))
                rates.append(interval.estimate)
                lows.append(interval.low)
                highs.append(interval.high)
            shift = (which - (len(scores) - 1) / 2) * 0.012
            spread = np.ptp(np.log(measured[known]) if is_log else measured[known])
            x = np.asarray(places)
            x = x * np.exp(shift * spread) if is_log else x + shift * spread
            _vertical(axes, x, rates, lows, highs, which)
            highest = max([highest, *rates, *(high for high in highs if math.isfinite(high))])
            with np.errstate(divide="ignore", invalid="ignore"):
                single = np.where(counts.reference_words > 0, counts.errors / counts.reference_words, np.nan)
            drawn.append((measured, single, which))
        limit = 1.12 * highest if highest else 0.1
        if len(texts.rows) * len(scores) <= MOST_POINTS:
            for at, single, which in drawn:
                inside = known & (single <= limit)
                tops.append(int((known & (single > limit)).sum()))
                axes.scatter(
                    at[inside],
                    single[inside],
                    s=9,
                    color=_colour(which),
                    marker=_marker(which),
                    alpha=0.3,
                    linewidths=0,
                )
        axes.set_ylim(-0.03 * limit, limit)
        axes.set_xlabel(f"{label} ({unit})" if unit else label, parse_math=False)
        if is_log:
            _plain_log(axes, measured[known])
        _rate_axis(axes, "y", texts.rate, limit=limit)
        if len(scores) > 1:
            _legend(axes, [score.name for score in scores], width)
    return plot


def calibration(scores: Score | Sequence[Score], *, width: float = WIDTH) -> Plot:
    """What confidence is worth: of the words that a system was so sure of, how many are right.

    On the diagonal a system is right as often as it says.

    Raises:
        OptionError: no score has confidences, or one is outside [0, 1].
    """
    scores = [scores] if isinstance(scores, Score) else list(scores)
    told = [(which, score) for which, score in enumerate(scores) if score.confidence is not None]
    if not told:
        raise OptionError("no confidence is known; transcribe(details=True) tells it")
    texts = scores[0].texts
    gaps: list[str] = []

    def caption() -> str:
        return f"; gap between both, over all words: {', '.join(gaps)}" if gaps else ""

    rows = max(int(np.isfinite(np.asarray(score.confidence, float)).sum()) for _, score in told)
    first = (
        f"Confidence against the share of recognised {_tokens(texts.unit)} that are right, {rows:,} rows in bins, "
        "95% intervals"
    )
    with _drawn(first, width, 3.9, extra=caption) as (plot, axes):
        lowest = 1.0
        for which, score in told:
            sure = checked_probabilities(score.confidence, f"the confidence of {score.name}")
            heard = score.utterances.hits + score.utterances.substitutions + score.utterances.insertions
            hits = score.utterances.hits
            sure = np.where(heard > 0, sure, np.nan)
            places, rates, lows, highs = [], [], [], []
            gap = 0.0
            for inside in _bins(sure):
                interval = bootstrap(heard[inside] - hits[inside], heard[inside], replicates=REPLICATES)
                x = float(np.average(sure[inside], weights=heard[inside]))
                gap += abs(x - (1 - interval.estimate)) * float(heard[inside].sum())
                places.append(x)
                rates.append(1 - interval.estimate)
                lows.append(1 - interval.high)
                highs.append(1 - interval.low)
            if not places:
                continue
            _vertical(axes, np.asarray(places), rates, lows, highs, which)
            lowest = min([lowest, *places, *rates, *(low for low in lows if math.isfinite(low))])
            gap /= float(heard[np.isfinite(sure)].sum())
            gaps.append(f"{shortened(score.name, 40)} {100 * gap:.1f} points")
        start = max(0.0, math.floor(10 * lowest - 0.2) / 10)
        axes.plot([start, 1], [start, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.set_xlim(start - 0.02 * (1 - start), 1 + 0.02 * (1 - start))
        axes.set_ylim(start - 0.02 * (1 - start), 1 + 0.04 * (1 - start))
        axes.text(
            start + 0.13 * (1 - start),
            start + 0.06 * (1 - start),
            "dashed: as right as it says",
            color=INK,
            fontsize="small",
        )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.set_xlabel("confidence: mean probability (%)")
        axes.set_ylabel(f"recognised {_tokens(texts.unit)} that are right (%)")
        if len(scores) > 1:
            _legend(axes, [score.name for score in scores], width, only={which for which, _ in told})
    return plot


def scatter(
    comparison: Comparison, first: str | None = None, second: str | None = None, *, width: float = WIDTH
) -> Plot:
    """Errors of two systems in the same rows; equal points are one, larger the more rows it stands for.

    Args:
        comparison: of the systems.
        first, second: names of systems; the first two if not given.
        width: in inches.
    """
    one = comparison[first] if first is not None else comparison.scores[0]
    two = comparison[second] if second is not None else next(score for score in comparison.scores if score is not one)
    left, below = one.utterances.errors, two.utterances.errors
    pairs, sizes = np.unique(np.stack([left, below], axis=1), axis=0, return_counts=True)
    better, worse = int((left < below).sum()), int((left > below).sum())
    names = [shortened(score.name, 40) for score in (one, two)]
    most = int(sizes.max())
    caption = (
        f"Errors of two systems in each of {len(left):,} rows{_verdicts(comparison, one.name, two.name)}. "
        f"{names[0]} has fewer in {better:,} rows, {names[1]} in {worse:,}, equally many in "
        f"{len(left) - better - worse:,}; the largest point stands for {most:,} row{'' if most == 1 else 's'}"
    )
    with _drawn(caption, width, min(width, 4.4) * 0.95) as (plot, axes):
        top = float(max(left.max(initial=0), below.max(initial=0), 1))
        axes.plot([0, top], [0, top], color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        side = np.sign(pairs[:, 0] - pairs[:, 1])
        for sign, which in ((0, None), (-1, 0), (1, 1)):
            of = side == sign
            axes.scatter(
                pairs[of, 0],
                pairs[of, 1],
                s=10 + 150 * sizes[of] / max(most, 12),
                color=INK if which is None else _colour(which),
                marker="o" if which is None else _marker(which),
                alpha=0.55,
                linewidths=0,
                zorder=2,
                clip_on=False,
            )
        if top > SQUASHED:  # a few long rows must not press all others into a corner
            axes.set_xscale("function", functions=(_root, np.square))
            axes.set_yscale("function", functions=(_root, np.square))
            ticks = [0, *(10**power * step for power in range(7) for step in (1, 2, 5))]
        axes.set_xlim(-0.06 * top if top <= SQUASHED else 0, 1.08 * top)
        axes.set_ylim(-0.06 * top if top <= SQUASHED else 0, 1.08 * top)
        axes.set_box_aspect(1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(
                FixedLocator([tick for tick in ticks if tick <= top])
                if top > SQUASHED
                else MaxNLocator(6, integer=True)
            )
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(NullLocator())
        what = _tokens(one.texts.unit)
        axes.set_xlabel(f"errors of {_label(one.name, width)}\n({what} a row)", parse_math=False)
        axes.set_ylabel(f"errors of {_label(two.name, width)}\n({what} a row)", parse_math=False)
        _legend(axes, [f"{name} has fewer" for name in names], width)
    return plot


# Which one


def plot_score(
    score: Score,
    kind: str | None = None,
    *,
    by: Any = None,
    values: ArrayLike | None = None,
    label: str = "value",
    unit: str | None = None,
    width: float = WIDTH,
) -> Plot:
    """``Score.plot``.

    Args:
        score: to plot.
        kind: ``slices`` (needs ``by``), ``duration``, ``length`` (words of the reference), ``confidence`` or
            ``against`` (needs ``values``). If not given: what the other arguments ask for, else what is known.
        by: the frame of ``score(by=...)``, or name -> value of each scored row.
        values, label, unit: one for each scored row, such as its signal-to-noise ratio; what it is; in what unit.
        width: in inches.
    """
    if kind is None:
        kind = "slices" if by is not None else "against" if values is not None else None
    kind = kind or ("duration" if score.audio is not None else "length")
    return _plot(
        [score], kind, ("slices", "duration", "length", "confidence", "against"), by, values, label, unit, width
    )


def plot_comparison(
    comparison: Comparison,
    kind: str | None = None,
    *,
    first: str | None = None,
    second: str | None = None,
    values: ArrayLike | None = None,
    label: str = "value",
    unit: str | None = None,
    width: float = WIDTH,
) -> Plot:
    """``Comparison.plot``.

    Args:
        comparison: to plot.
        kind: ``systems``, ``slices``, ``scatter`` (of ``first`` and ``second``), ``duration``, ``length``,
            ``confidence`` or ``against`` (needs ``values``). If not given: what the other arguments ask for, else
            slices where there are some, else systems.
        first, second: names of systems.
        values, label, unit: one for each scored row; what it is; in what unit.
        width: in inches.
    """
    if kind is None:
        kind = "against" if values is not None else "scatter" if first or second else None
    kind = kind or ("slices" if comparison.slices is not None else "systems")
    if kind == "systems":
        return systems(comparison, width=width)
    if kind == "scatter":
        return scatter(comparison, first, second, width=width)
    kinds = ("systems", "slices", "scatter", "duration", "length", "confidence", "against")
    return _plot(comparison.scores, kind, kinds, comparison.slices, values, label, unit, width)


def _plot(
    scores: Sequence[Score],
    kind: str,
    kinds: Sequence[str],
    by: Any,
    values: ArrayLike | None,
    label: str,
    unit: str | None,
    width: float,
) -> Plot:
    rate = scores[0].texts.rate
    if kind == "slices":
        if by is None:
            raise OptionError("no slices are known; pass by=, a column or several that part the rows")
        return wer_by_slice(slices(scores[0], by) if isinstance(by, Mapping) else by, rate=rate, width=width)
    if kind == "confidence":
        return calibration(scores, width=width)
    if kind == "length":
        what = _tokens(scores[0].texts.unit)
        return error_against(scores, scores[0].utterances.reference_words, "reference length", what, width=width)
    if kind == "duration":
        known = next((score.audio for score in scores if score.audio is not None), None)
        if known is None:
            raise OptionError("no duration is known; transcribe(details=True) tells it, or pass values=")
        return error_against(scores, known, "duration", "s", width=width)
    if kind == "against":
        if values is None:
            raise OptionError('kind="against" needs values=, one for each scored row')
        return error_against(scores, values, label, unit, width=width)
    raise OptionError(f"expected a kind among {', '.join(kinds)}, got {kind!r}")


# How it is drawn


def svg(plot: Plot, *, caption: bool = False) -> Html:
    """A plot for a page: no colour of its own for letters and lines, no fixed size.

    Args:
        plot: from one of the functions here.
        caption: whether to draw the caption; without, the page has to say it. A screen reader hears it in any case.
    """
    file = StringIO()
    width, height = plot.get_size_inches()
    if plot.captions is not None and not caption:
        plot.captions.set_visible(False)
        plot.set_size_inches(width, height - plot.caption_height)
    try:
        with _quiet(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "asrkit"}):
            plot.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    finally:
        if plot.captions is not None:
            plot.captions.set_visible(True)
            plot.set_size_inches(width, height)
    return _embedded(file.getvalue(), plot.caption)


def _embedded(text: str, caption: str) -> Html:
    body = text[text.index("<svg") :]
    _, _, body = body.partition(">")
    view = re.search(r'viewBox="([^"]+)"', text)
    body = body.rpartition("</svg>")[0]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    # Several plots on a page must not share names, and most names are never referred to.
    prefix = f"ak{zlib.crc32(body.encode()):x}-"
    body = re.sub(r' id="([^"]+)"', lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}", body)
    body = re.sub(r"font(-family)?: [^;\"]*'[^;\"]*(; |(?=\"))", _font, body)  # of the page
    body = body.replace(INK, "currentColor")
    body = re.sub(r">\s+<", "><", body)
    body = re.sub(r"(\d+\.\d{2})\d+", r"\1", body)
    _, _, width, height = (float(part) for part in (view[1].split() if view else ("0", "0", "1", "1")))
    return Html(
        element(
            "svg",
            Html(body.strip()),
            class_="ak-plot",
            viewBox=f"0 0 {width:g} {height:g}",
            role="img",
            aria_label=caption,
            style="width:100%;height:auto;display:block;stroke-linejoin:round;stroke-linecap:butt",
        )
    )


def _font(found: re.Match[str]) -> str:
    """Only the size of a font: its family is that of the page."""
    size = re.search(r"[\d.]+px", found[0])
    return f"font-size: {size[0]}; " if size else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """The browser has letters that matplotlib's font has not."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


@contextmanager
def _drawn(
    caption: str, width: float, height: float, extra: Callable[[], str] | None = None
) -> Iterator[tuple[Plot, Axes]]:
    """An empty plot to draw in; ``extra`` is asked at the end what to add to the caption."""
    with mpl.rc_context({"axes.edgecolor": INK, "font.size": 9 if width < 5 else 10, "text.parse_math": False}):
        plot = Plot(figsize=(width, height), layout="constrained")
        plot.patch.set_alpha(0)
        axes = plot.add_subplot()
        axes.patch.set_alpha(0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.tick_params(colors=INK, labelcolor=INK)
        axes.grid(color=INK, alpha=0.22, linewidth=0.6)
        axes.set_axisbelow(True)
        yield plot, axes
        for axis in (axes.xaxis, axes.yaxis):
            axis.label.set_color(INK)
        plot.caption = caption + (extra() if extra else "")
        lines = textwrap.fill(plot.caption, int(13.5 * width))
        plot.captions = plot.suptitle(
            lines, x=0.01, ha="left", color=INK, fontsize="medium", parse_math=False, linespacing=1.3
        )
        taller = plot.caption_height = 0.19 * (lines.count("\n") + 1)
        legend = axes.get_legend()
        if legend is not None:
            taller += 0.2 * len(legend.get_texts())
        plot.set_size_inches(width, height + taller)


def _interval(axes: Axes, middle: float, low: float, high: float, place: float, which: int) -> None:
    colour = _colour(which)
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
    if math.isfinite(middle):
        axes.plot([middle], [place], color=colour, marker=_marker(which), markersize=7, linestyle="none", zorder=3)
        axes.annotate(
            percent(middle),
            (middle, place),
            (0, 6),
            textcoords="offset points",
            ha="center",
            color=INK,
            fontsize="small",
        )


def _vertical(
    axes: Axes, x: Floats, rates: Sequence[float], lows: Sequence[float], highs: Sequence[float], which: int
) -> None:
    colour = _colour(which)
    axes.vlines(x, lows, highs, color=colour, linewidth=2, zorder=2)
    axes.plot(x, rates, color=colour, alpha=0.45, linewidth=1.2, zorder=2)
    axes.plot(x, rates, color=colour, marker=_marker(which), markersize=6, linestyle="none", zorder=3)


def _rate_axis(axes: Axes, which: str, rate: str, limit: float | None = None) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    words = {"WER": "word error rate", "CER": "character error rate"}.get(rate, rate)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if which == "x":
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{words} (%)")
        axes.set_xlim(left=0, right=max(axes.get_xlim()[1], 0.01))
    else:
        axes.set_ylabel(f"{words} (%)")
        axes.set_ylim(top=limit)


def _legend(axes: Axes, names: Sequence[object], width: float, only: set[int] | None = None) -> None:
    """Above the plot, where it covers nothing."""
    shown = [which for which in range(len(names)) if only is None or which in only]
    handles = [
        Line2D([], [], color=_colour(which), marker=_marker(which), linestyle="none", markersize=6) for which in shown
    ]
    # matplotlib leaves out names that begin with an underscore
    labels = [re.sub("^_", "\u2009_", _label(names[which], 1.8 * width)) for which in shown]
    figure = axes.get_figure(root=True)
    assert figure is not None
    legend = axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.01, 1),  # from the plot's left, since names of slices may leave the axes little width
        bbox_transform=blended_transform_factory(figure.transFigure, axes.transAxes),
        ncols=1,
        frameon=False,
        labelcolor=INK,
        borderpad=0,
        borderaxespad=0.4,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _bins(values: Floats) -> list[NDArray[np.int64]]:
    """Rows of about equally many in each bin; equal values stay together, rows without one are in none."""
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return []
    count = max(1, min(BINS, known.size // BIN_ROWS))
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, count + 1)))
    which = np.searchsorted(edges[1:-1], values[known], side="left") if len(edges) > 2 else np.zeros(known.size, int)
    bins = [known[which == place] for place in np.unique(which)]
    scale = np.log(np.maximum(values, 1e-12)) if _wants_log(values[known]) else values
    whole = float(np.ptp(scale[known]))
    parted: list[NDArray[np.int64]] = []
    for rows in bins:
        ordered = rows[np.argsort(scale[rows], kind="stable")]
        gaps = np.diff(scale[ordered])
        if whole and np.ptp(scale[ordered]) > WIDE_BIN * whole and gaps.max() > WIDE_BIN * whole / 2:
            cut = int(gaps.argmax()) + 1
            parted += [ordered[:cut], ordered[cut:]]
        else:
            parted.append(rows)
    return parted


def _wants_log(values: Floats) -> bool:
    low, high = float(values.min()), float(values.max())
    return low > 0 and high > 10 * low


def _plain_log(axes: Axes, values: Floats) -> None:
    """Ticks at 1, 2, 5, 10 ... in plain numbers."""
    low, high = float(values.min()), float(values.max())
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in decades for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if low * 0.8 <= tick <= high * 1.25]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _root(values: Floats) -> Floats:
    return np.sqrt(np.maximum(values, 0))


def _verdicts(comparison: Comparison, *names: str) -> str:
    """The verdicts of the pairs, or of one pair, as part of a caption; of many pairs the headline."""
    own = [pair for pair in comparison.differences if not names or {pair.first, pair.second} == set(names)]
    if len(own) > MOST_VERDICTS:
        return f". {comparison.headline.removesuffix('.')}"
    return "".join(f". {pair.verdict}" for pair in own)


def _left_out(tops: Sequence[int]) -> str:
    return f"; {sum(tops):,} single rows lie above" if sum(tops) else ""


def _colour(which: int) -> str:
    return COLOURS[which % len(COLOURS)]


def _marker(which: int) -> str:
    # Systems whose colours come again have another marker.
    return MARKERS[(which + which // len(COLOURS)) % len(MARKERS)]


def _label(name: object, width: float) -> str:
    """A name that leaves room for the plot, its middle left out; wide letters count as two.

    >>> _label("@cf/openai/whisper-large-v3-turbo", 3.5)
    '@cf/op…-v3-turbo'
    """
    told = shortened(name, 10_000)
    room = int(5 * width)
    if display_width(told) <= room:
        return told
    head = tail = ""
    for letter in told:
        if display_width(head + letter) > 0.4 * room:
            break
        head += letter
    for letter in reversed(told):
        if display_width(letter + tail) > 0.6 * room - 1:
            break
        tail = letter + tail
    return f"{head}…{tail}"


def _tokens(unit: str) -> str:
    return {"word": "words", "character": "characters"}.get(unit, "tokens")
