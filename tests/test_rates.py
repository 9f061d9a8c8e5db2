"""RTFx, dollars per hour and words per minute: both sums are over the same rows, and it is said over which."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asrkit
from asrkit.evaluate.rates import quotient
from asrkit.evaluate.score import Score
from asrkit.transcript import Transcript, join

RATES = {  # of a score: its numerator and denominator, and what a unit of theirs is
    "rtfx": ("duration", "elapsed", 1.0),
    "dollars_per_hour": ("cost", "duration", 3600.0),
    "hallucinated_per_minute": (None, "duration", 60.0),
}
NAMES = {"rtfx": "RTFx", "dollars_per_hour": "$/h", "hallucinated_per_minute": "words a minute of silence"}


def frame() -> pd.DataFrame:
    """Of rows that take, cost and invent more the further down they are."""
    return pd.DataFrame(
        {
            "text": ["so it is", "", "", "", "so be it"],
            "heard": ["so it is", "oh", "oh no", "oh no no", "so be it"],
            "heard_duration": [10.0, 20.0, 30.0, 40.0, 50.0],
            "heard_elapsed": [1.0, 4.0, 9.0, 16.0, 25.0],
            "heard_cost": [0.1, 0.1, 0.4, 0.9, 0.1],
        }
    )


def scored(df: pd.DataFrame) -> Score:
    return df.asr.score(reference="text", hypothesis="heard", replicates=10)


def test_what_is_unknown_of_one_row_is_left_out_above_and_below():
    df = frame().iloc[:3].assign(heard_duration=[30.0, 30.0, 30.0], heard_elapsed=[10.0, np.nan, 10.0])

    assert scored(df).rtfx == 3.0
    assert "RTFx 3.0 (of 2 of 3 rows)" in str(scored(df))


@pytest.mark.parametrize("lost", ["duration", "elapsed", "cost"])
@pytest.mark.parametrize("rate", list(RATES))
def test_a_rate_is_that_of_the_rows_in_which_both_are_known(rate, lost):
    df = frame()
    df.loc[[1, 4], f"heard_{lost}"] = np.nan
    above, below, _ = RATES[rate]
    needed = [f"heard_{name}" for name in (above, below) if name]

    whole, known = scored(df), scored(df.dropna(subset=needed))

    assert getattr(whole, rate) == pytest.approx(getattr(known, rate))
    assert whole.rates[NAMES[rate]].is_partial == (lost in (above, below))


@given(
    st.lists(
        st.tuples(*[st.one_of(st.just(math.nan), st.floats(0.1, 1e3))] * 2),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_no_pattern_of_missing_values_takes_a_quotient_out_of_the_range_of_its_rows(rows):
    parts, wholes = map(list, zip(*rows, strict=True))
    known = [part / whole for part, whole in rows if not math.isnan(part + whole)]

    found = quotient(parts, wholes)

    assert (found.rows, found.of) == (len(known), len(rows))
    if known:
        assert min(known) * (1 - 1e-9) <= found.value <= max(known) * (1 + 1e-9)
    else:
        assert math.isnan(found.value)


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_work_of_no_time_at_all_gives_no_rate(scale):
    assert math.isnan(quotient([1.0, 2.0], [0.0, 0.0], scale=scale).value)
    assert math.isnan(quotient(None, [1.0], rows=1).value)


def test_text_json_and_page_say_over_how_many_rows():
    df = frame()
    df.loc[[1, 4], "heard_duration"] = np.nan
    df["other"], df["other_duration"], df["other_elapsed"] = df.heard, 10.0, 2.0
    both = df.asr.compare(reference="text", hypotheses=["heard", "other"], replicates=10)

    [heard, other] = json.loads(both.to_json())["scores"]

    assert heard["rows_of_rates"] == {"RTFx": 3, "$/h": 3, "words a minute of silence": 2}
    assert other["rows_of_rates"]["RTFx"] == 5
    assert "RTFx of heard is of 3 of 5 rows" in str(both)
    assert "RTFx of other" not in str(both)
    assert f"{both.scores[0].rtfx:,.1f} (of 3 of 5 rows)" in both.to_html()
    assert "(of 2 of 3 such rows)" in str(both.scores[0])


def test_the_work_on_some_windows_is_not_that_of_the_recording():
    parts = [Transcript("a", duration=30.0, elapsed=2.0), Transcript("b", duration=30.0)]

    assert join(parts, starts=[0, 30], duration=60.0).elapsed is None
    assert join(parts[:1] * 2, starts=[0, 30], duration=60.0).elapsed == 4.0


def test_a_recording_of_which_one_window_has_no_time_is_left_out_of_rtfx():
    class Forgetful(asrkit.Canned):
        """Tells the seconds of work on clips under a second only."""

        def transcribe(self, batch, *, languages=None):
            told = super().transcribe(batch, languages=languages)
            return [
                Transcript(one.text, duration=audio.duration, elapsed=0.1 if audio.duration < 1 else None)
                for one, audio in zip(told, batch, strict=True)
            ]

    clips = [(np.full(round(16_000 * seconds), 0.01, np.float32), 16_000) for seconds in (0.5, 4.0)]
    df = pd.DataFrame({"audio": clips, "text": ["so", "so"]})

    heard = df.asr.transcribe("audio", model=Forgetful(["so"]), details=True, progress=False)

    assert heard.hypothesis_elapsed.isna().tolist() == [False, True]
    assert heard.asr.score(reference="text", replicates=10).rtfx == pytest.approx(5.0)
