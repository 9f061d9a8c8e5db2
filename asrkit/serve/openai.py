"""OpenAI's dialect: ``/v1/audio/transcriptions``, ``/v1/audio/translations``, ``/v1/models``."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import orjson

from ..transcript import Segment
from .answers import Answer, Refusal, json_answer
from .catalogue import Wish, prompt_of
from .dialects import logprob_of, words_of
from .exchange import Exchange
from .recogniser import Heard
from .service import Service

__all__ = ["failed", "list_models", "show_model", "transcribe", "translate", "unknown"]

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
GRANULARITIES = ("word", "segment")
CREATED = 1_663_718_400  # the day on which Whisper was published
MOST_PARTS = 100  # of a form
MOST_TEXT = 100_000  # bytes of a field that is not the file
MOST_LANGUAGE = 100  # characters
# All that is looked at. What else a client sends has no effect here, and is not even kept: OpenAI's other models take
# recordings of the speakers, and new fields come often.
FIELDS = frozenset(
    {"model", "language", "prompt", "response_format", "temperature", "stream"}
    | {"timestamp_granularities[]", "timestamp_granularities"}
)
STREAMED = ("json", "text")  # formats in which an answer may come as events
WHISPER_1 = "whisper-1"  # the one model whose answers do not come as events, whatever is asked for
TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 408: "timeout", 429: "requests"}
KINDS = {429: "rate_limit_exceeded"}


async def transcribe(service: Service, exchange: Exchange) -> Answer:
    """``POST /v1/audio/transcriptions``."""
    return await _run(service, exchange, "transcribe")


async def translate(service: Service, exchange: Exchange) -> Answer:
    """``POST /v1/audio/translations``: into English."""
    return await _run(service, exchange, "translate")


async def list_models(service: Service, exchange: Exchange) -> Answer:
    """``GET /v1/models``."""
    return json_answer({"object": "list", "data": [_listed(name) for name in service.catalogue.openai_names]})


async def show_model(service: Service, exchange: Exchange) -> Answer:
    """``GET /v1/models/{model}``."""
    name = exchange.path["model"]
    if name not in service.catalogue.openai_names:
        raise _no_model(name)
    return json_answer(_listed(name))


async def unknown(service: Service, exchange: Exchange) -> Answer:
    """Everything else below ``/v1``."""
    path = exchange.scope["path"][:200]
    raise Refusal(404, 7000, f"Invalid URL ({exchange.scope['method']} {path})", kind="unknown_url")


def failed(refusal: Refusal) -> Answer:
    """The error in OpenAI's envelope."""
    message = refusal.message.removeprefix("AiError: Bad input: Error: ")
    if refusal.code == 3010:
        message = f"Invalid file format. {message.partition(': ')[2]}"
    error = {
        "message": message,
        "type": TYPES.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "server_error"),
        "param": refusal.param,
        "code": refusal.kind or KINDS.get(refusal.status),
    }
    return json_answer({"error": error}, refusal.status, headers=refusal.headers, code=refusal.code)


async def _run(service: Service, exchange: Exchange, task: str) -> Answer:
    boundary = _boundary(exchange.headers.get("content-type", ""))
    async with service.body(exchange) as body:
        form = await service.parsed(body, lambda data: _parsed(data, boundary))
        if form.file is None:
            raise _bad("you must provide a file, as the field 'file' of a multipart form", "file")
        file = form.file.getvalue()
        form.file = None
        body.becomes(len(file))
        name = form.one("model")
        if not name:
            raise _bad("you must provide a model parameter", "model")
        target = service.catalogue.target(name)
        if target is None:
            exchange.model = "other"
            raise _no_model(name)
        exchange.model = service.catalogue.counted_name(name)
        style, granularities = _style(form)
        wish = Wish(language=_language(form), task=task, prompt=prompt_of(form.one("prompt")))
        if task == "translate":
            wish = Wish(task=task, prompt=wish.prompt)
        with service.place():
            heard = await service.hear(exchange, file, target, wish)
        if form.one("stream").lower() in ("true", "1") and style in STREAMED and name != WHISPER_1:
            return _events(heard)
        return _answer(heard, task, style, granularities)


# -- what is asked ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Form:
    fields: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    file: BytesIO | None = None

    def one(self, name: str) -> str:
        return self.fields[name][-1].strip() if name in self.fields else ""


def _boundary(content_type: str) -> bytes:
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(content_type.encode("latin-1"))
    boundary: bytes = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise _bad("expected a form: Content-Type multipart/form-data with a boundary", None)
    if len(boundary) > 200:
        raise _bad("the boundary of the form is too long", None)
    return boundary


