"""What turns audio into text, and the way from a model's name to what stands behind it."""

from __future__ import annotations

from typing import Any

from ..errors import OptionError
from .base import Backend

__all__ = ["from_model"]


def from_model(model: object, **options: Any) -> Backend:
    """The backend behind ``model=``.

    Args:
        model: a Hugging Face id or local folder (Whisper on this machine), a ready ``transformers`` speech
            recognition pipeline, or a backend, which is given back as it is.
        options: for the backend that is made from a name.

    Raises:
        OptionError: nothing stands behind it, or options were given for a ready backend.
        WeightsError: the name leads to no weights.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(model, str):
        if model.startswith("@cf/"):
            raise OptionError(f"{model}: Workers AI is not part of this version yet; name a Whisper model")
        from .whisper import Whisper

        return Whisper(model, **given)
    if type(model).__name__ == "AutomaticSpeechRecognitionPipeline":
        from .pipeline import Pipeline

        return Pipeline(model, **given)
    if isinstance(model, Backend):
        if given:
            raise OptionError(
                f"{', '.join(given)}: options of a ready backend are set where it is made, not in the call"
            )
        return model
    raise OptionError(
        f"expected a model's name, a folder, a transformers pipeline or a backend, got {type(model).__name__}"
    )
