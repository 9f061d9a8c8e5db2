"""A clip and its options -> what is sent: the sound in the shape that a model takes, the options where it has them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from ..audio import Encoded
from .models import Model

__all__ = ["Query", "message"]

Query = list[tuple[str, str | int | float | bool | None]]  # names may come several times


def message(model: Model, shape: str, clip: Encoded, options: Mapping[str, Any]) -> tuple[bytes, dict[str, str], Query]:
    """Body, headers and query of a request; in a query a list is a parameter for each of its items.

    >>> model = Model("@cf/a/b", None, ("raw",), "deepgram", "query", None)
    >>> message(model, "raw", Encoded(b"fLaC", "flac", 1.0), {"keyterm": ["a", "b"], "diarize": True})
    (b'fLaC', {'Content-Type': 'audio/flac'}, [('keyterm', 'a'), ('keyterm', 'b'), ('diarize', 'true')])
    """
    if shape == "raw":
        query: Query = [
            (name, str(item).lower() if isinstance(item, bool) else str(item))
            for name, value in options.items()
            for item in (value if isinstance(value, list) else [value])
        ]
        return clip.data, {"Content-Type": clip.media_type}, query
    audio = base64.b64encode(clip.data).decode() if shape == "base64" else list(clip.data)
    encoding = {"encoding": clip.format} if clip.format in model.encodings else {}
    body = json.dumps({"audio": audio, **options, **encoding}, separators=(",", ":")).encode()
    return body, {"Content-Type": "application/json"}, []
