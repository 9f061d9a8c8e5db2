from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import sctk

from asrkit.errors import OptionError
from asrkit.evaluate import (
    Sclite,
    count_errors,
    holm,
    mapsswe,
    mcnemar,
    sign_test,
    simultaneous_level,
    wilcoxon,
)


def noisy(rng: random.Random, text: str, vocabulary: Sequence[str], errors: float) -> str:
    heard: list[str] = []
    for word in text.split():
        chance = rng.random() / errors
        if chance < 1:
            heard.append(rng.choice(vocabulary))
        elif chance >= 1.5:
            heard.append(word)
            if chance < 2:
                heard.append(rng.choice(vocabulary))
    if rng.random() < errors:
        heard.append(rng.choice(vocabulary))
    return " ".join(heard)


def corpus(seed: int) -> tuple[list[str], list[str], list[str]]:
    rng = random.Random(seed)
    vocabulary = [f"w{number}" for number in range(rng.choice([2, 5, 30]))]
    references = [" ".join(rng.choices(vocabulary, k=rng.randint(0, 20))) for _ in range(rng.choice([5, 50, 200]))]
    a, b = (rng.choice([0.02, 0.1, 0.3]) for _ in "ab")
    return references, *([noisy(rng, text, vocabulary, share) for text in references] for share in (a, b))


@sctk.needs_sctk
@pytest.mark.parametrize("seeds", [range(start, start + 26) for start in range(0, 104, 26)], ids=str)
def test_matched_pairs_are_those_of_sc_stats(tmp_path: Path, seeds: range):
    compared = 0
    for texts in map(corpus, seeds):
        ours = mapsswe(*texts)
        if not ours.segments:
            continue  # sc_stats crashes
        compared += 1

        theirs = sctk.mapsswe(tmp_path, *texts)

        assert ours.segments == theirs.segments
        found = [f"{value:.3f}" for value in (ours.mean, ours.sd, ours.z)]
        assert found == [f"{value:.3f}" for value in (theirs.mean, theirs.sd, theirs.z)]
    assert compared >= 25


def test_swapping_the_systems_turns_the_sign_around():
    for seed in range(30):
        references, a, b = corpus(seed)

        one, other = mapsswe(references, a, b), mapsswe(references, b, a)

        assert (one.segments, one.mean, one.z, one.p) == (other.segments, -other.mean, -other.z, other.p)
        assert (one.errors_a, one.errors_b) == (other.errors_b, other.errors_a)


def test_segments_hold_all_errors():
    for seed in range(10):
        references, a, b = corpus(seed)

        test = mapsswe(references, a, b)

        for errors, hypotheses in ((test.errors_a, a), (test.errors_b, b)):
            assert errors == count_errors(references, hypotheses, dialect="sclite").total.errors


@pytest.mark.parametrize(
    "a, b, segments",
    [
        ("x b c d e f", "a b c d e x", 2),  # four right words between them
        ("a x c d e f", "a b c d x f", 2),  # two
        ("a x c d e f", "a b c x e f", 1),  # one is too few
        ("a b c d e f g", "a b c d e f", 1),  # an insertion at the end
        ("g a b c d e f", "a b c x e f", 2),
        ("a b c d e f", "", 1),
        ("a b c d e f", "a b c d e f", 0),
    ],
)
def test_right_words_in_both_part_the_segments(a, b, segments):
    assert mapsswe(["a b c d e f"], [a], [b]).segments == segments


def test_more_right_words_may_be_asked_for():
    texts = ["a b c d e f"], ["a x c d e f"], ["a b c d x f"]

    assert [mapsswe(*texts, min_good=number).segments for number in (1, 2, 3)] == [2, 2, 1]


def test_tokens_are_as_good_as_texts():
    references, a, b = corpus(50)

    assert mapsswe(*([text.split() for text in texts] for texts in (references, a, b))) == mapsswe(references, a, b)


def test_no_error_is_no_segment_and_no_number():
    test = mapsswe(["a b"], ["a b"], ["a b"])

    assert test.segments == 0
    assert math.isnan(test.z)
    assert math.isnan(test.p)
    assert test.reason == "no segment: neither system makes an error"


def test_a_system_better_by_one_in_every_segment_is_better():
    test = mapsswe(["a b c"] * 8, ["a b c"] * 8, ["a x c"] * 8)

    assert (test.segments, test.mean, test.sd, test.z) == (8, -1.0, 0.0, 0.0)
    assert test.p == pytest.approx(2 * 0.5**8)
    assert test.reason is not None
    assert "sign test" in test.reason


def test_equal_systems_are_not_told_apart():
    test = mapsswe(["a b c"] * 8, ["a x c"] * 8, ["a y c"] * 8)

    assert (test.mean, test.p) == (0.0, 1.0)


def test_one_segment_says_nothing():
    test = mapsswe(["a b c"], ["a b c"], ["a x c"])

    assert (test.segments, test.p, test.z) == (1, 1.0, 0.0)
    assert test.reason is not None


def test_p_is_that_of_the_normal_distribution():
    test = next(test for test in (mapsswe(*corpus(seed)) for seed in range(20)) if 1 < abs(test.z) < 3)

    assert test.p == pytest.approx(math.erfc(abs(test.z) / math.sqrt(2)))


def test_ways_through_alternatives_are_compared_as_one_word():
    reference = "so {going to / gonna} be fine now {uh / @} yes"

    assert mapsswe([reference], ["so going to be fine now yes"], ["so gonna be fine now uh yes"]).segments == 0
    one = mapsswe([reference], ["so going to be fine now yes"], ["so x be fine now uh yes"])
    assert (one.segments, one.errors_a) == (1, 0)
    parted = mapsswe([reference], ["so going x to be fine now uh yes"], ["so gonna be fine now yes y"])
    assert (parted.segments, parted.errors_a, parted.errors_b) == (2, 1, 1)


