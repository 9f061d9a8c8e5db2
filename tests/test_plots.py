"""Plots say what they show, in which unit and of how many rows."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no plots")

from asrkit.errors import OptionError
from asrkit.evaluate import plots
from asrkit.evaluate.comparison import Comparison
from asrkit.evaluate.frames import compare, score
from asrkit.evaluate.plots import Plot
from asrkit.evaluate.score import Score, percent


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"text": [" ".join(rng.choice(list("abcdefgh"), 10)) for _ in range(120)]})
    for name, rate in (("good", 0.05), ("bad", 0.3)):
        df[name] = [" ".join("x" if rng.random() < rate else word for word in text.split()) for text in df["text"]]
        df[f"{name}_duration"] = rng.uniform(1, 20, 120)
    df["place"] = ["street", "office", "קול"] * 40
    return df


@pytest.fixture(scope="module")
def both(frame: pd.DataFrame) -> Comparison:
    return compare(frame, reference="text", hypotheses=["good", "bad"], by="place", replicates=200)


@pytest.fixture(scope="module")
def one(both: Comparison) -> Score:
    return both["bad"]


def texts_of(plot: Plot) -> str:
    """All that is written in a plot."""
    tree = ET.fromstring(plots.svg(plot, caption=True).replace("xlink:", ""))
    return "\n".join("".join(node.itertext()) for node in tree.iter() if node.tag.rpartition("}")[2] == "text")


def sure(score: Score) -> Score:
    return replace(score, confidence=np.linspace(0.36, 0.99, len(score.texts.rows)))


def test_systems_are_shown_with_their_rates(both):
    told = texts_of(both.plot("systems"))
    for own in both.scores:
        assert own.name in told
        assert percent(own.wer) in told
    assert "word error rate (%)" in told


def test_slices_are_shown_with_their_rows_and_rates(both):
    told = texts_of(both.plot())
    assert "street" in told
    assert "40 rows" in told
    for rate in both.slices["wer"]:
        assert percent(rate) in told
    assert "by place" in both.plot().caption
    assert "3 slices, 120 rows" in both.plot().caption


def test_slices_without_a_rate_say_so():
    df = pd.DataFrame({"text": ["", "a b"], "hypothesis": ["x", "a c"], "kind": ["silence", "speech"]})
    told = texts_of(plots.wer_by_slice(score(df, reference="text", by="kind", replicates=50)))
    assert "no reference words: no rate" in told


def test_only_the_largest_of_many_slices_are_shown():
    df = pd.DataFrame({"text": ["a b"] * 120, "hypothesis": ["a c"] * 120, "kind": [row // 2 for row in range(120)]})
    plot = plots.wer_by_slice(score(df, reference="text", by="kind", replicates=20))
    assert "60 slices, 120 rows; the 30 with most rows are shown" in plot.caption


def test_a_frame_that_is_none_of_slices_is_refused(frame):
    with pytest.raises(OptionError, match="expected the frame of score"):
        plots.wer_by_slice(frame)


@pytest.mark.parametrize(
    ("kind", "label"),
    [("duration", "duration (s)"), ("length", "reference length (words)")],
)
def test_axes_have_units(one, both, kind, label):
    for plot in (one.plot(kind), both.plot(kind)):
        told = texts_of(plot)
        assert label in told
        assert "word error rate (%)" in told
        assert "120 rows" in plot.caption


def test_error_is_plotted_against_anything_that_is_measured(one):
    snr = np.linspace(-5, 30, 120)
    snr[:20] = np.nan
    plot = one.plot(values=snr, label="signal-to-noise ratio", unit="dB")
    assert "signal-to-noise ratio (dB)" in texts_of(plot)
    assert "100 rows in 8 bins" in plot.caption
    assert "20 rows without a value left out" in plot.caption


def test_bins_hold_every_row_once_and_their_rates_are_those_of_sums(one):
    values = np.asarray(one.audio)
    bins = plots._bins(values)
    assert sorted(np.concatenate(bins).tolist()) == list(range(120))
    plot = one.plot("duration")
    drawn = next(line.get_ydata() for line in plot.axes[0].lines if line.get_marker() != "None")
    expected = [one.utterances.errors[rows].sum() / one.utterances.reference_words[rows].sum() for rows in bins]
    np.testing.assert_allclose(drawn, expected)


def test_a_long_row_does_not_share_a_bin_with_short_ones():
    values = np.array([*np.linspace(5, 10, 40), 120.0])
    assert [40] in [rows.tolist() for rows in plots._bins(values)]


@pytest.mark.parametrize("values", [[1.0] * 50, [np.nan, 1.0], [], [np.nan]])
def test_bins_of_equal_few_or_no_values_are_what_they_can_be(values):
    rows = [row for of in plots._bins(np.asarray(values, float)) for row in of]
    assert sorted(rows) == [row for row, value in enumerate(values) if not np.isnan(value)]


def test_a_value_is_needed_for_each_row(one):
    with pytest.raises(OptionError, match="for each of 120 scored rows"):
        one.plot(values=[1, 2], label="noise")
    with pytest.raises(OptionError, match="no row has a value"):
        one.plot(values=[np.nan] * 120)


def test_calibration_tells_confidence_and_what_is_right(one):
    plot = sure(one).plot("confidence")
    told = texts_of(plot)
    assert "confidence: mean probability (%)" in told
    assert "recognised words that are right (%)" in told
    assert "points" in plot.caption


def test_a_confidence_that_is_right_lies_on_the_diagonal():
    df = pd.DataFrame({"text": ["a b c d"] * 200, "hypothesis": ["a b c x"] * 100 + ["a b x y"] * 100})
    own = replace(score(df, reference="text", replicates=20), confidence=[0.75] * 100 + [0.5] * 100)
    assert "hypothesis 0.0 points" in own.plot("confidence").caption


def test_without_confidence_there_is_no_calibration(one):
    with pytest.raises(OptionError, match=r"details=True"):
        one.plot("confidence")


def test_the_scatter_counts_rows(both):
    plot = both.plot("scatter")
    first, second = (own.utterances.errors for own in both.scores)
    assert f"good has fewer in {(first < second).sum()}" in plot.caption
    assert f"bad in {(first > second).sum()}" in plot.caption
    assert "errors of good\n(words a row)" in texts_of(plot)


def test_a_scatter_is_of_the_systems_that_are_named(both):
    assert "errors of bad" in texts_of(both.plot(first="bad"))
    with pytest.raises(KeyError, match="no system 'worse'"):
        both.plot(first="worse")


@pytest.mark.parametrize("kind", ["pie", "against", "slices"])
def test_what_cannot_be_plotted_is_refused(one, kind):
    with pytest.raises(OptionError):
        one.plot(kind)


def test_slices_of_a_score_may_be_named(one):
    assert "office" in texts_of(one.plot(by={"place": ["street", "office", "home"] * 40}))


# How they are drawn


@pytest.mark.parametrize("name", ["$x_1$ & <b>", "_hidden", "猫の声", "שלום", "a\nb\x00", "x" * 300, "100%"])
def test_any_name_can_be_plotted(name, frame):
    df = frame.rename(columns={"bad": name, "bad_duration": f"{name}_duration"}).assign(kind=name)
    both = compare(df, reference="text", hypotheses=["good", name], by="kind", replicates=20)
    scores = [sure(own) for own in both.scores]
    for plot in (both.plot("systems"), both.plot("slices"), both.plot("scatter"), plots.calibration(scores)):
        page = plots.svg(plot)
        ET.fromstring(page.replace("xlink:", ""))
        assert "<b>" not in page
    if len(name) < 20 and name.isprintable():
        assert name in texts_of(both.plot("systems"))
        assert name in texts_of(both.plot("duration"))


def test_svg_takes_the_colour_and_the_font_of_the_page(both):
    page = plots.svg(both.plot("systems"))
    assert "currentColor" in page
    assert plots.INK not in page
    assert "font-family" not in page
    assert not re.search(r"(?<!-)color:|#000000|#ffffff|<style|<metadata|<!--", page)


def test_svg_is_the_same_each_time_and_shares_no_names(both):
    first, again, other = (plots.svg(both.plot(kind)) for kind in ("systems", "systems", "scatter"))
    assert first == again
    names = [set(re.findall(r' id="([^"]+)"', page)) for page in (first, other)]
    assert names[0]
    assert not names[0] & names[1]
    for page in (first, other):
        used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page))
        assert {one or two for one, two in used} <= set(re.findall(r' id="([^"]+)"', page))


def test_a_caption_is_drawn_or_left_to_the_page(both):
    plot = both.plot("systems")
    size = plot.get_size_inches().tolist()
    assert "of each system" in texts_of(plot)
    assert "of each system" not in re.sub(r'aria-label="[^"]*"', "", plots.svg(plot))
    assert plot.get_size_inches().tolist() == size
    assert "of each system" in plot._repr_html_()


def test_plots_leave_pyplot_alone():
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams.copy()\n"
        "import pandas as pd\n"
        "from asrkit.evaluate.frames import score\n"
        "own = score(pd.DataFrame({'text': ['a b'] * 9, 'hypothesis': ['a c'] * 9}), reference='text', replicates=9)\n"
        "own.plot()._repr_html_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert matplotlib.rcParams.copy() == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_figure_can_be_saved_as_any(both, tmp_path):
    both.plot("systems").savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
