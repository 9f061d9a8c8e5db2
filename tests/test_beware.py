"""A score says where its errors are a matter of spelling habits, and how much a named option would change."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import asrkit  # noqa: F401 -- df.asr
from asrkit.normalizers import find

WITH_SIGNS = ["كِتَابٌ جَدِيدٌ هُنَا", "السَّلَامُ عَلَيْكُمْ"]
WITHOUT_SIGNS = ["كتاب جديد هنا", "السلام عليكم"]
WITH_POINTS = ["שָׁלוֹם עוֹלָם", "בֹּקֶר טוֹב לְכֻלָּם"]
WITHOUT_POINTS = ["שלום עולם", "בקר טוב לכלם"]
TRADITIONAL = ["我們這個時候還沒來", "他說學過這個"]
SIMPLIFIED = ["我们这个时候还没来", "他说学过这个"]

CASES = {
    "Arabic": (WITH_SIGNS, WITHOUT_SIGNS, "multilingual-no-harakat", "Arabic vowel signs"),
    "Hebrew": (WITH_POINTS, WITHOUT_POINTS, "multilingual-no-niqqud", "Hebrew points"),
    "Chinese": (TRADITIONAL, SIMPLIFIED, "multilingual-simplified", "traditional Chinese"),
}


def scored(references, hypotheses, **options):
    df = pd.DataFrame({"text": references, "hypothesis": hypotheses})
    return df.asr.score(reference="text", replicates=10, **options)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("is_swapped", [False, True])
def test_a_habit_on_one_side_alone_is_said_with_the_rate_that_its_option_gives(name, is_swapped):
    marked, plain, option, what = CASES[name]
    references, hypotheses = (plain, marked) if is_swapped else (marked, plain)
    if name == "Chinese":
        pytest.importorskip("opencc")

    score = scored(references, hypotheses)

    [told] = score.beware
    assert what in told
    assert option in told
    assert "in 2 rows" in told
    rates = re.findall(r"[0-9.]+%", told)
    assert rates == [f"{scored(references, hypotheses, normalizer=option).wer:.1%}", f"{score.wer:.1%}"]
    assert f"beware: {told}" in str(score)
    assert score.to_dict()["beware"] == [told]


@pytest.mark.parametrize("name", CASES)
def test_a_comparison_and_its_report_say_it_of_the_system_that_it_concerns(name):
    marked, plain, option, _ = CASES[name]
    df = pd.DataFrame({"text": marked, "same": marked, "other": plain})

    compared = df.asr.compare(reference="text", hypotheses=["same", "other"], replicates=10)

    assert compared["same"].beware == []
    assert f"beware of other: {compared['other'].beware[0]}" in str(compared)
    assert option in compared.to_html()


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_said_where_both_sides_have_the_same_habit_or_the_option_is_taken(name):
    marked, plain, option, _ = CASES[name]
    if name == "Chinese":
        pytest.importorskip("opencc")

    assert scored(marked, marked).beware == []
    assert scored(plain, plain).beware == []
    assert scored(marked, ["", ""]).beware == []  # nothing was heard, which is no habit
    assert scored(marked, plain, normalizer=option).beware == []


def test_texts_without_signs_and_scripts_have_nothing_to_beware_of():
    score = scored(
        ["so it is", "Das wäre schön", "東京に行きます 国"], ["so is it", "das war schön", "東京にいきます 國"]
    )

    assert score.beware == []
    assert find("multilingual")("é") == "é"


def test_errors_that_would_stay_are_not_put_down_to_the_signs():
    score = scored([*WITH_SIGNS, "ما هذا"], [WITHOUT_SIGNS[0], "السلام عليك", "ما ذلك"])

    assert re.findall(r"[0-9.]+%", score.beware[0]) == ["28.6%", "85.7%"]  # 2 and 6 of 7 words
