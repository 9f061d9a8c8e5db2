"""Fixed answers, for doctests, notebooks and tests: no model, no network, no surprise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..audio import Audio
from ..errors import BackendError
from ..transcript import Segment, Transcript
from .base import Preferences

__all__ = ["Canned"]


@dataclass(slots=True)
class Canned:
    """Gives the texts in the order in which clips arrive, or asks a function.

    Args:
        answers: texts, used in turn and then from the beginning; or a function of the clip.

    >>> backend = Canned(["hello world"])
    >>> import numpy as np
    >>> [transcript] = backend.transcribe([Audio(np.zeros(16_000, np.float32))], languages=[None])
    >>> transcript.text, transcript.duration
    ('hello world', 1.0)
    """

    answers: Sequence[str] | Callable[[Audio], str]
    name: str = "canned"
    preferred: Preferences = field(default_factory=lambda: Preferences(batch_size=16, in_order=True))
    heard: int = field(default=0, init=False)

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """The name and, where they are fixed, the answers."""
        return {"backend": self.name, "answers": None if callable(self.answers) else list(self.answers)}

    def transcribe(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript]:
        """One answer a clip."""
        return [self._answer(audio, language) for audio, language in zip(batch, languages, strict=True)]

    def _answer(self, audio: Audio, language: str | None) -> Transcript:
        if callable(self.answers):
            text = self.answers(audio)
        elif self.answers:
            text = self.answers[self.heard % len(self.answers)]
        else:
            raise BackendError("Canned has no answers")
        self.heard += 1
        whole = Segment(text, 0.0, audio.duration)
        return Transcript(text, language, (whole,), duration=audio.duration, elapsed=0.0)
