"""What the server understands, as an OpenAPI description, and a page of it that loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from typing import Any

from ..cloudflare.codes import CODES
from ..cloudflare.models import MODELS, Model, schema
from .openai import FORMATS, GRANULARITIES
from .requests import NO_EFFECT, SHAPES

__all__ = ["description", "page"]

VERSION = "3.1.0"
JSON = "application/json"
BINARY = {"type": "string", "format": "binary", "minLength": 1}
ACCOUNT = {
    "name": "account_id",
    "in": "path",
    "required": True,
    "description": "32 hexadecimal digits at Cloudflare; here any letters, digits, - and _.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
}
FAILURES = (400, 401, 403, 404, 405, 408, 413, 429, 500, 503)
NOTES = """\
Workers AI's REST API and OpenAI's transcription path over the recogniser of this machine.

What differs from the real service: stretches without speech are kept from the model, which would invent words there \
(`vad_filter` is accepted and changes nothing); options without effect here are named in the answer's header \
`x-asrkit-ignored`; `transcription_info.language_probability` is given only where the language was.
"""


@cache
def description(has_token: bool) -> dict[str, Any]:
    """The whole description.

    Args:
        has_token: whether clients must send a token.
    """
    cloudflare = "/client/v4/accounts/{account_id}/ai"
    paths: dict[str, Any] = {f"{cloudflare}/run/{model.name}": {"post": _run(model)} for model in MODELS.values()}
    paths[f"{cloudflare}/run"] = {"post": _run_any()}
    paths[f"{cloudflare}/models/search"] = {"get": _search()}
    paths[f"{cloudflare}/models/schema"] = {"get": _schema()}
    paths[f"{cloudflare}/tasks/search"] = {"get": _tasks()}
    paths["/v1/audio/transcriptions"] = {"post": _openai("transcribe")}
    paths["/v1/audio/translations"] = {"post": _openai("translate")}
    paths["/v1/models"] = {"get": _openai_models()}
    paths["/healthz"] = {"get": _plain("health", "Whether the server is ready.", (503,))}
    paths["/metrics"] = {"get": _plain("metrics", "Counters in Prometheus' text format.", (401, 403), "text/plain")}
    whole: dict[str, Any] = {
        "openapi": VERSION,
        "info": {"title": "asrkit serve", "version": "1", "description": NOTES},
        "paths": paths,
        "components": {
            "schemas": {"Envelope": _envelope({}), "Failure": _failure(), "OpenAIFailure": _openai_failure()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    if has_token:
        whole["security"] = [{"token": []}]
    return whole


# -- Cloudflare's paths -----------------------------------------------------------------------------------------


def _run(model: Model) -> dict[str, Any]:
    assert model.schema is not None
    queue = _query("queueRequest", {"type": "boolean"}, "Work on a list of requests while nobody waits.")
    options = [queue]
    if model.options_in == "query":
        options += [_query(name, _clean(told)) for name, told in model.options.items()]
    content: dict[str, Any] = {}
    if "raw" in model.shapes:
        content["application/octet-stream"] = {"schema": BINARY}
    if "array" in model.shapes or "base64" in model.shapes:
        given = _clean(schema(model.schema, "input"))
        content[JSON] = {"schema": given["oneOf"][1] if "oneOf" in given else given}
    ignored = NO_EFFECT.get(model.dialect)
    more = f" Accepted, without effect here: {', '.join(sorted(ignored))}." if ignored else ""
    return {
        "operationId": f"run {model.name}",
        "summary": model.name,
        "description": f"Takes {SHAPES[model.dialect]}. The Content-Type is not looked at.{more}",
        "tags": ["Workers AI"],
        "parameters": [ACCOUNT, *options],
        "requestBody": {"required": True, "content": content},
        "responses": _responses(_envelope(_answer_of(model))),
    }


def _answer_of(model: Model) -> dict[str, Any]:
    assert model.schema is not None
    queued = {"type": "object", "properties": {"status": {"type": "string"}, "request_id": {"type": "string"}}}
    return {"anyOf": [_clean(schema(model.schema, "output")), queued]}


def _run_any() -> dict[str, Any]:
    given = {
        "type": "object",
        "properties": {
            "model": {"type": "string", "enum": list(MODELS)},
            "input": {"type": "object", "description": "What the model takes as JSON."},
            "options": {"type": "object", "properties": {"rejectIfBusy": {"type": "boolean"}}},
        },
        "required": ["model", "input"],
    }
    return {
        "operationId": "run",
        "summary": "The model named in the body",
        "tags": ["Workers AI"],
        "parameters": [ACCOUNT],
        "requestBody": {"required": True, "content": {JSON: {"schema": given}}},
        "responses": _responses(_envelope({"type": "object"})),
    }


def _search() -> dict[str, Any]:
    words = [_query(name, {"type": "string"}) for name in ("search", "task", "author")]
    return {
        "operationId": "search models",
        "summary": "The models, page by page; a page past the end is empty",
        "tags": ["Workers AI"],
        "parameters": [ACCOUNT, *words, _query("hide_experimental", {"type": "boolean"}), *_pages()],
        "responses": _responses(_envelope({"type": "array", "items": {"type": "object"}})),
    }


def _tasks() -> dict[str, Any]:
    return {
        "operationId": "search tasks",
        "summary": "The kinds of models",
        "tags": ["Workers AI"],
        "parameters": [ACCOUNT, *_pages()],
        "responses": _responses(_envelope({"type": "array", "items": {"type": "object"}})),
    }


def _schema() -> dict[str, Any]:
    name = {**_query("model", {"type": "string", "enum": list(MODELS)}), "required": True}
    both = {"type": "object", "properties": {"input": {"type": "object"}, "output": {"type": "object"}}}
    return {
        "operationId": "model schema",
        "summary": "The schemas of a model",
        "tags": ["Workers AI"],
        "parameters": [ACCOUNT, name],
        "responses": _responses(_envelope(both)),
    }


def _pages() -> list[dict[str, Any]]:
    number = {"type": "integer", "minimum": 1, "maximum": 9_999_999}
    return [_query("page", number), _query("per_page", number)]


def _query(name: str, told: Mapping[str, Any], text: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": dict(told), **({"description": text} if text else {})}


def _envelope(result: Mapping[str, Any]) -> dict[str, Any]:
    note = {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
        "required": ["code", "message"],
    }
    return {
        "type": "object",
        "properties": {
            "result": dict(result),
            "success": {"type": "boolean"},
            "errors": {"type": "array", "items": note},
            "messages": {"type": "array", "items": note},
        },
        "required": ["result", "success", "errors", "messages"],
    }


def _failure() -> dict[str, Any]:
    failure = _envelope({"type": ["object", "null"], "maxProperties": 0})
    failure["properties"]["success"] = {"const": False}
    failure["properties"]["errors"]["minItems"] = 1
    return failure


def _clean(told: Any) -> Any:
    """A schema without what OpenAPI has no place for."""
    if isinstance(told, dict):
        return {
            name: _clean(value) for name, value in told.items() if name not in ("$schema", "$comment", "contentType")
        } | ({"contentType": _clean(told["contentType"])} if isinstance(told.get("contentType"), dict) else {})
    return [_clean(value) for value in told] if isinstance(told, list) else told


def _responses(answer: Mapping[str, Any], media_type: str = JSON, failure: str = "Failure") -> dict[str, Any]:
    said = {status: sorted(code.code for code in CODES.values() if code.status == status) for status in FAILURES}
    return {
        "200": {"description": "Success", "content": {media_type: {"schema": dict(answer)}}},
        **{
            str(status): {
                "description": f"Codes {', '.join(map(str, codes))}" if codes else "Failure",
                "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{failure}"}}},
            }
            for status, codes in said.items()
        },
    }


# -- the others' ------------------------------------------------------------------------------------------------


def _openai(task: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "file": {"type": "string", "format": "binary", "description": "The recording."},
        "model": {"type": "string", "description": "whisper-1, or a name of GET /v1/models."},
        "prompt": {"type": "string", "description": "Text that could have come before."},
        "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "Accepted, without effect."},
        "stream": {"type": "boolean", "description": "Server-sent events, for other models than whisper-1."},
    }
    if task == "transcribe":
        fields["language"] = {"type": "string", "description": "ISO 639-1; found out if not given."}
        fields["timestamp_granularities[]"] = {
            "type": "array",
            "items": {"type": "string", "enum": list(GRANULARITIES)},
        }
    form = {"type": "object", "properties": fields, "required": ["file", "model"]}
    text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    responses = _responses(text, failure="OpenAIFailure")
    responses["200"]["content"]["text/plain"] = {"schema": {"type": "string"}}
    return {
        "operationId": task,
        "summary": "Speech to text" if task == "transcribe" else "Speech to English text",
        "tags": ["OpenAI"],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": responses,
    }


def _openai_models() -> dict[str, Any]:
    listed = {"type": "object", "properties": {"data": {"type": "array", "items": {"type": "object"}}}}
    return {
        "operationId": "list models",
        "summary": "What may be said as model",
        "tags": ["OpenAI"],
        "responses": _responses(listed, failure="OpenAIFailure"),
    }


def _openai_failure() -> dict[str, Any]:
    words = {"message": {"type": "string"}, "type": {"type": "string"}, "param": {}, "code": {}}
    error = {"type": "object", "properties": words, "required": list(words)}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


def _plain(name: str, text: str, failures: tuple[int, ...], media_type: str = JSON) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Success", "content": {media_type: {"schema": {}}}}}
    responses |= {str(status): {"description": "Failure", "content": {JSON: {"schema": {}}}} for status in failures}
    return {"operationId": name, "summary": text, "tags": ["Server"], "security": [], "responses": responses}


# -- the page ---------------------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8884; border-radius: .4rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .9rem .2rem 0; vertical-align: top; }
details { border: 1px solid #8884; border-radius: .4rem; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } .verb { display: inline-block; min-width: 3.5rem; font-weight: 600; }
"""


