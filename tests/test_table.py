"""The table behind the browser: beside plain pandas, and beside the scores it is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from asrkit.errors import OptionError
from asrkit.evaluate import align
from asrkit.evaluate.marks import marks
from asrkit.widgets.folding import folded
from asrkit.widgets.stack import stacked
from asrkit.widgets.table import MISSING, ErrorFilter, Query

WORDS = ["the", "ship", "sheep", "is", "hat", "big", "and", "a", "cat", "sat", "on", "mat"]


@pytest.fixture(scope="module")
def frame():
    numbers = np.random.default_rng(3)

    def text(low: int, high: int) -> str:
        return " ".join(numbers.choice(WORDS, numbers.integers(low, high)))

    def noisy(said: str) -> str:
        heard = [word if numbers.random() > 0.2 else numbers.choice(WORDS) for word in said.split()]
        return " ".join(word for word in heard if numbers.random() > 0.1)

    said = [text(1, 9) for _ in range(300)]
    made = pd.DataFrame({"text": said, "one": [*map(noisy, said)], "two": [*map(noisy, said)]})
    made["speaker"] = [f"s{number}" for number in numbers.integers(0, 4, len(made))]
    made["noise"] = numbers.choice([9, 10, 20], len(made))
    made["seconds"] = numbers.uniform(1, 20, len(made))
    made["one_confidence"] = numbers.uniform(0.1, 1, len(made))
    made.loc[3, "two"] = None
    made.loc[[5, 6], "text"] = None
    made.loc[7, "speaker"] = None
    made.loc[8, "text"] = ""
    made.index = pd.Index([f"row-{number}" for number in range(len(made))])
    return made


@pytest.fixture(scope="module")
def browser(frame):
    return frame.asr.browse(reference="text", hypotheses=["one", "two"], duration="seconds")


@pytest.fixture(scope="module")
def table(browser):
    return browser.table


def labels(table, **query):
    return [table.labels[row] for row in table.rows(Query(**query))]


def rates_of(frame, name):
    """Row by row, from the score."""
    return frame.asr.score(reference="text", hypothesis=name, replicates=10).frame.wer.reindex(frame.index)


def test_rates_are_those_of_the_score(frame, table):
    for name in ("one", "two"):
        np.testing.assert_array_equal(table.rates[name], rates_of(frame, name).to_numpy())


def test_totals_are_those_of_the_comparison(frame, table):
    compared = frame.asr.compare(reference="text", hypotheses=["one", "two"], replicates=10)

    totals = table.totals(table.rows(Query()))

    assert totals == {s.name: s.counts for s in compared.scores}


def test_failed_rows_count_as_deletions_where_that_is_wanted(frame):
    options = {"reference": "text", "hypotheses": ["one", "two"], "failed": "deletions"}

    totals = frame.asr.browse(**options).table.totals(np.arange(len(frame)))

    compared = frame.asr.compare(**options, replicates=10)
    assert totals["two"] == compared["two"].counts


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "sort, expected",
    [
        (
            ("errors", "two"),
            lambda f: f.assign(x=f.asr.score(reference="text", hypothesis="two", replicates=9).frame.errors),
        ),
        (("duration",), lambda f: f.assign(x=f.seconds)),
        (("words",), lambda f: f.assign(x=f.text.str.split().str.len())),
        (("confidence", "one"), lambda f: f.assign(x=f.one_confidence)),
        (("column", "speaker"), lambda f: f.assign(x=f.speaker)),
        (("column", "noise"), lambda f: f.assign(x=f.noise)),
        (("row",), lambda f: f.assign(x=range(len(f)))),
    ],
)
def test_sorts_as_pandas_does(frame, table, sort, expected, descending):
    told = expected(frame).sort_values("x", ascending=not descending, kind="stable", na_position="last")

    assert labels(table, sort=sort, descending=descending) == told.index.tolist()


@pytest.mark.parametrize("descending", [False, True])
def test_sorts_by_rates_and_their_differences(frame, table, descending):
    one, two = rates_of(frame, "one"), rates_of(frame, "two")
    spread = pd.concat([one, two], axis=1).max(axis=1, skipna=False) - pd.concat([one, two], axis=1).min(
        axis=1, skipna=False
    )
    for sort, values in [(("wer", "one"), one), (("difference", "two", "one"), two - one), (("spread",), spread)]:
        found = values[labels(table, sort=sort, descending=descending)]

        known = found.dropna()
        assert known.is_monotonic_decreasing if descending else known.is_monotonic_increasing
        assert found.iloc[len(known) :].isna().all()
        assert len(found) == len(frame)


def test_of_equal_rates_the_row_with_more_errors_is_first():
    frame = pd.DataFrame({"text": ["a b", "a b c d", "x"], "one": ["a x", "a x x d", "x"]})

    table = frame.asr.browse(reference="text", hypotheses=["one"]).table

    assert table.rows(Query(sort=("wer", "one"), descending=True)).tolist() == [1, 0, 2]


@pytest.mark.parametrize("within, columns", [(None, ["text", "one", "two"]), ("reference", ["text"]), ("two", ["two"])])
def test_searches_texts(frame, table, within, columns):
    expected = frame[columns].apply(lambda column: column.str.contains("the ship", regex=False, na=False)).any(axis=1)

    assert labels(table, search="The  SHIP", within=within) == frame.index[expected].tolist()


@pytest.mark.parametrize(
    "text, search",
    [
        ("Città di Castello", "citta"),
        ("naïve ΣΊΣΥΦΟΣ", "σισυφος"),
        ("كِتَابٌ أحمر", "كتاب احمر"),
        ("שָׁלוֹם", "שלום"),
        ("今天天气很好", "天气"),
        ("Łódź", "lodz"),
        ("Straße", "STRASSE"),
        ("हिन्दी में", "हिन्दी"),
    ],
)
def test_searches_in_all_scripts(text, search):
    table = (
        pd.DataFrame({"text": [text, "x"], "one": ["y", "z"]}).asr.browse(reference="text", hypotheses=["one"]).table
    )

    assert table.rows(Query(search=search)).tolist() == [0]


def test_vowel_signs_of_indian_scripts_and_voiced_kana_are_letters():
    assert folded("कि") != folded("कु")
    assert folded("か") != folded("が")


def test_what_is_written_and_what_is_compared_can_both_be_found():
    frame = pd.DataFrame({"text": ["Mr. Hale!"], "one": ["mister hale"]})
    table = frame.asr.browse(reference="text", hypotheses=["one"], language="en").table

    found = [len(table.rows(Query(search=text, within="reference"))) for text in ("Mr.", "hale!", "mister hale")]

    assert found == [1, 1, 1]


def test_filters_by_values(frame, table):
    where = (("speaker", ("s1", "s2")), ("noise", ("10",)))

    assert labels(table, where=where) == frame[frame.speaker.isin(["s1", "s2"]) & (frame.noise == 10)].index.tolist()
    assert labels(table, where=(("speaker", (MISSING,)),)) == ["row-7"]


def edits_of(frame, name):
    """All errors, from the score's own alignments."""
    score = frame.asr.score(reference="text", hypothesis=name, replicates=9)
    rows = []
    for label, aligned in zip(score.texts.labels, score.alignments, strict=True):
        for kind, at, heard in aligned.ops:
            said = None if at is None else aligned.reference[at]
            rows.append((label, kind, said, None if heard is None else aligned.hypothesis[heard]))
    return pd.DataFrame(rows, columns=["row", "kind", "said", "heard"])


