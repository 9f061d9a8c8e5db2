"""The difference of two systems: its interval, its p value and the decision belong together and hold their rate."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asrkit  # noqa: F401  the accessor
from asrkit.errors import OptionError
from asrkit.evaluate import bootstrap, paired_bootstrap, paired_difference, paired_differences
from asrkit.evaluate.student import t_outside, t_within

SAID = "the quick brown fox jumps over the lazy dog"


def frame(errors_a, errors_b, speakers=None) -> pd.DataFrame:
    """Rows of nine words in which each system has so many errors."""
    words = SAID.split()
    rows = {
        "text": [SAID] * len(errors_a),
        "a": [" ".join(["x"] * count + words[count:]) for count in errors_a],
        "b": [" ".join(["x"] * count + words[count:]) for count in errors_b],
    }
    return pd.DataFrame(rows if speakers is None else {**rows, "speaker": speakers})


def world(rng: np.random.Generator, kind: str, blocks: int, systems: int = 2):
    """Errors of systems that do not differ, and words, of each block."""
    size = rng.integers(150, 350, blocks)
    if kind == "unequal sizes":
        size = np.maximum(10, (250 * blocks / np.arange(1, blocks + 1) / 3).astype(int))
    rates = 0.6 * rng.beta(1, 4, blocks) * rng.uniform(0.4, 1.6, (systems, blocks))
    if kind == "skewed":
        rates[0], rates[1:] = np.minimum(1, 0.12 * np.exp(rng.normal(-0.5, 1, blocks))), 0.118
    if kind == "unequal variance":
        rates[0], rates[1:] = rng.beta(0.36, 2.64, blocks), 0.12
    return rng.binomial(size, rates), size


# What is said from few rows


@pytest.mark.parametrize(
    "a, b, p",
    [
        ([1, 1], [0, 0], 0.5),  # two rows, as alike as can be
        ([3, 1, 2] + [0] * 21, [0] * 24, 0.25),  # three rows of 24
        ([1] * 5, [0] * 5, 0.0625),
        ([0] * 30, [0] * 30, 1.0),
        ([2, 1] * 15, [2, 1] * 15, 1.0),
    ],
)
def test_few_rows_that_differ_are_no_proof(a, b, p):
    [difference] = frame(a, b).asr.compare(reference="text", hypotheses=["a", "b"], normalizer="none").differences

    assert difference.better is None
    assert difference.p >= p
    assert "is better" not in difference.verdict
    assert "cannot be told apart" in difference.verdict


@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_fewer_than_six_blocks_never_decide_however_large_the_difference(blocks):
    rng = np.random.default_rng(blocks)
    for _ in range(20):
        speakers = np.repeat(np.arange(blocks), rng.integers(1, 30, blocks))
        a, b = rng.integers(4, 9, len(speakers)), rng.integers(0, 2, len(speakers))

        found = paired_difference(a, b, np.full(len(a), 9), blocks=speakers)

        assert not found.is_decided
        assert found.p >= 0.0625 > 0.05
        assert math.isnan(found.low)
        assert f"only {blocks} blocks" in found.warning


def test_with_three_speakers_equal_systems_are_not_called_different():
    rng = np.random.default_rng(11)
    called = 0
    for _ in range(30):
        speakers = np.repeat([0, 1, 2], 12)
        a, b = (rng.binomial(9, rng.beta(1, 6, 3)[speakers]) for _ in "ab")
        compared = frame(a, b, speakers).asr.compare(
            reference="text", hypotheses=["a", "b"], block="speaker", normalizer="none", replicates=300
        )
        called += compared.differences[0].better is not None

    assert called == 0


# Error rates


@pytest.mark.parametrize("blocks", [2, 5, 6, 10, 15, 30])
@pytest.mark.parametrize("kind", ["symmetric", "skewed", "unequal sizes", "unequal variance"])
def test_equal_systems_are_told_apart_in_one_trial_of_twenty_at_most(kind, blocks):
    rng = np.random.default_rng([blocks, len(kind)])
    trials = 300
    called = 0
    for _ in range(trials):
        (a, b), words = world(rng, kind, blocks)
        called += paired_difference(a, b, words, replicates=300).is_decided

    assert called / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_among_six_equal_systems_hardly_any_pair_is_called_different():
    rng = np.random.default_rng(12)
    trials, called = 100, 0
    for _ in range(trials):
        errors, words = world(rng, "symmetric", 20, systems=6)
        pairs = list(itertools.combinations(errors, 2))
        called += any(found.is_decided for found in paired_differences(pairs, words, replicates=300))

    assert called / trials <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_a_clear_difference_is_found():
    rng = np.random.default_rng(13)
    found = 0
    for _ in range(50):
        (a, _), words = world(rng, "symmetric", 20)
        found += paired_difference(a, rng.binomial(a, 0.7), words, replicates=300).is_decided

    assert found >= 48


@pytest.mark.parametrize("kind", ["symmetric", "unequal sizes"])
@pytest.mark.parametrize("made", [lambda *data: paired_difference(*data, replicates=400), paired_bootstrap])
def test_intervals_contain_the_true_difference_as_often_as_they_say(kind, made):
    rng = np.random.default_rng(14)
    trials = 300 if made is not paired_bootstrap else 60
    held = 0
    for _ in range(trials):
        (a, b), words = world(rng, kind, 15)
        found = made(a, b, words)
        held += found.low <= 0 <= found.high

    noise = 3 * math.sqrt(0.05 * 0.95 / trials)
    assert 0.93 - noise <= held / trials <= min(0.97 + noise, 1.0)


# One decision


@st.composite
def compared(draw):
    count = draw(st.integers(1, 60))
    numbers = st.lists(st.integers(0, 12), min_size=count, max_size=count)
    systems = [draw(numbers) for _ in range(draw(st.integers(2, 5)))]
    blocks = draw(st.none() | st.lists(st.integers(0, 12), min_size=count, max_size=count))
    return systems, draw(numbers), blocks, draw(st.sampled_from([0.5, 0.8, 0.95, 0.99, 0.999]))


@settings(max_examples=150, deadline=None)
@given(compared())
def test_interval_p_value_and_decision_never_contradict_each_other(data):
    systems, words, blocks, level = data
    pairs = list(itertools.combinations(systems, 2))

    found = paired_differences(pairs, words, blocks=blocks, level=level, replicates=200)

    for one in found:
        assert math.isnan(one.estimate) == (not sum(words))
        assert one.is_decided == (one.p <= 1 - level + 1e-9)
        assert math.isnan(one.p) or one.p_alone <= one.p <= 1
        assert one.level >= level - 1e-12
        if math.isfinite(one.low):
            assert one.low <= one.estimate <= one.high < one.low + 1
            assert one.is_decided == (one.low > 0 or one.high < 0)
        else:
            assert math.isnan(one.low)
            assert math.isnan(one.high)
            assert one.warning is not None


def test_the_ends_of_the_interval_are_where_the_decision_changes():
    rng = np.random.default_rng(15)
    for blocks in (8, 11, 13):  # all sign flips, so that nothing is drawn
        (a, b), words = world(rng, "unequal sizes", blocks)
        found = paired_difference(a, b, words)
        for end, outwards in ((found.low, -1), (found.high, 1)):
            for step, is_rejected in ((1e-6, True), (-1e-6, False)):
                shift = end + outwards * step
                moved = paired_difference(a + max(-shift, 0) * words, b + max(shift, 0) * words, words)
                assert moved.is_decided == is_rejected


def outside(t: float, freedom: float) -> float:
    """Student's distribution by adding up its density."""
    x = np.linspace(-abs(t), abs(t), 200_001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    return 1 - float(np.trapezoid(scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2), x))


