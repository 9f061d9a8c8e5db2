"""Frames are scored, compared and benchmarked: which rows count, what the numbers are, and what they were made with."""

from __future__ import annotations

import json
import math

import jiwer
import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.cli import main
from asrkit.errors import BackendError, ColumnError, OptionError

SAID = "the quick brown fox jumps over the lazy dog"


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({"text": ["the cat sat", "so it is", "red green blue white"], **columns})


def test_a_corpus_rate_is_that_of_its_sums_and_equals_jiwers():
    df = frame(hypothesis=["the bat sat", "so it is", "red blue white pink"])

    score = df.asr.score(reference="text", normalizer="none")

    assert score.wer == jiwer.wer(df.text.tolist(), df.hypothesis.tolist()) == 0.3
    assert (score.counts.substitutions, score.counts.deletions, score.counts.insertions) == (1, 1, 1)
    assert score.frame["errors"].tolist() == [1, 0, 2]
    assert score.ser == pytest.approx(2 / 3)


def test_the_real_recordings_texts_score_as_jiwer_does(recordings):
    texts = recordings[recordings.language == "en"].text.reset_index(drop=True)
    df = pd.DataFrame({"text": texts, "hypothesis": texts.shift(1, fill_value="so it is")})

    score = df.asr.score(reference="text", normalizer="none", unit="word", replicates=100)

    theirs = jiwer.process_words(df.text.tolist(), df.hypothesis.tolist())
    assert (score.wer, score.mer, score.wil) == pytest.approx((theirs.wer, theirs.mer, theirs.wil))


class TestRows:
    def test_without_a_reference_are_not_scored(self):
        df = frame(hypothesis=["the cat sat", "so", "red green blue white"])
        df.loc[1, "text"] = None

        score = df.asr.score(reference="text")

        assert score.wer == 0
        assert (len(score.frame), score.texts.unreferenced) == (2, 1)
        assert "2 of 3 rows; 1 has no reference and is left out" in str(score)

    def test_where_nothing_was_said_count_what_was_heard(self):
        df = pd.DataFrame(
            {"text": ["so it is", ""], "hypothesis": ["so it is", "thank you"], "hypothesis_duration": [3, 30]}
        )

        score = df.asr.score(reference="text")

        assert score.counts.insertions == 2
        assert score.wer == pytest.approx(2 / 3)
        assert math.isnan(score.frame["wer"][1])
        assert score.hallucinated_per_minute == 4.0

    def test_that_failed_are_left_out_and_told_or_count_as_deletions(self):
        df = frame(hypothesis=["the cat sat", None, "red green blue white"])

        left_out = df.asr.score(reference="text")
        deleted = df.asr.score(reference="text", failed="deletions")

        assert (left_out.wer, left_out.failed) == (0, 1)
        assert (deleted.counts.deletions, deleted.wer) == (3, 0.3)
        assert "1 of hypothesis" in str(left_out)

    def test_heard_as_nothing_are_no_failures(self):
        score = frame(hypothesis=["", "so it is", "red green blue white"]).asr.score(reference="text")

        assert (score.failed, score.counts.deletions) == (0, 3)

    def test_with_the_same_label_stay_apart(self):
        df = frame(hypothesis=["the cat sat", "so", "red"]).set_axis([7, 7, 8])

        assert df.asr.score(reference="text").frame["errors"].tolist() == [0, 2, 3]

    def test_none_at_all_is_an_error_that_counts_them(self):
        df = frame(hypothesis=[None, None, None])

        with pytest.raises(OptionError, match="of 3, 0 have no reference, 3 no 'hypothesis'"):
            df.asr.score(reference="text")

    def test_that_are_no_text_are_named(self):
        with pytest.raises(OptionError, match="row 0: hypothesis is text or missing, got int"):
            frame(hypothesis=[1, 2, 3]).asr.score(reference="text")


