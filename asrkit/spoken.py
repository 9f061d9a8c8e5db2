"""Which language a recording is in, window by window, where nobody told it.

Each window is heard in the language that it seems to be in. A short or doubtful one is no evidence: half a second of
"Die" has been taken for Hindi. It is heard again in the language of the windows around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .transcript import Transcript

__all__ = ["is_doubtful", "likely_languages"]

# Seconds of a window, and the probability from which on its language counts as found: of clips of 1 s in twelve
# languages, 1 in 45 was taken for another with 0.95; of clips of 5 s, 2 with 0.5.
SECONDS, PROBABILITIES = (1.0, 5.0), (0.95, 0.6)


def likely_languages(windows: Sequence[Transcript]) -> Mapping[int, str]:
    """The windows that were heard in a doubtful language, and the one that the others make likely.

    It is that of the last window before it whose language is certain, or of the first one after it; where none is
    certain, the language with the most seconds, each weighed by its probability.

    Args:
        windows: of one recording, in order. Those whose language was given have no ``language_probability``.

    >>> german = Transcript("Guten Morgen", "de", detected_language="de", language_probability=0.9, duration=20.0)
    >>> hindi = Transcript("Die", "hi", detected_language="hi", language_probability=0.5, duration=0.5)
    >>> likely_languages([hindi, german])
    {0: 'de'}
    """
    certain = [window.detected_language if _is_certain(window) else None for window in windows]
    known = next((language for language in certain if language), None) or _heaviest(windows)
    result: dict[int, str] = {}
    for number, window in enumerate(windows):
        known = certain[number] or known
        if is_doubtful(window) and known is not None and window.detected_language != known:
            result[number] = known
    return result


def is_doubtful(window: Transcript) -> bool:
    """Whether a window may have to be heard again, in another language than was detected."""
    return window.language_probability is not None and bool(window.text) and not _is_certain(window)


def _is_certain(window: Transcript) -> bool:
    if window.language_probability is None or not window.text:
        return False
    if len({segment.language for segment in window.segments} - {None}) > 1:
        return True  # it was cut where the language changes, which takes more evidence
    seconds = window.duration or 0.0
    needed = float(np.interp(seconds, SECONDS, PROBABILITIES))
    return seconds >= SECONDS[0] and window.language_probability >= needed


def _heaviest(windows: Sequence[Transcript]) -> str | None:
    weights: dict[str, float] = {}
    for window in windows:
        if window.detected_language is not None and window.language_probability is not None and window.text:
            weight = (window.duration or 0.0) * window.language_probability
            weights[window.detected_language] = weights.get(window.detected_language, 0.0) + weight
    return max(weights, key=lambda language: weights[language], default=None)