def test_p_is_the_larger_of_all_sign_flips_and_the_t_test_that_is_corrected_for_skewness():
    rng = np.random.default_rng(16)
    for _ in range(30):
        count = int(rng.integers(6, 10))
        (a, b), words = world(rng, rng.choice(["symmetric", "skewed", "unequal sizes"]), count)
        d = (a - b).astype(float)
        signs = np.array(list(itertools.product([1, -1], repeat=count)))
        flips = float(np.mean(np.abs(signs @ d) >= abs(d.sum())))
        rate = d.sum() / words.sum()
        without = [np.delete(d, row).sum() / np.delete(words, row).sum() for row in range(count)]
        error = math.sqrt((count - 1) / count * sum((one - rate) ** 2 for one in without))
        residual = d - rate * words
        k = 3 * np.mean(residual**3) / np.mean(residual**2) ** 1.5 / math.sqrt(count)
        t = rate / error
        bent = t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6
        freedom = words.sum() ** 2 / (words**2).sum() - 2

        assert paired_difference(a, b, words).p == pytest.approx(max(flips, outside(bent, freedom)), abs=1e-6)


def test_drawn_sign_flips_are_near_all_of_them():
    rng = np.random.default_rng(17)
    (a, b), words = world(rng, "symmetric", 13)

    every, drawn = paired_difference(a, b, words), paired_difference(a, b, words, replicates=4_000)

    assert (every.method, drawn.method) == ("all sign flips", "drawn sign flips")
    assert drawn.p == pytest.approx(every.p, abs=0.03)
    assert (drawn.low, drawn.high) == pytest.approx((every.low, every.high), rel=0.1)


