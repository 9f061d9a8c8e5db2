"""A ready ``transformers`` speech recognition pipeline of any architecture, with fences around its traps.

It is given 16 kHz samples that are its own copy (it empties the dicts it gets), never over 30 s (it would chunk,
silently worse), one clip at a time (batches of mixed lengths crash); Whisper inside it decodes greedily unless the
pipeline's own settings say otherwise.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from ..audio import SAMPLING_RATE, Audio
from ..errors import BackendError, OptionError, OutOfMemoryError
from ..transcript import Segment, Transcript, Word
from .base import Preferences
from .option_types import check_types

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
        check_types("a dict", generate_kwargs=generate_kwargs)
        check_types("True or False", speech_gate=speech_gate)
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
        self._digest_of: tuple[object, str] | None = None  # the tensors that were digested last, and their digest

    def with_word_times(self) -> Pipeline:
        """The same with the times of words, where the architecture has any; itself if it was told which to give."""
        is_able = self.is_whisper or str(getattr(self.pipeline, "type", "")).startswith("ctc")
        if self.timestamps is not None or not is_able:
            return self
        timed = copy.copy(self)
        timed.timestamps = "word"
        return timed

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What is known of it: name, weights and settings; a decoder of other people is known by its class alone."""
        return {
            "backend": "pipeline",
            "model": self.name,
            "revision": getattr(self.pipeline.model.config, "_commit_hash", None),
            "digest": self._digest(),
            "transformers": version("transformers"),
            "precision": str(self.pipeline.model.dtype).removeprefix("torch."),
            "timestamps": self.timestamps,
            "generate_kwargs": self.generate_kwargs,
            "speech_gate": self.preferred.speech_gate,
        }

    def _digest(self) -> str:
        """SHA-256 over the weights as they are in memory, and over every setting that can be seen."""
        tensors = dict(sorted(self.pipeline.model.state_dict().items()))
        state = _versions(tensors)
        if self._digest_of is None or state is None or self._digest_of[0] != state:
            self._digest_of = (state, _tensor_digest(tensors))
        about = hashlib.sha256(self._digest_of[1].encode())
        about.update(json.dumps(_plain(_settings(self.pipeline)), sort_keys=True).encode())
        return about.hexdigest()

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


def _versions(tensors: Mapping[str, Any]) -> object:
    """What changes when a tensor is written to or replaced; None where torch does not count that."""
    try:
        return tuple((name, value.data_ptr(), value._version, value.shape) for name, value in tensors.items())
    except (AttributeError, RuntimeError):  # something else than a tensor, or one made for inference only
        return None


def _tensor_digest(tensors: Mapping[str, Any]) -> str:
    import torch

    about = hashlib.sha256()
    for name, value in tensors.items():
        if isinstance(value, torch.Tensor):
            about.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
            about.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            about.update(f"{name} {value!r} ".encode("utf-8", "replace"))
    return about.hexdigest()


def _settings(pipeline: Any) -> dict[str, Any]:
    """What of a pipeline's parts can be written down."""
    model, tokenizer, features = pipeline.model, pipeline.tokenizer, pipeline.feature_extractor
    settings: dict[str, Any] = {
        "config": model.config.to_dict(),
        "generation": model.generation_config.to_dict() if getattr(model, "generation_config", None) else None,
        "features": features.to_dict() if features is not None else None,
        "decoder": _described(getattr(pipeline, "decoder", None)),
        "type": getattr(pipeline, "type", None),
    }
    for name in ("_preprocess_params", "_forward_params", "_postprocess_params"):
        settings[name] = getattr(pipeline, name, None)
    if tokenizer is not None:
        fast = getattr(tokenizer, "backend_tokenizer", None)
        settings["tokens"] = fast.to_str() if fast is not None else tokenizer.get_vocab()
        settings["special"] = {key: str(value) for key, value in tokenizer.special_tokens_map.items()}
        settings["added"] = {str(key): str(value) for key, value in tokenizer.get_added_vocab().items()}
    return settings


def _plain(value: Any) -> Any:
    """As JSON has it, with texts for the names in mappings, which may be of several types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float) else _described(value)


def _described(value: object) -> str:
    """Something that JSON does not know: its class must do."""
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
