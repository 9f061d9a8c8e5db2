"""A request's body -> the audio file in it and what is wished, by looking at it; never by its Content-Type.

curl's documented lines send sound and JSON alike as ``application/x-www-form-urlencoded``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from ..cloudflare.models import Model
from .answers import refused
from .catalogue import Wish

__all__ = ["Ask", "from_body", "from_input", "parse_object"]

# What each model takes, for those who sent something else.
SHAPES = {
    "whisper": 'the file\'s bytes as the body, or JSON {"audio": [82, 73, ...]} with the bytes as numbers',
    "turbo": 'JSON {"audio": "<Base64 of the file>"}',
    "deepgram": "the file's bytes as the body, and options in the query",
}
NO_EFFECT = {  # accepted, but this server's models have nothing of the kind
    "turbo": frozenset(
        {"prefix", "condition_on_previous_text", "no_speech_threshold", "compression_ratio_threshold"}
        | {"log_prob_threshold", "hallucination_silence_threshold"}
    ),
}
MOST_BEAMS = 10
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")  # what may be repeated in a header
_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for.

    Args:
        audio: the file.
        wish: of the model.
        options: as the client gave them, for how the answer is written.
        ignored: names of options that change nothing here.
        reject_if_busy: rather no answer than one that has to wait.
    """

    audio: bytes
    wish: Wish = Wish()  # noqa: RUF009 - frozen
    options: Mapping[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    reject_if_busy: bool = False


def from_body(model: Model, body: bytes, query: Mapping[str, str]) -> Ask:
    """What the whole body of a request to one model says.

    Raises:
        Refusal: 3003 without a body, 5004 or 5006 for a shape that the model does not take.
    """
    if not body:
        raise refused(3003, what="body", more=f"{model.name} takes {SHAPES[model.dialect]}")
    if _looks_like_json(body):
        return from_input(model, parse_object(model, body))
    if model.dialect == "turbo":
        raise _wrong(model, "Type mismatch of '/', 'binary' not in 'object'")
    if model.dialect == "deepgram":
        return Ask(bytes(body), *_deepgram(model, _typed(model, query)))
    return Ask(bytes(body))


def from_input(model: Model, given: Any) -> Ask:
    """What a JSON object says.

    Raises:
        Refusal: 5004 or 5006.
    """
    if not isinstance(given, dict):
        raise _wrong(model, f"Type mismatch of '/', '{_type(given)}' not in 'object'")
    if "audio" not in given:
        raise _wrong(model, "required properties at '/' are 'audio'")
    audio = given["audio"]
    options = {name: value for name, value in given.items() if name not in ("audio", "options")}
    platform = given.get("options")
    reject_if_busy = isinstance(platform, dict) and platform.get("rejectIfBusy") is True
    return replace(_ask(model, audio, options), reject_if_busy=reject_if_busy)


def _ask(model: Model, audio: Any, options: Mapping[str, Any]) -> Ask:
    if model.dialect == "whisper":
        return Ask(_from_array(model, audio), ignored=tuple(sorted(filter(_NAME.fullmatch, options))))
    if model.dialect == "turbo":
        return Ask(_from_base64(model, audio), *_turbo(model, _typed(model, options)))
    data = audio.get("body") if isinstance(audio, dict) else None
    if not isinstance(data, str):
        raise _wrong(model, "required properties at '/audio' are 'body,contentType'")
    return Ask(_decoded(model, data, "/audio/body"), *_deepgram(model, _typed(model, options)))


def parse_object(model: Model | None, body: bytes) -> Any:
    """JSON, forgiving of raw newlines within strings: GNU ``base64`` breaks its output into lines."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as first:
        reason = str(first)
    try:
        parsed = json.loads(body, strict=False)
        if _ESCAPED_SURROGATE.search(body):  # half a character, which nothing can write
            json.dumps(parsed, ensure_ascii=False).encode()
        return parsed
    except (ValueError, RecursionError) as error:
        reason = str(error) or reason
    what = f"the body is no JSON ({reason[:100]})"
    raise refused(5006, what=what) if model is None else _wrong(model, what)


def _looks_like_json(body: bytes) -> bool:
    """Every recording begins with the mark of its container; none of them with a bracket."""
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _from_array(model: Model, audio: Any) -> bytes:
    if isinstance(audio, str):
        raise _wrong(model, "Type mismatch of '/audio', 'string' not in 'array','binary'")
    if isinstance(audio, dict):
        raise _object(model, audio)
    if not isinstance(audio, list):
        raise _wrong(model, f"Type mismatch of '/audio', '{_type(audio)}' not in 'array','binary'")
    try:
        return bytes(audio)
    except (TypeError, ValueError):
        pass
    for at, value in enumerate(audio):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(model, f"Type mismatch of '/audio/{at}', '{_type(value)}' not in 'number'")
        if not (0 <= value <= 255 and value == int(value)):
            raise _wrong(model, f"'/audio/{at}' is {value}, not a byte of 0 to 255")
    return bytes(map(int, audio))


def _from_base64(model: Model, audio: Any) -> bytes:
    if isinstance(audio, dict):
        raise _object(model, audio)
    if not isinstance(audio, str):
        raise _wrong(model, f"Type mismatch of '/audio', '{_type(audio)}' not in 'string'")
    return _decoded(model, audio, "/audio")


def _decoded(model: Model, text: str, where: str) -> bytes:
    if text.startswith("data:"):
        raise refused(
            5004, type="data URL", more=f"leave out all up to the comma; {model.name} takes {SHAPES['turbo']}"
        )
    try:
        packed = text.encode("ascii").translate(None, b" \t\r\n")
        padded = packed.rstrip(b"=")
        return base64.b64decode(padded + b"=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(model, f"'{where}' is not Base64") from error


def _object(model: Model, audio: Mapping[str, Any]) -> Exception:
    if "0" in audio:
        return _wrong(
            model,
            "Type mismatch of '/audio', 'object' not in 'array': this is how JSON.stringify writes a Uint8Array; "
            "send [...bytes] in its place",
        )
    if model.dialect == "turbo":
        return _wrong(
            model,
            "required properties at '/audio' are 'body,contentType', which hold a stream in a Worker and nothing that "
            "JSON could say",
        )
    return _wrong(model, "Type mismatch of '/audio', 'object' not in 'array','binary'")


def _wrong(model: Model, what: str) -> Exception:
    return refused(5006, what=f"{what} ({model.name} takes {SHAPES[model.dialect]})", param="file")


def _type(value: Any) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value), "number")


def _typed(model: Model, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the model knows, in their own types. Queries hold strings, and some clients send "false"."""
    typed: dict[str, Any] = {}
    for name, told in model.options.items():
        value = options.get(name)
        if value is None:
            continue
        kind = told["type"]
        if isinstance(value, str) and kind != "string":
            value = _from_string(value, kind)
        is_right = {
            "string": isinstance(value, str),
            "boolean": isinstance(value, bool),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "number": isinstance(value, int | float) and not isinstance(value, bool),
        }[kind]
        if not is_right:
            raise refused(5006, what=f"Type mismatch of '/{name}', '{_type(value)}' not in '{kind}'", param=name)
        if value not in told.get("enum", [value]):
            raise refused(5006, what=f"'/{name}' is none of {', '.join(told['enum'])}", param=name)
        typed[name] = value
    return typed


def _from_string(value: str, kind: str) -> Any:
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    try:
        return int(value) if kind == "integer" else float(value)
    except ValueError:
        return value


def _turbo(model: Model, options: dict[str, Any]) -> tuple[Wish, dict[str, Any], tuple[str, ...]]:
    task = options.get("task", "transcribe")
    if task not in ("transcribe", "translate"):
        raise refused(5006, what="'/task' is none of transcribe, translate", param="task")
    beams = options.get("beam_size")
    if beams is not None and not 1 <= beams <= MOST_BEAMS:
        raise refused(5006, what=f"'/beam_size' is {beams}, not 1 to {MOST_BEAMS}", param="beam_size")
    wish = Wish(
        language=options.get("language") or None,
        task=task,
        prompt=options.get("initial_prompt") or None,
        beams=beams if beams != 1 else None,
    )
    return wish, options, tuple(sorted(NO_EFFECT["turbo"] & set(options)))


def _deepgram(model: Model, options: dict[str, Any]) -> tuple[Wish, dict[str, Any], tuple[str, ...]]:
    """Without a language it hears English, as the real one does."""
    language = options.get("language") or "en"
    detect = options.get("detect_language", False) or language == "multi"
    wish = Wish(language=None if detect else language, prompt=options.get("keyterm") or None)
    return wish, options, tuple(sorted(set(options) - {"language", "detect_language", "keyterm"}))
