"""What is served beside the APIs: the page to try it, its files, health, counters, the faults' log."""

from __future__ import annotations

import mimetypes
from contextlib import suppress
from pathlib import Path

from .answers import Answer, Refusal, json_answer, refused
from .cloudflare import no_route
from .exchange import Exchange
from .service import Service

__all__ = ["docs", "fault_log", "health", "index", "metrics", "openapi", "other"]

STATIC = Path(__file__).parent / "static"
FENCE = "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
OF_PAGE = f"default-src 'self'; media-src 'self' blob:; {FENCE}"
OF_DOCS = f"default-src 'self' 'unsafe-inline'; {FENCE}"  # one page with its style in it


async def health(service: Service, exchange: Exchange) -> Answer:
    """``GET /healthz``."""
    if service.is_stopping or not service.is_ready:
        return json_answer({"status": "stopping" if service.is_stopping else "starting"}, 503)
    return json_answer({"status": "ok"})


async def metrics(service: Service, exchange: Exchange) -> Answer:
    """``GET /metrics``."""
    return service.metrics.answer()


async def fault_log(service: Service, exchange: Exchange) -> Answer:
    """``GET /faults/log``, only where faults are asked for."""
    if service.faults is None:
        raise refused(7000)
    return json_answer(service.faults.log())


async def index(service: Service, exchange: Exchange) -> Answer:
    """``GET /``."""
    return _file("index.html")


async def other(service: Service, exchange: Exchange) -> Answer:
    """Every other path: a file of the page, else nothing."""
    path = exchange.scope["path"]
    if exchange.scope["method"] != "POST":
        with suppress(Refusal):
            return _file(path.removeprefix("/static").removeprefix("/"))
    raise no_route(exchange) if "/accounts" in path else refused(7000)


async def openapi(service: Service, exchange: Exchange) -> Answer:
    """``GET /openapi.json``."""
    from .openapi import description

    return json_answer(description(service.settings.token is not None))


async def docs(service: Service, exchange: Exchange) -> Answer:
    """``GET /docs``."""
    from .openapi import description, page

    html = page(description(service.settings.token is not None), service.catalogue.table)
    return Answer(200, html.encode(), "text/html; charset=utf-8", _policy(OF_DOCS))


def _policy(content: str) -> dict[str, str]:
    return {"Content-Security-Policy": content, "Referrer-Policy": "no-referrer"}


def _file(name: str) -> Answer:
    """A file of the folder. The name is looked up in a list, so no name leads out of it."""
    files = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.is_file()}
    path = files.get(name)
    if path is None:
        raise refused(7000)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind in ("application/javascript", "application/json", "image/svg+xml"):
        kind += "; charset=utf-8"
    return Answer(200, path.read_bytes(), kind, _policy(OF_PAGE))