def test_the_dialect_may_be_another():
    texts = ["It is so"], ["it is so"], ["It is so"]

    assert mapsswe(*texts).segments == 0
    assert mapsswe(*texts, dialect=Sclite(case_sensitive=True)).errors_a == 1
    assert mapsswe(*texts, dialect="levenshtein").errors_a == 1


def test_chance_is_seldom_called_significant():
    rng = random.Random(60)
    vocabulary = [f"w{number}" for number in range(50)]
    p = []
    for _ in range(200):
        references = [" ".join(rng.choices(vocabulary, k=12)) for _ in range(60)]
        a, b = ([noisy(rng, text, vocabulary, 0.1) for text in references] for _ in "ab")
        p.append(mapsswe(references, a, b).p)

    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.10


# Utterances


def enumerated(difference: Sequence[float]) -> float:
    """The p value of signed ranks, by going through all signs."""
    values = np.array([value for value in difference if value])
    ranks = np.array([(np.abs(values) < abs(v)).sum() + ((np.abs(values) == abs(v)).sum() + 1) / 2 for v in values])
    middle = ranks.sum() / 2
    seen = abs(ranks[values > 0].sum() - middle)
    sums = [abs(np.dot(signs, ranks) - middle) for signs in itertools.product([0, 1], repeat=len(ranks))]
    return float(np.mean(np.array(sums) >= seen - 1e-9))


def test_signed_ranks_are_exact_with_ties():
    rng = np.random.default_rng(1)
    for _ in range(30):
        a, b = rng.integers(0, 5, 10), rng.integers(0, 5, 10)
        if (a != b).any():
            assert wilcoxon(a, b).p == pytest.approx(enumerated(a - b))


def test_many_signed_ranks_are_nearly_normal():
    rng = np.random.default_rng(2)
    a = rng.integers(0, 9, 400)
    b = np.maximum(a + rng.integers(-2, 3, 400) - (rng.random(400) < 0.1), 0)
    few = slice(0, 240)

    assert wilcoxon(a, b).method == "normal"
    assert wilcoxon(a[few], b[few]).method == "exact"
    repeated = wilcoxon(np.tile(a[few], 2), np.tile(b[few], 2))
    assert repeated.p < wilcoxon(a[few], b[few]).p


def test_exact_and_normal_ranks_agree(monkeypatch):
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 9, 150), rng.integers(0, 9, 150)
    exact = wilcoxon(a, b)

    monkeypatch.setattr("asrkit.evaluate.significance.EXACT_RANKS", 10)

    assert (exact.method, wilcoxon(a, b).method) == ("exact", "normal")
    assert wilcoxon(a, b).p == pytest.approx(exact.p, abs=0.005)


@pytest.mark.parametrize("a_better, b_better", [(0, 5), (3, 8), (10, 10), (40, 61), (1, 400)])
def test_signs_are_tossed_coins(a_better, b_better):
    a = np.array([0] * a_better + [1] * b_better + [2] * 7)
    b = np.array([1] * a_better + [0] * b_better + [2] * 7)
    tosses = a_better + b_better
    tail = sum(math.comb(tosses, heads) for heads in range(min(a_better, b_better) + 1)) / 2**tosses

    test = sign_test(a, b)

    assert test.p == pytest.approx(min(1.0, 2 * tail), rel=1e-9)
    assert (test.a_better, test.b_better, test.ties) == (a_better, b_better, 7)
    assert test.method == "exact"


def test_mcnemar_looks_at_whole_utterances():
    a, b = [3, 1, 0, 0, 2, 4], [1, 0, 0, 1, 0, 0]

    test = mcnemar(a, b)

    assert (test.a_better, test.b_better, test.ties) == (1, 3, 2)
    assert test == mcnemar([error > 0 for error in a], [error > 0 for error in b])
    assert test == sign_test(np.array(a) > 0, np.array(b) > 0)


@pytest.mark.parametrize("test", [mcnemar, sign_test, wilcoxon])
def test_swapping_the_systems_keeps_p(test):
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 4, 60), rng.integers(0, 5, 60)

    one, other = test(a, b), test(b, a)

    assert one.p == other.p
    assert (one.a_better, one.b_better) == (other.b_better, other.a_better)


@pytest.mark.parametrize("test", [mcnemar, sign_test, wilcoxon])
def test_equal_systems_give_no_number(test):
    assert math.isnan(test([1, 0, 2], [1, 0, 2]).p)
    assert math.isnan(test([], []).p)
    with pytest.raises(OptionError, match="same utterances"):
        test([1, 2], [1])


# Many tests


def test_holm_is_no_smaller_and_keeps_the_order():
    rng = np.random.default_rng(5)
    p = rng.random(20) ** 3

    adjusted = holm(p)

    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(20 * p, 1)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert adjusted[np.argmin(p)] == pytest.approx(20 * p.min())


def test_a_test_that_said_nothing_does_not_count():
    assert holm([0.01, math.nan, 0.04]) == pytest.approx([0.02, math.nan, 0.04], nan_ok=True)
    assert holm([]).tolist() == []
    assert holm([0.03]).tolist() == [0.03]


def test_several_intervals_share_the_risk():
    assert simultaneous_level(0.95, 1) == pytest.approx(0.95)
    assert simultaneous_level(0.9, 10) == pytest.approx(0.99)
    with pytest.raises(OptionError):
        simultaneous_level(0.95, 0)


def test_min_good_is_at_least_one():
    with pytest.raises(OptionError, match="min_good is at least 1, not 0"):
        mapsswe(["a"], ["a"], ["b"], min_good=0)
