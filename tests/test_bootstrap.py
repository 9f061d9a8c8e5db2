from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from asrkit.errors import OptionError
from asrkit.evaluate import bootstrap, paired_bootstrap, sample_size

METHODS = ["t", "bca", "percentile"]


def corpus(seed: int, speakers: int = 40, utterances: int = 25, mean: float = 0.12):
    """Errors, words and speakers; some speakers are much harder than others."""
    rng = np.random.default_rng(seed)
    rates = rng.beta(6 * mean, 6 * (1 - mean), speakers)
    speaker = np.repeat(np.arange(speakers), utterances)
    words = rng.integers(5, 20, len(speaker))
    return rng.binomial(words, rates[speaker]), words, speaker


@pytest.mark.parametrize("method", METHODS)
def test_the_interval_is_around_the_rate_of_the_corpus(method):
    errors, words, speaker = corpus(1)

    interval = bootstrap(errors, words, blocks=speaker, method=method)

    assert interval.estimate == errors.sum() / words.sum()
    assert interval.low < interval.estimate < interval.high
    assert (interval.method, interval.blocks, interval.replicates) == (method, 40, 10_000)
    assert interval.warning is None


@pytest.mark.parametrize("method", METHODS)
def test_blocks_make_it_wider_where_speakers_differ(method):
    errors, words, speaker = corpus(2)

    by_utterance = bootstrap(errors, words, method=method)
    by_speaker = bootstrap(errors, words, blocks=speaker, method=method)

    assert by_speaker.high - by_speaker.low > 2 * (by_utterance.high - by_utterance.low)
    assert by_speaker.estimate == by_utterance.estimate


def test_the_same_seed_gives_the_same_interval():
    errors, words, speaker = corpus(3)

    assert bootstrap(errors, words, blocks=speaker, seed=5) == bootstrap(errors, words, blocks=speaker, seed=5)
    assert bootstrap(errors, words, blocks=speaker, seed=5) != bootstrap(errors, words, blocks=speaker, seed=6)


def test_the_names_and_the_order_of_blocks_do_not_matter():
    errors, words, speaker = corpus(4)
    shuffled = np.random.default_rng(0).permutation(len(errors))
    names = pd.Series([f"speaker {number}" for number in speaker], index=speaker[::-1])

    by_number = bootstrap(errors, words, blocks=speaker)
    by_name = bootstrap(pd.Series(errors), words.tolist(), blocks=names)
    in_other_order = bootstrap(errors[shuffled], words[shuffled], blocks=speaker[shuffled])

    assert by_name == by_number
    assert in_other_order.low == pytest.approx(by_number.low, abs=0.005)
    assert in_other_order.estimate == by_number.estimate


def test_one_utterance_a_block_is_no_blocks():
    errors, words, _ = corpus(5)

    assert bootstrap(errors, words, blocks=range(len(errors))) == bootstrap(errors, words)


def test_drawing_kinds_of_utterances_is_drawing_utterances():
    """Many equal rows are drawn as kinds; the same rows made a little unequal are drawn one by one."""
    rng = np.random.default_rng(6)
    words = np.full(2_000, 10.0)
    errors = rng.binomial(10, 0.1, 2_000)

    kinds = bootstrap(errors, words, method="percentile", seed=1)
    rows = bootstrap(errors, words + rng.uniform(-1e-6, 1e-6, 2_000), method="percentile", seed=2)

    assert rows.standard_error == pytest.approx(kinds.standard_error, rel=0.03)
    assert (rows.low, rows.high) == pytest.approx((kinds.low, kinds.high), abs=0.02 * kinds.estimate)


def test_the_spread_of_equal_utterances_is_that_of_their_mean():
    errors = np.random.default_rng(7).binomial(10, 0.3, 500)

    interval = bootstrap(errors, np.full(500, 10))

    assert interval.standard_error == pytest.approx(errors.std() / 10 / math.sqrt(500), rel=0.03)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * interval.standard_error, rel=0.05)


def test_a_higher_level_is_a_wider_interval():
    errors, words, speaker = corpus(8)

    wide, narrow = (bootstrap(errors, words, blocks=speaker, level=share) for share in (0.99, 0.8))

    assert wide.low < narrow.low < narrow.high < wide.high
    assert (wide.level, narrow.level) == (0.99, 0.8)


@pytest.mark.parametrize("method", METHODS)
def test_intervals_contain_the_truth_about_as_often_as_they_say(method):
    found = [bootstrap(*corpus(seed)[:2], blocks=corpus(seed)[2], method=method, replicates=500) for seed in range(150)]

    assert 0.87 <= np.mean([interval.low <= 0.12 <= interval.high for interval in found]) <= 0.99


def test_no_rate_is_below_zero():
    errors = np.zeros(60)
    errors[:4] = 3

    assert bootstrap(errors, np.full(60, 5)).low >= 0


