"""What is said of a comparison: the same numbers and verdict in every view, and nothing that the rows do not say."""

from __future__ import annotations

import inspect
import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asrkit  # noqa: F401  the accessor
from asrkit import cli
from asrkit.evaluate import Sclite
from asrkit.evaluate.comparison import p_value, points
from asrkit.evaluate.report import report
from asrkit.evaluate.score import level_told, percent, slices

SAID = "the quick brown fox jumps over the lazy dog"


def frame(rows: int, seed: int = 0, **rates: float) -> pd.DataFrame:
    """Systems by their error rates; seven speakers, each of whom has rows."""
    rng = np.random.default_rng(seed)
    words = SAID.split()
    columns = {
        name: [" ".join("x" if rng.random() < rate else word for word in words) for _ in range(rows)]
        for name, rate in rates.items()
    }
    return pd.DataFrame({"text": [SAID] * rows, **columns, "speaker": [row % 7 for row in range(rows)]})


COMPARED = {
    "decided": lambda: compare(frame(200, a=0.05, b=0.15)),
    "undecided": lambda: compare(frame(60, a=0.10, b=0.11)),
    "close": lambda: compare(frame(300, a=0.100, b=0.097)),
    "by speaker": lambda: compare(frame(200, a=0.05, b=0.15), block="speaker"),
    "few": lambda: compare(frame(3, a=0.05, b=0.4)),
    "three": lambda: compare(frame(100, a=0.1, b=0.1, c=0.3)),
    "equal": lambda: compare(frame(50, a=0.1, b=0.1).assign(b=lambda df: df["a"])),
    "level": lambda: compare(frame(200, a=0.05, b=0.15), level=0.999),
}


def compare(df: pd.DataFrame, **options):
    names = [name for name in ("a", "b", "c") if name in df]
    return df.asr.compare(reference="text", hypotheses=names, normalizer="none", replicates=1_000, **options)


@pytest.fixture(params=list(COMPARED))
def compared(request):
    return COMPARED[request.param]()


def read(page: str) -> str:
    """The text of a page, as a reader has it."""
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", page)).replace("\N{MINUS SIGN}", "-").replace("\u200b", "")


def test_text_page_json_frame_and_plot_show_the_same_verdict_and_numbers(compared):
    text, notebook, page = str(compared), read(compared._repr_html_()), read(report(compared))
    told = json.loads(compared.to_json(rows=False))["differences"]
    table = compared.pairs
    caption = compared.plot("systems").caption

    for place, own in enumerate(compared.differences):
        decision = own.decision
        for shown in (text, notebook, caption, told[place]["verdict"], table["verdict"][place]):
            assert own.verdict in shown
        assert own.verdict in compared.plot(first=own.first, second=own.second).caption
        for name, value in {
            "difference": decision.estimate,
            "low": decision.low,
            "high": decision.high,
            "level": decision.level,
            "p": decision.p,
        }.items():
            assert table[name][place] == pytest.approx(value, nan_ok=True)
            assert told[place][name] == (None if np.isnan(value) else value)
        assert told[place]["better"] == table["better"][place] == own.better
        # The table of the page has the numbers of the first system less the second, its verdict the leader's lead.
        assert own.interval_told() in page
        assert own.p_told.removeprefix("p ").removeprefix("= ") in page
        assert points(decision.estimate) in page
        assert page.count("undecided, may be chance") == sum(other.better is None for other in compared.differences)


def test_a_verdict_says_what_its_numbers_say(compared):
    for own in compared.differences:
        decision = own.decision
        leaves_zero_out = decision.low > 0 or decision.high < 0
        assert (own.better is not None) == (own.p <= 1 - decision.joint_level)
        assert leaves_zero_out == (own.better is not None) or np.isnan(decision.low)
        assert ("is better than" in own.verdict) == (own.better is not None)
        assert ("may be chance" in own.verdict) == (own.better is None and own.ahead is not None)
        if own.ahead is not None:
            wer = {score.name: score.wer for score in compared.scores}
            assert wer[own.ahead] == min(wer[own.first], wer[own.second])


def test_a_report_names_no_winner_where_another_may_be_the_best(compared):
    page = read(report(compared))
    lead = read(re.search(r'<p class="lead">(.*?)</p>', report(compared))[1])

    if len(compared.leaders) == 1:
        assert lead.startswith(f"{compared.best.name} makes the fewest errors: ")
    else:
        assert "cannot be told apart: " in lead
        assert all(name in lead.split(" cannot be told apart")[0] for name in compared.leaders)
        assert "may be chance" in lead or "equally many errors" in lead
        assert "fewest errors" not in page.replace("with fewest errors to", "")
        assert "fewest errors" not in compared._repr_html_()


def test_where_a_comparison_has_a_best_system_it_may_be_one_of_several():
    three = COMPARED["three"]()

    assert set(three.leaders) == {"a", "b"}
    assert f"{three.best.name} is better than c by more than chance" in read(report(three))


