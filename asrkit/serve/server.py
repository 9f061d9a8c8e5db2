"""The application on a socket: limits that hold before a request is one, a stop that loses nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Self

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import OptionError
from .app import create_app
from .catalogue import target_name
from .exchange import CLOSE
from .metrics import access
from .service import Service
from .settings import Settings

__all__ = ["Running", "run"]

HEADER_SECONDS = 20.0  # for the first line and the headers of a request
HEADER_BYTES = 64 * 1024
CONNECTIONS = 2_000
START_SECONDS = 600.0  # for loading models


class Protocol(HttpToolsProtocol):
    """uvicorn's, with a limit on the time and the size of headers, and a way for faults to end a connection."""

    header_seconds = HEADER_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there; it has to say something."""
        super().connection_made(transport)
        self._in_headers = True
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self._stop_header_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to headers, before it is taken apart."""
        try:
            super().data_received(data)
        except httptools.HttpParserError:  # raised within the parser's own callbacks
            self._refuse(400, "Invalid HTTP request received.")
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self._refuse(431, "Request header fields too large.")

    def on_message_begin(self) -> None:
        """The first line of a request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {CLOSE: {"close": self.transport.close}}
        self._in_headers = True
        self._header_bytes = 0
        self._start_header_timer()

    def on_headers_complete(self) -> None:
        """A request has begun."""
        self._in_headers = False
        self._stop_header_timer()
        super().on_headers_complete()

    def _start_header_timer(self) -> None:
        self._stop_header_timer()
        self._header_timer = self.loop.call_later(
            self.header_seconds, self._refuse, 408, "The headers did not come in time."
        )

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self, status: int, text: str) -> None:
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status} Refused\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\n"
            self.transport.write(f"{head}connection: close\r\n\r\n{text}".encode())
            self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's, that goes on listening while it finishes its work, to tell newcomers that it is being stopped."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service
        self.is_up = threading.Event()
        self.stop_asked: float | None = None

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
        """Models first, then the socket."""
        await super().startup(sockets)
        self.is_up.set()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if self.stop_asked is not None:
            late = time.monotonic() - self.stop_asked > self.service.settings.grace
            if late or not self.service.inside:
                self.should_exit = True
        return await super().on_tick(counter)


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
    _introduce(settings, listening, server.service)
    try:
        server.run(sockets=[listening])
    except SystemExit:
        _raise_start_error(server.service)
        raise
    finally:
        access.removeHandler(handler)
        listening.close()
    if server.service.recogniser.batcher.is_working:
        # It was given its time. Python would wait for the model's thread however long that takes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _server(settings: Settings) -> _Server:
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",  # what matters is logged as asrkit.serve
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,  # the wait for work in flight is over by then
    )
    return _Server(config, app.state.service)


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
    print("\n".join(lines), flush=True)