@pytest.mark.parametrize(
    "errors, words, blocks, warning",
    [
        ([1, 0, 2], [5, 5, 5], None, "only 3 rows: too few for an interval"),
        ([1, 0, 2, 1], [5, 5, 5, 5], list("aaaa"), "one block"),
        ([0] * 30, [5] * 30, None, "no block differs"),
        ([1] * 30, [5] * 30, None, "no block differs"),
        ([2, 0], [0, 0], None, "no reference words"),
        ([], [], None, "no reference words"),
    ],
)
def test_what_cannot_be_trusted_says_so(errors, words, blocks, warning):
    interval = bootstrap(errors, words, blocks=blocks)

    assert interval.warning is not None
    assert warning in interval.warning


def test_without_words_there_is_no_rate():
    interval = bootstrap([2, 0], [0, 0])

    assert all(math.isnan(value) for value in (interval.low, interval.high, interval.estimate))


def test_utterances_without_words_keep_their_errors():
    assert bootstrap([0, 1] * 50, [4, 0] * 50).estimate == 0.25


# Two systems


def test_the_difference_is_of_the_same_utterances():
    errors, words, speaker = corpus(9)
    better = np.maximum(errors - (np.arange(len(errors)) % 5 == 0), 0)

    together = paired_bootstrap(errors, better, words, blocks=speaker)
    alone = bootstrap(errors, words, blocks=speaker)

    assert together.estimate == pytest.approx((errors.sum() - better.sum()) / words.sum())
    assert 0 < together.low < together.estimate < together.high
    assert together.high - together.low < (alone.high - alone.low) / 3
    assert together.probability_of_improvement == 1.0


def test_swapping_the_systems_turns_the_difference_around():
    errors, words, speaker = corpus(10)
    other, *_ = corpus(11)

    one = paired_bootstrap(errors, other, words, blocks=speaker, method="percentile")
    swapped = paired_bootstrap(other, errors, words, blocks=speaker, method="percentile")

    assert (swapped.low, swapped.high, swapped.estimate) == pytest.approx((-one.high, -one.low, -one.estimate))
    assert one.probability_of_improvement + swapped.probability_of_improvement == pytest.approx(1.0, abs=0.01)


def test_a_tie_is_no_improvement():
    errors, words, speaker = corpus(12)

    interval = paired_bootstrap(errors, errors, words, blocks=speaker)

    assert (interval.low, interval.high, interval.estimate) == (0.0, 0.0, 0.0)
    assert interval.probability_of_improvement == 0.0


def test_a_system_better_in_every_utterance_surely_improves():
    assert paired_bootstrap([3] * 10, [1, 2] * 5, [4] * 10).probability_of_improvement == 1.0


def test_fewer_utterances_settle_a_clearer_difference():
    rng = np.random.default_rng(13)
    words = np.full(400, 10)
    errors = rng.binomial(10, 0.20, 400)

    slight, clear = (sample_size(errors, rng.binomial(10, rate, 400), words) for rate in (0.19, 0.17))

    assert slight.utterances is not None
    assert clear.utterances is not None
    assert clear.utterances < slight.utterances
    assert slight.blocks == slight.utterances


def test_the_sample_that_was_asked_for_has_the_power():
    rng = np.random.default_rng(14)
    a, b = rng.binomial(10, 0.20, 200), rng.binomial(10, 0.17, 200)

    needed = sample_size(a, b, np.full(200, 10), power=0.8)

    assert needed.utterances is not None
    total = 200 + needed.utterances
    picks = rng.integers(0, 200, (300, total))
    shown = 0
    for pick in picks:
        difference = (a - b)[pick] / 10
        shown += abs(difference.mean()) > 1.96 * difference.std() / math.sqrt(total)
    assert shown / 300 == pytest.approx(0.8, abs=0.08)


def test_blocks_are_asked_for_with_the_utterances_that_they_bring():
    errors, words, speaker = corpus(15)
    other, *_ = corpus(16)

    needed = sample_size(errors, other, words, blocks=speaker)

    assert needed.blocks is not None
    assert needed.utterances == 25 * needed.blocks


def test_no_number_of_utterances_shows_a_difference_that_is_not_there():
    errors, words, _ = corpus(17)

    assert sample_size(errors, errors, words).blocks is None


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: bootstrap([1, 2], [3]), "errors has shape"),
        (lambda: bootstrap([1, math.nan], [3, 4]), "errors has a negative or missing number in row 1"),
        (lambda: bootstrap([1, 2], [3, -4]), "reference_words has a negative or missing number in row 1"),
        (lambda: bootstrap([1, 2], [3, 4], blocks=["a"]), "2 utterances, but 1 blocks"),
        (lambda: bootstrap([1, 2], [3, 4], blocks=["a", None]), "row 1 belongs to no block"),
        (lambda: bootstrap([1, 2], [3, 4], blocks=[math.nan, 1.0]), "row 0 belongs to no block"),
        (lambda: bootstrap([1, 2], [3, 4], level=95), "level is between 0 and 1, not 95"),
        (lambda: bootstrap([1, 2], [3, 4], replicates=0), "replicates is at least 1"),
        (lambda: bootstrap([1, 2], [3, 4], method="normal"), "not 'normal'"),
        (lambda: sample_size([1, 2], [3, 4], [5, 6], power=1.0), "power is between 0 and 1"),
        (lambda: paired_bootstrap([1, 2], [3], [5, 6]), "errors_b has shape"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Callable[[], object], message: str):
    with pytest.raises(OptionError, match=message):
        call()
