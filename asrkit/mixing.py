"""Many channels -> one, stretch by stretch: the average, with channels of opposite polarity turned round first.

A microphone that is wired the wrong way round, or a balanced line recorded as stereo, has in one channel the negative
of the other, and their average is silence. That may hold for a ring-back tone or for one speaker alone, so it is found
out for each quarter of a second, by correlation. Two channels that hold a voice in phase beside louder sound in
antiphase are not turned: the average has the voice alone, and turning one of them would lose it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import DecodeError

__all__ = ["Mixer"]

Samples = np.ndarray[Any, np.dtype[np.float32]]

MAX_PEAK = 1_000.0  # full scale is 1; a float file beyond this holds no sound
STRETCH = 0.25  # seconds with one polarity for each channel
RAMP = 0.01  # seconds from one polarity to the other, so that nothing clicks
COMPARED_RATE = 8_000  # Hz: what is above half of it says little about voices
SURE = 1 / 3  # correlation from which a channel is turned: the sum is 3 dB louder than the difference, or the reverse
CANCELLED = 0.1  # of the power (10 dB): averaging that leaves less would have lost the sound
KEPT = 0.002  # of the power of the difference (27 dB below it): sound in phase that is not to be lost
VARIED = 4.0  # times the quiet stretches (6 dB): a voice comes and goes, the hiss of two channels does not
QUIET = 0.1  # the share of stretches that are quiet
HELD = 4  # stretches around one with a voice in phase that are not turned either: it may be between two words
AUDIBLE = 1e-3  # of the power of the loudest stretch so far (30 dB): what is fainter is no loss


@dataclass
class Mixer:
    """Many channels -> one.

    Args:
        channel: take this one; None averages all.
        warnings: what was lost or mended, each once and in order.

    >>> antiphase = np.outer([1, -1], np.sin(np.arange(8_000))).astype(np.float32)
    >>> mixer = Mixer(None)
    >>> float(np.abs(mixer.mix(antiphase, 8_000)).max().round(2)), [warning[:9] for warning in mixer.warnings]
    (1.0, ['cancelled'])
    """

    channel: int | None
    warnings: dict[str, None] = field(default_factory=dict)  # an ordered set
    _signs: Samples = field(default_factory=lambda: np.ones(0, np.float32))
    _loudest: float = 0.0

    def mix(self, samples: Samples, rate: int) -> Samples:
        """Consecutive samples of shape ``(channels, n)`` to ``(n,)``.

        Raises:
            DecodeError: ``no-channel`` or ``non-finite``.
        """
        count = len(samples)
        if self.channel is not None:
            if not -count <= self.channel < count:
                raise DecodeError(
                    f"there is no channel {self.channel}: the sound has {count} (counted from 0)", code="no-channel"
                )
            mono = samples[self.channel]
        elif count == 1:
            mono = samples[0]
        else:
            mono = self._average(samples, rate)
        if mono.size and not float(np.abs(mono).max()) < MAX_PEAK:  # also true for NaN
            raise DecodeError(
                f"samples that are no sound: NaN, infinite or beyond {MAX_PEAK:.0f} (full scale is 1)",
                code="non-finite",
            )
        return np.ascontiguousarray(mono)

    def _average(self, samples: Samples, rate: int) -> Samples:
        count, length = samples.shape
        if len(self._signs) != count:
            self._signs = np.ones(count, np.float32)
        if not length:
            return np.empty(0, np.float32)
        step = min(length, max(1, round(STRETCH * rate)))
        stretches = max(1, length // step)  # the last one is longer: nothing is shorter than can be judged
        before = self._signs
        signs = self._polarities(samples, stretches, step, rate)
        if (before == 1).all() and (signs == 1).all():
            average: Samples = samples.mean(axis=0, dtype=np.float32)
            return average
        mono = np.empty(length, np.float32)
        ramp = np.linspace(0, 1, max(2, round(RAMP * rate)), dtype=np.float32)[:step]
        for number, own in enumerate(signs):
            begin, end = number * step, length if number == stretches - 1 else (number + 1) * step
            stretch = samples[:, begin:end]
            mono[begin:end] = own @ stretch
            if (own != before).any():
                mixed = (1 - ramp) * (before @ stretch[:, : len(ramp)]) + ramp * mono[begin : begin + len(ramp)]
                mono[begin : begin + len(ramp)] = mixed
            before = own
        mono /= count
        return mono

    def _polarities(self, samples: Samples, stretches: int, step: int, rate: int) -> Samples:
        """1 or -1 for each channel in each stretch, shape ``(stretches, channels)``."""
        ends = [*((number + 1) * step for number in range(stretches - 1)), None]
        products = [_products(samples[:, number * step : end], rate) for number, end in enumerate(ends)]
        held = _voices_in_phase(products)
        signs_of = np.empty((stretches, len(samples)), np.float32)
        for number, own in enumerate(products):
            signs = self._signs = _signs(own, self._signs, held[number])
            signs_of[number] = signs
            power = float(signs @ own @ signs)
            if power > AUDIBLE * self._loudest and float(own.sum()) < CANCELLED * power:
                self.warnings[
                    f"cancelled: some of the {len(samples)} channels have opposite polarity and would cancel each "
                    "other; they were turned round where they do"
                ] = None
            if (held[number] & _are_opposite(own)).any():
                self.warnings[
                    f"cancelled: some of the {len(samples)} channels hold sound of opposite polarity beside sound in "
                    "phase; only the sound in phase was kept, and channel= takes one channel with both"
                ] = None
            self._loudest = max(self._loudest, power)
        return signs_of


def _voices_in_phase(products: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which pairs of channels hold a voice in phase beside louder sound in antiphase, one matrix for each stretch."""
    residuals, differences = np.array([_in_phase(own) for own in products]).swapaxes(0, 1)
    floor = np.quantile(residuals, QUIET, axis=0) if len(products) >= 2 * HELD else np.zeros_like(residuals[0])
    is_varied = (residuals > VARIED * floor) & (residuals > AUDIBLE * differences.max(axis=0, initial=0.0))
    found = (residuals > KEPT * differences) & is_varied & (np.array(products) < 0)
    if len(found) > 1:  # one stretch alone may be where one voice ends and another begins
        pairs = found[1:] & found[:-1]
        found = np.concatenate([pairs, pairs[-1:]]) | np.concatenate([pairs[:1], pairs])
    held: np.ndarray[Any, np.dtype[np.bool_]] = found.copy()
    for shift in range(1, HELD + 1):
        held[shift:] |= found[:-shift]
        held[:-shift] |= found[shift:]
    return held


