"""What turns audio into text, and the way from a model's name to what stands behind it."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from ..errors import OptionError
from .base import Backend

__all__ = ["from_model"]


def from_model(model: object, **options: Any) -> Backend:
    """The backend behind ``model=``.

    Args:
        model: a Hugging Face id or local folder (Whisper on this machine), ``@cf/...`` (Workers AI), a ready
            ``transformers`` speech recognition pipeline, or a backend, which is given back as it is.
        options: for the backend that is made from a name.

    Raises:
        OptionError: nothing stands behind it, or options were given for a ready backend.
        WeightsError: the name leads to no weights.
        CredentialsError: Workers AI needs an account and a token.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(model, str):
        if model.startswith("@cf/"):
            from .workers_ai import WorkersAI

            return _made(WorkersAI, model, given)
        from .whisper import Whisper

        return _made(Whisper, model, given)
    if type(model).__name__ == "AutomaticSpeechRecognitionPipeline":
        from .pipeline import Pipeline

        _refuse_unknown(Pipeline, "a pipeline", given)
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


def _made(kind: Any, model: str, options: dict[str, Any]) -> Backend:
    """A backend of this kind; an option that it does not know is refused by name."""
    _refuse_unknown(kind, model, options)
    backend: Backend = kind(model, **options)
    return backend


def _refuse_unknown(kind: Any, model: str, options: dict[str, Any]) -> None:
    known = inspect.signature(kind).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        for name in options:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(list(known)[1:])}"
                raise OptionError(f"{model} has no option {name!r}; {hint}")