@pytest.mark.parametrize("rows", [30, 3_000])
def test_order_and_names_of_systems_rows_and_blocks_change_nothing(rows):
    rng = np.random.default_rng(18)
    words = rng.integers(5, 9, rows)
    a, b = rng.binomial(words, 0.2), rng.binomial(words, 0.18)
    order = rng.permutation(rows)

    found, turned = paired_difference(a, b, words), paired_difference(b, a, words)
    shuffled = paired_difference(a[order], b[order], words[order])
    named = paired_difference(a, b, words, blocks=[f"row {row}" for row in range(rows)])

    assert (turned.p, turned.low, turned.high, turned.estimate) == (found.p, -found.high, -found.low, -found.estimate)
    assert (shuffled.p, shuffled.low, shuffled.high) == (found.p, found.low, found.high)
    assert (named.p, named.low, named.high) == (found.p, found.low, found.high)


def test_blocks_decide_and_not_their_rows():
    """One speaker on whom a system fails in each of many rows says no more than one row."""
    speakers = np.repeat(np.arange(8), 50)
    a = np.where(speakers == 0, 5, 1)

    by_row = paired_difference(a, np.ones(400), np.full(400, 9))
    by_speaker = paired_difference(a, np.ones(400), np.full(400, 9), blocks=speakers)

    assert by_row.is_decided
    assert not by_speaker.is_decided
    assert by_speaker.p > 0.5


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: paired_difference([1], [2, 3], [4, 5]), "errors_a has shape"),
        (lambda: paired_difference([1, -1], [2, 3], [4, 5]), "errors_a has a negative or missing number in row 1"),
        (lambda: paired_difference([1, 1], [2, 3], [4, 5], level=95), "level is between 0 and 1, not 95"),
        (lambda: paired_difference([1, 1], [2, 3], [4, 5], replicates=0), "replicates is at least 1"),
        (lambda: paired_difference([1, 1], [2, 3], [4, 5], blocks=["a"]), "2 utterances, but 1 blocks"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()


# Weights and labels of blocks


def test_the_warning_counts_the_weight_of_blocks_and_not_their_number():
    speakers = np.repeat(np.arange(40), [2_000, *[5] * 39])
    rng = np.random.default_rng(19)
    a, b = rng.binomial(9, 0.1, len(speakers)), rng.binomial(9, 0.1, len(speakers))
    words = np.full(len(speakers), 9)

    alone, both = bootstrap(a, words, blocks=speakers), paired_difference(a, b, words, blocks=speakers)

    for found in (alone, both):
        assert found.effective_blocks == pytest.approx(2_195**2 / (2_000**2 + 39 * 25))
        assert "40 blocks of so unequal size that they count as 1" in found.warning
    assert bootstrap(a, words, blocks=np.arange(len(a)) % 40).warning is None


@pytest.mark.parametrize(
    "labels, message",
    [
        ([1, 1.0, 2, 3], r"row 0 and row 1, 1 \(int\) and 1.0 \(float\), are equal in Python"),
        ([True, "a", 1, 3], r"row 0 and row 2, True \(bool\) and 1 \(int\)"),
        ([0.0, 2, False, 3], r"row 0 and row 2, 0.0 \(float\) and False \(bool\)"),
        ([["a"], "a", "b", "c"], r"row 0: expected a block such as a name or a number, got \['a'\]"),
        ([pd.NA, "a", "b", "c"], "row 0 belongs to no block"),
    ],
)
def test_labels_that_may_or_may_not_be_one_block_are_refused(labels, message):
    for call in (
        lambda: bootstrap([1, 2, 0, 1], [5] * 4, blocks=labels),
        lambda: paired_difference([1, 2, 0, 1], [0] * 4, [5] * 4, blocks=labels),
    ):
        with pytest.raises(OptionError, match=message):
            call()


@pytest.mark.parametrize("option", ["block", "by"])
def test_a_column_of_a_frame_that_mixes_them_is_refused(option):
    df = frame([1, 0, 2, 1], [0] * 4).assign(who=pd.Series([1, True, 1.0, "1"], dtype=object))

    with pytest.raises(OptionError, match="are equal in Python but of different types"):
        df.asr.score(reference="text", hypothesis="a", **{option: "who"})


@pytest.mark.parametrize(
    "labels, blocks",
    [
        ([1, 1, 2, 3], 3),
        (np.array([1, 1, 2, 3], np.int8), 3),
        ([np.int64(1), 1, np.int32(2), 3], 3),
        ([True, True, False, False], 2),
        (["1", 1, "2", 2], 4),
        ([0.0, -0.0, 1.5, 1.5], 2),
        (pd.Series(["a", "b", "a", "b"], dtype="category"), 2),
    ],
)
def test_labels_of_one_type_are_blocks_as_they_are_written(labels, blocks):
    assert bootstrap([1, 2, 0, 1], [5] * 4, blocks=labels).blocks == blocks


def test_a_row_without_a_speaker_is_in_no_speakers_block_whatever_they_are_called():
    df = frame([1] * 4, [0] * 4, ["row 1", None, "row 1", None])

    assert df.asr.score(reference="text", hypothesis="a", block="speaker").interval.blocks == 3


# Student's t


@pytest.mark.parametrize(
    "freedom, chance, bound",
    [(1, 0.05, 12.7062), (2, 0.05, 4.30265), (5, 0.01, 4.03214), (10, 0.05, 2.22814), (30, 0.001, 3.64596)],
)
def test_the_bounds_of_students_distribution_are_those_of_the_tables(freedom, chance, bound):
    assert t_within(chance, freedom) == pytest.approx(bound, rel=1e-4)
    assert outside(bound, freedom) == pytest.approx(chance, rel=2e-4)


@settings(max_examples=200, deadline=None)
@given(st.floats(1, 1e8), st.floats(1e-9, 0.999))
def test_a_bound_of_students_distribution_has_the_probability_it_was_asked_for(freedom, chance):
    assert t_outside(t_within(chance, freedom), freedom) == pytest.approx(chance, rel=1e-6)
