"""What goes back over the wire: answers, Cloudflare's envelope, and errors in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..cloudflare.codes import CODES, Code

__all__ = ["Answer", "Refusal", "envelope", "failed", "json_answer", "refused", "succeeded"]

JSON = "application/json"
MOST_MESSAGE = 1_000  # characters; a message may repeat what a client sent
# Codes of Cloudflare's API itself; it answers with `result: null`, Workers AI with `result: {}`.
API_CODES = frozenset({6003, 7000, 7001, 7003, 9109, 10000})
_MORE_CODES = {
    7001: (405, "Method {method} not available for that URI."),
    9109: (403, "Unauthorized to access requested resource: {what}"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, ready to be written. ``code`` is Cloudflare's, for the log."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    code: int | None = None


class Refusal(Exception):
    """The request gets this error.

    Args:
        status: of HTTP.
        code: Cloudflare's.
        message: for people.
        headers: of the answer.
        param: the field at fault, for OpenAI's dialect.
        kind: OpenAI's code.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        param: str | None = None,
        kind: str | None = None,
    ) -> None:
        if len(message) > MOST_MESSAGE:
            message = f"{message[:MOST_MESSAGE]} ..."
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})
        self.param, self.kind = param, kind


def refused(code: int, *, more: str = "", retry_after: float | None = None, **facts: object) -> Refusal:
    """The error of the table with this code.

    Args:
        code: of the table of ``asrkit.cloudflare.codes``.
        more: said after the table's own words.
        retry_after: seconds after which to come back.
        facts: for the gaps in the table's words; ``param`` and ``kind`` are for OpenAI's dialect.

    >>> refused(5007, model="@cf/a/b").message
    'No such model @cf/a/b or task'
    """
    row = CODES.get(code) or Code(code, *_MORE_CODES[code], CODES[7000].then)
    known = {name: str(value) for name, value in facts.items()}
    message = row.message.format_map(_Gaps(known))
    headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)))}
    return Refusal(
        row.status,
        code,
        f"{message}: {more}" if more else message,
        headers=headers,
        param=known.get("param"),
        kind=known.get("kind"),
    )


class _Gaps(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"({key})"


def envelope(result: Any, errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Cloudflare's: ``success`` is what ``errors`` says."""
    return {"result": result, "success": not errors, "errors": errors or [], "messages": []}


def json_answer(
    value: Any, status: int = 200, *, headers: Mapping[str, str] | None = None, code: int | None = None
) -> Answer:
    """Any value as JSON."""
    try:
        body = orjson.dumps(value)
    except TypeError:  # what a client sent comes back, and orjson writes no integers beyond 64 bits
        body = json.dumps(value).encode()
    return Answer(status, body, JSON, headers or {}, code)


def succeeded(result: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """The result in its envelope."""
    return json_answer(envelope(result), headers=headers)


def failed(refusal: Refusal) -> Answer:
    """The error in its envelope."""
    errors: list[dict[str, Any]] = [{"code": refusal.code, "message": refusal.message}]
    if refusal.code == 7003:
        errors.append({"code": 7000, "message": CODES[7000].message})
    if refusal.code == 6003:
        errors[0]["error_chain"] = [{"code": 6111, "message": "Invalid format for Authorization header"}]
    result: Any = None if refusal.code in API_CODES else {}
    return json_answer(envelope(result, errors), refusal.status, headers=refusal.headers, code=refusal.code)
