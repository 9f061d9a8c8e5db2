"""When two rows are the same: the content of their audio, what was asked of it, and what answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..audio import Audio, Encoded
from ..backends.base import Backend
from ..source import ArraySource, ByteSource, FetchedSource, FileSource, UrlSource
from ..speech import FIRST_WEIGHTS, weights_digest

__all__ = ["RESULT_VERSION", "address_digest", "canonical", "digest_of", "part_key", "question", "row_key"]

RESULT_VERSION = 2  # raised when asrkit itself decodes, cuts or joins so that the same model may give another text


def canonical(value: Any) -> str:
    """JSON with one spelling for one value.

    Raises:
        TypeError, ValueError: something in it has none.

    >>> canonical({"b": 1, "a": (0.5, None)})
    '{"a":[0.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def question(backend: Backend, *, is_language_given: bool = False) -> Mapping[str, Any]:
    """What answers, and how asrkit prepares what it hears.

    ``is_language_given``: how the language would be found out makes no difference then.
    """
    preferred = backend.preferred
    answering = dict(backend.fingerprint)
    if is_language_given:
        answering.pop("language_version", None)
    asked = {
        "asrkit": RESULT_VERSION,
        "backend": answering,
        "longest": preferred.longest,
        "speech_gate": preferred.speech_gate,
    }
    if preferred.speech_gate or preferred.longest is not None:  # speech and pauses are looked for
        detector = weights_digest()
        if detector != FIRST_WEIGHTS:
            asked["speech_detector"] = detector
    return asked


def digest_of(source: FileSource | ByteSource | FetchedSource | ArraySource) -> bytes:
    """SHA-256 of the encoded bytes; of an array, of its samples and rate.

    Raises:
        SourceError: the file cannot be opened.
    """
    match source:
        case ByteSource(data):
            return hashlib.sha256(data).digest()
        case ArraySource(samples, rate):
            about = hashlib.sha256(f"array {samples.dtype.str} {samples.shape} {rate} ".encode())
            about.update(np.ascontiguousarray(samples).data)
            return about.digest()
        case FileSource() | FetchedSource():
            with source.open() as file:
                return hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]  # any file read as bytes


def address_digest(source: UrlSource) -> bytes:
    """In place of a content that is not known before it is fetched."""
    return hashlib.sha256(f"address {source.url}".encode("utf-8", "surrogatepass")).digest()


def row_key(
    audio: bytes,
    asked: bytes,
    start: float,
    end: float | None,
    channel: int | str | None,
    language: str | None,
    track: int | str | None = None,
    format: str | None = None,  # noqa: A002 - what it is called everywhere
) -> bytes:
    """Of a row.

    Args:
        audio: its digest.
        asked: the digest of what answers.
        start: first second wanted.
        end: second to stop before.
        channel: the one to take, or ``each``.
        language: asked for this row.
        track: the one to take.
        format: what files without any header are.
    """
    told: list[Any] = [audio.hex(), asked.hex(), float(start), None if end is None else float(end), channel, language]
    if track is not None:
        told.append(["track", track])
    if format is not None:
        told.append({"format": format})
    return hashlib.sha256(canonical(told).encode()).digest()


def part_key(number: int, start: float, clip: Audio | Encoded) -> bytes:
    """Of a window of a long recording, within its row."""
    if isinstance(clip, Audio):
        content, kind = clip.samples.tobytes(), f"samples {clip.sampling_rate}"
    else:
        content, kind = clip.data, clip.format
    about = hashlib.sha256(f"{number} {start!r} {kind} ".encode())
    about.update(content)
    return about.digest()
