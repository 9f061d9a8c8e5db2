"""How noisy a recording is: an estimate of its signal-to-noise ratio, to see errors by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import SAMPLING_RATE, load
from ..errors import AsrkitError
from ..source import is_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["snr", "snr_of"]

FRAME, HOP = 0.025, 0.010  # seconds, as recognisers look at sound
QUIET = 10  # percent of the frames that hold noise alone: pauses, and the closures of stops
SHORTEST = 1.0  # seconds; less has no pauses to find noise in
RANGE = (-10.0, 60.0)  # dB; beyond it the figure says nothing


def snr(samples: Any, sampling_rate: int = SAMPLING_RATE) -> float:
    """An estimate of the signal-to-noise ratio of speech, in dB from -10 to 60; NaN under 1 s or in digital silence.

    The noise is the 10th percentile of the powers of frames of 25 ms, the signal the mean power without it: the
    simplest form of tracking noise by its minimum (Martin 1994, 2001; NIST's stnr tells the noise from the speech in
    a histogram of frame powers in the same way). Frames of zeros do not count, they are no room.

    It needs pauses, and noise that is the same in them as elsewhere. Measured on read speech with noise added
    (mean error in dB at 0, 5, 10, 15 and 20 dB; single recordings differ from it by up to 2.5):

    ===================================  ====  ====  ====  ====  ====
    white noise, or a hum of 50 Hz       +0.3  +0.0  -0.3  -1.0  -2.8
    pink noise                           +3.8  +2.2  +1.1  -0.2  -2.3
    brown noise (1/f squared), rumble     +11    +7    +4  +1.4  -1.8
    babble of 7 voices                   +4.3  +2.2  +0.6  -0.6  -2.7
    babble of 3 voices                   +6.6  +4.1  +2.1  -0.2  -2.8
    ===================================  ====  ====  ====  ====  ====

    So noise whose power goes up and down (babble, and low sounds within 25 ms) is underestimated where it is loud, and
    from 15 dB on the recording's own noise counts too. A
    constant offset of the samples counts neither as signal nor as noise. Knocking is not heard.

    >>> time = np.arange(32_000) / 16_000
    >>> noise = 0.01 * np.random.default_rng(0).standard_normal(32_000)
    >>> round(snr(np.where(time < 1, 0.1 * np.sin(2_000 * time), 0.0) + noise))  # half of it 17 dB, half nothing
    14
    """
    sound = np.asarray(samples, float)
    frame, hop = round(FRAME * sampling_rate), round(HOP * sampling_rate)
    if sound.ndim != 1 or len(sound) < SHORTEST * sampling_rate:
        return math.nan
    sounding = sound != 0
    if not sounding.any():
        return math.nan
    whole = float(np.mean(sound**2))
    sound = np.where(sounding, sound - sound[sounding].mean(), 0.0)  # a constant offset is no noise
    sums = np.concatenate([[0.0], np.cumsum(sound**2)])
    starts = np.arange(0, len(sound) - frame + 1, hop)
    # Where a loud sound went before, the difference of sums leaves a little that is none.
    powers = np.maximum(sums[starts + frame] - sums[starts], 0.0) / frame
    powers = powers[powers > 1e-12 * max(whole, sums[-1] / len(sound))]
    if not len(powers):
        return math.nan
    noise = float(np.percentile(powers, QUIET))
    signal = float(powers.mean()) - noise
    if signal <= 0:
        return RANGE[0]
    return min(max(10 * math.log10(signal / noise), RANGE[0]), RANGE[1])


def snr_of(cells: pd.Series[Any] | Sequence[Any]) -> pd.Series[Any]:
    """The estimate of ``snr`` for each cell of audio (paths, URLs, bytes, arrays with their rate), in dB.

    NaN where a cell is missing, cannot be read or is too short. ``bands(snr_of(df.path), [5, 15, 25], unit="dB")``
    is a column to slice scores by.
    """
    import pandas as pd

    column = cells if isinstance(cells, pd.Series) else pd.Series(list(cells), dtype=object)
    return pd.Series([_snr_of(cell) for cell in column], index=column.index, dtype=float, name="snr")


def _snr_of(cell: Any) -> float:
    if is_missing(cell):
        return math.nan
    try:
        sound = load(cell)
    except AsrkitError:
        return math.nan
    return snr(sound.samples, sound.sampling_rate)
