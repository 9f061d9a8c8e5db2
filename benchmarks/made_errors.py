"""Texts with errors in about one word of ten, for benchmarks of scores."""

from __future__ import annotations

import random
from collections.abc import Sequence


def with_errors(words: Sequence[str], vocabulary: Sequence[str], rng: random.Random) -> list[str]:
    """The words as a recogniser might hear them: 5 % substituted, 3 % deleted, 2 % with an insertion after them.

    Args:
        words: of one text.
        vocabulary: what is put in, any of it with the same chance.
        rng: decides; the same state gives the same errors.
    """
    found: list[str] = []
    for word in words:
        chance = rng.random()
        if chance < 0.05:
            found.append(rng.choice(vocabulary))
        elif chance >= 0.08:
            found.append(word)
        if chance > 0.98:
            found.append(rng.choice(vocabulary))
    return found
