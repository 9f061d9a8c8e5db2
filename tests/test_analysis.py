"""Where the errors of a system are: tables whose sums are the score's counts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrkit.errors import OptionError
from asrkit.evaluate.analysis import bands, by_edge, by_frequency, by_position, by_word, edits, keywords, numbers
from asrkit.evaluate.dialects import Sclite
from asrkit.evaluate.score import score_texts, slices
from asrkit.evaluate.texts import comparable

KINDS = ["hits", "substitutions", "deletions", "insertions"]
texts = st.lists(
    st.tuples(*[st.lists(st.sampled_from(["a", "b", "c", "12", "seven", "(uh)"]), max_size=6).map(" ".join)] * 2),
    min_size=1,
    max_size=6,
)
TABLES = {
    "by_word": by_word,
    "by_position": by_position,
    "by_position in 3": lambda score: by_position(score, 3),
    "by_edge": by_edge,
    "by_frequency": by_frequency,
    "by_frequency elsewhere": lambda score: by_frequency(score, [5, 10], frequencies={"a": 7, "c": 12}),
    "numbers": numbers,
}


def scored(references, hypotheses, **options):
    dialect = options.pop("dialect", "levenshtein")
    compared = comparable(references, {"tiny": hypotheses}, **{"normalizer": "none", **options})
    return score_texts(compared, "tiny", dialect=dialect, replicates=10)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("dialect", ["levenshtein", "sclite", Sclite(optional=True)], ids=str)
@given(rows=texts)
@settings(max_examples=15, deadline=None)
def test_the_sums_of_a_table_are_the_counts_of_the_score(table, dialect, rows):
    score = scored(*zip(*rows, strict=True), dialect=dialect)

    frame = table(score)

    assert {kind: frame[kind].sum() for kind in KINDS} == {kind: getattr(score.counts, kind) for kind in KINDS}
    assert frame.words.sum() == score.counts.reference_length
    assert (frame.words == frame.hits + frame.substitutions + frame.deletions).all()
    assert all(frame[column].dtype.kind == "i" for column in ["words", *KINDS])


@given(rows=texts)
@settings(max_examples=30, deadline=None)
def test_swapping_the_texts_keeps_the_errors_and_turns_deletions_against_insertions(rows):
    there = by_word(scored(*zip(*rows, strict=True)))[KINDS].sum()
    back = by_word(scored(*zip(*[row[::-1] for row in rows], strict=True)))[KINDS].sum()
    # Of equally short alignments the other one may be taken, so only these are sure.
    assert there.insertions - there.deletions == back.deletions - back.insertions
    assert there.drop("hits").sum() == back.drop("hits").sum()


@given(rows=texts)
@settings(max_examples=15, deadline=None)
def test_a_text_against_itself_has_no_error_in_any_table(rows):
    score = scored([row[0] for row in rows], [row[0] for row in rows])
    for table in TABLES.values():
        assert not table(score)[KINDS[1:]].to_numpy().any()


# -- by word ----------------------------------------------------------------------------------------------------


def test_each_word_has_what_became_of_it():
    score = scored(["the cat sat", "the cat", "the dog"], ["the bat sat", "a cat", "the the dog"])
    table = by_word(score).set_index("word")
    assert table.loc["the", ["words", "hits", "substitutions", "insertions"]].tolist() == [3, 2, 1, 1]
    assert table.loc["cat", ["words", "hits", "substitutions", "deletions"]].tolist() == [2, 1, 1, 0]
    assert table.error_rate["cat"] == 0.5
    assert table.index[0] == "the"  # most errors
    assert "bat" not in table.index  # it stands for cat, and was not inserted


def test_a_word_that_was_only_inserted_has_no_error_rate():
    table = by_word(scored(["a"], ["a uh"])).set_index("word")
    assert table.insertions["uh"] == 1
    assert math.isnan(table.error_rate["uh"])


def test_errors_are_told_by_word_and_not_by_span():
    score = scored(["a b"], ["x y"])  # jiwer's collect_error_counts has "a b" -> "x y"
    assert by_word(score).substitutions.tolist() == [1, 1]
    assert score.confusions()["count"].tolist() == [1, 1]


def test_edits_have_a_row_each_and_the_labels_of_the_frame():
    compared = comparable(["a b", "c"], {"tiny": ["a", "c d"]}, labels=["x", "y"], normalizer="none")
    table = edits(score_texts(compared, "tiny", replicates=10))
    assert table.row.tolist() == ["x", "x", "y", "y"]
    assert table.op.tolist() == list("CDCI")
    assert table.reference.tolist() == ["a", "b", "c", None]
    assert table.hypothesis.tolist() == ["a", None, "c", "d"]
    assert table.position.tolist() == [0.25, 0.75, 0.5, 1.0]


def test_tables_of_empty_texts_are_empty():
    score = scored([""], [""])
    assert edits(score).empty
    assert by_word(score).empty
    assert by_position(score).wer.isna().all()


# -- by place and by frequency ----------------------------------------------------------------------------------


def test_errors_at_the_end_are_in_the_last_bin():
    table = by_position(scored(["a b c d e f g h i j"], ["a b c d e f g h i x"]))
    assert table.position.tolist()[:2] == ["0-10%", "10-20%"]
    assert table.substitutions.tolist() == [0] * 9 + [1, 0]
    assert table.wer[9] == 1.0


def test_what_is_heard_in_silence_has_a_row_of_its_own():
    table = by_position(scored(["", "a"], ["thank you", "a"])).set_index("position")
    assert table.insertions["no reference"] == 2
    assert math.isnan(table.wer["no reference"])


def test_a_position_beyond_its_bins_is_refused():
    with pytest.raises(OptionError, match="one bin"):
        by_position(scored(["a"], ["a"]), 0)


def test_the_first_and_the_last_word_are_told_apart():
    score = scored(["a b c", "a b c", "a"], ["b c", "so a b x up", "b"])
    table = by_edge(score).set_index("position")
    assert table.deletions["first word"] == 1
    assert table.insertions["before"] == 1
    assert table.insertions["after"] + table.insertions["between"] == 1
    assert table.substitutions["only word"] == 1
    assert table.words.tolist() == [0, 1, 2, 2, 2, 0, 0]


def test_rare_words_are_apart_from_common_ones():
    score = scored(["a a a rare", "a a a"], ["a a a wear", "a a b"])
    table = by_frequency(score).set_index("frequency")
    assert table.index.tolist() == ["0", "1", "2-5", "6-20", "21-100", "101+"]
    assert table.wer["1"] == 1.0
    assert table.wer["6-20"] == pytest.approx(1 / 6)
    assert table.types.tolist() == [0, 1, 0, 1, 0, 0]


def test_frequencies_may_be_those_of_other_texts():
    score = scored(["a b"], ["a c"])
    table = by_frequency(score, [1, 10], frequencies={"a": 100}).set_index("frequency")
    assert table.words.tolist() == [1, 0, 1]
    assert table.wer["0"] == 1.0


@pytest.mark.parametrize("lowest", [[], [0, 2], [3, 2], [1, 1]])
def test_bands_of_frequency_must_rise(lowest):
    with pytest.raises(OptionError, match="rising"):
        by_frequency(scored(["a"], ["a"]), lowest)


# -- numbers ----------------------------------------------------------------------------------------------------


def test_numbers_are_apart_and_numbers_for_numbers_are_counted():
    score = scored(["call five five at noon", "room 12 is free"], ["call nine five at moon", "room twelve is free"])
    table = numbers(score).set_index("kind")
    assert table.words.tolist() == [3, 6]
    assert table.substitutions.tolist() == [2, 1]
    assert table.other_number.tolist() == [2, 0]
    assert table.wer["number"] == pytest.approx(2 / 3)


def test_number_words_of_other_languages_can_be_told():
    score = scored(["zimmer sieben"], ["zimmer sieden"], languages="de")
    assert numbers(score).set_index("kind").words["number"] == 0
    assert numbers(score, words=["sieben"]).set_index("kind").wer["number"] == 1.0


# -- keywords ---------------------------------------------------------------------------------------------------


def test_a_phrase_is_right_where_all_its_words_are_and_nothing_between_them():
    score = scored(
        ["in new york", "new york", "new york", "old york"], ["in new york", "new a york", "york", "new york"]
    )
    found = keywords(score, ["new york"])
    row = found.frame.iloc[0]
    assert row[["occurrences", "hits", "misses", "heard", "false_alarms"]].tolist() == [3, 1, 2, 2, 1]
    assert (row.recall, row.precision, row.error_rate) == (pytest.approx(1 / 3), 0.5, 1.0)
    assert found.recall == row.recall
    assert str(found).startswith("1 keywords, said 3 times: recall 33.3%")


def test_keywords_are_normalised_as_the_score_is():
    score = scored(["Pay $25 to O'Brien."], ["pay twenty-five dollars to o'brien"], normalizer="auto", languages="en")
    found = keywords(score, ["twenty five dollars", "O\u2019Brien"])
    assert found.frame.keyword.tolist() == ["$25", "o'brien"]
    assert found.frame.hits.tolist() == [1, 1]


@pytest.mark.parametrize("name", ["basic", "english", "multilingual", "none", "whisper-english", "whisper-basic"])
def test_the_normalizer_of_a_score_is_found_again(name):
    score = scored(["cat"], ["cat"], normalizer=name)
    assert keywords(score, ["cat"]).recall == 1.0


def test_every_language_has_its_own_normalizer_for_keywords():
    score = scored(["the café", "das Café", "IRMAK"], ["the cafe", "das café", "\u0131rmak"], normalizer="auto",
                   languages=["en", "de", "tr"])  # fmt: skip
    found = keywords(score, ["Café", "IRMAK"])
    assert found.frame.hits.tolist() == [2, 1]


def test_a_function_as_normalizer_must_be_passed_again():
    score = scored(["CAT"], ["cat"], normalizer=str.lower)
    with pytest.raises(OptionError, match=r"custom:builtins\.str\.lower .*normalizer="):
        keywords(score, ["Cat"])
    assert keywords(score, ["Cat"], normalizer=str.lower).recall == 1.0


def test_kinds_of_keywords_have_an_error_rate_each():
    score = scored(["ann met bob in rome"], ["anne met bob in rome rome"])
    found = keywords(score, {"person": ["ann", "bob"], "place": ["rome"]})
    table = found.by_kind.set_index("kind")
    assert table.recall.tolist() == [0.5, 1.0]
    assert table.error_rate.tolist() == [0.5, 1.0]
    assert found.frame.heard_as.tolist() == ["anne", None, None]


@pytest.mark.parametrize(
    "reference, hypothesis, instead",
    [
        ("open notebook please", "open note book please", "note book"),
        ("open notebook please", "open please", ""),
        ("open notebook please", "open the please", "the"),
    ],
)
def test_what_was_heard_in_place_of_a_keyword_is_told(reference, hypothesis, instead):
    assert keywords(scored([reference], [hypothesis]), ["notebook"]).frame.heard_as.tolist() == [instead]


def test_a_keyword_that_never_occurs_has_no_rates():
    row = keywords(scored(["a"], ["a"]), ["zebra"]).frame.iloc[0]
    assert math.isnan(row.recall)
    assert math.isnan(row.precision)


def test_keywords_of_languages_without_blanks_are_found_by_letters():
    score = scored(["我喜欢猫", "猫喜欢我"], ["我喜欢狗", "猫喜欢我"], languages="zh", normalizer="auto")
    assert keywords(score, ["喜欢", "猫"]).frame.hits.tolist() == [2, 1]


@given(rows=texts)
@settings(max_examples=30, deadline=None)
def test_single_words_as_keywords_agree_with_the_table_of_words(rows):
    score = scored(*zip(*rows, strict=True))
    table = by_word(score).set_index("word")
    for row in keywords(score, ["a", "b", "12"]).frame.itertuples():
        assert row.occurrences == (table.words[row.keyword] if row.keyword in table.index else 0)
        assert row.hits == (table.hits[row.keyword] if row.keyword in table.index else 0)
        assert row.heard - row.hits == row.false_alarms


@given(rows=texts)
@settings(max_examples=20, deadline=None)
def test_swapping_the_texts_swaps_recall_and_precision(rows):
    there = keywords(scored(*zip(*rows, strict=True)), ["a", "a b", "b a c"]).frame
    back = keywords(scored(*zip(*[row[::-1] for row in rows], strict=True)), ["a", "a b", "b a c"]).frame
    assert there.occurrences.tolist() == back.heard.tolist()


@pytest.mark.parametrize("listed, message", [("cat", "list"), ([], "none"), (["..."], "leaves nothing"), ({}, "none")])
def test_keywords_that_cannot_be_meant_are_refused(listed, message):
    with pytest.raises(OptionError, match=message):
        keywords(scored(["cat"], ["cat"], normalizer="basic"), listed)


# -- bands ------------------------------------------------------------------------------------------------------


def test_a_band_holds_its_lower_edge():
    cells = pd.Series([0.0, 4.9, 5.0, 15.0, np.nan], index=list("abcde"), name="duration")
    made = bands(cells, [5, 15], unit="s")
    assert made.tolist()[:4] == ["< 5 s", "< 5 s", "5 to 15 s", ">= 15 s"]
    assert made.isna().tolist() == [False] * 4 + [True]
    assert made.cat.ordered
    assert (made.index.tolist(), made.name) == (list("abcde"), "duration")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(2, 6))
def test_quantiles_part_values_in_their_order(values, quantiles):
    made = bands(values, quantiles=quantiles)
    codes = made.cat.codes.to_numpy()[np.argsort(values, kind="stable")]
    assert (np.diff(codes) >= 0).all()
    assert set(made.cat.codes) == set(range(len(made.cat.categories)))  # no band is empty
    assert len(made.cat.categories) <= quantiles


def test_labels_have_the_digits_that_tell_edges_apart():
    assert bands([1.0], [-0.25, 0.12345, 0.12349, 1200]).cat.categories.tolist() == [
        "< -0.25",
        "-0.25 to 0.12345",
        "0.12345 to 0.12349",
        "0.12349 to 1200",
        ">= 1200",
    ]


@pytest.mark.parametrize("edges", [[], [2, 1], [1, 1], [math.nan]])
def test_edges_must_rise(edges):
    with pytest.raises(OptionError, match="rise"):
        bands([1.0], edges)


def test_values_that_are_all_missing_are_in_no_band():
    assert bands([math.nan, math.nan]).isna().all()


def test_slices_by_bands_add_up_to_the_score():
    score = scored(["a b", "c", "d e f"], ["a x", "c", "d"])
    parts = slices(score, {"length": list(bands([2.0, 1.0, 30.0], [5], unit="s"))}, replicates=10)
    assert set(parts.length) == {"< 5 s", ">= 5 s"}
    assert parts.words.sum() == score.counts.reference_length
    assert parts.deletions.sum() == score.counts.deletions