def _parsed(body: bytes, boundary: bytes) -> _Form:
    """The form's fields and its file, which stays in memory."""
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import MultipartParser, parse_options_header

    form = _Form()
    name = value = b""
    about: dict[bytes, bytes] = {}
    called = ""
    into: BytesIO | None = None  # where the data of this part goes
    parts = 0
    ended = False

    def part_begin() -> None:
        nonlocal about, into, parts
        about, into, parts = {}, None, parts + 1
        if parts > MOST_PARTS:
            raise _bad(f"a form of more than {MOST_PARTS} parts", None)

    def header_field(data: bytes, start: int, end: int) -> None:
        nonlocal name
        name += data[start:end]

    def header_value(data: bytes, start: int, end: int) -> None:
        nonlocal value
        value += data[start:end]

    def header_end() -> None:
        nonlocal name, value
        about[name.lower()] = value
        name = value = b""

    def headers_finished() -> None:
        nonlocal called, into
        _, options = parse_options_header(about.get(b"content-disposition", b""))
        called = options.get(b"name", b"").decode("utf-8", "replace")
        if called == "file" or called in FIELDS:
            into = BytesIO()

    def part_data(data: bytes, start: int, end: int) -> None:
        if into is None:
            return
        if called != "file" and into.tell() + end - start > MOST_TEXT:
            raise _bad(f"more than {MOST_TEXT} bytes of text", called)
        into.write(memoryview(data)[start:end])

    def part_end() -> None:
        if into is None:
            return
        if called == "file":
            form.file = into
        else:
            form.fields[called].append(into.getvalue().decode("utf-8", "replace"))

    def end() -> None:
        nonlocal ended
        ended = True

    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": part_begin,
            "on_part_data": part_data,
            "on_part_end": part_end,
            "on_header_field": header_field,
            "on_header_value": header_value,
            "on_header_end": header_end,
            "on_headers_finished": headers_finished,
            "on_end": end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except MultipartParseError as error:
        raise _bad("the form cannot be read; it is no multipart/form-data of this boundary", None) from error
    if not ended:
        raise _bad("the form has no end", None)
    return form


def _style(form: _Form) -> tuple[str, set[str]]:
    style = form.one("response_format") or "json"
    if style not in FORMATS:
        raise _bad(f"response_format is one of {', '.join(FORMATS)}, not {style[:100]!r}", "response_format")
    if temperature := form.one("temperature"):
        try:
            is_right = 0 <= float(temperature) <= 1
        except ValueError:
            is_right = False
        if not is_right:
            raise _bad("temperature is a number between 0 and 1", "temperature")
    given = {*form.fields.get("timestamp_granularities[]", ()), *form.fields.get("timestamp_granularities", ())}
    granularities = {word.strip(" []\"'") for text in given for word in text.split(",")} - {""}
    if unknown := granularities - set(GRANULARITIES):
        raise _bad(
            f"timestamp_granularities are {', '.join(GRANULARITIES)}, not {min(unknown)[:100]!r}",
            "timestamp_granularities",
        )
    return style, granularities or {"segment"}  # without effect in other formats than verbose_json, as at OpenAI


def _language(form: _Form) -> str | None:
    """Some clients say ``auto`` where others leave it out."""
    language = form.one("language")
    if len(language) > MOST_LANGUAGE:
        raise _bad(f"language is a code such as 'de', not {len(language)} characters", "language")
    return None if language.lower() in ("", "auto") else language


def _bad(message: str, param: str | None) -> Refusal:
    return Refusal(400, 5006, message, param=param)


def _no_model(name: str) -> Refusal:
    return Refusal(
        404,
        5007,
        f"The model `{name[:200]}` does not exist or you do not have access to it; GET /v1/models lists them.",
        param="model",
        kind="model_not_found",
    )


def _listed(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "asrkit"}


# -- what is answered -------------------------------------------------------------------------------------------


def _answer(heard: Heard, task: str, style: str, granularities: set[str]) -> Answer:
    transcript = heard.transcript
    if style == "text":
        return Answer(200, f"{transcript.text.strip()}\n".encode(), "text/plain; charset=utf-8")
    if style == "srt":
        return Answer(200, transcript.to_srt().encode(), "text/plain; charset=utf-8")
    if style == "vtt":
        return Answer(200, transcript.to_vtt().encode(), "text/plain; charset=utf-8")
    answer: dict[str, Any] = {"text": transcript.text.strip()}
    if style == "verbose_json":
        code = "en" if task == "translate" else heard.language or transcript.language or "en"
        answer = {"task": task, "language": _language_name(code), "duration": heard.duration, **answer}
        if "word" in granularities:
            answer["words"] = [
                {"word": word.word, "start": word.start, "end": word.end}
                for segment in transcript.segments
                for word in words_of(segment)
            ]
        if "segment" in granularities:
            answer["segments"] = [_segment(number, segment) for number, segment in enumerate(transcript.segments)]
    answer["usage"] = {"type": "duration", "seconds": math.ceil(heard.duration)}
    return json_answer(answer)


def _events(heard: Heard) -> Answer:
    """Server-sent events, as OpenAI's newer models send them: the text piece by piece, then all of it.

    They come together, when all is heard.
    """
    text = heard.transcript.text.strip()
    pieces = [segment.text for segment in heard.transcript.segments]
    if "".join(pieces).strip() != text:
        pieces = [text]
    events: list[dict[str, Any]] = [
        {"type": "transcript.text.delta", "delta": piece.lstrip() if not at else piece}
        for at, piece in enumerate(pieces)
        if piece
    ]
    usage = {"type": "duration", "seconds": math.ceil(heard.duration)}
    events.append({"type": "transcript.text.done", "text": text, "usage": usage})
    body = b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in events)
    return Answer(200, body, "text/event-stream; charset=utf-8")


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "seek": int(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text.strip(),
        "tokens": [],
        "temperature": segment.temperature or 0.0,
        "avg_logprob": logprob_of(segment),
        "compression_ratio": segment.compression_ratio if segment.compression_ratio is not None else 1.0,
        "no_speech_prob": segment.no_speech if segment.no_speech is not None else 0.0,
    }


def _language_name(code: str) -> str:
    """``german`` for ``de``. The names come with Whisper; what serves something else says the code."""
    if code == "en":
        return "english"
    module = sys.modules.get("transformers.models.whisper.tokenization_whisper")
    names: Mapping[str, str] = getattr(module, "LANGUAGES", {})
    return names.get(code, code)
