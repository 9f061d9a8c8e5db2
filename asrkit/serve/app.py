"""The routes, as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from . import cloudflare, openai, pages
from .door import Door, Handler
from .service import Service
from .settings import Settings

__all__ = ["create_app"]

GET, POST = ("GET",), ("POST",)
EXPOSED = (
    "cf-ai-req-id",
    "retry-after",
    cloudflare.IGNORED,
    cloudflare.PLAYER,
)  # headers that scripts of allowed pages may read
ACCOUNTS = ("/client/v4/accounts/{account}", "/accounts/{account}")
GATEWAYS = ("/v1/{account}/{gateway}/workers-ai", "/workers-ai")


def create_app(settings: Settings) -> Starlette:
    """The server as an ASGI application; its models are loaded when its lifespan begins.

    ``app.state.service`` is what it is made of.

    Raises:
        OptionError: settings that cannot be meant.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = Starlette(routes=_routes(service), lifespan=lifespan)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),  # whatever the clients' libraries send; who may send it is the question of origins
            expose_headers=EXPOSED,
            allow_private_network=True,
        )
    app.router.redirect_slashes = False
    app.router.default = Door(service, "other", pages.other, ("GET", "POST"), "open")
    app.state.service = service
    return app


def _routes(service: Service) -> list[Route]:
    def route(
        path: str, handler: Handler, methods: tuple[str, ...], speaks: str = "cloudflare", name: str = ""
    ) -> Route:
        return Route(path, Door(service, name or path, handler, methods, speaks))

    return [
        *(route(f"{at}/ai/run/{{model:path}}", cloudflare.run, POST, name="run") for at in ACCOUNTS),
        *(route(f"{at}/ai/run", cloudflare.run_any, POST, name="run-any") for at in ACCOUNTS),
        *(route(f"{at}/ai/models/search", cloudflare.search_models, GET, name="models-search") for at in ACCOUNTS),
        *(route(f"{at}/ai/models/schema", cloudflare.show_schema, GET, name="models-schema") for at in ACCOUNTS),
        *(route(f"{at}/ai/tasks/search", cloudflare.search_tasks, GET, name="tasks-search") for at in ACCOUNTS),
        route("/v1/audio/transcriptions", openai.transcribe, POST, "openai"),
        route("/v1/audio/translations", openai.translate, POST, "openai"),
        route("/v1/models", openai.list_models, GET, "openai"),
        route("/v1/models/{model:path}", openai.show_model, GET, "openai", name="/v1/models/{model}"),
        *(route(f"{at}/{{model:path}}", cloudflare.run, POST, name="gateway") for at in GATEWAYS),
        route("/v1/{rest:path}", openai.unknown, ("GET", "POST"), "openai", name="other"),
        route("/healthz", pages.health, GET, "open"),
        route("/metrics", pages.metrics, GET),
        route("/faults/log", pages.fault_log, GET),
        route("/openapi.json", pages.openapi, GET, "open"),
        route("/docs", pages.docs, GET, "open"),
        route("/", pages.index, GET, "open"),
    ]
