"""One text, one score: a column of texts has the same numbers whatever is beside it and however its table is kept."""

from __future__ import annotations

import json
import random

import numpy as np
import pandas as pd
import pytest

import asrkit  # noqa: F401 -- df.asr
from asrkit.cli import main
from asrkit.errors import OptionError

SENTENCES = {
    "en": ["It cost twenty five dollars.", "we can't go at half past three!", "the colour of the 3rd house is grey"],
    "de": ["Er kam um drei Uhr nach Hause", "Das kostet 25 Euro", "so ist es eben gewesen"],
    "fr": ["Il est venu à trois heures", "c'est l'été, n'est-ce pas ?", "les œufs du marché"],
    "ja": ["今日は二十度です", "東京に行きます", "こんにちは世界"],
    "zh": ["我们今天去北京", "我用 Python 写程序", "现在是三点半"],
    "th": ["วันนี้อากาศดี", "สวัสดีครับ"],
    "ar": ["ما هذا الكتاب", "كِتَابٌ جديد"],
    "hi": ["मुझे नहीं पता", "किताबें अच्छी हैं"],
    "ru": ["как дела сегодня", "пять рублей"],
}
WHOLE = ["two two six", "42", "okay", "Bye!", "..."]
SEEDS = range(12)


def sentence(rng):
    return rng.choice([*rng.choice(list(SENTENCES.values())), rng.choice(WHOLE)])


def heard(text, rng):
    """The text with errors; sometimes another, an empty or none."""
    if rng.random() < 0.1:
        return rng.choice(["", sentence(rng), None])
    parts = list(text) if " " not in text else text.split()
    kept = [part for part in parts if rng.random() > 0.15]
    return ("" if " " not in text else " ").join(kept).lower() if rng.random() < 0.7 else text


def table(seed):
    """Rows of several languages, with empty and missing references and rows that failed, and four systems."""
    rng = random.Random(seed)
    said = [rng.choice([sentence(rng)] * 8 + ["", None]) for _ in range(rng.randint(15, 40))]
    said[:3] = ["so it is", "", sentence(rng)]
    frame = pd.DataFrame({"path": [f"{n}.wav" for n in range(len(said))], "text": pd.Series(said, dtype=object)})
    for name in "abcd":
        texts = [heard(text or "", rng) for text in said]
        frame[name] = pd.Series(texts, dtype=object)
        frame[f"{name}_error"] = pd.Series([None if text is not None else "not-audio" for text in texts], dtype=object)
        if rng.random() < 0.5:
            frame[f"{name}_language"] = pd.Series(rng.choices([None, "en", "ja", "de"], k=len(said)), dtype=object)
    frame["speaker"] = rng.choices(["anna", "ben", "eva", None], k=len(said))
    return frame


def numbers(score):
    """All that is said of a system, and the errors of each row."""
    told = {
        name: value
        for name, value in score.to_dict().items()
        if name not in ("system", "rows_of_frame", "rows_without_reference")
    }
    del told["interval"]["warning"]  # it may name a column with speakers
    return told, score.frame[["errors", "words"]].to_numpy().tolist()


def scored(frame, name="a", **options):
    return numbers(frame.asr.score(reference="text", hypothesis=name, replicates=20, **options))


def told_by_shell(path, capsys):
    """The JSON of ``asrkit score``, in the form of ``numbers``, but for the interval, which has more replicates."""
    assert main(["score", str(path), "--hypothesis", "a", "--json", str(path) + ".json"]) == 0
    capsys.readouterr()
    told = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
    del told["interval"]
    return told


