"""``asrkit serve``: the words of the command line -> settings."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import OptionError
from . import run as serve
from .settings import MEGABYTE, Settings

__all__ = ["add_arguments", "run"]

TOKEN_VARIABLE = "ASRKIT_SERVE_TOKEN"  # noqa: S105 - its name, not a token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``asrkit serve``."""
    own = Settings()
    add = parser.add_argument
    add(
        "--model",
        default=own.model,
        help="a name on the hub, a local folder, or canned:TEXT for fixed answers without a model (%(default)s)",
    )
    add(
        "--map",
        action="append",
        default=[],
        metavar="@cf/...=MODEL",
        help="another model for one of Workers AI's names; may be repeated",
    )
    add("--host", default=own.host, help="address to listen on; others than 127.0.0.1 need a token (%(default)s)")
    add("--port", type=int, default=own.port, help="0 takes a free one (%(default)s)")
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"file that holds the token which clients must send; else the variable {TOKEN_VARIABLE}",
    )
    add("--device", help="auto, cpu, cuda, cuda:1, mps")
    add("--precision", choices=("auto", "float32", "bfloat16", "float16"))
    add("--batch-size", type=int, help="clips decoded together; by itself what the device can take")
    add("--window", type=float, default=own.window, help="seconds that a clip waits for others (%(default)s)")
    add("--queue", type=int, default=own.queue, help="requests at once; one more gets 429 (%(default)s)")
    add("--max-body", type=float, default=own.max_body / MEGABYTE, metavar="MB", help="largest request (%(default)s)")
    add("--max-seconds", type=float, default=own.max_seconds, help="longest audio (%(default)s)")
    add("--timeout", type=float, default=own.timeout, help="seconds for a request as a whole (%(default)s)")
    add("--idle", type=float, default=own.idle, help="seconds in which a body must go on arriving (%(default)s)")
    add("--grace", type=float, default=own.grace, help="seconds for work in flight when stopped (%(default)s)")
    add(
        "--cors-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let web pages of this origin use the server, such as https://app.example.org; may be repeated; * lets in "
        "all pages and needs a token",
    )
    add(
        "--no-isolate",
        action="store_true",
        help="decode in this process, where a broken file may end the server; a little less memory",
    )
    add("--faults", metavar="SPEC", help="errors on purpose, to test clients: header,mix=0.1,seed=7,delay=0.2")


def run(options: argparse.Namespace) -> int:
    """Serve; gives the exit status.

    Raises:
        OptionError: options that cannot be meant.
    """
    return serve(settings(options))


def settings(options: argparse.Namespace) -> Settings:
    """What the options say."""
    pairs = [text.partition("=") for text in options.map]
    if wrong := [name for name, equals, target in pairs if not (name and equals and target)]:
        raise OptionError(f"--map {wrong[0]}: expected @cf/...=MODEL")
    return Settings(
        model=options.model,
        map={name: target for name, _, target in pairs},
        host=options.host,
        port=options.port,
        token=_token(options.token_file),
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
        window=options.window,
        queue=options.queue,
        max_body=int(options.max_body * MEGABYTE),
        max_seconds=options.max_seconds,
        timeout=options.timeout,
        idle=options.idle,
        grace=options.grace,
        faults=options.faults,
        isolate=not options.no_isolate,
        cors_origins=tuple(options.cors_origin),
    )


def _token(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip() or None
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"--token-file {path}: {getattr(error, 'strerror', None) or 'no text'}") from error
    if not token:
        raise OptionError(f"--token-file {path} is empty")
    return token
