"""Which language is spoken where in one window of Whisper's.

The model tells the language of a window from all of it, and mostly hears the beginning: a window with two languages
would be written in one of them. So each stretch between two pauses is judged by itself, from the states that the
encoder has made already, and the window is cut where the evidence for a change is strong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import Audio
from ..speech import FRAMES_PER_SECOND, OFFSET, SpeechDetector
from .decoding import FRAME_SECONDS, language_probabilities

if TYPE_CHECKING:
    import torch

    from ..audio import Samples

__all__ = ["Span", "spans"]

SHORTEST_CHECKED = 4.0  # seconds: a shorter window is one sentence
PAUSE = 0.4  # seconds without speech between two stretches
SHORTEST_STRETCH = 1.0  # seconds of speech; less says little, and is judged together with what follows
MARGIN = 0.2  # seconds around a stretch that are seen with it
SEEN, FRAMES = 400, 500  # states of a stretch that are seen (8 s), and with the silence that follows: always as many
LEAST = 0.005  # probability of a language; no stretch is surer than that
FULL_WEIGHT = 2.0  # seconds from which on a stretch is evidence in full
# Logarithms of the odds that a change of language needs: to be looked at (4 to 1), and to be believed (55 to 1).
LOOKED_AT, BELIEVED = 1.5, 4.0


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a window in one language.

    Args:
        start: in seconds within the window.
        end: in seconds within the window.
        language: its index among those of the model.
    """

    start: float
    end: float
    language: int


def spans(
    model: Any, clip: Audio, states: torch.Tensor, silence: torch.Tensor, encoded: Callable[[Audio], torch.Tensor]
) -> list[Span]:
    """The parts of a window that are in different languages, in order; none if it is all in one language.

    Args:
        model: a multilingual Whisper.
        clip: the window.
        states: the encoder's for this window, shape ``(1, frames, width)``.
        silence: the encoder's states of silence, shape ``(1, frames, width)``, at least ``FRAMES`` of them.
        encoded: gives the encoder's states of a clip that is heard alone.
    """
    if clip.duration < SHORTEST_CHECKED:
        return []
    stretches = _stretches(clip.samples)
    if len(stretches) < 2:
        return []
    shares = np.concatenate([_shares(model, states, silence, stretch) for stretch in stretches])
    found = _merged(stretches, likeliest_path(_evidence(shares, stretches), LOOKED_AT), clip.duration)
    if len(found) < 2:
        return []
    # States that were made beside other speech are cheap but doubtful: these few parts are heard alone.
    rate = clip.sampling_rate
    parts = [Audio(clip.samples[round(span.start * rate) : round(span.end * rate)]) for span in found]
    alone = np.concatenate([language_probabilities(model, encoded(part)).cpu().numpy() for part in parts])
    edges = [(span.start, span.end) for span in found]
    found = _merged(edges, likeliest_path(_evidence(alone, edges), BELIEVED), clip.duration)
    return found if len(found) > 1 else []


def _evidence(shares: np.ndarray[Any, Any], stretches: Sequence[tuple[float, float]]) -> np.ndarray[Any, Any]:
    """Log-probabilities, those of short stretches nearer to 0."""
    seconds = np.array([[end - start] for start, end in stretches])
    evidence: np.ndarray[Any, Any] = np.log(np.maximum(shares, LEAST)) * np.minimum(1.0, seconds / FULL_WEIGHT)
    return evidence


def _merged(stretches: Sequence[tuple[float, float]], languages: Sequence[int], duration: float) -> list[Span]:
    """Neighbours of one language as one; the cuts are in the middle of the pauses."""
    result: list[Span] = []
    begin = 0.0
    for at, language in enumerate(languages):
        is_last = at + 1 == len(languages)
        if is_last or languages[at + 1] != language:
            end = duration if is_last else (stretches[at][1] + stretches[at + 1][0]) / 2
            result.append(Span(begin, end, language))
            begin = end
    return result


def likeliest_path(evidence: np.ndarray[Any, Any], change: float) -> list[int]:
    """The language of each stretch, where every change has to be paid for (Viterbi).

    Args:
        evidence: log-probabilities, shape ``(stretches, languages)``.
        change: the price of a change.

    >>> likeliest_path(np.log([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]), 4.0)
    [0, 0, 0]
    >>> likeliest_path(np.log([[0.99, 0.01], [0.05, 0.95], [0.01, 0.99], [0.01, 0.99]]), 4.0)
    [0, 1, 1, 1]
    """
    best, came_from = evidence[0], []
    for own in evidence[1:]:
        leader = int(best.argmax())
        changes = best < best[leader] - change
        came_from.append(np.where(changes, leader, np.arange(len(best))))
        best = np.maximum(best, best[leader] - change) + own
    path = [int(best.argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return path[::-1]


def _stretches(samples: Samples) -> list[tuple[float, float]]:
    """Start and end of what is spoken between two pauses, in seconds."""
    result: list[tuple[float, float]] = []
    spoken = np.concatenate([[False], SpeechDetector()(samples) >= OFFSET, [False]])
    edges = np.flatnonzero(spoken[1:] != spoken[:-1])
    for first, stop in edges.reshape(-1, 2).tolist():
        start, end = first / FRAMES_PER_SECOND, stop / FRAMES_PER_SECOND
        if result and (start - result[-1][1] < PAUSE or result[-1][1] - result[-1][0] < SHORTEST_STRETCH):
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    if len(result) > 1 and result[-1][1] - result[-1][0] < SHORTEST_STRETCH:
        _, end = result.pop()
        result[-1] = (result[-1][0], end)
    return result


def _shares(
    model: Any, states: torch.Tensor, silence: torch.Tensor, stretch: tuple[float, float]
) -> np.ndarray[Any, Any]:
    """Probabilities of the languages in a stretch, shape ``(1, languages)``.

    Without the silence that follows, the model is at a loss: it has never seen a window that ends with the speech.
    """
    import torch

    start = max(0, int((stretch[0] - MARGIN) / FRAME_SECONDS))
    stop = min(int((stretch[1] + MARGIN) / FRAME_SECONDS) + 1, start + SEEN)
    seen = states[:, start:stop]
    whole = torch.cat([seen, silence[:, : FRAMES - seen.shape[1]]], dim=1)
    shares: np.ndarray[Any, Any] = language_probabilities(model, whole).cpu().numpy()
    return shares
