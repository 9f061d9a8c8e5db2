"""The application on a socket: how it starts, and a stop that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType
from typing import Any, Self

import uvicorn

from ..errors import OptionError
from .app import create_app
from .catalogue import target_name
from .connections import Connections
from .metrics import access
from .protocol import Protocol
from .service import Service
from .settings import Settings

__all__ = ["Running", "run"]

START_SECONDS = 600.0  # for loading models
THREAD_SECONDS = 0.5  # for which threads that have nothing to do any more are waited for


class _Server(uvicorn.Server):
    """uvicorn's server, that goes on listening while it finishes its work, to tell newcomers that it is being stopped.

    Args:
        config: of uvicorn.
        service: what it serves.
        connections: the open ones.
    """

    def __init__(self, config: uvicorn.Config, service: Service, connections: Connections) -> None:
        super().__init__(config)
        self.service, self.connections = service, connections
        self.is_up = threading.Event()
        self.greet: Callable[[], None] | None = None  # called once the server listens and its models are loaded
        self.stop_asked: float | None = None
        self._is_late = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal asks to finish, the second to leave."""
        if self.stop_asked is not None:
            self.should_exit = True
            self.force_exit = True
        self.stop()

    def stop(self) -> None:
        """Finish; from any thread."""
        self.service.is_stopping = True
        self.stop_asked = self.stop_asked or time.monotonic()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Models first, then the socket, then the greeting."""
        await super().startup(sockets)
        if self.greet is not None:
            self.greet()
        self.is_up.set()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times per second."""
        is_stopping = self.stop_asked is not None
        self.connections.sweep(asyncio.get_running_loop().time(), is_stopping=is_stopping)
        if self.stop_asked is not None:
            self._is_late = time.monotonic() - self.stop_asked > self.service.settings.grace
            if self._is_late or not self._is_busy:
                self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the connections and give everything back."""
        if self._is_late or self.force_exit:
            self.connections.abort()  # no wait for clients that had the whole time of grace
        await super().shutdown(sockets)

    @property
    def _is_busy(self) -> bool:
        """Whether a request is worked on, or an answer is on its way."""
        return bool(self.service.inside or self.server_state.tasks or self.connections.is_busy)


class Running:
    """A server in a thread of its own, for tests and demonstrations.

    >>> with Running(Settings(model="canned:hello", port=0)) as server:  # doctest: +SKIP
    ...     print(server.url)
    http://127.0.0.1:40123
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._server = _server(settings)
        self._socket = _listen(settings)
        self._port = int(self._socket.getsockname()[1])
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="asrkit-serve", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._server.is_up.wait(0.05):
            if not self._thread.is_alive() or time.monotonic() > until:
                self._thread.join(1)
                self._socket.close()
                _raise_start_error(self._server.service)
                raise RuntimeError("the server did not start") from self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.port}"

    @property
    def service(self) -> Service:
        """What is running, for tests."""
        return self._server.service

    def ask_to_stop(self) -> None:
        """As SIGTERM does."""
        self._server.stop()

    def stop(self) -> None:
        """Finish what is in flight and end."""
        self._server.stop()
        self._thread.join(self.settings.grace + 30)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:
            self._error = error


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; a second one does not wait for what is in flight.

    Raises:
        OptionError, WeightsError: it cannot be started.
    """
    server = _server(settings)
    listening = _listen(settings)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access.addHandler(handler)
    access.setLevel(logging.INFO)
    access.propagate = False
    server.greet = partial(_introduce, settings, listening, server.service)
    print(f"Loading {', '.join(sorted(set(server.service.catalogue.table.values())))} ...", file=sys.stderr, flush=True)
    try:
        server.run(sockets=[listening])
    except SystemExit:
        _raise_start_error(server.service)
        raise
    finally:
        access.removeHandler(handler)
        listening.close()
    _leave_working_threads()
    return 0


def _leave_working_threads() -> None:
    """End the process where a model or a decoder is still at work; Python would wait for it, however long that takes.

    It was given its time.
    """
    until = time.monotonic() + THREAD_SECONDS
    for thread in threading.enumerate():
        if thread.name.startswith("asrkit-"):
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)


def _server(settings: Settings) -> _Server:
    app = create_app(settings)
    connections = Connections(settings.limits)
    protocol: Any = partial(Protocol, watch=connections)  # uvicorn calls it as it would call the class
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",  # what matters is logged as asrkit.serve
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.limits.keep_alive_seconds,
        timeout_graceful_shutdown=1,  # the wait for work in flight is over by then
    )
    return _Server(config, app.state.service, connections)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host.strip("[]"), settings.port))
        listening.listen(2_048)
    except OSError as error:
        listening.close()
        raise OptionError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
    return listening


def _raise_start_error(service: Service) -> None:
    if service.start_error is not None:
        raise service.start_error


def _introduce(settings: Settings, listening: socket.socket, service: Service) -> None:
    """What is served, where, and how to call it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    table = service.catalogue.table
    width = max(map(len, table))
    token = ' \\\n  -H "Authorization: Bearer $ASRKIT_SERVE_TOKEN"' if settings.token else ""
    lines = [
        f"Speech recognition as Workers AI and OpenAI offer it, at {url} (stop with Ctrl-C)",
        "",
        *(f"  {name:{width}}  ->  {target}" for name, target in table.items()),
        f"  {'OpenAI: whisper-1':{width}}  ->  {target_name(settings.model)}",
        "",
        f"curl {url}/client/v4/accounts/local/ai/run/@cf/openai/whisper{token} \\\n  --data-binary @talking-llama.mp3",
        "",
        f"curl {url}/v1/audio/transcriptions{token} \\\n  -F model=whisper-1 -F file=@talking-llama.mp3",
        "",
        f"try it: {url}/   description: {url}/docs   counters: {url}/metrics",
    ]
    if settings.faults is not None:
        lines.append(f"FAULTS ARE ON: {settings.faults}   what happened: {url}/faults/log")
    with contextlib.suppress(BrokenPipeError):  # nobody reads it; the server is wanted all the same
        print("\n".join(lines), flush=True)