# What is not shown


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8])
def test_intervals_that_say_nothing_are_not_shown(rows, tmp_path, capsys):
    df = frame(rows, a=0.3, b=0.6)
    df.loc[0, "a"] = " ".join(["x"] * 40)  # more errors than words
    df["room"] = ["one", *["two"] * (rows - 1)]
    df.to_csv(tmp_path / "texts.csv", index=False)
    score = df.asr.score(reference="text", hypothesis="a", normalizer="none")
    both = compare(df, by="room")

    cli.main(["score", str(tmp_path / "texts.csv"), "--hypothesis", "a", "--by", "room"])
    shown = [str(score), read(score._repr_html_()), read(report(score)), str(both), read(both._repr_html_())]
    shown += [read(report(both)), capsys.readouterr().out]

    for text in shown:
        assert "nan" not in text.lower().replace("nano", "")
        assert "[-, -]" not in text
        for low, high in re.findall(r"\[?(\d+\.\d+)%(?: to |, )(\d+\.\d+)%", text):
            assert float(high) - float(low) < 100
        assert "too few rows" in text or "no interval" in text or "interval" in text
    if rows < 4:
        assert np.isnan(score.interval.low)
        assert f"only {rows} rows: too few for an interval" in str(score) or rows == 1
        assert "too few rows" in read(report(both))


def test_an_interval_is_never_of_100_percent(tmp_path):
    df = frame(60, a=0.1, b=0.2).assign(room=[f"room {row % 4}" for row in range(60)])

    for level in (0.996, 0.99999):
        both = compare(df, level=level, by="room")
        pages = [str(both), both._repr_html_(), both.plot("systems").caption, both.plot("slices").caption]
        pages.append(report(both, worst=0))
        assert not [page for page in pages if re.search(r"(?<![\d.])100(\.0+)?% (interval|level)", page)]
        assert all(level_told(level) in page for page in pages)


@given(st.floats(0.01, 0.9999999))
def test_a_level_is_told_with_the_digits_that_tell_it_from_100_percent(level):
    shown = float(level_told(level).removesuffix("%")) / 100

    assert shown < 1
    assert abs(shown - level) <= (1 - level) / 10


@given(st.floats(0, 1), st.sampled_from([0.05, 0.01, 0.001, 0.2, 0.0003]))
def test_a_printed_p_value_shows_on_which_side_of_the_limit_it_is(p, chance):
    check_side(p, chance)


@pytest.mark.parametrize("chance", [0.05, 1 - 0.95, 0.01, 0.001, 0.2])
@pytest.mark.parametrize("off", [1e-2, 1e-3, 1e-4, 4e-5, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("sign", [-1, 1])
def test_p_values_near_the_limit_are_told_apart_from_it(chance, off, sign):
    check_side(chance * (1 + sign * off), chance)


def check_side(p: float, chance: float) -> None:
    told, number = p_value(p, chance).split()
    if told == "=":
        assert np.sign(float(number) - chance) == np.sign(p - chance) or p == pytest.approx(chance, rel=1e-11)
        assert float(number) == pytest.approx(p, abs=0.0051)
    else:
        assert told == ("<" if p < chance else ">")
        assert float(number) <= chance * (1 + 1e-5) if told == "<" else float(number) == pytest.approx(chance)


@given(st.floats(-2, 2))
def test_one_number_has_the_same_digits_in_every_view(share):
    assert points(share).lstrip("+-") == percent(abs(share)).removesuffix("%") or float(points(share)) == 0


# Other tests


def test_p_values_of_tests_that_ignore_blocks_are_not_shown_beside_blocks():
    own = COMPARED["by speaker"]()
    page = own._repr_html_() + report(own)
    [told] = json.loads(own.to_json(rows=False))["differences"]

    assert told["mapsswe"]["p"] is None
    assert [told["mcnemar_p"], told["sign_p"], told["wilcoxon_p"], told["mapsswe"]["p_holm"]] == [None] * 4
    assert "takes rows for independent" in told["mapsswe"]["reason"]
    assert "McNemar p" not in page
    assert "so their p values are left out" in page
    assert "MAPSSWE" not in own.differences[0].verdict
    assert "McNemar p" in report(COMPARED["decided"]())


@pytest.mark.parametrize(
    "dialect, a, errors",
    [
        (Sclite(case_sensitive=True), "It is So wor- the END", 2),
        (Sclite(case_sensitive=False), "IT IS SO word the end", 1),
        (Sclite(fragments=True), "it is so wor- the end", 0),
        (Sclite(fragments=False), "it is so wo- the end", 1),
    ],
)
def test_mapsswe_counts_errors_with_the_options_of_the_scores(dialect, a, errors):
    df = pd.DataFrame({"text": ["it is so wor- the end"] * 10, "a": [a] * 10, "b": ["it is so wor- the end"] * 10})

    both = df.asr.compare(reference="text", hypotheses=["a", "b"], dialect=dialect, normalizer="none")

    [own] = both.differences
    assert own.matched_pairs.errors_a == both["a"].counts.errors
    assert own.matched_pairs.errors_b == both["b"].counts.errors
    assert own.matched_pairs.errors_a == (10 * errors if errors != 2 else both["a"].counts.errors)
    assert (own.matched_pairs.errors_a > 0) == (errors > 0)


def test_slices_share_the_risk_as_they_say():
    df = frame(90, a=0.2).assign(room=["one", "two", "three"] * 30)

    found = df.asr.score(reference="text", hypothesis="a", by="room", level=0.9)

    assert found.attrs["asrkit"]["of each"] == pytest.approx(1 - 0.1 / 3)
    assert "Bonferroni" in inspect.getdoc(slices)
    assert not re.search("Holm|idák", inspect.getdoc(slices))


def test_more_rows_are_asked_for_until_six_blocks_can_decide():
    [own] = compare(frame(3, a=0.0, b=0.5)).differences

    assert own.more.blocks >= 3
    assert "more rows of the same kind" in own.verdict
