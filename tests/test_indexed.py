"""Tables of rows have the user's index with its names, and columns of ours do not hide the user's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from asrkit.errors import OptionError
from asrkit.evaluate.analysis import keywords, numbers
from asrkit.evaluate.suspicious import suspicious_references

TEXTS = {
    "text": ["the cat sat on the mat", None, "so it is", "good day to you", "one two"],
    "a": ["what a lovely day it was", "x", "so it is", "good day to me", "one two"],
    "b": ["what a lovely day it is", "y", "so it was", "good day to you", None],
}
INDEXES = {
    "named": pd.Index(list("vwxyz"), name="clip"),
    "unnamed": pd.Index(list("vwxyz")),
    "named as one of our columns": pd.Index(range(10, 15), name="reference"),
    "times": pd.date_range("2026-01-01", periods=5, name="when"),
    "categories": pd.CategoricalIndex(list("aabbc"), name="kind"),
    "small integers": pd.Index(np.arange(5, dtype=np.int8), name="row"),
    "levels": pd.MultiIndex.from_arrays([list("ppqqr"), range(5)], names=["call", "turn"]),
    "levels without a name": pd.MultiIndex.from_arrays([list("ppqqr"), range(5)], names=[None, "turn"]),
    "tuples": pd.Index([("p", 1), ("p", 2), ("q", 1), ("q", 2), ("r", 1)], tupleize_cols=False, name="pair"),
    "one twice": pd.Index([1, 1, 2, 2, 3], name="again"),
    "missing labels": pd.Index(["a", None, "c", None, "e"], name="some"),
    "columns of columns": pd.Index([1.5, 2.5, 3.5, 4.5, 5.5], name=("two", "parts")),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=list(INDEXES))
def test_tables_of_rows_have_the_index_of_the_frame(index):
    df = pd.DataFrame(TEXTS, index=index)
    both = df.asr.compare(reference="text", hypotheses=["a", "b"], replicates=10)
    one = df.asr.score(reference="text", hypothesis="a", replicates=10)
    expected = df.index[[0, 2, 3]]

    pd.testing.assert_index_equal(one.frame.index, df.index[[0, 2, 3, 4]])
    pd.testing.assert_index_equal(both.scores[1].frame.index, expected)
    pd.testing.assert_index_equal(both.disagreements.index, expected[[1, 2]])
    assert one.worst.index.names == both.disagreements.index.names == df.index.names
    assert suspicious_references(both).index.names == df.index.names
    pd.testing.assert_frame_equal(df.loc[both.disagreements.index.unique()], df.loc[expected[[1, 2]].unique()])


@pytest.mark.parametrize(
    "names", [("reference", "spread"), ("a", "a_errors"), ("heard", "score"), ("errors", "reason")]
)
def test_systems_with_the_names_of_our_columns_keep_their_texts(names):
    df = pd.DataFrame({"text": TEXTS["text"], names[0]: TEXTS["a"], names[1]: TEXTS["b"]})
    both = df.asr.compare(reference="text", hypotheses=list(names), normalizer="none", replicates=10)
    plain = df.set_axis(["text", "one", "two"], axis=1)
    same = plain.asr.compare(reference="text", hypotheses=["one", "two"], normalizer="none", replicates=10)

    found = both.disagreements

    assert found.columns.is_unique
    assert len(found.columns) == 6
    for name, other in zip(names, ("one", "two"), strict=True):
        assert found[name].tolist() == same.disagreements[other].tolist()
    assert sorted(map(str, found.to_numpy().ravel())) == sorted(map(str, same.disagreements.to_numpy().ravel()))
    listed = suspicious_references(both, threshold=0.0)
    for name in names:
        assert set(listed[name]) <= set(df[name].dropna())


@pytest.mark.parametrize("name", ["rows", "words", "wer", "low", "warning", "system"])
def test_a_column_to_slice_by_is_not_hidden_by_one_of_ours(name):
    df = pd.DataFrame(TEXTS).assign(**{name: list("pqpqp")})

    with pytest.raises(OptionError, match=rf"the table of slices has a column '{name}' of its own; rename yours"):
        df.asr.score(reference="text", hypothesis="a", by=name, replicates=10)


# Words in the shapes that the English normalizer gives them


def scored(text: str, heard: str):
    df = pd.DataFrame({"text": [text], "a": [heard]})
    return df.asr.score(reference="text", hypothesis="a", language="en", replicates=10)


@pytest.mark.parametrize(
    "text, heard, keyword",
    [
        ("We follow plan B, C is too dear.", "we follow plan B, C is too dear", "plan B"),
        ("He went to the ER today.", "He went to the E.R. today", "ER"),
        ("He went to the ER today.", "He went to the ER today", "E.R."),
        ("on the first of the month", "on the 1st of the month", "first"),
        ("It costs five dollars.", "it costs $5", "$5"),
        ("AT&T called", "at and t called", "AT&T"),
        ("Henry the Eighth reigned", "henry VIII reigned", "Henry VIII"),
        ("the U.S. Army", "the US army", "U.S."),
    ],
)
def test_keywords_are_found_in_whatever_shape_they_are_written(text, heard, keyword):
    found = keywords(scored(text, heard), [keyword])

    assert (found.recall, found.precision) == (1.0, 1.0)
    assert found.frame.occurrences.tolist() == [1]


@pytest.mark.parametrize(
    "text, count",
    [
        ("the first and the 2nd of May", 2),
        ("plan B, C and the ER", 0),
        ("five dollars and $6", 2),
        ("five hundred", 1),
        ("point five percent", 1),
        ("Henry VIII", 1),
        ("to a friend, for good", 0),
    ],
)
def test_numbers_are_counted_in_whatever_shape_they_are_written(text, count):
    table = numbers(scored(text, text))

    assert table.words.tolist()[0] == count


def test_a_sign_alone_is_no_number():
    df = pd.DataFrame({"text": ["a - b $ c"], "a": ["a - b $ c"]})
    score = df.asr.score(reference="text", hypothesis="a", language="en", normalizer="none", replicates=10)

    assert numbers(score).words.tolist() == [0, 5]