class TestLanguages:
    def test_written_without_blanks_are_scored_by_character(self):
        df = pd.DataFrame({"text": ["我喜欢猫", "今天很好"], "hypothesis": ["我喜欢狗", "今天很好"]})

        score = df.asr.score(reference="text")

        assert (score.texts.rate, score.wer) == ("CER", 0.125)
        assert "CER 12.5%" in str(score)

    def test_with_both_scripts_are_scored_by_both(self):
        df = pd.DataFrame({"text": ["我用 Python 写"], "hypothesis": ["我用 Java 写"], "language": ["zh"]})

        assert df.asr.score(reference="text").wer == 0.25

    def test_are_taken_from_a_column_row_by_row(self):
        df = pd.DataFrame({"text": ["nine one six", "zwei"], "hypothesis": ["916", "2"], "language": ["en", "de"]})

        score = df.asr.score(reference="text")

        assert score.frame["errors"].tolist() == [0, 1]
        assert score.texts.normalizer.startswith("english 2, multilingual")


class TestOptions:
    def test_an_unknown_column_is_told_with_the_near_one(self):
        with pytest.raises(ColumnError, match="did you mean 'text'"):
            frame(hypothesis="x").asr.score(reference="txt")

    def test_a_users_own_normalizer_is_recorded_by_name(self):
        def loud(text: str) -> str:
            return text.upper()

        score = frame(hypothesis=["THE CAT SAT", "so it is", "red green blue white"]).asr.score(
            reference="text", normalizer=loud
        )

        assert score.wer == 0
        assert "loud" in score.texts.normalizer

    def test_sclites_dialect_counts_as_sclite_does(self):
        df = pd.DataFrame({"text": ["a b c d e"], "hypothesis": ["d e x y z"]})

        rates = [
            df.asr.score(reference="text", normalizer="none", dialect=name).wer for name in ("levenshtein", "sclite")
        ]

        assert rates == [1.0, 1.2]

    def test_speakers_that_nobody_asked_about_are_pointed_out(self):
        df = pd.DataFrame({"text": [SAID] * 40, "hypothesis": [SAID, SAID[4:]] * 20, "speaker": ["a", "b"] * 20})

        assert "pass block='speaker'" in df.asr.score(reference="text").interval.warning
        assert "blocks" in df.asr.score(reference="text", block="speaker").interval.warning

    def test_slices_are_a_frame_whose_counts_add_up(self):
        df = pd.DataFrame({"text": [SAID] * 40, "hypothesis": [SAID, SAID[4:]] * 20, "room": ["a", "b"] * 20})

        slices = df.asr.score(reference="text", by="room")

        assert slices["room"].tolist() == ["a", "b"]
        assert slices["wer"].tolist() == [0.0, pytest.approx(1 / 9)]
        assert slices["deletions"].sum() == df.asr.score(reference="text").counts.deletions


class TestCompare:
    @pytest.fixture
    def two(self) -> pd.DataFrame:
        draw = np.random.default_rng(3)
        words = SAID.split()

        def noisy(share: float) -> list[str]:
            return [" ".join("x" if draw.random() < share else word for word in words) for _ in range(200)]

        return pd.DataFrame({"text": [SAID] * 200, "good": noisy(0.05), "bad": noisy(0.15)})

    def test_the_better_one_is_named_with_the_size_of_the_difference(self, two):
        comparison = two.asr.compare(reference="text", hypotheses=["good", "bad"])

        [difference] = comparison.differences
        assert comparison.best.name == difference.better == "good"
        assert difference.interval.low < difference.interval.estimate < difference.interval.high < 0
        assert difference.verdict.startswith("good is better than bad by ")
        assert "[+" in difference.verdict
        assert difference.p < 0.001

    def test_turned_round_it_says_the_same(self, two):
        one = two.asr.compare(reference="text", hypotheses=["good", "bad"]).differences[0]
        other = two.asr.compare(reference="text", hypotheses=["bad", "good"]).differences[0]

        assert one.interval.estimate == -other.interval.estimate
        assert one.matched_pairs.z == -other.matched_pairs.z
        assert one.better == other.better

    def test_equal_systems_cannot_be_told_apart(self, two):
        two["twin"] = two["good"]

        [difference] = two.asr.compare(reference="text", hypotheses=["good", "twin"]).differences

        assert difference.better is None
        assert "cannot be told apart" in difference.verdict

    def test_a_row_that_one_system_failed_on_counts_for_none(self, two):
        two.loc[:9, "bad"] = None

        comparison = two.asr.compare(reference="text", hypotheses=["good", "bad"])

        assert {len(score.frame) for score in comparison.scores} == {190}
        assert comparison.frame["failed"].to_dict() == {"good": 0, "bad": 10}

    def test_scores_of_other_normalizers_are_refused(self, two):
        from asrkit.evaluate.comparison import compare_scores

        plain = two.asr.score(reference="text", hypothesis="good", normalizer="none")
        basic = two.asr.score(reference="text", hypothesis="bad", normalizer="basic")

        with pytest.raises(OptionError, match="good and bad have different normalizers: none 1 and basic 1"):
            compare_scores([plain, basic])

    def test_the_json_holds_what_is_needed_to_trace_every_number(self, two, tmp_path):
        two.asr.compare(reference="text", hypotheses=["good", "bad"]).to_json(tmp_path / "told.json")

        told = json.loads((tmp_path / "told.json").read_text(), parse_constant=pytest.fail)
        [good, _] = told["scores"]
        assert good["normalizer"].startswith("english 2")
        assert good["interval"]["seed"] == 0
        assert good["versions"]["asrkit"] == asrkit.__version__
        assert told["differences"][0]["mapsswe"]["segments"] > 100


