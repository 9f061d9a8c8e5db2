"""The recognisers of Workers AI: in which shape each takes sound, which options it has, how it answers."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from ..errors import OptionError

__all__ = ["MODELS", "TASK", "Model", "check_options", "model_of", "schema"]

TASK = {"id": "dfce1c48-2a81-462e-a7fd-de97ce985207", "name": "Automatic Speech Recognition"}

Shape = Literal["raw", "array", "base64"]
Dialect = Literal["whisper", "turbo", "deepgram"]

# Containers that people report to work (FFmpeg's names); what is in another is sent as FLAC.
_REPORTED = frozenset({"wav", "mp3", "ogg", "matroska", "mov", "flac"})
_WEBSOCKET_ONLY = frozenset({"interim_results", "vad_events", "utterance_end_ms"})
_IN_HEADERS = "is for sound without headers; what asrkit sends has them, so leave it out"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One model of Workers AI as its REST interface takes and answers it.

    Args:
        name: with its ``@cf/``.
        uuid: Cloudflare's number for it, None where none was published.
        shapes: in which sound may travel, the best first: ``raw`` (the body is the file), ``array`` (JSON, a list of
            bytes), ``base64`` (JSON, a string).
        dialect: how it answers.
        options_in: where options travel, ``json`` or ``query``; None where it has none.
        schema: its schemas' name in ``schemas/``, None where none was published.
        containers: taken as they are, by FFmpeg's names.
        prompt: its option for text that could have come before.
        lists: its options that may be given several times.
        detects: its option that has the language found out; without, and without a language, it hears English.
        refused: options of its schema that asrkit does not send, and why.
        encodings: its names for containers, which it is told in ``encoding``; empty where it finds out by itself.
        since: the day of its first appearance.
        properties: what the list of models says of it.
    """

    name: str
    uuid: str | None
    shapes: tuple[Shape, ...]
    dialect: Dialect
    options_in: Literal["json", "query"] | None
    schema: str | None
    containers: frozenset[str] = _REPORTED
    prompt: str | None = None
    lists: frozenset[str] = frozenset()
    detects: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict, hash=False)
    encodings: frozenset[str] = frozenset()
    since: str = ""
    properties: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether its schema was published."""
        return self.schema is not None

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> JSON schema of what may be said beside the sound, as far as REST takes it."""
        if self.schema is None or self.options_in is None:
            return {}
        told = schema(self.schema, "input")
        properties: dict[str, Any] = {}
        for form in told.get("oneOf", [told]):
            properties |= form["properties"]
        return {name: told for name, told in properties.items() if name not in {"audio", *_WEBSOCKET_ONLY}}


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model(
            "@cf/openai/whisper",
            "c1c12ce4-c36a-4aa6-8da4-f63ba4b8984d",
            ("raw", "array"),
            "whisper",
            None,
            "whisper",
            since="2023-09-25",
        ),
        Model(
            "@cf/openai/whisper-tiny-en",
            "2169496d-9c0e-4e49-8399-c44ee66bff7d",
            ("raw", "array"),
            "whisper",
            None,
            "whisper-tiny-en",
            since="2024-04-22",
            properties=("beta",),
        ),
        Model(
            "@cf/openai/whisper-large-v3-turbo",
            "200f0812-148c-48c1-915d-fb3277a94a08",
            ("base64",),
            "turbo",
            "json",
            "whisper-large-v3-turbo",
            prompt="initial_prompt",
            since="2024-05-22",
            properties=("async_queue",),
        ),
        Model(
            "@cf/deepgram/nova-3",
            "a226909f-eef8-4265-a3a0-90db0422762e",
            ("raw",),
            "deepgram",
            "query",
            "nova-3",
            containers=_REPORTED | {"aac", "aiff", "amr"},
            lists=frozenset({"custom_intent", "custom_topic", "keyterm", "keywords", "redact", "replace", "search"}),
            detects="detect_language",
            refused={
                **dict.fromkeys(_WEBSOCKET_ONLY, "is for live sound over a WebSocket; leave it out"),
                **dict.fromkeys(("encoding", "channels"), _IN_HEADERS),
            },
            since="2025-06-05",
            properties=("async_queue", "partner", "realtime"),
        ),
    )
}
_NOT_SERVED: Mapping[str, Model] = {  # known to the client alone: ``asrkit serve`` has nothing that answers like these
    model.name: model
    for model in (
        Model(  # from Cloudflare's types for Workers; no page of it is published, and no price
            "@cf/nvidia/nemotron-speech-streaming-en-0.6b",
            None,
            ("base64",),
            "turbo",
            "json",
            "nemotron-speech-streaming-en-0.6b",
            containers=frozenset({"wav", "flac", "ogg"}),
            refused={
                "encoding": "is set by asrkit, to what it sends; leave it out",
                **dict.fromkeys(("sample_rate", "channels"), _IN_HEADERS),
            },
            encodings=frozenset({"wav", "flac", "ogg"}),
        ),
    )
}
_LIVE_ONLY = ("@cf/deepgram/flux",)


def model_of(name: str) -> Model:
    """What is known of a model; one that is not listed is taken for a newer one.

    Its sound is sent as Base64 in JSON, the form of all newer models, its options are passed on as they are, and
    its price is unknown.

    Raises:
        OptionError: the model takes no recorded audio.

    >>> model_of("@cf/openai/whisper").shapes
    ('raw', 'array')
    >>> model_of("@cf/someone/new-model").shapes
    ('base64',)
    """
    if name in _LIVE_ONLY:
        raise OptionError(f"{name} takes live sound over a WebSocket only; for recordings name {', '.join(MODELS)}")
    return MODELS.get(name) or _NOT_SERVED.get(name) or Model(name, None, ("base64",), "turbo", "json", None)


@cache
def schema(name: str, side: Literal["input", "output"]) -> dict[str, Any]:
    """The published JSON schema of a model's input or output."""
    text = (files(__package__) / "schemas" / f"{name}.{side}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def check_options(model: Model, options: Mapping[str, Any]) -> None:
    """Refuse what the model does not know, before anything is sent.

    Raises:
        OptionError: an unknown name, or a value of the wrong type.

    >>> check_options(MODELS["@cf/openai/whisper-large-v3-turbo"], {"beam_sice": 2})
    Traceback (most recent call last):
    asrkit.errors.OptionError: @cf/openai/whisper-large-v3-turbo has no option 'beam_sice'; did you mean 'beam_size'?
    """
    if not model.is_known:
        return
    known = model.options
    for name, value in options.items():
        if name in model.refused:
            raise OptionError(f"{model.name} has no option {name!r} here: it {model.refused[name]}")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
            raise OptionError(f"{model.name} has no option {name!r}; {hint}")
        _check_value(model, name, value, known[name])


def _check_value(model: Model, name: str, value: Any, told: Mapping[str, Any]) -> None:
    if name in model.lists:
        values = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(item, str) for item in values):
            raise OptionError(f"{model.name}: {name} is a string or a list of strings, got {value!r}")
        return
    is_bool = isinstance(value, bool)
    is_odd = isinstance(value, float) and not math.isfinite(value)  # JSON has no NaN
    if not isinstance(value, _TYPES[told["type"]]) or (is_bool and told["type"] != "boolean") or is_odd:
        article = "an" if told["type"][0] in "aeiou" else "a"
        raise OptionError(f"{model.name}: {name} is {article} {told['type']}, got {value!r}")
    if value not in told.get("enum", [value]):
        raise OptionError(f"{model.name}: {name} is one of {', '.join(told['enum'])}, got {value!r}")
