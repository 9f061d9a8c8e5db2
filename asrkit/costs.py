"""What a run would cost, told before a byte is sent."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from .audio import probe, stream
from .cloudflare.models import check_options, model_of
from .cloudflare.prices import AS_OF, DOLLARS_PER_NEURON, FREE_NEURONS, Price, money, price_of
from .columns import column_of
from .errors import AsrkitError, OptionError
from .progress import Progress
from .seconds import checked_seconds
from .source import UrlSource, is_missing, locate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What transcribing some audio would cost.

    Args:
        model: that would hear it.
        rows: with audio.
        seconds: of audio, in the rows whose length is known.
        requests: that would be sent at least; long recordings are cut at pauses, which may take a few more.
        unknown: rows whose length is not known: not fetched, or not readable. They come on top.
        price: of the model; None where it runs on this machine.
    """

    model: str
    rows: int
    seconds: float
    requests: int
    unknown: int
    price: Price | None

    @property
    def minutes(self) -> float:
        """Of audio."""
        return self.seconds / 60

    @property
    def neurons(self) -> float | None:
        """Cloudflare's unit; 0 on this machine, None where no price is published."""
        return 0.0 if self.price is None else self.price.neurons(self.seconds)

    @property
    def dollars(self) -> float | None:
        """At list price, without any free allocation; 0 on this machine, None where no price is published."""
        return 0.0 if self.price is None else self.price.dollars(self.seconds)

    @property
    def free_dollars(self) -> float | None:
        """What of it one day's free allocation covers, if nothing else has used it."""
        return None if self.neurons is None else min(self.neurons, FREE_NEURONS) * DOLLARS_PER_NEURON

    def __str__(self) -> str:
        where = "on this machine at no charge" if self.price is None else f"{self.requests:,} requests or more"
        lines = [f"{self.model}: {self.rows:,} rows, {self.minutes:,.1f} min of audio, {where}"]
        if self.dollars is None or self.neurons is None or self.free_dollars is None:
            lines.append(f"  no price is published for it (as of {AS_OF}): unknown, not zero")
        elif self.price is not None:
            lines.append(
                f"  {self.neurons:,.0f} neurons, {money(self.dollars)} at list price (as of {self.price.as_of})"
            )
            lines.append(
                f"  a day's free allocation of {FREE_NEURONS:,.0f} neurons covers {money(self.free_dollars)} of it, "
                f"if nothing else uses it: {money(self.dollars - self.free_dollars)} remain"
            )
        if self.unknown:
            lines.append(f"  {self.unknown:,} rows are not in it: not fetched, or not readable")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def estimate(
    data: pd.DataFrame | Iterable[object],
    audio: object = None,
    *,
    model: object = "@cf/openai/whisper",
    start: object = None,
    end: object = None,
    progress: bool = True,
    **options: Any,
) -> Estimate:
    """What ``transcribe`` would cost, from the lengths of the recordings; nothing is sent, no credentials needed.

    Args:
        data: a frame, or cells as for ``asrkit.transcribe``.
        audio: the frame's column with paths, bytes or arrays with their rate.
        model: a name or a backend.
        start: the frame's column with the first second wanted, or one value a cell.
        end: the frame's column with the second to stop before, or one value a cell.
        progress: show a bar.
        options: those of the run, which are checked; ``longest`` changes the number of requests.

    Raises:
        ColumnError: no such column.
        OptionError: no column was named, or an option that the model does not have.

    >>> import numpy as np
    >>> minute = (np.zeros(60 * 8_000, np.int16), 8_000)
    >>> told = estimate([minute, minute, None])
    >>> told.rows, told.minutes, round(told.dollars, 6)
    (2, 2.0, 0.000905)
    >>> estimate([minute], model="@cf/openai/whisper-tiny-en").dollars is None
    True
    """
    name = model if isinstance(model, str) else str(getattr(model, "name", type(model).__name__))
    longest = _longest(name, model, options)
    cells, given_starts, given_ends = _columns(data, audio, start, end)
    starts = checked_seconds(given_starts, "start") or []
    ends = checked_seconds(given_ends, "end") or []
    seconds, rows, requests, unknown = 0.0, 0, 0, 0
    workers = min(16, max(2, os.cpu_count() or 1))
    with (
        ThreadPoolExecutor(workers, thread_name_prefix="asrkit-probe") as pool,
        Progress(len(cells), enabled=progress, description="estimate") as bar,
    ):
        for length in pool.map(_length, cells, starts, ends):
            bar.expect(length)
            bar.finish(length, 0.0, failed=False)
            if length == 0.0:
                continue
            rows += 1
            if length is None:
                unknown += 1
                continue
            seconds += length
            requests += ceil(length / longest)
    price = price_of(name) if name.startswith("@cf/") else None
    return Estimate(name, rows, seconds, requests, unknown, price)


def _longest(name: str, model: object, options: dict[str, Any]) -> float:
    """Seconds of one request; options of a service are checked as the run would."""
    from .backends.workers_ai import LONGEST, WorkersAI

    if isinstance(model, WorkersAI):
        return model.longest
    if name.startswith("@cf/"):
        own = inspect.signature(WorkersAI).parameters
        check_options(model_of(name), {option: value for option, value in options.items() if option not in own})
    return float(options.get("longest") or LONGEST)


def _columns(data: Any, audio: object, start: object, end: object) -> tuple[list[Any], Sequence[Any], Sequence[Any]]:
    if not hasattr(data, "columns"):
        cells = list(data)
        starts: Any = start if start is not None else [None] * len(cells)
        ends: Any = end if end is not None else [None] * len(cells)
        for name, values in (("start", starts), ("end", ends)):
            if len(values) != len(cells):
                raise OptionError(f"{name} has {len(values)} values for {len(cells)} cells; give one a cell")
        return cells, starts, ends
    if audio is None:
        raise OptionError("name the column with the audio: asrkit.estimate(df, 'path')")
    none = [None] * len(data)
    return (
        column_of(data, audio),
        none if start is None else column_of(data, start),
        none if end is None else column_of(data, end),
    )


def _length(cell: object, start: Any, end: Any) -> float | None:
    """Seconds; 0 where there is no audio, None where the length is not known."""
    if is_missing(cell):
        return 0.0
    if isinstance(start, AsrkitError) or isinstance(end, AsrkitError):
        return None
    first = start or 0.0
    try:
        source = locate(cell)
        if isinstance(source, UrlSource):
            return None
        seconds = probe(source).duration
        if seconds is None:  # no header tells: only the sound itself does
            seconds = sum(block.duration for block in stream(source))
    except AsrkitError:
        return None
    last = seconds if end is None else min(end, seconds)
    return max(0.0, last - first)
