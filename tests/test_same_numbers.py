"""Text, notebook, report, JSON, frames, plots and the shell show one number with the same digits."""

from __future__ import annotations

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
from asrkit.evaluate.headline import MOST_NAMED, headline
from asrkit.evaluate.report import report
from asrkit.evaluate.wording import cut_text, dollars, p_value, percent, points, speed

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
CHINESE = list("我们今天去公园看花")


def frame(rows: int, rates: list[float], words: list[str] = WORDS, blank: str = " ", seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    heard = {
        f"system {number}": [
            blank.join(
                "花" if blank == "" and rng.random() < rate else "q" if rng.random() < rate else word for word in words
            )
            for _ in range(rows)
        ]
        for number, rate in enumerate(rates)
    }
    return pd.DataFrame({"text": [blank.join(words)] * rows, **heard, "speaker": [row % 9 for row in range(rows)]})


def with_details(df: pd.DataFrame) -> pd.DataFrame:
    """Seconds, dollars and silence, as ``transcribe(details=True)`` has them."""
    rng = np.random.default_rng(1)
    df.loc[0, "text"] = ""
    for name in [column for column in df if column.startswith("system")]:
        df[f"{name}_duration"] = rng.uniform(1, 9, len(df))
        df[f"{name}_elapsed"] = df[f"{name}_duration"] / 1_234.5
        df[f"{name}_cost"] = df[f"{name}_duration"] * 0.0000075
        df[f"{name}_confidence"] = rng.uniform(0.3, 1, len(df))
    return df


def mixed_scripts() -> pd.DataFrame:
    one, two = frame(20, [0.1, 0.2]), frame(20, [0.1, 0.3], CHINESE, "")
    return pd.concat([one, two], ignore_index=True).assign(language=["en"] * 20 + ["zh"] * 20)


RESULTS = {
    "one system": lambda: compare(frame(40, [0.1])),
    "two": lambda: compare(frame(60, [0.10, 0.12])),
    "two decided": lambda: compare(frame(200, [0.05, 0.2])),
    "five": lambda: compare(frame(60, [0.05, 0.05, 0.1, 0.2, 0.3])),
    "below one percent": lambda: compare(frame(400, [0.003, 0.006])),
    "blocks": lambda: compare(frame(60, [0.1, 0.2]), block="speaker"),
    "few rows": lambda: compare(frame(3, [0.3, 0.5])),
    "few blocks": lambda: compare(frame(40, [0.1, 0.2]).assign(speaker=lambda df: df.index % 3), block="speaker"),
    "missing rows": lambda: compare(frame(40, [0.1, 0.2]).mask(lambda df: df.index.to_series() % 7 == 0)),
    "details": lambda: compare(with_details(frame(50, [0.1, 0.2]))),
    "no words": lambda: compare(frame(10, [0.1, 0.2]).assign(text="")),
    "by character": lambda: compare(frame(40, [0.1, 0.2], CHINESE, ""), language="zh"),
    "mixed scripts": lambda: compare(mixed_scripts()),
}


def compare(df: pd.DataFrame, **options):
    names = [name for name in df if re.fullmatch(r"system \d+", name)]
    return df.asr.compare(reference="text", hypotheses=names, replicates=300, **options)


@pytest.fixture(params=RESULTS)
def result(request):
    return RESULTS[request.param]()


def cells(page: str) -> dict[str, dict[str, str]]:
    """System -> head of a column -> cell, of the table of systems."""
    table = next(part for part in re.findall(r"<table>.*?</table>", page, flags=re.DOTALL) if ">system<" in part)
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)[1:]:
        name = read(re.search(r"<th[^>]*>(.*?)</th>", row)[1]).split(" · ")[0]
        parts = re.findall(r'<td[^>]*data-name="([^"]*)"[^>]*>(.*?)</td>', row, flags=re.DOTALL)
        found[name] = {unescape(head): read(cell) for head, cell in parts}
    return found


def read(page: str) -> str:
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", page)).replace("\N{MINUS SIGN}", "-")


def test_each_number_of_a_system_has_the_same_digits_in_every_view(result):
    pages = [result._repr_html_(), report(result, worst=3)]
    table = re.split(r"(?m)^system .* interval +sub .*$", str(result))[1].splitlines()
    told = {own["system"]: own for own in json.loads(result.to_json(rows=False))["scores"]}
    plotted = {words.get_text() for words in result.plot("systems").axes[0].texts}

    for score in result.scores:
        name, rate = score.name, score.texts.rate
        wer, (low, high) = score.wer, (score.interval.low, score.interval.high)
        shown = percent(wer)
        ends = [percent(low), percent(high)] if np.isfinite(low) else []
        [line] = [line for line in table if line.startswith(f"{name} ")][:1]
        assert re.search(rf"(?<![\d.]){re.escape(shown)}", line)
        assert all(end in line for end in ends)
        for view in (str(score), read(score._repr_html_()), read(report(score, worst=1))):
            assert f"{rate} {shown}" in view or "no reference words" in view
            assert all(end in view for end in ends)
            assert f"CER {percent(score.cer)}" in view or percent(score.cer) in view
        for page in pages:
            row = cells(page)[name]
            assert row.get(rate, "-") == shown
            assert row.get("CER", "-") == percent(score.cer)
            assert row.get("RTFx", "-") == speed(score.rtfx)
            assert row.get("$ per audio hour", "-") == dollars(score.dollars_per_hour)
            assert all(end in row["95% interval"] for end in ends)
        if np.isfinite(score.rtfx):
            assert line.endswith(f" {speed(score.rtfx)}  {dollars(score.dollars_per_hour):>6}")
        else:
            assert " $/h" not in str(result)
            assert "RTFx" not in str(result)
        if np.isfinite(wer):
            assert shown in plotted
            assert percent(told[name]["wer"]) == percent(result.frame["wer"][name]) == shown
        assert [told[name]["interval"]["low"] is None, np.isnan(result.frame["low"][name])] == [not ends] * 2


