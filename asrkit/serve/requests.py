"""A request's body -> the audio file in it and what is wished, by looking at it; never by its Content-Type.

curl's documented lines send sound and JSON alike as ``application/x-www-form-urlencoded``.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from ..cloudflare.models import Model
from .answers import refused
from .catalogue import Wish, prompt_of
from .large_json import LongString, Numbers, TooMuchJsonError, parse_json, parse_large_json

__all__ = ["IN_LOOP", "Ask", "from_body", "from_input", "parse_object"]

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
MOST_TEXT = 10_000  # characters of an option; a prompt's last thousand or so are what Whisper takes
IN_LOOP = 200_000  # bytes that are parsed in the event loop and as one; more goes to a thread, in blocks
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")  # what may be repeated in a header
_JSON_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    LongString: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


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
        return Ask(bytes(body), *_deepgram(model, _typed(model, _repeated(model, query))))
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
    if not isinstance(data, str | LongString):
        raise _wrong(model, "required properties at '/audio' are 'body,contentType'")
    return Ask(_decoded(model, data, "/audio/body"), *_deepgram(model, _typed(model, options)))


def parse_object(model: Model | None, body: bytes) -> Any:
    """JSON of any size; see ``large_json`` for what long strings and arrays in a large one become.

    Raises:
        Refusal: 5006 for what is no JSON, 3006 where it holds more than a recording and some options.
    """
    try:
        return parse_json(body) if len(body) <= IN_LOOP else parse_large_json(body)
    except TooMuchJsonError as error:
        raise refused(3006, more=f"{error}; a recording is one string of Base64 or one array of bytes") from error
    except (ValueError, RecursionError) as error:
        what = f"the body is no JSON ({str(error)[:100]})"
    raise refused(5006, what=what) if model is None else _wrong(model, what)


def _looks_like_json(body: bytes) -> bool:
    """Every recording begins with the mark of its container; none of them with a bracket."""
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _from_array(model: Model, audio: Any) -> bytes:
    if isinstance(audio, dict):
        raise _object(model, audio)
    if not isinstance(audio, list):
        raise _wrong(model, f"Type mismatch of '/audio', '{_type(audio)}' not in 'array','binary'")
    parts: list[bytes] = []
    index = 0
    for is_run, values in groupby(audio, key=lambda value: isinstance(value, Numbers)):
        if not is_run:
            own = list(values)
            parts.append(_bytes_of(model, own, index))
            index += len(own)
            continue
        for run in values:
            if run.data is None:
                at, value = run.fault
                raise _no_byte(model, index + at, value)
            parts.append(run.data)
            index += run.count
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _bytes_of(model: Model, values: Sequence[Any], first: int) -> bytes:
    """The values as bytes; ``first`` is the index of the first one, for messages."""
    try:
        return bytes(values)
    except (TypeError, ValueError):
        pass
    for at, value in enumerate(values, first):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(model, f"Type mismatch of '/audio/{at}', '{_type(value)}' not in 'number'")
        if not (0 <= value <= 255 and value == int(value)):
            raise _no_byte(model, at, value)
    return bytes(map(int, values))


def _no_byte(model: Model, at: int, value: float) -> Exception:
    return _wrong(model, f"'/audio/{at}' is {str(value)[:40]}, not a byte of 0 to 255")


def _from_base64(model: Model, audio: Any) -> bytes:
    if isinstance(audio, dict):
        raise _object(model, audio)
    if not isinstance(audio, str | LongString):
        raise _wrong(model, f"Type mismatch of '/audio', '{_type(audio)}' not in 'string'")
    return _decoded(model, audio, "/audio")


def _decoded(model: Model, text: str | LongString, where: str) -> bytes:
    blocks = [text.encode()] if isinstance(text, str) else text.blocks()
    try:
        return _from_base64_blocks(blocks)
    except _DataUrlError:
        raise refused(
            5004, type="data URL", more=f"leave out all up to the comma; {model.name} takes {SHAPES['turbo']}"
        ) from None
    except binascii.Error as error:
        raise _wrong(model, f"'{where}' is not Base64") from error


class _DataUrlError(Exception):
    """The text says ``data:`` where Base64 alone is expected."""


def _from_base64_blocks(blocks: Iterable[bytes]) -> bytes:
    """Base64 with blanks in it or without its padding -> bytes; never more of the text in memory than a block.

    >>> _from_base64_blocks([b"aGVsb", b"G8g\\n", b"d29ybGQ"])
    b'hello world'
    """
    data = bytearray()
    left, is_first, has_ended = b"", True, False
    for block in blocks:
        if is_first and block.startswith(b"data:"):
            raise _DataUrlError
        is_first = False
        packed = block.translate(None, b" \t\r\n")
        text = packed.rstrip(b"=")
        if has_ended and text:
            raise binascii.Error("text after the padding")
        has_ended = has_ended or len(text) < len(packed)
        left += text
        whole = len(left) // 4 * 4
        data += binascii.a2b_base64(left[:whole], strict_mode=True)
        left = left[whole:]
    data += binascii.a2b_base64(left + b"=" * (-len(left) % 4), strict_mode=True)
    return bytes(data)


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


def _repeated(model: Model, query: Mapping[str, str]) -> dict[str, Any]:
    """The query, of options that may come several times all values."""
    options: dict[str, Any] = dict(query)
    items: Callable[[], Iterable[tuple[str, str]]] = getattr(query, "multi_items", query.items)
    for name in model.lists & options.keys():
        values = [value for key, value in items() if key == name]
        options[name] = values if len(values) > 1 else values[0]
    return options


def _typed(model: Model, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the model knows, in their own types. Queries hold strings, and some clients send "false"."""
    typed: dict[str, Any] = {}
    for name, told in model.options.items():
        value = options.get(name)
        if value is None:
            continue
        kind = told["type"]
        if name in model.lists and isinstance(value, list):
            typed[name] = [_typed(model, {name: item})[name] for item in value if item is not None]
            continue
        if isinstance(value, LongString) or (isinstance(value, str) and len(value) > MOST_TEXT):
            size = len(value.raw) if isinstance(value, LongString) else len(value)
            raise refused(5006, what=f"'/{name}' has {size} characters; this server takes {MOST_TEXT}", param=name)
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
        prompt=prompt_of(options.get("initial_prompt")),
        beams=beams if beams != 1 else None,
    )
    return wish, options, tuple(sorted(NO_EFFECT["turbo"] & set(options)))


def _deepgram(model: Model, options: dict[str, Any]) -> tuple[Wish, dict[str, Any], tuple[str, ...]]:
    """Without a language it hears English, as the real one does."""
    language = options.get("language") or "en"
    detect = options.get("detect_language", False) or language == "multi"
    terms = options.get("keyterm")
    wish = Wish(
        language=None if detect else language, prompt=prompt_of(", ".join(terms) if isinstance(terms, list) else terms)
    )
    return wish, options, tuple(sorted(set(options) - {"language", "detect_language", "keyterm"}))
