"""Whether confidence foretells errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrkit.errors import OptionError
from asrkit.evaluate.calibration import calibrate, calibration
from asrkit.evaluate.frames import score

rows = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.25, 1.0, 2.0])), min_size=1, max_size=30)


def test_the_figures_by_hand():
    # Bins of half: (0.3 | right 0) and (0.6, 0.8, 0.9 | right 0.5, 1, 1): gaps 0.3 and 0.7667 - 0.8333.
    found = calibrate([0.9, 0.8, 0.6, 0.3], [0, 0, 0.5, 1], 2)
    assert found.frame["count"].tolist() == [1, 3]
    assert found.frame.gap.tolist() == pytest.approx([0.3, -0.2 / 3])
    assert found.ece == pytest.approx((0.3 + 0.2) / 4)
    assert found.auc == 1.0
    assert found.spearman == pytest.approx(-0.9486833)  # scipy.stats.spearmanr
    assert found.reason is None


def test_confidence_that_is_as_good_as_it_says_has_no_calibration_error():
    found = calibrate([0.75] * 4 + [0.0] * 2, [0, 0, 0, 1, 1, 1])
    assert found.ece == 0.0


@given(rows)
def test_bins_hold_every_row_once_and_the_figures_stay_in_their_ranges(given_rows):
    sure, wrong = zip(*given_rows, strict=True)
    for equal in ("width", "count"):
        found = calibrate(sure, wrong, 5, equal=equal)
        assert found.frame["count"].sum() == found.count == len(sure)
        assert 0 <= found.ece <= 1
        assert math.isnan(found.auc) or 0 <= found.auc <= 1
        assert math.isnan(found.spearman) or -1.000001 <= found.spearman <= 1.000001


@given(rows)
def test_turning_confidence_round_turns_the_figures_round(given_rows):
    sure, wrong = (np.array(side) for side in zip(*given_rows, strict=True))
    sure = np.round(sure, 3)  # 1 - x is exact enough to keep the order
    there, back = calibrate(sure, wrong), calibrate(1 - sure, wrong)
    assert there.auc == pytest.approx(1 - back.auc, nan_ok=True)
    assert there.spearman == pytest.approx(-back.spearman, nan_ok=True)


def test_equal_counts_put_as_many_rows_into_each_bin():
    found = calibrate(np.linspace(0.9, 0.99, 100), np.zeros(100), 5, equal="count")
    assert found.frame["count"].tolist() == [20] * 5


def test_confidences_that_are_all_equal_are_one_bin():
    found = calibrate([0.5, 0.5, 0.5], [0, 1, 0], equal="count")
    assert found.frame["count"].tolist() == [3]
    assert (found.auc, found.reason) == (0.5, "the confidences are all equal")


@pytest.mark.parametrize(
    "sure, wrong, reason",
    [([], [], "no row has a confidence"), ([0.5], [0], "no row has an error"), ([0.1, 0.2], [1, 2], "every row")],
)
def test_a_figure_that_is_undefined_is_nan_and_says_why(sure, wrong, reason):
    found = calibrate(sure, wrong)
    assert math.isnan(found.auc)
    assert reason in found.reason
    assert reason in str(found)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([-0.2], [0]), "log-probability"),
        (([0.2], [0, 1]), "for each"),
        (([0.2], [0], 0), "one bin"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        calibrate(*arguments)


def test_a_score_has_confidences_as_probabilities():
    frame = pd.DataFrame(
        {"text": ["a hat", "my cat", "", "the dog", "sun"], "hypothesis": ["a hat", "my mat", "ok", "the dog", None]}
    )
    sure = [0.9, 0.5, 0.2, math.nan]  # the last row failed
    found = calibration(replace(score(frame, reference="text", replicates=10), confidence=sure))
    assert found.count == 3
    assert found.auc == 1.0
    assert found.frame[found.frame["count"] > 0].accuracy.tolist() == [0.0, 0.5, 1.0]


def test_a_score_without_confidences_says_so():
    frame = pd.DataFrame({"text": ["a"], "hypothesis": ["a"]})
    found = calibration(score(frame, reference="text", replicates=10))
    assert found.count == 0
    assert math.isnan(found.ece)
    assert found.reason == "hypothesis has no confidence"