@pytest.mark.parametrize(
    "error, holds",
    [
        (ErrorFilter("S", "ship", None, "one"), lambda e: (e.kind == "S") & (e.said == "ship")),
        (ErrorFilter("D", "THE", None, "one"), lambda e: (e.kind == "D") & (e.said == "the")),
        (ErrorFilter("I", None, "uh", "one"), lambda e: (e.kind == "I") & (e.heard == "uh")),
        (ErrorFilter(None, "cat", None, "one"), lambda e: (e.kind != "C") & (e.said == "cat")),
        (ErrorFilter("D", system="one"), lambda e: e.kind == "D"),
    ],
)
def test_filters_by_errors(frame, table, error, holds):
    edits = edits_of(frame, "one")

    assert set(labels(table, error=error)) == set(edits[holds(edits)].row)


def test_a_word_became_another():
    frame = pd.DataFrame({"text": ["a ship", "a ship", "the sheep"], "one": ["a sheep", "a shop", "the ship"]})

    table = frame.asr.browse(reference="text", hypotheses=["one"]).table

    assert table.rows(Query(error=ErrorFilter("S", "ship", "sheep"))).tolist() == [0]


def test_frequent_errors_count_rows(frame, table):
    edits = edits_of(frame, "two")
    expected = edits[edits.kind != "C"].groupby(["kind", "said", "heard"], dropna=False).row.nunique()

    found = table.frequent(Query(), 10_000, system="two")

    told = {(error.kind, error.said, error.heard): count for error, count in found}
    assert told == {tuple(None if pd.isna(k) else k for k in key): count for key, count in expected.items()}
    assert [count for _, count in found] == sorted(told.values(), reverse=True)
    assert all(len(table.rows(Query(error=error))) == count for error, count in found[:5])