def page(description: Mapping[str, Any], table: Mapping[str, str]) -> str:
    """The description for people.

    Args:
        description: as ``description`` gives it.
        table: model of Workers AI -> what answers for it here.
    """
    info = description["info"]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{STYLE}</style></head><body><main>",
            f"<h1>{escape(info['title'])}</h1>",
            *(f"<p>{escape(text)}</p>" for text in info["description"].strip().split("\n\n")),
            '<p><a href="/">Try it</a> · <a href="/openapi.json">openapi.json</a> · <a href="/metrics">metrics</a></p>',
            "<h2>Models</h2>",
            *_rows(("name", "answered by"), table.items()),
            *(line for path, verbs in description["paths"].items() for line in _operations(path, verbs)),
            "<h2>Errors</h2>",
            *_rows(
                ("code", "status", "message"),
                ((str(code.code), str(code.status), code.message) for code in CODES.values()),
            ),
            "</main></body></html>",
        ]
    )


def _rows(names: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield "<table><tr>" + "".join(f"<th scope=col>{escape(name)}</th>" for name in names) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _operations(path: str, verbs: Mapping[str, Any]) -> Iterator[str]:
    for verb, told in verbs.items():
        yield f'<details><summary><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code></summary>'
        yield f"<p>{escape(told['summary'])}</p>"
        if "description" in told:
            yield f"<p>{escape(told['description'])}</p>"
        if told.get("parameters"):
            yield from _rows(
                ("parameter", "in", "type"),
                ((one["name"], one["in"], _kind(one["schema"])) for one in told["parameters"]),
            )
        for kind, body in told.get("requestBody", {}).get("content", {}).items():
            yield f"<p>Body, <code>{escape(kind)}</code>:</p>"
            yield f"<pre>{escape(json.dumps(body['schema'], indent=1))}</pre>"
        answer = told["responses"]["200"]["content"]
        for kind, body in answer.items():
            yield f"<p>Answer, <code>{escape(kind)}</code>:</p>"
            yield f"<pre>{escape(json.dumps(body['schema'], indent=1))}</pre>"
        yield "</details>"


def _kind(told: Mapping[str, Any]) -> str:
    return " | ".join(map(str, told["enum"])) if "enum" in told else str(told.get("type", ""))
