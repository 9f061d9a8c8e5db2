"""The REST API of Workers AI: running models, in all its paths, and the lists of models."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

from ..cloudflare.models import MODELS, TASK, Model, schema
from ..errors import OptionError
from .answers import Answer, Refusal, refused, succeeded
from .dialects import DIALECTS
from .exchange import Exchange
from .faults import HEADER, Entry, Fault
from .queue import read_requests
from .requests import Ask, from_body, from_input, parse_object
from .service import Service

__all__ = ["no_route", "run", "run_any", "search_models", "search_tasks", "show_schema"]

PLAYER = "x-asrkit-model"  # the model of this machine that answered, percent-encoded
IGNORED = "x-asrkit-ignored"  # names the options that had no effect here
MOST_QUEUED = 10_000_000  # bytes of a request that is to be queued
PER_PAGE = 50
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")
DESCRIPTIONS = {
    "whisper": "General-purpose speech recognition: text, words with times, captions.",
    "turbo": "Speech recognition and translation with segments, words with times, captions.",
    "deepgram": "Speech recognition with words, times and confidences.",
}


# -- running a model --------------------------------------------------------------------------------------------


async def run(service: Service, exchange: Exchange) -> Answer | None:
    """``POST .../ai/run/{model}``, on Cloudflare's address or a gateway's."""
    _check_account(exchange)
    model = _model(service, exchange, exchange.path["model"].removeprefix("run/"))
    if exchange.query.get("queueRequest", "").lower() in ("true", "1"):
        return await _queue(service, exchange, model)
    async with service.body(exchange) as body:
        ask = await service.parsed(body, lambda data: from_body(model, data, exchange.query))
        body.becomes(len(ask.audio))
        return await _run(service, exchange, model, ask)


async def run_any(service: Service, exchange: Exchange) -> Answer | None:
    """``POST .../ai/run``, the model named in the body."""
    _check_account(exchange)
    async with service.body(exchange) as body:
        if not body.data:
            raise refused(3003, what="body", more='expected {"model": "@cf/...", "input": {...}}')
        given = await service.parsed(body, lambda data: parse_object(None, data))
        if not isinstance(given, dict) or not isinstance(given.get("model"), str):
            raise refused(5006, what="required properties at '/' are 'model,input'")
        model = _model(service, exchange, given["model"])
        options = given.get("options")
        if isinstance(options, dict) and options.get("rejectIfBusy") is True and service.recogniser.is_busy:
            raise refused(3040, retry_after=service.pause())
        ask = await service.parsed(body, lambda _: from_input(model, given.pop("input", None)))
        body.becomes(len(ask.audio))
        return await _run(service, exchange, model, ask)


async def _run(service: Service, exchange: Exchange, model: Model, ask: Ask) -> Answer | None:
    if ask.reject_if_busy and service.recogniser.is_busy:
        raise refused(3040, retry_after=service.pause())
    with service.place():
        if service.faults is None:
            return await _hear(service, exchange, model, ask)
        try:
            entry, fault = service.faults.begin(ask.audio, model.name, exchange.headers.get(HEADER))
        except OptionError as error:
            raise Refusal(400, 5006, str(error)) from error
        await _with_faults(service, exchange, model, ask, entry, fault)
        return None


async def _hear(service: Service, exchange: Exchange, model: Model, ask: Ask) -> Answer:
    heard = await service.hear(exchange, ask.audio, service.catalogue.targets[model.name], ask.wish)
    headers = {PLAYER: quote(service.catalogue.table[model.name], safe="/:@ ")}
    if ask.ignored:
        headers[IGNORED] = ", ".join(ask.ignored)[:1000]
    return succeeded(DIALECTS[model.dialect](heard, ask.options), headers)


async def _with_faults(
    service: Service, exchange: Exchange, model: Model, ask: Ask, entry: Entry, fault: Fault | None
) -> None:
    """Writes the answer itself, to know whether it was written."""
    assert service.faults is not None
    exchange.fault = entry.fault
    if service.faults.delay:
        await exchange.while_here(asyncio.sleep(service.faults.delay))
    if fault is not None and not fault.reaches_model:
        answer = fault.instead()
        entry.status = answer.status
        await exchange.answer(answer)
        return
    entry.billed = True
    answer = await _hear(service, exchange, model, ask)
    entry.seconds = exchange.audio_seconds
    entry.status = answer.status
    if fault is None:
        entry.answered = True
        await exchange.answer(answer)
    else:
        entry.answered = await exchange.while_here(fault.deliver(exchange, answer))


def _model(service: Service, exchange: Exchange, name: str) -> Model:
    model = service.catalogue.model(name)
    if model is None:
        exchange.model = "other"
        if not name.startswith(("@cf/", "@hf/")):
            raise no_route(exchange)
        raise refused(5007, model=name[:200])
    exchange.model = model.name
    return model


def _check_account(exchange: Exchange) -> None:
    account = exchange.path.get("account")
    if account is not None and not _ACCOUNT.fullmatch(account):
        raise no_route(exchange)


def no_route(exchange: Exchange) -> Refusal:
    """Nothing is at this path."""
    return refused(7003, path=exchange.scope["path"][:300])


# -- the asynchronous batch API ---------------------------------------------------------------------------------


async def _queue(service: Service, exchange: Exchange, model: Model) -> Answer:
    async with service.body(exchange, min(MOST_QUEUED, service.settings.max_body)) as body:
        given = await service.parsed(body, lambda data: parse_object(model, data)) if body.data else {}
        if isinstance(given, dict) and isinstance(number := given.get("request_id"), str):
            found = service.queue.result(number)
            if found is None:
                raise refused(5006, what="'/request_id' is not known, or its results were thrown away")
            return succeeded(found)
        several = given.get("requests") if isinstance(given, dict) else None
        if not isinstance(several, list) or not several:
            raise refused(
                5006, what='expected {"requests": [{...}, ...]}, or {"request_id": "..."} to ask what came of it'
            )
        requests = await service.parsed(body, lambda _: read_requests(model, several, service.queue.limits))
    number = service.queue.add(model, requests)
    return succeeded({"status": "queued", "request_id": number, "model": model.name})


# -- lists ------------------------------------------------------------------------------------------------------


async def search_models(service: Service, exchange: Exchange) -> Answer:
    """``GET .../ai/models/search``; a page past the end is empty, or SDKs would ask for ever."""
    _check_account(exchange)
    query = exchange.query
    page, per_page = _count(query.get("page"), "page", 1), _count(query.get("per_page"), "per_page", PER_PAGE)
    found = [_listed(model) for model in MODELS.values() if _matches(model, query)]
    return succeeded(found[(page - 1) * per_page : page * per_page])


async def search_tasks(service: Service, exchange: Exchange) -> Answer:
    """``GET .../ai/tasks/search``."""
    _check_account(exchange)
    page, per_page = (
        _count(exchange.query.get("page"), "page", 1),
        _count(exchange.query.get("per_page"), "per_page", 50),
    )
    return succeeded([_task()][(page - 1) * per_page : page * per_page])


async def show_schema(service: Service, exchange: Exchange) -> Answer:
    """``GET .../ai/models/schema?model=...``."""
    _check_account(exchange)
    name = exchange.query.get("model", "")
    model = service.catalogue.model(name)
    if model is None or model.schema is None:
        raise refused(5007, model=name[:200])
    return succeeded({"input": schema(model.schema, "input"), "output": schema(model.schema, "output")})


def _count(given: str | None, name: str, default: int) -> int:
    if given is None or given == "":
        return default
    if not (given.isascii() and given.isdecimal() and int(given[:9]) >= 1 and len(given) < 9):
        raise refused(5006, what=f"'/{name}' is not a number from 1 on")
    return int(given)


def _task() -> dict[str, str]:
    return {**TASK, "description": "Models that convert a speech signal, typically an audio input, to text."}


def _matches(model: Model, query: Any) -> bool:
    task, search, author = (query.get(name, "").lower() for name in ("task", "search", "author"))
    hide = query.get("hide_experimental", "").lower() == "true"
    return (
        task in ("", TASK["name"].lower())
        and search in f"{model.name} {DESCRIPTIONS[model.dialect]}".lower()
        and author in ("", model.name.split("/")[1])
        and query.get("source", "") in ("", "1")
        and not (hide and "beta" in model.properties)
    )


def _listed(model: Model) -> dict[str, Any]:
    return {
        "id": model.uuid,
        "source": 1,
        "name": model.name,
        "description": DESCRIPTIONS[model.dialect],
        "task": _task(),
        "created_at": f"{model.since} 00:00:00.000",
        "tags": [],
        "properties": [{"property_id": name, "value": "true"} for name in model.properties],
    }