@pytest.mark.parametrize("seed", SEEDS)
def test_a_column_has_one_score_in_every_frame_that_holds_it(seed):
    frame = table(seed)
    rng = random.Random(-seed)
    alone = frame[[name for name in frame if name[0] not in "bcd"]]
    expected = scored(alone)
    others = frame[[name for name in frame if name[0] != "a"]]
    order = rng.sample(list(frame.columns), len(frame.columns))
    german = pd.DataFrame({"path": ["x", "y"], "text": ["Das ist ein Haus", "東京"], "a": ["das ist", "東"]})
    shuffled = alone.sample(frac=1.0, random_state=seed)

    for same in (
        frame,
        frame[order],
        others.merge(frame[["path", *(name for name in frame if name.startswith("a"))]], on="path"),
        alone.set_index("path", drop=False),
        alone.set_axis(np.arange(len(alone)) * 7 - 3),
        pd.concat([alone.head(9), alone.iloc[9:]]),
        pd.concat([alone, german], ignore_index=True).head(len(alone)),
        pd.concat([german, alone], ignore_index=True).iloc[2:],
        shuffled.sort_index(),
        alone.assign(unnamed=1),
        alone.convert_dtypes(),
    ):
        assert scored(same) == expected
    renamed = alone.rename(
        columns=lambda name: name.replace("a", "z", 1) if name in ("a", "a_error", "a_language") else name
    )
    assert scored(renamed, "z") == expected
    with_attrs = alone.copy()
    with_attrs.attrs["asrkit"] = {"a": {"language": "fi"}}
    told, rows = scored(with_attrs)
    assert ({**told, "made_by": {}}, rows) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_column_has_one_score_beside_any_other_system(seed):
    frame = table(seed)
    for others in (["b"], ["c", "b"], ["d", "c", "b"]):
        columns = [*others, "a"]
        has_all = (
            frame[columns].notna().all(axis=1) | frame.text.isna()
        )  # rows that failed for one are left out for all
        same_rows = frame[has_all]

        compared = frame.asr.compare(reference="text", hypotheses=columns, replicates=20)

        told, rows = numbers(compared["a"])
        expected, expected_rows = scored(same_rows)
        assert rows == expected_rows
        del told["rows_failed"], expected["rows_failed"]
        assert told == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_column_has_one_score_in_files(seed, tmp_path, capsys):
    frame = table(seed)
    expected = scored(frame)
    # What CSV cannot write: it has one way for an empty reference and a missing one.
    without_empty = frame.assign(text=frame.text.where(frame.text != "", None))
    without_missing = frame.assign(text=frame.text.fillna(""))
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)

    assert scored(pd.read_parquet(tmp_path / "t.parquet")) == expected
    assert scored(pd.read_csv(tmp_path / "t.csv")) == scored(without_empty)
    assert scored(pd.read_csv(tmp_path / "t.csv", keep_default_na=False)) == scored(without_missing)
    assert scored(pd.read_csv(tmp_path / "t.csv", keep_default_na=False, dtype=str)) == scored(without_missing)
    shell = told_by_shell(tmp_path / "t.parquet", capsys)
    del expected[0]["interval"]
    assert {name: shell[name] for name in expected[0]} == expected[0]


def test_parts_of_a_table_add_up_to_the_whole():
    frame = table(3)
    pieces = [part for _, part in frame.groupby(np.arange(len(frame)) % 3)]
    counts = [part.asr.score(reference="text", hypothesis="a", replicates=5).counts for part in pieces]

    assert sum(counts[1:], counts[0]) == frame.asr.score(reference="text", hypothesis="a", replicates=5).counts


class TestEmptyAndMissing:
    def test_an_empty_reference_says_that_nobody_spoke_and_a_missing_one_is_left_out_and_both_are_said(self):
        df = pd.DataFrame({"text": ["so it is", "", None, np.nan], "hypothesis": ["so it is", "thank you", "ok", ""]})

        score = df.asr.score(reference="text", replicates=10)

        assert score.counts.insertions == 2
        assert score.to_dict()["rows_where_nobody_spoke"] == 1
        assert score.to_dict()["rows_without_reference"] == 2
        assert (
            "2 of 4 rows, 1 with an empty reference, where nobody spoke; 2 have no reference and are left out"
            in str(score)
        )

    def test_a_csv_that_pandas_reads_by_default_says_why_rows_are_left_out_and_how_to_keep_them(self, tmp_path):
        df = pd.DataFrame({"text": ["so it is", ""], "hypothesis": ["so it is", "thank you"]})
        df.to_csv(tmp_path / "t.csv", index=False)

        by_default = pd.read_csv(tmp_path / "t.csv").asr.score(reference="text", replicates=10)
        kept = pd.read_csv(tmp_path / "t.csv", keep_default_na=False).asr.score(reference="text", replicates=10)

        assert "1 has no reference and is left out (of CSV, pandas.read_csv(keep_default_na=False)" in str(by_default)
        assert kept.counts == df.asr.score(reference="text", replicates=10).counts
        assert kept.counts.insertions == 2

    @pytest.mark.parametrize("errors", [[None, None], ["", None], [np.nan, "not-audio"]])
    def test_figures_that_were_read_as_numbers_are_refused_and_never_taken_for_nothing_heard(self, errors):
        df = pd.DataFrame({"text": ["42", "7"], "hypothesis": [42.0, 7.0], "hypothesis_error": errors})

        with pytest.raises(OptionError, match=r"text or missing, got float \(42.0\).*dtype=str"):
            df.asr.score(reference="text")

    def test_a_row_without_a_speaker_is_a_block_of_its_own_in_csv_too(self, tmp_path):
        df = pd.DataFrame({"text": ["a b c"] * 12, "hypothesis": ["a b d"] * 12, "speaker": ["x", "y", None] * 4})
        df.to_csv(tmp_path / "t.csv", index=False)
        ways = (df, pd.read_csv(tmp_path / "t.csv"), pd.read_csv(tmp_path / "t.csv", keep_default_na=False))

        assert [way.asr.score(reference="text", block="speaker").interval.blocks for way in ways] == [6, 6, 6]