class TestBenchmark:
    def clips(self) -> pd.DataFrame:
        tone = (0.1 * np.sin(np.arange(16_000)), 16_000)
        return pd.DataFrame({"audio": [tone] * 3, "text": ["so it is"] * 3})

    def test_runs_every_model_and_tells_the_one_that_cannot_be_run(self):
        comparison = self.clips().asr.benchmark(
            "audio",
            reference="text",
            models=[asrkit.Canned(["so it is"]), asrkit.Canned(["so it was"]), "@cf/openai/whisper"],
            progress=False,
        )

        assert comparison.names == ["canned", "canned (2)"]
        assert comparison["canned"].wer == 0
        assert comparison["canned (2)"].rtfx > 0
        assert "set CLOUDFLARE_ACCOUNT_ID" in comparison.failures["@cf/openai/whisper"]
        assert "@cf/openai/whisper could not be run" in str(comparison)

    def test_of_nothing_that_runs_says_why(self):
        with pytest.raises(BackendError, match="none of the models could be run: @cf/openai/whisper: no account"):
            self.clips().asr.benchmark("audio", reference="text", models=["@cf/openai/whisper"], progress=False)

    def test_confidences_and_seconds_come_along(self):
        df = self.clips().asr.transcribe("audio", model=asrkit.Canned(["so it is"]), details=True, progress=False)
        df["hypothesis_confidence"] = [-0.1, -0.2, -0.3]

        score = df.asr.score(reference="text")

        assert score.frame["confidence"].tolist() == [-0.1, -0.2, -0.3]
        assert score.system["backend"] == "canned"


class TestShell:
    @pytest.fixture
    def table(self, tmp_path):
        path = tmp_path / "texts.csv"
        frame(a=["the bat sat", "so it is", "none"], b=["the cat sat", "so it is", None]).to_csv(path, index=False)
        return path

    def test_score_prints_the_rate_and_writes_json_and_a_page(self, table, tmp_path, capsys):
        status = main(
            [
                "score",
                str(table),
                "--hypothesis",
                "a",
                "--json",
                str(tmp_path / "s.json"),
                "--html",
                str(tmp_path / "s.html"),
            ]
        )

        printed = capsys.readouterr().out
        assert status == 0
        assert "a: WER 50.0%" in printed
        assert json.loads((tmp_path / "s.json").read_text())["wer"] == 0.5
        assert "<html" in (tmp_path / "s.html").read_text()

    def test_words_that_look_like_missing_values_are_words(self, tmp_path, capsys):
        (tmp_path / "t.csv").write_text("text,hypothesis\nnone,none\nnull,null\nNA,na\n")

        assert main(["score", str(tmp_path / "t.csv")]) == 0
        assert "3 of 3 rows" in capsys.readouterr().out

    def test_compare_leaves_failed_rows_out_and_says_so(self, table, capsys):
        assert main(["compare", str(table), "--hypotheses", "a", "b"]) == 0

        printed = capsys.readouterr().out
        assert "2 of 3 rows" in printed
        assert "1 of b" in printed

    def test_a_wrong_column_ends_with_a_hint(self, table, capsys):
        assert main(["score", str(table), "--hypothesis", "c"]) == 2
        assert "no column 'c'" in capsys.readouterr().err
