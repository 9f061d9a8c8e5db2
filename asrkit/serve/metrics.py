"""What the server counts, for Prometheus; and one line of JSON for each request, without sound and secrets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..printable import printable_json
from .answers import Answer
from .batcher import Batch

__all__ = ["Metrics", "log"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)  # seconds
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
access = logging.getLogger("asrkit.serve.access")


class Metrics:
    """The counters of one server.

    Args:
        depth: requests that wait or are worked on.
        waiting: clips before the model.
        rtfx: seconds heard per second worked.
    """

    def __init__(self, depth: Callable[[], float], waiting: Callable[[], float], rtfx: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "asrkit_requests", "Requests answered.", ("route", "model", "status", "code"), registry=registry
        )
        self._seconds = Histogram(
            "asrkit_request_seconds",
            "From the first byte to the answer.",
            ("route",),
            buckets=LATENCIES,
            registry=registry,
        )
        self._sizes = Histogram("asrkit_batch_size", "Clips decoded together.", buckets=SIZES, registry=registry)
        self._audio = Counter("asrkit_audio_seconds", "Sound that the model has heard.", registry=registry)
        self._model = Counter("asrkit_model_seconds", "Time that the model has worked.", registry=registry)
        for name, text, value in (
            ("asrkit_queue_depth", "Requests that wait or are worked on.", depth),
            ("asrkit_clips_waiting", "Clips before the model.", waiting),
            ("asrkit_rtfx", "Seconds of sound heard per second of the model's work.", rtfx),
        ):
            Gauge(name, text, registry=registry).set_function(value)

    def batch(self, batch: Batch) -> None:
        """Count a turn of the model."""
        if batch.size:  # a second try is no batch
            self._sizes.observe(batch.size)
        self._audio.inc(batch.audio_seconds)
        self._model.inc(batch.elapsed)

    def request(self, route: str, model: str, status: int, code: int | None, elapsed: float) -> None:
        """Count a request. All words must come from short lists: each new one is a series for ever."""
        self._requests.labels(route, model, str(status), "" if code is None else str(code)).inc()
        self._seconds.labels(route).observe(elapsed)

    def answer(self) -> Answer:
        """In Prometheus' text format."""
        return Answer(200, generate_latest(self._registry), MEDIA_TYPE)


def log(**facts: object) -> None:
    """One line for one request."""
    if access.isEnabledFor(logging.INFO):
        known = {name: value for name, value in facts.items() if value is not None}
        access.info(printable_json(orjson.dumps({"time": round(time.time(), 3), **known}).decode()))
