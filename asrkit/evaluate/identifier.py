"""py3langid for many texts at once: the probabilities of languages, a chunk of texts in one go of NumPy.

The numbers are those of ``LanguageIdentifier.rank``: each byte moves an automaton, some of its states are features,
and a language's score is the sum of its weights of the features (naive Bayes). There it is done text by text in
Python, which took a quarter of the time of a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Identifier"]

Floats = NDArray[np.float32]
AT_ONCE = 2_048  # texts, whose features take some 30 MB


class Identifier:
    """py3langid, restricted to those of some languages that it knows.

    Args:
        languages: its codes; those that it does not know are left out.

    Attributes:
        codes: of the languages, in the order of the columns of ``probabilities``.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        whole = _whole_identifier()
        known = set(whole.labels)
        self._own = copy(whole)
        self._own.set_languages([code for code in languages if code in known])
        self.codes: list[str] = list(dict.fromkeys(self._own.nb_classes))
        self._column = np.array([self.codes.index(code) for code in self._own.nb_classes])
        self._table = np.asarray(self._own.nb_ptc, np.float32)
        self._moves = np.asarray(whole.tk_nextmove)
        self._row_starts = np.asarray(whole.tk_row, np.int64) << 8
        self._outputs = np.asarray(whole.tk_output, np.int64)

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """Of each text and language, shape ``(len(texts), len(codes))``; equal ones where nothing tells.

        A text has the same numbers whatever texts are beside it.
        """
        found = np.empty((len(texts), len(self.codes)), np.float32)
        encoded = [self._own._encode(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda at: len(encoded[at]), reverse=True)
        for start in range(0, len(texts), AT_ONCE):
            chosen = order[start : start + AT_ONCE]
            found[chosen] = self._of_chunk([encoded[at] for at in chosen])
        return found

    def _of_chunk(self, texts: Sequence[bytes]) -> Floats:
        """Of texts whose lengths go down."""
        scores = np.zeros((len(texts), len(self._column)), np.float32)
        rows, features, counts = self._features(texts)
        if len(rows):
            weights = self._table[features]
            weights *= np.log1p(counts.astype(np.float32))[:, None]
            first = np.flatnonzero(np.diff(rows, prepend=-1))
            scores[rows[first]] = np.add.reduceat(weights, first, axis=0) + self._own.nb_pc
        lengths = np.array([max(len(text), 1) for text in texts], np.float32)
        scores /= np.sqrt(lengths)[:, None]
        np.exp(scores - scores.max(axis=1, keepdims=True), out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        merged = np.zeros((len(texts), len(self.codes)), np.float32)
        np.add.at(merged.T, self._column, scores.T)  # two scripts of one language are two columns
        return merged

    def _features(self, texts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Row, feature and number of each feature that a text has, rows going up."""
        lengths = np.array([len(text) for text in texts])
        letters = np.frombuffer(b"".join(texts), np.uint8)
        starts = np.cumsum(lengths) - lengths
        ending = np.searchsorted(-lengths, -np.arange(lengths[0] if len(texts) else 0))  # texts longer than each place
        states = np.zeros(len(texts), np.int64)
        keys = []
        for place, count in enumerate(ending):
            moved = self._moves[self._row_starts[states[:count]] + letters[starts[:count] + place]]
            states[:count] = moved
            features = self._outputs[moved]
            rows = np.flatnonzero(features >= 0)
            keys.append(rows * len(self._table) + features[rows])
        found, counts = np.unique(np.concatenate(keys or [np.empty(0, np.int64)]), return_counts=True)
        return found // len(self._table), found % len(self._table), counts


@cache
def _whole_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
