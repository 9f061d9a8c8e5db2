"""What Workers AI asks for a minute of audio. Dated: prices change, and a price that is not published is unknown.

Source: the pages "Pricing" and the models' own pages of Cloudflare's Workers AI documentation, read on
2026-11-26. $0.011 for 1,000 neurons; the first 10,000 neurons of a day (UTC), over all models of an account, are
free. Whether seconds are rounded up is not documented; they are counted exactly here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

__all__ = ["AS_OF", "FREE_NEURONS", "PRICES", "SOURCE", "Price", "money", "price_of", "warn_if_old"]

AS_OF = "2026-11-26"
SOURCE = "https://developers.cloudflare.com/workers-ai/platform/pricing/"
DOLLARS_PER_NEURON = 0.011 / 1_000
FREE_NEURONS = 10_000.0  # a day
OLD_DAYS = 90  # after which the prices should be looked up again

PRICES: Mapping[str, float] = {  # neurons for a minute of audio
    "@cf/openai/whisper": 41.14,
    "@cf/openai/whisper-large-v3-turbo": 46.63,
    "@cf/deepgram/nova-3": 472.73,
}


@dataclass(frozen=True, slots=True)
class Price:
    """What a model asks for.

    Args:
        model: its name.
        neurons_per_minute: of audio; None where no price is published, or where Cloudflare does not answer.
        elsewhere: the host that answers in Cloudflare's place; None where Cloudflare answers.

    >>> whisper = price_of("@cf/openai/whisper")
    >>> round(whisper.dollars(3600), 4), price_of("@cf/openai/whisper-tiny-en").dollars(60) is None
    (0.0272, True)
    """

    model: str
    neurons_per_minute: float | None
    as_of: str = AS_OF
    source: str = SOURCE
    elsewhere: str | None = None

    @property
    def unknown_told(self) -> str:
        """Why there is no price, as a part of a sentence."""
        if self.elsewhere is not None:
            return f"{self.elsewhere} answers in Cloudflare's place, and what it asks for is not known"
        return f"no price is published for it (as of {self.as_of})"

    @property
    def is_known(self) -> bool:
        """Whether a price is published."""
        return self.neurons_per_minute is not None

    def neurons(self, seconds: float) -> float | None:
        """For this much audio; None where the price is unknown."""
        return None if self.neurons_per_minute is None else seconds / 60 * self.neurons_per_minute

    def dollars(self, seconds: float) -> float | None:
        """For this much audio, none of it free; None where the price is unknown."""
        neurons = self.neurons(seconds)
        return None if neurons is None else neurons * DOLLARS_PER_NEURON


def price_of(model: str, elsewhere: str | None = None) -> Price:
    """The price of a model of Workers AI; unknown where a host elsewhere answers in Cloudflare's place."""
    return Price(model, PRICES.get(model) if elsewhere is None else None, elsewhere=elsewhere)


_warned: set[str] = set()  # dates of tables, in this process


def warn_if_old(price: Price | None, today: date | None = None) -> None:
    """Warn, once in a process, that a price is over 90 days old; called where money is about to be spent or estimated.

    Args:
        price: None where nothing is paid.
        today: None for the clock's.
    """
    if price is None or not price.is_known or price.as_of in _warned:
        return
    days = ((today or datetime.now(UTC).date()) - date.fromisoformat(price.as_of)).days
    if days <= OLD_DAYS:
        return
    _warned.add(price.as_of)
    warnings.warn(
        f"asrkit's prices of Workers AI are {days} days old ({price.as_of}), and max_cost and estimates count with "
        f"them; compare {price.source} or update asrkit",
        stacklevel=3,
    )


def money(dollars: float) -> str:
    """Dollars with the digits that matter.

    >>> money(12.3456), money(0.0272), money(0.00000754), money(0.0)
    ('$12.35', '$0.0272', '$0.0000075', '$0')
    """
    if dollars >= 1:
        return f"${dollars:,.2f}"
    if dollars <= 0:
        return "$0"
    digits = max(4, 1 - math.floor(math.log10(dollars)))
    return f"${dollars:.{digits}f}".rstrip("0").rstrip(".")
