"""The language of a row comes from the row, so a column of texts has one score wherever it is read."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asrkit
from asrkit.cli import main
from asrkit.evaluate.languages import identify

JAPANESE = ["こんにちは世界", "今日は二十度です"]


@pytest.mark.parametrize(
    "text, language",
    [
        ("Das ist ein Haus", "de"),
        ("MERCI BEAUCOUP", "fr"),
        ("two two six", "en"),
        ("x n k u eight", "en"),
        ("привіт як справи", "uk"),
        ("Трилистник — символ дня святого Патрика", "ru"),
        ("یہ کیا ہے", "ur"),
        ("این چیست", "fa"),
        ("ما هذا", "ar"),
        ("मुझे नहीं पता", "hi"),
        ("שלום עולם", "he"),
        ("װאָס מאַכסטו", "yi"),
        ("東京", "zh"),
        ("東京に行きます", "ja"),
        ("我用 Python 写", "zh"),
        ("안녕하세요", "ko"),
        ("ก็ได้", "th"),
        ("Γεια", "el"),
        ("42", None),
        ("...", None),
        ("", None),
    ],
)
def test_a_text_tells_its_language(text, language):
    assert identify(text) == language


def test_at_least_98_percent_of_the_recordings_references_of_three_words_are_identified(recordings):
    spoken = recordings[recordings.text.str.split().str.len().ge(3) | recordings.language.isin(["ja", "zh"])]
    for texts in (spoken.text, spoken.text.str.lower(), spoken.text.str.upper()):
        right = texts.map(identify) == spoken.language

        assert right.mean() >= 0.98, spoken[~right][["text", "language"]]


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_code_or_none(text):
    assert re.fullmatch("[a-z]{2,3}", identify(text) or "en")


@pytest.fixture(scope="module")
def frame():
    """English references with figures, on which normalizers differ, and two systems."""
    said = [
        "It cost twenty five dollars.",
        "We can't go at half past three!",
        "so it is",
        "",
        "42",
        "okay",
        "Two two six.",
        "The colour of the 3rd house is grey",
    ]
    tiny = [
        "it cost $25",
        "we cannot go at half past three",
        "so is it",
        "thank you",
        "forty two",
        "Okay.",
        "226",
        "the color of the third horse is gray",
    ]
    base = [
        "It costs twenty-five dollars",
        "we can't go",
        "so it is",
        "",
        "42",
        "ok",
        "two to six",
        "the color is grey",
    ]
    return pd.DataFrame({"path": [f"{n}.wav" for n in range(8)], "text": said, "tiny": tiny, "base": base})


def errors(frame, name):
    """Errors and words of the rows of the table, and their normalizer; not of rows that were added."""
    score = frame.asr.score(reference="text", hypothesis=name, replicates=10)
    return score.frame.loc[:7, ["errors", "words"]].to_numpy().tolist(), score.wer


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_a_column_has_one_score_however_its_table_is_kept(frame, name, tmp_path, capsys):
    rows, wer = errors(frame, name)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    merged = frame.drop(columns=name).merge(frame[["path", name]], on="path")
    renamed = frame.rename(columns={name: "another"})
    with_attrs = frame.copy()
    with_attrs.attrs["asrkit"] = {name: {"model": "openai/whisper-base", "language": "fi"}}

    assert errors(merged, name) == errors(with_attrs, name) == (rows, wer)
    assert errors(renamed, "another") == (rows, wer)
    assert errors(pd.read_parquet(tmp_path / "t.parquet"), name) == (rows, wer)
    assert errors(pd.read_csv(tmp_path / "t.csv", keep_default_na=False), name) == (rows, wer)
    compared = frame.asr.compare(reference="text", hypotheses=["base", "tiny"], replicates=10)
    assert {score.name: score.wer for score in compared.scores}[name] == wer
    assert frame.asr.browse(reference="text", hypotheses=["base", "tiny"]).table.errors[name].tolist() == [
        float(row) for row, _ in rows
    ]
    assert main(["score", str(tmp_path / "t.parquet"), "--hypothesis", name]) == 0
    assert f"{name}: WER {wer:.1%}" in capsys.readouterr().out


def test_rows_in_other_languages_change_no_row(frame):
    others = pd.DataFrame({"path": ["j", "k"], "text": JAPANESE, "tiny": ["こんにちわ世界", "今日は20度です"]})
    german = pd.DataFrame({"path": ["d"] * 9, "text": ["Er kam um drei Uhr"] * 9, "tiny": ["er kam um 3 Uhr"] * 9})

    mixed = pd.concat([frame, others, german], ignore_index=True)

    assert errors(mixed, "tiny")[0] == errors(frame, "tiny")[0]
    score = mixed.asr.score(reference="text", hypothesis="tiny", replicates=10)
    assert score.frame.loc[8, ["errors", "words"]].tolist() == [1, 7]  # characters, since nothing parts words
    assert "english" in score.texts.normalizer
    assert "multilingual" in score.texts.normalizer


def test_systems_that_took_a_row_for_other_languages_keep_their_own_scores(frame):
    df = frame.assign(tiny_language="en", base_language=["en", "nl", "en", None, "sv", "en", "nl", "en"])
    alone = {name: errors(df, name) for name in ("tiny", "base")}

    compared = df.asr.compare(reference="text", hypotheses=["tiny", "base"], replicates=10)

    for score in compared.scores:
        assert (score.frame.loc[:7, ["errors", "words"]].to_numpy().tolist(), score.wer) == alone[score.name]


def test_the_language_of_the_caller_is_asked_before_that_of_the_table_of_the_system_and_of_the_text():
    df = pd.DataFrame({"text": ["ten"], "hypothesis": ["10"], "hypothesis_language": ["nl"]})

    def language(frame, **options):
        score = frame.asr.score(reference="text", replicates=10, **options)
        return score.compared.languages[0]

    assert language(df) == "nl"
    assert language(df.assign(language="de")) == "de"
    assert language(df.assign(language="de"), language="sv") == "sv"
    assert language(df.assign(hypothesis_language=None)) == "en"


def test_a_language_that_was_asked_for_is_kept_in_the_table():
    df = pd.DataFrame({"audio": [(np.zeros(8_000, np.float32), 8_000)]})

    told = df.asr.transcribe("audio", model=asrkit.Canned(["hej"]), language="sv", progress=False)

    assert told["hypothesis_language"].tolist() == ["sv"]


def test_a_language_that_is_not_known_is_said_in_the_first_line():
    df = pd.DataFrame({"text": ["Bye!", "so it is then"], "hypothesis": ["bye", "so it is then"]})

    first = str(df.asr.score(reference="text", replicates=10)).splitlines()[0]

    assert "the language of 1 row is not known" in first
    assert "not known" not in str(df.asr.score(reference="text", language="en", replicates=10))


class TestNothingHeard:
    """CSV writes an empty text as it writes a missing one."""

    @pytest.fixture
    def df(self):
        return pd.DataFrame(
            {
                "path": ["a.wav", "b.wav", "c.wav", None],
                "text": ["so it is", "not at all", "never mind", "no sound here"],
                "hypothesis": ["so it is", "", None, None],
                "hypothesis_error": [None, None, "not-audio: a text file", None],
                "hypothesis_duration": [1.0, 2.0, None, None],
            }
        )

    @pytest.mark.parametrize("options", [{}, {"keep_default_na": False}])
    def test_counts_the_same_through_csv(self, df, options, tmp_path):
        df.to_csv(tmp_path / "t.csv", index=False)

        score = pd.read_csv(tmp_path / "t.csv", **options).asr.score(reference="text", replicates=10)

        assert score.counts.deletions == df.asr.score(reference="text", replicates=10).counts.deletions == 3
        assert score.failed == 2

    def test_counts_the_same_in_the_shell(self, df, tmp_path, capsys):
        df.to_csv(tmp_path / "t.csv", index=False)

        assert main(["score", str(tmp_path / "t.csv")]) == 0
        assert "WER 50.0%" in capsys.readouterr().out
