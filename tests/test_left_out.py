"""Everything that is left out of a view is counted, however many systems, rows, words and values there are."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest

import asrkit  # noqa: F401  the accessor
from asrkit.evaluate import plots
from asrkit.evaluate.report import report
from asrkit.widgets.browser import LISTED, OFFERED

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]


def frame(rows: int, count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    heard = {
        f"system {number}": [
            " ".join(f"x{rng.integers(9)}" if rng.random() < 0.1 + 0.02 * number else word for word in WORDS)
            for _ in range(rows)
        ]
        for number in range(count)
    }
    return pd.DataFrame({"text": [" ".join(WORDS)] * rows, **heard})


def compare(df: pd.DataFrame, **options):
    names = [name for name in df if name.startswith("system ")]
    return df.asr.compare(reference="text", hypotheses=names, replicates=100, normalizer="none", **options)


def read(page: str) -> str:
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "\n", page))


def cards(page: str) -> list[str]:
    return [read(part.split("</table>")[0]) for part in page.split('class="ak-row"')[1:]]


@pytest.mark.parametrize("count", range(1, 13))
def test_no_system_is_left_out_of_rows_tables_plots_and_texts(count):
    made = compare(frame(30, count))
    names, pairs = made.names, len(made.differences)
    notebook, page, text = made._repr_html_(), report(made, worst=2), str(made)

    for shown in ([*cards(notebook)] if count > 1 else []) + cards(page):
        assert all(f"\n{name}\n" in shown for name in names)
    for view in (text, read(notebook), read(page)):
        assert all(name in view for name in names)
    assert {tick.get_text() for tick in made.plot("systems").axes[0].get_yticklabels()} == set(names)
    sentences = len(made.shown_differences)
    assert text.count("cannot be told apart: system") + text.count(" is better than ") >= min(sentences, 1)
    if sentences < pairs:
        assert f"{pairs - sentences} more of {pairs} pairs" in text
        assert f"{pairs - sentences} more of {pairs} pairs" in read(notebook)
        assert f"{count - 1} of {pairs} pairs; all are in the table" in read(page)
        assert f"Errors by row of 3 of {pairs} pairs" in read(page)
    else:
        assert "more of" not in text


def test_rows_and_errors_that_are_shown_are_counted_of_those_there_are():
    made = compare(frame(60, 2))
    differing = len(made.disagreements)

    assert f"(5 of {differing} rows on which they differ)" in read(made._repr_html_())
    page = read(report(made, worst=4))
    assert f"Where the systems differ most (4 of {differing} rows on which they differ)" in page
    for score in made.scores:
        wrong, kinds = int((score.frame["errors"] > 0).sum()), len(score.confusions())
        assert f"Worst rows of {score.name} (4 of {wrong} rows with an error)" in page
        assert f"15 of {kinds} different errors" in page
        assert f"(5 of {wrong} rows with an error)" in read(score._repr_html_())
        assert f"10 of {kinds} different errors" in read(score._repr_html_())


def test_what_is_whole_is_said_to_be_whole():
    df = frame(40, 1).head(3)
    df["system 0"] = [df.text[0].replace(word, "x") for word in ("fox", "dog", "over")]

    page = read(df.asr.score(reference="text", hypothesis="system 0")._repr_html_())
    assert "all 3 rows with an error" in page
    assert "all 3 different errors" in page


def test_long_texts_and_messages_say_how_much_of_them_is_left_out():
    df = frame(4, 2)
    df["text"] = df["text"] + " " + "word " * 900
    made = compare(df)
    for page in (made._repr_html_(), report(made)):
        assert re.search(r"… \([\d,]+ more characters\)", read(page))
        assert re.search(r"… [\d,]+ more, [\d,]+ of them errors …", read(page))
    failing = replace(made, failures={"other": "why " * 300})
    for page in (failing._repr_html_(), report(failing, worst=0)):
        assert "other" in read(page)
        assert "… (799 more characters)" in read(page).split("could not be run")[1]


@pytest.mark.parametrize("count", [201, 230])
def test_slices_that_do_not_fit_are_counted(count):
    df = frame(2 * count, 1).assign(room=lambda df: df.index % count)
    made = compare(df, by="room")

    page = read(report(made, worst=0))
    assert f"{count - 200} more of {count} slices are in .slices" in page
    assert f"{count} slices, {2 * count} rows; the {plots.MOST_SLICES} with most rows are shown" in page


@pytest.mark.parametrize("count", [2, 7, 12])
def test_no_two_systems_have_the_same_colour_and_marker(count):
    made = compare(frame(12, count))
    axes = made.plot("length").axes[0]
    handles = axes.get_legend().legend_handles

    looks = {(handle.get_color(), handle.get_marker()) for handle in handles}
    assert len(looks) == len(handles) == count


def test_the_browser_counts_values_errors_and_columns_that_it_does_not_list():
    rng = np.random.default_rng(0)
    count = LISTED + 50
    df = pd.DataFrame({"text": [f"word{row}" for row in range(count)], "a": [f"heard{row}" for row in range(count)]})
    df = df.assign(room=[f"room {row}" for row in range(count)])
    df = df.assign(**{f"column {place}": rng.integers(0, 3, count) for place in range(OFFERED + 3)})

    browser = df.asr.browse(reference="text", hypotheses=["a"], by="room")
    [[name, values, more]] = browser.answer_rows({"query": {}, "page": 0}).content["slices"]
    assert (name, len(values), more) == ("room", LISTED, 50)
    told = browser.answer_errors({"query": {}}).content
    assert (len(told["errors"]), told["left_out"]) == (LISTED, 50)
    assert f"{count - 10:,} more rows" in read(browser.fallback())

    offered = df.asr.browse(reference="text", hypotheses=["a"])
    assert len(offered.table.slices) == OFFERED
    assert "3 more columns with few values are filters if by= names them" in offered.options["told"]


def test_a_browser_of_many_systems_offers_each_pair():
    browser = frame(6, 6).asr.browse(reference="text", hypotheses=[f"system {number}" for number in range(6)])

    assert sum(choice[0] == "more" for choice in browser.table.choices) == 30