def test_every_view_has_the_headline_or_the_verdict_of_its_only_pair(result):
    told = json.loads(result.to_json(rows=False))
    sentence = result.headline if len(result.differences) != 1 else result.differences[0].verdict

    assert told["verdict"] == headline(result)
    assert told["leaders"] == result.leaders
    assert sentence in str(result)
    assert sentence in read(result._repr_html_())
    assert result.headline in read(report(result, worst=0))
    assert sentence.removesuffix(".") in result.plot("systems").caption or not result.differences
    if len(result.leaders) > 1 and np.isfinite(result.best.wer):
        for view in (str(result), read(result._repr_html_()), read(report(result, worst=0)), told["verdict"]):
            assert "cannot be told apart" in view
            assert "makes the fewest errors" not in view
        assert re.search("cannot be told apart: .*(may be chance|equally many)", told["verdict"])


def test_the_verdict_of_a_pair_comes_before_any_count_of_rows_in_a_plot(result):
    if len(result.scores) > 1:
        caption = result.plot("scatter").caption
        verdict = result.differences[0].verdict
        assert verdict in caption
        assert caption.index(verdict) < caption.index(" has fewer in ")


def test_the_browser_shows_the_digits_of_the_score(result):
    browser = result.browse()
    told = browser.answer_rows({"query": {}, "page": 0}).content
    scores = result.scores

    assert [own["told"] for own in told["totals"]] == [percent(score.wer) for score in scores]
    for row in told["rows"]:
        for place, score in enumerate(scores):
            rate = score.frame["wer"].iloc[row["id"]]
            assert row["cells"][place]["told"] == percent(rate)
        if len(scores) == 2:
            apart = scores[0].frame["wer"].iloc[row["id"]] - scores[1].frame["wer"].iloc[row["id"]]
            assert row["apart"].replace("\N{MINUS SIGN}", "-") == points(apart)
    assert all(percent(score.wer) in read(browser.fallback()) for score in scores)


def test_the_shell_prints_what_the_notebook_prints_and_slices_say_where_rows_are_too_few(tmp_path, capsys):
    df = frame(30, [0.1, 0.2]).drop(columns="speaker").assign(room=["small", "small", *["large"] * 28])
    df.to_csv(tmp_path / "texts.csv", index=False)
    names = ["system 0", "system 1"]
    both = pd.read_csv(tmp_path / "texts.csv").asr.compare(reference="text", hypotheses=names, by="room")

    cli.main(["compare", str(tmp_path / "texts.csv"), "--hypotheses", *names, "--by", "room"])

    printed = capsys.readouterr().out
    assert str(both) in printed
    small = both.slices[both.slices["room"] == "small"]
    assert small["low"].isna().all()
    assert sum("too few rows" in line for line in printed.splitlines() if " small " in f" {line} ") == 2
    assert "nan" not in printed.lower()


@given(st.floats(0, 1e-2, exclude_min=True).filter(lambda share: share > 1e-9))
def test_a_small_rate_or_difference_is_never_written_as_none(share):
    assert float(percent(share).removesuffix("%")) > 0
    assert float(points(-share)) < 0
    assert len(percent(share).strip("0.%")) <= 3


@pytest.mark.parametrize("p", [0.0495, 0.0499, 0.04999, 0.05001, 0.0504])
def test_p_values_on_either_side_of_the_limit_are_not_written_alike(p):
    assert p_value(p) != p_value(0.1 - p)
    assert p_value(p) != "= 0.050"


@pytest.mark.parametrize("count", range(1, 13))
def test_a_headline_names_some_systems_and_counts_the_others(count):
    made = compare(frame(40, [0.1] * count))
    first, _, _ = made.headline.partition(" cannot be told apart: ")
    more = len(made.leaders) - MOST_NAMED

    if more > 1:
        assert first.count("system ") == MOST_NAMED
        assert first.endswith(f" and {more} more systems")
    elif count > 1:
        assert all(name in first for name in made.leaders)


def test_a_text_that_is_cut_says_by_how_much():
    assert cut_text("x" * 100, 40).endswith(" … (60 more characters)")
