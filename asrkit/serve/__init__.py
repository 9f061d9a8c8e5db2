"""This machine's recogniser behind the REST API of Workers AI, and behind OpenAI's.

>>> import asrkit.serve
>>> settings = asrkit.serve.Settings(model="canned:hello", port=0)
>>> with asrkit.serve.background(settings) as server:  # doctest: +SKIP
...     print(server.url)
http://127.0.0.1:40123
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import MissingExtraError
from .settings import Limits, Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from .server import Running

__all__ = ["Limits", "Settings", "background", "create_app", "run"]


def create_app(settings: Settings) -> Starlette:
    """The server as an ASGI application; its models are loaded when its lifespan begins.

    Raises:
        MissingExtraError: what it is built on is not installed.
        OptionError: settings that cannot be meant.
    """
    try:
        from .app import create_app
    except ImportError as error:
        raise _missing(error) from error
    return create_app(settings)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; gives the exit status.

    Raises:
        MissingExtraError: what it is built on is not installed.
        OptionError, WeightsError: it cannot be started.
    """
    try:
        from .server import run
    except ImportError as error:
        raise _missing(error) from error
    return run(settings)


def background(settings: Settings) -> Running:
    """A server in a thread: ``with background(settings) as server: server.url``.

    Raises:
        MissingExtraError: what it is built on is not installed.
        OptionError: settings that cannot be meant.
    """
    try:
        from .server import Running
    except ImportError as error:
        raise _missing(error) from error
    return Running(settings)


def _missing(error: ImportError) -> ImportError:
    if error.name is None or error.name.startswith("asrkit"):
        return error  # not a missing package
    return MissingExtraError(
        f"{error.name.partition('.')[0]} is not installed; run: pip install 'asrkit-pandas[serve]'"
    )