def _are_opposite(products: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each pair of channels: whether their difference is clearly louder than their sum."""
    powers = np.diagonal(products)
    opposite: np.ndarray[Any, np.dtype[np.bool_]] = -2 * products > SURE * (powers[:, None] + powers[None])
    return opposite


def _in_phase(products: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """For each pair of channels: the power of its sum that is not in its difference, and that of its difference."""
    powers = np.nan_to_num(np.diagonal(products), posinf=0.0)
    alike = np.nan_to_num(products, posinf=0.0, neginf=0.0)
    total = powers[:, None] + powers[None]
    difference = np.maximum(total - 2 * alike, 0.0)
    shared = (powers[:, None] - powers[None]) ** 2 / np.where(difference > 0, difference, 1.0)
    return np.maximum(total + 2 * alike - shared, 0.0), difference


def _products(samples: Samples, rate: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How alike the channels are, without hum and offset: the products of each with each."""
    group = max(1, min(rate // COMPARED_RATE, samples.shape[1] // 2))
    whole = samples.shape[1] // group * group
    coarse = samples[:, :whole].reshape(len(samples), -1, group).mean(axis=2, dtype=np.float64)
    changes = np.diff(coarse, axis=1, prepend=coarse[:, :1])
    products: np.ndarray[Any, np.dtype[np.float64]] = changes @ changes.T
    return products


def _signs(products: np.ndarray[Any, Any], before: Samples, held: np.ndarray[Any, np.dtype[np.bool_]]) -> Samples:
    """The polarity of each channel: as before, unless it is clearly the opposite of a louder one.

    A channel is compared with the one it is most like. What it resembles little keeps its sign, so that two voices
    that speak at once, each in its own channel, change nothing. A pair that is ``held`` gets one sign.
    """
    powers = np.diagonal(products)
    if not np.isfinite(powers).all():
        return before
    signs = before.copy()
    order = np.argsort(-powers, kind="stable")
    for place, own in enumerate(order[1:], 1):
        louder = order[:place]
        if powers[own] <= 0:
            break
        alike = products[own, louder] / np.sqrt(powers[own] * powers[louder])
        other = louder[int(np.abs(alike).argmax())]
        share = 2 * products[own, other] / (powers[own] + powers[other])
        if held[own, other]:
            signs[own] = signs[other]
        elif abs(share) > SURE:
            signs[own] = signs[other] * np.sign(share)
    return signs
