"""An oracle over rows, and ROVER: a vote over words."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrkit.errors import ColumnError, OptionError
from asrkit.evaluate.combine import oracle, rover, vote
from asrkit.evaluate.frames import compare, score

words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=7)


def winners(*texts, **options):
    return " ".join(winner.word for winner in vote([text.split() for text in texts], **options))


# -- oracle -----------------------------------------------------------------------------------------------------


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "text": ["a b c", "d e f", "g h i"],
            "one": ["a b c", "x y z", "g h"],
            "two": ["a x c", "d e z", "g h"],
        },
        index=["r", "s", "t"],
    )


def test_the_oracle_takes_the_better_text_of_each_row(frame):
    compared = compare(frame, reference="text", hypotheses=["one", "two"], replicates=100)

    best = oracle(compared, replicates=100)

    assert best.name == "oracle"
    assert best.texts.hypotheses["oracle"] == ["a b c", "d e z", "g h"]
    assert best.utterances.errors.tolist() == [0, 1, 1]
    assert best.system["picked"] == {"one": 2, "two": 1}  # of equals the first
    assert best.frame.index.tolist() == ["r", "s", "t"]


@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=6).filter(lambda rows: any(r[0] for r in rows)))
@settings(max_examples=30, deadline=None)
def test_the_oracle_is_never_worse_than_the_best_system_and_its_errors_are_the_minima(rows):
    frame = pd.DataFrame([[" ".join(text) for text in row] for row in rows], columns=["text", "one", "two"])
    compared = compare(frame, reference="text", hypotheses=["one", "two"], normalizer="none", replicates=20)

    best = oracle(compared, replicates=20)

    minima = np.minimum(compared["one"].utterances.errors, compared["two"].utterances.errors)
    assert best.utterances.errors.tolist() == minima.tolist()
    assert best.counts.errors <= compared.best.counts.errors


def test_the_oracle_needs_a_name_of_its_own(frame):
    compared = compare(frame, reference="text", hypotheses=["one", "two"], replicates=20)
    with pytest.raises(OptionError, match="already"):
        oracle(compared, name="two")


# -- the vote ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts, expected",
    [
        (["the cat sat"] * 3, "the cat sat"),
        (["a cat sat", "the cat sat", "the cat mat"], "the cat sat"),
        (["so it is", "it is", "it is not"], "it is"),
        (["it is", "so it is", "so it is"], "so it is"),
        (["a b", "c d", "e f"], "a b"),  # all disagree: the first
        (["a b"], "a b"),
        (["", "a", "a"], "a"),
        (["a", "", ""], ""),
        (["", "", ""], ""),
        # Slots of the second are made by its insertion, and the third's word goes into one of them.
        (["a d", "a b c d", "a c d"], "a c d"),
        # An insertion of the third opens a slot in which two have nothing.
        (["a b", "a b", "a x b"], "a b"),
    ],
)
def test_the_word_with_most_votes_wins_each_slot(texts, expected):
    assert winners(*texts) == expected


def test_fiscus_arithmetic_by_hand():
    # One slot: cat (0.2), cat (0.4), mat (0.9). By votes cat has 2/3. With alpha 0.5 and the mean confidence
    # cat has 0.5 * 2/3 + 0.5 * 0.3 = 0.483 and mat 0.5 * 1/3 + 0.5 * 0.9 = 0.617; with the highest, cat has
    # 0.5 * 2/3 + 0.5 * 0.4 = 0.533; at alpha 0.8 cat has 0.593 and mat 0.447.
    slot = {"confidences": [0.2, 0.4, 0.9]}
    assert winners("cat", "cat", "mat", **slot) == "cat"
    assert winners("cat", "cat", "mat", alpha=0.5, **slot) == "mat"
    assert winners("cat", "cat", "mat", alpha=0.5, pool="max", **slot) == "mat"
    assert winners("cat", "cat", "mat", alpha=0.8, **slot) == "cat"


def test_no_word_competes_with_its_own_confidence():
    # "b" has one vote of three: 0.5 * 1/3 + 0.5 * 0.9 = 0.617 against nothing, 0.5 * 2/3 + 0.5 * null.
    texts, options = ("a b", "a", "a"), {"confidences": [0.9, 0.9, 0.9], "alpha": 0.5}
    assert winners(*texts, null_confidence=0.5, **options) == "a b"  # 0.617 > 0.583
    assert winners(*texts, null_confidence=0.6, **options) == "a"  # 0.617 < 0.633


def test_every_word_may_have_its_own_confidence():
    options = {"alpha": 0.0, "confidences": [[0.9, 0.1], [0.2, 0.8]]}
    assert winners("a b", "c d", **options) == "a d"


def test_a_weight_makes_a_system_count_more():
    assert winners("a", "b", "b", weights=[3, 1, 1]) == "a"
    assert winners("a", "b", "b", weights=[1, 1, 1]) == "b"


def test_a_winner_tells_who_has_it_and_with_which_share():
    [first, second] = vote([["a", "b"], ["b"], ["a", "b"]])
    assert (first.word, dict(first.places), first.share) == ("a", {0: 0, 2: 0}, pytest.approx(2 / 3))
    assert (second.word, dict(second.places), second.share) == ("b", {0: 1, 1: 0, 2: 1}, pytest.approx(1))


@given(words, st.integers(1, 4))
def test_the_vote_of_identical_texts_is_the_text(text, systems):
    assert [winner.word for winner in vote([text] * systems)] == text


@given(words, words)
def test_the_vote_of_two_is_the_first(one, two):
    assert [winner.word for winner in vote([one, two])] == one


@given(words, words, words)
def test_a_majority_of_identical_texts_wins(one, two, three):
    assert [winner.word for winner in vote([one, one, two])] == one
    assert [winner.word for winner in vote([one, two, one, three, one])] == one


@given(st.lists(words, min_size=1, max_size=4))
def test_winners_come_from_the_texts_in_their_order(texts):
    for system in range(len(texts)):
        places = [winner.places[system] for winner in vote(texts) if system in winner.places]
        assert places == sorted(set(places))
    for winner in vote(texts):
        assert winner.places
        assert all(texts[system][place] == winner.word for system, place in winner.places.items())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"alpha": 0.5}, "none are given"),
        ({"alpha": 2}, "from 0 to 1"),
        ({"weights": [1]}, "2 positive weights"),
        ({"weights": [1, 0]}, "2 positive weights"),
        ({"confidences": [0.5], "alpha": 0.5}, "each of 2 texts"),
        ({"confidences": [0.5, [0.1, 0.2]], "alpha": 0.5}, "each of 1 words"),
        ({"confidences": [-0.5, 0.5], "alpha": 0.5}, "log-probability"),
        ({"pool": "sum"}, "pool"),
    ],
)
def test_a_vote_refuses_what_cannot_be_meant(options, message):
    with pytest.raises(OptionError, match=message):
        vote([["a"], ["b"]], **options)


# -- a column ---------------------------------------------------------------------------------------------------


def test_the_vote_is_a_new_column_as_the_first_system_that_has_the_words_wrote_them():
    heard = pd.DataFrame(
        {
            "one": ["The cat, sat.", "It's 25!"],
            "two": ["the bat sat", "its twenty five"],
            "three": ["A cat sat", "It's 24"],
        },
        index=[7, 5],
    )
    combined = rover(heard, hypotheses=["one", "two", "three"], language="en")
    assert combined["rover"].tolist() == ["The cat, sat.", "It's 25!"]
    assert combined.index.tolist() == [7, 5]
    assert list(heard.columns) == ["one", "two", "three"]
    assert combined.attrs["asrkit"]["rover"]["systems"] == ["one", "two", "three"]


@pytest.mark.parametrize(
    "text",
    [
        "So, um, it is.",
        "Um.",
        "",
        "twenty-five dollars - and a half",
        "I can't; you won't!",
        "... well",
        "It 's 5 o'clock",
    ],
)
def test_identical_texts_stay_as_they_are_written(text):
    heard = pd.DataFrame({"one": [text], "two": [text], "three": [text]})
    assert rover(heard, hypotheses=["one", "two", "three"], language="en").rover.tolist() == [" ".join(text.split())]


@given(st.lists(st.text("ab 2'.-ué", max_size=12), min_size=3, max_size=3), st.sampled_from(["en", "de", None]))
@settings(deadline=None, max_examples=60)
def test_spelling_does_not_change_what_a_majority_says(texts, language):
    one, two, _ = texts
    heard = pd.DataFrame({"one": [one], "two": [two], "three": [one]})
    combined = rover(heard, hypotheses=["one", "two", "three"], language=language)
    assert combined.rover[0] == " ".join(one.split())


def test_a_part_of_what_is_written_as_one_comes_out_normalised():
    heard = pd.DataFrame({"one": ["I can't go"], "two": ["I can go"], "three": ["I can go"]})
    assert rover(heard, hypotheses=["one", "two", "three"], language="en").rover[0] == "I can go"
    heard = pd.DataFrame({"one": ["I can't go"], "two": ["I can so"], "three": ["You shall go"]})
    assert rover(heard, hypotheses=["one", "two", "three"], language="en").rover[0].startswith("I can")


def test_normalised_spelling_gives_what_was_voted_on():
    heard = pd.DataFrame({"one": ["The CAT sat."], "two": ["the cat sat"]})
    combined = rover(heard, hypotheses=["one", "two"], spelling="normalised", language="en")
    assert combined.rover[0] == "the cat sat"


def test_a_system_without_a_text_has_no_vote_in_that_row():
    heard = pd.DataFrame({"one": [None, None, "a b"], "two": ["x", None, "a"], "three": ["y", math.nan, "a"]})
    combined = rover(heard, hypotheses=["one", "two", "three"], normalizer="none")
    assert combined.rover.tolist() == ["x", None, "a"]


def test_languages_without_blanks_are_voted_on_by_letters():
    heard = pd.DataFrame({"one": ["我喜欢猫。"], "two": ["我喜欢狗"], "three": ["他喜欢狗"]})
    combined = rover(heard, hypotheses=["one", "two", "three"], language="zh")
    assert combined.rover[0] == "我喜欢狗"


def test_confidence_decides_where_alpha_lets_it():
    heard = pd.DataFrame(
        {
            "one": ["a"],
            "two": ["a"],
            "three": ["b"],
            "one_confidence": [0.2],
            "two_confidence": [0.3],
            "three_confidence": [0.9],
        }
    )
    names = ["one", "two", "three"]
    assert rover(heard, hypotheses=names).rover[0] == "a"
    assert rover(heard, hypotheses=names, alpha=0.2).rover[0] == "b"


def test_the_vote_of_three_systems_that_err_apart_is_better_than_each():
    rng = np.random.default_rng(0)
    references = [[f"w{word}" for word in rng.integers(0, 500, 10)] for _ in range(40)]

    def system():
        return [" ".join("noise" if rng.random() < 0.15 else word for word in text) for text in references]

    heard = pd.DataFrame({"text": [" ".join(text) for text in references], **{name: system() for name in "xyz"}})
    combined = rover(heard, hypotheses=list("xyz"), normalizer="none")

    def rate(name):
        return score(combined, reference="text", hypothesis=name, normalizer="none", replicates=20).wer

    assert rate("rover") < min(rate(name) for name in "xyz")


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"hypotheses": ["one"]}, OptionError, "two systems"),
        ({"hypotheses": "one"}, OptionError, "two systems"),
        ({"hypotheses": ["one", "one"]}, OptionError, "two systems"),
        ({"hypotheses": ["one", "tow"]}, ColumnError, "did you mean 'two'"),
        ({"into": "one"}, ColumnError, "overwrite"),
        ({"alpha": 0.5}, ColumnError, "one_confidence"),
        ({"spelling": "loud"}, OptionError, "spelling"),
    ],
)
def test_a_column_refuses_what_cannot_be_meant(options, error, message):
    heard = pd.DataFrame({"one": ["a"], "two": ["b"]})
    with pytest.raises(error, match=message):
        rover(heard, **{"hypotheses": ["one", "two"], **options})


def test_a_confidence_that_is_no_probability_or_missing_is_refused():
    heard = pd.DataFrame({"one": ["a"], "two": ["b"], "one_confidence": [0.5], "two_confidence": [-0.1]})
    with pytest.raises(OptionError, match=r"two_confidence: expected probabilities in \[0, 1\], got -0.1"):
        rover(heard, hypotheses=["one", "two"], alpha=0.5)
    with pytest.raises(OptionError, match="row 0: one has a text and no confidence"):
        rover(heard.assign(one_confidence=np.nan, two_confidence=0.5), hypotheses=["one", "two"], alpha=0.5)


def test_text_that_is_none_is_named():
    with pytest.raises(OptionError, match="row 0: two is text or missing, got int"):
        rover(pd.DataFrame({"one": ["a"], "two": [3]}), hypotheses=["one", "two"])
