"""Paired statistics of systems that took rows for different languages: each system's rate is over its own words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import asrkit  # noqa: F401 -- df.asr
from asrkit.evaluate import paired_difference, paired_differences
from asrkit.evaluate.common_words import on_common_words


def drawn(rows=60, seed=0):
    rng = np.random.default_rng(seed)
    words_a = rng.integers(4, 20, rows)
    words_b = words_a + rng.integers(0, 4, rows)
    return rng.binomial(words_a, 0.2), words_a, rng.binomial(words_b, 0.15), words_b


@pytest.mark.parametrize("seed", range(8))
def test_the_difference_is_that_of_the_systems_own_rates(seed):
    a, words_a, b, words_b = drawn(seed=seed)

    one, two, words = on_common_words(a, words_a, b, words_b)
    found = paired_difference(one, two, words)
    swapped = paired_difference(*np.array(on_common_words(b, words_b, a, words_a)))

    assert found.estimate == pytest.approx(a.sum() / words_a.sum() - b.sum() / words_b.sum(), abs=1e-12)
    assert found.low < found.estimate < found.high
    assert (swapped.estimate, swapped.p) == (pytest.approx(-found.estimate), pytest.approx(found.p, abs=0.02))


def test_equal_words_leave_every_number_as_it_is():
    a, words, b, _ = drawn()

    one, two, common = on_common_words(a, words, b, words)

    assert (one.tolist(), two.tolist(), common.tolist()) == (a.tolist(), b.tolist(), words.tolist())


@pytest.mark.parametrize("seed", range(3))
def test_the_standard_error_is_the_jackknifes_of_the_difference_of_both_rates(seed):
    a, words_a, b, words_b = drawn(400, seed)
    rest = [(a.sum() - a) / (words_a.sum() - words_a) - (b.sum() - b) / (words_b.sum() - words_b)]
    jackknife = np.sqrt(399 / 400 * ((rest[0] - rest[0].mean()) ** 2).sum())

    found = paired_difference(*on_common_words(a, words_a, b, words_b))

    assert found.standard_error == pytest.approx(jackknife, rel=0.02)


def test_each_pair_may_have_its_own_words():
    a, words_a, b, words_b = drawn()
    pairs = [on_common_words(a, words_a, b, words_b), on_common_words(b, words_b, a, words_b)]

    together = paired_differences([pair[:2] for pair in pairs], np.stack([pair[2] for pair in pairs]))

    alone = [paired_difference(*pair) for pair in pairs]
    assert [pair.estimate for pair in together] == [pair.estimate for pair in alone]
    assert [pair.p_alone for pair in together] == [pair.p_alone for pair in alone]


def test_a_system_without_reference_words_is_not_told_apart():
    found = paired_difference(*on_common_words([0, 0], [0, 0], [1, 0], [3, 4]))

    assert np.isnan(found.estimate)
    assert not found.is_decided


def test_a_comparison_gives_the_difference_of_the_rates_that_it_shows_where_languages_differ():
    said = ["twenty five dollars", "half past three", "it's the first of may", "so it is", "they're two"] * 6
    df = pd.DataFrame({"text": said, "a": said, "b": [text.replace("it", "at") for text in said]})
    df["b_language"] = ["de", "en", "nl", None, "fr"] * 6
    df["a"] = df.a.str.replace("half", "calf")

    compared = df.asr.compare(reference="text", hypotheses=["a", "b"], replicates=50)

    first, second = compared.scores
    assert first.counts.reference_length != second.counts.reference_length
    [difference] = compared.differences
    assert difference.decision.estimate == pytest.approx(first.wer - second.wer, abs=1e-12)
    [other] = df.asr.compare(reference="text", hypotheses=["b", "a"], replicates=50).differences
    assert other.decision.estimate == pytest.approx(-difference.decision.estimate, abs=1e-12)
