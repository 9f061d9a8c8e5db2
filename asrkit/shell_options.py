"""``--option NAME=VALUE`` -> the options of a model: a value is what the model takes under this name."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .errors import OptionError

__all__ = ["further_options", "joined_options"]

# Arguments of the calls behind the commands, which have options of their own in a shell or none.
NOT_OF_MODELS = frozenset(
    [
        "model",
        "cells",
        "audio",
        "inputs",
        "out",
        "on",
        "into",
        "start",
        "end",
        "channel",
        "track",
        "format",
        "details",
        "overwrite",
        "keep_audio",
        "errors",
        "progress",
        "journal",
        "retry_failed",
        "resend_unsettled",
        "isolate",
        "allow_private_urls",
        "dry_run",
        "encoding",
        "shard_hours",
        "workers",
        "transport",
    ]
)
TEXT = frozenset({"str", "str | None"})  # annotations of options that are text, whatever the text looks like


def further_options(told: Sequence[str], model: str) -> dict[str, Any]:
    """The options by their names. A name that comes several times has a list of all its values.

    A value is JSON where it is some (``true``, ``0.5``, ``["a", "b"]``), else text; of an option that takes text it is
    text, such as ``keyterm=2024``.

    Args:
        told: ``NAME=VALUE``.
        model: its name.

    Raises:
        OptionError: no name, no value, or a name that is no option of models.

    >>> further_options(["keyterm=2024", "keyterm=AC/DC", "diarize=true"], "@cf/deepgram/nova-3")
    {'keyterm': ['2024', 'AC/DC'], 'diarize': True}
    """
    texts, lists = _text_options(model)
    options: dict[str, Any] = {}
    for text in told:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise OptionError(f"expected --option NAME=VALUE, got {text!r}")
        if name in NOT_OF_MODELS:
            raise OptionError(f"--option {text}: {name} is no option of a model; --help has the options of the command")
        read = _read(value)
        if (name in texts or name in lists) and not (name in lists and isinstance(read, list)):
            read = value
        if name in options:
            before = options[name] if isinstance(options[name], list) else [options[name]]
            read = [*before, *(read if isinstance(read, list) else [read])]
        options[name] = read
    return options


def joined_options(named: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Options that the command has, such as ``--timestamps``, and those that were given by ``--option``.

    Raises:
        OptionError: one was given in both ways.
    """
    for name in further:
        if named.get(name) is not None:
            raise OptionError(f"{name} was given twice: by --{name.replace('_', '-')} and by --option {name}=")
    return {**named, **further}


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _text_options(model: str) -> tuple[Collection[str], Collection[str]]:
    """The names of options that take text, and of those that take one text or several."""
    kind: Any
    if model.startswith("@cf/"):
        from .backends.workers_ai import WorkersAI
        from .cloudflare.models import model_of

        kind, known = WorkersAI, model_of(model)
        texts = {name for name, told in known.options.items() if told.get("type") == "string"}
        lists: Collection[str] = known.lists
    else:
        from .backends.whisper import Whisper

        kind, texts, lists = Whisper, set(), ()
    parameters = inspect.signature(kind).parameters.values()
    return texts | {parameter.name for parameter in parameters if parameter.annotation in TEXT}, lists
