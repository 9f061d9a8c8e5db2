"""A ready ``transformers`` speech recognition pipeline of any architecture, with fences around its traps.

It is given 16 kHz samples that are its own copy (it empties the dicts it gets), never over 30 s (it would chunk,
silently worse), one clip at a time (batches of mixed lengths crash); Whisper inside it decodes greedily unless the
pipeline's own settings say otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..audio import SAMPLING_RATE, Audio
from ..errors import BackendError, OptionError, OutOfMemoryError
from ..transcript import Segment, Transcript, Word
from .base import Preferences

__all__ = ["Pipeline"]


class Pipeline:
    """Makes a backend of ``transformers.pipeline("automatic-speech-recognition", ...)``.

    Args:
        pipeline: the ready pipeline.
        timestamps: None, ``segment`` or ``word``, where the architecture can.
        generate_kwargs: for ``generate`` of a sequence-to-sequence model.
        speech_gate: keep stretches without speech from the model.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        timestamps: str | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        speech_gate: bool = True,
    ) -> None:
        if timestamps not in (None, "segment", "word"):
            raise OptionError(f"expected timestamps to be None, 'segment' or 'word', got {timestamps!r}")
        if generate_kwargs and not pipeline.model.can_generate():
            raise OptionError(f"generate_kwargs are for models that generate; {type(pipeline.model).__name__} does not")
        self.pipeline = pipeline
        self.name = pipeline.model.name_or_path or type(pipeline.model).__name__
        self.timestamps = timestamps
        self.generate_kwargs = dict(generate_kwargs or {})
        self.is_whisper = pipeline.model.config.model_type == "whisper"
        self.preferred = Preferences(batch_size=1, longest=30.0, speech_gate=speech_gate)

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What is known of it; the pipeline's own settings are not all visible."""
        return {
            "backend": "pipeline",
            "model": self.name,
            "revision": getattr(self.pipeline.model.config, "_commit_hash", None),
            "precision": str(self.pipeline.model.dtype).removeprefix("torch."),
            "timestamps": self.timestamps,
            "generate_kwargs": self.generate_kwargs,
            "speech_gate": self.preferred.speech_gate,
        }

    def transcribe(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript]:
        """See ``Backend``."""
        return [self._one(audio, language) for audio, language in zip(batch, languages, strict=True)]

    def _one(self, audio: Audio, language: str | None) -> Transcript:
        import torch

        began = time.perf_counter()
        options: dict[str, Any] = {}
        if self.is_whisper:
            greedy = {"num_beams": 1, "max_new_tokens": 440} if not self.generate_kwargs else {}
            spoken = {"language": language} if language and self._is_multilingual else {}
            options["generate_kwargs"] = {**greedy, **self.generate_kwargs, **spoken}
            if self.timestamps:
                options["return_timestamps"] = "word" if self.timestamps == "word" else True
        elif self.generate_kwargs:
            options["generate_kwargs"] = self.generate_kwargs
        elif self.timestamps:
            options["return_timestamps"] = "word"
        try:
            answer = self.pipeline({"raw": audio.samples.copy(), "sampling_rate": SAMPLING_RATE}, **options)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"a clip of {audio.duration:.1f} s does not fit on {self.pipeline.device}"
            ) from error
        except Exception as error:  # a pipeline raises whatever its parts raise
            raise BackendError(f"{self.name} failed: {type(error).__name__}: {error}") from error
        text = str(answer["text"]).strip()
        return Transcript(
            text,
            language,
            self._segments(answer, text, audio.duration),
            duration=audio.duration,
            elapsed=time.perf_counter() - began,
        )

    @property
    def _is_multilingual(self) -> bool:
        return bool(getattr(self.pipeline.model.generation_config, "is_multilingual", False))

    def _segments(self, answer: Mapping[str, Any], text: str, duration: float) -> tuple[Segment, ...]:
        """The pipeline's chunks, their times made whole: none missing, in order, inside the clip."""
        last = 0.0
        timed: list[tuple[str, float, float]] = []
        for chunk in answer.get("chunks", ()):
            begin, end = chunk["timestamp"]
            start = min(max(begin if begin is not None else last, last), duration)
            last = min(max(end if end is not None else duration, start), duration)
            timed.append((str(chunk["text"]).strip(), start, last))
        if not timed:
            return (Segment(text, 0.0, duration),) if text else ()
        if self.is_whisper and self.timestamps == "segment":
            return tuple(Segment(*values) for values in timed)
        words = tuple(Word(*values) for values in timed if values[0])
        return (Segment(text, timed[0][1], timed[-1][2], words),)