def test_who_is_wrong(frame, table):
    scores = [frame.asr.score(reference="text", hypothesis=name, replicates=9) for name in ("one", "two")]
    one, two = (score.frame.errors.reindex(frame.index) for score in scores)
    expected = {
        ("any",): (one > 0) | (two > 0),
        ("all",): (one > 0) & (two > 0),
        ("none",): ((one == 0) | (two == 0)) & ~(one > 0) & ~(two > 0),
        ("differ",): ((one > 0) & (two == 0)) | ((two > 0) & (one == 0)),
        ("wrong", "one"): one > 0,
        ("only", "one"): (one > 0) & ~(two > 0),
        ("more", "one", "two"): one > two,
        ("failed", "two"): frame.two.isna(),
        ("unscored",): frame.text.isna(),
    }
    for choice, flags in expected.items():
        assert labels(table, wrong=choice) == frame.index[flags].tolist(), choice
        assert choice in table.choices


def test_counts_tell_what_another_choice_would_find(table):
    query = Query(search="ship", where=(("speaker", ("s1",)),), wrong=("any",))

    found = table.find(query)

    for value, count in found.slices["speaker"].items():
        other = Query(search="ship", where=(("speaker", (value,)),), wrong=("any",))
        assert len(table.rows(other)) == count
    for choice, count in found.wrong.items():
        assert len(table.rows(Query(search="ship", where=query.where, wrong=choice))) == count
    assert list(found.slices["noise"]) == ["9", "10", "20"]


def test_aligned_rows_are_those_of_the_score(frame, table):
    score = frame.asr.score(reference="text", hypothesis="one", replicates=9)
    known = dict(zip(score.texts.labels, score.alignments, strict=True))

    found = table.alignments(range(len(frame)))["one"]

    assert {table.labels[row]: aligned for row, aligned in found.items()} == known


def test_a_stack_holds_every_edit_once(table):
    for row in range(20, 60):
        pair = [table.alignments([row])[name][row] for name in ("one", "two")]
        columns = stacked([marks(aligned) for aligned in pair], len(pair[0].reference))
        for system, aligned in enumerate(pair):
            kinds = [column.heard[system][0] for column in columns]
            assert [kind for kind in kinds if kind] == [kind for kind, _, _ in aligned.ops]
            heard = [column.heard[system][1] for column in columns]
            assert tuple(word for word in heard if word is not None) == aligned.hypothesis
        assert tuple(column.said for column in columns if column.said is not None) == pair[0].reference


def test_insertions_of_several_systems_share_a_column():
    columns = stacked([marks(align("a b", heard)) for heard in ("a x b", "a x y b")], 2)

    assert [column.said for column in columns] == ["a", None, None, "b"]
    assert columns[2].heard == (("", None), ("I", "y"))


@pytest.mark.parametrize(
    "query, told",
    [
        ({"sort": ["wer", "three"]}, "cannot be sorted"),
        ({"within": "three", "search": "x"}, "no system 'three'"),
        ({"where": {"planet": ["x"]}}, "no column 'planet'"),
        ({"wrong": ["only"]}, "cannot be chosen"),
        ({"error": {"kind": "X"}}, "S, D or I"),
        ({"error": {"word": "X"}}, "no query"),
        ({"order": 1}, "has no order"),
        ({"sort": "wer"}, "are lists"),
    ],
)
def test_refuses_what_is_not_there(table, query, told):
    with pytest.raises(OptionError, match=told):
        table.rows(Query.from_json(query))


def test_a_query_survives_json():
    query = Query(
        ("column", "speaker"), True, "x", "one", (("noise", ("9", "10")),), ErrorFilter("S", "a"), ("only", "one")
    )

    assert Query.from_json(query.to_json()) == query


def test_a_comparison_is_browsed_without_counting_again(frame, monkeypatch):
    compared = frame.asr.compare(reference="text", hypotheses=["one", "two"], replicates=9)
    monkeypatch.setattr("asrkit.widgets.browser.counted", None)

    alone, whole = compared.browse(), compared.browse(frame, reference="text", by=["speaker"])

    assert alone.table.totals(alone.table.rows(Query())) == whole.table.totals(whole.table.rows(Query()))
    assert alone.frame.index.tolist() == list(compared.scores[0].texts.labels)
    assert whole.frame is frame
    assert list(whole.table.slices) == ["speaker"]
    assert len(compared["one"].browse().table) == len(alone.table)


def test_a_comparison_refuses_another_frame(frame):
    compared = frame.asr.compare(reference="text", hypotheses=["one", "two"], replicates=9)

    with pytest.raises(OptionError, match="not the one that was scored"):
        compared.browse(frame.iloc[1:])
